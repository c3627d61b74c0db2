package approval

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Desk keeps requests. Its methods that take a transaction do their part of the
// caller's act: what they refuse, the act must not do.
type Desk struct {
	db   *store.DB
	tags *bus.Tags
	now  func() time.Time
	// hands is nil where nobody knows who brought whom in.
	hands Hands
}

// New works on a migrated store. keys bind the rows.
func New(db *store.DB, keys bus.Keys, now func() time.Time) *Desk {
	return &Desk{db: db, tags: bus.NewTags(keys), now: now}
}

func (d *Desk) clock() time.Time { return d.now().UTC().Truncate(time.Microsecond) }

// Request asks for a second person. A request for the same object that still
// lives is voided: there is one thing to look at.
func (d *Desk) Request(ctx context.Context, tx *store.Tx, a Ask) (Request, error) {
	now := d.clock()
	a.Expires = a.Expires.UTC().Truncate(time.Microsecond)
	if err := a.check(now); err != nil {
		return Request{}, err
	}
	if err := d.Void(ctx, tx, a.Kind, a.Object, "asked for anew"); err != nil {
		return Request{}, err
	}
	r := Request{ID: event.NewID(), Ask: a, MadeAt: now}
	var err error
	if r.Leaf, err = d.fact(ctx, tx, &r, "approval.requested", a.Author, now); err != nil {
		return r, err
	}
	none := event.ID{}
	_, err = tx.Exec(ctx, `INSERT INTO approval_requests (id, kind, object, hash, author, author_id, barred, reason, made_at, expires_at,
		state, by_whom, by_id, decided_at, why, ended_at, leaf) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, '', $11, 0, '', 0, $12)`,
		r.ID[:], r.Kind, r.Object, r.Hash[:], r.Author.Account, r.Author.ID[:], barred(r.Barred), r.Reason, micro(r.MadeAt), micro(r.Expires),
		none[:], r.Leaf)
	if err != nil {
		return r, fmt.Errorf("store request for approval: %w", err)
	}
	return r, d.tags.Put(ctx, tx, tagged, r.ID[:])
}

// Approve is the second person's yes to exactly the hash they saw.
func (d *Desk) Approve(ctx context.Context, tx *store.Tx, id event.ID, by Person, seen Hash) (Request, error) {
	r, err := get(ctx, tx, id)
	if err == nil {
		err = d.genuine(ctx, tx, r.ID)
	}
	if err != nil {
		return r, err
	}
	now := d.clock()
	if err := d.Bars(ctx, tx, r, by); err != nil {
		return r, err
	}
	switch {
	case r.State == Expired || r.State == Open && !now.Before(r.Expires):
		return r, ErrExpired
	case r.State == Voided:
		return r, ErrChanged
	case r.State != Open:
		return r, ErrDecided
	case r.Hash != seen:
		return r, ErrChanged
	}
	return d.end(ctx, tx, r, Approved, by, "", now)
}

// Refuse is a no: a second person's, or the author's own who takes it back.
func (d *Desk) Refuse(ctx context.Context, tx *store.Tx, id event.ID, by Person, why string) (Request, error) {
	r, err := get(ctx, tx, id)
	switch {
	case err != nil:
		return r, err
	case by.Account == "":
		return r, ErrNobody
	case strings.TrimSpace(why) == "":
		return r, ErrReason
	case r.State != Open && r.State != Approved:
		return r, ErrDecided
	}
	return d.end(ctx, tx, r, Refused, by, why, d.clock())
}

// Void ends what lives for an object because the object has changed. It is no
// error when there is nothing.
func (d *Desk) Void(ctx context.Context, tx *store.Tx, kind, object, why string) error {
	r, err := live(ctx, tx, kind, object)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = d.end(ctx, tx, r, Voided, r.By, why, d.clock())
	return err
}

// Use spends the approval of an object in the transaction that does what was
// approved; hash is of what is about to be done.
func (d *Desk) Use(ctx context.Context, tx *store.Tx, kind, object string, hash Hash) (Request, error) {
	r, err := live(ctx, tx, kind, object)
	if err == nil {
		err = d.genuine(ctx, tx, r.ID)
	}
	now := d.clock()
	switch {
	case errors.Is(err, ErrNotFound):
		return r, ErrMissing
	case err != nil:
		return r, err
	case r.State != Approved:
		return r, ErrMissing
	case !now.Before(r.Expires):
		return r, ErrExpired
	case r.Hash != hash:
		return r, ErrChanged
	}
	return d.end(ctx, tx, r, Used, r.By, r.Why, now)
}

