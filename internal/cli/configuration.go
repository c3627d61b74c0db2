package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
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
	c.RunE = func(c *cobra.Command, _ []string) error {
		return usageError{c.CommandPath(), errors.New("choose history, show, diff, apply or rollback")}
	}
	c.AddCommand(historyCommand(), showCommand(), diffCommand(), applyCommand(), rollbackCommand())
	return c
}

func jsonFlag(c *cobra.Command) *bool { return c.Flags().Bool("json", false, "write JSON") }

func historyCommand() *cobra.Command {
	c := &cobra.Command{Use: "history", Short: "List the applied revisions, newest first"}
	path, asJSON := configFlag(c), jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return withDraft(c, *path, func(h *app.Hub, _ *draft) error {
			list, err := h.History(c.Context())
			if err != nil {
				return err
			}
			if *asJSON {
				return showJSON(c, list)
			}
			if len(list) == 0 {
				c.Println("No revision was applied yet; the first start of the hub applies the file.")
			}
			for _, r := range list {
				fmt.Fprintf(c.OutOrStdout(), "%4d  %s  %s  by %s: %s%s\n", r.Number, r.AppliedAt.Format(time.RFC3339), r.Hash[:12], r.AppliedBy, r.Reason, approvedBy(r))
			}
			return nil
		})
	}
	return c
}

func approvedBy(r app.Revision) string {
	if r.ApprovedBy == "" {
		return ""
	}
	return ", approved by " + r.ApprovedBy
}

func withDraft(c *cobra.Command, path string, do func(*app.Hub, *draft) error) error {
	file, err := readDraft(path, time.Now())
	if err != nil {
		return err
	}
	return withHub(c, file, func(h *app.Hub) error { return do(h, file) })
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
	path, asJSON := configFlag(c), jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return withDraft(c, *path, func(h *app.Hub, _ *draft) error {
			r, err := revisionAt(c, h, args)
			if err != nil {
				return err
			}
			if *asJSON {
				return showJSON(c, struct {
					app.Revision
					Source string `json:"source"`
				}{r.Revision, string(r.Source)})
			}
			_, err = c.OutOrStdout().Write(r.Source)
			return err
		})
	}
	return c
}

// revisionAt is the one args name, or the one in force.
func revisionAt(c *cobra.Command, h *app.Hub, args []string) (*app.Applied, error) {
	if len(args) == 0 {
		return h.Current(c.Context())
	}
	n, err := revisionNumber(c, args[0])
	if err != nil {
		return nil, err
	}
	return h.Show(c.Context(), n)
}

func diffCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "diff [FROM [TO]]",
		Short: "Say in words what is different between two revisions",
		Long: `Say in words what becomes different: from the applied revision to the file, from
revision FROM to the applied one, or from FROM to TO.`,
		Args: cobra.MaximumNArgs(2),
	}
	path, asJSON := configFlag(c), jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return withDraft(c, *path, func(h *app.Hub, file *draft) error {
			a, err := revisionAt(c, h, args)
			if err != nil {
				return err
			}
			var b *config.Config
			if len(args) == 0 {
				if b = file.conf; b == nil {
					return fmt.Errorf("%s has errors; `labwarden check` shows them", file.path)
				}
			} else {
				to, err := revisionAt(c, h, args[1:])
				if err != nil {
					return err
				}
				b = to.Config
			}
			changes := app.Differences(a.Config, b)
			if *asJSON {
				return showJSON(c, append([]config.Change{}, changes...))
			}
			if len(changes) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "They mean the same.")
			}
			showChanges(c.OutOrStdout(), changes)
			return nil
		})
	}
	return c
}

// change are the flags of what puts a configuration in force.
type change struct {
	yes                  bool
	by, reason, approved string
	json                 *bool
}

func (ch *change) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&ch.yes, "yes", false, "do not ask")
	f.StringVar(&ch.by, "by", whoami(), "who does this")
	f.StringVar(&ch.reason, "reason", "", "why (needed); it stands in the ledger, so no patient's name")
	f.StringVar(&ch.approved, "approved-by", "", "who approved it, for the record; what is to carry needs `labwarden route approve` besides")
	ch.json = jsonFlag(c)
}

// apply shows what would change, sees to approval and consent, and does it.
func (ch *change) apply(c *cobra.Command, h *app.Hub, next *config.Config, do func() (app.Revision, error)) error {
	if ch.reason == "" {
		return usageError{c.CommandPath(), errors.New("say why with --reason")}
	}
	var old *config.Config
	cur, err := h.Current(c.Context())
	switch {
	case errors.Is(err, app.ErrNoRevision):
		fmt.Fprintln(c.ErrOrStderr(), "This becomes the first revision.")
	case err != nil:
		return err
	default:
		old = cur.Config
		changes := app.Differences(old, next)
		if len(changes) == 0 {
			return fmt.Errorf("nothing would change: it means the same as revision %d, which is in force", cur.Number)
		}
		fmt.Fprintln(c.ErrOrStderr(), "What changes:")
		showChanges(c.ErrOrStderr(), changes)
	}
	if need := app.NeedApproval(old, next); len(need) > 0 {
		fmt.Fprintln(c.ErrOrStderr(), "What only the laboratory director decides:")
		for _, n := range need {
			fmt.Fprintf(c.ErrOrStderr(), "  %s\n", n)
		}
		if missing, err := h.MayCarry(c.Context(), next); err != nil {
			return err
		} else if len(missing) > 0 {
			return errors.New(strings.Join(missing, "; "))
		}
	}
	if !ch.yes {
		if err := confirm(c, "Apply it?"); err != nil {
			return err
		}
	}
	r, err := do()
	if err != nil {
		return err
	}
	if *ch.json {
		return showJSON(c, r)
	}
	fmt.Fprintf(c.OutOrStdout(), "Revision %d is applied (%s). It runs when the hub starts.\n", r.Number, r.Hash[:12])
	return nil
}

func applyCommand() *cobra.Command {
	c := &cobra.Command{Use: "apply", Short: "Check the file, show what would change, and put it in force as a new revision"}
	path := configFlag(c)
	var ch change
	ch.flags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return withDraft(c, *path, func(h *app.Hub, file *draft) error {
			if err := file.problems.Render(c.ErrOrStderr(), file.source); err != nil {
				return fmt.Errorf("show problems: %w", err)
			}
			if file.conf == nil {
				return errSilent
			}
			return ch.apply(c, h, file.conf, func() (app.Revision, error) {
				return h.Apply(c.Context(), app.Proposal{Config: file.conf, Source: file.source, Who: ch.by, Reason: ch.reason, ApprovedBy: ch.approved})
			})
		})
	}
	return c
}

func rollbackCommand() *cobra.Command {
	c := &cobra.Command{Use: "rollback NUMBER", Short: "Apply an earlier revision again, as a new one; the file stays as it is", Args: cobra.ExactArgs(1)}
	path := configFlag(c)
	var ch change
	ch.flags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		n, err := revisionNumber(c, args[0])
		if err != nil {
			return err
		}
		return withDraft(c, *path, func(h *app.Hub, file *draft) error {
			old, err := h.Show(c.Context(), n)
			if err != nil {
				return err
			}
			err = ch.apply(c, h, old.Config, func() (app.Revision, error) {
				return h.Rollback(c.Context(), n, ch.by, ch.reason, ch.approved)
			})
			if err == nil {
				fmt.Fprintf(c.ErrOrStderr(), "%s is as it was; `labwarden config show` prints the text now in force.\n", file.path)
			}
			return err
		})
	}
	return c
}
