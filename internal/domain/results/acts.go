package results

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

var (
	taggedActs     = &bus.Tagged{Table: "results_acts", Key: "leaf", Columns: []string{"message"}}
	taggedFailures = &bus.Tagged{Table: "results_tries", Key: "seq", Many: true, Columns: []string{"n", "at", "class", "code"}}
)

// actKinds are the facts about a message that its journey tells besides its
// receipt and its deliveries. Each has a row in results_acts.
var actKinds = map[string]bool{
	KindStopped: true, KindHeld: true, KindReleased: true, KindRefused: true, KindResent: true,
	KindSentAlone: true, KindSuperseded: true, KindViewed: true, KindExported: true, KindProved: true, KindReceipted: true,
	KindApartReleased: true, KindApartReplayed: true,
}

// publishAct publishes a fact that names a message and remembers where it
// stands, so that the message's journey finds it without reading the ledger
// through.
func (s *Service) publishAct(ctx context.Context, tx *store.Tx, ev ledger.Event) (int64, error) {
	id, err := event.ParseID(ev.IDs.Get("message"))
	if err != nil {
		return 0, fmt.Errorf("publish %s: %w", ev.Kind, err)
	}
	var message int64
	if err := tx.QueryRow(ctx, "SELECT leaf FROM results_messages WHERE id = $1", id[:]).Scan(&message); err != nil {
		return 0, fmt.Errorf("find message %s: %w", id, err)
	}
	return s.publishActOf(ctx, tx, ev, message)
}

// publishActOf is publishAct for whoever knows at which leaf the message stands.
// It waits for nothing, so that many looks share one way to the database.
func (s *Service) publishActOf(ctx context.Context, tx *store.Tx, ev ledger.Event, message int64) (int64, error) {
	leaf, err := bus.Publish(ctx, tx, ev)
	if err != nil {
		return 0, err
	}
	if err := tx.Queue(ctx, "INSERT INTO results_acts (leaf, message) VALUES ($1, $2)", leaf, message); err != nil {
		return 0, fmt.Errorf("remember %s: %w", ev.Kind, err)
	}
	return leaf, s.tags.PutNew(ctx, tx, taggedActs, leaf, message)
}

// Act is one fact about a message, read from the ledger and checked against the
// leaf's hash there.
type Act struct {
	Leaf     int64
	Kind     string
	At       time.Time
	By       string // who, as the ledger has it
	Account  string // where it has both
	Reason   string
	Delivery int64 // -1: about the message itself
	Partner  string
}

// Look says that somebody looked at the message or took something of it out.
func (a Act) Look() bool {
	return a.Kind == KindViewed || a.Kind == KindExported || a.Kind == KindProved || a.Kind == KindReceipted
}

// maxActs is how many acts one journey reads, the newest.
const maxActs = 500

// actLeaves are where the acts about a message stand, oldest first. more: there
// are older ones.
func (s *Service) actLeaves(ctx context.Context, message int64) (leaves []int64, more bool, err error) {
	err = s.db.Query(ctx, "SELECT leaf FROM results_acts WHERE message = $1 ORDER BY leaf DESC LIMIT $2", []any{message, int64(maxActs + 1)}, func(row store.Scanner) error {
		var leaf int64
		err := row.Scan(&leaf)
		leaves = append(leaves, leaf)
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("list what was done: %w", err)
	}
	if more = len(leaves) > maxActs; more {
		leaves = leaves[:maxActs]
	}
	slices.Reverse(leaves)
	return leaves, more, nil
}

// actIn is an act as an entry of the ledger has it.
func actIn(id event.ID, leaf int64, e *ledger.Event) (Act, error) {
	if e.IDs.Get("message") != id.String() {
		return Act{}, fmt.Errorf("read what was done: %w: entry %d is about something else", ledger.ErrDamaged, leaf)
	}
	a := Act{
		Leaf: leaf, Kind: e.Kind, At: time.UnixMicro(e.At).UTC(), By: e.IDs.Get("by"), Account: e.IDs.Get("account"),
		Reason: e.Codes.Get("reason"), Delivery: -1, Partner: e.IDs.Get("partner"),
	}
	if seq, err := parseSeq(e.IDs.Get("delivery")); err == nil {
		a.Delivery = seq
	}
	return a, nil
}

// Try is a try of a delivery that failed.
type Try struct {
	N     int64
	At    time.Time
	Class string // unreachable, unanswered, busy, rejected, misconfigured
	Code  string
}

// How many failed tries stay.
const firstTries, lastTries = 5, 15

// failedTry is what of a try is written down when it failed.
type failedTry struct{ class, code string }

// writeTry adds a failed try. A partner that is away for days leaves a bounded
// number.
func (s *Service) writeTry(ctx context.Context, tx *store.Tx, seq int64, at time.Time, f failedTry) error {
	return s.tags.Write(ctx, tx, taggedFailures, []any{seq}, func() error {
		var n int64
		if err := tx.QueryRow(ctx, "SELECT COALESCE(max(n), 0) + 1 FROM results_tries WHERE seq = $1", seq).Scan(&n); err != nil {
			return fmt.Errorf("count tries: %w", err)
		}
		_, err := tx.Exec(ctx, "INSERT INTO results_tries (seq, n, at, class, code) VALUES ($1, $2, $3, $4, $5)", seq, n, at.UnixMicro(), f.class, ledger.Code(f.code))
		if err == nil && n > firstTries+lastTries {
			_, err = tx.Exec(ctx, "DELETE FROM results_tries WHERE seq = $1 AND n > $2 AND n <= $3", seq, int64(firstTries), n-lastTries)
		}
		if err != nil {
			return fmt.Errorf("write down a try: %w", err)
		}
		return nil
	})
}

// tries reads what is kept of the failed tries of a delivery, in order.
func (s *Service) tries(ctx context.Context, seq int64) ([]Try, error) {
	var out []Try
	err := s.db.Query(ctx, "SELECT n, at, class, code FROM results_tries WHERE seq = $1 ORDER BY n", []any{seq}, func(row store.Scanner) error {
		var t Try
		var at int64
		err := row.Scan(&t.N, &at, &t.Class, &t.Code)
		t.At = time.UnixMicro(at).UTC()
		out = append(out, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read tries: %w", err)
	}
	return out, nil
}

// acts holds the rows of results_acts in one stretch of the ledger against its
// entries.
func (a *auditor) acts(ctx context.Context, b *batch) error {
	seen := make(map[int64]bool, len(b.acts))
	err := a.s.db.Query(ctx, "SELECT leaf, message FROM results_acts WHERE leaf >= $1 AND leaf < $2 ORDER BY leaf", []any{b.lo, b.hi}, func(row store.Scanner) error {
		var leaf, message int64
		if err := row.Scan(&leaf, &message); err != nil {
			return err
		}
		seen[leaf] = true
		if _, ok := b.acts[leaf]; !ok {
			if _, unknown := b.of(leaf, KindViewed); !unknown {
				a.find("results_acts", leaf, noEvent)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for leaf := range b.acts {
		if !seen[leaf] {
			a.find("results_acts", leaf, "it is missing: the ledger says that something was done about this message")
		}
	}
	return nil
}
