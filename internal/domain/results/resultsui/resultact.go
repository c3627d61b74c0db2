package resultsui

import (
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// act is something a person may do about one way of a result.
type act struct {
	path     string
	needs    authz.Permission
	name     string // on the button that leads to it
	question string
	text     string // what happens; %s is the partner
	button   string
	done     string
	fits     func(*results.Delivery) bool
	do       func(d Deps, r *http.Request, x *results.Delivery, by results.Named) error
}

func in(states ...results.State) func(*results.Delivery) bool {
	return func(x *results.Delivery) bool {
		for _, s := range states {
			if x.State == s {
				return true
			}
		}
		return false
	}
}

// acts are in the order in which they are offered.
var acts = []act{
	{
		path: "again", needs: authz.ResultsResend, name: "Try again", question: "Try to send it to %s again?",
		text:   "It goes out again by itself, in its place. Do this once what stopped it is mended: the partner’s system refused it, or it could not be sent as it is.",
		button: "Try again", done: "It is being tried again.", fits: in(results.NeedsPerson),
		do: func(d Deps, r *http.Request, x *results.Delivery, by results.Named) error {
			return d.Results.TryAgain(r.Context(), x.Seq, by.By)
		},
	},
	{
		path: "release", needs: authz.ClinicalStop, name: "Release", question: "Release this result to %s?",
		text:   "It is sent at once, in its place. What has been sent cannot be called back. This is a clinical act, in your own name.",
		button: "Release it", done: "Released. It goes out in its place.", fits: in(results.Held),
		do: func(d Deps, r *http.Request, x *results.Delivery, by results.Named) error {
			return d.Results.ReleaseHeld(r.Context(), x.Seq, by.By)
		},
	},
	{
		path: "hold", needs: authz.ClinicalStop, name: "Hold", question: "Hold this result back from %s?",
		text:   "It is not sent until somebody releases it, and what shares its patient or order waits behind it. This is a clinical act, in your own name; after 24 hours it comes back to you. Release undoes it.",
		button: "Hold it", done: "Held. Release undoes it.", fits: in(results.Waiting, results.NeedsPerson),
		do: func(d Deps, r *http.Request, x *results.Delivery, by results.Named) error {
			_, err := d.Results.PlaceStop(r.Context(), results.Stop{Kind: results.ClinicalStop, Scope: results.ScopeDelivery, Target: numbered(x.Seq)}, by)
			return err
		},
	},
	{
		path: "resend", needs: authz.ResultsResend, name: "Send again", question: "Send this result to %s once more?",
		text:   "The same bytes go out again, at the end of the queue of this patient and order. The partner may come to have it twice: its own check for duplicates decides. It cannot be called back.",
		button: "Send it again", done: "It is queued to be sent again.", fits: in(results.Done, results.Shadowed, results.RefusedByPerson),
		do: func(d Deps, r *http.Request, x *results.Delivery, by results.Named) error {
			_, err := d.Results.Resend(r.Context(), x.Seq, by.By)
			return err
		},
	},
}

// actRoutes are the two steps of each: a page that says what happens and asks
// why, and the act.
func actRoutes(d Deps) []web.Route {
	out := []web.Route{
		{Pattern: "GET /results/{id}/legal-hold", Needs: authz.LegalHold, Handle: d.legalHoldPage},
		{Pattern: "POST /results/{id}/legal-hold", Needs: authz.LegalHold, Handle: d.legalHold},
		{Pattern: "GET /results/{id}/legal-holds/{hold}/lift", Needs: authz.LegalHold, Handle: d.liftPage},
		{Pattern: "POST /results/{id}/legal-holds/{hold}/lift", Needs: authz.LegalHold, Handle: d.lift},
	}
	for _, a := range acts {
		path := " /results/{id}/deliveries/{number}/" + a.path
		out = append(out,
			web.Route{Pattern: "GET" + path, Needs: a.needs, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.askAct(w, r, &a) }},
			web.Route{Pattern: "POST" + path, Needs: a.needs, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.doAct(w, r, &a) }},
		)
	}
	return out
}

// onWay finds the delivery an act is about, and asks whether the caller may.
func (d Deps) onWay(r *http.Request, needs authz.Permission) (results.Summary, *results.Delivery, error) {
	m, err := d.found(r, r.PathValue("id"))
	if err != nil {
		return m, nil, err
	}
	x, err := way(&m, r.PathValue("number"))
	if err != nil {
		return m, nil, err
	}
	return m, x, web.May(r, needs, ofDelivery(x))
}

