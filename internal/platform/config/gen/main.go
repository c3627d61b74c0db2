// Command gen writes the reference page and the sample from the configuration's
// own structs. It runs in internal/platform/config, as go generate does.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/labwarden/labwarden/internal/platform/config"
)

func main() {
	dir := filepath.Join("..", "..", "..", "docs", "operate")
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	for name, content := range map[string][]byte{"configuration.md": config.Reference(), "labwarden.yaml": config.Sample()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}
