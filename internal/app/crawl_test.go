package app

import (
	"context"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// reading is one person going through all pages by their links alone.
type reading struct {
	d      *doors
	mux    *http.ServeMux
	routes map[string]*web.Route
	who    *authz.Subject
	now    time.Time

	met     map[string]bool // patterns a link or form led to
	seen    map[string]bool // paths opened
	opened  map[string]int  // pages opened by pattern
	wrongly map[string]string
}

// each opens at most so many pages of one pattern: the tenth result has the
// links of the first.
const each = 12

var (
	hrefs = regexp.MustCompile(`<a [^>]*href="([^"]+)"`)
	forms = regexp.MustCompile(`(?s)<form [^>]*>`)
	acts  = regexp.MustCompile(` (?:form)?action="([^"]*)"`)
	posts = regexp.MustCompile(`formaction="([^"]*)"`)
)

func (x *reading) pattern(method, path string) *web.Route {
	r := &http.Request{Method: method, URL: &url.URL{Path: path}, Host: "localhost"}
	_, pattern := x.mux.Handler(r)
	return x.routes[pattern]
}

// lead notes where a link or form leads, and whether one may go there.
func (x *reading) lead(method, target, from string) (path string, follow bool) {
	u, err := url.Parse(html.UnescapeString(target))
	if err != nil || u.Host != "" || u.Path == "" || !strings.HasPrefix(u.Path, "/") {
		return "", false
	}
	rt := x.pattern(method, u.Path)
	if rt == nil {
		if !strings.HasPrefix(u.Path, "/assets/") {
			x.wrongly[method+" "+u.Path+" (there is no such page)"] = from
		}
		return "", false
	}
	if rt.Access != web.Open && x.who.Scope(rt.Needs, x.now).Empty() {
		x.wrongly[rt.Pattern] = from
		return "", false
	}
	x.met[rt.Pattern] = true
	return u.String(), method == http.MethodGet && rt.Doc == nil && rt.Access != web.Open
}

func (x *reading) read() {
	x.met, x.seen, x.opened, x.wrongly = map[string]bool{"GET /{$}": true}, map[string]bool{}, map[string]int{}, map[string]string{}
	todo := []string{"/"}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		path, _, _ := strings.Cut(at, "?")
		path, _, _ = strings.Cut(path, "#")
		rt := x.pattern(http.MethodGet, path)
		if rt == nil || x.seen[path] || x.opened[rt.Pattern] >= each || rt.Stream {
			continue
		}
		x.seen[path] = true
		x.opened[rt.Pattern]++
		x.d.as = x.who
		w := httptest.NewRecorder()
		x.d.all.ServeHTTP(w, httptest.NewRequestWithContext(x.d.t.Context(), http.MethodGet, "https://localhost"+strings.ReplaceAll(at, " ", "%20"), nil))
		if w.Code != http.StatusOK {
			if w.Code != http.StatusSeeOther && !strings.HasPrefix(at, "/partners/") { // the fixture's partners are not in its configuration
				x.wrongly[at+" answers "+http.StatusText(w.Code)] = rt.Pattern
			}
			continue
		}
		if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			continue
		}
		body := w.Body.String()
		for _, m := range hrefs.FindAllStringSubmatch(body, -1) {
			if next, ok := x.lead(http.MethodGet, m[1], at); ok {
				todo = append(todo, next)
			}
		}
		for _, f := range forms.FindAllString(body, -1) {
			method := http.MethodGet
			if strings.Contains(strings.ToLower(f), `method="post"`) {
				method = http.MethodPost
			}
			target := path
			if m := acts.FindStringSubmatch(f); m != nil && m[1] != "" {
				target = m[1]
			}
			x.lead(method, target, at)
		}
		for _, m := range posts.FindAllStringSubmatch(body, -1) {
			x.lead(http.MethodPost, m[1], at)
		}
	}
}

