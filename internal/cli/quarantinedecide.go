package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

// decisions are what a person may decide about a quarantined message.
func decisions() []act {
	return []act{
		{"release", "Take a message that was kept apart because its control id came twice", "Take messages that were kept apart because their control id had been used for another\nbody: they are carried as results of their own.", "is released"},
		{"replay", "Present what is kept to the hub again, once the cause is mended", "Present the kept messages again under the configuration that is now in force. What is\nstill refused stays, and the reason is said.", "is replayed"},
		{"refuse", "End a quarantined message: it is never carried", "End quarantined messages: they are never carried.", "is refused"},
	}
}

func decideCommand(a act) *cobra.Command {
	c := &cobra.Command{
		Use:   a.name + " ID...",
		Short: a.short,
		Long:  a.long + "\n\nID is what `labwarden quarantine list` shows. Your name and the reason go into the\nledger.",
		Args:  cobra.MinimumNArgs(1),
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
		done := []control.Decided{}
		var failed error
		for _, id := range args {
			d, err := client.Decide(c.Context(), a.name, id, *reason)
			if errors.Is(err, control.ErrNoHub) {
				return err
			}
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s: %w", id, err))
				continue
			}
			done = append(done, d)
		}
		err = f.show(c, done, func(w io.Writer) {
			for _, d := range done {
				fmt.Fprintf(w, "%s %s", d.Quarantined, a.done)
				if d.Message != "" {
					fmt.Fprintf(w, " as message %s", d.Message)
				}
				fmt.Fprintf(w, " (recorded for %s).\n", d.By)
			}
		})
		return errors.Join(failed, err)
	}
	return c
}
