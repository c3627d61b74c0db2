package tunnelsui

import (
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/qr"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const sayWhy = "Say why: it goes into the record."

// reason is what was written, where the act was confirmed too.
func reason(r *http.Request) (why string, ok bool) {
	why = strings.TrimSpace(r.FormValue("reason"))
	return why, why != "" && r.FormValue("confirm") == "yes"
}

func (d Deps) askAllow(w http.ResponseWriter, r *http.Request, wrong string) error {
	t, err := d.Reader.Show(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	p := kit.Page{
		Title: "What may pass", Lead: "What may pass in tunnel " + t.Name + "?", Nav: home, Crumbs: ofOne(t.Name, "What may pass"),
		Rest: "What you take out is cut at once. What is new passes when somebody at the far end has agreed to it.",
	}
	if t.Standard {
		p.Rest = "What you take out is cut at once; what is new passes at once."
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	fields := append(d.listFields(r, tunnels.Allowed{Allow: t.Allow, Offers: t.Offers}), kit.ReasonField(r.FormValue("reason"), ""))
	p.Body = kit.Sheet(kit.SheetOpts{Title: "The whole list", Pad: true, Body: kit.Form(kit.FormOpts{
		Action: at(t.Name) + "/allow", Submit: "Put this list in force", Cancel: at(t.Name), Wrong: wrong, Fields: fields,
	})})
	return web.Render(w, r, p)
}

func (d Deps) allow(w http.ResponseWriter, r *http.Request) error {
	l, wrong := readList(r)
	why := strings.TrimSpace(r.FormValue("reason"))
	if why == "" && wrong == "" {
		wrong = sayWhy
	}
	if wrong != "" {
		return d.askAllow(w, r, wrong)
	}
	t, err := d.Keeper.Allow(r.Context(), r.PathValue("name"), l, who(r), why)
	if text, ok := d.wrong(err); ok {
		return d.askAllow(w, r, text)
	}
	if err != nil {
		return err
	}
	said(r)
	return web.Done(w, r, at(t.Name), "The list is in force.")
}

// ask draws a question that is answered with a reason.
func (d Deps) ask(w http.ResponseWriter, r *http.Request, p kit.Page, o kit.ConfirmOpts, bad string) error {
	p.Nav = home
	o.Cancel, o.Reason, o.ReasonError, o.ReasonValue = at(r.PathValue("name")), true, bad, r.FormValue("reason")
	if bad != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	p.Body = kit.Confirm(o)
	return web.Render(w, r, p)
}

func (d Deps) askInvite(w http.ResponseWriter, r *http.Request, bad string) error {
	t, err := d.Reader.Show(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	text := "It works once. A token made before works no longer."
	if !t.JoinedAt.IsZero() {
		text = "The far end that joined before is cut at once, with every connection in it, and stays out until it joins again with the new token. " + used(&t)
	}
	return d.ask(w, r, kit.Page{Title: "Make a token", Lead: "Make another token for tunnel " + t.Name + "?", Crumbs: ofOne(t.Name, "Make a token")},
		kit.ConfirmOpts{Title: "A new token", Text: text, Action: at(t.Name) + "/invite", Button: "Yes, make a token", Bad: !t.JoinedAt.IsZero()}, bad)
}

func (d Deps) invite(w http.ResponseWriter, r *http.Request) error {
	why, ok := reason(r)
	if !ok {
		return d.askInvite(w, r, sayWhy)
	}
	in, err := d.Secrets.Invite(r.Context(), r.PathValue("name"), who(r), why)
	if err != nil {
		return err
	}
	said(r)
	return d.token(w, r, in)
}

func (d Deps) askRemove(w http.ResponseWriter, r *http.Request, bad string) error {
	t, err := d.Reader.Show(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	text := "It is cut at once, with every connection in it, and its keys are forgotten. This cannot be taken back: to come in again the far side needs a new tunnel. " + used(&t)
	if len(t.Users) > 0 {
		text += " Results that need it wait."
	}
	return d.ask(w, r, kit.Page{Title: "Remove a tunnel", Lead: "Remove tunnel " + t.Name + "?", Crumbs: ofOne(t.Name, "Remove")},
		kit.ConfirmOpts{Title: "Cut and forget it", Text: text, Action: at(t.Name) + "/remove", Button: "Yes, remove it", Bad: true}, bad)
}

func (d Deps) remove(w http.ResponseWriter, r *http.Request) error {
	why, ok := reason(r)
	if !ok {
		return d.askRemove(w, r, sayWhy)
	}
	if err := d.Keeper.Remove(r.Context(), r.PathValue("name"), who(r), why); err != nil {
		return err
	}
	said(r)
	return web.Done(w, r, home, "Tunnel "+r.PathValue("name")+" is removed and cut.")
}

func (d Deps) rotate(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if err := d.Keeper.Rotate(r.Context(), name, who(r)); err != nil {
		return err
	}
	said(r)
	return web.Done(w, r, at(name), "The far end was asked to renew the keys with us. Connections live through it.")
}

func (d Deps) askExport(w http.ResponseWriter, r *http.Request, wrong string) error {
	t, err := d.Reader.Show(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	p := kit.Page{Title: "Make a configuration", Lead: "Make the configuration of " + t.Name + "'s device?", Nav: home, Crumbs: ofOne(t.Name, "Configuration"), Rest: "It is shown once, and kept nowhere here."}
	if t.KeyNumber > 0 {
		p.Rest = "It has new keys: the configuration made before stops working at once. It is shown once."
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	p.Body = kit.Sheet(kit.SheetOpts{Title: "For WireGuard", Pad: true, Body: kit.Form(kit.FormOpts{
		Action: at(t.Name) + "/export", Submit: "Make it", Cancel: at(t.Name), Wrong: wrong, Bad: t.KeyNumber > 0,
		Fields: []kit.Field{{
			Name: "public", Label: "The device's own public key", Value: r.FormValue("public"), Mono: true, Optional: true, Max: 60, Autocomplete: "off",
			Hint: "44 characters, from wg pubkey: then the device keeps its private key to itself, and the file has none. Left empty, a key is made for it here.",
		}},
	})})
	return web.Render(w, r, p)
}

func (d Deps) export(w http.ResponseWriter, r *http.Request) error {
	f, err := d.Secrets.Export(r.Context(), r.PathValue("name"), strings.TrimSpace(r.FormValue("public")), who(r))
	if text, ok := d.wrong(err); ok {
		return d.askExport(w, r, text)
	}
	if err != nil {
		return err
	}
	said(r)
	code, err := qr.Of(f.Bare())
	if err != nil {
		return err
	}
	return web.Render(w, r, kit.Page{
		Title: "The configuration", Lead: "Take the configuration now: it is not shown again.", Rest: "Whoever has it is the device.", Nav: home, Crumbs: ofOne(f.Name, "Configuration"),
		Body: kit.Columns(
			kit.Sheet(kit.SheetOpts{Title: f.Name + ".conf", Pad: true, Body: templ.Join(
				kit.Pre("Configuration for WireGuard", []kit.Part{{Text: f.Config}}),
				kit.Prose("Save it on the device, as wg-quick, wg setconf or its own page of WireGuard takes it. Keep no other copy: whoever needs it again gets a new one from here."),
				kit.Buttons(kit.Action{Text: "Done", Href: at(f.Name)}),
			)}),
			kit.Sheet(kit.SheetOpts{Title: "To scan", Pad: true, Body: kit.Scan(code, "QR code of the configuration", "The same, for a device with a camera.", 280)}),
		),
	})
}
