package tunnelsui

import (
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// device is the third kind of a form: WireGuard that is not ours.
const device = "device"

func (d Deps) kinds() []kit.Option {
	tls := kit.Option{Value: "tls", Text: "Mutual TLS", Hint: "One TCP port; FIPS algorithms. For networks that let no UDP out."}
	if d.FIPS {
		return []kit.Option{tls}
	}
	return []kit.Option{
		{Value: "wireguard", Text: "WireGuard", Hint: "Labwarden's own program at the far side. Keys renew themselves daily, post-quantum."},
		tls,
		{Value: device, Text: "A device that speaks WireGuard itself", Hint: "It gets a file or a QR code from here. Its keys change when you make another."},
	}
}

func value(r *http.Request, name, otherwise string) string {
	if v := r.FormValue(name); v != "" || r.Method == http.MethodPost {
		return v
	}
	return otherwise
}

// listFields ask what may pass.
func (d Deps) listFields(r *http.Request, l tunnels.Allowed) []kit.Field {
	var offers []string
	for _, o := range l.Offers {
		offers = append(offers, offerLine(o))
	}
	hint := "SOURCE@IP:PORT, one a line: where at the far machine our source is reached."
	if s := d.Sources(); len(s) > 0 {
		hint += " Sources that can be opened: " + strings.Join(s, ", ") + "."
	} else {
		hint += " No source here takes HL7 over TLS, so none can be opened."
	}
	return []kit.Field{
		{Name: "allow", Label: "What the hub may reach there", Kind: kit.TextareaField, Rows: 3, Mono: true, Value: value(r, "allow", strings.Join(l.Allow, "\n")), Hint: "HOST:PORT, one a line: 10.20.0.5:2576. Of an FTP server also its passive ports: 10.20.0.5:50000-50099."},
		{Name: "offers", Label: "What they may reach here", Kind: kit.TextareaField, Rows: 2, Mono: true, Optional: true, Value: value(r, "offers", strings.Join(offers, "\n")), Hint: hint},
	}
}

// readList is what listFields asked; wrong is what nobody can read.
func readList(r *http.Request) (l tunnels.Allowed, wrong string) {
	l.Allow = lines(r.FormValue("allow"))
	l.Offers = []tunnels.Opened{}
	for _, x := range lines(r.FormValue("offers")) {
		source, listen, ok := strings.Cut(x, "@")
		if !ok {
			return l, x + " is not SOURCE@IP:PORT."
		}
		l.Offers = append(l.Offers, tunnels.Opened{Source: strings.TrimSpace(source), Listen: strings.TrimSpace(listen)})
	}
	return l, ""
}

func (d Deps) askAdd(w http.ResponseWriter, r *http.Request, wrong string) error {
	p := kit.Page{Title: "Add a tunnel", Lead: "Where does the tunnel lead?", Rest: "Nothing may pass but what you write here.", Nav: home, Crumbs: crumbs(kit.Crumb{Name: "Add a tunnel"})}
	if closed := d.Closed(); closed != "" {
		p.Body = kit.Sheet(kit.SheetOpts{Title: "Not yet", Pad: true, Body: kit.UnknownState(closed)})
		return web.Render(w, r, p)
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	kind := d.kinds()[0].Value
	fields := append([]kit.Field{
		{Name: "name", Label: "Name", Value: r.FormValue("name"), Mono: true, Required: true, Autofocus: true, Max: 40, Autocomplete: "off", Hint: "Small letters, digits, dashes: riverside. The configuration calls it so."},
		{Name: "kind", Label: "What carries it", Kind: kit.RadioField, Value: value(r, "kind", kind), Options: d.kinds()},
		{Kind: kit.GroupField, Label: "What may pass"},
	}, d.listFields(r, tunnels.Allowed{})...)
	p.Body = kit.Columns(kit.Sheet(kit.SheetOpts{Title: "The tunnel", Pad: true, Body: kit.Form(kit.FormOpts{
		Action: home, Submit: "Add the tunnel", Cancel: home, Wrong: wrong, Fields: append(fields, reasonField(r)),
	})}), kit.Sheet(kit.SheetOpts{Title: "What comes next", Body: kit.Checks([]kit.Check{
		{State: kit.Unknown, Word: "Next", Title: "You see a token, once", Text: "Or, for a device, you make its configuration."},
		{State: kit.Unknown, Word: "Then", Title: "Somebody at the far side joins", Text: "They see what you ask for, and forward it only after a yes."},
		{State: kit.Unknown, Word: "At last", Title: "A destination names the tunnel", Text: "In the configuration: destination: {tunnel: NAME, ...}. Its address is then one at the far side."},
	})}))
	return web.Render(w, r, p)
}

func reasonField(r *http.Request) kit.Field {
	return kit.Field{Name: "reason", Label: "Reason", Optional: true, Max: 200, Spell: true, Value: r.FormValue("reason"), Hint: "Kept in the record. Write no patient's name."}
}

func (d Deps) add(w http.ResponseWriter, r *http.Request) error {
	l, wrong := readList(r)
	if wrong != "" {
		return d.askAdd(w, r, wrong)
	}
	a := tunnels.Ask{Name: strings.TrimSpace(r.FormValue("name")), Kind: r.FormValue("kind"), Allowed: l, Reason: strings.TrimSpace(r.FormValue("reason"))}
	if a.Kind == device {
		a.Kind, a.Standard = "wireguard", true
	}
	in, err := d.Keeper.Add(r.Context(), a, who(r))
	if text, ok := d.wrong(err); ok {
		return d.askAdd(w, r, text)
	}
	if err != nil {
		return err
	}
	said(r)
	if in.Token == "" {
		return web.Done(w, r, at(in.Tunnel.Name)+"/export", "Tunnel "+in.Tunnel.Name+" is there. Its device needs a configuration.")
	}
	return d.token(w, r, in)
}

func (d Deps) wrong(err error) (string, bool) {
	if err == nil {
		return "", false
	}
	text, ok := d.Wrong(err)
	return sentence(text), ok
}

// sentence begins with a capital and ends with a full stop.
func sentence(v string) string {
	if v == "" {
		return v
	}
	return strings.ToUpper(v[:1]) + strings.TrimSuffix(v[1:], ".") + "."
}

// token shows a token, once.
func (d Deps) token(w http.ResponseWriter, r *http.Request, in tunnels.Invitation) error {
	now := clock(r)
	return web.Render(w, r, kit.Page{
		Title: "The token", Lead: "Copy the token now: it is not shown again.", Rest: "It works once, until " + kit.Clock(in.Until, now) + ".", Nav: home, Crumbs: ofOne(in.Tunnel.Name, "The token"),
		Body: kit.Sheet(kit.SheetOpts{Title: "To join tunnel " + in.Tunnel.Name, Pad: true, Body: templ.Join(
			kit.Pre("What to run at the far side", []kit.Part{{Text: "labwarden tunnel join " + in.Token}}),
			kit.Prose("Run it on a machine at the partner, with the same program and without root. It shows there what this laboratory asks for, and forwards it only after a yes; labwarden tunnel run then keeps the tunnel up. Whoever has the token can join: hand it over by a way that others do not read."),
			kit.Buttons(kit.Action{Text: "Done", Href: at(in.Tunnel.Name)}),
		)}),
	})
}
