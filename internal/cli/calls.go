package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

func callsCommand() *cobra.Command {
	c := &cobra.Command{Use: "calls", Short: "Who must be telephoned because a result was not acknowledged in time"}
	c.AddCommand(callsListCommand(), callsShowCommand(), callsTakeCommand(), callsLogCommand(), callsCloseCommand())
	return c
}

// byFlag adds --by: who acts, as people know each other.
func byFlag(c *cobra.Command) *string {
	return c.Flags().String("by", "", "who does this, by name (needed); the account you use is recorded as well")
}

func needBy(c *cobra.Command, by string) error {
	if strings.TrimSpace(by) == "" {
		return usageError{c.CommandPath(), errors.New(`say who does this with --by "NAME"`)}
	}
	return nil
}

func needBoth(c *cobra.Command, by, reason string) error {
	if err := needBy(c, by); err != nil {
		return err
	}
	return needReason(c, reason)
}

func callsListCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "Phone tasks, overdue ones first; no patient data"}
	f := addHubFlags(c)
	all := c.Flags().Bool("all", false, "also closed ones")
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
		list, err := client.Calls(c.Context(), *all, *limit)
		if err != nil {
			return err
		}
		return f.show(c, list, func(w io.Writer) {
			if len(list.Calls) == 0 {
				fmt.Fprintln(w, "Nobody is to be telephoned.")
				return
			}
			rows := make([][]string, len(list.Calls))
			for i, x := range list.Calls {
				rows[i] = []string{x.ID, callState(x), callWhy(x.Why), dash(x.Source), dash(x.Partner), clock(x.CameAt), clock(x.DueAt), dash(x.Owner), x.Now}
			}
			table(w, "CALL|STATE|WHY|SOURCE|PARTNER|CAME|DUE|OWNER|THE RESULT NOW", rows)
		})
	}
	return c
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func callState(x control.Call) string {
	switch {
	case x.Overdue:
		return "OVERDUE, " + x.State
	case x.Acknowledged && x.State != "closed":
		return x.State + ", acknowledged meanwhile"
	}
	return x.State
}

func callWhy(why string) string {
	switch why {
	case "critical":
		return "flagged critical, not acknowledged in time"
	case "not_taken":
		return "not taken: unreadable or critical"
	case "correction_waits":
		return "a correction waits behind its original"
	case "upload_stopped":
		return "a partner's file that may be critical did not come through"
	}
	return why
}

func callsShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "show CALL",
		Short: "One phone task; with --reason what is needed to call, which is recorded",
		Long: `Show one phone task and what was done. With --reason also the order and accession
numbers, whom was called and the notes: patient data. The hub writes into its ledger
that you looked, and when and why; if it cannot write that, it shows nothing.`,
		Args: cobra.ExactArgs(1),
	}
	f, reason := addHubFlags(c), c.Flags().StringP("reason", "r", "", "why you look, for the ledger; never name a patient")
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		var x control.Call
		if strings.TrimSpace(*reason) == "" {
			x, err = client.Call(c.Context(), args[0])
		} else if x, err = client.ViewCall(c.Context(), args[0], *reason); err == nil {
			fmt.Fprintln(c.ErrOrStderr(), "This look was recorded in the ledger.")
		}
		if err != nil {
			return err
		}
		return f.show(c, x, func(w io.Writer) { printCall(w, x) })
	}
	return c
}

