package accessui

import (
	"net/http"
	"slices"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// placeFields ask for the partners and sites a role is narrowed to. Where no site
// is configured there is no word of them.
func (u *ui) placeFields(r *http.Request) []kit.Field {
	out := []kit.Field{u.partnersField(r, nil, "None ticked: every partner. A provider must have one or more.")}
	if u.Sites == nil {
		return out
	}
	if all := u.Sites(); len(all) > 0 {
		out = append(out, ticks(r, kit.Field{Name: "sites", Label: "Only at these sites", Optional: true, Hint: "None ticked: every site."}, all, nil))
	}
	return out
}

// partnersField lets partners be ticked; where they are not known, typed by key.
func (u *ui) partnersField(r *http.Request, only []string, hint string) kit.Field {
	f := kit.Field{Name: "partners", Label: "Only for these partners", Optional: true, Hint: hint}
	if u.Partners == nil {
		f.Value, f.Mono = r.PostFormValue("partners"), true
		f.Hint += " Keys, separated by commas."
		return f
	}
	if f = ticks(r, f, u.Partners(), only); len(f.Options) == 0 {
		f.Hint = "No partner is configured."
	}
	return f
}

// ticks offers places; only those keys where there are some.
func ticks(r *http.Request, f kit.Field, all []Place, only []string) kit.Field {
	f.Kind, f.Values = kit.ChecksField, keysOf(r, f.Name)
	for _, p := range all {
		if len(only) > 0 && !slices.Contains(only, p.Key) {
			continue
		}
		name := p.Name
		if name == "" {
			name = p.Key
		}
		f.Options = append(f.Options, kit.Option{Value: p.Key, Text: name})
	}
	for _, key := range only { // no longer in the configuration, and still the account's
		if !slices.ContainsFunc(f.Options, func(o kit.Option) bool { return o.Value == key }) {
			f.Options = append(f.Options, kit.Option{Value: key, Text: key})
		}
	}
	return f
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
