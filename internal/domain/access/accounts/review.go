package accounts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// reviewDays is how long a quarter's review may take.
const reviewDays = 30

// Review is the access review of one quarter.
type Review struct {
	ID event.ID `json:"-"`
	// Quarter reads "2026-Q4".
	Quarter string    `json:"quarter"`
	Open    bool      `json:"open"`
	Opened  time.Time `json:"opened"`
	Due     time.Time `json:"due"`
	Signed  time.Time `json:"signed,omitzero"`
	By      string    `json:"signed_by,omitempty"`
	Remark  string    `json:"remark,omitempty"`
	// Hash is of the lines as they were signed; the ledger has it too.
	Hash  string `json:"sha256,omitempty"`
	Lines int64  `json:"lines"`
	Leaf  int64  `json:"leaf,omitempty"`

	state int64
}

// The states of a review.
const (
	reviewOpening int64 = iota
	reviewOpen
	reviewSigned
)

// Late says that the review is not signed though it should be.
func (r *Review) Late(now time.Time) bool { return r.state != reviewSigned && now.After(r.Due) }

// Quarter names the quarter of a day.
func Quarter(t time.Time) string {
	return fmt.Sprintf("%d-Q%d", t.UTC().Year(), (int(t.UTC().Month())-1)/3+1)
}

const reviewColumns = "SELECT id, quarter, state, opened_at, due_at, signed_at, signed_by, remark, hash, lines, leaf FROM accounts_reviews "

func scanReview(row store.Scanner) (Review, error) {
	var r Review
	var id []byte
	var opened, due, signed int64
	if err := row.Scan(&id, &r.Quarter, &r.state, &opened, &due, &signed, &r.By, &r.Remark, &r.Hash, &r.Lines, &r.Leaf); err != nil {
		return r, err
	}
	r.Open, r.Opened, r.Due, r.Signed = r.state == reviewOpen, moment(opened), moment(due), moment(signed)
	var err error
	r.ID, err = event.IDFromBytes(id)
	return r, err
}

// Reviews lists them, the newest first.
func (s *Service) Reviews(ctx context.Context) ([]Review, error) {
	out := []Review{}
	err := s.db.Query(ctx, reviewColumns+"ORDER BY quarter DESC", nil, func(row store.Scanner) error {
		r, err := scanReview(row)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list reviews: %w", err)
	}
	return out, nil
}

// Review returns the one of a quarter.
func (s *Service) Review(ctx context.Context, quarter string) (Review, error) {
	return review(ctx, s.db, quarter)
}

func review(ctx context.Context, q store.Queryer, quarter string) (Review, error) {
	r, err := scanReview(q.QueryRow(ctx, reviewColumns+"WHERE quarter = $1", quarter))
	if errors.Is(err, store.ErrNoRows) {
		return r, fmt.Errorf("review: %w", ErrNotFound)
	}
	if err != nil {
		return r, fmt.Errorf("read review: %w", err)
	}
	return r, nil
}

func (s *Service) writeReview(ctx context.Context, tx *store.Tx, r *Review) error {
	_, err := s.tags.Exec(ctx, tx, taggedReviews, r.ID[:], `INSERT INTO accounts_reviews
			(id, quarter, state, opened_at, due_at, signed_at, signed_by, remark, hash, lines, leaf)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, due_at = excluded.due_at, signed_at = excluded.signed_at,
			signed_by = excluded.signed_by, remark = excluded.remark, hash = excluded.hash, lines = excluded.lines, leaf = excluded.leaf`,
		r.ID[:], r.Quarter, r.state, micro(r.Opened), micro(r.Due), micro(r.Signed), r.By, r.Remark, r.Hash, r.Lines, r.Leaf)
	return err
}

// OpenReview opens the review of the running quarter where there is none. Its
// lines are what everybody has at this moment; while nobody has anything, none is
// opened and the zero Review returned.
func (s *Service) OpenReview(ctx context.Context) (Review, error) {
	now := s.now()
	quarter := Quarter(now)
	r, err := s.Review(ctx, quarter)
	switch {
	case err == nil && r.state != reviewOpening:
		return r, nil
	case err != nil && !errors.Is(err, ErrNotFound):
		return r, err
	case err != nil:
		if lines, err := s.everything(ctx); err != nil || len(lines) == 0 {
			return r, err // nobody has anything yet: a review without a line would prove nothing
		}
		r = Review{ID: event.NewID(), Quarter: quarter, Opened: now, Due: now.AddDate(0, 0, reviewDays)}
		err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			if _, err := review(ctx, tx, quarter); !errors.Is(err, ErrNotFound) {
				return err // another node was first, or it cannot be read
			}
			return s.writeReview(ctx, tx, &r)
		})
		if err != nil {
			return r, fmt.Errorf("open review: %w", err)
		}
		if r, err = s.Review(ctx, quarter); err != nil {
			return r, err
		}
	}
	lines, err := s.everything(ctx)
	if err != nil {
		return r, err
	}
	for len(lines) > 0 {
		n := min(batch, len(lines))
		if err := s.addLines(ctx, r.ID, lines[:n]); err != nil {
			return r, err
		}
		lines = lines[n:]
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		now, err := review(ctx, tx, quarter)
		if err != nil || now.state != reviewOpening {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM accounts_lines WHERE review = $1", now.ID[:]).Scan(&now.Lines); err != nil {
			return err
		}
		now.state = reviewOpen
		if err := s.writeReview(ctx, tx, &now); err != nil {
			return err
		}
		return publish(ctx, tx, "review.opened", s.now(), By{}, ledger.Pairs{{K: "review", V: now.ID.String()}}, ledger.Pairs{{K: "quarter", V: quarter}},
			ledger.Number{K: "lines", N: now.Lines})
	})
	if err != nil {
		return r, fmt.Errorf("open review: %w", err)
	}
	return s.Review(ctx, quarter)
}

