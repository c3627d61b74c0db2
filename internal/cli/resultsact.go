package cli

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

// act is what a person may do to a delivery.
type act struct{ name, short, long, done string }

func acts() []act {
	return []act{
		{"hold", "Stop waiting deliveries until they are released", "Hold deliveries that wait: a clinical stop of each, for a day, in your name. What belongs\nto the same patient or order waits behind them. For more than single results see\nlabwarden stops.", "is held"},
		{"release", "Let held deliveries go, or try again what needed a person", "Release deliveries that are held or that need a person: they are tried again at once, in\ntheir order. Held ones go one at a time, and a stop that covers more is not lifted so.", "is released"},
		{"refuse", "End held deliveries without sending them", "End deliveries that are held or need a person. They are never sent; what waited behind them moves up.", "is ended and will not be sent"},
		{"resend", "Send again what was delivered or ended", "Make a new delivery of a message whose delivery has ended. It goes to the end of its order.", "is sent again"},
	}
}

func actCommand(a act) *cobra.Command {
	c := &cobra.Command{
		Use:   a.name + " DELIVERY...",
		Short: a.short,
		Long:  a.long + "\n\nDELIVERY is the number before the partner in `labwarden results list`. Your name and\nthe reason go into the ledger.",
		Args:  cobra.MinimumNArgs(1),
	}
	f, reason := addHubFlags(c), reasonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := needReason(c, *reason); err != nil {
			return err
		}
		numbers := make([]int64, len(args))
		for i, arg := range args {
			n, err := strconv.ParseInt(arg, 10, 64)
			if err != nil || n < 0 {
				return usageError{c.CommandPath(), fmt.Errorf("%q is not the number of a delivery: `labwarden results list` shows it before the partner", arg)}
			}
			numbers[i] = n
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		done := []control.Acted{}
		var failed error
		for _, n := range numbers {
			d, err := client.Act(c.Context(), a.name, n, len(numbers), *reason)
			if err != nil {
				if errors.Is(err, control.ErrNoHub) {
					return err
				}
				failed = errors.Join(failed, err)
				continue
			}
			done = append(done, d)
		}
		err = f.show(c, done, func(w io.Writer) {
			for _, d := range done {
				fmt.Fprintf(w, "Delivery %d %s", d.Delivery, a.done)
				if d.New != 0 {
					fmt.Fprintf(w, " as delivery %d", d.New)
				}
				fmt.Fprintf(w, " (recorded for %s).\n", d.By)
			}
		})
		return errors.Join(failed, err)
	}
	return c
}
