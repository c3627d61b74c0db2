package setupui_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/e2e/pages"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/setup/setupui"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/web"
)

var newWays = []string{setup.WaySFTP, setup.WayFTPS, setup.WaySFTPBox, setup.WayFTPSBox, setup.WayFHIRPull, setup.WayPortal}

// Every way stands in the list, asks little, says beside the field what is wrong,
// and ends in a draft.
func TestTheNewWaysByForm(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		list := r.get("ann", "/setup/partner")
		for i, way := range newWays {
			list.says(200, `href="/setup/partner/`+way+`"`)
			form := r.get("ann", "/setup/partner/"+way).says(200, `name="providers"`, `action="/setup/partner/`+way+`"`)
			if n := strings.Count(form.body, `class="field`); n > 16 {
				t.Errorf("%s asks %d questions", way, n)
			}
			r.post("ann", "/setup/partner/"+way, "name", "Harbor <x>", "address", "nowhere", "source", "lis").says(422, `id="f-providers-error"`, "Harbor &lt;x&gt;")
			p := r.post(
				"ann", "/setup/partner/"+way, "name", fmt.Sprintf("Harbor %d", i), "accounts", "H-1", "source", "lis", "address", "files.harbor.example:22", "user", "millbrook",
				"host-keys", "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg", "token", "harbor", "fingerprint", strings.Repeat("ab", 32), "client-id", "harbor-ehr", "jwks", "./harbor.jwks",
			)
			p.goes(fmt.Sprintf("/config/drafts/%d", i+1))
			r.get("ann", p.to).says(200, fmt.Sprintf("Partner harbor-%d is added.", i))
		}
		r.api("ann", "POST", "/setup/partners", `{"name":"Bay","kind":"sftp-box","ssh_keys":["ssh-ed25519 AAAA bay, desk"],"accounts":["B1"],"source":"lis"}`).says(200, `"number":7`)
		r.api("ann", "POST", "/setup/partners", `{"name":"Bay","kind":"sftp","accounts":["B1"],"source":"lis"}`).says(422, `"host_keys":"Write their host`, `"token":`)
	})
}

// The pages with a browser, all with LABWARDEN_BARS.
func TestPagesNewWays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		if !strings.Contains(t.Name(), "sqlite") {
			return // a page is drawn the same whatever the engine
		}
		r := newRig(t, open)
		d := r.deps()
		d.Missing = func(kind string) string {
			if kind == setup.WayFTPSBox {
				return "No box is reached by FTPS here: add node.front with ftps to this machine's configuration file and restart it: docs/use/ftps.md."
			}
			return ""
		}
		s := &web.Server{Pace: 1_000_000, Identify: r.server.Identify, Kinds: r.server.Kinds, SignIn: "/sign-in", StepUp: "/confirm", Now: r.server.Now, Log: r.server.Log, Shell: r.server.Shell, Live: web.NewLive()}
		s.Identify = func(*http.Request) (*authz.Subject, error) { return r.people["ann"], nil }
		s.Add(setupui.Routes(d)...)
		srv := httptest.NewUnstartedServer(s.Handler())
		srv.EnableHTTP2 = true
		srv.StartTLS()
		t.Cleanup(func() { s.Close(); srv.Close() })
		plan := pages.Plan{Base: srv.URL, Pages: []pages.Page{{Name: "setup-ways", Path: "/setup/partner", Narrow: true}}}
		for _, way := range newWays {
			if os.Getenv("LABWARDEN_BARS") != "" {
				plan.Pages = append(plan.Pages, pages.Page{Name: "setup-" + way, Path: "/setup/partner/" + way, Narrow: true})
			}
		}
		if got := pages.Look(t, plan); len(got.Measured) != len(plan.Pages) {
			t.Errorf("%d of %d pages were looked at", len(got.Measured), len(plan.Pages))
		}
	})
}