func (s *Service) addLines(ctx context.Context, review event.ID, lines []Line) error {
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for i := range lines {
			l := lines[i]
			var n int64
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM accounts_lines WHERE review = $1 AND kind = $2 AND subject = $3", review[:], l.Kind, l.Subject).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				continue // written before a crash
			}
			l.ID, l.Review = event.NewID(), review
			if err := s.writeLine(ctx, tx, &l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write lines of the review: %w", err)
	}
	return nil
}

// everything is what the review covers.
func (s *Service) everything(ctx context.Context) ([]Line, error) {
	var out []Line
	held, err := s.held.Held(ctx)
	if err != nil {
		return nil, fmt.Errorf("read grants: %w", err)
	}
	for _, h := range held {
		out = append(out, Line{Kind: h.Kind, Subject: h.ID, About: h.Account, Person: h.Person.String(), Title: h.Name + ": " + h.What, Detail: h.Detail})
	}
	people, err := s.own.Staff(ctx)
	if err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	b := newBook(people)
	vendors, err := s.Vendors(ctx, true)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for i := range vendors {
		v := &vendors[i]
		names[v.ID.String()] = v.Name
		if v.Ended.IsZero() {
			out = append(out, Line{Kind: LineVendor, Subject: v.ID.String(), About: v.Owner, Title: v.Name + ": " + v.Purpose, Detail: vendorDetail(v)})
		}
	}
	systems, err := s.Systems(ctx, false)
	if err != nil {
		return nil, err
	}
	for i := range systems {
		x := &systems[i]
		if x.Stale(s.now()) {
			out = append(out, Line{Kind: LineList, Subject: x.Key, About: x.Owner, Title: x.Name + ": " + notLooked(x), Detail: "Its accounts below are as they were then. Keep means: reviewed knowingly without a new list."})
		}
		all, err := s.Accounts(ctx, x.Key)
		if err != nil {
			return nil, err
		}
		for i := range all {
			if a := &all[i]; a.Gone.IsZero() {
				out = append(out, accountLine(x, a, b, names))
			}
		}
	}
	return out, nil
}

// notLooked says since when a system was not looked at.
func notLooked(x *System) string {
	if x.AsOf.IsZero() {
		return "no list of its accounts was ever taken"
	}
	return "not looked at since " + x.AsOf.Format(time.DateOnly)
}

func vendorDetail(v *Vendor) string {
	d := "Patient data: " + v.PHI.String() + ". Business associate: " + v.Associate.String() + "."
	if !v.Ends.IsZero() {
		d += " Agreement until " + v.Ends.Format(time.DateOnly) + "."
	}
	return d
}

func accountLine(x *System, a *Account, b *book, vendors map[string]string) Line {
	l := Line{Kind: LineAccount, Subject: a.ID.String(), Title: x.Name + ": " + a.Entry.Account, Detail: "Whose: " + a.Kind.String() + "."}
	switch a.Kind {
	case Persons:
		l.Person = a.Person
		if p := b.person(a.Person); p != nil {
			l.About, l.Detail = p.Account, "Whose: "+p.Name+"."
		}
	case Shared, Programs:
		l.About = a.Owner
		l.Detail += " Answers for it: " + orNobody(a.Owner) + "."
	case Vendors:
		l.Kind = LineVendorAccount
		l.Detail = "Whose: " + vendors[a.Vendor] + "."
	}
	l.Detail += " Enabled: " + a.Enabled.String() + ". Second factor: " + a.MFA.String() + ". Privileged: " + a.Privileged.String() + "."
	switch {
	case a.Never:
		l.Detail += " Never used."
	case a.LastUsed.IsZero():
		l.Detail += " Last use: not known."
	default:
		l.Detail += " Last used " + a.LastUsed.Format(time.DateOnly) + "."
	}
	return l
}

func orNobody(v string) string {
	if v == "" {
		return "nobody"
	}
	return v
}
