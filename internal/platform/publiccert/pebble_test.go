package publiccert_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/pebble"
	"github.com/labwarden/labwarden/internal/platform/publiccert"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

const host = "results.lab.example"

// door is a TLS door that shows what the keeper has, and answers its challenges.
type door struct {
	net.Listener
	keeper atomic.Pointer[publiccert.Keeper]
}

func listen(t *testing.T) (net.Listener, int) {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln, ln.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // a TCP listener's
}

func openDoor(t *testing.T) (*door, int) {
	t.Helper()
	ln, port := listen(t)
	d := &door{}
	d.Listener = tls.NewListener(ln, &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) { return d.keeper.Load().ForChallenge(h) },
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := d.keeper.Load().Certificate(h.ServerName); c != nil {
				return c, nil
			}
			return nil, errors.New("none")
		},
	})
	go func() {
		for {
			c, err := d.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				if t, ok := c.(*tls.Conn); ok {
					_ = t.HandshakeContext(context.Background())
				}
			}()
		}
	}()
	return d, port
}

// shown is the certificate that the door shows, when it is believed.
func (d *door) shown(t *testing.T, roots *x509.CertPool) (*x509.Certificate, error) {
	t.Helper()
	c, err := (&tls.Dialer{Config: &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS13}}).DialContext(t.Context(), "tcp", d.Addr().String())
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0], nil //nolint:forcetypeassert // tls.Dialer's
}

// onSQLite is for what the engine makes no difference to: storage and locks are
// tried on both.
func onSQLite(t *testing.T) storetest.Opener {
	path := filepath.Join(t.TempDir(), "test.db")
	return func(o store.Options) *store.DB {
		db, err := store.OpenSQLite(t.Context(), path, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatal("not within a minute: " + what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func keeper(t *testing.T, s *publiccert.Storage, ca *pebble.Server, o publiccert.Options) *publiccert.Keeper {
	t.Helper()
	o.Storage, o.Directory, o.Roots, o.Email, o.Agreed, o.Names = s, ca.Directory, ca.CA, "it@lab.example", true, []string{host}
	o.Now, o.Log = time.Now, slog.New(slog.NewTextHandler(t.Output(), nil))
	if o.Again == nil {
		o.Again = []time.Duration{200 * time.Millisecond}
	}
	k, err := publiccert.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func run(t *testing.T, k *publiccert.Keeper) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = k.Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// With Let's Encrypt's own test server, by TLS-ALPN-01: two nodes want the
// certificate at once, the challenge comes to the one that did not ask, one
// certificate is issued, both show it, and after a restart nobody asks again.
func TestObtainedOnceForTwoNodes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		d, port := openDoor(t)
		ca := pebble.Start(t, pebble.Options{TLSPort: port, HTTPPort: 1})
		var told atomic.Int32
		o := publiccert.Options{Obtained: func(_ context.Context, name string, renewed bool) {
			if name == host && !renewed {
				told.Add(1)
			}
		}}
		a, b := keeper(t, r.node("a"), ca, o), keeper(t, r.node("b"), ca, o)
		d.keeper.Store(b)
		if _, err := d.shown(t, ca.Issued); err == nil || a.Certificate(host) != nil || !a.States()[0].Ends.IsZero() {
			t.Error("there is a certificate before any was asked for")
		}
		stops := []func(){run(t, a), run(t, b)}
		eventually(t, "both nodes show it", func() bool { return a.Certificate(host) != nil && b.Certificate(host) != nil })
		leaf, err := d.shown(t, ca.Issued)
		if err != nil {
			t.Fatal(err)
		}
		if n := told.Load(); n != 1 {
			t.Errorf("issued %d times", n)
		}
		if s := a.States()[0]; !s.Ends.Equal(leaf.NotAfter) || s.Failed != "" || s.Late(time.Now()) || !s.Late(leaf.NotAfter.Add(-time.Hour)) {
			t.Errorf("%+v", s)
		}
		if _, err := a.Challenge("other.lab.example"); err == nil {
			t.Error("a challenge of a foreign name is answered")
		}
		if _, err := a.Challenge(host); err == nil {
			t.Error("a challenge is answered though none is open")
		}
		for _, stop := range stops {
			stop()
		}
		asked := strings.Count(ca.Said(), "POST /order-plz") + strings.Count(ca.Said(), "newOrder")
		again := keeper(t, r.node("c"), ca, publiccert.Options{})
		run(t, again)
		d.keeper.Store(again)
		if x, err := d.shown(t, ca.Issued); err != nil || x.SerialNumber.Cmp(leaf.SerialNumber) != 0 {
			t.Error("after a restart:", err)
		}
		if now := strings.Count(ca.Said(), "POST /order-plz") + strings.Count(ca.Said(), "newOrder"); now != asked {
			t.Error("asked again for what was there")
		}
		if err := r.node("a").Audit(t.Context(), func(table, row, what string) { t.Error(table, row, what) }); err != nil {
			t.Error(err)
		}
	})
}

// A certificate that lives for seconds is renewed before its end (which takes the
// test its time), and the door is never without one.
func TestRenewedInTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, onSQLite(t))
	d, port := openDoor(t)
	ca := pebble.Start(t, pebble.Options{TLSPort: port, HTTPPort: 1, Life: 12 * time.Second})
	var renewed atomic.Bool
	k := keeper(t, r.node("a"), ca, publiccert.Options{Look: 100 * time.Millisecond, Obtained: func(_ context.Context, _ string, again bool) {
		if again {
			renewed.Store(true)
		}
	}})
	d.keeper.Store(k)
	run(t, k)
	eventually(t, "it is there", func() bool { return k.Certificate(host) != nil })
	first, err := d.shown(t, ca.Issued)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is renewed", func() bool {
		x, err := d.shown(t, ca.Issued)
		if err != nil {
			t.Fatal("the door was without a certificate: ", err)
		}
		return renewed.Load() && x.SerialNumber.Cmp(first.SerialNumber) != 0
	})
	if s := k.States()[0]; s.Failed != "" {
		t.Errorf("%+v", s)
	}
}

