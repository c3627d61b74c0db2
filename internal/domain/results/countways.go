package results

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// shipped is one completed delivery as a partner may name it; nothing is set where
// what was sent is no longer kept.
type shipped struct {
	seq  int64
	at   time.Time
	sent []byte // as it went out
	body []byte // as it came in
}

// countPickups: what was picked up they have.
func (s *Service) countPickups(ctx context.Context, q *Counting, tell func(int64, bool)) error {
	err := s.db.Query(ctx, `SELECT d.seq, COALESCE(p.picked_at, 0) FROM results_deliveries d LEFT JOIN results_pickups p ON p.seq = d.seq
		WHERE d.partner = $1 AND d.state = 3 AND d.changed_at >= $2 AND d.changed_at < $3 ORDER BY d.seq`,
		[]any{q.Partner, q.Since.UnixMicro(), q.Until.UnixMicro()}, func(r store.Scanner) error {
			var seq, picked int64
			err := r.Scan(&seq, &picked)
			tell(seq, picked != 0)
			return err
		})
	if err != nil {
		return fmt.Errorf("read what was picked up: %w", err)
	}
	return nil
}

// countSearched asks for each delivery. What is no longer kept cannot be asked
// for: it counts as missing.
func (s *Service) countSearched(ctx context.Context, q *Counting, tell func(int64, bool)) error {
	return s.deliveredIn(ctx, q.Partner, q.Since, q.Until, func(d *shipped) error {
		if d.sent == nil {
			tell(d.seq, false)
			return nil
		}
		has, err := q.Has(ctx, d.sent)
		if err != nil {
			return fmt.Errorf("ask for delivery %d: %w", d.seq, err)
		}
		tell(d.seq, has)
		return nil
	})
}

// countListed holds a list against what was delivered. What it names of later
// deliveries is neither missing nor extra.
func (s *Service) countListed(ctx context.Context, q *Counting, c *Counted, tell func(int64, bool)) error {
	theirs, err := readList(q.List)
	if err != nil {
		return err
	}
	for _, n := range theirs {
		c.Listed += int64(n)
	}
	take := func(d *shipped) bool {
		if d.sent == nil {
			return false // it cannot be matched any more: it counts as missing
		}
		sum := sha256.Sum256(d.sent)
		for _, name := range []string{controlOf(d.body), hex.EncodeToString(sum[:])} {
			if name != "" && theirs[name] > 0 {
				theirs[name]--
				return true
			}
		}
		fillers := fillersOf(d.body)
		for _, f := range fillers {
			if theirs[f] == 0 {
				return false
			}
		}
		for _, f := range fillers {
			theirs[f]--
		}
		return len(fillers) > 0
	}
	err = s.deliveredIn(ctx, q.Partner, q.Since, s.now().Add(time.Microsecond), func(d *shipped) error {
		if has := take(d); d.at.Before(q.Until) {
			tell(d.seq, has)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id, n := range theirs {
		c.Extra += int64(n)
		if n > 0 && len(c.ExtraIDs) < 1000 {
			c.ExtraIDs = append(c.ExtraIDs, id)
		}
	}
	return nil
}

// readList reads what a partner has: one thing a line, the first column where
// there are several. A first line with the column's name is left out.
func readList(list []byte) (map[string]int, error) {
	out, n := map[string]int{}, 0
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(list, []byte("\ufeff"))))
	for first := true; lines.Scan(); first = false {
		id := lines.Text()
		if i := strings.IndexAny(id, ",;\t"); i >= 0 {
			id = id[:i]
		}
		id = strings.TrimSpace(strings.Trim(strings.TrimSpace(id), `"`))
		if id == "" || first && isHeading(id) {
			continue
		}
		if n++; n > maxListed {
			return nil, fmt.Errorf("%w: the list has more than %d lines", ErrInvalid, maxListed)
		}
		if len(id) == hex.EncodedLen(sha256.Size) {
			id = strings.ToLower(id) // a hash is the same in either case
		}
		out[id]++
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: the list has a line that is too long", ErrInvalid)
	}
	return out, nil
}

func isHeading(s string) bool {
	switch strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(s)) {
	case "control_id", "msh_10", "message_control_id", "filler", "filler_number", "filler_order_number", "sha256", "hash", "id":
		return true
	}
	return false
}

func controlOf(body []byte) string {
	head, err := hl7.ReadHeader(body)
	if err != nil {
		return ""
	}
	return string(head.ControlID)
}

// fillersOf are the filler numbers of a message, without their authorities.
func fillersOf(body []byte) []string {
	head, err := hl7.ReadHeader(body)
	if err != nil {
		return nil
	}
	var k hl7.Keys
	if err := hl7.ReadKeys(body, &head, &k); err != nil {
		return nil
	}
	var out []string
	seen := map[string]bool{}
	for _, key := range k.Fillers {
		id, _, _ := strings.Cut(string(key), string(rune(hl7.KeySep)))
		if id != "" && !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// deliveredIn gives each delivery to a partner that was completed in a time.
func (s *Service) deliveredIn(ctx context.Context, partner string, from, to time.Time, each func(*shipped) error) error {
	type row struct {
		seq, at             int64
		id, sealed, receipt []byte
	}
	for last := int64(-1); ; {
		var some []row
		err := s.db.Query(ctx, `SELECT d.seq, d.changed_at, m.id, m.body, d.receipt FROM results_deliveries d JOIN results_messages m ON m.leaf = d.message
			WHERE d.seq > $1 AND d.partner = $2 AND d.state = 3 AND d.changed_at >= $3 AND d.changed_at < $4 ORDER BY d.seq LIMIT 200`,
			[]any{last, partner, from.UnixMicro(), to.UnixMicro()}, func(r store.Scanner) error {
				var x row
				err := r.Scan(&x.seq, &x.at, &x.id, &x.sealed, &x.receipt)
				some = append(some, x)
				return err
			})
		if err != nil {
			return fmt.Errorf("read what was delivered: %w", err)
		}
		for _, x := range some {
			last = x.seq
			d := shipped{seq: x.seq, at: time.UnixMicro(x.at)}
			if err := s.openDelivered(&d, x.id, x.sealed, x.receipt); err != nil {
				return err
			}
			if err := each(&d); err != nil {
				return err
			}
		}
		if len(some) < 200 {
			return nil
		}
	}
}

func (s *Service) openDelivered(d *shipped, raw, sealed, receipt []byte) error {
	id, err := event.IDFromBytes(raw)
	if err != nil {
		return err
	}
	_, body, err := s.seal.open("results_messages", id, sealed)
	if errors.Is(err, ErrErased) {
		return nil
	}
	if err != nil {
		return err
	}
	d.body, d.sent = body, body
	if receipt == nil {
		return nil
	}
	e, err := s.evidence(d.seq, receipt)
	if err != nil {
		return err
	}
	if e.Sent != nil {
		d.sent = e.Sent
	}
	return nil
}
