package resultsui

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/proof"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// resultPage answers for one result: where it stands, how it came there, and
// what proves it.
func (d Deps) resultPage(w http.ResponseWriter, r *http.Request) error {
	m, err := d.found(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	return d.drawResult(w, r, &m, nil)
}

// drawResult draws the page; with who, the patient's name and the values, which was
// recorded. Such a page is not drawn again by itself: a new look is a new record.
func (d Deps) drawResult(w http.ResponseWriter, r *http.Request, m *results.Summary, who *results.Identity) error {
	now := d.clock(r)
	reveal := mayReach(r, authz.ResultsReveal, m)
	j, err := d.Results.Journey(r.Context(), m.ID, results.JourneyOptions{
		Sees: sightOf(web.Scope(r, authz.ResultsFind)), Identity: reveal, Looks: !web.Scope(r, authz.RecordSee).Empty(),
	})
	damaged := errors.Is(err, ledger.ErrDamaged)
	if err != nil && !damaged {
		return missing(err, noResult)
	}
	if damaged {
		j = &results.Journey{Summary: *m}
	}
	p := kit.Page{Title: "A result", Nav: "/results", Crumbs: d.crumbs(m)}
	title, number := resultTitle(j.Said)
	p.Lead = title
	if number != "" {
		p.Rest = "for " + number
	}
	if who == nil {
		p.Live = []string{"results"}
	}
	if damaged {
		p.Body = kit.Verdict(kit.Stopped, "What is stored about this result does not fit the ledger.",
			"Nothing is told of it, because it could be wrong. Tell whoever looks after Labwarden, and run the audit: it names the rows.", nil)
		return web.Render(w, r, p)
	}
	v := d.verdictOf(m, now)
	proved := d.proofs(r, m, now)
	wide := append([]templ.Component{d.journeySheet(j, m, now)}, d.ways(m, now)...)
	if j.Said != nil {
		wide = append(wide, d.messageSheet(j, m, who, reveal))
	}
	beside := append(proved.sheets, d.actSheets(r, j, m, now)...)
	if len(j.Looks) > 0 || !web.Scope(r, authz.RecordSee).Empty() {
		beside = append(beside, looksSheet(j, now))
	}
	body := []templ.Component{kit.Verdict(v.State, v.Title, v.Text, proved.download)}
	if facts := d.facts(r, j, m, who, reveal, now); len(facts) > 0 {
		body = append(body, kit.Facts(facts))
	}
	if len(beside) == 0 {
		body = append(body, stack(wide...))
	} else {
		body = append(body, kit.Columns(templ.Join(wide...), templ.Join(beside...)))
	}
	p.Body, p.Tools = templ.Join(body...), kit.PrintButton("Print")
	return web.Render(w, r, p)
}

// stack draws sheets one below the other.
func stack(of ...templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return kit.Stack().Render(templ.WithChildren(ctx, templ.Join(of...)), w)
	})
}

func (d Deps) crumbs(m *results.Summary) []kit.Crumb {
	out := []kit.Crumb{{Name: "Results", Href: "/results"}}
	if current := latest(m.Deliveries); len(current) == 1 {
		out = append(out, kit.Crumb{Name: d.partnerName(current[0].Partner), Href: "/results?partner=" + url.QueryEscape(current[0].Partner)})
	}
	return out
}

