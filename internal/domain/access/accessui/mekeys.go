package accessui

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (s *signing) keyRoutes(own func(string, web.Handler) web.Route) []web.Route {
	return []web.Route{
		own("GET /me/passkeys/new", s.newKey), own("POST /me/passkeys/begin", s.beginKey), own("POST /me/passkeys/finish", s.finishKey),
		own("GET /me/passkeys/{id}", s.oneKey), own("POST /me/passkeys/{id}/name", s.nameKey), own("POST /me/passkeys/{id}/remove", s.removeKey),
	}
}

// keysSheet lists one's passkeys.
func (s *signing) keysSheet(r *http.Request, e signin.Enrolled) templ.Component {
	now := web.Now(r)
	t := kit.Table{Caption: "Your passkeys", Columns: []kit.Column{{Name: "Passkey"}, {Name: "Made", Wide: true}, {Name: "Last used"}}, Total: len(e.Passkeys), Empty: "You have no passkey yet. It is the safest way to sign in, and the quickest."}
	for _, k := range e.Passkeys {
		used, sub := "Never", "On one device only"
		if !k.Used.IsZero() {
			used = kit.Ago(k.Used, now)
		}
		if k.Synced {
			sub = "Also kept by its maker's cloud"
		}
		cell := kit.Cell{Text: k.Name, Sub: sub, Href: "/me/passkeys/" + k.ID.String()}
		if web.Who(r).Bench {
			cell.Href = ""
		}
		if k.Cloned {
			stopped := kit.Stopped
			cell.State, cell.Word, cell.Sub = &stopped, "Stopped", "It was copied, so it is no longer taken. Remove it."
		}
		t.Rows = append(t.Rows, kit.Row{Key: "k-" + k.ID.String(), At: k.Cloned, Cells: []kit.Cell{cell, kit.C(kit.Date(k.Made, now)), kit.C(used)}})
	}
	o := kit.SheetOpts{Title: "Passkeys", Sub: "and security keys"}
	parts := []templ.Component{kit.DataTable(t)}
	if err := s.SignIn.PasskeysWork(); err == nil && web.Who(r).Bench {
		parts = append(parts, kit.Foot(kit.Unknown, "At a shared bench you change nothing about how you sign in: use a device that only you use."))
	} else if err == nil {
		o.More = &kit.Action{Text: "Add a passkey", Href: "/me/passkeys/new"}
	} else {
		parts = append(parts, kit.Foot(kit.Unknown, sentence(err)))
	}
	o.Body = templ.Join(parts...)
	return kit.Sheet(o)
}

func crumbs(here string) []kit.Crumb {
	return []kit.Crumb{{Name: "My security", Href: "/me"}, {Name: here}}
}

// fresh asks for what a change needs before a page offers it: whoever has to
// confirm first is led there and back by a GET.
func (s *signing) fresh(h web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := s.SignIn.MayOffer(r.Context(), web.Who(r).Person, proof(r)); err != nil {
			return pass(err)
		}
		return h(w, r)
	}
}

func (s *signing) newKey(w http.ResponseWriter, r *http.Request) error {
	return s.fresh(func(w http.ResponseWriter, r *http.Request) error {
		return web.Render(w, r, kit.Page{
			Title: "Add a passkey", Lead: "Add a passkey.", Crumbs: crumbs("Add a passkey"), Nav: "/me",
			Body: kit.Sheet(kit.SheetOpts{Title: "New passkey", Pad: true, Body: kit.Passkey(kit.PasskeyOpts{
				Kind: "create", Begin: "/me/passkeys/begin", Finish: "/me/passkeys/finish", Submit: "Make a passkey", Nonce: web.Nonce(r),
				Hint:   "It is kept by this device, a security key you plug in, or your password manager.",
				Else:   "Open this page in a current browser.",
				Fields: []kit.Field{{Name: "called", Label: "Name of this passkey", Hint: "So that you know it again: blue key, work laptop.", Required: true, Max: 60, Spell: true}},
			})}),
		})
	})(w, r)
}

