package resultsfhir

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is this room's schema.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "results_fhir", Files: sub}
}

// Looks records what is given away. *results.Service does.
type Looks interface {
	RecordPulls(ctx context.Context, messages []results.Pulled, export bool, by results.By) error
	ViewsClosed() string
}

// PickUps hears that a partner has fetched a delivery's report. *results.Service
// does.
type PickUps interface {
	PickedUp(ctx context.Context, delivery int64, at time.Time, how string) error
}

// Deps are what the server stands on.
type Deps struct {
	DB      *store.DB
	Vault   *vault.Vault
	Looks   Looks
	PickUps PickUps // nil: nobody wants to hear
	// Seen is told what the connection of a partner's request negotiated, once its
	// token was good; may be nil.
	Seen func(partner, secured string)
	// Door names the way a request came by; nil where there is one alone. A token that
	// was given at one door opens nothing at another.
	Door    func(*http.Request) string
	Now     func() time.Time
	Random  func([]byte) error // nil: the system's
	Log     *slog.Logger
	Version string
}

// Settings are one applied configuration as this room uses it; never changed
// after Apply.
type Settings struct {
	// Base is the address of the server as its clients write it, without a slash
	// at the end: https://HOST[:PORT]/fhir.
	Base string
	// Lab is the laboratory's name.
	Lab string
	// Clients by their ids.
	Clients map[string]*Client
}

// Client is one partner's program.
type Client struct {
	ID, Partner string
	// Name is the partner's, for people.
	Name string
	Keys []Key
	// Scopes are those it may ask for.
	Scopes []string
	// Pace is how many requests a minute it may make.
	Pace int
	// Notify are the endpoints it may be notified at.
	Notify []Endpoint
}

// Endpoint is where a partner may be notified.
type Endpoint struct {
	// Prefix is how the address of a subscription's endpoint must begin.
	Prefix string
	// Transport reaches it, with its certificate checked.
	Transport http.RoundTripper
}

// Service is the FHIR server. Its methods may be called from any goroutine.
type Service struct {
	db      *store.DB
	vault   *vault.Vault
	tags    *bus.Tags
	looks   Looks
	pickUps PickUps
	seen    func(partner, secured string)
	door    func(*http.Request) string
	now     func() time.Time
	random  func([]byte) error
	log     *slog.Logger
	version string

	settings atomic.Pointer[Settings]
	paces    paces

	mu      sync.Mutex
	listing map[[16]byte]bool // exports that this process makes lists of
	woken   chan struct{}     // something was placed
	work    sync.WaitGroup
}

// New returns a server without clients; Apply gives it some.
func New(d Deps) *Service {
	s := &Service{
		db: d.DB, vault: d.Vault, tags: bus.NewTags(d.Vault), looks: d.Looks, pickUps: d.PickUps, seen: d.Seen, door: d.Door, now: d.Now, random: d.Random, log: d.Log,
		version: d.Version, listing: map[[16]byte]bool{}, woken: make(chan struct{}, 1), paces: newPaces(),
	}
	if s.random == nil {
		s.random = systemRandom
	}
	s.settings.Store(&Settings{})
	return s
}

// Apply takes another configuration. What clients hold stays theirs as long as
// their partner and their scopes allow it: both are looked at again with each
// request.
func (s *Service) Apply(set *Settings) { s.settings.Store(set) }

func (s *Service) client(id string) *Client { return s.settings.Load().Clients[id] }

func (s *Service) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// snap is the newest row there is: what a list that begins now may show.
func (s *Service) snap(ctx context.Context, q store.Queryer) (seq, at int64, err error) {
	err = q.Query(ctx, "SELECT seq, at FROM results_fhir_rows ORDER BY seq DESC LIMIT 1", nil, func(sc store.Scanner) error { return sc.Scan(&seq, &at) })
	if err != nil {
		return 0, 0, fmt.Errorf("read the newest resource: %w", err)
	}
	return seq, at, nil
}
