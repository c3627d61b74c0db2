package httppost

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
)

// serve starts an HTTPS server with mutual TLS.
func serve(t *testing.T, a *ct.Authority, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	cfg, err := channel.TLS{Certificate: ct.Source(a.Issue("far.test", time.Time{})), Roots: a.Pool}.Server()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(h)
	// httptest would put its own certificate first: listen ourselves.
	srv.Listener = tls.NewListener(srv.Listener, cfg)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	srv.URL = strings.Replace(srv.URL, "http:", "https:", 1)
	t.Cleanup(srv.Close)
	return srv
}

func config(t *testing.T, a *ct.Authority, u string) Config {
	t.Helper()
	c, err := channel.TLS{Certificate: ct.Source(a.Issue("lab.test", time.Time{})), Roots: a.Pool, ServerName: "far.test"}.Client()
	if err != nil {
		t.Fatal(err)
	}
	return Config{Name: "far", URL: u, TLS: c, Timeout: 400 * time.Millisecond, DialTimeout: 300 * time.Millisecond}
}

func newSender(t *testing.T, c Config) *Sender {
	t.Helper()
	s, err := NewSender(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	a := ct.NewAuthority(t)
	ct.Run(t, ct.Harness{
		Success: channel.Committed, Declined: channel.Rejected, GarbageIsFine: true,
		// HTTP answers name no message and cannot come twice on a request.
		Lacks: []ct.Fault{ct.Twice, ct.OtherMessage},
		Message: func(n, size int) channel.Message {
			return channel.Message{ID: fmt.Sprint(n), ContentType: "application/x", Body: ct.Bytes(n, size, "")}
		},
		New: func(t *testing.T, f ct.Fault) ct.Far {
			var mu sync.Mutex
			var got [][]byte
			stop := make(chan struct{})
			srv := serve(t, a, func(w http.ResponseWriter, r *http.Request) {
				if f == ct.HangsBefore {
					<-stop
					return
				}
				b, err := io.ReadAll(r.Body)
				if err != nil {
					return
				}
				mu.Lock()
				got = append(got, b)
				mu.Unlock()
				switch f {
				case ct.HangsAfter:
					select {
					case <-stop:
					case <-r.Context().Done():
					}
				case ct.ClosesMidReply:
					w.Header().Set("Content-Length", "100")
					w.Write([]byte("half"))
					panic(http.ErrAbortHandler)
				case ct.Garbage:
					w.Write([]byte("\x00\xffwhat?"))
				case ct.Slow:
					for range 5 {
						w.Write([]byte("x"))
						w.(http.Flusher).Flush()
					}
				case ct.Declines:
					w.WriteHeader(http.StatusUnprocessableEntity)
				}
			})
			if f == ct.Refuses {
				srv.Listener.Close()
			}
			c := config(t, a, srv.URL)
			if f == ct.None {
				c.Timeout = 2 * time.Second
			}
			var once sync.Once
			return ct.Far{
				Sender: newSender(t, c), Close: func() { once.Do(func() { close(stop); srv.CloseClientConnections(); srv.Close() }) },
				Received: func() [][]byte {
					mu.Lock()
					defer mu.Unlock()
					return append([][]byte(nil), got...)
				},
			}
		},
	})
}

// TestNonsenseOnTheWire: what speaks no HTTP gives no receipt.
func TestNonsenseOnTheWire(t *testing.T) {
	for name, answer := range map[string]string{
		"no http": "HELLO\r\n\r\n", "nothing": "", "endless header": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20),
		"1xx": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go func() {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				nc.Read(make([]byte, 4096))
				io.WriteString(nc, answer)
			}()
			s := newSender(t, Config{URL: "http://" + ln.Addr().String(), Timeout: time.Second, Exception: &channel.Exception{
				Plaintext: true, Reason: "test", Owner: "N. N.", Until: time.Now().Add(time.Hour),
			}})
			r, err := s.Send(t.Context(), channel.Message{Body: []byte("x")})
			if channel.ClassOf(err) != channel.Unanswered {
				t.Errorf("%+v %v", r, err)
			}
		})
	}
}

