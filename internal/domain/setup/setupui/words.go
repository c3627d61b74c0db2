package setupui

import (
	"fmt"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// draftState is how a draft stands, in a word.
func draftState(l *setup.Look) (kit.State, string) {
	switch {
	case l.State == setup.DraftApplied:
		return kit.Fine, fmt.Sprintf("Applied as revision %d", l.Revision)
	case l.State == setup.DraftDiscarded:
		return kit.Unknown, "Discarded"
	case len(l.Problems.Errors()) > 0:
		return kit.Stopped, things(len(l.Problems.Errors()), "error", "errors")
	case l.Moved:
		return kit.Warn, "To be brought up to date"
	case len(l.Changes) == 0:
		return kit.Unknown, "Changes nothing"
	case l.Asked() && !l.Directed():
		return kit.Warn, "Waits for the director"
	case l.Asked():
		return kit.Warn, "Waits for a second person"
	}
	return kit.Unknown, "Being written"
}

// draftLead is the sentence over a draft, and its quieter end.
func draftLead(l *setup.Look) (lead, rest string) {
	n := len(l.Changes)
	switch {
	case l.State == setup.DraftApplied:
		return fmt.Sprintf("This draft was applied as revision %d.", l.Revision), "By " + l.EndedBy + "."
	case l.State == setup.DraftDiscarded:
		return "This draft was discarded.", "By " + l.EndedBy + "."
	case len(l.Problems.Errors()) > 0:
		return "This draft has " + things(len(l.Problems.Errors()), "error.", "errors."), "Nothing of it can be applied."
	case l.Moved:
		return fmt.Sprintf("Revision %d was applied since this draft was begun.", l.Current.Number), "Bring it up to date first: nobody's change is undone in passing."
	case n == 0:
		return "This draft changes nothing yet.", ""
	case l.Asked() && !l.Directed():
		return "This draft waits for the laboratory director.", things(n, "thing becomes different.", "things become different.")
	case l.Asked() && l.Apply.State == approval.Approved:
		return "This draft is approved and not in force yet.", "The last try to apply it did not go through."
	case l.Asked():
		return "This draft waits for a second person.", things(n, "thing becomes different.", "things become different.")
	}
	return "This draft changes " + things(n, "thing.", "things."), "Nobody is asked to apply it yet."
}

func names(ps []approval.Person) string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Account)
	}
	return strings.Join(out, ", ")
}

// changeSheet says in sentences what becomes different.
func changeSheet(title string, changes []config.Change) templ.Component {
	if len(changes) == 0 {
		return kit.Sheet(kit.SheetOpts{Title: title, Body: kit.Empty("Nothing: both mean the same.", nil)})
	}
	var items []kit.Check
	for _, c := range changes {
		items = append(items, kit.Check{State: kit.Unknown, Word: changeWord(c.Kind), Title: sentence(c.Words)})
	}
	return kit.Sheet(kit.SheetOpts{Title: title, Sub: things(len(changes), "change", "changes"), Body: kit.Checks(items)})
}

func changeWord(kind string) string {
	switch kind {
	case "added":
		return "Added"
	case "removed":
		return "Removed"
	}
	return "Changed"
}

// textSheet is the same by lines.
func textSheet(old, new string) templ.Component { return hunkSheet(setup.TextDiff(old, new)) }

func hunkSheet(hunks []setup.Hunk) templ.Component {
	if len(hunks) == 0 {
		return nil
	}
	var lines []kit.DiffLine
	for i, h := range hunks {
		if i > 0 {
			lines = append(lines, kit.DiffLine{Op: ' ', Text: "     ⋮"})
		}
		for _, l := range h.Lines {
			n := l.New
			if l.Kind == '-' {
				n = l.Old
			}
			lines = append(lines, kit.DiffLine{Op: l.Kind, Text: fmt.Sprintf("%4d  %s", n, l.Text)})
		}
	}
	return kit.Sheet(kit.SheetOpts{Title: "In the text", Sub: "comments included", Body: kit.Diff("What changes in the text", lines)})
}

// problemSheet lists what is wrong with a text, with a link to its line.
func problemSheet(ps config.Problems, edit string) templ.Component {
	if len(ps) == 0 {
		return nil
	}
	var items []kit.Check
	for _, p := range ps {
		s, word := kit.Stopped, "Error"
		if p.Severity == config.Warning {
			s, word = kit.Warn, "Warning"
		}
		title := fmt.Sprintf("Line %d: %s", p.Line, p.Message)
		if p.Path != "" {
			title = fmt.Sprintf("Line %d, %s: %s", p.Line, kit.Mono(p.Path), p.Message)
		}
		items = append(items, kit.Check{State: s, Word: word, Title: title, Text: sentence(p.Fix)})
	}
	o := kit.SheetOpts{Title: "What is wrong with it", Body: kit.Checks(items), ID: "problems"}
	if len(ps.Errors()) == 0 {
		o.Title = "What to know about it"
	}
	if edit != "" {
		o.More = &kit.Action{Text: "Mend it", Href: edit}
	}
	return kit.Sheet(o)
}
