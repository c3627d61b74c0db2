package accessui_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/pages"
	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// lookSite is a site for a browser: "localhost" is a name a passkey takes, and the
// clock is the browser's.
func lookSite(t *testing.T) *doorway {
	t.Helper()
	if os.Getenv("LABWARDEN_BARS") == "" {
		t.Skip("SKIPPED A BAR: LABWARDEN_BARS is not set; `make bars` looks at these pages with a browser")
	}
	path := t.TempDir() + "/test.db"
	var open storetest.Opener = func(opts store.Options) *store.DB {
		db, err := store.OpenSQLite(t.Context(), path, opts)
		must(t, err)
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	return newDoorway(t, open, "localhost")
}

func cookies(b *browser) []pages.Cookie {
	return []pages.Cookie{{Name: access.Cookie, Value: b.cookie(access.Cookie), Secure: true}}
}

// TestBarPagesOfSigningIn: every page of these files, in both themes, wide and narrow,
// by axe and by its weight.
func TestBarPagesOfSigningIn(t *testing.T) {
	s := lookSite(t)
	admin := s.administrator()
	s.forward(-time.Minute)
	lena := s.technologist("lena")
	lena.app()
	lena.want(lena.post("/me/recovery"), http.StatusForbidden, "")
	s.forward(30 * time.Second) // now is now again
	invited := s.invite("maya", "Maya Lindqvist", authz.Technologist)
	first := lookSite(t)
	l, err := first.access.FirstAdminLink(t.Context())
	must(t, err)

	half := []pages.Step{
		{Do: "goto", Path: "/sign-in"},
		{Do: "fill", At: "#f-account", Value: "lena"},
		{Do: "fill", At: "#f-password", Value: okPassword},
		{Do: "click", At: "button:has-text('Go on')"},
		{Do: "see", Text: "Now the code."},
	}
	wrong := []pages.Step{
		{Do: "goto", Path: "/sign-in"},
		{Do: "fill", At: "#f-account", Value: "nobody"},
		{Do: "fill", At: "#f-password", Value: "x"},
		{Do: "click", At: "button:has-text('Go on')"},
		{Do: "see", Text: "That did not match."},
	}
	one := "/me/passkeys/" + keyLink.FindStringSubmatch(admin.want(admin.get("/me"), http.StatusOK, "").body)[1]
	posted := func(path, button, then string) []pages.Step {
		return []pages.Step{{Do: "goto", Path: path}, {Do: "click", At: "button:has-text('" + button + "')"}, {Do: "see", Text: then}, {Do: "wait", At: ".side .mark"}}
	}
	pages.Look(t, pages.Plan{Base: s.url, Cookies: cookies(admin), Pages: []pages.Page{
		{Name: "sign-in", Path: "/sign-in", SignedOut: true, Narrow: true, Forced: true, Expect: "With a passkey"},
		{Name: "welcome", Path: invited.Path(), SignedOut: true, Leads: true, Narrow: true, Expect: "Welcome, Maya Lindqvist."},
		{Name: "welcome-gone", Path: "/welcome", SignedOut: true, Status: 404, Expect: "This link does not work"},
		{Name: "step-up", Path: "/step-up", Expect: "Confirm that it is you."},
		{Name: "me", Path: "/me", Narrow: true, Print: true, Expect: "You sign in with a passkey."},
		{Name: "me-passkey-new", Path: "/me/passkeys/new", Expect: "Add a passkey."},
		{Name: "me-passkey", Path: one, Narrow: true, Expect: "Remove this passkey?"},
		{Name: "me-password", Path: "/me/password", Expect: "Set a password."},
		{Name: "me-app", Path: "/me/app", Expect: "Set up an authenticator app."},
		{Name: "me-recovery", Path: "/me/recovery", Expect: "You have no recovery codes."},
	}})
	// What a form answers with: the pages on the way are weighed with it.
	pages.Look(t, pages.Plan{Base: s.url, Cookies: cookies(admin), First: 4 * 120 << 10, Later: 4 * 15 << 10, Pages: []pages.Page{
		{Name: "sign-in-wrong", Path: "/sign-in", SignedOut: true, Steps: wrong},
		{Name: "sign-in-code", Path: "/sign-in", SignedOut: true, Steps: half},
		{Name: "me-app-scan", Path: "/me/app", Narrow: true, Steps: posted("/me/app", "Show the code to scan", "Scan, then type the code.")},
		{Name: "me-recovery-codes", Path: "/me/recovery", Print: true, Narrow: true, Steps: posted("/me/recovery", "Make new codes", "They are shown once.")},
	}})
	pages.Look(t, pages.Plan{Base: first.url, Pages: []pages.Page{
		{Name: "welcome-first", Path: l.Path(), SignedOut: true, Leads: true, Narrow: true, Expect: "You are the first administrator."},
	}})
}

// TestBarSigningInWithABrowser: a passkey with the script, a password and a code by
// keyboard and without it.
func TestBarSigningInWithABrowser(t *testing.T) {
	s := lookSite(t)
	l, err := s.access.FirstAdminLink(t.Context())
	must(t, err)
	pages.Look(t, pages.Plan{Base: s.url, Jobs: []pages.Job{{Name: "first administrator", SignedOut: true, Steps: []pages.Step{
		{Do: "passkey"},
		{Do: "goto", Path: l.Path()},
		{Do: "fill", At: "#f-account", Value: "admin"},
		{Do: "fill", At: "#f-name", Value: "Ngozi Okafor"},
		{Do: "click", At: "[data-passkey-button]"},
		{Do: "see", Text: "Give it a name of up to 60 characters"},
		{Do: "fill", At: "#f-called", Value: "blue key"},
		{Do: "click", At: "[data-passkey-button]"},
		{Do: "see", Text: "You sign in with a passkey."},
		{Do: "url", Is: "/me"},
		{Do: "goto", Path: "/me/passkeys/new"},
		{Do: "fill", At: "#f-called", Value: "the same"},
		{Do: "click", At: "[data-passkey-button]"},
		{Do: "see", Text: "This device has a passkey of yours already."},
		{Do: "goto", Path: "/"},
		{Do: "click", At: "button:has-text('Sign out')"},
		{Do: "url", Is: "/sign-in"},
		{Do: "goto", Path: "/sessions"},
		{Do: "see", Text: "Sign in."},
		{Do: "click", At: "[data-passkey-button]"},
		{Do: "see", Text: "Everybody's sessions."},
		{Do: "url", Is: "/sessions"},
		{Do: "goto", Path: "/step-up?to=" + encoded("/sessions")},
		{Do: "click", At: "[data-passkey-button]"},
		{Do: "see", Text: "Everybody's sessions."},
	}}}})
	s.forward(-time.Minute)
	lena := s.technologist("lena")
	seed := lena.app()
	s.forward(30 * time.Second)
	in := []pages.Step{
		{Do: "goto", Path: "/me"},
		{Do: "fill", At: "#f-account", Value: "lena"},
		{Do: "fill", At: "#f-password", Value: okPassword},
		{Do: "press", Key: "Enter"},
		{Do: "see", Text: "Now the code."},
		{Do: "totp", At: "#f-code", Secret: seed},
		{Do: "press", Key: "Enter"},
		{Do: "see", Text: "The authenticator app was added to your account."},
		{Do: "click", At: "button:has-text('Yes, that was me')"},
		{Do: "see", Text: "You sign in with a password and a code."},
		{Do: "url", Is: "/me"},
	}
	pages.Look(t, pages.Plan{Base: s.url, Jobs: []pages.Job{{Name: "password and code without script", SignedOut: true, Still: true, Steps: in}}})
}
