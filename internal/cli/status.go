package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

func statusCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "How the hub is, in sentences",
		Long: `Ask the running hub how it is. It looks for the answer: it writes to its store,
counts what waits, and says when it looked.

Exit status: 0 all is well, 1 something needs you, 3 the hub cannot be reached.`,
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		st, err := client.Status(c.Context())
		if err != nil {
			if *f.json && errors.Is(err, control.ErrNoHub) {
				if err := printJSON(c.OutOrStdout(), map[string]string{"state": "unreachable"}); err != nil {
					return err
				}
			}
			return err
		}
		err = f.show(c, st, func(w io.Writer) {
			for _, s := range st.Sentences {
				fmt.Fprintln(w, s)
			}
			for _, s := range st.Advice {
				fmt.Fprintf(w, "Advice: %s\n", s)
			}
			fmt.Fprintf(w, "Looked at %s; a test write to the store took %.1f ms. Version %s, running since %s. %s.\n",
				clock(st.CheckedAt), float64(st.Store.TookUS)/1000, st.Version, clock(st.Started), st.FIPS)
		})
		if err == nil && st.State != "fine" {
			return errSilent
		}
		return err
	}
	return c
}
