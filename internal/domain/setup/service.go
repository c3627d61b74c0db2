package setup

import (
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/rewrap"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema of this domain.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "setup", Files: sub}
}

// Deps is what the service works with.
type Deps struct {
	DB        *store.DB
	Vault     *vault.Vault
	Approvals *approval.Desk
	Config    Configuration
	Read      Reader
	Directing Directing
	Replayer  Replayer
	People    People
	// Alarms and Contacts are for maintenance windows; nil for none.
	Alarms   Alarms
	Contacts Contacts
	// NeverAlone reads changes.alone of the configuration in force.
	NeverAlone func(context.Context) (bool, error)
	Now        func() time.Time
	Log        *slog.Logger
}

// Service keeps drafts and brings them into force.
type Service struct {
	db        *store.DB
	vault     *vault.Vault
	tags      *bus.Tags
	approvals *approval.Desk
	conf      Configuration
	read      Reader
	directing Directing
	replayer  Replayer
	replays   replays
	alarms    Alarms
	contacts  Contacts

	windowsMu sync.Mutex
	windows   []Window // those not done with, as they were looked at last

	people     People
	neverAlone func(context.Context) (bool, error)
	now        func() time.Time
	slog       *slog.Logger
}

// New works on a migrated store.
func New(d Deps) *Service {
	return &Service{
		db: d.DB, vault: d.Vault, tags: bus.NewTags(d.Vault), approvals: d.Approvals, conf: d.Config, read: d.Read,
		directing: d.Directing, replayer: d.Replayer, alarms: d.Alarms, contacts: d.Contacts, replays: replays{runs: map[int64]*Run{}, next: make(chan int64, 10)}, people: d.People, neverAlone: d.NeverAlone, now: d.Now, slog: d.Log,
	}
}

func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

var (
	taggedDrafts = &bus.Tagged{Table: "setup_drafts", Key: "number", Columns: []string{
		"title", "base", "of_revision", "text_hash", "writers", "version", "made_at", "changed_at", "state", "revision", "ended_at", "ended_by",
	}}
	taggedAlone = &bus.Tagged{Table: "setup_alone", Key: "id", Columns: []string{
		"draft", "revision", "by_whom", "by_id", "statement", "made_at", "verdict", "reviewed_by", "reviewed_id", "reviewed_at", "note", "leaf",
	}}
	allTagged = []*bus.Tagged{taggedDrafts, taggedAlone, taggedShown, taggedWindows, taggedProblems}
)

// TaggedTables are the tables of this domain; all of their rows carry tags.
func TaggedTables() []string {
	out := make([]string, len(allTagged))
	for i, d := range allTagged {
		out[i] = d.Table
	}
	return out
}

// SealedColumns are the columns that hold sealed values.
func SealedColumns() []rewrap.Column {
	number := func(row any) []byte { n, _ := row.(int64); return strconv.AppendInt(nil, n, 10) }
	return []rewrap.Column{
		{Purpose: vault.PurposeConfig, Table: "setup_drafts", Key: "number", Name: "source", Row: "number", Place: number},
		{Purpose: vault.PurposeConfig, Table: "setup_problems", Key: "number", Name: "body", Row: "number", Place: number},
	}
}

// Audit names the rows that were changed, exchanged, added or removed by
// somebody without the key, and the drafts and problem reports that do
// not open.
func (s *Service) Audit(ctx context.Context, found func(table, row, what string)) error {
	for _, d := range allTagged {
		if err := s.tags.Audit(ctx, s.db, d, func(row, what string) { found(d.Table, row, what) }); err != nil {
			return err
		}
	}
	for _, x := range []struct {
		of   *bus.Tagged
		open func(context.Context, int64) error
	}{
		{taggedDrafts, func(ctx context.Context, n int64) error { _, err := s.Draft(ctx, n); return err }},
		{taggedProblems, func(ctx context.Context, n int64) error { _, err := s.Problem(ctx, n); return err }},
	} {
		var numbers []int64
		err := s.db.Query(ctx, "SELECT number FROM "+x.of.Table+" ORDER BY number", nil, func(row store.Scanner) error {
			var n int64
			err := row.Scan(&n)
			numbers = append(numbers, n)
			return err
		})
		if err != nil {
			return err
		}
		for _, n := range numbers {
			if err := x.open(ctx, n); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				found(x.of.Table, strconv.FormatInt(n, 10), "its text does not open, or is not the one that was stored last")
			}
		}
	}
	return nil
}
