package results

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// controlRow is how many messages a row of results_controls covers before the
// next one begins.
const controlRow = 1024

// writeControls appends to results_controls what is not there yet; last is the
// leaf up to which marks has all messages.
func writeControls(ctx context.Context, tx *store.Tx, marks []controlMark, last int64) error {
	var row struct {
		first, last, messages, at int64
		keys                      []byte
	}
	err := tx.QueryRow(ctx, "SELECT first, last, messages, at, keys FROM results_controls ORDER BY first DESC LIMIT 1").
		Scan(&row.first, &row.last, &row.messages, &row.at, &row.keys)
	open := err == nil && row.messages < controlRow
	switch {
	case errors.Is(err, store.ErrNoRows):
		row.last = -1
	case err != nil:
		return fmt.Errorf("read control ids: %w", err)
	}
	for len(marks) > 0 && marks[0].leaf <= row.last {
		marks = marks[1:] // the search index is being made anew
	}
	for len(marks) > 0 {
		n := min(len(marks), controlRow)
		if open {
			n = min(len(marks), controlRow-int(row.messages))
		} else {
			row.first, row.messages, row.at, row.keys = marks[0].leaf, 0, 0, nil
		}
		for _, m := range marks[:n] {
			row.keys = appendControl(row.keys, row.first, m)
			row.at = max(row.at, m.at)
		}
		row.messages += int64(n)
		row.last = marks[n-1].leaf
		if marks = marks[n:]; len(marks) == 0 {
			row.last = max(row.last, last)
		}
		query := "INSERT INTO results_controls (first, last, messages, at, keys) VALUES ($1, $2, $3, $4, $5)"
		if open {
			query = "UPDATE results_controls SET last = $2, messages = $3, at = $4, keys = $5 WHERE first = $1"
		}
		if err := tx.Queue(ctx, query, row.first, row.last, row.messages, row.at, row.keys); err != nil {
			return fmt.Errorf("write control ids: %w", err)
		}
		open = false
	}
	return nil
}

// appendControl packs a mark: the leaf from the row's first on (uvarint) and
// the key (8 bytes).
func appendControl(dst []byte, first int64, m controlMark) []byte {
	dst = binary.AppendUvarint(dst, uint64(m.leaf-first))
	return binary.BigEndian.AppendUint64(dst, uint64(m.key))
}

var errControls = errors.New("a row of results_controls is damaged")

// eachControl unpacks a row of results_controls.
func eachControl(first int64, keys []byte, f func(leaf int64, key controlKey)) error {
	for len(keys) > 0 {
		d, n := binary.Uvarint(keys)
		if n <= 0 || len(keys) < n+8 {
			return errControls
		}
		f(first+int64(d), controlKey(binary.BigEndian.Uint64(keys[n:])))
		keys = keys[n+8:]
	}
	return nil
}

// forgetControls forgets control ids older than every source's window. The
// newest row stays: it says up to where the rows reach.
func (s *Service) forgetControls(ctx context.Context, now time.Time) (int64, error) {
	old, known, err := s.trimControls(ctx, now)
	if err != nil || !known {
		return 0, err
	}
	total := int64(0)
	for {
		var rows, messages int64
		err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			rows, messages = 0, 0
			return tx.Query(ctx, `DELETE FROM results_controls WHERE first IN (SELECT first FROM results_controls
				WHERE at < $1 AND first < (SELECT MAX(first) FROM results_controls) ORDER BY first LIMIT 100) RETURNING messages`,
				[]any{old.UnixMicro()}, func(row store.Scanner) error {
					var n int64
					err := row.Scan(&n)
					rows++
					messages += n
					return err
				})
		})
		total += messages
		if err != nil {
			return total, fmt.Errorf("forget control ids: %w", err)
		}
		if rows == 0 {
			return total, nil
		}
	}
}

// trimControls forgets old control ids in memory, on any node, and tells what
// is old; false where no settings say so yet.
func (s *Service) trimControls(ctx context.Context, now time.Time) (time.Time, bool, error) {
	window := time.Duration(-1)
	for _, src := range s.settings.Load().Sources {
		window = max(window, src.Window)
	}
	if window < 0 {
		return time.Time{}, false, nil // nothing is known to be old
	}
	old := now.Add(-window)
	before, err := s.leafAt(ctx, old.Add(-time.Hour))
	if err != nil {
		return time.Time{}, false, err
	}
	s.recent.forget(before)
	return old, true, nil
}
