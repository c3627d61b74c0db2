package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// How many deliveries a courier keeps loaded beyond those that are stopped.
const (
	loadLow   = 500
	loadBatch = 500
)

// load brings waiting deliveries in, in order, as long as few are ready.
func (c *courier) load(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stale && c.flying+c.noting == 0 {
		c.q, c.stale, c.full = newQueue(), false, false
	}
	if c.stale {
		return nil // what is under way ends first; nothing is handed over meanwhile that the table has not
	}
	// Taken before the table is read: what is committed later is in the list again.
	list, whole := c.handed.take()
	c.full = c.full && whole
	longest := time.Hour
	if p := c.s.settings.Load().Partners[c.partner]; p != nil {
		longest = p.Retry.defaults().Max
	}
	low := loadLow
	if !c.down.since.IsZero() {
		low = 1 // a partner that is down is only probed
	}
	for _, o := range list {
		if !c.full {
			break // it is in the table
		}
		if o.seq <= c.q.last {
			continue
		}
		if c.full = c.q.readyCount() < low; c.full {
			c.q.carry(c.q.add(o.seq, o.lanes, o.state, time.Time{}), o.parcel)
		}
	}
	for !c.full && c.q.readyCount() < low {
		n := 0
		err := c.s.db.Query(ctx, `SELECT seq, lanes, state, next_at FROM results_deliveries
			WHERE partner = $1 AND state < 3 AND seq > $2 ORDER BY seq LIMIT $3`,
			[]any{c.partner, c.q.last, int64(loadBatch)}, func(row store.Scanner) error {
				var seq, state int64
				var next *int64
				var lanes []byte
				if err := row.Scan(&seq, &lanes, &state, &next); err != nil {
					return err
				}
				var due time.Time
				if next != nil {
					due = time.UnixMicro(*next)
					if latest := c.s.now().Add(longest); due.After(latest) {
						due = latest // written by a clock that was ahead
					}
				}
				c.q.add(seq, lanes, State(state), due)
				n++
				return nil
			})
		if err != nil {
			return err
		}
		c.full = n < loadBatch
	}
	if !c.full {
		c.handed.miss() // nobody would look at it
	}
	c.pace.behind.Store(c.q.waiting > loadLow && c.down.since.IsZero())
	return nil
}

// delivery is one row with what is needed to send it.
type delivery struct {
	seq      int64
	leaf     int64    // of the message: the order of intake
	id       event.ID // of the message
	source   string
	partner  string
	route    string
	state    State
	attempts int64
	reason   string
	firstAt  *int64
	received int64 // microseconds
	lanes    []byte
	body     []byte
	salt     ledger.Salt
	began    int64      // of the try under way, microseconds
	failed   *failedTry // the try that failed just now
}

// order ascends with intake: that of a delivery that was sent again by a person is that
// of its message, behind those that the message had from the first, and not its own.
func (d *delivery) order() int64 {
	if d.seq/maxPlans == d.leaf {
		return d.seq
	}
	return d.leaf*maxPlans + maxPlans - 1
}

// errUnreadable: the row is there, its body cannot be opened.
var errUnreadable = errors.New("the stored message cannot be read")

// delivery reads one delivery with its message. With errUnreadable it returns
// what it could read.
func (s *Service) delivery(ctx context.Context, seq int64) (*delivery, error) {
	d := &delivery{seq: seq}
	var id, sealed []byte
	var state int64
	err := s.db.QueryRow(ctx, `SELECT d.partner, d.route, d.state, d.attempts, d.reason, d.first_at, d.lanes, d.message, m.id, m.source, m.received_at, m.body FROM results_deliveries d
		JOIN results_messages m ON m.leaf = d.message WHERE d.seq = $1`, seq).
		Scan(&d.partner, &d.route, &state, &d.attempts, &d.reason, &d.firstAt, &d.lanes, &d.leaf, &id, &d.source, &d.received, &sealed)
	if err != nil {
		return nil, fmt.Errorf("read delivery: %w", err)
	}
	d.state = State(state)
	if d.id, err = event.IDFromBytes(id); err != nil {
		return nil, err
	}
	d.salt, d.body, err = s.seal.open("results_messages", d.id, sealed)
	switch {
	case temporary(err):
		return nil, err
	case err != nil:
		return d, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return d, nil
}

// delivery is what is to be sent: as intake handed it over, or read.
func (c *courier) delivery(ctx context.Context, seq int64, p *parcel) (*delivery, error) {
	if p == nil {
		return c.s.delivery(ctx, seq)
	}
	return &delivery{seq: seq, leaf: seq / maxPlans, id: p.id, source: p.source, partner: c.partner, route: p.route, received: p.received, lanes: p.lanes, body: p.body, salt: p.salt}, nil
}
