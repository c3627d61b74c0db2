package setup

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Acts that wait for a second person.
const (
	// ActApply is the apply of a draft, ActDirector what of it only the laboratory
	// director decides.
	ActApply    = "config.apply"
	ActDirector = "config.director"
)

// Begin starts a draft with the text that is in force.
func (s *Service) Begin(ctx context.Context, title string, by approval.Person) (Draft, error) {
	cur, err := s.conf.Revision(ctx, 0)
	if err != nil {
		return Draft{}, err
	}
	return s.begin(ctx, Draft{Title: title, Base: cur.Number, Source: []byte(cur.Source)}, by)
}

// BeginWith starts a draft with a text that was made from the one in force.
func (s *Service) BeginWith(ctx context.Context, title string, base int64, source []byte, by approval.Person) (Draft, error) {
	return s.begin(ctx, Draft{Title: title, Base: base, Source: source}, by)
}

// BeginBack starts a draft that puts an earlier revision in force again.
func (s *Service) BeginBack(ctx context.Context, number int64, by approval.Person) (Draft, error) {
	cur, err := s.conf.Revision(ctx, 0)
	if err != nil {
		return Draft{}, err
	}
	old, err := s.conf.Revision(ctx, number)
	if err != nil {
		return Draft{}, err
	}
	if old.Hash == cur.Hash {
		return Draft{}, ErrUnchanged
	}
	return s.begin(ctx, Draft{Title: fmt.Sprintf("Back to revision %d", number), Base: cur.Number, Of: number, Source: []byte(old.Source)}, by)
}

