package authz_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

var update = flag.Bool("update", false, "write the golden matrix anew")

// How many there are. Whoever adds one changes the number, and looks at the
// matrix in testdata while doing so.
const (
	roleCount       = 11
	permissionCount = 67
)

var now = time.Date(2026, 5, 4, 7, 40, 0, 0, time.UTC)

// holder is a subject with one grant of the role as its rules ask, at the level
// it needs, fresh.
func holder(r authz.Role) *authz.Subject {
	info, _ := authz.RoleOf(r)
	g := authz.Grant{Role: r}
	if info.Boxed {
		g.Until = now.Add(time.Hour)
	}
	if info.Scoped {
		g.Partners = []string{"riverside"}
	}
	return &authz.Subject{Person: event.NewID(), Account: string(r), Grants: []authz.Grant{g}, Level: authz.LevelPasskey, FreshAt: now}
}

var here = authz.Object{Partner: "riverside", Site: "main"}

// TestMatrix prints every role x every permission as May judges it (not as the
// table says it) and holds it against the golden sheet.
func TestMatrix(t *testing.T) {
	roles, perms := authz.Roles(), authz.Permissions()
	if len(roles) != roleCount || len(perms) != permissionCount {
		t.Errorf("%d roles and %d permissions; the test knows of %d and %d", len(roles), len(perms), roleCount, permissionCount)
	}
	var b strings.Builder
	cases := 0
	for _, p := range perms {
		var marks []string
		for _, r := range roles {
			s := holder(r.Role)
			err := s.May(p.Permission, here, now)
			cases++
			want := authz.Has(r.Role, p.Permission) && (!p.Patient || !r.Masked)
			if p.Delegated {
				want = r.Role == authz.Director
			}
			narrowed := len(s.Grants[0].Partners) > 0
			if narrowed && !p.Scoped && !p.Narrow {
				want = false
			}
			if (err == nil) != want {
				t.Errorf("%s, %s: %v, the matrix says %v", r.Role, p.Permission, err, want)
			}
			mark := "-"
			if err == nil {
				mark = string(r.Role)
			}
			marks = append(marks, mark)
			always(t, r, p, err == nil)
		}
		fmt.Fprintf(&b, "%-22s%s %s\n", p.Permission, flags(p), strings.Join(slices.DeleteFunc(marks, func(m string) bool { return m == "-" }), " "))
	}
	if cases != roleCount*permissionCount {
		t.Errorf("%d cases were tried, want %d", cases, roleCount*permissionCount)
	}
	golden(t, "matrix.txt", b.String())
}

func flags(p authz.Info) string {
	out := []byte("-----")
	for i, x := range []struct {
		on bool
		c  byte
	}{{p.Fresh, 'f'}, {p.Patient, 'p'}, {p.Delegated, 'd'}, {p.Scoped, 's'}, {p.Glass, 'g'}} {
		if x.on {
			out[i] = x.c
		}
	}
	return string(out)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the matrix is not that of testdata/%s; if it should be, run go test ./internal/platform/authz -update and read the difference.\n%s", name, got)
	}
}

