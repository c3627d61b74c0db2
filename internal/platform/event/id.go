// Package event holds what domains tell each other: identifiers, and the facts
// that are written to the ledger. Facts carry ids, codes and numbers, never
// patient data.
package event

import (
	"errors"

	"github.com/google/uuid"
)

// ID is a UUIDv7 (RFC 9562): 16 bytes that sort by the time they were made.
type ID [16]byte

// NewID makes an ID. IDs of one process ascend, also within a millisecond.
func NewID() ID { return ID(uuid.Must(uuid.NewV7())) }

// ParseID reads the text form.
func ParseID(s string) (ID, error) {
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return ID{}, errors.New("not an identifier: want 36 characters like 0192d3a4-0000-7000-8000-000000000000")
	}
	return ID(u), nil
}

// IDFromBytes reads the 16 bytes of a stored ID.
func IDFromBytes(b []byte) (ID, error) {
	var id ID
	if len(b) != len(id) {
		return id, errors.New("stored identifier is not 16 bytes long")
	}
	copy(id[:], b)
	return id, nil
}

func (id ID) String() string { return uuid.UUID(id).String() }
