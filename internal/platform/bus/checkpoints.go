package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/platform/ledger/witness"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KeepCheckpoint stores a signed checkpoint of the given size.
func (l *Log) KeepCheckpoint(ctx context.Context, size int64, at time.Time, signed []byte) error {
	err := l.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		err := tx.Queue(ctx, `INSERT INTO ledger_checkpoints (size, at, note, witnesses) VALUES ($1, $2, $3, 0)
			ON CONFLICT (size) DO UPDATE SET at = excluded.at, note = excluded.note, witnesses = 0`, size, at.UnixMicro(), string(signed))
		if err != nil {
			return err
		}
		return l.tag(ctx, tx, taggedCheckpoints, size)
	})
	if err != nil {
		return fmt.Errorf("keep checkpoint: %w", err)
	}
	return nil
}

// KeepCosignatures adds what a witness signed to the stored checkpoint of that
// size. Signatures that are there already are not added again.
func (l *Log) KeepCosignatures(ctx context.Context, size int64, sigs []note.Signature) error {
	if len(sigs) == 0 {
		return nil
	}
	err := l.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var text string
		var n int64
		err := tx.QueryRow(ctx, "SELECT note, witnesses FROM ledger_checkpoints WHERE size = $1", size).Scan(&text, &n)
		if errors.Is(err, store.ErrNoRows) {
			return nil // erased meanwhile: nothing to add to
		}
		if err != nil {
			return err
		}
		for _, s := range sigs {
			if !strings.Contains(text, "\n— "+s.Name+" ") {
				text = string(witness.Cosigned([]byte(text), s))
				n++
			}
		}
		change := func() error {
			_, err := tx.Exec(ctx, "UPDATE ledger_checkpoints SET note = $1, witnesses = $2 WHERE size = $3", text, n, size)
			return err
		}
		if l.tags == nil {
			return change()
		}
		return l.tags.Change(ctx, tx, taggedCheckpoints, size, change)
	})
	if err != nil {
		return fmt.Errorf("keep cosignatures: %w", err)
	}
	return nil
}

// LastCheckpoint returns the stored checkpoint of the greatest size, nil where
// there is none.
func (l *Log) LastCheckpoint(ctx context.Context) (size int64, signed []byte, err error) {
	var text string
	err = l.db.QueryRow(ctx, "SELECT size, note FROM ledger_checkpoints ORDER BY size DESC LIMIT 1").Scan(&size, &text)
	if errors.Is(err, store.ErrNoRows) {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read checkpoint: %w", err)
	}
	return size, []byte(text), nil
}

// Decide notes, in tx, that a person has decided about what a witness remembers.
// leaf is the event of the decision.
func (l *Log) Decide(ctx context.Context, tx *store.Tx, witness, verdict string, at int64, by string, leaf int64) error {
	err := tx.Queue(ctx, `INSERT INTO ledger_decisions (witness, verdict, decided_at, by_whom, leaf) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (witness) DO UPDATE SET verdict = excluded.verdict, decided_at = excluded.decided_at, by_whom = excluded.by_whom, leaf = excluded.leaf`,
		witness, verdict, at, by, leaf)
	if err != nil {
		return err
	}
	return l.tag(ctx, tx, taggedDecisions, witness)
}

// Decided says whether a person has decided about what the witness remembers.
func (l *Log) Decided(ctx context.Context, witness string) (bool, error) {
	var leaf int64
	err := l.db.QueryRow(ctx, "SELECT leaf FROM ledger_decisions WHERE witness = $1", witness).Scan(&leaf)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read decisions: %w", err)
	}
	return true, nil
}

// Undecide ends a decision: the witness confirms the ledger again, and what it
// finds from now on is new.
func (l *Log) Undecide(ctx context.Context, witness string) error {
	err := l.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if l.tags != nil {
			if err := l.tags.Drop(ctx, tx, taggedDecisions, witness); err != nil {
				return err
			}
		}
		return tx.Queue(ctx, "DELETE FROM ledger_decisions WHERE witness = $1", witness)
	})
	if err != nil {
		return fmt.Errorf("end decision: %w", err)
	}
	return nil
}
