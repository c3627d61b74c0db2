package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// minStatement is how long a statement at least is: a sentence, not a dot.
const minStatement = 20

// Verdict is what a reviewer says of what was applied alone.
type Verdict int64

// The verdicts.
const (
	NotReviewed Verdict = iota
	InOrder
	NotInOrder
)

func (v Verdict) String() string {
	switch v {
	case InOrder:
		return "in order"
	case NotInOrder:
		return "not in order"
	}
	return "not reviewed"
}

// MarshalText implements encoding.TextMarshaler.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Alone is a configuration that somebody applied without a second person.
type Alone struct {
	ID        event.ID
	Draft     int64
	Revision  int64 // 0: it was stated and did not come into force
	By        approval.Person
	Statement string
	MadeAt    time.Time
	Verdict   Verdict
	Reviewer  approval.Person
	Reviewed  time.Time
	Note      string
	leaf      int64
}

// MayAlone says whether by may apply the draft without a second person: nil when
// nobody else in the laboratory may apply it and the configuration does not rule
// it out. director: by holds authz.RoutesApprove.
func (s *Service) MayAlone(ctx context.Context, l *Look, by approval.Person, director bool) error {
	never, err := s.neverAlone(ctx)
	if err != nil {
		return err
	}
	if never {
		return ErrNever
	}
	others, err := s.Others(ctx, Draft{}, by, authz.ConfigApply)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		return ErrNotAlone
	}
	if l.NeedsDirector() && !l.Directed() {
		if !director {
			return ErrDirector
		}
		if others, err = s.Others(ctx, Draft{}, by, authz.RoutesApprove); err != nil {
			return err
		}
		if len(others) > 0 {
			return ErrDirector
		}
	}
	return nil
}

// ApplyAlone puts a draft in force without a second person, by the rule of
// MayAlone. The statement is recorded before anything is applied, and another
// role reviews it.
func (s *Service) ApplyAlone(ctx context.Context, number int64, by approval.Person, seen approval.Hash, director bool, noOldPath []string, statement string) (Outcome, error) {
	if len(strings.TrimSpace(statement)) < minStatement {
		return Outcome{}, ErrStatement
	}
	l, err := s.ready(ctx, number, &seen)
	if err != nil {
		return Outcome{}, err
	}
	if err := s.MayAlone(ctx, l, by, director); err != nil {
		return Outcome{}, err
	}
	a := Alone{ID: event.NewID(), Draft: number, By: by, Statement: strings.TrimSpace(statement), MadeAt: s.clock()}
	if err := s.state(ctx, &a); err != nil {
		return Outcome{}, err
	}
	why := Why{By: by.Account, Reason: a.Statement}
	if l.NeedsDirector() {
		if l.Directed() {
			why.ApprovedBy = l.Director.By.Account
		} else {
			why.ApprovedBy = by.Account
			if err := s.steps(ctx, l, by, noOldPath, a.Statement); err != nil {
				return Outcome{}, err
			}
		}
	}
	out, err := s.conf.Apply(ctx, l.target(l.meaning), why)
	if err != nil {
		return out, err
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, act := range []string{ActApply, ActDirector} {
			if err := s.approvals.Void(ctx, tx, act, object(number), "it was applied without a second person"); err != nil {
				return err
			}
		}
		if _, err := s.tags.Exec(ctx, tx, taggedAlone, a.ID[:], "UPDATE setup_alone SET revision = $2 WHERE id = $1", a.ID[:], out.Number); err != nil {
			return err
		}
		return s.end(ctx, tx, l.Draft, DraftApplied, out.Number, by)
	})
	if err != nil {
		return out, fmt.Errorf("the configuration is in force as revision %d, but the draft could not be closed: %w", out.Number, err)
	}
	return out, nil
}

// state writes down that somebody is about to apply alone.
func (s *Service) state(ctx context.Context, a *Alone) error {
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if a.leaf, err = s.aloneFact(ctx, tx, "config.applied_alone", a, a.By, a.Statement); err != nil {
			return err
		}
		none := event.ID{}
		_, err = tx.Exec(ctx, `INSERT INTO setup_alone (id, draft, revision, by_whom, by_id, statement, made_at, verdict, reviewed_by,
			reviewed_id, reviewed_at, note, leaf) VALUES ($1, $2, 0, $3, $4, $5, $6, 0, '', $7, 0, '', $8)`,
			a.ID[:], a.Draft, a.By.Account, a.By.ID[:], a.Statement, micro(a.MadeAt), none[:], a.leaf)
		if err != nil {
			return err
		}
		return s.tags.Put(ctx, tx, taggedAlone, a.ID[:])
	})
	if err != nil {
		return fmt.Errorf("record that somebody applies alone: %w", err)
	}
	return nil
}

