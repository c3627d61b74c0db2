package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindReviewed is the event of a review of acts.
const KindReviewed = "acts.reviewed"

// actKinds are the events that another role reviews: what changes how the
// laboratory's systems run, or who gets in. A name that ends in a dot stands for
// all below it.
var actKinds = []string{
	"config.", "secret.", "keys.", "ledger.alarm_decided", "date.extended", "certificates.authority_requested", "certificates.authority_installed", "certificates.token_made", "certificates.ssh_issued", "certificates.revoked", "certificates.pinned", "certificates.unpinned", "maintenance.", "bypass.",
	KindInvited, KindPerson, KindEnded, KindReturned, KindConfirmed, KindGranted, KindTaken, KindLinkMade,
	KindServiceMade, KindServiceEnded, KindKeySet, KindTokenMade, KindProgramAllowed, KindTokenRevoked, KindPaired, KindUnpaired,
	KindRuleMade, KindRuleEnded, KindImported, KindLinked, KindUnlinked,
}

func isAct(kind string) bool {
	for _, k := range actKinds {
		if kind == k || strings.HasSuffix(k, ".") && strings.HasPrefix(kind, k) {
			return true
		}
	}
	return false
}

const (
	actsPosition = "acts"
	actsBatch    = 200
)

// GatherActs reads from the ledger what administrators did since the last time.
// It may run on several nodes at once: one wins.
func (s *Service) GatherActs(ctx context.Context) error {
	var from int64
	err := s.db.QueryRow(ctx, "SELECT leaf FROM access_position WHERE name = $1", actsPosition).Scan(&from)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return fmt.Errorf("gather acts: %w", err)
	}
	head, err := s.ledger.Head(ctx)
	if err != nil {
		return fmt.Errorf("gather acts: %w", err)
	}
	if head.Size <= from {
		return nil
	}
	at := from
	var found []Act
	flush := func() error {
		if err := s.keepActs(ctx, from, at, found); err != nil {
			return err
		}
		from, found = at, nil
		return nil
	}
	// Positions are ends of rows, so Walk misses none.
	err = s.ledger.Walk(ctx, from, head.Size, func(first int64, events [][]byte) error {
		for i, raw := range events {
			if kind := ledger.KindOf(raw); !isAct(kind) {
				continue
			}
			if e, err := ledger.ParseEvent(raw); err == nil && person(e.IDs.Get("by")) {
				found = append(found, actOf(first+int64(i), e))
			}
		}
		at = first + int64(max(len(events), 1))
		if len(found) >= actsBatch {
			return flush()
		}
		return nil
	})
	if err == nil && at > from {
		err = flush()
	}
	if errors.Is(err, errElsewhere) {
		return nil
	}
	return wrap("gather acts", err)
}

// person: what the program does by its dates is nobody's act.
func person(by string) bool { return by != "" && by != "-" && by != byJob }

var errElsewhere = errors.New("another node has gathered them")

func (s *Service) keepActs(ctx context.Context, from, to int64, acts []Act) error {
	return s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var have int64
		err := tx.QueryRow(ctx, "SELECT leaf FROM access_position WHERE name = $1", actsPosition).Scan(&have)
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return err
		}
		if have != from {
			return errElsewhere
		}
		for len(acts) > 0 {
			n := min(len(acts), actsBatch)
			for _, a := range acts[:n] {
				_, err := tx.Exec(ctx, `INSERT INTO access_acts (leaf, at, kind, account, about, reviewed_at, reviewed_by, verdict, note) VALUES ($1, $2, $3, $4, $5, 0, '', '', '')
					ON CONFLICT (leaf) DO NOTHING`, a.Leaf, micro(a.At), a.Kind, a.Account, list(a.About))
				if err != nil {
					return err
				}
				if err := s.tags.Put(ctx, tx, taggedActs, a.Leaf); err != nil {
					return err
				}
			}
			acts = acts[n:]
		}
		_, err = s.tags.Exec(ctx, tx, taggedPosition, actsPosition, "INSERT INTO access_position (name, leaf) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET leaf = excluded.leaf", actsPosition, to)
		return err
	})
}

