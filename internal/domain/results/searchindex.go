package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const (
	// gather is how long the indexer lets messages gather: together with the
	// write it stays below half a second.
	gather = 200 * time.Millisecond
	// indexBatch is how many messages one transaction of the indexer covers.
	indexBatch = 512
)

// RunIndex keeps the search index up to date until ctx ends: a message is found
// within half a second of being taken, up to a second and a half where another
// node took it. Start one beside Run; two at once do no harm.
func (s *Service) RunIndex(ctx context.Context) error {
	s.indexing.Lock()
	err := s.cleanRuns(ctx) // entries of erased messages that a crash left
	s.indexing.Unlock()
	if err != nil && ctx.Err() == nil {
		s.slog.Error("the search index could not be cleaned; it is tried again with retention", "error", err)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		grown := s.log.Grown()
		if _, err := s.IndexNow(ctx); err != nil && ctx.Err() == nil {
			s.slog.Error("the search index could not be brought up to date", "error", err)
		}
		timer.Reset(poll) // another node may have taken something in
		select {
		case <-ctx.Done():
			return nil
		case <-grown:
		case <-timer.C:
		}
		timer.Reset(gather)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
	}
}

// IndexNow indexes everything taken so far and returns how many messages it read.
func (s *Service) IndexNow(ctx context.Context) (int, error) {
	s.indexing.Lock()
	defer s.indexing.Unlock()
	return s.index(ctx)
}

func (s *Service) index(ctx context.Context) (int, error) {
	total := 0
	for {
		began := time.Now()
		n, behind, err := s.indexOnce(ctx)
		total += n
		if errors.Is(err, errOvertaken) {
			continue // another node wrote the same batch
		}
		if err != nil || n < indexBatch && !behind {
			return total, err
		}
		// Behind: intake comes first. Resting four times as long as the batch
		// took leaves it most of the machine; the backlog of a busy hour is
		// still done while the next one begins.
		if err := rest(ctx, 4*time.Since(began)); err != nil {
			return total, err
		}
	}
}

func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

var errOvertaken = errors.New("another node was faster")

// indexOnce writes the entries of the next messages as a run and merges runs
// where it is time. The run itself is the saved position. What was taken just
// now is in memory; what came before, or from another node, is read. behind:
// more is known to be there.
func (s *Service) indexOnce(ctx context.Context) (n int, behind bool, err error) {
	at, err := s.indexed(ctx, s.db)
	if err != nil {
		return 0, false, err
	}
	known := s.recent.begins()
	run, entries, marks, err := s.toIndex(ctx, at)
	if err != nil || run.messages == 0 {
		return 0, false, err
	}
	behind = run.first < known // it was read from the table; memory has what follows
	sortEntries(entries)
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		switch now, err := s.indexed(ctx, tx); {
		case err != nil:
			return err
		case now != at:
			return errOvertaken
		}
		if err := writeControls(ctx, tx, marks, run.last); err != nil {
			return err
		}
		return writeRun(ctx, tx, run, entries)
	})
	if err != nil {
		return 0, false, fmt.Errorf("write search index: %w", err)
	}
	return int(run.messages), behind, s.merge(ctx)
}

// toIndex gives the next messages after the leaf at: from memory where they are
// there, else from the table.
func (s *Service) toIndex(ctx context.Context, at int64) (run searchRun, entries []searchEntry, marks []controlMark, err error) {
	before := s.recent.begins()
	if before > at+1 {
		if run, entries, marks, err = s.readEntries(ctx, at, before); err != nil || run.messages > 0 {
			return run, entries, marks, err
		}
		at = before - 1 // no messages between
	}
	if run, entries, marks = s.recent.newest(at); run.messages > 0 {
		return run, entries, marks, nil
	}
	head, err := s.log.Head(ctx) // what other nodes took
	if err != nil {
		return run, nil, nil, err
	}
	return s.readEntries(ctx, at, head.Size)
}

// readEntries reads the messages after the leaf at and before the leaf known,
// as many as one transaction covers.
func (s *Service) readEntries(ctx context.Context, at, known int64) (run searchRun, entries []searchEntry, marks []controlMark, err error) {
	if at+1 >= known {
		return run, nil, nil, nil
	}
	var found []searchKey
	var keys hl7.Keys
	set, index := s.settings.Load(), currentIndex(s.vault)
	err = s.db.Query(ctx, "SELECT leaf, id, source, received_at, control, body FROM results_messages WHERE leaf > $1 AND leaf < $2 ORDER BY leaf LIMIT $3",
		[]any{at, known, int64(indexBatch)}, func(row store.Scanner) error {
			var m controlMark
			var id, sealed []byte
			var source string
			if err := row.Scan(&m.leaf, &id, &source, &m.at, &m.key, &sealed); err != nil {
				return err
			}
			if run.messages++; run.messages == 1 {
				run.first = m.leaf
			}
			run.last = m.leaf
			m.bytes = int64(len(sealed))
			run.bytes += m.bytes
			marks = append(marks, m)
			if sealed == nil {
				return nil
			}
			eid, err := event.IDFromBytes(id)
			if err != nil {
				return err
			}
			_, body, err := s.seal.open("results_messages", eid, sealed)
			if err != nil {
				if temporary(err) {
					return err
				}
				// A damaged body is found by the audit and by its delivery; it
				// must not keep all later results from being found.
				s.slog.Error("a stored message could not be indexed", "message", eid.String(), "error", err)
				return nil
			}
			keys.AccessionFields = set.Sources[source].AccessionFields
			found = searchKeys(found[:0], index, body, &keys)
			for _, k := range found {
				entries = append(entries, searchEntry{k, m.leaf})
			}
			return nil
		})
	if err != nil {
		return run, nil, nil, fmt.Errorf("read messages to index: %w", err)
	}
	if run.messages > 0 && run.messages < indexBatch {
		run.last = known - 1
	}
	return run, entries, marks, nil
}

