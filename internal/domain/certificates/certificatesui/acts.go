package certificatesui

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func confirmed(r *http.Request) bool { return r.FormValue("confirm") == "yes" }

func crumbs(name string) []kit.Crumb {
	return []kit.Crumb{{Name: "Certificates", Href: home}, {Name: name}}
}

func (d Deps) askRevoke(w http.ResponseWriter, r *http.Request, bad string) error {
	x, err := d.Certificates.Get(r.Context(), r.PathValue("serial"))
	if err != nil {
		return err
	}
	at := home + "/issued/" + x.Serial
	p := kit.Page{Title: "Revoke a certificate", Lead: "Revoke the certificate of " + x.Identity.String() + "?", Nav: home, Crumbs: crumbs("Revoke")}
	o := kit.ConfirmOpts{
		Title: "Revoke this one", Text: "It is refused from that moment, and its live connections are cut. It cannot be taken back. Another one of theirs stays good: if the key was lost or stolen, revoke all.",
		Action: at + "/revoke", Button: "Yes, revoke it", Cancel: at, Bad: true, Reason: true, ReasonError: bad,
	}
	if r.FormValue("all") == "yes" {
		o.Title, o.Button, o.Hidden = "Revoke all of "+x.Identity.String(), "Yes, revoke all", map[string]string{"all": "yes"}
		o.Text = "Every certificate of " + x.Identity.String() + " is refused from that moment, and live connections are cut. They need a new token to come back."
	}
	if bad != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	p.Body = kit.Confirm(o)
	return web.Render(w, r, p)
}

func (d Deps) revoke(w http.ResponseWriter, r *http.Request) error {
	reason := strings.TrimSpace(r.FormValue("reason"))
	if reason == "" || !confirmed(r) {
		return d.askRevoke(w, r, "Say why: it goes into the record.")
	}
	if _, err := d.revokeOne(r, r.PathValue("serial"), r.FormValue("all") == "yes", reason); err != nil {
		return err
	}
	return web.Done(w, r, home, "Revoked. It is refused from now on, and connections were cut.")
}

func (d Deps) revokeOne(r *http.Request, serial string, all bool, reason string) ([]certificates.Issued, error) {
	what := serial
	if all {
		x, err := d.Certificates.Get(r.Context(), serial)
		if err != nil {
			return nil, err
		}
		what = x.Identity.String()
	}
	defer said(r)
	return d.Certificates.Revoke(r.Context(), what, by(r, reason))
}

func (d Deps) renewOwn(w http.ResponseWriter, r *http.Request) error {
	d.Certificates.RenewOwn()
	said(r)
	return web.Done(w, r, home, "Our own certificate is made anew with the next connection.")
}

func kinds() []kit.Option {
	return []kit.Option{
		{Value: string(pki.Service), Text: "Service", Hint: "A system: the LIS, an interface engine."},
		{Value: string(pki.Device), Text: "Device", Hint: "An analyzer or its computer."},
		{Value: string(pki.Partner), Text: "Partner", Hint: "Who receives results."},
	}
}

func (d Deps) askToken(w http.ResponseWriter, r *http.Request, beside map[string]string, whole string) error {
	value := func(name, otherwise string) string {
		if v := r.FormValue(name); v != "" {
			return v
		}
		return otherwise
	}
	f := []kit.Field{
		{Name: "kind", Label: "What it is for", Kind: kit.RadioField, Value: value("kind", string(pki.Service)), Options: kinds()},
		{Name: "name", Label: "Name", Value: r.FormValue("name"), Mono: true, Required: true, Max: 63, Hint: "The source or partner as the configuration calls it. A channel lets in certificates of its own name only.", Autocomplete: "off"},
		{Name: "names", Label: "Host names and addresses", Value: r.FormValue("names"), Mono: true, Optional: true, Hint: "Only where the other side is a server. Apart by blanks."},
		{Name: "days", Label: "Days a certificate lives", Value: value("days", "30"), InputMode: "numeric", Narrow: true, Required: true, Hint: "It renews itself. 90 at most, 180 for a device."},
	}
	p := kit.Page{
		Title: "Make a token", Lead: "For whom is the certificate?", Rest: "The token works once, within a day.", Nav: home, Crumbs: crumbs("Make a token"),
		Body: kit.Sheet(kit.SheetOpts{Title: "The token", Pad: true, Body: kit.Form(kit.FormOpts{Action: home + "/token", Submit: "Make the token", Cancel: home, Fields: kit.WithErrors(f, beside), Wrong: whole})}),
	}
	if whole != "" || len(beside) > 0 {
		p.Status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, p)
}

