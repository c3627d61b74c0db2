package app

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// TestRefusalsAreWrittenDown: who is refused a page, or asks for what is somebody
// else's, stands in the ledger with it, once a minute; who is asked to confirm
// first is not refused.
func TestRefusalsAreWrittenDown(t *testing.T) {
	d := newDoorsAt(t, 600)
	written := func() (out []ledger.Event) {
		t.Helper()
		head, err := d.h.Log.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for leaf := int64(0); leaf < head.Size; {
			first, raw, err := d.h.Log.Events(t.Context(), leaf)
			if err != nil || len(raw) == 0 {
				t.Fatal(len(raw), err)
			}
			for _, x := range raw[leaf-first:] {
				if e, err := ledger.ParseEvent(x); err == nil && e.Kind == KindRefused {
					out = append(out, e)
				}
			}
			leaf = first + int64(len(raw))
		}
		return out
	}
	ask := func(who *authz.Subject, pattern string) int {
		t.Helper()
		routes := d.s.Routes()
		i := slices.IndexFunc(routes, func(rt web.Route) bool { return rt.Pattern == pattern })
		if i < 0 {
			t.Fatalf("there is no %s", pattern)
		}
		return d.ask(who, &routes[i])
	}
	lena := &authz.Subject{Person: event.NewID(), Account: "lena", Level: authz.LevelTwo, FreshAt: time.Now(), Grants: []authz.Grant{{Role: authz.Technologist}}}
	for range 3 {
		if got := ask(lena, "GET /people"); got != http.StatusForbidden {
			t.Fatal(got)
		}
	}
	all := written()
	if len(all) != 1 || all[0].IDs.Get("by") != "lena" || all[0].IDs.Get("person") != lena.Person.String() || all[0].Codes.Get("why") != "denied" ||
		all[0].Codes.Get("permission") != ledger.Code(string(authz.PeopleSee)) || !strings.Contains(all[0].Codes.Get("page"), "people") {
		t.Fatalf("after three tries: %+v", all)
	}
	other := &authz.Subject{Person: event.NewID(), Account: "otto", Level: authz.LevelPasskey, FreshAt: time.Now(), Grants: []authz.Grant{{Role: authz.Provider, Partners: []string{"elsewhere"}}}}
	if got := ask(other, "GET /results/{id}"); got != http.StatusNotFound {
		t.Fatal(got)
	}
	if all = written(); len(all) != 2 || all[1].IDs.Get("by") != "otto" || all[1].Codes.Get("why") != "not_found" {
		t.Fatalf("somebody else's result: %+v", all)
	}
	stale := &authz.Subject{Person: event.NewID(), Account: "dana", Level: authz.LevelPasskey, FreshAt: time.Now().Add(-time.Hour), Grants: []authz.Grant{{Role: authz.Administrator}}}
	if got := ask(stale, "GET /people/new"); got != http.StatusSeeOther && got != http.StatusForbidden {
		t.Log("a new person:", got)
	}
	if all = written(); len(all) != 2 {
		t.Fatalf("who is asked to confirm: %+v", all[2:])
	}
	fast := &authz.Subject{Person: event.NewID(), Account: "fast", Level: authz.LevelPasskey, FreshAt: time.Now(), Grants: []authz.Grant{{Role: authz.Technologist}}}
	last := 0
	for range 1000 { // more where the machine is slow: its pace comes back meanwhile
		if last = ask(fast, "GET /api/v1/today"); last == http.StatusTooManyRequests {
			break
		}
	}
	if all = written(); last != http.StatusTooManyRequests || len(all) != 3 || all[2].IDs.Get("by") != "fast" || all[2].Codes.Get("why") != "too_fast" {
		t.Fatalf("who asks too fast: %d %+v", last, all)
	}
}
