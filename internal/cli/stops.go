package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

func stopsCommand() *cobra.Command {
	c := &cobra.Command{Use: "stops", Short: "What is kept from going out, by whom, why and until when"}
	c.AddCommand(stopsListCommand(), stopsPlaceCommand(),
		stopAct("lift", "Lift a stop, or ask for it", `Lift a stop. When more than one result would go it is only asked for: another person
confirms with labwarden stops confirm.`),
		stopAct("confirm", "Lift a stop that another person asked to lift", `Lift a stop that another person asked to lift. The two names must differ.`),
		stopAct("review", "Write down that somebody looked at what a stop does to patients", `Write down that somebody looked at the results a stop keeps and what that does to
patients. The next look is due after the stop's --impact time.`),
		stopAct("extend", "Give a stop more time", `Give a stop more time, at most 72 hours from now, before it goes to its owner again.
A stop never ends by itself.`))
	return c
}

func stopsListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "Stops, those whose time is over first"}
	f := addHubFlags(c)
	over := c.Flags().Duration("over", 0, "only those that stand for longer, as 24h")
	all := c.Flags().Bool("all", false, "also lifted ones")
	limit := c.Flags().IntP("limit", "n", 50, "at most so many, up to 500")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *limit < 1 || *limit > 500 {
			return usageError{c.CommandPath(), fmt.Errorf("--limit is from 1 to 500, not %d", *limit)}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		list, err := client.Stops(c.Context(), *over, *all, *limit)
		if err != nil {
			return err
		}
		return f.show(c, list, func(w io.Writer) {
			if len(list.Stops) == 0 {
				fmt.Fprintln(w, "No stops.")
				return
			}
			rows := make([][]string, len(list.Stops))
			for i, x := range list.Stops {
				rows[i] = []string{x.ID, x.Kind, x.Scope + " " + x.Target, stopState(x), x.Owner, x.Reason, x.Basis, clock(x.PlacedAt), clock(x.ExpiresAt), fmt.Sprint(x.Keeps), clock(x.Oldest)}
			}
			table(w, "STOP|KIND|COVERS|STATE|OWNER|REASON|BASIS|PLACED|UNTIL|KEEPS|OLDEST", rows)
		})
	}
	return c
}

func stopState(x control.Stop) string {
	switch {
	case !x.LiftedAt.IsZero():
		return "lifted by " + x.LiftedBy
	case x.LiftBy != "":
		return "lift asked by " + x.LiftBy
	case x.Expired:
		return "TIME OVER"
	case x.ImpactDue:
		return "LOOK AT PATIENTS"
	}
	return "stands"
}

func kindFlag(c *cobra.Command) *string {
	return c.Flags().String("kind", "", "as which you act (needed): transport (security) or clinical (the director's delegates)")
}

func stopsPlaceCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "place",
		Short: "Stop a partner, a route, or what a message, patient, order or test is",
		Long: `Place a stop. Nothing it covers is sent until it is lifted; what comes in meanwhile is
held as well. A transport stop covers a partner or a route. A clinical stop may cover a
partner, route, delivery, message or test, or the patients or orders that a message
names. Neither kind lifts the other.

Give exactly one of --partner, --route, --delivery, --message, --patient-of, --order-of
and --test. A stop goes to its owner when its time is over: it alarms, and releases and
deletes nothing.`,
	}
	f, by, reason, kind := addHubFlags(c), byFlag(c), reasonFlag(c), kindFlag(c)
	scopes := []struct{ flag, scope, doc string }{
		{"partner", "partner", "all that goes to this partner"},
		{"route", "route", "all that this route sends"},
		{"delivery", "delivery", "one delivery, by its number"},
		{"message", "message", "one message on all its ways"},
		{"patient-of", "patient", "every patient this message names, also in what is to come"},
		{"order-of", "order", "every order this message names, also in what is to come"},
		{"test", "test", "what has this code in OBR-4 or OBX-3, also what is to come"},
	}
	targets := make([]*string, len(scopes))
	for i, s := range scopes {
		targets[i] = c.Flags().String(s.flag, "", s.doc)
	}
	owner := c.Flags().String("owner", "", "to whom it goes when its time is over; who places it when absent")
	basis := c.Flags().String("basis", "other", "why this is not information blocking: 171.203, 171.205 or other (45 CFR)")
	text := c.Flags().String("text", "", "the same in words, sealed; needed with --basis other")
	until := c.Flags().Duration("for", 24*time.Hour, "until it goes to its owner, at most 168h")
	impact := c.Flags().Duration("impact", 4*time.Hour, "how often somebody must look at what it does to patients, at most 24h")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := needBoth(c, *by, *reason); err != nil {
			return err
		}
		in := control.PlaceStop{
			Named: control.Named{By: *by, Reason: *reason}, Kind: *kind, Owner: *owner, Basis: *basis, Text: *text,
			ForSeconds: int64(*until / time.Second), ImpactSeconds: int64(*impact / time.Second),
		}
		for i, s := range scopes {
			if *targets[i] == "" {
				continue
			}
			if in.Scope != "" {
				return usageError{c.CommandPath(), errors.New("a stop covers one thing: give one of --" + in.Scope + " and --" + s.flag)}
			}
			in.Scope, in.Target = s.scope, *targets[i]
		}
		if in.Scope == "" {
			return usageError{c.CommandPath(), errors.New("say what the stop covers: --partner, --route, --delivery, --message, --patient-of, --order-of or --test")}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		done, err := client.PlaceStop(c.Context(), in)
		if err != nil {
			return err
		}
		return f.show(c, done, func(w io.Writer) { fmt.Fprintf(w, "Stop %s stands (recorded for %s).\n", done.Stop, done.By) })
	}
	return c
}

func stopAct(act, short, long string) *cobra.Command {
	c := &cobra.Command{Use: act + " STOP", Short: short, Long: long, Args: cobra.ExactArgs(1)}
	f, by, reason := addHubFlags(c), byFlag(c), reasonFlag(c)
	kind, more := new(string), new(time.Duration)
	switch act {
	case "lift", "confirm":
		kind = kindFlag(c)
	case "extend":
		more = c.Flags().Duration("for", 72*time.Hour, "how much, from now, at most 72h")
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := needBoth(c, *by, *reason); err != nil {
			return err
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		done, err := client.ActOnStop(c.Context(), act, args[0], control.StopAct{
			Named: control.Named{By: *by, Reason: *reason}, Kind: *kind, ForSeconds: int64(*more / time.Second),
		})
		if err != nil {
			return err
		}
		return f.show(c, done, func(w io.Writer) {
			switch {
			case done.Waits:
				fmt.Fprintf(w, "More than one result would go: another person must confirm with labwarden stops confirm %s. It stands until then.\n", done.Stop)
			case done.Lifted:
				fmt.Fprintf(w, "Stop %s is lifted (recorded for %s).\n", done.Stop, done.By)
			default:
				fmt.Fprintf(w, "Stop %s is %s (recorded for %s).\n", done.Stop, done.Act, done.By)
			}
		})
	}
	return c
}
