package accountsui

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func triOptions() []kit.Option {
	return []kit.Option{{Value: accounts.NotKnown.String(), Text: "Not known"}, {Value: accounts.Yes.String(), Text: "Yes"}, {Value: accounts.No.String(), Text: "No"}}
}

func (d Deps) vendorFields(v *accounts.Vendor) []kit.Field {
	channels := kit.Field{Name: "channels", Label: "Channels of these partners", Optional: true, Hint: "Tunnels and ways in that they use."}
	if d.Partners == nil {
		channels.Value, channels.Mono = strings.Join(v.Channels, " "), true
		channels.Hint += " Keys of partners in the configuration, apart by blanks."
	} else {
		channels.Kind, channels.Values = kit.ChecksField, v.Channels
		for _, p := range d.Partners() {
			channels.Options = append(channels.Options, kit.Option{Value: p[0], Text: p[1]})
		}
		for _, key := range v.Channels { // no longer in the configuration: shown, to be taken away
			if !slices.ContainsFunc(channels.Options, func(o kit.Option) bool { return o.Value == key }) {
				channels.Options = append(channels.Options, kit.Option{Value: key, Text: key + " (not in the configuration)"})
			}
		}
		if len(channels.Options) == 0 {
			channels.Hint = "No partner is configured."
		}
	}
	return []kit.Field{
		{Name: "name", Label: "Name", Value: v.Name, Max: 200, Required: true},
		{Name: "purpose", Label: "What they do for the laboratory", Value: v.Purpose, Max: 500, Required: true, Spell: true},
		{Name: "associate", Label: "Business associate", Kind: kit.SelectField, Value: v.Associate.String(), Options: triOptions()},
		{Name: "phi", Label: "Patient data reaches them", Kind: kit.SelectField, Value: v.PHI.String(), Options: triOptions()},
		{Name: "agreement", Label: "Where the agreement lies", Value: v.Agreement, Max: 500, Optional: true},
		{Name: "agreed", Label: "Agreed on", Kind: kit.DateField, Value: dayValue(v.Agreed), Narrow: true, Optional: true},
		{Name: "ends", Label: "Ends on", Kind: kit.DateField, Value: dayValue(v.Ends), Narrow: true, Optional: true, Hint: "Reminders come 30, 14, 7 and 1 days before. Nothing is switched off by the date."},
		channels,
		{Name: "contact", Label: "Contact", Value: v.Contact, Max: 200, Optional: true},
		{Name: "mail", Label: "Mail", Kind: kit.EmailField, Value: v.Mail, Max: 254, Optional: true},
		{Name: "phone", Label: "Telephone", Value: v.Phone, Max: 60, Optional: true},
		{Name: "owner", Label: "Who is reminded", Value: v.Owner, Max: 120, Required: true, Hint: "An account here."},
	}
}

func readVendor(r *http.Request) (accounts.Vendor, error) {
	v := accounts.Vendor{
		Name: r.FormValue("name"), Purpose: r.FormValue("purpose"), Agreement: strings.TrimSpace(r.FormValue("agreement")), Contact: strings.TrimSpace(r.FormValue("contact")),
		Mail: strings.TrimSpace(r.FormValue("mail")), Phone: strings.TrimSpace(r.FormValue("phone")), Owner: r.FormValue("owner"),
	}
	_ = r.FormValue("channels") // reads the form
	v.Channels = strings.Fields(strings.ReplaceAll(strings.Join(r.Form["channels"], " "), ",", " "))
	for name, to := range map[string]*accounts.Tri{"associate": &v.Associate, "phi": &v.PHI} {
		if err := to.UnmarshalText([]byte(r.FormValue(name))); err != nil {
			return v, &accounts.FieldError{Field: name, Message: "Choose yes, no or not known."}
		}
	}
	var err error
	if v.Agreed, err = dayOf(r, "agreed"); err != nil {
		return v, err
	}
	v.Ends, err = dayOf(r, "ends")
	return v, err
}

func (d Deps) vendorPage(r *http.Request, title, action, cancel string, v *accounts.Vendor, beside map[string]string, whole string) kit.Page {
	status := 0
	if len(beside) > 0 || whole != "" {
		status = http.StatusUnprocessableEntity
	}
	return kit.Page{
		Title: title, Lead: title + ".", Nav: navOf(r), Status: status, Crumbs: []kit.Crumb{{Name: "Vendors", Href: "/vendors"}},
		Body: kit.Sheet(kit.SheetOpts{Title: "The entry", Pad: true, Body: kit.Form(kit.FormOpts{Action: action, Fields: kit.WithErrors(d.vendorFields(v), beside), Submit: "Save", Cancel: cancel, Wrong: whole})}),
	}
}

func (d Deps) newVendor(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, d.vendorPage(r, "Add somebody to the register", "/vendors/new", "/vendors", &accounts.Vendor{}, nil, ""))
}

