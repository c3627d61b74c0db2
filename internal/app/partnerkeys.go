package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/channel/envelope"
	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// The kinds of alarms about partners' keys. docs/operate/alarms.md lists them.
const (
	kindNoKey   = "partner.no_key"
	kindLateKey = "partner.key_late"
	kindKeyEnds = "partner.key_ends"
)

// newPartnerKeys makes the register of partners' keys.
func (h *Hub) newPartnerKeys() *keys.Service {
	return keys.New(keys.Deps{
		DB: h.DB, Tags: h.Vault, Hands: h.Access, Now: h.now,
		Read: func(file []byte, now time.Time) (keys.Material, error) {
			k, err := envelope.ReadPublicKey(file, now)
			return keys.Material{Kind: k.Kind, Fingerprint: k.Fingerprint, Bytes: k.Material, Name: k.Name, Strength: k.Strength, Weak: k.Weak, Ends: k.Ends}, err
		},
		Changed: func(ctx context.Context, partner string) {
			// What waits for a key goes now, not when the partner is tried next.
			if _, err := h.restage(ctx); err != nil {
				h.slog.Warn("what waits for a key is tried again later", "partner", partner, "error", err)
			}
		},
		Has: func(partner string) bool {
			c := h.inForce()
			if c == nil {
				return false
			}
			_, ok := c.Partners[partner]
			return ok
		},
	})
}

// registered gives what to encrypt to from the register, asked anew for each
// message: a revocation holds from the next one on, on every node.
func (h *Hub) registered(partner string) envelope.Source {
	var mu sync.Mutex
	var last envelope.Encrypter
	var mark string
	return func(ctx context.Context) (envelope.Encrypter, error) {
		f, err := h.rooms.keys.InForce(ctx, partner)
		if err != nil {
			return nil, err
		}
		var all []envelope.PublicKey
		is := ""
		for i := range f.Keys {
			all = append(all, publicKey(&f.Keys[i]))
			is += f.Keys[i].ID.String() + " "
		}
		mu.Lock()
		defer mu.Unlock()
		if is == mark {
			return last, nil
		}
		e, err := envelope.ToKeys(all)
		if err != nil {
			return nil, fmt.Errorf("use the keys of %s: %w", partner, err)
		}
		last, mark = e, is
		return e, nil
	}
}

// keyMark changes with the registered keys in force, and with it the sender.
func (h *Hub) keyMark(ctx context.Context, partner string, d config.Destination) string {
	if !usesRegister(d) {
		return ""
	}
	f, err := h.rooms.keys.InForce(ctx, partner)
	mark := fmt.Sprint(err)
	for i := range f.Keys {
		mark += f.Keys[i].Fingerprint
	}
	return mark
}

func publicKey(k *keys.Key) envelope.PublicKey {
	return envelope.PublicKey{Kind: k.Kind, Fingerprint: k.Fingerprint, Material: k.Bytes, Name: k.Name, Strength: k.Strength, Weak: k.Weak, Ends: k.Ends}
}

// fixed is a Source of keys that do not change.
func fixed(all []envelope.PublicKey) (envelope.Source, error) {
	e, err := envelope.ToKeys(all)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (envelope.Encrypter, error) { return e, nil }, nil
}

func usesRegister(d config.Destination) bool { return d.Encrypt != nil && d.Encrypt.Keys != "" }

// cardKeys are the keys in force of every partner that uses the register, for the
// bypass, and a mark that changes with them.
func (h *Hub) cardKeys(ctx context.Context, c *config.Config) (all map[string][][]byte, mark string, err error) {
	sum := sha256.New()
	for _, key := range sorted(c.Partners) {
		if !usesRegister(c.Partners[key].Destination) {
			continue
		}
		f, err := h.rooms.keys.InForce(ctx, key)
		if errors.Is(err, keys.ErrNoKey) || errors.Is(err, keys.ErrDamaged) {
			continue // in bypass nothing goes there either
		}
		if err != nil {
			return nil, "", err
		}
		if all == nil {
			all = map[string][][]byte{}
		}
		for i := range f.Keys {
			all[key] = append(all[key], f.Keys[i].Bytes)
			fmt.Fprintf(sum, "%s %s\n", key, f.Keys[i].Fingerprint)
		}
	}
	if all == nil {
		return nil, "", nil
	}
	return all, hex.EncodeToString(sum.Sum(nil)), nil
}

