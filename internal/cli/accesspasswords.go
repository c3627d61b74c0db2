package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
)

func accessPasswordsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "passwords FILE",
		Short: "Take in the list of passwords that were stolen elsewhere",
		Long: `Take in the list that Have I Been Pwned gives away: one SHA-1 a line, ordered by
hash, each with or without :COUNT; - reads it from standard input. From then on a new
password that stands in it is refused. No network is needed, and no password leaves
this machine.

The list is written into the data folder, 4 bytes for each password, whole or not
at all; one that is there is replaced. A running hub takes it with labwarden reload.
Run this as the user the hub runs as.`,
		Args: cobra.ExactArgs(1),
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		from, size := c.InOrStdin(), int64(0)
		if args[0] != "-" { // reading the configuration changes the folder
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("open the list: %w", err)
			}
			defer f.Close()
			st, err := f.Stat()
			if err != nil {
				return fmt.Errorf("open the list: %w", err)
			}
			from, size = f, st.Size()
		}
		file, err := readDraft(*path, time.Now())
		if err != nil {
			return err
		}
		node, err := file.node(c.ErrOrStderr())
		if err != nil {
			return err
		}
		counted := &counted{Reader: from}
		n, err := app.ImportBreached(c.Context(), counted, node, func(n uint64) {
			if size > 0 {
				fmt.Fprintf(c.ErrOrStderr(), "%d passwords, %d %%\n", n, counted.n*100/size)
				return
			}
			fmt.Fprintf(c.ErrOrStderr(), "%d passwords\n", n)
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return showJSON(c, map[string]any{"passwords": n, "file": app.BreachedPath(node)})
		}
		fmt.Fprintf(c.OutOrStdout(), "%d passwords are known now, in %s. A running hub takes the list with labwarden reload.\n", n, app.BreachedPath(node))
		return nil
	}
	return c
}

// counted counts the bytes that were read.
type counted struct {
	io.Reader
	n int64
}

func (r *counted) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.n += int64(n)
	return n, err
}
