package keysui

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/qr"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) one(w http.ResponseWriter, r *http.Request) error {
	p, k, err := d.found(r, authz.PartnersSee)
	if err != nil {
		return err
	}
	return d.keyPage(w, r, p, &k, nil)
}

func (d Deps) keyPage(w http.ResponseWriter, r *http.Request, p Partner, k *keys.Key, beside map[string]string) error {
	now := clock(r)
	page := kit.Page{Title: "Key " + short(k.Fingerprint), Nav: "/partners", Crumbs: crumbs(p, kit.Crumb{Name: short(k.Fingerprint)})}
	if beside != nil {
		page.Status = http.StatusUnprocessableEntity
	}
	own, err := d.ownSheet()
	if err != nil {
		return err
	}
	var main []templ.Component
	page.Lead, page.Rest = keyLead(p, k, now)
	if k.State == keys.Proposed {
		main = append(main, d.exchange(r, p, k, beside))
	} else {
		print, err := d.printSheet(k)
		if err != nil {
			return err
		}
		main = append(main, print)
	}
	main = append(main, d.story(r, k, now))
	page.Body = kit.Columns(join(main...), own)
	return web.Render(w, r, page)
}

func keyLead(p Partner, k *keys.Key, now time.Time) (lead, rest string) {
	switch k.Stands(now) {
	case "proposed":
		return "Compare this key with " + p.Name + " before it is used.", "Whoever changed it on its way to you could read their results."
	case "compared":
		return "This key was compared and is not used yet.", "Another person than the one who added it takes it into use."
	case "planned":
		return "This key will be used from " + kit.Date(k.From, now) + ".", ""
	case "in use":
		return "Results for " + p.Name + " are encrypted to this key.", ""
	case "retiring":
		return "This key leaves its place to another on " + kit.Date(k.Until, now) + ".", "Until then both open what is sent."
	case "replaced":
		return "Another key has taken this one's place.", ""
	case "revoked":
		return "This key was revoked and is never used again.", ""
	}
	return "This key is retired.", ""
}

// exchange is the call: what to read, what to hear.
func (d Deps) exchange(r *http.Request, p Partner, k *keys.Key, beside map[string]string) templ.Component {
	ours, theirs := keys.Halves(k.Fingerprint)
	call := kit.Sheet(kit.SheetOpts{Title: "Read out, and hear", Pad: true, ID: "exchange", Body: join(
		say(fmt.Sprintf("Call %s, by a number you had before this key came. They look at their own key with", ask(p))),
		typed(howTheySee(k.Kind)),
		say(fmt.Sprintf("Read these %s groups to them. They say whether theirs begin like that.", kit.Count(len(ours)))),
		groupList("The groups you read out", ours, true),
		say(fmt.Sprintf("Then they read the other %s groups to you. They stand nowhere on this page: write them as you hear them.", kit.Count(len(theirs)))),
	)})
	if !may(r, authz.PartnerKeys, p.Key) {
		return call
	}
	how := []kit.Option{{Value: keys.ByPhone, Text: "By phone"}, {Value: keys.InPerson, Text: "In person"}, {Value: keys.ByVideo, Text: "By video"}, {Value: keys.ByLetter, Text: "By letter"}}
	value := func(name, first string) string {
		if beside != nil {
			return r.PostFormValue(name)
		}
		return first
	}
	fields := []kit.Field{
		{Name: "half", Label: fmt.Sprintf("The %s groups they read to you", kit.Count(len(theirs))), Mono: true, Required: true, Value: value("half", ""), Max: 600, Hint: "With or without blanks; Alfa to Foxtrot are understood."},
		{Name: "with", Label: "With whom you compared", Required: true, Max: 200, Value: value("with", p.Contact)},
		{Name: "how", Label: "How", Kind: kit.SelectField, Value: value("how", keys.ByPhone), Options: how, Narrow: true},
		{Name: "number", Label: "The number you called", Max: 60, Value: value("number", p.Phone), Narrow: true, Hint: "For a call: one you had before, not one that came with the key."},
	}
	return join(call, kit.Sheet(kit.SheetOpts{Title: "What you heard", Pad: true, Body: kit.Form(kit.FormOpts{Action: atKey(k), Fields: kit.WithErrors(fields, beside), Submit: "It is the same key", Cancel: at(p)})}))
}

