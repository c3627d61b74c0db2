package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Facts about quarantined messages.
const (
	KindApartReleased = "quarantine.released"
	KindApartRefused  = "quarantine.refused"
	KindApartReplayed = "quarantine.replayed"
	KindApartShown    = "quarantine.shown"
)

// States of a quarantined message.
const (
	apartOpen = iota
	apartReleased
	apartRefused
	apartReplayed
)

// StillRefused is the error of a replay whose cause is not mended. The message
// stays in quarantine under the cause it has now.
type StillRefused struct {
	Cause  string // CauseNoRoute and the like
	Reason string // in words, no patient data
}

func (e *StillRefused) Error() string { return "still refused (" + e.Cause + "): " + e.Reason }

// apart is one quarantined row with its body.
type apart struct {
	id      event.ID
	source  string
	cause   string
	state   int64
	message *event.ID
	body    []byte
	whole   bool
}

func (s *Service) apart(ctx context.Context, id event.ID) (*apart, error) {
	a := &apart{id: id}
	var size, kept int64
	var message, sealed []byte
	err := s.db.QueryRow(ctx, `SELECT source, cause, state, size, kept, message, body FROM results_quarantine WHERE id = $1`, id[:]).
		Scan(&a.source, &a.cause, &a.state, &size, &kept, &message, &sealed)
	if errors.Is(err, store.ErrNoRows) {
		return nil, fmt.Errorf("quarantined message %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read quarantine: %w", err)
	}
	if message != nil {
		m, err := event.IDFromBytes(message)
		if err != nil {
			return nil, err
		}
		a.message = &m
	}
	a.whole = size == kept
	_, a.body, err = s.seal.open("results_quarantine", id, sealed)
	return a, err
}

// ShowApart returns the bytes of a quarantined message (its beginning, where it
// was over the size limit) and writes down who looked.
func (s *Service) ShowApart(ctx context.Context, id event.ID, by By) ([]byte, error) {
	if err := s.mayShow(); err != nil {
		return nil, err
	}
	if err := by.check(); err != nil {
		return nil, err
	}
	a, err := s.apart(ctx, id)
	if err != nil {
		return nil, err
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := bus.Publish(ctx, tx, decided(KindApartShown, s.now().UnixMicro(), id, nil, by))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("write down who looked: %w", err)
	}
	return a.body, nil
}

// RefuseApart ends a quarantined message: it is never taken. Refused again it
// stays refused, without error.
func (s *Service) RefuseApart(ctx context.Context, id event.ID, by By) error {
	if err := by.check(); err != nil {
		return err
	}
	return s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		state, _, err := apartState(ctx, tx, id)
		if err != nil || state == apartRefused {
			return err
		}
		if state != apartOpen {
			return fmt.Errorf("quarantined message %s was taken meanwhile: %w", id, ErrConflict)
		}
		return s.decide(ctx, tx, id, apartRefused, nil, KindApartRefused, s.now(), by)
	})
}

// ReleaseApart takes a message that was kept apart because its control id had
// been used for another body. It becomes a message at the end of its lanes.
// Released again it returns the same message, without a second copy.
func (s *Service) ReleaseApart(ctx context.Context, id event.ID, by By) (event.ID, error) {
	return s.admit(ctx, id, by, apartReleased)
}

// ReplayApart presents the kept bytes again under the settings now in force.
// The error is a *StillRefused where the cause is not mended. Bytes that were
// taken meanwhile, because the sender repeated them, are not taken twice.
func (s *Service) ReplayApart(ctx context.Context, id event.ID, by By) (event.ID, error) {
	return s.admit(ctx, id, by, apartReplayed)
}

// admit runs a kept message through the intake.
func (s *Service) admit(ctx context.Context, id event.ID, by By, to int64) (event.ID, error) {
	var none event.ID
	if err := by.check(); err != nil {
		return none, err
	}
	a, err := s.apart(ctx, id)
	if err != nil {
		return none, err
	}
	if !a.whole {
		return none, fmt.Errorf("quarantined message %s: only its beginning was kept; the sender must send it in parts: %w", id, ErrConflict)
	}
	if a.state == apartOpen && to == apartReleased && a.cause != CauseConflict {
		return none, fmt.Errorf("quarantined message %s (%s) is replayed once the cause is mended, not released: %w", id, a.cause, ErrConflict)
	}
	now, set := s.now(), s.settings.Load()
	j := judged{keys: keysPool.Get().(*hl7.Keys)}
	defer keysPool.Put(j.keys)
	if a.state == apartOpen {
		if r, ok := set.judge(a.source, a.body, &j); !ok {
			return none, s.stillRefused(ctx, a, r)
		}
	}
	m, conflict, err := s.readmit(ctx, set, a, &j, now, by, to)
	if err != nil {
		return none, err
	}
	if conflict {
		return none, s.stillRefused(ctx, a, refusal{
			cause: CauseConflict,
			text:  "This control id was used for a different message before. A person may release it.",
		})
	}
	return m, nil
}