func printCall(w io.Writer, x control.Call) {
	fmt.Fprintf(w, "Phone task %s: %s, %s\n", x.ID, callWhy(x.Why), callState(x))
	about := "Message"
	switch {
	case x.Why == "upload_stopped":
		about = "File"
		fmt.Fprintf(w, "From partner %s", x.Partner)
	case x.Partner != "":
		fmt.Fprintf(w, "From %s for %s", x.Source, x.Partner)
	default:
		fmt.Fprintf(w, "From %s", x.Source)
	}
	fmt.Fprintf(w, ", came %s, task opened %s, then: %s, now: %s\n%s %s\n", clock(x.CameAt), clock(x.OpenedAt), x.Stopped, x.Now, about, x.Message)
	if x.File != "" {
		fmt.Fprintf(w, "Its sender called it: %s\n", printable(x.File))
	}
	if len(x.Orders) > 0 {
		fmt.Fprintf(w, "Orders and accessions: %s\n", printable(strings.Join(x.Orders, ", ")))
	}
	if x.Unreadable != "" {
		fmt.Fprintf(w, "No order number: %s.\n", x.Unreadable)
	}
	rows := make([][]string, len(x.Steps))
	for i, p := range x.Steps {
		back := "-"
		if p.Kind == "called" && p.Outcome == "reached" {
			back = "not read back"
			if p.ReadBack {
				back = "read back"
			}
		}
		rows[i] = []string{clock(p.At), p.Kind, p.Who + " (" + p.Account + ")", dash(p.Outcome), back, clock(p.NextAt), dash(printable(p.Whom)), dash(printable(p.Note)), p.Reason}
	}
	if len(rows) > 0 {
		table(w, "AT|WHAT|WHO|OUTCOME|READ BACK|NEXT TRY|WHOM|NOTE|REASON", rows)
	}
}

// printable keeps what people typed, or a message holds, from commanding the
// terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '.'
		}
		return r
	}, s)
}

// callAct makes a command that does one thing to one phone task.
func callAct(use, short, long, act string, in func(c *cobra.Command, by, reason string) (any, error)) *cobra.Command {
	c := &cobra.Command{Use: use + " CALL", Short: short, Long: long, Args: cobra.ExactArgs(1)}
	f, by, reason := addHubFlags(c), byFlag(c), c.Flags().StringP("reason", "r", "", "why, for the ledger; never name a patient")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := needBy(c, *by); err != nil {
			return err
		}
		body, err := in(c, *by, *reason)
		if err != nil {
			return err
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		x, err := client.ActOnCall(c.Context(), act, args[0], body)
		if err != nil {
			return err
		}
		return f.show(c, x, func(w io.Writer) { fmt.Fprintf(w, "Phone task %s is %s (recorded for %s).\n", x.ID, callState(x), *by) })
	}
	return c
}

func callsTakeCommand() *cobra.Command {
	return callAct("take", "Take a phone task: you will call", `Take a phone task, also from somebody else. Both stay in the record.`, "take",
		func(_ *cobra.Command, by, reason string) (any, error) {
			if strings.TrimSpace(reason) == "" {
				reason = "taken"
			}
			return control.Named{By: by, Reason: reason}, nil
		})
}

func callsLogCommand() *cobra.Command {
	var whom, outcome, note *string
	var back *bool
	var next *time.Duration
	c := callAct("log", "Write a telephone call down", `Write a telephone call down: whom, when (now), whether the value was read back, and
what came of it. Whom and note are sealed.

--outcome reached        somebody was told; --read-back if they read the value back
--outcome not-reached    needs --next, when the next try is
--outcome handed-over    whom is who has the task from now on`, "log",
		func(c *cobra.Command, by, reason string) (any, error) {
			return control.CallLog{
				Named: control.Named{By: by, Reason: reason}, Whom: *whom, Outcome: strings.ReplaceAll(*outcome, "-", "_"),
				ReadBack: *back, NextSeconds: int64(*next / time.Second), Note: *note,
			}, nil
		})
	whom = c.Flags().String("whom", "", "whom you called (needed)")
	outcome = c.Flags().String("outcome", "", "reached, not-reached or handed-over (needed)")
	note = c.Flags().String("note", "", "what else is to be kept; it is sealed")
	back = c.Flags().Bool("read-back", false, "the value was read back")
	next = c.Flags().Duration("next", 0, "when nobody was reached: in how long the next try is, as 10m")
	return c
}

func callsCloseCommand() *cobra.Command {
	var without *bool
	c := callAct("close", "Close a phone task", `Close a phone task: somebody was reached and read the value back, or the result was
acknowledged meanwhile. --without-call closes it all the same, and the ledger says so.`, "close",
		func(c *cobra.Command, by, reason string) (any, error) {
			if err := needReason(c, reason); err != nil {
				return nil, err
			}
			return control.CloseCall{Named: control.Named{By: by, Reason: reason}, WithoutCall: *without}, nil
		})
	without = c.Flags().Bool("without-call", false, "close it though nobody was reached who read the value back")
	return c
}
