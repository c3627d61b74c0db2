package app

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// site is a laboratory in a temporary folder.
type site struct {
	t     *testing.T
	dir   string
	db    string // the node.database value
	node  string // data folder and name; empty: "data" and "test"
	seals []vault.Seal
}

func newSite(t *testing.T, dsn string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), db: "{engine: sqlite}"}
	if dsn != "" {
		file := filepath.Join(s.dir, "dsn") // it may hold a password
		if err := os.WriteFile(file, []byte(dsn), 0o600); err != nil {
			t.Fatal(err)
		}
		s.db = fmt.Sprintf("{engine: postgres, dsn_file: %q}", file)
	}
	key := filepath.Join(s.dir, "root.key")
	if err := vault.CreateKeyFile(key, rand.Reader); err != nil {
		t.Fatal(err)
	}
	s.seals = []vault.Seal{vault.KeyFile(key)}
	if _, err := Create(t.Context(), s.parse(s.source("  p: {name: P, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n", "p", "shadow")), s.seals, 0, 0, s.deps()); err != nil {
		t.Fatal(err)
	}
	return s
}

// eachEngine runs the test on a site on SQLite and one on PostgreSQL.
func eachEngine(t *testing.T, run func(*testing.T, *site)) {
	t.Run("sqlite", func(t *testing.T) { run(t, newSite(t, "")) })
	t.Run("postgres", func(t *testing.T) { run(t, newSite(t, storetest.PostgresDSN(t))) })
}

func (s *site) deps() Deps {
	return Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Node: cmp.Or(s.node, "test")}
}

// source writes a configuration whose one route goes to the partners.
func (s *site) source(partners, to, stage string) string {
	return fmt.Sprintf(`lab: {name: Test, id: test}
node:
  data: %s
  database: %s
  seals: [{kind: keyfile, path: %s}]
sources:
  lis:
    mllp: {listen: "127.0.0.1:0"}
partners:
%sroutes:
  - {name: all, from: lis, to: [%s], stage: %s, check: none, check_reason: a test}
`, filepath.Join(s.dir, cmp.Or(s.node, "data")), s.db, filepath.Join(s.dir, "root.key"), partners, to, stage)
}

func (s *site) parse(src string) *config.Config {
	s.t.Helper()
	c, problems := config.Parse("test.yaml", []byte(src), config.Options{Validators: Validators()})
	if c == nil {
		s.t.Fatal(problems.Err())
	}
	return c
}

func (s *site) open() *Hub {
	s.t.Helper()
	h, err := Open(s.t.Context(), s.parse(s.source("  p: {name: P, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n", "p", "shadow")), s.seals, s.deps())
	if err != nil {
		s.t.Fatal(err)
	}
	return h
}

func (s *site) close(h *Hub) {
	s.t.Helper()
	if err := h.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// propose applies src as somebody with the director's approval.
func propose(ctx context.Context, h *Hub, c *config.Config, src string) (Revision, error) {
	if err := stated(ctx, h, c); err != nil {
		return Revision{}, err
	}
	out, err := h.Apply(ctx, Proposal{Config: c, Source: []byte(src), Who: "tester", Reason: "a-test", ApprovedBy: "Dr-Director"})
	return out.Revision, err
}

// stated records what a new laboratory's director states once.
func stated(ctx context.Context, h *Hub, c *config.Config) error {
	return h.StateNoOldPath(ctx, c, "Dr-Director", results.By{Who: "tester", Reason: "a-test"})
}

// serve runs the hub until the test ends; stop ends it earlier.
func (s *site) serve(h *Hub, c *config.Config) (addrs map[string]string, stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan map[string]string, 1), make(chan error, 1)
	go func() { done <- h.Serve(ctx, c, func(a map[string]string) { ready <- a }) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Errorf("serve: %v", err)
		}
		s.close(h)
	})
	s.t.Cleanup(stop)
	select {
	case addrs = <-ready:
		return addrs, stop
	case err := <-done:
		s.t.Fatalf("start: %v", err)
		return nil, nil
	}
}

// practice is a receiving MLLP server that keeps its own list of control ids.
type practice struct {
	addr string
	ln   net.Listener
	mu   sync.Mutex
	got  []string
	conn int
}

func newPractice(t *testing.T) *practice {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &practice{addr: ln.Addr().String(), ln: ln}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conn++
			p.mu.Unlock()
			go p.talk(c)
		}
	}()
	return p
}

func (p *practice) talk(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		b, err := frame(r)
		if err != nil {
			return
		}
		head, err := hl7.ReadHeader(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		p.got = append(p.got, string(head.ControlID))
		p.mu.Unlock()
		ack := hl7.AppendAck(nil, &head, hl7.AckOptions{Code: "AA", ControlID: "A" + string(head.ControlID), Time: time.Now()})
		if _, err := c.Write(append(append([]byte{0x0b}, ack...), 0x1c, '\r')); err != nil {
			return
		}
	}
}

func (p *practice) list() ([]string, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.got...), p.conn
}

func frame(r *bufio.Reader) ([]byte, error) {
	b, err := r.ReadBytes(0x1c)
	if err != nil {
		return nil, err
	}
	if _, err := r.ReadByte(); err != nil {
		return nil, err
	}
	return bytes.Trim(b, "\x0b\x1c"), nil
}

// lis is one connection of a laboratory's system.
type lis struct {
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, addr string) *lis {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &lis{c, bufio.NewReader(c)}
}

func result(id string) string {
	return strings.Join([]string{
		"MSH|^~\\&|LIS|LAB|CLINIC|C|20260102030405||ORU^R01^ORU_R01|" + id + "|P|2.5.1",
		"PID|1||P" + id + "^^^LAB^MR||DOE^JANE",
		"OBR|1|PL" + id + "|FI" + id + "|2345-7^Glucose^LN|||20260102030405|||||||||1234567893^Smith^^^^^^^NPI",
		"OBX|1|NM|2345-7^Glucose^LN||90|mg/dL|70-99|N|||F",
	}, "\r") + "\r"
}

// send presents a message and returns the code of the answer.
func (l *lis) send(body string) (string, error) {
	if err := l.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(l, "\x0b"+body+"\x1c\r"); err != nil {
		return "", err
	}
	b, err := frame(l.r)
	if err != nil {
		return "", err
	}
	_, msa, _ := strings.Cut(string(b), "\rMSA|")
	code, _, _ := strings.Cut(msa, "|")
	return code, nil
}

// eventually polls until ok, at most 20 s.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited too long: %s", what)
		case <-tick.C:
		}
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