// always is what holds for each pair, whatever the matrix says.
func always(t *testing.T, r authz.RoleInfo, p authz.Info, allowed bool) {
	t.Helper()
	what := fmt.Sprintf("%s, %s", r.Role, p.Permission)
	denied := func(s *authz.Subject, o authz.Object, why string) *authz.Denied {
		t.Helper()
		err := s.May(p.Permission, o, now)
		var d *authz.Denied
		if !errors.As(err, &d) {
			t.Errorf("%s: allowed %s", what, why)
			return &authz.Denied{}
		}
		return d
	}
	if s := holder(r.Role); s.Scope(p.Permission, now).Holds(here) != (s.May(p.Permission, here, now) == nil) {
		t.Errorf("%s: what a list shows is not what may be opened", what)
	}

	// A program's token that does not name it.
	s := holder(r.Role)
	s.Only = []authz.Permission{}
	denied(s, here, "to a token that names nothing")
	if !s.Scope(p.Permission, now).Empty() {
		t.Errorf("%s: a token that names nothing lists something", what)
	}
	s.Only = []authz.Permission{p.Permission}
	s.FreshAt = time.Time{}
	if (s.May(p.Permission, here, now) == nil) != allowed {
		t.Errorf("%s: a token that names it gives something else than the role", what)
	}

	// Weak sign-in, old sign-in, a clock that was set back.
	s = holder(r.Role)
	s.Level = authz.LevelTwo
	if d := s.May(p.Permission, here, now); r.Strong && allowed {
		if d := denied(s, here, "without a passkey"); !d.Strong {
			t.Errorf("%s: it does not say that a passkey is wanted: %+v", what, d)
		}
		if !s.Scope(p.Permission, now).Empty() {
			t.Errorf("%s: without a passkey it lists something", what)
		}
	} else if (d == nil) != allowed {
		t.Errorf("%s: the level changes it, and the role does not ask for one", what)
	}
	for _, at := range []time.Time{now.Add(-authz.StepUp - 1), now.Add(2 * time.Minute), time.Unix(0, 0)} {
		s = holder(r.Role)
		s.FreshAt = at
		if allowed && p.Fresh {
			if d := denied(s, here, "with a proof of "+at.String()); !d.StepUp {
				t.Errorf("%s: it does not say that a new proof is wanted: %+v", what, d)
			}
		} else if (s.May(p.Permission, here, now) == nil) != allowed {
			t.Errorf("%s: freshness changes it, and it does not ask for it", what)
		}
	}

	// A grant not begun, ended, of nobody, and none at all.
	for _, g := range []authz.Grant{{From: now.Add(1)}, {Until: now}, {}} {
		s = holder(r.Role)
		if g.From.IsZero() && g.Until.IsZero() {
			s.Grants = nil
		} else {
			s.Grants[0].From, s.Grants[0].Until = g.From, g.Until
		}
		denied(s, here, "by a grant that is not in force")
		if !s.Scope(p.Permission, now).Empty() {
			t.Errorf("%s: a grant that is not in force lists something", what)
		}
	}
	denied(nil, here, "to nobody")

	// Narrowed to another partner or site: nothing but what is about nobody.
	for _, g := range []authz.Grant{{Partners: []string{"northgate"}}, {Partners: []string{"riverside"}, Sites: []string{"north"}}} {
		s = holder(r.Role)
		s.Grants[0].Partners, s.Grants[0].Sites = g.Partners, g.Sites
		if p.Narrow {
			continue
		}
		denied(s, here, "by a grant of another place")
		if s.Scope(p.Permission, now).Holds(here) {
			t.Errorf("%s: a grant of another place lists it", what)
		}
		s.Grants[0].Partners, s.Grants[0].Sites = []string{"riverside"}, []string{"main"}
		if got := s.May(p.Permission, here, now) == nil; got != (allowed && p.Scoped || p.Scoped && authz.Has(r.Role, p.Permission) && (!p.Patient || !r.Masked)) {
			t.Errorf("%s: %v where it is granted", what, got)
		}
		denied(s, authz.Object{}, "over what is of no place by a narrowed grant")
	}

	// Roles that must have an end or a place give nothing without.
	if r.Boxed || r.Scoped {
		s = holder(r.Role)
		s.Grants[0].Until = time.Time{}
		if r.Scoped {
			s.Grants[0].Partners = nil
		}
		denied(s, here, "by a grant that its role does not allow")
	}

	// Masked beside the role: no patient data, also by break-glass.
	s = holder(r.Role)
	s.Grants = append(s.Grants, authz.Grant{Role: authz.Auditor, Until: now.Add(time.Hour)})
	if p.Patient {
		denied(s, here, "to somebody who is an auditor too")
		s.Glass, s.Glassed = event.NewID(), []authz.Permission{p.Permission}
		denied(s, here, "to an auditor by break-glass")
	}

	// Break-glass gives what the catalogue lets it give, and only while it is open.
	s = &authz.Subject{Glass: event.NewID(), Glassed: []authz.Permission{p.Permission}, FreshAt: now}
	if got := s.May(p.Permission, here, now) == nil; got != p.Glass {
		t.Errorf("%s: break-glass gives %v", what, got)
	}
	s.Glass = event.ID{}
	denied(s, here, "by break-glass that is closed")

	// The director's delegation.
	s = holder(r.Role)
	s.Delegations = []authz.Delegation{{Permission: p.Permission, From: now, Until: now.Add(time.Hour)}}
	want := allowed || p.Delegated && r.Delegable
	if got := s.May(p.Permission, here, now) == nil; got != want {
		t.Errorf("%s: delegated, it is %v", what, got)
	}
	if s.Scope(p.Permission, now).Holds(here) != want {
		t.Errorf("%s: delegated, the list differs", what)
	}
	if p.Delegated && r.Role != authz.Director {
		if s.Delegations[0].Until = now; s.May(p.Permission, here, now) == nil {
			t.Errorf("%s: a delegation that is over still gives it", what)
		}
		s.Delegations[0] = authz.Delegation{Permission: p.Permission}
		if s.Grants = nil; s.May(p.Permission, here, now) == nil {
			t.Errorf("%s: a delegation outlives the last role", what)
		}
	}
}

