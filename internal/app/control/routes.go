package control

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

const (
	auditRoute   = "POST /v1/ledger/audit"
	replayRoute  = "POST /v1/replay"
	compareRoute = "POST /v1/revisions/compare"
	applyRoute   = "POST /v1/revisions"
	secretRoute  = "POST /v1/secrets/{name}"
)

func takesLong(pattern string) bool {
	return pattern == auditRoute || pattern == replayRoute || pattern == bundleRoute || pattern == countRunRoute
}

func carriesDraft(pattern string) bool {
	return pattern == replayRoute || pattern == compareRoute || pattern == applyRoute || pattern == secretRoute
}

type route = func(r *http.Request) (any, error)

// routes is everything the hub can be asked. Whatever changes something or
// shows patient data is a POST and names a reason.
func (s *Server) routes() map[string]route {
	all := map[string]route{
		"GET /v1/status":                       s.status,
		"GET /v1/results":                      s.list,
		"GET /v1/results/{id}":                 s.show,
		"POST /v1/results/{id}/view":           s.body(s.Results.View),
		"POST /v1/results/{id}/export":         s.body(s.Results.Export),
		"POST /v1/deliveries/{number}/hold":    s.act("hold", s.hold),
		"POST /v1/deliveries/{number}/release": s.release,
		"POST /v1/deliveries/{number}/refuse":  s.act("refuse", s.Results.Refuse),
		"POST /v1/deliveries/{number}/resend":  s.resend,
		"GET /v1/deliveries/{number}/proof":    s.proof,
		"GET /v1/deliveries/{number}/receipt":  s.receipt,
		"POST /v1/results/find":                s.find,
		"GET /v1/quarantine":                   s.quarantine,
		"POST /v1/quarantine/{id}/release":     s.decide("release", s.Results.ReleaseApart),
		"POST /v1/quarantine/{id}/replay":      s.decide("replay", s.Results.ReplayApart),
		"POST /v1/quarantine/{id}/refuse": s.decide("refuse", func(ctx context.Context, id event.ID, by results.By) (event.ID, error) {
			return event.ID{}, s.Results.RefuseApart(ctx, id, by)
		}),
		"POST /v1/quarantine/{id}/view":  s.quarantined,
		"GET /v1/keys":                   s.keys,
		"POST /v1/keys/rotate":           s.rotate,
		auditRoute:                       s.audit,
		"POST /v1/reload":                s.reload,
		"POST /v1/ledger/decide":         s.decideViews,
		"GET /v1/alarms":                 s.alarms,
		"GET /v1/alarms/{alarm}":         s.alarm,
		"POST /v1/alarms/test":           s.tryWays,
		"POST /v1/alarms/{alarm}/accept": s.actOnAlarm((*alarm.Desk).Accept),
		"POST /v1/alarms/{alarm}/close":  s.actOnAlarm((*alarm.Desk).Close),
		"POST /v1/bypass/reconcile":      s.readBypass,
		"GET /v1/revisions":              s.history,
		"GET /v1/revisions/{number}":     s.revision,
		compareRoute:                     s.compare,
		applyRoute:                       s.apply,
		replayRoute:                      s.replay,
		"GET /v1/secrets":                s.secrets,
		secretRoute:                      s.setSecret,
		"POST /v1/secrets/{name}/remove": s.removeSecret,
		"POST /v1/extend":                s.extend,
		bundleRoute:                      s.bundle,
	}
	maps.Copy(all, s.clinical())
	if s.PartnerKeys != nil {
		maps.Copy(all, s.partnerKeyRoutes())
	}
	return s.postureRoutes(s.tunnelRoutes(s.certificateRoutes(s.boxRoutes(s.accessRoutes(s.adoptionRoutes(all))))))
}

func messageID(r *http.Request) (event.ID, error) {
	id, err := event.ParseID(r.PathValue("id"))
	if err != nil {
		return id, &Error{Invalid, "this is not the id of a message; `labwarden results list` shows them"}
	}
	return id, nil
}

func (s *Server) show(r *http.Request) (any, error) {
	id, err := messageID(r)
	if err != nil {
		return nil, err
	}
	m, err := s.Results.Show(r.Context(), id)
	if err != nil {
		return nil, err
	}
	out := resultOf(m)
	for i := range out.Deliveries {
		out.Deliveries[i].Words = s.words(&out.Deliveries[i])
	}
	return out, nil
}

