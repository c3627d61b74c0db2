package setupui

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) keyRoutes() []web.Route {
	if d.Keys == nil {
		return nil
	}
	return []web.Route{
		{Pattern: "GET /keys", Needs: authz.KeysSee, Handle: d.keysPage},
		{Pattern: "GET /keys/rotate", Needs: authz.KeysRotate, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.drawRotate(w, r, nil, nil, "") }},
		{Pattern: "POST /keys/rotate", Needs: authz.KeysRotate, Handle: d.rotate},
		web.Op[none, vault.Status]{
			Pattern: "GET /api/v1/keys", Needs: authz.KeysSee, Tag: "Keys", Summary: "Seals, recovery shares and keys; no secret",
			Do: func(r *http.Request, _ none) (vault.Status, error) { return d.Keys.Keys(r.Context()) },
		}.Route(),
		web.Op[rotation, vault.Status]{
			Pattern: "POST /api/v1/keys/rotate", Needs: authz.KeysRotate, Tag: "Keys", Summary: "Make new keys; what is stored is carried over to them",
			Do: func(r *http.Request, in rotation) (vault.Status, error) {
				if err := d.Keys.Rotate(r.Context(), in.What, web.Who(r).Account, in.Reason); err != nil {
					return vault.Status{}, err
				}
				web.Say(r, "keys")
				return d.Keys.Keys(r.Context())
			},
		}.Route(),
	}
}

type rotation struct {
	What   []string `json:"what" doc:"purposes, in this order; signer is the signing key"`
	Reason string   `json:"reason"`
}

const signer = "signer"

