package cli

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

func sendAloneCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "send-alone DELIVERY",
		Short: "Send a correction without the original it waits behind",
		Long: `Send a correction that waits behind an original which is not acknowledged, as its
complete replacement. The hub checks that every order and observation of the original is
in the correction again, with a final status and a value, and refuses otherwise. The
original is kept, marked superseded, and never delivered. Other results keep their place.

DELIVERY is the correction's number before the partner in labwarden results list.`,
		Args: cobra.ExactArgs(1),
	}
	f, by, reason := addHubFlags(c), byFlag(c), reasonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := needBoth(c, *by, *reason); err != nil {
			return err
		}
		n, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil || n < 0 {
			return usageError{c.CommandPath(), fmt.Errorf("%q is not the number of a delivery: `labwarden results list` shows it before the partner", args[0])}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		x, err := client.SendAlone(c.Context(), n, control.Named{By: *by, Reason: *reason})
		if err != nil {
			return err
		}
		return f.show(c, x, func(w io.Writer) {
			fmt.Fprintf(w, "Delivery %d goes alone (recorded for %s).\n", x.Delivery, x.By)
			for _, o := range x.Superseded {
				fmt.Fprintf(w, "Delivery %d is superseded and is never sent.\n", o)
			}
		})
	}
	return c
}
