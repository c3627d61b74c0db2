package accounts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// The kinds of lines besides a Holding's own.
const (
	LineAccount       = "account"
	LineVendorAccount = "vendor-account"
	LineVendor        = "vendor"
	LineList          = "list"
)

// Decision is what a reviewer says about a line.
type Decision int64

// The decisions.
const (
	Undecided Decision = iota
	Keep
	Remove
)

var decisions = [...]string{"not decided", "keep", "remove"}

func (d Decision) String() string {
	if d < Undecided || d > Remove {
		return "?"
	}
	return decisions[d]
}

// MarshalText implements encoding.TextMarshaler.
func (d Decision) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Decision) UnmarshalText(b []byte) error {
	i := slices.Index(decisions[:], string(b))
	if i < 0 {
		return fmt.Errorf("%w: decide keep or remove", ErrInvalid)
	}
	*d = Decision(i)
	return nil
}

// Line is one thing somebody has, in a review.
type Line struct {
	ID     event.ID `json:"-"`
	Review event.ID `json:"-"`
	// Kind and Subject name the thing; About is the account of who has or answers
	// for it, Person their id where it is one of ours.
	Kind    string `json:"kind"`
	Subject string `json:"subject"`
	About   string `json:"about,omitempty"`
	Person  string `json:"person,omitempty"`
	Title   string `json:"title"`
	Detail  string `json:"detail,omitempty"`

	Decision  Decision  `json:"decision"`
	DecidedBy string    `json:"decided_by,omitempty"`
	Decided   time.Time `json:"decided,omitzero"`
	Reason    string    `json:"reason,omitempty"`
	// Done is when a removal was done, by whom, and Outcome how or why not yet.
	Done    time.Time `json:"done,omitzero"`
	DoneBy  string    `json:"done_by,omitempty"`
	Outcome string    `json:"outcome,omitempty"`
}

// Own says that the line is about the person.
func (l *Line) Own(by By) bool {
	return l.Person != "" && l.Person == by.Person.String() || l.About != "" && fold(l.About) == fold(by.Account)
}

// Task says that a removal waits to be done.
func (l *Line) Task() bool { return l.Decision == Remove && l.Done.IsZero() }

// ours says that Holdings can remove it.
func (l *Line) ours() bool {
	return !slices.Contains([]string{LineAccount, LineVendorAccount, LineVendor, LineList}, l.Kind)
}

const lineColumns = `SELECT id, review, kind, subject, about, person, title, detail, decision, decided_by, decided_at, reason, done_at, done_by, outcome
	FROM accounts_lines `

func scanLine(row store.Scanner) (Line, error) {
	var l Line
	var id, review []byte
	var decision, decided, done int64
	err := row.Scan(&id, &review, &l.Kind, &l.Subject, &l.About, &l.Person, &l.Title, &l.Detail, &decision, &l.DecidedBy, &decided, &l.Reason, &done, &l.DoneBy, &l.Outcome)
	if err != nil {
		return l, err
	}
	l.Decision, l.Decided, l.Done = Decision(decision), moment(decided), moment(done)
	var bad error
	l.ID, err = event.IDFromBytes(id)
	l.Review, bad = event.IDFromBytes(review)
	return l, errors.Join(err, bad)
}

// Lines lists a review's lines in the order in which they were made.
func (s *Service) Lines(ctx context.Context, review event.ID) ([]Line, error) {
	return linesOf(ctx, s.db, "WHERE review = $1 ORDER BY id", review[:])
}

// Tasks lists the removals of all reviews that wait to be done.
func (s *Service) Tasks(ctx context.Context) ([]Line, error) {
	return linesOf(ctx, s.db, "WHERE decision = 2 AND done_at = 0 ORDER BY decided_at, id")
}

