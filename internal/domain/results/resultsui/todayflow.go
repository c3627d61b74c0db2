package resultsui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// partnerView is one partner as pages show it.
type partnerView struct {
	results.Flow
	name, by     string // by: how results go there
	at           time.Time
	acknowledged int64
	placed       int64
	limit        time.Duration // how long a result may wait
	retry        time.Duration // the longest pause between two tries
	known        bool
	shared       bool // with sites that are not told of: its lists are of all of them
	state        kit.State
}

func (d Deps) partnerView(c *config.Config, f results.Flow, at time.Time) partnerView {
	v := partnerView{Flow: f, at: at, name: d.name(f.Partner), known: !at.IsZero()}
	if p, ok := c.Partners[f.Partner]; ok {
		v.by, v.limit, v.retry = protocol(&p.Destination), p.AlarmAfter.Std(), p.Retry.Max.Std()
	}
	v.acknowledged, v.placed = f.Sums()
	v.state = v.judge()
	return v
}

// seenBy leaves out what a practice does not see of itself: what is held may not
// belong to it (docs/develop/decisions/what-a-result-page-shows.md).
func (v *partnerView) seenBy(scope authz.Scope, of []authz.Object) {
	sees := sightOf(scope)
	if sees != nil && !slices.ContainsFunc(of, func(o authz.Object) bool {
		return sees(&results.Delivery{Partner: v.Partner, Site: o.Site, State: results.Held})
	}) {
		v.Held = 0
		v.state = v.judge()
	}
}

// judge: fine only where the partner's own reply, or a file put in its place, was
// seen within these 24 hours and nothing is wrong.
func (v *partnerView) judge() kit.State {
	switch {
	case !v.known:
		return kit.Unknown
	case !v.DownSince.IsZero(), len(v.Gates) > 0, v.Stopped > 0:
		return kit.Stopped
	case v.late(), v.Held > 0:
		return kit.Warn
	case !v.Here && v.Waiting > 0:
		return kit.Unknown // another node knows whether they answer
	case v.acknowledged+v.placed > 0:
		return kit.Fine
	}
	return kit.Unknown
}

// late says that something waits longer than agreed.
func (v *partnerView) late() bool {
	return v.limit > 0 && !v.Oldest.IsZero() && v.at.Sub(v.Oldest) > v.limit
}

func (v *partnerView) word() string {
	switch v.state {
	case kit.Stopped:
		if !v.DownSince.IsZero() {
			return "Does not answer"
		}
		if len(v.Gates) > 0 {
			return "Stopped"
		}
		return "A result needs a person"
	case kit.Warn:
		if v.late() {
			return "Waits longer than agreed"
		}
		return "Some are held"
	case kit.Fine:
		return "Fine"
	}
	if !v.Here && v.Waiting > 0 {
		return "Not known here: another node delivers"
	}
	return "Not known: nothing went there in 24 hours"
}

// protocol is how results go there, in a word or two.
func protocol(d *config.Destination) string {
	var s string
	switch {
	case d.MLLP != nil && d.MLLP.TLS != nil:
		s = "HL7 over TLS"
	case d.MLLP != nil:
		s = "HL7, not encrypted"
	case d.FHIR != nil && plainURL(string(d.FHIR.Base)):
		s = "FHIR R4, not encrypted"
	case d.FHIR != nil:
		s = "FHIR R4 over HTTPS"
	case d.FHIRPull != nil:
		s = "FHIR R4, they fetch"
	case d.HTTP != nil && plainURL(string(d.HTTP.URL)):
		s = "HTTP, not encrypted"
	case d.HTTP != nil:
		s = "HL7 over HTTPS"
	case d.SFTP != nil:
		s = "Files over SFTP"
	case d.FTPS != nil:
		s = "Files over FTPS"
	case d.Portal != nil:
		return "Provider portal"
	case d.Box != nil:
		s = "Files in their box here"
	case d.Folder != nil && d.Encrypt != nil:
		return "Encrypted files in a folder"
	case d.Folder != nil:
		s = "Files in a folder"
	}
	if d.Encrypt != nil {
		s += ", encrypted to them"
	}
	return s
}

