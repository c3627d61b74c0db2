package results

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// LegalHold is a hold that stands or stood on one message, or on all of a patient.
type LegalHold struct {
	ID            event.ID
	Owner, Reason string
	PlacedAt      time.Time
	LiftedAt      time.Time // zero while it stands
	// Message is what it is on; zero: it is on a patient, of whom there is only a
	// fingerprint here.
	Message event.ID
}

// OnPatient: it is on all of a patient.
func (h *LegalHold) OnPatient() bool { return h.Message == event.ID{} }

const holdCols = `SELECT h.id, h.owner, h.reason, h.placed_at, COALESCE(h.lifted_at, 0), m.id FROM results_holds h LEFT JOIN results_messages m ON m.leaf = h.message `

func (s *Service) readHolds(ctx context.Context, where string, args ...any) ([]LegalHold, error) {
	var out []LegalHold
	err := s.db.Query(ctx, holdCols+where, args, func(row store.Scanner) error {
		var h LegalHold
		var id, message []byte
		var placed, lifted int64
		if err := row.Scan(&id, &h.Owner, &h.Reason, &placed, &lifted, &message); err != nil {
			return err
		}
		var err error
		if h.ID, err = event.IDFromBytes(id); err == nil && message != nil {
			h.Message, err = event.IDFromBytes(message)
		}
		h.PlacedAt = time.UnixMicro(placed).UTC()
		if lifted != 0 {
			h.LiftedAt = time.UnixMicro(lifted).UTC()
		}
		out = append(out, h)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list legal holds: %w", err)
	}
	return out, nil
}

// HoldsOn lists the legal holds that were placed on the message at a leaf,
// those on its patient not among them.
func (s *Service) HoldsOn(ctx context.Context, leaf int64) ([]LegalHold, error) {
	return s.readHolds(ctx, "WHERE h.message = $1 ORDER BY h.placed_at", leaf)
}

// LegalHolds lists the holds that stand, or those that were lifted, newest first,
// and how many there are in all.
func (s *Service) LegalHolds(ctx context.Context, lifted bool, limit, skip int) (list []LegalHold, total int64, err error) {
	where := "WHERE h.lifted_at IS NULL"
	if lifted {
		where = "WHERE h.lifted_at IS NOT NULL"
	}
	if err := s.db.QueryRow(ctx, "SELECT count(*) FROM results_holds h "+where).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count legal holds: %w", err)
	}
	list, err = s.readHolds(ctx, where+" ORDER BY h.placed_at DESC, h.id LIMIT $1 OFFSET $2", int64(min(max(limit, 1), 500)), int64(max(skip, 0)))
	return list, total, err
}

// LegalHold is one of them; ErrNotFound where there is none.
func (s *Service) LegalHold(ctx context.Context, id event.ID) (LegalHold, error) {
	list, err := s.readHolds(ctx, "WHERE h.id = $1", id[:])
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("legal hold %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return LegalHold{}, err
	}
	return list[0], nil
}

// PatientKept is what a person must know before a patient's results are put under
// a legal hold.
type PatientKept struct {
	// Results are here now, up to 100; More: there are more than that.
	Results int
	More    bool
	// Holds stand on the patient.
	Holds []LegalHold
}

// LookAtPatient tells how many results of a patient are here and which legal holds
// stand on them all. That somebody looked for this patient is recorded first.
func (s *Service) LookAtPatient(ctx context.Context, id, authority string, by By) (PatientKept, error) {
	var out PatientKept
	if strings.TrimSpace(id) == "" {
		return out, fmt.Errorf("%w: name the patient's number", ErrInvalid)
	}
	q := Query{PatientID: id, Authority: strings.TrimSpace(authority)}
	if err := s.RecordSearch(ctx, q, by); err != nil {
		return out, err
	}
	h, err := s.Search(ctx, q, Page{Limit: 100})
	if err != nil {
		return out, err
	}
	out.Results, out.More = len(h.Messages), h.Next > 0
	wanted, err := s.wanted(q)
	if err != nil {
		return out, err
	}
	for _, keys := range wanted {
		for _, k := range keys {
			some, err := s.readHolds(ctx, "WHERE h.patient = $1 AND h.lifted_at IS NULL ORDER BY h.placed_at", int64(k))
			if err != nil {
				return out, err
			}
			out.Holds = append(out.Holds, some...)
		}
	}
	return out, nil
}
