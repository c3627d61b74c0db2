package signin

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
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
	return store.Migrations{Domain: "signin", Files: sub}
}

// PersonInfo is what this package must know of a person.
type PersonInfo struct {
	ID      event.ID
	Account string
	// Name is shown by the authenticator; Words (names, department) are what a
	// password must not be made of.
	Name  string
	Words []string
	// MustPasskey: a role of theirs opens only with a passkey.
	MustPasskey bool
	// MustTwo: one factor is no way in for them: a password counts with an
	// authenticator app only, and is a long one all the same.
	MustTwo bool
	// Active: between start and end date, and not suspended.
	Active bool
}

// People finds people; package access does.
type People interface {
	// ByAccount finds by the name that is typed at the sign-in, without regard to
	// case; false where there is nobody.
	ByAccount(ctx context.Context, account string) (PersonInfo, bool, error)
	ByID(ctx context.Context, id event.ID) (PersonInfo, bool, error)
}

// Vault seals and tags; *vault.Vault does.
type Vault interface {
	Seal(p vault.Purpose, w vault.Where, dst, plaintext []byte) ([]byte, error)
	Unseal(p vault.Purpose, w vault.Where, dst, sealed []byte) ([]byte, error)
	bus.Keys
}

// Settings come from the configuration and may change while the hub runs.
type Settings struct {
	// PublicURL is the address people open, "https://labwarden.example". Its host
	// is what passkeys are bound to: another host makes them useless.
	PublicURL string
	// Lab is the laboratory's name, shown by authenticators and authenticator apps.
	Lab string
}

// Options are what a Service works with.
type Options struct {
	DB    *store.DB
	Vault Vault
	// Realm parts the people of one site from those of another that share the tables:
	// a half-done sign-in, a challenge and a count of wrong tries belong to one realm.
	// Empty is the laboratory's own; their ids are never the same in any case.
	Realm  string
	People People
	Hasher *Hasher
	Now    func() time.Time
	Log    *slog.Logger
	// Provider is the OpenID provider of the configuration in force, nil for none;
	// Outside finds whom it means. Without them nobody signs in that way.
	Provider func() *Provider
	Outside  Outside
	// Tell has people told of changes to how they sign in; nil: nobody is told.
	Tell Teller
	// Raise hears of copied passkeys and of guessing; nil: nobody is told.
	Raise Raiser
}

// Service is the ways to sign in. It is safe for concurrent use.
type Service struct {
	Options
	tags     *bus.Tags
	site     atomic.Pointer[site]
	breached atomic.Pointer[Breached]
	dummy    string
	line     *line
}

// site is what follows from Settings.
type site struct {
	Settings
	rp *webauthn.WebAuthn // nil where PublicURL allows no passkeys
	no error              // why
}

// New returns a service; Apply gives it its settings.
func New(o Options) *Service {
	s := &Service{Options: o, tags: bus.NewTags(o.Vault), line: newLine()}
	s.Apply(Settings{})
	s.dummy = o.Hasher.Nobody()
	return s
}

// Apply takes new settings over.
func (s *Service) Apply(x Settings) {
	n := &site{Settings: x}
	if n.Lab == "" {
		n.Lab = "Labwarden"
	}
	n.rp, n.no = relyingParty(n.PublicURL, n.Lab)
	s.site.Store(n)
}

// PasskeysWork says why passkeys cannot be used, nil when they can.
func (s *Service) PasskeysWork() error { return s.site.Load().no }

// SetBreached has new passwords looked up in a file of known ones; nil: in none.
func (s *Service) SetBreached(b *Breached) { s.breached.Store(b) }

func relyingParty(public, lab string) (*webauthn.WebAuthn, error) {
	u, err := url.Parse(public)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Hostname() != "localhost" {
		return nil, errors.New("passkeys need public_url in the configuration: the https address under which people open these pages")
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		// WebAuthn level 3, 5.1.2: the relying party id is a domain, not an address.
		return nil, errors.New("passkeys need a name in public_url, not a network address")
	}
	rp, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: lab, RPOrigins: []string{u.Scheme + "://" + strings.ToLower(u.Host)},
		AuthenticatorSelection: selection(),
	})
	if err != nil {
		return nil, fmt.Errorf("prepare passkeys: %w", err)
	}
	return rp, nil
}

// Way is a way to prove who one is.
type Way string

// The ways.
const (
	ByPassword Way = "password"
	ByTOTP     Way = "totp"
	ByRecovery Way = "recovery"
	ByPasskey  Way = "passkey"
)

// Ask is who asks, and from where.
type Ask struct {
	From netip.Addr
	// Person is set for a step-up: the person whose session it is, and nobody else
	// may prove to be.
	Person event.ID
	// Session and Device are what a change is made in, for whom it is told.
	Session event.ID
	Device  string
}

func (a Ask) again() bool { return a.Person != event.ID{} }

// Step is how far a sign-in has come.
type Step struct {
	// Level is LevelNone while a second step is missing; else the person has proved
	// who they are, and how well.
	Level  authz.Level
	Person event.ID
	// Pending names the half-done sign-in for the second step, Ways what it may be
	// done with.
	Pending string
	Ways    []Way
	// Linked is whom the provider says the person is, where it was asked for a link:
	// nobody is signed in by it, and Level is LevelNone.
	Linked *Outsider
}

// Reason is why a proof was not taken. It goes to the ledger; people read Error.
type Reason string

// The reasons.
const (
	NoMatch Reason = "no-match"
	Wait    Reason = "wait"
	Busy    Reason = "busy"
	Gone    Reason = "gone"
	Cloned  Reason = "cloned"
	NoWay   Reason = "no-second-factor"
)

// Refused is a proof that was not taken.
type Refused struct {
	Reason Reason
	// After is how long to wait.
	After time.Duration
	// Who is the provider that it is about, Subject whom that knows and nobody here.
	Who, Subject string
}

// longest is longer than any wait that ends by itself.
const longest = 30 * 24 * time.Hour

func (r *Refused) Error() string {
	switch r.Reason {
	case Wait:
		if r.After > longest {
			return "Too many wrong tries in a row: no password is taken here any more. Use a passkey, or ask an administrator."
		}
		return "Too many tries. Try again in " + words(r.After) + ", or use a passkey."
	case Busy:
		return "Too many people sign in at this moment. Try again in a few seconds."
	case Gone:
		return "This sign-in took too long or was used already. Begin again."
	case Cloned:
		return "This passkey has been copied, so it is no longer taken. Sign in another way and tell your security officer."
	case NoWay:
		return "This password is too short to stand alone, and there is no second factor any more. Ask an administrator for a new sign-in link."
	}
	if text := r.provider(); text != "" {
		return text
	}
	return "That did not match. Check what you typed, or use a passkey."
}

// words says a waiting time as people do.
func words(d time.Duration) string {
	unit := func(n int, one string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprint(n, " ", one, "s")
	}
	switch {
	case d < time.Minute:
		return unit(max(int((d+time.Second-1)/time.Second), 1), "second")
	case d < 2*time.Hour:
		return unit(int((d+time.Minute-1)/time.Minute), "minute")
	}
	return unit(int((d+time.Hour-1)/time.Hour), "hour")
}

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
