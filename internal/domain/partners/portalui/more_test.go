package portalui_test

import (
	"archive/zip"
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/domain/partners/portalui"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// TestNothingOfAnotherPractice: a person of one practice asks for everything of the
// other, on every route that names a thing. Every answer is that of a thing that is
// not there, and nothing changes.
func TestNothingOfAnotherPractice(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		s.put("northgate", "01-bmp.hl7")
		s.put("northgate", "32-pathology-pdf.hl7")
		theirs, b := s.browser(), s.browser()
		theirs.comeIn(s.letter("northgate", "Nadia Petrov", "manager", "yes"))
		b.comeIn(s.letter("riverside", "Dana Ruiz", "manager", "yes"))
		list := theirs.results(true)
		if len(list) != 2 || len(b.results(true)) != 0 {
			t.Fatal(list)
		}
		must(t, s.portal.Lend(t.Context(), "northgate", "dana.ruiz", s.now().Add(time.Hour), "r.okafor"))
		b.want(b.get(list[0]), http.StatusOK, "Collected") // while it covers, it may
		s.forward(2 * time.Hour)
		theirs.want(theirs.post("/sign-in", "account", "nadia.petrov", "password", okPassword), http.StatusSeeOther, "/sign-in/code")
		b = s.browser()
		b.comeIn(s.letter("riverside", "Third Person", "manager", "yes"))
		var member string
		all, err := s.portal.Members(t.Context(), "northgate")
		must(t, err)
		member = all[0].ID.String()
		before := len(s.opened)
		asked := 0
		for _, rt := range portalui.Site(portalui.Deps{Portal: s.portal, SignIn: s.signin, Now: s.now}).Routes() {
			if rt.Access != web.SignedIn {
				continue
			}
			method, path, _ := strings.Cut(rt.Pattern, " ")
			if !strings.Contains(path, "{id}") {
				continue
			}
			for _, id := range list {
				to := strings.ReplaceAll(strings.ReplaceAll(path, "/results/{id}", id), "{n}", "1")
				to = strings.ReplaceAll(to, "{id}", member)
				asked++
				var r reply
				if method == http.MethodGet {
					if strings.HasSuffix(to, "/wrong") {
						continue // a form that says nothing of the result
					}
					r = b.get(to)
				} else {
					r = b.post(to, "fate", "destroyed", "of", "northgate")
				}
				if r.status != http.StatusNotFound || strings.Contains(r.body, "Collected") {
					t.Errorf("%s %s: %d", method, to, r.status)
				}
			}
		}
		for _, r := range []reply{b.get("/?of=northgate"), b.get("/?of=northgate&show=all"), b.post("/fetch", "of", "northgate"), b.post("/missing", "of", "northgate", "from", "2026-01-01", "until", "2026-01-02"), b.post("/colleagues", "of", "northgate", "account", "third.person", "until", "2030-01-01")} {
			if asked++; r.status != http.StatusNotFound {
				t.Errorf("%d %s", r.status, r.body)
			}
		}
		if asked < 12 || len(s.opened) != before {
			t.Fatal(asked, s.opened)
		}
		told, err := s.portal.Tellings(t.Context(), "", false, 10)
		must(t, err)
		if len(told) != 0 {
			t.Fatal(told)
		}
	})
}