func (s *Service) begin(ctx context.Context, d Draft, by approval.Person) (Draft, error) {
	if by.Account == "" {
		return d, approval.ErrNobody
	}
	if err := checkText(d.Title, d.Source); err != nil {
		return d, err
	}
	d.Title, d.Writers, d.Version, d.MadeAt = strings.TrimSpace(d.Title), []approval.Person{by}, 1, s.clock()
	d.Changed = d.MadeAt
	sum := sha256.Sum256(d.Source)
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT COALESCE(MAX(number), 0) + 1 FROM setup_drafts").Scan(&d.Number); err != nil {
			return fmt.Errorf("number the draft: %w", err)
		}
		sealed, err := s.vault.Seal(vault.PurposeConfig, sourceWhere(d.Number), nil, d.Source)
		if err != nil {
			return fmt.Errorf("seal the draft: %w", err)
		}
		if err := s.fact(ctx, tx, "config.draft_begun", d, by, nil); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO setup_drafts (number, title, base, of_revision, text_hash, writers, version, made_at, changed_at,
			state, revision, ended_at, ended_by, source) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, '', $10)`,
			d.Number, d.Title, d.Base, d.Of, sum[:], writePeople(d.Writers), d.Version, micro(d.MadeAt), micro(d.Changed), sealed)
		if err != nil {
			return err
		}
		return s.tags.Put(ctx, tx, taggedDrafts, d.Number)
	})
	if err != nil {
		return d, fmt.Errorf("store draft: %w", err)
	}
	return d, nil
}

// Draft returns one draft; ErrNoDraft where there is none.
func (s *Service) Draft(ctx context.Context, number int64) (Draft, error) {
	return s.scanDraft(s.db.QueryRow(ctx, draftColumns+"WHERE number = $1", number))
}

// Drafts lists drafts, the newest first: those that are open, or of all the
// newest hundred.
func (s *Service) Drafts(ctx context.Context, all bool) ([]Draft, error) {
	where := "WHERE state = 0 ORDER BY number DESC"
	if all {
		where = "ORDER BY number DESC LIMIT 100"
	}
	out := []Draft{}
	err := s.db.Query(ctx, draftColumns+where, nil, func(row store.Scanner) error {
		d, err := s.scanDraft(row)
		out = append(out, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list drafts: %w", err)
	}
	return out, nil
}

// Became returns the draft that became a revision; ErrNoDraft where none did.
func (s *Service) Became(ctx context.Context, revision int64) (Draft, error) {
	return s.scanDraft(s.db.QueryRow(ctx, draftColumns+"WHERE revision = $1 AND revision > 0 ORDER BY number DESC LIMIT 1", revision))
}

// Save stores another text. version is the one the writer has seen; where the
// draft has another by now it is ErrEdited and nothing changes.
func (s *Service) Save(ctx context.Context, number, version int64, title string, source []byte, by approval.Person) (Draft, error) {
	return s.save(ctx, number, version, title, source, 0, by)
}

func (s *Service) save(ctx context.Context, number, version int64, title string, source []byte, base int64, by approval.Person) (d Draft, err error) {
	if by.Account == "" {
		return d, approval.ErrNobody
	}
	if err := checkText(title, source); err != nil {
		return d, err
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if d, err = s.open(ctx, tx, number); err != nil {
			return err
		}
		if d.Version != version {
			return ErrEdited
		}
		if string(d.Source) != string(source) {
			d.Of = 0 // a text of its own from now on
			if !d.Wrote(by) {
				d.Writers = append(d.Writers, by)
			}
		}
		if base > 0 {
			d.Base = base
		}
		d.Title, d.Source, d.Changed = strings.TrimSpace(title), source, s.clock()
		d.Version++
		return s.put(ctx, tx, d, by, "config.draft_edited")
	})
	return d, err
}

// open reads a draft that is still open, within a transaction.
func (s *Service) open(ctx context.Context, tx *store.Tx, number int64) (Draft, error) {
	d, err := s.scanDraft(tx.QueryRow(ctx, draftColumns+"WHERE number = $1", number))
	if err == nil && d.State != DraftOpen {
		err = ErrEnded
	}
	return d, err
}

// put writes a changed draft and voids what was approved of it before.
func (s *Service) put(ctx context.Context, tx *store.Tx, d Draft, by approval.Person, kind string) error {
	for _, act := range []string{ActApply, ActDirector} {
		if err := s.approvals.Void(ctx, tx, act, object(d.Number), "the draft was edited"); err != nil {
			return err
		}
	}
	sealed, err := s.vault.Seal(vault.PurposeConfig, sourceWhere(d.Number), nil, d.Source)
	if err != nil {
		return fmt.Errorf("seal the draft: %w", err)
	}
	if err := s.fact(ctx, tx, kind, d, by, nil); err != nil {
		return err
	}
	sum := sha256.Sum256(d.Source)
	n, err := s.tags.Exec(ctx, tx, taggedDrafts, d.Number, `UPDATE setup_drafts SET title = $2, base = $3, of_revision = $4, text_hash = $5,
		writers = $6, version = $7, changed_at = $8, source = $9 WHERE number = $1 AND version = $10 AND state = 0`,
		d.Number, d.Title, d.Base, d.Of, sum[:], writePeople(d.Writers), d.Version, micro(d.Changed), sealed, d.Version-1)
	if err == nil && n == 0 {
		err = ErrEdited
	}
	return err
}

// Discard ends a draft without applying it.
func (s *Service) Discard(ctx context.Context, number int64, by approval.Person) error {
	return s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		d, err := s.open(ctx, tx, number)
		if err != nil {
			return err
		}
		for _, act := range []string{ActApply, ActDirector} {
			if err := s.approvals.Void(ctx, tx, act, object(number), "the draft was discarded"); err != nil {
				return err
			}
		}
		return s.end(ctx, tx, d, DraftDiscarded, 0, by)
	})
}

// end takes a draft out of the open ones.
func (s *Service) end(ctx context.Context, tx *store.Tx, d Draft, to DraftState, revision int64, by approval.Person) error {
	d.State, d.Revision, d.EndedAt = to, revision, s.clock()
	kind := "config.draft_discarded"
	numbers := []ledger.Number{}
	if to == DraftApplied {
		kind, numbers = "config.draft_applied", []ledger.Number{{K: "revision", N: revision}}
	}
	if err := s.fact(ctx, tx, kind, d, by, numbers); err != nil {
		return err
	}
	n, err := s.tags.Exec(ctx, tx, taggedDrafts, d.Number, `UPDATE setup_drafts SET state = $2, revision = $3, ended_at = $4, ended_by = $5
		WHERE number = $1 AND state = 0`, d.Number, int64(to), revision, micro(d.EndedAt), by.Account)
	if err == nil && n == 0 {
		err = ErrEnded
	}
	return err
}

func object(number int64) string { return fmt.Sprintf("draft-%d", number) }

func (s *Service) fact(ctx context.Context, tx *store.Tx, kind string, d Draft, by approval.Person, numbers []ledger.Number) error {
	sum := sha256.Sum256(d.Source)
	_, err := bus.Publish(ctx, tx, ledger.Event{
		Kind: kind, At: max(s.now().UnixMicro(), 0), IDs: ledger.Pairs{{K: "by", V: ledger.Code(by.Account)}},
		Codes:   ledger.Pairs{{K: "text", V: fmt.Sprintf("%x", sum)}},
		Numbers: append([]ledger.Number{{K: "draft", N: d.Number}, {K: "base", N: d.Base}, {K: "version", N: d.Version}}, numbers...),
	})
	if err != nil {
		return fmt.Errorf("record %s: %w", kind, err)
	}
	return nil
}

// Refresh brings a draft up to date: what was applied since it was begun is
// taken into its text. Where both changed the same lines, both stand there
// between marks, which are errors until a person has chosen.
func (s *Service) Refresh(ctx context.Context, number int64, by approval.Person) (d Draft, conflicts int, err error) {
	if d, err = s.Draft(ctx, number); err != nil {
		return d, 0, err
	}
	if d.State != DraftOpen {
		return d, 0, ErrEnded
	}
	cur, err := s.conf.Revision(ctx, 0)
	if err != nil || cur.Number == d.Base {
		return d, 0, err
	}
	var base Text
	if d.Base > 0 {
		if base, err = s.conf.Revision(ctx, d.Base); err != nil {
			return d, 0, err
		}
	}
	merged, conflicts := Merge(base.Source, string(d.Source), cur.Source, fmt.Sprintf("revision %d", cur.Number))
	if d.Of > 0 {
		merged, conflicts = string(d.Source), 0 // a way back is a way back
	}
	out, err := s.save(ctx, number, d.Version, d.Title, []byte(merged), cur.Number, by)
	return out, conflicts, err
}

// waits is how long a request for approval lives.
const waits = 7 * 24 * time.Hour
