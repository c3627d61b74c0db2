package portal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Copy is a patient's request for their own results, with the law's clock: at the latest
// 30 days after the day it came (45 CFR 164.524(b)(2) [second-hand: OCR's guidance on
// timeliness]), once 30 more where the patient is told why and until when in writing
// within the first (the same). Due is when the last of these days is over.
type Copy struct {
	ID       event.ID
	About    string // who and what, sealed at rest
	Asked    time.Time
	Due      time.Time
	Policy   time.Time // when the laboratory's own policy wants it done; zero: none
	Extended time.Time // zero: not
	MadeBy   string
	Done     time.Time
	DoneBy   string
	Outcome  string
}

const copyDays = 30

// copyOver is when the last of a number of days after a day is over.
func (s *Service) copyOver(asked time.Time, days int) time.Time {
	y, m, d := asked.In(s.Zone).Date()
	return time.Date(y, m, d+days+1, 0, 0, 0, 0, s.Zone)
}

// Outcomes of a request.
const (
	CopyGiven  = "given"
	CopyDenied = "denied in writing"
	CopyTaken  = "taken back"
)

func copyPlace(id event.ID) vault.Where {
	return vault.Where{Table: "partners_portal_copies", Column: "about", Row: id[:]}
}

// AskCopy opens a request; asked is the day on which it came.
func (s *Service) AskCopy(ctx context.Context, about string, asked time.Time, by string) (event.ID, error) {
	id := event.NewID()
	about = strings.TrimSpace(about)
	if about == "" || utf8.RuneCountInString(about) > 500 {
		return id, wrong("about", "Write who asks for what, at most 500 characters. It is kept sealed.")
	}
	if now := s.Now(); asked.IsZero() || asked.After(now) || now.Sub(asked) > 365*24*time.Hour {
		return id, wrong("asked", "Choose the day on which the request came.")
	}
	sealed, err := s.Vault.Seal(bodies, copyPlace(id), nil, []byte(about))
	if err != nil {
		return id, fmt.Errorf("seal a request: %w", err)
	}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := s.tags.Exec(ctx, tx, taggedCopies, id[:], `INSERT INTO partners_portal_copies (id, about, asked_at, due_at, extended_at, made_at, made_by, done_at, done_by, outcome)
			VALUES ($1, $2, $3, $4, 0, $5, $6, 0, '', '')`, id[:], sealed, micro(asked), micro(s.copyOver(asked, copyDays)), micro(s.Now()), by)
		if err != nil {
			return err
		}
		return s.fact(ctx, tx, KindCopyAsked, ledger.Pairs{pair("copy", id), code("by", by)}, nil, ledger.Number{K: "due", N: micro(s.copyOver(asked, copyDays))})
	})
	if err != nil {
		return id, fmt.Errorf("open a patient's request: %w", err)
	}
	return id, nil
}

// ExtendCopy gives a request 30 more days, once, within its first 30, where the patient
// was told in writing why and until when.
func (s *Service) ExtendCopy(ctx context.Context, id event.ID, told bool, by string) error {
	if !told {
		return wrong("told", "First tell the patient in writing why it takes longer and until which day; then say here that you did.")
	}
	return s.copyAct(ctx, id, func(ctx context.Context, tx *store.Tx, due, extended time.Time) error {
		if !extended.IsZero() {
			return wrong("", "It was extended already, and may be once.")
		}
		if !s.Now().Before(due) {
			return wrong("", "Its first 30 days are over: it can no longer be extended. Answer it.")
		}
		later := due.In(s.Zone).AddDate(0, 0, copyDays)
		if _, err := s.tags.Exec(ctx, tx, taggedCopies, id[:], "UPDATE partners_portal_copies SET extended_at = $1, due_at = $2 WHERE id = $3", micro(s.Now()), micro(later), id[:]); err != nil {
			return err
		}
		return s.fact(ctx, tx, KindCopyLater, ledger.Pairs{pair("copy", id), code("by", by)}, nil, ledger.Number{K: "due", N: micro(later)})
	})
}

// EndCopy ends a request with what came of it.
func (s *Service) EndCopy(ctx context.Context, id event.ID, outcome, by string) error {
	if outcome != CopyGiven && outcome != CopyDenied && outcome != CopyTaken {
		return wrong("outcome", "Say what came of it.")
	}
	return s.copyAct(ctx, id, func(ctx context.Context, tx *store.Tx, _, _ time.Time) error {
		if _, err := s.tags.Exec(ctx, tx, taggedCopies, id[:], "UPDATE partners_portal_copies SET done_at = $1, done_by = $2, outcome = $3 WHERE id = $4", micro(s.Now()), by, outcome, id[:]); err != nil {
			return err
		}
		return s.fact(ctx, tx, KindCopyDone, ledger.Pairs{pair("copy", id), code("by", by)}, ledger.Pairs{code("outcome", outcome)})
	})
}

func (s *Service) copyAct(ctx context.Context, id event.ID, act func(ctx context.Context, tx *store.Tx, due, extended time.Time) error) error {
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var due, extended int64
		err := tx.QueryRow(ctx, "SELECT due_at, extended_at FROM partners_portal_copies WHERE id = $1 AND done_at = 0", id[:]).Scan(&due, &extended)
		if errors.Is(err, store.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		return act(ctx, tx, moment(due), moment(extended))
	})
	if err != nil {
		return fmt.Errorf("change a patient's request: %w", err)
	}
	return nil
}

// Copies lists the requests: open ones, the most urgent first, or those done.
func (s *Service) Copies(ctx context.Context, done bool, limit int) ([]Copy, error) {
	where := "done_at = 0 ORDER BY due_at"
	if done {
		where = "done_at > 0 ORDER BY done_at DESC"
	}
	var out []Copy
	err := s.DB.Query(ctx, "SELECT id, about, asked_at, due_at, extended_at, made_by, done_at, done_by, outcome FROM partners_portal_copies WHERE "+where+" LIMIT $1", []any{int64(limit)}, func(row store.Scanner) error {
		var c Copy
		var id, about []byte
		var asked, due, extended, done int64
		err := row.Scan(&id, &about, &asked, &due, &extended, &c.MadeBy, &done, &c.DoneBy, &c.Outcome)
		if err != nil {
			return err
		}
		c.Asked, c.Due, c.Extended, c.Done = moment(asked), moment(due), moment(extended), moment(done)
		if within := int(s.Settings().CopyWithin / (24 * time.Hour)); within > 0 {
			c.Policy = s.copyOver(c.Asked, within)
		}
		if c.ID, err = event.IDFromBytes(id); err != nil {
			return err
		}
		plain, err := s.Vault.Unseal(bodies, copyPlace(c.ID), nil, about)
		c.About = string(plain)
		out = append(out, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list patients' requests: %w", err)
	}
	return out, nil
}

// CopyDue is when the law's days of a request that came at a time are over.
func (s *Service) CopyDue(asked time.Time) time.Time { return s.copyOver(asked, copyDays) }

// Day is which of the law's days it is: 1 on the day after the request came.
func (c *Copy) Day(now time.Time, zone *time.Location) int {
	y, m, d := c.Asked.In(zone).Date()
	from := time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
	y, m, d = now.In(zone).Date()
	return int(time.Date(y, m, d, 12, 0, 0, 0, time.UTC).Sub(from) / (24 * time.Hour))
}

// Days are how many it has by law.
func (c *Copy) Days() int {
	if c.Extended.IsZero() {
		return copyDays
	}
	return 2 * copyDays
}
