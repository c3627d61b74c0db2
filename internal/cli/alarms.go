package cli

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/platform/alarm"
)

func alarmsCommand() *cobra.Command {
	c := &cobra.Command{Use: "alarms", Short: "What needs a person, and who was told"}
	c.AddCommand(alarmsListCommand(), alarmsShowCommand(), alarmsTestCommand(),
		alarmsActCommand("accept", "Take an alarm on: nobody else is told",
			"Take an alarm on. Nobody else is told of it until it is over, becomes worse, or the\nacceptance ends (alarms.accepted_for). Your name becomes a fact in the ledger.", false),
		alarmsActCommand("close", "End an alarm about something that is past",
			"End an alarm about something that happened and is past. An alarm whose condition\nstands cannot be closed: it ends by itself once the cause is mended, and can be\naccepted until then.", true))
	return c
}

func alarmsListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "Open and accepted alarms, and ways to tell of them that fail"}
	f := addHubFlags(c)
	all := c.Flags().Bool("all", false, "also what has ended, the newest first")
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
		list, err := client.Alarms(c.Context(), *all, *limit)
		if err != nil {
			return err
		}
		return f.show(c, list, func(w io.Writer) { printAlarms(w, list) })
	}
	return c
}

func printAlarms(w io.Writer, list control.Alarms) {
	if len(list.Alarms) == 0 {
		fmt.Fprintln(w, "There is no alarm.")
	} else {
		rows := make([][]string, len(list.Alarms))
		for i, a := range list.Alarms {
			rows[i] = []string{strconv.FormatInt(a.Number, 10), a.Severity.String(), alarmState(a), clock(a.Since), strconv.FormatInt(a.Times, 10), a.Sentence}
		}
		table(w, "ALARM|SEVERITY|STATE|SINCE|TIMES|WHAT", rows)
	}
	for _, s := range list.Ways {
		if !s.Since.IsZero() {
			fmt.Fprintf(w, "%s cannot be reached by %s since %s: %s\n", s.Person, s.Way, clock(s.Since), s.Problem)
		}
	}
	if len(list.Ways) == 0 {
		fmt.Fprintln(w, "Nobody is on the on-call list: write alarms.on_call into the configuration.")
	}
}

func alarmState(a alarm.Record) string {
	s := a.State.String()
	if a.State == alarm.Accepted || a.State == alarm.Closed {
		s += " by " + a.By
	}
	if a.Live() && !a.Quiet.IsZero() {
		s += ", quiet"
	}
	return s
}

func alarmsShowCommand() *cobra.Command {
	c := &cobra.Command{Use: "show ALARM", Short: "One alarm: what to do, and who was told", Args: cobra.ExactArgs(1)}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		x, err := client.Alarm(c.Context(), args[0])
		if err != nil {
			return err
		}
		return f.show(c, x, func(w io.Writer) { printAlarm(w, x) })
	}
	return c
}

func printAlarm(w io.Writer, x control.Alarm) {
	a := x.Alarm
	fmt.Fprintf(w, "Alarm %d, %s, %s (%s", a.Number, a.Severity, alarmState(a), a.Kind)
	if a.About != "" {
		fmt.Fprintf(w, " of %s", a.About)
	}
	fmt.Fprintf(w, ")\n%s\n%s\nSince %s, noticed %d times, last at %s.\n", a.Sentence, a.Advice, clock(a.Since), a.Times, clock(a.Last))
	if a.Owner != "" {
		fmt.Fprintf(w, "It belongs to %s.\n", a.Owner)
	}
	if a.By != "" {
		fmt.Fprintf(w, "%s by %s at %s. %s\n", a.State, a.By, clock(a.Changed), a.Reason)
	}
	if len(x.Told) == 0 {
		fmt.Fprintln(w, "Nobody was told.")
		return
	}
	rows := make([][]string, len(x.Told))
	for i, t := range x.Told {
		done := clock(t.Done)
		switch {
		case t.Done.IsZero():
			done = "still tried"
		case !t.Sent:
			done = "not sent"
		}
		rows[i] = []string{clock(t.Made), t.What, t.Person, t.Way, done, strconv.FormatInt(t.Tries, 10), t.Outcome}
	}
	table(w, "AT|WHAT|WHO|BY|TAKEN|TRIES|ANSWER", rows)
}

func alarmsActCommand(act, short, long string, needs bool) *cobra.Command {
	c := &cobra.Command{Use: act + " ALARM", Short: short, Long: long, Args: cobra.ExactArgs(1)}
	f, reason := addHubFlags(c), c.Flags().StringP("reason", "r", "", "why, for the ledger; never name a patient")
	c.RunE = func(c *cobra.Command, args []string) error {
		if needs {
			if err := needReason(c, *reason); err != nil {
				return err
			}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		x, err := client.ActOnAlarm(c.Context(), act, args[0], *reason)
		if err != nil {
			return err
		}
		return f.show(c, x, func(w io.Writer) {
			fmt.Fprintf(w, "Alarm %d is %s.\n", x.Alarm.Number, alarmState(x.Alarm))
			if x.Warning != "" {
				fmt.Fprintln(w, x.Warning)
			}
		})
	}
	return c
}

func alarmsTestCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "test",
		Short: "Send a marked test to everybody on the on-call list",
		Long: `Send a message marked as a test to everybody on the on-call list over every way, and
print what each one answered. That a server has taken it does not show that a
person has read it: ask them.

Exit status: 0 every way took it, 1 one did not, 3 the hub cannot be reached.`,
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		t, err := client.TryWays(c.Context())
		if err != nil {
			return err
		}
		failed := false
		rows := make([][]string, len(t.Tried))
		for i, x := range t.Tried {
			word := "taken"
			if !x.OK {
				word, failed = "FAILED", true
			}
			rows[i] = []string{x.Person, x.Way, word, x.Took.Round(time.Millisecond).String(), x.Answer}
		}
		err = f.show(c, t, func(w io.Writer) { table(w, "WHO|BY|OUTCOME|TOOK|ANSWER", rows) })
		if err == nil && failed {
			return errSilent
		}
		return err
	}
	return c
}
