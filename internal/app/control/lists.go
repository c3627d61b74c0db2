package control

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/domain/results"
)

// scanned is how many results one request looks through for those the filter
// chooses; the answer then says where to go on.
const scanned = 20_000

// states are the words a filter may use.
func states() []string {
	var out []string
	for s := results.Waiting; s <= results.Superseded; s++ {
		out = append(out, s.String())
	}
	return out
}

func filter(r *http.Request) (Filter, error) {
	q := r.URL.Query()
	f := Filter{Source: q.Get("source"), Partner: q.Get("partner"), State: q.Get("state")}
	if f.State != "" && !slices.Contains(states(), f.State) {
		return f, &Error{Invalid, "a delivery's state is one of: " + strings.Join(states(), ", ")}
	}
	var err error
	if f.Before, err = number(r, "before", 1<<62); err != nil {
		return f, err
	}
	limit, err := number(r, "limit", 500)
	if err != nil {
		return f, err
	}
	if f.Limit = int(limit); limit == 0 {
		f.Limit = 50
	}
	if f.Since, err = moment(r, "since"); err != nil {
		return f, err
	}
	f.Until, err = moment(r, "until")
	return f, err
}

func (f Filter) takes(m results.Summary) bool {
	if f.Source != "" && m.Source != f.Source || !f.Until.IsZero() && !m.ReceivedAt.Before(f.Until) ||
		!f.Since.IsZero() && m.ReceivedAt.Before(f.Since) {
		return false
	}
	if f.Partner == "" && f.State == "" {
		return true
	}
	return slices.ContainsFunc(m.Deliveries, func(d results.Delivery) bool {
		return (f.Partner == "" || d.Partner == f.Partner) && (f.State == "" || d.State.String() == f.State)
	})
}

func (s *Server) list(r *http.Request) (any, error) {
	f, err := filter(r)
	if err != nil {
		return nil, err
	}
	out := Results{Results: []Result{}}
	page := min(500, max(f.Limit, 50))
	for before, seen := f.Before, 0; ; {
		ms, err := s.Results.List(r.Context(), results.Page{Before: before, Limit: page})
		if err != nil {
			return nil, err
		}
		for _, m := range ms {
			before = m.Leaf
			if !f.Since.IsZero() && m.ReceivedAt.Before(f.Since) {
				return out, nil // all that follow are older
			}
			if f.takes(m) {
				out.Results = append(out.Results, resultOf(m))
				if len(out.Results) == f.Limit {
					out.Next = before
					return out, nil
				}
			}
		}
		if seen += len(ms); len(ms) < page {
			return out, nil
		}
		if seen >= scanned {
			out.Next = before
			return out, nil
		}
	}
}

func (s *Server) quarantine(r *http.Request) (any, error) {
	limit, err := number(r, "limit", 500)
	if err != nil {
		return nil, err
	}
	if limit == 0 {
		limit = 50
	}
	apart, err := s.Results.Quarantine(r.Context(), r.URL.Query().Get("all") == "true", int(limit))
	if err != nil {
		return nil, err
	}
	out := Quarantine{[]Quarantined{}}
	for _, a := range apart {
		out.Quarantine = append(out.Quarantine, quarantinedOf(a))
	}
	return out, nil
}

func (s *Server) quarantined(r *http.Request) (any, error) {
	id, err := messageID(r)
	if err != nil {
		return nil, err
	}
	var why Why
	if err := read(r, &why); err != nil {
		return nil, err
	}
	a, body, err := s.Results.ViewQuarantined(r.Context(), id, by(r, why.Reason))
	if err != nil {
		return nil, err
	}
	return Body[Quarantined]{quarantinedOf(a), body}, nil
}
