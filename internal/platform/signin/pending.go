package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// What can be pending.
const (
	stepSecond   = "second"   // the password was right, a second factor is missing
	stepPasskey  = "passkey"  // a challenge to sign in with a passkey
	stepRegister = "register" // a challenge to make one
	stepTOTP     = "totp"     // a seed that was shown and not yet confirmed
)

const (
	pendingFor = 5 * time.Minute
	seedFor    = 10 * time.Minute // nothing is pending longer
	// perNetwork bounds what one network may have pending; the oldest makes room.
	perNetwork = 2000
)

// pending is what was begun. All of it is sealed for the row it stands in.
type pending struct {
	Kind    string          `json:"kind"`
	Person  []byte          `json:"person,omitempty"`
	Again   bool            `json:"again,omitempty"` // a step-up
	Expires int64           `json:"expires"`
	Realm   string          `json:"realm,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	// After is the half-done sign-in that this one completes.
	After []byte `json:"after,omitempty"`
}

func (p *pending) person() event.ID {
	id, err := event.IDFromBytes(p.Person)
	if err != nil {
		return event.ID{}
	}
	return id
}

// newToken is 256 random bits and what is stored of them.
func newToken() (token string, id []byte) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, tokenID(token)
}

func tokenID(token string) []byte {
	sum := sha256.Sum256([]byte("labwarden pending " + token))
	return sum[:]
}

func pendingPlace(id []byte) vault.Where {
	return vault.Where{Table: "signin_pending", Column: "body", Row: id}
}

func (s *Service) sealPending(id []byte, p *pending) ([]byte, error) {
	p.Realm = s.Realm
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("write a pending step: %w", err)
	}
	return s.Vault.Seal(vault.PurposeSecrets, pendingPlace(id), nil, text)
}

// put writes a pending step.
func (s *Service) put(ctx context.Context, tx *store.Tx, id, body []byte, expires int64, from netip.Addr) error {
	net := s.ofNetwork(from).id
	now := s.Now().UnixMicro()
	var n int64
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM signin_pending WHERE network = $1 AND expires_at >= $2", net, now).Scan(&n); err != nil {
		return err
	}
	if n >= perNetwork {
		err := tx.Queue(ctx, "DELETE FROM signin_pending WHERE id IN (SELECT id FROM signin_pending WHERE network = $1 ORDER BY expires_at LIMIT $2)", net, n-perNetwork+1)
		if err != nil {
			return err
		}
	}
	return errors.Join(
		tx.Queue(ctx, "DELETE FROM signin_pending WHERE expires_at < $1", now),
		tx.Queue(ctx, "INSERT INTO signin_pending (id, body, network, expires_at) VALUES ($1, $2, $3, $4)", id, body, net, expires),
	)
}

// begin makes a pending step of its own transaction and returns its token.
func (s *Service) begin(ctx context.Context, p *pending, lasts time.Duration, from netip.Addr) (string, error) {
	token, id := newToken()
	p.Expires = s.Now().Add(lasts).UnixMicro()
	body, err := s.sealPending(id, p)
	if err == nil {
		err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error { return s.put(ctx, tx, id, body, p.Expires, from) })
	}
	if err != nil {
		return "", fmt.Errorf("begin a sign-in: %w", err)
	}
	return token, nil
}

// open reads what a row holds; Refused with Gone where it is over or not of this
// kind.
func (s *Service) open(id, body []byte, kind string) (*pending, error) {
	text, err := s.Vault.Unseal(vault.PurposeSecrets, pendingPlace(id), nil, body)
	if err != nil {
		return nil, &Refused{Reason: Gone}
	}
	p := &pending{}
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("read a pending step: %w", err)
	}
	// One that ends later than any could was begun before the clock went back.
	now := s.Now()
	if p.Kind != kind || p.Realm != s.Realm || p.Expires < now.UnixMicro() || p.Expires > now.Add(seedFor).UnixMicro() {
		return nil, &Refused{Reason: Gone}
	}
	return p, nil
}

// peek reads a pending step and leaves it.
func (s *Service) peek(ctx context.Context, token, kind string) (*pending, error) {
	id := tokenID(token)
	var body []byte
	err := s.DB.QueryRow(ctx, "SELECT body FROM signin_pending WHERE id = $1", id).Scan(&body)
	if errors.Is(err, store.ErrNoRows) {
		return nil, &Refused{Reason: Gone}
	}
	if err != nil {
		return nil, fmt.Errorf("read a pending step: %w", err)
	}
	return s.open(id, body, kind)
}

// take reads a pending step and removes it, whatever follows: of many who take it
// at once one gets it.
func (s *Service) take(ctx context.Context, token, kind string) (*pending, error) {
	id := tokenID(token)
	var body []byte
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		body = nil
		err := tx.QueryRow(ctx, "DELETE FROM signin_pending WHERE id = $1 RETURNING body", id).Scan(&body)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take a pending step: %w", err)
	}
	if body == nil {
		return nil, &Refused{Reason: Gone}
	}
	return s.open(id, body, kind)
}

// spend removes a pending step within the transaction of what it was for; false:
// somebody was faster.
func spend(ctx context.Context, tx *store.Tx, id []byte) (bool, error) {
	n, err := tx.Exec(ctx, "DELETE FROM signin_pending WHERE id = $1", id)
	return n == 1, err
}
