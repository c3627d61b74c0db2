package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// strong invites somebody and returns how they stand in each role, freshly proved
// with a passkey: what stops a request of theirs is nothing but its shape, or where
// it came from.
func (d *doors) strong() []*authz.Subject {
	d.t.Helper()
	person, link, err := d.h.Access.Invite(d.t.Context(), holdings{d.h}.inTheNameOf(accounts.By{Account: "first"}), access.NewPerson{
		Account: "somebody", Name: "Somebody", Grants: []authz.Grant{{Role: authz.Technologist}},
	})
	if err == nil {
		err = d.h.DB.Do(d.t.Context(), func(ctx context.Context, tx *store.Tx) error {
			_, _, err := d.h.Access.UseLink(ctx, tx, link.Token, access.NewPerson{})
			return err
		})
	}
	if err != nil {
		d.t.Fatal(err)
	}
	now := time.Now()
	var out []*authz.Subject
	for _, info := range authz.Roles() {
		g := authz.Grant{Role: info.Role, Until: now.Add(time.Hour)}
		if info.Scoped {
			g.Partners = []string{"good"}
		}
		out = append(out, &authz.Subject{
			Person: person.ID, Account: "somebody", Name: "Somebody", Level: authz.LevelPasskey, FreshAt: now, Session: event.NewID(), Grants: []authz.Grant{g},
		})
	}
	return out
}

// become takes the first role that may use a route.
func (d *doors) become(roles []*authz.Subject, rt *web.Route) {
	d.t.Helper()
	for _, who := range roles {
		if d.as = who; rt.Access == web.Open || who.May(rt.Needs, authz.Object{Partner: "good"}, time.Now()) == nil {
			return
		}
	}
	d.t.Errorf("no role may use %s", rt.Pattern)
}

func (d *doors) leaves() int64 {
	d.t.Helper()
	head, err := d.h.Log.Head(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return head.Size
}

// send asks as d.as, with these headers.
func (d *doors) send(method, path, ct, body string, pairs ...string) *httptest.ResponseRecorder {
	limit := 5 * time.Second
	if path == "/live" {
		path, limit = "/live?t=results", 50*time.Millisecond
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), limit)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, "https://localhost"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", ct)
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Set(pairs[i], pairs[i+1])
	}
	w := httptest.NewRecorder()
	d.all.ServeHTTP(w, r)
	return w
}

// contentType is what a route's bodies are.
func contentType(rt *web.Route) string {
	if rt.Doc != nil {
		return "application/json"
	}
	return "application/x-www-form-urlencoded"
}

