package web_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// Where nobody knows whether something was written, a person is told so and what to
// do, whatever else the error is; the log has the rest.
func TestAnUnknownOutcomeIsSaid(t *testing.T) {
	broke := fmt.Errorf("place legal hold: %w", errors.Join(store.ErrUnknown, errors.New("read tcp 10.1.2.3:5432: reset")))
	s := newSite(t,
		web.Route{Pattern: "POST /hold", Needs: authz.TodaySee, Handle: func(http.ResponseWriter, *http.Request) error { return broke }},
		web.Op[struct{}, struct{}]{
			Pattern: "POST /api/v1/hold", Needs: authz.TodaySee, Tag: "test", Summary: "Hold",
			Do: func(*http.Request, struct{}) (struct{}, error) { return struct{}{}, broke },
		}.Route(),
	)
	s.Kinds = func(error) *web.Error { return &web.Error{Kind: web.KindConflict, Message: "Somebody was faster."} }
	page := s.ask("POST", "/hold", "", "X-Test-Role", "technologist", "Content-Type", "application/x-www-form-urlencoded")
	api := s.ask("POST", "/api/v1/hold", "{}", "X-Test-Role", "technologist", "Content-Type", "application/json")
	for _, w := range []string{page.Body.String(), api.Body.String()} {
		for _, want := range []string{"It may be done, and it may not be.", "Look first", "under reference"} {
			if !strings.Contains(w, want) {
				t.Errorf("it does not say %q:\n%s", want, w)
			}
		}
		if strings.Contains(w, "10.1.2.3") || strings.Contains(w, "faster") {
			t.Errorf("it says what it should not:\n%s", w)
		}
	}
	var e struct{ Error struct{ Kind string } }
	if err := json.Unmarshal(api.Body.Bytes(), &e); err != nil || e.Error.Kind != "outcome unknown" || api.Code != 500 || page.Code != 500 {
		t.Errorf("%d %d %q %v", page.Code, api.Code, e.Error.Kind, err)
	}
	if !strings.Contains(page.Body.String(), "It is not known whether this was done.") || !strings.Contains(s.log.String(), "10.1.2.3") {
		t.Errorf("page %s\nlog %s", page.Body, s.log.String())
	}
}
