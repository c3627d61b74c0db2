// Command gen writes docs/use/commands.md. Run it by go generate.
package main

import (
	"log"
	"os"

	"github.com/labwarden/labwarden/internal/cli"
)

func main() {
	if err := os.WriteFile("../../docs/use/commands.md", []byte(cli.Page()), 0o644); err != nil {
		log.Fatal(err)
	}
}