func (d Deps) token(w http.ResponseWriter, r *http.Request) error {
	beside := map[string]string{}
	days, err := strconv.Atoi(strings.TrimSpace(r.FormValue("days")))
	if err != nil || days < 1 {
		beside["days"] = "Write a whole number of days, as 30."
	}
	id := pki.Identity{Kind: pki.Kind(r.FormValue("kind")), Name: strings.TrimSpace(r.FormValue("name"))}
	if err := id.Check(); err != nil {
		beside["name"] = sentence(err.Error())
	}
	if len(beside) > 0 {
		return d.askToken(w, r, beside, "")
	}
	text, until, err := d.Certificates.Token(r.Context(), certificates.Ask{Identity: id, Names: strings.Fields(strings.ReplaceAll(r.FormValue("names"), ",", " ")), Days: days, Address: d.Address()}, by(r, ""))
	if whole, ok := wrong(err); ok {
		return d.askToken(w, r, nil, whole)
	}
	if err != nil {
		return err
	}
	said(r)
	now := d.clock(r)
	return web.Render(w, r, kit.Page{
		Title: "The token", Lead: "Copy the token now: it is not shown again.", Rest: "It works once, until " + kit.Stamp(until.In(now.Location())) + ".", Nav: home, Crumbs: crumbs("The token"),
		Body: kit.Sheet(kit.SheetOpts{Title: "For " + id.String(), Pad: true, Body: templ.Join(
			kit.Pre("The token", []kit.Part{{Text: text}}),
			kit.Prose("On the other machine: labwarden cert enrol TOKEN --out FOLDER. It makes a key there, fetches the certificate, and knows by the token that it talks to this hub. Give the token to the person who sets it up, by a way that others do not read."),
			kit.Buttons(kit.Action{Text: "Done", Href: home}),
		)}),
	})
}

func (d Deps) askSSH(w http.ResponseWriter, r *http.Request, whole string) error {
	var partners []kit.Option
	for _, c := range d.Channels() {
		if key, ok := strings.CutPrefix(c[0], "partner "); ok {
			partners = append(partners, kit.Option{Value: key, Text: c[1]})
		}
	}
	days := r.FormValue("days")
	if days == "" {
		days = "30"
	}
	p := kit.Page{
		Title: "Sign an SSH key", Lead: "Whose SSH key is it?", Rest: "The certificate opens that partner's box and nothing else.", Nav: home, Crumbs: crumbs("Sign an SSH key"),
		Body: kit.Sheet(kit.SheetOpts{Title: "The key", Pad: true, Body: kit.Form(kit.FormOpts{Action: home + "/ssh", Submit: "Sign it", Cancel: home, Wrong: whole, Fields: []kit.Field{
			{Name: "partner", Label: "Partner", Kind: kit.SelectField, Value: r.FormValue("partner"), Options: partners},
			{Name: "key", Label: "Public key", Kind: kit.TextareaField, Rows: 4, Mono: true, Required: true, Value: r.FormValue("key"), Hint: "One line, as in a file whose name ends in .pub. Ask them for it by a way you trust."},
			{Name: "days", Label: "Days it lives", Value: days, InputMode: "numeric", Narrow: true, Required: true, Hint: "90 at most."},
		}})}),
	}
	if whole != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, p)
}

func (d Deps) signSSH(r *http.Request, partner, key string, days int) (certificates.Issued, []byte, error) {
	if !d.known("partner " + partner) {
		return certificates.Issued{}, nil, &certificates.InvalidError{Err: errNoChannel}
	}
	defer said(r)
	return d.Certificates.SignSSH(r.Context(), partner, []byte(key), days, by(r, ""))
}

func (d Deps) ssh(w http.ResponseWriter, r *http.Request) error {
	days, err := strconv.Atoi(strings.TrimSpace(r.FormValue("days")))
	if err != nil {
		return d.askSSH(w, r, "Write a whole number of days, as 30.")
	}
	x, line, err := d.signSSH(r, r.FormValue("partner"), r.FormValue("key"), days)
	if whole, ok := wrong(err); ok {
		return d.askSSH(w, r, whole)
	}
	if err != nil {
		return err
	}
	now := d.clock(r)
	return web.Render(w, r, kit.Page{
		Title: "The SSH certificate", Lead: "The key of " + x.Name + " is signed.", Rest: "It is good until " + kit.Stamp(x.Ends.In(now.Location())) + ".", Nav: home, Crumbs: crumbs("The SSH certificate"),
		Body: kit.Sheet(kit.SheetOpts{Title: "Give them this line", Pad: true, Body: templ.Join(
			kit.Pre("SSH certificate", []kit.Part{{Text: string(line)}}),
			kit.Prose("They save it beside the private key, under the same name with -cert.pub at its end: OpenSSH shows it by itself then. It holds no secret."),
			kit.Buttons(kit.Action{Text: "Done", Href: home}),
		)}),
	})
}

