package accounts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// KindSigned is the fact that a review was signed off.
const KindSigned = "review.signed"

// signed is what a signature is over: what was there and what was decided, not
// what became of the removals.
type signed struct {
	Review   string    `json:"review"`
	Quarter  string    `json:"quarter"`
	Line     string    `json:"line"`
	Kind     string    `json:"kind"`
	Subject  string    `json:"subject"`
	About    string    `json:"about"`
	Person   string    `json:"person"`
	Title    string    `json:"title"`
	Detail   string    `json:"detail"`
	Decision string    `json:"decision"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Reason   string    `json:"reason"`
}

func hashLines(r *Review, lines []Line) (string, error) {
	h := sha256.New()
	e := json.NewEncoder(h)
	for i := range lines {
		l := &lines[i]
		err := e.Encode(signed{
			r.ID.String(), r.Quarter, l.ID.String(), l.Kind, l.Subject, l.About, l.Person, l.Title, l.Detail, l.Decision.String(), l.DecidedBy, l.Decided, l.Reason,
		})
		if err != nil {
			return "", fmt.Errorf("hash the review: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Sign signs a review off whose lines are all decided, and freezes it: its hash
// goes into the ledger. Removals that wait go on as tasks.
func (s *Service) Sign(ctx context.Context, quarter, remark string, by By) (Review, error) {
	remark = strings.TrimSpace(remark)
	if err := by.check(); err != nil {
		return Review{}, err
	}
	if len(remark) > 1000 {
		return Review{}, &FieldError{"remark", "Write at most 1000 characters."}
	}
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := review(ctx, tx, quarter)
		if err != nil {
			return err
		}
		if r.state != reviewOpen {
			return fmt.Errorf("%w: this review is not open", ErrConflict)
		}
		lines, err := linesOf(ctx, tx, "WHERE review = $1 ORDER BY id", r.ID[:])
		if err != nil {
			return err
		}
		open := 0
		for i := range lines {
			if lines[i].Decision == Undecided {
				open++
			}
		}
		if open > 0 || int64(len(lines)) != r.Lines {
			return fmt.Errorf("%w: %d lines are not decided yet", ErrConflict, open)
		}
		if r.Hash, err = hashLines(&r, lines); err != nil {
			return err
		}
		now := s.now()
		r.Leaf, err = bus.Publish(ctx, tx, ledger.Event{
			Kind: KindSigned, At: max(now.UnixMicro(), 0),
			IDs:     ledger.Pairs{{K: "review", V: r.ID.String()}, {K: "by", V: ledger.Code(by.Account)}},
			Codes:   ledger.Pairs{{K: "quarter", V: r.Quarter}, {K: "sha256", V: r.Hash}},
			Numbers: []ledger.Number{{K: "lines", N: r.Lines}},
		})
		if err != nil {
			return err
		}
		r.state, r.Signed, r.By, r.Remark = reviewSigned, now, by.Account, remark
		return s.writeReview(ctx, tx, &r)
	})
	if err != nil {
		return Review{}, fmt.Errorf("sign review: %w", err)
	}
	return s.Review(ctx, quarter)
}

// Frozen says whether a signed review is still what was signed: its lines give
// the hash that the ledger holds. Empty is yes, else what does not fit.
func (s *Service) Frozen(ctx context.Context, r *Review) (string, error) {
	if r.state != reviewSigned {
		return "it is not signed yet", nil
	}
	lines, err := s.Lines(ctx, r.ID)
	if err != nil {
		return "", err
	}
	hash, err := hashLines(r, lines)
	if err != nil {
		return "", err
	}
	raw, err := s.book.Event(ctx, r.Leaf)
	if err != nil {
		return "the ledger does not hold its signature", nil //nolint:nilerr // that is the finding
	}
	e, err := ledger.ParseEvent(raw)
	switch {
	case err != nil || e.Kind != KindSigned || e.IDs.Get("review") != r.ID.String():
		return "the ledger does not hold its signature", nil //nolint:nilerr // that is the finding
	case e.Codes.Get("sha256") != hash:
		return "its lines are not those that were signed", nil
	case e.Codes.Get("sha256") != r.Hash || e.IDs.Get("by") != ledger.Code(r.By) || e.At != r.Signed.UnixMicro():
		return "who signed, and when, is not what the ledger holds", nil
	}
	return "", nil
}

func (s *Service) auditReviews(ctx context.Context, found func(table, row, what string)) error {
	all, err := s.Reviews(ctx)
	if err != nil {
		return nil //nolint:nilerr // a row that cannot be read was found by its tag
	}
	for i := range all {
		if all[i].state != reviewSigned {
			continue
		}
		what, err := s.Frozen(ctx, &all[i])
		if err != nil {
			continue // as above
		}
		if what != "" {
			found(taggedReviews.Table, hex.EncodeToString(all[i].ID[:]), what)
		}
	}
	return nil
}

// WriteReview writes a review as a file.
func WriteReview(w io.Writer, r *Review, lines []Line) error {
	t, err := kit.NewCSV(w, "quarter", "line", "kind", "what", "detail", "account", "decision", "decided by", "decided", "reason", "removed", "removed by", "outcome")
	if err != nil {
		return err
	}
	for i := range lines {
		l := &lines[i]
		if err := t.Row(r.Quarter, l.ID.String(), l.Kind, l.Title, l.Detail, l.About, l.Decision.String(), l.DecidedBy, stamp(l.Decided), l.Reason,
			stamp(l.Done), l.DoneBy, l.Outcome); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// ReviewOf is the review a line belongs to.
func (s *Service) ReviewOf(ctx context.Context, id event.ID) (Review, error) {
	r, err := scanReview(s.db.QueryRow(ctx, reviewColumns+"WHERE id = $1", id[:]))
	if err != nil {
		return r, fmt.Errorf("read review: %w", err)
	}
	return r, nil
}
