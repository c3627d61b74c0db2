package setupui

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// A form writes a draft of the configuration with config.SetPath; what it writes
// is looked at and applied like any other.
func (d Deps) formRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /setup/partner", Needs: authz.ConfigDraft, Handle: d.partnerKinds},
		{Pattern: "GET /setup/partner/{kind}", Needs: authz.ConfigDraft, Handle: d.partnerForm},
		{Pattern: "POST /setup/partner/{kind}", Needs: authz.ConfigDraft, Handle: d.addPartner},
		{Pattern: "GET /setup/source", Needs: authz.ConfigDraft, Handle: d.sourceForm},
		{Pattern: "POST /setup/source", Needs: authz.ConfigDraft, Handle: d.addSource},
	}
}

// kinds are the ways there are; by says which was chosen, in a form's title.
var kinds = []struct{ key, name, by, text, icon string }{
	{"mllp", "HL7 over TLS", "By HL7 over TLS.", "To a listener of theirs (MLLP). The usual way to a practice's or hospital's system.", "partners"},
	{"fhir", "FHIR", "By FHIR.", "As R4 transaction bundles over HTTPS.", "api"},
	{"http", "HTTPS post", "By HTTPS post.", "Each message as the body of a request.", "upload"},
	{setup.WaySFTP, "Their SFTP server", "By files on their SFTP server.", "We put a file for each message on a server of theirs.", "upload"},
	{setup.WayFTPS, "Their FTPS server", "By files on their FTPS server.", "Likewise, by FTP with TLS.", "upload"},
	{setup.WaySFTPBox, "SFTP box here", "By a box here, which they reach by SFTP.", "They fetch from a box of their own on this laboratory's server, with an SSH key or a password and a code.", "inbox"},
	{setup.WayFTPSBox, "FTPS box here", "By a box here, which they reach by FTPS.", "Likewise, by FTP with TLS, with a password and a code.", "inbox"},
	{setup.WayFHIRPull, "FHIR, fetched by them", "By FHIR, which their program fetches.", "Their program reads its results from our FHIR R4 server.", "api"},
	{setup.WayPortal, "Portal", "Through the portal.", "They look with a browser; for a practice that has nothing else.", "people"},
	{"folder", "Folder", "By files in a folder.", "One file per message, for somebody who fetches it.", "download"},
}

func kindName(key string) string {
	for _, k := range kinds {
		if k.key == key {
			return k.by
		}
	}
	return ""
}

func (d Deps) partnerKinds(w http.ResponseWriter, r *http.Request) error {
	var items []kit.TodoItem
	for _, k := range kinds {
		items = append(items, kit.TodoItem{Icon: k.icon, Title: k.name, Text: k.text, Action: &kit.Action{Text: "Choose", Href: "/setup/partner/" + k.key}})
	}
	return web.Render(w, r, kit.Page{
		Title: "Add a partner", Lead: "How do results get to the partner?", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}},
		Rest: "The partner's people know.", Body: kit.Sheet(kit.SheetOpts{Title: "Ways", Body: kit.Todo(items)}),
	})
}

func (d Deps) partnerForm(w http.ResponseWriter, r *http.Request) error {
	kind := r.PathValue("kind")
	if kindName(kind) == "" {
		return web.NotFound("There is no such way.")
	}
	return d.drawPartner(w, r, setup.NewPartner{Kind: kind}, nil)
}

