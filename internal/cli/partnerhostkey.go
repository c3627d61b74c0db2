package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/channel/sftp"
)

func hostKeyCommand() *cobra.Command {
	var wait time.Duration
	c := &cobra.Command{
		Use:   "hostkey HOST:PORT",
		Short: "Show which SSH host keys a server has",
		Long: `Connects to an SSH server, signs in nowhere, and prints its host keys: what
stands below host_keys: of an sftp destination or source.

It prints what somebody at that address says. Before you write a key into the
configuration, compare its fingerprint with the partner by phone, on a number
you know already: who stands between you and them shows a key of their own.`,
		Example: "  labwarden partner hostkey sftp.riverside.example:22",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), wait)
			defer cancel()
			keys, err := sftp.HostKeys(ctx, args[0])
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			for _, k := range keys {
				_, _ = fmt.Fprintf(out, "%s\n  %s\n  %s\n", k.Type, k.Fingerprint, k.Line)
			}
			_, _ = fmt.Fprintln(out, "Compare the fingerprint with the partner by phone before you write it into host_keys.")
			return nil
		},
	}
	c.Flags().DurationVar(&wait, "timeout", 20*time.Second, "how long to wait for the server")
	return c
}
