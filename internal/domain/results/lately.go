package results

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// latelyFor is how long the newest lists are remembered: they change once a day,
// and a page that everybody has open must not read them for each of 50 partners.
const latelyFor = 5 * time.Second

// lately remembers the newest lists. What this node writes is in it at once, what
// another writes after latelyFor.
type lately struct {
	mu     sync.Mutex
	until  time.Time // monotonic
	counts map[string]Counted
}

func (l *lately) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts = nil
}

// LatestCounts is each partner's newest list as it was compared, by its key. A
// partner of the settings that is not in it never gave a list: whether it has a
// result cannot be said.
func (s *Service) LatestCounts(ctx context.Context) (map[string]Counted, error) {
	l := &s.lately
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil || time.Now().After(l.until) {
		fresh, err := s.readLatestCounts(ctx)
		if err != nil {
			return nil, err
		}
		l.counts, l.until = fresh, time.Now().Add(latelyFor)
	}
	return maps.Clone(l.counts), nil
}

func (s *Service) readLatestCounts(ctx context.Context) (map[string]Counted, error) {
	out := map[string]Counted{}
	// From one partner to the next by the index, and of each the newest alone: what
	// it costs depends on how many partners there are, not on how many lists.
	err := s.db.Query(ctx, `WITH RECURSIVE gave (partner) AS (
			SELECT min(partner) FROM results_counts
			UNION ALL SELECT (SELECT min(c.partner) FROM results_counts c WHERE c.partner > g.partner) FROM gave g WHERE g.partner IS NOT NULL)
		SELECT `+countCols+` FROM gave g JOIN results_counts n
		ON n.id = (SELECT c.id FROM results_counts c WHERE c.partner = g.partner ORDER BY c.day DESC, c.added_at DESC LIMIT 1)`, nil, func(row store.Scanner) error {
		c, err := scanCount(row)
		out[c.Partner] = c
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the latest lists: %w", err)
	}
	maps.DeleteFunc(out, func(key string, _ Counted) bool { return s.settings.Load().Partners[key] == nil })
	return out, nil
}

// CallsOf counts the phone tasks that are not closed by partner and site; those
// about a message that was not taken under no partner.
func (s *Service) CallsOf(ctx context.Context) (map[Place]CallCount, error) {
	if s.sites.Load().any() {
		return s.callsOfSites(ctx)
	}
	out := map[Place]CallCount{}
	err := s.db.Query(ctx, `SELECT partner, count(*), COALESCE(sum(CASE WHEN due_at IS NOT NULL AND due_at <= $1 THEN 1 ELSE 0 END), 0) FROM
		(SELECT partner, due_at FROM results_calls WHERE state < 2 ORDER BY opened_at LIMIT $2) AS counted GROUP BY partner`,
		[]any{s.now().UnixMicro(), int64(CountLimit)}, func(row store.Scanner) error {
			var partner string
			var c CallCount
			err := row.Scan(&partner, &c.Open, &c.Overdue)
			out[Place{Partner: partner}] = c
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("count phone tasks: %w", err)
	}
	return out, nil
}

// Open is a delivery that has not been completed, and the message it is of.
type Open struct {
	Delivery
	Message    event.ID
	Source     string
	ReceivedAt time.Time
	Critical   bool
	Correction bool
}

// OpenOf lists the open deliveries to a partner, the oldest first.
func (s *Service) OpenOf(ctx context.Context, partner string, limit int) ([]Open, error) {
	var out []Open
	err := s.db.Query(ctx, `SELECT d.seq, d.partner, d.route, d.state, d.attempts, d.reason, d.changed_at, COALESCE(d.next_at, 0),
		m.id, m.leaf, m.source, m.received_at, m.flags FROM results_deliveries d JOIN results_messages m ON m.leaf = d.message
		WHERE d.partner = $1 AND d.state < 3 ORDER BY d.seq LIMIT $2`, []any{partner, int64(limit)}, func(row store.Scanner) error {
		var o Open
		var id []byte
		var leaf, state, changed, next, received, flags int64
		err := row.Scan(&o.Seq, &o.Partner, &o.Route, &state, &o.Attempts, &o.Reason, &changed, &next, &id, &leaf, &o.Source, &received, &flags)
		if err != nil {
			return err
		}
		o.Site = s.SiteOf(o.Source, leaf)
		o.State, o.ChangedAt, o.ReceivedAt = State(state), time.UnixMicro(changed).UTC(), time.UnixMicro(received).UTC()
		if next != 0 {
			o.NextAt = time.UnixMicro(next).UTC()
		}
		o.Critical, o.Correction = flags&FlagCritical != 0, flags&FlagCorrection != 0
		o.Message, err = event.IDFromBytes(id)
		out = append(out, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list what is open for %s: %w", partner, err)
	}
	return out, nil
}

// PeerOf is who took a completed delivery, as the transport saw it, and when. It
// holds no patient data.
func (s *Service) PeerOf(ctx context.Context, seq int64) (channel.Peer, time.Time, error) {
	var sealed []byte
	err := s.db.QueryRow(ctx, "SELECT receipt FROM results_deliveries WHERE seq = $1 AND state = 3", seq).Scan(&sealed)
	if errors.Is(err, store.ErrNoRows) || err == nil && sealed == nil {
		return channel.Peer{}, time.Time{}, fmt.Errorf("receipt of delivery %d: %w", seq, ErrNotFound)
	}
	if err != nil {
		return channel.Peer{}, time.Time{}, fmt.Errorf("read receipt of delivery %d: %w", seq, err)
	}
	e, err := s.evidence(seq, sealed)
	if err != nil {
		return channel.Peer{}, time.Time{}, err
	}
	return e.Peer, time.UnixMicro(e.At).UTC(), nil
}

// Named is what a partner is called in the settings in force; its key where
// there is no name.
func (s *Settings) Named(partner string) string {
	if p := s.Partners[partner]; p != nil && p.Name != "" {
		return p.Name
	}
	return partner
}