func (d Deps) drawPartner(w http.ResponseWriter, r *http.Request, p setup.NewPartner, wrong setup.Wrong) error {
	f, err := d.Facts(r.Context())
	if err != nil {
		return err
	}
	page := kit.Page{
		Title: "Add a partner", Lead: "Who receives results?", Nav: nav, Rest: kindName(p.Kind),
		Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Add a partner", Href: "/setup/partner"}},
	}
	if len(wrong) > 0 {
		page.Status = http.StatusUnprocessableEntity
	}
	if len(f.Sources) == 0 {
		page.Body = kit.Sheet(kit.SheetOpts{Title: "First a source", Body: kit.Empty("Nothing sends to Labwarden yet: a partner's results have to come from somewhere.", &kit.Action{Text: "Add a source", Href: "/setup/source", Primary: true})})
		return web.Render(w, r, page)
	}
	way, err := d.wayFields(r, p)
	if err != nil {
		return err
	}
	if len(way) > 0 {
		way = append([]kit.Field{{Kind: kit.GroupField, Label: "How results get there"}}, way...)
	}
	fields := slices.Concat(
		[]kit.Field{{Kind: kit.GroupField, Label: "Who it is"}}, whoFields(p), way,
		[]kit.Field{{Kind: kit.GroupField, Label: "Which results"}}, routeFields(p, f),
	)
	page.Body = kit.Columns(kit.Sheet(kit.SheetOpts{Title: "The partner", Sub: "nothing is applied yet", Pad: true, Body: kit.Form(kit.FormOpts{
		Action: "/setup/partner/" + p.Kind, Submit: "Show what becomes different", Cancel: "/settings", Fields: kit.WithErrors(fields, wrong), Wrong: wrong[""],
	})}), nextSheet(lastStep(p.Kind)))
	if d.Missing != nil {
		if text := d.Missing(p.Kind); text != "" {
			page.Body = templ.Join(kit.Verdict(kit.Warn, "The partner can be added; its door is not open yet.", text, nil), page.Body)
		}
	}
	return web.Render(w, r, page)
}

// nextSheet says what follows on a form that writes a draft.
func nextSheet(last string) templ.Component {
	return kit.Sheet(kit.SheetOpts{Title: "What comes next", Body: kit.Checks([]kit.Check{
		{State: kit.Unknown, Word: "Next", Title: "You see what becomes different", Text: "As sentences and in the text. Nothing is applied by this form."},
		{State: kit.Unknown, Word: "Then", Title: "A second person applies it", Text: "It is in force a moment later, without a restart."},
		{State: kit.Unknown, Word: "At last", Title: "It is tried", Text: last},
	})})
}

func whoFields(p setup.NewPartner) []kit.Field {
	return []kit.Field{
		{Name: "name", Label: "Name", Value: p.Name, Hint: "As people read it: \"Riverside Family Practice\".", Required: true, Autofocus: true, Max: 100},
		{Name: "key", Label: "Short name", Value: p.Key, Hint: "For proofs and history, for good: small letters, digits, dashes. Made from the name when it is left empty.", Optional: true, Mono: true, Max: 40},
		{Name: "providers", Label: "Its ordering providers", Kind: kit.TextareaField, Rows: 3, Value: p.Providers, Mono: true, Hint: "Their NPI, one a line. Results of other providers are held, never sent there."},
		{Name: "accounts", Label: "Or its client accounts", Kind: kit.TextareaField, Rows: 2, Value: p.Accounts, Mono: true, Optional: true, Hint: "One a line. Checked where no providers are given."},
		{Name: "contact-name", Label: "Whom to tell", Value: p.ContactName, Optional: true, Hint: "A person or desk there, for maintenance windows."},
		{Name: "contact", Label: "Their mail address", Kind: kit.EmailField, Value: p.Contact, Optional: true},
	}
}

// secretField asks for a stored secret by its name: of those there are, where the
// person may see their names.
func (d Deps) secretField(r *http.Request, value string) (kit.Field, error) {
	f := kit.Field{Name: "token", Value: value, Mono: true, Optional: true}
	if d.Secrets == nil || !may(r, authz.SecretsSet) {
		return f, nil
	}
	all, err := d.Secrets.Secrets(r.Context())
	if err != nil {
		return f, err
	}
	f.Kind, f.Mono, f.Options = kit.SelectField, false, []kit.Option{{Text: "None"}}
	known := value == ""
	for _, s := range all {
		f.Options = append(f.Options, kit.Option{Value: s.Name, Text: s.Name})
		known = known || s.Name == value
	}
	if !known {
		f.Options = append(f.Options, kit.Option{Value: value, Text: value + " (not stored)"})
	}
	return f, nil
}

