package portalui_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/pages"
	"github.com/labwarden/labwarden/internal/domain/partners/portal"
)

// lookPlace is one for a browser: "localhost" is a name a passkey takes.
func lookPlace(t *testing.T) *place {
	t.Helper()
	if os.Getenv("LABWARDEN_BARS") == "" {
		t.Skip("SKIPPED A BAR: LABWARDEN_BARS is not set; `make bars` looks at these pages with a browser")
	}
	return newPlaceSQLite(t, "localhost")
}

func (b *browser) session() []pages.Cookie {
	return []pages.Cookie{{Name: "__Host-lwp", Value: b.cookie("__Host-lwp"), Secure: true}}
}

// TestBarPagesOfThePortal: every page of a practice, in both themes, wide and narrow,
// by axe and by its weight; and printed.
func TestBarPagesOfThePortal(t *testing.T) {
	s := lookPlace(t)
	for _, f := range []string{"39-platelets-original.hl7", "40-platelets-corrected.hl7", "18-urine-culture-final.hl7", "05-troponin-critical.hl7", "01-bmp.hl7", "32-pathology-pdf.hl7", "77-long-comments.hl7"} {
		s.put("riverside", f)
	}
	s.put("northgate", "02-cmp.hl7")
	s.forward(-2 * time.Minute)
	b := s.browser()
	seed := b.comeIn(s.letter("riverside", "Dana Ruiz", "manager", "yes"))
	other := s.browser()
	other.comeIn(s.letter("northgate", "Nadia Petrov"))
	must(t, s.portal.Lend(t.Context(), "riverside", "nadia.petrov", s.now().AddDate(0, 0, 6), "portal:dana.ruiz"))
	s.forward(2 * time.Minute)
	b = s.browser()
	b.want(b.post("/sign-in", "account", "dana.ruiz", "password", okPassword), http.StatusSeeOther, "/sign-in/code")
	b.want(b.post("/sign-in/code", "code", b.code(seed)), http.StatusSeeOther, "/")
	by := map[string]string{}
	s.still = true // what is looked at takes longer than a proof is fresh
	list, err := s.portal.Openings(t.Context(), "riverside", [16]byte{}, 1)
	must(t, err)
	if len(list) != 0 {
		t.Fatal(list)
	}
	for _, x := range b.results(true) {
		body := b.get(x).body
		for name, has := range map[string]string{"critical": "flagged this critical", "superseded": "Superseded:", "plain": "Basic metabolic", "culture": "Urine", "pdf": "/documents/1", "long": "77"} {
			if strings.Contains(body, has) && by[name] == "" {
				by[name] = x
			}
		}
	}
	b.post(by["plain"] + "/missing")
	// Somebody else's change waits for the manager; the manager's session is fresh.
	omar := s.browser()
	omar.comeIn(s.letter("riverside", "Ada Brandt"))
	omar.want(omar.post("/me/password", "password", "otter blanket seven rivers"), http.StatusSeeOther, "/me")
	code := s.letter("riverside", "Omar Haddad")
	first := s.browser()
	first.want(first.post("/letter", "code", code), http.StatusSeeOther, "/letter/way")
	way := append(b.session(), pages.Cookie{Name: "__Host-lwp-letter", Value: first.cookie("__Host-lwp-letter"), Secure: true})
	list2 := []pages.Page{
		{Name: "portal-sign-in", Path: "/sign-in", SignedOut: true, Narrow: true, Forced: true, Expect: "Sign in under your own name."},
		{Name: "portal-letter", Path: "/letter", SignedOut: true, Narrow: true, Expect: "Type the code of your letter."},
		{Name: "portal-letter-way", Path: "/letter/way", Narrow: true, Expect: "Welcome, Omar Haddad."},
		{Name: "portal-list", Path: "/", Narrow: true, Print: true, Expect: "Ada Brandt changed how they sign in"},
		{Name: "portal-all", Path: "/?show=all", Narrow: true, Expect: "superseded"},
		{Name: "portal-missing", Path: "/missing", Narrow: true, Expect: "A result is missing?"},
		{Name: "portal-colleagues", Path: "/colleagues", Narrow: true, Expect: "Was that them?"},
		{Name: "portal-me", Path: "/me", Narrow: true, Expect: "You sign in with a password and a code."},
		{Name: "portal-me-key", Path: "/me/passkeys/new", Narrow: true, Script: true, Expect: "Name of this passkey"},
		{Name: "portal-me-password", Path: "/me/password", Narrow: true, Expect: "Change your password."},
		{Name: "portal-me-app", Path: "/me/app", Narrow: true, Expect: "Your authenticator app is set up."},
		{Name: "portal-confirm", Path: "/confirm", Narrow: true, Expect: "Confirm that it is you."},
		{Name: "portal-switch", Path: "/switch", Expect: "Let somebody else take this machine."},
		{Name: "portal-wrong", Path: by["culture"] + "/wrong", Narrow: true, Expect: "This result is not about a patient of yours?"},
	}
	for _, name := range []string{"critical", "superseded", "plain", "culture", "pdf"} {
		if by[name] == "" {
			t.Fatal("no result that is ", name)
		}
		list2 = append(list2, pages.Page{Name: "portal-result-" + name, Path: by[name], Narrow: true, Print: true, Expect: "About this page"})
	}
	pages.Look(t, pages.Plan{Base: s.url, Cookies: way, Pages: list2})
	pages.Look(t, pages.Plan{Base: s.url, Cookies: way, First: 4 * 120 << 10, Later: 4 * 15 << 10, Pages: []pages.Page{ // two pages each
		{Name: "portal-find", Path: "/?show=all", Narrow: true, Steps: []pages.Step{
			{Do: "goto", Path: "/?show=all"}, {Do: "fill", At: "#f-words", Value: "ottilie"}, {Do: "click", At: "button:has-text('Find')"}, {Do: "see", Text: "results found"},
		}},
	}})
}

