package vault

import (
	"fmt"
	"io"
)

// Shamir's secret sharing over GF(2^8) with the polynomial of AES (x^8 + x^4 +
// x^3 + x + 1), each byte on its own. No table lookups, so that the time does
// not depend on the secret.

func gfMul(a, b byte) byte {
	var p byte
	for range 8 {
		p ^= -(b & 1) & a
		a = a<<1 ^ 0x1b&-(a>>7)
		b >>= 1
	}
	return p
}

// gfInv is a^254, the inverse of all but 0.
func gfInv(a byte) byte {
	r := byte(1)
	for range 254 {
		r = gfMul(r, a)
	}
	return r
}

// split returns n strings, of which any k give secret back and fewer tell
// nothing about it; string i belongs to x = i+1.
func split(random io.Reader, secret []byte, n, k int) ([][]byte, error) {
	coef := make([]byte, len(secret)*(k-1))
	if _, err := io.ReadFull(random, coef); err != nil {
		return nil, fmt.Errorf("draw recovery shares: %w", err)
	}
	defer clear(coef)
	out := make([][]byte, n)
	for i := range out {
		x := byte(i + 1)
		out[i] = make([]byte, len(secret))
		for j := range secret {
			var y byte
			for c := k - 2; c >= 0; c-- {
				y = gfMul(y^coef[c*len(secret)+j], x)
			}
			out[i][j] = y ^ secret[j]
		}
	}
	return out, nil
}

// combine interpolates at 0. The xs must differ and not be 0.
func combine(xs []byte, ys [][]byte) []byte {
	out := make([]byte, len(ys[0]))
	for i, xi := range xs {
		w := byte(1)
		for j, xj := range xs {
			if i != j {
				w = gfMul(w, gfMul(xj, gfInv(xj^xi)))
			}
		}
		for b := range out {
			out[b] ^= gfMul(w, ys[i][b])
		}
	}
	return out
}