func (d Deps) addVendor(w http.ResponseWriter, r *http.Request) error {
	v, err := readVendor(r)
	if err == nil {
		v.ID, err = d.Accounts.AddVendor(r.Context(), v, by(r))
	}
	if beside, whole, ok := fields(err); ok {
		return web.Render(w, r, d.vendorPage(r, "Add somebody to the register", "/vendors/new", "/vendors", &v, beside, whole))
	}
	if err != nil {
		return err
	}
	web.Say(r, "vendors", "today")
	return web.Done(w, r, "/vendors/"+v.ID.String(), "The register was changed.")
}

func (d Deps) askChangeVendor(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	v, err := d.Accounts.Vendor(r.Context(), id)
	if err != nil {
		return err
	}
	return web.Render(w, r, d.vendorPage(r, "Change "+v.Name, "/vendors/"+id.String()+"/change", "/vendors/"+id.String(), &v, nil, ""))
}

func (d Deps) changeVendor(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	v, err := readVendor(r)
	if v.ID = id; err == nil {
		err = d.Accounts.ChangeVendor(r.Context(), v, by(r))
	}
	if beside, whole, ok := fields(err); ok {
		return web.Render(w, r, d.vendorPage(r, "Change "+v.Name, "/vendors/"+id.String()+"/change", "/vendors/"+id.String(), &v, beside, whole))
	}
	if err != nil {
		return err
	}
	web.Say(r, "vendors", "today")
	return web.Done(w, r, "/vendors/"+id.String(), "The register was changed.")
}

func (d Deps) askVendorFile(w http.ResponseWriter, r *http.Request) error {
	return d.vendorFilePage(w, r, "", nil)
}

// vendorFilePage takes a file's text in a field: so the second step needs no
// store, and it can be mended on the page.
func (d Deps) vendorFilePage(w http.ResponseWriter, r *http.Request, text string, all []string) error {
	f := kit.Field{Name: "text", Label: "The file's text", Kind: kit.TextareaField, Rows: 12, Mono: true, Value: text, Required: true, Hint: "A first row of names as the register's own CSV has them: name, purpose, business associate, phi, agreement, agreed, ends, channels, contact, mail, phone, owner. At most 200 rows."}
	var body []templ.Component
	status := 0
	if len(all) > 0 {
		status = http.StatusUnprocessableEntity
		body = append(body, kit.Sheet(kit.SheetOpts{Title: "To be settled", Body: problems(all)}))
	}
	body = append(body, kit.Sheet(kit.SheetOpts{Title: "The file", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/vendors/file", Fields: []kit.Field{f}, Submit: "Show the difference", Cancel: "/vendors"})}))
	return web.Render(w, r, kit.Page{
		Title: "The register from a file", Lead: "Take the register from a file.", Rest: "Entries are told apart by name; what the file lacks stays.", Nav: navOf(r), Status: status,
		Crumbs: []kit.Crumb{{Name: "Vendors", Href: "/vendors"}}, Body: templ.Join(body...),
	})
}

func (d Deps) vendorFile(w http.ResponseWriter, r *http.Request) error {
	text := r.FormValue("text")
	list, all, err := accounts.ReadVendors([]byte(text))
	if _, whole, ok := fields(err); ok {
		return d.vendorFilePage(w, r, text, []string{whole})
	}
	if err != nil {
		return err
	}
	if len(list) > 200 {
		all = []string{"Take at most 200 rows at a time."}
	}
	if len(all) > 0 {
		return d.vendorFilePage(w, r, text, all)
	}
	if confirmed(r) {
		done, err := d.Accounts.TakeVendors(r.Context(), list, by(r))
		if err != nil {
			return err
		}
		web.Say(r, "vendors", "today")
		return web.Done(w, r, "/vendors", fmt.Sprintf("The register was changed: %d new, %d changed.", len(done.New), len(done.Changed)))
	}
	diff, err := d.Accounts.CompareVendors(r.Context(), list)
	if err != nil {
		return err
	}
	t := kit.Table{Caption: "What would change", View: kit.View{Path: r.URL.Path, Page: 1, Size: 400}, Total: len(diff.New) + len(diff.Changed), Empty: "Nothing would change.", Columns: []kit.Column{{Name: "Name"}, {Name: "What"}}}
	for _, v := range diff.New {
		t.Rows = append(t.Rows, kit.Row{Cells: []kit.Cell{{Text: v.Name, Sub: v.Purpose}, kit.C("New")}})
	}
	for _, v := range diff.Changed {
		t.Rows = append(t.Rows, kit.Row{Cells: []kit.Cell{{Text: v.Name, Sub: v.Purpose}, kit.C("Changed")}})
	}
	return web.Render(w, r, kit.Page{
		Title: "The register from a file", Lead: fmt.Sprintf("%d new, %d changed, %d as before.", len(diff.New), len(diff.Changed), diff.Same), Rest: "Nothing is changed yet.", Nav: navOf(r), Crumbs: []kit.Crumb{{Name: "Vendors", Href: "/vendors"}},
		Body: templ.Join(kit.Sheet(kit.SheetOpts{Title: "The difference", Body: kit.DataTable(t)}),
			kit.Confirm(kit.ConfirmOpts{Title: "Take it?", Text: "All of these rows are entered, or none.", Action: "/vendors/file", Button: "Take it", Cancel: "/vendors", Hidden: map[string]string{"text": text}})),
	})
}
