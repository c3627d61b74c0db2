package control

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// Adoption moves routes between their stages; it changes the configuration, so
// it is not the results domain's.
type Adoption interface {
	// Move takes a route one stage forward or back.
	Move(ctx context.Context, route string, forward bool, director, who, reason string) (Moved, error)
	// Approve records the director's approval; c nil means the route as applied.
	Approve(ctx context.Context, route string, c *results.Candidate, director string, noOldPath bool, by results.By) (results.Approval, error)
	// MayCarry says in sentences what a configuration lacks whose carrying
	// routes these are.
	MayCarry(ctx context.Context, carry []results.Candidate) ([]string, error)
}

// Routes is the list of routes.
type Routes struct {
	Routes []results.RouteState `json:"routes"`
}

// Compared is what a route's comparison shows, without values.
type Compared struct {
	Route       string               `json:"route"`
	Kinds       []results.GapKind    `json:"unexplained_kinds"`
	Comparisons []results.Comparison `json:"comparisons"`
}

// CompareValues is one comparison with its values: patient data.
type CompareValues struct {
	Comparison results.Comparison `json:"comparison"`
	Values     []GapValue         `json:"values"`
}

// GapValue is a place that differs, with what stands there.
type GapValue struct {
	Class  string `json:"class"`
	Path   string `json:"path"`
	Ours   string `json:"ours"`
	Theirs string `json:"theirs"`
}

// ExplainRequest explains a kind of difference, or one comparison.
type ExplainRequest struct {
	Class      string `json:"class"`
	Kind       string `json:"kind"`
	Comparison string `json:"comparison,omitempty"`
	Reason     string `json:"reason"`
}

// Explained is how many messages an explanation covered.
type Explained struct {
	Messages int64  `json:"messages"`
	By       string `json:"by"`
}

// ApproveRequest is the director's approval of a route.
type ApproveRequest struct {
	Director  string             `json:"director"`
	NoOldPath bool               `json:"no_old_path"`
	Draft     *results.Candidate `json:"draft,omitempty"`
	Reason    string             `json:"reason"`
}

// MoveRequest takes a route a stage forward or back.
type MoveRequest struct {
	Director string `json:"director,omitempty"`
	Reason   string `json:"reason"`
}

// Moved is a route that went one stage.
type Moved struct {
	Route    string `json:"route"`
	From     string `json:"from"`
	To       string `json:"to"`
	Revision int64  `json:"revision"`
	Hash     string `json:"hash"`
	TookMS   int64  `json:"took_ms"`
	By       string `json:"by"`
}

// CarryRequest asks what routes lack before they may carry.
type CarryRequest struct {
	Carry []results.Candidate `json:"carry"`
}

// CarryAnswer is what they lack, in sentences; empty when they may.
type CarryAnswer struct {
	Missing []string `json:"missing"`
}

func (s *Server) adoptionRoutes(all map[string]route) map[string]route {
	all["GET /v1/routes"] = func(r *http.Request) (any, error) {
		list, err := s.Results.RouteStates(r.Context())
		return Routes{list}, err
	}
	all["GET /v1/routes/{name}"] = func(r *http.Request) (any, error) { return s.Results.RouteState(r.Context(), r.PathValue("name")) }
	all["GET /v1/routes/{name}/comparisons"] = s.comparisons
	all["POST /v1/routes/{name}/explain"] = s.explain
	all["POST /v1/comparisons/{id}/view"] = s.compareValues
	all["POST /v1/routes/{name}/approve"] = s.approve
	all["POST /v1/routes/{name}/forward"] = s.move(true)
	all["POST /v1/routes/{name}/back"] = s.move(false)
	all["POST /v1/routes-that-may-carry"] = func(r *http.Request) (any, error) {
		var q CarryRequest
		if err := read(r, &q); err != nil {
			return nil, err
		}
		if s.Adoption == nil {
			return nil, errNoAdoption
		}
		missing, err := s.Adoption.MayCarry(r.Context(), q.Carry)
		return CarryAnswer{append([]string{}, missing...)}, err
	}
	return all
}

var errNoAdoption = &Error{Unavailable, "this hub moves no routes while it runs"}

func (s *Server) comparisons(r *http.Request) (any, error) {
	limit, err := number(r, "limit", 500)
	if err != nil {
		return nil, err
	}
	if limit == 0 {
		limit = 50
	}
	c := Compared{Route: r.PathValue("name")}
	if c.Comparisons, err = s.Results.Comparisons(r.Context(), c.Route, r.URL.Query().Get("all") == "1", int(limit)); err != nil {
		return nil, err
	}
	c.Kinds, err = s.Results.GapKinds(r.Context(), c.Route)
	return c, err
}

