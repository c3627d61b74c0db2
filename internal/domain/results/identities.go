package results

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// IdentityKind is what a patient's value is.
type IdentityKind int

// The kinds.
const (
	IdentityNumber  IdentityKind = iota // an identifier
	IdentityName                        // a part of a name
	IdentityBirth                       // a day of birth, YYYYMMDD
	IdentityAddress                     // a line of an address
	IdentityPhone
)

// identityFields are where patients and their next of kin are named: HL7 v2.5.1
// 3.4.2 (PID), 3.4.5 (NK1).
var identityFields = []struct {
	segment string
	field   int
	kind    IdentityKind
	parts   []int // components; nil: the first
}{
	{"PID", 2, IdentityNumber, nil},
	{"PID", 3, IdentityNumber, nil},
	{"PID", 4, IdentityNumber, nil},
	{"PID", 18, IdentityNumber, nil},
	{"PID", 19, IdentityNumber, nil},
	{"PID", 20, IdentityNumber, nil},
	{"PID", 5, IdentityName, []int{1, 2, 3}},
	{"PID", 6, IdentityName, []int{1, 2}},
	{"PID", 9, IdentityName, []int{1, 2, 3}},
	{"PID", 7, IdentityBirth, nil},
	{"PID", 11, IdentityAddress, []int{1, 2}},
	{"PID", 13, IdentityPhone, []int{1, 7}},
	{"PID", 14, IdentityPhone, []int{1, 7}},
	{"NK1", 2, IdentityName, []int{1, 2}},
	{"NK1", 4, IdentityAddress, []int{1}},
	{"NK1", 5, IdentityPhone, []int{1}},
}

// Identities counts what EachIdentity went through.
type Identities struct {
	// Messages were read, Unreadable ones are erased, damaged or no HL7.
	Messages, Unreadable, Values int64
}

// EachIdentity gives every stored value that tells who a patient is, in
// quarantine too, one after the other: for holding something that shall name no
// patient against them. Nothing of it may be kept or shown.
func (s *Service) EachIdentity(ctx context.Context, each func(IdentityKind, string) error) (Identities, error) {
	var sum Identities
	for _, table := range []string{"results_messages", "results_quarantine"} {
		var after event.ID
		for {
			var rows []replayed
			err := s.db.Query(ctx, "SELECT id, body FROM "+table+" WHERE id > $1 ORDER BY id LIMIT $2", []any{after[:], int64(replayPage)}, func(row store.Scanner) error {
				var m replayed
				var id []byte
				if err := row.Scan(&id, &m.sealed); err != nil {
					return err
				}
				var err error
				m.id, err = event.IDFromBytes(id)
				rows = append(rows, m)
				return err
			})
			if err != nil {
				return sum, fmt.Errorf("read stored messages: %w", err)
			}
			for _, m := range rows {
				if err := ctx.Err(); err != nil {
					return sum, err
				}
				after = m.id
				if err := s.identities(table, m, &sum, each); err != nil {
					return sum, err
				}
			}
			if len(rows) < replayPage {
				break
			}
		}
	}
	return sum, nil
}

func (s *Service) identities(table string, m replayed, sum *Identities, each func(IdentityKind, string) error) error {
	_, body, err := s.seal.open(table, m.id, m.sealed)
	if err != nil {
		if !errors.Is(err, ErrErased) {
			s.slog.Error("a stored message could not be read", "message", m.id.String(), "error", err)
		}
		sum.Unreadable++
		return nil
	}
	msg, err := hl7.Parse(body)
	if err != nil {
		sum.Unreadable++
		return nil
	}
	sum.Messages++
	for _, f := range identityFields {
		parts := f.parts
		if parts == nil {
			parts = []int{1}
		}
		for seg := range msg.Segments(f.segment) {
			for _, v := range seg.Field(f.field).Repetitions() {
				for _, n := range parts {
					text := v.Part(n).Subpart(1).Text()
					if text == "" {
						continue
					}
					sum.Values++
					if err := each(f.kind, text); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}