func (d Deps) wayFields(r *http.Request, p setup.NewPartner) ([]kit.Field, error) {
	finger := kit.Field{
		Name: "fingerprint", Label: "Fingerprint of their certificate", Value: p.Fingerprint, Mono: true,
		Hint: "SHA-256, 64 hex digits; colons may stay. Ask for it by telephone or on paper: only this certificate is accepted.",
	}
	authority := kit.Field{Name: "ca", Label: "Or the authority that vouches for it", Value: p.CA, Mono: true, Optional: true, Hint: "A PEM file on this machine: ./tls/riverside-ca.crt."}
	url := kit.Field{Name: "url", Label: "Address", Kind: kit.URLField, Value: p.URL, Mono: true, Required: true}
	secret, err := d.secretField(r, p.Token)
	if err != nil {
		return nil, err
	}
	switch p.Kind {
	case "mllp":
		return []kit.Field{
			{Name: "address", Label: "Host and port", Value: p.Address, Mono: true, Required: true, Hint: "hl7.riverside.example:2576"},
			finger, authority,
			{Name: "server-name", Label: "Name in the certificate", Value: p.ServerName, Mono: true, Optional: true, Hint: "Only where it is not the host's."},
		}, nil
	case "fhir":
		url.Hint = "Base address of the server: https://fhir.riverside.example/r4."
		secret.Label, secret.Hint = "Secret with the signing key", "One of those under Secrets. With the two above: OAuth 2. Without all three we show our certificate."
		finger.Optional, finger.Hint = true, "Only where the system's own authorities do not vouch for it."
		return []kit.Field{
			url,
			{Name: "token-url", Label: "Where tokens are issued", Kind: kit.URLField, Value: p.TokenURL, Mono: true, Optional: true},
			{Name: "client-id", Label: "Our name there", Value: p.ClientID, Mono: true, Optional: true},
			secret, finger, authority,
		}, nil
	case "http":
		url.Hint = "https://intake.riverside.example/hl7"
		secret.Label, secret.Hint = "Secret with the bearer token", "One of those under Secrets."
		finger.Optional, finger.Hint = true, "Only where the system's own authorities do not vouch for it."
		return []kit.Field{url, secret, finger, authority}, nil
	}
	if way, ok := fileWay(p, secret, finger, authority); ok {
		return way, nil
	}
	return []kit.Field{{Name: "path", Label: "Folder", Value: p.Path, Mono: true, Required: true, Hint: "It must be there, and the hub must be allowed to write in it."}}, nil
}

func routeFields(p setup.NewPartner, f setup.Facts) []kit.Field {
	var sources, old []kit.Option
	old = append(old, kit.Option{Text: "None, or not yet"})
	for _, s := range f.Sources {
		sources = append(sources, kit.Option{Value: s.Key, Text: s.Key})
		old = append(old, kit.Option{Value: s.Key, Text: s.Key})
	}
	if p.Source == "" {
		p.Source = f.Sources[0].Key
	}
	return []kit.Field{
		{Name: "source", Label: "Its results come from", Kind: kit.SelectField, Options: sources, Value: p.Source},
		{Name: "when", Label: "Only messages that", Value: p.When, Mono: true, Optional: true, Hint: "A condition, like msh.type == \"ORU\". Every message of the source when it is left empty."},
		{Name: "old-path", Label: "What the old path sends comes as", Kind: kit.SelectField, Options: old, Value: p.OldPath, Hint: "A source that gets a copy of it. The route begins in shadow: it compares and sends nothing."},
	}
}

func readPartner(r *http.Request) setup.NewPartner {
	v := r.PostFormValue
	return setup.NewPartner{
		Name: v("name"), Key: v("key"), Providers: v("providers"), Accounts: v("accounts"), ContactName: v("contact-name"), Contact: v("contact"),
		Kind: r.PathValue("kind"), Address: v("address"), URL: v("url"), CA: v("ca"), Fingerprint: v("fingerprint"), ServerName: v("server-name"),
		Token: v("token"), TokenURL: v("token-url"), ClientID: v("client-id"), Path: v("path"), Source: v("source"), When: v("when"), OldPath: v("old-path"),
		User: v("user"), HostKeys: v("host-keys"), Dir: v("dir"), Password: v("password") != "", SSHKeys: v("ssh-keys"), From: v("from"), JWKS: v("jwks"),
	}
}

func (d Deps) addPartner(w http.ResponseWriter, r *http.Request) error {
	if kindName(r.PathValue("kind")) == "" {
		return web.NotFound("There is no such way.")
	}
	p := readPartner(r)
	typed := p
	x, err := d.Setup.BeginPartner(r.Context(), p, person(r))
	var wrong setup.Wrong
	switch {
	case errors.As(err, &wrong):
		return d.drawPartner(w, r, typed, wrong)
	case err != nil:
		return err
	}
	web.Say(r, "config")
	return web.Done(w, r, draftPath(x.Number), "Nothing is applied yet. Look at what becomes different, then ask a second person.")
}

