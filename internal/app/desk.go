package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Desk is the hub as who uses it, running or only opened.
func (h *Hub) Desk(who string) desk.Desk { return atDesk{h, who} }

type atDesk struct {
	h   *Hub
	who string
}

func (d atDesk) History(ctx context.Context) ([]desk.Revision, error) { return d.h.History(ctx) }

func (d atDesk) Revision(ctx context.Context, number int64) (desk.Text, error) {
	a, err := d.h.numbered(ctx, number)
	if err != nil {
		return desk.Text{}, err
	}
	return desk.Text{Revision: a.Revision, Source: string(a.Source)}, nil
}

func (d atDesk) Compare(ctx context.Context, from int64, to desk.Target) (desk.Comparison, error) {
	out := desk.Comparison{Changes: []config.Change{}}
	b, _, err := d.h.target(ctx, to)
	if err != nil {
		return out, err
	}
	out.Hash = b.Revision()
	a, err := d.h.numbered(ctx, from)
	switch {
	case from == 0 && errors.Is(err, ErrNoRevision):
		out.NeedApproval = NeedApproval(nil, b)
		out.Missing, err = d.h.MayCarry(ctx, b)
		return out, err
	case err != nil:
		return out, err
	}
	out.From = a.Revision
	out.Changes = append(out.Changes, Differences(a.Config, b)...)
	out.NeedApproval = NeedApproval(a.Config, b)
	if from == 0 && len(out.NeedApproval) > 0 {
		out.Missing, err = d.h.MayCarry(ctx, b)
	}
	return out, err
}

func (d atDesk) Apply(ctx context.Context, to desk.Target, why desk.Why) (desk.Outcome, error) {
	if to.Number > 0 {
		return d.h.Rollback(ctx, to.Number, d.who, why.Reason, why.ApprovedBy)
	}
	c, source, err := d.h.target(ctx, to)
	if err != nil {
		return desk.Outcome{}, err
	}
	return d.h.Apply(ctx, Proposal{Config: c, Source: source, Who: d.who, Reason: why.Reason, ApprovedBy: why.ApprovedBy})
}

func (d atDesk) Secrets(ctx context.Context) ([]desk.Secret, error) { return d.h.Secrets(ctx) }

func (d atDesk) SetSecret(ctx context.Context, name string, value []byte) error {
	return d.h.SetSecret(ctx, name, value, d.who)
}

func (d atDesk) RemoveSecret(ctx context.Context, name string) error {
	return d.h.RemoveSecret(ctx, name, d.who)
}

func (d atDesk) Extend(ctx context.Context, channel, reason string) (desk.Extension, error) {
	return d.h.Extend(ctx, channel, d.who, reason)
}

func (d atDesk) Keys(context.Context) (vault.Status, error) { return d.h.keyStatus() }

func (d atDesk) Replay(ctx context.Context, r desk.ReplayRequest, each func(results.Difference) error, progress func(int64)) (desk.ReplaySummary, error) {
	c, _, err := d.h.target(ctx, r.Draft)
	if err != nil {
		return desk.ReplaySummary{}, err
	}
	sum, err := d.h.Replay(ctx, c, r.Day, ReplayOptions{Source: r.Source, Reveal: r.Reveal, Who: d.who, Progress: progress}, each)
	return desk.ReplaySummary{ReplaySummary: sum}, err
}

// numbered is revision n, or the one in force for 0.
func (h *Hub) numbered(ctx context.Context, n int64) (*Applied, error) {
	if n == 0 {
		return h.Current(ctx)
	}
	return h.Show(ctx, n)
}

// target reads what somebody wants compared, applied or replayed. The hub reads
// a draft itself: what it makes of it must be what the person saw.
func (h *Hub) target(ctx context.Context, t desk.Target) (*config.Config, []byte, error) {
	if t.Number > 0 {
		a, err := h.Show(ctx, t.Number)
		if err != nil {
			return nil, nil, err
		}
		return a.Config, a.Source, nil
	}
	if len(t.Source) == 0 {
		return nil, nil, desk.Refuse("no configuration is given")
	}
	opts := ParseOptions()
	opts.Now = h.now()
	c, problems := config.Parse("labwarden.yaml", t.Source, opts)
	if c == nil {
		return nil, nil, &desk.Invalid{Err: fmt.Errorf("the hub cannot take this configuration: %w", problems.Err())}
	}
	if t.Hash != "" && c.Revision() != t.Hash {
		return nil, nil, desk.Refuse("a program that the configuration names reads otherwise for the hub than for you; put it where the hub sees it, and check again")
	}
	return c, t.Source, nil
}

// ParseOptions are those with which a configuration is read from its file.
// Relative paths are relative to the folder this process is in: that of the
// configuration file.
func ParseOptions() config.Options {
	return config.Options{Validators: Validators(), ReadFile: os.ReadFile, CheckFile: CheckFile}
}

// CheckFile says whether a file (or folder) is there.
func CheckFile(path string, folder bool) error {
	i, err := os.Stat(path)
	if err != nil {
		return err
	}
	if i.IsDir() != folder {
		if folder {
			return errors.New("it is not a folder")
		}
		return errors.New("it is a folder")
	}
	return nil
}

// subjects names what changes concern: "partner riverside", "routes".
func subjects(changes []config.Change, more []string) []string {
	var out []string
	for _, c := range changes {
		top, rest, _ := strings.Cut(c.Path, ".")
		top, _, _ = strings.Cut(top, "[")
		name, _, _ := strings.Cut(rest, ".")
		switch {
		case top == "log":
			continue // taken at a start
		case top == "partners" && name != "":
			out = append(out, "partner "+name)
		case top == "sources" && name != "":
			out = append(out, "source "+name)
		default:
			out = append(out, top)
		}
	}
	out = append(out, more...)
	slices.Sort(out)
	return slices.Compact(out)
}

// nodeChanges says what the node section of the file says differently from the
// one this process started with; that is only taken at a start.
func (h *Hub) nodeChanges(running *config.Config) []string {
	if h.file == "" || running == nil {
		return nil
	}
	src, err := os.ReadFile(h.file)
	if err != nil {
		return nil // whoever needs the file says so
	}
	n, problems := config.ParseNode(filepath.Base(h.file), src, config.Options{})
	if n == nil {
		return []string{"the node section of " + h.file + " has errors: " + problems.Err().Error()}
	}
	var out []string
	for _, c := range config.Diff(&config.Config{Node: running.Node}, &config.Config{Node: *n}) {
		out = append(out, c.Words)
	}
	return out
}

// logChanges is what of the log changes only at a start.
func logChanges(a, b *config.Config) []string {
	if a == nil || a.Log == b.Log {
		return nil
	}
	return []string{"log: level and format"}
}
