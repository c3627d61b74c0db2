package accounts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// ImportState is how far a list has come.
type ImportState int64

// The states.
const (
	Offered ImportState = iota
	Taking
	Taken
	Discarded
)

// Import is a list that was offered.
type Import struct {
	ID      event.ID    `json:"-"`
	System  string      `json:"system"`
	State   ImportState `json:"-"`
	At      time.Time   `json:"at"`
	By      string      `json:"by"`
	AsOf    time.Time   `json:"as_of"`
	Hash    string      `json:"sha256"`
	Mapping Mapping     `json:"mapping"`
	Listed  int64       `json:"listed"`
	Added   int64       `json:"added"`
	Changed int64       `json:"changed"`
	Gone    int64       `json:"gone"`
	Ended   time.Time   `json:"ended,omitzero"`
	EndedBy string      `json:"ended_by,omitempty"`

	body []byte
}

// offerFor is how long an offered list waits to be taken.
const offerFor = 24 * time.Hour

const importColumns = "SELECT id, system, state, at, by_whom, as_of, hash, body, mapping, listed, added, changed, gone, ended_at, ended_by FROM accounts_imports "

func scanImport(row store.Scanner) (Import, error) {
	var i Import
	var id []byte
	var state, at, asOf, ended int64
	var mapping string
	err := row.Scan(&id, &i.System, &state, &at, &i.By, &asOf, &i.Hash, &i.body, &mapping, &i.Listed, &i.Added, &i.Changed, &i.Gone, &ended, &i.EndedBy)
	if err != nil {
		return i, err
	}
	i.State, i.At, i.AsOf, i.Ended = ImportState(state), moment(at), moment(asOf), moment(ended)
	i.ID, err = event.IDFromBytes(id)
	return i, errors.Join(err, json.Unmarshal([]byte(mapping), &i.Mapping))
}

func readImport(ctx context.Context, q store.Queryer, id event.ID) (Import, error) {
	i, err := scanImport(q.QueryRow(ctx, importColumns+"WHERE id = $1", id[:]))
	if errors.Is(err, store.ErrNoRows) {
		return i, fmt.Errorf("list: %w", ErrNotFound)
	}
	if err != nil {
		return i, fmt.Errorf("read list: %w", err)
	}
	return i, nil
}

// Imports are the lists of a system, the newest first.
func (s *Service) Imports(ctx context.Context, system string, limit int) ([]Import, error) {
	out := []Import{}
	err := s.db.Query(ctx, importColumns+"WHERE system = $1 ORDER BY at DESC LIMIT $2", []any{system, int64(limit)}, func(row store.Scanner) error {
		i, err := scanImport(row)
		i.body = nil
		out = append(out, i)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read lists: %w", err)
	}
	return out, nil
}

func (s *Service) writeImport(ctx context.Context, tx *store.Tx, i *Import) error {
	mapping, err := json.Marshal(i.Mapping)
	if err != nil {
		return fmt.Errorf("write mapping: %w", err)
	}
	var body any // NULL once it is forgotten
	if len(i.body) > 0 {
		body = i.body
	}
	_, err = s.tags.Exec(ctx, tx, taggedImports, i.ID[:], `INSERT INTO accounts_imports
			(id, system, state, at, by_whom, as_of, hash, body, mapping, listed, added, changed, gone, ended_at, ended_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, as_of = excluded.as_of, body = excluded.body, mapping = excluded.mapping,
			listed = excluded.listed, added = excluded.added, changed = excluded.changed, gone = excluded.gone,
			ended_at = excluded.ended_at, ended_by = excluded.ended_by`,
		i.ID[:], i.System, int64(i.State), micro(i.At), i.By, micro(i.AsOf), i.Hash, body, string(mapping), i.Listed, i.Added, i.Changed,
		i.Gone, micro(i.Ended), i.EndedBy)
	return err
}

// Preview is what a person sees before a list is taken.
type Preview struct {
	Import  Import   `json:"import"`
	Columns []string `json:"columns"`
	// Sample is the first rows, to recognise the columns by.
	Sample [][]string `json:"sample,omitempty"`
	// Problems keep it from being taken; Doubts count as not known.
	Problems []string `json:"problems,omitempty"`
	Doubts   []string `json:"doubts,omitempty"`
	Diff     Diff     `json:"diff"`
}

// Offer reads a file and keeps it for a day, without changing anything else. The
// mapping is the one remembered, else a guess by the headings. asOf is the day
// the list was made.
func (s *Service) Offer(ctx context.Context, key string, file []byte, asOf time.Time, by By) (Preview, error) {
	if err := by.check(); err != nil {
		return Preview{}, err
	}
	x, err := s.System(ctx, key)
	if err != nil {
		return Preview{}, err
	}
	sh, err := read(file)
	if err != nil {
		return Preview{}, err
	}
	now := s.now()
	if asOf.IsZero() {
		asOf = now
	}
	if err := checkAsOf(&x, asOf, now); err != nil {
		return Preview{}, err
	}
	sum := sha256.Sum256(file)
	i := Import{ID: event.NewID(), System: key, At: now, By: by.Account, AsOf: asOf, Hash: hex.EncodeToString(sum[:]), Mapping: x.Mapping, Listed: int64(len(sh.rows)), body: file}
	if len(i.Mapping.Columns) == 0 || len(i.Mapping.fit(sh)) > 0 && len(sh.columns) == 1 {
		i.Mapping = sh.guess()
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := s.writeImport(ctx, tx, &i); err != nil {
			return err
		}
		return publish(ctx, tx, "account.list_offered", now, by, ledger.Pairs{{K: "list", V: i.ID.String()}, {K: "system", V: key}, {K: "file", V: i.Hash}}, nil,
			ledger.Number{K: "rows", N: i.Listed})
	})
	if err != nil {
		return Preview{}, fmt.Errorf("keep list: %w", err)
	}
	return s.preview(ctx, &x, &i, sh)
}

