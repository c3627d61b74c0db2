package resultsfhir

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"time"
)

const (
	// assertionLife: SMART App Launch 2.0, Backend Services, asks for at most five
	// minutes.
	assertionLife = 5 * time.Minute
	// skew is how far a client's clock may be behind or ahead.
	skew         = 30 * time.Second
	maxAssertion = 16 << 10
)

var errAssertion = errors.New("the client assertion is not acceptable")

// claims are those of a client assertion.
type claims struct {
	client, jti string
	ends        time.Time
}

// verifyAssertion checks a signed client assertion (RFC 7523 3): who signed, for
// whom, and until when. That it is used once is the caller's. Every failure is
// one error: who tries learns nothing.
func (s *Service) verifyAssertion(set *Settings, text string) (*Client, claims, error) {
	var none claims
	parts := strings.Split(text, ".")
	if len(text) > maxAssertion || len(parts) != 3 {
		return nil, none, errAssertion
	}
	var head struct {
		Alg, Kid, Typ string
		Crit          []string
	}
	var body struct {
		Iss, Sub, Jti string
		Aud           json.RawMessage
		Exp           json.Number
		Nbf, Iat      json.Number
	}
	if !decodePart(parts[0], &head) || !decodePart(parts[1], &body) || len(head.Crit) > 0 {
		return nil, none, errAssertion
	}
	c := set.Clients[body.Iss]
	if c == nil || body.Sub != body.Iss || len(body.Jti) < 8 || len(body.Jti) > 200 {
		return nil, none, errAssertion
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !c.signed(head.Alg, head.Kid, parts[0]+"."+parts[1], sig) {
		return nil, none, errAssertion
	}
	now := s.now()
	exp, okExp := unix(body.Exp)
	nbf, okNbf := unix(body.Nbf)
	iat, okIat := unix(body.Iat)
	switch {
	case !okExp || body.Exp == "" || !exp.After(now.Add(-skew)) || exp.After(now.Add(assertionLife+skew)):
		return nil, none, errAssertion
	case !okNbf || body.Nbf != "" && nbf.After(now.Add(skew)):
		return nil, none, errAssertion
	case !okIat || body.Iat != "" && iat.After(now.Add(skew)):
		return nil, none, errAssertion
	case !audience(body.Aud, set.Base+"/token"):
		return nil, none, errAssertion
	}
	return c, claims{body.Iss, body.Jti, exp}, nil
}

// signed: the key decides how, and only the key with this kid is tried.
func (c *Client) signed(alg, kid, text string, sig []byte) bool {
	for _, k := range c.Keys {
		if k.ID != kid || k.Algorithm != alg {
			continue
		}
		sum := sha512.Sum384([]byte(text))
		switch p := k.public.(type) {
		case *rsa.PublicKey: // RS384, RFC 7518 3.3
			return rsa.VerifyPKCS1v15(p, crypto.SHA384, sum[:], sig) == nil
		case *ecdsa.PublicKey: // ES384, RFC 7518 3.4: R || S
			if len(sig) != 96 {
				return false
			}
			return ecdsa.Verify(p, sum[:], new(big.Int).SetBytes(sig[:48]), new(big.Int).SetBytes(sig[48:]))
		}
	}
	return false
}

// decodePart reads a part strictly: no member twice, nothing behind it.
func decodePart(text string, v any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || twice(raw) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v) == nil && !d.More()
}

// twice says whether an object names a member twice, also in another case: two
// readers could then see two texts.
func twice(raw []byte) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return true
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok || seen[strings.ToLower(name)] {
			return true
		}
		seen[strings.ToLower(name)] = true
		var skip json.RawMessage
		if d.Decode(&skip) != nil {
			return true
		}
	}
	return false
}

// unix reads a NumericDate; an absent one is the zero time.
func unix(n json.Number) (time.Time, bool) {
	if n == "" {
		return time.Time{}, true
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0), true
}

// audience: one string, or several of which one is ours (RFC 7519 4.1.3).
func audience(raw json.RawMessage, want string) bool {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one == want
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil || len(many) > 10 {
		return false
	}
	for _, a := range many {
		if a == want {
			return true
		}
	}
	return false
}
