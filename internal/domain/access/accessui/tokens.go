package accessui

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (u *ui) tokenRoutes() []web.Route {
	return []web.Route{
		get("/people/tokens", authz.TokensManage, u.tokens),
		get("/people/tokens/new", authz.TokensManage, u.serviceForm),
		post("/people/tokens", authz.TokensManage, u.addService),
		get("/people/tokens/{id}/account", authz.TokensManage, u.service),
		post("/people/tokens/{id}/token", authz.TokensManage, u.makeToken),
		post("/people/tokens/{id}/certificate", authz.TokensManage, u.setKey),
		post("/people/tokens/{id}/revoke", authz.TokensManage, u.revokeToken),
		get("/people/tokens/{id}/end", authz.TokensManage, u.endServiceForm),
		post("/people/tokens/{id}/end", authz.TokensManage, u.endService),
	}
}

var tokensCrumb = kit.Crumb{Name: "Service accounts", Href: "/people/tokens"}

func (u *ui) tokens(w http.ResponseWriter, r *http.Request) error {
	all, err := u.s.Services(r.Context())
	if err != nil {
		return err
	}
	now := web.Now(r)
	var rows []kit.Row
	live := 0
	for _, a := range all {
		state, word := kit.Fine, "works"
		n := 0
		var used time.Time
		for _, t := range a.Tokens {
			if t.In(now) {
				n++
			}
			if t.Used.After(used) {
				used = t.Used
			}
		}
		if a.KeyUsed.After(used) {
			used = a.KeyUsed
		}
		waits, err := u.waits(r.Context(), a, now)
		if err != nil {
			return err
		}
		waiting := slices.Contains(slices.Collect(maps.Values(waits)), true)
		way := kit.Many(n, "token", "tokens")
		if a.Key != "" {
			way += " and a certificate"
		}
		switch {
		case !a.Ended.IsZero():
			state, word, way = kit.Unknown, "ended", "ended "+kit.Date(a.Ended, now)
		case n == 0 && (a.Key == "" || !now.Before(a.KeyUntil)):
			state, word = kit.Unknown, "no way in"
		case waiting:
			state, word = kit.Warn, "waits for a yes"
		}
		if a.Ended.IsZero() {
			live++
		}
		last := kit.Ago(used, now)
		if used.IsZero() {
			last = "never"
		}
		rows = append(rows, kit.Row{Key: a.ID.String(), Cells: []kit.Cell{
			{Text: a.Name, Sub: kit.Mono(a.Account), Href: "/people/tokens/" + a.ID.String() + "/account", State: &state, Word: word}, kit.C(permissionList(a.Permissions)), kit.C(partnerList(a.Partners)), kit.C(way), kit.C(last),
		}})
	}
	return web.Render(w, r, kit.Page{
		Title: "Service accounts", Lead: kit.Many(live, "program may call the API.", "programs may call the API."), Crumbs: []kit.Crumb{peopleCrumb, {Name: "Service accounts"}}, Nav: "/people",
		Tools: kit.Buttons(kit.Action{Text: "Add a service account", Href: "/people/tokens/new", Primary: true, Icon: "add"}),
		Body: join(u.tabs(r, "/people/tokens"), kit.Sheet(kit.SheetOpts{Title: "Service accounts", Body: kit.DataTable(kit.Table{
			Caption: "Service accounts", Columns: []kit.Column{{Name: "Program"}, {Name: "May"}, {Name: "Partners"}, {Name: "Ways in"}, {Name: "Last used"}}, Rows: rows, Total: len(rows), Empty: "No program may call the API.",
		})})),
	})
}

func permissionList(perms []authz.Permission) string {
	text := ""
	for i, p := range perms {
		if i > 0 {
			text += "; "
		}
		text += permissionWord(p)
	}
	return text
}

func partnerList(keys []string) string {
	if len(keys) == 0 {
		return "every partner"
	}
	text := ""
	for i, k := range keys {
		if i > 0 {
			text += ", "
		}
		text += k
	}
	return text
}

// permissionFields are checkboxes, one for each.
func permissionFields(r *http.Request, infos []authz.Info) []kit.Field {
	var out []kit.Field
	for _, i := range infos {
		name := "may-" + string(i.Permission)
		out = append(out, kit.Field{Name: name, Label: upperFirst(i.What), Kind: kit.CheckboxField, Checked: r.PostFormValue(name) != ""})
	}
	return out
}

