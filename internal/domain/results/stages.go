package results

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindApproved is the laboratory director's approval that a route may carry.
const KindApproved = "route.approved"

// Candidate is a route as it would run, for what it needs before it may carry.
type Candidate struct {
	Route   string `json:"route"`
	Config  string `json:"config"` // Route.Config
	OldPath string `json:"old_path,omitempty"`
	Days    int    `json:"days"`
}

// Approval is the director's approval of one configuration of a route.
type Approval struct {
	ID     string `json:"id"`
	Route  string `json:"route"`
	Config string `json:"config"`
	// NoOldPath: the director states that there is no old path to compare with.
	NoOldPath bool      `json:"no_old_path"`
	Director  string    `json:"director"`
	By        string    `json:"recorded_by"`
	Reason    string    `json:"reason"`
	At        time.Time `json:"at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`

	leaf int64 // its event in the ledger
}

// Progress is what was compared of one configuration of a route.
type Progress struct {
	Days        int    `json:"days"`   // on which something was compared; today is not over and does not count
	Needed      int    `json:"needed"` // days
	Equal       int64  `json:"equal"`
	Differing   int64  `json:"differing"` // explained or not
	OnlyOurs    int64  `json:"only_ours"`
	OnlyTheirs  int64  `json:"only_theirs"`
	Waiting     int64  `json:"waiting"`     // for the other path
	Unexplained int64  `json:"unexplained"` // messages with a difference that nobody explained
	First       string `json:"first_day,omitempty"`
	Last        string `json:"last_day,omitempty"`
	// Since is when the comparison with this old path began; what came before is
	// not compared.
	Since time.Time `json:"since,omitzero"`
}

// Progress counts what was compared.
func (s *Service) Progress(ctx context.Context, c Candidate) (Progress, error) {
	p := Progress{Needed: c.Days}
	today := dayOf(s.now())
	err := s.db.Query(ctx, `SELECT day, state, count(*), sum(CASE WHEN unexplained > 0 THEN 1 ELSE 0 END)
		FROM results_compares WHERE route = $1 AND config = $2 GROUP BY day, state ORDER BY day, state`,
		[]any{c.Route, c.Config}, func(r store.Scanner) error {
			var day, state, n, open int64
			if err := r.Scan(&day, &state, &n, &open); err != nil {
				return err
			}
			p.Unexplained += open
			switch state {
			case stateEqual, stateDiffers:
				if date := dateOf(day); p.Last != date {
					if p.First == "" {
						p.First = date
					}
					p.Last = date
					if day < today {
						p.Days++
					}
				}
				if state == stateEqual {
					p.Equal += n
				} else {
					p.Differing += n
				}
			case stateOnlyOurs:
				p.OnlyOurs += n
			case stateOnlyTheirs:
				p.OnlyTheirs += n
			case stateWaits:
				p.Waiting += n
			}
			return nil
		})
	if err != nil {
		return p, fmt.Errorf("count what was compared: %w", err)
	}
	var since int64
	err = s.db.QueryRow(ctx, "SELECT began_at FROM results_feeds WHERE feed = $1", c.OldPath).Scan(&since)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return p, fmt.Errorf("read when the comparison began: %w", err)
	}
	if err == nil {
		p.Since = time.UnixMicro(since).UTC()
	}
	return p, nil
}

// Unproven says in sentences what the comparison of a route still lacks before
// the director may approve it; none when it is enough or there is no old path.
func (s *Service) Unproven(ctx context.Context, c Candidate) ([]string, error) {
	return s.unproven(ctx, c)
}

// unproven says in sentences what the comparison still lacks; none when it is
// enough or when there is no old path.
func (s *Service) unproven(ctx context.Context, c Candidate) ([]string, error) {
	if c.OldPath == "" {
		return nil, nil
	}
	p, err := s.Progress(ctx, c)
	if err != nil {
		return nil, err
	}
	var out []string
	if p.Unexplained > 0 {
		out = append(out, fmt.Sprintf("%s with a difference that nobody has explained (labwarden route compare %s)", messages(p.Unexplained), c.Route))
	}
	if missing := c.Days - p.Days; missing > 0 {
		// Today counts once it is over, if something is compared today.
		earliest := dateOf(dayOf(s.now()) + int64(missing))
		out = append(out, fmt.Sprintf("messages were compared on %d of %d days; if some are compared every day it is enough on %s", p.Days, c.Days, earliest))
	}
	return out, nil
}

func messages(n int64) string {
	if n == 1 {
		return "1 message"
	}
	return fmt.Sprintf("%d messages", n)
}

