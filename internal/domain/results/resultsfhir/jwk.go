package resultsfhir

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// Key is a public key that a client signs with. The algorithm is the key's, never
// the assertion's: so no assertion can choose a weaker one.
type Key struct {
	ID        string // kid
	Algorithm string // RS384 or ES384
	public    crypto.PublicKey
}

// ErrKeys is in the chain of every error about a client's keys.
var ErrKeys = errors.New("not a usable set of keys")

// ParseKeys reads a JSON Web Key Set (RFC 7517 5) of public keys for RS384 and
// ES384, the two that SMART Backend Services asks for.
func ParseKeys(raw []byte) ([]Key, error) {
	var set struct {
		Keys []struct {
			Kty, Kid, Alg, Use, Crv, N, E, X, Y string
			D, P, K                             string
		}
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, fmt.Errorf("%w: it is no JSON Web Key Set", ErrKeys)
	}
	var out []Key
	seen := map[string]bool{}
	for i, k := range set.Keys {
		bad := func(what string) ([]Key, error) { return nil, fmt.Errorf("%w: key %d %s", ErrKeys, i+1, what) }
		switch {
		case k.D != "" || k.P != "" || k.K != "":
			return bad("holds a secret; register the public key, and have the partner change that one")
		case k.Kid == "" || len(k.Kid) > 200 || seen[k.Kid]:
			return bad("has no kid, or that of another")
		case k.Use != "" && k.Use != "sig":
			continue
		}
		seen[k.Kid] = true
		switch k.Kty {
		case "RSA":
			n, errN := number(k.N)
			e, errE := number(k.E)
			if errN != nil || errE != nil || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 || n.BitLen() < 2048 || n.BitLen() > 8192 {
				return bad("is no RSA key of 2048 bits or more")
			}
			if k.Alg != "" && k.Alg != "RS384" {
				return bad("is for " + k.Alg + "; RS384 is taken")
			}
			out = append(out, Key{k.Kid, "RS384", &rsa.PublicKey{N: n, E: int(e.Int64())}})
		case "EC":
			x, errX := base64.RawURLEncoding.DecodeString(k.X)
			y, errY := base64.RawURLEncoding.DecodeString(k.Y)
			if k.Crv != "P-384" || errX != nil || errY != nil || len(x) != 48 || len(y) != 48 || k.Alg != "" && k.Alg != "ES384" {
				return bad("is no key on P-384; ES384 is taken")
			}
			p, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), append(append([]byte{4}, x...), y...))
			if err != nil {
				return bad("is no point of P-384")
			}
			out = append(out, Key{k.Kid, "ES384", p})
		default:
			return bad("is neither RSA nor EC")
		}
	}
	if len(out) == 0 || len(out) > 20 {
		return nil, fmt.Errorf("%w: it has none, or more than 20", ErrKeys)
	}
	return out, nil
}

func number(s string) (*big.Int, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) == 0 || len(b) > 1024 {
		return nil, ErrKeys
	}
	return new(big.Int).SetBytes(b), nil
}