// Alone lists what was applied without a second person, the newest first: what
// nobody has reviewed, or all.
func (s *Service) Alone(ctx context.Context, all bool) ([]Alone, error) {
	where := "WHERE verdict = 0 ORDER BY id DESC LIMIT 200"
	if all {
		where = "ORDER BY id DESC LIMIT 200"
	}
	out := []Alone{}
	err := s.db.Query(ctx, aloneColumns+where, nil, func(row store.Scanner) error {
		a, err := scanAlone(row)
		out = append(out, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list what was applied alone: %w", err)
	}
	return out, nil
}

const aloneColumns = `SELECT id, draft, revision, by_whom, by_id, statement, made_at, verdict, reviewed_by, reviewed_id, reviewed_at, note, leaf
	FROM setup_alone `

func scanAlone(row store.Scanner) (a Alone, err error) {
	var id, by, reviewer []byte
	var made, verdict, reviewed int64
	err = row.Scan(&id, &a.Draft, &a.Revision, &a.By.Account, &by, &a.Statement, &made, &verdict, &a.Reviewer.Account, &reviewer, &reviewed, &a.Note, &a.leaf)
	if err != nil {
		return a, err
	}
	var errs [3]error
	a.ID, errs[0] = event.IDFromBytes(id)
	a.By.ID, errs[1] = event.IDFromBytes(by)
	a.Reviewer.ID, errs[2] = event.IDFromBytes(reviewer)
	a.MadeAt, a.Verdict, a.Reviewed = moment(made), Verdict(verdict), moment(reviewed)
	return a, errors.Join(errs[:]...)
}

// Errors of a review.
var (
	ErrNoAlone  = errors.New("there is nothing of this kind to review")
	ErrReviewed = errors.New("somebody has reviewed this already")
	ErrNote     = errors.New("say what you looked at, or what is not in order")
)

// Review is another role's word about what was applied alone: the caller has
// checked authz.ReviewActs. Nobody reviews what they did themselves.
func (s *Service) Review(ctx context.Context, id event.ID, by approval.Person, v Verdict, note string) error {
	if v != InOrder && v != NotInOrder || strings.TrimSpace(note) == "" {
		return ErrNote
	}
	return s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		a, err := scanAlone(tx.QueryRow(ctx, aloneColumns+"WHERE id = $1", id[:]))
		switch {
		case errors.Is(err, store.ErrNoRows):
			return ErrNoAlone
		case err != nil:
			return fmt.Errorf("read what was applied alone: %w", err)
		case a.By.Same(by):
			return approval.ErrOwn
		case a.Verdict != NotReviewed:
			return ErrReviewed
		}
		if err := s.approvals.TwoHands(ctx, tx, a.By, by); err != nil {
			return err
		}
		a.Verdict = v
		leaf, err := s.aloneFact(ctx, tx, "config.alone_reviewed", &a, by, note)
		if err != nil {
			return err
		}
		n, err := s.tags.Exec(ctx, tx, taggedAlone, id[:], `UPDATE setup_alone SET verdict = $2, reviewed_by = $3, reviewed_id = $4,
			reviewed_at = $5, note = $6, leaf = $7 WHERE id = $1 AND verdict = 0`,
			id[:], int64(v), by.Account, by.ID[:], micro(s.clock()), strings.TrimSpace(note), leaf)
		if err == nil && n == 0 {
			err = ErrReviewed
		}
		return err
	})
}

func (s *Service) aloneFact(ctx context.Context, tx *store.Tx, kind string, a *Alone, by approval.Person, said string) (int64, error) {
	leaf, err := bus.Publish(ctx, tx, ledger.Event{
		Kind: kind, At: max(s.now().UnixMicro(), 0), IDs: ledger.Pairs{{K: "act", V: a.ID.String()}, {K: "by", V: ledger.Code(by.Account)}},
		Codes:   ledger.Pairs{{K: "said", V: ledger.Code(said)}, {K: "verdict", V: ledger.Code(a.Verdict.String())}},
		Numbers: []ledger.Number{{K: "draft", N: a.Draft}},
	})
	if err != nil {
		return 0, fmt.Errorf("record %s: %w", kind, err)
	}
	return leaf, nil
}
