package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/today"
)

// Alarms is the list of alarms and how the ways to tell of them do.
type Alarms struct {
	Alarms []alarm.Record   `json:"alarms"`
	Ways   []alarm.WayState `json:"ways"`
}

// Alarm is one alarm and who was told of it.
type Alarm struct {
	Alarm alarm.Record `json:"alarm"`
	Told  []alarm.Told `json:"told"`
}

// AlarmActed is the answer to accepting or closing one.
type AlarmActed struct {
	Alarm alarm.Record `json:"alarm"`
	// Warning is set when it was done but is not on disk yet.
	Warning string `json:"warning,omitempty"`
}

// Tried is what came of testing every way.
type Tried struct {
	Tried []alarm.Tried `json:"tried"`
}

func (s *Server) desk() (*alarm.Desk, error) {
	if s.Desk == nil {
		return nil, &Error{Unavailable, "this hub keeps no alarms"}
	}
	return s.Desk, nil
}

func alarmNumber(r *http.Request) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue("alarm"), 10, 64)
	if err != nil || n < 1 {
		return 0, &Error{Invalid, "this is not the number of an alarm; `labwarden alarms list` shows them"}
	}
	return n, nil
}

func (s *Server) alarms(r *http.Request) (any, error) {
	d, err := s.desk()
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit", 500)
	if err != nil {
		return nil, err
	}
	if limit == 0 {
		limit = 50
	}
	list, err := d.List(r.Context(), r.URL.Query().Get("all") == "true", int(limit))
	if err != nil {
		return nil, err
	}
	return Alarms{list, d.Ways()}, nil
}

func (s *Server) alarm(r *http.Request) (any, error) {
	d, err := s.desk()
	if err != nil {
		return nil, err
	}
	n, err := alarmNumber(r)
	if err != nil {
		return nil, err
	}
	a, told, err := d.Show(r.Context(), n)
	if err != nil {
		return nil, err
	}
	return Alarm{a, told}, nil
}

func (s *Server) actOnAlarm(do func(d *alarm.Desk, ctx context.Context, number int64, by, reason string) (alarm.Record, error)) route {
	return func(r *http.Request) (any, error) {
		d, err := s.desk()
		if err != nil {
			return nil, err
		}
		n, err := alarmNumber(r)
		if err != nil {
			return nil, err
		}
		var why Why
		if err := read(r, &why); err != nil {
			return nil, err
		}
		a, err := do(d, r.Context(), n, by(r, why.Reason).Who, why.Reason)
		if errors.Is(err, alarm.ErrNotStored) {
			return AlarmActed{a, "It is done, but the store does not take it yet; it is written as soon as it does."}, nil
		}
		if err != nil {
			return nil, err
		}
		return AlarmActed{Alarm: a}, nil
	}
}

func (s *Server) tryWays(r *http.Request) (any, error) {
	d, err := s.desk()
	if err != nil {
		return nil, err
	}
	if err := read(r, &struct{}{}); err != nil {
		return nil, err
	}
	t, err := d.Try(r.Context(), by(r, "").Who)
	if err != nil {
		return nil, err
	}
	return Tried{t}, nil
}

// openAlarms are the sentences about alarms whose condition stands, and about
// ways that fail.
func (s *Server) openAlarms(st *Status, now time.Time) []string {
	st.Alarms = []alarm.Record{}
	if s.Desk == nil {
		return nil
	}
	var out []string
	for _, a := range s.Desk.Live() {
		st.Alarms = append(st.Alarms, a)
		if !a.Quiet.IsZero() {
			continue
		}
		who := fmt.Sprintf("nobody has accepted it: labwarden alarms accept %d", a.Number)
		if a.State == alarm.Accepted {
			who = a.By + " has accepted it"
		}
		out = append(out, fmt.Sprintf("Alarm %d (%s, since %s; %s). %s", a.Number, a.Severity, today.Clock(a.Since, now), who, a.Sentence))
	}
	ways := s.Desk.Ways()
	for _, w := range ways {
		if !w.Since.IsZero() {
			out = append(out, fmt.Sprintf("Alarms do not reach %s by %s since %s: %s.", w.Person, w.Way, today.Clock(w.Since, now), w.Problem))
		}
	}
	if len(ways) == 0 {
		st.Advice = append(st.Advice, "Nobody is on the on-call list (alarms.on_call): alarms are shown here and in the log only.")
	}
	return out
}

// Alarms lists those that live, or all.
func (c *Client) Alarms(ctx context.Context, all bool, limit int) (Alarms, error) {
	return ask[Alarms](ctx, c, fmt.Sprintf("/v1/alarms?all=%t&limit=%d", all, limit), nil)
}

// Alarm asks for one alarm and who was told of it.
func (c *Client) Alarm(ctx context.Context, number string) (Alarm, error) {
	return ask[Alarm](ctx, c, "/v1/alarms/"+url.PathEscape(number), nil)
}

// ActOnAlarm accepts or closes an alarm.
func (c *Client) ActOnAlarm(ctx context.Context, act, number, reason string) (AlarmActed, error) {
	return ask[AlarmActed](ctx, c, "/v1/alarms/"+url.PathEscape(number)+"/"+url.PathEscape(act), Why{Reason: reason})
}

// TryWays sends a test to everybody on the on-call list.
func (c *Client) TryWays(ctx context.Context) (Tried, error) {
	return ask[Tried](ctx, c, "/v1/alarms/test", struct{}{})
}
