package crash

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// takeOverLimit is within which another node must hold the lease after the
// holder died.
const takeOverLimit = 10 * time.Second

// Hubs on one database, all under load, and the holder of the lease is killed,
// stopped and woken, or ended as an operator would, at random moments; now and
// then one of the others with it. By the lists of LIS and clinics everything
// acknowledged is delivered, in order; by the ledger it is marked once, by the
// node that held the lease at that moment.
func TestBarNodes(t *testing.T) {
	whole := size(t)
	events := 3 // one of each kind
	if whole {
		events = 45
	}
	for _, nodes := range []int{2, 3} {
		t.Run(fmt.Sprintf("%d nodes", nodes), func(t *testing.T) {
			takingOver(t, nodes, events, whole)
		})
	}
}

func takingOver(t *testing.T, nodes, events int, whole bool) {
	dsn := storetest.PostgresDSN(t)
	r := rand.New(rand.NewPCG(killSeed, uint64(nodes)))
	c := newCluster(t, dsn, nodes, func(int) string { return dsn })
	c.beginClinics()
	c.beginAll()
	n := 1300 * events
	lis := c.beginLIS(n, killSeed, "--pace", "100ms")
	until(t, time.Minute, "load", func() bool { return c.arrived() > 50 })
	took := map[string][]time.Duration{}
	for i := range events {
		pause(time.Duration(200+r.IntN(800)) * time.Millisecond)
		x, epoch := c.holder(0, takeOverLimit)
		how := []string{"killed", "stopped", "killed", "ended"}[(i+r.IntN(2))%4]
		if i < 3 {
			how = []string{"stopped", "killed", "ended"}[i] // also the small form has each
		}
		var other *node
		if nodes > 2 && r.IntN(3) == 0 {
			other = c.nodes[(slices.Index(c.nodes, x)+1)%nodes]
		}
		at := time.Now()
		switch how {
		case "killed":
			x.kill()
			x.proc = nil
		case "stopped":
			x.sleep(t)
		case "ended":
			x.stop(t)
			x.proc = nil
		}
		if other != nil {
			other.kill()
			other.proc = nil
		}
		y, _ := c.holder(epoch, 2*takeOverLimit)
		gone := time.Since(at)
		took[how] = append(took[how], gone)
		if gone > takeOverLimit || y == x && how != "ended" {
			t.Errorf("event %d: %s was %s; %s holds the lease %v later", i, x.name, how, y.name, gone)
		}
		if how == "stopped" {
			pause(time.Duration(r.IntN(1500)) * time.Millisecond) // the new holder is well under way
			x.wakeUp(t)
		} else {
			c.begin(x)
		}
		if other != nil {
			c.begin(other)
		}
	}
	select {
	case <-lis.ended:
		t.Fatal("the load ended before the last event: nothing was proved")
	default:
	}
	tally, late := c.finish(lis, n, killSeed, 10*time.Minute)
	text := fmt.Sprintf("seed %d, %d nodes, %d events under load from 16 connections through a balancer that asks /readyz: %s; %d of the doubled came after a later result of the same patient or order.",
		killSeed, nodes, events, oneLine(tally), late)
	for _, how := range []string{"killed", "stopped", "ended"} {
		d := took[how]
		if len(d) == 0 {
			continue
		}
		slices.Sort(d)
		text += fmt.Sprintf(" Holder %s (%d times): another holds the lease after %v (median), %v (worst).", how, len(d),
			d[len(d)/2].Round(10*time.Millisecond), d[len(d)-1].Round(10*time.Millisecond))
	}
	t.Log(text)
	reportIn(t, whole, nodesReport, fmt.Sprintf("%d nodes", nodes), text)
}

// wire carries a node's connections to the database, and can be cut without
// either side being told.
type wire struct {
	ln   net.Listener
	mu   sync.Mutex
	cond *sync.Cond
	cut  bool
	all  []net.Conn
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{ln: ln}
	w.cond = sync.NewCond(&w.mu)
	t.Cleanup(func() {
		ln.Close()
		w.set(false)
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, c := range w.all {
			c.Close()
		}
	})
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			w.mu.Lock()
			w.all = append(w.all, in, out)
			w.mu.Unlock()
			go w.carry(in, out)
			go w.carry(out, in)
		}
	}()
	return w
}

func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	w.cond.Broadcast()
}

// carry copies while the wire is whole; what comes while it is cut waits.
func (w *wire) carry(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		for w.cut {
			w.cond.Wait()
		}
		w.mu.Unlock()
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// The holder loses the network to the database, nothing else: it runs on and
// reaches the clinics. It must stop by itself before another begins.
func TestHolderWithoutTheDatabaseStopsByItself(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	w := newWire(t, u.Host)
	far := *u
	far.Host = w.ln.Addr().String()
	c := newCluster(t, dsn, 2, func(i int) string {
		if i == 0 {
			return far.String()
		}
		return dsn
	})
	c.beginClinics()
	c.beginAll() // the first takes the lease
	const n = 2000
	lis := c.beginLIS(n, faultSeed, "--pace", "100ms")
	until(t, time.Minute, "load", func() bool { return c.arrived() > 100 })
	x, epoch := c.holder(0, takeOverLimit)
	if x != c.nodes[0] {
		t.Fatalf("%s holds the lease", x.name)
	}
	for i, want := range []string{"This node (n1) has held the lease since", "Node n1 has held the lease since"} {
		if s := c.status(c.nodes[i]); !strings.Contains(s, want) {
			t.Errorf("status of %s does not say %q:\n%s", c.nodes[i].name, want, s)
		}
	}
	at := time.Now()
	w.set(true)
	x.asleep = true // its word does not count
	y, _ := c.holder(epoch, 2*takeOverLimit)
	took := time.Since(at)
	if y != c.nodes[1] || took > takeOverLimit {
		t.Errorf("%s holds the lease after %v", y.name, took)
	}
	before := c.arrived()
	until(t, time.Minute, "results flow by the other node", func() bool { return c.arrived() > before+100 })
	w.set(false)
	x.asleep = false
	until(t, time.Minute, "the first is ready again", func() bool { _, ok := x.ask(); return ok })
	tally, late := c.finish(lis, n, faultSeed, 2*time.Minute)
	t.Logf("another held the lease after %v; %s; %d late", took.Round(10*time.Millisecond), oneLine(tally), late)
}
