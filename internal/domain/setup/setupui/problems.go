package setupui

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const noProblem = "There is no such problem report."

// Everybody who is signed in reports, and reads what they reported themselves.
func (d Deps) problemRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /problems", Needs: authz.TodaySee, Handle: d.problemsPage},
		{Pattern: "GET /problems/new", Needs: authz.TodaySee, Handle: func(w http.ResponseWriter, r *http.Request) error {
			q := r.URL.Query()
			return d.drawReport(w, r, setup.Problem{Page: shapeOf(r, q.Get("page")), Reference: setup.ErrorReference(q.Get("ref"))}, "")
		}},
		{Pattern: "POST /problems", Needs: authz.TodaySee, Handle: d.report},
		{Pattern: "GET /problems/{number}", Needs: authz.TodaySee, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.drawProblem(w, r, "", "") }},
		{Pattern: "POST /problems/{number}/take", Needs: authz.ProblemsAnswer, Handle: d.takeProblem},
		{Pattern: "POST /problems/{number}/answer", Needs: authz.ProblemsAnswer, Handle: d.answerProblem},
	}
}

// shapeOf is page where it is the shape of an address of ours: nothing that could
// name anybody comes in by an address.
func shapeOf(r *http.Request, page string) string {
	if page == "" || !web.IsPage(r, page) {
		return ""
	}
	return setup.PageShape(page)
}

func problemPath(n int64) string { return "/problems/" + itoa(n) }

func (d Deps) drawReport(w http.ResponseWriter, r *http.Request, x setup.Problem, wrong string) error {
	p := kit.Page{Title: "Report a problem", Lead: "What does not work?", Rest: "An administrator answers.", Crumbs: []kit.Crumb{{Name: "Problems", Href: "/problems"}}}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	hidden := map[string]string{}
	facts := []kit.KV{{Key: "Your name", Value: web.Who(r).Account}}
	if x.Page != "" {
		hidden["page"] = x.Page
		facts = append(facts, kit.KV{Key: "Which page", Value: x.Page, Mono: true})
	}
	if x.Reference != "" {
		hidden["ref"] = x.Reference
		facts = append(facts, kit.KV{Key: "Reference", Value: x.Reference, Mono: true})
	}
	p.Body = kit.Columns(
		kit.Sheet(kit.SheetOpts{Title: "Your report", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/problems", Submit: "Send it", Cancel: "/", Hidden: hidden, Fields: []kit.Field{{
			Name: "words", Label: "What did you do, and what happened?", Kind: kit.TextareaField, Rows: 6, Value: x.Words, Error: wrong, Max: setup.MaxProblem, Required: true, Spell: true,
			Hint: "Name no patient, and nothing that tells who one is: no name, birth date, number or accession number.",
		}}})}),
		kit.Sheet(kit.SheetOpts{Title: "What goes along", Pad: true, Body: kit.KeyValues(facts)}),
	)
	return web.Render(w, r, p)
}

func (d Deps) report(w http.ResponseWriter, r *http.Request) error {
	x := setup.Problem{Words: r.PostFormValue("words"), Page: shapeOf(r, r.PostFormValue("page")), Reference: setup.ErrorReference(r.PostFormValue("ref"))}
	made, err := d.Setup.ReportProblem(r.Context(), x, person(r))
	if errors.Is(err, setup.ErrProblemWords) {
		return d.drawReport(w, r, x, "Say what happened, in at most 2,000 characters.")
	}
	if err != nil {
		return err
	}
	web.Say(r, "today")
	return web.Done(w, r, problemPath(made.Number), "Your report is with the administrators. The answer will stand here.")
}

// problemAt is the one of the path, for who reported it and for who answers:
// to others it does not exist.
func (d Deps) problemAt(r *http.Request) (setup.Problem, error) {
	n, err := number(r, "number", noProblem)
	if err != nil {
		return setup.Problem{}, err
	}
	x, err := d.Setup.Problem(r.Context(), n)
	if err == nil && !x.By.Same(person(r)) && !may(r, authz.ProblemsAnswer) {
		return setup.Problem{}, web.NotFound(noProblem)
	}
	if errors.Is(err, setup.ErrNoProblem) {
		err = web.NotFound(noProblem)
	}
	return x, err
}

func problemState(x setup.Problem) (kit.State, string) {
	switch x.State {
	case setup.ProblemAnswered:
		return kit.Fine, "Answered"
	case setup.ProblemTaken:
		return kit.Unknown, "Taken by " + x.TakenBy
	}
	return kit.Warn, "Waits for somebody"
}

// problemsPage lists one's own, and all for who answers.
func (d Deps) problemsPage(w http.ResponseWriter, r *http.Request) error {
	all, err := d.problemsFor(r)
	if err != nil {
		return err
	}
	now, open := d.now(r), 0
	rows := make([]kit.Row, 0, len(all))
	for _, x := range all {
		if x.State != setup.ProblemAnswered {
			open++
		}
		s, word := problemState(x)
		rows = append(rows, kit.Row{Key: itoa(x.Number), Cells: []kit.Cell{
			kit.CLink("Problem "+itoa(x.Number), problemPath(x.Number)), kit.C(x.By.Account), kit.CMono(x.Page), kit.CState(s, word, word), kit.CMono(kit.Clock(x.MadeAt.In(d.zone()), now)),
		}})
	}
	p := kit.Page{
		Title: "Reported problems", Lead: "Nobody waits for an answer.", Tools: kit.Button(kit.Action{Text: "Report a problem", Href: "/problems/new", Primary: true}),
		Body: kit.Sheet(kit.SheetOpts{Title: "Reports", Sub: "the newest hundred", Body: kit.DataTable(kit.Table{
			Caption: "Reported problems, newest first", View: kit.View{Path: "/problems"}, Rows: rows, Total: len(rows), Empty: "Nothing was reported.",
			Columns: []kit.Column{{Name: "Report"}, {Name: "By"}, {Name: "Page"}, {Name: "State"}, {Name: "When"}},
		})}),
	}
	if open > 0 {
		p.Lead = things(open, "report waits for an answer.", "reports wait for an answer.")
	}
	if may(r, authz.ProblemsAnswer) {
		p.Nav, p.Crumbs = nav, []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Reported problems"}}
	}
	return web.Render(w, r, p)
}

