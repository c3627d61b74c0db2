package accessui

import (
	"context"
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// standingRoutes are what two people do about one: recovery links of who holds a
// role of weight, and the word that an account is in its person's hands.
func (u *ui) standingRoutes() []web.Route {
	return []web.Route{
		post("/people/{id}/confirm", authz.PeopleConfirm, u.confirm),
		get("/people/{id}/recover/ask", authz.PeopleChange, u.askForm),
		post("/people/{id}/recover/ask", authz.PeopleChange, u.ask),
		post("/people/{id}/recover/allow", authz.PeopleConfirm, u.allow),
		post("/people/{id}/recover/refuse", authz.PeopleConfirm, u.refuse),
		act("POST /api/v1/people/{id}/confirm", authz.PeopleConfirm, "Confirm that an account is in its person's hands", func(r *http.Request, id event.ID) error { return u.s.Confirm(r.Context(), web.Who(r), id) }),
		op("POST /api/v1/people/{id}/recover/ask", authz.PeopleChange, "Ask a second person for a recovery link", u.apiReasoned(u.s.AskRecovery)),
		op("POST /api/v1/people/{id}/recover/refuse", authz.PeopleConfirm, "Refuse a recovery link that somebody asked for", u.apiReasoned(u.s.RefuseRecovery)),
		op("POST /api/v1/people/{id}/recover/allow", authz.PeopleConfirm, "Make the recovery link that somebody else asked for", u.apiLinked(u.s.AllowRecovery)),
	}
}

type apiReason struct {
	ID     string `path:"id" doc:"identifier of the person"`
	Reason string `json:"reason" doc:"why, without naming a patient"`
}

type reasoned func(ctx context.Context, who *authz.Subject, id event.ID, reason string) error

func (u *ui) apiReasoned(do reasoned) func(*http.Request, apiReason) (done, error) {
	return func(r *http.Request, in apiReason) (done, error) {
		id, err := parseID(in.ID)
		if err == nil {
			err = do(r.Context(), web.Who(r), id, in.Reason)
		}
		if err == nil {
			web.Say(r, livePeople)
		}
		return done{err == nil}, err
	}
}

func personCrumbs(p access.Person, name string) []kit.Crumb {
	return []kit.Crumb{peopleCrumb, {Name: p.Name, Href: "/people/" + p.ID.String()}, {Name: name}}
}

// reasonForm asks why.
func reasonForm(r *http.Request, action, label, submit, cancel string, errs map[string]string, whole string) templ.Component {
	return kit.Form(kit.FormOpts{
		Action: action, Wrong: whole, Submit: submit, Cancel: cancel,
		Fields: kit.WithErrors([]kit.Field{{Name: "reason", Label: label, Value: r.PostFormValue("reason"), Required: true, Max: 500, Hint: "Others read it: name no patient."}}, errs),
	})
}

func askPage(r *http.Request, p access.Person, errs map[string]string, whole string) kit.Page {
	base := "/people/" + p.ID.String()
	return kit.Page{
		Title: "Ask for a recovery link", Lead: "Did " + p.Name + " lose every way to sign in?", Rest: "A second person makes the link and hands it over; you do not see it.", Crumbs: personCrumbs(p, "Ask for a recovery link"), Nav: "/people",
		Body: kit.Sheet(kit.SheetOpts{Title: "The request", Sub: "waits for a day", Pad: true, Body: reasonForm(r, base+"/recover/ask", "What happened", "Ask for the link", base, errs, whole)}),
	}
}

func (u *ui) askForm(w http.ResponseWriter, r *http.Request) error {
	p, err := u.personOf(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, askPage(r, p, nil, ""))
}

// personOf is the person of the path.
func (u *ui) personOf(r *http.Request) (access.Person, error) {
	id, err := idOf(r, "id")
	if err != nil {
		return access.Person{}, err
	}
	return u.s.Person(r.Context(), id)
}

func (u *ui) ask(w http.ResponseWriter, r *http.Request) error {
	p, err := u.personOf(r)
	if err != nil {
		return err
	}
	if err := u.s.AskRecovery(r.Context(), web.Who(r), p.ID, r.PostFormValue("reason")); err != nil {
		return redraw(w, r, err, func(errs map[string]string, whole string) kit.Page { return askPage(r, p, errs, whole) })
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/"+p.ID.String(), "A second person was asked: an administrator, security or compliance officer finds it on Today.")
}

func (u *ui) allow(w http.ResponseWriter, r *http.Request) error {
	return u.linked(w, r, u.s.AllowRecovery)
}

func (u *ui) refuse(w http.ResponseWriter, r *http.Request) error {
	p, err := u.personOf(r)
	if err != nil {
		return err
	}
	if err := u.s.RefuseRecovery(r.Context(), web.Who(r), p.ID, r.PostFormValue("reason")); err != nil {
		base := "/people/" + p.ID.String()
		return redraw(w, r, err, func(errs map[string]string, whole string) kit.Page {
			return kit.Page{
				Title: "Say no", Lead: "Why is no recovery link made for " + p.Name + "?", Crumbs: personCrumbs(p, "Say no"), Nav: "/people",
				Body: kit.Sheet(kit.SheetOpts{Title: "The answer", Pad: true, Body: reasonForm(r, base+"/recover/refuse", "Why not", "Say no", base, errs, whole)}),
			}
		})
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/"+p.ID.String(), "No recovery link is made.")
}

func (u *ui) confirm(w http.ResponseWriter, r *http.Request) error {
	p, err := u.personOf(r)
	if err != nil {
		return err
	}
	if err := u.s.Confirm(r.Context(), web.Who(r), p.ID); err != nil {
		return err
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/"+p.ID.String(), "You confirmed that this account is in the hands of "+p.Name+".")
}

// standingSheet says by whose hand somebody is in, with what a second person can do.
func (u *ui) standingSheet(r *http.Request, p access.Person, st access.Standing, names record.Names) (templ.Component, error) {
	if p.State == access.Ended {
		return templ.NopComponent, nil
	}
	now, base := web.Now(r), "/people/"+p.ID.String()
	second := may(r, authz.PeopleConfirm) && web.Who(r).Person != p.ID
	var parts []templ.Component
	q, waits, err := u.s.Recovery(r.Context(), p.ID)
	if err != nil {
		return nil, err
	}
	if waits {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "A recovery link is asked for", Body: join(
			pad(kit.Paragraph(names.Of(q.Author.Account)+" asked "+kit.Clock(q.MadeAt, now)+": "+q.Reason+" Ask "+p.Name+", not by mail, whether it is so.")),
			onlyIf(second && q.Bars(handOf(web.Who(r))) == nil, join(
				kit.Acts(kit.Action{Text: "Make the link", Href: base + "/recover/allow", Post: true, Icon: "link"}),
				pad(reasonForm(r, base+"/recover/refuse", "Or why not", "Say no", "", nil, "")),
			)),
		)}))
	}
	text := ""
	switch {
	case !st.Doubted.IsZero():
		text = names.Of(st.DoubtedBy) + " let them in anew " + kit.Date(st.Doubted, now) + ", and nobody else has confirmed since that it is them. Until then they get no role that asks for a passkey, nor the laboratory director's, and both count as one where an act takes two people."
	case !st.Confirmed.IsZero():
		text, second = names.Of(st.ConfirmedBy)+" confirmed "+kit.Date(st.Confirmed, now)+" that this account is in their hands.", second && st.Weighs
	case st.Weighs:
		text = "Nobody but who let them in and gave them their roles has confirmed that this account is in their hands. Where an act takes two people, they count as one."
	}
	if text != "" {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Confirmed by another", Body: join(
			pad(kit.Paragraph(text)), onlyIf(second, kit.Acts(kit.Action{Text: "Confirm that it is them", Href: base + "/confirm", Post: true, Icon: "access"})),
		)}))
	}
	return join(parts...), nil
}

