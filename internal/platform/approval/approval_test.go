package approval_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

var (
	ann = approval.Person{ID: event.ID{1}, Account: "ann"}
	bob = approval.Person{ID: event.ID{2}, Account: "bob"}
	cid = approval.Person{ID: event.ID{3}, Account: "cid"}
)

type rig struct {
	t    *testing.T
	db   *store.DB
	log  *bus.Log
	desk *approval.Desk
	now  time.Time
}

func newRig(t *testing.T, open storetest.Opener) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 5, 4, 6, 52, 0, 0, time.UTC)}
	r.db = open(store.Options{})
	r.must(r.db.Migrate(t.Context(), bus.Migrations(), approval.Migrations()))
	var err error
	r.log, err = bus.New("test")
	r.must(err)
	r.log.Attach(r.db)
	r.desk = approval.New(r.db, vaulttest.New(t), func() time.Time { return r.now })
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) ask(hash byte) approval.Ask {
	return approval.Ask{
		Kind: "config.apply", Object: "d1", Hash: approval.Hash{hash}, Author: ann, Barred: []approval.Person{cid},
		Reason: "new partner", Expires: r.now.Add(72 * time.Hour),
	}
}

func (r *rig) request(a approval.Ask) (out approval.Request) {
	r.t.Helper()
	r.must(r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) (err error) {
		out, err = r.desk.Request(ctx, tx, a)
		return err
	}))
	return out
}

func (r *rig) approve(id event.ID, by approval.Person, hash byte) error {
	return r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := r.desk.Approve(ctx, tx, id, by, approval.Hash{hash})
		return err
	})
}

func (r *rig) use(hash byte) error {
	return r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := r.desk.Use(ctx, tx, "config.apply", "d1", approval.Hash{hash})
		return err
	})
}

func (r *rig) void() {
	r.t.Helper()
	r.must(r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		return r.desk.Void(ctx, tx, "config.apply", "d1", "edited")
	}))
}

func (r *rig) refuse(id event.ID, by approval.Person, why string) error {
	return r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := r.desk.Refuse(ctx, tx, id, by, why)
		return err
	})
}

func (r *rig) exec(query string) {
	r.t.Helper()
	r.must(r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, query)
		return err
	}))
}

func (r *rig) want(err, is error) {
	r.t.Helper()
	if !errors.Is(err, is) {
		r.t.Fatalf("got %v, want %v", err, is)
	}
}

func (r *rig) facts() string {
	r.t.Helper()
	var out []string
	head, err := r.log.Head(r.t.Context())
	r.must(err)
	r.must(r.log.Walk(r.t.Context(), 0, head.Size, func(_ int64, events [][]byte) error {
		for _, e := range events {
			_, kind, _ := strings.Cut(string(e), `"kind":"approval.`)
			kind, _, _ = strings.Cut(kind, `"`)
			out = append(out, kind)
		}
		return nil
	}))
	return strings.Join(out, " ")
}

// TestAnActWaitsForASecondPerson: the whole way, and who may not.
func TestAnActWaitsForASecondPerson(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		q := r.request(r.ask(7))
		r.want(r.use(7), approval.ErrMissing) // nobody said yes
		r.want(r.approve(q.ID, ann, 7), approval.ErrOwn)
		r.want(r.approve(q.ID, cid, 7), approval.ErrOwn)                                                    // had a hand in it
		r.want(r.approve(q.ID, approval.Person{ID: event.ID{1}, Account: "ann-admin"}, 7), approval.ErrOwn) // the same person
		r.want(r.approve(q.ID, approval.Person{ID: event.ID{}, Account: "ann"}, 7), approval.ErrOwn)        // by the command line
		r.want(r.approve(q.ID, approval.Person{}, 7), approval.ErrNobody)                                   //
		r.want(r.approve(q.ID, bob, 8), approval.ErrChanged)                                                // saw something else
		r.want(r.approve(event.ID{9}, bob, 7), approval.ErrNotFound)                                        //
		r.must(r.approve(q.ID, approval.Person{ID: event.ID{}, Account: "bob"}, 7))                         // two accounts without a person differ
		r.want(r.use(8), approval.ErrChanged)                                                               // not what was approved
		r.must(r.use(7))                                                                                    //
		r.want(r.use(7), approval.ErrMissing)                                                               // once
		r.want(r.approve(q.ID, bob, 7), approval.ErrDecided)                                                //
		got, err := r.desk.Get(t.Context(), q.ID)
		r.must(err)
		if got.State != approval.Used || got.By.Account != "bob" || got.Barred[0] != cid || got.DecidedAt.IsZero() || got.EndedAt.IsZero() {
			t.Fatalf("%+v", got)
		}
		if f := r.facts(); f != "requested given used" {
			t.Fatal(f)
		}
		if all, err := r.desk.List(t.Context()); err != nil || len(all) != 0 {
			t.Fatal(all, err)
		}
	})
}

