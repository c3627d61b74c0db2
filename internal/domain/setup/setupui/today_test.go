package setupui_test

import (
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/setup/setupui"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestWhatIsOnToday: for whom it waits, and not for who asked.
func TestWhatIsOnToday(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.facts.Partners[0].Tested = r.now
		titles := func(who string) string {
			t.Helper()
			var out []string
			for _, s := range setupui.Sources(r.deps()) {
				items, err := s.Look(t.Context(), r.people[who], r.now)
				r.must(err)
				for _, it := range items {
					if r.people[who].Scope(it.Needs, r.now).Empty() {
						continue // the board leaves it out
					}
					out = append(out, it.Title+" -> "+it.Action.Href)
				}
			}
			return strings.Join(out, "\n")
		}
		for _, who := range []string{"ann", "bob", "dr-lee", "tina", "sam"} {
			if s := titles(who); s != "" {
				t.Errorf("%s: %s", who, s)
			}
		}
		r.look()
		if s := titles("bob"); strings.Count(s, "\n") != 0 || !strings.Contains(s, "second person: Northgate") || !strings.HasSuffix(s, "/config/drafts/1") {
			t.Error(s)
		}
		if s := titles("ann"); s != "" { // asked for 1; 2 waits for the director
			t.Error(s)
		}
		if s := titles("tina"); !strings.Contains(s, "laboratory director: A route that carries -> /config/drafts/2/director") || strings.Contains(s, "\n") {
			t.Error(s)
		}
		r.facts = setup.Facts{At: r.now, Revision: 1}
		if s := titles("sam"); !strings.Contains(s, "The set-up has") {
			t.Error(s)
		}
	})
}
