package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// ApartFilter chooses quarantined messages; empty fields choose all.
type ApartFilter struct {
	Source, Cause string
	// Decided gives those a person has decided about instead of the open ones.
	Decided bool
	// Sees chooses by the site; nil: all.
	Sees func(site string) bool
	// Before goes on from an earlier answer; 0 from the newest.
	Before int64
	Limit  int // 0 means 50, at most 500
}

// ApartPage is a part of the quarantine, newest first; Next goes into Before, 0
// when there is no more.
type ApartPage struct {
	Messages []Apart
	Next     int64
}

const apartCols = `leaf, id, source, received_at, last_at, times, cause, detail, size, kept, state, COALESCE(decided_at, 0), decided_by, message`

func scanApart(row store.Scanner) (leaf int64, a Apart, err error) {
	var id, message []byte
	var at, last, state, decided int64
	err = row.Scan(&leaf, &id, &a.Source, &at, &last, &a.Times, &a.Cause, &a.Detail, &a.Size, &a.Kept, &state, &decided, &a.DecidedBy, &message)
	if err != nil {
		return 0, a, err
	}
	if a.ID, err = event.IDFromBytes(id); err != nil {
		return 0, a, err
	}
	a.ReceivedAt, a.LastAt = time.UnixMicro(at).UTC(), time.UnixMicro(last).UTC()
	a.State = [...]string{"open", "released", "refused", "replayed"}[state&3]
	if decided != 0 {
		a.DecidedAt = time.UnixMicro(decided).UTC()
	}
	if message != nil {
		a.Became, err = event.IDFromBytes(message)
	}
	return leaf, a, err
}

// QuarantinePage lists quarantined messages.
func (s *Service) QuarantinePage(ctx context.Context, f ApartFilter) (ApartPage, error) {
	var out ApartPage
	if f.Limit <= 0 {
		f.Limit = 50
	}
	f.Limit = min(f.Limit, 500)
	if f.Before <= 0 {
		f.Before = 1 << 62
	}
	state := "state = 0"
	if f.Decided {
		state = "state <> 0"
	}
	for looked := 0; ; {
		leaf, n := int64(0), 0
		err := s.db.Query(ctx, "SELECT "+apartCols+" FROM results_quarantine WHERE "+state+` AND leaf < $1
			AND ($2 = '' OR source = $2) AND ($3 = '' OR cause = $3) ORDER BY leaf DESC LIMIT $4`,
			[]any{f.Before, f.Source, f.Cause, int64(f.Limit + 1)}, func(row store.Scanner) error {
				at, a, err := scanApart(row)
				a.Site = s.SiteOf(a.Source, at)
				n++
				switch sees := f.Sees == nil || f.Sees(a.Site); {
				case err != nil, !sees && len(out.Messages) < f.Limit:
				case len(out.Messages) == f.Limit:
					if out.Next == 0 && sees {
						out.Next = leaf
					}
					return nil
				default:
					out.Messages = append(out.Messages, a)
				}
				leaf = at
				return err
			})
		if err != nil {
			return out, fmt.Errorf("list quarantine: %w", err)
		}
		if n <= f.Limit || out.Next > 0 {
			return out, nil
		}
		// What was read is not all of it, and not all of that may be seen.
		if looked += n; len(out.Messages) == f.Limit || looked >= scanLimit {
			out.Next = leaf
			return out, nil
		}
		f.Before = leaf
	}
}

// ShowQuarantined is what is known of one quarantined message, without its bytes.
func (s *Service) ShowQuarantined(ctx context.Context, id event.ID) (Apart, error) {
	leaf, a, err := scanApart(s.db.QueryRow(ctx, "SELECT "+apartCols+" FROM results_quarantine WHERE id = $1", id[:]))
	if errors.Is(err, store.ErrNoRows) {
		return a, fmt.Errorf("quarantined message %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return a, fmt.Errorf("read quarantine: %w", err)
	}
	a.Site = s.SiteOf(a.Source, leaf)
	return a, nil
}
