package vault

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// Purpose names what a key is for. A leaked or destroyed key touches only its
// purpose.
type Purpose string

// The purposes every new book has keys for. EnsurePurpose adds others.
const (
	PurposeBodies      Purpose = "bodies"
	PurposeIdentifiers Purpose = "identifiers"
	PurposeReceipts    Purpose = "receipts"
	PurposeIndex       Purpose = "index"
	PurposeSecrets     Purpose = "secrets"
	PurposeConfig      Purpose = "config"
	PurposeLedger      Purpose = "ledger"
)

func firstPurposes() []Purpose {
	return []Purpose{PurposeBodies, PurposeIdentifiers, PurposeReceipts, PurposeIndex, PurposeSecrets, PurposeConfig, PurposeLedger}
}

// Vault is an opened book. Use it from as many goroutines as you like.
type Vault struct {
	book  Book
	rand  io.Reader
	seals []Seal // those given to Open, tried again by Reload
	mu    sync.Mutex
	ring  atomic.Pointer[ring]
	bufs  sync.Pool // *[]byte for additional data
}

// CreateOptions say what a new book holds.
type CreateOptions struct {
	Lab       string // name in checkpoints and proofs: no white space, no '+', at most 200 bytes
	Seals     []Seal // at least one; two of different kinds are wise
	Shares    int    // recovery shares to make, at most 20; 0 for none
	Threshold int    // how many of them recover, at least 2
	Now       time.Time
}

// Create makes all keys and stores them as a new book; ErrExists if it already
// has one. random gives every key (nonces and salts always come from the
// system). The shares are returned once and stored nowhere: hand them out.
func Create(ctx context.Context, b Book, random io.Reader, opts CreateOptions) (*Vault, []Share, error) {
	if err := validLab(opts.Lab); err != nil {
		return nil, nil, fmt.Errorf("create keys: %w", err)
	}
	if len(opts.Seals) == 0 {
		return nil, nil, errors.New("create keys: no seal is given; the keys could never be opened again")
	}
	switch _, err := b.Load(ctx); {
	case err == nil:
		return nil, nil, fmt.Errorf("create keys: %w", ErrExists)
	case !errors.Is(err, ErrEmpty):
		return nil, nil, fmt.Errorf("create keys: %w", err)
	}
	c := &contents{Format: bookFormat, Revision: 1, Lab: opts.Lab, Changed: stamp(opts.Now), Seals: []sealEntry{}, Keys: []keyEntry{}}
	root, err := c.newRoot(random, opts.Now)
	if err != nil {
		return nil, nil, fmt.Errorf("create keys: %w", err)
	}
	var shares []Share
	if opts.Shares != 0 || opts.Threshold != 0 {
		if c.Recovery, shares, err = makeShares(random, root, c.Root.ID, opts.Shares, opts.Threshold, opts.Now); err != nil {
			return nil, nil, fmt.Errorf("create keys: %w", err)
		}
	}
	for _, s := range opts.Seals {
		if err := c.addSeal(random, s, root, opts.Now); err != nil {
			return nil, nil, fmt.Errorf("create keys: %w", err)
		}
	}
	for _, p := range firstPurposes() {
		if err := c.addKey(random, root, p, opts.Now); err != nil {
			return nil, nil, fmt.Errorf("create keys: %w", err)
		}
	}
	if err := c.addSigner(random, root, opts.Now); err != nil {
		return nil, nil, fmt.Errorf("create keys: %w", err)
	}
	raw, err := c.encode(root)
	if err != nil {
		return nil, nil, fmt.Errorf("create keys: %w", err)
	}
	p, err := parseBook(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("create keys: %w", err)
	}
	v, err := newVault(b, random, raw, p, root, opts.Seals)
	if err != nil {
		return nil, nil, fmt.Errorf("create keys: %w", err)
	}
	if err := b.Save(ctx, nil, raw); err != nil {
		if errors.Is(err, ErrConflict) {
			err = ErrExists
		}
		return nil, nil, fmt.Errorf("create keys: %w", err)
	}
	return v, shares, nil
}