// foreign are requests as browsers send them for pages of others. Origin alone is
// of browsers before 2023, which send no Sec-Fetch-Site.
var foreign = []struct {
	name  string
	pairs []string
}{
	{"another site", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}},
	{"another site that hides itself", []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}},
	{"a neighbour under the same domain", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://wiki.localhost"}},
	{"another port of this machine", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://localhost:8443"}},
	{"no word of the site, foreign origin", []string{"Origin", "https://evil.example"}},
	{"no word of the site, null origin", []string{"Origin", "null"}},
	{"no word of the site, another port", []string{"Origin", "https://localhost:8443"}},
	{"a site that contains our name", []string{"Origin", "https://localhost.evil.example"}},
	{"claims to be us, comes from elsewhere", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://localhost"}},
	{"a word of the site nobody knows", []string{"Sec-Fetch-Site", "SAME-ORIGIN", "Origin", "https://localhost"}},
}

// Nothing that another site has a browser send is carried out, on any route that
// may change something, for somebody who may do everything.
func TestNothingOfAnotherSiteIsCarriedOut(t *testing.T) {
	d := newDoors(t)
	roles := d.strong()
	before := d.leaves()
	changing, tried, refused := 0, 0, 0
	for _, rt := range d.s.Routes() {
		method, path, _ := d.path(rt.Pattern)
		if method == http.MethodGet {
			continue
		}
		changing++
		d.become(roles, &rt)
		for _, f := range foreign {
			tried++
			w := d.send(method, path, contentType(&rt), "{}", f.pairs...)
			if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "another site") {
				t.Errorf("%s from %s: %d, want 403", rt.Pattern, f.name, w.Code)
				continue
			}
			refused++
		}
	}
	if tried != changing*len(foreign) || refused != tried || changing < 100 {
		t.Errorf("%d routes, %d tried, %d refused", changing, tried, refused)
	}
	if after := d.leaves(); after != before {
		t.Errorf("%d leaves in the ledger before, %d after", before, after)
	}
	t.Logf("%d routes that may change something, %d requests of other sites, %d refused, 0 leaves written", changing, tried, refused)
	// The same request of our own page is not refused for where it comes from.
	d.become(roles, &web.Route{Needs: authz.ResultsFind})
	w := d.send(http.MethodPost, "/results/search", "application/x-www-form-urlencoded", "order=X", "Sec-Fetch-Site", "same-origin", "Origin", "https://localhost")
	if w.Code == http.StatusForbidden {
		t.Errorf("our own page: %d", w.Code)
	}
}

// looks are the GET routes that write: what was looked at stands in the record.
var looks = map[string]string{
	"GET /record":             "who reads the record is recorded",
	"GET /record/mine":        "who reads the record is recorded",
	"GET /api/v1/record":      "who reads the record is recorded",
	"GET /api/v1/record/mine": "who reads the record is recorded",

	"GET /api/v1/results/{id}/deliveries/{number}/receipt": "a receipt that leaves the laboratory is recorded",
	"GET /api/v1/results/{id}/deliveries/{number}/proof":   "a proof that leaves the laboratory is recorded",
}

// A GET changes nothing, whoever asks; but what must be recorded is.
func TestNoGETChangesAnything(t *testing.T) {
	d := newDoors(t)
	roles := d.strong()
	asked, wrote := 0, 0
	for _, rt := range d.s.Routes() {
		method, path, _ := d.path(rt.Pattern)
		if method != http.MethodGet {
			continue
		}
		asked++
		d.become(roles, &rt)
		before := d.leaves()
		w := d.send(method, path, "", "")
		if w.Code >= 500 {
			t.Errorf("%s: %d", rt.Pattern, w.Code)
		}
		if d.leaves() == before {
			continue
		}
		wrote++
		if looks[rt.Pattern] == "" && w.Code != http.StatusNotFound { // a refusal is recorded
			t.Errorf("%s wrote %d leaves into the ledger (%d)", rt.Pattern, d.leaves()-before, w.Code)
		}
	}
	t.Logf("%d GET routes, %d recorded that somebody looked or was refused", asked, wrote)
	if asked < 80 {
		t.Errorf("%d GET routes", asked)
	}
}

// A body beyond a route's bound is refused as such, before anything is done, on
// every route that takes one.
func TestOversizedBodiesAreRefused(t *testing.T) {
	d := newDoors(t)
	roles := d.strong()
	before := d.leaves()
	tried := 0
	for _, rt := range d.s.Routes() {
		method, path, _ := d.path(rt.Pattern)
		if method == http.MethodGet {
			continue
		}
		d.become(roles, &rt)
		most := rt.MaxBody
		if most <= 0 {
			most = 64 << 10
		}
		for _, ct := range []string{"application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/json"} {
			body := "a=" + strings.Repeat("x", int(most))
			switch {
			case strings.HasPrefix(ct, "multipart"):
				body = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" + strings.Repeat("x", int(most)) + "\r\n--b--\r\n"
			case ct == "application/json":
				body = `{"reason":"` + strings.Repeat("x", int(most)) + `"}`
			}
			for _, told := range []bool{true, false} {
				tried++
				r := httptest.NewRequestWithContext(t.Context(), method, "https://localhost"+path, strings.NewReader(body))
				r.Header.Set("Content-Type", ct)
				if !told {
					r.ContentLength = -1 // chunked: nobody knows before
				}
				w := httptest.NewRecorder()
				d.all.ServeHTTP(w, r)
				if w.Code != http.StatusRequestEntityTooLarge {
					t.Errorf("%s with %s, told %v: %d, want 413", rt.Pattern, ct, told, w.Code)
				}
			}
		}
	}
	if after := d.leaves(); after != before {
		t.Errorf("%d leaves in the ledger before, %d after", before, after)
	}
	t.Logf("%d oversized bodies refused", tried)
}

// Addresses that try to leave their folder, to break a header or to be read as
// something else end in a refusal, never in a file, a failure or a foreign place.
func TestHostileAddresses(t *testing.T) {
	d := newDoors(t)
	roles := d.strong()
	evil := []string{
		"..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..%5cwindows", "%00", "x%00.css", "%0d%0aSet-Cookie:%20a=b", "%0aX-Injected:%20yes",
		"%c0%ae%c0%ae%2fetc%2fpasswd", "%ff%fe", "{{7919*7907}}", "%24%7b7919*7907%7d", "<script>alert(1)</script>", "'%20OR%201=1--", "%25252e", strings.Repeat("a", 5000), "%e2%80%ae",
	}
	tried := 0
	for _, rt := range d.s.Routes() {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		if !strings.Contains(path, "{") || strings.HasSuffix(path, "{$}") {
			continue
		}
		d.become(roles, &rt)
		parts := strings.Split(path, "/")
		for _, e := range evil {
			for i := range parts {
				if strings.HasPrefix(parts[i], "{") || parts[i] == "\x00" {
					parts[i] = "\x00"
				}
			}
			target := strings.ReplaceAll(strings.Join(parts, "/"), "\x00", e)
			target = strings.NewReplacer("<", "%3C", ">", "%3E", "'", "%27", "{", "%7B", "}", "%7D").Replace(target)
			tried++
			w := d.send(method, target, contentType(&rt), "{}")
			body := w.Body.String()
			if w.Code >= 500 || w.Code < 300 {
				t.Errorf("%s with %.40q: %d", rt.Pattern, e, w.Code)
			}
			for name, values := range w.Header() {
				if v := strings.Join(values, ""); strings.ContainsAny(v, "\r\n") || name == "X-Injected" {
					t.Errorf("%s with %q: header %s: %q", rt.Pattern, e, name, v)
				}
			}
			for _, bad := range []string{"root:x:0", "<script>alert", "62615533"} {
				if strings.Contains(body, bad) {
					t.Errorf("%s with %q shows %q", rt.Pattern, e, bad)
				}
			}
			if to := w.Header().Get("Location"); to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, "/\\")) {
				t.Errorf("%s with %q leads to %q", rt.Pattern, e, to)
			}
		}
	}
	t.Logf("%d hostile addresses", tried)
}
