package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

func reloadCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "reload",
		Short: "Let the running hub take over keys that another node changed",
		Long:  "Let the running hub take over keys that another node changed, without stopping any result.",
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
		return f.show(c, r, func(w io.Writer) { fmt.Fprintf(w, "Taken over: %s.\n", strings.Join(r.Reloaded, ", ")) })
	}
	return c
}
