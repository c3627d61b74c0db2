package resultsui

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// mostLacking is how many results a partner's count lists.
const mostLacking = 200

// overdue is when a partner that is counted each night has gone uncounted too long.
const overdue = 48 * time.Hour

func countRoutes(d Deps) []web.Route {
	return []web.Route{
		{Pattern: "GET /partners/{key}/count", Needs: authz.PartnersSee, Handle: d.countPage},
		{Pattern: "POST /partners/{key}/count", Needs: authz.PartnersTest, Handle: d.countAct},
		web.Op[partnerIn, CountAnswer]{
			Pattern: "GET /api/v1/partners/{key}/count", Needs: authz.PartnersSee, Tag: "Partners", Summary: "The last count of what a partner has",
			Detail: "Whether a partner has a result is only said after a count, a pick-up or an opening. One that is not countable has no count.",
			Do: func(r *http.Request, _ partnerIn) (CountAnswer, error) {
				v, err := d.countable(r, authz.PartnersSee)
				if err != nil {
					return CountAnswer{}, err
				}
				return d.countAnswer(r.Context(), &v)
			},
		}.Route(),
		web.Op[partnerTestIn, CountAnswer]{
			Pattern: "POST /api/v1/partners/{key}/count", Needs: authz.PartnersTest, Tag: "Partners", Summary: "Count what a partner has now",
			Detail: "As each night: by what it picked up, its server, or the newest list in its box. Nothing is sent again by it.",
			Do: func(r *http.Request, in partnerTestIn) (CountAnswer, error) {
				v, err := d.countable(r, authz.PartnersTest)
				if err != nil {
					return CountAnswer{}, err
				}
				if d.CountNow == nil {
					return CountAnswer{}, web.NotFound("This hub counts nothing by itself.")
				}
				if _, err := d.CountNow(r.Context(), v.Partner, as(r, in.Reason)); err != nil {
					return CountAnswer{}, err
				}
				return d.countAnswer(r.Context(), &v)
			},
		}.Route(),
	}
}

// CountAnswer is the last count of a partner for programs.
type CountAnswer struct {
	Partner string     `json:"partner"`
	Way     string     `json:"way" doc:"how it is counted each night: list, pickup, search; empty: it is not"`
	Counted *time.Time `json:"counted_at" doc:"null: never; whether it has anything cannot be said"`
	By      string     `json:"counted_by,omitempty" doc:"list, pickup or search"`
	Since   *time.Time `json:"since,omitempty"`
	Until   *time.Time `json:"until,omitempty"`
	There   int64      `json:"there"`
	Missing int64      `json:"missing"`
	Extra   int64      `json:"extra" doc:"on its list and not delivered by us in that time"`
	Lacking []Lacking  `json:"lacking" doc:"what was not there, up to 200"`
}

// Lacking is a result that was not there.
type Lacking struct {
	Message  string `json:"message"`
	Delivery int64  `json:"delivery"`
	Now      bool   `json:"there_now" doc:"it was picked up or found since"`
}

// countable is a partner all of whose results the caller may see: a count names
// what came from every site.
func (d Deps) countable(r *http.Request, p authz.Permission) (partnerView, error) {
	v, err := d.find(r, p)
	if err == nil && v.shared {
		err = web.NotFound("Counts name what came from every site, and are shown to who sees them all.")
	}
	return v, err
}

// lastCount is the newest count of a partner; nil: there was none.
func (d Deps) lastCount(ctx context.Context, partner string) (*results.Counted, []results.Lacking, error) {
	list, err := d.Results.PartnerCounts(ctx, partner, 1)
	if err != nil || len(list) == 0 {
		return nil, nil, err
	}
	lacking, err := d.Results.LackingOf(ctx, list[0].ID, mostLacking)
	return &list[0], lacking, err
}

func thereNow(x *results.Lacking) bool { return !x.PickedUpAt.IsZero() || !x.FoundAt.IsZero() }

func (d Deps) countAnswer(ctx context.Context, v *partnerView) (CountAnswer, error) {
	out := CountAnswer{Partner: v.Partner, Way: string(d.wayOf(v.Partner)), Lacking: []Lacking{}}
	c, lacking, err := d.lastCount(ctx, v.Partner)
	if err != nil || c == nil {
		return out, err
	}
	out.Counted, out.By, out.Since, out.Until, out.There, out.Missing, out.Extra = moment(c.AddedAt), string(c.Way), moment(c.Since), moment(c.Until), c.Matched, c.Missing, c.Extra
	for i := range lacking {
		out.Lacking = append(out.Lacking, Lacking{lacking[i].Message.String(), lacking[i].Seq, thereNow(&lacking[i])})
	}
	return out, nil
}

