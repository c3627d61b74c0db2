package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// KindConfigApplied is the ledger's word for an applied revision.
const KindConfigApplied = "config.applied"

// Revision is one applied configuration.
type Revision = desk.Revision

// Errors about revisions.
var (
	ErrNoRevision    = desk.ErrNoRevision
	ErrUnchanged     = desk.ErrUnchanged
	ErrOvertaken     = desk.ErrOvertaken
	ErrNeedsApproval = desk.ErrNeedsApproval
)

// Applied is a revision with its contents.
type Applied struct {
	Revision
	Config *config.Config
	Source []byte // the text as it was written, comments included
}

// Proposal is a configuration that somebody wants applied.
type Proposal struct {
	Config      *config.Config
	Source      []byte // nil: the canonical form
	Who, Reason string
	ApprovedBy  string
}

// stored is what a row holds, sealed: it names hosts, accounts and providers.
// Canonical holds the programs that Source only names, so that the revision
// runs as it was applied even when such a file changes.
type stored struct {
	Source    string `json:"source"`
	Canonical string `json:"canonical"`
}

func revisionWhere(number int64) vault.Where {
	return vault.Where{Table: "hub_revisions", Column: "source", Row: strconv.AppendInt(nil, number, 10)}
}

// Apply puts a configuration in force as a new revision and records it. In a
// running hub sources, partners, routes and witnesses change without a restart;
// if anything of it cannot be built or opened, nothing changes. The node section
// stays what this node started with. Afterwards the configuration file says the
// same; where it cannot be written, the outcome says so and the revision stands:
// a file that differs is reported at the next start and not taken.
func (h *Hub) Apply(ctx context.Context, p Proposal) (desk.Outcome, error) {
	h.applying.Lock()
	defer h.applying.Unlock()
	return h.apply(ctx, p)
}

func (h *Hub) apply(ctx context.Context, p Proposal) (out desk.Outcome, err error) {
	if strings.TrimSpace(p.Who) == "" || strings.TrimSpace(p.Reason) == "" {
		return out, desk.Refuse("apply configuration: name who does this and why")
	}
	before, err := h.Current(ctx)
	if err != nil && !errors.Is(err, ErrNoRevision) {
		return out, err
	}
	var old *config.Config
	if before != nil {
		old = before.Config
		if old.Revision() == p.Config.Revision() {
			return desk.Outcome{Revision: before.Revision}, fmt.Errorf("apply configuration: %w: it means the same as revision %d", ErrUnchanged, before.Number)
		}
		if old.Lab.ID != p.Config.Lab.ID {
			return out, desk.Refuse(fmt.Sprintf("apply configuration: lab.id is %s and must stay so: proofs name it", old.Lab.ID))
		}
	}
	if longer := longerCalls(old, p.Config); len(longer) > 0 && p.ApprovedBy == "" {
		return out, fmt.Errorf("apply configuration: %w: %s", ErrNeedsApproval, strings.Join(longer, "; "))
	}
	if directors, err := h.mayCarry(ctx, old, p.Config); err != nil {
		return out, fmt.Errorf("apply configuration: %w", err)
	} else if directors != "" {
		p.ApprovedBy = directors
	}
	canonical := string(p.Config.Canonical())
	if again, err := reread(canonical, p.Config.Revision()); err != nil {
		return out, fmt.Errorf("apply configuration: %w", err)
	} else if again.Node = p.Config.Node; h.running != nil {
		again.Node = h.running.conf.Node
		p.Config = again
	}
	ready, err := h.prepare(ctx, p.Config)
	if err != nil {
		return out, &desk.Invalid{Err: fmt.Errorf("apply configuration: %w", err)}
	}
	if p.Source == nil {
		p.Source = []byte(canonical)
	}
	var follows int64
	if before != nil {
		follows = before.Number
	}
	r, err := h.record(ctx, old, p, stored{string(p.Source), canonical}, follows)
	if err != nil {
		return out, errors.Join(fmt.Errorf("apply configuration: %w", err), ready.undo())
	}
	out.Revision, out.Running = r, h.running != nil
	if old != nil && out.Running {
		out.Taken.Taken = subjects(Differences(old, p.Config), ready.renewed())
		out.Restart = append(logChanges(old, p.Config), h.nodeChanges(h.running.conf)...)
	}
	if h.file != "" {
		var applied []byte
		if before != nil {
			applied = before.Source
		}
		if out.File = ReplaceFile(h.file, p.Source, applied); out.File.Problem != "" {
			h.slog.Warn("the configuration file could not be written; the revision stands", "file", out.File.Path, "problem", out.File.Problem)
		}
	}
	h.revision = r.Number
	if err := h.Results.LoadSites(ctx); err != nil {
		h.slog.Error("the sites of sources cannot be read: nobody narrowed to a site sees anything until the next start", "error", err)
	}
	if err := ready.commit(); err != nil {
		return out, fmt.Errorf("apply configuration: %w", err)
	}
	if h.running != nil {
		h.writeBypassCard(ctx, h.running.conf)
	}
	h.slog.Info("configuration applied", "revision", r.Number, "hash", r.Hash, "by", r.AppliedBy)
	return out, nil
}

