package portalui

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// lab is the laboratory's side.
type lab struct{ Deps }

// LabRoutes are the laboratory's pages and operations about the portal.
func LabRoutes(d Deps) []web.Route {
	l := lab{d}
	return append([]web.Route{
		{Pattern: "GET /portal", Needs: authz.PortalSee, Handle: l.all},
		{Pattern: "GET /portal/{key}", Needs: authz.PortalSee, Handle: l.practice},
		{Pattern: "GET /portal/{key}/invite", Needs: authz.PortalInvite, Handle: l.invitePage},
		{Pattern: "POST /portal/{key}/invite", Needs: authz.PortalInvite, Handle: l.invite},
		{Pattern: "GET /portal/{key}/people/{id}/letter", Needs: authz.PortalInvite, Handle: l.rewritePage},
		{Pattern: "POST /portal/{key}/people/{id}/letter", Needs: authz.PortalInvite, Handle: l.rewrite},
		{Pattern: "POST /portal/{key}/members/{id}/end", Needs: authz.PortalInvite, Handle: l.end},
		{Pattern: "POST /portal/{key}/cover", Needs: authz.PortalInvite, Handle: l.cover},
		{Pattern: "POST /portal/{key}/changes/{id}", Needs: authz.PortalAnswer, Handle: l.settle},
		{Pattern: "POST /portal/{key}/told/{id}", Needs: authz.PortalAnswer, Handle: l.answerTold},
		{Pattern: "POST /portal/{key}/items/{id}/release", Needs: authz.PortalAnswer, Handle: l.release},
		{Pattern: "GET /patient-copies", Needs: authz.PatientCopies, Handle: l.copies},
		{Pattern: "POST /patient-copies", Needs: authz.PatientCopies, Handle: l.askCopy},
		{Pattern: "POST /patient-copies/{id}/extend", Needs: authz.PatientCopies, Handle: l.extendCopy},
		{Pattern: "POST /patient-copies/{id}/end", Needs: authz.PatientCopies, Handle: l.endCopy},
	}, l.ops()...)
}

const noPractice = "There is no such practice in the portal, or it is not yours to see."

// key is the practice of the address, if the caller may do p there.
func (l lab) key(r *http.Request, p authz.Permission) (key, name string, err error) {
	key = r.PathValue("key")
	name = l.Portal.Settings().Partners[key]
	if name == "" || web.May(r, authz.PortalSee, authz.Object{Partner: key}) != nil {
		return "", "", web.NotFound(noPractice)
	}
	return key, name, web.May(r, p, authz.Object{Partner: key})
}

func may(r *http.Request, p authz.Permission, key string) bool {
	return web.May(r, p, authz.Object{Partner: key}) == nil
}

