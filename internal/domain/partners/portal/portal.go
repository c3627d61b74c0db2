package portal

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/rewrap"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema of this package.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "partners_portal", Files: sub}
}

// Results is what the portal asks of the domain that keeps results.
type Results interface {
	// Sent is the body of a completed delivery as it was sent. ErrGone where it was
	// erased, ErrClosed while no patient data may be shown.
	Sent(ctx context.Context, delivery int64) ([]byte, error)
	// Opened tells that the practice has a delivery in hand: how is a word such as
	// "portal".
	Opened(ctx context.Context, delivery int64, at time.Time, how string) error
	// Again makes a new delivery of what a delivery brought; by is who asked for it.
	Again(ctx context.Context, delivery int64, by string) error
	// OnItsWay says whether the newest delivery of a message to a practice is one that
	// was made again and has not ended.
	OnItsWay(ctx context.Context, message event.ID, partner string) (bool, error)
}

// Receipts makes the laboratory's signed receipt of a completed delivery, and records who
// took it.
type Receipts interface {
	Receipt(ctx context.Context, delivery int64, by string) ([]byte, error)
}

// SignIn is how people of practices prove who they are; *signin.Service of the
// portal's own realm.
type SignIn interface {
	Keep(ctx context.Context, tx *store.Tx, person event.ID, m *signin.Made, ask signin.Ask) error
	Forget(ctx context.Context, tx *store.Tx, person event.ID, by string) error
	Guarded(ctx context.Context, what, of string, ask signin.Ask, look func(context.Context) (bool, error)) error
}

// Vault seals labels and makes blind indexes.
type Vault interface {
	Seal(p vault.Purpose, w vault.Where, dst, plaintext []byte) ([]byte, error)
	Unseal(p vault.Purpose, w vault.Where, dst, sealed []byte) ([]byte, error)
	bus.Keys
}

// Settings come from the configuration and may change while the hub runs.
type Settings struct {
	// Partners are the names of the practices that have a portal, by key.
	Partners map[string]string
	Rules    []Rule
	// CopyWithin is the laboratory's own policy for a patient's copy; 0: it has none
	// beside the law's clock.
	CopyWithin time.Duration
	// Letter is how long a letter's code works, Idle how long a session may be unused.
	Letter, Idle time.Duration
}

// Deps is what the portal stands on.
type Deps struct {
	DB      *store.DB
	Vault   Vault
	Results Results
	// Receipts: nil, and nobody is given one.
	Receipts Receipts
	Raise    alarm.Raiser
	Now      func() time.Time
	// Zone is in which days begin and end.
	Zone *time.Location
	Log  *slog.Logger
	// Settings are those in force.
	Settings func() Settings
}

// Service is the portal without its pages. It is safe for concurrent use.
type Service struct {
	Deps
	tags   *bus.Tags
	signin SignIn
	seen   *seen
}

// New returns one; With gives it its sign-in, which itself asks People.
func New(d Deps) *Service {
	if d.Zone == nil {
		d.Zone = time.UTC
	}
	return &Service{Deps: d, tags: bus.NewTags(d.Vault), seen: newSeen()}
}

// With completes it before it is used.
func (s *Service) With(x SignIn) { s.signin = x }

// Errors of this package. A person of a practice reads the same of what is not
// there and of what is not theirs.
var (
	ErrNotFound = errors.New("there is no such thing here")
	ErrGone     = errors.New("the laboratory keeps this result no longer; ask it for a copy")
	ErrClosed   = errors.New("the laboratory has closed all views of results for the moment; call it if you need one now")
	ErrSoon     = errors.New("this result is being put here at this moment; open it again in a few seconds")
)

// Wrong is a refusal with words for who asked; Field names what of a form it is
// about.
type Wrong struct{ Field, Text string }

func (w *Wrong) Error() string { return w.Text }

func wrong(field, format string, args ...any) error {
	return &Wrong{field, fmt.Sprintf(format, args...)}
}

// Kinds of ledger events.
const (
	KindInvited   = "portal.invited"
	KindLetter    = "portal.letter_made"
	KindEntered   = "portal.entered"
	KindJoined    = "portal.joined"
	KindLeft      = "portal.left"
	KindPersonEnd = "portal.person_ended"
	KindSession   = "portal.signed_in"
	KindSignedOut = "portal.signed_out"
	KindPlaced    = "portal.placed"
	KindWithheld  = "portal.withheld"
	KindReleased  = "portal.released"
	KindListed    = "portal.listed"
	KindOpened    = "portal.opened"
	KindFetched   = "portal.fetched"
	KindMissing   = "portal.missing_said"
	KindNotOurs   = "portal.wrong_said"
	KindAnswered  = "portal.answered"
	KindChange    = "portal.change_answered"
	KindCopyAsked = "portal.copy_asked"
	KindCopyLater = "portal.copy_extended"
	KindCopyDone  = "portal.copy_done"
)

const bodies = vault.PurposeBodies

func (s *Service) fact(ctx context.Context, tx *store.Tx, kind string, ids, codes ledger.Pairs, numbers ...ledger.Number) error {
	_, err := bus.Publish(ctx, tx, ledger.Event{Kind: kind, At: max(s.Now().UnixMicro(), 0), IDs: ids, Codes: codes, Numbers: numbers})
	return err
}

func pair(k string, id event.ID) ledger.Pair { return ledger.Pair{K: k, V: id.String()} }

