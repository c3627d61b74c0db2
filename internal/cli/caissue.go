package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/certificates"
)

func caTokenCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "token --for device|partner|service NAME",
		Short: "Make a one-time token, with which the other side fetches its certificate",
		Long: `Make a one-time token. On the other machine labwarden cert enrol TOKEN makes a key,
fetches the certificate and keeps renewing it with labwarden cert renew --watch. The
token holds the root's fingerprint, so that the other side knows whom it talks to;
it can be used once, for a day unless --valid says otherwise. Give it to the person
who sets up the other side, not by the same way as anything else about it.

NAME is the source or partner as the configuration calls it: with own_ca a channel
lets in certificates of its own name only.`,
		Args: cobra.ExactArgs(1),
	}
	f := addHubFlags(c)
	kind := c.Flags().String("for", "", "device, partner or service (needed)")
	names := c.Flags().StringSlice("names", nil, "host names and addresses in the certificate, where the other side is a server")
	days := c.Flags().Int("days", 30, "life of the certificate; it renews itself")
	valid := c.Flags().Duration("valid", 24*time.Hour, "how long the token may be used")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *kind == "" {
			return usageError{c.CommandPath(), errors.New("say what it is for: --for device, partner or service")}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		t, err := client.EnrolToken(c.Context(), control.TokenAsk{Kind: *kind, Name: args[0], Names: *names, Days: *days, Seconds: int64(*valid / time.Second)})
		if err != nil {
			return err
		}
		return f.show(c, t, func(w io.Writer) {
			fmt.Fprintln(c.ErrOrStderr(), "Usable once, until "+clock(t.Until)+". It is not shown again.")
			fmt.Fprintln(w, t.Token)
		})
	}
	return c
}

func caSSHCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ssh --partner NAME KEY.pub",
		Short: "Sign a partner's SSH public key for its box",
		Long: `Sign a partner's SSH public key for its box on our SFTP server. The certificate is for
that partner only, allows no terminal and no forwarding, and can be revoked. Save it
beside the private key as KEY-cert.pub: OpenSSH then shows it by itself.`,
		Args: cobra.ExactArgs(1),
	}
	f := addHubFlags(c)
	partner := c.Flags().String("partner", "", "the partner, as the configuration calls it (needed)")
	days := c.Flags().Int("days", 30, "life of the certificate, up to 90")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *partner == "" {
			return usageError{c.CommandPath(), errors.New("say whose key it is: --partner NAME")}
		}
		key, err := readLimited(args[0])
		if err != nil {
			return err
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		x, err := client.SignSSH(c.Context(), control.SignSSH{Partner: *partner, Key: string(key), Days: *days})
		if err != nil {
			return err
		}
		return f.show(c, x, func(w io.Writer) {
			fmt.Fprintf(c.ErrOrStderr(), "Serial %s, until %s.\n", x.Issued.Serial, clock(x.Issued.Ends))
			fmt.Fprint(w, x.Certificate)
		})
	}
	return c
}

func issuedState(x certificates.Issued, now time.Time) string {
	switch {
	case !x.Revoked.IsZero():
		return "revoked " + day(x.Revoked)
	case !now.Before(x.Ends):
		return "ended"
	case !x.Renewed.IsZero():
		return "renewed"
	case x.Late(now):
		return "NOT RENEWED"
	}
	return "good"
}

func caListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "What was issued, what ends first in front"}
	f, all := addHubFlags(c), c.Flags().Bool("all", false, "also what was renewed, revoked or has ended")
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		list, err := client.IssuedCertificates(c.Context(), *all)
		if err != nil {
			return err
		}
		return f.show(c, list, func(w io.Writer) {
			if len(list.Certificates) == 0 {
				fmt.Fprintln(w, "Nothing was issued that is still good.")
				return
			}
			now := time.Now()
			rows := make([][]string, len(list.Certificates))
			for i, x := range list.Certificates {
				rows[i] = []string{x.Identity.String(), issuedState(x, now), day(x.Ends), x.Form, dash(strings.Join(x.Names, ",")), x.Via, x.Serial}
			}
			table(w, "FOR|STATE|ENDS|FORM|NAMES|BY|SERIAL", rows)
		})
	}
	return c
}

func caRevokeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke SERIAL | revoke device|partner|service NAME",
		Short: "Revoke a certificate, or all of somebody, at once",
		Long: `Revoke a certificate by its serial number, or all that live of somebody. Every
listener refuses them from this moment, on every node within a second, and live
connections are cut. If a key was lost or stolen revoke all of that name: a thief may
have renewed.`,
		Args: cobra.RangeArgs(1, 2),
	}
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
		list, err := client.RevokeCertificates(c.Context(), control.RevokeAsk{What: strings.Join(args, " "), Reason: *reason})
		if err != nil {
			return err
		}
		return f.show(c, list, func(w io.Writer) {
			for _, x := range list.Certificates {
				fmt.Fprintf(w, "Revoked: %s, serial %s.\n", x.Identity, x.Serial)
			}
		})
	}
	return c
}