// unlinked are pages that no link leads to (for one role), with the reason.
var unlinked = map[string]string{
	"GET /live":                "hints for open pages, asked for by the script",
	"GET /settings front-desk": none, "GET /settings counsel": none, "GET /settings provider": none,
	"GET /support/bundle.zip":                       "the file behind the button of the support page, drawn once the bundle is made",
	"GET /results/{id}/name":                        shown,
	"GET /results/{id}/message":                     shown,
	"GET /results/{id}/export":                      shown,
	"GET /quarantine/{id}/message":                  shown,
	"GET /setup/shares":                             shown,
	"GET /access-review/{quarter}/sign":             state + "when every line is decided",
	"GET /config/drafts/{number}/alone":             state + "on a draft that is complete while nobody else can approve",
	"GET /config/drafts/{number}/ask":               state + "on a draft that is complete",
	"GET /config/drafts/{number}/director":          state + "on a draft that waits for the director",
	"GET /config/drafts/{number}/refuse":            state + "on a draft that waits for an approval",
	"GET /dates/extend":                             state + "on a date that is near",
	"GET /me/provider":                              state + "where a sign-in provider is configured",
	"GET /people/{id}/provider":                     state + "where a sign-in provider is configured",
	"GET /me/passkeys/new":                          state + "where passkeys work: the pages have a public address",
	"GET /me/passkeys/{id}":                         state + "on a passkey",
	"GET /quarantine-replays/{run}":                 state + "on a replay",
	"GET /quarantine/{id}/take":                     state + "on a message that can be taken",
	"GET /problems/{number}":                        state + "on a problem that one has reported",
	"GET /stops/{id}/words":                         shown,
	"GET /results/{id}/deliveries/{number}/receipt": state + "on a delivery that was accepted",
	// The page of a partner of the configuration in force leads there; the hub of
	// this test runs none (keysui tries its own links in TestExchangeByPages).
	"GET /partners/{key}/keys":                      state + "on the page of a partner whose every site one sees",
	"GET /partners/{key}/keys/new":                  state + "on the keys of a partner",
	"GET /partners/{key}/keys/{id}":                 state + "on the keys of a partner that has one",
	"GET /partners/{key}/keys/{id}/use":             state + "on a key that was compared",
	"GET /partners/{key}/keys/{id}/retire":          state + "on a key that is open",
	"GET /partners/{key}/keys/{id}/revoke":          state + "on a key that is not revoked",
	"GET /portal/{key}":                             state + "on a partner that has a portal, and in the list of these",
	"GET /portal/{key}/invite":                      state + "on the page of a practice with a portal",
	"GET /portal/{key}/people/{id}/letter":          state + "on the page of a practice with a portal, beside each of its people",
	"GET /routes/{name}/differences/{id}":           state + "on a difference to the old path",
	"GET /results/{id}/deliveries/{number}/again":   state + "on a delivery that needs a person",
	"GET /results/{id}/deliveries/{number}/proof":   state + "on a delivery that was accepted",
	"GET /results/{id}/deliveries/{number}/release": state + "on a delivery that is held",
	"GET /results/{id}/legal-holds/{hold}/lift":     state + "on a message under a legal hold",
	"GET /stops/{id} provider":                      state + "on a stop of one of the provider's partners",
	"GET /witnesses/decide":                         state + "on an alarm of the ledger",
	"GET /results/{id}/legal-hold counsel":          "counsel may place a hold and not find results: somebody who finds the result sends the address",
}

const (
	none  = "whoever has none of the settings reads there that they have none; the menu leads there for all others"
	state = "a link stands "
	shown = "the address of what a button (a recorded POST) has shown: a reload asks again"
)

