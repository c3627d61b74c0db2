package portalui

import (
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (s *site) meRoutes(own func(string, web.Handler) web.Route) []web.Route {
	finish := own("POST /me/passkeys/finish", s.finishKey)
	finish.MaxBody = maxAnswer
	return append([]web.Route{
		own("GET /me", s.me),
		own("GET /me/passkeys/new", s.offer(s.newKey)), own("POST /me/passkeys/begin", s.beginKey), finish,
		own("GET /me/passkeys/{id}", s.offer(s.oneKey)), own("POST /me/passkeys/{id}/name", s.nameKey), own("POST /me/passkeys/{id}/remove", s.removeKey),
		own("GET /me/password", s.offer(s.passwordPage)), own("POST /me/password", s.setPassword), own("POST /me/password/remove", s.removePassword),
		own("GET /me/app", s.offer(s.app)), own("POST /me/app", s.beginApp), own("POST /me/app/confirm", s.confirmApp), own("POST /me/app/remove", s.removeApp),
	}, s.confirmRoutes(own)...)
}

// proved is how well the person of the session has proved who they are.
func proved(r *http.Request) signin.Proof {
	who := web.Who(r)
	return signin.Proof{Level: who.Level, FreshAt: who.FreshAt, From: web.From(r), Session: who.Session, Device: device(r)}
}

// offer asks for a fresh proof before a page offers a change: whoever has to confirm
// first is led there and back by a GET.
func (s *site) offer(h web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := s.SignIn.MayOffer(r.Context(), web.Who(r).Person, proved(r)); err != nil {
			return err
		}
		return h(w, r)
	}
}

// changed ends what else is signed in as the person, and says what was done.
func (s *site) changed(w http.ResponseWriter, r *http.Request, said string) error {
	who := web.Who(r)
	if err := s.Portal.EndOthers(r.Context(), who.Person, who.Session); err != nil {
		return err
	}
	return web.Done(w, r, "/me", said+" Where else you were signed in, you are not any more. Your practice sees that it was changed.")
}

func (s *site) me(w http.ResponseWriter, r *http.Request) error {
	p, err := s.person(r)
	if err != nil {
		return err
	}
	e, err := s.SignIn.Enrolled(r.Context(), p.ID)
	if err != nil {
		return err
	}
	changes, err := s.Portal.ChangesOf(r.Context(), p.ID)
	if err != nil {
		return err
	}
	now, names := web.Now(r), s.Portal.Settings().Partners
	var of []kit.KV
	for _, m := range p.Members {
		kind := map[string]string{portal.Member: "opens results", portal.Manager: "opens results, and looks after colleagues", portal.Cover: "covers until " + kit.Date(m.Until.Add(-time.Second), now)}[m.Kind]
		of = append(of, kit.KV{Key: names[m.Partner], Value: kind})
	}
	beside := []templ.Component{
		passwordSheet(e, now), kit.Sheet(kit.SheetOpts{Title: "Where you belong", Sub: "your sign-in name is " + p.Account, Body: kit.KeyValues(of)}),
		kit.Paragraph("Lost a phone or a key, or somebody knows your password? Call the laboratory: " + s.phone() + ". It writes you a new letter, and everything before stops working."),
	}
	lead, rest := meWords(e)
	return web.Render(w, r, kit.Page{
		Title: "My security", Lead: lead, Rest: rest, Nav: "/me",
		Body: kit.Columns(kit.Stacked([]templ.Component{s.keysSheet(e, now), ownChanges(changes, now)}), kit.Stacked(beside)),
	})
}

// meWords is the answer of the page.
func meWords(e signin.Enrolled) (lead, rest string) {
	strong := 0
	for _, k := range e.Passkeys {
		if !k.Cloned {
			strong++
		}
	}
	switch {
	case strong > 1 || strong == 1 && e.Password && e.TOTP:
		return "You have more than one way to sign in.", "If you lose one, the other lets you in."
	case strong == 1:
		return "You sign in with a passkey.", "Add a second one, in case you lose it."
	}
	return "You sign in with a password and a code.", "A passkey is safer and quicker."
}