// indexed is the leaf up to which messages are in the index, -1 for none.
func (s *Service) indexed(ctx context.Context, q store.Queryer) (int64, error) {
	var at int64
	if err := q.QueryRow(ctx, "SELECT COALESCE((SELECT last FROM results_search_runs ORDER BY first DESC LIMIT 1), -1)").Scan(&at); err != nil {
		return 0, fmt.Errorf("read position of the search index: %w", err)
	}
	return at, nil
}

func writeRun(ctx context.Context, tx *store.Tx, run searchRun, entries []searchEntry) error {
	run.bits = blockBits(len(entries))
	err := tx.Queue(ctx, "INSERT INTO results_search_runs (first, last, messages, bytes, bits, dirty) VALUES ($1, $2, $3, $4, $5, $6)",
		run.first, run.last, run.messages, run.bytes, run.bits, run.dirty)
	if err != nil {
		return err
	}
	return run.eachBlock(entries, func(block int64, data []byte) error {
		return tx.Queue(ctx, "INSERT INTO results_search (run, block, data) VALUES ($1, $2, $3)", run.first, block, data)
	})
}

func readRuns(ctx context.Context, q store.Queryer) ([]searchRun, error) {
	var out []searchRun
	err := q.Query(ctx, "SELECT first, last, messages, bytes, bits, dirty FROM results_search_runs ORDER BY first", nil, func(row store.Scanner) error {
		var r searchRun
		err := row.Scan(&r.first, &r.last, &r.messages, &r.bytes, &r.bits, &r.dirty)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read runs of the search index: %w", err)
	}
	return out, nil
}

func readRun(ctx context.Context, q store.Queryer, run int64) ([]searchEntry, error) {
	var out []searchEntry
	err := q.Query(ctx, "SELECT data FROM results_search WHERE run = $1 ORDER BY block", []any{run}, func(row store.Scanner) error {
		var data []byte
		if err := row.Scan(&data); err != nil {
			return err
		}
		return eachEntry(run, data, func(e searchEntry) { out = append(out, e) })
	})
	if err != nil {
		return nil, fmt.Errorf("read search index: %w", err)
	}
	return out, nil
}

// merge makes one run of the last ones as long as there are too many. What is
// read before the transaction is compared in it: a run never changes but by
// being replaced.
func (s *Service) merge(ctx context.Context) error {
	for {
		runs, err := readRuns(ctx, s.db)
		if err != nil {
			return err
		}
		n := toMerge(runs)
		if n == 0 {
			return nil
		}
		runs = runs[len(runs)-n:]
		var lists [][]searchEntry
		one := searchRun{first: runs[0].first, last: runs[n-1].last}
		for _, r := range runs {
			es, err := readRun(ctx, s.db, r.first)
			if err != nil {
				return err
			}
			lists = append(lists, es)
			one.messages += r.messages
			one.bytes += r.bytes
			one.dirty |= r.dirty
		}
		entries := mergeEntries(lists)
		err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error { return replaceRuns(ctx, tx, runs, one, entries) })
		if errors.Is(err, errOvertaken) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("merge search index: %w", err)
		}
	}
}

// replaceRuns puts one run in the place of others, which must still be as read.
func replaceRuns(ctx context.Context, tx *store.Tx, old []searchRun, one searchRun, entries []searchEntry) error {
	var now []searchRun
	err := tx.Query(ctx, "SELECT first, last, messages, bytes, bits, dirty FROM results_search_runs WHERE first >= $1 AND first <= $2 ORDER BY first",
		[]any{old[0].first, old[len(old)-1].first}, func(row store.Scanner) error {
			var r searchRun
			err := row.Scan(&r.first, &r.last, &r.messages, &r.bytes, &r.bits, &r.dirty)
			now = append(now, r)
			return err
		})
	if err != nil {
		return err
	}
	if len(now) != len(old) {
		return errOvertaken
	}
	for i := range now {
		if now[i] != old[i] { //nolint:gosec // both have the same length, checked above
			return errOvertaken
		}
		if err := tx.Queue(ctx, "DELETE FROM results_search WHERE run = $1", now[i].first); err != nil {
			return err
		}
		if err := tx.Queue(ctx, "DELETE FROM results_search_runs WHERE first = $1", now[i].first); err != nil {
			return err
		}
	}
	return writeRun(ctx, tx, one, entries)
}

// Rebuild makes the search index anew from the messages, under the current
// index key. Until it is done older messages are not found; intake and delivery
// go on. It may be stopped and started again.
func (s *Service) Rebuild(ctx context.Context) error {
	s.indexing.Lock()
	defer s.indexing.Unlock()
	for {
		// The newest first: what is left always reaches from the beginning to
		// the position, so stopping here leaves a whole index.
		var gone bool
		err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			gone = false
			var first int64
			err := tx.QueryRow(ctx, "SELECT first FROM results_search_runs ORDER BY first DESC LIMIT 1").Scan(&first)
			if errors.Is(err, store.ErrNoRows) {
				gone = true
				return nil
			}
			if err != nil {
				return err
			}
			if err := tx.Queue(ctx, "DELETE FROM results_search WHERE run = $1", first); err != nil {
				return err
			}
			return tx.Queue(ctx, "DELETE FROM results_search_runs WHERE first = $1", first)
		})
		if err != nil {
			return fmt.Errorf("empty search index: %w", err)
		}
		if gone {
			break
		}
	}
	_, err := s.index(ctx)
	return err
}