// TestEveryDemoMessageIsShown: each as page and PDF, or a plain no at the door.
func TestEveryDemoMessageIsShown(t *testing.T) {
	s := newPlaceSQLite(t, certHost)
	b := s.browser()
	b.comeIn(s.letter("riverside", "Dana Ruiz"))
	files, err := filepath.Glob("../../../demo/messages/*.hl7")
	must(t, err)
	shown := 0
	pdftotext, _ := exec.LookPath("pdftotext")
	for _, f := range files {
		body, err := os.ReadFile(f)
		must(t, err)
		s.mu.Lock()
		s.seq++
		seq := s.seq
		s.bodies[seq] = body
		s.mu.Unlock()
		if _, err := s.portal.Place(t.Context(), portal.Parcel{Delivery: seq, Partner: "riverside", Body: body}); err != nil {
			if !strings.Contains(err.Error(), "cannot be shown in the portal") {
				t.Error(f, err)
			}
			continue
		}
		path := b.results(false)[0]
		r := b.want(b.get(path), http.StatusOK, "About this page")
		m, err := hl7.Parse(body)
		must(t, err)
		for obx := range m.Segments("OBX") {
			if kind := string(obx.Field(2).Raw()); kind != "NM" {
				continue
			}
			if v := obx.Field(5).Text(); v != "" && !strings.Contains(r.body, v) {
				t.Errorf("%s: the value %q is not on the page", f, v)
			}
		}
		r = b.want(b.get(path+"/pdf"), http.StatusOK, "%PDF-")
		if dir := os.Getenv("LABWARDEN_PDFS"); dir != "" { // to be looked at
			must(t, os.WriteFile(filepath.Join(dir, strings.TrimSuffix(filepath.Base(f), ".hl7")+".pdf"), []byte(r.body), 0o600))
		}
		if pdftotext != "" && shown < 8 {
			cmd := exec.CommandContext(t.Context(), pdftotext, "-layout", "-", "-")
			cmd.Stdin = strings.NewReader(r.body)
			out, err := cmd.Output()
			must(t, err)
			if !strings.Contains(string(out), "Dana Ruiz") || !strings.Contains(string(out), "Page 1 of") {
				t.Errorf("%s: %s", f, out)
			}
		}
		shown++
	}
	if pdftotext == "" {
		if os.Getenv("CI") != "" {
			t.Error("pdftotext is not installed (poppler-utils)")
		}
		t.Log("SKIPPED: no other program read the PDFs: pdftotext is not installed (poppler-utils)")
	}
	t.Logf("%d of %d messages shown", shown, len(files))
	if shown < 75 {
		t.Fatal(shown)
	}
}

// TestFilesForTheirOwnSystem: one batch that this house's own reader takes, a zip, the
// message, and the PDF within a message as it is.
func TestFilesForTheirOwnSystem(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		b := s.browser()
		b.comeIn(s.letter("riverside", "Dana Ruiz"))
		for _, f := range []string{"01-bmp.hl7", "39-platelets-original.hl7", "40-platelets-corrected.hl7"} {
			s.put("riverside", f)
		}
		r := b.want(b.post("/fetch", "form", "batch"), http.StatusOK, "FHS|")
		if !strings.Contains(r.head.Get("Content-Disposition"), "attachment") || r.head.Get("Cache-Control") != "no-store" {
			t.Fatal(r.head)
		}
		parts, err := hl7.SplitAll([]byte(r.body))
		must(t, err)
		n := 0
		for _, p := range parts {
			if bytes.HasPrefix(p.Body, []byte("MSH")) {
				n++
			}
		}
		if n != 3 || !strings.Contains(r.body, "BTS|3\rFTS|1\r") {
			t.Fatal(n, r.body)
		}
		if len(s.opened) != 3 {
			t.Fatal(s.opened)
		}
		b.want(b.get("/"), http.StatusOK, "No new results.")
		b.want(b.get("/?show=all"), http.StatusOK, "fetched as a file")
		b.want(b.post("/fetch", "form", "batch"), http.StatusNotFound, "")
		s.put("riverside", "32-pathology-pdf.hl7")
		s.put("riverside", "02-cmp.hl7")
		r = b.want(b.post("/fetch", "form", "zip"), http.StatusOK, "")
		z, err := zip.NewReader(strings.NewReader(r.body), int64(len(r.body)))
		must(t, err)
		if len(z.File) != 2 {
			t.Fatal(len(z.File))
		}
		for _, x := range b.results(true) {
			if r := b.get(x); strings.Contains(r.body, x+"/documents/1") {
				r = b.want(b.get(x+"/documents/1"), http.StatusOK, "%PDF-")
				if r.head.Get("Content-Type") != "application/pdf" || !strings.Contains(r.head.Get("Content-Security-Policy"), "sandbox") {
					t.Fatal(r.head)
				}
				b.want(b.get(x+"/documents/2"), http.StatusNotFound, "")
				return
			}
		}
		t.Fatal("no result with a PDF")
	})
}