// all are the practices of the portal.
func (l lab) all(w http.ResponseWriter, r *http.Request) error {
	names := l.Portal.Settings().Partners
	var keys []string
	for key := range names {
		if may(r, authz.PortalSee, key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	t := kit.Table{Caption: "Practices of the portal", Total: len(keys), Empty: "No practice has a portal yet. Write destination: {portal: {}} for a partner.", Columns: []kit.Column{{Name: "Practice"}, {Name: "People", Num: true}, {Name: "Told and open", Num: true}, {Name: "Last opening"}}}
	now := web.Now(r)
	for _, key := range keys {
		members, err := l.Portal.Members(r.Context(), key)
		if err != nil {
			return err
		}
		told, err := l.Portal.Tellings(r.Context(), key, false, 100)
		if err != nil {
			return err
		}
		last, err := l.Portal.Openings(r.Context(), key, event.ID{}, 1)
		if err != nil {
			return err
		}
		n, opened := 0, kit.C("none yet")
		for i := range members {
			if members[i].In(now) {
				n++
			}
		}
		if len(last) > 0 {
			opened = kit.Cell{Text: kit.Clock(last[0].At, now), Sub: "by " + last[0].Name}
		}
		t.Rows = append(t.Rows, kit.Row{Key: key, At: len(told) > 0, Cells: []kit.Cell{kit.CLink(names[key], "/portal/"+key), kit.CNum(n), kit.CNum(len(told)), opened}})
	}
	return web.Render(w, r, kit.Page{Title: "Portal", Lead: kit.Many(len(keys), "practice opens results", "practices open results") + " in the portal.", Rest: l.Address(), Nav: "/portal", Body: kit.Sheet(kit.SheetOpts{Title: "Practices", Body: kit.DataTable(t)})})
}

var howWords = map[string]string{portal.HowPage: "Opened", portal.HowPDF: "Taken as PDF", portal.HowDocument: "Document opened", portal.HowFile: "Fetched as a file"}

// practice is one practice's page.
func (l lab) practice(w http.ResponseWriter, r *http.Request) error {
	key, name, err := l.key(r, authz.PortalSee)
	if err != nil {
		return err
	}
	ctx, now := r.Context(), web.Now(r)
	members, err := l.Portal.Members(ctx, key)
	if err != nil {
		return err
	}
	letters, err := l.Portal.Standing(ctx, key)
	if err != nil {
		return err
	}
	told, err := l.Portal.Tellings(ctx, key, false, 50)
	if err != nil {
		return err
	}
	kept, err := l.Portal.Withheld(ctx, key, 100)
	if err != nil {
		return err
	}
	looks, err := l.Portal.Openings(ctx, key, event.ID{}, 50)
	if err != nil {
		return err
	}
	changes, err := l.Portal.Changes(ctx, key)
	if err != nil {
		return err
	}
	lead, rest := name+" has opened nothing yet.", ""
	if len(looks) > 0 {
		lead, rest = name+" last opened a result at "+kit.Clock(looks[0].At, now)+".", "By "+looks[0].Name+"."
	}
	if len(told) > 0 {
		lead, rest = name+" told you something.", kit.Many(len(told), "answer is due.", "answers are due.")
	}
	invites := may(r, authz.PortalInvite, key)
	var parts []templ.Component
	if len(told) > 0 {
		parts = append(parts, l.toldSheet(r, key, told, now))
	}
	if len(kept) > 0 {
		parts = append(parts, l.keptSheet(r, key, kept, now))
	}
	parts = append(parts, l.peopleSheet(key, members, letters, invites, now), openingsSheet(looks, now))
	if len(changes) > 0 {
		parts = append(parts, l.changedSheet(r, key, changes, now))
	}
	var tools templ.Component
	if invites {
		tools = kit.Button(kit.Action{Text: "Invite a person", Href: "/portal/" + key + "/invite", Icon: "add", Primary: true})
	}
	beside := []templ.Component{kit.Sheet(kit.SheetOpts{Title: "The portal", Body: kit.KeyValues([]kit.KV{{Key: "Address", Value: l.Address(), Mono: true}, {Key: "Your number there", Value: orNone(l.Phone())}, {Key: "Rules", Value: kit.Many(len(l.Portal.Settings().Rules), "rule keeps results back", "rules keep results back")}})})}
	if invites {
		beside = append(beside, kit.Sheet(kit.SheetOpts{Title: "Somebody covers", Sub: "it ends by itself", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/portal/" + key + "/cover", Submit: "Let them cover", Fields: coverFields("", "")})}))
	}
	return web.Render(w, r, kit.Page{Title: "Portal of " + name, Lead: lead, Rest: rest, Nav: "/portal", Crumbs: []kit.Crumb{{Name: "Portal", Href: "/portal"}, {Name: name}}, Tools: tools, Body: kit.Columns(kit.Stacked(parts), kit.Stacked(beside))})
}

func coverFields(account, until string) []kit.Field {
	return []kit.Field{
		{Name: "account", Label: "Their sign-in name in the portal", Required: true, Max: 64, Value: account},
		{Name: "until", Label: "Last day", Kind: kit.DateField, Required: true, Narrow: true, Value: until},
	}
}

func (l lab) peopleSheet(key string, members []portal.Membership, letters map[event.ID]portal.Standing, invites bool, now time.Time) templ.Component {
	t := kit.Table{Caption: "People of the practice", Empty: "Nobody is invited yet.", Columns: []kit.Column{{Name: "Name"}, {Name: "State"}, {Name: "Act"}}}
	for i := range members {
		m := &members[i]
		state, text := kit.Fine, kindWords[m.Kind]
		letter, waits := letters[m.Person]
		act := kit.C("")
		switch {
		case !m.Ended.IsZero():
			state, text = kit.Unknown, "ended "+kit.Date(m.Ended, now)
		case !m.In(now):
			state, text = kit.Unknown, "over since "+kit.Date(m.Until, now)
		default:
			if waits {
				state, text = kit.Warn, text+"; a letter works until "+kit.Date(letter.Until, now)
			}
			if !m.Until.IsZero() {
				text += " until " + kit.Date(m.Until.Add(-time.Second), now)
			}
			if invites {
				act = kit.CBody(kit.Side([]templ.Component{kit.Button(kit.Action{Text: "New letter", Href: "/portal/" + key + "/people/" + m.Person.String() + "/letter"}), kit.Quick("/portal/"+key+"/members/"+m.ID.String()+"/end", "End", "the access of "+m.Name)}))
			}
		}
		t.Rows = append(t.Rows, kit.Row{Key: m.ID.String(), Cells: []kit.Cell{{Text: m.Name, Sub: "invited by " + m.MadeBy}, kit.CState(state, "", text), act}})
	}
	t.Total = len(t.Rows)
	return kit.Sheet(kit.SheetOpts{Title: "People", Body: kit.DataTable(t)})
}

func openingsSheet(looks []portal.Opening, now time.Time) templ.Component {
	t := kit.Table{Caption: "Who opened what", Total: len(looks), Empty: "Nothing was opened yet.", Columns: []kit.Column{{Name: "When"}, {Name: "What"}, {Name: "Result"}}}
	for i := range looks {
		x := &looks[i]
		t.Rows = append(t.Rows, kit.Row{Key: itoa(i), Cells: []kit.Cell{kit.CMono(kit.Second(x.At, now)), kit.C(howWords[x.How] + " by " + x.Name), kit.CLink("see its journey", "/results/"+x.Message.String())}})
	}
	return kit.Sheet(kit.SheetOpts{Title: "Openings", Sub: "the last 50; all are in the record", Body: kit.DataTable(t)})
}

func (l lab) toldSheet(r *http.Request, key string, told []portal.Told, now time.Time) templ.Component {
	var parts []templ.Component
	for i := range told {
		t := &told[i]
		facts := []kit.KV{{Key: "Told", Value: kit.Clock(t.At, now) + " by " + t.Name}, {Key: "What", Value: toldWords(t, l.Zone)}}
		if t.Kind == portal.Missing {
			facts = append(facts, kit.KV{Key: "Since then", Value: sentWords(t, now)})
		}
		body := []templ.Component{kit.KeyValues(facts)}
		if t.Item != (event.ID{}) {
			body = append(body, kit.Buttons(kit.Action{Text: "See the result's journey", Href: "/results/" + t.Message.String()}))
		}
		title := "They did not get it"
		options := []kit.Option{{Value: portal.OutcomeCalled, Text: "We called them"}}
		if t.Sent > 0 { // a claim that something stands behind
			options = append([]kit.Option{{Value: portal.OutcomeSent, Text: "It was sent again"}}, options...)
		}
		if t.Kind == portal.NotOurs {
			title, options = "They say: not our patient", []kit.Option{{Value: portal.OutcomeNot, Text: "It is not theirs: it stays hidden"}, {Value: portal.OutcomeTheirs, Text: "It is theirs: show it again"}}
		}
		if may(r, authz.PortalAnswer, key) {
			body = append(body, kit.Form(kit.FormOpts{Action: "/portal/" + key + "/told/" + t.ID.String(), Submit: "Done", Fields: []kit.Field{{Name: "outcome", Label: "What came of it", Kind: kit.SelectField, Options: options, ID: "outcome-" + itoa(i)}}}))
		}
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: title, Pad: true, Body: kit.Stacked(body)}))
	}
	return kit.Stacked(parts)
}

func (l lab) keptSheet(r *http.Request, key string, kept []portal.Item, now time.Time) templ.Component {
	t := kit.Table{Caption: "Kept back by rules", Total: len(kept), Columns: []kit.Column{{Name: "Came"}, {Name: "Rule"}, {Name: "Act"}}}
	for i := range kept {
		x := &kept[i]
		act := kit.C("")
		if may(r, authz.PortalAnswer, key) {
			act = kit.CBody(kit.Quick("/portal/"+key+"/items/"+x.ID.String()+"/release", "Show it to them", "number "+itoa(i+1)))
		}
		t.Rows = append(t.Rows, kit.Row{Key: x.ID.String(), At: x.Urgent, Cells: []kit.Cell{{Text: kit.Clock(x.Placed, now), Href: "/results/" + x.Message.String()}, kit.C(x.Withheld), act}})
	}
	return kit.Sheet(kit.SheetOpts{Title: "Kept back by rules", Sub: "the practice does not know of them", Body: kit.DataTable(t)})
}

func (l lab) invitePage(w http.ResponseWriter, r *http.Request) error { return l.drawInvite(w, r, nil) }

func (l lab) drawInvite(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	key, name, err := l.key(r, authz.PortalInvite)
	if err != nil {
		return err
	}
	fields := []kit.Field{
		{Name: "name", Label: "Their name", Hint: "One person, as the practice calls them. It stands beside every result they open.", Value: r.FormValue("name"), Max: 80, Spell: true},
		{Name: "account", Label: "Or the sign-in name of somebody who has one already", Hint: "From another practice. They get no letter: their sign-in opens this one too.", Value: r.FormValue("account"), Optional: true, Max: 64, Mono: true},
		{Name: "provider", Label: "Identifier as ordering provider", Hint: "As in OBR-16.1, an NPI for example; for rules that show a result to the ordering provider alone.", Value: r.FormValue("provider"), Optional: true, Max: 40, Mono: true},
		addressField(r),
		{Name: "manager", Label: "Looks after colleagues", Hint: "May let others of this portal cover for a time.", Kind: kit.CheckboxField, Checked: r.FormValue("manager") != ""},
	}
	out := kit.Page{Title: "Invite a person", Lead: "Invite a person of " + name + ".", Rest: "You print a letter; no mail is needed.", Nav: "/portal", Crumbs: []kit.Crumb{{Name: "Portal", Href: "/portal"}, {Name: name, Href: "/portal/" + key}, {Name: "Invite"}}}
	if bad != nil {
		out.Status, fields = statusOf(bad), kit.WithErrors(fields, bad.Fields)
	}
	out.Body = kit.Sheet(kit.SheetOpts{Title: "Who", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/portal/" + key + "/invite", Submit: "Make the letter", Cancel: "/portal/" + key, Fields: fields})})
	return web.Render(w, r, out)
}

func (l lab) invite(w http.ResponseWriter, r *http.Request) error {
	key, name, err := l.key(r, authz.PortalInvite)
	if err != nil {
		return err
	}
	to, err := addressLines(r.FormValue("address"))
	if err != nil {
		return l.drawInvite(w, r, Kinds(err))
	}
	p, letter, err := l.Portal.Invite(r.Context(), portal.Invitation{Partner: key, Name: r.FormValue("name"), Provider: r.FormValue("provider"), Manager: r.FormValue("manager") != "", Account: strings.TrimSpace(r.FormValue("account")), By: web.Who(r).Account})
	if err != nil {
		e, err := told(err)
		if err != nil {
			return err
		}
		return l.drawInvite(w, r, e)
	}
	if letter == nil {
		return web.Done(w, r, "/portal/"+key, p.Name+" finds this practice beside their own when they sign in next.")
	}
	return l.drawLetter(w, r, name, letter, to)
}

func (l lab) end(w http.ResponseWriter, r *http.Request) error {
	key, name, err := l.key(r, authz.PortalInvite)
	if err != nil {
		return err
	}
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if r.FormValue("confirm") != "yes" {
		return web.Render(w, r, kit.Page{Title: "End access", Lead: "End this person's access?", Nav: "/portal", Crumbs: []kit.Crumb{{Name: "Portal", Href: "/portal"}, {Name: name, Href: "/portal/" + key}, {Name: "End access"}}, Body: kit.Confirm(kit.ConfirmOpts{
			Title: "End it now?", Text: "They are signed out with their next click, and see no result of " + name + " any more. If it is their only practice, their ways to sign in go too: to come back they need another letter.",
			Action: "/portal/" + key + "/members/" + id.String() + "/end", Button: "End access", Cancel: "/portal/" + key, Bad: true,
		})})
	}
	if err := l.Portal.Leave(r.Context(), key, id, web.Who(r).Account); err != nil {
		return err
	}
	return web.Done(w, r, "/portal/"+key, "The person no longer sees this practice's results.")
}

func (l lab) cover(w http.ResponseWriter, r *http.Request) error {
	key, _, err := l.key(r, authz.PortalInvite)
	if err != nil {
		return err
	}
	if err := l.Portal.Lend(r.Context(), key, r.FormValue("account"), dayAfter(r.FormValue("until"), l.Zone), web.Who(r).Account); err != nil {
		return err
	}
	return web.Done(w, r, "/portal/"+key, "They find this practice's results when they sign in next. It ends by itself.")
}

// dayAfter is when a day is over; the zero time for what is no day.
func dayAfter(day string, zone *time.Location) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, strings.TrimSpace(day), zone)
	if err != nil {
		return time.Time{}
	}
	return t.AddDate(0, 0, 1)
}

func (l lab) answerTold(w http.ResponseWriter, r *http.Request) error {
	key, _, err := l.key(r, authz.PortalAnswer)
	if err != nil {
		return err
	}
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := l.Portal.Answer(r.Context(), key, id, r.FormValue("outcome"), web.Who(r).Account); err != nil {
		return err
	}
	return web.Done(w, r, "/portal/"+key, "Noted.")
}

func (l lab) release(w http.ResponseWriter, r *http.Request) error {
	key, _, err := l.key(r, authz.PortalAnswer)
	if err != nil {
		return err
	}
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := l.Portal.Release(r.Context(), key, id, web.Who(r).Account); err != nil {
		return err
	}
	return web.Done(w, r, "/portal/"+key, "The practice sees it now.")
}
