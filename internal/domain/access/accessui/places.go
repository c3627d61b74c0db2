package accessui

import (
	"net/http"
	"slices"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// mostBoxes is how many partners are offered as boxes; more are typed as keys.
const mostBoxes = 12

// placeFields ask for the partners and sites a role is narrowed to. Where no site
// is configured there is no word of them.
func (u *ui) placeFields(r *http.Request) []kit.Field {
	return append(u.partnerFields(r, "Empty: every partner. A provider must have one or more."), u.siteFields(r)...)
}

func (u *ui) partnerFields(r *http.Request, hint string) []kit.Field {
	var all []Place
	if u.Partners != nil {
		all = u.Partners()
	}
	if len(all) == 0 || len(all) > mostBoxes {
		return []kit.Field{{Name: "partners", Label: "Only for these partners", Value: r.PostFormValue("partners"), Optional: true, Mono: true, Hint: "Keys of partners as in the configuration, separated by commas. " + hint}}
	}
	return boxes(r, "partners", "Only for ", all, "None ticked"+hint[len("Empty"):])
}

func (u *ui) siteFields(r *http.Request) []kit.Field {
	if u.Sites == nil {
		return nil
	}
	return boxes(r, "sites", "Only at ", u.Sites(), "None ticked: every site.")
}

// boxes are one for each place; the hint stands with the first.
func boxes(r *http.Request, name, label string, all []Place, hint string) []kit.Field {
	ticked := keysOf(r, name)
	var out []kit.Field
	for i, p := range all {
		f := kit.Field{Name: name, ID: "f-" + name + "-" + p.Key, Label: label + p.Name, Value: p.Key, Kind: kit.CheckboxField, Checked: slices.Contains(ticked, p.Key)}
		if p.Name == "" {
			f.Label = label + p.Key
		}
		if i == 0 {
			f.Hint = hint
		}
		out = append(out, f)
	}
	return out
}

// besides puts what is wrong beside its field; of several boxes beside the first.
func besides(fields []kit.Field, errs map[string]string) []kit.Field {
	out := kit.WithErrors(fields, errs)
	for i := 1; i < len(out); i++ {
		if out[i].Name == out[i-1].Name {
			out[i].Error = ""
		}
	}
	return out
}

// keysOf are the keys of a form's field, ticked or typed.
func keysOf(r *http.Request, name string) []string {
	_ = r.PostFormValue(name) // reads the form
	var out []string
	for _, text := range r.PostForm[name] {
		out = append(out, commas(text)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// knownPlaces refuses keys that no partner or site has: a slip of the pen would
// give a role that reaches nothing.
func (u *ui) knownPlaces(partners, sites []string) error {
	if err := known("partners", "partner", u.Partners, partners); err != nil {
		return err
	}
	return known("sites", "site", u.Sites, sites)
}

func known(field, what string, list func() []Place, keys []string) error {
	if list == nil {
		return nil
	}
	all := list()
	for _, k := range keys {
		if !slices.ContainsFunc(all, func(p Place) bool { return p.Key == k }) {
			return &access.Refusal{Kind: access.KindInvalid, Field: field, Text: "There is no " + what + " with the key " + k + "."}
		}
	}
	return nil
}