func TestWhatAPracticeTells(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		s.put("riverside", "01-bmp.hl7")
		s.put("riverside", "02-cmp.hl7")
		b, l := s.browser(), s.lab()
		b.comeIn(s.letter("riverside", "Dana Ruiz"))
		list := b.results(false)
		b.get(list[0])
		b.get(list[1])
		b.want(b.get("/"), http.StatusOK, "No new results.")
		b.want(b.post(list[0]+"/missing"), http.StatusSeeOther, "/missing")
		b.want(b.get("/"), http.StatusOK, "1 new result.")
		b.want(b.get("/missing"), http.StatusOK, "+1 555 0142")
		b.want(b.get("/missing"), http.StatusOK, "by Dana Ruiz. The laboratory has not answered yet.")
		today := s.now().UTC().Format(time.DateOnly)
		b.want(b.post("/missing", "from", today, "until", "x"), http.StatusUnprocessableEntity, "at most a month apart")
		b.want(b.post("/missing", "from", today, "until", today), http.StatusSeeOther, "/missing")
		b.want(b.get("/"), http.StatusOK, "2 new results.")
		l.want(l.get("/portal/riverside"), http.StatusOK, "They did not get it")
		// Not ours.
		b.want(b.get(list[1]+"/wrong"), http.StatusOK, "What became of what you printed or saved")
		b.want(b.post(list[1]+"/wrong"), http.StatusUnprocessableEntity, "Say what became of")
		b.want(b.post(list[1]+"/wrong", "fate", portal.Destroyed), http.StatusSeeOther, "/")
		b.want(b.get(list[1]), http.StatusNotFound, "")
		if len(b.results(true)) != 1 {
			t.Fatal("it is still in the list")
		}
		if len(s.raised) != 1 || s.raised[0].Kind != "portal.not_theirs" || strings.Contains(s.raised[0].Sentence, "Dana") {
			t.Fatal(s.raised)
		}
		told, err := s.portal.Tellings(t.Context(), "riverside", false, 10)
		must(t, err)
		if len(told) != 3 || told[2].Fate != portal.Destroyed {
			t.Fatal(told)
		}
		s.role = authz.Auditor
		l.want(l.post("/portal/riverside/told/"+told[2].ID.String(), "outcome", portal.OutcomeTheirs), http.StatusForbidden, "")
		s.role = authz.Technologist
		l.want(l.post("/portal/riverside/told/"+told[2].ID.String(), "outcome", portal.OutcomeCalled), http.StatusUnprocessableEntity, "Say what came of it")
		l.want(l.post("/portal/riverside/told/"+told[2].ID.String(), "outcome", portal.OutcomeTheirs), http.StatusSeeOther, "/portal/riverside")
		b.want(b.get(list[1]), http.StatusOK, "Patient")
		l.want(l.post("/api/v1/portal/riverside/told/"+told[0].ID.String()), http.StatusUnprocessableEntity, "application/json")
		l.want(l.json("/api/v1/portal/riverside/told/"+told[0].ID.String(), map[string]string{"outcome": portal.OutcomeCalled}, nil), http.StatusOK, "true")
		b.want(b.get("/missing"), http.StatusOK, "it called you.")
	})
}

