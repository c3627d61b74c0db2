package accessui

import (
	"net/http"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (u *ui) sessionRoutes() []web.Route {
	return []web.Route{
		get("/people/sessions", authz.SessionsEnd, u.sessions),
		post("/people/sessions/{id}/end", authz.SessionsEnd, u.endSession),
		get("/people/sessions/bench", authz.BenchesManage, u.benchForm),
		post("/people/sessions/bench", authz.BenchesManage, u.pairBench),
		post("/people/sessions/{id}/unpair", authz.BenchesManage, u.endBench),
	}
}

func levelWord(l authz.Level) string {
	switch l {
	case authz.LevelPasskey:
		return "passkey or hardware key"
	case authz.LevelTwo:
		return "two factors"
	case authz.LevelPassword:
		return "one factor"
	}
	return "nothing proved"
}

// proofWord says how identity was proved, and how well where the way does not
// say it.
func proofWord(x access.Session) string {
	if x.Method == "passkey" {
		return methodWord(x.Method)
	}
	return methodWord(x.Method) + ", " + levelWord(x.Level)
}

func (u *ui) sessions(w http.ResponseWriter, r *http.Request) error {
	who, now := web.Who(r), web.Now(r)
	all, err := u.s.Sessions(r.Context(), who)
	if err != nil {
		return err
	}
	benches, err := u.s.Benches(r.Context())
	if err != nil {
		return err
	}
	var rows []kit.Row
	for _, x := range all {
		from := kit.Cell{Text: x.Device.Name, Sub: kit.Mono(x.Device.Network)}
		if x.Bench != "" {
			from.Text = x.Bench + ", " + x.Device.Name
		}
		act := kit.CBody(kit.Quick("/people/sessions/"+x.ID.String()+"/end", "End", "the session of "+x.Name))
		if x.Current {
			act = kit.C("this one")
		}
		rows = append(rows, kit.Row{Key: x.ID.String(), Cells: []kit.Cell{
			{Text: x.Name, Sub: kit.Mono(x.Account), Href: "/people/" + x.Person.String()},
			from,
			{Text: kit.Clock(x.Made, now), Sub: proofWord(x)},
			{Text: kit.Ago(x.Seen, now), Sub: "ends unused " + kit.Clock(x.IdleAt, now) + ", at the latest " + kit.Clock(x.OverAt, now)},
			act,
		}})
	}
	page := kit.Page{
		Title: "Sessions", Lead: kit.Many(len(all), "session is open.", "sessions are open."), Crumbs: []kit.Crumb{peopleCrumb, {Name: "Sessions"}}, Nav: "/people", Live: []string{livePeople},
		Body: join(u.tabs(r, "/people/sessions"), kit.Sheet(kit.SheetOpts{Title: "Open sessions", Sub: "an ended one is out on every node within a second", Body: kit.DataTable(kit.Table{
			Caption: "Open sessions", Columns: []kit.Column{{Name: "Who"}, {Name: "From"}, {Name: "Since"}, {Name: "Last used"}, {Name: "Act"}}, Rows: rows, Total: len(rows), Empty: "Nobody is signed in.",
		})}), u.benchSheet(r, benches)),
	}
	return web.Render(w, r, page)
}

func (u *ui) benchSheet(r *http.Request, benches []access.Bench) templ.Component {
	manages := may(r, authz.BenchesManage)
	if len(benches) == 0 && !manages {
		return templ.NopComponent
	}
	now := web.Now(r)
	var rows []kit.Row
	for _, b := range benches {
		cells := []kit.Cell{kit.C(b.Name), kit.C(otherwise(b.Site, "no site")), kit.C(kit.Date(b.Made, now) + ", by " + b.MadeBy)}
		if manages {
			cells = append(cells, kit.CBody(kit.Quick("/people/sessions/"+b.ID.String()+"/unpair", "End", "the bench "+b.Name)))
		}
		rows = append(rows, kit.Row{Key: b.ID.String(), Cells: cells})
	}
	columns := []kit.Column{{Name: "Bench"}, {Name: "Site"}, {Name: "Paired"}}
	o := kit.SheetOpts{Title: "Shared benches", Sub: "two minutes without use end a session there"}
	if manages {
		columns = append(columns, kit.Column{Name: "Act"})
		o.More = &kit.Action{Text: "Make this device a bench", Href: "/people/sessions/bench"}
	}
	o.Body = kit.DataTable(kit.Table{Caption: "Shared benches", Columns: columns, Rows: rows, Total: len(rows), Empty: "No device is shared."})
	return kit.Sheet(o)
}

func (u *ui) endSession(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := u.s.EndSession(r.Context(), web.Who(r), id); err != nil {
		return err
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/sessions", "The session was ended.")
}

func benchPage(r *http.Request, errs map[string]string, whole string) kit.Page {
	fields := []kit.Field{
		{Name: "name", Label: "Name of the bench", Value: r.PostFormValue("name"), Required: true, Max: 120, Hint: "As it is called on the floor: Chemistry bench 2."},
		{Name: "site", Label: "Site", Value: r.PostFormValue("site"), Optional: true, Mono: true, Max: 80},
	}
	return kit.Page{
		Title: "Make this device a bench", Lead: "Make this device a shared bench?", Rest: "Sign in on it yourself first: it is the browser you use now.", Crumbs: []kit.Crumb{peopleCrumb, {Name: "Sessions", Href: "/people/sessions"}, {Name: "Bench"}}, Nav: "/people",
		Body: kit.Sheet(kit.SheetOpts{Title: "The bench", Pad: true, Body: join(
			kit.Paragraph("People follow each other there with their passkeys: each sign-in ends the one before, two minutes without use end it too, and what is done carries the person. Administrator, officer and IT-partner roles give nothing at a bench."),
			kit.Form(kit.FormOpts{Action: "/people/sessions/bench", Fields: kit.WithErrors(fields, errs), Wrong: whole, Submit: "Make it a bench", Cancel: "/people/sessions"}),
		)}),
	}
}

func (u *ui) benchForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, benchPage(r, nil, ""))
}

func (u *ui) pairBench(w http.ResponseWriter, r *http.Request) error {
	b, token, err := u.s.PairBench(r.Context(), web.Who(r), r.PostFormValue("name"), r.PostFormValue("site"))
	if err != nil {
		return redraw(w, r, err, func(errs map[string]string, whole string) kit.Page { return benchPage(r, errs, whole) })
	}
	access.SetBenchCookie(w, token)
	web.Say(r, livePeople)
	access.ClearCookie(w)
	return web.Done(w, r, "/sign-in", "This device is the bench "+b.Name+" now. You are signed out, and the next person can sign in here.")
}

func (u *ui) endBench(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := u.s.EndBench(r.Context(), web.Who(r), id); err != nil {
		return err
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/sessions", "The bench was ended.")
}
