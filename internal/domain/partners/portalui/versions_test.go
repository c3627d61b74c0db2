package portalui_test

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// TestVersions: a correction supersedes what it holds all of; the earlier one says
// so, stays reachable, and a correction that moves a result to another patient is
// said loudly. A preliminary with other observations stays beside.
func TestVersions(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		b := s.browser()
		b.comeIn(s.letter("riverside", "Dana Ruiz"))
		s.put("riverside", "39-platelets-original.hl7")
		first := b.results(false)[0]
		s.put("riverside", "40-platelets-corrected.hl7")
		s.put("riverside", "41-platelets-corrected-again.hl7")
		r := b.want(b.get(first), http.StatusOK, "Superseded: there is a later version of this result")
		b.want(r, http.StatusOK, "Open the latest")
		list := b.results(true)
		if len(list) != 3 {
			t.Fatal(list)
		}
		var latest string
		for _, x := range list {
			if r := b.get(x); !strings.Contains(r.body, "Superseded:") {
				latest = x
				b.want(r, http.StatusOK, "superseded by this one")
				b.want(r, http.StatusOK, "corrected")
			}
		}
		if latest == "" || latest == first {
			t.Fatal(latest)
		}
		s.put("riverside", "42-glucose-wrong-patient-original.hl7")
		s.put("riverside", "43-glucose-wrong-patient-moved.hl7")
		loud := false
		for _, x := range b.results(true) {
			loud = loud || strings.Contains(b.get(x).body, "The version before named another patient")
		}
		if !loud {
			t.Fatal("nobody is told that it was another patient's")
		}
		// The same delivery once more, after a crash: one item.
		body, err := os.ReadFile("../../../demo/messages/39-platelets-original.hl7")
		must(t, err)
		_, err = s.portal.Place(t.Context(), portal.Parcel{Delivery: 1, Partner: "riverside", Body: body})
		must(t, err)
		if n := len(b.results(true)); n != 5 {
			t.Fatal(n)
		}
	})
}

// again places a message that was placed before, as when a person of the laboratory
// sends it again: another delivery, the place in the order of intake that it had.
func (s *place) again(partner string, of int64) {
	s.t.Helper()
	s.mu.Lock()
	s.seq += 100
	seq := s.seq
	s.bodies[seq] = s.bodies[of]
	body := s.bodies[of]
	s.mu.Unlock()
	_, err := s.portal.Place(s.t.Context(), portal.Parcel{Delivery: seq, Order: of, Message: event.NewID(), Partner: partner, Body: body})
	must(s.t, err)
}

// TestAnOldResultSentAgainIsNotTheLatest: neither on the page nor in the file for their
// own system does it come behind its correction.
func TestAnOldResultSentAgainIsNotTheLatest(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		b := s.browser()
		b.comeIn(s.letter("riverside", "Dana Ruiz"))
		first := s.put("riverside", "39-platelets-original.hl7")
		original := b.results(false)[0]
		s.put("riverside", "40-platelets-corrected.hl7")
		s.again("riverside", first)
		latest := 0
		for _, x := range b.results(true) {
			if r := b.get(x); !strings.Contains(r.body, "Superseded:") {
				latest++
				b.want(r, http.StatusOK, "corrected")
			}
		}
		if latest != 1 {
			t.Fatal(latest, "are the latest")
		}
		b.want(b.get(original), http.StatusOK, "Superseded:")
		for _, x := range b.results(true) {
			b.post(x + "/missing")
		}
		r := b.want(b.post("/fetch", "form", "batch"), http.StatusOK, "BTS|3")
		if i := strings.LastIndex(r.body, "\rOBR|"); !strings.Contains(r.body[i:], "|C|") && !strings.Contains(r.body[i:], "|C\r") {
			t.Fatal("the correction is not the last of the file", r.body)
		}
	})
}

// TestALaterVersionThatIsNotShownIsSaid: what it supersedes must not be used, though
// the practice does not see why.
func TestALaterVersionThatIsNotShownIsSaid(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		b := s.browser()
		b.comeIn(s.letter("riverside", "Dana Ruiz"))
		s.put("riverside", "42-glucose-wrong-patient-original.hl7")
		first := b.results(false)[0]
		s.put("riverside", "43-glucose-wrong-patient-moved.hl7")
		var moved string
		for _, x := range b.results(true) {
			if x != first {
				moved = x
			}
		}
		b.want(b.post(moved+"/wrong", "fate", portal.Unprinted), http.StatusSeeOther, "/")
		b.want(b.get(first), http.StatusOK, "has a later version that is not shown here")
		// The PDF says so on each page, with whose it is.
		if pdftotext, err := exec.LookPath("pdftotext"); err == nil {
			cmd := exec.CommandContext(t.Context(), pdftotext, "-layout", "-", "-")
			cmd.Stdin = strings.NewReader(b.get(first + "/pdf").body)
			out, err := cmd.Output()
			must(t, err)
			if strings.Count(string(out), "SUPERSEDED") != 2 {
				t.Fatal(string(out))
			}
		}
	})
}

// TestNotOursHidesTheOtherVersionsToo: who is another's patient in one version is so in
// all that name them; what is theirs after all comes back whole.
func TestNotOursHidesTheOtherVersionsToo(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		b, l := s.browser(), s.lab()
		b.comeIn(s.letter("riverside", "Dana Ruiz"))
		for _, f := range []string{"39-platelets-original.hl7", "40-platelets-corrected.hl7", "01-bmp.hl7"} {
			s.put("riverside", f)
		}
		var latest string
		for _, x := range b.results(true) {
			if strings.Contains(b.get(x).body, "superseded by this one") {
				latest = x
			}
		}
		b.want(b.post(latest+"/wrong", "fate", portal.Returned), http.StatusSeeOther, "/")
		if n := len(b.results(true)); n != 1 {
			t.Fatal(n, "are left of three: one is another patient's")
		}
		told, err := s.portal.Tellings(t.Context(), "riverside", false, 10)
		must(t, err)
		s.role = authz.Technologist
		l.want(l.post("/portal/riverside/told/"+told[0].ID.String(), "outcome", portal.OutcomeTheirs), http.StatusSeeOther, "")
		if n := len(b.results(true)); n != 3 {
			t.Fatal(n)
		}
	})
}
