package portalui_test

import (
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// come places a message under its own id: first, or as the copy that was sent again.
func (s *place) come(partner, file string, message event.ID) int64 {
	s.t.Helper()
	body, err := os.ReadFile("../../../demo/messages/" + file)
	must(s.t, err)
	s.mu.Lock()
	s.seq++
	seq := s.seq
	s.bodies[seq] = body
	s.mu.Unlock()
	_, err = s.portal.Place(s.t.Context(), portal.Parcel{Delivery: seq, Message: message, Partner: partner, Body: body})
	must(s.t, err)
	return seq
}

// TestSentAgainIsNoMereWord: what a practice did not get is sent again by itself, once;
// that it was is said, and can be said, only when a copy that they see has come since.
func TestSentAgainIsNoMereWord(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		one := event.NewID()
		first := s.come("riverside", "01-bmp.hl7", one)
		b, l := s.browser(), s.lab()
		s.role = authz.FrontDesk
		b.comeIn(s.letter("riverside", "Dana Ruiz"))
		s.role = authz.Technologist
		path := b.results(false)[0]
		b.get(path)
		// Its laboratory cannot send it now: the telling stands all the same.
		s.refuse = errors.New("it is on its way already")
		b.want(b.post(path+"/missing"), http.StatusSeeOther, "/missing")
		b.want(b.get("/missing"), http.StatusOK, "The laboratory has not answered yet.")
		answer := func(i int, outcome string) reply {
			told, err := s.portal.Tellings(t.Context(), "riverside", false, 10)
			must(t, err)
			return l.post("/portal/riverside/told/"+told[i].ID.String(), "outcome", outcome)
		}
		l.want(answer(0, portal.OutcomeSent), http.StatusUnprocessableEntity, "Nothing of it has come into their portal since")
		r := l.want(l.get("/portal/riverside"), http.StatusOK, "Nothing of it has come into their portal.")
		if strings.Contains(r.body, `value="`+portal.OutcomeSent+`"`) {
			t.Fatal("it can be claimed")
		}
		l.want(answer(0, portal.OutcomeCalled), http.StatusSeeOther, "")
		s.refuse = nil
		b.want(b.post(path+"/missing"), http.StatusSeeOther, "/missing")
		b.want(b.post(path+"/missing"), http.StatusSeeOther, "/missing") // pressed twice
		if !slices.Equal(s.asked, []int64{first, first}) {
			t.Fatal(s.asked, "one try for each telling that was not answered")
		}
		r = b.want(b.get("/missing"), http.StatusOK, "Another copy is on its way.")
		b.want(r, http.StatusOK, "+1 555 0142")
		// Another result of the same practice, and the same one at another practice, are no copy of it.
		s.come("riverside", "02-cmp.hl7", event.NewID())
		s.come("northgate", "01-bmp.hl7", one)
		l.want(answer(0, portal.OutcomeSent), http.StatusUnprocessableEntity, "")
		// Nor is one that a rule keeps back from them.
		s.settings.Rules = []portal.Rule{{Name: "all", Codes: []string{"2345-7"}, Then: portal.Withhold}}
		s.come("riverside", "01-bmp.hl7", one)
		l.want(answer(0, portal.OutcomeSent), http.StatusUnprocessableEntity, "")
		s.settings.Rules = nil
		s.come("riverside", "01-bmp.hl7", one)
		b.want(b.get("/"), http.StatusOK, "2 new results.") // the copy for both, and the other one
		b.want(b.get("/missing"), http.StatusOK, "It was sent again and is there since")
		l.want(l.get("/portal/riverside"), http.StatusOK, `value="`+portal.OutcomeSent+`"`)
		l.want(answer(0, portal.OutcomeSent), http.StatusSeeOther, "")
		b.want(b.get("/missing"), http.StatusOK, "it sent it again.")
	})
}

// TestMissingForADay: what had come in by then and is placed only now counts, and what was
// there and is sent again; a result that came in later does not.
func TestMissingForADay(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		b, l := s.browser(), s.lab()
		b.comeIn(s.letter("riverside", "Dana Ruiz"))
		s.role = authz.Technologist
		stuck := event.NewID() // taken in, and its placing failed
		today := s.now().UTC().Format(time.DateOnly)
		s.forward(time.Minute)
		b.want(b.post("/missing", "from", s.now().UTC().AddDate(0, 0, -1).Format(time.DateOnly), "until", today), http.StatusSeeOther, "/missing")
		told, err := s.portal.Tellings(t.Context(), "riverside", false, 10)
		must(t, err)
		s.forward(time.Minute)
		later := event.NewID()
		for _, at := range []int{0, 1, 2, 3, 4, 5} { // an id of two minutes on
			ms := uint64(s.now().UnixMilli())
			later[at] = byte(ms >> (40 - 8*at))
		}
		s.come("riverside", "02-cmp.hl7", later)
		path := "/portal/riverside/told/" + told[0].ID.String()
		l.want(l.post(path, "outcome", portal.OutcomeSent), http.StatusUnprocessableEntity, "Nothing of it")
		s.come("riverside", "01-bmp.hl7", stuck)
		b.want(b.get("/missing"), http.StatusOK, "1 result of these days has come since")
		l.want(l.post(path, "outcome", portal.OutcomeSent), http.StatusSeeOther, "")
	})
}
