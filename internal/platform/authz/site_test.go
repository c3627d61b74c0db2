package authz_test

import (
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// AtSite only takes away: for every role and permission it gives at the site what
// the subject has there, and nothing anywhere else.
func TestAtSiteGivesNothingMore(t *testing.T) {
	places := []authz.Object{{}, here, {Partner: "riverside", Site: "north"}, {Partner: "northgate", Site: "main"}, {Site: "main"}, {Partner: "riverside"}}
	for _, r := range authz.Roles() {
		for _, sites := range [][]string{nil, {"main"}, {"north"}, {"north", "main"}} {
			s := holder(r.Role)
			s.Grants[0].Sites = sites
			at := s.AtSite("main")
			for _, p := range authz.Permissions() {
				for _, o := range places {
					had, has := s.May(p.Permission, o, now) == nil, at.May(p.Permission, o, now) == nil
					if has && !had || has && p.Scoped && o.Site != "main" || p.Scoped && o.Site == "main" && had != has {
						t.Errorf("%s of %v, %s of %+v: %v, before %v", r.Role, sites, p.Permission, o, has, had)
					}
				}
			}
			if len(s.Grants[0].Sites) != len(sites) {
				t.Errorf("%s: the subject itself was changed", r.Role)
			}
		}
	}
	// A role that masks masks at every site, and break-glass is not narrowed: it is
	// left out.
	s := holder(authz.Director)
	s.Grants = append(s.Grants, authz.Grant{Role: authz.Auditor, Sites: []string{"north"}, Until: now.Add(time.Hour)})
	s.Glass, s.Glassed = event.NewID(), []authz.Permission{authz.QuarantineSee}
	at := s.AtSite("main")
	if at.May(authz.ResultsReveal, here, now) == nil || at.May(authz.QuarantineSee, authz.Object{Site: "north"}, now) == nil {
		t.Error("narrowed to a site it gives more")
	}
	if (*authz.Subject)(nil).AtSite("main").May(authz.TodaySee, authz.Object{}, now) == nil {
		t.Error("nobody may something")
	}
}
