package tunnelsui_test

import (
	"os"
	"slices"
	"testing"

	"github.com/labwarden/labwarden/e2e/pages"
)

// The pages with a browser, all with LABWARDEN_BARS.
func TestPagesTunnels(t *testing.T) {
	l := newLab(t, full())
	plan := pages.Plan{Base: l.srv.URL}
	for name, p := range map[string]pages.Page{
		"list": {Path: "/tunnels", Narrow: true, Print: true}, "up": {Path: "/tunnels/riverside", Narrow: true}, "down": {Path: "/tunnels/summit"}, "device": {Path: "/tunnels/analyser", Narrow: true},
		"waiting": {Path: "/tunnels/hilltop"}, "add": {Path: "/setup/tunnel", Narrow: true}, "allow": {Path: "/tunnels/riverside/allow", Narrow: true}, "invite": {Path: "/tunnels/riverside/invite", Narrow: true},
		"remove": {Path: "/tunnels/riverside/remove", Narrow: true}, "export": {Path: "/tunnels/analyser/export"},
	} {
		if os.Getenv("LABWARDEN_BARS") == "" && !slices.Contains([]string{"list", "up"}, name) {
			continue // make soak looks at all of them
		}
		p.Name = "tunnels-" + name
		plan.Pages = append(plan.Pages, p)
	}
	r := pages.Look(t, plan)
	if len(r.Measured) != len(plan.Pages) {
		t.Errorf("%d of %d pages were looked at", len(r.Measured), len(plan.Pages))
	}
	pages.Look(t, pages.Plan{Base: l.srv.URL, First: 2 * 120 << 10, Script: 2 * 25 << 10, Pages: []pages.Page{
		{
			Name: "tunnels-token", Path: "/setup/tunnel", Narrow: true,
			Steps: []pages.Step{{Do: "fill", At: "#f-name", Value: "bayside"}, {Do: "fill", At: "#f-allow", Value: "10.1.2.3:2576"}, {Do: "click", At: "button[type=submit].pri"}, {Do: "see", Text: "not shown again"}},
		},
		{Name: "tunnels-configuration", Path: "/tunnels/analyser/export", Narrow: true, Steps: []pages.Step{{Do: "click", At: "main form button[type=submit]"}, {Do: "see", Text: "not shown again"}}},
	}})
}
