package control

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// clinical is what the hub can be asked about phone tasks, stops and partners'
// own counts.
func (s *Server) clinical() map[string]route {
	return map[string]route{
		"GET /v1/calls":                           s.calls,
		"GET /v1/calls/{id}":                      s.call,
		"POST /v1/calls/{id}/view":                s.viewCall,
		"POST /v1/calls/{id}/take":                s.takeCall,
		"POST /v1/calls/{id}/log":                 s.logCall,
		"POST /v1/calls/{id}/close":               s.closeCall,
		"POST /v1/deliveries/{number}/send-alone": s.sendAlone,
		"GET /v1/stops":                           s.stops,
		"POST /v1/stops":                          s.placeStop,
		"POST /v1/stops/{id}/lift":                s.lift("lift", s.Results.LiftStopAtConsole),
		"POST /v1/stops/{id}/confirm":             s.lift("confirm", s.Results.ConfirmLiftAtConsole),
		"POST /v1/stops/{id}/review":              s.tendStop,
		"POST /v1/stops/{id}/extend":              s.tendStop,
		"GET /v1/counts":                          s.counts,
		countRoute:                                s.addCount,
		countRunRoute:                             s.runCount,
	}
}

const (
	countRoute    = "POST /v1/counts/{partner}"
	countRunRoute = "POST /v1/counts/{partner}/run"
)

// Named says who acts, as people know each other, and why.
type Named struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
}

func (n Named) of(r *http.Request) results.Named {
	return results.Named{By: by(r, n.Reason), Person: strings.TrimSpace(n.By)}
}

// entitled asks whether a clinical act may be done in that name.
func (s *Server) entitled(ctx context.Context, name string, p authz.Permission) error {
	if s.Delegated == nil {
		return nil
	}
	return s.Delegated(ctx, name, p)
}

// stopper is entitled for a stop: a transport stop is no clinical act.
func (s *Server) stopper(ctx context.Context, kind results.StopKind, name string) error {
	if kind != results.ClinicalStop {
		return nil
	}
	return s.entitled(ctx, name, authz.ClinicalStop)
}

// anID reads the id of a phone task or a stop.
func anID(r *http.Request, list string) (event.ID, error) {
	id, err := event.ParseID(r.PathValue("id"))
	if err != nil {
		return id, &Error{Invalid, "this is not an id; `labwarden " + list + " list` shows them"}
	}
	return id, nil
}

// asked reads the id and the body of an act.
func asked[T any](r *http.Request, list string) (id event.ID, in T, err error) {
	if id, err = anID(r, list); err == nil {
		err = read(r, &in)
	}
	return id, in, err
}

func limited(r *http.Request) (int, error) {
	n, err := number(r, "limit", 500)
	if n == 0 {
		n = 50
	}
	return int(n), err
}

func (s *Server) calls(r *http.Request) (any, error) {
	limit, err := limited(r)
	if err != nil {
		return nil, err
	}
	list, err := s.Results.Calls(r.Context(), r.URL.Query().Get("all") == "true", limit)
	if err != nil {
		return nil, err
	}
	out := Calls{[]Call{}}
	for _, c := range list {
		out.Calls = append(out.Calls, callOf(c))
	}
	return out, nil
}

