package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/node/enrolment"
)

func certCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "cert",
		Short: "Fetch and renew a certificate of a laboratory; pin a partner's own",
	}
	c.AddCommand(certEnrolCommand(), certRenewCommand(), certImportCommand(), certPinsCommand(), certUnpinCommand())
	return c
}

func certEnrolCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "enrol TOKEN --out FOLDER",
		Short: "On the other machine: make a key and fetch its certificate with a one-time token",
		Long: `Make a private key on this machine and fetch a certificate for it with the token that
the laboratory gave you. No configuration and no hub is needed here. FOLDER then holds
identity.pem (key and certificates in one file, which curl, nginx and most programs
take as both) and ca.pem (whom to believe). Keep it renewed with
labwarden cert renew FOLDER --watch.`,
		Args: cobra.ExactArgs(1),
	}
	out := c.Flags().String("out", "", "folder for key and certificate (needed)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *out == "" {
			return usageError{c.CommandPath(), errors.New("say where key and certificate go: --out FOLDER")}
		}
		leaf, err := (&enrolment.Client{Dir: *out, Now: time.Now}).Enrol(c.Context(), args[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "%s has its certificate until %s: %s\nKeep it renewed: labwarden cert renew %s --watch\n",
			leaf.Subject.CommonName, clock(leaf.NotAfter), filepath.Join(*out, enrolment.IdentityFile), *out)
		return nil
	}
	return c
}

func certRenewCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "renew FOLDER",
		Short: "On the other machine: renew the certificate of a folder, by itself with --watch",
		Long: `Renew the certificate of a folder that labwarden cert enrol made, by showing the
present one. With --watch it stays and renews each time two thirds of the life are
over; what fails is tried again every ten minutes. The new key and certificate replace
identity.pem whole. One that has ended takes a new token.`,
		Args: cobra.ExactArgs(1),
	}
	watch := c.Flags().Bool("watch", false, "stay, and renew in time")
	c.RunE = func(c *cobra.Command, args []string) error {
		client := &enrolment.Client{Dir: args[0], Now: time.Now}
		if *watch {
			return client.Watch(c.Context(), func(s string) { fmt.Fprintln(c.OutOrStdout(), s) }, enrolment.Sleep)
		}
		leaf, err := client.Renew(c.Context())
		if err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "Renewed: %s until %s.\n", leaf.Subject.CommonName, clock(leaf.NotAfter))
		return nil
	}
	return c
}

// whose reads --partner or --source.
func whose(c *cobra.Command) func() (string, error) {
	partner := c.Flags().String("partner", "", "the partner whose certificate it is")
	source := c.Flags().String("source", "", "or the source")
	return func() (string, error) {
		switch {
		case *partner != "" && *source == "":
			return "partner " + *partner, nil
		case *source != "" && *partner == "":
			return "source " + *source, nil
		}
		return "", usageError{c.CommandPath(), errors.New("say whose it is: --partner NAME or --source NAME")}
	}
}

func certImportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "import --partner|--source NAME FILE",
		Short: "Pin a partner's own certificate for its channel",
		Long: `Pin the certificate of FILE (PEM or DER) for one channel. With pinned: true in that
channel's tls section it is let in, and no other that is not named there; it enters the
calendar of what ends. Compare its fingerprint with the partner by telephone first. A
renewed one is imported beside the old one; take the old one out with cert unpin.`,
		Args: cobra.ExactArgs(1),
	}
	f, of := addHubFlags(c), whose(c)
	owner := c.Flags().String("owner", "", "who sees to its end; alarms.date_owner when absent")
	c.RunE = func(c *cobra.Command, args []string) error {
		channel, err := of()
		if err != nil {
			return err
		}
		b, err := readLimited(args[0])
		if err != nil {
			return err
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		p, err := client.ImportCertificate(c.Context(), control.ImportAsk{Channel: channel, PEM: b, Owner: *owner})
		if err != nil {
			return err
		}
		return f.show(c, p, func(w io.Writer) {
			fmt.Fprintf(w, "Pinned for %s until %s: %s\nSHA-256 %s\nCompare it with them by telephone.\n", p.Channel, day(p.Ends), printable(p.Subject), grouped(p.Fingerprint))
		})
	}
	return c
}

func certPinsCommand() *cobra.Command {
	c := &cobra.Command{Use: "pins", Short: "Certificates of others that are pinned, what ends first in front"}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		list, err := client.PinnedCertificates(c.Context())
		if err != nil {
			return err
		}
		return f.show(c, list, func(w io.Writer) {
			if len(list.Pins) == 0 {
				fmt.Fprintln(w, "No certificate of others is pinned.")
				return
			}
			rows := make([][]string, len(list.Pins))
			for i, p := range list.Pins {
				rows[i] = []string{p.Channel, printable(p.Subject), day(p.Ends), dash(p.Owner), p.ID, p.Fingerprint}
			}
			table(w, "CHANNEL|SUBJECT|ENDS|OWNER|ID|SHA-256", rows)
		})
	}
	return c
}

func certUnpinCommand() *cobra.Command {
	c := &cobra.Command{Use: "unpin ID", Short: "Take a pinned certificate out: it is refused at once, and its connections are cut", Args: cobra.ExactArgs(1)}
	f, reason := addHubFlags(c), reasonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := needReason(c, *reason); err != nil {
			return err
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		p, err := client.UnpinCertificate(c.Context(), control.UnpinAsk{ID: args[0], Reason: *reason})
		if err != nil {
			return err
		}
		return f.show(c, p, func(w io.Writer) { fmt.Fprintf(w, "%s no longer gets in by this certificate.\n", p.Channel) })
	}
	return c
}
