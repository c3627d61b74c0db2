package fhirhttp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

const (
	// assertionLife: SMART Backend Services: "exp" no more than five minutes ahead.
	assertionLife = 4 * time.Minute
	// tokenMargin: a token is renewed this long before it ends.
	tokenMargin = 30 * time.Second
	// maxToken bounds the token endpoint's answer.
	maxToken = 64 << 10
	// maxTokenLife bounds what expires_in may claim.
	maxTokenLife = 24 * time.Hour
)

func (o *OAuth) check() error {
	if _, err := httpsURL(o.TokenURL); err != nil {
		return fmt.Errorf("%w: token url: %w", errConfig, err)
	}
	if o.ClientID == "" {
		return fmt.Errorf("%w: client id is missing", errConfig)
	}
	_, err := o.algorithm()
	return err
}

// algorithm: SMART Backend Services asks for RS384 or ES384 (RFC 7518 3.3, 3.4).
func (o *OAuth) algorithm() (string, error) {
	if o.Key == nil {
		return "", fmt.Errorf("%w: signing key is missing", errConfig)
	}
	switch k := o.Key.Public().(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return "", fmt.Errorf("%w: RSA key has fewer than 2048 bits", errConfig)
		}
		return "RS384", nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P384() {
			return "", fmt.Errorf("%w: ES384 needs a P-384 key", errConfig)
		}
		return "ES384", nil
	}
	return "", fmt.Errorf("%w: signing key must be RSA or P-384", errConfig)
}

// assertion is the client's JWT (RFC 7523 3; RFC 7515 compact form).
func (o *OAuth) assertion(now time.Time, id string) (string, error) {
	alg, err := o.algorithm()
	if err != nil {
		return "", err
	}
	aud := o.Audience
	if aud == "" {
		aud = o.TokenURL
	}
	head, err := json.Marshal(struct {
		Alg string `json:"alg"`
		Kid string `json:"kid,omitempty"`
		Typ string `json:"typ"`
	}{alg, o.KeyID, "JWT"})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(struct {
		Iss string `json:"iss"`
		Sub string `json:"sub"`
		Aud string `json:"aud"`
		Exp int64  `json:"exp"`
		Iat int64  `json:"iat"`
		Jti string `json:"jti"`
	}{o.ClientID, o.ClientID, aud, now.Add(assertionLife).Unix(), now.Unix(), id})
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha512.Sum384([]byte(text))
	sig, err := o.Key.Sign(rand.Reader, sum[:], crypto.SHA384)
	if err != nil {
		return "", fmt.Errorf("sign client assertion: %w", err)
	}
	if alg == "ES384" {
		if sig, err = joinPair(sig); err != nil {
			return "", err
		}
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

// joinPair turns the ASN.1 pair of crypto.Signer into R || S of 48 bytes each
// (RFC 7518 3.4).
func joinPair(der []byte) ([]byte, error) {
	var p struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &p); err != nil || len(rest) > 0 || p.R.BitLen() > 384 || p.S.BitLen() > 384 || p.R.Sign() < 1 || p.S.Sign() < 1 {
		return nil, errors.New("sign client assertion: signer gave no ECDSA signature")
	}
	out := make([]byte, 96)
	p.R.FillBytes(out[:48])
	p.S.FillBytes(out[48:])
	return out, nil
}

// token returns a bearer token that is good for a while yet. stale is one the
// server just refused: it is not given again.
func (s *Sender) token(ctx context.Context, stale string) (string, error) {
	select { // one fetch at a time; waiting ends with the caller's context
	case s.fetch <- struct{}{}:
		defer func() { <-s.fetch }()
	case <-ctx.Done():
		return "", &channel.Error{Class: channel.Unreachable, Peer: s.peer(nil), Err: errors.New("wait for token: time ran out")}
	}
	if s.bearer != "" && s.bearer != stale && s.cfg.Now().Before(s.until) {
		return s.bearer, nil
	}
	s.bearer = ""
	t, life, err := s.askToken(ctx)
	if err != nil {
		return "", err
	}
	s.bearer, s.until = t, s.cfg.Now().Add(life-tokenMargin)
	return t, nil
}

// askToken makes the request of RFC 6749 4.4 with RFC 7523 2.2. Nothing of the
// message is handed over here, so failures are Unreachable, not Unanswered.
func (s *Sender) askToken(ctx context.Context) (string, time.Duration, error) {
	fail := func(class channel.Class, code string, err error) (string, time.Duration, error) {
		return "", 0, &channel.Error{Class: class, Code: code, Err: fmt.Errorf("get token: %w", err)}
	}
	var id [16]byte
	if _, err := s.random(id[:]); err != nil {
		return fail(channel.Misconfigured, "", errors.New("no randomness"))
	}
	o := s.cfg.OAuth
	jwt, err := o.assertion(s.cfg.Now(), hex.EncodeToString(id[:]))
	if err != nil {
		return fail(channel.Misconfigured, "", err)
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {jwt},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	if o.Scope != "" {
		form.Set("scope", o.Scope)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return fail(channel.Misconfigured, "", errors.New("bad token url"))
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := s.tokens.Do(req)
	if err != nil {
		return fail(channel.Unreachable, "", cause(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxToken+1))
	if err != nil || len(body) > maxToken {
		return fail(channel.Unreachable, status(resp), errors.New("answer was cut off or too long"))
	}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		return fail(channel.Busy, status(resp), errors.New("token server is busy"))
	case resp.StatusCode != http.StatusOK: // invalid_client, invalid_scope ...: repeating will not help
		return fail(channel.Misconfigured, status(resp), errors.New("token server refused our client"))
	}
	return readToken(resp, body, fail)
}

func readToken(resp *http.Response, body []byte, fail func(channel.Class, string, error) (string, time.Duration, error)) (string, time.Duration, error) {
	var t struct {
		AccessToken string  `json:"access_token"`
		TokenType   string  `json:"token_type"`
		ExpiresIn   float64 `json:"expires_in"`
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err := json.Unmarshal(body, &t); err != nil || kind != "application/json" || !strings.EqualFold(t.TokenType, "bearer") || !tokenText(t.AccessToken) {
		return fail(channel.Unreachable, status(resp), errors.New("answer is no bearer token"))
	}
	life := 5 * time.Minute // RFC 6749 5.1 only recommends expires_in; SMART's tokens live this long at most
	if t.ExpiresIn > 0 {
		life = time.Duration(min(t.ExpiresIn, maxTokenLife.Seconds()) * float64(time.Second))
	}
	return t.AccessToken, life, nil
}

// tokenText: RFC 6750 2.1, b64token, so that no answer can inject a header.
func tokenText(s string) bool {
	ok := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || bytes.ContainsRune([]byte("-._~+/="), r)
	}
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !ok(r) }) < 0
}
