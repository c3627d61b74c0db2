package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// desk lets do use the laboratory, as deskOf. The file is nil where --socket is
// given and the command does not need it.
func (f *hubFlags) desk(c *cobra.Command, needFile bool, do func(desk.Desk, *draft) error) error {
	var file *draft
	if *f.socket == "" || needFile {
		if *f.socket != "" { // reading the file changes the folder
			abs, err := filepath.Abs(*f.socket)
			if err != nil {
				return fmt.Errorf("find the control socket: %w", err)
			}
			*f.socket = abs
		}
		var err error
		if file, err = readDraft(*f.config, time.Now()); err != nil {
			return err
		}
	}
	return f.deskOf(c, file, func(d desk.Desk) error { return do(d, file) })
}

// deskOf lets do use the laboratory: the running hub over its control socket,
// or the store itself when no hub runs.
func (f *hubFlags) deskOf(c *cobra.Command, file *draft, do func(desk.Desk) error) error {
	socket := *f.socket
	if socket == "" {
		node, err := file.node(c.ErrOrStderr())
		if err != nil {
			return err
		}
		socket = string(node.Control.Socket)
	}
	if socket != "" && control.Running(c.Context(), socket) {
		client := control.NewClient(socket)
		defer client.Close()
		return do(client)
	}
	if *f.socket != "" {
		return control.ErrNoHub
	}
	return withHub(c, file, func(h *app.Hub) error { return do(h.Desk(whoami())) })
}

// withHub opens the laboratory of the file. While a hub runs, its process has
// the data folder and this is refused.
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
	h, err := app.Open(c.Context(), &config.Config{Node: *node}, seals, app.Deps{Now: time.Now, Log: log, Node: name, File: file.abs})
	if errors.Is(err, app.ErrInUse) {
		return fmt.Errorf("%w, and no hub answers on the control socket %s: wait until it has started, or stop that process", err, node.Control.Socket)
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

func showChanges(w io.Writer, changes []config.Change) {
	for _, ch := range changes {
		fmt.Fprintf(w, "  %s\n", ch.Words)
	}
}
