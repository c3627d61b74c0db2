package portal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kinds of what a practice tells.
const (
	Missing = "missing"
	NotOurs = "wrong"
)

// Fates of what was not theirs.
const (
	Returned  = "returned"
	Destroyed = "destroyed"
	Unprinted = "nothing kept" // only looked at: nothing to return or destroy
)

// Told is what a practice told the laboratory.
type Told struct {
	ID      event.ID
	Kind    string
	Partner string
	Item    event.ID // zero: a period
	Message event.ID
	Name    string // who told it
	// Of one result: when it came, and who opened it first.
	Placed, Opened time.Time
	OpenedName     string
	From, Until    time.Time
	Again          int // how many were made new
	Fate           string
	// Sent is how many were placed since that they did not get, SentAt when the first.
	Sent   int
	SentAt time.Time
	// Sending, of what is told at this moment: another delivery was made.
	Sending  bool
	At, Done time.Time
	DoneBy   string
	Outcome  string
}

func (s *Service) tell(ctx context.Context, tx *store.Tx, p *Person, t *Told) error {
	t.ID, t.At = event.NewID(), s.Now()
	var item any
	if t.Item != (event.ID{}) {
		item = t.Item[:]
	}
	_, err := s.tags.Exec(ctx, tx, taggedAsks, t.ID[:], `INSERT INTO partners_portal_asks (id, kind, partner, item, person, from_at, until_at, again, fate, at, done_at, done_by, outcome)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, '', '')`,
		t.ID[:], t.Kind, t.Partner, item, p.ID[:], micro(t.From), micro(t.Until), int64(t.Again), t.Fate, micro(t.At))
	if err != nil {
		return err
	}
	kind, ids := KindMissing, ledger.Pairs{pair("person", p.ID), pair("told", t.ID), code("partner", t.Partner)}
	if t.Kind == NotOurs {
		kind = KindNotOurs
	}
	if t.Item != (event.ID{}) {
		ids = append(ids, pair("item", t.Item), pair("message", t.Message))
	}
	codes := ledger.Pairs(nil)
	if t.Fate != "" {
		codes = ledger.Pairs{code("fate", t.Fate)}
	}
	return s.fact(ctx, tx, kind, ids, codes, ledger.Number{K: "again", N: int64(t.Again)})
}

func (s *Service) renew(ctx context.Context, tx *store.Tx, items []Item) error {
	for i := range items {
		if _, err := s.tags.Exec(ctx, tx, taggedItems, items[i].ID[:], "UPDATE partners_portal_items SET fresh = 1 WHERE id = $1", items[i].ID[:]); err != nil {
			return err
		}
	}
	return nil
}

// NotGot makes one result new again, has it sent again and tells the laboratory.
func (s *Service) NotGot(ctx context.Context, p *Person, id event.ID) (Told, error) {
	var t Told
	var of Item
	var asked bool
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		x, err := s.item(ctx, tx, p, id)
		if err != nil {
			return err
		}
		if asked, err = s.asked(ctx, tx, &x); err != nil {
			return err
		}
		of, t = x, Told{Kind: Missing, Partner: x.Partner, Item: x.ID, Message: x.Message, Again: 1}
		if err := s.renew(ctx, tx, []Item{x}); err != nil {
			return err
		}
		return s.tell(ctx, tx, p, &t)
	})
	if err != nil {
		return t, fmt.Errorf("say that a result is missing: %w", err)
	}
	if !asked {
		t.Sending = s.sendAgain(context.WithoutCancel(ctx), p, &of)
	}
	return t, nil
}

// maxAsk is the longest period that is asked for at once.
const maxAsk = 31 * 24 * time.Hour

// NotGotSince makes the results of a period new again, and has the laboratory look
// for what is not here at all.
func (s *Service) NotGotSince(ctx context.Context, p *Person, partner string, from, until time.Time) (Told, error) {
	t := Told{Kind: Missing, Partner: partner, From: from, Until: until}
	if is, _ := p.Of(partner); !is {
		return t, ErrNotFound
	}
	if from.IsZero() || !until.After(from) || until.Sub(from) > maxAsk {
		return t, wrong("from", "Choose a first and a last day, at most a month apart.")
	}
	items, err := s.items(ctx, p, Ask{Partner: partner, All: true, From: from, Until: until}, batchMost)
	if err != nil {
		return t, err
	}
	t.Again = len(items)
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := s.renew(ctx, tx, items); err != nil {
			return err
		}
		return s.tell(ctx, tx, p, &t)
	})
	if err != nil {
		return t, fmt.Errorf("say that results are missing: %w", err)
	}
	return t, nil
}

