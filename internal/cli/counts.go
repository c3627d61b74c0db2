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
	c.AddCommand(countsRunCommand(), countsAddCommand(), countsListCommand())
	return c
}

func countsRunCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "run PARTNER",
		Short: "Count a partner now, as it is counted each night",
		Long: `Count a partner now, as it is counted each night: by what it picked up, by asking its
FHIR server, or by the newest list in its box, whichever the configuration says. Nothing
is sent again by it. It ends with 1 when something we delivered is not there.`,
		Args: cobra.ExactArgs(1),
	}
	f, by, reason := addHubFlags(c), byFlag(c), reasonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if strings.TrimSpace(*reason) == "" {
			*reason = "partner-count"
		}
		if err := needBy(c, *by); err != nil {
			return err
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		x, err := client.RunCount(c.Context(), args[0], control.Named{By: *by, Reason: *reason})
		if err != nil {
			return err
		}
		err = f.show(c, x, func(w io.Writer) {
			fmt.Fprintf(w, "%s, delivered %s to %s: %d of %d are there, by %s.\n", x.Partner, clock(x.Since), clock(x.Until), x.Matched, x.Matched+x.Missing, x.Way)
			if x.Extra > 0 {
				fmt.Fprintf(w, "Their list names %d that we did not deliver in that time.\n", x.Extra)
			}
			for _, n := range x.MissingDeliveries {
				fmt.Fprintf(w, "not there: delivery %d\n", n)
			}
		})
		if err == nil && x.Missing > 0 {
			return errSilent
		}
		return err
	}
	return c
}

func countsAddCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "add PARTNER",
		Short: "Compare a partner's own list of a day",
		Long: `Compare a partner's own list of a day with what was delivered to it. The list is a
file with the message control ids (MSH-10) the partner has, one a line, each as often as
it has it; filler numbers or the SHA-256 of what was sent will do too. Only of what is on such a list is it said that the partner has it.`,
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
				rows[i] = []string{x.Partner, x.Day, x.Way, fmt.Sprint(x.Listed), fmt.Sprint(x.Matched), fmt.Sprint(x.Missing), fmt.Sprint(x.Extra), x.AddedBy, clock(x.AddedAt)}
			}
			if len(rows) > 0 {
				table(w, "PARTNER|DAY|BY|LISTED|MATCHED|MISSING THERE|EXTRA THERE|WHO|ADDED", rows)
			}
			for _, p := range list.NotCountable {
				fmt.Fprintf(w, "%s: not countable, nothing of theirs was ever counted.\n", p)
			}
		})
	}
	return c
}
