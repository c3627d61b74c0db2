package app

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/config"
)

func partnerAt(key, addr string) string {
	return fmt.Sprintf("  %s: {name: Practice %s, destination: {mllp: {address: %q}}}\n", key, key, addr)
}

// Load runs over one connection while partners, routes and other sources come,
// change and go: the connection stays, and every result arrives.
func TestApplyUnderLoadLosesNothingAndDropsNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		p, q := newPractice(t), newPractice(t)
		base := s.source(partnerAt("p", p.addr), "p", "carry")
		h := s.open()
		addrs, stop := s.serve(h, s.parse(base))

		const n = 400
		l := dial(t, addrs["lis"])
		half := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range n {
				if i == n/8 {
					close(half)
				}
				if code, err := l.send(result(fmt.Sprintf("M%d", i))); err != nil || code != "AA" {
					t.Errorf("message %d: %s %v", i, code, err)
					if i < n/8 {
						close(half)
					}
					return
				}
			}
		})
		<-half
		for i := range 12 {
			src := s.source(partnerAt("p", p.addr)+partnerAt("q", q.addr), "p", "carry")
			if i%2 == 1 { // another source and a changed partner beside it
				src = strings.Replace(s.source(partnerAt("p", p.addr)+partnerAt("q", "127.0.0.1:9"), "p", "carry"),
					"partners:\n", "  other:\n    mllp: {listen: \"127.0.0.1:0\"}\npartners:\n", 1)
			}
			if _, err := propose(ctx, h, s.parse(src), src); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
		eventually(t, "every result at the practice", func() bool { got, _ := p.list(); return len(got) >= n })
		got, conns := p.list()
		seen := map[string]int{}
		for _, id := range got {
			seen[id]++
		}
		if len(seen) != n || len(got) != n {
			t.Errorf("the practice got %d results, %d different; want %d", len(got), len(seen), n)
		}
		if conns != 1 {
			t.Errorf("the unchanged partner was connected to %d times", conns)
		}
		stop()
	})
}

// A partner that moves gets everything at one of its two addresses, and what
// waited for the dead one goes at once.
func TestApplyMovesAPartner(t *testing.T) {
	s := newSite(t, "")
	ctx := t.Context()
	dead, err := net.Listen("tcp", "127.0.0.1:0") // accepts nothing, answers nothing
	if err != nil {
		t.Fatal(err)
	}
	addr := dead.Addr().String()
	dead.Close()
	p := newPractice(t)
	h := s.open()
	addrs, _ := s.serve(h, s.parse(s.source(partnerAt("p", addr), "p", "carry")))
	l := dial(t, addrs["lis"])
	for i := range 5 {
		if code, err := l.send(result(fmt.Sprintf("M%d", i))); err != nil || code != "AA" {
			t.Fatal(code, err)
		}
	}
	eventually(t, "the partner counts as down", func() bool {
		st, err := h.Results.Partners(ctx)
		return err == nil && len(st) == 1 && !st[0].DownSince.IsZero()
	})
	src := s.source(partnerAt("p", p.addr), "p", "carry")
	r, err := propose(ctx, h, s.parse(src), src)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything at the new address", func() bool { got, _ := p.list(); return len(got) == 5 })
	if got := h.Results.Settings().Revision; got != r.Hash {
		t.Errorf("in force is %s, applied was %s", got, r.Hash)
	}
}

// A source that changes keeps its address; its connections are closed and a
// new one is served by the new settings. One that goes away is closed.
func TestApplyChangesASource(t *testing.T) {
	s := newSite(t, "")
	ctx := t.Context()
	p := newPractice(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	base := strings.Replace(s.source(partnerAt("p", p.addr), "p", "carry"), "127.0.0.1:0", addr, 1)
	h := s.open()
	s.serve(h, s.parse(base))
	old := dial(t, addr)
	if code, err := old.send(result("A")); err != nil || code != "AA" {
		t.Fatal(code, err)
	}
	small := strings.Replace(base, "partners:\n", "    max_message: 1KiB\npartners:\n", 1)
	if _, err := propose(ctx, h, s.parse(small), small); err != nil {
		t.Fatal(err)
	}
	if _, err := old.r.ReadByte(); err == nil {
		t.Error("the connection to the changed source still talks")
	}
	now := dial(t, addr)
	if code, err := now.send(result("B")); err != nil || code != "AA" {
		t.Errorf("after the change: %s %v", code, err)
	}
	if code, err := dial(t, addr).send(result("C") + "NTE|1||" + strings.Repeat("x", 2000) + "\r"); err != nil || code == "AA" {
		t.Errorf("a message over the new limit: %s %v", code, err)
	}
	moved := strings.Replace(base, addr, "127.0.0.1:0", 1)
	if _, err := propose(ctx, h, s.parse(moved), moved); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old address is closed", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	if code, err := dial(t, h.Addresses()["lis"]).send(result("D")); err != nil || code != "AA" {
		t.Errorf("at the new address: %s %v", code, err)
	}
}

func TestAFailedApplyChangesNothing(t *testing.T) {
	s := newSite(t, "")
	ctx := t.Context()
	p := newPractice(t)
	base := s.source(partnerAt("p", p.addr), "p", "carry")
	h := s.open()
	addrs, _ := s.serve(h, s.parse(base))
	if _, err := propose(ctx, h, s.parse(base), base); err != nil {
		t.Fatal(err)
	}
	before := h.Results.Settings()
	l := dial(t, addrs["lis"])
	taken := newPractice(t)
	withSource := func(listen string) string {
		return strings.Replace(base, "partners:\n", "  other:\n    mllp: "+listen+"\npartners:\n", 1)
	}
	for what, c := range map[string]struct{ src, says string }{
		"port in use":         {withSource(fmt.Sprintf("{listen: %q}", taken.addr)), "source other: listen"},
		"certificate missing": {withSource(`{listen: "127.0.0.1:0", tls: {client_ca: /nowhere/ca.pem, certificate: /nowhere/a.pem, key: /nowhere/a.key}}`), "/nowhere/a.pem"},
		"authorities missing": {s.source(partnerAt("p", p.addr)+`  q: {name: Q, destination: {mllp: {address: "127.0.0.1:2", tls: {ca: /nowhere/ca.pem}}}}`+"\n", "p, q", "carry"), "partner q"},
	} {
		_, err := propose(ctx, h, s.parse(c.src), c.src)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if h.Results.Settings() != before {
		t.Error("other settings are in force")
	}
	if list, err := h.History(ctx); err != nil || len(list) != 1 {
		t.Errorf("history: %v %v", list, err)
	}
	if code, err := l.send(result("A")); err != nil || code != "AA" {
		t.Errorf("the connection: %s %v", code, err)
	}
	if a := h.Addresses(); len(a) != 1 || a["lis"] != addrs["lis"] {
		t.Errorf("addresses: %v", a)
	}
}

func TestMaterialNoticesARenewedFile(t *testing.T) {
	s := newSite(t, "")
	h := s.open()
	defer s.close(h)
	file := s.dir + "/root.key"
	a, err := h.material(t.Context(), &config.ServerTLS{Certificate: config.Path(file)})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, "renewed")
	b, err := h.material(t.Context(), &config.ServerTLS{Certificate: config.Path(file)})
	if err != nil || a == b {
		t.Errorf("not noticed: %v", err)
	}
}