func (d Deps) wayOf(partner string) results.Way {
	if d.CountWays == nil {
		return ""
	}
	return d.CountWays()[partner]
}

// wayWords is how a partner is counted.
func wayWords(w results.Way) string {
	switch w {
	case results.ByList:
		return "by the list of what it has, which it puts into its box"
	case results.BySearch:
		return "by asking its FHIR server for each result"
	case results.ByPickup:
		return "by what it picked up or opened"
	}
	return "not each night"
}

// countedTime is the time of a count in words.
func countedTime(c *results.Counted) string {
	if c.Since.IsZero() || c.Until.Sub(c.Since) <= 25*time.Hour {
		return "of " + day(c.Day)
	}
	return fmt.Sprintf("of the %d days to %s", int((c.Until.Sub(c.Since)+time.Hour)/(24*time.Hour)), day(c.Day))
}

// verdictOf is a count in a sentence.
func verdictOf(c *results.Counted) (kit.State, string) {
	all := c.Matched + c.Missing
	switch {
	case all == 0:
		return kit.Unknown, "We delivered nothing in that time."
	case c.Missing == 0:
		return kit.Fine, fmt.Sprintf("All %s results %s are there.", kit.Count(int(all)), countedTime(c))
	}
	return kit.Warn, fmt.Sprintf("%s of %s results %s are there; %s not.", kit.Count(int(c.Matched)), kit.Count(int(all)), countedTime(c), kit.Many(int(c.Missing), "is", "are"))
}

func (d Deps) countPage(w http.ResponseWriter, r *http.Request) error {
	v, err := d.countable(r, authz.PartnersSee)
	if err != nil {
		return err
	}
	return d.showCount(w, r, &v, "")
}

