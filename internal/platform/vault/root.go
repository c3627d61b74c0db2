package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// AddSeal wraps the root key by one more seal, tried before it is stored.
func (v *Vault) AddSeal(ctx context.Context, s Seal, now time.Time) error {
	err := v.change(ctx, now, func(c *contents, root []byte) ([]byte, error) {
		return nil, c.addSeal(v.rand, s, root, now)
	})
	if err != nil {
		return fmt.Errorf("add seal: %w", err)
	}
	v.mu.Lock()
	v.seals = append(v.seals, s)
	v.mu.Unlock()
	return nil
}

// RemoveSeal takes the seal with this id (see Status) out of the book; never
// the last one (ErrLastSeal). Who kept an old copy of the book and the seal's
// secret still has the root key: rotate the root when a seal is lost to others.
func (v *Vault) RemoveSeal(ctx context.Context, id string, now time.Time) error {
	err := v.change(ctx, now, func(c *contents, _ []byte) ([]byte, error) {
		for i, e := range c.Seals {
			if e.ID != id {
				continue
			}
			if len(c.Seals) == 1 {
				return nil, ErrLastSeal
			}
			c.Seals = append(c.Seals[:i], c.Seals[i+1:]...)
			return nil, nil
		}
		return nil, errors.New("there is no such seal")
	})
	if err != nil {
		return fmt.Errorf("remove seal %s: %w", id, err)
	}
	return nil
}

// NewShares makes a new set of recovery shares; the old set is void from then
// on for this book (not for old copies of it). They are returned once.
func (v *Vault) NewShares(ctx context.Context, n, k int, now time.Time) ([]Share, error) {
	var shares []Share
	err := v.change(ctx, now, func(c *contents, root []byte) ([]byte, error) {
		var err error
		c.Recovery, shares, err = makeShares(v.rand, root, c.Root.ID, n, k, now)
		return nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("renew recovery shares: %w", err)
	}
	return shares, nil
}

// RotateRootOptions say with what the new root key is wrapped.
type RotateRootOptions struct {
	// Seals must open every seal of the book; those they do not open are named
	// in the error, or left out of the new book with DropMissing.
	Seals       []Seal
	DropMissing bool
	// Shares and Threshold of the new set; 0 and 0 keep the old numbers.
	Shares, Threshold int
	Now               time.Time
}

// RotateRoot makes a new root key, wraps all keys and all seals anew and makes
// new recovery shares (if there were any or any are asked for), in one Save.
// Records need no change. Old shares and old copies of the key files' wraps no
// longer open the book. The keys of the purposes stay the same: when the root
// has leaked together with a book, rotate and rewrap those too.
func (v *Vault) RotateRoot(ctx context.Context, o RotateRootOptions) ([]Share, error) {
	var shares []Share
	err := v.change(ctx, o.Now, func(c *contents, old []byte) ([]byte, error) {
		kept, err := c.match(o, old)
		if err != nil {
			return nil, err
		}
		r := v.ring.Load()
		if r == nil {
			return nil, ErrClosed
		}
		keys := map[KeyID][]byte{}
		for _, e := range c.Keys {
			keys[e.ID] = r.byID[e.ID].key
		}
		signer := r.signer.Seed()
		defer clear(signer)
		root, err := c.newRoot(v.rand, o.Now)
		if err != nil {
			return nil, err
		}
		c.Seals = c.Seals[:0]
		for _, k := range kept {
			wrapped, params, err := trySeal(k.seal, root)
			if err != nil {
				return nil, err
			}
			k.entry.Wrapped, k.entry.Params, k.entry.Created = wrapped, params, stamp(o.Now)
			c.Seals = append(c.Seals, k.entry)
		}
		under := derive(root, nil, "labwarden wrap v1", keySize)
		defer clear(under)
		for i := range c.Keys {
			e := &c.Keys[i]
			e.Wrapped = wrapKey(under, keys[e.ID], e.place(c.Root.ID)...)
		}
		last := &c.Signers[len(c.Signers)-1]
		last.Wrapped = wrapKey(under, signer, last.place(c.Root.ID)...)
		n, k := o.Shares, o.Threshold
		if n == 0 && k == 0 && c.Recovery != nil {
			n, k = c.Recovery.Shares, c.Recovery.Threshold
		}
		if n != 0 || k != 0 {
			c.Recovery, shares, err = makeShares(v.rand, root, c.Root.ID, n, k, o.Now)
		}
		return root, err
	})
	if err != nil {
		return nil, fmt.Errorf("rotate root key: %w", err)
	}
	v.mu.Lock()
	v.seals = append([]Seal(nil), o.Seals...)
	v.mu.Unlock()
	return shares, nil
}

type matched struct {
	entry sealEntry
	seal  Seal
}

// match finds for each entry of the book the given seal that opens it.
func (c *contents) match(o RotateRootOptions, root []byte) ([]matched, error) {
	var kept []matched
	var missing []string
	for _, e := range c.Seals {
		var found Seal
		for _, s := range o.Seals {
			if s.Kind() != e.Kind {
				continue
			}
			if got, err := s.Unwrap(e.Wrapped, e.Params); err == nil && equal(got, root) {
				found = s
				break
			}
		}
		if found == nil {
			missing = append(missing, e.ID+" ("+e.Kind+")")
			continue
		}
		kept = append(kept, matched{entry: e, seal: found})
	}
	if len(missing) > 0 && !o.DropMissing {
		return nil, fmt.Errorf("these seals are not at hand and would be lost: %s; give them, or allow that they are dropped", strings.Join(missing, ", "))
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("none of the given seals opens the book: %w", ErrLastSeal)
	}
	return kept, nil
}
