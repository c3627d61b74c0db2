package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/domain/results"
)

// openOffline opens the laboratory without running it, under the data folder's lock.
func openOffline(c *cobra.Command, path string) (*app.Hub, *results.Settings, error) {
	conf, err := loadConfig(path, time.Now(), c.ErrOrStderr())
	if err != nil {
		return nil, nil, err
	}
	seals, err := app.Seals(&conf.Node, nil)
	if err != nil {
		return nil, nil, err
	}
	h, err := app.Open(c.Context(), conf, seals, app.Deps{Now: time.Now, Log: logger(conf.Log, c.ErrOrStderr()), Node: "offline"})
	if err != nil {
		return nil, nil, err
	}
	set, err := h.Offline(conf)
	if err != nil {
		return nil, nil, errors.Join(err, h.Close())
	}
	return h, set, nil
}

func runAudit(c *cobra.Command, path string, asJSON bool) (err error) {
	h, set, err := openOffline(c, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	h.Results.Apply(set)
	last := time.Now()
	a, err := h.Audit(c.Context(), func(done, total int64) error {
		if time.Since(last) > 2*time.Second {
			last = time.Now()
			fmt.Fprintf(c.ErrOrStderr(), "%d of %d entries\n", done, total)
		}
		return nil
	})
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(a); err != nil {
			return fmt.Errorf("print report: %w", err)
		}
	} else {
		fmt.Fprintf(out, "Ledger: %d entries, root %s\n", a.Leaves, a.Root)
		fmt.Fprintf(out, "Rows: %d messages (%d erased), %d deliveries (%d completed), %d in quarantine, %d control ids, %d checkpoints\n",
			a.Messages, a.Erased, a.Deliveries, a.Delivered, a.Quarantined, a.Controls, a.Checkpoints)
		for _, f := range a.Findings {
			fmt.Fprintln(out, f)
		}
		switch {
		case len(a.Findings) == 0:
			fmt.Fprintln(out, "Every row fits the ledger, and the ledger fits itself. That nothing was taken off its end only a witness can say.")
		case a.Cut:
			fmt.Fprintf(out, "%d findings, the first %d of which are named above.\n", a.Found, len(a.Findings))
		default:
			fmt.Fprintf(out, "%d findings: rows were changed, moved or removed.\n", len(a.Findings))
		}
	}
	if len(a.Findings) > 0 {
		return errSilent
	}
	return nil
}

func keysPublicCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "public",
		Short: "Print the laboratory's public keys, the file lab.pub of `labwarden verify`",
		Long: `Print every public key the laboratory ever signed with, the current one first:
what partners and auditors need to check proofs.`,
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		return f.desk(c, false, func(d desk.Desk, _ *draft) error {
			st, err := d.Keys(c.Context())
			if err != nil {
				return err
			}
			return f.show(c, st.Signers, func(w io.Writer) {
				for _, k := range st.Signers {
					fmt.Fprintln(w, k.VerifierKey)
				}
			})
		})
	}
	return c
}
