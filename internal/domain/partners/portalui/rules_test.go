package portalui_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// putAs places a demo message with a few words exchanged.
func (s *place) putAs(partner, file string, old ...string) int64 {
	s.t.Helper()
	body, err := os.ReadFile("../../../demo/messages/" + file)
	must(s.t, err)
	s.mu.Lock()
	s.seq++
	seq := s.seq
	s.bodies[seq] = []byte(strings.NewReplacer(old...).Replace(string(body)))
	s.mu.Unlock()
	_, err = s.portal.Place(s.t.Context(), portal.Parcel{Delivery: seq, Message: event.NewID(), Partner: partner, Body: s.bodies[seq]})
	must(s.t, err)
	return seq
}

const bornThen, obrEnd = "|19610412|", "202503040800||CH|F\r"

// TestRulesForMinorsAndCopies fires each by a message, in what people see: a child's, one
// on the day it is of age, one without a birth date, one that names somebody else; each
// with the counterpart that is shown, sent again and corrected.
func TestRulesForMinorsAndCopies(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		s.still = true
		today := s.now().UTC()
		day := func(years, days int) string { return today.AddDate(-years, 0, days).Format("20060102") }
		s.settings.Rules = []portal.Rule{
			{Name: "minors", Under: 18, Codes: []string{"2345-7"}, Then: portal.Withhold},
			{Name: "copies", Copies: true, Then: portal.Only},
		}
		b, own := s.browser(), s.browser()
		b.comeIn(s.letter("riverside", "Dana Ruiz"))
		own.comeIn(s.letter("riverside", "Casimir Umberdale", "provider", "RV102"))
		kept, shown, ownShown := 0, 0, 0
		check := func(what string, seq int64, withheld, all bool) int64 {
			t.Helper()
			if withheld {
				kept++
			} else {
				ownShown++
				if all {
					shown++
				}
			}
			list, err := s.portal.Withheld(t.Context(), "riverside", 100)
			must(t, err)
			if len(list) != kept || withheld && (list[kept-1].Delivery != seq || list[kept-1].Withheld != "minors") {
				t.Fatalf("%s: kept back are %d, want %d", what, len(list), kept)
			}
			if n := len(b.results(true)); n != shown {
				t.Fatalf("%s: everybody sees %d, want %d", what, n, shown)
			}
			if n := len(own.results(true)); n != ownShown {
				t.Fatalf("%s: the ordering provider sees %d, want %d", what, n, ownShown)
			}
			if withheld {
				for _, x := range []*browser{b, own} {
					for _, path := range []string{"", "/pdf", "/hl7", "/documents/1"} {
						x.want(x.get("/results/"+list[kept-1].ID.String()+path), http.StatusNotFound, "")
					}
				}
			}
			return seq
		}
		check("an adult", s.put("riverside", "01-bmp.hl7"), false, true)
		child := check("a child", s.putAs("riverside", "01-bmp.hl7", bornThen, "|20150612|", "25-880107", "25-1"), true, false)
		check("the eve of the 18th birthday", s.putAs("riverside", "01-bmp.hl7", bornThen, "|"+day(18, 1)+"|", "25-880107", "25-2"), true, false)
		check("the 18th birthday", s.putAs("riverside", "01-bmp.hl7", bornThen, "|"+day(18, 0)+"|", "25-880107", "25-3"), false, true)
		check("no birth date", s.putAs("riverside", "01-bmp.hl7", bornThen, "||", "25-880107", "25-4"), true, false)
		check("a child's other test", s.putAs("riverside", "04-hba1c.hl7", "|19551117|", "|20151117|"), false, true)
		check("a copy to another practice", s.putAs("riverside", "01-bmp.hl7", obrEnd, "202503040800||CH|F|||NG201^Elsewhere^Vera^^^Dr.^^^HOLLOWFEN\r", "25-880107", "25-5"), false, false)
		check("a child's with a copy", s.putAs("riverside", "01-bmp.hl7", bornThen, "|20150612|", obrEnd, "202503040800||CH|F|||NG201\r", "25-880107", "25-6"), true, false)
		s.portal.Zone = time.FixedZone("west", -(today.Hour()+1)*3600) // where it is still the day before
		check("the 18th birthday elsewhere", s.putAs("riverside", "01-bmp.hl7", bornThen, "|"+day(18, 0)+"|", "25-880107", "25-7"), true, false)
		s.portal.Zone = time.UTC
		// Sent again and corrected: asked once more, and what is let go lets nothing else go.
		kept0, err := s.portal.Withheld(t.Context(), "riverside", 100)
		must(t, err)
		s.again("riverside", child)
		check("a child's sent again", s.seq, true, false)
		l := s.lab()
		s.role = authz.Director
		l.want(l.post("/portal/riverside/items/"+kept0[0].ID.String()+"/release"), http.StatusSeeOther, "")
		kept, shown, ownShown = kept-1, shown+1, ownShown+1
		check("its correction", s.putAs("riverside", "01-bmp.hl7", bornThen, "|20150612|", "25-880107", "25-1", "||92|", "||94|", "|CH|F\r", "|CH|C\r"), true, false)
		// Neither by looking for it, nor in the file for their own system, nor by asking for all again.
		b.want(b.post("/missing", "from", today.AddDate(0, 0, -1).Format(time.DateOnly), "until", today.Format(time.DateOnly)), http.StatusSeeOther, "/missing")
		r := b.want(b.post("/fetch", "form", "batch"), http.StatusOK, "FHS|")
		for _, no := range []string{"25-2|", "25-4|", "25-5|", "25-6|", "25-7|", "||94|"} {
			if strings.Contains(r.body, no) {
				t.Fatal(no, "is in the file")
			}
		}
		b.want(b.post("/find", "words", "25-6"), http.StatusOK, "Nothing here has all of these words.")
	})
}