// Expire writes down what has expired: a job runs it now and then. It returns
// how many did.
func (d *Desk) Expire(ctx context.Context) (n int, err error) {
	all, err := d.list(ctx, "WHERE state < 2 AND expires_at <= $1 ORDER BY id LIMIT 100", micro(d.clock()))
	if err != nil {
		return 0, err
	}
	for _, r := range all {
		err := d.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			now, err := get(ctx, tx, r.ID)
			if err != nil || now.State != Open && now.State != Approved {
				return err
			}
			_, err = d.end(ctx, tx, now, Expired, now.By, "nobody did it in time", d.clock())
			return err
		})
		if err != nil {
			return n, fmt.Errorf("let a request for approval expire: %w", err)
		}
		n++
	}
	return n, nil
}

// genuine refuses a request that somebody without the key has changed: neither
// its yes nor its hash can be believed.
func (d *Desk) genuine(ctx context.Context, tx *store.Tx, id event.ID) error {
	damaged := false
	if err := d.tags.Row(ctx, tx, tagged, id[:], func(string, string) { damaged = true }); err != nil {
		return err
	}
	if damaged {
		return ErrDamaged
	}
	return nil
}

func live(ctx context.Context, q store.Queryer, kind, object string) (Request, error) {
	return one(q.QueryRow(ctx, columns+"WHERE kind = $1 AND object = $2 AND state < 2", kind, object))
}

var kinds = map[State]string{
	Approved: "approval.given", Refused: "approval.refused", Expired: "approval.expired", Voided: "approval.voided", Used: "approval.used",
}

// end takes a request to another state, if it is still in the one that was read.
func (d *Desk) end(ctx context.Context, tx *store.Tx, r Request, to State, by Person, why string, now time.Time) (Request, error) {
	was := r.State
	r.State, r.By, r.Why = to, by, why
	if to == Approved || to == Refused {
		r.DecidedAt = now
	}
	if to != Approved {
		r.EndedAt = now
	}
	var err error
	if r.Leaf, err = d.fact(ctx, tx, &r, kinds[to], by, now); err != nil {
		return r, err
	}
	n, err := d.tags.Exec(ctx, tx, tagged, r.ID[:], `UPDATE approval_requests SET state = $2, by_whom = $3, by_id = $4, decided_at = $5,
		why = $6, ended_at = $7, leaf = $8 WHERE id = $1 AND state = $9`,
		r.ID[:], int64(to), by.Account, by.ID[:], micro(r.DecidedAt), r.Why, micro(r.EndedAt), r.Leaf, int64(was))
	if err != nil {
		return r, fmt.Errorf("store what became of a request for approval: %w", err)
	}
	if n == 0 {
		return r, ErrDecided
	}
	return r, nil
}

func (d *Desk) fact(ctx context.Context, tx *store.Tx, r *Request, kind string, by Person, at time.Time) (int64, error) {
	e := ledger.Event{
		Kind: kind, At: max(at.UnixMicro(), 0),
		IDs: ledger.Pairs{
			{K: "request", V: r.ID.String()}, {K: "object", V: ledger.Code(r.Object)}, {K: "author", V: ledger.Code(r.Author.Account)},
		},
		Codes: ledger.Pairs{{K: "act", V: ledger.Code(r.Kind)}, {K: "hash", V: hex.EncodeToString(r.Hash[:])}},
	}
	if by.Account != "" {
		e.IDs = append(e.IDs, ledger.Pair{K: "by", V: ledger.Code(by.Account)})
	}
	if why := r.Why; why != "" {
		e.Codes = append(e.Codes, ledger.Pair{K: "why", V: ledger.Code(why)})
	} else if kind == "approval.requested" {
		e.Codes = append(e.Codes, ledger.Pair{K: "reason", V: ledger.Code(r.Reason)})
	}
	leaf, err := bus.Publish(ctx, tx, e)
	if err != nil {
		return 0, fmt.Errorf("record %s: %w", kind, err)
	}
	return leaf, nil
}