// ofCard gives the keys of the bypass card. The register is not there to ask; a
// key that has ended meanwhile is taken all the same (SAFETY.md 7).
func ofCard(made time.Time, card map[string][][]byte) func(partner string) (envelope.Source, error) {
	return func(partner string) (envelope.Source, error) {
		var all []envelope.PublicKey
		for _, b := range card[partner] {
			k, err := envelope.ReadPublicKey(b, made)
			if err != nil {
				return nil, fmt.Errorf("read key on the bypass card: %w", err)
			}
			all = append(all, k)
		}
		if all == nil {
			return nil, errors.New("its results are encrypted to a registered key, and none is on the bypass card")
		}
		return fixed(all)
	}
}

// lookKeys reads the ends of the keys in use into the calendar.
func (h *Hub) lookKeys(ctx context.Context, c *config.Config) ([]alarm.Alarm, error) {
	var out []control.Date
	var found []alarm.Alarm
	for _, key := range sorted(c.Partners) {
		p := c.Partners[key]
		if p.Destination.Encrypt == nil {
			continue
		}
		of := "partner " + key
		if !usesRegister(p.Destination) {
			if ends := configuredEnd(p.Destination.Encrypt); !ends.IsZero() {
				out = append(out, control.Date{Of: of, Kind: control.DateKey, Ends: ends, What: "of the configuration"})
			}
			continue
		}
		f, err := h.rooms.keys.InForce(ctx, key)
		switch {
		case errors.Is(err, keys.ErrNoKey):
			found = append(found, alarm.Alarm{
				Key: alarm.Key{Kind: kindNoKey, About: key}, Severity: alarm.Urgent, Owner: c.Alarms.DateOwner,
				Sentence: "There is no key to encrypt to for " + p.Name + ". Its results wait; none is sent in the clear.",
				Advice:   "Ask them for a key, compare it and take it into use: the page Keys of this partner. Critical results must be told by phone meanwhile.",
			})
			continue
		case errors.Is(err, keys.ErrDamaged):
			found = append(found, alarm.Alarm{
				Key: alarm.Key{Kind: kindNoKey, About: key}, Severity: alarm.Urgent, Owner: c.Alarms.DateOwner,
				Sentence: "The stored keys of " + p.Name + " were changed in the database by somebody without the laboratory's key. Its results wait; nothing is encrypted to them.",
				Advice:   "Treat it as a break-in: find out who wrote to the database. `labwarden verify --ledger` names the rows.",
			})
			continue
		case err != nil:
			return nil, err
		}
		if f.Late {
			found = append(found, alarm.Alarm{
				Key: alarm.Key{Kind: kindLateKey, About: key}, Severity: alarm.Urgent, Owner: c.Alarms.DateOwner,
				Sentence: "The key of " + p.Name + " was to be replaced on " + f.Keys[0].Until.Format(time.DateOnly) + ", and there is no other in use: results go on being encrypted to it.",
				Advice:   "Take another key into use, or revoke this one if it must not be used: then results wait.",
			})
		}
		for i := range f.Keys {
			if k := &f.Keys[i]; !k.Ends.IsZero() && k.Until.IsZero() { // one that is leaving needs no renewal
				out = append(out, control.Date{Of: of, Kind: control.DateKey, Ends: k.Ends, What: shortPrint(k.Fingerprint)})
			}
		}
	}
	d := h.dates
	d.mu.Lock()
	d.keys = out
	d.mu.Unlock()
	return found, nil
}

// configuredEnd is when a key named in the configuration ends by its own word.
func configuredEnd(e *config.Encrypt) time.Time {
	if path := string(e.OpenPGP); path != "" {
		if b, err := os.ReadFile(path); err == nil {
			if p, err := envelope.NewOpenPGP(envelope.OpenPGPConfig{Keys: b}); err == nil {
				return p.NotAfter()
			}
		}
	}
	if e.CMS != "" {
		if certs, err := readCertificates(e.CMS); err == nil {
			if p, err := envelope.NewCMS(certs, nil); err == nil {
				return p.NotAfter()
			}
		}
	}
	return time.Time{}
}

func shortPrint(fingerprint string) string {
	g := keys.Groups(fingerprint)
	return strings.Join(g[:min(2, len(g))], " ") + " …"
}

// partnerKeys: partners without a key, and keys that stay past their time.
func (l *lookout) partnerKeys(ctx context.Context, c *config.Config) ([]string, []alarm.Alarm, error) {
	found, err := l.h.lookKeys(ctx, c)
	return []string{kindNoKey, kindLateKey}, found, err
}
