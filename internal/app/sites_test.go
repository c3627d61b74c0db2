package app

import (
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
)

// The revision that says to which site a source belongs places what comes from
// then on, also for the next process; what came before stays. A site that is not
// named is refused before anything is applied.
func TestARevisionPlacesItsSources(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		h := s.open()
		defer func() { s.close(h) }()
		p := "  p: {name: P, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n"
		src := func(at string) string {
			return "sites: {main: {name: Main laboratory}, hill: {name: Hill Street}}\n" + strings.Replace(s.source(p, "p", "shadow"), "  lis:\n", "  lis:\n    site: "+at+"\n", 1)
		}
		c := s.parse(src("main"))
		if _, err := h.Begin(ctx, c.Node, c, []byte(src("main")), "tester"); err != nil {
			t.Fatal(err)
		}
		take := func(control string) results.Summary {
			t.Helper()
			set, err := h.Offline(c)
			if err != nil {
				t.Fatal(err)
			}
			h.Results.Apply(set)
			if _, err := h.Results.Intake("lis").Handle(ctx, channel.Peer{Name: "lis"}, []byte(result(control))); err != nil {
				t.Fatal(err)
			}
			list, err := h.Results.List(ctx, results.Page{Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			return list[0]
		}
		first := take("A1")
		c = s.parse(src("hill"))
		if _, err := propose(ctx, h, c, src("hill")); err != nil {
			t.Fatal(err)
		}
		second := take("A2")
		if first.Site != "main" || second.Site != "hill" {
			t.Errorf("%q, then %q", first.Site, second.Site)
		}
		s.close(h)
		h = s.open()
		for _, m := range []results.Summary{first, second} {
			if again, err := h.Results.Show(ctx, m.ID); err != nil || again.Site != m.Site {
				t.Errorf("%q in the next process, %q before: %v", again.Site, m.Site, err)
			}
		}
	})
}
