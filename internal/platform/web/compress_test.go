package web_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// A page is compressed for its own site only: another site that has the browser
// ask for it learns nothing from the length.
func TestCompressedForItsOwnSiteOnly(t *testing.T) {
	s := newSite(t, web.Route{Pattern: "GET /page", Access: web.Open, Why: "a test", Handle: func(w http.ResponseWriter, r *http.Request) error {
		return web.Render(w, r, kit.Page{Title: "A", Lead: "A page", Body: templ.Raw(strings.Repeat("<p>the same</p>", 200))})
	}})
	plain := ""
	for _, c := range []struct {
		from, accept string
		want         bool
	}{
		{"", "gzip", false}, // first: what it reads when it is not compressed
		{"same-origin", "gzip, br", true},
		{"none", "gzip", true},
		{"same-origin", "", false},
		{"cross-site", "gzip", false},
		{"same-site", "gzip", false},
	} {
		for range 2 { // the second with a writer used before
			r := httptest.NewRequest(http.MethodGet, "/page", nil)
			r.Header.Set("Accept-Encoding", c.accept)
			r.Header.Set("Sec-Fetch-Site", c.from)
			w := httptest.NewRecorder()
			s.h.ServeHTTP(w, r)
			if got := w.Header().Get("Content-Encoding") == "gzip"; got != c.want || w.Code != http.StatusOK {
				t.Fatalf("%+v: compressed is %v, status %d", c, got, w.Code)
			}
			body := io.Reader(w.Body)
			if c.want {
				z, err := gzip.NewReader(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				body = z
			}
			b, err := io.ReadAll(body)
			if err != nil {
				t.Fatal(err)
			}
			text := string(b)
			i := strings.Index(text, "<body")
			if i < 0 {
				t.Fatalf("%+v: %q", c, text)
			}
			text = text[i:] // the nonce before it is another each time
			if plain == "" {
				plain = text
			}
			if text != plain {
				t.Errorf("%+v: another page", c)
			}
			if !strings.Contains(w.Header().Get("Vary"), "Sec-Fetch-Site") {
				t.Error("a cache is not told what the answer depends on")
			}
		}
	}
}

func TestRedrawIsNotAPerson(t *testing.T) {
	for path, want := range map[string]bool{"/": false, "/live?t=results": true} {
		if got := web.Redraw(httptest.NewRequest(http.MethodGet, path, nil)); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/results/1", nil)
	r.Header.Set("Labwarden-Live", "1")
	if !web.Redraw(r) {
		t.Error("a page drawn again is taken for a person")
	}
}

// Somebody who closes the page has not found an error.
func TestAReaderWhoLeftIsNoError(t *testing.T) {
	s := newSite(t, web.Route{Pattern: "GET /page", Access: web.Open, Why: "a test", Handle: func(_ http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		return fmt.Errorf("read something: %w", r.Context().Err())
	}})
	ctx, leave := context.WithCancel(t.Context())
	leave()
	w := httptest.NewRecorder()
	s.h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/page", nil).WithContext(ctx))
	if s.log.Len() > 0 || w.Body.Len() > 0 {
		t.Errorf("log %q, answer %q", s.log.String(), w.Body)
	}
}
