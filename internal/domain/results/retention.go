package results

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Retention says how long messages are kept. Zero of MaxAge or MaxBytes is no
// limit; the minima hold in any case.
type Retention struct {
	MaxAge time.Duration
	// MaxApart is how long the bytes of a quarantined message are kept after a
	// person has decided about it; zero is no limit.
	MaxApart time.Duration
	// MaxBytes bounds the sealed bodies together; quarantined messages that were
	// decided about go first, then the oldest.
	MaxBytes int64
	// The legal minimum by kind of report. What does not say what it is counts
	// as the longest of the three.
	Reports, Immunohaematology, Pathology time.Duration
}

func (p *Retention) longest() time.Duration {
	return max(p.Reports, p.Immunohaematology, p.Pathology)
}

// Retained is what a pass did and what it must not do.
type Retained struct {
	Erased, Bytes int64 // messages, and the sealed bytes of their bodies
	Apart         int64 // quarantined messages among them
	Controls      int64 // forgotten control ids
	// Kept, though age or size asks for them to go, and why.
	Undelivered, LegalMinimum, OnHold, Unreadable int64
	// OverBytes is an alarm when it is not 0: by so much the stored messages
	// exceed MaxBytes, and nothing that is left may be erased.
	OverBytes int64
}

const (
	eraseBatch  = 50 // messages in one transaction
	vacuumPages = 64 // pages in one step
)

// Retain makes one pass: it erases what the policy no longer keeps, forgets old
// control ids and gives space back. Bodies and receipts go, with the salts that
// tie them to the ledger; the rows, and the ledger, stay. One pass at a time.
func (s *Service) Retain(ctx context.Context, p Retention) (Retained, error) {
	var r Retained
	s.indexing.Lock()
	defer s.indexing.Unlock()
	if err := s.loadClock(ctx); err != nil {
		return r, err
	}
	if _, err := s.index(ctx); err != nil { // sizes and search entries are the index's
		return r, err
	}
	if err := s.cleanRuns(ctx); err != nil { // what a crash left
		return r, err
	}
	runs, err := readRuns(ctx, s.db)
	if err != nil {
		return r, err
	}
	over := int64(0)
	for _, run := range runs {
		over += run.bytes
	}
	if over -= p.MaxBytes; p.MaxBytes <= 0 {
		over = 0
	}
	now := s.steady.now()
	apart, err := s.apartBytes(ctx)
	if err != nil {
		return r, err
	}
	if p.MaxBytes > 0 {
		over += apart
	}
	if err := s.retainApart(ctx, p, now, &over, &r); err != nil {
		return r, err
	}
	for _, run := range runs {
		if run.bytes == 0 {
			continue
		}
		begun, err := s.retainRun(ctx, p, run, now, &over, &r)
		if err != nil {
			return r, err
		}
		if err := s.cleanRun(ctx, run.first); err != nil {
			return r, err
		}
		if !begun {
			break // neither age nor size asks for anything newer
		}
	}
	r.OverBytes = max(over, 0)
	if r.Controls, err = s.forgetControls(ctx, now); err != nil {
		return r, err
	}
	return r, s.giveBack(ctx)
}

// candidate is a message that age or size asks to go.
type candidate struct {
	leaf, at, size int64
	id             event.ID
	sealed         []byte
	source, why    string
	keys           []searchKey
}

// retainRun erases what may go of one run; false where its first message is
// too new for any reason to.
func (s *Service) retainRun(ctx context.Context, p Retention, run searchRun, now time.Time, over *int64, r *Retained) (bool, error) {
	began := false
	for at := run.first - 1; ; {
		var batch []candidate
		n, ended := 0, false
		err := s.db.Query(ctx, `SELECT leaf, id, source, received_at, body FROM results_messages
			WHERE leaf > $1 AND leaf <= $2 AND body IS NOT NULL ORDER BY leaf LIMIT $3`, []any{at, run.last, int64(eraseBatch)},
			func(row store.Scanner) error {
				var c candidate
				var id []byte
				if err := row.Scan(&c.leaf, &id, &c.source, &c.at, &c.sealed); err != nil {
					return err
				}
				n++
				at, c.size = c.leaf, int64(len(c.sealed))
				var err error
				c.id, err = event.IDFromBytes(id)
				age := now.Sub(time.UnixMicro(c.at))
				switch {
				case p.MaxAge > 0 && age > p.MaxAge:
					c.why = "age"
				case *over > 0:
					c.why = "size"
				default:
					ended = true
					return err
				}
				batch = append(batch, c)
				return err
			})
		if err != nil {
			return began, fmt.Errorf("read messages to erase: %w", err)
		}
		began = began || len(batch) > 0
		if err := s.eraseBatch(ctx, p, batch, now, over, r); err != nil {
			return began, err
		}
		if n < eraseBatch || ended && len(batch) == 0 {
			return began || n == 0, nil
		}
	}
}