// facts are the line below the sentence: who, by whom, when collected.
func (d Deps) facts(r *http.Request, j *results.Journey, m *results.Summary, who *results.Identity, reveal bool, now time.Time) []kit.KV {
	var out []kit.KV
	switch {
	case who != nil:
		name := joinText(who.Name)
		if name == "" {
			name = "no name in the message"
		}
		if who.Born != "" {
			name += ", born " + who.Born
		}
		for _, id := range who.IDs {
			name += ", " + kit.Mono(id)
		}
		out = append(out, kit.KV{Key: "Patient (this look is recorded)", Value: name})
	case reveal && j.Said != nil:
		out = append(out, kit.KV{Key: "Patient", Body: kit.Masked(kit.MaskedOpts{Masked: maskedName(j.Said), Reveal: "/results/" + m.ID.String() + "/name", What: "name and values"})})
	default:
		out = append(out, kit.KV{Key: "Patient", Value: "not shown to your role"})
	}
	if len(d.sites(web.Scope(r, authz.ResultsFind))) > 0 {
		out = append(out, kit.KV{Key: "Site", Value: d.siteWords(m.Site)})
	}
	if s := j.Said; s != nil && len(s.Orders) > 0 {
		if by := s.Orders[0].Provider; by != "" {
			out = append(out, kit.KV{Key: "Ordered by", Value: by})
		}
		c := ""
		if at := s.Orders[0].Collected; !at.At.IsZero() {
			c = kit.Clock(at.At, now)
			if at.Day {
				c = kit.Date(at.At, now)
			}
		}
		if len(s.Specimens) > 0 {
			tube := "specimen " + kit.Mono(s.Specimens[0])
			if c == "" {
				c = upperFirst(tube)
			} else {
				c += ", " + tube
			}
		}
		if c != "" {
			out = append(out, kit.KV{Key: "Collected", Value: c})
		}
	}
	if marks := marksOf(m); marks != "" {
		out = append(out, kit.KV{Key: "Marks", Value: marks})
	}
	return out
}

func maskedName(s *results.Said) string {
	switch {
	case s.Initials != "" && s.BirthYear != "":
		return s.Initials + ", born " + s.BirthYear
	case s.Initials != "":
		return s.Initials
	case s.BirthYear != "":
		return "born " + s.BirthYear
	}
	return "not named in the message"
}

func (d Deps) journeySheet(j *results.Journey, m *results.Summary, now time.Time) templ.Component {
	o := kit.SheetOpts{Title: "Its journey"}
	var lane templ.Component
	for _, x := range latest(m.Deliveries) {
		if x.State != results.Done {
			continue
		}
		if total, legs := d.legs(j, &x); len(legs) > 0 {
			o.Sub, lane = kit.Span(total)+" in all", kit.Lane(legs)
			if len(latest(m.Deliveries)) > 1 {
				o.Sub += ", to " + d.partnerName(x.Partner)
			}
			break
		}
	}
	body := []templ.Component{}
	if lane != nil {
		body = append(body, lane)
	}
	body = append(body, kit.Journey(steps(d.tell(j, now), now)))
	if j.MoreActs {
		body = append(body, kit.Foot(kit.Unknown, "More was done about this result than is listed here; the ledger has all of it."))
	}
	o.Body = templ.Join(body...)
	return kit.Sheet(o)
}

// ways lists the deliveries where there are several.
func (d Deps) ways(m *results.Summary, now time.Time) []templ.Component {
	if len(m.Deliveries) < 2 {
		return nil
	}
	t := kit.Table{Caption: "Its ways to partners", Columns: []kit.Column{{Name: "To"}, {Name: "Where it stands"}, {Name: "Since"}, {Name: "Tries", Num: true}}, Total: len(m.Deliveries)}
	for i := range m.Deliveries {
		x := &m.Deliveries[i]
		s, word := stateOf(x)
		sub := "by route " + kit.Mono(x.Route)
		if x.Again {
			sub += ", sent again"
		}
		t.Rows = append(t.Rows, kit.Row{Cells: []kit.Cell{{Text: d.partnerName(x.Partner), Sub: sub}, kit.CState(s, "", word), kit.CMono(kit.Second(x.ChangedAt, now)), kit.CNum(int(x.Attempts))}})
	}
	return []templ.Component{kit.Sheet(kit.SheetOpts{Title: "Its ways", Body: kit.DataTable(t)})}
}

// messageSheet shows what came in without what names a person, and the values only
// to who was recorded.
func (d Deps) messageSheet(j *results.Journey, m *results.Summary, who *results.Identity, reveal bool) templ.Component {
	lines, sub := j.Masked, "what names a person is hidden, and the values"
	if who != nil {
		lines, sub = who.Lines, "what names a person is hidden; that you saw the values is recorded"
	}
	var parts []kit.Part
	text := ""
	flush := func() {
		if text != "" {
			parts = append(parts, kit.Part{Text: text})
			text = ""
		}
	}
	for i, l := range lines {
		if i > 0 {
			text += "\n"
		}
		text += l.Name
		for _, p := range l.Parts {
			text += "|"
			if p.Hidden {
				flush()
				parts = append(parts, kit.Part{Hidden: true})
				continue
			}
			text += p.Text
		}
		if l.More {
			text += "|…"
		}
	}
	flush()
	o := kit.SheetOpts{Title: "What came in", Sub: sub}
	for _, x := range m.Deliveries {
		if x.State == results.Done {
			o.Title = "What was sent"
		}
	}
	body := kit.Pre("The message, what names a person hidden", parts)
	if reveal {
		body = templ.Join(body, kit.Acts(kit.Action{Text: "Read the full message (recorded)", Href: "/results/" + m.ID.String() + "/message", Post: true, Icon: "show"}))
	}
	o.Body = body
	return kit.Sheet(o)
}

