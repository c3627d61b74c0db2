package portalui

import (
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// asksManager are the changes that wait for a manager, by practice; over a page when
// there is one.
func (s *site) asksManager(r *http.Request, p *portal.Person) (templ.Component, error) {
	for _, key := range p.Partners() {
		if _, manages := p.Of(key); !manages {
			continue
		}
		open, err := s.Portal.ForManager(r.Context(), p, key)
		if err != nil {
			return nil, err
		}
		if len(open) > 0 {
			return kit.Verdict(kit.Warn, open[0].Name+" changed how they sign in", "You look after "+s.Portal.Settings().Partners[key]+": say whether you know of it.", &kit.Action{Text: "Look", Href: "/colleagues"}), nil
		}
	}
	return nil, nil
}

// changesSheet asks a manager about each change that nobody answered.
func changesSheet(open []portal.Change, partner string, now time.Time) templ.Component {
	var parts []templ.Component
	for i := range open {
		c := &open[i]
		at := "/changes/" + c.ID.String() + "?of=" + partner
		parts = append(parts, kit.KeyValues([]kit.KV{{Key: c.Name, Value: changeWords(c)}, {Key: "When", Value: kit.Clock(c.At, now) + ", in " + c.Device}}), kit.Side([]templ.Component{
			kit.Quick(at+"&known=yes", "I know of it", "of the change of "+c.Name), kit.Quick(at+"&known=no", "Not expected: lock them out", "for "+c.Name),
		}))
	}
	parts = append(parts, kit.Paragraph("Ask them, not by a message. Not expected: everything they sign in with stops working at once, and the laboratory writes a new letter when it is clear who has it."))
	return kit.Sheet(kit.SheetOpts{Title: "Was that them?", Sub: "changes of how people sign in", Pad: true, Body: kit.Stacked(parts)})
}

func (s *site) answerChange(w http.ResponseWriter, r *http.Request) error {
	p, of, err := s.managed(r)
	if err != nil {
		return err
	}
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	known := r.FormValue("known")
	if known != "yes" && known != "no" {
		return web.Invalid("Answer whether you know of it.")
	}
	if err := s.Portal.AnswerChange(r.Context(), p, of, id, known == "yes"); err != nil {
		return err
	}
	if known == "yes" {
		return web.Done(w, r, "/colleagues", "Thank you. Your answer is kept.")
	}
	return web.Done(w, r, "/colleagues", "They are locked out, and the laboratory knows. Call it: "+s.phone()+".")
}

// answerWords is how a change stands.
func answerWords(c *portal.Change, now time.Time) (kit.State, string) {
	switch c.Answer {
	case portal.Known:
		return kit.Fine, "the practice knows of it, " + kit.Clock(c.Answered, now)
	case portal.Unexpected:
		return kit.Stopped, "not expected; locked out by " + c.AnsweredBy + ", " + kit.Clock(c.Answered, now)
	case portal.Settled:
		return kit.Fine, "settled by " + c.AnsweredBy + ", " + kit.Clock(c.Answered, now)
	}
	return kit.Unknown, "nobody of the practice has answered"
}

// changedSheet is the laboratory's list of changes at a practice.
func (l lab) changedSheet(r *http.Request, key string, all []portal.Change, now time.Time) templ.Component {
	t := kit.Table{Caption: "Changes of how people sign in", Total: len(all), Columns: []kit.Column{{Name: "When"}, {Name: "What"}, {Name: "State"}, {Name: "Act"}}}
	for i := range all {
		c := &all[i]
		state, text := answerWords(c, now)
		act := kit.C("")
		if (c.Answer == "" || c.Answer == portal.Unexpected) && may(r, authz.PortalAnswer, key) {
			act = kit.CBody(kit.Quick("/portal/"+key+"/changes/"+c.ID.String(), "Settled", "the change of "+c.Name))
		}
		t.Rows = append(t.Rows, kit.Row{Key: c.ID.String(), At: c.Answer == portal.Unexpected, Cells: []kit.Cell{
			kit.CMono(kit.Clock(c.At, now)), {Text: c.Name, Sub: changeWords(c) + ", in " + c.Device}, kit.CState(state, "", text), act,
		}})
	}
	return kit.Sheet(kit.SheetOpts{Title: "How people sign in was changed", Sub: "the last 30 days; the practice's managers answer", Body: kit.DataTable(t)})
}

func (l lab) settle(w http.ResponseWriter, r *http.Request) error {
	key, _, err := l.key(r, authz.PortalAnswer)
	if err != nil {
		return err
	}
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := l.Portal.SettleChange(r.Context(), key, id, web.Who(r).Account); err != nil {
		return err
	}
	return web.Done(w, r, "/portal/"+key, "Noted.")
}
