package keys

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// The facts of this package.
const (
	KindAdded     = "partner_key.added"
	KindCompared  = "partner_key.compared"
	KindDiffered  = "partner_key.differed"
	KindUsed      = "partner_key.taken_into_use"
	KindRetired   = "partner_key.retired"
	KindRevoked   = "partner_key.revoked"
	maxWords      = 200
	maxOpen       = 20
	maxRecipients = 4
	// maxAhead is how far a use can be planned, maxOverlap how long two keys may be
	// in use at once.
	maxAhead   = 366 * 24 * time.Hour
	maxOverlap = 90
)

// Hands says whether two accounts count as one hand.
type Hands interface {
	OneHand(ctx context.Context, q store.Queryer, a, b string) (bool, error)
}

// Deps is what the service stands on.
type Deps struct {
	DB   *store.DB
	Tags bus.Keys
	// Read reads a key file; its refusals are for people to read.
	Read  func(file []byte, now time.Time) (Material, error)
	Hands Hands
	// Has says whether there is such a partner.
	Has func(partner string) bool
	Now func() time.Time
	// Changed is called when what is in force for a partner may be another; nil for
	// nobody.
	Changed func(ctx context.Context, partner string)
}

// Service keeps the keys. Its methods may be called from any goroutine.
type Service struct {
	Deps
	db   *store.DB
	tags *bus.Tags
}

