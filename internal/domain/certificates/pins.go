package certificates

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Pin is somebody else's certificate that a person has looked at, for one
// channel.
type Pin struct {
	ID          string    `json:"id" doc:"its id"`
	Channel     string    `json:"channel" doc:"partner NAME or source NAME"`
	Subject     string    `json:"subject" doc:"the certificate's subject"`
	Fingerprint string    `json:"fingerprint" doc:"SHA-256 of the certificate"`
	Begins      time.Time `json:"begins" doc:"when it begins"`
	Ends        time.Time `json:"ends" doc:"when it ends"`
	Owner       string    `json:"owner" doc:"who sees to its end"`
	Made        time.Time `json:"made" doc:"when it was pinned"`
	By          string    `json:"by" doc:"who pinned it"`
	Removed     time.Time `json:"removed,omitzero" doc:"when it was taken out"`
	RemovedBy   string    `json:"removed_by,omitempty" doc:"who took it out"`

	id []byte
}

// Import pins the certificate of a file for a channel, beside those that are
// pinned already: a renewed one is imported before the old one goes.
func (s *Service) Import(ctx context.Context, channel string, file []byte, owner string, by By) (Pin, error) {
	if err := by.check(false); err != nil {
		return Pin{}, err
	}
	list, err := pki.Certificates(file)
	if err != nil {
		return Pin{}, invalid(err)
	}
	c := list[0]
	if c.IsCA {
		return Pin{}, refuse("the first certificate of the file is an authority's; pin the partner's own, or name the authority's file as ca in the configuration")
	}
	if _, ed := c.PublicKey.(ed25519.PublicKey); !ed {
		if err := pki.CheckKey(c.PublicKey); err != nil {
			return Pin{}, invalid(fmt.Errorf("its key is weak or unknown: %w", err))
		}
	}
	now := s.clock()
	if err := pki.InTime(c, "this certificate", now); err != nil {
		return Pin{}, invalid(err)
	}
	for _, p := range s.Pins(channel) {
		if p.Fingerprint == pki.Print(c.Raw) {
			return p, nil
		}
	}
	id := event.NewID()
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		leaf, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: "certificates.pinned", At: now.UnixMicro(), IDs: ledger.Pairs{{K: "pin", V: id.String()}, {K: "channel", V: ledger.Code(channel)}, {K: "by", V: ledger.Code(by.Who)}},
			Codes: ledger.Pairs{{K: "fingerprint", V: pki.Print(c.Raw)}}, Numbers: []ledger.Number{{K: "ends", N: c.NotAfter.UnixMicro()}},
		})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO certificates_pins (id, channel, certificate, ends_at, owner, made_at, made_by, removed_at, removed_by, leaf)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '', $8)`, id[:], channel, c.Raw, c.NotAfter.UnixMicro(), owner, now.UnixMicro(), by.Who, leaf)
		if err != nil {
			return err
		}
		return s.tags.Put(ctx, tx, taggedPins, id[:])
	})
	if err != nil {
		return Pin{}, fmt.Errorf("pin certificate: %w", err)
	}
	if err := s.Load(ctx); err != nil {
		return Pin{}, err
	}
	return pinOf(id[:], channel, owner, by.Who, now, c), nil
}

func pinOf(id []byte, channel, owner, by string, made time.Time, c *x509.Certificate) Pin {
	subject := c.Subject.CommonName
	if subject == "" {
		subject = c.Subject.String()
	}
	n, _ := event.IDFromBytes(id)
	return Pin{
		ID: n.String(), Channel: channel, Subject: subject, Fingerprint: pki.Print(c.Raw), Begins: c.NotBefore, Ends: c.NotAfter,
		Owner: owner, Made: made, By: by, id: id,
	}
}

// Unpin takes a pinned certificate out: new connections with it are refused.
func (s *Service) Unpin(ctx context.Context, id event.ID, by By) (Pin, error) {
	if err := by.check(true); err != nil {
		return Pin{}, err
	}
	all, err := s.allPins(ctx)
	if err != nil {
		return Pin{}, err
	}
	for _, p := range all {
		if p.ID != id.String() {
			continue
		}
		now := s.clock()
		err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			leaf, err := bus.Publish(ctx, tx, ledger.Event{
				Kind: "certificates.unpinned", At: now.UnixMicro(), IDs: ledger.Pairs{{K: "pin", V: p.ID}, {K: "channel", V: ledger.Code(p.Channel)}, {K: "by", V: ledger.Code(by.Who)}},
				Codes: ledger.Pairs{{K: "reason", V: ledger.Code(by.Reason)}},
			})
			if err != nil {
				return err
			}
			n, err := s.tags.Exec(ctx, tx, taggedPins, p.id, "UPDATE certificates_pins SET removed_at = $2, removed_by = $3, leaf = $4 WHERE id = $1 AND removed_at = 0", p.id, now.UnixMicro(), by.Who, leaf)
			if err == nil && n == 0 {
				err = ErrNotFound
			}
			return err
		})
		if err != nil {
			return p, fmt.Errorf("take out a pinned certificate: %w", err)
		}
		s.forgetPin(p)
		return p, nil
	}
	return Pin{}, ErrNotFound
}

// forgetPin acts here at once and tells who keeps connections.
func (s *Service) forgetPin(p Pin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := *s.now.Load()
	pins := make(map[string][]Pin, len(st.pins))
	for channel, list := range st.pins {
		for _, x := range list {
			if x.ID != p.ID {
				pins[channel] = append(pins[channel], x)
			}
		}
	}
	st.pins = pins
	s.put(&st)
}

// Pins are the certificates pinned for a channel.
func (s *Service) Pins(channel string) []Pin { return s.now.Load().pins[channel] }

// AllPins lists every pinned certificate that counts, what ends first in front.
func (s *Service) AllPins(ctx context.Context) ([]Pin, error) { return s.allPins(ctx) }

func (s *Service) allPins(ctx context.Context) ([]Pin, error) {
	out := []Pin{}
	err := s.db.Query(ctx, "SELECT id, channel, certificate, owner, made_at, made_by FROM certificates_pins WHERE removed_at = 0 ORDER BY ends_at, id", nil, func(row store.Scanner) error {
		var id, der []byte
		var channel, owner, by string
		var made int64
		if err := row.Scan(&id, &channel, &der, &owner, &made, &by); err != nil {
			return err
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return errors.New("a pinned certificate is not one")
		}
		out = append(out, pinOf(id, channel, owner, by, moment(made), c))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list pinned certificates: %w", err)
	}
	return out, nil
}

func (s *Service) loadPins(ctx context.Context, st *standing) error {
	all, err := s.allPins(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		ok, err := s.genuine(ctx, s.db, taggedPins, p.id)
		if err != nil {
			return err
		}
		if !ok {
			s.Log.Error("ALARM: the row of a pinned certificate was changed; it is not believed", "pin", p.ID)
			continue
		}
		st.pins[p.Channel] = append(st.pins[p.Channel], p)
	}
	return nil
}