// TestAnEditVoids: also what was approved already, and a new request takes the
// place of the old one.
func TestAnEditVoids(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		q := r.request(r.ask(1))
		r.must(r.approve(q.ID, bob, 1))
		r.void()
		r.want(r.use(1), approval.ErrMissing)
		r.want(r.approve(q.ID, bob, 1), approval.ErrChanged)
		first := r.request(r.ask(2))
		second := r.request(r.ask(3))
		r.want(r.approve(first.ID, bob, 2), approval.ErrChanged)
		all, err := r.desk.List(t.Context())
		r.must(err)
		if len(all) != 1 || all[0].ID != second.ID {
			t.Fatalf("%+v", all)
		}
		r.must(r.refuse(second.ID, ann, "taken back"))
		r.want(r.refuse(second.ID, bob, "no"), approval.ErrDecided)
		r.want(r.use(3), approval.ErrMissing)
		r.void() // nothing lives: no error
		if f := r.facts(); f != "requested given voided requested voided requested refused" {
			t.Fatal(f)
		}
	})
}

// TestAnApprovalEnds: without the job as well.
func TestAnApprovalEnds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		q := r.request(r.ask(1))
		b := r.ask(2)
		b.Object = "d2"
		r.must(r.approve(q.ID, bob, 1))
		q2 := r.request(b)
		r.now = r.now.Add(72 * time.Hour)
		r.want(r.use(1), approval.ErrExpired)
		r.want(r.approve(q2.ID, bob, 2), approval.ErrExpired)
		if all, err := r.desk.List(t.Context()); err != nil || len(all) != 0 {
			t.Fatal(all, err)
		}
		n, err := r.desk.Expire(t.Context())
		r.must(err)
		if n != 2 {
			t.Fatal(n)
		}
		if n, err = r.desk.Expire(t.Context()); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		r.want(r.approve(q2.ID, bob, 2), approval.ErrExpired)
		late := r.ask(3)
		late.Expires = r.now
		r.want(r.db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			_, err := r.desk.Request(ctx, tx, late)
			return err
		}), approval.ErrExpired)
	})
}

// TestOneOfFiftyWins: fifty people approve at one moment.
func TestOneOfFiftyWins(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		q := r.request(r.ask(1))
		var mu sync.Mutex
		var won, late int
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				err := r.approve(q.ID, approval.Person{ID: event.ID{100, byte(i)}, Account: "p" + string(rune('A'+i))}, 1)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case errors.Is(err, approval.ErrDecided):
					late++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 || late != 49 {
			t.Fatalf("%d won, %d were late", won, late)
		}
		// And it is spent once.
		won, late = 0, 0
		for range 50 {
			wg.Go(func() {
				err := r.use(1)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if errors.Is(err, approval.ErrMissing) {
					late++
				}
			})
		}
		wg.Wait()
		if won != 1 || late != 49 {
			t.Fatalf("used %d times, refused %d", won, late)
		}
	})
}

// TestWhoEditsTheDatabaseApprovesNothing: each column is bound, and what does
// not fit its tag is neither approved nor used.
func TestWhoEditsTheDatabaseApprovesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		for _, damage := range []string{
			"state = 1", "hash = by_id || author_id", "author = 'somebody'", "author_id = by_id", "barred = '[]'", "expires_at = expires_at + 1",
			"by_whom = 'bob'", "reason = 'x'", "made_at = 1", "decided_at = 1", "why = 'x'", "ended_at = 1", "leaf = leaf + 1",
		} {
			r := newRig(t, open)
			r.exec("DELETE FROM row_tags")
			r.exec("DELETE FROM approval_requests")
			q := r.request(r.ask(1))
			found := 0
			r.must(r.desk.Audit(t.Context(), func(_, _, _ string) { found++ }))
			if found != 0 {
				t.Fatal("found before the damage")
			}
			r.exec("UPDATE approval_requests SET " + damage)
			r.must(r.desk.Audit(t.Context(), func(_, _, _ string) { found++ }))
			if found != 1 {
				t.Errorf("%s: found %d", damage, found)
			}
			if err := r.use(1); err == nil {
				t.Errorf("%s: used", damage)
			}
			if err := r.approve(q.ID, bob, 1); err == nil {
				t.Errorf("%s: approved", damage)
			}
		}
	})
}
