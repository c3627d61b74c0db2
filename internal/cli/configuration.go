package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/config"
)

func configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "The applied configuration: its history, differences, and a change of it",
		Long: `What runs is the applied revision, not the file: a changed labwarden.yaml does
nothing until it is applied. Every revision stays, with its text, who applied it
and why, and its hash stands in the ledger and in every proof.`,
	}
	c.AddCommand(historyCommand(), showCommand(), diffCommand(), applyCommand(), rollbackCommand())
	return c
}

func historyCommand() *cobra.Command {
	c := &cobra.Command{Use: "history", Short: "List the applied revisions, newest first"}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return f.desk(c, false, func(d desk.Desk, _ *draft) error {
			list, err := d.History(c.Context())
			if err != nil {
				return err
			}
			return f.show(c, list, func(w io.Writer) {
				if len(list) == 0 {
					c.Println("No revision was applied yet; the first start of the hub applies the file.")
				}
				for _, r := range list {
					fmt.Fprintf(w, "%4d  %s  %s  by %s: %s%s\n", r.Number, r.AppliedAt.Format(time.RFC3339), r.Hash[:12], r.AppliedBy, r.Reason, approvedBy(r))
				}
			})
		})
	}
	return c
}

func approvedBy(r desk.Revision) string {
	if r.ApprovedBy == "" {
		return ""
	}
	return ", approved by " + r.ApprovedBy
}

func revisionNumber(c *cobra.Command, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, usageError{c.CommandPath(), fmt.Errorf("%q is not the number of a revision", text)}
	}
	return n, nil
}

func showCommand() *cobra.Command {
	c := &cobra.Command{Use: "show [NUMBER]", Short: "Show a revision's text as it was written; the one in force without NUMBER", Args: cobra.MaximumNArgs(1)}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var n int64
		if len(args) > 0 {
			var err error
			if n, err = revisionNumber(c, args[0]); err != nil {
				return err
			}
		}
		return f.desk(c, false, func(d desk.Desk, _ *draft) error {
			r, err := d.Revision(c.Context(), n)
			if err != nil {
				return err
			}
			return f.show(c, r, func(w io.Writer) { fmt.Fprint(w, r.Source) })
		})
	}
	return c
}

func diffCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "diff [FROM [TO]]",
		Short: "Say in words what is different between two revisions",
		Long: `Say in words what becomes different: from the applied revision to the file, from
revision FROM to the applied one, or from FROM to TO.`,
		Args: cobra.MaximumNArgs(2),
	}
	f := addHubFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var n [2]int64
		for i, a := range args {
			var err error
			if n[i], err = revisionNumber(c, a); err != nil {
				return err
			}
		}
		return f.desk(c, len(args) == 0, func(d desk.Desk, file *draft) error {
			to := desk.Target{Number: n[1]}
			switch {
			case len(args) == 0 && file.conf == nil:
				return fmt.Errorf("%s has errors; `labwarden check` shows them", file.path)
			case len(args) == 0:
				to = file.target()
			case n[1] == 0:
				now, err := d.Revision(c.Context(), 0)
				if err != nil {
					return err
				}
				to.Number = now.Number
			}
			step, err := d.Compare(c.Context(), n[0], to)
			if err != nil {
				return err
			}
			if step.From.Number == 0 {
				return desk.ErrNoRevision
			}
			return f.show(c, step.Changes, func(w io.Writer) {
				if len(step.Changes) == 0 {
					fmt.Fprintln(w, "They mean the same.")
				}
				showChanges(w, step.Changes)
			})
		})
	}
	return c
}

// change are the flags of what puts a configuration in force.
type change struct {
	*hubFlags
	yes              bool
	reason, approved string
}

func (ch *change) flags(c *cobra.Command) {
	ch.hubFlags = addHubFlags(c)
	f := c.Flags()
	f.BoolVar(&ch.yes, "yes", false, "do not ask")
	f.StringVar(&ch.reason, "reason", "", "why (needed); it stands in the ledger, so no patient's name")
	f.StringVar(&ch.approved, "approved-by", "", "who approved it, for the record; what is to carry needs labwarden route approve besides")
}

