package boxes

import (
	"context"
	"embed"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
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
	return store.Migrations{Domain: "boxes", Files: sub}
}

// Purpose is the key of names, contents and file keys.
const Purpose vault.Purpose = "boxes"

// SmallFile is up to where a file's content stands in its row, in bytes: one
// flush then carries many files.
const SmallFile = 64 << 10

// Verdict is what the gate says of a file.
type Verdict struct {
	Pass bool
	// Held: kept for a person of the laboratory; the sender is told so.
	Held bool
	Kind string // "hl7", "pdf"
	// Rule is the gate's word for what the file broke.
	Rule string
	// Reason is one sentence for the sender, without patient data.
	Reason string
}

// Gate looks into a file before anybody sees it.
type Gate interface {
	// f has its id, partner, name, size and hash. With an error the file is not taken.
	Check(ctx context.Context, f *File, body io.ReaderAt) (Verdict, error)
}

// Delivered is told that a delivery's file was picked up.
type Delivered interface {
	// It may be told again; the first word counts.
	PickedUp(ctx context.Context, delivery int64, at time.Time) error
}

// Room is how much a partner's inbox holds.
type Room struct {
	MaxFile int64 // bytes of one file
	MaxAll  int64 // bytes of all that are there
	Files   int
}

// Options are what a Service stands on.
type Options struct {
	DB    *store.DB
	Vault *vault.Vault
	// Spool is the folder of large files.
	Spool     string
	Gate      Gate // nil: everything passes
	Delivered Delivered
	// Room says how much a partner may send; nil for the defaults.
	Room  func(partner string) Room
	Raise alarm.Raiser
	// Flush makes a file of the spool, or the spool's folder, outlast a loss of
	// power; nil for fsync(2).
	Flush func(*os.File) error
	Now   func() time.Time
	Log   *slog.Logger
}

// Service is the partners' boxes. It is safe for concurrent use.
type Service struct {
	Options
	tags *bus.Tags

	mu      sync.Mutex
	writing map[event.ID]string // files being sent, by partner
	counts  map[string]count
	spoken  map[string]spoken
}

// count is what lay in a partner's inbox at a time, and what came and went since.
type count struct {
	n, size int64
	at      time.Time
}

// New returns the service on a migrated store.
func New(o Options) *Service {
	if o.Flush == nil {
		o.Flush = (*os.File).Sync
	}
	return &Service{Options: o, tags: bus.NewTags(o.Vault), writing: map[event.ID]string{}, counts: map[string]count{}, spoken: map[string]spoken{}}
}

// DefaultRoom is what a partner may send where nothing else is said.
var DefaultRoom = Room{MaxFile: 1 << 30, MaxAll: 8 << 30, Files: 20_000}

func (s *Service) room(partner string) Room {
	if s.Room == nil {
		return DefaultRoom
	}
	return s.Options.Room(partner)
}

var tagged = &bus.Tagged{Table: "boxes_files", Key: "id", Columns: []string{
	"partner", "folder", "named", "size", "sha256", "made_at", "made_by", "state", "delivery", "mark", "picked_at", "picked_by", "told", "gone_at", "gone_by",
}}

// TaggedTables are the tables whose rows carry tags.
func TaggedTables() []string { return []string{tagged.Table} }

// SealedColumns are those with sealed values.
func SealedColumns() []rewrap.Column {
	place := func(row any) []byte { b, _ := row.([]byte); return b }
	var out []rewrap.Column
	for _, name := range []string{"head", "body", "filekey"} {
		out = append(out, rewrap.Column{Purpose: Purpose, Table: "boxes_files", Key: "id", Name: name, Row: "id", Place: place})
	}
	return out
}