// By HTTP-01, where TLS-ALPN-01 does not reach us.
func TestByHTTP(t *testing.T) {
	t.Parallel()
	r := newRig(t, onSQLite(t))
	ln, port := listen(t)
	ca := pebble.Start(t, pebble.Options{HTTPPort: port, TLSPort: 1})
	k := keeper(t, r.node("a"), ca, publiccert.Options{HTTP: true})
	srv := &http.Server{Handler: k, ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	run(t, k)
	eventually(t, "it is there", func() bool { return k.Certificate(host) != nil })
	for _, path := range []string{"/", "/.well-known/acme-challenge/AAAA"} { // neither another page nor a challenge that is not open
		w := httptest.NewRecorder()
		k.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://"+host+path, nil))
		if w.Code != http.StatusNotFound {
			t.Error(path, w.Code, w.Body)
		}
	}
}

// Nobody answers the authority: that is said with its reason, and tried again.
func TestFailureIsSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t, onSQLite(t))
	d, _ := openDoor(t)
	ca := pebble.Start(t, pebble.Options{TLSPort: 1, HTTPPort: 1})
	k := keeper(t, r.node("a"), ca, publiccert.Options{})
	d.keeper.Store(k)
	run(t, k)
	var first publiccert.State
	eventually(t, "the failure is said", func() bool { first = k.States()[0]; return first.Failed != "" })
	if !strings.Contains(first.Failed, "Failed to connect") || len(first.Failed) > 310 || first.Since.IsZero() || !first.Ends.IsZero() {
		t.Errorf("%+v", first)
	}
	eventually(t, "it is tried again", func() bool { s := k.States()[0]; return s.Tried.After(first.Tried) && s.Since.Equal(first.Since) })
}