func plainURL(u string) bool { return strings.HasPrefix(u, "http://") }

// sortPartners puts first what needs somebody, what is unknown last but for its
// name.
func sortPartners(ps []partnerView) {
	order := func(s kit.State) int {
		switch s {
		case kit.Stopped:
			return 0
		case kit.Warn:
			return 1
		}
		return 2
	}
	slices.SortFunc(ps, func(a, b partnerView) int {
		return cmp.Or(cmp.Compare(order(a.state), order(b.state)), cmp.Compare(strings.ToLower(a.name), strings.ToLower(b.name)), cmp.Compare(a.Partner, b.Partner))
	})
}

// flowSheet is the panel of results.
func flowSheet(v flowView, finds bool) templ.Component {
	o := kit.SheetOpts{Title: "Results, last 24 hours"}
	if finds {
		o.More = &kit.Action{Text: "All results", Href: "/results"}
	}
	if !v.flows.Known() {
		o.Body = kit.UnknownState("What went out in the last 24 hours is still being counted; this page shows it in a moment.")
		return kit.Sheet(o)
	}
	if len(v.partners) == 0 {
		o.Body = kit.Empty("No partner is set up that you may see.", nil)
		return kit.Sheet(o)
	}
	o.Sub = "counted " + kit.Clock(v.flows.At, v.now)
	parts := []templ.Component{kit.Sums(v.sums()), kit.DataTable(v.table())}
	parts = append(parts, v.lists()...)
	o.Body = templ.Join(parts...)
	return kit.Sheet(o)
}

func (v *flowView) sums() []kit.Sum {
	var acknowledged, placed, waiting, held, failed int64
	for i := range v.partners {
		p := &v.partners[i]
		acknowledged += p.acknowledged
		placed += p.placed
		waiting += p.Waiting
		held += p.Held
		failed += p.Stopped
	}
	out := []kit.Sum{sum(acknowledged, "acknowledged", false)}
	if placed > 0 {
		out = append(out, sum(placed, "placed", false))
	}
	out = append(out, sum(waiting, "waiting", v.stuck()), sum(failed, "failed", failed > 0))
	if held > 0 {
		out = append(out, sum(held, "held", false))
	}
	switch {
	case !v.all:
	case !v.flows.Arrivals:
		out = append(out, kit.Sum{N: "not known yet", Word: "unaccounted for"})
	default:
		out = append(out, sum(v.flows.Unaccounted, "unaccounted for", v.flows.Unaccounted > 0))
	}
	return out
}

// stuck says that something waits that should not.
func (v *flowView) stuck() bool {
	return slices.ContainsFunc(v.partners, func(p partnerView) bool {
		return p.Waiting > 0 && (p.late() || !p.DownSince.IsZero() || len(p.Gates) > 0)
	})
}

func sum(n int64, word string, bad bool) kit.Sum {
	return kit.Sum{N: kit.Count(int(n)), Word: word, Bad: bad}
}

// table is one row for each partner.
func (v *flowView) table() kit.Table {
	most := 0
	for i := range v.partners {
		most = max(most, v.partners[i].most())
	}
	t := kit.Table{
		Caption: "Results to each partner in the last 24 hours, by the hour of the partner's reply", Flow: true, Total: len(v.partners),
		Columns: []kit.Column{
			{Name: "Partner"},
			{Name: "Per hour"},
			{Name: "Acknowledged", Num: true},
			{Name: "Waiting", Num: true},
			{Name: "Failed", Num: true},
			{Name: "Last reply", Num: true, Wide: true},
		},
	}
	for i := range v.partners {
		p := &v.partners[i]
		state := p.state
		waiting := kit.CNum(int(p.Waiting))
		if p.Waiting > 0 {
			waiting.Sub = "oldest " + today.Ago(v.now.Sub(p.Oldest))
			waiting.Bad = p.state == kit.Stopped || p.late()
		}
		t.Rows = append(t.Rows, kit.Row{Key: p.Partner, At: p.state == kit.Stopped, Cells: []kit.Cell{
			{Text: p.name, Sub: p.by, Href: "/partners/" + p.Partner, State: &state, Word: p.word()},
			kit.CBody(p.bars(most)), p.done(), waiting, failed(p.Stopped), p.lastReply(v.now),
		}})
	}
	return t
}