// TestBarPagesOfTheLaboratory: its side of the portal.
func TestBarPagesOfTheLaboratory(t *testing.T) {
	s := lookPlace(t)
	s.settings.Rules = []portal.Rule{{Name: "hiv", Codes: []string{"56888-1"}, Then: portal.Withhold}}
	for _, f := range []string{"01-bmp.hl7", "02-cmp.hl7", "25-hiv-screen.hl7"} {
		s.put("riverside", f)
	}
	b := s.browser()
	b.comeIn(s.letter("riverside", "Dana Ruiz"))
	s.letter("riverside", "Omar Haddad")
	list := b.results(false)
	b.get(list[0])
	b.post(list[0] + "/missing")
	b.post(list[1]+"/wrong", "fate", portal.Destroyed)
	b.want(b.post("/me/password", "password", "otter blanket seven rivers"), http.StatusSeeOther, "/me")
	changed, err := s.portal.Changes(t.Context(), "riverside")
	must(t, err)
	s.settings.CopyWithin = 10 * 24 * time.Hour
	_, err = s.portal.AskCopy(t.Context(), "Jonas Weir asks for his lipids", s.now().AddDate(0, 0, -31), "r.okafor")
	must(t, err)
	_, err = s.portal.AskCopy(t.Context(), "Elena Marsh asks for all results of May", s.now().AddDate(0, 0, -25), "r.okafor")
	must(t, err)
	pages.Look(t, pages.Plan{Base: s.labURL, Pages: []pages.Page{
		{Name: "lab-portal", Path: "/portal", Narrow: true, Expect: "2 practices open results"},
		{Name: "lab-portal-practice", Path: "/portal/riverside", Narrow: true, Expect: "They say: not our patient"},
		{Name: "lab-portal-invite", Path: "/portal/riverside/invite", Narrow: true, Expect: "Invite a person of Riverside"},
		{Name: "lab-portal-new-letter", Path: "/portal/riverside/people/" + changed[0].Person.String() + "/letter", Narrow: true, Expect: "A new letter for Dana Ruiz."},
		{Name: "lab-copies", Path: "/patient-copies", Narrow: true, Print: true, Expect: "Elena Marsh"},
	}})
	pages.Look(t, pages.Plan{Base: s.labURL, First: 4 * 120 << 10, Later: 4 * 15 << 10, Pages: []pages.Page{
		{Name: "lab-portal-printed-letter", Path: "/portal/riverside/invite", Narrow: true, Print: true, Steps: []pages.Step{
			{Do: "goto", Path: "/portal/riverside/invite"}, {Do: "fill", At: "#f-name", Value: "Ada Brandt"}, {Do: "click", At: "button:has-text('Make the letter')"}, {Do: "see", Text: "Dear Ada Brandt"},
		}},
	}})
}

// TestBarFirstSignIn: from the letter to the first opened result, in clicks: with a
// passkey, and with a password and an app without JavaScript.
func TestBarFirstSignIn(t *testing.T) {
	s := lookPlace(t)
	s.put("riverside", "05-troponin-critical.hl7")
	s.put("riverside", "01-bmp.hl7")
	open := []pages.Step{{Do: "see", Text: "new result"}, {Do: "click", At: "tbody a[href^='/results/']"}, {Do: "see", Text: "About this page"}}
	letter := func(code string) []pages.Step {
		return []pages.Step{
			{Do: "goto", Path: "/"}, {Do: "click", At: "a:has-text('Type the code of a letter')"}, {Do: "fill", At: "#f-code", Value: code}, {Do: "click", At: "button:has-text('Go on')"}, {Do: "see", Text: "Choose how you sign in from now on."},
		}
	}
	key := append(append([]pages.Step{{Do: "passkey"}}, letter(s.letter("riverside", "Dana Ruiz"))...), pages.Step{Do: "click", At: "[data-passkey-button]"})
	again := []pages.Step{
		{Do: "goto", Path: "/switch"}, {Do: "click", At: "button:has-text('Sign Dana Ruiz out')"}, {Do: "see", Text: "Sign in under your own name."}, {Do: "click", At: "[data-passkey-button]"}, {Do: "see", Text: "Dana Ruiz"},
	}
	r := pages.Look(t, pages.Plan{Base: s.url, Jobs: []pages.Job{{Name: "from the letter to a result with a passkey", SignedOut: true, Most: 4, Steps: append(key, open...)}}})
	// Three minutes are a person's: all but the reading and the typing of twelve
	// characters may take a tenth of them on a slow machine.
	for _, j := range r.Done {
		if j.MS > 18_000 {
			t.Errorf("%s took %d ms without a person's time", j.Name, j.MS)
		}
	}
	pages.Look(t, pages.Plan{Base: s.url, Jobs: []pages.Job{{Name: "first and second sign-in with a passkey", SignedOut: true, Steps: append(append(append([]pages.Step{{Do: "passkey"}}, letter(s.letter("riverside", "Dana Ruiz"))...), pages.Step{Do: "click", At: "[data-passkey-button]"}, pages.Step{Do: "see", Text: "Results"}), again...)}}})
	pages.Look(t, pages.Plan{Base: s.url, Jobs: []pages.Job{{Name: "password, no JavaScript", SignedOut: true, Still: true, Steps: append(letter(s.letter("riverside", "Omar Haddad")),
		pages.Step{Do: "fill", At: "#f-password", Value: okPassword}, pages.Step{Do: "click", At: "button:has-text('Go on')"}, pages.Step{Do: "see", Text: "Scan, then type the code."})}}})
}
