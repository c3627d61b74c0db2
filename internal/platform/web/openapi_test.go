package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
)

type tree struct {
	ID    event.ID          `json:"id" doc:"its number"`
	At    time.Time         `json:"at,omitzero"`
	Names map[string]string `json:"names"`
	Body  []byte            `json:"body,omitempty"`
	Under []tree            `json:"under"`
	Next  *tree             `json:"next"`
}

func TestTheDescriptionSaysWhatIsServed(t *testing.T) {
	s := newSite(t,
		web.Op[echoIn, tree]{Pattern: "POST /api/v1/trees/{id}", Needs: authz.ResultsFind, Tag: "trees", Summary: "Plant a tree", Do: func(*http.Request, echoIn) (tree, error) { return tree{}, nil }}.Route(),
		web.Op[struct {
			At    string `path:"at" doc:"where"`
			Limit int    `query:"limit" doc:"how many"`
		}, []string]{Pattern: "GET /api/v1/list/{at}", Needs: authz.ResultsFind, Tag: "trees", Summary: "List", Do: func(r *http.Request, _ struct {
			At    string `path:"at" doc:"where"`
			Limit int    `query:"limit" doc:"how many"`
		},
		) ([]string, error) {
			return nil, nil
		}}.Route(),
		web.Route{Pattern: "GET /page", Needs: authz.TodaySee, Handle: says("page")},
	)
	w := s.ask("GET", "/api/v1/openapi.json", "", "X-Test-Role", "administrator")
	var d web.Description
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil || w.Code != 200 {
		t.Fatalf("%d: %v", w.Code, err)
	}
	op := d.Paths["/api/v1/trees/{id}"]["post"]
	if d.OpenAPI != "3.1.0" || len(d.Paths) != 2 || op == nil || op.OperationID != "post_trees_id" || op.Permission != "results.find" {
		t.Fatalf("%s", w.Body)
	}
	if len(op.Parameters) != 2 || op.Parameters[0].In != "path" || op.Parameters[1].In != "query" || op.RequestBody.Content["application/json"].Schema.Properties["note"] == nil {
		t.Errorf("input: %+v", op)
	}
	s1 := d.Components.Schemas["web_test_tree"]
	if s1 == nil || len(s1.Properties) != 6 || s1.Properties["under"].Items.Ref != "#/components/schemas/web_test_tree" || s1.Properties["at"].Format != "date-time" {
		t.Errorf("schema: %+v", s1)
	}
	if w := s.ask("GET", "/api", "", "X-Test-Role", "administrator"); w.Code != 200 || !strings.Contains(w.Body.String(), "POST /api/v1/trees/{id}") || strings.Count(w.Body.String(), "<script") != 1 {
		t.Errorf("the explorer: %d %s", w.Code, w.Body)
	}
	if w := s.ask("GET", "/api?of=trees", "", "X-Test-Role", "administrator"); w.Code != 200 || !strings.Contains(w.Body.String(), "curl -H") {
		t.Errorf("one subject of the explorer: %d %s", w.Code, w.Body)
	}
	if w := s.ask("GET", "/api?of=none", "", "X-Test-Role", "administrator"); w.Code != 404 {
		t.Errorf("a subject there is not: %d", w.Code)
	}
	if w := s.ask("POST", "/api/try", "op=get_list_at&p_at=%2F%2Fevil&p_limit=3", "X-Test-Role", "administrator", "Content-Type", "application/x-www-form-urlencoded"); w.Header().Get("Location") != "/api/v1/list/%2F%2Fevil?limit=3" {
		t.Errorf("trying leads to %q", w.Header().Get("Location"))
	}
	if got := s.ask("GET", "/api/v1/openapi.json", "", "X-Test-Role", "provider", "X-Test-Partner", "p"); got.Code != 403 {
		t.Errorf("a provider reads it: %d", got.Code)
	}
}
