package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

//go:generate go run ./gen

// Page is docs/use/commands.md: every command with its flags, made from the
// command tree.
func Page() string {
	root := command()
	root.InitDefaultCompletionCmd()
	var b strings.Builder
	b.WriteString(`# Commands

<!-- Made by go generate from internal/cli. Do not edit. -->

` + "`labwarden COMMAND --help`" + ` says the same. Exit status: 0 done, 1 failed or something needs you, 2 wrong usage,
3 the hub cannot be reached. Commands that ask a running hub do so over its control socket and only for the
user it runs as and for root; who acted goes into the ledger.
`)
	page(&b, root)
	return b.String()
}

func page(b *strings.Builder, c *cobra.Command) {
	for _, sub := range c.Commands() {
		if sub.Hidden || sub.Name() == "help" {
			continue
		}
		if sub.HasSubCommands() {
			page(b, sub)
			continue
		}
		text := sub.Long
		if text == "" {
			text = sub.Short + "."
		}
		fmt.Fprintf(b, "\n## %s\n\n%s\n\n```\n%s\n", sub.CommandPath(), strings.TrimSpace(text), sub.UseLine())
		if sub.Example != "" {
			fmt.Fprintf(b, "\nfor example:\n%s\n", sub.Example)
		}
		if flags := sub.NonInheritedFlags().FlagUsages(); flags != "" {
			fmt.Fprintf(b, "\n%s", flags)
		}
		b.WriteString("```\n")
	}
}
