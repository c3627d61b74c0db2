package keys_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/platform/bus/bustest"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

const day = 24 * time.Hour

func field(t *testing.T, err error, name string) {
	t.Helper()
	var f *keys.FieldError
	if !errors.As(err, &f) || f.Field != name {
		t.Errorf("%v, want a word about %s", err, name)
	}
}

// Nothing is used before it was compared and another person took it into use.
func TestTwoThingsBeforeUse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		k := r.add("riverside", "age one")
		if k.State != keys.Proposed || r.force("riverside") != "none" {
			t.Errorf("%+v", k)
		}
		if _, err := r.s.Use(ctx, k.ID, r.at, 0, "sofia"); !errors.Is(err, keys.ErrConflict) {
			t.Errorf("taken into use before it was compared: %v", err)
		}
		ours, theirs := keys.Halves(k.Fingerprint)
		half := strings.Join(theirs, " ")
		for name, c := range map[string]struct {
			c     keys.Comparison
			half  string
			field string
		}{
			"nobody":           {keys.Comparison{How: keys.ByPhone, Number: "1"}, half, "with"},
			"no way":           {keys.Comparison{With: "Pat", How: "by mail"}, half, "how"},
			"no number":        {keys.Comparison{With: "Pat", How: keys.ByPhone}, half, "number"},
			"the wrong half":   {byPhone, strings.Join(ours, " "), "half"},
			"nothing heard":    {byPhone, "", "half"},
			"one sign differs": {byPhone, half[:len(half)-1] + "x", "half"},
		} {
			if _, err := r.s.Compare(ctx, k.ID, c.c, c.half, "dana"); err == nil {
				t.Errorf("%s was taken", name)
			} else {
				field(t, err, c.field)
			}
		}
		if n := r.events(keys.KindDiffered); n != 3 {
			t.Errorf("%d groups that differed are on record", n)
		}
		if k, _ = r.s.Key(ctx, k.ID); k.State != keys.Proposed {
			t.Error("a comparison that failed counts")
		}
		// As it is heard on a bad line.
		spoken := ""
		for _, g := range theirs {
			spoken += strings.ToUpper(keys.Spoken(g)) + ", "
		}
		k, err := r.s.Compare(ctx, k.ID, byPhone, spoken, "dana")
		check(t, err)
		if k.State != keys.Compared || k.Comparison.By != "dana" || k.Comparison.With != "Pat Ruiz" || !k.Comparison.At.Equal(start) {
			t.Errorf("%+v", k)
		}
		for _, who := range []string{"dana", "mallory"} {
			if _, err := r.s.Use(ctx, k.ID, r.at, 0, who); !errors.Is(err, keys.ErrSecond) {
				t.Errorf("%s took it into use: %v", who, err)
			}
		}
		if r.force("riverside") != "none" {
			t.Error("it is used")
		}
		r.use(k, time.Time{}, 0)
		if r.force("riverside") != "one" || r.force("north") != "none" {
			t.Error(r.force("riverside"))
		}
		if _, err := r.s.Use(ctx, k.ID, r.at, 0, "sofia"); !errors.Is(err, keys.ErrConflict) {
			t.Errorf("twice: %v", err)
		}
		if _, err := r.s.Use(ctx, event.NewID(), r.at, 0, "sofia"); !errors.Is(err, keys.ErrNotFound) {
			t.Errorf("nothing: %v", err)
		}
	})
}

func TestAddRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		add := func(partner, file, weak string) error {
			_, err := r.s.Add(ctx, partner, []byte(file), weak, "dana")
			return err
		}
		field(t, add("nobody", "age one", ""), "partner")
		field(t, add("riverside", "nonsense", ""), "file")
		field(t, add("riverside", "cms weak", ""), "weak")
		check(t, add("riverside", "cms weak", "their card reader takes no longer one until May"))
		field(t, add("riverside", "cms weak", "again"), "file")
		k := r.inUse("riverside", "age one")
		if _, err := r.s.Revoke(ctx, k.ID, "lost", "sofia"); err != nil {
			t.Fatal(err)
		}
		field(t, add("riverside", "age one", ""), "file")
		if _, err := r.s.Add(ctx, "riverside", []byte("age two"), "", ""); !errors.Is(err, keys.ErrInvalid) {
			t.Errorf("nobody adds: %v", err)
		}
	})
}