// Every page that a role may see is reached by links from Today, and no page
// offers a role a link or form that leads where it may not go.
func TestEveryPageIsReachedAndNoneOffersWhatOneMayNot(t *testing.T) {
	d := newDoors(t)
	now := time.Now()
	somebody := d.people()
	d.tunnels()
	routes := d.s.Routes()
	mux, byPattern := http.NewServeMux(), map[string]*web.Route{}
	for i := range routes {
		mux.HandleFunc(routes[i].Pattern, func(http.ResponseWriter, *http.Request) {})
		byPattern[routes[i].Pattern] = &routes[i]
	}
	missed := map[string][]string{}
	for _, info := range authz.Roles() {
		if info.Role == authz.Service {
			continue // programs follow no links
		}
		who := &authz.Subject{
			Person: somebody.ID, Account: "somebody", Name: "Somebody", Level: authz.LevelPasskey, FreshAt: now, Session: event.NewID(),
			Grants: []authz.Grant{{Role: info.Role, Until: now.Add(time.Hour)}},
		}
		if info.Scoped {
			who.Grants[0].Partners = []string{"good"}
		}
		x := &reading{d: d, mux: mux, routes: byPattern, who: who, now: now}
		x.read()
		pages := 0
		for i := range routes {
			rt := &routes[i]
			if rt.Access == web.Open || rt.Doc != nil || !strings.HasPrefix(rt.Pattern, "GET /") || strings.HasPrefix(rt.Pattern, "GET /api/") || who.Scope(rt.Needs, now).Empty() {
				continue
			}
			pages++
			if !x.met[rt.Pattern] && unlinked[rt.Pattern] == "" && unlinked[rt.Pattern+" "+string(info.Role)] == "" {
				missed[rt.Pattern] = append(missed[rt.Pattern], string(info.Role))
			}
		}
		t.Logf("%s: %d pages opened, %d of %d kinds of pages reached", info.Role, len(x.seen), len(x.opened), pages)
		for what, from := range x.wrongly {
			t.Errorf("%s: %s offers %s", info.Role, from, what)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(missed)) {
		t.Errorf("no link leads to %s for %s", p, strings.Join(missed[p], ", "))
	}
}

// tunnels opens them, and brings in one that waits and one to a device.
func (d *doors) tunnels() {
	d.t.Helper()
	must := func(err error) {
		d.t.Helper()
		if err != nil {
			d.t.Fatal(err)
		}
	}
	room := d.h.rooms.tunnels
	c := d.h.current(&config.Config{})
	c.Node.Tunnels = &config.Tunnels{Listen: "127.0.0.1:0", Address: "tunnels.example:7443", Network: "10.213.0.0/16", Rotate: config.Duration(24 * time.Hour), TokenLife: config.Duration(time.Hour)}
	g := new(errgroup.Group)
	ctx, cancel := context.WithCancel(context.Background())
	d.t.Cleanup(func() { room.close(); cancel(); _ = g.Wait() })
	must(room.begin(ctx, c, g))
	_, err := room.Add(d.t.Context(), control.NewTunnel{Name: "riverside", Kind: "tls", Allowed: control.TunnelList{Allow: []string{"10.0.0.5:2576"}}}, "tester")
	must(err)
	_, err = room.book.Add(d.t.Context(), tunnels.Tunnel{Name: "device", Kind: "wireguard", Standard: true, Reach: []string{"10.213.0.2:2575"}}, nil, time.Time{}, tunnels.By{Who: "tester"})
	must(err)
}

// people brings in somebody, and somebody or something for each state that pages
// about people have.
func (d *doors) people() access.Person {
	d.t.Helper()
	ctx, now := d.t.Context(), d.h.now()
	must := func(err error) {
		d.t.Helper()
		if err != nil {
			d.t.Fatal(err)
		}
	}
	admin := holdings{d.h}.inTheNameOf(accounts.By{Account: "first"})
	join := func(account string, role authz.Role) access.Person {
		p, link, err := d.h.Access.Invite(ctx, admin, access.NewPerson{Account: account, Name: strings.ToUpper(account[:1]) + account[1:], Grants: []authz.Grant{{Role: role}}})
		must(err)
		must(d.h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, _, err := d.h.Access.UseLink(ctx, tx, link.Token, access.NewPerson{})
			return err
		}))
		return p
	}
	as := func(p access.Person, role authz.Role) *authz.Subject {
		s, err := d.h.Access.Start(ctx, access.Start{Person: p.ID, Level: authz.LevelPasskey, Method: "passkey", Device: access.Device{Name: "Firefox on Linux", Network: "192.0.2.7"}})
		must(err)
		return &authz.Subject{Person: p.ID, Account: p.Account, Name: p.Name, Level: authz.LevelPasskey, FreshAt: now, Session: s.ID, Grants: []authz.Grant{{Role: role}}}
	}
	somebody, other, head := join("somebody", authz.Technologist), join("other", authz.Technologist), join("head", authz.Director)
	boss := as(join("boss", authz.Administrator), authz.Administrator)
	_, err := d.h.Access.Delegate(ctx, as(head, authz.Director), access.Delegation{Person: other.ID, Permission: authz.ClinicalStop, Note: "Night shift"})
	must(err)
	tech := as(other, authz.Technologist)
	g, err := d.h.Access.OpenGlass(ctx, tech, "The main site has no power.", 0, []authz.Permission{d.h.Access.GlassMay(tech)[0].Permission})
	must(err)
	must(d.h.Access.CloseGlass(ctx, tech, g.ID))
	x, err := d.h.Access.MakeService(ctx, boss, access.ServiceAccount{Account: "robot", Name: "Robot", Permissions: []authz.Permission{authz.ResultsFind}})
	must(err)
	_, err = d.h.Access.MakeToken(ctx, boss, x.ID, access.Token{Name: "nightly", Permissions: []authz.Permission{authz.ResultsFind}, Until: now.Add(24 * time.Hour)})
	must(err)

	by, a := accounts.By{Person: boss.Person, Account: "boss", Name: "Boss"}, d.h.rooms.accounts
	for _, key := range []string{"windows", "vpn"} {
		must(a.AddSystem(ctx, accounts.System{Key: key, Name: key, Kind: "directory", Owner: "boss", EveryDays: 100}, by))
	}
	const list = "SamAccountName;DisplayName;EmailAddress;Enabled;LastLogonDate;MemberOf\nboss;Boss;;True;2026-10-30;CN=Domain Admins,CN=Users,DC=lab,DC=example\nnobody;Nobody;;True;2026-08-01;\n"
	taken, err := a.Offer(ctx, "windows", []byte(list), now, by)
	must(err)
	_, err = a.Take(ctx, taken.Import.ID, false, by)
	must(err)
	_, err = a.Offer(ctx, "vpn", []byte(list), now, by)
	must(err)
	_, err = a.AddVendor(ctx, accounts.Vendor{Name: "Analyzer Service Inc", Purpose: "Remote service of analyzers", Owner: "boss"}, by)
	must(err)
	must(a.Tick(ctx))
	reviews, err := a.Reviews(ctx)
	must(err)
	lines, err := a.Lines(ctx, reviews[0].ID)
	must(err)
	for _, l := range lines {
		if l.Person != somebody.ID.String() && l.Kind == "account" {
			must(a.Decide(ctx, reviews[0].Quarter, []event.ID{l.ID}, accounts.Remove, "nobody uses it", accounts.By{Person: head.ID, Account: "head", Name: "Head"}))
			break
		}
	}
	must(d.h.Access.GatherActs(ctx))
	_, err = d.h.rooms.setup.ReportProblem(ctx, setup.Problem{Words: "The list jumps back to its top."}, approval.Person{ID: somebody.ID, Account: somebody.Account})
	must(err)
	return somebody
}
