package tunnel

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
)

// tokenPrefix lets a person and a secret scanner recognise a token.
const tokenPrefix = "lwtunnel_"

// Token is what joins a far end once. Its text is a secret.
type Token struct {
	Hub  string `json:"h"` // where the hub listens, HOST:PORT
	Pin  string `json:"p"` // fingerprint of the hub's certificate
	Once []byte `json:"s"` // the secret that works once
}

// NewToken makes one of 256 bits; its hash is what is stored.
func NewToken(hub, pin string) (t Token, hash [32]byte) {
	t = Token{Hub: hub, Pin: pin, Once: make([]byte, 32)}
	_, _ = rand.Read(t.Once) // never fails (crypto/rand)
	return t, sha256.Sum256(t.Once)
}

// String is the token as it is handed over.
func (t Token) String() string {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err) // strings and bytes only
	}
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// ErrToken: the text is no token.
var ErrToken = errors.New("this is not a whole token of labwarden tunnel add: copy it again, in one piece")

// ParseToken reads one. Its error does not repeat it.
func ParseToken(s string) (Token, error) {
	var t Token
	rest, ok := strings.CutPrefix(strings.Join(strings.Fields(s), ""), tokenPrefix)
	if !ok {
		return t, ErrToken
	}
	b, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil || json.Unmarshal(b, &t) != nil || len(t.Once) != 32 || len(t.Pin) != 64 {
		return Token{}, ErrToken
	}
	if t.Hub, err = Address(t.Hub); err != nil {
		return Token{}, ErrToken
	}
	return t, nil
}
