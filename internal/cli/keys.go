package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

func keysCommand() *cobra.Command {
	c := &cobra.Command{Use: "keys", Short: "The keys: what there is, new ones, getting back in"}
	c.AddCommand(keysStatusCommand(), keysRotateCommand(), keysRecoverCommand(), keysPublicCommand())
	return c
}

func keysStatusCommand() *cobra.Command {
	c := &cobra.Command{Use: "status", Short: "Seals, shares and keys; no secret is shown"}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return f.desk(c, false, func(d desk.Desk, _ *draft) error {
			st, err := d.Keys(c.Context())
			if err != nil {
				return err
			}
			return f.show(c, st, func(w io.Writer) { printKeys(w, st) })
		})
	}
	return c
}

func printKeys(w io.Writer, st vault.Status) {
	fmt.Fprintf(w, "Key book of %s, revision %d, changed %s\n\n", st.Lab, st.Revision, clock(st.Changed))
	rows := [][]string{}
	for _, s := range st.Seals {
		opens := "by itself"
		if s.NeedsPerson {
			opens = "by a person"
		}
		rows = append(rows, []string{s.ID, s.Kind, opens, clock(s.Created)})
	}
	table(w, "SEAL|KIND|OPENS|MADE", rows)
	if r := st.Recovery; r != nil {
		fmt.Fprintf(w, "\nRecovery: any %d of %d shares, set %s, made %s\n\n", r.Threshold, r.Shares, r.Set, clock(r.Created))
	} else {
		fmt.Fprint(w, "\nRecovery: there are no shares.\n\n")
	}
	rows = rows[:0]
	for _, k := range st.Keys {
		use := "older records"
		if k.Current {
			use = "current"
		}
		rows = append(rows, []string{fmt.Sprint(k.ID), string(k.Purpose), use, clock(k.Created)})
	}
	table(w, "KEY|PURPOSE|USE|MADE", rows)
	for _, r := range st.Rewrap {
		switch {
		case r.Stuck > 0:
			fmt.Fprintf(w, "\n%s: %d records under an older key do not open, so that key stays. `labwarden ledger verify` names them.\n", r.Purpose, r.Stuck)
		case r.Left > 0:
			fmt.Fprintf(w, "\n%s: %d records are still under an older key; %d were carried over. It goes on in the background.\n", r.Purpose, r.Left, r.Done)
		default:
			fmt.Fprintf(w, "\n%s: no record is under an older key any more; the key is destroyed an hour after the last one.\n", r.Purpose)
		}
	}
	fmt.Fprintln(w, "\nPublic keys that verify our proofs (give them to partners and auditors):")
	for _, s := range st.Signers {
		until := ""
		if s.Retired != nil {
			until = "  until " + clock(*s.Retired)
		}
		fmt.Fprintf(w, "  %s  since %s%s\n", s.VerifierKey, clock(s.Created), until)
	}
	for _, x := range st.Warnings {
		fmt.Fprintf(w, "\n%s\n", x)
	}
}

func keysRotateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate PURPOSE...",
		Short: "Make new keys; older records stay readable",
		Long: `Make a new key for each purpose named (see ` + "`labwarden keys status`" + `), or a new signing
key for "signer". New records use it at once. Older ones stay readable by theirs and
are carried over in the background; ` + "`labwarden keys status`" + ` says how far that is.
An old key is destroyed once nothing has used it for an hour.
After rotating the signer give partners the new public key.

The key "index" is not rotated: repeated messages are recognised, waiting results kept
in order and legal holds found by values made with it, and with two keys at once a
result could overtake its correction. It is never used to encrypt.`,
		Args: cobra.MinimumNArgs(1),
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
		r, err := client.Rotate(c.Context(), args, *reason)
		if err != nil {
			return err
		}
		return f.show(c, r, func(w io.Writer) {
			fmt.Fprintf(w, "New keys for %s are in use.\n", strings.Join(r.Rotated, ", "))
			for _, x := range r.Rotated {
				if x == "signer" && len(r.Keys.Signers) > 0 {
					fmt.Fprintf(w, "The new public key for partners and auditors:\n%s\n", r.Keys.Signers[0].VerifierKey)
				}
			}
		})
	}
	return c
}

var errNoShares = errors.New("no share was given: name files with --share, or type the shares, an empty line between them")
