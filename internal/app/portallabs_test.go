package app

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/domain/partners/portalui"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/signin"
)

// arrive takes somebody of a practice from the letter to a session; get and post are
// their browser.
func arrive(t *testing.T, h *Hub, door http.Handler, partner, name string) (p portal.Person, get, post func(path string, form ...string) *httptest.ResponseRecorder) {
	t.Helper()
	ctx, ask := t.Context(), signin.Ask{From: netip.MustParseAddr("192.0.2.9")}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p, letter, err := h.rooms.portal.Invite(ctx, portal.Invitation{Partner: partner, Name: name, By: "tester"})
	must(err)
	ticket, err := h.rooms.portal.Enter(ctx, letter.Code, ask)
	must(err)
	made, err := h.rooms.portalDoor.FirstPassword(ctx, portal.InfoOf(&p), "gravel teacup orbit lantern")
	must(err)
	must(h.rooms.portal.Begin(ctx, ticket, made, ask))
	proof := signin.Proof{Level: authz.LevelPassword, FreshAt: h.now(), From: ask.From}
	shown, err := h.rooms.portalDoor.BeginTOTP(ctx, p.ID, proof)
	must(err)
	code, err := totp.GenerateCode(strings.ReplaceAll(shown.Key, " ", ""), h.now())
	must(err)
	must(h.rooms.portalDoor.ConfirmTOTP(ctx, p.ID, proof, shown.Token, code))
	token, err := h.rooms.portal.Arrive(ctx, ticket, nil, portal.Start{Level: authz.LevelTwo, Method: "password-totp", Device: "another browser"})
	must(err)
	browse := func(method string) func(string, ...string) *httptest.ResponseRecorder {
		return func(path string, form ...string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(ctx, method, "https://results.lab.example"+path, strings.NewReader(strings.Join(form, "&")))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.AddCookie(&http.Cookie{Name: "__Host-lwp", Value: token})
			w := httptest.NewRecorder()
			door.ServeHTTP(w, r)
			return w
		}
	}
	return p, browse(http.MethodGet), browse(http.MethodPost)
}

// TestOneSignInForTwoLaboratoriesAndTheCount: two laboratories of one hub send to one
// practice; one person signs in once, sees of which each is, on the list, page and paper,
// and finds them by it. What they opened is there in the night's count, what they did not
// is not, and stands on Today.
func TestOneSignInForTwoLaboratoriesAndTheCount(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx, clock := t.Context(), &late{}
		clock.by.Store(int64(-25 * time.Hour)) // only what is older than a day is counted
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		src := strings.Replace(s.source("  p: {name: Practice One, destination: {portal: {}}}\n", "p", "carry"), "  lis:\n", "  lis:\n    site: main\n", 1)
		src = strings.Replace(src, "partners:\n", "  hill-lis:\n    site: hill\n    mllp: {listen: \"127.0.0.1:0\"}\npartners:\n", 1)
		src = strings.Replace(src, "from: lis,", "from: [lis, hill-lis],", 1) + "portal: {phone: \"+1 555 0142\"}\nsites: {main: {name: Main Street}, hill: {name: Hill Street}}\n"
		c := s.parse(src)
		h := s.openLate(clock)
		must(stated(ctx, h, c))
		_, err := h.Begin(ctx, c.Node, c, []byte(src), "tester")
		must(err)
		addrs, _ := s.serve(h, c)
		for lis, id := range map[string]string{"lis": "M1", "hill-lis": "M2"} {
			if answer, err := dial(t, addrs[lis]).send(result(id)); err != nil || answer != "AA" {
				t.Fatal(answer, err)
			}
		}
		eventually(t, "both are placed", func() bool {
			var n int64
			return h.DB.QueryRow(ctx, "SELECT count(*) FROM results_deliveries WHERE state = 3").Scan(&n) == nil && n == 2
		})
		clock.by.Store(0)
		_, get, post := arrive(t, h, portalui.Handler(h.portalDeps(c)), "p", "Dana Ruiz")
		list := get("/").Body.String()
		if !strings.Contains(list, "2 new results.") || !strings.Contains(list, "Main Street") || !strings.Contains(list, "Hill Street") {
			t.Fatal(list)
		}
		inList := regexp.MustCompile(`/results/[0-9a-f-]{36}`)
		found := post("/find", "words=hill+street").Body.String()
		path := inList.FindString(found)
		if !strings.Contains(found, "1 result found.") || path == "" || strings.Contains(found, "Main Street") {
			t.Fatal(found)
		}
		w := get(path)
		if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, "FIM2") || !strings.Contains(body, "Hill Street, Test") || strings.Contains(body, "Main Street") || !strings.Contains(body, "+1 555 0142") {
			t.Fatal(w.Code, body)
		}
		if pdftotext, err := exec.LookPath("pdftotext"); err == nil {
			cmd := exec.CommandContext(ctx, pdftotext, "-layout", "-", "-")
			cmd.Stdin = get(path + "/pdf").Body
			out, err := cmd.Output()
			must(err)
			if !strings.Contains(string(out), "Hill Street, Test") || strings.Contains(string(out), "Main Street") {
				t.Fatal(string(out))
			}
		} else if os.Getenv("CI") != "" {
			t.Error("pdftotext is not installed (poppler-utils)")
		}
		if n := len(inList.FindAllString(get("/?show=all").Body.String(), -1)); n != 2 {
			t.Fatal(n)
		}

		// The night's count: one of two was opened.
		h.countDue(ctx, map[string]time.Time{})
		counts, err := h.Results.PartnerCounts(ctx, "p", 10)
		must(err)
		if len(counts) == 0 || counts[0].Way != results.ByPickup || !counts[0].Machine() || counts[0].Matched != 1 || counts[0].Missing != 1 {
			t.Fatalf("%+v", counts)
		}
		web := h.newWeb(s.parse(strings.Replace(src, "  seals:", "  web: {listen: \"127.0.0.1:0\"}\n  seals:", 1)))
		web.Identify = func(*http.Request) (*authz.Subject, error) {
			return &authz.Subject{Person: event.NewID(), Account: "dana", Name: "Dana Reyes", Level: authz.LevelPasskey, FreshAt: clock.now(), Grants: []authz.Grant{{Role: authz.Technologist}}}, nil
		}
		pages := web.Handler()
		today := func() string {
			w := httptest.NewRecorder()
			pages.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "https://lab.example/", nil))
			return w.Body.String()
		}
		if page := today(); !strings.Contains(page, "1 of 2 results") || !strings.Contains(page, "/partners/p/count") {
			t.Fatal(page)
		}
		// The other is opened too: the difference is over.
		for _, x := range inList.FindAllString(get("/?show=all").Body.String(), -1) {
			get(x)
		}
		_, err = h.countNow(ctx, "p", results.Named{By: results.By{Who: "tester", Reason: "a-test"}, Person: "Anna Example"})
		must(err)
		if page := today(); strings.Contains(page, "1 of 2 results") {
			t.Fatal(page)
		}
	})
}