func code(k, v string) ledger.Pair { return ledger.Pair{K: k, V: ledger.Code(v)} }

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

var (
	taggedPeople   = &bus.Tagged{Table: "partners_portal_people", Key: "id", Columns: []string{"account", "name", "provider", "made_at", "made_by", "entered_at", "ended_at", "ended_by"}}
	taggedMembers  = &bus.Tagged{Table: "partners_portal_members", Key: "id", Columns: []string{"person", "partner", "kind", "from_at", "until_at", "made_at", "made_by", "ended_at", "ended_by"}}
	taggedLetters  = &bus.Tagged{Table: "partners_portal_letters", Key: "id", Columns: []string{"number", "code", "person", "partner", "made_at", "made_by", "until_at", "tries", "ticket", "ticket_until", "used_at", "ended_at"}}
	taggedSessions = &bus.Tagged{Table: "partners_portal_sessions", Key: "id", Columns: []string{"hash", "person", "level", "method", "device", "made_at", "ended_at", "ended_why"}}
	taggedItems    = &bus.Tagged{Table: "partners_portal_items", Key: "id", Columns: []string{
		"delivery", "message", "partner", "placed_at", "observations", "superseded", "urgent", "withheld", "released_at", "released_by", "only_for", "hidden_at", "fresh", "opened_at", "opened_by", "fetched_at",
	}}
	taggedOrders   = &bus.Tagged{Table: "partners_portal_orders", Key: "item", Columns: []string{"order_key", "partner"}, Many: true}
	taggedOpenings = &bus.Tagged{Table: "partners_portal_openings", Key: "id", Columns: []string{"item", "partner", "person", "how", "at"}}
	taggedAsks     = &bus.Tagged{Table: "partners_portal_asks", Key: "id", Columns: []string{"kind", "partner", "item", "person", "from_at", "until_at", "again", "fate", "at", "done_at", "done_by", "outcome"}}
	taggedChanges  = &bus.Tagged{Table: "partners_portal_changes", Key: "id", Columns: []string{"person", "partner", "what", "way", "device", "at", "answer", "answered_at", "answered_by"}}
	taggedCopies   = &bus.Tagged{Table: "partners_portal_copies", Key: "id", Columns: []string{"asked_at", "due_at", "extended_at", "made_at", "made_by", "done_at", "done_by", "outcome"}}
)

func tagged() []*bus.Tagged {
	return []*bus.Tagged{taggedPeople, taggedMembers, taggedLetters, taggedSessions, taggedItems, taggedOrders, taggedOpenings, taggedAsks, taggedChanges, taggedCopies}
}

// TaggedTables are the tables of this package whose rows carry tags.
func TaggedTables() []string {
	var out []string
	for _, d := range tagged() {
		out = append(out, d.Table)
	}
	return out
}

// SealedColumns are the columns that are carried over to a new key.
func SealedColumns() []rewrap.Column {
	id := func(row any) []byte { b, _ := row.([]byte); return b }
	return []rewrap.Column{
		{Purpose: bodies, Table: "partners_portal_items", Key: "id", Name: "label", Row: "id", Place: id},
		{Purpose: bodies, Table: "partners_portal_copies", Key: "id", Name: "about", Row: "id", Place: id},
	}
}

// Audit names the rows that were changed, exchanged, added or removed by somebody
// without the key: by their tags, and by opening what is sealed.
func (s *Service) Audit(ctx context.Context, found func(table, row, what string)) error {
	for _, d := range tagged() {
		if err := s.tags.Audit(ctx, s.DB, d, func(row, what string) { found(d.Table, row, what) }); err != nil {
			return err
		}
	}
	for _, c := range SealedColumns() {
		if err := s.auditSealed(ctx, c, found); err != nil {
			return fmt.Errorf("audit %s: %w", c.Table, err)
		}
	}
	return nil
}

const auditPage = 500

func (s *Service) auditSealed(ctx context.Context, c rewrap.Column, found func(table, row, what string)) error {
	for last := []byte{}; ; {
		n := 0
		err := s.DB.Query(ctx, "SELECT id, "+c.Name+" FROM "+c.Table+" WHERE id > $1 ORDER BY id LIMIT $2", []any{last, int64(auditPage)}, func(row store.Scanner) error {
			var id, sealed []byte
			if err := row.Scan(&id, &sealed); err != nil {
				return err
			}
			n, last = n+1, id
			_, err := s.Vault.Unseal(c.Purpose, vault.Where{Table: c.Table, Column: c.Name, Row: id}, nil, sealed)
			if errors.Is(err, vault.ErrClosed) {
				return err
			}
			if err != nil {
				found(c.Table, fmt.Sprintf("%x", id), "what is sealed in it does not open: it was changed or moved")
			}
			return nil
		})
		if err != nil || n < auditPage {
			return err
		}
	}
}

var errForged = errors.New("a row that decides who sees what was changed behind the program's back: run `labwarden ledger verify`")

// genuine holds a row against its tag before anything hangs on it.
func (s *Service) genuine(ctx context.Context, q store.Queryer, d *bus.Tagged, key []byte) error {
	what := ""
	if err := s.tags.Row(ctx, q, d, key, func(_, w string) { what = w }); err != nil {
		return err
	}
	if what != "" {
		s.Log.Error("a row of the portal was changed in the database", "table", d.Table, "row", fmt.Sprintf("%x", key), "what", what)
		return fmt.Errorf("%s: %w", d.Table, errForged)
	}
	return nil
}
