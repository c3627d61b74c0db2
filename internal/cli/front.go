package cli

import (
	"fmt"
	"log/slog"
	"sort"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/node/front"
)

func frontCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "front",
		Short: "Run the partner front: the process that partners reach",
		Long: `Run the partner front. It faces the partners for the hub: it takes their
connections, reads SFTP, and asks the hub for everything else over the socket
(node.front.socket). It needs no configuration file, no key and no right to any
file; where the kernel can, it gives up all files for good (Landlock). Run it as a
user of its own and name that user in node.front.user; docs/operate/front.md has
the systemd unit.`,
		Example: "  labwarden front --socket ./data/front/front.sock",
	}
	socket := c.Flags().String("socket", "./data/front/front.sock", "the hub's socket for the front, node.front.socket")
	c.RunE = func(c *cobra.Command, _ []string) error {
		log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
		f := &front.Front{Socket: *socket, Log: log, Ready: func(at map[string]string) {
			var names []string
			for n := range at {
				names = append(names, n)
			}
			sort.Strings(names)
			for _, n := range names {
				fmt.Fprintf(c.OutOrStdout(), "listening %s %s\n", n, at[n])
			}
		}, Confine: func() error {
			how, err := front.Confine()
			if err == nil {
				log.Info("confined", "how", how)
			}
			return err
		}}
		return f.Run(c.Context())
	}
	return c
}