func linesOf(ctx context.Context, q store.Queryer, where string, args ...any) ([]Line, error) {
	out := []Line{}
	err := q.Query(ctx, lineColumns+where, args, func(row store.Scanner) error {
		l, err := scanLine(row)
		out = append(out, l)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read lines of the review: %w", err)
	}
	return out, nil
}

func (s *Service) writeLine(ctx context.Context, tx *store.Tx, l *Line) error {
	_, err := s.tags.Exec(ctx, tx, taggedLines, l.ID[:], `INSERT INTO accounts_lines
			(id, review, kind, subject, about, person, title, detail, decision, decided_by, decided_at, reason, done_at, done_by, outcome)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (id) DO UPDATE SET decision = excluded.decision, decided_by = excluded.decided_by, decided_at = excluded.decided_at,
			reason = excluded.reason, done_at = excluded.done_at, done_by = excluded.done_by, outcome = excluded.outcome`,
		l.ID[:], l.Review[:], l.Kind, l.Subject, l.About, l.Person, l.Title, l.Detail, int64(l.Decision), l.DecidedBy, micro(l.Decided), l.Reason,
		micro(l.Done), l.DoneBy, l.Outcome)
	return err
}

func line(ctx context.Context, q store.Queryer, id event.ID) (Line, error) {
	l, err := scanLine(q.QueryRow(ctx, lineColumns+"WHERE id = $1", id[:]))
	if errors.Is(err, store.ErrNoRows) {
		return l, fmt.Errorf("line of the review: %w", ErrNotFound)
	}
	if err != nil {
		return l, fmt.Errorf("read line of the review: %w", err)
	}
	return l, nil
}

// Decide writes a decision about lines of an open review; all of them or none.
// Removing needs a reason, and so does reviewing without a new list.
func (s *Service) Decide(ctx context.Context, quarter string, ids []event.ID, d Decision, reason string, by By) error {
	reason = strings.TrimSpace(reason)
	switch {
	case by.check() != nil:
		return by.check()
	case len(ids) == 0:
		return &FieldError{"lines", "Choose at least one line."}
	case len(ids) > 2*batch:
		return &FieldError{"lines", fmt.Sprintf("Choose at most %d lines at a time.", 2*batch)}
	case d != Keep && d != Remove:
		return &FieldError{"decision", "Decide keep or remove."}
	case d == Remove && reason == "":
		return &FieldError{"reason", "Say why it is removed."}
	case len(reason) > 500:
		return &FieldError{"reason", "Write at most 500 characters."}
	}
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := review(ctx, tx, quarter)
		if err != nil {
			return err
		}
		if r.state != reviewOpen {
			return fmt.Errorf("%w: this review is not open", ErrConflict)
		}
		for _, id := range ids {
			l, err := line(ctx, tx, id)
			if err != nil {
				return err
			}
			switch {
			case l.Review != r.ID:
				return fmt.Errorf("line of the review: %w", ErrNotFound)
			case l.Own(by):
				return ErrOwn
			case !l.Done.IsZero():
				return fmt.Errorf("%w: this was removed already", ErrConflict)
			case l.Kind == LineList && (d == Remove || reason == ""):
				return &FieldError{"reason", "For a system without a new list: take one, or keep it and say why it is reviewed without."}
			}
			l.Decision, l.DecidedBy, l.Decided, l.Reason, l.Outcome = d, by.Account, s.now(), reason, ""
			if err := s.writeLine(ctx, tx, &l); err != nil {
				return err
			}
			if err := s.lineFact(ctx, tx, "review.decided", &l, by); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("decide: %w", err)
	}
	if d == Remove {
		return s.perform(ctx)
	}
	return nil
}

func (s *Service) lineFact(ctx context.Context, tx *store.Tx, kind string, l *Line, by By) error {
	ids := ledger.Pairs{{K: "review", V: l.Review.String()}, {K: "line", V: l.ID.String()}, {K: "subject", V: ledger.Code(l.Subject)}}
	if l.Person != "" {
		ids = append(ids, ledger.Pair{K: "person", V: l.Person})
	}
	codes := ledger.Pairs{{K: "what", V: ledger.Code(l.Kind)}, {K: "decision", V: ledger.Code(l.Decision.String())}, {K: "reason", V: ledger.Code(l.Reason)}}
	return publish(ctx, tx, kind, s.now(), by, ids, codes)
}
