package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

// hubFlags are those of every command that asks a running hub.
type hubFlags struct {
	config, socket *string
	json           *bool
}

func addHubFlags(c *cobra.Command) *hubFlags {
	return &hubFlags{
		config: configFlag(c),
		socket: c.Flags().String("socket", "", "the hub's control socket, when the configuration is not at hand"),
		json:   c.Flags().Bool("json", false, "print JSON"),
	}
}

// client finds the running hub. The configuration is only read for the
// socket's place: what is wrong elsewhere in it must not keep anybody from
// asking how the hub is.
func jsonFlag(c *cobra.Command) *bool { return c.Flags().Bool("json", false, "write JSON") }

func showJSON(c *cobra.Command, v any) error {
	e := json.NewEncoder(c.OutOrStdout())
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func (f *hubFlags) client(c *cobra.Command) (*control.Client, error) {
	path := *f.socket
	if path == "" {
		here, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("find this folder: %w", err)
		}
		var problems bytes.Buffer
		conf, err := loadConfig(*f.config, time.Now(), &problems)
		if err != nil {
			_, werr := problems.WriteTo(c.ErrOrStderr())
			return nil, errors.Join(err, werr)
		}
		path = string(conf.Node.Control.Socket)
		if path, err = filepath.Abs(path); err != nil {
			return nil, fmt.Errorf("find the control socket: %w", err)
		}
		if err := os.Chdir(here); err != nil {
			return nil, fmt.Errorf("return to this folder: %w", err)
		}
		// A Unix socket's address is short: the shorter way there is taken.
		if rel, err := filepath.Rel(here, path); err == nil && len(rel) < len(path) {
			path = rel
		}
	}
	return control.NewClient(path), nil
}

// show prints v as JSON, or lets text print it for a person.
func (f *hubFlags) show(c *cobra.Command, v any, text func(w io.Writer)) error {
	if *f.json {
		return printJSON(c.OutOrStdout(), v)
	}
	text(c.OutOrStdout())
	return nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}

// reasonFlag adds --reason, which goes into the ledger.
func reasonFlag(c *cobra.Command) *string {
	return c.Flags().StringP("reason", "r", "", "why, for the ledger (needed); never name a patient")
}

func needReason(c *cobra.Command, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return usageError{c.CommandPath(), errors.New(`say why with --reason "...": it goes into the ledger with your name; never name a patient`)}
	}
	return nil
}

// table prints rows in aligned columns.
func table(w io.Writer, head string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(head, "|", "\t"))
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	t.Flush() // its error is that of w, which the next print meets too
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// group makes a command that only holds others: without a subcommand it shows
// its help, with a mistyped one it says which was meant.
func group(c *cobra.Command) {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return noCommand(c, args[0])
	}
}

// noCommand says which command of a group was meant.
func noCommand(c *cobra.Command, word string) error {
	text := fmt.Sprintf("there is no command %q here", word)
	c.SuggestionsMinimumDistance = 2
	if s := c.SuggestionsFor(word); len(s) > 0 {
		text += `; did you mean "` + strings.Join(s, `" or "`) + `"?`
	}
	return usageError{c.CommandPath(), errors.New(text)}
}

func printJSONLine(w io.Writer, v any) error {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}
