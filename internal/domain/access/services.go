package access

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kinds of events about service accounts.
const (
	KindServiceMade  = "service.made"
	KindServiceEnded = "service.ended"
	KindKeySet       = "service.key_set"
	KindTokenMade    = "token.made"
	KindTokenRevoked = "token.revoked"
)

// TokenMost is how long a token works at most.
const TokenMost = 365 * 24 * time.Hour

// ServiceAccount is a program that calls the API.
type ServiceAccount struct {
	ID            event.ID
	Account, Name string
	// Permissions and Partners are the most its tokens and its certificate may do;
	// no partners: all.
	Permissions []authz.Permission
	Partners    []string
	// Key is the SHA-256 of its client certificate's public key in hex; empty: none.
	Key      string
	KeyUntil time.Time
	KeyUsed  time.Time
	Made     time.Time
	MadeBy   string
	Ended    time.Time
	EndedBy  string
	Tokens   []Token
}

// Token opens the API for a service account.
type Token struct {
	ID, Service event.ID
	Name        string
	Permissions []authz.Permission
	Partners    []string
	Made        time.Time
	MadeBy      string
	Until       time.Time
	Used        time.Time
	UsedFrom    string
	Revoked     time.Time
	RevokedBy   string
	// Secret is there only in the answer that made it.
	Secret string
}

// In says whether it works at this moment.
func (t *Token) In(now time.Time) bool { return t.Revoked.IsZero() && now.Before(t.Until) }

// ServiceMay lists what a service account may be given.
func ServiceMay() []authz.Info {
	var out []authz.Info
	for _, p := range authz.Permissions() {
		if authz.Has(authz.Service, p.Permission) {
			out = append(out, p)
		}
	}
	return out
}

func checkServicePermissions(perms []authz.Permission) error {
	if len(perms) == 0 {
		return invalid("permissions", "Choose what it may do.")
	}
	for _, p := range perms {
		if !authz.Has(authz.Service, p) {
			return invalid("permissions", "A service account cannot be given %q.", p)
		}
	}
	return nil
}

func words(perms []authz.Permission) []string {
	out := make([]string, len(perms))
	for i, p := range perms {
		out[i] = string(p)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func permissions(text string) ([]authz.Permission, error) {
	w, err := unlist(text)
	out := make([]authz.Permission, len(w))
	for i := range w {
		out[i] = authz.Permission(w[i])
	}
	return out, err
}

// MakeService adds a service account. Needs tokens.manage.
func (s *Service) MakeService(ctx context.Context, who *authz.Subject, a ServiceAccount) (out ServiceAccount, err error) {
	if err := who.May(authz.TokensManage, authz.Object{}, s.now()); err != nil {
		return out, err
	}
	if a.Account, err = CleanAccount(a.Account); err != nil {
		return out, err
	}
	if a.Name, err = cleanName(a.Name); err != nil {
		return out, err
	}
	if err := checkServicePermissions(a.Permissions); err != nil {
		return out, err
	}
	if err := checkKeys("partners", a.Partners); err != nil {
		return out, err
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := s.freeAccount(ctx, tx, a.Account); err != nil {
			return err
		}
		out = ServiceAccount{ID: event.NewID(), Account: a.Account, Name: a.Name, Permissions: a.Permissions, Partners: a.Partners, Made: s.now(), MadeBy: who.Account}
		_, err := tx.Exec(ctx, `INSERT INTO access_services (id, account, name, permissions, partners, key, key_until, made_at, made_by, ended_at, ended_by)
			VALUES ($1, $2, $3, $4, $5, '', 0, $6, $7, 0, '')`, out.ID[:], out.Account, out.Name, list(words(out.Permissions)), list(out.Partners), micro(out.Made), out.MadeBy)
		if err != nil {
			return err
		}
		if err := s.tags.Put(ctx, tx, taggedServices, out.ID[:]); err != nil {
			return err
		}
		_, err = s.fact(ctx, tx, KindServiceMade, who.Account, ledger.Pairs{idPair("service", out.ID), {K: "account", V: out.Account}},
			ledger.Pairs{{K: "permissions", V: ledger.Code(strings.Join(words(out.Permissions), ","))}}, ledger.Number{K: "partners", N: int64(len(out.Partners))})
		return err
	})
	return out, wrap("add service account", err)
}

// EndService ends a service account with its tokens and certificate, at once.
// Needs tokens.manage.
func (s *Service) EndService(ctx context.Context, who *authz.Subject, id event.ID) error {
	if err := who.May(authz.TokensManage, authz.Object{}, s.now()); err != nil {
		return err
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := s.tags.Exec(ctx, tx, taggedServices, id[:], "UPDATE access_services SET ended_at = $1, ended_by = $2 WHERE id = $3 AND ended_at = 0", micro(s.now()), who.Account, id[:])
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		_, err = s.fact(ctx, tx, KindServiceEnded, who.Account, ledger.Pairs{idPair("service", id)}, nil)
		return err
	})
	return wrap("end service account", err)
}