func (d Deps) known(channel string) bool {
	for _, c := range d.Channels() {
		if c[0] == channel {
			return true
		}
	}
	return false
}

func (d Deps) askPin(w http.ResponseWriter, r *http.Request, whole string) error {
	var channels []kit.Option
	for _, c := range d.Channels() {
		channels = append(channels, kit.Option{Value: c[0], Text: c[1]})
	}
	p := kit.Page{
		Title: "Pin a certificate", Lead: "Whose certificate is it?", Rest: "It counts where the channel's tls section says pinned: true.", Nav: home, Crumbs: crumbs("Pin a certificate"),
		Body: kit.Sheet(kit.SheetOpts{Title: "Their certificate", Pad: true, Body: kit.Form(kit.FormOpts{Action: home + "/pin", Submit: "Pin it", Cancel: home, Wrong: whole, Fields: []kit.Field{
			{Name: "channel", Label: "Channel", Kind: kit.SelectField, Value: r.FormValue("channel"), Options: channels},
			{Name: "certificate", Label: "Certificate", Kind: kit.TextareaField, Rows: 8, Mono: true, Required: true, Value: r.FormValue("certificate"), Hint: "PEM, beginning with BEGIN CERTIFICATE. Compare its fingerprint with them by telephone before you rely on it."},
			{Name: "owner", Label: "Who sees to its end", Value: r.FormValue("owner"), Max: 120, Optional: true},
		}})}),
	}
	if whole != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, p)
}

func (d Deps) importPin(r *http.Request, channel, pem, owner string) (certificates.Pin, error) {
	if !d.known(channel) {
		return certificates.Pin{}, &certificates.InvalidError{Err: errNoChannel}
	}
	p, err := d.Certificates.Import(r.Context(), channel, []byte(pem), strings.TrimSpace(owner), by(r, ""))
	if err == nil {
		d.Changed(r.Context())
		said(r)
	}
	return p, err
}

func (d Deps) pin(w http.ResponseWriter, r *http.Request) error {
	p, err := d.importPin(r, r.FormValue("channel"), r.FormValue("certificate"), r.FormValue("owner"))
	if whole, ok := wrong(err); ok {
		return d.askPin(w, r, whole)
	}
	if err != nil {
		return err
	}
	return web.Done(w, r, home, "Pinned for "+p.Channel+". Compare its SHA-256 with them by telephone: "+grouped(p.Fingerprint))
}

func (d Deps) pinOf(r *http.Request) (certificates.Pin, error) {
	all, err := d.Certificates.AllPins(r.Context())
	for _, p := range all {
		if p.ID == r.PathValue("id") {
			return p, err
		}
	}
	if err == nil {
		err = certificates.ErrNotFound
	}
	return certificates.Pin{}, err
}

func (d Deps) askUnpin(w http.ResponseWriter, r *http.Request, bad string) error {
	x, err := d.pinOf(r)
	if err != nil {
		return err
	}
	p := kit.Page{
		Title: "Take a certificate out", Lead: "Take this certificate of " + x.Channel + " out?", Nav: home, Crumbs: crumbs("Take out"),
		Body: kit.Confirm(kit.ConfirmOpts{
			Title: x.Subject, Text: "Whoever shows it is refused from that moment, and live connections are cut. If it is the only one of the channel, its results wait.",
			Facts: []kit.KV{{Key: "Ends", Value: x.Ends.UTC().Format(time.DateOnly)}, {Key: "SHA-256", Value: grouped(x.Fingerprint), Mono: true}}, Action: home + "/pins/" + x.ID + "/remove",
			Button: "Yes, take it out", Cancel: home, Bad: true, Reason: true, ReasonError: bad,
		}),
	}
	if bad != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, p)
}

func (d Deps) unpin(w http.ResponseWriter, r *http.Request) error {
	reason := strings.TrimSpace(r.FormValue("reason"))
	if reason == "" || !confirmed(r) {
		return d.askUnpin(w, r, "Say why: it goes into the record.")
	}
	if err := d.takeOut(r, r.PathValue("id"), reason); err != nil {
		return err
	}
	return web.Done(w, r, home, "Taken out. It is refused from now on.")
}

func (d Deps) takeOut(r *http.Request, id, reason string) error {
	n, err := event.ParseID(id)
	if err != nil {
		return certificates.ErrNotFound
	}
	if _, err := d.Certificates.Unpin(r.Context(), n, by(r, reason)); err != nil {
		return err
	}
	d.Changed(r.Context())
	said(r)
	return nil
}
