package accessui

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// sitesField lets the configured sites be ticked. Where none is configured there is
// no word of them.
func (u *ui) sitesField(r *http.Request) []kit.Field {
	if u.Sites == nil {
		return nil
	}
	f := kit.Field{Name: "sites", Label: "Only at these sites", Kind: kit.ChecksField, Optional: true, Values: keysOf(r, "sites"), Hint: "None ticked: every site."}
	for _, s := range u.Sites() {
		f.Options = append(f.Options, kit.Option{Value: s.Key, Text: s.Name})
	}
	if len(f.Options) == 0 {
		return nil
	}
	return []kit.Field{f}
}

// keysOf are the keys of a form's field, ticked or typed.
func keysOf(r *http.Request, name string) []string {
	_ = r.PostFormValue(name) // reads the form
	return commas(strings.Join(r.PostForm[name], ","))
}

// knownPlaces refuses keys that no partner or site has: a slip of the pen would
// give a role that reaches nothing.
func (u *ui) knownPlaces(partners, sites []string) error {
	if err := u.knownPartners("partners", partners); err != nil || u.Sites == nil {
		return err
	}
	all := u.Sites()
	for _, k := range sites {
		if !slices.ContainsFunc(all, func(p Place) bool { return p.Key == k }) {
			return &access.Refusal{Kind: access.KindInvalid, Field: "sites", Text: "There is no site with the key " + k + "."}
		}
	}
	return nil
}