// stillRefused keeps the present cause with the row.
func (s *Service) stillRefused(ctx context.Context, a *apart, r refusal) error {
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		return s.changeApart(ctx, tx, a.id, "cause = $2, detail = $3", r.cause, r.text)
	})
	if err != nil {
		return fmt.Errorf("write down why it is still refused: %w", err)
	}
	return &StillRefused{Cause: r.cause, Reason: r.text}
}

// readmit makes the message of a, unless a was decided meanwhile. conflict: the
// control id belongs to another body and this is no release.
func (s *Service) readmit(ctx context.Context, set *Settings, a *apart, j *judged, now time.Time, by By, to int64) (m event.ID, conflict bool, err error) {
	// Who presented it at first is not kept with the quarantined bytes: the
	// event names the source and no peer.
	fresh := &newMessage{}
	if a.state == apartOpen {
		if fresh, err = s.prepare(ctx, set, j, channel.Peer{}, event.NewID(), a.body, now); err != nil {
			return m, false, err
		}
	}
	key := fresh.control
	cutoff := s.steady.now().Add(-j.src.Window).UnixMicro()
	kind := KindApartReleased
	if to == apartReplayed {
		kind = KindApartReplayed
	}
	taken := false
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		taken, conflict = false, false
		state, done, err := apartState(ctx, tx, a.id)
		switch {
		case err != nil:
			return err
		case done != nil:
			m = *done // a double click
			return nil
		case state != apartOpen || a.state != apartOpen:
			return fmt.Errorf("quarantined message %s was refused meanwhile: %w", a.id, ErrConflict)
		}
		m = fresh.id
		before, err := s.earlier(ctx, tx, key, cutoff, a.body)
		switch {
		case err != nil:
			return err
		case before != nil && before.same:
			m = before.id // the sender repeated it and it was taken then
			return s.decide(ctx, tx, a.id, to, &m, kind, now, by)
		case before != nil && to == apartReplayed:
			conflict = true
			return nil
		}
		if fresh.control = key; before != nil {
			fresh.control = 0 // the other message keeps the control id
		}
		if err := s.insert(ctx, tx, fresh); err != nil {
			return err
		}
		taken = true
		return s.decide(ctx, tx, a.id, to, &m, kind, now, by)
	})
	if err == nil && taken {
		s.counts.received.Add(1)
	}
	return m, conflict, err
}

func apartState(ctx context.Context, tx store.Queryer, id event.ID) (state int64, message *event.ID, err error) {
	var raw []byte
	err = tx.QueryRow(ctx, "SELECT state, message FROM results_quarantine WHERE id = $1", id[:]).Scan(&state, &raw)
	if errors.Is(err, store.ErrNoRows) {
		return 0, nil, fmt.Errorf("quarantined message %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read quarantine: %w", err)
	}
	if raw != nil {
		m, err := event.IDFromBytes(raw)
		return state, &m, err
	}
	return state, nil, nil
}

// decide ends an open row and writes the fact.
func (s *Service) decide(ctx context.Context, tx *store.Tx, id event.ID, to int64, message *event.ID, kind string, now time.Time, by By) error {
	publish := s.publishAct
	if message == nil {
		publish = bus.Publish
	}
	if _, err := publish(ctx, tx, decided(kind, now.UnixMicro(), id, message, by)); err != nil {
		return err
	}
	var m []byte
	if message != nil {
		m = message[:]
	}
	err := s.changeApart(ctx, tx, id, "state = $2, decided_at = $3, decided_by = $4, message = $5",
		to, now.UnixMicro(), ledger.Code(by.Who), m)
	if err != nil || message == nil {
		return err
	}
	return s.sinceFirst(ctx, tx, id, *message)
}

// changeApart changes an open row and its tag. The parameters of set begin at $2.
func (s *Service) changeApart(ctx context.Context, tx *store.Tx, id event.ID, set string, args ...any) error {
	var leaf int64
	err := tx.QueryRow(ctx, "SELECT leaf FROM results_quarantine WHERE id = $1 AND state = 0", id[:]).Scan(&leaf)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read quarantine: %w", err)
	}
	return s.tags.Change(ctx, tx, taggedApart, leaf, func() error {
		_, err := tx.Exec(ctx, "UPDATE results_quarantine SET "+set+" WHERE leaf = $1", append([]any{leaf}, args...)...)
		return err
	})
}

