package setupui

import (
	"net/http"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const maxSecretForm = 256 << 10

func (d Deps) secretRoutes() []web.Route {
	if d.Secrets == nil {
		return nil
	}
	return []web.Route{
		{Pattern: "GET /secrets", Needs: authz.SecretsSet, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.drawSecrets(w, r, "", nil) }},
		{Pattern: "POST /secrets", Needs: authz.SecretsSet, Handle: d.setSecret, MaxBody: maxSecretForm},
		{Pattern: "GET /secrets/{name}/remove", Needs: authz.SecretsSet, Handle: d.drawRemove},
		{Pattern: "POST /secrets/{name}/remove", Needs: authz.SecretsSet, Handle: d.removeSecret},
		web.Op[none, []Secret]{
			Pattern: "GET /api/v1/secrets", Needs: authz.SecretsSet, Tag: "Keys", Summary: "Stored secrets, without their values",
			Do: func(r *http.Request, _ none) ([]Secret, error) { return d.Secrets.Secrets(r.Context()) },
		}.Route(),
		web.Op[newSecret, none]{
			Pattern: "PUT /api/v1/secrets/{name}", Needs: authz.SecretsSet, Tag: "Keys", Summary: "Store a secret, or another value of it", MaxBody: maxSecretForm,
			Do: func(r *http.Request, in newSecret) (none, error) {
				return none{}, d.Secrets.SetSecret(r.Context(), in.Name, []byte(in.Value), web.Who(r).Account)
			},
		}.Route(),
		web.Op[namedSecret, none]{
			Pattern: "DELETE /api/v1/secrets/{name}", Needs: authz.SecretsSet, Tag: "Keys", Summary: "Forget a secret; refused while the configuration in force uses it",
			Do: func(r *http.Request, in namedSecret) (none, error) {
				return none{}, d.Secrets.RemoveSecret(r.Context(), in.Name, web.Who(r).Account)
			},
		}.Route(),
	}
}

type namedSecret struct {
	Name string `path:"name" doc:"of the secret"`
}

type newSecret struct {
	Name  string `path:"name" doc:"of the secret"`
	Value string `json:"value" doc:"never given out again"`
}

// drawSecrets lists names. A value that was typed is never drawn again.
func (d Deps) drawSecrets(w http.ResponseWriter, r *http.Request, name string, wrong map[string]string) error {
	all, err := d.Secrets.Secrets(r.Context())
	if err != nil {
		return err
	}
	now := d.now(r)
	var rows []kit.Row
	unused := 0
	for _, s := range all {
		state, word := kit.Fine, "Used"
		remove := kit.C("")
		if !s.Used {
			unused++
			state, word = kit.Unknown, "Not used"
			remove = kit.CLink("Remove", "/secrets/"+s.Name+"/remove")
		}
		rows = append(rows, kit.Row{Key: s.Name, Cells: []kit.Cell{
			kit.CMono(s.Name), kit.CState(state, word, word), kit.C(s.SetBy), kit.CMono(kit.Clock(s.SetAt.In(d.zone()), now)), remove,
		}})
	}
	p := kit.Page{
		Title: "Secrets", Lead: things(len(all), "secret is stored.", "secrets are stored."), Rest: "No page shows a value.", Nav: nav,
		Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Secrets"}},
	}
	if len(all) == 0 {
		p.Lead, p.Rest = "No secrets are stored.", ""
	}
	if len(wrong) > 0 {
		p.Status = http.StatusUnprocessableEntity
	}
	t := kit.Table{
		Caption: "Stored secrets", View: kit.View{Path: "/secrets"}, Rows: rows, Total: len(rows), Empty: "Nothing is stored.",
		Columns: []kit.Column{{Name: "Name"}, {Name: "State"}, {Name: "Set by"}, {Name: "Set"}, {Name: "Forget it"}},
	}
	form := kit.Form(kit.FormOpts{Action: "/secrets", Submit: "Store it", Fields: kit.WithErrors([]kit.Field{
		{Name: "name", Label: "Name", Value: name, Mono: true, Required: true, Max: 64, Hint: "The configuration says vault: and this name. One that is there gets the new value.", Autocomplete: "off"},
		{Name: "value", Label: "Value", Kind: kit.TextareaField, Rows: 4, Mono: true, Required: true, Hint: "A password, a token, or a whole key in PEM. It is sealed, and never shown again.", Autocomplete: "off"},
	}, wrong)})
	p.Body = kit.Columns(kit.Sheet(kit.SheetOpts{Title: "What is stored", Body: kit.DataTable(t)}), kit.Sheet(kit.SheetOpts{Title: "Store a secret", Body: form, Pad: true}))
	return web.Render(w, r, p)
}

func (d Deps) setSecret(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return web.Invalid("The form was not whole. Send it again.")
	}
	name, value := strings.TrimSpace(r.PostFormValue("name")), strings.ReplaceAll(r.PostFormValue("value"), "\r\n", "\n")
	wrong := map[string]string{}
	if name == "" {
		wrong["name"] = "Write a name: letters, digits, - _ and ."
	}
	if value == "" {
		wrong["value"] = "Write the value."
	}
	if len(wrong) > 0 {
		return d.drawSecrets(w, r, name, wrong)
	}
	if err := d.Secrets.SetSecret(r.Context(), name, []byte(value), web.Who(r).Account); err != nil {
		return err
	}
	return web.Done(w, r, "/secrets", "The secret is stored. What runs takes it at the next apply or reload.")
}

func (d Deps) drawRemove(w http.ResponseWriter, r *http.Request) error {
	name, err := d.secretNamed(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, kit.Page{
		Title: "Forget a secret", Lead: "Forget this secret?", Nav: nav, Crumbs: []kit.Crumb{{Name: "Settings", Href: "/settings"}, {Name: "Secrets", Href: "/secrets"}},
		Body: kit.Confirm(kit.ConfirmOpts{
			Title: name, Text: "Its value is gone then. It is refused while the configuration in force uses it.", Action: "/secrets/" + name + "/remove",
			Button: "Forget it", Cancel: "/secrets", Bad: true,
		}),
	})
}

// secretNamed is the one of the path, if it is there.
func (d Deps) secretNamed(r *http.Request) (string, error) {
	all, err := d.Secrets.Secrets(r.Context())
	if err != nil {
		return "", err
	}
	for _, s := range all {
		if s.Name == r.PathValue("name") {
			return s.Name, nil
		}
	}
	return "", web.NotFound("There is no such secret.")
}

func (d Deps) removeSecret(w http.ResponseWriter, r *http.Request) error {
	name, err := d.secretNamed(r)
	if err != nil {
		return err
	}
	if r.FormValue("confirm") != "yes" {
		return d.drawRemove(w, r)
	}
	if err := d.Secrets.RemoveSecret(r.Context(), name, web.Who(r).Account); err != nil {
		return err
	}
	return web.Done(w, r, "/secrets", "The secret is forgotten.")
}
