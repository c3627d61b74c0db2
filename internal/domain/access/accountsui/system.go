package accountsui

import (
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// system is one system: what was found, its accounts, its lists.
func (d Deps) system(w http.ResponseWriter, r *http.Request) error {
	x, err := d.Accounts.System(r.Context(), r.PathValue("key"))
	if err != nil {
		return err
	}
	open, err := d.Accounts.Findings(r.Context(), x.Key, false)
	if err != nil {
		return err
	}
	all, err := d.Accounts.Accounts(r.Context(), x.Key)
	if err != nil {
		return err
	}
	lists, err := d.Accounts.Imports(r.Context(), x.Key, 12)
	if err != nil {
		return err
	}
	names, err := d.names(r.Context())
	if err != nil {
		return err
	}
	l, now := look(x, open, d.clock(r)), d.clock(r)
	at := "/accounts/systems/" + x.Key
	if kit.WantsCSV(r.URL) {
		return accountsCSV(w, &x, all, names)
	}
	var acts []kit.Action
	if x.Ended.IsZero() && d.canImport(r, kit.Action{}) != nil {
		acts = []kit.Action{{Text: "Take a new list", Href: at + "/list", Primary: l.state == kit.Unknown, Icon: "upload"}, {Text: "Change", Href: at + "/change"}, {Text: "End", Href: at + "/end"}}
	}
	facts := kit.KeyValues([]kit.KV{
		{Key: "What it is", Value: kindName(x.Kind)},
		{Key: "Answers for it", Value: named(names, x.Owner)},
		{Key: "Second factor", Value: known(all, func(a *accounts.Account) accounts.Tri { return a.MFA })},
		{Key: "Privileged", Value: known(all, func(a *accounts.Account) accounts.Tri { return a.Privileged })},
	})
	lead, rest := l.sentence(now)
	return web.Render(w, r, kit.Page{
		Title: x.Name, Lead: lead, Rest: rest, Nav: navOf(r), Crumbs: []kit.Crumb{{Name: "Other systems' accounts", Href: "/accounts"}}, Live: []string{"accounts"},
		Body: kit.Columns(
			templ.Join(d.findingSheet(r, open, all, names), d.accountSheet(r, &x, all, names)),
			templ.Join(kit.Sheet(kit.SheetOpts{Title: "The system", Pad: true, Body: templ.Join(facts, kit.Buttons(acts...))}), listSheet(lists, d.canImport(r, kit.Action{}) != nil, now)),
		),
	})
}

func (l *looked) sentence(now time.Time) (lead, rest string) {
	switch {
	case !l.Ended.IsZero():
		return l.Name + " has ended.", "Its accounts are kept as they were."
	case l.AsOf.IsZero():
		return "Nothing is known about the accounts of " + l.Name + ".", "No list was taken yet."
	case l.Stale(now):
		return l.Name + " was not looked at since " + kit.Date(l.AsOf, now) + ".", "What is below was true then."
	case len(l.open) > 0:
		return kit.Many(len(l.open), "finding", "findings") + " in " + l.Name + ".", "By the list of " + kit.Date(l.AsOf, now) + "."
	}
	return "Nothing was found in " + l.Name + ".", "By the list of " + kit.Date(l.AsOf, now) + "."
}

// known says of how many accounts something is known at all.
func known(all []accounts.Account, of func(*accounts.Account) accounts.Tri) string {
	yes, no, unknown := 0, 0, 0
	for i := range all {
		if !all[i].Gone.IsZero() {
			continue
		}
		switch of(&all[i]) {
		case accounts.Yes:
			yes++
		case accounts.No:
			no++
		default:
			unknown++
		}
	}
	switch {
	case yes+no+unknown == 0:
		return "not known"
	case yes+no == 0:
		return "not known: the list does not say"
	case unknown == 0:
		return kit.Strong(kit.Count(yes)) + " of " + kit.Count(yes+no)
	}
	return kit.Strong(kit.Count(yes)) + " of " + kit.Count(yes+no) + ", " + kit.Count(unknown) + " not known"
}

func listSheet(lists []accounts.Import, opens bool, now time.Time) templ.Component {
	var items []kit.LedgerItem
	for i := range lists {
		l := &lists[i]
		it := kit.LedgerItem{Name: "List of " + kit.Date(l.AsOf, now), Value: kit.Many(int(l.Listed), "account", "accounts")}
		switch l.State {
		case accounts.Taken:
			it.State, it.Word = kit.Fine, "Taken"
			it.Text = "Taken by " + l.EndedBy + ": " + kit.Many(int(l.Added), "new", "new") + ", " + kit.Many(int(l.Changed), "changed", "changed") + ", " + kit.Many(int(l.Gone), "gone", "gone") + "."
		case accounts.Discarded:
			it.State, it.Word, it.Text = kit.Unknown, "Put aside", "Offered by "+l.By+", not taken."
		case accounts.Taking:
			it.State, it.Word, it.Text = kit.Warn, "Being taken", "It goes on by itself."
		default:
			it.State, it.Word, it.Text, it.Href = kit.Warn, "Waits", "Offered by "+l.By+" at "+kit.Clock(l.At, now)+".", ""
			if opens {
				it.Href = "/accounts/lists/" + l.ID.String()
			}
		}
		items = append(items, it)
	}
	if len(items) == 0 {
		return kit.Sheet(kit.SheetOpts{Title: "Lists", Body: kit.Empty("No list was offered yet.", nil)})
	}
	return kit.Sheet(kit.SheetOpts{Title: "Lists", Sub: "newest first", Body: kit.Ledger(items)})
}

func (d Deps) accountSheet(r *http.Request, x *accounts.System, all []accounts.Account, names map[string]string) templ.Component {
	view := kit.ReadView(r.URL, 50, "name")
	var rows []kit.Row
	total := 0
	for i := range all {
		a := &all[i]
		if k := view.Get("kind"); k != "" && a.Kind.String() != k || view.Get("gone") != "yes" && !a.Gone.IsZero() {
			continue
		}
		if total++; total <= view.Offset() || len(rows) >= view.Size {
			continue
		}
		rows = append(rows, accountRow(a, names, d.clock(r)))
	}
	kinds := []kit.Option{{Text: "Everybody's"}}
	for k := accounts.Nobodys; k <= accounts.Vendors; k++ {
		kinds = append(kinds, kit.Option{Value: k.String(), Text: sentenceWord(k.String())})
	}
	return kit.Sheet(kit.SheetOpts{Title: "Accounts", Body: kit.DataTable(kit.Table{
		Caption: "Accounts of " + x.Name, View: view, Total: total, Rows: rows, CSV: true, Empty: "No account is like this.",
		Filters: []kit.Field{
			{Name: "kind", Label: "Whose", Kind: kit.SelectField, Value: view.Get("kind"), Options: kinds},
			{Name: "gone", Label: "Gone", Kind: kit.SelectField, Value: view.Get("gone"), Options: []kit.Option{{Text: "Left out"}, {Value: "yes", Text: "Shown"}}},
		},
		Columns: []kit.Column{{Name: "Account"}, {Name: "Whose"}, {Name: "Enabled"}, {Name: "Second factor", Wide: true}, {Name: "Last used"}},
	})})
}

func sentenceWord(v string) string { s := sentence(v); return s[:len(s)-1] }

func accountRow(a *accounts.Account, names map[string]string, now time.Time) kit.Row {
	sub := a.Name
	if a.Privileged == accounts.Yes {
		sub += " · privileged"
	}
	enabled := kit.C(a.Enabled.String())
	if !a.Gone.IsZero() {
		enabled = kit.C("gone since " + kit.Date(a.Gone, now))
	}
	return kit.Row{Key: a.ID.String(), Cells: []kit.Cell{
		{Text: a.Entry.Account, Sub: sub, Href: "/accounts/of/" + a.ID.String(), Mono: true},
		kit.CState(whoseState(a), "", whose(a, names)), enabled, kit.C(a.MFA.String()), kit.C(lastUsed(a, now)),
	}}
}

func whoseState(a *accounts.Account) kit.State {
	if a.Kind == accounts.Nobodys {
		return kit.Unknown
	}
	if (a.Kind == accounts.Shared || a.Kind == accounts.Programs) && a.Owner == "" {
		return kit.Warn
	}
	return kit.Fine
}

func whose(a *accounts.Account, names map[string]string) string {
	switch a.Kind {
	case accounts.Persons:
		if n := names["person:"+a.Person]; n != "" {
			return n
		}
		return "somebody who is no longer listed"
	case accounts.Shared, accounts.Programs:
		return sentenceWord(a.Kind.String()) + ", answered for by " + named(names, a.Owner)
	case accounts.Vendors:
		return "A vendor's"
	}
	return "Not matched"
}

func lastUsed(a *accounts.Account, now time.Time) string {
	switch {
	case a.Never:
		return "never"
	case a.LastUsed.IsZero():
		return "not known"
	}
	return kit.Date(a.LastUsed, now)
}

func accountsCSV(w http.ResponseWriter, x *accounts.System, all []accounts.Account, names map[string]string) error {
	kit.CSVHead(w.Header(), "accounts-"+x.Key)
	c, err := kit.NewCSV(w, "system", "account", "name", "mail", "whose", "enabled", "second factor", "privileged", "last used", "gone", "list of")
	if err != nil {
		return nil //nolint:nilerr // the reader has gone
	}
	for i := range all {
		a := &all[i]
		last := dayValue(a.LastUsed)
		if a.Never {
			last = "never"
		} else if last == "" {
			last = "not known"
		}
		if c.Row(x.Key, a.Entry.Account, a.Name, a.Mail, whose(a, names), a.Enabled.String(), a.MFA.String(), a.Privileged.String(), last, dayValue(a.Gone), dayValue(x.AsOf)) != nil {
			return nil
		}
	}
	_ = c.Close()
	return nil
}

// accountNames is how the accounts of findings read.
func accountNames(all []accounts.Account) map[event.ID]string {
	out := make(map[event.ID]string, len(all))
	for i := range all {
		out[all[i].ID] = all[i].Entry.Account
	}
	return out
}
