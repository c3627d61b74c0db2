package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func reloadCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "reload",
		Short: "Let the running hub take over renewed certificates, secrets and keys",
		Long: `Let the running hub take over what changed outside of it: certificates,
authorities and secrets renewed on disk, and keys that another process changed.
What did not change is left alone; what is under way on a connection that begins
anew ends first, so no result is lost. If something new cannot be used, nothing
changes.

A changed configuration file is reported, not taken: labwarden config apply.
Listen addresses of this machine, the data folder, the database and the seals
(the node section) are taken when the hub is restarted.`,
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		r, err := client.Reload(c.Context())
		if err != nil {
			return err
		}
		return f.show(c, r, func(w io.Writer) {
			showTaken(w, r.Taken)
			if len(r.Pending) > 0 {
				fmt.Fprintln(w, "The configuration file differs from what runs and was not taken (labwarden config apply does that):")
				for _, x := range r.Pending {
					fmt.Fprintf(w, "  %s\n", x)
				}
			}
		})
	}
	return c
}