// apply shows what would change, sees to approval and consent, and does it.
func (ch *change) apply(c *cobra.Command, d desk.Desk, file *draft, to desk.Target) error {
	if ch.reason == "" {
		return usageError{c.CommandPath(), errors.New("say why with --reason")}
	}
	step, err := d.Compare(c.Context(), 0, to)
	if err != nil {
		return err
	}
	w := c.ErrOrStderr()
	switch {
	case step.From.Number == 0:
		fmt.Fprintln(w, "This becomes the first revision.")
	case len(step.Changes) == 0:
		return fmt.Errorf("nothing would change: it means the same as revision %d, which is in force", step.From.Number)
	default:
		fmt.Fprintln(w, "What changes:")
		showChanges(w, step.Changes)
	}
	if len(step.NeedApproval) > 0 {
		fmt.Fprintln(w, "What only the laboratory director decides:")
		for _, n := range step.NeedApproval {
			fmt.Fprintf(w, "  %s\n", n)
		}
		if len(step.Missing) > 0 {
			return errors.New(strings.Join(step.Missing, "; "))
		}
	}
	if !ch.yes {
		if err := confirm(c, "Apply it?"); err != nil {
			return err
		}
	}
	to.Hash = step.Hash
	out, err := d.Apply(c.Context(), to, desk.Why{Reason: ch.reason, ApprovedBy: ch.approved})
	if err != nil {
		return err
	}
	if out.File.Problem != "" && file != nil && file.abs == out.File.Path {
		writeForHub(c, d, file, &out)
	}
	return ch.show(c, out, func(w io.Writer) { showOutcome(w, out) })
}

// writeForHub writes the configuration file where this user may and the hub may
// not. What the hub says the text is, is read first; the file's own node section
// stays.
func writeForHub(c *cobra.Command, d desk.Desk, file *draft, out *desk.Outcome) {
	text, err := d.Revision(c.Context(), out.Number)
	if err != nil || parseDraft(file.path, file.abs, []byte(text.Source), time.Time{}).conf == nil {
		return // the problem stands as the hub told it
	}
	var before []byte
	if out.Number > 1 {
		if old, err := d.Revision(c.Context(), out.Number-1); err == nil {
			before = []byte(old.Source)
		}
	}
	out.File = app.ReplaceFile(file.abs, []byte(text.Source), before)
}

func showOutcome(w io.Writer, out desk.Outcome) {
	fmt.Fprintf(w, "Revision %d is applied (%s).", out.Number, out.Hash[:12])
	if !out.Running {
		fmt.Fprint(w, " It runs when the hub starts.")
	}
	fmt.Fprintln(w)
	showTaken(w, out.Taken)
	switch file := out.File; {
	case file.Problem != "":
		fmt.Fprintf(w, "%s could not be written: %s. The revision is in force all the same; `labwarden config show` prints its text.\n", file.Path, file.Problem)
	case file.Kept != "":
		fmt.Fprintf(w, "%s says so now. What stood there and was never applied is in %s.\n", file.Path, file.Kept)
	case file.Written:
		fmt.Fprintf(w, "%s says so now; its node section is as it was.\n", file.Path)
	}
}

func showTaken(w io.Writer, t desk.Taken) {
	if len(t.Taken) > 0 {
		fmt.Fprintf(w, "Taken over: %s.\n", strings.Join(t.Taken, ", "))
	}
	if len(t.Restart) > 0 {
		fmt.Fprintln(w, "Only taken when the hub is restarted:")
		for _, x := range t.Restart {
			fmt.Fprintf(w, "  %s\n", x)
		}
	}
}

func applyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "apply [DRAFT]",
		Short: "Check the file, show what would change, and put it in force as a new revision",
		Long: `Check the configuration file, or DRAFT in its place, show what would change, and
put it in force as a new revision. A running hub takes it at once, without
dropping what is under way. Afterwards the configuration file has that text, but
for its node section, which belongs to this machine; what stood there and was
never applied is kept beside it.`,
		Args: cobra.MaximumNArgs(1),
	}
	var ch change
	ch.flags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		name := ""
		if len(args) == 1 {
			abs, err := filepath.Abs(args[0]) // before the folder changes
			if err != nil {
				return fmt.Errorf("find %s: %w", args[0], err)
			}
			name = abs
		}
		return ch.desk(c, true, func(d desk.Desk, file *draft) error {
			next := file
			if name != "" {
				src, err := readUpTo(name, config.MaxSize)
				if err != nil {
					return err
				}
				next = parseDraft(args[0], name, src, time.Now())
			}
			if err := next.problems.Render(c.ErrOrStderr(), next.source); err != nil {
				return fmt.Errorf("show problems: %w", err)
			}
			if next.conf == nil {
				return errSilent
			}
			return ch.apply(c, d, file, next.target())
		})
	}
	return c
}

func rollbackCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "rollback NUMBER",
		Short: "Apply an earlier revision again, as a new one",
		Long: `Apply an earlier revision again, as a new one. The configuration file gets its
text, comments included, but for its node section, which belongs to this machine;
what stood there and was never applied is kept beside it.`,
		Args: cobra.ExactArgs(1),
	}
	var ch change
	ch.flags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		n, err := revisionNumber(c, args[0])
		if err != nil {
			return err
		}
		return ch.desk(c, false, func(d desk.Desk, file *draft) error { return ch.apply(c, d, file, desk.Target{Number: n}) })
	}
	return c
}
