package keysui

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) askUse(w http.ResponseWriter, r *http.Request) error {
	p, k, err := d.found(r, authz.PartnerKeysUse)
	if err != nil {
		return err
	}
	return d.usePage(w, r, p, &k, nil)
}

func (d Deps) usePage(w http.ResponseWriter, r *http.Request, p Partner, k *keys.Key, beside map[string]string) error {
	if k.State != keys.Compared {
		return keys.ErrConflict
	}
	f, err := d.Keys.InForce(r.Context(), p.Key)
	if err != nil && !errors.Is(err, keys.ErrNoKey) {
		return err
	}
	now, status := clock(r), 0
	from, overlap := r.PostFormValue("from"), r.PostFormValue("overlap")
	if beside != nil {
		status = http.StatusUnprocessableEntity
	}
	fields := []kit.Field{{Name: "from", Label: "From", Kind: kit.DateField, Value: from, Narrow: true, Optional: true, Hint: "The beginning of that day; empty: now."}}
	rest := "It is the first one: what waits goes as soon as it is in use."
	if len(f.Keys) > 0 {
		rest = "The key in use now (" + short(f.Keys[0].Fingerprint) + ") leaves it the place."
		if beside == nil {
			overlap = "14"
			if f.Keys[0].Kind != k.Kind {
				overlap = "0"
			}
		}
		fields = append(fields, kit.Field{
			Name: "overlap", Label: "Days with both keys", Kind: kit.NumberField, InputMode: "numeric", Value: overlap, Narrow: true,
			Hint: "So long each of the two opens what is sent. 0: from its day on only the new one, as with a key of another kind.",
		})
	}
	return web.Render(w, r, kit.Page{
		Title: "Take into use", Lead: "Encrypt results for " + p.Name + " to this key?", Rest: rest, Nav: "/partners", Status: status,
		Crumbs: crumbs(p, kit.Crumb{Name: short(k.Fingerprint), Href: atKey(k)}, kit.Crumb{Name: "Take into use"}),
		Body: kit.Columns(
			kit.Sheet(kit.SheetOpts{Title: "When", Pad: true, Body: kit.Form(kit.FormOpts{Action: atKey(k) + "/use", Fields: kit.WithErrors(fields, beside), Submit: "Take it into use", Cancel: atKey(k)})}),
			d.story(r, k, now),
		),
	})
}

func (d Deps) use(w http.ResponseWriter, r *http.Request) error {
	p, k, err := d.found(r, authz.PartnerKeysUse)
	if err != nil {
		return err
	}
	from, days, beside := time.Time{}, 0, map[string]string{}
	if v := strings.TrimSpace(r.PostFormValue("from")); v != "" {
		if from, err = time.ParseInLocation(time.DateOnly, v, clock(r).Location()); err != nil {
			beside["from"] = "Write a date as 2027-05-31."
		}
	}
	if v := strings.TrimSpace(r.PostFormValue("overlap")); v != "" {
		if days, err = strconv.Atoi(v); err != nil {
			beside["overlap"] = "Write a number of days."
		}
	}
	if len(beside) > 0 {
		return d.usePage(w, r, p, &k, beside)
	}
	_, err = d.Keys.Use(r.Context(), k.ID, from, days, by(r))
	if beside, ok := fieldsOf(err); ok {
		return d.usePage(w, r, p, &k, beside)
	}
	if err != nil {
		return err
	}
	said(r, p.Key)
	return web.Done(w, r, atKey(&k), "The key was taken into use.")
}

func (d Deps) askEnd(w http.ResponseWriter, r *http.Request) error {
	p, k, err := d.found(r, authz.PartnerKeysUse)
	if err != nil {
		return err
	}
	return d.endPage(w, r, p, &k, "")
}

func (d Deps) endPage(w http.ResponseWriter, r *http.Request, p Partner, k *keys.Key, wrong string) error {
	revoke := strings.HasSuffix(r.URL.Path, "/revoke")
	o := kit.ConfirmOpts{
		Title: "It is no longer used", Text: "The entry stays and can be read. The last key in use cannot be retired: its results would wait.",
		Action: atKey(k) + "/retire", Button: "Retire it", Cancel: atKey(k), Reason: true, ReasonError: wrong, ReasonValue: r.PostFormValue("reason"),
		Facts: []kit.KV{{Key: "Partner", Value: p.Name}, {Key: "Fingerprint", Value: short(k.Fingerprint), Mono: true}},
	}
	lead := "Retire this key?"
	if revoke {
		lead = "Revoke this key?"
		o.Title, o.Action, o.Button, o.Bad = "It is never used again, from the next result on", atKey(k)+"/revoke", "Revoke it", true
		o.Text = "For a key that somebody else may have. What was sent before stays readable to whoever has it: tell the privacy officer. Where it is the only one in use, results for " + p.Name + " wait until another is; critical ones are told by phone."
	}
	page := kit.Page{Title: lead, Lead: lead, Nav: "/partners", Crumbs: crumbs(p, kit.Crumb{Name: short(k.Fingerprint), Href: atKey(k)}), Body: kit.Confirm(o)}
	if wrong != "" {
		page.Status = http.StatusUnprocessableEntity
	}
	return web.Render(w, r, page)
}

func (d Deps) retire(w http.ResponseWriter, r *http.Request) error {
	return d.end(w, r, "The key was retired.", d.Keys.Retire)
}

func (d Deps) revoke(w http.ResponseWriter, r *http.Request) error {
	return d.end(w, r, "The key was revoked.", d.Keys.Revoke)
}

func (d Deps) end(w http.ResponseWriter, r *http.Request, done string, do endFunc) error {
	p, k, err := d.found(r, authz.PartnerKeysUse)
	if err != nil {
		return err
	}
	if r.PostFormValue("confirm") != "yes" {
		return d.endPage(w, r, p, &k, "")
	}
	_, err = do(r.Context(), k.ID, r.PostFormValue("reason"), by(r))
	if beside, ok := fieldsOf(err); ok {
		return d.endPage(w, r, p, &k, beside["reason"])
	}
	if err != nil {
		return err
	}
	said(r, p.Key)
	return web.Done(w, r, at(p), done)
}
