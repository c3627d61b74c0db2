package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// withHub opens the laboratory of the file for one offline command. While a
// hub runs, its process has the data folder and the command is refused.
func withHub(c *cobra.Command, file *draft, do func(*app.Hub) error) (err error) {
	node, err := file.node(c.ErrOrStderr())
	if err != nil {
		return err
	}
	seals, err := app.Seals(node, passphrase(c))
	if err != nil {
		return err
	}
	name, err := nodeName(node)
	if err != nil {
		return err
	}
	// What the hub would log about a command is what the command says itself.
	log := logger(config.Log{Level: "warn", Format: "text"}, c.ErrOrStderr())
	h, err := app.Open(c.Context(), &config.Config{Node: *node}, seals, app.Deps{Now: time.Now, Log: log, Node: name})
	if errors.Is(err, app.ErrInUse) {
		return fmt.Errorf("%w: %q needs the hub stopped; stop it, run this, and start it again", err, c.CommandPath())
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return do(h)
}

// passphrase asks on the terminal; nil where there is none.
func passphrase(c *cobra.Command) func() (string, error) {
	in, ok := terminal(c)
	if !ok {
		return nil
	}
	return func() (string, error) {
		b, err := hidden(c, in, "Passphrase: ")
		return string(b), err
	}
}

// terminal returns the command's input when a person sits there.
func terminal(c *cobra.Command) (*os.File, bool) {
	f, ok := c.InOrStdin().(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

func hidden(c *cobra.Command, in *os.File, prompt string) ([]byte, error) {
	fmt.Fprint(c.ErrOrStderr(), prompt)
	b, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(c.ErrOrStderr())
	if err != nil {
		return nil, fmt.Errorf("read from the terminal: %w", err)
	}
	return b, nil
}

// confirm asks for yes on a terminal; without one it refuses.
func confirm(c *cobra.Command, question string) error {
	in, ok := terminal(c)
	if !ok {
		return usageError{c.CommandPath(), errors.New("there is no terminal to ask on; --yes goes ahead without asking")}
	}
	fmt.Fprintf(c.ErrOrStderr(), "%s [y/N] ", question)
	line, err := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was changed")
}

// whoami is the account that runs the command, for the record.
func whoami() string {
	u, err := user.Current()
	if err != nil {
		return fmt.Sprintf("uid-%d", os.Getuid())
	}
	return u.Username
}

func showJSON(c *cobra.Command, v any) error {
	e := json.NewEncoder(c.OutOrStdout())
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

func showChanges(w io.Writer, changes []config.Change) {
	for _, ch := range changes {
		fmt.Fprintf(w, "  %s\n", ch.Words)
	}
}
