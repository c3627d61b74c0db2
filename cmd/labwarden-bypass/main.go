// Command labwarden-bypass is the way round a dead hub: the same as
// `labwarden bypass`, as a program of its own.
package main

import (
	"os"

	"github.com/labwarden/labwarden/internal/cli"
)

func main() {
	os.Exit(cli.Main(append([]string{"bypass"}, os.Args[1:]...), os.Stdin, os.Stdout, os.Stderr))
}
