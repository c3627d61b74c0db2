package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func ledgerCommand() *cobra.Command {
	c := &cobra.Command{Use: "ledger", Short: "The ledger of everything that happened"}
	c.AddCommand(ledgerVerifyCommand(), ledgerDecideCommand())
	return c
}

func ledgerVerifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "Hold everything that is stored against the ledger and name each damage",
		Long: `Let the hub recompute every hash of its ledger from the stored facts, and hold every
stored row against them: messages, deliveries, receipts, quarantine, control ids,
holds, keys, revisions, secrets, checkpoints and the search index. It goes on after
a damage and names each table and row. That this was done, by whom and with which
outcome becomes a fact itself. The hub does the same by itself once a day and raises
an alarm. A search index that is wrong is made anew.

Exit status: 0 all fits, 1 it is damaged or could not be checked, 3 the hub cannot
be reached.`,
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return verifyLedger(c, f) }
	return c
}

func verifyLedger(c *cobra.Command, f *hubFlags) error {
	client, err := f.client(c)
	if err != nil {
		return err
	}
	defer client.Close()
	a, err := client.Audit(c.Context())
	if err != nil {
		return err
	}
	err = f.show(c, a, func(w io.Writer) {
		if a.Sound {
			fmt.Fprintf(w, "The ledger is whole: %d facts in %d rows fit together.\nRoot %s, computed at %s in %d ms.\n", a.Leaves, a.Rows, a.Root, clock(a.At), a.TookMS)
			fmt.Fprintln(w, "This shows that nothing inside was changed. That it was not exchanged as a whole only a witness outside shows.")
			return
		}
		if a.Damage != "" {
			fmt.Fprintf(w, "The ledger is DAMAGED: %s.\nThe %d facts before it are sound.\n", a.Damage, a.Leaves)
		}
		for _, f := range a.Findings {
			fmt.Fprintln(w, f)
		}
		if more := a.Found - int64(len(a.Findings)); more > 0 {
			fmt.Fprintf(w, "and %d more.\n", more)
		}
		fmt.Fprintln(w, "Rows were changed, moved or removed. Keep the database as it is and call for help.")
	})
	if err == nil && !a.Sound {
		return errSilent
	}
	return err
}

func ledgerDecideCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "decide",
		Short: "Decide about a ledger that its witnesses do not recognise: views open again",
		Long: `Record that you have looked at every alarm about the ledger (` + "`labwarden status`" + ` shows
them) and take the database as it is, for example after restoring a backup on
purpose. Views of patient data open again. Your name and reason become a fact in
the ledger. A witness that remembers another ledger keeps remembering it: give it
an empty memory, and a new key, afterwards.`,
	}
	f, reason := addHubFlags(c), reasonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := needReason(c, *reason); err != nil {
			return err
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		if err := client.DecideViews(c.Context(), *reason); err != nil {
			return err
		}
		return f.show(c, struct{}{}, func(w io.Writer) { fmt.Fprintln(w, "Recorded. Views of patient data are open again.") })
	}
	return c
}