func decided(kind string, at int64, id event.ID, message *event.ID, by By) ledger.Event {
	ids := append(ledger.Pairs{{K: "quarantine", V: id.String()}}, by.ids()...)
	if message != nil {
		ids = append(ids, ledger.Pair{K: "message", V: message.String()})
	}
	return ledger.Event{Kind: kind, At: at, IDs: ids, Codes: ledger.Pairs{{K: "reason", V: ledger.Code(by.Reason)}}}
}

// admitted says that the bytes were taken from quarantine before.
type admitted struct {
	message event.ID
	at      time.Time
}

func (*admitted) Error() string { return "a person let these bytes through before" }

// admittedBefore finds out whether a person released the same bytes within the
// source's window: the sender, who was told AE at the time, may present them again.
func (s *Service) admittedBefore(ctx context.Context, tx *store.Tx, source string, tag []byte) error {
	var raw []byte
	var at int64
	cutoff := s.steady.now().Add(-s.settings.Load().Sources[source].Window).UnixMicro()
	err := tx.QueryRow(ctx, `SELECT message, decided_at FROM results_quarantine WHERE tag = $1 AND source = $2
		AND state IN (1, 3) AND decided_at >= $3 ORDER BY leaf DESC LIMIT 1`, tag, source, cutoff).Scan(&raw, &at)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for a release: %w", err)
	}
	id, err := event.IDFromBytes(raw)
	if err != nil {
		return err
	}
	return &admitted{id, time.UnixMicro(at)}
}

// Replayed tells how far a bulk replay is.
type Replayed struct {
	Of, Done   int64            // open messages with the cause at the start; looked at so far
	Taken      int64            // became messages
	Still      map[string]int64 // still refused, by present cause
	LastReason string
}

// ReplayAll replays every open message of a cause, oldest first, and calls
// progress (if not nil) after each. It ends early, with what it has done, when
// ctx ends; called again it goes on with what is still open.
func (s *Service) ReplayAll(ctx context.Context, cause string, by By, progress func(Replayed)) (Replayed, error) {
	return s.ReplayGroup(ctx, cause, "", by, progress)
}

// ReplayGroup is ReplayAll for what came from one source; empty: from any.
func (s *Service) ReplayGroup(ctx context.Context, cause, source string, by By, progress func(Replayed)) (Replayed, error) {
	return s.ReplaySeen(ctx, ApartFilter{Cause: cause, Source: source}, by, progress)
}

// ReplaySeen is ReplayGroup for those of the sites that f.Sees chooses.
func (s *Service) ReplaySeen(ctx context.Context, f ApartFilter, by By, progress func(Replayed)) (Replayed, error) {
	cause, source := f.Cause, f.Source
	r := Replayed{Still: map[string]int64{}}
	if err := by.check(); err != nil {
		return r, err
	}
	var last int64
	err := s.db.QueryRow(ctx, "SELECT count(*), COALESCE(max(leaf), -1) FROM results_quarantine WHERE state = 0 AND cause = $1 AND ($2 = '' OR source = $2)", cause, source).Scan(&r.Of, &last)
	if err != nil {
		return r, fmt.Errorf("count quarantine: %w", err)
	}
	if f.Sees != nil {
		if r.Of, err = s.countSeen(ctx, &f, last); err != nil {
			return r, err
		}
	}
	for at := int64(-1); ; {
		var ids []event.ID
		read := 0
		err := s.db.Query(ctx, `SELECT leaf, id, source FROM results_quarantine WHERE state = 0 AND cause = $1 AND leaf > $2 AND leaf <= $3
			AND ($4 = '' OR source = $4) ORDER BY leaf LIMIT 100`, []any{cause, at, last, source}, func(row store.Scanner) error {
			var raw []byte
			var from string
			if err := row.Scan(&at, &raw, &from); err != nil {
				return err
			}
			read++
			if f.Sees != nil && !f.Sees(s.SiteOf(from, at)) {
				return nil
			}
			id, err := event.IDFromBytes(raw)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return r, fmt.Errorf("read quarantine: %w", err)
		}
		if read == 0 {
			return r, nil
		}
		for _, id := range ids {
			_, err := s.ReplayApart(ctx, id, by)
			var still *StillRefused
			switch {
			case err == nil:
				r.Taken++
			case errors.As(err, &still):
				r.Still[still.Cause]++
				r.LastReason = still.Reason
			case errors.Is(err, ErrConflict): // decided by somebody else, or too large
				r.Still["not_replayable"]++
				r.LastReason = err.Error()
			default:
				return r, err
			}
			r.Done++
			if progress != nil {
				progress(r)
			}
		}
	}
}