func (d Deps) sourceForm(w http.ResponseWriter, r *http.Request) error {
	return d.drawSource(w, r, setup.NewSource{Kind: "mllp"}, nil)
}

func (d Deps) drawSource(w http.ResponseWriter, r *http.Request, n setup.NewSource, wrong setup.Wrong) error {
	page := kit.Page{Title: "Add a source", Lead: "What sends to Labwarden?", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}}}
	if len(wrong) > 0 {
		page.Status = http.StatusUnprocessableEntity
	}
	fields := []kit.Field{
		{Kind: kit.GroupField, Label: "What it is"},
		{Name: "key", Label: "Short name", Value: n.Key, Mono: true, Required: true, Autofocus: true, Max: 40, Hint: "lis, for the laboratory's system; old-engine, for a copy of what the old path sends."},
		{Name: "kind", Label: "How its messages come in", Kind: kit.RadioField, Value: n.Kind, Options: []kit.Option{
			{Value: "mllp", Text: "HL7 over TLS", Hint: "It connects to an address of this machine (MLLP)."}, {Value: "folder", Text: "Folder", Hint: "It writes files that are taken from there."},
		}},
	}
	if sites := d.sites(); len(sites) > 0 {
		fields = append(fields, kit.Field{Name: "site", Label: "Site", Kind: kit.SelectField, Value: n.Site, Optional: true, Options: append([]kit.Option{{Text: "None"}}, sites...), Hint: "Its results belong there for good."})
	}
	fields = append(fields, []kit.Field{
		{Kind: kit.GroupField, Label: "When it connects with HL7 over TLS"},
		{Name: "listen", Label: "Address and port it connects to", Value: n.Listen, Mono: true, Hint: "Of this machine: 192.0.2.10:2575."},
		{Name: "fingerprint", Label: "Fingerprint of the certificate it shows", Value: n.Fingerprint, Mono: true, Hint: "SHA-256, 64 hex digits. No other certificate gets in."},
		{Name: "client-ca", Label: "Or the authority that vouches for it", Value: n.ClientCA, Mono: true, Optional: true, Hint: "A PEM file on this machine: ./tls/ca.pem."},
		{Name: "from", Label: "Networks it connects from", Kind: kit.TextareaField, Rows: 2, Value: n.From, Mono: true, Optional: true, Hint: "One a line: 192.0.2.0/24."},
		{Kind: kit.GroupField, Label: "When it writes into a folder"},
		{Name: "path", Label: "Folder", Value: n.Path, Mono: true, Hint: "It must be there."},
	}...)
	page.Body = kit.Columns(kit.Sheet(kit.SheetOpts{Title: "The source", Sub: "nothing is applied yet", Pad: true, Body: kit.Form(kit.FormOpts{
		Action: "/setup/source", Submit: "Show what becomes different", Cancel: "/settings", Fields: kit.WithErrors(fields, wrong), Wrong: wrong[""],
	})}), nextSheet("The set-up says when its first message has come."))
	return web.Render(w, r, page)
}

func (d Deps) sites() []kit.Option {
	if d.Sites == nil {
		return nil
	}
	return d.Sites()
}

func (d Deps) addSource(w http.ResponseWriter, r *http.Request) error {
	v := r.PostFormValue
	n := setup.NewSource{
		Key: v("key"), Kind: v("kind"), Listen: v("listen"), ClientCA: v("client-ca"), Fingerprint: v("fingerprint"), From: v("from"), Site: v("site"), Path: v("path"),
	}
	x, err := d.Setup.BeginSource(r.Context(), n, person(r))
	var wrong setup.Wrong
	switch {
	case errors.As(err, &wrong):
		return d.drawSource(w, r, n, wrong)
	case err != nil:
		return err
	}
	web.Say(r, "config")
	return web.Done(w, r, draftPath(x.Number), "Nothing is applied yet. Look at what becomes different, then ask a second person.")
}

// newPartners are the partners a revision has added: each can be sent a test
// message now.
func (d Deps) newPartners(ctx context.Context, revision int64) ([]string, error) {
	if revision < 2 {
		return nil, nil
	}
	c, err := d.Config.Compare(ctx, revision-1, setup.Target{Number: revision})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, x := range c.Changes {
		if key, ok := strings.CutPrefix(x.Path, "partners."); ok && x.Kind == "added" && !strings.ContainsAny(key, ".[") {
			out = append(out, key)
		}
	}
	return out, nil
}
