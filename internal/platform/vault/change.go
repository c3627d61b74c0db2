package vault

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// change applies edit to a copy of the book and saves it in one step; when
// another process was faster it takes that one's book over and edits again. A
// new root is returned by edit, or nil to keep the old.
func (v *Vault) change(ctx context.Context, now time.Time, edit func(c *contents, root []byte) ([]byte, error)) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for attempt := 0; ; attempt++ {
		old := v.ring.Load()
		if old == nil {
			return ErrClosed
		}
		c, root := old.book.clone(), old.root
		newRoot, err := edit(c, root)
		if err != nil {
			return err
		}
		if newRoot != nil {
			root = newRoot
		}
		c.Revision++
		c.Changed = stamp(now)
		raw, err := c.encode(root)
		if err != nil {
			return err
		}
		// Read it back before it replaces what works.
		p, err := parseBook(raw)
		if err != nil {
			return err
		}
		r, err := newRing(raw, p, root, old)
		if err != nil {
			return err
		}
		err = v.book.Save(ctx, old.raw, raw)
		if err == nil {
			v.ring.Store(r)
			return nil
		}
		if !errors.Is(err, ErrConflict) || attempt == 3 {
			return fmt.Errorf("save key book: %w", err)
		}
		if err := v.reload(ctx); err != nil {
			return err
		}
	}
}

// EnsurePurpose makes the first key of a purpose if there is none yet.
func (v *Vault) EnsurePurpose(ctx context.Context, p Purpose, now time.Time) error {
	r := v.ring.Load()
	if r == nil {
		return ErrClosed
	}
	if r.current[p] != nil {
		return nil
	}
	if p == "" || len(p) > 64 {
		return errors.New("add purpose: its name must have 1 to 64 bytes")
	}
	err := v.change(ctx, now, func(c *contents, root []byte) ([]byte, error) {
		for _, k := range c.Keys {
			if k.Purpose == p {
				return nil, errAlready
			}
		}
		return nil, c.addKey(v.rand, root, p, now)
	})
	if err != nil && !errors.Is(err, errAlready) {
		return fmt.Errorf("add purpose %q: %w", p, err)
	}
	return nil
}

var errAlready = errors.New("already done")

// Rotate makes a new key for a purpose. Seal uses it from the moment Rotate
// returns (other processes: from their next Reload); old keys still open old
// records. Rewrap carries a record over; Destroy removes a key that nothing
// uses any more. After Rotate of PurposeIndex look up by IndexVersions until
// every entry is rebuilt.
func (v *Vault) Rotate(ctx context.Context, p Purpose, now time.Time) error {
	err := v.change(ctx, now, func(c *contents, root []byte) ([]byte, error) {
		for _, k := range c.Keys {
			if k.Purpose == p {
				return nil, c.addKey(v.rand, root, p, now)
			}
		}
		return nil, ErrPurpose
	})
	if err != nil {
		return fmt.Errorf("rotate key of %q: %w", p, err)
	}
	return nil
}

// Destroy removes an old key from the book: every record still sealed with it
// is unreadable from then on, apart from copies of the book that still hold
// the key. The current key of a purpose is refused.
func (v *Vault) Destroy(ctx context.Context, id KeyID, now time.Time) error {
	err := v.change(ctx, now, func(c *contents, _ []byte) ([]byte, error) {
		at, last := -1, map[Purpose]int{}
		for i, k := range c.Keys {
			last[k.Purpose] = i
			if k.ID == id {
				at = i
			}
		}
		if at < 0 {
			return nil, ErrUnknownKey
		}
		if last[c.Keys[at].Purpose] == at {
			return nil, errors.New("it is the current key; rotate first")
		}
		c.Keys = append(c.Keys[:at], c.Keys[at+1:]...)
		return nil, nil
	})
	if err != nil {
		return fmt.Errorf("destroy key %v: %w", id, err)
	}
	return nil
}

// RotateSigner makes a new signing key and erases the old private one; the old
// public key stays in VerifierKeys.
func (v *Vault) RotateSigner(ctx context.Context, now time.Time) error {
	err := v.change(ctx, now, func(c *contents, root []byte) ([]byte, error) {
		at := stamp(now)
		last := &c.Signers[len(c.Signers)-1]
		last.Retired, last.Wrapped = &at, nil
		return nil, c.addSigner(v.rand, root, now)
	})
	if err != nil {
		return fmt.Errorf("rotate signing key: %w", err)
	}
	return nil
}

// newRoot draws a root key and writes its id and check value.
func (c *contents) newRoot(random io.Reader, now time.Time) ([]byte, error) {
	root := make([]byte, keySize)
	if _, err := io.ReadFull(random, root); err != nil {
		return nil, fmt.Errorf("draw root key: %w", err)
	}
	id, err := randomHex(random, 4)
	if err != nil {
		return nil, err
	}
	c.Root = rootEntry{ID: id, Created: stamp(now), Check: keyCheck(root, id)}
	return root, nil
}

func (c *contents) addKey(random io.Reader, root []byte, p Purpose, now time.Time) error {
	drawn := make([]byte, keySize+4)
	for {
		if _, err := io.ReadFull(random, drawn); err != nil {
			return fmt.Errorf("draw key: %w", err)
		}
		id := KeyID(binary.BigEndian.Uint32(drawn[keySize:]))
		taken := id == 0
		for _, k := range c.Keys {
			taken = taken || k.ID == id
		}
		if taken {
			continue
		}
		e := keyEntry{ID: id, Purpose: p, Created: stamp(now)}
		e.Wrapped = wrapKey(derive(root, nil, "labwarden wrap v1", keySize), drawn[:keySize], e.place(c.Root.ID)...)
		c.Keys = append(c.Keys, e)
		clear(drawn)
		return nil
	}
}

func (c *contents) addSigner(random io.Reader, root []byte, now time.Time) error {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return fmt.Errorf("draw signing key: %w", err)
	}
	defer clear(seed)
	e := signerEntry{Public: ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey), Created: stamp(now)}
	e.Wrapped = wrapKey(derive(root, nil, "labwarden wrap v1", keySize), seed, e.place(c.Root.ID)...)
	c.Signers = append(c.Signers, e)
	return nil
}

func (c *contents) addSeal(random io.Reader, s Seal, root []byte, now time.Time) error {
	wrapped, params, err := trySeal(s, root)
	if err != nil {
		return err
	}
	id, err := randomHex(random, 4)
	if err != nil {
		return err
	}
	c.Seals = append(c.Seals, sealEntry{ID: id, Kind: s.Kind(), Created: stamp(now), NeedsPerson: s.NeedsPerson(), Params: params, Wrapped: wrapped})
	return nil
}