func TestRulesKeepBack(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		s.settings.Rules = []portal.Rule{
			{Name: "hiv", Codes: []string{"no-such", "56888-1"}, Then: portal.Withhold},
			{Name: "troponin", Codes: []string{"67151-1"}, Then: portal.Only},
			{Name: "minors", Under: 18, Codes: []string{"2345-7"}, Then: portal.Withhold},
		}
		b, own := s.browser(), s.browser()
		b.comeIn(s.letter("riverside", "Dana Ruiz"))
		own.comeIn(s.letter("riverside", "Lysander Oxenbrook", "provider", "SB202"))
		s.put("riverside", "25-hiv-screen.hl7")
		s.put("riverside", "05-troponin-critical.hl7")
		s.put("riverside", "04-hba1c.hl7")
		if n := len(b.results(true)); n != 1 {
			t.Fatal(n)
		}
		b.want(b.get("/"), http.StatusOK, "1 new result.")
		if n := len(own.results(true)); n != 2 {
			t.Fatal(n)
		}
		own.want(own.get("/"), http.StatusOK, "2 new results.")
		kept, err := s.portal.Withheld(t.Context(), "riverside", 10)
		must(t, err)
		if len(kept) != 1 || kept[0].Withheld != "hiv" {
			t.Fatal(kept)
		}
		b.want(b.get("/results/"+kept[0].ID.String()), http.StatusNotFound, "")
		l := s.lab()
		s.role = authz.Director
		l.want(l.get("/portal/riverside"), http.StatusOK, "Kept back by rules")
		l.want(l.post("/portal/northgate/items/"+kept[0].ID.String()+"/release"), http.StatusNotFound, "")
		l.want(l.post("/portal/riverside/items/"+kept[0].ID.String()+"/release"), http.StatusSeeOther, "")
		b.want(b.get("/results/"+kept[0].ID.String()), http.StatusOK, "Patient")
	})
}

// TestFind looks for patients without a name in an address, in what one may see alone.
func TestFind(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		s.put("riverside", "01-bmp.hl7")
		s.put("riverside", "05-troponin-critical.hl7")
		s.put("northgate", "05-troponin-critical.hl7")
		b := s.browser()
		b.comeIn(s.letter("riverside", "Dana Ruiz"))
		b.want(b.get("/?show=all"), http.StatusOK, `action="/find"`)
		r := b.want(b.post("/find", "words", "notreal 1990-05-05"), http.StatusOK, "1 result found.")
		b.want(r, http.StatusOK, "Clementine Notreal")
		b.want(b.post("/find", "words", "25-880135"), http.StatusOK, "1 result found.")
		b.want(b.post("/find", "words", "notreal 1991"), http.StatusOK, "Nothing here has all of these words.")
		b.want(b.post("/find", "words", " "), http.StatusUnprocessableEntity, "Write a part of")
	})
}

// TestARuleForSomePractices leaves the others alone.
func TestARuleForSomePractices(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		s.settings.Rules = []portal.Rule{{Name: "hiv", Codes: []string{"56888-1"}, Partners: []string{"northgate"}, Then: portal.Withhold}}
		for _, of := range []string{"riverside", "northgate"} {
			s.put(of, "25-hiv-screen.hl7")
		}
		kept, err := s.portal.Withheld(t.Context(), "", 10)
		must(t, err)
		if len(kept) != 1 || kept[0].Partner != "northgate" {
			t.Fatal(kept)
		}
	})
}