// keysSheet lists one's passkeys.
func (s *site) keysSheet(e signin.Enrolled, now time.Time) templ.Component {
	t := kit.Table{Caption: "Your passkeys", Columns: []kit.Column{{Name: "Passkey"}, {Name: "Made"}, {Name: "Last used"}}, Total: len(e.Passkeys), Empty: "You have no passkey yet. It is the safest way to sign in, and the quickest."}
	for _, k := range e.Passkeys {
		used, sub := "never", "on one device only"
		if !k.Used.IsZero() {
			used = kit.Ago(k.Used, now)
		}
		if k.Synced {
			sub = "also kept by its maker's cloud"
		}
		cell := kit.Cell{Text: k.Name, Sub: sub, Href: "/me/passkeys/" + k.ID.String()}
		if k.Cloned {
			stopped := kit.Stopped
			cell.State, cell.Word, cell.Sub = &stopped, "Stopped", "It was copied, so it is no longer taken. Remove it."
		}
		t.Rows = append(t.Rows, kit.Row{Key: k.ID.String(), At: k.Cloned, Cells: []kit.Cell{cell, kit.C(kit.Date(k.Made, now)), kit.C(used)}})
	}
	o := kit.SheetOpts{Title: "Passkeys", Sub: "and security keys", Body: kit.DataTable(t)}
	if s.SignIn.PasskeysWork() == nil {
		o.More = &kit.Action{Text: "Add a passkey", Href: "/me/passkeys/new"}
	}
	return kit.Sheet(o)
}

// passwordSheet is how password and app stand.
func passwordSheet(e signin.Enrolled, now time.Time) templ.Component {
	password := kit.LedgerItem{Name: "Password", Href: "/me/password", State: kit.Unknown, Word: "Not set", Value: "none", Text: "You need none beside a passkey."}
	if e.Password {
		password.State, password.Word, password.Value, password.Text = kit.Fine, "Set", "since "+kit.Date(e.PasswordChanged, now), "It never has to be changed, unless somebody else knows it."
		if !e.TOTP {
			password.State, password.Word, password.Text = kit.Unknown, "Not enough", "Alone it opens nothing: set up an authenticator app, or use it before your passkey."
		}
	}
	app := kit.LedgerItem{Name: "Authenticator app", Href: "/me/app", State: kit.Unknown, Word: "Not set up", Value: "none", Text: "It gives the code that is asked for after a password."}
	if e.TOTP {
		app.State, app.Word, app.Value = kit.Fine, "Set up", "since "+kit.Date(e.TOTPSince, now)
	}
	return kit.Sheet(kit.SheetOpts{Title: "Password and app", Body: kit.Ledger([]kit.LedgerItem{password, app})})
}

var wayWords = map[string]string{string(signin.ByPasskey): "a passkey", string(signin.ByPassword): "the password", string(signin.ByTOTP): "the authenticator app", string(signin.ByRecovery): "the recovery codes"}

// changeWords is what was changed, without whose: "A passkey was added".
func changeWords(c *portal.Change) string {
	way := wayWords[c.Way]
	if way == "" {
		way = "a way to sign in"
	}
	switch c.What {
	case portal.ByLetter:
		return "A new letter was used; everything before stopped working"
	case signin.Added:
		return upper(way) + " was added"
	case signin.Removed:
		return upper(way) + " was removed"
	}
	return upper(way) + " was changed"
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func ownChanges(changes []portal.Change, now time.Time) templ.Component {
	var items []kit.Check
	for i := range changes {
		c := &changes[i]
		items = append(items, kit.Check{State: kit.Unknown, Word: "changed", Title: changeWords(c), Text: kit.Clock(c.At, now) + ", in " + c.Device + "."})
	}
	if len(items) == 0 {
		return kit.Sheet(kit.SheetOpts{Title: "Changed lately", Pad: true, Body: kit.Empty("Nothing in the last 30 days.", nil)})
	}
	return kit.Sheet(kit.SheetOpts{Title: "Changed lately", Sub: "not you? Call the laboratory at once", Body: kit.Checks(items)})
}

func meCrumbs(here string) []kit.Crumb {
	return []kit.Crumb{{Name: "My security", Href: "/me"}, {Name: here}}
}
