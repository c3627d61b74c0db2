package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func quarantineCommand() *cobra.Command {
	c := &cobra.Command{Use: "quarantine", Short: "What was not taken and waits for a person"}
	c.AddCommand(quarantineListCommand(), quarantineShowCommand())
	for _, a := range decisions() {
		c.AddCommand(decideCommand(a))
	}
	return c
}

func quarantineListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "What is in quarantine and why; no patient data"}
	f := addHubFlags(c)
	all := c.Flags().Bool("all", false, "also what was decided already")
	limit := c.Flags().IntP("limit", "n", 50, "at most so many, up to 500")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *limit < 1 || *limit > 500 {
			return usageError{c.CommandPath(), fmt.Errorf("--limit is from 1 to 500, not %d", *limit)}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		q, err := client.Quarantine(c.Context(), *all, *limit)
		if err != nil {
			return err
		}
		return f.show(c, q, func(w io.Writer) {
			if len(q.Quarantine) == 0 {
				fmt.Fprintln(w, "Nothing is in quarantine.")
				return
			}
			rows := make([][]string, len(q.Quarantine))
			for i, a := range q.Quarantine {
				rows[i] = []string{a.ID, clock(a.ReceivedAt), a.Source, fmt.Sprint(a.Times), fmt.Sprint(a.Size), a.State, a.Cause, a.Detail}
			}
			table(w, "ID|RECEIVED|SOURCE|TIMES|BYTES|STATE|CAUSE|WHAT THE SENDER WAS TOLD", rows)
		})
	}
	return c
}

func quarantineShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "show ID",
		Short: "What is kept of a quarantined message; the look is recorded",
		Long: `Print what is kept of a message that was not taken: patient data. The hub writes
into its ledger that you looked, and when and why; if it cannot, it shows nothing.`,
		Args: cobra.ExactArgs(1),
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
		b, err := client.ViewQuarantined(c.Context(), args[0], *reason)
		if err != nil {
			return err
		}
		fmt.Fprintln(c.ErrOrStderr(), "This look was recorded in the ledger.")
		return f.show(c, b, func(w io.Writer) {
			a := b.About
			fmt.Fprintf(w, "Quarantined %s from %s, presented %d times, %s.\n%s (%s)\n", clock(a.ReceivedAt), a.Source, a.Times, a.State, a.Detail, a.Cause)
			if a.Kept < a.Size {
				fmt.Fprintf(w, "It had %d bytes; the first %d are kept.\n", a.Size, a.Kept)
			}
			fmt.Fprintln(w)
			printBody(w, b.Body)
		})
	}
	return c
}