func (s *signing) beginKey(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Called string `json:"called"`
	}
	err := read(r, &in)
	if err == nil {
		err = signin.CheckName(in.Called)
	}
	if err != nil {
		return answer(w, nil, err)
	}
	c, err := s.SignIn.BeginPasskey(r.Context(), web.Who(r).Person, proof(r))
	return answer(w, c, err)
}

func (s *signing) finishKey(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Token  string          `json:"token"`
		Called string          `json:"called"`
		Answer json.RawMessage `json:"answer"`
	}
	if err := read(r, &in); err != nil {
		return answer(w, nil, err)
	}
	_, err := s.SignIn.FinishPasskey(r.Context(), web.Who(r).Person, proof(r), in.Token, in.Called, in.Answer)
	return answer(w, map[string]string{"to": "/me"}, err)
}

// key finds one of the caller's passkeys.
func (s *signing) ownKey(r *http.Request) (signin.Passkey, error) {
	none := web.NotFound("There is no such passkey.")
	id, err := event.ParseID(r.PathValue("id"))
	if err != nil {
		return signin.Passkey{}, none
	}
	e, err := s.SignIn.Enrolled(r.Context(), web.Who(r).Person)
	if err != nil {
		return signin.Passkey{}, err
	}
	if k, ok := e.Passkey(id); ok {
		return k, nil
	}
	return signin.Passkey{}, none
}

func (s *signing) oneKey(w http.ResponseWriter, r *http.Request) error {
	return s.fresh(func(w http.ResponseWriter, r *http.Request) error { return s.drawKey(w, r, nil) })(w, r)
}

func (s *signing) drawKey(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	k, err := s.ownKey(r)
	if err != nil {
		return err
	}
	now, at := web.Now(r), "/me/passkeys/"+k.ID.String()
	rename := kit.FormOpts{Action: at + "/name", Submit: "Rename", Cancel: "/me", Fields: []kit.Field{{Name: "called", Label: "Name", Value: k.Name, Required: true, Max: 60, Spell: true}}}
	p := kit.Page{Title: k.Name, Lead: k.Name, Crumbs: crumbs(k.Name), Nav: "/me"}
	ask := kit.ConfirmOpts{
		Title: "Remove this passkey?", Text: "It no longer signs you in. What your device keeps of it stays there until you delete it there.",
		Facts:  []kit.KV{{Key: "Made", Value: kit.Date(k.Made, now)}, {Key: "Last used", Value: ago(k.Used, now)}},
		Action: at + "/remove", Button: "Remove", Cancel: "/me", Bad: true,
	}
	if bad != nil {
		p.Status = statusOf(bad)
		rename.Fields = kit.WithErrors(rename.Fields, bad.Fields)
		if len(bad.Fields) == 0 {
			p.Notice, p.NoticeState = bad.Message, kit.Stopped
		}
	}
	p.Body = kit.Columns(kit.Sheet(kit.SheetOpts{Title: "Name", Pad: true, Body: kit.Form(rename)}), kit.Confirm(ask))
	return web.Render(w, r, p)
}

func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return kit.Ago(t, now)
}

func (s *signing) nameKey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.ownKey(r)
	if err != nil {
		return err
	}
	if err := s.SignIn.RenamePasskey(r.Context(), web.Who(r).Person, k.ID, r.FormValue("called")); err != nil {
		var wrong *signin.BadName
		if errors.As(err, &wrong) {
			return s.drawKey(w, r, failure(err))
		}
		return pass(err)
	}
	return web.Done(w, r, "/me", "The passkey has its new name.")
}

func (s *signing) removeKey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.ownKey(r)
	if err != nil {
		return err
	}
	if r.FormValue("confirm") != "yes" {
		return s.drawKey(w, r, nil)
	}
	if err := s.SignIn.RemovePasskey(r.Context(), web.Who(r).Person, proof(r), k.ID); err != nil {
		var last *signin.LastWay
		if errors.As(err, &last) {
			return s.drawKey(w, r, failure(err))
		}
		return pass(err)
	}
	return web.Done(w, r, "/me", "That passkey no longer signs you in.")
}