// Acts lists what administrators did, the newest first: what nobody has
// reviewed, or the last of all. Needs acts.review.
func (s *Service) Acts(ctx context.Context, who *authz.Subject, all bool, limit int) ([]Act, error) {
	if err := who.May(authz.ReviewActs, authz.Object{}, s.now()); err != nil {
		return nil, err
	}
	where := "WHERE verdict = '' "
	if all {
		where = ""
	}
	var out []Act
	err := s.db.Query(ctx, actColumns+where+"ORDER BY leaf DESC LIMIT $1", []any{int64(limit)}, func(row store.Scanner) error {
		a, err := scanAct(row)
		out = append(out, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list acts: %w", err)
	}
	return out, nil
}

// OpenActs counts the acts that wait for a review by who: not their own.
func (s *Service) OpenActs(ctx context.Context, who *authz.Subject) (n int64, err error) {
	err = s.db.QueryRow(ctx, "SELECT count(*) FROM access_acts WHERE verdict = '' AND account <> $1", ledger.Code(who.Account)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count acts: %w", err)
	}
	return n, nil
}

const actColumns = "SELECT leaf, at, kind, account, about, reviewed_at, reviewed_by, verdict, note FROM access_acts "

func scanAct(row store.Scanner) (Act, error) {
	var a Act
	var at, reviewed int64
	var about string
	err := row.Scan(&a.Leaf, &at, &a.Kind, &a.Account, &about, &reviewed, &a.ReviewedBy, &a.Verdict, &a.Note)
	if err != nil {
		return a, err
	}
	a.At, a.Reviewed = moment(at), moment(reviewed)
	a.About, err = unlist(about)
	return a, err
}

// maxReview bounds how many acts one review covers.
const maxReview = 500

// ReviewActs signs acts off, all or none of those named. Needs acts.review, by a
// role that whoever did them does not hold; nobody reviews their own.
func (s *Service) ReviewActs(ctx context.Context, who *authz.Subject, leaves []int64, verdict, note string) error {
	if err := s.checkVerdict(who, verdict, note); err != nil {
		return err
	}
	if len(leaves) == 0 || len(leaves) > maxReview {
		return invalid("act", "Choose 1 to %d acts.", maxReview)
	}
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		asked := map[string]bool{}
		for _, leaf := range leaves {
			a, err := scanAct(tx.QueryRow(ctx, actColumns+"WHERE leaf = $1", leaf))
			switch {
			case errors.Is(err, store.ErrNoRows):
				return ErrNotFound
			case err != nil:
				return err
			case a.Account == ledger.Code(who.Account):
				return ErrOwnReview
			case a.Verdict != "":
				return ErrReviewed
			}
			if !asked[a.Account] {
				if err := s.anotherRole(ctx, tx, who, a.Account); err != nil {
					return err
				}
				if err := s.twoHands(ctx, tx, who.Account, a.Account); err != nil {
					return err
				}
				asked[a.Account] = true
			}
			_, err = s.tags.Exec(ctx, tx, taggedActs, leaf, "UPDATE access_acts SET reviewed_at = $1, reviewed_by = $2, verdict = $3, note = $4 WHERE leaf = $5", micro(s.now()), who.Account, verdict, note, leaf)
			if err != nil {
				return err
			}
		}
		_, err := s.fact(ctx, tx, KindReviewed, who.Account, nil, ledger.Pairs{{K: "verdict", V: verdict}},
			ledger.Number{K: "acts", N: int64(len(leaves))}, ledger.Number{K: "first", N: slices.Min(leaves)}, ledger.Number{K: "last", N: slices.Max(leaves)})
		return err
	})
	return wrap("review acts", err)
}

func (s *Service) checkVerdict(who *authz.Subject, verdict, note string) error {
	if err := who.May(authz.ReviewActs, authz.Object{}, s.now()); err != nil {
		return err
	}
	switch {
	case verdict != VerdictFine && verdict != VerdictNotFine:
		return invalid("verdict", "Say whether it was right.")
	case utf8.RuneCountInString(note) > maxNote || !utf8.ValidString(note):
		return invalid("note", "Write at most %d characters.", maxNote)
	case verdict == VerdictNotFine && len(strings.TrimSpace(note)) < 10:
		return invalid("note", "Say what was not right, in at least 10 characters.")
	}
	return nil
}

// anotherRole: who reviews by a role that gives acts.review and that whoever did
// it does not hold. What the console did has no roles.
func (s *Service) anotherRole(ctx context.Context, q store.Queryer, who *authz.Subject, account string) error {
	p, err := personBy(ctx, q, "WHERE account = $1", account)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	now := s.now()
	for _, info := range authz.Roles() {
		if !authz.Has(info.Role, authz.ReviewActs) || !who.Holds(info.Role, now) {
			continue
		}
		theirs := slices.ContainsFunc(p.Grants, func(g Grant) bool { return g.Role == info.Role && within(g.From, g.Until, now) })
		if p.ID == (event.ID{}) || !theirs {
			return nil
		}
	}
	return &Refusal{Kind: KindConflict, Text: "They hold the role you would review by. Somebody with another role must review this."}
}
