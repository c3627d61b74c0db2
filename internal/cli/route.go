package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/domain/results"
)

func routeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "route",
		Short: "Adopt a route in stages: compare it with the old path, approve it, take it forward or back",
		Long: `A route begins in shadow: it takes a copy and sends nothing. What it would send is
compared, message by message, with what the old path sent. In parallel it sends
beside the old path; at carry it is the path. Carry needs days of comparison
without an unexplained difference and the laboratory director's approval; a step
back needs nobody and works at once.`,
	}
	c.AddCommand(routeListCommand(), routeShowCommand(), routeCompareCommand(), routeExplainCommand(), routeApproveCommand(),
		routeMoveCommand(true), routeMoveCommand(false))
	return c
}

func routeListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "The routes, their stages and what each lacks before it may carry"}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		list, err := client.Routes(c.Context())
		if err != nil {
			return err
		}
		return f.show(c, list, func(w io.Writer) {
			rows := make([][]string, len(list.Routes))
			for i, r := range list.Routes {
				days := "-"
				if r.Progress != nil {
					days = fmt.Sprintf("%d of %d days", r.Progress.Days, r.Progress.Needed)
				}
				rows[i] = []string{r.Route, r.Stage, strings.Join(r.From, ", "), strings.Join(r.To, ", "), days, lacks(r)}
			}
			table(w, "ROUTE|STAGE|FROM|TO|COMPARED|BEFORE IT MAY CARRY", rows)
		})
	}
	return c
}

func lacks(r results.RouteState) string {
	switch {
	case r.Stage == results.Carry.String():
		return "it carries"
	case len(r.Missing) == 0:
		return "nothing is missing"
	}
	return strings.Join(r.Missing, "; ")
}

func routeShowCommand() *cobra.Command {
	c := &cobra.Command{Use: "show NAME", Short: "One route: stage, comparison, approval, what is missing", Args: cobra.ExactArgs(1)}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		r, err := client.Route(c.Context(), args[0])
		if err != nil {
			return err
		}
		return f.show(c, r, func(w io.Writer) { showRoute(w, r) })
	}
	return c
}

func showRoute(w io.Writer, r results.RouteState) {
	fmt.Fprintf(w, "Route %s from %s to %s is at %s (configuration %s).\n", r.Route, strings.Join(r.From, ", "), strings.Join(r.To, ", "), r.Stage, r.Config[:min(12, len(r.Config))])
	switch p := r.Progress; {
	case p == nil:
		fmt.Fprintln(w, "Nothing is compared: it names no old_path.")
	case p.Since.IsZero():
		fmt.Fprintf(w, "The comparison with %s has not begun.\n", r.OldPath)
	case p.Equal+p.Differing == 0:
		fmt.Fprintf(w, "Compared with %s since %s: nothing yet.\n", r.OldPath, clock(p.Since))
	default:
		fmt.Fprintf(w, "Compared with %s on %d of %d days (%s to %s; today counts once it is over).\n", r.OldPath, p.Days, p.Needed, p.First, p.Last)
	}
	if p := r.Progress; p != nil {
		fmt.Fprintf(w, "Messages: %d equal, %d differ, %d sent by us alone, %d by the old path alone, %d wait for the other path; %d with a difference nobody explained.\n",
			p.Equal, p.Differing, p.OnlyOurs, p.OnlyTheirs, p.Waiting, p.Unexplained)
	}
	if a := r.Approval; a != nil {
		basis := "after the comparison"
		if a.NoOldPath {
			basis = "stating that there is no old path"
		}
		fmt.Fprintf(w, "Approved %s by %s %s (recorded by %s: %s).\n", clock(a.At), a.Director, basis, a.By, a.Reason)
	}
	for _, m := range r.Missing {
		fmt.Fprintf(w, "Before it may carry: %s.\n", m)
	}
}

func routeCompareCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "compare NAME [COMPARISON]",
		Short: "What differs between this route and the old path, message by message",
		Long: `List the messages of a route that the two paths delivered differently and nobody has
explained: the place of each difference and its class, no values. With COMPARISON
show that one with its values: patient data. The hub writes into its ledger that
you looked, and when and why (--reason); if it cannot, it shows nothing.

Classes: differs (both have it, with another value), only_ours, only_theirs (one
path has it), order (the same in another order). "message" is a whole message.`,
		Args: cobra.RangeArgs(1, 2),
	}
	f := addHubFlags(c)
	all := c.Flags().Bool("all", false, "every comparison, equal and explained ones too")
	limit := c.Flags().IntP("limit", "n", 50, "at most so many, up to 500")
	reason := c.Flags().StringP("reason", "r", "", "with COMPARISON: why you look, for the ledger; never name a patient")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *limit < 1 || *limit > 500 {
			return usageError{c.CommandPath(), fmt.Errorf("--limit is from 1 to 500, not %d", *limit)}
		}
		if len(args) == 2 {
			return compareValues(c, f, args[1], *reason)
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		list, err := client.Comparisons(c.Context(), args[0], *all, *limit)
		if err != nil {
			return err
		}
		return f.show(c, list, func(w io.Writer) {
			if len(list.Kinds) == 0 {
				fmt.Fprintln(w, "No difference is left unexplained.")
			}
			for _, k := range list.Kinds {
				fmt.Fprintf(w, "%d messages: %s %s\n", k.Messages, k.Class, k.Kind)
			}
			if len(list.Comparisons) == 0 {
				return
			}
			var rows [][]string
			for _, m := range list.Comparisons {
				var at []string
				for i, d := range m.Differences {
					if i == 8 {
						at = append(at, fmt.Sprintf("and %d more", len(m.Differences)-i))
						break
					}
					mark := ""
					if d.Explained {
						mark = " (explained)"
					}
					at = append(at, d.Class+" "+d.Path+mark)
				}
				rows = append(rows, []string{m.ID, clock(m.BeganAt), m.Outcome, strings.Join(at, ", ")})
			}
			table(w, "COMPARISON|TIME|OUTCOME|WHERE", rows)
		})
	}
	return c
}

func compareValues(c *cobra.Command, f *hubFlags, id, reason string) error {
	if err := needReason(c, reason); err != nil {
		return err
	}
	client, err := f.client(c)
	if err != nil {
		return err
	}
	defer client.Close()
	v, err := client.CompareValues(c.Context(), id, reason)
	if err != nil {
		return err
	}
	if len(v.Values) == 0 {
		fmt.Fprintln(c.ErrOrStderr(), "There are no values to show.")
	} else {
		fmt.Fprintln(c.ErrOrStderr(), "This look was recorded in the ledger.")
	}
	return f.show(c, v, func(w io.Writer) {
		rows := make([][]string, len(v.Values))
		for i, g := range v.Values {
			rows[i] = []string{g.Path, g.Class, printable(g.Ours), printable(g.Theirs)}
		}
		table(w, "WHERE|CLASS|OURS|OLD PATH", rows)
	})
}

var errOneOf = errors.New("give KIND with --class, or --comparison for a message that only one path delivered")
