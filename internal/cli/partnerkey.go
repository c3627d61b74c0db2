package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/channel/envelope"
	"github.com/labwarden/labwarden/internal/domain/partners/keys"
)

func partnerKeyCommand() *cobra.Command {
	c := &cobra.Command{Use: "key", Short: "Keys that a partner's results are encrypted to"}
	c.AddCommand(partnerKeyListCommand(), partnerKeyAddCommand(), partnerKeyCompareCommand(), partnerKeyUseCommand(),
		partnerKeyEndCommand("retire", "End a key that another has taken the place of, or that was never used"),
		partnerKeyEndCommand("revoke", "End a key that must not be used any more; where it was the only one, results wait"))
	return c
}

func partnerKeyListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list PARTNER", Short: "The keys of a partner, the newest first", Args: cobra.ExactArgs(1)}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		all, err := client.PartnerKeys(c.Context(), args[0])
		if err != nil {
			return err
		}
		return f.show(c, all, func(w io.Writer) {
			rows := [][]string{}
			for _, k := range all {
				ends := "none"
				if !k.Ends.IsZero() {
					ends = k.Ends.Format(time.DateOnly)
				}
				rows = append(rows, []string{k.ID, k.State, k.Kind, k.Strength, ends, strings.Join(keys.Groups(k.Fingerprint), " ")})
			}
			table(w, "KEY|STATE|KIND|STRENGTH|ITS OWN END|FINGERPRINT", rows)
		})
	}
	return c
}

func partnerKeyAddCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "add PARTNER FILE|--age age1...",
		Short: "Propose a key; it is used for nothing yet",
		Long: `Propose a key for a partner: a file with an age recipient, an OpenPGP public key or
an S/MIME certificate. Then compare its fingerprint with them by phone (labwarden
partner key compare), and let another person take it into use.

A private key that was sent by mistake is refused and not stored.`,
		Args: cobra.RangeArgs(1, 2),
	}
	f := addHubFlags(c)
	recipient := c.Flags().String("age", "", "an age recipient instead of a file")
	weak := c.Flags().String("weak", "", "why an RSA key of less than 3072 bits is taken; it goes into the record")
	c.RunE = func(c *cobra.Command, args []string) error {
		if (len(args) == 2) == (*recipient != "") {
			return usageError{c.CommandPath(), errors.New("name the file of the key, or give --age age1...")}
		}
		file := []byte(*recipient)
		if len(args) == 2 {
			var err error
			if file, err = readUpTo(args[1], envelope.MaxPublicKey); err != nil {
				return usageError{c.CommandPath(), err}
			}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		k, err := client.AddPartnerKey(c.Context(), args[0], control.AddPartnerKey{File: file, WeakReason: *weak})
		if err != nil {
			return err
		}
		return f.show(c, k, func(w io.Writer) {
			ours, theirs := keys.Halves(k.Fingerprint)
			fmt.Fprintf(w, "%s, %s, was added and is not used yet.\n\n", k.Kind, k.Strength)
			fmt.Fprintf(w, "Call them by a number you had before. Read these %d groups to them:\n\n  %s\n\n", len(ours), strings.Join(ours, " "))
			fmt.Fprintf(w, "Let them read the other %d groups to you, and write what you heard:\n\n  labwarden partner key compare %s --with NAME --number NUMBER --heard \"...\"\n", len(theirs), k.ID)
		})
	}
	return c
}

func partnerKeyCompareCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "compare KEY --with NAME --heard GROUPS", Short: "Write down that its fingerprint was compared with the partner", Args: cobra.ExactArgs(1),
		Long: `Write down that the fingerprint was compared: you read the first half to somebody at
the partner's, and they read the second half to you. What they read is checked.`,
	}
	f := addHubFlags(c)
	var in control.PartnerKeyAct
	c.Flags().StringVar(&in.With, "with", "", "whom you compared with (needed)")
	c.Flags().StringVar(&in.How, "how", keys.ByPhone, "phone, \"in person\", video or letter")
	c.Flags().StringVar(&in.Number, "number", "", "the number you called: one you had before")
	c.Flags().StringVar(&in.Half, "heard", "", "the second half of the fingerprint as they read it (needed)")
	c.RunE = func(c *cobra.Command, args []string) error {
		return actOnPartnerKey(c, f, args[0], "compare", in, "It was compared. Another person takes it into use.")
	}
	return c
}

func partnerKeyUseCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "use KEY", Short: "Take a compared key into use; never by whoever added it", Args: cobra.ExactArgs(1),
		Long: `Take a compared key into use, from now or from a day on. The keys in use go on
beside it for the days of --overlap, so that a partner that still uses the old one
opens what is sent; then they leave it the place.`,
	}
	f := addHubFlags(c)
	from := c.Flags().String("from", "", "the day from which it is used, YYYY-MM-DD; now where it is left out")
	overlap := c.Flags().Int("overlap", 14, "days with both keys, 0 to 90; 0 where the old one is of another kind")
	c.RunE = func(c *cobra.Command, args []string) error {
		in := control.PartnerKeyAct{Overlap: *overlap}
		if *from != "" {
			var err error
			if in.From, err = time.ParseInLocation(time.DateOnly, *from, time.Local); err != nil {
				return usageError{c.CommandPath(), errors.New("write --from as 2027-05-31")}
			}
		}
		return actOnPartnerKey(c, f, args[0], "use", in, "It was taken into use.")
	}
	return c
}

func partnerKeyEndCommand(act, short string) *cobra.Command {
	c := &cobra.Command{Use: act + " KEY", Short: short, Args: cobra.ExactArgs(1)}
	f, reason := addHubFlags(c), reasonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := needReason(c, *reason); err != nil {
			return err
		}
		return actOnPartnerKey(c, f, args[0], act, control.PartnerKeyAct{Reason: *reason}, "It was "+act+"d.")
	}
	return c
}

func actOnPartnerKey(c *cobra.Command, f *hubFlags, id, act string, in control.PartnerKeyAct, done string) error {
	client, err := f.client(c)
	if err != nil {
		return err
	}
	defer client.Close()
	k, err := client.ActOnPartnerKey(c.Context(), id, act, in)
	if err != nil {
		return err
	}
	return f.show(c, k, func(w io.Writer) { fmt.Fprintln(w, done) })
}
