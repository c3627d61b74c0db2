package vault

import (
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"time"
)

// See the package comment for the reasons of these numbers.
const (
	saltSize     = 12
	sessionLimit = 1 << 24 // records under one session key
	cacheSets    = 128
	cacheWays    = 4
)

// ring is one revision of the book, unwrapped. It does not change.
type ring struct {
	raw     []byte // the book as stored
	book    *contents
	root    []byte
	byID    map[KeyID]*keyVersion
	current map[Purpose]*keyVersion
	signer  ed25519.PrivateKey
}

// keyVersion is one purpose key with the session keys derived from it.
type keyVersion struct {
	id      KeyID
	purpose Purpose
	created time.Time
	key     []byte
	sealing atomic.Pointer[session]
	// opening is a set-associative cache: salts are random, so their first byte
	// picks the set. Only sessions that opened a genuine record get in.
	opening [cacheSets * cacheWays]atomic.Pointer[session]
	indexes indexes
}

type session struct {
	salt [saltSize]byte
	aead cipher.AEAD
	used atomic.Uint32
}

func (k *keyVersion) session(salt [saltSize]byte) *session {
	return &session{salt: salt, aead: newAEAD(derive(k.key, salt[:], "labwarden record v1 "+string(k.purpose), keySize))}
}

// toSeal returns a session with room for one record more.
func (k *keyVersion) toSeal() *session {
	for {
		s := k.sealing.Load()
		if s != nil && s.used.Load() < sessionLimit && s.used.Add(1) <= sessionLimit {
			return s
		}
		var salt [saltSize]byte
		rand.Read(salt[:]) // never fails: the program ends if it would
		fresh := k.session(salt)
		if k.sealing.CompareAndSwap(s, fresh) {
			k.keep(fresh)
		}
	}
}

func (k *keyVersion) toOpen(salt [saltSize]byte) (s *session, known bool) {
	set := k.opening[int(salt[0])%cacheSets*cacheWays:][:cacheWays]
	for i := range set {
		if s := set[i].Load(); s != nil && s.salt == salt {
			return s, true
		}
	}
	return k.session(salt), false
}

func (k *keyVersion) keep(s *session) {
	set := k.opening[int(s.salt[0])%cacheSets*cacheWays:][:cacheWays]
	for i := range set {
		if set[i].CompareAndSwap(nil, s) {
			return
		}
	}
	set[int(s.salt[1])%cacheWays].Store(s)
}

// newRing authenticates the book with root and unwraps everything in it. What
// old already holds is taken over with its cached sessions.
func newRing(raw []byte, p *page, root []byte, old *ring) (*ring, error) {
	c := &p.Book
	mac, err := c.mac(root)
	if err != nil {
		return nil, err
	}
	if !equal(mac, p.MAC) {
		return nil, fmt.Errorf("%w: its contents were changed by someone without the root key", ErrBook)
	}
	r := &ring{raw: raw, book: c, root: root, byID: map[KeyID]*keyVersion{}, current: map[Purpose]*keyVersion{}}
	under := derive(root, nil, "labwarden wrap v1", keySize)
	defer clear(under)
	for _, e := range c.Keys {
		key, err := unwrapKey(under, e.Wrapped, e.place(c.Root.ID)...)
		if err != nil {
			return nil, fmt.Errorf("unwrap key %v of %q: %w", e.ID, e.Purpose, err)
		}
		k := &keyVersion{id: e.ID, purpose: e.Purpose, created: e.Created, key: key}
		if old != nil && old.byID[e.ID] != nil && equal(old.byID[e.ID].key, key) && old.byID[e.ID].purpose == e.Purpose {
			k = old.byID[e.ID]
		}
		r.byID[k.id] = k
		r.current[k.purpose] = k
	}
	last := c.Signers[len(c.Signers)-1]
	seed, err := unwrapKey(under, last.Wrapped, last.place(c.Root.ID)...)
	if err != nil {
		return nil, fmt.Errorf("unwrap signing key: %w", err)
	}
	r.signer = ed25519.NewKeyFromSeed(seed)
	clear(seed)
	if !equal(r.signer.Public().(ed25519.PublicKey), last.Public) {
		return nil, fmt.Errorf("unwrap signing key: %w", ErrTampered)
	}
	return r, nil
}

// place is authenticated with a wrapped key, so that entries cannot be
// exchanged within a book or between books.
func (e *keyEntry) place(root string) [][]byte {
	return [][]byte{[]byte("key"), []byte(root), []byte(e.ID.String()), []byte(e.Purpose)}
}

func (e *signerEntry) place(root string) [][]byte {
	return [][]byte{[]byte("signer"), []byte(root), e.Public}
}