// versionsOf are an item and the others about its orders that name the same patient: who
// is not theirs in one version is not in another. One that names somebody else stays.
func (s *Service) versionsOf(ctx context.Context, tx *store.Tx, x *Item) ([][]byte, error) {
	out := [][]byte{x.ID[:]}
	err := tx.Query(ctx, itemColumns+`WHERE i.partner = $1 AND i.id <> $2 AND i.hidden_at = 0 AND i.id IN (SELECT b.item FROM partners_portal_orders a JOIN partners_portal_orders b
		ON b.partner = a.partner AND b.order_key = a.order_key WHERE a.item = $2)`, []any{x.Partner, x.ID[:]}, func(row store.Scanner) error {
		y, err := s.scanItem(row)
		if err == nil && y.Label.Patient == x.Label.Patient && y.Label.Born == x.Label.Born {
			out = append(out, y.ID[:])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find other versions: %w", err)
	}
	return out, nil
}

// back shows again what was hidden together with an item.
func (s *Service) back(ctx context.Context, tx *store.Tx, item []byte) error {
	var ids [][]byte
	err := tx.Query(ctx, `SELECT i.id FROM partners_portal_items i JOIN partners_portal_items x ON x.partner = i.partner AND x.hidden_at = i.hidden_at
		WHERE x.id = $1 AND x.hidden_at > 0`, []any{item}, func(row store.Scanner) error {
		var id []byte
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	})
	for _, id := range ids {
		if err == nil {
			_, err = s.tags.Exec(ctx, tx, taggedItems, id, "UPDATE partners_portal_items SET hidden_at = 0, fresh = 1 WHERE id = $1", id)
		}
	}
	return err
}

// NotOurs takes a result and its other versions about the same patient out of the
// practice's sight at once and tells the laboratory, which decides about stops and about what was sent to whom.
func (s *Service) NotOurs(ctx context.Context, p *Person, id event.ID, fate string) (Told, error) {
	var t Told
	now := s.Now()
	if fate != Returned && fate != Destroyed && fate != Unprinted {
		return t, wrong("fate", "Say what became of what you printed or saved.")
	}
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		x, err := s.item(ctx, tx, p, id)
		if err != nil {
			return err
		}
		t = Told{Kind: NotOurs, Partner: x.Partner, Item: x.ID, Message: x.Message, Fate: fate}
		same, err := s.versionsOf(ctx, tx, &x)
		if err != nil {
			return err
		}
		for _, id := range same { // with one time, by which back finds them
			if _, err := s.tags.Exec(ctx, tx, taggedItems, id, "UPDATE partners_portal_items SET hidden_at = $1, fresh = 0 WHERE id = $2 AND hidden_at = 0", micro(now), id); err != nil {
				return err
			}
		}
		return s.tell(ctx, tx, p, &t)
	})
	if err != nil {
		return t, fmt.Errorf("say that a result is not theirs: %w", err)
	}
	if s.Raise != nil {
		name := s.Settings().Partners[t.Partner]
		s.Raise.Raise(context.WithoutCancel(ctx), alarm.Alarm{
			Key: alarm.Key{Kind: "portal.not_theirs", About: t.Partner}, Severity: alarm.Urgent, Once: true,
			Sentence: name + " says that a result in its portal is about a patient who is not theirs. It is hidden there.",
			Advice:   "Open the practice's portal page: find out whose it is, whether others went the same way, and whether it was a disclosure that must be reported. A transport stop is yours to place.",
		})
	}
	return t, nil
}