func looksSheet(j *results.Journey, now time.Time) templ.Component {
	var items []kit.Step
	for i, a := range j.Looks {
		if i == 20 {
			items = append(items, kit.Step{Title: "And " + kit.Count(len(j.Looks)-20) + " more", State: kit.Unknown})
			break
		}
		what := map[string]string{results.KindViewed: "looked at it", results.KindExported: "took the message", results.KindProved: "took the proof", results.KindReceipted: "took the receipt"}[a.Kind]
		items = append(items, kit.Step{Time: kit.Clock(a.At, now), State: kit.Fine, Word: "Recorded", Title: a.By + " " + what, Text: "Reason: " + words(a.Reason) + "."})
	}
	o := kit.SheetOpts{Title: "Who looked", Sub: "from the ledger", Body: kit.Journey(items)}
	if len(items) == 0 {
		o.Body = kit.Empty("Nobody has looked at the patient of this result here.", nil)
	}
	return kit.Sheet(o)
}

// proved is what the panel beside the journey is made of.
type proved struct {
	sheets   []templ.Component
	download *kit.Action
}

// proofs checks the proof of each completed way, now.
func (d Deps) proofs(r *http.Request, m *results.Summary, now time.Time) (out proved) {
	done := 0
	for _, x := range latest(m.Deliveries) {
		if x.State != results.Done {
			continue
		}
		if done++; done > 3 {
			out.sheets = append(out.sheets, kit.Sheet(kit.SheetOpts{Title: "More proofs", Pad: true, Body: kit.UnknownState("The proofs of further ways are not checked here. The API gives each.")}))
			break
		}
		title := "Proof"
		if len(latest(m.Deliveries)) > 1 {
			title += " for " + d.partnerName(x.Partner)
		}
		path := "/results/" + m.ID.String() + "/deliveries/" + numbered(x.Seq)
		may := mayAt(r, authz.ResultsProof, &x)
		c, err := d.Results.CheckProof(r.Context(), x.Seq)
		if err != nil {
			out.sheets = append(out.sheets, kit.Sheet(kit.SheetOpts{Title: title, Pad: true, Body: kit.UnknownState(unproved(err))}))
			continue
		}
		body := []templ.Component{kit.Checks(d.checks(&c, &x))}
		acts := []kit.Action{{Text: "Check again", Href: "/results/" + m.ID.String(), Icon: "check"}}
		if may {
			get := kit.Action{Text: "Download proof", Href: path + "/proof", Post: true, Primary: true, Icon: "proof"}
			if out.download == nil {
				out.download = &get
			} else {
				acts = append(acts, get)
			}
		}
		if may {
			acts = append(acts, kit.Action{Text: "Download receipt", Href: path + "/receipt", Post: true, Icon: "proof"})
		}
		body = append(body, kit.Acts(acts...))
		out.sheets = append(out.sheets, kit.Sheet(kit.SheetOpts{Title: title, Sub: "checked at " + kit.Second(c.At, now) + ", on this machine", Body: templ.Join(body...)}))
	}
	return out
}

func unproved(err error) string {
	switch {
	case errors.Is(err, results.ErrErased):
		return "The message was erased by the retention policy, and with it what opens the ledger’s entries: it cannot be proved any more."
	case errors.Is(err, results.ErrConflict):
		return "There is a proof once the partner has answered."
	case errors.Is(err, ledger.ErrDamaged):
		return "The stored rows do not fit the ledger: there is no proof. Tell whoever looks after Labwarden."
	}
	return "The proof could not be checked just now."
}