// purposes are what can be rotated: all but the index key, which would leave
// repeated messages unrecognised.
func purposes(st vault.Status) []string {
	out := []string{signer}
	for _, k := range st.Keys {
		if p := string(k.Purpose); k.Purpose != vault.PurposeIndex && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

func (d Deps) keysPage(w http.ResponseWriter, r *http.Request) error {
	st, err := d.Keys.Keys(r.Context())
	if err != nil {
		return err
	}
	now := d.now(r)
	p := kit.Page{
		Title: "Keys", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Keys"}}, Live: []string{"keys"},
		Lead: things(len(st.Seals), "seal opens the vault.", "seals open the vault."), Rest: "One of them needs nobody.",
	}
	if st.NeedsPerson {
		p.Rest = "Each needs a person: after a power cut no result flows until somebody has come."
	}
	if may(r, authz.KeysRotate) {
		p.Tools = kit.Button(kit.Action{Text: "Make new keys", Href: "/keys/rotate", Icon: "key"})
	}
	var seals []kit.Check
	for _, s := range st.Seals {
		c := kit.Check{State: kit.Fine, Word: "There", Title: sealName(s.Kind), Text: "Since " + kit.Date(s.Created.In(d.zone()), now) + ". Opens by itself."}
		if s.NeedsPerson {
			c.Text = "Since " + kit.Date(s.Created.In(d.zone()), now) + ". Needs a person."
		}
		seals = append(seals, c)
	}
	for _, x := range st.Warnings {
		seals = append(seals, kit.Check{State: kit.Warn, Word: "Needs you", Title: sentence(x)})
	}
	recovery := kit.Empty("No recovery shares were handed out.", nil)
	if s := st.Recovery; s != nil {
		facts := []kit.KV{
			{Key: "Handed out", Value: kit.Many(s.Shares, "share", "shares") + ", " + kit.Date(s.Created.In(d.zone()), now)},
			{Key: "Needed", Value: fmt.Sprintf("any %d", s.Threshold)},
			{Key: "Set", Value: s.Set, Mono: true},
		}
		shown, err := d.Setup.SharesShown(r.Context())
		if err != nil {
			return err
		}
		if shown.Set == s.Set {
			facts = append(facts, kit.KV{Key: "Shown last", Value: kit.Clock(shown.At.In(d.zone()), now) + ", by " + shown.By})
		} else {
			facts = append(facts, kit.KV{Key: "Shown last", Value: "never"})
		}
		recovery = join(kit.KeyValues(facts), kit.Buttons(kit.Action{Text: "Show one", Href: "/setup/shares"}))
	}
	p.Body = kit.Columns(
		kit.Sheet(kit.SheetOpts{Title: "Keys", Sub: "what each is for", Body: kit.DataTable(d.keyTable(st, now))}),
		join(
			kit.Sheet(kit.SheetOpts{Title: "What opens the vault", Body: kit.Checks(seals)}),
			kit.Sheet(kit.SheetOpts{Title: "Recovery shares", Body: recovery, Pad: st.Recovery != nil}),
		),
	)
	return web.Render(w, r, p)
}

func sealName(kind string) string {
	switch kind {
	case "keyfile":
		return "Key file"
	case "passphrase":
		return "Passphrase"
	case "systemd":
		return "Credential of the service manager"
	case "tpm":
		return "TPM"
	}
	return kind
}

var purposeWords = map[string]string{
	signer: "Signs checkpoints and proofs", "bodies": "Messages", "receipts": "What partners answered", "secrets": "Secrets", "config": "Revisions and drafts",
	"identifiers": "Who patients are", "ledger": "What the ledger says sealed",
	"index": "Search and duplicates; never rotated",
}

func purposeName(p string) string {
	if s, ok := purposeWords[p]; ok {
		return s
	}
	return p
}

func (d Deps) keyTable(st vault.Status, now time.Time) kit.Table {
	t := kit.Table{
		Caption: "Keys by purpose", View: kit.View{Path: "/keys"},
		Columns: []kit.Column{{Name: "For"}, {Name: "Made"}, {Name: "Older ones", Num: true}, {Name: "To carry over"}},
	}
	row := func(name string, made time.Time, older int, left kit.Cell) {
		t.Rows = append(t.Rows, kit.Row{Cells: []kit.Cell{
			{Text: purposeName(name), Sub: name}, kit.C(kit.Date(made.In(d.zone()), now)), kit.CNum(older), left,
		}})
	}
	if len(st.Signers) > 0 {
		row(signer, st.Signers[0].Created, len(st.Signers)-1, kit.C("proofs keep theirs"))
	}
	for _, p := range purposes(st)[1:] {
		d.purposeRow(st, p, row)
	}
	d.purposeRow(st, string(vault.PurposeIndex), row)
	t.Total = len(t.Rows)
	return t
}

func (d Deps) purposeRow(st vault.Status, purpose string, row func(string, time.Time, int, kit.Cell)) {
	older, made := 0, time.Time{}
	for _, k := range st.Keys {
		switch {
		case string(k.Purpose) != purpose:
		case k.Current:
			made = k.Created
		default:
			older++
		}
	}
	if made.IsZero() {
		return
	}
	left := kit.C("nothing")
	if older > 0 {
		left = kit.CState(kit.Unknown, "Not looked at", "being looked at")
	}
	for _, x := range st.Rewrap {
		switch {
		case string(x.Purpose) != purpose:
		case x.Stuck > 0:
			left = kit.CState(kit.Stopped, "Stuck", kit.Count(int(x.Stuck))+" do not open")
		case x.Left > 0:
			left = kit.CState(kit.Unknown, "Under way", kit.Count(int(x.Left))+" left")
		default:
			left = kit.C("nothing")
		}
	}
	row(purpose, made, older, left)
}

func (d Deps) drawRotate(w http.ResponseWriter, r *http.Request, chosen []string, wrong map[string]string, reason string) error {
	st, err := d.Keys.Keys(r.Context())
	if err != nil {
		return err
	}
	var fields []kit.Field
	for i, p := range purposes(st) {
		f := kit.Field{Name: "what", ID: fmt.Sprintf("f-what-%d", i), Kind: kit.CheckboxField, Value: p, Label: purposeName(p), Checked: slices.Contains(chosen, p)}
		if i == 0 {
			f.Hint, f.Error = "Partners and auditors who check proofs need the new public key.", wrong["what"]
		}
		fields = append(fields, f)
	}
	fields = append(fields, kit.ReasonField(reason, wrong["reason"]))
	p := kit.Page{
		Title: "Make new keys", Lead: "Which keys shall be new?", Rest: "What is stored is carried over in the background.", Nav: nav,
		Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Keys", Href: "/keys"}},
		Body: kit.Sheet(kit.SheetOpts{Title: "New keys", Pad: true, Body: kit.Form(kit.FormOpts{
			Action: "/keys/rotate", Submit: "Make them", Cancel: "/keys", Fields: fields,
		})}),
	}
	if len(wrong) > 0 {
		p.Status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, p)
}

func (d Deps) rotate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return web.Invalid("The form was not whole. Send it again.")
	}
	what, reason, wrong := r.PostForm["what"], strings.TrimSpace(r.PostFormValue("reason")), map[string]string{}
	if len(what) == 0 {
		wrong["what"] = "Choose at least one."
	}
	if reason == "" {
		wrong["reason"] = "Say why: it goes into the record."
	}
	if len(wrong) > 0 {
		return d.drawRotate(w, r, what, wrong, reason)
	}
	if err := d.Keys.Rotate(r.Context(), what, web.Who(r).Account, reason); err != nil {
		return err
	}
	web.Say(r, "keys")
	return web.Done(w, r, "/keys", things(len(what), "new key is", "new keys are")+" in use. Older ones go when nothing is stored under them any more.")
}
