package resultsfhir

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindGranted is the fact that a partner's program proved who it is.
const KindGranted = "fhir.token_granted"

const grantLife = 5 * time.Minute

var (
	taggedGrants = &bus.Tagged{Table: "results_fhir_grants", Key: "hash", Columns: []string{"partner", "client", "scopes", "ends_at"}}
	taggedUsed   = &bus.Tagged{Table: "results_fhir_used", Key: "hash", Columns: []string{"ends_at"}}
)

func systemRandom(b []byte) error { _, err := rand.Read(b); return err }

// token is the token endpoint: RFC 6749 4.4 with RFC 7523 2.2, as SMART Backend
// Services has it.
func (s *Service) token(w http.ResponseWriter, r *http.Request) {
	status, body := s.grant(w, r)
	b, err := json.Marshal(body)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Pragma", "no-cache") // RFC 6749 5.1
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

func (s *Service) grant(w http.ResponseWriter, r *http.Request) (int, map[string]any) {
	no := func(status int, code, text string) (int, map[string]any) {
		return status, map[string]any{"error": code, "error_description": text}
	}
	if wait := s.paces.door(s.now()); wait > 0 {
		w.Header().Set("Retry-After", seconds(wait))
		return no(http.StatusTooManyRequests, "temporarily_unavailable", "too many requests; come back later")
	}
	q, err := s.form(w, r)
	if err != nil {
		return no(http.StatusBadRequest, "invalid_request", "send a form: grant_type, scope, client_assertion_type, client_assertion")
	}
	for _, name := range []string{"grant_type", "scope", "client_assertion_type", "client_assertion"} {
		if len(q[name]) != 1 { // RFC 6749 3.2: no parameter more than once
			return no(http.StatusBadRequest, "invalid_request", name+" is needed, once")
		}
	}
	if q.Get("grant_type") != "client_credentials" {
		return no(http.StatusBadRequest, "unsupported_grant_type", "client_credentials is taken")
	}
	if q.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return no(http.StatusBadRequest, "invalid_request", "the client assertion is a signed JWT (private_key_jwt)")
	}
	set := s.settings.Load()
	c, said, err := s.verifyAssertion(set, q.Get("client_assertion"))
	ctx := r.Context()
	refused := func() (int, map[string]any) {
		return no(http.StatusUnauthorized, "invalid_client", "the assertion is not acceptable: check key, kid, aud (the token endpoint), exp (at most 5 minutes), your clock, and that each jti is used once")
	}
	if err != nil {
		s.log.Warn("a client assertion for the FHIR server was refused")
		return refused()
	}
	scopes := within(strings.Fields(q.Get("scope")), c.Scopes)
	if len(scopes) == 0 {
		return no(http.StatusBadRequest, "invalid_scope", "none of the scopes is allowed to this client")
	}
	var secret [32]byte
	if err := s.random(secret[:]); err != nil {
		return no(http.StatusInternalServerError, "server_error", "no token could be made")
	}
	text := base64.RawURLEncoding.EncodeToString(secret[:])
	now := s.now()
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		return s.keep(ctx, tx, c, said, s.hashOf(r, text), scopes, now)
	})
	switch {
	case errors.Is(err, errAssertion):
		s.log.Warn("a client assertion was shown a second time", "client", c.ID)
		return refused()
	case err != nil:
		s.log.Error("a FHIR token could not be kept", "client", c.ID, "error", err)
		return no(http.StatusServiceUnavailable, "temporarily_unavailable", "try again later")
	}
	return http.StatusOK, map[string]any{
		"access_token": text, "token_type": "bearer", "expires_in": int(grantLife.Seconds()), "scope": strings.Join(scopes, " "),
	}
}

// keep remembers the assertion, so that it is good once, and the token's hash.
func (s *Service) keep(ctx context.Context, tx *store.Tx, c *Client, said claims, hash [sha256.Size]byte, scopes []string, now time.Time) error {
	used := sha256.Sum256([]byte(said.client + "\x00" + said.jti))
	var one int64
	err := tx.QueryRow(ctx, "SELECT 1 FROM results_fhir_used WHERE hash = $1", used[:]).Scan(&one)
	if err == nil {
		return errAssertion
	}
	if !errors.Is(err, store.ErrNoRows) {
		return err
	}
	until := said.ends.Add(2 * skew).UnixMicro()
	if err := tx.Queue(ctx, "INSERT INTO results_fhir_used (hash, ends_at) VALUES ($1, $2)", used[:], until); err != nil {
		return err
	}
	if err := s.tags.PutNew(ctx, tx, taggedUsed, used[:], until); err != nil {
		return err
	}
	ends, joined := now.Add(grantLife).UnixMicro(), strings.Join(scopes, " ")
	err = tx.Queue(ctx, "INSERT INTO results_fhir_grants (hash, partner, client, scopes, ends_at) VALUES ($1, $2, $3, $4, $5)", hash[:], c.Partner, c.ID, joined, ends)
	if err != nil {
		return err
	}
	if err := s.tags.PutNew(ctx, tx, taggedGrants, hash[:], c.Partner, c.ID, joined, ends); err != nil {
		return err
	}
	_, err = bus.Publish(ctx, tx, ledger.Event{
		Kind: KindGranted, At: now.UnixMicro(), IDs: ledger.Pairs{{K: "partner", V: ledger.Code(c.Partner)}, {K: "by", V: ledger.Code(Account(c.ID))}},
	})
	return err
}

// hashOf is under what a token is known at the door that the request came by.
func (s *Service) hashOf(r *http.Request, text string) [sha256.Size]byte {
	if s.door != nil {
		if door := s.door(r); door != "" {
			text = door + "\x00" + text
		}
	}
	return sha256.Sum256([]byte(text))
}

func unauthorized() error {
	return &refusal{status: http.StatusUnauthorized, code: "login", text: "a bearer token is needed; get one at the token endpoint that /fhir/.well-known/smart-configuration names"}
}

// authenticate finds who asks, by the bearer token and nothing else.
func (s *Service) authenticate(r *http.Request) (*asked, error) {
	kind, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") || len(text) != 43 || len(r.Header.Values("Authorization")) != 1 {
		return nil, unauthorized()
	}
	hash := s.hashOf(r, text)
	var partner, client, scopes string
	var ends int64
	err := s.db.QueryRow(r.Context(), "SELECT partner, client, scopes, ends_at FROM results_fhir_grants WHERE hash = $1", hash[:]).Scan(&partner, &client, &scopes, &ends)
	if errors.Is(err, store.ErrNoRows) {
		return nil, unauthorized()
	}
	if err != nil {
		return nil, fmt.Errorf("look up a token: %w", err)
	}
	set := s.settings.Load()
	c := set.Clients[client]
	left := time.UnixMicro(ends).Sub(s.now())
	if c == nil || c.Partner != partner || left <= 0 || left > grantLife {
		return nil, unauthorized()
	}
	// Somebody who writes to the database must not write himself a token.
	forged := false
	if err := s.tags.Row(r.Context(), s.db, taggedGrants, hash[:], func(string, string) { forged = true }); err != nil {
		return nil, err
	}
	if forged {
		s.log.Error("a FHIR token in the database was changed or added there; it is refused", "client", client)
		return nil, unauthorized()
	}
	if wait := s.paces.take(c, s.now()); wait > 0 {
		return nil, &refusal{status: http.StatusTooManyRequests, code: "throttled", text: "too many requests; Retry-After says when to come back", retry: int(wait/time.Second) + 1}
	}
	return &asked{Request: r, client: c, scopes: parseScopes(strings.Fields(scopes)), base: set.Base}, nil
}