// SetKey lets a service account in by a client certificate, given as PEM; empty
// takes it away. It counts by its public key, so a renewed certificate of the
// same key goes on working; after the certificate's own end it does not. Needs
// tokens.manage.
func (s *Service) SetKey(ctx context.Context, who *authz.Subject, id event.ID, certificate string) error {
	if err := who.May(authz.TokensManage, authz.Object{}, s.now()); err != nil {
		return err
	}
	key, until := "", time.Time{}
	if strings.TrimSpace(certificate) != "" {
		b, _ := pem.Decode([]byte(certificate))
		if b == nil || b.Type != "CERTIFICATE" {
			return invalid("certificate", "Paste the certificate as PEM, beginning with -----BEGIN CERTIFICATE-----.")
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return invalid("certificate", "This certificate cannot be read.")
		}
		if !s.now().Before(c.NotAfter) {
			return invalid("certificate", "This certificate has ended.")
		}
		key, until = keyOf(c), c.NotAfter
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		var others int64
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM access_services WHERE key = $1 AND key <> '' AND ended_at = 0 AND id <> $2", key, id[:]).Scan(&others); err != nil {
			return err
		}
		if others > 0 {
			return &Refusal{KindConflict, "certificate", "Another service account uses this key."}
		}
		n, err := s.tags.Exec(ctx, tx, taggedServices, id[:], "UPDATE access_services SET key = $1, key_until = $2 WHERE id = $3 AND ended_at = 0", key, micro(until), id[:])
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		if key != "" {
			if err := s.askYes(ctx, tx, who, id); err != nil {
				return err
			}
		}
		codes := ledger.Pairs{{K: "key", V: ledger.Code(key)}}
		_, err = s.fact(ctx, tx, KindKeySet, who.Account, ledger.Pairs{idPair("service", id)}, codes, ledger.Number{K: "until", N: micro(until)})
		return err
	})
	return wrap("set the certificate of a service account", err)
}

// keyOf is the SHA-256 of a certificate's public key (RFC 7469 section 2.4 pins
// the same bytes).
func keyOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// MakeToken makes a token, whose secret is in the answer and nowhere else: for
// some of the account's permissions and partners (none named: all of them), with
// an end within a year. Where it reads patient data or brings people in it works
// once somebody has said yes (AllowProgram). Needs tokens.manage.
func (s *Service) MakeToken(ctx context.Context, who *authz.Subject, service event.ID, t Token) (out Token, err error) {
	now := s.now()
	if err := who.May(authz.TokensManage, authz.Object{}, now); err != nil {
		return out, err
	}
	if t.Name, err = cleanName(t.Name); err != nil {
		return out, err
	}
	if !t.Until.After(now) || t.Until.Sub(now) > TokenMost {
		return out, invalid("until", "A token ends within a year: choose the last day.")
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		a, err := scanService(tx.QueryRow(ctx, serviceColumns+"WHERE s.id = $1", service[:]))
		switch {
		case errors.Is(err, store.ErrNoRows):
			return ErrNotFound
		case err != nil:
			return err
		case !a.Ended.IsZero():
			return ErrEnded
		}
		for _, p := range t.Permissions {
			if !slices.Contains(a.Permissions, p) {
				return invalid("permissions", "The service account itself may not do this.")
			}
		}
		for _, p := range t.Partners {
			if len(a.Partners) > 0 && !slices.Contains(a.Partners, p) {
				return invalid("partners", "The service account itself is not for this partner.")
			}
		}
		perms, partners := t.Permissions, t.Partners
		if len(perms) == 0 {
			perms = a.Permissions
		}
		if len(partners) == 0 {
			partners = a.Partners
		}
		token, hash := secret()
		out = Token{ID: event.NewID(), Service: service, Name: t.Name, Permissions: perms, Partners: partners, Made: now, MadeBy: who.Account, Until: t.Until, Secret: tokenPrefix + token}
		_, err = tx.Exec(ctx, `INSERT INTO access_tokens (id, hash, service, name, permissions, partners, made_at, made_by, until_at, revoked_at, revoked_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '')`, out.ID[:], hash, service[:], out.Name, list(words(perms)), list(partners), micro(now), who.Account, micro(t.Until))
		if err != nil {
			return err
		}
		if err := s.tags.Put(ctx, tx, taggedTokens, out.ID[:]); err != nil {
			return err
		}
		if err := s.askYes(ctx, tx, who, out.ID); err != nil {
			return err
		}
		_, err = s.fact(ctx, tx, KindTokenMade, who.Account, ledger.Pairs{idPair("service", service), idPair("token", out.ID)},
			ledger.Pairs{{K: "permissions", V: ledger.Code(strings.Join(words(perms), ","))}}, ledger.Number{K: "until", N: micro(t.Until)}, ledger.Number{K: "partners", N: int64(len(partners))})
		return err
	})
	return out, wrap("make token", err)
}

