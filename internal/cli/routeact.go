package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/results"
)

func routeExplainCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "explain NAME [KIND]",
		Short: "Say why differences are as they should be; later ones of the kind are covered too",
		Long: `Explain every difference of a kind (a field such as OBX-5, or a segment) and class
between a route and its partner's old path: those found so far and those to come.
A message that only one path delivered is explained alone, with --comparison.
Your name and the reason go into the ledger.`,
		Args: cobra.RangeArgs(1, 2),
	}
	f, reason := addHubFlags(c), reasonFlag(c)
	class := c.Flags().String("class", "", "differs, only_ours, only_theirs or order (needed)")
	only := c.Flags().String("comparison", "", "the one comparison, of a whole message")
	c.RunE = func(c *cobra.Command, args []string) error {
		kind := results.WholeMessage
		if len(args) == 2 {
			kind = args[1]
		}
		if (len(args) == 2) == (*only != "") || *class == "" {
			return usageError{c.CommandPath(), errOneOf}
		}
		if err := needReason(c, *reason); err != nil {
			return err
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		e, err := client.Explain(c.Context(), args[0], control.ExplainRequest{Class: *class, Kind: kind, Comparison: *only, Reason: *reason})
		if err != nil {
			return err
		}
		return f.show(c, e, func(w io.Writer) {
			fmt.Fprintf(w, "Explained in %d messages (recorded for %s).\n", e.Messages, e.By)
		})
	}
	return c
}

func directorFlag(c *cobra.Command, what string) *string {
	return c.Flags().String("director", "", "the laboratory director, or whom the director delegated in writing, who "+what+" (needed)")
}

func needDirector(c *cobra.Command, name string) error {
	if name == "" {
		return usageError{c.CommandPath(), errors.New(`name who decided with --director "...": the ledger keeps it with your own account`)}
	}
	return nil
}

func routeApproveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "approve NAME",
		Short: "Record the laboratory director's approval that a route may carry",
		Long: `Record that the laboratory director approves a route in exactly its present
configuration: any edit of the route, and a step back from carry, ends the approval.
It is refused until enough days were compared and every difference is explained.

With --no-old-path the director states that there is no old path to compare with: a
new practice, or a route that never existed. It is refused for a route that names
an old_path.

The approval is of the route as it is applied; with --draft as the file has it, for
a change that is to be applied afterwards. Before the first start there is no applied
revision, and the file counts. This works with the hub running or stopped.`,
		Args: cobra.ExactArgs(1),
	}
	f, reason, director := addHubFlags(c), reasonFlag(c), directorFlag(c, "approves")
	none := c.Flags().Bool("no-old-path", false, "the director states that there is no old path")
	draft := c.Flags().Bool("draft", false, "approve the route as the file has it, not as it is applied")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := errors.Join(needReason(c, *reason), needDirector(c, *director)); err != nil {
			return usageError{c.CommandPath(), err}
		}
		a, err := approve(c, f, args[0], *director, *reason, *none, *draft)
		if err != nil {
			return err
		}
		return f.show(c, a, func(w io.Writer) {
			what := "after the comparison"
			if a.NoOldPath {
				what = "stating that there is no old path"
			}
			fmt.Fprintf(w, "Recorded: %s approves route %s (configuration %s) %s; recorded by %s.\n", a.Director, a.Route, a.Config[:12], what, a.By)
		})
	}
	return c
}

func approve(c *cobra.Command, f *hubFlags, name, director, reason string, none, fromFile bool) (a results.Approval, err error) {
	q := control.ApproveRequest{Director: director, NoOldPath: none, Reason: reason}
	if fromFile {
		if q.Draft, err = draftCandidate(c, *f.config, name); err != nil {
			return a, err
		}
	}
	client, err := f.client(c)
	if err != nil {
		return a, err
	}
	defer client.Close()
	a, err = client.Approve(c.Context(), name, q)
	if !errors.Is(err, control.ErrNoHub) {
		return a, err
	}
	file, err := readDraft(*f.config, time.Now())
	if err != nil {
		return a, err
	}
	err = withHub(c, file, func(h *app.Hub) error {
		if _, cerr := h.Current(c.Context()); errors.Is(cerr, app.ErrNoRevision) && q.Draft == nil {
			if q.Draft, err = candidateOf(c, file, name); err != nil {
				return err
			}
		}
		a, err = h.ApproveRoute(c.Context(), name, q.Draft, director, none, results.By{Who: whoami(), Reason: reason})
		return err
	})
	return a, err
}

func routeMoveCommand(forward bool) *cobra.Command {
	c := &cobra.Command{
		Use:   "back NAME",
		Short: "Take a route one stage back, at once and without approval",
		Long: `Take a route one stage back, from carry to parallel or from parallel to shadow, as a
new revision of the applied configuration. It works at once and needs nobody's
approval; an approval to carry ends with it. In shadow nothing more is sent of what
comes in from then on; what waited for the partner before is still delivered (hold
it with labwarden results hold). The file stays as it is: change it too.`,
		Args: cobra.ExactArgs(1),
	}
	if forward {
		c.Use, c.Short = "forward NAME", "Take a route one stage forward, as the laboratory director decided"
		c.Long = `Take a route one stage forward, from shadow to parallel or from parallel to carry, as
a new revision of the applied configuration. To carry it needs the comparison and
the approval that labwarden route show names. The file stays as it is: change it too.`
	}
	f, reason := addHubFlags(c), reasonFlag(c)
	director := new(string)
	if forward {
		director = directorFlag(c, "decided it")
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := needReason(c, *reason); err != nil {
			return err
		}
		if forward {
			if err := needDirector(c, *director); err != nil {
				return err
			}
		}
		client, err := f.client(c)
		if err != nil {
			return err
		}
		defer client.Close()
		m, err := client.Move(c.Context(), args[0], forward, control.MoveRequest{Director: *director, Reason: *reason})
		if err != nil {
			return err
		}
		return f.show(c, m, func(w io.Writer) {
			fmt.Fprintf(w, "Route %s went from %s to %s: revision %d is applied (%s), recorded for %s.\n", m.Route, m.From, m.To, m.Revision, m.Hash[:12], m.By)
			fmt.Fprintf(w, "The file still says %s; write stage: %s there too.\n", m.From, m.To)
		})
	}
	return c
}

// draftCandidate is a route as the file has it.
func draftCandidate(c *cobra.Command, path, name string) (*results.Candidate, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find this folder: %w", err)
	}
	file, err := readDraft(path, time.Now())
	if err != nil {
		return nil, err
	}
	if err := os.Chdir(here); err != nil { // reading a draft goes to its folder
		return nil, fmt.Errorf("return to this folder: %w", err)
	}
	return candidateOf(c, file, name)
}

func candidateOf(c *cobra.Command, file *draft, name string) (*results.Candidate, error) {
	if file.conf == nil {
		if err := file.problems.Render(c.ErrOrStderr(), file.source); err != nil {
			return nil, fmt.Errorf("show problems: %w", err)
		}
		return nil, errSilent
	}
	for _, r := range file.conf.Routes {
		if r.Name == name {
			x := app.Candidate(file.conf, r)
			return &x, nil
		}
	}
	return nil, fmt.Errorf("%s has no route %q", file.path, name)
}
