package control

import (
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/lease"
)

// Status is how the hub is, found out at CheckedAt.
type Status struct {
	// State is "fine" or "needs_you".
	State     string    `json:"state"`
	Sentences []string  `json:"sentences"` // what a person reads; times in the hub's local zone
	Advice    []string  `json:"advice"`    // what is not urgent
	CheckedAt time.Time `json:"checked_at"`
	Started   time.Time `json:"started_at"`
	Version   string    `json:"version"`
	FIPS      string    `json:"fips"` // in words
	Lab       string    `json:"lab"`
	Node      string    `json:"node"`

	Today      Today             `json:"today"`
	Alarms     []alarm.Record    `json:"alarms"`
	Partners   []Partner         `json:"partners"`
	Quarantine int64             `json:"quarantine_open"`
	Calls      OpenCalls         `json:"phone_tasks"`
	Stops      OpenStops         `json:"stops"`
	Store      Store             `json:"store"`
	Leaves     int64             `json:"ledger_leaves"`
	Doors      map[string]string `json:"doors"`
	Dates      []Date            `json:"dates"`
	Nodes      *Nodes            `json:"nodes,omitempty"` // where several may share the database
}

// Nodes is who of several nodes delivers.
type Nodes struct {
	Lease lease.State `json:"lease"`
	// Trouble is why this node takes nothing in and delivers nothing; empty
	// while it works.
	Trouble string `json:"trouble,omitempty"`
}

// Today counts the results received since midnight, hub's local time, and what
// became of their deliveries.
type Today struct {
	Since        time.Time `json:"since"`
	Received     int64     `json:"received"`
	Acknowledged int64     `json:"deliveries_acknowledged"` // by the partner's own reply
	Placed       int64     `json:"deliveries_placed"`       // nobody answers there
	Shadowed     int64     `json:"deliveries_recorded_only"`
	Open         int64     `json:"deliveries_open"`
	Refused      int64     `json:"deliveries_refused"`
	Superseded   int64     `json:"deliveries_superseded"`
}

// OpenCalls are the phone tasks that nobody has closed.
type OpenCalls struct {
	Overdue int64 `json:"overdue"`
	Open    int64 `json:"open"`
}

// OpenStops are the stops that stand.
type OpenStops struct {
	Standing  int64 `json:"standing"`
	Expired   int64 `json:"expired"`
	ImpactDue int64 `json:"impact_due"`
	OverADay  int64 `json:"over_24_hours"`
	LiftAsked int64 `json:"lift_asked"`
}

// Partner is what waits for one partner and whether it answers.
type Partner struct {
	Key         string    `json:"partner"`
	Name        string    `json:"name"`
	Waiting     int64     `json:"waiting"`
	Held        int64     `json:"held"`
	NeedsPerson int64     `json:"needs_person"`
	Oldest      time.Time `json:"oldest_waiting,omitzero"`
	DownSince   time.Time `json:"down_since,omitzero"`
	Why         string    `json:"why,omitempty"`
	NextTry     time.Time `json:"next_try,omitzero"`
	Heard       time.Time `json:"last_took,omitzero"` // since the hub started

	Stops []Gate `json:"stops,omitempty"`

	alarmAfter time.Duration
}

// Gate is a stop before all that goes to a partner.
type Gate struct {
	Kind  string    `json:"kind"`
	Owner string    `json:"owner"`
	Since time.Time `json:"since"`
}

// Store is the outcome of a test write.
type Store struct {
	Writable  bool      `json:"writable"`
	CheckedAt time.Time `json:"checked_at"`
	TookUS    int64     `json:"took_us"`
}

func (s *Server) status(r *http.Request) (any, error) {
	ctx, now := r.Context(), s.Now()
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	f := s.Facts()
	st := Status{
		CheckedAt: now.UTC(), Started: f.Started.UTC(), Version: f.Version, FIPS: f.FIPS, Lab: f.Lab, Node: f.Node,
		Doors: f.Doors, Partners: []Partner{}, Dates: f.Dates, Advice: []string{},
	}
	day, err := s.Results.Since(ctx, midnight)
	if err != nil {
		return nil, err
	}
	st.Today = Today{midnight.UTC(), day.Received, day.Acknowledged, day.Placed, day.Shadowed, day.Open, day.Refused, day.Superseded}
	partners, err := s.Results.Partners(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range partners {
		x := Partner{
			Key: p.Partner, Name: f.Names[p.Partner], Waiting: p.Waiting, Held: p.Held, NeedsPerson: p.Stopped, Oldest: p.Oldest,
			DownSince: p.DownSince.UTC(), Why: p.Why, Heard: p.Heard.UTC(), alarmAfter: f.AlarmAfter[p.Partner],
		}
		if x.Name == "" {
			x.Name = p.Partner
		}
		for _, g := range p.Gates {
			x.Stops = append(x.Stops, Gate{g.Kind.String(), g.Owner, g.Since})
		}
		if !p.DownSince.IsZero() {
			x.NextTry = p.NextTry.UTC()
		}
		st.Partners = append(st.Partners, x)
	}
	sort.Slice(st.Partners, func(i, j int) bool { return st.Partners[i].Key < st.Partners[j].Key })
	if st.Quarantine, err = s.Results.OpenQuarantine(ctx); err != nil {
		return nil, err
	}
	calls, err := s.Results.CountCalls(ctx)
	if err != nil {
		return nil, err
	}
	st.Calls = OpenCalls{calls.Overdue, calls.Open}
	stops, err := s.Results.CountStops(ctx)
	if err != nil {
		return nil, err
	}
	st.Stops = OpenStops(stops)
	head, err := s.Log.Head(ctx)
	if err != nil {
		return nil, err
	}
	st.Leaves = head.Size
	c := s.Probe.Check(ctx)
	st.Store = Store{c.Err == nil, c.At.UTC(), c.Took.Microseconds()}
	if c.Err != nil {
		s.Slog.Error("the test write failed", "error", c.Err)
	}
	if s.Nodes != nil {
		n, err := s.Nodes(ctx)
		if err != nil {
			return nil, err
		}
		st.Nodes = &n
	}
	keys, err := s.Vault.Status()
	if err != nil {
		return nil, err
	}
	need := append(s.openAlarms(&st, now), f.Faults...)
	if s.Alarms != nil {
		for _, text := range s.Alarms() {
			if !slices.ContainsFunc(need, func(x string) bool { return strings.Contains(x, text) }) {
				need = append(need, text)
			}
		}
	}
	st.Advice = append(st.Advice, keys.Warnings...)
	if s.Notes != nil {
		st.Advice = append(st.Advice, s.Notes()...)
	}
	st.say(now, need)
	return st, nil
}
