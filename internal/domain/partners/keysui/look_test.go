package keysui_test

import (
	"testing"

	"github.com/labwarden/labwarden/e2e/pages"
	"github.com/labwarden/labwarden/internal/domain/partners/keys"
)

// The pages with a browser: both themes, wide and narrow, axe-core, no script.
func TestPagesOfPartnersKeys(t *testing.T) {
	l := newLab(t)
	add := func(file string, compare, use bool) keys.Key {
		k, err := l.keys.Add(t.Context(), "riverside", []byte(file), "", "dana")
		check(t, err)
		if compare {
			k, err = l.keys.Compare(t.Context(), k.ID, keys.Comparison{With: "Pat Ruiz", How: keys.ByPhone, Number: "+1 555 0100"}, half(k.Fingerprint), "dana")
			check(t, err)
		}
		if use {
			k, err = l.keys.Use(t.Context(), k.ID, l.at, 14, "console:root")
			check(t, err)
		}
		return k
	}
	add("age1first", true, true)
	second := add("age1second", true, true)
	compared := add("age1third", true, false)
	proposed := add("age1fourth", false, false)
	at := "/partners/riverside/keys"
	plan := pages.Plan{Base: l.as("sofia").srv.URL}
	for _, x := range []pages.Page{
		{Name: "list", Path: at, Narrow: true, Print: true},
		{Name: "add", Path: at + "/new", Narrow: true},
		{Name: "compare", Path: at + "/" + proposed.ID.String(), Narrow: true, Print: true},
		{Name: "compared", Path: at + "/" + compared.ID.String(), Narrow: true},
		{Name: "use", Path: at + "/" + compared.ID.String() + "/use", Narrow: true},
		{Name: "in-use", Path: at + "/" + second.ID.String()},
		{Name: "revoke", Path: at + "/" + second.ID.String() + "/revoke"},
	} {
		x.Name = "keys-" + x.Name
		plan.Pages = append(plan.Pages, x)
	}
	if r := pages.Look(t, plan); len(r.Measured) != len(plan.Pages) {
		t.Errorf("%d of %d pages were looked at", len(r.Measured), len(plan.Pages))
	}
}
