package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

func countsCommand() *cobra.Command {
	c := &cobra.Command{Use: "counts", Short: "What partners say they have, held against what was delivered"}
	c.AddCommand(countsAddCommand(), countsListCommand())
	return c
}

func countsAddCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "add PARTNER",
		Short: "Compare a partner's own list of a day",
		Long: `Compare a partner's own list of a day with what was delivered to it. The list is a
file with the message control ids (MSH-10) the partner has, one a line, each as often as
it has it. Only of what is on such a list is it said that the partner has it.`,
		Args: cobra.ExactArgs(1),
	}
	f, by, reason := addHubFlags(c), byFlag(c), reasonFlag(c)
	day := c.Flags().String("day", "", "the day, as 2026-05-04 (needed)")
	list := c.Flags().String("list", "", "the file (needed)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if strings.TrimSpace(*reason) == "" {
			*reason = "partner-list"
		}
		if err := needBy(c, *by); err != nil {
			return err
		}
		b, err := os.ReadFile(*list)
		if err != nil {
			return fmt.Errorf("read the partner's list: %w", err)
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		x, err := client.AddCount(c.Context(), args[0], control.AddCount{Named: control.Named{By: *by, Reason: *reason}, Day: *day, List: b})
		if err != nil {
			return err
		}
		return f.show(c, x, func(w io.Writer) {
			fmt.Fprintf(w, "%s, %s: %d listed; %d matched, %d missing there, %d extra there.\n", x.Partner, x.Day, x.Listed, x.Matched, x.Missing, x.Extra)
			for _, n := range x.MissingDeliveries {
				fmt.Fprintf(w, "missing there: delivery %d\n", n)
			}
			for _, id := range x.ExtraIDs {
				fmt.Fprintf(w, "extra there: control id %s\n", printable(id))
			}
		})
	}
	return c
}

func countsListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "Comparisons with partners' own lists, newest first"}
	f := addHubFlags(c)
	partner := c.Flags().String("partner", "", "only this partner's")
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		list, err := client.Counts(c.Context(), *partner, 100)
		if err != nil {
			return err
		}
		return f.show(c, list, func(w io.Writer) {
			rows := make([][]string, len(list.Counts))
			for i, x := range list.Counts {
				rows[i] = []string{x.Partner, x.Day, fmt.Sprint(x.Listed), fmt.Sprint(x.Matched), fmt.Sprint(x.Missing), fmt.Sprint(x.Extra), x.AddedBy, clock(x.AddedAt)}
			}
			if len(rows) > 0 {
				table(w, "PARTNER|DAY|LISTED|MATCHED|MISSING THERE|EXTRA THERE|BY|ADDED", rows)
			}
			for _, p := range list.NotCountable {
				fmt.Fprintf(w, "%s: not countable, no list of theirs was ever given.\n", p)
			}
		})
	}
	return c
}