// Missing says in sentences what the route lacks before it may carry; none when
// it may.
func (s *Service) Missing(ctx context.Context, c Candidate) ([]string, error) {
	out, err := s.unproven(ctx, c)
	if err != nil {
		return nil, err
	}
	a, ended, err := s.approval(ctx, c)
	switch {
	case err != nil:
		return nil, err
	case a != nil:
	case c.OldPath == "":
		out = append(out, fmt.Sprintf("it names no old_path to compare with, and the laboratory director has not stated that there is none (labwarden route approve %s --no-old-path)", c.Route))
	default:
		out = append(out, fmt.Sprintf("the laboratory director has not approved it in this configuration (labwarden route approve %s)", c.Route))
	}
	if a == nil && ended {
		out = append(out, "an earlier approval ended: the route was changed or taken back since")
	}
	return out, nil
}

// approval is the valid approval of exactly this configuration; nil where there
// is none. ended: the route had one before.
func (s *Service) approval(ctx context.Context, c Candidate) (a *Approval, ended bool, err error) {
	all, err := s.Approvals(ctx, c.Route)
	for i := range all {
		x := &all[i]
		if x.EndedAt.IsZero() && x.Config == c.Config && x.NoOldPath == (c.OldPath == "") {
			return x, false, errors.Join(err, s.inLedger(ctx, x))
		}
		ended = true
	}
	return nil, ended, err
}

// inLedger makes sure that the ledger says what the approval's row says: a row
// alone lets nothing carry.
func (s *Service) inLedger(ctx context.Context, a *Approval) error {
	raw, err := s.log.Event(ctx, a.leaf)
	if err != nil {
		return fmt.Errorf("look the approval of route %s up in the ledger: %w", a.Route, err)
	}
	e, err := ledger.ParseEvent(raw)
	if err != nil {
		return fmt.Errorf("read the approval of route %s in the ledger: %w", a.Route, err)
	}
	if e.Kind != KindApproved || e.IDs.Get("approval") != a.ID || e.IDs.Get("route") != ledger.Code(a.Route) ||
		e.Codes.Get("config") != ledger.Code(a.Config) || e.IDs.Get("director") != ledger.Code(a.Director) {
		return fmt.Errorf("%w: the approval of route %s is not the one the ledger has: run `labwarden ledger verify`", ErrConflict, a.Route)
	}
	return nil
}

