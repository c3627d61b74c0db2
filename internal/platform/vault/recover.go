package vault

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"time"
)

// makeShares draws a recovery key, wraps root under it and splits it.
func makeShares(random io.Reader, root []byte, rootID string, n, k int, now time.Time) (*recoveryEntry, []Share, error) {
	if k < 2 || n < k || n > maxShares {
		return nil, nil, fmt.Errorf("make recovery shares: %d of %d is not possible; take 2 or more of at most %d", k, n, maxShares)
	}
	drawn := make([]byte, 4+keySize)
	if _, err := io.ReadFull(random, drawn); err != nil {
		return nil, nil, fmt.Errorf("draw recovery key: %w", err)
	}
	defer clear(drawn)
	set, key := [4]byte(drawn), drawn[4:]
	parts, err := split(random, key, n, k)
	if err != nil {
		return nil, nil, err
	}
	e := &recoveryEntry{Created: stamp(now), Threshold: k, Shares: n}
	shares := make([]Share, n)
	for i, p := range parts {
		shares[i] = Share{set: set, threshold: k, total: n, index: i + 1, data: [keySize]byte(p)}
		e.Prints = append(e.Prints, shares[i].print())
	}
	e.Set = shares[0].Set()
	e.Wrapped = wrapKey(key, root, []byte("recovery"), []byte(rootID), []byte(e.Set))
	return e, shares, nil
}

// Recover opens the book with recovery shares. Too few give a
// *MissingSharesError that says how many are missing; a share of another set,
// a changed one, or two different ones of the same number are named. It never
// writes: call AddSeal next, or the shares stay the only way in.
func Recover(ctx context.Context, b Book, shares []Share) (*Vault, error) {
	raw, p, err := load(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("recover keys: %w", err)
	}
	root, err := p.Book.recover(shares)
	if err != nil {
		return nil, fmt.Errorf("recover keys: %w", err)
	}
	return newVault(b, rand.Reader, raw, p, root, nil)
}

func (c *contents) recover(shares []Share) ([]byte, error) {
	e := c.Recovery
	if e == nil {
		return nil, fmt.Errorf("%w: this book has no recovery shares", ErrShares)
	}
	var xs []byte
	var ys [][]byte
	seen := map[int]bool{}
	for _, s := range shares {
		if s.Set() != e.Set {
			return nil, fmt.Errorf("%w: share %d is of set %s, this book's shares are of set %s (made %s)",
				ErrShares, s.index, s.Set(), e.Set, e.Created.Format(time.DateOnly))
		}
		if s.index < 1 || s.index > e.Shares || s.threshold != e.Threshold || s.total != e.Shares || !bytes.Equal(s.print(), e.Prints[s.index-1]) {
			return nil, fmt.Errorf("%w: share %d was changed; it is not the one that was made for this book", ErrShares, s.index)
		}
		if !seen[s.index] {
			seen[s.index] = true
			xs, ys = append(xs, byte(s.index)), append(ys, s.data[:])
		}
	}
	if len(xs) < e.Threshold {
		return nil, &MissingSharesError{Have: len(xs), Need: e.Threshold}
	}
	key := combine(xs[:e.Threshold], ys[:e.Threshold])
	defer clear(key)
	root, err := unwrapKey(key, e.Wrapped, []byte("recovery"), []byte(c.Root.ID), []byte(e.Set))
	if err != nil || !c.checkRoot(root) {
		return nil, fmt.Errorf("%w: the shares fit together, but the book was changed", ErrBook)
	}
	return root, nil
}
