package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// cutter stands between the store and the server. Armed, it breaks the
// connection that next says COMMIT.
type cutter struct {
	t    *testing.T
	to   string
	lis  net.Listener
	mu   sync.Mutex
	how  string // "": not armed
	skip int
	last bool
	gone bool // nobody is let through any more
	cuts int
}

// Where the connection breaks.
const (
	beforeTheServer = "before the server has the COMMIT"
	afterTheServer  = "after the server has committed"
	meanwhile       = "while the server may be at it"
)

func newCutter(t *testing.T) (c *cutter, dsn string) {
	t.Helper()
	u, err := url.Parse(storetest.PostgresDSN(t))
	if err != nil {
		t.Fatal(err)
	}
	c = &cutter{t: t, to: u.Host}
	if c.lis, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.lis.Close() })
	u.Host = c.lis.Addr().String()
	q := u.Query()
	q.Set("default_query_exec_mode", "exec") // the text travels with each statement
	u.RawQuery = q.Encode()
	go func() {
		for {
			conn, err := c.lis.Accept()
			if err != nil {
				return
			}
			go c.carry(conn)
		}
	}()
	return c, u.String()
}

// arm breaks the COMMIT after the next; gone: nobody is let through after that.
func (c *cutter) arm(how string, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.how, c.skip, c.last, c.gone = how, 1, gone, false
}

func (c *cutter) cutNow() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.how == "" {
		return ""
	}
	if c.skip > 0 {
		c.skip--
		return ""
	}
	how := c.how
	c.how, c.gone = "", c.last
	c.cuts++
	return how
}

func (c *cutter) carry(client net.Conn) {
	defer client.Close()
	c.mu.Lock()
	gone := c.gone
	c.mu.Unlock()
	if gone {
		return
	}
	server, err := net.Dial("tcp", c.to)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer server.Close()
	var mu sync.Mutex
	deaf := make(chan struct{}) // closed when the server's answer was seen and kept back
	hold := false
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			mu.Lock()
			held := hold
			mu.Unlock()
			if held {
				if err != nil || bytes.Contains(buf[:n], []byte("COMMIT\x00")) {
					close(deaf)
					return
				}
				continue
			}
			if n > 0 {
				if _, werr := client.Write(buf[:n]); werr != nil {
					return
				}
			}
			if err != nil {
				_ = client.Close()
				return
			}
		}
	}()
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if bytes.Contains(buf[:n], []byte("\x00COMMIT\x00")) {
			switch c.cutNow() {
			case beforeTheServer:
				return
			case afterTheServer:
				mu.Lock()
				hold = true
				mu.Unlock()
				if _, err := server.Write(buf[:n]); err != nil {
					c.t.Error(err)
				}
				<-deaf
				return
			case meanwhile:
				if _, err := server.Write(buf[:n]); err != nil {
					c.t.Error(err)
				}
				_ = client.Close()
				_, _ = io.Copy(io.Discard, server) // the session lives on
				return
			}
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestBrokenCommitIsDoneOnce: acts that must not be done twice are done once,
// and whoever asked is told the truth, wherever the connection breaks, alone or
// in a group.
func TestBrokenCommitIsDoneOnce(t *testing.T) {
	for _, how := range []string{beforeTheServer, afterTheServer, meanwhile} {
		for _, members := range []int64{1, 5} {
			t.Run(how+", "+map[int64]string{1: "one", 5: "a group"}[members], func(t *testing.T) {
				c, dsn := newCutter(t)
				db := openAt(t, dsn, store.Options{})
				errs, told := acts(t, db, c, how, false, members)
				for _, err := range errs {
					if err != nil {
						t.Errorf("told: %v", err)
					}
				}
				if n := count(t, db, "SELECT n FROM test_c"); n != members {
					t.Errorf("done %d times, asked for %d", n, members)
				}
				if told != members {
					t.Errorf("%d of %d heard that it is written", told, members)
				}
				if c.cuts != 1 {
					t.Errorf("%d connections broken", c.cuts)
				}
			})
		}
	}
}

// TestUnknownCommitIsNotRepeated: as long as the server cannot be asked nothing
// is done a second time, and whoever asked hears that it is not known.
func TestUnknownCommitIsNotRepeated(t *testing.T) {
	c, dsn := newCutter(t)
	db := openAt(t, dsn, store.Options{OutcomeLimit: 300 * time.Millisecond})
	errs, told := acts(t, db, c, afterTheServer, true, 5)
	for _, err := range errs {
		if !errors.Is(err, store.ErrUnknown) {
			t.Errorf("told: %v", err)
		}
	}
	if told != 0 {
		t.Errorf("%d heard that it is written", told)
	}
	c.arm("", false)
	if err := exec(db, "UPDATE test_c SET n = n + 100"); err != nil {
		t.Fatalf("when the server is back: %v", err)
	}
	if n := count(t, db, "SELECT n FROM test_c"); n != 105 {
		t.Errorf("%d, want 105", n)
	}
}

func openAt(t *testing.T, dsn string, o store.Options) *store.DB {
	t.Helper()
	db, err := store.OpenPostgres(t.Context(), dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, q := range []string{"CREATE TABLE test_c (n BIGINT)", "INSERT INTO test_c (n) VALUES (0)"} {
		if err := exec(db, q); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// acts counts up n times in one group whose COMMIT breaks; told is how many
// heard that it was committed, undone tellings taken off.
func acts(t *testing.T, db *store.DB, c *cutter, how string, gone bool, n int64) (errs []error, told int64) {
	t.Helper()
	hold, held := make(chan struct{}), make(chan struct{})
	busy := make(chan error, 1)
	go func() {
		busy <- db.Do(context.Background(), func(context.Context, *store.Tx) error { close(held); <-hold; return nil })
	}()
	<-held
	done := make(chan error, n)
	var mu sync.Mutex
	for range n {
		go func() {
			done <- db.Do(context.Background(), func(ctx context.Context, tx *store.Tx) error {
				tx.After(func(committed bool) {
					mu.Lock()
					defer mu.Unlock()
					if committed {
						told++
					}
				})
				return tx.Queue(ctx, "UPDATE test_c SET n = n + 1")
			})
		}()
	}
	until(t, func() bool { return db.Queued() == int(n) })
	c.arm(how, gone)
	close(hold)
	if err := <-busy; err != nil {
		t.Fatal(err)
	}
	for range n {
		errs = append(errs, <-done)
	}
	return errs, told
}
