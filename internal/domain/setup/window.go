package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Window is a time in which nobody is called about chosen partners and sources:
// somebody works on them. Results flow as they can, phone tasks about critical
// results open as always, and alarms stand on Today; only nobody is called.
type Window struct {
	ID                event.ID
	Partners, Sources []string
	Reason            string
	By                approval.Person
	MadeAt            time.Time
	From, Until       time.Time
	// Tell: the partners are told by mail, where they have a contact.
	Tell bool
	// Began is when the hub noticed its beginning; Before what stood then.
	Began  time.Time
	Before []string
	Told   []Told
	// Ended is when it was over, EndedBy who ended it before its time.
	Ended   time.Time
	EndedBy string
	// Rechecked is when the hub looked what was left, Found what that was.
	Rechecked time.Time
	Found     []string
}

// Told is one partner and what came of the mail.
type Told struct {
	Partner string `json:"partner"`
	Outcome string `json:"outcome"`
	OK      bool   `json:"ok"`
}

// Open says whether the window is in force.
func (w Window) Open(now time.Time) bool {
	return w.Ended.IsZero() && !now.Before(w.From) && now.Before(w.Until)
}

// Planned says whether it begins later.
func (w Window) Planned(now time.Time) bool { return w.Ended.IsZero() && now.Before(w.From) }

// quiet are the kinds of alarms a window keeps people from being called about: that
// nothing gets through, or slowly. What a person must decide about, what was
// refused, and anything about the hub itself is told as always.
var quiet = []string{"partner.silent", "partner.slow", "sender.turned_away", "source.silent"}

// silences says whether the window covers a condition.
func (w Window) silences(k alarm.Key) bool {
	if !slices.Contains(quiet, k.Kind) {
		return false
	}
	if strings.HasPrefix(k.Kind, "partner.") {
		return slices.Contains(w.Partners, k.About)
	}
	return slices.Contains(w.Sources, k.About)
}

const (
	maxWindow  = 24 * time.Hour
	maxPlanned = 60 * 24 * time.Hour
	// settles is how long after its end the hub looks what is left: partners are
	// tried again within it.
	settles = 3 * time.Minute
	// windowEvery is how often windows are looked at.
	windowEvery = 10 * time.Second
)

// Errors of windows.
var (
	ErrNoWindow     = errors.New("there is no such maintenance window")
	ErrWindowWhat   = errors.New("choose at least one partner or source")
	ErrWindowLong   = errors.New("a window lasts at most 24 hours; open another one when it is needed")
	ErrWindowWhen   = errors.New("a window begins now or within the next 60 days")
	ErrWindowOver   = errors.New("this window is over already")
	ErrWindowReason = errors.New("say what is being done")
)

// OpenWindow opens or plans one. From zero is now. The caller has checked
// authz.Maintenance and that partners and sources are there.
func (s *Service) OpenWindow(ctx context.Context, w Window, by approval.Person) (Window, error) {
	now := s.clock()
	if w.From.IsZero() || w.From.Before(now) && now.Sub(w.From) < 5*time.Minute {
		w.From = now
	}
	w.From, w.Until = w.From.UTC().Truncate(time.Microsecond), w.Until.UTC().Truncate(time.Microsecond)
	w.Reason = strings.TrimSpace(w.Reason)
	switch {
	case by.Account == "":
		return w, approval.ErrNobody
	case len(w.Partners)+len(w.Sources) == 0:
		return w, ErrWindowWhat
	case w.Reason == "":
		return w, ErrWindowReason
	case w.From.Before(now) || w.From.Sub(now) > maxPlanned:
		return w, ErrWindowWhen
	case !w.Until.After(w.From) || w.Until.Sub(w.From) > maxWindow:
		return w, ErrWindowLong
	}
	w.ID, w.By, w.MadeAt = event.NewID(), by, now
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		leaf, err := s.windowFact(ctx, tx, "maintenance.opened", &w, by.Account)
		if err != nil {
			return err
		}
		tell := int64(0)
		if w.Tell {
			tell = 1
		}
		_, err = tx.Exec(ctx, `INSERT INTO setup_windows (id, partners, sources, reason, opened_by, opened_id, made_at, from_at, until_at, tell, began_at,
			before, told, ended_at, ended_by, rechecked_at, found, leaf) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, '[]', '[]', 0, '', 0, '[]', $11)`,
			w.ID[:], list(w.Partners), list(w.Sources), w.Reason, by.Account, by.ID[:], micro(w.MadeAt), micro(w.From), micro(w.Until), tell, leaf)
		if err != nil {
			return err
		}
		return s.tags.Put(ctx, tx, taggedWindows, w.ID[:])
	})
	if err != nil {
		return w, fmt.Errorf("store maintenance window: %w", err)
	}
	_, err = s.refreshWindows(ctx)
	return w, err
}

