package cli

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/desk"
)

func secretCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "secret",
		Short: "Secrets the configuration refers to as vault:NAME",
		Long: `Tokens and private keys do not stand in the configuration: it names them as
vault:NAME, and their values are kept here, sealed. No command shows a value.`,
	}
	c.AddCommand(secretSetCommand(), secretListCommand(), secretRemoveCommand())
	return c
}

func secretSetCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "set NAME",
		Short: "Store a secret; its value comes from standard input, or is asked for without echo",
		Long: `Store a secret. On a terminal the value is asked for and not shown; otherwise it
is read from standard input, where one line end at the very end is left out.`,
		Args: cobra.ExactArgs(1),
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return f.desk(c, false, func(d desk.Desk, _ *draft) error {
			value, err := secretValue(c)
			if err != nil {
				return err
			}
			if err := d.SetSecret(c.Context(), args[0], value); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "Stored. The configuration refers to it as vault:%s; what runs with an earlier value takes the new one at `labwarden reload`.\n", args[0])
			return nil
		})
	}
	return c
}

func secretValue(c *cobra.Command) ([]byte, error) {
	if in, ok := terminal(c); ok {
		return hidden(c, in, "Value: ")
	}
	b, err := io.ReadAll(io.LimitReader(c.InOrStdin(), 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r")), nil
}

func secretListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the stored secrets, without their values"}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return f.desk(c, false, func(d desk.Desk, _ *draft) error {
			list, err := d.Secrets(c.Context())
			if err != nil {
				return err
			}
			return f.show(c, list, func(w io.Writer) {
				for _, s := range list {
					used := "not used"
					if s.Used {
						used = "in use"
					}
					fmt.Fprintf(w, "%-24s set %s by %s, %s\n", s.Name, s.SetAt.Format(time.RFC3339), s.SetBy, used)
				}
			})
		})
	}
	return c
}

func secretRemoveCommand() *cobra.Command {
	c := &cobra.Command{Use: "remove NAME", Short: "Forget a secret; refused while the applied configuration uses it", Args: cobra.ExactArgs(1)}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return f.desk(c, false, func(d desk.Desk, _ *draft) error {
			if err := d.RemoveSecret(c.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), "Removed.")
			return nil
		})
	}
	return c
}
