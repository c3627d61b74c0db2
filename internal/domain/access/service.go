package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is this domain's schema.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "access", Files: sub}
}

// Ledger is what is read of the ledger; *bus.Log is one.
type Ledger interface {
	Walk(ctx context.Context, from, to int64, each func(first int64, events [][]byte) error) error
	Head(ctx context.Context) (ledger.Head, error)
}

// Raiser is told of what somebody must know at once.
type Raiser interface {
	Raise(ctx context.Context, a alarm.Alarm)
	Over(ctx context.Context, k alarm.Key)
}

// Deps is what New needs.
type Deps struct {
	DB     *store.DB
	Ledger Ledger
	Keys   bus.Keys // *vault.Vault
	Now    func() time.Time
	Log    *slog.Logger
	Raise  Raiser // nil: nobody is told
}

// Service is the access domain. Its methods may be called from any goroutine.
type Service struct {
	db     *store.DB
	ledger Ledger
	tags   *bus.Tags
	now    func() time.Time
	slog   *slog.Logger
	desk   *approval.Desk
	raise  Raiser
	cache  cache

	provideFor func() time.Duration // nil: RolesFor

	forgetter Forgetter // nil: package signin is not there
	mailer    Mailer    // nil: there is no mail
}

// New returns the service on an opened, migrated store.
func New(d Deps) *Service {
	s := &Service{db: d.DB, ledger: d.Ledger, tags: bus.NewTags(d.Keys), now: d.Now, slog: d.Log, raise: d.Raise, cache: newCache()}
	s.desk = approval.New(d.DB, d.Keys, d.Now)
	s.desk.Hands(s)
	return s
}

// Hint is the word that nodes tell each other after a change; whoever hears it
// calls Poke.
const Hint = "access"

// write is db.Do for a change that sessions must hear of.
func (s *Service) write(ctx context.Context, fn func(ctx context.Context, tx *store.Tx) error) error {
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
	if err == nil {
		if err := s.db.Hint(ctx, Hint); err != nil {
			s.slog.Debug("the other nodes find out by looking", "error", err)
		}
	}
	return err
}

// changed has every node read what it keeps in memory again.
func (s *Service) changed(ctx context.Context, tx *store.Tx) error {
	tx.After(func(bool) { s.cache.clear() })
	return tx.Queue(ctx, "UPDATE access_epoch SET n = n + 1 WHERE id = 1")
}

// fact writes an event of this domain. by is the account of who did it.
func (s *Service) fact(ctx context.Context, tx *store.Tx, kind, by string, ids, codes ledger.Pairs, numbers ...ledger.Number) (int64, error) {
	ids = append(ledger.Pairs{{K: "by", V: ledger.Code(by)}}, ids...)
	return bus.Publish(ctx, tx, ledger.Event{Kind: kind, At: max(s.now().UnixMicro(), 0), IDs: ids, Codes: codes, Numbers: numbers})
}

func idPair(key string, id event.ID) ledger.Pair { return ledger.Pair{K: key, V: id.String()} }

// secret is a fresh random token as it is given away, and what is stored of it.
func secret() (token string, hash []byte) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, hashOf(token)
}

// hashOf is what is stored of a token; nil for what is none.
func hashOf(token string) []byte {
	if len(token) != 43 {
		return nil
	}
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// nobody stands where a row names no person.
var nobody = []byte{0}

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func within(from, until, now time.Time) bool {
	return (from.IsZero() || !now.Before(from)) && (until.IsZero() || now.Before(until))
}

// Kind is the class of a refusal.
type Kind string

// The kinds.
const (
	KindInvalid  Kind = "invalid"
	KindNotFound Kind = "not found"
	KindConflict Kind = "conflict"
)

// Refusal is a no that was written for the person who asked.
type Refusal struct {
	Kind Kind
	// Field of a form that it is about; empty: the whole.
	Field, Text string
}

func (r *Refusal) Error() string { return r.Text }

func invalid(field, format string, args ...any) error {
	return &Refusal{KindInvalid, field, fmt.Sprintf(format, args...)}
}

// Refusals that callers tell apart.
var (
	ErrNotFound          = &Refusal{Kind: KindNotFound, Text: "There is nobody and nothing of this kind."}
	ErrLastAdministrator = &Refusal{Kind: KindConflict, Text: "This is the last administrator who can sign in without an end date. Make somebody else administrator first."}
	ErrOwn               = &Refusal{Kind: KindConflict, Text: "Nobody changes their own roles, dates or access. Ask another administrator."}
	ErrChanged           = &Refusal{Kind: KindConflict, Text: "Somebody changed this meanwhile. Look at it again."}
	ErrLink              = &Refusal{Kind: KindNotFound, Text: "This link does not work: it was used, has ended, or is not complete. Ask for a new one."}
	ErrAdministrator     = &Refusal{Kind: KindConflict, Text: "There is an administrator already. To let one in again, use labwarden access recover."}
	ErrEndedHere         = &Refusal{Kind: KindConflict, Text: "This person was ended in Labwarden, by a person or by their last day there, and stays ended: active cannot be set from outside. An administrator of Labwarden lets them in again on the person's page; send this again after that."}
	ErrEnded             = &Refusal{Kind: KindConflict, Text: "This has ended already."}
	ErrOwnReview         = &Refusal{Kind: KindConflict, Text: "Nobody reviews what they did themselves."}
	ErrReviewed          = &Refusal{Kind: KindConflict, Text: "This was reviewed already."}
	ErrWeaker            = &Refusal{Kind: KindInvalid, Text: "Confirm with the way you signed in with, or a stronger one."}
)
