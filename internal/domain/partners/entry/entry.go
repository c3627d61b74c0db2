package entry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/rewrap"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are this package's tables.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "entry", Files: sub}
}

var (
	taggedLogins = &bus.Tagged{Table: "entry_logins", Key: "partner", Columns: []string{"hash", "made_at", "made_by", "step"}}
	taggedKeys   = &bus.Tagged{Table: "entry_keys", Key: "kind", Columns: []string{"made_at"}}
)

// TaggedTables are the tables whose rows carry tags.
func TaggedTables() []string { return []string{taggedLogins.Table, taggedKeys.Table} }

// SealedColumns are those with sealed values.
func SealedColumns() []rewrap.Column {
	place := func(row any) []byte { s, _ := row.(string); return []byte(s) }
	return []rewrap.Column{
		{Purpose: vault.PurposeSecrets, Table: "entry_logins", Key: "partner", Name: "seed", Row: "partner", Place: place},
		{Purpose: vault.PurposeSecrets, Table: "entry_keys", Key: "kind", Name: "private", Row: "kind", Place: place},
	}
}

// Service keeps them. It is safe for concurrent use.
type Service struct {
	db    *store.DB
	vault *vault.Vault
	tags  *bus.Tags
	now   func() time.Time
	// OnWrongCodes is told of a partner whose password was shown with TooMany wrong
	// codes within a minute; nil for nobody. It must not block.
	OnWrongCodes func(partner string)

	mu    sync.Mutex
	wrong map[string][]time.Time // when the right password came with a wrong code
}

// New returns the service on a migrated store.
func New(db *store.DB, v *vault.Vault, now func() time.Time) *Service {
	return &Service{db: db, vault: v, tags: bus.NewTags(v), now: now, wrong: map[string][]time.Time{}}
}

// Audit names the rows that somebody without the key changed, added or removed.
func (s *Service) Audit(ctx context.Context, found func(table, row, what string)) error {
	for _, x := range []*bus.Tagged{taggedLogins, taggedKeys} {
		if err := s.tags.Audit(ctx, s.db, x, func(row, what string) { found(x.Table, row, what) }); err != nil {
			return err
		}
	}
	for table, q := range map[string]string{
		taggedLogins.Table: `SELECT partner, seed FROM entry_logins`, taggedKeys.Table: `SELECT kind, private FROM entry_keys`,
	} {
		column := "seed"
		if table == taggedKeys.Table {
			column = "private"
		}
		if err := s.sealed(ctx, table, column, q, found); err != nil {
			return fmt.Errorf("audit %s: %w", table, err)
		}
	}
	return nil
}

// sealed names the rows whose sealed value does not open.
func (s *Service) sealed(ctx context.Context, table, column, query string, found func(table, row, what string)) error {
	return s.db.Query(ctx, query, nil, func(row store.Scanner) error {
		var name string
		var value []byte
		if err := row.Scan(&name, &value); err != nil {
			return err
		}
		_, err := s.vault.Unseal(vault.PurposeSecrets, s.place(table, column, name), nil, value)
		if errors.Is(err, vault.ErrClosed) {
			return err
		}
		if err != nil {
			found(table, name, "what is sealed in it does not open: it was changed or moved")
		}
		return nil
	})
}

// Login is a partner's password as it is shown, once.
type Login struct {
	Partner  string `json:"partner"`
	Password string `json:"password"`
	// Seed is what the partner's system makes its codes of (RFC 6238: SHA-1, six
	// digits, 30 s), in base32; URI is the same for an authenticator app.
	Seed string `json:"seed"`
	URI  string `json:"uri"`
}

const (
	passwordBytes = 20
	seedBytes     = 20
	stepSeconds   = 30
	skew          = 1 // steps a code may be early or late (RFC 6238 5.2)
	// TooMany wrong codes with the right password within a minute close the door
	// to that password for a minute.
	TooMany = 10
)

var plainBase32 = base32.StdEncoding.WithPadding(base32.NoPadding)

func (s *Service) place(table, column, row string) vault.Where {
	return vault.Where{Table: table, Column: column, Row: []byte(row)}
}

// Make draws a password and a seed for the partner; those it had end now.
func (s *Service) Make(ctx context.Context, partner, lab, by string) (Login, error) {
	b := make([]byte, passwordBytes)
	seed := make([]byte, seedBytes)
	_, _ = rand.Read(b)    // never fails (crypto/rand)
	_, _ = rand.Read(seed) // likewise
	l := Login{Partner: partner, Password: strings.ToLower(plainBase32.EncodeToString(b)), Seed: plainBase32.EncodeToString(seed)}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: lab, AccountName: partner, Secret: seed, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return Login{}, fmt.Errorf("make codes: %w", err)
	}
	l.URI = key.URL()
	sealed, err := s.vault.Seal(vault.PurposeSecrets, s.place("entry_logins", "seed", partner), nil, []byte(l.Seed))
	if err != nil {
		return Login{}, fmt.Errorf("seal seed: %w", err)
	}
	hash := sha256.Sum256([]byte(l.Password))
	now := s.now().UnixMicro()
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := s.tags.Write(ctx, tx, taggedLogins, []any{partner}, func() error {
			_, err := tx.Exec(ctx, `INSERT INTO entry_logins (partner, hash, seed, made_at, made_by, step) VALUES ($1, $2, $3, $4, $5, 0)
				ON CONFLICT (partner) DO UPDATE SET hash = excluded.hash, seed = excluded.seed, made_at = excluded.made_at, made_by = excluded.made_by, step = 0`,
				partner, hash[:], sealed, now, by)
			return err
		}); err != nil {
			return err
		}
		return s.publish(ctx, tx, "partner.password.made", partner, by)
	})
	if err != nil {
		return Login{}, fmt.Errorf("keep password: %w", err)
	}
	return l, nil
}

