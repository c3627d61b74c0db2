// Package cli is the command line: one file per subcommand.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

// Main runs the command line and returns the process's exit status: 0 done,
// 1 failed or something needs a person, 2 wrong usage, 3 the hub cannot be
// reached. SIGINT and SIGTERM ask it to stop.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := command()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent):
		return 1
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "labwarden: %v\nSee `%s --help`.\n", usage.err, usage.command)
		return 2
	case errors.Is(err, control.ErrNoHub):
		fmt.Fprintf(stderr, "labwarden: %v.\nStart it with `labwarden serve` (or `systemctl start labwarden`) and the same --config; if it was running, its log says why it stopped.\n", err)
		return 3
	}
	fmt.Fprintf(stderr, "labwarden: %v\n", err)
	return 1
}

// usageError is a command line that cannot be understood.
type usageError struct {
	command string
	err     error
}

func (u usageError) Error() string { return u.err.Error() }

// errSilent ends with status 1 after everything has been said already.
var errSilent = errors.New("failed")

// command builds the whole tree.
func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "labwarden",
		Short:         "Carries a laboratory's results: received, sealed, delivered in order, provable",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       Version(),
	}
	root.SetVersionTemplate("labwarden {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if c.HasSubCommands() && c.Flags().NArg() > 0 { // a mistyped command: its flags are not the group's
			return noCommand(c, c.Flags().Arg(0))
		}
		return usageError{c.CommandPath(), err}
	})
	root.AddCommand(initCommand(), serveCommand(), demoCommand(), demoLISCommand(), demoClinicCommand(), benchCommand(), benchLoadCommand(),
		statusCommand(), resultsCommand(), routeCommand(), callsCommand(), stopsCommand(), countsCommand(), quarantineCommand(), partnerCommand(), keysCommand(), ledgerCommand(), reloadCommand(), extendCommand(), supportCommand(), sendCommand(), receiveCommand(), manCommand(),
		checkCommand(), configCommand(), secretCommand(), verifyCommand(), witnessCommand(), alarmsCommand(), heartbeatCommand(), bypassCommand(), accessCommand(), tunnelCommand(), postureCommand(), frontCommand(), boxCommand(), gateCommand(), caCommand(), certCommand(), versionCommand())
	usageArgs(root)
	return root
}

// usageArgs makes a wrong number of arguments a usage error, so that the exit
// status tells it from a failure, and groups of those that hold others.
func usageArgs(c *cobra.Command) {
	if c.HasSubCommands() && c.RunE == nil { // witness runs by itself as well
		group(c)
	}
	check := c.Args
	if check == nil {
		check = cobra.NoArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError{c.CommandPath(), err}
		}
		return nil
	}
	for _, sub := range c.Commands() {
		usageArgs(sub)
	}
}