// checks tells a report. The file's own sentences are for whoever verifies it;
// here they are grouped as people ask.
func (d Deps) checks(c *results.Checked, x *results.Delivery) []kit.Check {
	rep := &c.Report
	name := d.partnerName(x.Partner)
	all := func(ids ...string) kit.State {
		for _, id := range ids {
			switch rep.State(id) {
			case proof.Fails:
				return kit.Stopped
			case proof.Unknown:
				return kit.Unknown
			}
		}
		return kit.Fine
	}
	detail := func(id string) (string, string) { return detailOf(rep, id) }
	say := func(s kit.State, title, bad, text string) kit.Check {
		if s == kit.Stopped {
			title = bad
		}
		return kit.Check{State: s, Title: title, Text: text}
	}
	unchanged, _ := detail(proof.CheckUnchanged)
	_, key := detail(proof.CheckSignature)
	witness, _ := detail(proof.CheckWitnesses)
	out := []kit.Check{
		say(all(proof.CheckMessage, proof.CheckAbout, proof.CheckUnchanged), "Sent as it came in", "What is stored is not what was sent", unchanged),
		say(all(proof.CheckKey, proof.CheckFormat, proof.CheckSignature), "The signature is this laboratory’s", "The signature does not fit", upperFirst(key)),
		say(all(proof.CheckReceived, proof.CheckDelivered, proof.CheckCheckpoint, proof.CheckReceivedIn, proof.CheckDeliveredIn, proof.CheckOrder),
			"The journal line matches its seal", "The journal does not lead to its seal",
			"Line "+kit.Mono(kit.Count(int(c.Leaf)))+" agrees with the sealed total of "+kit.Mono(kit.Count(int(c.Size)))+" lines."),
		peerCheck(rep, name), answerCheck(rep, x, name),
		say(all(proof.CheckWitnesses), "An outside witness confirms it", "A witness’s signature is wrong", witness),
	}
	if out[0].State == kit.Unknown {
		out[0].Title = "Changed on the way, as the route says"
	}
	if out[5].State == kit.Unknown {
		out[5].Title = "Outside witnesses"
	}
	return out
}

// peerCheck says whether the other end showed who it is; the laboratory itself
// wrote that down at the time.
func peerCheck(rep *proof.Report, name string) kit.Check {
	_, figures := detailOf(rep, proof.CheckPartner)
	c := kit.Check{State: kit.Unknown, Title: "Who was at the other end was not proved", Text: "It went to the address set for " + name + "."}
	if rep.State(proof.CheckPartner) != proof.Holds {
		return c
	}
	c.State, c.Title = kit.Fine, "The other end was known to be "+name
	_, rest, shown := strings.Cut(figures, "certificate SHA-256 ")
	if !shown {
		_, how, _ := strings.Cut(figures, ": ")
		c.Text = "Known by " + results.Printable(how, 100) + "."
		return c
	}
	c.Title = own(name) + " server showed its certificate"
	print, tls, _ := strings.Cut(rest, ", ")
	c.Text = "Certificate " + kit.Mono(shortHash(print)) + ", " + results.Printable(strings.ReplaceAll(tls, "TLS-", "TLS "), 100) + "."
	return c
}

// answerCheck says what the answer in the ledger proves.
func answerCheck(rep *proof.Report, x *results.Delivery, name string) kit.Check {
	_, figures := detailOf(rep, proof.CheckAnswer)
	c := kit.Check{State: kit.Unknown, Title: "What " + own(name) + " system answered is not known", Text: upperFirst(results.Printable(figures, 120)) + "."}
	if rep.State(proof.CheckAnswer) != proof.Holds {
		if x.Level == "placed" {
			c.Title = "Nobody answers such a delivery"
		}
		return c
	}
	c.State, c.Title = kit.Fine, "Their system answered: accepted"
	if x.Level == "committed" {
		c.Title = "Their system answered: in custody"
	}
	c.Text = joinText(c.Text, "It does not show that the patient’s chart has it.")
	return c
}

func detailOf(rep *proof.Report, id string) (sentence, detail string) {
	for _, x := range rep.Checks {
		if x.ID == id {
			return x.Sentence, x.Detail
		}
	}
	return "", ""
}
