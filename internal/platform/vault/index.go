package vault

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
	"sync/atomic"
)

const maxIndexDomains = 256 // cached; more still work, slower

// indexes caches one HMAC key per domain; copied on write.
type indexes struct {
	m atomic.Pointer[map[string]*sync.Pool]
}

type indexer struct {
	h   hash.Hash
	len [4]byte
	sum [sha256.Size]byte
}

// Index is a blind index: equal parts in the same domain give equal values, and
// without the key a value tells nothing. HMAC-SHA-256 under a key of the
// domain, each part after its length, cut to 16 bytes. Name the domain after
// what is indexed ("results accession"). Never index a field with few values
// alone: whoever reads the table could count them. Zero when the vault is
// closed.
func (v *Vault) Index(domain string, parts ...[]byte) [16]byte {
	r := v.ring.Load()
	if r == nil || r.current[PurposeIndex] == nil {
		return [16]byte{}
	}
	return r.current[PurposeIndex].index(domain, parts)
}

// IndexVersions is Index under every key of PurposeIndex, the current one
// first: what to look for while an index is being rebuilt after a rotation.
func (v *Vault) IndexVersions(domain string, parts ...[]byte) [][16]byte {
	r := v.ring.Load()
	if r == nil {
		return nil
	}
	var out [][16]byte
	for i := len(r.book.Keys) - 1; i >= 0; i-- {
		if e := r.book.Keys[i]; e.Purpose == PurposeIndex {
			out = append(out, r.byID[e.ID].index(domain, parts))
		}
	}
	return out
}

func (k *keyVersion) index(domain string, parts [][]byte) (out [16]byte) {
	pool := k.indexes.of(k, domain)
	x := pool.Get().(*indexer)
	x.h.Reset()
	for _, p := range parts {
		binary.BigEndian.PutUint32(x.len[:], uint32(len(p)))
		x.h.Write(x.len[:])
		x.h.Write(p)
	}
	x.h.Sum(x.sum[:0])
	copy(out[:], x.sum[:])
	pool.Put(x)
	return out
}

func (i *indexes) of(k *keyVersion, domain string) *sync.Pool {
	for {
		old := i.m.Load()
		if old != nil {
			if p := (*old)[domain]; p != nil {
				return p
			}
		}
		key := derive(k.key, nil, "labwarden index v1 "+domain, keySize)
		p := &sync.Pool{New: func() any { return &indexer{h: hmac.New(sha256.New, key)} }}
		m := map[string]*sync.Pool{domain: p}
		if old != nil {
			if len(*old) >= maxIndexDomains {
				return p
			}
			for d, q := range *old {
				m[d] = q
			}
		}
		if i.m.CompareAndSwap(old, &m) {
			return p
		}
	}
}
