package cli

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
)

// version is set by the linker when make builds (-X .../internal/cli.version=…).
// Nothing in the program writes it.
var version string

// Version says which build this is: what make stamped, or else what the Go
// toolchain recorded for `go install module@version`, or "unstamped". It never
// returns an empty string.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "unstamped"
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Which build this is, and whether it is the FIPS one",
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "labwarden %s\n%s\n", Version(), app.FIPS())
			return err
		},
	}
}