// End takes the partner's password away.
func (s *Service) End(ctx context.Context, partner, by string) error {
	var n int64
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		if n, err = s.tags.Exec(ctx, tx, taggedLogins, partner, `DELETE FROM entry_logins WHERE partner = $1`, partner); err != nil || n == 0 {
			return err
		}
		return s.publish(ctx, tx, "partner.password.ended", partner, by)
	})
	if err != nil {
		return fmt.Errorf("end password: %w", err)
	}
	if n == 0 {
		return channel.ErrNoFile
	}
	return nil
}

func (s *Service) publish(ctx context.Context, tx *store.Tx, kind, partner, by string) error {
	_, err := bus.Publish(ctx, tx, ledger.Event{
		Kind: kind, At: s.now().UnixMicro(), IDs: ledger.Pairs{{K: "partner", V: partner}}, Codes: ledger.Pairs{{K: "by", V: ledger.Code(by)}},
	})
	return err
}

// Check lets in whoever shows the partner's password and a code that was not used
// yet; otherwise it is channel.ErrSignIn. Codes and password are compared in any
// case, so that the time tells nothing.
func (s *Service) Check(ctx context.Context, partner, password, code string) error {
	var hash, sealed []byte
	err := s.db.Query(ctx, `SELECT hash, seed FROM entry_logins WHERE partner = $1`, []any{partner}, func(row store.Scanner) error { return row.Scan(&hash, &sealed) })
	if err != nil {
		return fmt.Errorf("read password: %w", err)
	}
	known := hash != nil
	seed := plainBase32.EncodeToString(make([]byte, seedBytes))
	if known {
		plain, err := s.vault.Unseal(vault.PurposeSecrets, s.place("entry_logins", "seed", partner), nil, sealed)
		if err != nil {
			return fmt.Errorf("open seed: %w", err)
		}
		seed = string(plain)
	}
	shown := sha256.Sum256([]byte(password))
	right := subtle.ConstantTimeCompare(shown[:], hash) == 1
	step, err := stepOf(seed, code, s.now())
	if err != nil {
		return err
	}
	if !known || !right {
		return channel.ErrSignIn
	}
	if s.closed(partner) {
		return channel.ErrSignIn
	}
	if step == 0 {
		s.miss(partner)
		return channel.ErrSignIn
	}
	var n int64
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		n, err = s.tags.Exec(ctx, tx, taggedLogins, partner, `UPDATE entry_logins SET step = $1 WHERE partner = $2 AND step < $1`, step, partner)
		return err
	})
	if err != nil {
		return fmt.Errorf("use code: %w", err)
	}
	if n == 0 { // the code was used
		s.miss(partner)
		return channel.ErrSignIn
	}
	return nil
}

func stepOf(seed, code string, now time.Time) (found int64, err error) {
	at := now.Unix() / stepSeconds
	for step := at - skew; step <= at+skew; step++ {
		want, err := totp.GenerateCode(seed, time.Unix(step*stepSeconds, 0))
		if err != nil {
			return 0, fmt.Errorf("compute a code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			found = step
		}
	}
	return found, nil
}

// closed: the partner's password came with so many wrong codes that it is refused
// now. Who does not know the password cannot bring that about, and cannot learn of
// it.
func (s *Service) closed(partner string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.recent(partner)) >= TooMany
}

func (s *Service) recent(partner string) []time.Time {
	all, since := s.wrong[partner], s.now().Add(-time.Minute)
	for len(all) > 0 && all[0].Before(since) {
		all = all[1:]
	}
	if len(all) == 0 {
		delete(s.wrong, partner)
	}
	return all
}

func (s *Service) miss(partner string) {
	s.mu.Lock()
	s.wrong[partner] = append(s.recent(partner), s.now())
	many := len(s.wrong[partner]) == TooMany
	s.mu.Unlock()
	if many && s.OnWrongCodes != nil {
		s.OnWrongCodes(partner)
	}
}

// Made says since when the partner has a password and who made it; zero for none.
func (s *Service) Made(ctx context.Context, partner string) (at time.Time, by string, err error) {
	var micro int64
	err = s.db.QueryRow(ctx, `SELECT made_at, made_by FROM entry_logins WHERE partner = $1`, partner).Scan(&micro, &by)
	if errors.Is(err, store.ErrNoRows) {
		return time.Time{}, "", nil
	}
	if err != nil {
		return time.Time{}, "", fmt.Errorf("read password: %w", err)
	}
	return time.UnixMicro(micro).UTC(), by, nil
}
