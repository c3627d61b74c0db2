package cli

import "github.com/spf13/cobra"

func partnerCommand() *cobra.Command {
	c := &cobra.Command{Use: "partner", Short: "What belongs to one partner besides the configuration"}
	c.AddCommand(partnerKeyCommand())
	return c
}
