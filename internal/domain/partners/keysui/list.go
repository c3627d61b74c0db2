package keysui

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/qr"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) list(w http.ResponseWriter, r *http.Request) error {
	p, err := d.partner(r, authz.PartnersSee)
	if err != nil {
		return err
	}
	all, err := d.Keys.Of(r.Context(), p.Key)
	if err != nil {
		return err
	}
	f, err := d.Keys.InForce(r.Context(), p.Key)
	damaged := errors.Is(err, keys.ErrDamaged)
	if err != nil && !damaged && !errors.Is(err, keys.ErrNoKey) {
		return err
	}
	now := clock(r)
	t := kit.Table{
		Caption: "Keys of " + p.Name, View: kit.View{Path: r.URL.Path, Page: 1, Size: len(all) + 1}, Total: len(all),
		Empty:   "No key was ever added. Ask them for an age recipient, an OpenPGP public key or an S/MIME certificate.",
		Columns: []kit.Column{{Name: "Fingerprint"}, {Name: "State"}, {Name: "Kind", Wide: true}, {Name: "In use", Wide: true}, {Name: "Its own end", Wide: true}},
	}
	for i := range all {
		k := &all[i]
		s, word := state(k, now)
		t.Rows = append(t.Rows, kit.Row{Key: k.ID.String(), At: s == kit.Stopped && k.Open(), Cells: []kit.Cell{
			{Text: short(k.Fingerprint), Sub: k.Name, Href: atKey(k), Mono: true},
			kit.CState(s, "", word),
			{Text: kindWords(k.Kind), Sub: k.Strength},
			kit.C(inUse(k, now)), kit.C(day(k.Ends, now, "none")),
		}})
	}
	lead, rest := lead(p, f, all)
	body := []templ.Component{}
	if damaged {
		lead, rest = "The stored keys of "+p.Name+" were changed by somebody without the laboratory's key.", "Its results wait."
		body = append(body, kit.Verdict(kit.Stopped, "Somebody wrote into the database", "Nothing is encrypted to these keys. Treat it as a break-in: labwarden verify --ledger names the rows.", nil))
	}
	var tools templ.Component
	if may(r, authz.PartnerKeys, p.Key) {
		tools = kit.Button(kit.Action{Text: "Add a key", Href: at(p) + "/new", Icon: "add"})
	}
	own, err := d.ownSheet()
	if err != nil {
		return err
	}
	return web.Render(w, r, kit.Page{
		Title: "Keys of " + p.Name, Lead: lead, Rest: rest, Nav: "/partners", Crumbs: crumbs(p), Tools: tools, Live: []string{"partner:" + p.Key},
		Body: templ.Join(append(body, kit.Columns(kit.Sheet(kit.SheetOpts{Title: "Their keys", Sub: "what results are encrypted to", Body: kit.DataTable(t)}), own))...),
	})
}

func inUse(k *keys.Key, now time.Time) string {
	switch {
	case k.From.IsZero():
		return "never"
	case !k.EndedAt.IsZero():
		return "until " + kit.Date(k.EndedAt, now)
	case now.Before(k.From):
		return "from " + kit.Date(k.From, now)
	case !k.Until.IsZero():
		return "until " + kit.Date(k.Until, now)
	}
	return "since " + kit.Date(k.From, now)
}

func day(t, now time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return kit.Date(t, now)
}

// ownPrint is how a public signing key of ours is compared: the SHA-256 of its
// line in lab.pub, without the line's end.
func ownPrint(line string) string {
	sum := sha256.Sum256([]byte(line))
	return hex.EncodeToString(sum[:])
}

// ownSheet shows our own signing key, for them to compare.
func (d Deps) ownSheet() (templ.Component, error) {
	o := kit.SheetOpts{Title: "Our own key", Sub: "what we sign receipts with", Pad: true, ID: "own"}
	var lines []string
	if d.Own != nil {
		lines = d.Own()
	}
	if len(lines) == 0 {
		o.Body = kit.UnknownState("The signing key is not at hand.")
		return kit.Sheet(o), nil
	}
	print := ownPrint(lines[0])
	code, err := qr.Of(scanned("", print))
	if err != nil {
		return nil, err
	}
	parts := []templ.Component{
		say("Receipts and proofs are signed with it. They get it once as the file lab.pub, and compare it with you: read these groups to them, or let them scan the code."),
		groupList("The fingerprint of our signing key", keys.Groups(print), false),
		kit.Scan(code, codeLabel, "The same, to scan.", codeWidth),
		say("They see it with"),
		typed("head -n 1 lab.pub | tr -d '\\n' | sha256sum"),
		say("The file's first line:"),
		typed(lines[0]),
	}
	o.Body = templ.Join(parts...)
	return kit.Sheet(o), nil
}