func (d Deps) showCount(w http.ResponseWriter, r *http.Request, v *partnerView, wrong string) error {
	now := d.clock(r)
	c, lacking, err := d.lastCount(r.Context(), v.Partner)
	if err != nil {
		return err
	}
	way := d.wayOf(v.Partner)
	p := kit.Page{
		Title: "Count of " + v.name, Nav: "/partners", Live: []string{"partner:" + v.Partner},
		Crumbs: []kit.Crumb{{Name: "Partners", Href: "/partners"}, {Name: v.name, Href: "/partners/" + v.Partner}, {Name: "Count"}},
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	facts := []kit.KV{{Key: "Counted", Value: wayWords(way)}}
	var left []templ.Component
	if c == nil {
		p.Lead = "Whether " + v.name + " has what we delivered is not known."
		text := "It gives no list, fetches nothing from here and has no server that may be asked. That their system accepted a result does not show that the chart has it."
		title := v.name + " is not countable"
		if way != "" {
			title, text = "Not counted yet", "The first count is made in the coming night, or now."
		}
		left = append(left, kit.Verdict(kit.Unknown, title, text, nil))
	} else {
		state, words := verdictOf(c)
		p.Lead = words
		text := "This is what a count found; it says nothing of what was delivered later."
		if c.Missing > 0 {
			text = "Nothing is sent again by itself. Ask them to look first: a result may have been filed under another number, or deleted there. Then open it here and send it again."
		}
		left = append(left, kit.Verdict(state, words, text, nil))
		facts = append(facts, kit.KV{Key: "Last", Value: kit.Stamp(c.AddedAt)}, kit.KV{Key: "That one", Value: wayWords(c.Way)})
		if c.Extra > 0 {
			facts = append(facts, kit.KV{Key: "On their list only", Value: kit.Many(int(c.Extra), "message that we did not deliver in that time", "messages that we did not deliver in that time")})
		}
		if len(lacking) > 0 {
			left = append(left, lackingSheet(lacking, c, now, every(web.Scope(r, authz.ResultsFind), d.ofPartner(v.Partner))))
		}
	}
	right := []templ.Component{kit.Sheet(kit.SheetOpts{Title: "How it is counted", Body: kit.KeyValues(facts)})}
	if way != "" && d.CountNow != nil && every(web.Scope(r, authz.PartnersTest), d.ofPartner(v.Partner)) {
		right = append(right, kit.Confirm(kit.ConfirmOpts{
			Title: "Count now", Text: "What was delivered within the last 24 hours is left out. Nothing is sent again.",
			Action: "/partners/" + v.Partner + "/count", Button: "Count now", Cancel: "/partners/" + v.Partner,
			Reason: true, ReasonError: wrong, ReasonValue: r.PostFormValue("reason"),
		}))
	}
	p.Body = kit.Columns(templ.Join(left...), templ.Join(right...))
	return web.Render(w, r, p)
}

func lackingSheet(lacking []results.Lacking, c *results.Counted, now time.Time, links bool) templ.Component {
	t := kit.Table{
		Caption: "Results that were not there", Total: len(lacking),
		Columns: []kit.Column{{Name: "Delivered"}, {Name: "State"}, {Name: "Route"}, {Name: "Delivery", Num: true}},
	}
	for i := range lacking {
		x := &lacking[i]
		state, word := kit.Warn, "not there"
		if thereNow(x) {
			state, word = kit.Fine, "there since"
		}
		first := kit.CMono(kit.Second(x.ChangedAt, now))
		if links {
			first.Href = "/results/" + x.Message.String()
		}
		t.Rows = append(t.Rows, kit.Row{Key: fmt.Sprint(x.Seq), Cells: []kit.Cell{
			first,
			{State: &state, Word: word, Text: word},
			kit.C(x.Route), kit.CMono(fmt.Sprint(x.Seq)),
		}})
	}
	body := kit.DataTable(t)
	if n := int(c.Missing) - len(lacking); n > 0 {
		body = templ.Join(body, kit.Foot(kit.Unknown, kit.Many(n, "more is", "more are")+" not listed here."))
	}
	return kit.Sheet(kit.SheetOpts{Title: "Not there", Sub: "as counted; open one to send it again", ID: "lacking", Body: body})
}

func (d Deps) countAct(w http.ResponseWriter, r *http.Request) error {
	v, err := d.countable(r, authz.PartnersTest)
	if err != nil {
		return err
	}
	if d.CountNow == nil {
		return web.NotFound("This hub counts nothing by itself.")
	}
	reason := strings.TrimSpace(r.PostFormValue("reason"))
	if reason == "" {
		return d.showCount(w, r, &v, "Say why, in a few words.")
	}
	if _, err := d.CountNow(r.Context(), v.Partner, as(r, reason)); err != nil {
		return err
	}
	http.Redirect(w, r, "/partners/"+v.Partner+"/count", http.StatusSeeOther)
	return nil
}

// listItems: what a count did not find at a partner, and partners that have not
// been counted for long.
func (d Deps) listItems(ctx context.Context, who *authz.Subject, now time.Time) ([]today.Item, error) {
	counts, err := d.Results.LatestCounts(ctx)
	if err != nil {
		return nil, err
	}
	var out []today.Item
	scope := who.Scope(authz.PartnersSee, now)
	add := func(partner string, s kit.State, rank int, since time.Time, title, text, act string) {
		if of := d.ofPartner(partner); every(scope, of) {
			out = append(out, today.Item{
				State: s, Rank: rank, Since: since, Needs: authz.PartnersSee, Partner: partner, Site: held(scope, of).Site,
				Title: title, Text: text, Action: kit.Action{Text: act, Href: "/partners/" + partner + "/count"},
			})
		}
	}
	for partner, c := range counts {
		if c.Missing == 0 {
			continue
		}
		name, n := d.name(partner), kit.Many(int(c.Missing), "result", "results")
		title, text := name+"'s list lacks "+n+" that we delivered", "Their system accepted them, and their own list "+countedTime(&c)+" does not name them. Ask them to look, then send again what is lost."
		switch c.Way {
		case results.ByPickup:
			title, text = name+" has not picked up "+n+" that we placed", "They were delivered in the time "+countedTime(&c)+", more than a day ago. Ask them to fetch them."
		case results.BySearch:
			title, text = name+"'s server does not have "+n+" that we sent", "It accepted them in the time "+countedTime(&c)+", and does not find them now. Ask them to look, then send again what is lost."
		}
		add(partner, kit.Warn, today.RankPerson, c.AddedAt, title, text, "See the list")
	}
	if d.CountWays != nil {
		for partner, way := range d.CountWays() {
			c, was := counts[partner]
			if !was || now.Sub(c.AddedAt) < overdue {
				continue // one that was never counted stands as not countable
			}
			text := "Each night it is tried; the hub's log says why it could not be done. Until then nobody says that they have what we delivered since."
			if way == results.ByList {
				text = "No new list of theirs has come. Until one does nobody says that they have what we delivered since. Ask them for it."
			}
			add(partner, kit.Unknown, today.RankLater, c.AddedAt, d.name(partner)+" has not been counted since "+kit.Stamp(c.AddedAt), text, "See the last count")
		}
	}
	return out, nil
}