// eraseBatch drops from the batch what the law keeps and erases the others,
// unless they are open or held when the transaction looks.
func (s *Service) eraseBatch(ctx context.Context, p Retention, batch []candidate, now time.Time, over *int64, r *Retained) error {
	kept := batch[:0]
	for _, c := range batch {
		_, body, err := s.seal.open("results_messages", c.id, c.sealed)
		if err != nil {
			if temporary(err) {
				return err
			}
			r.Unreadable++ // damage is for a person to look at, not to sweep away
			continue
		}
		if now.Sub(time.UnixMicro(c.at)) < p.minimum(body) {
			r.LegalMinimum++
			continue
		}
		c.keys = s.keysOfBody(body, s.settings.Load().Sources[c.source].AccessionFields)
		kept = append(kept, c)
	}
	if len(kept) == 0 {
		return nil
	}
	var done Retained
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		done = Retained{}
		held, err := patientsHeld(ctx, tx)
		if err != nil {
			return err
		}
		for i := range kept {
			c := &kept[i]
			if c.why == "size" && *over-done.Bytes <= 0 {
				continue
			}
			if err := s.erase(ctx, tx, c, held, &done); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("erase messages: %w", err)
	}
	r.Erased += done.Erased
	r.Bytes += done.Bytes
	r.OnHold += done.OnHold
	r.Undelivered += done.Undelivered
	*over -= done.Bytes
	return nil
}

