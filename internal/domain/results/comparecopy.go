package results

import (
	"context"
	"crypto/sha256"
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

// KindCopied is the fact that a copy of what the old path sent came in.
const KindCopied = "route.copy_received"

// Copies is the handler of a source that brings a copy of what the old path
// sent to a partner. What it takes is compared and never sent.
type Copies struct {
	s    *Service
	feed string
}

// Copies returns the handler for the named source.
func (s *Service) Copies(feed string) *Copies { return &Copies{s, feed} }

// Handle implements channel.Handler.
func (c *Copies) Handle(ctx context.Context, _ channel.Peer, body []byte) (channel.Reply, error) {
	return channel.Reply{Body: c.s.takeCopy(ctx, c.feed, body).ack}, nil
}

// Present is Handle for a source without a wire; see Intake.Present.
func (c *Copies) Present(ctx context.Context, _ channel.Peer, body []byte) (ack []byte, taken, again bool) {
	v := c.s.takeCopy(ctx, c.feed, body)
	return v.ack, v.outcome == Taken || v.outcome == Repeated, v.outcome == 0
}

// Oversize answers a copy over the size limit; its beginning is kept apart.
func (c *Copies) Oversize(ctx context.Context, begin []byte, size int64, sum [32]byte) []byte {
	return c.s.Intake(c.feed).Oversize(ctx, begin, size, sum)
}

// takeCopy stores a copy. The same bytes again are the same copy; a message
// without MSH-10 is taken, for an export may leave it out.
func (s *Service) takeCopy(ctx context.Context, feed string, body []byte) verdict {
	now := s.now()
	head, err := hl7.ReadHeader(body)
	if err == nil {
		_, err = hl7.Parse(body)
	}
	if err != nil {
		return s.refuse(ctx, feed, &head, body, now, unparsable(err))
	}
	id := event.NewID()
	fail := func(err error) verdict {
		s.counts.failed.Add(1)
		s.slog.Error("a copy of the old path could not be stored; the sender was told to repeat it", "source", feed, "error", err)
		return verdict{ack: reply(&head, id, now, false, refusal{
			busy: true, code: "207",
			text: "The gateway could not store this message and did not take it. Send it again.",
		})}
	}
	control, moment, err := s.matchKeys(body, &head)
	if err != nil {
		return s.refuse(ctx, feed, &head, body, now, refusal{
			cause: CauseTooManyKeys, code: "104", text: "The message names more identifiers than one message may. Send it in parts.",
		})
	}
	salt, err := s.seal.newSalt()
	if err != nil {
		return fail(err)
	}
	sealed, err := s.seal.seal("results_copies", id, salt, body)
	if err != nil {
		return fail(err)
	}
	sum := sha256.Sum256(body)
	ids := ledger.Pairs{{K: "copy", V: id.String()}, {K: "source", V: feed}}
	commit, err := ledger.Commit(salt, KindCopied, ids, sum[:])
	if err != nil {
		return fail(err)
	}
	tag := s.vault.Index("copy-body", body)
	first := true
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		first = true
		var have []byte
		err := tx.QueryRow(ctx, `INSERT INTO results_copies (id, feed, received_at, size, control, moment, tag, state, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8) ON CONFLICT (feed, tag) DO NOTHING RETURNING id`,
			id[:], feed, now.UnixMicro(), int64(len(body)), control, moment, tag[:], sealed).Scan(&have)
		if errors.Is(err, store.ErrNoRows) {
			first = false
			return nil
		}
		if err != nil {
			return fmt.Errorf("write copy: %w", err)
		}
		if err := s.tags.Put(ctx, tx, taggedCopies, id[:]); err != nil {
			return err
		}
		_, err = bus.Publish(ctx, tx, ledger.Event{Kind: KindCopied, At: now.UnixMicro(), IDs: ids, Commit: &commit})
		return err
	})
	if err != nil {
		return fail(err)
	}
	v := verdict{Taken, id, reply(&head, id, now, true, refusal{})}
	if !first {
		v.outcome = Repeated
	}
	s.wakeCompare()
	return v
}

// matchKeys are what a message and its copy find each other by: MSH-10, and the
// first order number with MSH-7. nil where the message has none.
func (s *Service) matchKeys(body []byte, head *hl7.Header) (control, moment []byte, err error) {
	if len(head.ControlID) > 0 {
		x := s.vault.Index("copy-control", head.ControlID)
		control = x[:]
	}
	keys := keysPool.Get().(*hl7.Keys)
	defer keysPool.Put(keys)
	keys.AccessionFields = nil
	if err := hl7.ReadKeys(body, head, keys); err != nil {
		return nil, nil, err
	}
	order := keys.Fillers
	if len(order) == 0 {
		order = keys.Placers
	}
	if len(order) > 0 && len(head.DateTime) > 0 {
		x := s.vault.Index("copy-moment", order[0], head.DateTime)
		moment = x[:]
	}
	return control, moment, nil
}

// dayOf counts days since 1970 in the clock's own time zone: a laboratory's day.
func dayOf(t time.Time) int64 {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400
}

func dateOf(day int64) string { return time.Unix(day*86400, 0).UTC().Format("2006-01-02") }
