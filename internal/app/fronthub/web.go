package fronthub

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
)

// maxWeb is how many connections for web requests the front may have open.
const maxWeb = 512

// webDoor takes the connections that the front opens for web requests.
type webDoor struct {
	srv  *http.Server
	in   chan net.Conn
	once sync.Once
	over chan struct{}
	room chan struct{}
}

func newWebDoor(handler http.Handler, log *slog.Logger) *webDoor {
	if handler == nil {
		handler = http.NotFoundHandler()
	}
	d := &webDoor{in: make(chan net.Conn), over: make(chan struct{}), room: make(chan struct{}, maxWeb)}
	d.srv = &http.Server{
		Handler: fromFront(handler), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() { _ = d.srv.Serve(d) }()
	return d
}

// fromFront gives the handler the request as if the client had come to it: from
// its address, over its TLS. It believes the front's headers because only the
// front holds the other end of these connections.
func fromFront(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, secured := r.Header.Values(frontlink.HeaderClient), r.Header.Values(frontlink.HeaderTLS)
		if len(from) != 1 || len(secured) != 1 {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		addr, err := netip.ParseAddrPort(from[0])
		state := securedBy(secured[0])
		if err != nil || state == nil {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		r = r.Clone(r.Context())
		r.Header.Del(frontlink.HeaderClient)
		r.Header.Del(frontlink.HeaderTLS)
		r.RemoteAddr, r.TLS = addr.String(), state
		next.ServeHTTP(w, r)
	})
}

// securedBy is the client's TLS as the front tells it; nil for what the front's
// door does not speak.
func securedBy(said string) *tls.ConnectionState {
	words := strings.Split(said, " ")
	if len(words) != 3 {
		return nil
	}
	var n [3]uint16 // version, suite, group
	for i, w := range words {
		x, err := strconv.ParseUint(w, 16, 16)
		if err != nil {
			return nil
		}
		n[i] = uint16(x)
	}
	if n[0] < tls.VersionTLS13 {
		return nil
	}
	return &tls.ConnectionState{Version: n[0], CipherSuite: n[1], CurveID: tls.CurveID(n[2]), HandshakeComplete: true}
}

// open gives the front its end of a new connection.
func (d *webDoor) open(ctx context.Context) (*os.File, error) {
	select {
	case d.room <- struct{}{}:
	default:
		return nil, channel.Refuse("too many connections")
	}
	leave := func() { <-d.room }
	theirs, ours, err := pairOf()
	if err != nil {
		leave()
		return nil, err
	}
	select {
	case d.in <- &webConn{Conn: ours, leave: leave}:
		return theirs, nil
	case <-d.over:
	case <-ctx.Done():
	}
	leave()
	_ = theirs.Close()
	_ = ours.Close()
	return nil, net.ErrClosed
}

// webConn leaves its room when it is closed.
type webConn struct {
	net.Conn
	once  sync.Once
	leave func()
}

func (c *webConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.leave)
	return err
}

func (d *webDoor) Accept() (net.Conn, error) {
	select {
	case c := <-d.in:
		return c, nil
	case <-d.over:
		return nil, net.ErrClosed
	}
}

func (d *webDoor) Close() error {
	d.once.Do(func() { close(d.over) })
	return nil
}

func (d *webDoor) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }

func (d *webDoor) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := d.srv.Shutdown(ctx); err != nil {
		_ = d.srv.Close()
	}
}