func (s *Service) erase(ctx context.Context, tx *store.Tx, c *candidate, held map[searchKey]bool, done *Retained) error {
	var open, hold int64
	err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM results_deliveries WHERE seq >= $1 AND seq < $2 AND state < 3)
		+ (SELECT count(*) FROM results_deliveries WHERE message = $3 AND again = 1 AND state < 3),
		(SELECT count(*) FROM results_holds WHERE message = $3 AND lifted_at IS NULL)`,
		c.leaf*maxPlans, (c.leaf+1)*maxPlans, c.leaf).Scan(&open, &hold)
	if err != nil {
		return err
	}
	for _, k := range c.keys {
		if held[k] {
			hold++
		}
	}
	switch {
	case open > 0:
		done.Undelivered++
		return nil
	case hold > 0:
		done.OnHold++
		return nil
	}
	n, err := tx.Exec(ctx, "UPDATE results_messages SET body = NULL WHERE leaf = $1 AND body IS NOT NULL", c.leaf)
	if err != nil || n == 0 {
		return err
	}
	if also := s.alsoErase.Load(); also != nil {
		if err := (*also)(ctx, tx, c.leaf); err != nil {
			return err
		}
	}
	// A receipt may hold what was sent, and the partner's words about it.
	if err := tx.Queue(ctx, "UPDATE results_deliveries SET receipt = NULL WHERE seq >= $1 AND seq < $2", c.leaf*maxPlans, (c.leaf+1)*maxPlans); err != nil {
		return err
	}
	if err := tx.Queue(ctx, "UPDATE results_deliveries SET receipt = NULL WHERE message = $1 AND again = 1", c.leaf); err != nil {
		return err
	}
	err = tx.Queue(ctx, `UPDATE results_search_runs SET dirty = 1, bytes = bytes - $1
		WHERE first = (SELECT first FROM results_search_runs WHERE first <= $2 ORDER BY first DESC LIMIT 1)`, c.size, c.leaf)
	if err != nil {
		return err
	}
	done.Erased++
	done.Bytes += c.size
	_, err = bus.Publish(ctx, tx, ledger.Event{
		Kind: KindErased, At: s.now().UnixMicro(),
		IDs: ledger.Pairs{{K: "message", V: c.id.String()}}, Codes: ledger.Pairs{{K: "policy", V: c.why}},
	})
	return err
}

// minimum is the legal minimum of a message, 42 CFR 493.1105(a)(6): the longest of
// the kinds its OBR-24 name (HL7 table 0074: BLB blood bank, SP surgical pathology,
// CP cytopathology; table checked against terminology.hl7.org, CodeSystem v2-0074).
// IMM immunology and SR serology may hold blood group serology, CG cytogenetics and
// GE genetics a pathologist's report: they are kept as long. A code that names no
// laboratory section (CT is a CAT scan) or is not known is kept longest.
func (p *Retention) minimum(body []byte) time.Duration {
	m, err := hl7.Parse(body)
	if err != nil {
		return p.longest()
	}
	kept, known := p.Reports, false
	for s := range m.Segments("OBR") {
		switch code := strings.ToUpper(strings.TrimSpace(s.Field(24).Part(1).Text())); code {
		case "BLB", "IMM", "SR":
			kept = max(kept, p.Immunohaematology)
		case "SP", "CP", "CG", "GE":
			kept = max(kept, p.Pathology)
		case "CH", "HM", "MB", "MCB", "MYC", "TX", "VR", "BG":
		default:
			return p.longest()
		}
		known = true
	}
	if !known {
		return p.longest()
	}
	return kept
}

// cleanRuns takes the entries of erased messages out of every run that is
// marked. The mark is written in the transaction that erases, and the entries
// are taken out in the next one: a crash between leaves the mark, and this finds
// it at the next start or pass. Until then a search does not show the message,
// because its body is gone.
func (s *Service) cleanRuns(ctx context.Context) error {
	var dirty []int64
	err := s.db.Query(ctx, "SELECT first FROM results_search_runs WHERE dirty <> 0 ORDER BY first", nil, func(row store.Scanner) error {
		var first int64
		err := row.Scan(&first)
		dirty = append(dirty, first)
		return err
	})
	if err != nil {
		return fmt.Errorf("read search index: %w", err)
	}
	for _, first := range dirty {
		if err := s.cleanRun(ctx, first); err != nil {
			return err
		}
	}
	return nil
}

// cleanRun takes the entries of erased messages out of a run that is marked.
func (s *Service) cleanRun(ctx context.Context, first int64) error {
	run := searchRun{}
	err := s.db.QueryRow(ctx, "SELECT first, last, messages, bytes, bits, dirty FROM results_search_runs WHERE first = $1", first).
		Scan(&run.first, &run.last, &run.messages, &run.bytes, &run.bits, &run.dirty)
	if errors.Is(err, store.ErrNoRows) || err == nil && run.dirty == 0 {
		return nil // another node merged it; the mark went along
	}
	if err != nil {
		return fmt.Errorf("read search index: %w", err)
	}
	gone := map[int64]bool{}
	err = s.db.Query(ctx, "SELECT leaf FROM results_messages WHERE leaf >= $1 AND leaf <= $2 AND body IS NULL", []any{run.first, run.last},
		func(row store.Scanner) error {
			var leaf int64
			err := row.Scan(&leaf)
			gone[leaf] = true
			return err
		})
	if err != nil {
		return fmt.Errorf("read erased messages: %w", err)
	}
	entries, err := readRun(ctx, s.db, run.first)
	if err != nil {
		return err
	}
	left := entries[:0]
	for _, e := range entries {
		if !gone[e.leaf] {
			left = append(left, e)
		}
	}
	clean := run
	clean.dirty = 0
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		return replaceRuns(ctx, tx, []searchRun{run}, clean, left)
	})
	if err != nil && !errors.Is(err, errOvertaken) {
		return fmt.Errorf("clean search index: %w", err)
	}
	return nil
}

// giveBack returns free pages to the disk, a few at a time. PostgreSQL's
// autovacuum does the like by itself: it keeps the space for new rows.
func (s *Service) giveBack(ctx context.Context) error {
	if s.db.Engine() != store.SQLite {
		return nil
	}
	free := func() (n int64, err error) {
		err = s.db.QueryRow(ctx, "PRAGMA freelist_count").Scan(&n)
		return n, err
	}
	before, err := free()
	for err == nil && before > 0 {
		err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			// It frees a page for each row that is read: it must be read to its end.
			return tx.Query(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages), nil, func(store.Scanner) error { return nil })
		})
		if err != nil {
			break
		}
		var now int64
		if now, err = free(); now >= before {
			break // nothing moves: leave it for the next pass
		}
		before = now
	}
	if err != nil {
		return fmt.Errorf("give space back: %w", err)
	}
	return nil
}
