package accessui

import (
	"net/http"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (s *signing) meRoutes() []web.Route {
	own := func(pattern string, h web.Handler) web.Route {
		return web.Route{Pattern: pattern, Needs: authz.OwnSecurity, Handle: human(h), MaxBody: maxAnswer}
	}
	return slices.Concat([]web.Route{
		own("GET /me", s.me),
		own("POST /me/notices/{id}", s.notice),
		own("POST /me/sessions/{id}/end", s.endSession),
		own("POST /me/sessions/end-others", s.endOthers),
	}, s.keyRoutes(own), s.factorRoutes(own), s.providerRoutes(own))
}

// human keeps out what has no session of a person: a token changes nobody's ways.
func human(h web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if web.Who(r).Session == (event.ID{}) {
			return web.NotFound("There is no such page.")
		}
		return h(w, r)
	}
}

// me is the page of one's own security.
func (s *signing) me(w http.ResponseWriter, r *http.Request) error {
	ctx, who := r.Context(), web.Who(r)
	e, err := s.SignIn.Enrolled(ctx, who.Person)
	if err != nil {
		return err
	}
	notices, err := s.Access.Notices(ctx, who)
	if err != nil {
		return err
	}
	sessions, err := s.Access.OwnSessions(ctx, who)
	if err != nil {
		return err
	}
	p := kit.Page{Title: "My security", Eyebrow: who.Account, Nav: "/me"}
	p.Lead, p.Rest = verdict(e, len(notices))
	names, err := (&ui{s: s.Access}).names(ctx)
	if err != nil {
		return err
	}
	elsewhere, err := s.providerSheet(ctx, who.Person)
	if err != nil {
		return err
	}
	if who.Bench {
		elsewhere = templ.NopComponent // nothing is linked there
	}
	var wide []templ.Component
	var questions []templ.Component
	for _, n := range notices {
		questions = append(questions, asked(n, noticeLine(n, names.Of, web.Now(r))))
	}
	if len(questions) > 0 {
		wide = append(wide, kit.Sheet(kit.SheetOpts{Title: "Was that you?", Pad: true, Body: kit.Stacked(questions)}))
	}
	wide = append(wide, s.keysSheet(r, e), ownSessions(r, sessions))
	p.Tools = kit.Buttons(kit.Action{Text: "What the record holds of you", Href: "/record/mine", Icon: "record"})
	p.Body = kit.Columns(templ.Join(wide...), join(waysSheet(r, e), elsewhere))
	return web.Render(w, r, p)
}

// verdict is the answer of the page.
func verdict(e signin.Enrolled, notices int) (lead, rest string) {
	strong := 0
	for _, k := range e.Passkeys {
		if !k.Cloned {
			strong++
		}
	}
	switch {
	case notices > 0:
		return kit.Many(notices, "thing needs", "things need") + " your answer.", "Was that you?"
	case strong > 1:
		return "You sign in with passkeys.", "If you lose one, the other lets you in."
	case strong == 1:
		return "You sign in with a passkey.", "Add a second one, in case you lose it."
	case e.TOTP:
		return "You sign in with a password and a code.", "A passkey is safer and quicker."
	}
	return "Only a password protects you.", "Add a passkey or an authenticator app."
}

func (s *signing) notice(w http.ResponseWriter, r *http.Request) error {
	id, err := event.ParseID(r.PathValue("id"))
	if err != nil {
		return web.NotFound("There is no such question.")
	}
	me := r.FormValue("me")
	if me != "yes" && me != "no" {
		return web.Invalid("Answer yes or no.")
	}
	if err := s.Access.Answer(r.Context(), web.Who(r), id, me == "yes"); err != nil {
		return pass(err)
	}
	if me == "yes" {
		return web.Done(w, r, "/me", "Thank you. Your answer is kept.")
	}
	return web.Done(w, r, "/me", "Every other session of yours has been ended, and your security officer is told. Now change your password, and look through your passkeys.")
}

func ownSessions(r *http.Request, all []access.Session) templ.Component {
	now := web.Now(r)
	t := kit.Table{Caption: "Your sessions", Columns: []kit.Column{{Name: "Where"}, {Name: "How", Wide: true}, {Name: "Since"}, {Name: "Last seen"}, {Name: "Session"}}, Total: len(all), Empty: "You have no session."}
	others := false
	for _, x := range all {
		how := methodWord(x.Method)
		row := kit.Row{Key: "s-" + x.ID.String(), Cells: []kit.Cell{
			{Text: x.Device.Name, Sub: x.Device.Network}, kit.C(strings.ToUpper(how[:1]) + how[1:]), kit.C(kit.Clock(x.Made, now)), kit.C(kit.Ago(x.Seen, now)),
		}}
		if x.Current {
			row.Cells = append(row.Cells, kit.C("This one"))
		} else {
			others = true
			row.Cells = append(row.Cells, kit.CBody(kit.Quick("/me/sessions/"+x.ID.String()+"/end", "End", "the session of "+x.Device.Name)))
		}
		t.Rows = append(t.Rows, row)
	}
	body := kit.DataTable(t)
	if others {
		body = templ.Join(body, kit.Acts(kit.Action{Text: "End all others", Href: "/me/sessions/end-others", Post: true}))
	}
	return kit.Sheet(kit.SheetOpts{Title: "Sessions", Sub: "where you are signed in", Body: body})
}

func (s *signing) endSession(w http.ResponseWriter, r *http.Request) error {
	id, err := event.ParseID(r.PathValue("id"))
	if err != nil {
		return web.NotFound("There is no such session.")
	}
	if err := s.Access.EndSession(r.Context(), web.Who(r), id); err != nil {
		return pass(err)
	}
	return web.Done(w, r, "/me", "That session has ended.")
}

func (s *signing) endOthers(w http.ResponseWriter, r *http.Request) error {
	n, err := s.Access.EndOthers(r.Context(), web.Who(r))
	if err != nil {
		return pass(err)
	}
	return web.Done(w, r, "/me", kit.Many(int(n), "other session has", "other sessions have")+" ended.")
}
