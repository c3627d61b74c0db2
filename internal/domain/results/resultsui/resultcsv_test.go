package resultsui

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// TestAFileOfTheListIsBounded: a filter that fits nothing, or little, does not read
// every result that was ever kept, and the file says where it stopped.
func TestAFileOfTheListIsBounded(t *testing.T) {
	kept := int64(1_000_000)
	every := func(n int64) (func(context.Context, results.Query, results.Page) (results.Hits, error), *int) {
		looked := 0
		return func(_ context.Context, _ results.Query, p results.Page) (h results.Hits, _ error) {
			if p.Before == 0 {
				p.Before = kept
			}
			for leaf := p.Before - 1; ; leaf-- {
				if leaf < 0 {
					return h, nil
				}
				h.Looked++
				looked++
				if n > 0 && leaf%n == 0 {
					h.Messages = append(h.Messages, results.Summary{Leaf: leaf})
				}
				if len(h.Messages) == p.Limit || h.Looked == 5000 {
					h.Next = leaf
					return h, nil
				}
			}
		}, &looked
	}
	for _, c := range []struct {
		name      string
		kept, fit int64
		messages  int
		stopped   string
		most      int
	}{
		{"nothing fits", 1_000_000, 0, 0, "50,000 results were looked at", 55_000},
		{"one in a thousand", 1_000_000, 1000, 50, "50,000 results were looked at", 55_000},
		{"all fit", 1_000_000, 1, 5000, "with 5,000 results", 5_500},
		{"few are kept", 1200, 1, 1200, "", 1200},
	} {
		kept = c.kept
		search, looked := every(c.fit)
		got, err := gather(t.Context(), search, results.Query{}, results.Page{})
		if err != nil || len(got.messages) != c.messages || !strings.Contains(got.stopped, c.stopped) || (c.stopped == "") != (got.stopped == "") || *looked > c.most {
			t.Errorf("%s: %d results, %q, %d looked at (%v)", c.name, len(got.messages), got.stopped, *looked, err)
		}
	}
}

// TestOneFileAtATime: each account makes one file of the list at a time; another
// one's does not matter, and when it is made the next may begin.
func TestOneFileAtATime(t *testing.T) {
	l := newBench(t)
	list := &resultList{Deps: l.deps, open: newSearches()}
	s := &web.Server{
		Pace: 1_000_000, Identify: identifyAs(l.now), Now: l.now, Kinds: Kinds, SignIn: "/sign-in", StepUp: "/step-up", Log: slog.New(slog.DiscardHandler),
		Shell: func(*http.Request, *authz.Subject) kit.Shell { return kit.Shell{Lab: "Millbrook"} },
	}
	s.Add(web.Route{Pattern: "GET /results", Needs: authz.ResultsFind, Handle: list.page})
	l.site = s.Handler()
	dana, lena := l.as(authz.Technologist), l.as(authz.Technologist, "X-Name", "Lena Hahn")
	end, ok := list.files.begin("dana")
	if !ok {
		t.Fatal("none is being made")
	}
	has(t, dana.get("/results?format=csv", 429), "still being made")
	lena.get("/results?format=csv", 200)
	end()
	dana.get("/results?format=csv", 200)
	dana.get("/results?format=csv", 200)
}
