package boxes

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// State is where a file stands.
type State string

// States of a file.
const (
	There State = "there"
	// Named: it is whole and waits for its final name ("x.pdf.part").
	Named State = "named"
	// Held: the gate kept it for a person.
	Held State = "held"
	Gone State = "gone"
)

// File is a file of a box.
type File struct {
	ID              event.ID
	Partner, Folder string
	Name, Kind      string // hostile text: the partner chose the name
	Size            int64
	SHA256          [sha256.Size]byte
	Made            time.Time
	MadeBy          string // "sftp", "ftps", "hub"
	Via             Via    // how its sender came, its protocol being MadeBy
	State           State
	Delivery        int64    // its number; 0 where it is no delivery
	SealedTo        []string // fingerprints of the keys that can read it; nil where it is not encrypted
	Picked          time.Time
	PickedBy        string
	Gone            time.Time
	GoneBy          string

	body, filekey, mark []byte
	rule, reason        string // the gate's, of a file that is held
	from                string // the name it had, while it is renamed
}

// Via is how a partner's client came, as its receipts say it. The zero Via is the
// laboratory itself.
type Via struct {
	// Protocol is "sftp" or "ftps".
	Protocol string `json:"-"`
	// Proof in one word: "key", "certificate" or "password"; Fingerprint is the key's.
	Proof       string `json:"proof,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	// Secured names protocol and suite of the connection.
	Secured string `json:"secured,omitempty"`
}

// head is what is sealed of a row beside the content.
type head struct {
	Name string `json:"name"`
	Kind string `json:"kind,omitempty"`
	Via  *Via   `json:"via,omitempty"`
	// To are the keys that it is encrypted to.
	To []string `json:"to,omitempty"`
}

func (s *Service) where(column string, id event.ID) vault.Where {
	return vault.Where{Table: "boxes_files", Column: column, Row: id[:]}
}

func (s *Service) named(partner, folder, name string) []byte {
	h := s.Vault.Index("box file", []byte(partner), []byte(folder), []byte(name))
	return h[:]
}

func (s *Service) sealHead(f *File) ([]byte, error) {
	h := head{Name: f.Name, Kind: f.Kind, To: f.SealedTo}
	if f.Via.Proof != "" {
		h.Via = &f.Via
	}
	b, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("write file head: %w", err)
	}
	return s.Vault.Seal(Purpose, s.where("head", f.ID), nil, b)
}

const fileColumns = `id, partner, folder, head, size, sha256, made_at, made_by, state, delivery, picked_at, picked_by, gone_at, gone_by`

func (s *Service) scan(row store.Scanner, more ...any) (f File, err error) {
	var id, sealed, sum []byte
	var made, picked, gone int64
	var state string
	if err := row.Scan(append([]any{&id, &f.Partner, &f.Folder, &sealed, &f.Size, &sum, &made, &f.MadeBy, &state, &f.Delivery, &picked, &f.PickedBy, &gone, &f.GoneBy}, more...)...); err != nil {
		return f, err
	}
	if f.ID, err = event.IDFromBytes(id); err != nil {
		return f, err
	}
	if len(sum) != len(f.SHA256) {
		return f, errDamaged
	}
	copy(f.SHA256[:], sum)
	f.Made, f.Picked, f.Gone, f.State = timeOf(made), timeOf(picked), timeOf(gone), State(state)
	plain, err := s.Vault.Unseal(Purpose, s.where("head", f.ID), nil, sealed)
	if err != nil {
		return f, fmt.Errorf("open file head: %w", err)
	}
	var h head
	if err := json.Unmarshal(plain, &h); err != nil {
		return f, fmt.Errorf("read file head: %w", err)
	}
	f.Name, f.Kind, f.SealedTo = h.Name, h.Kind, h.To
	if h.Via != nil {
		f.Via = *h.Via
	}
	f.Via.Protocol = f.MadeBy
	return f, nil
}

var errDamaged = errors.New("a stored file is damaged")

func timeOf(micro int64) time.Time {
	if micro == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micro).UTC()
}

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// List returns up to limit files of a folder in the order they came, those after
// the given id; more says that there are others.
func (s *Service) List(ctx context.Context, partner, folder string, after event.ID, limit int) (out []File, more bool, err error) {
	err = s.DB.Query(ctx, `SELECT `+fileColumns+` FROM boxes_files
		WHERE partner = $1 AND folder = $2 AND state <> 'gone' AND id > $3 ORDER BY id LIMIT $4`,
		[]any{partner, folder, after[:], limit + 1}, func(row store.Scanner) error {
			f, err := s.scan(row)
			if err != nil {
				return err
			}
			out = append(out, f)
			return nil
		})
	if err != nil {
		return nil, false, fmt.Errorf("list box: %w", err)
	}
	if more = len(out) > limit; more {
		out = out[:limit]
	}
	return out, more, nil
}

// Stands says how the file of the id is; channel.ErrNoFile where nothing was kept.
func (s *Service) Stands(ctx context.Context, id event.ID) (State, error) {
	var state string
	err := s.DB.QueryRow(ctx, `SELECT state FROM boxes_files WHERE id = $1`, id[:]).Scan(&state)
	if errors.Is(err, store.ErrNoRows) {
		err = channel.ErrNoFile
	}
	if err != nil {
		return "", fmt.Errorf("find file of a box: %w", err)
	}
	return State(state), nil
}

// Find returns the file of the name.
func (s *Service) Find(ctx context.Context, partner, folder, name string) (File, error) {
	var f File
	err := s.DB.Query(ctx, `SELECT `+fileColumns+`, body, filekey, mark FROM boxes_files WHERE named = $1 AND state <> 'gone'`,
		[]any{s.named(partner, folder, name)}, func(row store.Scanner) (err error) {
			var body, key, mark []byte
			f, err = s.scan(row, &body, &key, &mark)
			f.body, f.filekey, f.mark = body, key, mark
			return err
		})
	if err == nil && f.ID == (event.ID{}) {
		err = channel.ErrNoFile
	}
	if err != nil {
		return f, fmt.Errorf("find file of a box: %w", err)
	}
	if f.Partner != partner || f.Folder != folder {
		return File{}, fmt.Errorf("find file of a box: %w", errDamaged)
	}
	return f, nil
}
