package setup_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

var (
	ann = approval.Person{ID: event.ID{1}, Account: "ann"}
	bob = approval.Person{ID: event.ID{2}, Account: "bob"}
	dir = approval.Person{ID: event.ID{3}, Account: "dr-lee"}
)

const first = `# Millbrook's configuration
lab: {name: Millbrook, id: millbrook}
node: {seals: [{kind: keyfile, path: k}]}
sources:
  lis: {mllp: {listen: "127.0.0.1:2575"}}
partners:
  # asked for by Dr. Hale
  north: {name: North, destination: {folder: {path: /tmp}}}
routes:
  - {name: all, from: lis, to: north, check: none, check_reason: test}
alarms: {critical_after: 10m}
`

// lab is a configuration in memory that keeps the rules of the hub's: numbers
// without gaps, nothing applied that changes nothing, the director's word.
type lab struct {
	revisions []setup.Text
	by        []setup.Why
	approved  map[string]string // route -> by
	holders   map[authz.Permission][]approval.Person
	fail      error
	never     bool
}

func read(src []byte) (*config.Config, config.Problems) {
	return config.Parse("labwarden.yaml", src, config.Options{})
}

func must(src string) *config.Config {
	c, ps := read([]byte(src))
	if c == nil {
		panic(ps.Err())
	}
	return c
}

func (l *lab) text(to setup.Target) string {
	if to.Number > 0 {
		return l.revisions[to.Number-1].Source
	}
	return string(to.Source)
}

func (l *lab) History(context.Context) (out []setup.Revision, err error) {
	for _, r := range l.revisions {
		out = append([]setup.Revision{r.Revision}, out...)
	}
	return out, nil
}

func (l *lab) Revision(_ context.Context, n int64) (setup.Text, error) {
	if n == 0 {
		n = int64(len(l.revisions))
	}
	if n > int64(len(l.revisions)) {
		return setup.Text{}, errors.New("there is no such revision")
	}
	return l.revisions[n-1], nil
}

func (l *lab) Compare(_ context.Context, from int64, to setup.Target) (setup.Comparison, error) {
	cur, err := l.Revision(context.Background(), from)
	if err != nil {
		return setup.Comparison{}, err
	}
	a, b := must(cur.Source), must(l.text(to))
	out := setup.Comparison{From: cur.Revision, Changes: config.Diff(a, b)}
	for _, r := range b.Routes {
		if r.Stage == "carry" && l.approved[r.Name] == "" {
			out.NeedApproval = append(out.NeedApproval, "route "+r.Name+" goes from shadow to carry")
		}
	}
	if b.Alarms.CriticalAfter > a.Alarms.CriticalAfter {
		out.NeedApproval = append(out.NeedApproval, "alarms.critical_after becomes longer")
	}
	return out, nil
}

func (l *lab) Apply(_ context.Context, to setup.Target, why setup.Why) (setup.Outcome, error) {
	if l.fail != nil {
		return setup.Outcome{}, l.fail
	}
	c := must(l.text(to))
	if to.Hash != "" && c.Revision() != to.Hash {
		return setup.Outcome{}, errors.New("it is read otherwise")
	}
	var cmp setup.Comparison
	if len(l.revisions) > 0 {
		cmp, _ = l.Compare(context.Background(), 0, to)
	}
	if len(cmp.NeedApproval) > 0 && why.ApprovedBy == "" {
		return setup.Outcome{}, errors.New("the director's approval is missing")
	}
	r := setup.Revision{Number: int64(len(l.revisions) + 1), Hash: c.Revision(), AppliedBy: why.By, Reason: why.Reason, ApprovedBy: why.ApprovedBy}
	l.revisions, l.by = append(l.revisions, setup.Text{Revision: r, Source: l.text(to)}), append(l.by, why)
	return setup.Outcome{Revision: r, Running: true}, nil
}

func (l *lab) Steps(_ context.Context, to setup.Target) (out []setup.Step, err error) {
	for _, r := range must(l.text(to)).Routes {
		if r.Stage == "carry" {
			out = append(out, setup.Step{Route: r.Name, OldPath: r.OldPath != "", Approved: l.approved[r.Name]})
		}
	}
	return out, nil
}

func (l *lab) Approve(_ context.Context, _ setup.Target, s setup.Step, _ bool, by, _ string) error {
	l.approved[s.Route] = by
	return nil
}

func (l *lab) Holders(_ context.Context, p authz.Permission) ([]approval.Person, error) {
	return l.holders[p], nil
}

// rig is a service on a store with a configuration in memory.
type rig struct {
	t       *testing.T
	db      *store.DB
	log     *bus.Log
	vault   *vault.Vault
	lab     *lab
	desk    *approval.Desk
	service *setup.Service
	now     time.Time
}

func newRig(t *testing.T, open storetest.Opener) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 5, 4, 6, 52, 0, 0, time.UTC), vault: vaulttest.New(t)}
	r.db = open(store.Options{})
	r.must(r.db.Migrate(t.Context(), bus.Migrations(), approval.Migrations(), setup.Migrations()))
	var err error
	r.log, err = bus.New("test")
	r.must(err)
	r.log.Attach(r.db)
	r.must(r.vault.EnsurePurpose(t.Context(), vault.PurposeConfig, r.now))
	r.lab = &lab{approved: map[string]string{}, holders: map[authz.Permission][]approval.Person{
		authz.ConfigApply: {ann, bob}, authz.RoutesApprove: {dir},
	}}
	_, err = r.lab.Apply(t.Context(), setup.Target{Source: []byte(first)}, setup.Why{By: "init", Reason: "first"})
	r.must(err)
	clock := func() time.Time { return r.now }
	r.desk = approval.New(r.db, r.vault, clock)
	r.service = setup.New(setup.Deps{
		DB: r.db, Vault: r.vault, Approvals: r.desk, Config: r.lab, Read: read, Directing: r.lab, People: r.lab,
		NeverAlone: func(context.Context) (bool, error) { return r.lab.never, nil },
		Now:        clock, Log: slog.New(slog.DiscardHandler),
	})
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) want(err, is error) {
	r.t.Helper()
	if !errors.Is(err, is) {
		r.t.Fatalf("got %v, want %v", err, is)
	}
}

// draft begins one whose text is what edit makes of the one in force.
func (r *rig) draft(by approval.Person, old, new string) setup.Draft {
	r.t.Helper()
	d, err := r.service.Begin(r.t.Context(), "a test", by)
	r.must(err)
	return r.edit(d, by, old, new)
}

func (r *rig) edit(d setup.Draft, by approval.Person, old, new string) setup.Draft {
	r.t.Helper()
	if !strings.Contains(string(d.Source), old) {
		r.t.Fatalf("the draft does not have %q", old)
	}
	d, err := r.service.Save(r.t.Context(), d.Number, d.Version, d.Title, []byte(strings.Replace(string(d.Source), old, new, 1)), by)
	r.must(err)
	return d
}

func (r *rig) look(d setup.Draft) *setup.Look {
	r.t.Helper()
	l, err := r.service.Look(r.t.Context(), d.Number)
	r.must(err)
	return l
}

func (r *rig) fits() {
	r.t.Helper()
	r.must(r.service.Audit(r.t.Context(), func(table, row, what string) { r.t.Errorf("%s %s: %s", table, row, what) }))
	r.must(r.desk.Audit(r.t.Context(), func(table, row, what string) { r.t.Errorf("%s %s: %s", table, row, what) }))
}

func (r *rig) exec(query string) {
	r.t.Helper()
	r.must(r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, query)
		return err
	}))
}
