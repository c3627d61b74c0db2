package accounts

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema of systems, accounts, findings, vendors and reviews.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "accounts", Files: sub}
}

// Person is one of Labwarden's own people, active or not.
type Person struct {
	ID                  event.ID
	Account, Name, Mail string
	Active              bool
	Roles               []string
	Start, End          time.Time
}

// Staff lists all people there ever were, leavers included.
type Staff interface {
	Staff(ctx context.Context) ([]Person, error)
}

// Holding is something a person of ours has: a grant of a role, a delegation, a
// token.
type Holding struct {
	// Kind is "grant", "delegation" or "token"; ID names it to Remove.
	Kind, ID string
	Person   event.ID
	// Account and Name are of who has it; What says what it is, Detail since when,
	// until when and where.
	Account, Name, What, Detail string
}

// Holdings is what the review covers of our own people.
type Holdings interface {
	Held(ctx context.Context) ([]Holding, error)
	// Remove takes one away; a second call for the same one succeeds.
	Remove(ctx context.Context, kind, id string, by By, reason string) error
}

// Ledger reads back what was written, checked against its hash; *bus.Log does.
type Ledger interface {
	Event(ctx context.Context, leaf int64) ([]byte, error)
}

// By is who does something.
type By struct {
	Person        event.ID
	Account, Name string
}

func (b By) check() error {
	if b.Account == "" {
		return fmt.Errorf("%w: name who does this", ErrInvalid)
	}
	return nil
}

// Errors that pages map.
var (
	ErrInvalid  = errors.New("this cannot be taken as it stands")
	ErrNotFound = errors.New("there is no such entry")
	ErrConflict = errors.New("it is in another state meanwhile")
	// ErrOwn: nobody reviews their own access.
	ErrOwn = errors.New("this is your own access: somebody else decides about it")
)

// Service keeps all of it. Its methods may be called from any goroutine.
type Service struct {
	db   *store.DB
	tags *bus.Tags
	book Ledger
	own  Staff
	held Holdings
	now  func() time.Time
	log  *slog.Logger
}

// New returns the service over a migrated store. keys bind its rows.
func New(db *store.DB, keys bus.Keys, book Ledger, own Staff, held Holdings, now func() time.Time, log *slog.Logger) *Service {
	return &Service{db: db, tags: bus.NewTags(keys), book: book, own: own, held: held, now: now, log: log}
}

var (
	taggedSystems = &bus.Tagged{Table: "accounts_systems", Key: "key", Columns: []string{
		"name", "kind", "owner", "mapping", "admin_groups", "every_days", "as_of", "import", "ended_at", "changed_at", "changed_by",
	}}
	taggedAccounts = &bus.Tagged{Table: "accounts_accounts", Key: "id", Columns: []string{
		"system", "fold", "name", "display", "mail", "enabled", "mfa", "privileged", "last_used", "member_of", "kind", "person", "owner", "vendor",
		"reason", "matched_how", "matched_by", "matched_at", "first_at", "changed_at", "gone_at",
	}}
	taggedImports = &bus.Tagged{Table: "accounts_imports", Key: "id", Columns: []string{
		"system", "state", "at", "by_whom", "as_of", "hash", "body", "mapping", "listed", "added", "changed", "gone", "ended_at", "ended_by",
	}}
	taggedFindings = &bus.Tagged{Table: "accounts_findings", Key: "id", Columns: []string{
		"account", "system", "kind", "state", "owner", "due_at", "opened_at", "closed_at", "closed_by", "reason", "until_at", "over_at",
	}}
	taggedVendors = &bus.Tagged{Table: "accounts_vendors", Key: "id", Columns: []string{
		"name", "purpose", "associate", "phi", "agreement", "agreed_at", "ends_at", "channels", "contact", "mail", "phone", "owner", "ended_at",
		"changed_at", "changed_by",
	}}
	taggedReviews = &bus.Tagged{Table: "accounts_reviews", Key: "id", Columns: []string{
		"quarter", "state", "opened_at", "due_at", "signed_at", "signed_by", "remark", "hash", "lines", "leaf",
	}}
	taggedLines = &bus.Tagged{Table: "accounts_lines", Key: "id", Columns: []string{
		"review", "kind", "subject", "about", "person", "title", "detail", "decision", "decided_by", "decided_at", "reason", "done_at", "done_by", "outcome",
	}}
)

func everyTagged() []*bus.Tagged {
	return []*bus.Tagged{taggedSystems, taggedAccounts, taggedImports, taggedFindings, taggedVendors, taggedReviews, taggedLines}
}

// TaggedTables are the tables of this package; all of their rows carry tags.
func TaggedTables() []string {
	var out []string
	for _, d := range everyTagged() {
		out = append(out, d.Table)
	}
	return out
}

// Audit names the rows that were changed, exchanged, added or removed by somebody
// without the key, and signed reviews that no longer fit the ledger.
func (s *Service) Audit(ctx context.Context, found func(table, row, what string)) error {
	for _, d := range everyTagged() {
		if err := s.tags.Audit(ctx, s.db, d, func(row, what string) { found(d.Table, row, what) }); err != nil {
			return err
		}
	}
	return s.auditReviews(ctx, found)
}

// publish writes a fact: who, what it is about, in words of codes.
func publish(ctx context.Context, tx *store.Tx, kind string, at time.Time, by By, ids, codes ledger.Pairs, numbers ...ledger.Number) error {
	if by.Account != "" {
		ids = append(ids, ledger.Pair{K: "by", V: ledger.Code(by.Account)})
	}
	_, err := bus.Publish(ctx, tx, ledger.Event{Kind: kind, At: max(at.UnixMicro(), 0), IDs: ids, Codes: codes, Numbers: numbers})
	return err
}

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(n int64) time.Time {
	if n <= 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// batch is how many rows one transaction writes: far below the store's second.
const batch = 100