func TestStatuses(t *testing.T) {
	a := ct.NewAuthority(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hits := 0
	srv := serve(t, a, func(w http.ResponseWriter, r *http.Request) {
		hits++
		q := r.URL.Query()
		if v := q.Get("after"); v != "" {
			w.Header()["Date"] = nil // its clock is not ours
			w.Header().Set("Retry-After", v)
		}
		w.Header().Set("Location", "/elsewhere")
		var n int
		fmt.Sscan(q.Get("n"), &n)
		w.WriteHeader(n)
		w.Write([]byte("said"))
	})
	for _, c := range []struct {
		n     int
		after string
		class channel.Class
		wait  time.Duration
	}{
		{200, "", 0, 0},
		{201, "", 0, 0},
		{202, "", 0, 0},
		{301, "", channel.Misconfigured, 0},
		{307, "", channel.Misconfigured, 0},
		{308, "", channel.Misconfigured, 0},
		{400, "", channel.Rejected, 0},
		{401, "", channel.Rejected, 0},
		{409, "", channel.Rejected, 0},
		{422, "5", channel.Rejected, 0},
		{408, "", channel.Busy, 0},
		{425, "", channel.Busy, 0},
		{429, "120", channel.Busy, 2 * time.Minute},
		{503, "Sun, 01 Mar 2026 12:05:00 GMT", channel.Busy, 5 * time.Minute},
		{503, "Sun, 01 Mar 2026 11:05:00 GMT", channel.Busy, 0},
		{503, "-5", channel.Busy, 0},
		{503, "soon", channel.Busy, 0},
		{503, "999999999", channel.Busy, time.Hour},
		{500, "", channel.Busy, 0},
	} {
		cfg := config(t, a, srv.URL+"/in?n="+fmt.Sprint(c.n)+"&after="+url.QueryEscape(c.after))
		cfg.Now = func() time.Time { return now }
		before := hits
		r, err := newSender(t, cfg).Send(t.Context(), channel.Message{Body: []byte("x")})
		if hits != before+1 {
			t.Errorf("%d: %d requests", c.n, hits-before)
		}
		if c.class == 0 {
			if err != nil || r.Level != channel.Committed || r.Code != fmt.Sprint(c.n) || string(r.Body) != "said" || !r.At.Equal(now) {
				t.Errorf("%d: %+v %v", c.n, r, err)
			}
			if r.Peer.Fingerprint == "" || !strings.HasPrefix(r.Peer.TLS, "TLS 1.3") || r.Peer.Name != "far" {
				t.Errorf("peer %+v", r.Peer)
			}
			continue
		}
		var ce *channel.Error
		if !errors.As(err, &ce) || ce.Class != c.class || ce.RetryAfter != c.wait || ce.Code != fmt.Sprint(c.n) || string(ce.Reply) != "said" {
			t.Errorf("%d %q: %+v", c.n, c.after, err)
		}
	}
}

func TestRequestAndLimits(t *testing.T) {
	a := ct.NewAuthority(t)
	var got *http.Request
	srv := serve(t, a, func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Write(bytes.Repeat([]byte("y"), 5000))
	})
	// A proxy in the environment must not be asked.
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	cfg := config(t, a, srv.URL+"/in")
	cfg.MaxReply = 4999
	cfg.Header = http.Header{"X-Api-Key": {"k"}, "Content-Type": {"text/evil"}}
	r, err := newSender(t, cfg).Send(t.Context(), channel.Message{
		ID: "0198-id", ContentType: "x-application/hl7-v2+er7", Name: "r 1.hl7", Body: []byte("x"),
	})
	if err != nil || r.Body != nil || r.Code != "200" {
		t.Fatalf("%+v %v", r, err)
	}
	for k, want := range map[string]string{
		"Idempotency-Key": `"0198-id"`, "Content-Type": "x-application/hl7-v2+er7", "X-Api-Key": "k",
		"Content-Disposition": `attachment; filename="r 1.hl7"`,
	} {
		if g := got.Header.Get(k); g != want {
			t.Errorf("%s = %q, want %q", k, g, want)
		}
	}
	if got.Method != "POST" || got.ContentLength != 1 {
		t.Errorf("%s %d", got.Method, got.ContentLength)
	}
	cfg.MaxReply = 5000
	if r, err = newSender(t, cfg).Send(t.Context(), channel.Message{Body: []byte("x")}); err != nil || len(r.Body) != 5000 {
		t.Errorf("%d bytes, %v", len(r.Body), err)
	}
}

// TestWhoIsThere: a server or client that cannot prove itself gets nothing.
func TestWhoIsThere(t *testing.T) {
	a, other := ct.NewAuthority(t), ct.NewAuthority(t)
	srv := serve(t, a, func(http.ResponseWriter, *http.Request) { t.Error("request came through") })
	wrongServer, err := channel.TLS{Certificate: ct.Source(a.Issue("lab.test", time.Time{})), Roots: other.Pool, ServerName: "far.test"}.Client()
	if err != nil {
		t.Fatal(err)
	}
	wrongClient, err := channel.TLS{Certificate: ct.Source(other.Issue("lab.test", time.Time{})), Roots: a.Pool, ServerName: "far.test"}.Client()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*tls.Config{wrongServer, wrongClient} {
		cfg := config(t, a, srv.URL+"/?key=secret")
		cfg.TLS = c
		_, err := newSender(t, cfg).Send(context.Background(), channel.Message{Body: bytes.Repeat([]byte("x"), 100)})
		if channel.ClassOf(err) != channel.Unreachable || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	for _, c := range []Config{
		{},
		{URL: "https://x/"},
		{URL: "http://x/"},
		{URL: "ftp://x/", TLS: &tls.Config{}},
		{URL: "https://u:p@x/", TLS: &tls.Config{}},
		{URL: "/x", TLS: &tls.Config{}},
		{URL: "http://x/", Exception: &channel.Exception{Plaintext: true}},
	} {
		if _, err := NewSender(c); err == nil {
			t.Errorf("%+v accepted", c)
		}
	}
}

// TestNoSilentRepeat: a connection that dies after the request was read must not
// make net/http post it again, although Idempotency-Key would let it.
func TestNoSilentRepeat(t *testing.T) {
	var mu sync.Mutex
	requests := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		mu.Lock()
		requests++
		second := requests == 2
		mu.Unlock()
		if second {
			panic(http.ErrAbortHandler)
		}
	}))
	defer srv.Close()
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	s := newSender(t, Config{URL: srv.URL, Timeout: 2 * time.Second, Exception: &channel.Exception{
		Plaintext: true, Reason: "test", Owner: "N. N.", Until: time.Now().Add(time.Hour),
	}})
	if _, err := s.Send(t.Context(), channel.Message{ID: "1", Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(t.Context(), channel.Message{ID: "2", Body: []byte("x")}); channel.ClassOf(err) != channel.Unanswered || err == nil {
		t.Errorf("%v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if requests != 2 {
		t.Errorf("%d requests, want 2", requests)
	}
}