// printSheet is the whole fingerprint of a key that was compared.
func (d Deps) printSheet(k *keys.Key) (templ.Component, error) {
	code, err := qr.Of(scanned(k.Kind, k.Fingerprint))
	if err != nil {
		return nil, err
	}
	return kit.Sheet(kit.SheetOpts{Title: "Fingerprint", Pad: true, Body: join(
		groupList("The fingerprint", keys.Groups(k.Fingerprint), false), kit.Scan(code, codeLabel, "The same, to scan.", codeWidth), say("They see it with"), typed(howTheySee(k.Kind)),
	)}), nil
}

// story is what the key is and what became of it, with what can be done.
func (d Deps) story(r *http.Request, k *keys.Key, now time.Time) templ.Component {
	s, word := state(k, now)
	who := func(account string, at time.Time) string { return d.called(account) + ", " + kit.Clock(at, now) }
	facts := []kit.KV{
		{Key: "State", Body: kit.Tag(s, word)},
		{Key: "Kind", Value: kindWords(k.Kind) + ", " + k.Strength},
		{Key: "It says it is of", Value: orNone(k.Name)},
		{Key: "Its own end", Value: day(k.Ends, now, "none")},
		{Key: "Added", Value: who(k.AddedBy, k.AddedAt)},
	}
	if k.WeakReason != "" {
		facts = append(facts, kit.KV{Key: "Weak, taken because", Value: k.WeakReason})
	}
	if c := k.Comparison; !c.At.IsZero() {
		facts = append(facts, kit.KV{Key: "Compared", Value: who(c.By, c.At)}, kit.KV{Key: "With", Value: strings.TrimSpace(c.With + ", " + c.How + " " + c.Number)})
	}
	if !k.UsedAt.IsZero() {
		facts = append(facts, kit.KV{Key: "Taken into use", Value: who(k.UsedBy, k.UsedAt)}, kit.KV{Key: "In use", Value: inUse(k, now)})
	}
	if !k.EndedAt.IsZero() {
		facts = append(facts, kit.KV{Key: "Ended", Value: who(k.EndedBy, k.EndedAt)}, kit.KV{Key: "Because", Value: k.Reason})
	}
	var acts []kit.Action
	if may(r, authz.PartnerKeysUse, k.Partner) {
		if k.State == keys.Compared {
			acts = append(acts, kit.Action{Text: "Take into use", Href: atKey(k) + "/use", Primary: true, Icon: "key"})
		}
		if k.Open() {
			text := "Retire"
			if k.State < keys.InUse {
				text = "Put aside"
			}
			acts = append(acts, kit.Action{Text: text, Href: atKey(k) + "/retire"})
		}
		if k.State != keys.Revoked {
			acts = append(acts, kit.Action{Text: "Revoke", Href: atKey(k) + "/revoke"})
		}
	}
	body := []templ.Component{kit.KeyValues(facts)}
	if len(acts) > 0 {
		body = append(body, kit.Buttons(acts...))
	}
	return kit.Sheet(kit.SheetOpts{Title: "What became of it", Pad: true, Body: join(body...)})
}

func orNone(s string) string {
	if s == "" {
		return "nobody"
	}
	return s
}

func (d Deps) compare(w http.ResponseWriter, r *http.Request) error {
	p, k, err := d.found(r, authz.PartnerKeys)
	if err != nil {
		return err
	}
	c := keys.Comparison{With: r.PostFormValue("with"), How: r.PostFormValue("how"), Number: r.PostFormValue("number")}
	_, err = d.Keys.Compare(r.Context(), k.ID, c, r.PostFormValue("half"), by(r))
	if beside, ok := fieldsOf(err); ok {
		return d.keyPage(w, r, p, &k, beside)
	}
	if err != nil {
		return err
	}
	said(r, p.Key)
	return web.Done(w, r, atKey(&k), "The comparison is on record. Another person takes the key into use.")
}