// onlyIf draws c only if it is so.
func onlyIf(is bool, c templ.Component) templ.Component {
	if is {
		return c
	}
	return templ.NopComponent
}

// todayStanding are requests for recovery links, and people who were let in anew by
// one hand.
func (u *ui) todayStanding(ctx context.Context, who *authz.Subject, _ time.Time) ([]today.Item, error) {
	asked, err := u.s.Recoveries(ctx)
	if err != nil {
		return nil, err
	}
	doubted, err := u.s.Doubted(ctx)
	if err != nil {
		return nil, err
	}
	var out []today.Item
	for _, q := range asked {
		id, err := event.ParseID(q.Object)
		if err != nil || id == who.Person || q.Bars(handOf(who)) != nil {
			continue
		}
		p, err := u.s.Person(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, today.Item{
			State: kit.Warn, Rank: today.RankSoon, Needs: authz.PeopleConfirm, Since: q.MadeAt, Title: q.Author.Account + " asks for a recovery link for " + p.Name,
			Text: q.Reason, Action: kit.Action{Text: "Decide", Href: "/people/" + q.Object},
		})
	}
	if len(doubted) == 0 {
		return out, nil
	}
	all, err := u.s.People(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		st, ok := doubted[p.ID]
		if !ok || p.State == access.Ended || p.ID == who.Person || st.DoubtedBy == who.Account {
			continue
		}
		out = append(out, today.Item{
			State: kit.Warn, Rank: today.RankLater, Needs: authz.PeopleConfirm, Since: st.Doubted, Title: "Is the account of " + p.Name + " in their hands?",
			Text: st.DoubtedBy + " let them in anew, and nobody else has confirmed it.", Action: kit.Action{Text: "Confirm", Href: "/people/" + p.ID.String()},
		})
	}
	return out, nil
}

func handOf(who *authz.Subject) approval.Person {
	return approval.Person{ID: who.Person, Account: who.Account}
}