func (d Deps) askAct(w http.ResponseWriter, r *http.Request, a *act) error {
	m, x, err := d.onWay(r, a.needs)
	if err != nil {
		return err
	}
	return d.drawAct(w, r, a, &m, x, "", "")
}

func (d Deps) drawAct(w http.ResponseWriter, r *http.Request, a *act, m *results.Summary, x *results.Delivery, value, wrong string) error {
	if !a.fits(x) {
		_, word := stateOf(x)
		return web.Conflict("This is not possible any more: for " + d.partnerName(x.Partner) + " the result is now “" + word + "”. Open it again to see what happened.")
	}
	path := "/results/" + m.ID.String()
	p := kit.Page{Title: a.name, Lead: fill(a.question, d.partnerName(x.Partner)), Nav: "/results", Crumbs: append(d.crumbs(m), kit.Crumb{Name: "This result", Href: path})}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	_, word := stateOf(x)
	p.Body = kit.Confirm(kit.ConfirmOpts{
		Title: a.name, Text: a.text, Action: path + "/deliveries/" + numbered(x.Seq) + "/" + a.path, Button: a.button, Cancel: path,
		Facts:  []kit.KV{{Key: "To", Value: d.partnerName(x.Partner)}, {Key: "Now", Value: word}, {Key: "Message", Value: m.ID.String(), Mono: true}},
		Reason: true, ReasonValue: value, ReasonError: wrong,
	})
	return web.Render(w, r, p)
}

func (d Deps) doAct(w http.ResponseWriter, r *http.Request, a *act) error {
	m, x, err := d.onWay(r, a.needs)
	if err != nil {
		return err
	}
	reason, wrong := reasonOf(r)
	if wrong != "" || r.PostFormValue("confirm") != "yes" {
		return d.drawAct(w, r, a, &m, x, reason, wrong)
	}
	if !a.fits(x) {
		return d.drawAct(w, r, a, &m, x, reason, "")
	}
	if err := a.do(d, r, x, as(r, reason)); err != nil {
		return missing(err, noResult)
	}
	web.Say(r, "results", "today")
	return web.Done(w, r, "/results/"+m.ID.String(), a.done)
}

// fill puts a name into a sentence.
func fill(sentence, name string) string {
	for i := 0; i+1 < len(sentence); i++ {
		if sentence[i] == '%' && sentence[i+1] == 's' {
			return sentence[:i] + name + sentence[i+2:]
		}
	}
	return sentence
}

// reasonOf reads the reason of a form. It goes into the ledger as one word of at
// most 200 characters.
func reasonOf(r *http.Request) (reason, wrong string) {
	reason = results.Printable(r.PostFormValue("reason"), 1000)
	switch {
	case reason == "":
		return "", "Say why, in a few words. It stays in the record."
	case len(reason) > 200:
		return reason, "Say it in at most 200 characters."
	}
	return reason, ""
}

// actSheets are what the caller may do, and what legal holds there are.
func (d Deps) actSheets(r *http.Request, j *results.Journey, m *results.Summary, now time.Time) []templ.Component {
	var out []templ.Component
	path := "/results/" + m.ID.String()
	var buttons []kit.Action
	several := len(latest(m.Deliveries)) > 1
	for _, x := range latest(m.Deliveries) {
		for _, a := range acts {
			if !a.fits(&x) || !mayAt(r, a.needs, &x) || a.path == "resend" && m.Erased {
				continue
			}
			text := a.name
			if several {
				text += ": " + d.partnerName(x.Partner)
			}
			buttons = append(buttons, kit.Action{Text: text, Href: path + "/deliveries/" + numbered(x.Seq) + "/" + a.path})
		}
	}
	for _, x := range m.Deliveries {
		if isID(x.SupersededBy) {
			buttons = append(buttons, kit.Action{Text: "See the correction", Href: "/results/" + x.SupersededBy.String()})
			break
		}
	}
	if len(buttons) > 0 {
		out = append(out, kit.Sheet(kit.SheetOpts{Title: "What you can do", Body: kit.Acts(buttons...)}))
	}
	return append(out, d.legalSheet(r, j, m, now)...)
}