func comparisonID(text string) (event.ID, error) {
	id, err := event.ParseID(text)
	if err != nil {
		return id, &Error{Invalid, "this is not the id of a comparison; `labwarden route compare NAME` shows them"}
	}
	return id, nil
}

func (s *Server) explain(r *http.Request) (any, error) {
	var q ExplainRequest
	if err := read(r, &q); err != nil {
		return nil, err
	}
	class, err := results.ParseClass(q.Class)
	if err != nil {
		return nil, err
	}
	var only *event.ID
	if q.Comparison != "" {
		id, err := comparisonID(q.Comparison)
		if err != nil {
			return nil, err
		}
		only = &id
	}
	who := by(r, q.Reason)
	n, err := s.Results.Explain(r.Context(), r.PathValue("name"), class, q.Kind, only, who)
	return Explained{n, who.Who}, err
}

func (s *Server) compareValues(r *http.Request) (any, error) {
	id, err := comparisonID(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	var why Why
	if err := read(r, &why); err != nil {
		return nil, err
	}
	c, gaps, err := s.Results.ViewComparison(r.Context(), id, by(r, why.Reason))
	if err != nil {
		return nil, err
	}
	v := CompareValues{c, []GapValue{}}
	for _, g := range gaps {
		v.Values = append(v.Values, GapValue{g.Class.String(), g.Path, g.Ours, g.Theirs})
	}
	return v, nil
}

func (s *Server) approve(r *http.Request) (any, error) {
	var q ApproveRequest
	if err := read(r, &q); err != nil {
		return nil, err
	}
	name := r.PathValue("name")
	if q.Draft != nil && q.Draft.Route != name {
		return nil, &Error{Invalid, "the draft is of another route"}
	}
	if s.Adoption == nil {
		return nil, errNoAdoption
	}
	return s.Adoption.Approve(r.Context(), name, q.Draft, q.Director, q.NoOldPath, by(r, q.Reason))
}

func (s *Server) move(forward bool) route {
	return func(r *http.Request) (any, error) {
		var q MoveRequest
		if err := read(r, &q); err != nil {
			return nil, err
		}
		if s.Adoption == nil {
			return nil, errNoAdoption
		}
		who := by(r, q.Reason)
		m, err := s.Adoption.Move(r.Context(), r.PathValue("name"), forward, q.Director, who.Who, who.Reason)
		m.By = who.Who
		return m, err
	}
}

// Routes lists the routes with how far each is.
func (c *Client) Routes(ctx context.Context) (Routes, error) {
	return ask[Routes](ctx, c, "/v1/routes", nil)
}

// Route is one of them.
func (c *Client) Route(ctx context.Context, name string) (results.RouteState, error) {
	return ask[results.RouteState](ctx, c, "/v1/routes/"+url.PathEscape(name), nil)
}

// Comparisons lists what differs on a route (all: every comparison).
func (c *Client) Comparisons(ctx context.Context, name string, all bool, limit int) (Compared, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if all {
		q.Set("all", "1")
	}
	return ask[Compared](ctx, c, "/v1/routes/"+url.PathEscape(name)+"/comparisons?"+q.Encode(), nil)
}

// CompareValues shows one comparison with its values; the look is recorded.
func (c *Client) CompareValues(ctx context.Context, id, reason string) (CompareValues, error) {
	return ask[CompareValues](ctx, c, "/v1/comparisons/"+url.PathEscape(id)+"/view", Why{Reason: reason})
}

// Explain explains a kind of difference, or one comparison.
func (c *Client) Explain(ctx context.Context, route string, q ExplainRequest) (Explained, error) {
	return ask[Explained](ctx, c, "/v1/routes/"+url.PathEscape(route)+"/explain", q)
}

// Approve records the director's approval.
func (c *Client) Approve(ctx context.Context, route string, q ApproveRequest) (results.Approval, error) {
	return ask[results.Approval](ctx, c, "/v1/routes/"+url.PathEscape(route)+"/approve", q)
}

// Move takes a route a stage forward or back.
func (c *Client) Move(ctx context.Context, route string, forward bool, q MoveRequest) (Moved, error) {
	way := "/back"
	if forward {
		way = "/forward"
	}
	return ask[Moved](ctx, c, "/v1/routes/"+url.PathEscape(route)+way, q)
}

// MayCarry asks what the routes lack before they may carry.
func (c *Client) MayCarry(ctx context.Context, carry []results.Candidate) (CarryAnswer, error) {
	return ask[CarryAnswer](ctx, c, "/v1/routes-that-may-carry", CarryRequest{carry})
}
