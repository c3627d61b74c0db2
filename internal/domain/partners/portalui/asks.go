package portalui

import (
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (s *site) missingOne(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	p, err := s.person(r)
	if err != nil {
		return err
	}
	t, err := s.Portal.NotGot(r.Context(), p, id)
	if err != nil {
		return err
	}
	also := ""
	if t.Sending {
		also = "it is being sent again, "
	}
	return web.Done(w, r, "/missing", "It is new again in the list, "+also+"and the laboratory knows. In a hurry, call: "+s.phone()+".")
}

func (s *site) missingPage(w http.ResponseWriter, r *http.Request) error {
	return s.drawMissing(w, r, nil)
}

func (s *site) drawMissing(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	p, err := s.person(r)
	if err != nil {
		return err
	}
	now, names := web.Now(r).In(s.Zone), s.Portal.Settings().Partners
	day := func(name string, at time.Time) string {
		if v := r.FormValue(name); v != "" {
			return v
		}
		return at.Format(time.DateOnly)
	}
	fields := []kit.Field{
		{Name: "from", Label: "From", Kind: kit.DateField, Value: day("from", now.AddDate(0, 0, -3)), Required: true, Narrow: true},
		{Name: "until", Label: "To", Kind: kit.DateField, Value: day("until", now), Required: true, Narrow: true},
	}
	if all := p.Partners(); len(all) > 1 {
		o := kit.Field{Name: "of", Label: "Practice", Kind: kit.SelectField, Value: r.FormValue("of")}
		for _, key := range all {
			o.Options = append(o.Options, kit.Option{Value: key, Text: names[key]})
		}
		fields = append([]kit.Field{o}, fields...)
	}
	out := kit.Page{Title: "We did not get it", Lead: "A result is missing?", Rest: "Call the laboratory when a patient waits: " + s.phone() + ".", Nav: "/missing"}
	if bad != nil {
		out.Status, fields = statusOf(bad), kit.WithErrors(fields, bad.Fields)
	}
	var items []kit.Check
	for _, key := range p.Partners() {
		for _, done := range []bool{false, true} {
			list, err := s.Portal.Tellings(r.Context(), key, done, 20)
			if err != nil {
				return err
			}
			for i := range list {
				if t := &list[i]; t.Kind == portal.Missing && (t.Done.IsZero() || now.Sub(t.Done) < toldFor) {
					c := missingCheck(t, now, s.Zone)
					coming, err := s.Portal.OnItsWay(r.Context(), t)
					if err != nil {
						return err
					}
					if coming {
						c.Text += " Another copy is on its way."
					}
					items = append(items, c)
				}
			}
		}
	}
	wide := kit.Sheet(kit.SheetOpts{Title: "For some days", Pad: true, Body: templ.Join(
		kit.Paragraph("Everything the laboratory has sent you in these days is made new again in your list, and the laboratory looks for what is not there. What it has not released yet is not here: only the laboratory can tell you about that."),
		kit.Form(kit.FormOpts{Action: "/missing", Submit: "We did not get it", Fields: fields}),
	)})
	beside := kit.Sheet(kit.SheetOpts{Title: "How it stands", Pad: len(items) == 0, Body: kit.Empty("Nothing was said to be missing in the last two weeks.", nil)})
	if len(items) > 0 {
		beside = kit.Sheet(kit.SheetOpts{Title: "How it stands", Sub: "the laboratory's number is " + s.phone(), Body: kit.Checks(items)})
	}
	out.Body = kit.Columns(wide, beside)
	return web.Render(w, r, out)
}

// toldFor is how long an answer of the laboratory is shown.
const toldFor = 14 * 24 * time.Hour

// missingCheck is what was said to be missing, where it is, and what came of it.
func missingCheck(t *portal.Told, now time.Time, zone *time.Location) kit.Check {
	c := kit.Check{State: kit.Warn, Word: "open", Title: "Told " + kit.Clock(t.At, now) + " by " + t.Name, Text: toldWords(t, zone)}
	if !t.Placed.IsZero() {
		c.Text += " It came " + kit.Clock(t.Placed, now)
		if t.Opened.IsZero() {
			c.Text += "; nobody has opened it yet."
		} else {
			c.Text += " and was first opened " + kit.Clock(t.Opened, now) + " by " + t.OpenedName + "."
		}
	}
	if t.Sent > 0 {
		c.Text += " " + sentWords(t, now)
	}
	switch {
	case t.Done.IsZero():
		c.Text += " The laboratory has not answered yet."
	case t.Outcome == portal.OutcomeSent:
		c.State, c.Word, c.Text = kit.Fine, "answered", c.Text+" The laboratory answered "+kit.Clock(t.Done, now)+": it sent it again."
	default:
		c.State, c.Word, c.Text = kit.Fine, "answered", c.Text+" The laboratory answered "+kit.Clock(t.Done, now)+": it called you."
	}
	return c
}

// sentWords is what has come into the portal since it was told.
func sentWords(t *portal.Told, now time.Time) string {
	switch {
	case t.Sent == 0:
		return "Nothing of it has come into their portal."
	case t.Item != (event.ID{}):
		return "It was sent again and is there since " + kit.Clock(t.SentAt, now) + "."
	}
	return kit.Many(t.Sent, "result of these days has", "results of these days have") + " come since, the first " + kit.Clock(t.SentAt, now) + "."
}

// toldWords is what a practice told, in words.
func toldWords(t *portal.Told, zone *time.Location) string {
	switch {
	case t.Kind == portal.NotOurs:
		return "Said to be another's patient. What was printed or saved: " + t.Fate + "."
	case t.From.IsZero():
		return "One result was not got; it is new again in their list."
	}
	return "Results from " + t.From.In(zone).Format("2 Jan") + " to " + t.Until.In(zone).Add(-time.Hour).Format("2 Jan") + " were not got; " + kit.Many(t.Again, "result is", "results are") + " new again in their list."
}

func (s *site) missingSaid(w http.ResponseWriter, r *http.Request) error {
	p, err := s.person(r)
	if err != nil {
		return err
	}
	of := r.FormValue("of")
	if all := p.Partners(); of == "" && len(all) == 1 {
		of = all[0]
	}
	from, e1 := time.ParseInLocation(time.DateOnly, r.FormValue("from"), s.Zone)
	until, e2 := time.ParseInLocation(time.DateOnly, r.FormValue("until"), s.Zone)
	if e1 != nil || e2 != nil {
		from, until = time.Time{}, time.Time{}
	} else {
		until = until.AddDate(0, 0, 1)
	}
	t, err := s.Portal.NotGotSince(r.Context(), p, of, from, until)
	if err != nil {
		e, err := told(err)
		if err != nil {
			return err
		}
		if e.Kind != web.KindInvalid {
			return e
		}
		return s.drawMissing(w, r, e)
	}
	return web.Done(w, r, "/missing", kit.Many(t.Again, "result is", "results are")+" new again in the list, and the laboratory looks for what is not there. In a hurry, call: "+s.phone()+".")
}

func (s *site) wrongPage(w http.ResponseWriter, r *http.Request) error { return s.drawWrong(w, r, "") }

func (s *site) drawWrong(w http.ResponseWriter, r *http.Request, bad string) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	out := kit.Page{Title: "Wrong patient or not ours", Lead: "This result is not about a patient of yours?", Nav: "/", Crumbs: []kit.Crumb{{Name: "Results", Href: "/"}, {Name: "The result", Href: "/results/" + id.String()}, {Name: "Not ours"}}}
	field := kit.Field{Name: "fate", Label: "What became of what you printed or saved of it?", Kind: kit.RadioField, Error: bad, Options: []kit.Option{
		{Value: portal.Unprinted, Text: "Nothing was printed or saved"}, {Value: portal.Destroyed, Text: "It was destroyed", Hint: "Paper shredded, files deleted, taken out of every chart."}, {Value: portal.Returned, Text: "It goes back to the laboratory"},
	}}
	if bad != "" {
		out.Status = http.StatusUnprocessableEntity
	}
	out.Body = kit.Sheet(kit.SheetOpts{Title: "Tell the laboratory", Pad: true, Body: templ.Join(
		kit.Paragraph("It is hidden from everybody of your practice at once, and the laboratory is alarmed. Do not pass it on. If the patient is yours after all, the laboratory shows it again."),
		kit.Form(kit.FormOpts{Action: "/results/" + id.String() + "/wrong", Submit: "It is not ours: hide it", Cancel: "/results/" + id.String(), Fields: []kit.Field{field}, Bad: true}),
	)})
	return web.Render(w, r, out)
}

func (s *site) wrongSaid(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	p, err := s.person(r)
	if err != nil {
		return err
	}
	if _, err := s.Portal.NotOurs(r.Context(), p, id, r.FormValue("fate")); err != nil {
		e, err := told(err)
		if err != nil {
			return err
		}
		if e.Kind != web.KindInvalid {
			return e
		}
		return s.drawWrong(w, r, e.Message)
	}
	return web.Done(w, r, "/", "It is hidden, and the laboratory knows. It may call you about it.")
}
