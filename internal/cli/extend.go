package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/desk"
)

func extendCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "extend partner|source NAME",
		Short: "Let a channel go on for 72 hours past a date, by a person's decision",
		Long: `Let one partner's or source's channel go on for 72 hours past the end of its
exception or of the certificate it shows. Until then an ended certificate that is
right in everything else is let in; connections that stand are never cut by a date.

The decision goes into the ledger with your name and the reason. It can be made
again, and never adds up to more than 72 hours ahead. A certificate of ours that
has ended is judged by others and cannot be extended here: renew it, then run
labwarden reload.`,
		Args: cobra.ExactArgs(2),
	}
	f, reason := addHubFlags(c), reasonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if args[0] != "partner" && args[0] != "source" {
			return usageError{c.CommandPath(), errors.New("say `partner NAME` or `source NAME`")}
		}
		if err := needReason(c, *reason); err != nil {
			return err
		}
		return f.desk(c, false, func(d desk.Desk, _ *draft) error {
			x, err := d.Extend(c.Context(), args[0]+" "+args[1], *reason)
			if err != nil {
				return err
			}
			return f.show(c, x, func(w io.Writer) {
				fmt.Fprintf(w, "%s may go on until %s (recorded for %s).\n", x.Channel, clock(x.Until), x.By)
			})
		})
	}
	return c
}
