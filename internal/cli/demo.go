package cli

import (
	"github.com/spf13/cobra"
)

func demoCommand() *cobra.Command {
	c := &cobra.Command{Use: "demo", Short: "A whole laboratory on this machine: watch results travel"}
	once := c.Flags().Bool("once", false, "run without a terminal and end with the count")
	c.RunE = func(c *cobra.Command, _ []string) error { return runDemo(c, *once) }
	return c
}