// TestPlacesOfSeveralGrants: each grant reaches its own place.
func TestPlacesOfSeveralGrants(t *testing.T) {
	s := &authz.Subject{Level: authz.LevelTwo, FreshAt: now, Grants: []authz.Grant{
		{Role: authz.Provider, Partners: []string{"riverside"}},
		{Role: authz.Technologist, Sites: []string{"north"}},
	}}
	for _, c := range []struct {
		p    authz.Permission
		o    authz.Object
		want bool
	}{
		{authz.ResultsReveal, authz.Object{Partner: "riverside", Site: "main"}, true},
		{authz.ResultsReveal, authz.Object{Partner: "northgate", Site: "north"}, true},
		{authz.ResultsReveal, authz.Object{Partner: "northgate", Site: "main"}, false},
		{authz.ResultsReveal, authz.Object{}, false},
		{authz.ResultsResend, authz.Object{Partner: "riverside", Site: "main"}, false}, // the technologist's, elsewhere
		{authz.ResultsResend, authz.Object{Partner: "riverside", Site: "north"}, true},
		{authz.AlarmsSee, authz.Object{}, false}, // the whole laboratory's
		{authz.TodaySee, authz.Object{}, true},
		{"results.nobody_knows", authz.Object{}, false},
	} {
		if got := s.May(c.p, c.o, now) == nil; got != c.want {
			t.Errorf("%s of %+v: %v", c.p, c.o, got)
		}
		if c.o != (authz.Object{}) && s.Scope(c.p, now).Holds(c.o) != c.want {
			t.Errorf("%s of %+v: the list differs", c.p, c.o)
		}
	}
	if got := len(s.Scope(authz.ResultsFind, now).Grants); got != 2 {
		t.Errorf("a list is of %d places", got)
	}
}

// busy is a subject whose last grant is the one that allows.
func busy() *authz.Subject {
	return &authz.Subject{
		Level: authz.LevelPasskey, FreshAt: now,
		Grants: []authz.Grant{
			{Role: authz.Counsel},
			{Role: authz.Provider, Partners: []string{"a", "b", "c"}},
			{Role: authz.FrontDesk, Sites: []string{"north"}},
			{Role: authz.ComplianceOfficer, Partners: []string{"riverside"}},
		},
		Delegations: []authz.Delegation{{Permission: authz.SendAlone}, {Permission: authz.ClinicalStop}},
	}
}

func TestMayAllocatesNothing(t *testing.T) {
	s := busy()
	for _, p := range []authz.Permission{authz.ResultsReveal, authz.ClinicalStop, authz.TodaySee} {
		if n := testing.AllocsPerRun(100, func() {
			if err := s.May(p, here, now); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", p, n)
		}
	}
}

func BenchmarkMay(b *testing.B) {
	s := busy()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.May(authz.ResultsReveal, here, now); err != nil {
			b.Fatal(err)
		}
	}
}