// RevokeToken ends a token at once. Needs tokens.manage.
func (s *Service) RevokeToken(ctx context.Context, who *authz.Subject, id event.ID) error {
	if err := who.May(authz.TokensManage, authz.Object{}, s.now()); err != nil {
		return err
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := s.tags.Exec(ctx, tx, taggedTokens, id[:], "UPDATE access_tokens SET revoked_at = $1, revoked_by = $2 WHERE id = $3 AND revoked_at = 0", micro(s.now()), who.Account, id[:])
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		_, err = s.fact(ctx, tx, KindTokenRevoked, who.Account, ledger.Pairs{idPair("token", id)}, nil)
		return err
	})
	return wrap("revoke token", err)
}

const serviceColumns = `SELECT s.id, s.account, s.name, s.permissions, s.partners, s.key, s.key_until, s.made_at, s.made_by, s.ended_at, s.ended_by, COALESCE(u.used_at, 0)
	FROM access_services s LEFT JOIN access_used u ON u.what = s.id `

func scanService(row store.Scanner) (ServiceAccount, error) {
	var a ServiceAccount
	var id []byte
	var perms, partners string
	var until, made, ended, used int64
	err := row.Scan(&id, &a.Account, &a.Name, &perms, &partners, &a.Key, &until, &made, &a.MadeBy, &ended, &a.EndedBy, &used)
	if err != nil {
		return a, err
	}
	a.KeyUntil, a.Made, a.Ended, a.KeyUsed = moment(until), moment(made), moment(ended), moment(used)
	if a.Permissions, err = permissions(perms); err != nil {
		return a, err
	}
	if a.Partners, err = unlist(partners); err != nil {
		return a, err
	}
	a.ID, err = event.IDFromBytes(id)
	return a, err
}

const tokenColumns = `SELECT t.id, t.service, t.name, t.permissions, t.partners, t.made_at, t.made_by, t.until_at, t.revoked_at, t.revoked_by, COALESCE(u.used_at, 0), COALESCE(u.network, '')
	FROM access_tokens t LEFT JOIN access_used u ON u.what = t.id `

func scanToken(row store.Scanner) (Token, error) {
	var t Token
	var id, service []byte
	var perms, partners string
	var made, until, revoked, used int64
	err := row.Scan(&id, &service, &t.Name, &perms, &partners, &made, &t.MadeBy, &until, &revoked, &t.RevokedBy, &used, &t.UsedFrom)
	if err != nil {
		return t, err
	}
	t.Made, t.Until, t.Revoked, t.Used = moment(made), moment(until), moment(revoked), moment(used)
	if t.Permissions, err = permissions(perms); err != nil {
		return t, err
	}
	if t.Partners, err = unlist(partners); err != nil {
		return t, err
	}
	if t.ID, err = event.IDFromBytes(id); err != nil {
		return t, err
	}
	t.Service, err = event.IDFromBytes(service)
	return t, err
}

// Services lists the service accounts with their tokens, by name; ended ones too.
func (s *Service) Services(ctx context.Context) ([]ServiceAccount, error) {
	var out []ServiceAccount
	at := map[event.ID]int{}
	err := s.db.Query(ctx, serviceColumns+"ORDER BY s.name, s.id", nil, func(row store.Scanner) error {
		a, err := scanService(row)
		at[a.ID] = len(out)
		out = append(out, a)
		return err
	})
	if err == nil {
		err = s.db.Query(ctx, tokenColumns+"ORDER BY t.made_at DESC, t.id", nil, func(row store.Scanner) error {
			t, err := scanToken(row)
			if i, ok := at[t.Service]; ok {
				out[i].Tokens = append(out[i].Tokens, t)
			}
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("list service accounts: %w", err)
	}
	return out, nil
}
