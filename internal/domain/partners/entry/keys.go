package entry

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Kinds of host keys.
const (
	Ed25519 = "ssh-ed25519"
	P256    = "ssh-ecdsa-p256"
)

// HostKey returns the hub's host key of the kind, and makes it the first time.
func (s *Service) HostKey(ctx context.Context, kind string) (crypto.Signer, error) {
	var sealed []byte
	read := func() error {
		err := s.db.QueryRow(ctx, `SELECT private FROM entry_keys WHERE kind = $1`, kind).Scan(&sealed)
		if errors.Is(err, store.ErrNoRows) {
			return nil
		}
		return err
	}
	if err := read(); err != nil {
		return nil, fmt.Errorf("read host key: %w", err)
	}
	if sealed == nil {
		if err := s.makeKey(ctx, kind); err != nil {
			return nil, err
		}
		if err := read(); err != nil { // another node's, where both made one
			return nil, fmt.Errorf("read host key: %w", err)
		}
	}
	der, err := s.vault.Unseal(vault.PurposeSecrets, s.place("entry_keys", "private", kind), nil, sealed)
	if err != nil {
		return nil, fmt.Errorf("open host key: %w", err)
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read host key: %w", err)
	}
	signer, ok := k.(crypto.Signer)
	if !ok {
		return nil, errors.New("a stored host key does not sign")
	}
	return signer, nil
}

func (s *Service) makeKey(ctx context.Context, kind string) error {
	var key any
	var err error
	switch kind {
	case Ed25519:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case P256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		return fmt.Errorf("there is no host key of the kind %q", kind)
	}
	if err != nil {
		return fmt.Errorf("make host key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write host key: %w", err)
	}
	sealed, err := s.vault.Seal(vault.PurposeSecrets, s.place("entry_keys", "private", kind), nil, der)
	if err != nil {
		return fmt.Errorf("seal host key: %w", err)
	}
	now := s.now().UnixMicro()
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO entry_keys (kind, private, made_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, kind, sealed, now)
		if err != nil || n == 0 {
			return err
		}
		if err := s.tags.PutNew(ctx, tx, taggedKeys, kind, now); err != nil {
			return err
		}
		_, err = bus.Publish(ctx, tx, ledger.Event{Kind: "partner.hostkey.made", At: now, Codes: ledger.Pairs{{K: "kind", V: kind}}})
		return err
	})
	if err != nil {
		return fmt.Errorf("keep host key: %w", err)
	}
	return nil
}
