package setupui

import (
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// reveals says whether the person may see any patient's identity and values by
// their roles. Break-glass access is not for configuration, and somebody of
// another company sees counts, whatever else they are.
func reveals(r *http.Request) bool {
	who := *web.Who(r)
	who.Glass, who.Glassed = event.ID{}, nil
	now := web.Now(r)
	return !who.Holds(authz.ITPartner, now) && who.May(authz.ResultsReveal, authz.Object{}, now) == nil
}

// replayFor is what the person may see of a draft's replay.
func (d Deps) replayFor(r *http.Request, draft int64) (setup.Run, error) {
	x, err := d.Setup.Replay(draft)
	if err != nil {
		return x, err
	}
	return x.Shown(web.Who(r).Account, reveals(r)), nil
}

// offered is the form, or why the person cannot use it for this draft.
func (d Deps) offered(r *http.Request, draft int64, form templ.Component) (templ.Component, error) {
	reads, err := d.Setup.Reads(r.Context(), draft)
	if err != nil || len(reads) == 0 {
		return form, err
	}
	what := strings.ToUpper(reads[0][:1]) + strings.Join(reads, "; ")[1:] + "."
	if reveals(r) {
		return join(kit.Verdict(kit.Warn, "The rules of this draft read what belongs to patients", what+" What you see of them is recorded in your name.", nil), form), nil
	}
	return kit.Verdict(kit.Unknown, "Ask the laboratory director to try it", what+" Which messages fit such rules, and how many, tells of patients: it is for those who may see their identity and values.", nil), nil
}

// howMany is a number of messages; of one that is not exact, what is known of it.
func howMany(n int64, exact bool) string {
	if !exact && n > 0 && n < setup.Few {
		return "fewer than 5 messages"
	}
	return things(int(n), "message", "messages")
}

// replayTable lists what would change, message by message where they are for who
// looks, counted otherwise.
func (d Deps) replayTable(l *setup.Look, x setup.Run, now time.Time) kit.Table {
	t := kit.Table{Caption: "What would be different", View: kit.View{Path: draftPath(l.Number) + "/replay"}, Empty: "Nothing."}
	if !x.Listed {
		t.Columns = []kit.Column{{Name: "What"}, {Name: "For how many"}}
		for _, g := range x.Groups {
			f := setup.Difference{Kind: g.Kind, Partner: g.Partner, Was: g.Was, Becomes: g.Becomes}
			t.Rows = append(t.Rows, kit.Row{Cells: []kit.Cell{kit.C(diffWords(f)), kit.C(howMany(g.Messages, false))}})
		}
		t.Total = len(t.Rows)
		return t
	}
	t.Columns = []kit.Column{{Name: "Received"}, {Name: "Source"}, {Name: "What"}, {Name: "Places in the message", Wide: true}}
	for _, f := range x.Differences {
		t.Rows = append(t.Rows, kit.Row{Cells: []kit.Cell{
			{Text: kit.Second(f.ReceivedAt.In(d.zone()), now), Mono: true}, kit.C(f.Source), kit.C(diffWords(f)), kit.C(strings.Join(f.Places, ", ")),
		}})
	}
	t.Total = len(t.Rows)
	return t
}