// New works on a migrated store.
func New(d Deps) *Service { return &Service{Deps: d, db: d.DB, tags: bus.NewTags(d.Tags)} }

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// Add proposes a key. It is used for nothing yet. A weak key needs a reason.
func (s *Service) Add(ctx context.Context, partner string, file []byte, weakReason, by string) (Key, error) {
	var k Key
	if err := whoever(by); err != nil {
		return k, err
	}
	if !s.Has(partner) {
		return k, invalid("partner", "There is no partner of this name in the configuration.")
	}
	now := s.now()
	m, err := s.Read(file, now)
	if err != nil {
		return k, invalid("file", "%s.", upper(err.Error()))
	}
	weakReason = strings.TrimSpace(weakReason)
	switch {
	case m.Weak && weakReason == "":
		return k, invalid("weak", "This is an %s key: shorter than 3072 bits. Ask for a stronger one, or say why it is taken all the same.", m.Strength)
	case !m.Weak:
		weakReason = ""
	}
	if err := words("weak", weakReason); err != nil {
		return k, err
	}
	k = Key{ID: event.NewID(), Partner: partner, Material: m, WeakReason: weakReason, AddedAt: now, AddedBy: by}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		same, err := s.list(ctx, tx, "WHERE partner = $1", partner)
		if err != nil {
			return err
		}
		open := 0
		for _, x := range same {
			if x.Open() {
				open++
			}
			switch {
			case x.Fingerprint != m.Fingerprint:
			case x.State == Revoked:
				return invalid("file", "This key was revoked here on %s. It is never used again; ask for a new one.", x.EndedAt.Format(time.DateOnly))
			case x.Open():
				return invalid("file", "This key is here already; it is %s.", x.State)
			}
		}
		if open >= maxOpen {
			return invalid("file", "This partner has %d keys that are neither retired nor revoked; retire some first.", open)
		}
		if k.Leaf, err = s.fact(ctx, tx, KindAdded, &k, by, now, ""); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO partners_keys (id, partner, kind, fingerprint, material, name, strength, weak, ends_at, state, added_at,
			added_by, compared_at, compared_by, compared_with, compared_how, compared_number, from_at, until_at, used_at, used_by, ended_at, ended_by,
			reason, leaf) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)`,
			append([]any{k.ID[:]}, k.values()...)...)
		if err != nil {
			return fmt.Errorf("store key: %w", err)
		}
		return s.tags.Put(ctx, tx, tagged, k.ID[:])
	})
	return k, wrap("add key", err)
}

// Compare writes down that the fingerprint was compared with the partner. half is
// what the partner read out: the second half of the fingerprint. One that differs
// is a fact in the ledger, and the key stays as it is.
func (s *Service) Compare(ctx context.Context, id event.ID, c Comparison, half, by string) (Key, error) {
	c.By, c.At = by, s.now()
	c.With, c.Number = strings.TrimSpace(c.With), strings.TrimSpace(c.Number)
	if err := errors.Join(whoever(by), words("with", c.With), words("number", c.Number)); err != nil {
		return Key{}, err
	}
	switch known := c.How == ByPhone || c.How == InPerson || c.How == ByVideo || c.How == ByLetter; {
	case c.With == "":
		return Key{}, invalid("with", "Name the person you compared it with.")
	case !known:
		return Key{}, invalid("how", "Say how: by phone, in person, by video or by letter.")
	case c.How == ByPhone && c.Number == "":
		return Key{}, invalid("number", "Write the number you called: one you had before, not one that came with the key.")
	}
	differs := false
	var k Key
	err := s.act(ctx, id, &k, func(ctx context.Context, tx *store.Tx) (kind string, err error) {
		if k.State != Proposed {
			return "", ErrConflict
		}
		_, theirs := Halves(k.Fingerprint)
		if differs = heard(half) != strings.Join(theirs, ""); differs {
			_, err := s.fact(ctx, tx, KindDiffered, &k, by, c.At, "")
			return "", err
		}
		k.State, k.Comparison = Compared, c
		return KindCompared, nil
	}, by, "")
	if err == nil && differs {
		err = invalid("half", "These are not the groups of this key. Do not use it: hear them again, and if they stay different ask for the key anew by another way. That they differed is on record.")
	}
	return k, err
}

// Use takes a compared key into use from a time on (the past means now). The keys
// that are in use go on for overlap days beside it, then leave it the place.
func (s *Service) Use(ctx context.Context, id event.ID, from time.Time, overlap int, by string) (Key, error) {
	now := s.now()
	from = from.UTC().Truncate(time.Microsecond)
	if from.Before(now) {
		from = now
	}
	switch err := whoever(by); {
	case err != nil:
		return Key{}, err
	case from.Sub(now) > maxAhead:
		return Key{}, invalid("from", "Plan it at most a year ahead.")
	case overlap < 0 || overlap > maxOverlap:
		return Key{}, invalid("overlap", "Both keys can be in use for 0 to %d days.", maxOverlap)
	}
	var k Key
	err := s.act(ctx, id, &k, func(ctx context.Context, tx *store.Tx) (string, error) {
		if k.State != Compared {
			return "", ErrConflict
		}
		one := k.AddedBy == by
		if !one {
			var err error
			if one, err = s.Hands.OneHand(ctx, tx, k.AddedBy, by); err != nil {
				return "", err
			}
		}
		if one {
			return "", ErrSecond
		}
		k.State, k.From, k.UsedAt, k.UsedBy = InUse, from, now, by
		return KindUsed, s.makeRoom(ctx, tx, &k, overlap)
	}, by, "")
	s.changed(ctx, &k, err)
	return k, err
}

// makeRoom plans the end of the partner's other keys.
func (s *Service) makeRoom(ctx context.Context, tx *store.Tx, k *Key, overlap int) error {
	others, err := s.list(ctx, tx, "WHERE partner = $1 AND state = 2", k.Partner)
	if err != nil {
		return err
	}
	until, together := k.From.AddDate(0, 0, overlap), 1
	for i := range others {
		x := &others[i]
		if x.ID == k.ID {
			continue
		}
		end := until
		if x.Kind != k.Kind {
			if overlap > 0 {
				return invalid("overlap", "The key in use is of another kind (%s), and a file can be encrypted to keys of one kind only. Choose 0 days: from its date on the new one is used alone.", x.Kind)
			}
			end = k.From
		}
		if end.After(k.From) && (x.Until.IsZero() || x.Until.After(k.From)) {
			together++
		}
		if !x.Until.IsZero() && x.Until.Before(end) {
			continue
		}
		if err := s.genuine(ctx, tx, x); err != nil {
			return err
		}
		if _, err := s.tags.Exec(ctx, tx, tagged, x.ID[:], "UPDATE partners_keys SET until_at = $2 WHERE id = $1 AND state = 2", x.ID[:], micro(end)); err != nil {
			return fmt.Errorf("plan the end of a key: %w", err)
		}
	}
	if together > maxRecipients {
		return invalid("overlap", "At most %d keys can be in use at once; retire one first.", maxRecipients)
	}
	return nil
}

// Retire ends a key that is no longer needed: one that was never used, or one
// that another has taken the place of. The last one in force is refused.
func (s *Service) Retire(ctx context.Context, id event.ID, reason, by string) (Key, error) {
	return s.end(ctx, id, Retired, KindRetired, reason, by)
}

// Revoke ends a key that must not be used any more, at once. Where it was the
// only one in force, results wait from now on.
func (s *Service) Revoke(ctx context.Context, id event.ID, reason, by string) (Key, error) {
	return s.end(ctx, id, Revoked, KindRevoked, reason, by)
}

func (s *Service) end(ctx context.Context, id event.ID, to State, kind, reason, by string) (Key, error) {
	reason = strings.TrimSpace(reason)
	if err := errors.Join(whoever(by), words("reason", reason)); err != nil {
		return Key{}, err
	}
	if reason == "" {
		return Key{}, invalid("reason", "Say why; it goes into the record.")
	}
	now := s.now()
	var k Key
	err := s.act(ctx, id, &k, func(ctx context.Context, tx *store.Tx) (string, error) {
		if !k.Open() && (to != Revoked || k.State != Retired) {
			return "", ErrConflict
		}
		if to == Retired && k.State == InUse {
			all, err := s.list(ctx, tx, "WHERE partner = $1", k.Partner)
			if err != nil {
				return "", err
			}
			if f := force(all, now); len(f.Keys) == 1 && f.Keys[0].ID == k.ID {
				return "", invalid("reason", "This is the only key in use: results would wait. Take another into use first; or revoke it, if it must not be used any more.")
			}
		}
		k.State, k.EndedAt, k.EndedBy, k.Reason = to, now, by, reason
		return kind, nil
	}, by, reason)
	s.changed(ctx, &k, err)
	return k, err
}

func (s *Service) changed(ctx context.Context, k *Key, err error) {
	if err == nil && s.Changed != nil {
		s.Changed(ctx, k.Partner)
	}
}

// act changes one key in a transaction: it reads it, holds it against its tag,
// lets change work on it, and writes it with its fact. change may run twice. It
// returns no kind where nothing is to be written.
func (s *Service) act(ctx context.Context, id event.ID, k *Key, change func(context.Context, *store.Tx) (string, error), by, reason string) error {
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var err error
		if *k, err = get(ctx, tx, id); err != nil {
			return err
		}
		if err := s.genuine(ctx, tx, k); err != nil {
			return err
		}
		was := k.State
		kind, err := change(ctx, tx)
		if err != nil || kind == "" {
			return err
		}
		if k.Leaf, err = s.fact(ctx, tx, kind, k, by, s.now(), reason); err != nil {
			return err
		}
		n, err := s.tags.Exec(ctx, tx, tagged, id[:], `UPDATE partners_keys SET state = $2, compared_at = $3, compared_by = $4, compared_with = $5,
			compared_how = $6, compared_number = $7, from_at = $8, used_at = $9, used_by = $10, ended_at = $11, ended_by = $12, reason = $13, leaf = $14
			WHERE id = $1 AND state = $15`, id[:], int64(k.State), micro(k.Comparison.At), k.Comparison.By, k.Comparison.With, k.Comparison.How,
			k.Comparison.Number, micro(k.From), micro(k.UsedAt), k.UsedBy, micro(k.EndedAt), k.EndedBy, k.Reason, k.Leaf, int64(was))
		if err == nil && n == 0 {
			err = ErrConflict
		}
		return err
	})
	return wrap("change key", err)
}

func (s *Service) fact(ctx context.Context, tx *store.Tx, kind string, k *Key, by string, at time.Time, reason string) (int64, error) {
	e := ledger.Event{
		Kind: kind, At: max(at.UnixMicro(), 0),
		IDs:   ledger.Pairs{{K: "by", V: ledger.Code(by)}, {K: "key", V: k.ID.String()}, {K: "partner", V: ledger.Code(k.Partner)}},
		Codes: ledger.Pairs{{K: "fingerprint", V: ledger.Code(k.Fingerprint)}, {K: "kind", V: ledger.Code(k.Kind)}},
	}
	if kind == KindCompared {
		e.Codes = append(e.Codes, ledger.Pair{K: "how", V: ledger.Code(k.Comparison.How)})
	}
	if reason != "" {
		e.Codes = append(e.Codes, ledger.Pair{K: "reason", V: ledger.Code(reason)})
	}
	if kind == KindUsed {
		e.Numbers = []ledger.Number{{K: "from", N: k.From.UnixMicro()}}
	}
	leaf, err := bus.Publish(ctx, tx, e)
	if err != nil {
		return 0, fmt.Errorf("record %s: %w", kind, err)
	}
	return leaf, nil
}

func whoever(by string) error {
	if strings.TrimSpace(by) == "" {
		return fmt.Errorf("%w: name who does this", ErrInvalid)
	}
	return nil
}

func words(field, s string) error {
	if len(s) > maxWords || strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
		return invalid(field, "Write at most %d characters on one line.", maxWords)
	}
	return nil
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
