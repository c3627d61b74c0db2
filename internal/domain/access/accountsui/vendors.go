package accountsui

import (
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func vendorRoutes(d Deps) []web.Route {
	return []web.Route{
		{Pattern: "GET /vendors", Needs: authz.VendorsSee, Handle: d.vendors},
		{Pattern: "GET /vendors/new", Needs: authz.VendorsChange, Handle: d.newVendor},
		{Pattern: "POST /vendors/new", Needs: authz.VendorsChange, Handle: d.addVendor},
		{Pattern: "GET /vendors/file", Needs: authz.VendorsChange, Handle: d.askVendorFile},
		{Pattern: "POST /vendors/file", Needs: authz.VendorsChange, Handle: d.vendorFile, MaxBody: 512 << 10},
		{Pattern: "GET /vendors/{id}", Needs: authz.VendorsSee, Handle: d.vendor},
		{Pattern: "GET /vendors/{id}/change", Needs: authz.VendorsChange, Handle: d.askChangeVendor},
		{Pattern: "POST /vendors/{id}/change", Needs: authz.VendorsChange, Handle: d.changeVendor},
		{Pattern: "GET /vendors/{id}/end", Needs: authz.VendorsChange, Handle: d.askEndVendor},
		{Pattern: "POST /vendors/{id}/end", Needs: authz.VendorsChange, Handle: d.endVendor},
	}
}

// agreement is how an entry of the register stands.
func agreement(v *accounts.Vendor, now time.Time) (kit.State, string) {
	left, dated := v.DaysLeft(now)
	switch missing := v.Missing(); {
	case !v.Ended.IsZero():
		return kit.Unknown, "Ended on " + kit.Date(v.Ended, now)
	case v.Associate == accounts.Yes && v.Agreed.IsZero():
		return kit.Stopped, "No agreement"
	case dated && left < 0:
		return kit.Stopped, "Agreement ended on " + kit.Date(v.Ends, now)
	case dated && left <= 30:
		return kit.Warn, "Ends on " + kit.Date(v.Ends, now)
	case len(missing) > 0:
		return kit.Unknown, "Not all is known"
	case v.Associate == accounts.No:
		return kit.Fine, "No agreement needed"
	case dated:
		return kit.Fine, "Agreement until " + kit.Date(v.Ends, now)
	}
	return kit.Fine, "Agreement without an end"
}

func (d Deps) vendors(w http.ResponseWriter, r *http.Request) error {
	view := kit.ReadView(r.URL, 100, "name")
	all, err := d.Accounts.Vendors(r.Context(), view.Get("ended") == "yes")
	if err != nil {
		return err
	}
	if kit.WantsCSV(r.URL) {
		kit.CSVHead(w.Header(), "vendors")
		_ = accounts.WriteVendors(w, all) // the reader may have gone
		return nil
	}
	now, bad, unknown := d.clock(r), 0, 0
	t := kit.Table{
		Caption: "Business associates and vendors", View: view, Total: len(all), CSV: true, Empty: "Nobody is in the register yet.",
		Filters: []kit.Field{{Name: "ended", Label: "Ended", Kind: kit.SelectField, Value: view.Get("ended"), Options: []kit.Option{{Text: "Left out"}, {Value: "yes", Text: "Shown"}}}},
		Columns: []kit.Column{{Name: "Name"}, {Name: "Agreement"}, {Name: "Patient data"}, {Name: "Channels", Wide: true}},
	}
	for i := range all {
		v := &all[i]
		s, word := agreement(v, now)
		switch s {
		case kit.Stopped, kit.Warn:
			bad++
		case kit.Unknown:
			if v.Ended.IsZero() {
				unknown++
			}
		}
		if i < view.Offset() || i >= view.Offset()+view.Size {
			continue
		}
		t.Rows = append(t.Rows, kit.Row{Key: v.ID.String(), At: s == kit.Stopped, Cells: []kit.Cell{
			{Text: v.Name, Sub: v.Purpose, Href: "/vendors/" + v.ID.String()}, kit.CState(s, "", word), kit.C(v.PHI.String()), kit.C(d.channels(v.Channels)),
		}})
	}
	lead, rest := "Every agreement in the register is in order.", "By the dates entered; 45 CFR 164.308(b) and 164.504(e) ask for them."
	switch {
	case len(all) == 0:
		lead, rest = "The register of vendors is empty.", "Begin with who services analyzers and who hosts the LIS."
	case bad > 0:
		lead, rest = kit.Many(bad, "agreement needs somebody.", "agreements need somebody."), ""
	case unknown > 0:
		lead, rest = kit.Many(unknown, "entry is not complete.", "entries are not complete."), "What is missing is not known, not fine."
	}
	tools := []templ.Component{}
	if !web.Scope(r, authz.VendorsChange).Empty() {
		tools = append(tools, kit.Button(kit.Action{Text: "Add", Href: "/vendors/new", Icon: "add"}), kit.Button(kit.Action{Text: "Take from a file", Href: "/vendors/file", Icon: "upload"}))
	}
	return web.Render(w, r, kit.Page{
		Title: "Vendors", Lead: lead, Rest: rest, Nav: navOf(r), Tools: templ.Join(tools...), Live: []string{"vendors"},
		Body: templ.Join(accountTabs(r, "vendors", 0), kit.Sheet(kit.SheetOpts{Title: "Business associates and vendors", Body: kit.DataTable(t)})),
	})
}

func (d Deps) channels(keys []string) string {
	if len(keys) == 0 {
		return "none"
	}
	names := map[string]string{}
	if d.Partners != nil {
		for _, p := range d.Partners() {
			names[p[0]] = p[1]
		}
	}
	out := make([]string, len(keys))
	for i, k := range keys {
		if out[i] = names[k]; out[i] == "" {
			out[i] = k
		}
	}
	return strings.Join(out, ", ")
}

func (d Deps) vendor(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	v, err := d.Accounts.Vendor(r.Context(), id)
	if err != nil {
		return err
	}
	names, err := d.names(r.Context())
	if err != nil {
		return err
	}
	theirs, err := d.Accounts.OfVendor(r.Context(), id)
	if err != nil {
		return err
	}
	now := d.clock(r)
	state, word := agreement(&v, now)
	var missing []kit.Check
	for _, m := range v.Missing() {
		missing = append(missing, kit.Check{State: kit.Unknown, Title: m})
	}
	if len(missing) == 0 && v.Ended.IsZero() {
		missing = []kit.Check{{State: kit.Fine, Title: "Nothing is missing", Text: "In the register. Whether the agreement says what it must, a person reads."}}
	}
	ends := "no end"
	if !v.Ends.IsZero() {
		ends = kit.Date(v.Ends, now)
	}
	agreed := "not on record"
	if !v.Agreed.IsZero() {
		agreed = kit.Date(v.Agreed, now)
	}
	facts := kit.KeyValues([]kit.KV{
		{Key: "What for", Value: v.Purpose},
		{Key: "Business associate", Value: v.Associate.String()},
		{Key: "Patient data reaches them", Value: v.PHI.String()},
		{Key: "Agreement", Value: orNot(v.Agreement)},
		{Key: "Agreed", Value: agreed},
		{Key: "Ends", Value: ends},
		{Key: "Channels", Value: d.channels(v.Channels)},
		{Key: "Contact", Value: orNot(strings.Join(strings.Fields(v.Contact+" "+v.Mail+" "+v.Phone), " "))},
		{Key: "Is reminded", Value: named(names, v.Owner)},
	})
	t := kit.Table{Caption: "Their accounts", View: kit.View{Path: r.URL.Path, Page: 1, Size: len(theirs) + 1}, Total: len(theirs), Empty: "No account of another system is marked as theirs.", Columns: []kit.Column{{Name: "Account"}, {Name: "System"}, {Name: "Enabled"}}}
	for i := range theirs {
		a := &theirs[i]
		t.Rows = append(t.Rows, kit.Row{Cells: []kit.Cell{{Text: a.Entry.Account, Href: "/accounts/of/" + a.ID.String(), Mono: true}, kit.C(a.System), kit.C(a.Enabled.String())}})
	}
	var acts []kit.Action
	if v.Ended.IsZero() && !web.Scope(r, authz.VendorsChange).Empty() {
		acts = []kit.Action{{Text: "Change", Href: "/vendors/" + id.String() + "/change"}, {Text: "End", Href: "/vendors/" + id.String() + "/end"}}
	}
	return web.Render(w, r, kit.Page{
		Title: v.Name, Lead: v.Name + ": " + lowerFirst(word) + ".", Nav: navOf(r), Crumbs: []kit.Crumb{{Name: "Vendors", Href: "/vendors"}},
		Body: templ.Join(kit.Verdict(state, word+".", law(&v), nil), kit.Columns(
			templ.Join(kit.Sheet(kit.SheetOpts{Title: "The register", Pad: true, Body: templ.Join(facts, kit.Buttons(acts...))}), kit.Sheet(kit.SheetOpts{Title: "Their accounts", Body: kit.DataTable(t)})),
			kit.Sheet(kit.SheetOpts{Title: "What is missing", Body: kit.Checks(missing)}),
		)),
	})
}

// law says what asks for the agreement; it is law, not our policy.
func law(v *accounts.Vendor) string {
	if v.Associate == accounts.No {
		return "They are entered as no business associate."
	}
	return "Law: 45 CFR 164.308(b) and 164.504(e) ask for a written agreement with a business associate. [check: the text was not read for this page]"
}

func lowerFirst(v string) string {
	if v == "" {
		return v
	}
	return strings.ToLower(v[:1]) + v[1:]
}

func (d Deps) askEndVendor(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	v, err := d.Accounts.Vendor(r.Context(), id)
	if err != nil {
		return err
	}
	at := "/vendors/" + id.String()
	return web.Render(w, r, kit.Page{
		Title: "End " + v.Name, Lead: "Does " + v.Name + " no longer work for the laboratory?", Nav: navOf(r), Crumbs: []kit.Crumb{{Name: "Vendors", Href: "/vendors"}, {Name: v.Name, Href: at}},
		Body: kit.Confirm(kit.ConfirmOpts{Title: "End it in the register", Text: "The entry stays and can be read. Channels and accounts are not switched off by this.", Action: at + "/end", Button: "Yes, end it", Cancel: at, Bad: true}),
	})
}

func (d Deps) endVendor(w http.ResponseWriter, r *http.Request) error {
	if !confirmed(r) {
		return d.askEndVendor(w, r)
	}
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := d.Accounts.EndVendor(r.Context(), id, by(r)); err != nil {
		return err
	}
	web.Say(r, "vendors", "today")
	return web.Done(w, r, "/vendors", "The vendor was ended in the register.")
}
