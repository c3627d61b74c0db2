package certificates

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Issued is a certificate on record.
type Issued struct {
	Serial string `json:"serial" doc:"its serial number in hex"`
	Form   string `json:"form" doc:"x509 or ssh"`
	pki.Identity
	Names       []string  `json:"names" doc:"its host names and addresses"`
	Fingerprint string    `json:"fingerprint" doc:"SHA-256 of the certificate"`
	Begins      time.Time `json:"begins" doc:"when it begins"`
	Ends        time.Time `json:"ends" doc:"when it ends"`
	Made        time.Time `json:"made" doc:"when it was issued"`
	By          string    `json:"by" doc:"who let it be issued"`
	Via         string    `json:"via" doc:"token, renewal, hub or person"`
	Days        int64     `json:"days" doc:"the life that was asked for"`
	Renewed     time.Time `json:"renewed,omitzero" doc:"when another took its place"`
	Revoked     time.Time `json:"revoked,omitzero" doc:"when it was revoked"`
	RevokedBy   string    `json:"revoked_by,omitempty" doc:"who revoked it"`
	Reason      string    `json:"reason,omitempty" doc:"why it was revoked"`

	serial, der []byte
}

// Live: neither revoked nor past its end.
func (x *Issued) Live(now time.Time) bool { return x.Revoked.IsZero() && now.Before(x.Ends) }

// Late: it should have been renewed by itself, and nothing took its place: less
// than a quarter of its life is left.
func (x *Issued) Late(now time.Time) bool {
	return x.Live(now) && x.Renewed.IsZero() && x.Ends.Sub(now) < x.Ends.Sub(x.Begins)/4
}

func (x *Issued) gone() Revoked {
	return Revoked{Form: x.Form, Serial: x.Serial, Fingerprint: x.Fingerprint, Identity: x.Identity, At: x.Revoked}
}

const issuedColumns = `SELECT serial, form, kind, name, names, certificate, begins_at, ends_at, made_at, made_by, via, days, renewed_at,
	revoked_at, revoked_by, reason FROM certificates_issued `

func (s *Service) list(ctx context.Context, where string, args ...any) ([]Issued, error) {
	return listIssued(ctx, s.db, where, args...)
}

func listIssued(ctx context.Context, q store.Queryer, where string, args ...any) ([]Issued, error) {
	out := []Issued{}
	err := q.Query(ctx, issuedColumns+where, args, func(row store.Scanner) error {
		var x Issued
		var kind, names string
		var begins, ends, made, renewed, revoked int64
		err := row.Scan(&x.serial, &x.Form, &kind, &x.Name, &names, &x.der, &begins, &ends, &made, &x.By, &x.Via, &x.Days, &renewed, &revoked, &x.RevokedBy, &x.Reason)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(x.der)
		x.Kind, x.Serial, x.Fingerprint = pki.Kind(kind), hex.EncodeToString(x.serial), hex.EncodeToString(sum[:])
		x.Begins, x.Ends, x.Made, x.Renewed, x.Revoked = moment(begins), moment(ends), moment(made), moment(renewed), moment(revoked)
		if err := json.Unmarshal([]byte(names), &x.Names); err != nil {
			return fmt.Errorf("read names: %w", err)
		}
		out = append(out, x)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}
	return out, nil
}

// List returns what was issued, what ends first in front; all also what has
// ended, was revoked or replaced.
func (s *Service) List(ctx context.Context, all bool) ([]Issued, error) {
	if all {
		return s.list(ctx, "ORDER BY ends_at, serial LIMIT 5000")
	}
	return s.list(ctx, "WHERE ends_at > $1 AND revoked_at = 0 AND renewed_at = 0 ORDER BY ends_at, serial LIMIT 5000", s.clock().UnixMicro())
}

// Get returns one by its serial number in hex.
func (s *Service) Get(ctx context.Context, serial string) (Issued, error) {
	return getIssued(ctx, s.db, serial)
}

func getIssued(ctx context.Context, q store.Queryer, serial string) (Issued, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.ToLower(serial), ":", ""))
	if err != nil {
		return Issued{}, ErrNotFound
	}
	all, err := listIssued(ctx, q, "WHERE serial = $1", b)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Issued{}, err
	}
	return all[0], nil
}

