package keys_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// binds tags rows as a vault would.
type binds struct{}

func (binds) Index(domain string, parts ...[]byte) (out [16]byte) {
	h := sha256.New()
	for _, p := range append([][]byte{[]byte(domain)}, parts...) {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	copy(out[:], h.Sum(nil))
	return out
}

func (b binds) IndexVersions(domain string, parts ...[]byte) [][16]byte {
	return [][16]byte{b.Index(domain, parts...)}
}

// hands: mallory was let in by dana.
type hands struct{}

func (hands) OneHand(_ context.Context, _ store.Queryer, a, b string) (bool, error) {
	return a == b || a+b == "danamallory" || a+b == "mallorydana", nil
}

type rig struct {
	t   *testing.T
	s   *keys.Service
	db  *store.DB
	log *bus.Log
	at  time.Time
}

// read takes "KIND NAME": a key of that kind.
func read(b []byte, now time.Time) (keys.Material, error) {
	kind, name, ok := strings.Cut(string(b), " ")
	if !ok {
		return keys.Material{}, errors.New("this key cannot be used: it is none")
	}
	sum := sha256.Sum256(b)
	m := keys.Material{Kind: kind, Fingerprint: hex.EncodeToString(sum[:]), Bytes: b, Name: name, Strength: "X25519", Ends: now.AddDate(1, 0, 0)}
	if strings.HasPrefix(name, "weak") {
		m.Weak, m.Strength = true, "RSA 2048"
	}
	return m, nil
}

func newRig(t *testing.T, open storetest.Opener) *rig {
	t.Helper()
	r := &rig{t: t, db: open(store.Options{}), at: start}
	check(t, r.db.Migrate(t.Context(), bus.Migrations(), keys.Migrations()))
	var err error
	r.log, err = bus.New("n1")
	check(t, err)
	r.log.Attach(r.db)
	r.s = keys.New(keys.Deps{
		DB: r.db, Tags: binds{}, Read: read, Hands: hands{}, Now: func() time.Time { return r.at },
		Has: func(p string) bool { return p == "riverside" || p == "north" },
	})
	return r
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) add(partner, file string) keys.Key {
	r.t.Helper()
	k, err := r.s.Add(r.t.Context(), partner, []byte(file), "", "dana")
	check(r.t, err)
	return k
}

var byPhone = keys.Comparison{With: "Pat Ruiz", How: keys.ByPhone, Number: "+1 555 0100"}

func (r *rig) compare(k keys.Key) keys.Key {
	r.t.Helper()
	_, theirs := keys.Halves(k.Fingerprint)
	k, err := r.s.Compare(r.t.Context(), k.ID, byPhone, strings.Join(theirs, " "), "dana")
	check(r.t, err)
	return k
}

func (r *rig) use(k keys.Key, from time.Time, overlap int) keys.Key {
	r.t.Helper()
	k, err := r.s.Use(r.t.Context(), k.ID, from, overlap, "sofia")
	check(r.t, err)
	return k
}

// inUse is a key that has come all the way.
func (r *rig) inUse(partner, file string) keys.Key {
	r.t.Helper()
	return r.use(r.compare(r.add(partner, file)), r.at, 0)
}

// force are the names of the keys in force, the newest first.
func (r *rig) force(partner string) string {
	r.t.Helper()
	f, err := r.s.InForce(r.t.Context(), partner)
	if errors.Is(err, keys.ErrNoKey) {
		return "none"
	}
	check(r.t, err)
	var names []string
	for _, k := range f.Keys {
		names = append(names, k.Name)
	}
	if f.Late {
		names = append(names, "(late)")
	}
	return strings.Join(names, " ")
}

func (r *rig) events(kind string) int {
	r.t.Helper()
	head, err := r.log.Head(r.t.Context())
	check(r.t, err)
	n := 0
	for leaf := range head.Size {
		b, err := r.log.Event(r.t.Context(), leaf)
		check(r.t, err)
		if strings.Contains(string(b), `"`+kind+`"`) {
			n++
		}
	}
	return n
}
