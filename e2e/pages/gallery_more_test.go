package pages

import (
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func fields() []kit.Field {
	return []kit.Field{
		{Name: "name", Label: "Name of the partner", Hint: "As your staff call them.", Required: true, Value: "Riverside Family Practice"},
		{Name: "host", Label: "Their server", Hint: "A name or address, and a port after a colon.", Mono: true, Value: "hl7.riverside.example:2575"},
		{Name: "kind", Label: "How results travel", Kind: kit.SelectField, Value: "mllp", Options: []kit.Option{{Value: "mllp", Text: "HL7 over TLS"}, {Value: "fhir", Text: "FHIR R4 over HTTPS"}}},
		{Name: "trust", Label: "How we know that it is them", Kind: kit.RadioField, Value: "pin", Options: []kit.Option{{Value: "pin", Text: "Their certificate, pinned", Hint: "The strongest. They tell you when it changes."}, {Value: "ca", Text: "A certificate of a known authority"}}},
		{Name: "retry", Label: "Try again after (seconds)", Kind: kit.NumberField, Value: "30", Narrow: true, InputMode: "numeric"},
		{Name: "since", Label: "From", Kind: kit.DateField, Narrow: true, Value: "2026-11-21"},
		{Name: "notes", Label: "Notes", Kind: kit.TextareaField, Optional: true, Spell: true},
		{Name: "certificate", Label: "Their certificate", Kind: kit.FileField, Accept: ".pem,.crt"},
		{Name: "password", Label: "Password", Kind: kit.PasswordField, Autocomplete: "new-password", Hint: "15 characters or more. Spaces are welcome."},
		{Name: "test", Label: "Send a test message afterwards", Kind: kit.CheckboxField, Checked: true, Hint: "It names no patient."},
	}
}

func formPage(*http.Request) kit.Page {
	return kit.Page{
		Title: "Add a partner", Lead: "Who gets results?", Crumbs: []kit.Crumb{{Name: "Partners", Href: "/partners"}, {Name: "Add a partner"}}, Nav: "/partners",
		Notice: "The draft was kept.",
		Body:   kit.Sheet(kit.SheetOpts{Title: "The partner", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/forms", Fields: fields(), Submit: "Add the partner", Cancel: "/partners", Files: true})}),
	}
}

func wrongPage(*http.Request) kit.Page {
	fs := kit.WithErrors(fields(), map[string]string{"host": "There is no port. Write it after a colon, as in hl7.riverside.example:2575.", "trust": "Choose one.", "password": "15 characters at least; this one has 9."})
	return kit.Page{
		Title: "Add a partner", Lead: "Who gets results?", Crumbs: []kit.Crumb{{Name: "Partners", Href: "/partners"}, {Name: "Add a partner"}}, Nav: "/partners", Status: http.StatusUnprocessableEntity,
		Body: kit.Sheet(kit.SheetOpts{Title: "The partner", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/forms", Fields: fs, Submit: "Add the partner", Cancel: "/partners"})}),
	}
}

func confirmPage(*http.Request) kit.Page {
	return kit.Page{
		Title: "Send again", Lead: "Send this result again?", Crumbs: []kit.Crumb{{Name: "Results", Href: "/results"}, {Name: "26-118204", Href: "/results/one"}, {Name: "Send again"}}, Nav: "/results",
		Body: kit.Confirm(kit.ConfirmOpts{
			Title: "Riverside gets it a second time", Text: "Their system may show it twice. Nothing is deleted, and both deliveries stay in the record.",
			Facts:  []kit.KV{{Key: "Order", Value: "26-118204", Mono: true}, {Key: "Partner", Value: "Riverside Family Practice"}},
			Action: "/forms/confirm", Button: "Send it again", Cancel: "/results/one", Reason: true, Type: "26-118204", Bad: true,
		}),
	}
}

func partsPage(*http.Request) kit.Page {
	return kit.Page{
		Title: "Parts", Lead: "A draft waits for a second person.", Rest: "Nothing has changed yet.", Eyebrow: "Configuration", Nav: "/settings",
		Body: kit.Columns(all(
			kit.Sheet(kit.SheetOpts{Title: "What would change", Sub: "3 lines", Body: kit.Diff("Changes", []kit.DiffLine{{Op: ' ', Text: "partners:"}, {Op: ' ', Text: "  - name: Riverside Family Practice"}, {Op: '-', Text: "    address: hl7.riverside.example:2575"}, {Op: '+', Text: "    address: hl7-new.riverside.example:2575"}, {Op: '+', Text: "    retry: 30s"}})}),
			kit.Sheet(kit.SheetOpts{Title: "Details", Body: kit.KeyValues([]kit.KV{{Key: "Asked by", Value: "M. Okafor, 07:20"}, {Key: "Fingerprint", Value: "3f9a41c77f21be0d55c04aa17a6e02d93f9a41c77f21be0d55c04aa17a6ed20b", Mono: true}, {Key: "State", Body: kit.Tag(kit.Warn, "waiting")}})}),
			kit.Sheet(kit.SheetOpts{Title: "Last restore", Body: kit.UnknownState("No restore was ever tried here, so nobody knows whether one would work.")}),
		), all(
			kit.Sheet(kit.SheetOpts{Title: "Break-glass", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/parts", Submit: "Ask for it", Fields: []kit.Field{kit.ReasonField("", "")}})}),
			kit.Sheet(kit.SheetOpts{Title: "Icons", Pad: true, Body: kit.Buttons(kit.Action{Text: "New token", Href: "/parts", Icon: "token"}, kit.Action{Text: "End", Href: "/parts", Post: true, Icon: "out"})}),
		)),
	}
}

func signInPage(*http.Request) kit.Page {
	return kit.Page{
		Title: "Sign in", Bare: true, Lead: "Sign in.", Eyebrow: "Every sign-in is recorded.",
		Body: kit.Sheet(kit.SheetOpts{Title: "With a password", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/sign-in", Submit: "Go on", Fields: []kit.Field{
			{Name: "user", Label: "Name", Autocomplete: "username", Required: true}, {Name: "password", Label: "Password", Kind: kit.PasswordField, Autocomplete: "current-password", Required: true},
		}})}),
	}
}

func sheetPage(*http.Request) kit.Page {
	return kit.Page{
		Title: "Delegations", Bare: true, Lead: "Who may do what for the director", Tools: kit.PrintButton("Print"),
		Body: kit.PrintSheet(
			[]kit.KV{{Key: "Laboratory", Value: "Millbrook Laboratory"}, {Key: "Printed", Value: "21 Nov 2026, 07:40:12 UTC"}, {Key: "Record", Value: "481,992"}},
			kit.Sheet(kit.SheetOpts{Title: "Delegations", Body: kit.DataTable(kit.Table{Caption: "Delegations", Columns: []kit.Column{{Name: "Who"}, {Name: "May"}, {Name: "From"}}, Rows: []kit.Row{
				{Cells: []kit.Cell{kit.C("M. Okafor"), kit.C("hold and release results"), kit.C("1 Nov 2026")}}, {Cells: []kit.Cell{kit.C("L. Hahn"), kit.C("sign off the access review"), kit.C("1 Nov 2026")}},
			}})}),
			"Laboratory director, date",
		),
	}
}

func wizardPage(*http.Request) kit.Page {
	return kit.Page{
		Title: "Set up", Bare: true, Lead: "Write these five words down.", Rest: "They are shown once.",
		Body: all(
			kit.Stages([]kit.Stage{{Name: "Laboratory", Href: "/wizard", Done: true}, {Name: "Keys", Current: true}, {Name: "Administrator"}, {Name: "First partner"}}),
			kit.Sheet(kit.SheetOpts{Title: "Recovery share 1 of 3", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/wizard", Submit: "I have written them down", Fields: []kit.Field{{Name: "word", Label: "The third word", Narrow: true}}})}),
		),
	}
}

func emptyPage(r *http.Request) kit.Page {
	return kit.Page{
		Title: "Quarantine", Lead: "Nothing is in quarantine.", Rest: "Checked at 07:39.", Eyebrow: "Saturday 21 November", Nav: "/quarantine",
		Body: kit.Sheet(kit.SheetOpts{Title: "Quarantine", Body: kit.DataTable(kit.Table{Caption: "Quarantine", View: kit.ReadView(r.URL, 20), Empty: "A message that cannot be sent as it is waits here, with its cause.", Act: &kit.Action{Text: "What gets here", Href: "/parts"}})}),
	}
}

// livePage says how often it was drawn.
func livePage(drawn *atomic.Int64) kit.Page {
	n := strconv.FormatInt(drawn.Add(1), 10)
	return kit.Page{
		Title: "Live", Lead: "Drawn " + n + " times.", Eyebrow: "Saturday 21 November", Nav: "/alarms", Live: []string{"live"},
		Notice: liveNotice(n),
		Body: all(
			liveTodo(n),
			kit.Sheet(kit.SheetOpts{Title: "A form", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/live-page", Submit: "Keep", Fields: []kit.Field{{Name: "a", Label: "Typed here", Value: "drawn " + n}, {Name: "b", Label: "Focus here", Value: "drawn " + n}}})}),
			kit.Sheet(kit.SheetOpts{Title: "Rows", Body: kit.DataTable(kit.Table{Caption: "Rows", Columns: []kit.Column{{Name: "Key"}, {Name: "Value"}}, Rows: liveRows(n)})}),
		),
	}
}

func liveRows(n string) []kit.Row {
	var rows []kit.Row
	for _, k := range []string{n, "first", "second"} {
		rows = append(rows, kit.Row{Key: "row-" + k, Cells: []kit.Cell{kit.CLink(k, "/live-page"), kit.C("drawn " + n)}})
	}
	return rows
}

// liveNotice is said once only.
func liveNotice(n string) string {
	if n == "1" {
		return "Said once."
	}
	return ""
}

// liveTodo grows at its top, and stands there from the second time on.
func liveTodo(n string) templ.Component {
	items := []kit.TodoItem{{State: kit.Warn, Title: "The oldest", Text: "Drawn " + n, Action: &kit.Action{Text: "Look", Href: "/parts"}}}
	if n == "1" {
		return kit.Sheet(kit.SheetOpts{Title: "To do", Body: kit.Todo(items)})
	}
	items = append([]kit.TodoItem{{State: kit.Stopped, Title: "More urgent", Text: "New", Action: &kit.Action{Text: "Look", Href: "/results"}}}, items...)
	return all(kit.Sheet(kit.SheetOpts{Title: "New sheet", Body: kit.UnknownState("It was not there before.")}), kit.Sheet(kit.SheetOpts{Title: "To do", Body: kit.Todo(items)}))
}
