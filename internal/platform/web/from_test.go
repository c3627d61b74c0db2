package web_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// Nobody stands in front whose word about an address counts: what a request says
// of where it comes from changes nothing.
func TestForwardingHeadersCountForNothing(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "192.0.2.7:4711"
	for _, h := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "X-Forwarded-Host", "X-User-ID", "Labwarden-Client", "Labwarden-Tls"} {
		r.Header.Set(h, "10.0.0.1")
	}
	if got := web.From(r).String(); got != "192.0.2.7" {
		t.Fatal(got)
	}
}

// TRACE and other methods no route names are not answered with what was sent.
func TestOtherMethodsAreNotAnswered(t *testing.T) {
	s := newSite(t, web.Route{Pattern: "GET /x", Needs: authz.TodaySee, Handle: says("x")})
	for _, method := range []string{"TRACE", "CONNECT", "OPTIONS", "PROPFIND", "DELETE"} {
		w := s.ask(method, "/x", "", "X-Test-Role", "technologist", "X-Secret", "seen-by-nobody")
		if w.Code < 400 || strings.Contains(w.Body.String(), "seen-by-nobody") {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
}
