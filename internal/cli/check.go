package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Find every mistake in the configuration file, with line, column and what to write instead",
		Long: `Read the configuration file and show every problem in it. The exit status is 0
when it could be applied (warnings included) and 1 when it could not; what a route
lacks before it may carry is looked up in the laboratory's records.

With --replay DAY the messages received on that day (UTC) are run through the
file and through the applied revision, and every difference is shown, message by
message: other partners, held instead of sent, other bytes, refused. Nothing is
sent and nothing is changed. Fields are named by their place; --reveal shows
their values too, which is patient data and is recorded in the ledger. A running
hub does this beside its work, one replay at a time; without one the store is read.`,
	}
	f := addHubFlags(c)
	var r replay
	r.flags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		file, err := readDraft(*f.config, time.Now())
		if err != nil {
			return err
		}
		if *f.json && r.day == "" {
			if _, err := c.OutOrStdout().Write(file.problems.JSON()); err != nil {
				return err
			}
		} else {
			w := c.OutOrStdout()
			if *f.json {
				w = c.ErrOrStderr() // the differences are what standard output is for
			}
			if err := file.problems.Render(w, file.source); err != nil {
				return fmt.Errorf("show problems: %w", err)
			}
		}
		if file.conf == nil {
			return errSilent
		}
		if !*f.json {
			fmt.Fprintf(c.OutOrStdout(), "%s: no errors, %d warnings\n", *f.config, len(file.problems))
		}
		if r.day != "" {
			return r.run(c, f, file)
		}
		return checkCarry(c, file)
	}
	return c
}
