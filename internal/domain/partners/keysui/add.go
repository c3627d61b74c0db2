package keysui

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) askAdd(w http.ResponseWriter, r *http.Request) error {
	p, err := d.partner(r, authz.PartnerKeys)
	if err != nil {
		return err
	}
	return d.addPage(w, r, p, nil)
}

func (d Deps) addPage(w http.ResponseWriter, r *http.Request, p Partner, beside map[string]string) error {
	status := 0
	if len(beside) > 0 {
		status = http.StatusUnprocessableEntity
	}
	fields := []kit.Field{
		{Name: "file", Label: "Their key as a file", Kind: kit.FileField, Optional: true, Hint: "An age recipient, an OpenPGP public key (.asc, .gpg) or an S/MIME certificate (.pem, .cer)."},
		{Name: "text", Label: "Or its text", Kind: kit.TextareaField, Rows: 6, Mono: true, Optional: true, Hint: "age1…, or from -----BEGIN to -----END. Never a private key: it is refused and not stored."},
		{Name: "weak", Label: "Why a weak key is taken", Optional: true, Max: 200, Value: r.PostFormValue("weak"), Spell: true, Hint: "Only for RSA keys shorter than 3072 bits. It goes into the record."},
	}
	// What was in the text is not drawn again: it may have been a private key.
	return web.Render(w, r, kit.Page{
		Title: "Add a key", Lead: "Which key do results for " + p.Name + " go to?", Rest: "It is not used before it was compared and a second person took it into use.",
		Nav: "/partners", Crumbs: crumbs(p, kit.Crumb{Name: "Add a key"}), Status: status,
		Body: kit.Columns(
			kit.Sheet(kit.SheetOpts{Title: "The key", Pad: true, Body: kit.Form(kit.FormOpts{Action: at(p) + "/new", Fields: kit.WithErrors(fields, beside), Submit: "Add it", Cancel: at(p), Files: true})}),
			kit.Sheet(kit.SheetOpts{Title: "What happens with it", Body: kit.Checks([]kit.Check{
				{State: kit.Unknown, Word: "first", Title: "Somebody compares it", Text: "By phone, in person or by video: not by the way it came."},
				{State: kit.Unknown, Word: "then", Title: "Another person takes it into use", Text: "From a day on, beside the old key for as long as they need."},
				{State: kit.Unknown, Word: "later", Title: "Its end alarms, and stops nothing", Text: "30, 14, 7 and 1 days before, to whoever owns the dates."},
			})}),
		),
	})
}

func (d Deps) add(w http.ResponseWriter, r *http.Request) error {
	p, err := d.partner(r, authz.PartnerKeys)
	if err != nil {
		return err
	}
	file, wrong := keyOf(r)
	if wrong != "" {
		return d.addPage(w, r, p, map[string]string{"file": wrong})
	}
	k, err := d.Keys.Add(r.Context(), p.Key, file, r.PostFormValue("weak"), by(r))
	if f := (*keys.FieldError)(nil); errors.As(err, &f) {
		return d.addPage(w, r, p, map[string]string{f.Field: f.Message})
	}
	if err != nil {
		return err
	}
	said(r, p.Key)
	return web.Done(w, r, atKey(&k), "The key was added. Compare it with them now.")
}

// keyOf is the file or the text of the form: one of them.
func keyOf(r *http.Request) (file []byte, wrong string) {
	text := strings.TrimSpace(r.PostFormValue("text"))
	if f, _, err := r.FormFile("file"); err == nil {
		defer f.Close()
		if file, err = io.ReadAll(f); err != nil {
			return nil, "The file could not be read; choose it again."
		}
	}
	switch {
	case len(file) > 0 && text != "":
		return nil, "Give the file or the text, not both."
	case len(file) > 0:
		return file, ""
	case text != "":
		return []byte(text), ""
	}
	return nil, "Choose a file, or put in the key's text."
}

// fieldsOf are the messages beside fields; false for other errors.
func fieldsOf(err error) (map[string]string, bool) {
	var f *keys.FieldError
	if errors.As(err, &f) {
		return map[string]string{f.Field: f.Message}, true
	}
	return nil, false
}

func join(parts ...templ.Component) templ.Component { return templ.Join(parts...) }