func (s *Server) call(r *http.Request) (any, error) {
	id, err := anID(r, "calls")
	if err != nil {
		return nil, err
	}
	c, err := s.Results.ShowCall(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return callOf(c), nil
}

func (s *Server) viewCall(r *http.Request) (any, error) {
	id, why, err := asked[Why](r, "calls")
	if err != nil {
		return nil, err
	}
	v, err := s.Results.ViewCall(r.Context(), id, by(r, why.Reason))
	if err != nil {
		return nil, err
	}
	c := callOf(v.Call)
	c.File, c.Orders, c.Unreadable = v.File, v.Orders, v.Unreadable
	return c, nil
}

// again answers an act with how the task is now.
func (s *Server) again(ctx context.Context, id event.ID, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	c, err := s.Results.ShowCall(ctx, id)
	return callOf(c), err
}

func (s *Server) takeCall(r *http.Request) (any, error) {
	id, in, err := asked[Named](r, "calls")
	if err != nil {
		return nil, err
	}
	return s.again(r.Context(), id, s.Results.TakeCall(r.Context(), id, in.of(r)))
}

func (s *Server) logCall(r *http.Request) (any, error) {
	id, in, err := asked[CallLog](r, "calls")
	if err != nil {
		return nil, err
	}
	l := results.CallLog{Whom: in.Whom, Outcome: in.Outcome, ReadBack: in.ReadBack, Note: in.Note}
	if in.NextSeconds > 0 {
		l.Next = s.Now().Add(time.Duration(in.NextSeconds) * time.Second)
	}
	if in.Reason == "" {
		in.Reason = in.Outcome
	}
	return s.again(r.Context(), id, s.Results.LogCall(r.Context(), id, l, in.of(r)))
}

func (s *Server) closeCall(r *http.Request) (any, error) {
	id, in, err := asked[CloseCall](r, "calls")
	if err != nil {
		return nil, err
	}
	return s.again(r.Context(), id, s.Results.CloseCall(r.Context(), id, in.WithoutCall, in.of(r)))
}

func (s *Server) sendAlone(r *http.Request) (any, error) {
	n, err := delivery(r)
	if err != nil {
		return nil, err
	}
	var in Named
	if err := read(r, &in); err != nil {
		return nil, err
	}
	who := in.of(r)
	if err := s.entitled(r.Context(), who.Person, authz.SendAlone); err != nil {
		return nil, err
	}
	done, err := s.Results.SendAlone(r.Context(), n, who)
	if err != nil {
		return nil, err
	}
	return SentAlone{done.Delivery, done.Superseded, who.Person}, nil
}

func (s *Server) stops(r *http.Request) (any, error) {
	limit, err := limited(r)
	if err != nil {
		return nil, err
	}
	f := results.StopFilter{All: r.URL.Query().Get("all") == "true"}
	if v := r.URL.Query().Get("over"); v != "" {
		if f.Over, err = time.ParseDuration(v); err != nil || f.Over < 0 {
			return nil, &Error{Invalid, "over is a time like 24h"}
		}
	}
	list, err := s.Results.Stops(r.Context(), f, limit)
	if err != nil {
		return nil, err
	}
	out := Stops{[]Stop{}}
	for _, x := range list {
		out.Stops = append(out.Stops, stopOf(x))
	}
	return out, nil
}

func kindOfStop(word string) (results.StopKind, error) {
	switch word {
	case results.TransportStop.String():
		return results.TransportStop, nil
	case results.ClinicalStop.String():
		return results.ClinicalStop, nil
	}
	return 0, &Error{Invalid, "a stop is transport or clinical: say as which you act"}
}

func (s *Server) placeStop(r *http.Request) (any, error) {
	var in PlaceStop
	if err := read(r, &in); err != nil {
		return nil, err
	}
	kind, err := kindOfStop(in.Kind)
	if err != nil {
		return nil, err
	}
	who := in.of(r)
	if err := s.stopper(r.Context(), kind, who.Person); err != nil {
		return nil, err
	}
	id, err := s.Results.PlaceStop(r.Context(), results.Stop{
		Kind: kind, Scope: results.Scope(in.Scope), Target: in.Target, Owner: in.Owner, Basis: in.Basis, Text: in.Text,
		For: time.Duration(in.ForSeconds) * time.Second, Impact: time.Duration(in.ImpactSeconds) * time.Second,
	}, who)
	if err != nil {
		return nil, err
	}
	return StopActed{Stop: id.String(), Act: "placed", By: who.Person}, nil
}

func (s *Server) lift(act string, do func(context.Context, event.ID, results.StopKind, results.Named) (results.Lift, error)) route {
	return func(r *http.Request) (any, error) {
		id, in, err := asked[StopAct](r, "stops")
		if err != nil {
			return nil, err
		}
		kind, err := kindOfStop(in.Kind)
		if err != nil {
			return nil, err
		}
		who := in.of(r)
		if err := s.stopper(r.Context(), kind, who.Person); err != nil {
			return nil, err
		}
		x, err := do(r.Context(), id, kind, who)
		if err != nil {
			return nil, err
		}
		return StopActed{Stop: id.String(), Act: act, By: who.Person, Lifted: x.Lifted, Waits: x.Waits}, nil
	}
}

func (s *Server) tendStop(r *http.Request) (any, error) {
	id, in, err := asked[StopAct](r, "stops")
	if err != nil {
		return nil, err
	}
	who, act := in.of(r), "reviewed"
	if strings.HasSuffix(r.URL.Path, "/extend") {
		act = "extended"
		err = s.Results.ExtendStop(r.Context(), id, who, time.Duration(in.ForSeconds)*time.Second)
	} else {
		err = s.Results.ReviewStop(r.Context(), id, who)
	}
	if err != nil {
		return nil, err
	}
	return StopActed{Stop: id.String(), Act: act, By: who.Person}, nil
}

func (s *Server) counts(r *http.Request) (any, error) {
	limit, err := limited(r)
	if err != nil {
		return nil, err
	}
	list, err := s.Results.PartnerCounts(r.Context(), r.URL.Query().Get("partner"), limit)
	if err != nil {
		return nil, err
	}
	out := Counts{Counts: []Count{}, NotCountable: []string{}}
	for _, c := range list {
		out.Counts = append(out.Counts, countOf(c))
	}
	out.NotCountable, err = s.Results.NotCountable(r.Context())
	return out, err
}

func (s *Server) addCount(r *http.Request) (any, error) {
	var in AddCount
	if err := read(r, &in); err != nil {
		return nil, err
	}
	c, err := s.Results.AddCount(r.Context(), r.PathValue("partner"), in.Day, s.Now().Location(), in.List, in.of(r))
	if err != nil {
		return nil, err
	}
	return countOf(c), nil
}

func (s *Server) runCount(r *http.Request) (any, error) {
	var in Named
	if err := read(r, &in); err != nil {
		return nil, err
	}
	if s.CountNow == nil {
		return nil, &Error{Kind: NotFound, Message: "This hub counts nothing by itself."}
	}
	c, err := s.CountNow(r.Context(), r.PathValue("partner"), in.of(r))
	if err != nil {
		return nil, err
	}
	return countOf(c), nil
}