func (d Deps) legalSheet(r *http.Request, j *results.Journey, m *results.Summary, now time.Time) []templ.Component {
	may := mayReach(r, authz.LegalHold, m)
	var rows []kit.KV
	var buttons []kit.Action
	for _, h := range j.Holds {
		if !h.LiftedAt.IsZero() {
			continue
		}
		rows = append(rows, kit.KV{Key: "Since " + kit.Clock(h.PlacedAt, now), Value: "by " + h.Owner + ". Reason: " + words(h.Reason) + "."})
		if may {
			buttons = append(buttons, kit.Action{Text: "Lift this hold", Href: "/results/" + m.ID.String() + "/legal-holds/" + h.ID.String() + "/lift"})
		}
	}
	if may && len(rows) == 0 {
		buttons = append(buttons, kit.Action{Text: "Place a legal hold", Href: "/results/" + m.ID.String() + "/legal-hold"})
	}
	if len(rows) == 0 && len(buttons) == 0 {
		return nil
	}
	body := []templ.Component{}
	if len(rows) > 0 {
		body = append(body, kit.KeyValues(rows))
	} else {
		body = append(body, kit.Empty("None stands on this result. Retention erases it when its time is over.", nil))
	}
	return []templ.Component{kit.Sheet(kit.SheetOpts{Title: "Legal hold", Body: templ.Join(append(body, kit.Acts(buttons...))...)})}
}

func (d Deps) legalHoldPage(w http.ResponseWriter, r *http.Request) error {
	m, err := d.found(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	return d.drawLegal(w, r, &m, "", "", "")
}

// drawLegal asks why; hold is empty to place one, else the one to be lifted.
func (d Deps) drawLegal(w http.ResponseWriter, r *http.Request, m *results.Summary, hold, value, wrong string) error {
	path := "/results/" + m.ID.String()
	o := kit.ConfirmOpts{
		Title: "Place a legal hold", Text: "Retention does not erase this result until every hold on it is lifted. Its delivery is not touched.",
		Action: path + "/legal-hold", Button: "Place the hold", Cancel: path, Reason: true, ReasonValue: value, ReasonError: wrong,
		Facts: []kit.KV{{Key: "Message", Value: m.ID.String(), Mono: true}},
	}
	p := kit.Page{Title: "Legal hold", Lead: "Keep this result whatever its age?", Nav: "/results", Crumbs: append(d.crumbs(m), kit.Crumb{Name: "This result", Href: path})}
	if hold != "" {
		o.Title, o.Text = "Lift a legal hold", "From then on retention erases this result when its time is over, unless another hold stands. What is erased does not come back."
		o.Action, o.Button, o.Bad = path+"/legal-holds/"+hold+"/lift", "Lift the hold", true
		p.Lead = "Let retention erase this result?"
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	p.Body = kit.Confirm(o)
	return web.Render(w, r, p)
}

func (d Deps) legalHold(w http.ResponseWriter, r *http.Request) error {
	m, err := d.found(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	reason, wrong := reasonOf(r)
	if wrong != "" || r.PostFormValue("confirm") != "yes" {
		return d.drawLegal(w, r, &m, "", reason, wrong)
	}
	if _, err := d.Results.HoldMessage(r.Context(), m.ID, as(r, reason).By); err != nil {
		return missing(err, noResult)
	}
	return web.Done(w, r, "/results/"+m.ID.String(), "The legal hold stands.")
}

// standing finds a legal hold that stands on the message in the address.
func (d Deps) standing(r *http.Request) (m results.Summary, id event.ID, err error) {
	if m, err = d.found(r, r.PathValue("id")); err != nil {
		return m, id, err
	}
	holds, err := d.Results.HoldsOn(r.Context(), m.Leaf)
	if err != nil {
		return m, id, err
	}
	for _, h := range holds {
		if h.ID.String() == r.PathValue("hold") {
			if !h.LiftedAt.IsZero() {
				return m, id, web.Conflict("This hold was lifted before.")
			}
			return m, h.ID, nil
		}
	}
	return m, id, web.NotFound(noResult)
}

func (d Deps) liftPage(w http.ResponseWriter, r *http.Request) error {
	m, id, err := d.standing(r)
	if err != nil {
		return err
	}
	return d.drawLegal(w, r, &m, id.String(), "", "")
}

func (d Deps) lift(w http.ResponseWriter, r *http.Request) error {
	m, id, err := d.standing(r)
	if err != nil {
		return err
	}
	reason, wrong := reasonOf(r)
	if wrong != "" || r.PostFormValue("confirm") != "yes" {
		return d.drawLegal(w, r, &m, id.String(), reason, wrong)
	}
	if err := d.Results.LiftHold(r.Context(), id, as(r, reason).By); err != nil {
		return missing(err, noResult)
	}
	return web.Done(w, r, "/results/"+m.ID.String(), "The legal hold is lifted.")
}
