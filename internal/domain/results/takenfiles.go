package results

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// TakenFile is a file of a source that stays where it is after it was taken. With
// a zero Sum its content is not known: size and time tell it.
type TakenFile struct {
	Name     string
	Size     int64
	Modified time.Time
	Sum      [32]byte
	Refused  bool
}

// A file's name may be a patient's: what is kept of it, of its size and time and
// of its content are blind indexes.
const (
	indexTakenName = "results/taken/name/v1"
	indexTakenLook = "results/taken/look/v1"
	indexTakenBody = "results/taken/body/v1"
)

func (f *TakenFile) look() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(f.Size))
	return binary.BigEndian.AppendUint64(b, uint64(f.Modified.UnixMicro()))
}

// WasTaken says whether the file was taken from the source before: with the same
// size and time, or, where its content is known, with that content.
func (s *Service) WasTaken(ctx context.Context, source string, f TakenFile) (bool, error) {
	among := func(list [][16]byte, x []byte) bool {
		for _, y := range list {
			if string(y[:]) == string(x) {
				return true
			}
		}
		return false
	}
	for _, id := range s.vault.IndexVersions(indexTakenName, []byte(source), []byte(f.Name)) {
		var look, body []byte
		err := s.db.QueryRow(ctx, "SELECT look, body FROM results_taken WHERE id = $1", id[:]).Scan(&look, &body)
		if errors.Is(err, store.ErrNoRows) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("read which files were taken: %w", err)
		}
		if f.Sum == ([32]byte{}) {
			return among(s.vault.IndexVersions(indexTakenLook, f.look()), look), nil
		}
		return among(s.vault.IndexVersions(indexTakenBody, f.Sum[:]), body), nil
	}
	return false, nil
}

// RememberTaken writes down that the file was taken from the source. Every one of
// its messages must be on disk.
func (s *Service) RememberTaken(ctx context.Context, source string, f TakenFile) error {
	id := s.vault.Index(indexTakenName, []byte(source), []byte(f.Name))
	look, body := s.vault.Index(indexTakenLook, f.look()), s.vault.Index(indexTakenBody, f.Sum[:])
	refused := int64(0)
	if f.Refused {
		refused = 1
	}
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := s.tags.Exec(ctx, tx, taggedTaken, id[:], `INSERT INTO results_taken (id, source, look, body, refused, at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (id) DO UPDATE SET look = excluded.look, body = excluded.body, refused = excluded.refused, at = excluded.at`,
			id[:], source, look[:], body[:], refused, s.now().UnixMicro())
		return err
	})
	if err != nil {
		return fmt.Errorf("remember a file that was taken: %w", err)
	}
	return nil
}
