// Package cli is the command line: one file per subcommand.
package cli

import (
	"io"

	"github.com/spf13/cobra"
)

// Main runs the command line and returns the process's exit status: 0 done,
// 1 failed, 2 wrong usage.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "labwarden",
		Short:         "Carries a laboratory's results: received, sealed, delivered in order, provable",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       Version(),
	}
	root.SetVersionTemplate("labwarden {{.Version}}\n")
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.Execute(); err != nil {
		_, _ = io.WriteString(stderr, "labwarden: "+err.Error()+"\n")
		return 1
	}
	return 0
}