// Open opens the book with the first seal that does. A *LockedError says which
// were tried and why each failed. It never writes.
func Open(ctx context.Context, b Book, seals ...Seal) (*Vault, error) {
	raw, p, err := load(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	root, err := p.Book.unlock(seals)
	if err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	v, err := newVault(b, rand.Reader, raw, p, root, seals)
	if err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	return v, nil
}

func newVault(b Book, random io.Reader, raw []byte, p *page, root []byte, seals []Seal) (*Vault, error) {
	r, err := newRing(raw, p, root, nil)
	if err != nil {
		return nil, err
	}
	v := &Vault{book: b, rand: random, seals: append([]Seal(nil), seals...)}
	v.bufs.New = func() any { b := make([]byte, 0, 256); return &b }
	v.ring.Store(r)
	return v, nil
}

func load(ctx context.Context, b Book) ([]byte, *page, error) {
	raw, err := b.Load(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("load key book: %w", err)
	}
	p, err := parseBook(raw)
	return raw, p, err
}

// unlock tries each seal on each wrap of its kind.
func (c *contents) unlock(seals []Seal) ([]byte, error) {
	var tried []Attempt
	for _, s := range seals {
		found := false
		for _, e := range c.Seals {
			if e.Kind != s.Kind() {
				continue
			}
			found = true
			root, err := s.Unwrap(e.Wrapped, e.Params)
			if err == nil && !c.checkRoot(root) {
				err = errors.New("its key is refused by the key check value: it belongs to another book")
			}
			if err == nil {
				return root, nil
			}
			tried = append(tried, Attempt{Kind: s.Kind(), Why: err})
		}
		if !found {
			tried = append(tried, Attempt{Kind: s.Kind(), Why: errors.New("this book has no seal of this kind")})
		}
	}
	return nil, &LockedError{Attempts: tried}
}

// Reload takes over what another process did to the book. Call it when Unseal
// says ErrUnknownKey, and after a hint that keys were rotated. After a rotation
// of the root it needs one of the seals that Open was given.
func (v *Vault) Reload(ctx context.Context) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reload(ctx)
}

func (v *Vault) reload(ctx context.Context) error {
	old := v.ring.Load()
	if old == nil {
		return ErrClosed
	}
	raw, p, err := load(ctx, v.book)
	if err != nil {
		return fmt.Errorf("reload keys: %w", err)
	}
	root := old.root
	if !p.Book.checkRoot(root) {
		if root, err = p.Book.unlock(v.seals); err != nil {
			return fmt.Errorf("reload keys: %w", err)
		}
	}
	r, err := newRing(raw, p, root, old)
	if err != nil {
		return fmt.Errorf("reload keys: %w", err)
	}
	if r.book.Revision < old.book.Revision {
		return fmt.Errorf("reload keys: the book went back from revision %d to %d: %w", old.book.Revision, r.book.Revision, ErrBook)
	}
	v.ring.Store(r)
	return nil
}

// Close forgets the keys; what is called later fails with ErrClosed. Calls in
// flight finish. The garbage collector decides when the memory is reused.
func (v *Vault) Close() { v.ring.Store(nil) }

func validLab(name string) error {
	bad := name == "" || len(name) > 200 || !utf8.ValidString(name)
	for _, r := range name {
		bad = bad || r == '+' || unicode.IsSpace(r) || unicode.IsControl(r)
	}
	if bad {
		return errors.New("the laboratory's name must have 1 to 200 bytes without white space, control characters and '+'; a domain name such as lab.example.org does well")
	}
	return nil
}

func randomHex(random io.Reader, n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("draw id: %w", err)
	}
	return hex.EncodeToString(b), nil
}

func equal(a, b []byte) bool { return hmac.Equal(a, b) }

// CheckBook reads the stored book again and holds it against the root key in
// memory: ErrBook says that it was changed by someone without that key, or put
// back to an earlier revision than the one in use.
func (v *Vault) CheckBook(ctx context.Context) error {
	r := v.ring.Load()
	if r == nil {
		return ErrClosed
	}
	raw, p, err := load(ctx, v.book)
	if err != nil {
		return fmt.Errorf("check key book: %w", err)
	}
	if now := v.ring.Load(); now != nil {
		r = now // changed while it was read
	}
	if p.Book.Root.ID != r.book.Root.ID {
		return nil // another process has rotated the root key: Reload judges that
	}
	mac, err := p.Book.mac(r.root)
	if err != nil {
		return err
	}
	if !equal(mac, p.MAC) {
		return fmt.Errorf("check key book: %w: its contents were changed by someone without the root key", ErrBook)
	}
	if p.Book.Revision < r.book.Revision && !equal(raw, r.raw) {
		return fmt.Errorf("check key book: the book went back from revision %d to %d: %w", r.book.Revision, p.Book.Revision, ErrBook)
	}
	return nil
}
