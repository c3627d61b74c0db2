package portalui_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/bus/bustest"
)

// TestEveryColumnIsBound: a thief who edits the database is found.
func TestEveryColumnIsBound(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		s.settings.Rules = []portal.Rule{{Name: "hiv", Codes: []string{"56888-1"}, Then: portal.Withhold}}
		for _, f := range []string{"39-platelets-original.hl7", "40-platelets-corrected.hl7", "01-bmp.hl7", "25-hiv-screen.hl7"} {
			s.put("riverside", f)
		}
		for _, name := range []string{"Dana Ruiz", "Omar Haddad"} {
			b := s.browser()
			b.comeIn(s.letter("riverside", name))
			list := b.results(true)
			b.get(list[0])
			b.post(list[0] + "/missing")
			b.post(list[len(list)-1]+"/wrong", "fate", portal.Returned)
			b.want(b.post("/me/password", "password", "otter blanket seven rivers"), http.StatusSeeOther, "/me")
		}
		for _, about := range []string{"one", "two"} {
			_, err := s.portal.AskCopy(t.Context(), about, s.now().Add(-time.Hour), "r.okafor")
			must(t, err)
		}
		bustest.EveryColumn(t, s.db, "partners_portal_", map[string]string{
			"partners_portal_seen.*": "written once a minute for each session; changed, it keeps an idle session until its absolute end, which is bound",
		}, s.portal.Audit)
	})
}