// record writes the revision that follows the one numbered so, whose contents
// are old.
func (h *Hub) record(ctx context.Context, old *config.Config, p Proposal, s stored, follows int64) (r Revision, err error) {
	plain, err := json.Marshal(s)
	if err != nil {
		return r, err
	}
	err = h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var number int64
		if err := tx.QueryRow(ctx, "SELECT COALESCE(MAX(number), 0) FROM hub_revisions").Scan(&number); err != nil {
			return fmt.Errorf("number the revision: %w", err)
		}
		if number != follows {
			return fmt.Errorf("%w: revision %d", ErrOvertaken, number)
		}
		number++
		sealed, err := h.Vault.Seal(vault.PurposeConfig, revisionWhere(number), nil, plain)
		if err != nil {
			return fmt.Errorf("seal the revision: %w", err)
		}
		at := h.now().UnixMicro()
		ev := ledger.Event{
			Kind: KindConfigApplied, At: at, IDs: ledger.Pairs{{K: "by", V: ledger.Code(p.Who)}},
			Codes:   ledger.Pairs{{K: "reason", V: ledger.Code(p.Reason)}, {K: "revision", V: p.Config.Revision()}},
			Numbers: []ledger.Number{{K: "number", N: number}},
		}
		if p.ApprovedBy != "" {
			ev.IDs = append(ev.IDs, ledger.Pair{K: "approved_by", V: ledger.Code(p.ApprovedBy)})
		}
		leaf, err := bus.Publish(ctx, tx, ev)
		if err != nil {
			return err
		}
		if err := h.endApprovals(ctx, tx, old, p.Config); err != nil {
			return err
		}
		if err := h.Results.PlaceSources(ctx, tx, leaf, sitesOf(p.Config)); err != nil {
			return err
		}
		r = Revision{
			Number: number, Hash: p.Config.Revision(), AppliedAt: time.UnixMicro(at).UTC(), AppliedBy: p.Who, Reason: p.Reason,
			ApprovedBy: p.ApprovedBy, Leaf: leaf,
		}
		_, err = tx.Exec(ctx, `INSERT INTO hub_revisions (number, revision, applied_at, applied_by, reason, approved_by, leaf, source)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, number, r.Hash, at, r.AppliedBy, r.Reason, r.ApprovedBy, leaf, sealed)
		if err != nil {
			return err
		}
		return bus.NewTags(h.Vault).Put(ctx, tx, taggedRevisions, number)
	})
	return r, err
}

// sitesOf is to which site each source belongs.
func sitesOf(c *config.Config) map[string]string {
	out := map[string]string{}
	for name, s := range c.Sources {
		out[name] = s.Site
	}
	return out
}

const revisionColumns = "SELECT number, revision, applied_at, applied_by, reason, approved_by, leaf FROM hub_revisions "

func scanRevision(row store.Scanner) (r Revision, err error) {
	var at int64
	err = row.Scan(&r.Number, &r.Hash, &at, &r.AppliedBy, &r.Reason, &r.ApprovedBy, &r.Leaf)
	r.AppliedAt = time.UnixMicro(at).UTC()
	return r, err
}

// History lists the applied revisions, newest first.
func (h *Hub) History(ctx context.Context) ([]Revision, error) {
	out := []Revision{}
	err := h.DB.Query(ctx, revisionColumns+"ORDER BY number DESC", nil, func(row store.Scanner) error {
		r, err := scanRevision(row)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list revisions: %w", err)
	}
	return out, nil
}

// Current returns the revision in force; ErrNoRevision when there is none.
func (h *Hub) Current(ctx context.Context) (*Applied, error) {
	r, err := scanRevision(h.DB.QueryRow(ctx, revisionColumns+"ORDER BY number DESC LIMIT 1"))
	if errors.Is(err, store.ErrNoRows) {
		return nil, ErrNoRevision
	}
	if err != nil {
		return nil, fmt.Errorf("read revision: %w", err)
	}
	return h.contents(ctx, r)
}

// Show returns revision n. Its node section is the one of the file it was
// applied from.
func (h *Hub) Show(ctx context.Context, n int64) (*Applied, error) {
	r, err := scanRevision(h.DB.QueryRow(ctx, revisionColumns+"WHERE number = $1", n))
	if errors.Is(err, store.ErrNoRows) {
		return nil, fmt.Errorf("there is no revision %d; `labwarden config history` lists them: %w", n, ErrNoRevision)
	}
	if err != nil {
		return nil, fmt.Errorf("read revision %d: %w", n, err)
	}
	return h.contents(ctx, r)
}

func (h *Hub) contents(ctx context.Context, r Revision) (*Applied, error) {
	var sealed []byte
	if err := h.DB.QueryRow(ctx, "SELECT source FROM hub_revisions WHERE number = $1", r.Number).Scan(&sealed); err != nil {
		return nil, fmt.Errorf("read revision %d: %w", r.Number, err)
	}
	plain, err := h.Vault.Unseal(vault.PurposeConfig, revisionWhere(r.Number), nil, sealed)
	if err != nil {
		return nil, fmt.Errorf("read revision %d: %w", r.Number, err)
	}
	var s stored
	if err := json.Unmarshal(plain, &s); err != nil {
		return nil, fmt.Errorf("read revision %d: %w", r.Number, err)
	}
	c, err := reread(s.Canonical, r.Hash)
	if err != nil {
		return nil, fmt.Errorf("read revision %d: %w", r.Number, err)
	}
	return &Applied{r, c, []byte(s.Source)}, nil
}

// reread parses the canonical form and makes sure that it means what its hash
// says.
func reread(canonical, hash string) (*config.Config, error) {
	c, problems := config.Parse("revision", []byte(canonical), config.Options{Validators: Validators()})
	if c == nil {
		return nil, fmt.Errorf("this version of Labwarden does not take it: %w", problems.Err())
	}
	if c.Revision() != hash {
		return nil, errors.New("its text does not have the recorded hash")
	}
	return c, nil
}

// Diff says in words what becomes different from revision a to revision b.
func (h *Hub) Diff(ctx context.Context, a, b int64) ([]config.Change, error) {
	x, err := h.Show(ctx, a)
	if err != nil {
		return nil, err
	}
	y, err := h.Show(ctx, b)
	if err != nil {
		return nil, err
	}
	return Differences(x.Config, y.Config), nil
}

// Differences is config.Diff without the node section, which is no part of a
// revision.
func Differences(a, b *config.Config) []config.Change {
	return slices.DeleteFunc(config.Diff(a, b), func(c config.Change) bool { return strings.HasPrefix(c.Path, "node.") })
}

// Rollback applies the contents of revision n again, as a new revision.
func (h *Hub) Rollback(ctx context.Context, n int64, who, reason, approvedBy string) (desk.Outcome, error) {
	h.applying.Lock()
	defer h.applying.Unlock()
	old, err := h.Show(ctx, n)
	if err != nil {
		return desk.Outcome{}, err
	}
	return h.apply(ctx, Proposal{Config: old.Config, Source: old.Source, Who: who, Reason: reason, ApprovedBy: approvedBy})
}

// Start is what runs when a hub starts: the applied revision with this node's
// section of the file.
type Start struct {
	Config   *config.Config
	Revision Revision
	First    bool            // the file was applied as revision 1 just now
	Differs  []config.Change // what the file says differently; it was not taken
}

// Begin decides what runs. node is this node's section. file is the file's
// configuration, nil when it has errors; a fresh laboratory then cannot start.
func (h *Hub) Begin(ctx context.Context, node config.Node, file *config.Config, source []byte, who string) (*Start, error) {
	h.applying.Lock()
	defer h.applying.Unlock()
	s := &Start{}
	cur, err := h.Current(ctx)
	switch {
	case errors.Is(err, ErrNoRevision) && file != nil:
		p := Proposal{Config: file, Source: source, Who: who, Reason: "first-start"}
		if _, err = h.apply(ctx, p); err != nil && !errors.Is(err, ErrOvertaken) {
			return nil, err
		}
		s.First = err == nil
		if cur, err = h.Current(ctx); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	}
	s.Config, s.Revision = cur.Config, cur.Revision
	h.revision = cur.Number
	s.Config.Node = node
	if file != nil {
		s.Differs = Differences(s.Config, file)
	}
	return s, nil
}