// EndWindow ends a window before its time, or gives up one that is planned.
func (s *Service) EndWindow(ctx context.Context, id event.ID, by approval.Person) error {
	err := s.changeWindow(ctx, id, "maintenance.ended", by.Account, func(w *Window) error {
		if !w.Ended.IsZero() || !s.clock().Before(w.Until) {
			return ErrWindowOver
		}
		w.Ended, w.EndedBy = s.clock(), by.Account
		if w.Began.IsZero() {
			w.Rechecked = w.Ended // it never began: nothing to look at
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = s.refreshWindows(ctx)
	return err
}

// changeWindow changes one window in a transaction.
func (s *Service) changeWindow(ctx context.Context, id event.ID, kind, by string, change func(*Window) error) error {
	return s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		w, err := scanWindow(tx.QueryRow(ctx, windowColumns+"WHERE id = $1", id[:]))
		if errors.Is(err, store.ErrNoRows) {
			return ErrNoWindow
		}
		if err != nil {
			return fmt.Errorf("read maintenance window: %w", err)
		}
		if err := change(&w); err != nil {
			return err
		}
		leaf, err := s.windowFact(ctx, tx, kind, &w, by)
		if err != nil {
			return err
		}
		told, err := json.Marshal(w.Told)
		if err != nil {
			return err
		}
		_, err = s.tags.Exec(ctx, tx, taggedWindows, id[:], `UPDATE setup_windows SET began_at = $2, before = $3, told = $4, ended_at = $5, ended_by = $6,
			rechecked_at = $7, found = $8, leaf = $9 WHERE id = $1`,
			id[:], micro(w.Began), list(w.Before), string(told), micro(w.Ended), w.EndedBy, micro(w.Rechecked), list(w.Found), leaf)
		return err
	})
}

func (s *Service) windowFact(ctx context.Context, tx *store.Tx, kind string, w *Window, by string) (int64, error) {
	e := ledger.Event{
		Kind: kind, At: max(s.now().UnixMicro(), 0), IDs: ledger.Pairs{{K: "window", V: w.ID.String()}, {K: "by", V: ledger.Code(by)}},
		Codes: ledger.Pairs{{K: "reason", V: ledger.Code(w.Reason)}},
		Numbers: []ledger.Number{
			{K: "from", N: micro(w.From)},
			{K: "until", N: micro(w.Until)},
			{K: "partners", N: int64(len(w.Partners))},
			{K: "sources", N: int64(len(w.Sources))},
			{K: "found", N: int64(len(w.Found))},
		},
	}
	for i, k := range slices.Concat(w.Partners, w.Sources) {
		if i < 20 { // the row names all of them
			e.IDs = append(e.IDs, ledger.Pair{K: fmt.Sprintf("of_%d", i), V: ledger.Code(k)})
		}
	}
	leaf, err := bus.Publish(ctx, tx, e)
	if err != nil {
		return 0, fmt.Errorf("record %s: %w", kind, err)
	}
	return leaf, nil
}

func list(items []string) string {
	b, err := json.Marshal(slices.Concat([]string{}, items))
	if err != nil {
		panic(err) // texts
	}
	return string(b)
}

var taggedWindows = &bus.Tagged{Table: "setup_windows", Key: "id", Columns: []string{
	"partners", "sources", "reason", "opened_by", "opened_id", "made_at", "from_at", "until_at", "tell", "began_at", "before", "told", "ended_at",
	"ended_by", "rechecked_at", "found", "leaf",
}}

const windowColumns = `SELECT id, partners, sources, reason, opened_by, opened_id, made_at, from_at, until_at, tell, began_at, before, told, ended_at,
	ended_by, rechecked_at, found FROM setup_windows `

func scanWindow(row store.Scanner) (w Window, err error) {
	var id, by []byte
	var partners, sources, before, told, found string
	var made, from, until, tell, began, ended, rechecked int64
	err = row.Scan(&id, &partners, &sources, &w.Reason, &w.By.Account, &by, &made, &from, &until, &tell, &began, &before, &told, &ended,
		&w.EndedBy, &rechecked, &found)
	if err != nil {
		return w, err
	}
	w.MadeAt, w.From, w.Until, w.Tell, w.Began, w.Ended, w.Rechecked = moment(made), moment(from), moment(until), tell == 1, moment(began), moment(ended), moment(rechecked)
	var e1, e2 error
	w.ID, e1 = event.IDFromBytes(id)
	w.By.ID, e2 = event.IDFromBytes(by)
	return w, errors.Join(e1, e2, json.Unmarshal([]byte(partners), &w.Partners), json.Unmarshal([]byte(sources), &w.Sources),
		json.Unmarshal([]byte(before), &w.Before), json.Unmarshal([]byte(told), &w.Told), json.Unmarshal([]byte(found), &w.Found))
}

// Windows lists maintenance windows, the newest first: those that are not done
// with, or of all the newest hundred.
func (s *Service) Windows(ctx context.Context, all bool) ([]Window, error) {
	where := "WHERE rechecked_at = 0 ORDER BY from_at DESC, id DESC"
	if all {
		where = "ORDER BY from_at DESC, id DESC LIMIT 100"
	}
	out := []Window{}
	err := s.db.Query(ctx, windowColumns+where, nil, func(row store.Scanner) error {
		w, err := scanWindow(row)
		out = append(out, w)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list maintenance windows: %w", err)
	}
	return out, nil
}