// record writes a new certificate's row and event.
func (s *Service) record(ctx context.Context, tx *store.Tx, kind string, x Issued, by string) error {
	names, err := json.Marshal(append([]string{}, x.Names...))
	if err != nil {
		return err
	}
	leaf, err := bus.Publish(ctx, tx, ledger.Event{
		Kind: kind, At: x.Made.UnixMicro(),
		IDs:   ledger.Pairs{{K: "serial", V: x.Serial}, {K: "for", V: ledger.Code(string(x.Kind) + "." + x.Name)}, {K: "by", V: ledger.Code(by)}},
		Codes: ledger.Pairs{{K: "fingerprint", V: x.Fingerprint}, {K: "form", V: x.Form}, {K: "via", V: x.Via}}, Numbers: []ledger.Number{{K: "ends", N: x.Ends.UnixMicro()}},
	})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO certificates_issued (serial, form, kind, name, names, certificate, begins_at, ends_at, made_at, made_by, via, days,
		renewed_at, revoked_at, revoked_by, reason, leaf) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0, '', '', $13)`,
		x.serial, x.Form, string(x.Kind), x.Name, string(names), x.der, x.Begins.UnixMicro(), x.Ends.UnixMicro(), x.Made.UnixMicro(), by, x.Via, x.Days, leaf)
	if err != nil {
		return err
	}
	return s.tags.Put(ctx, tx, taggedIssued, x.serial)
}

// know lets a certificate that was just recorded, in the place of others, be
// believed here at once.
func (s *Service) know(x Issued, replaced ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := *s.now.Load()
	live := make(map[string]Issued, len(st.live)+1)
	maps.Copy(live, st.live)
	for _, serial := range replaced {
		if old, ok := live[serial]; ok {
			old.Renewed = x.Made
			live[serial] = old
		}
	}
	live[x.Serial] = x
	st.live = live
	s.put(&st)
}

// Late are the certificates that should have renewed themselves and did not,
// also for a week after their end; what ends first in front. It asks no database.
func (s *Service) Late(now time.Time) []Issued {
	var out []Issued
	for _, x := range s.now.Load().live {
		if x.Revoked.IsZero() && x.Renewed.IsZero() && now.Before(x.Ends.Add(7*24*time.Hour)) && x.Ends.Sub(now) < x.Ends.Sub(x.Begins)/4 {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b Issued) int { return cmp.Or(a.Ends.Compare(b.Ends), cmp.Compare(a.Serial, b.Serial)) })
	return out
}

// Revoke revokes certificates: one by its serial number in hex, or all that live
// of somebody ("partner riverside"), which is what to do when a key was lost: a
// thief may have renewed. New handshakes are refused when it returns, and
// subscribers have been told.
func (s *Service) Revoke(ctx context.Context, what string, by By) ([]Issued, error) {
	if err := by.check(true); err != nil {
		return nil, err
	}
	now := s.clock()
	var out []Issued
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var err error
		if out, err = revocable(ctx, tx, what, now); err != nil {
			return err
		}
		for i := range out {
			x := &out[i]
			leaf, err := bus.Publish(ctx, tx, ledger.Event{
				Kind: "certificates.revoked", At: now.UnixMicro(),
				IDs:   ledger.Pairs{{K: "serial", V: x.Serial}, {K: "for", V: ledger.Code(string(x.Kind) + "." + x.Name)}, {K: "by", V: ledger.Code(by.Who)}},
				Codes: ledger.Pairs{{K: "reason", V: ledger.Code(by.Reason)}},
			})
			if err != nil {
				return err
			}
			if _, err := s.tags.Exec(ctx, tx, taggedIssued, x.serial, "UPDATE certificates_issued SET revoked_at = $2, revoked_by = $3, reason = $4, leaf = $5 WHERE serial = $1",
				x.serial, now.UnixMicro(), by.Who, by.Reason, leaf); err != nil {
				return err
			}
			x.Revoked, x.RevokedBy, x.Reason = now, by.Who, by.Reason
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("revoke %s: %w", what, err)
	}
	s.mu.Lock()
	st := *s.now.Load()
	revoked := make(map[string]Revoked, len(st.revoked)+len(out))
	maps.Copy(revoked, st.revoked)
	for i := range out {
		revoked[out[i].Serial] = out[i].gone()
	}
	st.revoked, st.live = revoked, maps.Clone(st.live)
	for i := range out {
		delete(st.live, out[i].Serial)
	}
	s.put(&st) // without asking the database again: it may have gone
	s.mu.Unlock()
	for i := range out {
		if out[i].Kind == pki.Hub {
			s.own.forget()
		}
	}
	return out, nil
}

func revocable(ctx context.Context, tx *store.Tx, what string, now time.Time) ([]Issued, error) {
	if kind, name, ok := strings.Cut(strings.TrimSpace(what), " "); ok {
		all, err := listIssued(ctx, tx, "WHERE kind = $1 AND name = $2 AND revoked_at = 0 AND ends_at > $3 ORDER BY serial", kind, strings.TrimSpace(name), now.UnixMicro())
		if err == nil && len(all) == 0 {
			err = ErrNotFound
		}
		return all, err
	}
	x, err := getIssued(ctx, tx, what)
	if err == nil && !x.Revoked.IsZero() {
		err = ErrRevoked
	}
	return []Issued{x}, err
}
