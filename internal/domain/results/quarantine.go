package results

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// maxKept is how much of a refused message is kept at most.
const maxKept = 1 << 20

// refuse keeps the bytes in quarantine and answers why. The answer is an error
// in every case; if the bytes could not even be kept it asks for a repeat.
func (s *Service) refuse(ctx context.Context, source string, head *hl7.Header, body []byte, now time.Time, r refusal) verdict {
	sum := sha256.Sum256(body)
	id, err := s.keepApart(ctx, source, body, int64(len(body)), sum[:], now, r)
	var done *admitted
	if errors.As(err, &done) {
		s.counts.repeated.Add(1)
		return verdict{Repeated, done.message, reply(head, done.message, done.at.In(now.Location()), true, refusal{})}
	}
	if err != nil {
		s.counts.failed.Add(1)
		s.slog.Error("a refused message could not be kept; the sender was told to repeat it", "source", source, "cause", r.cause, "error", err)
		r = refusal{busy: true, code: "207", text: "The gateway could not store this message and did not take it. Send it again."}
		return verdict{ack: reply(head, event.NewID(), now, false, r)}
	}
	s.slog.Warn("a message was refused and kept in quarantine", "source", source, "cause", r.cause, "quarantine", id.String())
	return verdict{Quarantined, id, reply(head, id, now, false, r)}
}

// keepApart stores body (whole, or the first part of something larger) in
// quarantine. The same bytes from the same source, presented again while the
// first are still there, only count up.
func (s *Service) keepApart(ctx context.Context, source string, body []byte, size int64, sum []byte, now time.Time, r refusal) (event.ID, error) {
	id := event.NewID()
	tag := s.vault.Index("body", body)
	kept := body
	if size > int64(len(body)) && len(kept) > maxKept {
		kept = kept[:maxKept]
	}
	salt, err := s.seal.newSalt()
	if err != nil {
		return id, err
	}
	sealed, err := s.seal.seal("results_quarantine", id, salt, kept)
	if err != nil {
		return id, err
	}
	at := now.UnixMicro()
	ev, err := quarantined(id, source, at, r.cause, salt, sum)
	if err != nil {
		return id, fmt.Errorf("quarantine from source %q: %w", source, err)
	}
	keep, urgent := id, urgentApart(kept)
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		keep = id
		var old []byte
		var had int64
		err := tx.QueryRow(ctx, "SELECT id, leaf FROM results_quarantine WHERE source = $1 AND tag = $2 AND state = 0", source, tag[:]).Scan(&old, &had)
		if err == nil {
			if keep, err = event.IDFromBytes(old); err != nil {
				return err
			}
			return s.tags.Change(ctx, tx, taggedApart, had, func() error {
				_, err := tx.Exec(ctx, "UPDATE results_quarantine SET times = times + 1, last_at = $1 WHERE id = $2", at, old)
				return err
			})
		}
		if !errors.Is(err, store.ErrNoRows) {
			return fmt.Errorf("look for the same message: %w", err)
		}
		if r.cause == CauseConflict {
			if err := s.admittedBefore(ctx, tx, source, tag[:]); err != nil {
				return err
			}
		}
		leaf, err := bus.Publish(ctx, tx, ev)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO results_quarantine
			(leaf, id, source, received_at, last_at, times, cause, detail, size, kept, tag, state, body)
			VALUES ($1, $2, $3, $4, $4, 1, $5, $6, $7, $8, $9, 0, $10)`,
			leaf, id[:], source, at, r.cause, r.text, size, int64(len(kept)), tag[:], sealed)
		if err != nil {
			return err
		}
		if urgent {
			if _, err := s.tags.Exec(ctx, tx, taggedTimers, leaf*maxPlans, startTimer, leaf*maxPlans, int64(CallNotTaken), source, "", at); err != nil {
				return err
			}
		}
		return s.tags.Put(ctx, tx, taggedApart, leaf)
	})
	if err != nil {
		return id, fmt.Errorf("keep message in quarantine: %w", err)
	}
	if keep == id {
		s.counts.quarantined.Add(1)
	}
	return keep, nil
}

// Oversize keeps the beginning of a message that was over the size limit, with
// its whole length and hash, and answers the sender.
func (in *Intake) Oversize(ctx context.Context, begin []byte, size int64, sum [32]byte) []byte {
	now := in.s.now()
	head, _ := hl7.ReadHeader(begin) // an unreadable header is answered with standard delimiters
	r := refusal{cause: CauseOversize, code: "104", text: "The message is larger than this connection may send."}
	id, err := in.s.keepApart(ctx, in.source, begin, size, sum[:], now, r)
	if err != nil {
		in.s.slog.Error("the beginning of an oversized message could not be kept", "source", in.source, "error", err)
	}
	return reply(&head, id, now, false, r)
}