func checkAsOf(x *System, asOf, now time.Time) error {
	switch {
	case !x.Ended.IsZero():
		return fmt.Errorf("%w: this system has ended", ErrConflict)
	case asOf.After(now.Add(24 * time.Hour)):
		return &FieldError{"as_of", "The day of the list lies in the future."}
	case asOf.Before(x.AsOf.Truncate(24 * time.Hour)):
		return &FieldError{"as_of", "A newer list was taken already, of " + x.AsOf.Format(time.DateOnly) + "."}
	}
	return nil
}

// Preview shows again what taking an offered list would change now.
func (s *Service) Preview(ctx context.Context, id event.ID) (Preview, error) {
	i, err := readImport(ctx, s.db, id)
	if err != nil {
		return Preview{}, err
	}
	if i.State != Offered {
		i.body = nil
		return Preview{Import: i}, fmt.Errorf("%w: this list was taken or put aside", ErrConflict)
	}
	x, err := s.System(ctx, i.System)
	if err != nil {
		return Preview{}, err
	}
	sh, err := read(i.body)
	if err != nil {
		return Preview{}, err
	}
	return s.preview(ctx, &x, &i, sh)
}

func (s *Service) preview(ctx context.Context, x *System, i *Import, sh *grid) (Preview, error) {
	p := Preview{Import: *i, Columns: sh.columns, Sample: sh.rows[:min(len(sh.rows), 5)]}
	p.Import.body = nil
	var list []Entry
	if list, p.Problems, p.Doubts = sh.entries(i.Mapping, x.AdminGroups); len(p.Problems) > 0 {
		return p, nil
	}
	have, err := s.Accounts(ctx, x.Key)
	if err != nil {
		return p, err
	}
	p.Diff = compare(have, list)
	return p, nil
}

// Map says anew which column of an offered list is what.
func (s *Service) Map(ctx context.Context, id event.ID, m Mapping, by By) (Preview, error) {
	if err := errors.Join(by.check(), m.check()); err != nil {
		return Preview{}, err
	}
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		i, err := readImport(ctx, tx, id)
		if err != nil {
			return err
		}
		if i.State != Offered {
			return ErrConflict
		}
		i.Mapping = m
		return s.writeImport(ctx, tx, &i)
	})
	if err != nil {
		return Preview{}, fmt.Errorf("map columns: %w", err)
	}
	return s.Preview(ctx, id)
}

// Discard puts an offered list aside and forgets its content.
func (s *Service) Discard(ctx context.Context, id event.ID, by By) error {
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		i, err := readImport(ctx, tx, id)
		if err != nil {
			return err
		}
		if i.State != Offered {
			return ErrConflict
		}
		i.State, i.body, i.Ended, i.EndedBy = Discarded, nil, s.now(), by.Account
		if err := s.writeImport(ctx, tx, &i); err != nil {
			return err
		}
		return publish(ctx, tx, "account.list_discarded", i.Ended, by, ledger.Pairs{{K: "list", V: id.String()}, {K: "system", V: i.System}}, nil)
	})
	if err != nil {
		return fmt.Errorf("put list aside: %w", err)
	}
	return nil
}
