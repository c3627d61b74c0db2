package results

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// errGone: the delivery is no longer waiting; somebody else ended it.
var errGone = errors.New("the delivery is no longer waiting")

// Evidence is what is kept, sealed, of a completed delivery: what a proof needs
// beyond the ledger.
type Evidence struct {
	Salt     []byte       `json:"salt"`
	Sent     []byte       `json:"sent,omitempty"` // only where it differs from what was received
	Reply    []byte       `json:"reply,omitempty"`
	Peer     channel.Peer `json:"peer"`
	At       int64        `json:"at"`
	Revision string       `json:"revision"`
	// Began is when the try that was answered began; 0 where that was not kept.
	Began int64 `json:"began,omitempty"`
	// Protocol, and where the transport places files, the file's name.
	Protocol string `json:"protocol,omitempty"`
	Name     string `json:"name,omitempty"`
	// Sealed is what really went, where it was encrypted to the partner.
	Sealed *channel.Sealed `json:"sealed,omitempty"`
}

func receiptWhere(seq int64) vault.Where {
	return vault.Where{Table: "results_deliveries", Column: "receipt", Row: strconv.AppendInt(nil, seq, 10)}
}

// complete marks a delivery done, once, with its receipt and its event.
func (s *Service) complete(ctx context.Context, set *Settings, d *delivery, r *channel.Receipt, sent []byte) error {
	salt, err := s.seal.newSalt()
	if err != nil {
		return err
	}
	ev, err := delivered(d, r, set.Revision, salt, sent)
	if err != nil {
		return fmt.Errorf("write down delivery: %w", err)
	}
	e := Evidence{Salt: salt[:], Reply: r.Body, Peer: r.Peer, At: r.At.UnixMicro(), Revision: set.Revision, Began: d.began, Name: r.Name, Sealed: r.Sealed}
	if p := set.Partners[d.partner]; p != nil {
		e.Protocol = p.Protocol
	}
	if string(sent) != string(d.body) {
		e.Sent = sent
	}
	plain, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write down receipt: %w", err)
	}
	sealed, err := s.vault.Seal(receipts, receiptWhere(d.seq), nil, pack([]byte{packedRaw}, plain))
	if err != nil {
		return fmt.Errorf("seal receipt: %w", err)
	}
	// Once the partner has it, the note of it must not depend on our stopping.
	return s.db.Do(context.WithoutCancel(ctx), func(ctx context.Context, tx *store.Tx) error {
		leaf, err := bus.Publish(ctx, tx, ev)
		if err != nil {
			return err
		}
		done := func() error {
			return tx.QueueCount(ctx, `UPDATE results_deliveries SET state = 3, changed_at = $1, level = $2, code = $3,
				done_leaf = $4, receipt = $5, attempts = attempts + 1, reason = '' WHERE seq = $6 AND state = 0`,
				[]any{e.At, int64(r.Level), r.Code, leaf, sealed, d.seq}, mustExist)
		}
		if d.attempts == 0 && d.reason == "" {
			return done()
		}
		return s.tags.Change(ctx, tx, taggedTries, d.seq, done)
	})
}

func mustExist(rows int64) error {
	if rows == 0 {
		return errGone
	}
	return nil
}

// Evidence opens what is kept of a completed delivery.
func (s *Service) evidence(seq int64, sealed []byte) (*Evidence, error) {
	packed, err := s.vault.Unseal(receipts, receiptWhere(seq), nil, sealed)
	if err != nil {
		return nil, fmt.Errorf("open receipt of delivery %d: %w", seq, err)
	}
	if len(packed) == 0 {
		return nil, fmt.Errorf("unpack receipt of delivery %d: it is empty", seq)
	}
	plain, err := unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("unpack receipt of delivery %d: %w", seq, err)
	}
	var e Evidence
	if err := json.Unmarshal(plain, &e); err != nil {
		return nil, fmt.Errorf("read receipt of delivery %d: %w", seq, err)
	}
	return &e, nil
}

// stop ends the automatic tries of a delivery: a person must look. It keeps its
// lanes, so nothing overtakes it.
func (c *courier) stop(ctx context.Context, d *delivery, reason string, seq int64) func() {
	now := c.s.now()
	err := c.s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := c.s.publishAct(ctx, tx, acted(KindStopped, now.UnixMicro(), d, "labwarden", reason)); err != nil {
			return err
		}
		if d.failed != nil {
			if err := c.s.writeTry(ctx, tx, seq, now, *d.failed); err != nil {
				return err
			}
		}
		return c.s.tags.Change(ctx, tx, taggedTries, seq, func() error {
			return tx.QueueCount(ctx, `UPDATE results_deliveries SET state = 2, changed_at = $1, reason = $2, attempts = attempts + 1,
				first_at = COALESCE(first_at, $1) WHERE seq = $3 AND state = 0`,
				[]any{now.UnixMicro(), reason, seq}, mustExist)
		})
	})
	if err != nil {
		c.s.slog.Error("a stopped delivery could not be recorded", "partner", c.partner, "message", d.id.String(), "error", err)
		return func() { c.q.again(seq, now.Add(poll)) }
	}
	c.s.slog.Error("a result needs a person", "partner", c.partner, "message", d.id.String(), "reason", ledger.Code(reason))
	return func() { c.q.set(seq, NeedsPerson) }
}

// note writes a failed try down. It must not fail the courier: the try is
// repeated in any case. A zero first says that the partner did not answer at all.
func (c *courier) note(ctx context.Context, d *delivery, first, next time.Time, reason string) {
	var since *int64
	if !first.IsZero() {
		at := first.UnixMicro()
		since = &at
	}
	now := c.s.now()
	err := c.s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if d.failed != nil {
			if err := c.s.writeTry(ctx, tx, d.seq, now, *d.failed); err != nil {
				return err
			}
		}
		return c.s.tags.Change(ctx, tx, taggedTries, d.seq, func() error {
			return tx.Queue(ctx, `UPDATE results_deliveries SET attempts = attempts + 1, first_at = $1, next_at = $2, reason = $3
				WHERE seq = $4 AND state = 0`, since, next.UnixMicro(), reason, d.seq)
		})
	})
	if err != nil && ctx.Err() == nil {
		c.s.slog.Error("a failed try could not be recorded", "partner", c.partner, "error", err)
	}
}