// Approvals lists a route's approvals, newest first, those that ended included.
func (s *Service) Approvals(ctx context.Context, route string) ([]Approval, error) {
	out := []Approval{}
	err := s.db.Query(ctx, `SELECT id, route, config, no_old_path, director, who, reason, at, COALESCE(ended_at, 0), leaf
		FROM results_approvals WHERE route = $1 ORDER BY id DESC LIMIT 100`, []any{route}, func(r store.Scanner) error {
		var a Approval
		var raw []byte
		var none, at, ended int64
		if err := r.Scan(&raw, &a.Route, &a.Config, &none, &a.Director, &a.By, &a.Reason, &at, &ended, &a.leaf); err != nil {
			return err
		}
		id, err := event.IDFromBytes(raw)
		a.ID, a.NoOldPath, a.At = id.String(), none != 0, time.UnixMicro(at).UTC()
		if ended > 0 {
			a.EndedAt = time.UnixMicro(ended).UTC()
		}
		out = append(out, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list approvals: %w", err)
	}
	return out, nil
}

// Approve records the director's approval of exactly this configuration of the
// route. It is refused (ErrConflict) while the comparison is not enough, and the
// statement that there is no old path where the route names one.
func (s *Service) Approve(ctx context.Context, c Candidate, director string, noOldPath bool, by By) (Approval, error) {
	if err := by.check(); err != nil {
		return Approval{}, err
	}
	director = strings.TrimSpace(director)
	switch {
	case director == "" || len(director) > 200:
		return Approval{}, fmt.Errorf("%w: name the laboratory director, or whom the director delegated in writing", ErrInvalid)
	case noOldPath && c.OldPath != "":
		return Approval{}, fmt.Errorf("route %s names the old path %s: it cannot be stated that there is none: %w", c.Route, c.OldPath, ErrConflict)
	case !noOldPath && c.OldPath == "":
		return Approval{}, fmt.Errorf("route %s names no old_path and nothing was compared; the director can state that there is no old path (--no-old-path): %w", c.Route, ErrConflict)
	}
	lacking, err := s.unproven(ctx, c)
	if err != nil {
		return Approval{}, err
	}
	if len(lacking) > 0 {
		return Approval{}, fmt.Errorf("route %s cannot be approved yet: %s: %w", c.Route, strings.Join(lacking, "; "), ErrConflict)
	}
	id, now := event.NewID(), s.now()
	e := ledger.Event{
		Kind: KindApproved, At: now.UnixMicro(),
		IDs: append(ledger.Pairs{
			{K: "approval", V: id.String()},
			{K: "route", V: ledger.Code(c.Route)},
			{K: "director", V: ledger.Code(director)},
		}, by.ids()...),
		Codes: ledger.Pairs{{K: "config", V: ledger.Code(c.Config)}, {K: "basis", V: "compared"}, {K: "reason", V: ledger.Code(by.Reason)}},
	}
	if noOldPath {
		e.Codes[1].V = "no_old_path"
	} else {
		e.Numbers = []ledger.Number{{K: "days", N: int64(c.Days)}}
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		leaf, err := bus.Publish(ctx, tx, e)
		if err != nil {
			return err
		}
		_, err = s.tags.Exec(ctx, tx, taggedApprovals, id[:], `INSERT INTO results_approvals (id, route, config, no_old_path, director, who, reason, at, leaf)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, id[:], c.Route, c.Config, flag(noOldPath), director, by.Who, by.Reason, now.UnixMicro(), leaf)
		return err
	})
	if err != nil {
		return Approval{}, fmt.Errorf("record approval: %w", err)
	}
	return Approval{
		ID: id.String(), Route: c.Route, Config: c.Config, NoOldPath: noOldPath, Director: director,
		By: by.Who, Reason: by.Reason, At: now.UTC(),
	}, nil
}

// EndApprovals voids the route's approvals, but those of the configuration keep
// (empty: all), in the caller's transaction: the route was changed or taken back.
func (s *Service) EndApprovals(ctx context.Context, tx *store.Tx, route, keep string, at time.Time) error {
	ids, err := rowKeys(ctx, tx, "SELECT id FROM results_approvals WHERE route = $1 AND config <> $2 AND ended_at IS NULL", route, keep)
	if err == nil {
		err = s.tags.Write(ctx, tx, taggedApprovals, ids, func() error {
			_, err := tx.Exec(ctx, "UPDATE results_approvals SET ended_at = $1 WHERE route = $2 AND config <> $3 AND ended_at IS NULL", at.UnixMicro(), route, keep)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("end approvals: %w", err)
	}
	return nil
}

// RouteState is a route of the revision in force and how far its adoption is.
type RouteState struct {
	Candidate
	Stage    string    `json:"stage"`
	From     []string  `json:"from"`
	To       []string  `json:"to"`
	Progress *Progress `json:"progress,omitempty"` // nil where nothing is compared
	Approval *Approval `json:"approval,omitempty"` // nil where there is no valid one
	// Missing is what it lacks before it may carry, in sentences; empty for a
	// route that carries.
	Missing []string `json:"missing"`
}

// RouteStates lists the routes of the settings in force, in their order.
func (s *Service) RouteStates(ctx context.Context) ([]RouteState, error) {
	set := s.settings.Load()
	out := []RouteState{}
	at := map[string]int{}
	for _, r := range set.Routes {
		if i, ok := at[r.Name]; ok { // once for each source
			out[i].From = append(out[i].From, r.From)
			continue
		}
		st := RouteState{
			Candidate: set.candidate(r), Stage: r.Stage.String(), From: []string{r.From}, To: r.To, Missing: []string{},
		}
		var err error
		if st.Approval, _, err = s.approval(ctx, st.Candidate); err != nil {
			return nil, err
		}
		if r.OldPath != "" {
			p, err := s.Progress(ctx, st.Candidate)
			if err != nil {
				return nil, err
			}
			st.Progress = &p
		}
		if r.Stage != Carry {
			missing, err := s.Missing(ctx, st.Candidate)
			if err != nil {
				return nil, err
			}
			st.Missing = append(st.Missing, missing...)
		}
		at[r.Name] = len(out)
		out = append(out, st)
	}
	return out, nil
}

func (set *Settings) candidate(r Route) Candidate {
	return Candidate{Route: r.Name, Config: r.Config, OldPath: r.OldPath, Days: set.Adoption.defaults().Days}
}

// RouteState is one of RouteStates; ErrNotFound where the revision in force has
// no such route.
func (s *Service) RouteState(ctx context.Context, name string) (RouteState, error) {
	all, err := s.RouteStates(ctx)
	if err != nil {
		return RouteState{}, err
	}
	for _, r := range all {
		if r.Route == name {
			return r, nil
		}
	}
	return RouteState{}, noRoute(name)
}

func noRoute(name string) error {
	return fmt.Errorf("the applied configuration has no route %q: %w", name, ErrNotFound)
}

var errUnsealed = errors.New("what is kept of a comparison does not fit")
