package publiccert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Protocol is what an authority asks for in a TLS-ALPN-01 challenge (RFC 8737 4).
const Protocol = "acme-tls/1"

// Options are what a Keeper is made from.
type Options struct {
	Storage *Storage
	// Directory is the authority's (RFC 8555 7.1.1), Email the account's.
	Directory, Email string
	// Agreed: somebody who may has agreed to the authority's terms. It gives nothing
	// without.
	Agreed bool
	// Roots vouch for the directory; nil for the system's.
	Roots *x509.CertPool
	// HTTP says that ServeHTTP is reached on port 80 of the names, and is how
	// challenges are answered; otherwise it is by ForChallenge on port 443.
	HTTP  bool
	Names []string
	// Obtained is told of each new certificate, Shown when this process has one to
	// show that it had not.
	Obtained func(ctx context.Context, name string, renewed bool)
	Shown    func(ctx context.Context, name string)
	// Ready says whether the doors are open that challenges come to; nil: they are.
	// The first try waits for it, a minute at most.
	Ready func() bool
	// Again is how long to wait after each failure in a row [20 seconds, 5, 15, 30
	// minutes, 1 hour]: Let's Encrypt takes five of a name in an hour.
	Again []time.Duration
	// Look is how often certificates are looked at for renewal [10 minutes].
	Look time.Duration
	Now  func() time.Time
	Log  *slog.Logger
}

// State is how it stands with one name.
type State struct {
	Name string
	// Begins and Ends are the certificate's; zero: there is none.
	Begins, Ends time.Time
	Issuer       string
	// Failed is why the last try failed, at Tried; empty since one succeeded.
	Failed string
	Tried  time.Time
	// Since is when the first of these tries failed.
	Since time.Time
}

// Late says that a quarter or less of the certificate's life is left, which
// renewal should not have let happen.
func (s State) Late(now time.Time) bool {
	return !s.Ends.IsZero() && s.Ends.Sub(now) <= s.Ends.Sub(s.Begins)/4
}

// Keeper keeps the certificates of some names.
type Keeper struct {
	o      Options
	cache  *certmagic.Cache
	conf   *certmagic.Config
	issuer *certmagic.ACMEIssuer
	// port is held so that certmagic, which would open the port of a challenge
	// itself, finds it taken and leaves the answer to our doors.
	port net.Listener

	mu     sync.Mutex
	failed map[string]State
}

// Open makes a Keeper and reads what is there already.
func Open(ctx context.Context, o Options) (*Keeper, error) {
	if len(o.Again) == 0 {
		o.Again = []time.Duration{20 * time.Second, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}
	}
	k := &Keeper{o: o, failed: map[string]State{}}
	var err error
	if k.port, err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("hold the port of challenges: %w", err)
	}
	go k.refuse()
	quiet := zap.NewNop() // what matters comes by event
	k.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return k.conf, nil },
		RenewCheckInterval: o.Look, Logger: quiet,
	})
	k.conf = certmagic.New(k.cache, certmagic.Config{
		Storage: o.Storage, Logger: quiet, OnEvent: k.heard, KeySource: certmagic.StandardKeyGenerator{KeyType: certmagic.P256},
		ShouldEmitFunc: func(event string) bool {
			return event == "cert_obtained" || event == "cert_failed" || event == "cached_managed_cert"
		},
		OCSP: certmagic.OCSPConfig{DisableStapling: true}, Issuers: []certmagic.Issuer{},
	})
	port := k.port.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener's
	k.issuer = certmagic.NewACMEIssuer(k.conf, certmagic.ACMEIssuer{
		CA: o.Directory, Email: o.Email, Agreed: o.Agreed, TrustedRoots: o.Roots, DisableHTTPChallenge: !o.HTTP, DisableTLSALPNChallenge: o.HTTP,
		ListenHost: "127.0.0.1", AltHTTPPort: port, AltTLSALPNPort: port, CertObtainTimeout: 2 * time.Minute, Logger: quiet,
	})
	k.issuer.TestCA = "" // nobody is asked but the directory that was agreed to
	k.conf.Issuers = []certmagic.Issuer{k.issuer}
	for _, name := range o.Names {
		if _, err := k.conf.CacheManagedCertificate(ctx, name); err != nil && !isNone(err) {
			o.Log.Error("a public certificate that was kept cannot be used; a new one is asked for", "name", name, "error", err)
		}
	}
	return k, nil
}

// refuse answers nobody at the held port.
func (k *Keeper) refuse() {
	for {
		c, err := k.port.Accept()
		if err != nil {
			return
		}
		_ = c.Close()
	}
}

// Run asks for what is missing until ctx ends; renewals run beside it.
func (k *Keeper) Run(ctx context.Context) error {
	defer func() {
		k.cache.Stop()
		_ = k.port.Close()
	}()
	var wg sync.WaitGroup
	for _, name := range k.o.Names {
		wg.Go(func() { k.obtain(ctx, name) })
	}
	wg.Wait()
	<-ctx.Done()
	return nil
}

