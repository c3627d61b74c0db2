package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func ledgerCommand() *cobra.Command {
	c := group(&cobra.Command{Use: "ledger", Short: "The ledger of everything that happened"})
	c.AddCommand(ledgerVerifyCommand())
	return c
}

func ledgerVerifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "Recompute the whole ledger and name the first damage",
		Long: `Let the hub recompute every hash of its ledger from the stored facts. That this was
done, by whom and with which outcome becomes a fact itself.

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
		fmt.Fprintf(w, "The ledger is DAMAGED: %s.\nThe %d facts before it are sound. Keep the database as it is and call for help.\n", a.Damage, a.Leaves)
	})
	if err == nil && !a.Sound {
		return errSilent
	}
	return err
}