func chosen(r *http.Request, infos []authz.Info) []authz.Permission {
	var out []authz.Permission
	for _, i := range infos {
		if r.PostFormValue("may-"+string(i.Permission)) != "" {
			out = append(out, i.Permission)
		}
	}
	return out
}

func upperFirst(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

// aboutPermissions puts what is wrong with the choice beside the first box.
func aboutPermissions(errs map[string]string, infos []authz.Info) map[string]string {
	if text, ok := errs["permissions"]; ok && len(infos) > 0 {
		errs["may-"+string(infos[0].Permission)] = text
	}
	return errs
}

func (u *ui) serviceNewPage(r *http.Request, errs map[string]string, whole string) kit.Page {
	fields := append([]kit.Field{
		{Name: "name", Label: "Name of the program", Value: r.PostFormValue("name"), Required: true, Max: 120},
		{Name: "account", Label: "Account", Value: r.PostFormValue("account"), Required: true, Mono: true, Max: 64, Hint: "Stands in the record with what it does. Small letters, digits and . _ - @"},
		u.partnersField(r, nil, "None ticked: every partner."),
	}, permissionFields(r, access.ServiceMay())...)
	return kit.Page{
		Title: "Add a service account", Lead: "What may the program do?", Rest: "Its tokens can do less, never more.", Crumbs: []kit.Crumb{peopleCrumb, tokensCrumb, {Name: "Add"}}, Nav: "/people",
		Body: kit.Sheet(kit.SheetOpts{Title: "The program", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/people/tokens", Fields: kit.WithErrors(fields, aboutPermissions(errs, access.ServiceMay())), Wrong: whole, Submit: "Add it", Cancel: "/people/tokens"})}),
	}
}

func (u *ui) serviceForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, u.serviceNewPage(r, nil, ""))
}

func (u *ui) addService(w http.ResponseWriter, r *http.Request) error {
	a := access.ServiceAccount{Account: r.PostFormValue("account"), Name: r.PostFormValue("name"), Permissions: chosen(r, access.ServiceMay()), Partners: partnersOf(r)}
	err := u.knownPartners("partners", a.Partners)
	if err == nil {
		a, err = u.s.MakeService(r.Context(), web.Who(r), a)
	}
	if err != nil {
		return redraw(w, r, err, func(errs map[string]string, whole string) kit.Page { return u.serviceNewPage(r, errs, whole) })
	}
	return web.Done(w, r, "/people/tokens/"+a.ID.String()+"/account", "The service account was added. It gets in by a token or a client certificate: make one here.")
}

func (u *ui) findService(r *http.Request) (access.ServiceAccount, error) {
	id, err := idOf(r, "id")
	if err != nil {
		return access.ServiceAccount{}, err
	}
	all, err := u.s.Services(r.Context())
	if err != nil {
		return access.ServiceAccount{}, err
	}
	for _, a := range all {
		if a.ID == id {
			return a, nil
		}
	}
	return access.ServiceAccount{}, access.ErrNotFound
}

// infosOf are what a token of the account may name.
func infosOf(a access.ServiceAccount) []authz.Info {
	var out []authz.Info
	for _, p := range a.Permissions {
		if i, ok := authz.Of(p); ok {
			out = append(out, i)
		}
	}
	return out
}

func (u *ui) servicePage(r *http.Request, a access.ServiceAccount, waits map[event.ID]bool, errs map[string]string, whole string) kit.Page {
	now := web.Now(r)
	base := "/people/tokens/" + a.ID.String()
	var rows []kit.Row
	for _, t := range a.Tokens {
		state, word, until := kit.Fine, "works", "until "+wordLastDay(t.Until, "")
		switch {
		case !t.Revoked.IsZero():
			state, word, until = kit.Unknown, "revoked", "revoked "+kit.Date(t.Revoked, now)+", by "+t.RevokedBy
		case !now.Before(t.Until):
			state, word, until = kit.Unknown, "over", "over since "+wordLastDay(t.Until, "")
		case waits[t.ID]:
			state, word, until = kit.Warn, "waits for a yes", "works once the compliance officer or the director has said yes; "+until
		}
		act := kit.C("")
		if t.In(now) && a.Ended.IsZero() {
			act = kit.CBody(kit.Quick("/people/tokens/"+t.ID.String()+"/revoke", "Revoke", "the token "+t.Name))
			if waits[t.ID] {
				act = kit.CBody(join(kit.Quick("/people/tokens/"+t.ID.String()+"/again", "Ask again", "for a yes to the token "+t.Name), kit.Quick("/people/tokens/"+t.ID.String()+"/revoke", "Revoke", "the token "+t.Name)))
			}
		}
		used := kit.Cell{Text: "never", Zero: true}
		if !t.Used.IsZero() {
			used = kit.Cell{Text: kit.Ago(t.Used, now), Sub: kit.Mono(t.UsedFrom)}
		}
		rows = append(rows, kit.Row{Key: t.ID.String(), Cells: []kit.Cell{{Text: t.Name, State: &state, Word: word, Sub: until}, {Text: permissionList(t.Permissions), Sub: partnerList(t.Partners)}, used, kit.C(kit.Date(t.Made, now) + ", by " + t.MadeBy), act}})
	}
	facts := []kit.KV{{Key: "Account", Value: a.Account, Mono: true}, {Key: "May", Value: permissionList(a.Permissions)}, {Key: "Partners", Value: partnerList(a.Partners)}, {Key: "Added", Value: kit.Date(a.Made, now) + ", by " + a.MadeBy}}
	beside := []templ.Component{kit.Sheet(kit.SheetOpts{Title: "Program", Body: kit.KeyValues(facts)})}
	wide := []templ.Component{kit.Sheet(kit.SheetOpts{Title: "Tokens", Body: kit.DataTable(kit.Table{Caption: "Tokens", Columns: []kit.Column{{Name: "Token"}, {Name: "May"}, {Name: "Last used"}, {Name: "Made", Wide: true}, {Name: "Act"}}, Rows: rows, Total: len(rows), Empty: "It has no token."})})}
	lead := a.Name + " may call the API."
	if a.Ended.IsZero() {
		wide = append(wide, u.tokenForm(r, a, base, errs, whole))
		beside = append(beside, certificateSheet(r, a, base, errs, waits[a.ID]), kit.Sheet(kit.SheetOpts{Title: "End", Body: join(pad(kit.Paragraph("Its tokens and its certificate stop working within a second.")), kit.Acts(kit.Action{Text: "End " + a.Name, Href: base + "/end", Icon: "out"}))}))
	} else {
		lead = a.Name + " was ended " + kit.Date(a.Ended, now) + "."
	}
	return kit.Page{
		Title: a.Name, Lead: lead, Crumbs: []kit.Crumb{peopleCrumb, tokensCrumb, {Name: a.Name}}, Nav: "/people",
		Body: kit.Columns(join(wide...), join(beside...)),
	}
}

func (u *ui) tokenForm(r *http.Request, a access.ServiceAccount, base string, errs map[string]string, whole string) templ.Component {
	fields := append([]kit.Field{
		{Name: "name", Label: "What it is for", Value: r.PostFormValue("name"), Required: true, Max: 120, Hint: "Nightly count, test system …"},
		{Name: "until", Label: "Last day", Kind: kit.DateField, Narrow: true, Required: true, Value: r.PostFormValue("until"), Hint: "Within a year."},
		u.partnersField(r, a.Partners, "Of those of the account. None ticked: all of them."),
	}, permissionFields(r, infosOf(a))...)
	return kit.Sheet(kit.SheetOpts{Title: "New token", Sub: "nothing ticked: all that the account may", Pad: true, Body: kit.Form(kit.FormOpts{Action: base + "/token", Fields: kit.WithErrors(fields, aboutPermissions(errs, infosOf(a))), Wrong: whole, Submit: "Make the token"})})
}

func certificateSheet(r *http.Request, a access.ServiceAccount, base string, errs map[string]string, waits bool) templ.Component {
	now := web.Now(r)
	state := kit.KeyValues([]kit.KV{{Key: "Certificate", Value: "none"}})
	if a.Key != "" {
		last := "never"
		if !a.KeyUsed.IsZero() {
			last = kit.Ago(a.KeyUsed, now)
		}
		state = kit.KeyValues([]kit.KV{{Key: "Public key", Value: access.Fingerprint(a.Key), Mono: true}, {Key: "Its certificate ends", Value: wordDay(a.KeyUntil, "")}, {Key: "Last used", Value: last}})
		if waits {
			state = join(state, pad(kit.Paragraph("It works once the compliance officer or the laboratory director has said yes.")), kit.Acts(kit.Action{Text: "Ask again", Href: "/people/tokens/" + a.ID.String() + "/again", Post: true, Icon: "again"}))
		}
	}
	fields := []kit.Field{{Name: "certificate", Label: "Client certificate", Kind: kit.TextareaField, Rows: 4, Mono: true, Value: r.PostFormValue("certificate"), Optional: true, Hint: "PEM. It counts by its public key; a renewed one of the same key goes on working. Empty takes it away."}}
	return kit.Sheet(kit.SheetOpts{Title: "By certificate", Body: join(state, pad(kit.Form(kit.FormOpts{Action: base + "/certificate", Fields: kit.WithErrors(fields, errs), Submit: "Keep it"})))})
}

func (u *ui) service(w http.ResponseWriter, r *http.Request) error {
	a, err := u.findService(r)
	if err != nil {
		return err
	}
	waits, err := u.waits(r.Context(), a, web.Now(r))
	if err != nil {
		return err
	}
	return web.Render(w, r, u.servicePage(r, a, waits, nil, ""))
}

func (u *ui) makeToken(w http.ResponseWriter, r *http.Request) error {
	a, err := u.findService(r)
	if err != nil {
		return err
	}
	waits, err := u.waits(r.Context(), a, web.Now(r))
	if err != nil {
		return err
	}
	t := access.Token{Name: r.PostFormValue("name"), Permissions: chosen(r, infosOf(a)), Partners: partnersOf(r)}
	if t.Until, err = lastDay(r, "until"); err == nil {
		t, err = u.s.MakeToken(r.Context(), web.Who(r), a.ID, t)
	}
	if err != nil {
		return redraw(w, r, err, func(errs map[string]string, whole string) kit.Page { return u.servicePage(r, a, waits, errs, whole) })
	}
	how := "The program sends it as Authorization: Bearer, to the API only. Keep it where the program keeps its secrets, not in its source."
	if access.NeedsYes(t.Permissions) {
		how = "It works once the compliance officer or the laboratory director has said yes: they find it on Today. " + how
	}
	return web.Render(w, r, kit.Page{
		Title: "Token of " + a.Name, Lead: "This is the token of " + a.Name + ".", Rest: "It is shown this once.", Crumbs: []kit.Crumb{peopleCrumb, tokensCrumb, {Name: a.Name, Href: "/people/tokens/" + a.ID.String() + "/account"}, {Name: "Token"}}, Nav: "/people",
		Body: join(
			kit.Sheet(kit.SheetOpts{Title: t.Name, Sub: "works until " + wordLastDay(t.Until, ""), Pad: true, Body: join(kit.Pre("Token", []kit.Part{{Text: t.Secret}}), kit.Paragraph(how))}),
			kit.Buttons(kit.Action{Text: "Go to " + a.Name, Href: "/people/tokens/" + a.ID.String() + "/account", Primary: true}),
		),
	})
}

func (u *ui) setKey(w http.ResponseWriter, r *http.Request) error {
	a, err := u.findService(r)
	if err != nil {
		return err
	}
	waits, err := u.waits(r.Context(), a, web.Now(r))
	if err != nil {
		return err
	}
	if err := u.s.SetKey(r.Context(), web.Who(r), a.ID, r.PostFormValue("certificate")); err != nil {
		return redraw(w, r, err, func(errs map[string]string, whole string) kit.Page { return u.servicePage(r, a, waits, errs, whole) })
	}
	return web.Done(w, r, "/people/tokens/"+a.ID.String()+"/account", "The change was kept.")
}

func (u *ui) revokeToken(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := u.s.RevokeToken(r.Context(), web.Who(r), id); err != nil {
		return err
	}
	return web.Done(w, r, "/people/tokens", "The token was revoked.")
}

func (u *ui) endServiceForm(w http.ResponseWriter, r *http.Request) error {
	a, err := u.findService(r)
	if err != nil {
		return err
	}
	base := "/people/tokens/" + a.ID.String()
	return web.Render(w, r, kit.Page{
		Title: "End " + a.Name, Lead: "End " + a.Name + "?", Crumbs: []kit.Crumb{peopleCrumb, tokensCrumb, {Name: a.Name, Href: base + "/account"}, {Name: "End"}}, Nav: "/people",
		Body: kit.Confirm(kit.ConfirmOpts{Title: "It cannot call the API any more", Text: "Its tokens and certificate stop working within a second. This cannot be undone: the account is never given again.", Facts: []kit.KV{{Key: "Program", Value: a.Name}, {Key: "Account", Value: a.Account, Mono: true}}, Action: base + "/end", Button: "End it", Cancel: base + "/account", Bad: true}),
	})
}

func (u *ui) endService(w http.ResponseWriter, r *http.Request) error {
	if r.PostFormValue("confirm") != "yes" {
		return u.endServiceForm(w, r)
	}
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := u.s.EndService(r.Context(), web.Who(r), id); err != nil {
		return err
	}
	return web.Done(w, r, "/people/tokens", "The service account was ended.")
}