func TestColleaguesCoverAndItEndsByItself(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		s.put("riverside", "01-bmp.hl7")
		s.put("northgate", "02-cmp.hl7")
		m, c := s.browser(), s.browser()
		m.comeIn(s.letter("riverside", "Dana Ruiz", "manager", "yes"))
		seed := c.comeIn(s.letter("northgate", "Nadia Petrov"))
		c.want(c.get("/colleagues"), http.StatusNotFound, "")
		m.want(m.get("/colleagues"), http.StatusOK, "Somebody covers for you")
		m.want(m.post("/colleagues", "of", "riverside", "account", "nobody", "until", s.now().AddDate(0, 0, 7).Format(time.DateOnly)), http.StatusUnprocessableEntity, "Nobody signs in here")
		m.want(m.post("/colleagues", "of", "riverside", "account", "nadia.petrov", "until", "2020-01-01"), http.StatusUnprocessableEntity, "tomorrow")
		m.want(m.post("/colleagues", "of", "riverside", "account", "Nadia.Petrov", "until", s.now().AddDate(0, 0, 2).Format(time.DateOnly)), http.StatusSeeOther, "/colleagues")
		l := s.lab()
		l.want(l.post("/portal/riverside/invite", "account", "nobody"), http.StatusUnprocessableEntity, "Nobody signs in to the portal")
		l.want(l.post("/portal/riverside/invite", "account", "nadia.petrov"), http.StatusUnprocessableEntity, "of this practice already")
		l.want(l.post("/portal/northgate/invite", "account", "dana.ruiz"), http.StatusSeeOther, "/portal/northgate")
		m.want(m.get("/"), http.StatusOK, "2 new results.")
		// One sign-in, two practices; whose is said.
		r := c.want(c.get("/"), http.StatusOK, "2 new results.")
		c.want(r, http.StatusOK, "Riverside Family Practice")
		c.want(r, http.StatusOK, "All practices")
		c.want(c.get("/?of=riverside"), http.StatusOK, "1 new result.")
		var theirs string
		for _, x := range c.results(true) {
			if strings.Contains(c.get("/?show=all&of=riverside").body, x) {
				theirs = x
			}
		}
		c.want(c.get(theirs), http.StatusOK, "Patient")
		s.forward(4 * 24 * time.Hour)
		c = s.browser()
		c.want(c.post("/sign-in", "account", "nadia.petrov", "password", okPassword), http.StatusSeeOther, "/sign-in/code")
		c.want(c.post("/sign-in/code", "code", c.code(seed)), http.StatusSeeOther, "/")
		c.want(c.get(theirs), http.StatusNotFound, "")
		if n := len(c.results(true)); n != 1 {
			t.Fatal(n)
		}
	})
}

func TestPatientsCopies(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		l := s.lab()
		s.role = authz.ComplianceOfficer
		l.want(l.post("/patient-copies", "about", "", "asked", "x"), http.StatusUnprocessableEntity, "Write who asks for what")
		day := s.now().UTC().AddDate(0, 0, -25).Format(time.DateOnly)
		l.want(l.post("/patient-copies", "about", "Elena Marsh asks for all results of May", "asked", day), http.StatusSeeOther, "/patient-copies")
		r := l.want(l.get("/patient-copies"), http.StatusOK, "1 patient waits for a copy.")
		l.want(r, http.StatusOK, "Elena Marsh")
		list, err := s.portal.Copies(t.Context(), false, 10)
		must(t, err)
		path := "/patient-copies/" + list[0].ID.String()
		r = l.want(l.get("/patient-copies"), http.StatusOK, "Today is day 25 of 30.")
		for _, want := range []string{"<dt>Law</dt>", "<dt>Our policy</dt>", "[check", "portal.copy_within is not set"} {
			l.want(r, http.StatusOK, want)
		}
		s.settings.CopyWithin = 10 * 24 * time.Hour
		l.want(l.get("/patient-copies"), http.StatusOK, "Later than our policy; due by")
		l.want(l.post(path+"/extend"), http.StatusUnprocessableEntity, "First tell the patient in writing")
		l.want(l.post(path+"/extend", "told", "yes"), http.StatusSeeOther, "/patient-copies")
		l.want(l.get("/patient-copies"), http.StatusOK, "day 25 of 60. Extended once")
		l.want(l.post(path+"/extend", "told", "yes"), http.StatusUnprocessableEntity, "extended already")
		s.forward(35*24*time.Hour - time.Minute)
		if l.get("/patient-copies"); s.today(portalui.Today(portalui.Deps{Portal: s.portal, Zone: time.UTC}, func() map[string]time.Duration { return nil })) == "" {
			t.Fatal("nothing on Today")
		}
		s.forward(5 * 24 * time.Hour)
		l.want(l.get("/patient-copies"), http.StatusOK, "Overdue by law since")
		l.want(l.post(path+"/end", "outcome", portal.CopyGiven), http.StatusSeeOther, "/patient-copies")
		l.want(l.get("/patient-copies"), http.StatusOK, "No request is open.")
		s.role = authz.Auditor
		l.want(l.get("/patient-copies"), http.StatusForbidden, "")
	})
}
