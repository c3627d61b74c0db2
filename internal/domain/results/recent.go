package results

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// A controlKey is a message's duplicate key: a blind index of the peer and of
// MSH-3, MSH-4 and MSH-10, never zero. A message whose row has zero does not
// count as the holder of its control id.
//
// The keys are random. In an index on disk each of them would touch a page of
// its own, more than the rest of the message writes; so they stand in the
// messages' rows, are gathered in results_controls, in the order of arrival,
// and are looked up in memory.
type controlKey int64

// controlKey computes the duplicate key.
func (s *Service) controlKey(source string, app, facility, id []byte) controlKey {
	return controlFrom(s.vault.Index("control", []byte(source), app, facility, id))
}

func controlFrom(x [16]byte) controlKey {
	return controlKey(max(1, binary.BigEndian.Uint64(x[:])>>1))
}

// recent is what this node keeps in memory of what was taken: which message has
// a control id, within the longest window of the sources, and what the newest
// messages are found by until that is written. It follows the ledger step by
// step: where it does not know a part of it, because another node wrote it or
// because the outcome of a commit was unknown, it reads that part first.
type recent struct {
	mu      sync.Mutex
	to      int64                // it knows the ledger up to this size
	holder  map[controlKey]int64 // the leaf of the newest message
	from    int64                // entries and marks are of all messages from this leaf on
	entries []searchEntry        // by leaf
	marks   []controlMark        // by leaf
}

// controlMark is what the indexer writes of a message besides its entries.
type controlMark struct {
	leaf, at, bytes int64
	key             controlKey
}

// maxRecent bounds the messages kept for the indexer. When it falls further
// behind it reads them from the table.
const maxRecent = 1 << 15

// load reads what is remembered. Before it nothing is taken.
func (r *recent) load(ctx context.Context, q store.Queryer, size int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holder = map[controlKey]int64{}
	next := int64(0)
	err := q.Query(ctx, "SELECT first, last, keys FROM results_controls ORDER BY first", nil, func(row store.Scanner) error {
		var first int64
		var keys []byte
		if err := row.Scan(&first, &next, &keys); err != nil {
			return err
		}
		next++
		return eachControl(first, keys, func(leaf int64, key controlKey) {
			if key != 0 {
				r.holder[key] = leaf
			}
		})
	})
	if err != nil {
		return fmt.Errorf("read control ids: %w", err)
	}
	if err := r.read(ctx, q, next, size); err != nil {
		return err
	}
	r.to, r.from = size, size
	return nil
}

// read takes in the messages of a part of the ledger. Called under the lock.
func (r *recent) read(ctx context.Context, q store.Queryer, from, to int64) error {
	if from >= to {
		return nil
	}
	err := q.Query(ctx, "SELECT leaf, control FROM results_messages WHERE leaf >= $1 AND leaf < $2 AND control <> 0 ORDER BY leaf", []any{from, to},
		func(row store.Scanner) error {
			var leaf, key int64
			err := row.Scan(&leaf, &key)
			r.holder[controlKey(key)] = leaf
			return err
		})
	if err != nil {
		return fmt.Errorf("read new control ids: %w", err)
	}
	return nil
}

// reach makes it know the ledger up to where the transaction begins. foreign:
// there was something it did not know.
func (r *recent) reach(ctx context.Context, tx *store.Tx) (foreign bool, err error) {
	base, err := tx.Base(ctx)
	if err != nil {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to == base {
		return false, nil
	}
	if err := r.read(ctx, tx, r.to, base); err != nil {
		return false, err
	}
	r.to = base
	r.from, r.entries, r.marks = base, nil, nil // what came between is not among them
	return true, nil
}

// grew follows a commit of this node.
func (r *recent) grew(from, to int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to == from {
		r.to = to
	}
}

// take makes the message at leaf the holder of its control id, in the
// transaction that writes it, and keeps what the indexer needs of it.
func (r *recent) take(tx *store.Tx, m *newMessage, leaf int64) {
	r.mu.Lock()
	before, had := r.holder[m.control]
	if m.control != 0 {
		r.holder[m.control] = leaf
	}
	r.mu.Unlock()
	tx.After(func(committed bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case committed:
			r.append(m, leaf)
		case m.control == 0:
		case had:
			r.holder[m.control] = before
		default:
			delete(r.holder, m.control)
		}
	})
}

func (r *recent) append(m *newMessage, leaf int64) {
	if len(r.marks) == maxRecent {
		r.from, r.entries, r.marks = leaf+1, nil, nil
		return
	}
	r.marks = append(r.marks, controlMark{leaf, m.at, int64(len(m.sealed)), m.control})
	for _, k := range m.search {
		r.entries = append(r.entries, searchEntry{k, leaf})
	}
}

// newest gives the entries of the messages after the leaf at and forgets them,
// with a run that covers them and every leaf up to its last. It has none when
// there are no messages after at, or when not all of them are here.
func (r *recent) newest(at int64) (run searchRun, entries []searchEntry, marks []controlMark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.from > at+1 {
		return run, nil, nil
	}
	entries, marks = r.entries, r.marks
	r.entries, r.marks = nil, nil
	for len(marks) > 0 && marks[0].leaf <= at { // another node was faster
		marks = marks[1:]
	}
	for len(entries) > 0 && entries[0].leaf <= at {
		entries = entries[1:]
	}
	if len(marks) == 0 {
		return run, nil, nil
	}
	run.first, run.last = marks[0].leaf, max(r.to-1, marks[len(marks)-1].leaf)
	r.from = run.last + 1
	for _, m := range marks {
		run.messages++
		run.bytes += m.bytes
	}
	return run, entries, marks
}

// begins is the leaf from which on the entries of all messages are here. What
// is before it is on disk.
func (r *recent) begins() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.from
}

// forget removes the control ids of messages before the leaf.
func (r *recent) forget(before int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, leaf := range r.holder {
		if leaf < before {
			delete(r.holder, k)
		}
	}
}

// earlier finds the message that has the control id now, and whether its body
// is the same. It is nil when nobody has it.
type earlier struct {
	id   event.ID
	at   int64
	same bool
}

func (s *Service) earlier(ctx context.Context, tx *store.Tx, key controlKey, cutoff int64, body []byte) (*earlier, error) {
	foreign, err := s.recent.reach(ctx, tx)
	if err != nil {
		return nil, err
	}
	if foreign {
		s.missed()
	}
	s.recent.mu.Lock()
	leaf, ok := s.recent.holder[key]
	s.recent.mu.Unlock()
	if !ok {
		return nil, nil
	}
	var e earlier
	var id, sealed []byte
	err = tx.QueryRow(ctx, "SELECT id, received_at, body FROM results_messages WHERE leaf = $1", leaf).Scan(&id, &e.at, &sealed)
	if errors.Is(err, store.ErrNoRows) || err == nil && e.at < cutoff {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the earlier message: %w", err)
	}
	if e.id, err = event.IDFromBytes(id); err != nil {
		return nil, err
	}
	_, had, err := s.seal.open("results_messages", e.id, sealed)
	if temporary(err) {
		return nil, err
	}
	// One that cannot be read any more counts as another: a person looks.
	e.same = err == nil && string(had) == string(body)
	return &e, nil
}