// Tellings lists what a practice told, or all practices for an empty partner: what is open,
// oldest first, or what was done, newest first.
func (s *Service) Tellings(ctx context.Context, partner string, done bool, limit int) ([]Told, error) {
	where, order, args := "a.done_at = 0", "a.at", []any{int64(limit)}
	if done {
		where, order = "a.done_at > 0", "a.done_at DESC"
	}
	if partner != "" {
		where, args = where+" AND a.partner = $2", append(args, partner)
	}
	var out []Told
	err := s.DB.Query(ctx, `SELECT a.id, a.kind, a.partner, a.item, i.message, p.name, a.from_at, a.until_at, a.again, a.fate, a.at, a.done_at, a.done_by, a.outcome,
		COALESCE(i.placed_at, 0), COALESCE(i.opened_at, 0), COALESCE(o.name, '')
		FROM partners_portal_asks a JOIN partners_portal_people p ON p.id = a.person LEFT JOIN partners_portal_items i ON i.id = a.item
		LEFT JOIN partners_portal_people o ON o.id = i.opened_by WHERE `+where+" ORDER BY "+order+" LIMIT $1", args, func(row store.Scanner) error {
		var t Told
		var id, item, message []byte
		var from, until, again, at, done, placed, opened int64
		err := row.Scan(&id, &t.Kind, &t.Partner, &item, &message, &t.Name, &from, &until, &again, &t.Fate, &at, &done, &t.DoneBy, &t.Outcome, &placed, &opened, &t.OpenedName)
		if err != nil {
			return err
		}
		t.From, t.Until, t.Again, t.At, t.Done = moment(from), moment(until), int(again), moment(at), moment(done)
		t.Placed, t.Opened = moment(placed), moment(opened)
		var e1, e2, e3 error
		t.ID, e1 = event.IDFromBytes(id)
		if item != nil {
			t.Item, e2 = event.IDFromBytes(item)
			t.Message, e3 = event.IDFromBytes(message)
		}
		out = append(out, t)
		return errors.Join(e1, e2, e3)
	})
	if err != nil {
		return nil, fmt.Errorf("list what practices told: %w", err)
	}
	for i := range out {
		if t := &out[i]; t.Kind == Missing {
			if t.Sent, t.SentAt, err = s.sentSince(ctx, s.DB, t); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// Outcomes of what was told.
const (
	OutcomeSent   = "sent again" // only of what was placed since they told
	OutcomeCalled = "called them"
	OutcomeTheirs = "it is theirs" // of a result that was said to be another's: shown again
	OutcomeNot    = "not theirs"
)

// Answer ends what a practice told, with what came of it. A result that is theirs
// after all is shown again. That it was sent again is said only where it was.
func (s *Service) Answer(ctx context.Context, partner string, id event.ID, outcome, by string) error {
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var kind string
		var item []byte
		var from, until, at int64
		err := tx.QueryRow(ctx, "SELECT kind, item, from_at, until_at, at FROM partners_portal_asks WHERE id = $1 AND partner = $2 AND done_at = 0", id[:], partner).Scan(&kind, &item, &from, &until, &at)
		if errors.Is(err, store.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if ok := map[string][]string{Missing: {OutcomeSent, OutcomeCalled}, NotOurs: {OutcomeTheirs, OutcomeNot}}[kind]; ok[0] != outcome && ok[1] != outcome {
			return wrong("outcome", "Say what came of it.")
		}
		if outcome == OutcomeSent {
			t := Told{Partner: partner, From: moment(from), Until: moment(until), At: moment(at)}
			copy(t.Item[:], item)
			n, _, err := s.sentSince(ctx, tx, &t)
			if err != nil {
				return err
			}
			if n == 0 {
				return wrong("outcome", "Nothing of it has come into their portal since they told you. Send it again first (its journey has the button), or say that you called.")
			}
		}
		if kind == NotOurs && outcome == OutcomeTheirs {
			if err := s.back(ctx, tx, item); err != nil {
				return err
			}
		}
		if _, err := s.tags.Exec(ctx, tx, taggedAsks, id[:], "UPDATE partners_portal_asks SET done_at = $1, done_by = $2, outcome = $3 WHERE id = $4", micro(s.Now()), by, outcome, id[:]); err != nil {
			return err
		}
		return s.fact(ctx, tx, KindAnswered, ledger.Pairs{pair("told", id), code("partner", partner), code("by", by)}, ledger.Pairs{code("outcome", outcome)})
	})
	if err != nil {
		return fmt.Errorf("answer a practice: %w", err)
	}
	return nil
}

// Withheld lists what rules keep back from a practice, oldest first; of all for "".
func (s *Service) Withheld(ctx context.Context, partner string, limit int) ([]Item, error) {
	where, args := "", []any{int64(limit)}
	if partner != "" {
		where, args = " AND i.partner = $2", append(args, partner)
	}
	var out []Item
	err := s.DB.Query(ctx, itemColumns+"WHERE i.withheld <> '' AND i.released_at = 0 AND i.hidden_at = 0"+where+" ORDER BY i.placed_at LIMIT $1", args, func(row store.Scanner) error {
		x, err := s.scanItem(row)
		out = append(out, x)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list what is kept back: %w", err)
	}
	return out, nil
}

// Release shows a practice what a rule kept back.
func (s *Service) Release(ctx context.Context, partner string, id event.ID, by string) error {
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var rule string
		err := tx.QueryRow(ctx, "SELECT withheld FROM partners_portal_items WHERE id = $1 AND partner = $2 AND withheld <> '' AND released_at = 0", id[:], partner).Scan(&rule)
		if errors.Is(err, store.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if _, err := s.tags.Exec(ctx, tx, taggedItems, id[:], "UPDATE partners_portal_items SET released_at = $1, released_by = $2 WHERE id = $3", micro(s.Now()), by, id[:]); err != nil {
			return err
		}
		return s.fact(ctx, tx, KindReleased, ledger.Pairs{pair("item", id), code("partner", partner), code("by", by)}, ledger.Pairs{code("rule", rule)})
	})
	if err != nil {
		return fmt.Errorf("let a result go to the portal: %w", err)
	}
	return nil
}