// One key takes the other's place: both in the days between, then the new one.
func TestRotation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		old := r.inUse("riverside", "age old")
		next := r.compare(r.add("riverside", "age new"))
		if _, err := r.s.Retire(ctx, old.ID, "no longer", "sofia"); err == nil {
			t.Fatal("the only key was retired")
		}
		r.use(next, r.at.Add(2*day), 5)
		for after, want := range map[time.Duration]string{0: "old", 2*day - time.Second: "old", 2 * day: "new old", 7*day - time.Second: "new old", 7 * day: "new", 400 * day: "new"} {
			r.at = start.Add(after)
			if got := r.force("riverside"); got != want {
				t.Errorf("after %s: %s, want %s", after, got, want)
			}
		}
		r.at = start.Add(8 * day)
		if _, err := r.s.Retire(ctx, old.ID, "replaced", "sofia"); err != nil {
			t.Error(err)
		}
		// Another kind: never both in one file.
		pgp := r.compare(r.add("riverside", "openpgp third"))
		_, err := r.s.Use(ctx, pgp.ID, r.at, 3, "sofia")
		field(t, err, "overlap")
		r.use(pgp, r.at.Add(day), 0)
		if r.force("riverside") != "new" {
			t.Error("too early")
		}
		r.at = r.at.Add(day)
		if got := r.force("riverside"); got != "third" {
			t.Error(got)
		}
	})
}

// A date alone takes no partner's last key away; a revocation does.
func TestDatesNeverStopResults(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		r.inUse("riverside", "age old")
		next := r.use(r.compare(r.add("riverside", "age new")), r.at, 1)
		if r.force("riverside") != "new old" {
			t.Error(r.force("riverside"))
		}
		_, err := r.s.Revoke(ctx, next.ID, "their laptop was stolen", "sofia")
		check(t, err)
		if r.force("riverside") != "old" {
			t.Error("a revoked key is in force")
		}
		r.at = r.at.Add(30 * day)
		if got := r.force("riverside"); got != "old (late)" {
			t.Errorf("%s: the end of the overlap took the last key away", got)
		}
		// Its own end is long over.
		r.at = r.at.AddDate(2, 0, 0)
		if got := r.force("riverside"); got != "old (late)" {
			t.Error(got)
		}
		all, err := r.s.Of(ctx, "riverside")
		check(t, err)
		for _, k := range all {
			if k.State == keys.InUse {
				_, err := r.s.Revoke(ctx, k.ID, "also there", "sofia")
				check(t, err)
			}
		}
		if r.force("riverside") != "none" {
			t.Error("something is in force")
		}
	})
}

// Whoever edits the database stops the encryption to this partner, and gains
// nothing by it.
func TestEditedRowsAreNotUsed(t *testing.T) {
	for name, edit := range map[string]string{
		"another key":          "UPDATE partners_keys SET material = (SELECT material FROM partners_keys WHERE name = 'thief') WHERE name = 'one'",
		"never compared":       "UPDATE partners_keys SET state = 2, from_at = 1 WHERE name = 'thief'",
		"another partner's":    "UPDATE partners_keys SET partner = 'riverside' WHERE name = 'other'",
		"the old one for ever": "UPDATE partners_keys SET until_at = 0 WHERE name = 'zero'",
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, open storetest.Opener) {
				r := newRig(t, open)
				r.inUse("riverside", "age zero")
				r.inUse("riverside", "age one")
				r.inUse("north", "age other")
				r.add("riverside", "age thief")
				check(t, r.db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.Exec(ctx, edit)
					return err
				}))
				if _, err := r.s.InForce(t.Context(), "riverside"); !errors.Is(err, keys.ErrDamaged) {
					t.Error(err)
				}
			})
		})
	}
}

func TestEveryColumnIsBound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.inUse("riverside", "age one")
		r.add("north", "age two")
		bustest.EveryColumn(t, r.db, "partners_keys", nil, r.s.Audit)
	})
}

func TestGroups(t *testing.T) {
	fp := strings.Repeat("0123456789abcdef", 4)
	ours, theirs := keys.Halves(fp)
	if len(ours) != 8 || len(theirs) != 8 || strings.Join(append(ours, theirs...), "") != fp {
		t.Errorf("%v %v", ours, theirs)
	}
	if ours, theirs := keys.Halves(fp[:40]); len(ours) != 5 || len(theirs) != 5 {
		t.Errorf("%v %v", ours, theirs)
	}
	if s := keys.Spoken("0a1f"); s != "0 Alfa 1 Foxtrot" {
		t.Error(s)
	}
}
