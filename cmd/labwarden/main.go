// Command labwarden is the hub: it receives a laboratory's results and carries
// them to the people they belong to.
package main

import (
	"os"

	"github.com/labwarden/labwarden/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
