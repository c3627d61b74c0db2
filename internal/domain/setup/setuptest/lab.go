// Package setuptest is a laboratory's configuration in memory, for tests.
package setuptest

import (
	"context"
	"errors"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// First is the configuration a Lab begins with.
const First = `# Millbrook's configuration
lab: {name: Millbrook, id: millbrook}
node: {seals: [{kind: keyfile, path: k}, {kind: passphrase}], tls: {certificate: hub.pem, key: hub.key}}
sources:
  lis: {mllp: {listen: "127.0.0.1:2575"}}
partners:
  # asked for by Dr. Hale
  north: {name: North, destination: {folder: {path: /tmp}}}
routes:
  - {name: all, from: lis, to: north, check: none, check_reason: test}
alarms: {critical_after: 10m}
`

// Lab is a configuration in memory that keeps the rules of the hub's: numbers
// without gaps, nothing applied that changes nothing, the director's word.
type Lab struct {
	Revisions []setup.Text
	By        []setup.Why
	Approved  map[string]string // route -> by
	Holding   map[authz.Permission][]approval.Person
	Fail      error
	Patients  []string // what of patients' the draft is said to read
	Never     bool
}

// New is a laboratory in which First is in force, ann and bob may apply, and
// dr-lee is the director.
func New() *Lab {
	l := &Lab{Approved: map[string]string{}, Holding: map[authz.Permission][]approval.Person{
		authz.ConfigApply:   {{ID: event.ID{1}, Account: "ann"}, {ID: event.ID{2}, Account: "bob"}},
		authz.RoutesApprove: {{ID: event.ID{3}, Account: "dr-lee"}},
	}}
	if _, err := l.Apply(context.Background(), setup.Target{Source: []byte(First)}, setup.Why{By: "init", Reason: "first"}); err != nil {
		panic(err)
	}
	return l
}

// Read reads a text without looking at files.
func Read(src []byte) (*config.Config, config.Problems) {
	return config.Parse("labwarden.yaml", src, config.Options{})
}

func must(src string) *config.Config {
	c, ps := Read([]byte(src))
	if c == nil {
		panic(ps.Err())
	}
	return c
}

func (l *Lab) text(to setup.Target) string {
	if to.Number > 0 {
		return l.Revisions[to.Number-1].Source
	}
	return string(to.Source)
}

// History implements setup.Configuration.
func (l *Lab) History(context.Context) (out []setup.Revision, err error) {
	for _, r := range l.Revisions {
		out = append([]setup.Revision{r.Revision}, out...)
	}
	return out, nil
}

// Revision implements setup.Configuration.
func (l *Lab) Revision(_ context.Context, n int64) (setup.Text, error) {
	if n == 0 {
		n = int64(len(l.Revisions))
	}
	if n > int64(len(l.Revisions)) {
		return setup.Text{}, errors.New("there is no such revision")
	}
	return l.Revisions[n-1], nil
}

// Compare implements setup.Configuration.
func (l *Lab) Compare(_ context.Context, from int64, to setup.Target) (setup.Comparison, error) {
	cur, err := l.Revision(context.Background(), from)
	if err != nil {
		return setup.Comparison{}, err
	}
	a, b := must(cur.Source), must(l.text(to))
	out := setup.Comparison{From: cur.Revision, Changes: config.Diff(a, b)}
	was := map[string]string{}
	for _, r := range a.Routes {
		was[r.Name] = r.Stage
	}
	for _, r := range b.Routes {
		if r.Stage == "carry" && was[r.Name] != "carry" {
			out.NeedApproval = append(out.NeedApproval, "route "+r.Name+" goes from shadow to carry")
		}
	}
	if b.Alarms.CriticalAfter > a.Alarms.CriticalAfter {
		out.NeedApproval = append(out.NeedApproval, "alarms.critical_after becomes longer")
	}
	return out, nil
}

// Apply implements setup.Configuration.
func (l *Lab) Apply(_ context.Context, to setup.Target, why setup.Why) (setup.Outcome, error) {
	if l.Fail != nil {
		return setup.Outcome{}, l.Fail
	}
	c := must(l.text(to))
	if to.Hash != "" && c.Revision() != to.Hash {
		return setup.Outcome{}, errors.New("it is read otherwise")
	}
	var step setup.Comparison
	if len(l.Revisions) > 0 {
		step, _ = l.Compare(context.Background(), 0, to)
	}
	if len(step.NeedApproval) > 0 && why.ApprovedBy == "" {
		return setup.Outcome{}, errors.New("the director's approval is missing")
	}
	r := setup.Revision{Number: int64(len(l.Revisions) + 1), Hash: c.Revision(), AppliedBy: why.By, Reason: why.Reason, ApprovedBy: why.ApprovedBy}
	l.Revisions, l.By = append(l.Revisions, setup.Text{Revision: r, Source: l.text(to)}), append(l.By, why)
	return setup.Outcome{Revision: r, Running: true}, nil
}

// Steps implements setup.Directing.
func (l *Lab) Steps(_ context.Context, to setup.Target) (out []setup.Step, err error) {
	for _, r := range must(l.text(to)).Routes {
		if r.Stage == "carry" {
			out = append(out, setup.Step{Route: r.Name, OldPath: r.OldPath != "", Approved: l.Approved[r.Name]})
		}
	}
	return out, nil
}

// Approve implements setup.Directing.
func (l *Lab) Approve(_ context.Context, _ setup.Target, s setup.Step, _ bool, by, _ string) error {
	l.Approved[s.Route] = by
	return nil
}

// Holders implements setup.People.
func (l *Lab) Holders(_ context.Context, p authz.Permission) ([]approval.Person, error) {
	return l.Holding[p], nil
}

// Reads implements setup.Replayer.
func (l *Lab) Reads(_ context.Context, to setup.Target) ([]string, error) {
	must(l.text(to))
	return l.Patients, nil
}

// Replay implements setup.Replayer: three differences for each message.
func (l *Lab) Replay(ctx context.Context, ask setup.ReplayAsk, each func(setup.Difference) error, progress func(int64)) (setup.Replayed, error) {
	if l.Fail != nil {
		return setup.Replayed{}, l.Fail
	}
	must(l.text(ask.To))
	if len(l.Patients) > 0 && !ask.Reveal {
		return setup.Replayed{}, setup.ErrReads
	}
	for i := range 100 {
		for range 3 {
			if err := each(setup.Difference{Kind: "bytes", Partner: "north", ReceivedAt: ask.Day}); err != nil {
				return setup.Replayed{}, err
			}
		}
		progress(int64(i + 1))
	}
	return setup.Replayed{Messages: 100, Changed: 100, Kinds: map[string]int64{"bytes": 300}}, ctx.Err()
}