// obtain asks for one name's certificate until it is there.
func (k *Keeper) obtain(ctx context.Context, name string) {
	k.await(ctx)
	for n := 0; ; n++ {
		try, cancel := context.WithTimeout(ctx, 5*time.Minute)
		begun := k.o.Now()
		err := k.conf.ManageSync(try, []string{name})
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		k.mu.Lock()
		told := !k.failed[name].Tried.Before(begun) // by the event, in fewer words
		k.mu.Unlock()
		if !told {
			k.note(name, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(k.o.Again[min(n, len(k.o.Again)-1)]):
		}
	}
}

// await waits for the doors: a try that fails because nobody is there yet counts
// with the authority.
func (k *Keeper) await(ctx context.Context) {
	if k.o.Ready == nil {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for seen, n := 0, 0; seen < 2 && n < 60; n++ { // twice: who came a moment ago is still opening its port
		if k.o.Ready() {
			seen++
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// heard takes certmagic's events.
func (k *Keeper) heard(ctx context.Context, event string, data map[string]any) error {
	name, _ := data["identifier"].(string)
	switch event {
	case "cached_managed_cert":
		names, _ := data["sans"].([]string)
		if k.o.Shown != nil {
			for _, name := range names {
				k.o.Shown(ctx, name)
			}
		}
	case "cert_obtained":
		renewed, _ := data["renewal"].(bool)
		k.mu.Lock()
		delete(k.failed, name)
		k.mu.Unlock()
		k.o.Log.Info("a public certificate was obtained", "name", name, "renewed", renewed)
		if k.o.Obtained != nil {
			k.o.Obtained(ctx, name, renewed)
		}
	case "cert_failed":
		if err, _ := data["error"].(error); err != nil {
			k.note(name, err)
		}
	}
	return nil
}

// maxReason bounds what an authority says of a failure, as it is shown.
const maxReason = 300

func (k *Keeper) note(name string, err error) {
	said := strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, err.Error())
	if len(said) > maxReason {
		said = strings.ToValidUTF8(said[:maxReason], "") + "..."
	}
	now := k.o.Now()
	k.mu.Lock()
	was, again := k.failed[name]
	is := State{Failed: said, Tried: now, Since: now}
	if again {
		is.Since = was.Since
	}
	k.failed[name] = is
	k.mu.Unlock()
	if was.Failed != said {
		k.o.Log.Warn("a public certificate was not obtained; it is tried again", "name", name, "error", said)
	}
}

// Certificate is the one of a name that ends last; nil while there is none.
func (k *Keeper) Certificate(name string) *tls.Certificate {
	var last *tls.Certificate
	for _, c := range k.cache.AllMatchingCertificates(strings.ToLower(name)) {
		if last == nil || c.Leaf.NotAfter.After(last.Leaf.NotAfter) {
			last = &c.Certificate
		}
	}
	return last
}

// errNoChallenge: the authority asked for nothing, or somebody else asks.
var errNoChallenge = errors.New("no challenge is open for this name")

// Challenge is the certificate that answers an open TLS-ALPN-01 challenge, of
// whichever node opened it.
func (k *Keeper) Challenge(name string) (*tls.Certificate, error) {
	name = strings.ToLower(name)
	if !slices.Contains(k.o.Names, name) {
		return nil, errNoChallenge
	}
	ours, theirs := net.Pipe() // certmagic names the other end in its log
	defer func() { _, _ = ours.Close(), theirs.Close() }()
	c, err := k.conf.GetCertificate(&tls.ClientHelloInfo{ServerName: name, SupportedProtos: []string{Protocol}, Conn: ours})
	if err != nil || c == nil {
		return nil, errNoChallenge
	}
	return c, nil
}

// ForChallenge is for tls.Config.GetConfigForClient: it answers an authority that
// asks by TLS-ALPN-01, and leaves everybody else to the configuration.
func (k *Keeper) ForChallenge(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if !Asks(hello) {
		return nil, nil
	}
	c, err := k.Challenge(hello.ServerName)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{Protocol}, Certificates: []tls.Certificate{*c}}, nil // RFC 8737 3: TLS 1.2 or higher
}

// Asks says whether a handshake is an authority's challenge: that protocol and no
// other (RFC 8737 3).
func Asks(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == Protocol && hello.ServerName != ""
}

// ServeHTTP answers HTTP-01 challenges (RFC 8555 8.3) and nothing else.
func (k *Keeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if k.issuer.HandleHTTPChallenge(w, r) {
		return
	}
	http.Error(w, "Nothing is here. Use https.", http.StatusNotFound)
}

// States are all names, in the order they were given.
func (k *Keeper) States() []State {
	var out []State
	for _, name := range k.o.Names {
		k.mu.Lock()
		s := k.failed[name]
		k.mu.Unlock()
		s.Name = name
		if c := k.Certificate(name); c != nil {
			s.Begins, s.Ends, s.Issuer = c.Leaf.NotBefore, c.Leaf.NotAfter, c.Leaf.Issuer.CommonName
		}
		out = append(out, s)
	}
	return out
}

func isNone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