func failed(n int64) kit.Cell {
	c := kit.CNum(int(n))
	c.Bad = n > 0
	return c
}

// done is how many were acknowledged; where nobody answers, how many were put in
// their place, and that says so.
func (v *partnerView) done() kit.Cell {
	c := kit.CNum(int(v.acknowledged))
	if v.placed > 0 {
		c.Sub = kit.Count(int(v.placed)) + " placed"
	}
	return c
}

func (v *partnerView) lastReply(now time.Time) kit.Cell {
	switch {
	case !v.LastReply.IsZero():
		return kit.CMono(kit.Clock(v.LastReply, now))
	case !v.LastPlaced.IsZero():
		return kit.Cell{Text: kit.Clock(v.LastPlaced, now), Mono: true, Sub: "placed"}
	}
	return kit.C("none seen")
}

func (v *partnerView) most() int {
	most := int64(0)
	for i := range results.FlowHours {
		most = max(most, v.Acknowledged[i]+v.Placed[i]+v.Waits[i])
	}
	return int(most)
}

// bars draws the 24 hours: what was done by the hour of the reply, what waits by
// the hour it came in.
func (v *partnerView) bars(most int) templ.Component {
	o := kit.BarsOpts{Most: most, Text: fmt.Sprintf("Results per hour over the last 24 hours, at most %s in an hour; ", kit.Count(v.most()))}
	for i := range results.FlowHours {
		o.Counts = append(o.Counts, int(v.Acknowledged[i]+v.Placed[i]+v.Waits[i]))
		o.Waiting = append(o.Waiting, int(v.Waits[i]))
	}
	switch {
	case v.Waiting > 0:
		o.Text += kit.Many(int(v.Waiting), "of them is waiting", "of them are waiting")
	case v.acknowledged+v.placed == 0:
		o.Text = "No results in the last 24 hours"
	case v.placed > 0:
		o.Text += "none waits"
	default:
		o.Text += "all acknowledged"
	}
	return kit.Bars(o)
}

// lists are the sentences about what partners themselves say they have.
func (v *flowView) lists() []templ.Component {
	var out []templ.Component
	var whole, without []string
	oldest := ""
	for i := range v.partners {
		p := &v.partners[i]
		c, gave := v.counts[p.Partner]
		switch {
		case p.shared:
		case !gave:
			without = append(without, p.name)
		case c.Missing > 0:
			_, words := verdictOf(&c)
			out = append(out, kit.Foot(kit.Warn, "Counted at "+p.name+": "+words))
		case c.Matched == 0: // nothing was delivered in that time: no tick
		default:
			whole = append(whole, p.name)
			if oldest == "" || c.Day < oldest {
				oldest = c.Day
			}
		}
	}
	if n := len(whole); n > 0 {
		who := fmt.Sprintf("%s of %s partners", numeral(n), numeral(len(v.partners)))
		if n == 1 {
			who = whole[0]
		}
		text := fmt.Sprintf("Counted at %s, the oldest count of %s: everything we had delivered is there.", who, day(oldest))
		if n == 1 {
			text = fmt.Sprintf("Counted at %s, to %s: everything we had delivered is there.", who, day(oldest))
		}
		out = append(out, kit.Foot(kit.Fine, text))
	}
	switch n := len(without); {
	case n == 1:
		out = append(out, kit.Foot(kit.Unknown, without[0]+" sends no list and was not counted in another way: it is not countable."))
	case n > 1 && n <= 3:
		out = append(out, kit.Foot(kit.Unknown, strings.Join(without[:n-1], ", ")+" and "+without[n-1]+" send no list and were not counted in another way: they are not countable."))
	case n > 3:
		out = append(out, kit.Foot(kit.Unknown, kit.Count(n)+" partners send no list and were not counted in another way: they are not countable."))
	}
	return out
}

// day is a date as a list has it, as people write it.
func day(s string) string {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return s
	}
	return t.Format("2 Jan 2006")
}

func numeral(n int) string {
	small := [...]string{"none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}
	if n < len(small) {
		return small[n]
	}
	return kit.Count(n)
}