func (d Deps) problemsFor(r *http.Request) ([]setup.Problem, error) {
	of := person(r).ID
	if may(r, authz.ProblemsAnswer) {
		of = event.ID{}
	} else if of == (event.ID{}) {
		return nil, nil // nobody's, and never everybody's
	}
	return d.Setup.Problems(r.Context(), of)
}

func (d Deps) drawProblem(w http.ResponseWriter, r *http.Request, answer, wrong string) error {
	x, err := d.problemAt(r)
	if err != nil {
		return err
	}
	now := d.now(r)
	at := func(t time.Time) string { return kit.Clock(t.In(d.zone()), now) }
	facts := []kit.KV{{Key: "Reported by", Value: x.By.Account}, {Key: "When", Value: at(x.MadeAt)}}
	if x.Page != "" {
		facts = append(facts, kit.KV{Key: "Page", Value: x.Page, Mono: true})
	}
	if x.Reference != "" {
		facts = append(facts, kit.KV{Key: "Reference in the log", Value: x.Reference, Mono: true})
	}
	if x.TakenBy != "" {
		facts = append(facts, kit.KV{Key: "Taken", Value: x.TakenBy + ", " + at(x.TakenAt)})
	}
	p := kit.Page{Title: "Problem " + itoa(x.Number), Lead: "This report waits for somebody.", Crumbs: []kit.Crumb{{Name: "Problems", Href: "/problems"}}}
	var next templ.Component
	switch x.State {
	case setup.ProblemAnswered:
		p.Lead = x.AnsweredBy + " has answered this report."
		next = kit.Sheet(kit.SheetOpts{Title: "The answer", Sub: x.AnsweredBy + ", " + at(x.AnsweredAt), Pad: true, Body: paragraphs(x.Answer)})
	case setup.ProblemTaken:
		p.Lead = x.TakenBy + " sees to this report."
	}
	if x.State != setup.ProblemAnswered && may(r, authz.ProblemsAnswer) {
		if x.State == setup.ProblemOpen {
			next = kit.Verdict(kit.Warn, "Nobody sees to it yet", "Who takes it tells the others that they need not.", &kit.Action{Text: "I take it", Href: problemPath(x.Number) + "/take", Post: true, Primary: true})
		}
		next = join(next, kit.Sheet(kit.SheetOpts{Title: "Answer it", Pad: true, Body: kit.Form(kit.FormOpts{
			Action: problemPath(x.Number) + "/answer", Submit: "Answer", Fields: []kit.Field{{
				Name: "answer", Label: "Your answer", Kind: kit.TextareaField, Rows: 4, Value: answer, Error: wrong, Max: setup.MaxProblem, Required: true, Spell: true,
				Hint: "Who reported it reads this. Name no patient.",
			}},
		})}))
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	p.Body = kit.Columns(join(kit.Sheet(kit.SheetOpts{Title: "What was reported", Pad: true, Body: paragraphs(x.Words)}), next),
		kit.Sheet(kit.SheetOpts{Title: "About it", Pad: true, Body: kit.KeyValues(facts)}))
	return web.Render(w, r, p)
}

// paragraphs draws what somebody wrote, a line a paragraph.
func paragraphs(text string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			if _, err := io.WriteString(w, "<p>"+templ.EscapeString(line)+"</p>"); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d Deps) takeProblem(w http.ResponseWriter, r *http.Request) error {
	x, err := d.problemAt(r)
	if err != nil {
		return err
	}
	if err := d.Setup.TakeProblem(r.Context(), x.Number, person(r)); err != nil {
		return err
	}
	web.Say(r, "today")
	return web.Done(w, r, problemPath(x.Number), "You see to it.")
}

func (d Deps) answerProblem(w http.ResponseWriter, r *http.Request) error {
	x, err := d.problemAt(r)
	if err != nil {
		return err
	}
	answer := r.PostFormValue("answer")
	err = d.Setup.AnswerProblem(r.Context(), x.Number, answer, person(r))
	if errors.Is(err, setup.ErrProblemAnswer) {
		return d.drawProblem(w, r, strings.TrimSpace(answer), "Write an answer, in at most 2,000 characters.")
	}
	if err != nil {
		return err
	}
	web.Say(r, "today")
	return web.Done(w, r, problemPath(x.Number), "Your answer is stored.")
}

// problemItems are reports without an answer. What they say is on their page.
func (d Deps) problemItems(ctx context.Context, _ *authz.Subject, now time.Time) ([]today.Item, error) {
	all, err := d.Setup.OpenProblems(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]today.Item, 0, len(all))
	for _, x := range all {
		it := today.Item{
			State: kit.Warn, Rank: today.RankLater, Since: x.MadeAt, Needs: authz.ProblemsAnswer, Title: x.By.Account + " reports a problem with Labwarden",
			Text: "Nobody sees to it yet.", Action: kit.Action{Text: "Read it", Href: problemPath(x.Number)},
		}
		if x.State == setup.ProblemTaken {
			it.Text = x.TakenBy + " sees to it; it has no answer yet."
		}
		out = append(out, it)
	}
	return out, nil
}