// words say no more than what is known of a delivery (SAFETY.md 17).
func (s *Server) words(d *Delivery) string {
	name := s.Facts().Names[d.Partner]
	if name == "" {
		name = d.Partner
	}
	switch {
	case !d.FoundAt.IsZero():
		return name + " has it: it is on their own list"
	case !d.PickedUpAt.IsZero():
		return name + " picked it up"
	case d.SupersededBy != "":
		return "never sent: superseded by " + d.SupersededBy
	case d.Gated != "":
		return d.State + ", behind " + d.Gated
	case d.State != results.Done.String():
		return d.State
	case d.Level == "accepted":
		return name + "'s system accepted this result"
	case d.Level == "committed":
		return name + "'s system took this result"
	}
	return "placed, nobody has confirmed"
}

func (s *Server) body(view func(context.Context, event.ID, results.By) (results.Summary, []byte, error)) route {
	return func(r *http.Request) (any, error) {
		id, err := messageID(r)
		if err != nil {
			return nil, err
		}
		var why Why
		if err := read(r, &why); err != nil {
			return nil, err
		}
		m, body, err := view(r.Context(), id, by(r, why.Reason))
		if err != nil {
			return nil, err
		}
		return Body[Result]{resultOf(m), body}, nil
	}
}

func delivery(r *http.Request) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
	if err != nil || n < 0 {
		return 0, &Error{Invalid, "this is not the number of a delivery; `labwarden results list` shows them"}
	}
	return n, nil
}

func (s *Server) act(name string, do func(context.Context, int64, results.By) error) route {
	return func(r *http.Request) (any, error) {
		n, err := delivery(r)
		if err != nil {
			return nil, err
		}
		var why Why
		if err := read(r, &why); err != nil {
			return nil, err
		}
		who := by(r, why.Reason)
		if err := do(r.Context(), n, who); err != nil {
			return nil, err
		}
		return Acted{Delivery: n, Act: name, By: who.Who}, nil
	}
}

// hold is a clinical stop of one delivery.
func (s *Server) hold(ctx context.Context, seq int64, who results.By) error {
	if err := s.entitled(ctx, who.Who, authz.ClinicalStop); err != nil {
		return err
	}
	return s.Results.Hold(ctx, seq, who)
}

// release is act for what was held: one at a time.
func (s *Server) release(r *http.Request) (any, error) {
	n, err := delivery(r)
	if err != nil {
		return nil, err
	}
	var why Why
	if err := read(r, &why); err != nil {
		return nil, err
	}
	who := by(r, why.Reason)
	if no := s.entitled(r.Context(), who.Who, authz.ClinicalStop); no != nil {
		// What needed a person may be tried again by whoever runs this machine; a hold
		// is lifted by those the director let.
		if err := s.Results.TryAgain(r.Context(), n, who); err != nil {
			return nil, no
		}
		return Acted{Delivery: n, Act: "release", By: who.Who}, nil
	}
	if err := s.Results.ReleaseAlone(r.Context(), n, why.Among, who); err != nil {
		return nil, err
	}
	return Acted{Delivery: n, Act: "release", By: who.Who}, nil
}

func (s *Server) resend(r *http.Request) (any, error) {
	n, err := delivery(r)
	if err != nil {
		return nil, err
	}
	var why Why
	if err := read(r, &why); err != nil {
		return nil, err
	}
	who := by(r, why.Reason)
	again, err := s.Results.Resend(r.Context(), n, who)
	if err != nil {
		return nil, err
	}
	return Acted{Delivery: n, Act: "resend", New: again, By: who.Who}, nil
}

// number reads a query value; empty is 0.
func number(r *http.Request, key string, most int64) (int64, error) {
	v := r.URL.Query().Get(key)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, &Error{Invalid, key + " must be a number from 0 to " + strconv.FormatInt(most, 10)}
	}
	return n, nil
}

func moment(r *http.Request, key string) (time.Time, error) {
	v := r.URL.Query().Get(key)
	if v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return t, &Error{Invalid, key + " must be a time like 2026-05-04T06:52:00Z"}
	}
	return t, nil
}

func (s *Server) reload(r *http.Request) (any, error) {
	if s.Reload == nil {
		return nil, &Error{Unavailable, "this hub takes nothing over while it runs; restart it"}
	}
	what, err := s.Reload(r.Context())
	if err != nil {
		return nil, err
	}
	return what, nil
}

// decide ends a message's stay in quarantine.
func (s *Server) decide(name string, do func(context.Context, event.ID, results.By) (event.ID, error)) route {
	return func(r *http.Request) (any, error) {
		id, err := messageID(r)
		if err != nil {
			return nil, err
		}
		var why Why
		if err := read(r, &why); err != nil {
			return nil, err
		}
		who := by(r, why.Reason)
		m, err := do(r.Context(), id, who)
		if err != nil {
			return nil, err
		}
		d := Decided{Quarantined: id.String(), Act: name, By: who.Who}
		if m != (event.ID{}) {
			d.Message = m.String()
		}
		return d, nil
	}
}
