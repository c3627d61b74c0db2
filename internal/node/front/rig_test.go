package front

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel/frontlink"
)

// rig is a hub for the front under test: it signs, answers web requests and says
// what to do. What a hub of the product checks is tested beside it (app/fronthub).
type rig struct {
	t      *testing.T
	socket string
	key    *ecdsa.PrivateKey
	chain  [][]byte
	web    http.Handler

	mu   sync.Mutex
	set  frontlink.Settings
	link *frontlink.Conn
	ln   *net.UnixListener
	ends []func()

	addrs chan map[string]string
}

func newRig(t *testing.T, web http.Handler) *rig {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a.example"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, socket: filepath.Join(t.TempDir(), "s"), key: k, chain: [][]byte{der}, web: web, addrs: make(chan map[string]string, 64)}
	r.set.Web = frontlink.Web{Listen: frontlink.Listen{Address: "127.0.0.1:0", Conns: 20, PerAddress: 10}, Sites: []frontlink.Site{{Host: "a.example", Key: "k", Chain: r.chain}}}
	r.begin()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f := &Front{Socket: r.socket, Log: slog.New(slog.DiscardHandler), Ready: func(at map[string]string) { r.addrs <- at }}
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done; r.end() })
	return r
}

// begin opens the hub's socket.
func (r *rig) begin() {
	ln, err := net.ListenUnix("unixpacket", &net.UnixAddr{Net: "unixpacket", Name: r.socket})
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.ln = ln
	r.mu.Unlock()
	go func() {
		for {
			c, err := ln.AcceptUnix()
			if err != nil {
				return
			}
			link := frontlink.New(c, r.answer, slog.New(slog.DiscardHandler))
			r.mu.Lock()
			r.link = link
			r.mu.Unlock()
			go func() { _ = link.Run(context.Background()) }()
		}
	}()
}

// end is a hub that goes, with all that it had open.
func (r *rig) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.ln.Close()
	if r.link != nil {
		_ = r.link.Close()
	}
	for _, f := range r.ends {
		f()
	}
	r.ends = nil
}

func (r *rig) answer(_ context.Context, c *frontlink.Call) (frontlink.Reply, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch c.Verb {
	case frontlink.VerbHello:
		return frontlink.Reply{Words: frontlink.Welcome{Settings: r.set}}, nil
	case frontlink.VerbSign:
		var w frontlink.Digest
		if err := c.Words(&w); err != nil {
			return frontlink.Reply{}, err
		}
		b, err := r.key.Sign(rand.Reader, w.Digest, crypto.Hash(w.Hash))
		return frontlink.Reply{Body: b}, err
	case frontlink.VerbWeb:
		fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			return frontlink.Reply{}, err
		}
		mine := os.NewFile(uintptr(fds[1]), "ours")
		conn, err := net.FileConn(mine)
		_ = mine.Close()
		if err != nil {
			return frontlink.Reply{}, err
		}
		f := newFeed()
		go f.put(conn)
		srv := &http.Server{Handler: r.web, ReadHeaderTimeout: time.Minute}
		go func() { _ = srv.Serve(f) }()
		r.ends = append(r.ends, func() { _ = srv.Close() })
		return frontlink.Reply{File: os.NewFile(uintptr(fds[0]), "theirs")}, nil
	}
	return frontlink.Reply{}, errors.New("unknown verb")
}

// tell gives the front other settings.
func (r *rig) tell(change func(*frontlink.Settings)) {
	r.t.Helper()
	r.mu.Lock()
	change(&r.set)
	set, link := r.set, r.link
	r.mu.Unlock()
	if _, _, err := link.Ask(r.t.Context(), frontlink.VerbSettings, set, nil, nil, nil); err != nil {
		r.t.Fatal(err)
	}
}

// doors waits for the front to say what is open.
func (r *rig) doors() map[string]string {
	r.t.Helper()
	select {
	case at := <-r.addrs:
		return at
	case <-time.After(20 * time.Second):
		r.t.Fatal("the front says nothing")
		return nil
	}
}

// client asks the web door at the address.
func client(t *testing.T, at string, h2 bool) *http.Client {
	tr := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", at)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: h2, // whose certificate it is, is looked at elsewhere
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func get(c *http.Client, path string, head ...string) (int, string, error) {
	r, err := http.NewRequest(http.MethodGet, "https://a.example"+path, nil)
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(head); i += 2 {
		r.Header.Add(head[i], head[i+1])
	}
	w, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer w.Body.Close()
	var b strings.Builder
	_, err = fmt.Fprint(&b, w.Header.Get("X-Said"))
	return w.StatusCode, b.String(), err
}
