package crash

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// cluster is a laboratory with several hubs on one PostgreSQL database, and a
// load balancer before their doors that asks them for /readyz.
type cluster struct {
	*lab
	nodes []*node
}

// node is one hub of it.
type node struct {
	*proc
	name, addr, health string
	config             string
	up                 atomic.Bool // as the balancer sees it
	asleep             bool
}

// newCluster makes n nodes; none runs yet. reach gives the database's address
// for a node.
func newCluster(t *testing.T, dsn string, n int, reach func(i int) string) *cluster {
	t.Helper()
	c := &cluster{lab: newLab(t, layout{dsn: dsn})}
	base, err := os.ReadFile(c.lab.config())
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		x := &node{name: fmt.Sprintf("n%d", i+1), addr: port(t), health: port(t)}
		dir := filepath.Join(c.dir, x.name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "dsn"), []byte(reach(i)), 0o600); err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(base), "data: "+c.data, fmt.Sprintf("name: %s\n  listen: {lis: %q}\n  metrics: {listen: %q}\n  control: {socket: %s}\n  data: %s",
			x.name, x.addr, x.health, filepath.Join(dir, "sock"), filepath.Join(dir, "data")), 1)
		text = strings.Replace(text, "dsn_file: "+filepath.Join(c.dir, "dsn"), "dsn_file: "+filepath.Join(dir, "dsn"), 1)
		x.config = filepath.Join(dir, "labwarden.yaml")
		if err := os.WriteFile(x.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c.nodes = append(c.nodes, x)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the log of %s ends:\n%s", x.name, tail(filepath.Join(c.dir, x.name+".log"), 3000))
			}
		})
	}
	c.balance()
	return c
}

func (c *cluster) begin(x *node) {
	c.t.Helper()
	x.proc = start(c.t, c.dir, x.name, "serve", "--config", x.config)
	if _, err := x.says("listening lis", time.Minute); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) beginAll() {
	c.t.Helper()
	for _, x := range c.nodes {
		c.begin(x)
	}
}

// balance takes the LIS's connections and gives each to a node that is ready,
// in turn: plain TCP, as a load balancer before two machines would.
func (c *cluster) balance() {
	ln, err := net.Listen("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	quit := make(chan struct{})
	var all sync.WaitGroup
	c.t.Cleanup(func() { close(quit); ln.Close(); all.Wait() })
	for _, x := range c.nodes {
		all.Go(func() {
			tick := time.NewTicker(250 * time.Millisecond)
			defer tick.Stop()
			for {
				_, ok := x.ask()
				x.up.Store(ok)
				select {
				case <-quit:
					return
				case <-tick.C:
				}
			}
		})
	}
	var turn atomic.Int64
	all.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			first := int(turn.Add(1))
			var out net.Conn
			for i := range c.nodes {
				if x := c.nodes[(first+i)%len(c.nodes)]; x.up.Load() {
					if out, err = net.DialTimeout("tcp", x.addr, time.Second); err == nil {
						break
					}
				}
			}
			if out == nil {
				in.Close()
				continue
			}
			stop := make(chan struct{})
			shut := sync.OnceFunc(func() { in.Close(); out.Close(); close(stop) })
			all.Go(func() { _, _ = io.Copy(out, in); shut() })
			all.Go(func() { _, _ = io.Copy(in, out); shut() })
			all.Go(func() {
				// A connection does not stay for ever: so every node gets its share
				// again after it was away, and messages are cut off on their way.
				age := time.NewTimer(3*time.Second + time.Duration(first%16)*250*time.Millisecond)
				defer age.Stop()
				select {
				case <-quit:
				case <-stop:
				case <-age.C:
				}
				shut()
			})
		}
	})
}

// readiness is what /readyz says of the lease.
type readiness struct {
	Ready bool
	Lease struct {
		Epoch int64
		Node  string
		Live  bool
		Mine  bool
	}
}

// ask asks the node for /readyz.
func (x *node) ask() (readiness, bool) {
	var r readiness
	client := http.Client{Timeout: time.Second}
	resp, err := client.Get("http://" + x.health + "/readyz")
	if err != nil {
		return r, false
	}
	defer resp.Body.Close()
	err = json.NewDecoder(resp.Body).Decode(&r)
	return r, err == nil && resp.StatusCode == http.StatusOK
}

// holder finds the node that holds the lease, by the word of those that run.
func (c *cluster) holder(than int64, patience time.Duration) (*node, int64) {
	c.t.Helper()
	var found *node
	var epoch int64
	until(c.t, patience, "a node holds the lease", func() bool {
		for _, x := range c.nodes {
			if x.proc == nil || x.asleep {
				continue
			}
			r, ok := x.ask()
			if !ok || !r.Lease.Live || r.Lease.Epoch <= than {
				continue
			}
			i := slices.IndexFunc(c.nodes, func(y *node) bool { return y.name == r.Lease.Node })
			found, epoch = c.nodes[i], r.Lease.Epoch
			return true
		}
		return false
	})
	return found, epoch
}

// status is what the command line says on that node.
func (c *cluster) status(x *node) string {
	c.t.Helper()
	cmd := exec.Command(built.binary, "status", "--config", x.config)
	cmd.Dir, cmd.Env = c.dir, []string{}
	out, _ := cmd.CombinedOutput() // "needs you" is an exit code too
	return string(out)
}

func (x *node) sleep(t *testing.T) {
	t.Helper()
	if err := x.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	x.asleep = true
}

func (x *node) wakeUp(t *testing.T) {
	t.Helper()
	if err := x.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	x.asleep = false
}

// finish waits until the LIS is through and everything is noted, stops the
// nodes and judges by the lists and the ledger.
func (c *cluster) finish(lis *proc, n int, seed uint64, patience time.Duration) (tally demo.Tally, late int) {
	c.t.Helper()
	if _, err := lis.says("done", patience); err != nil {
		c.t.Fatalf("the LIS: %v", err)
	}
	if !within(patience, func() bool { return c.arrived() >= n }) {
		c.t.Errorf("the queue does not drain: the clinics have %d of %d", c.arrived(), n)
	}
	db := c.open()
	within(30*time.Second, func() bool {
		return countIn(c.t, db, "SELECT count(*) FROM results_deliveries WHERE state < 3") == 0
	})
	_ = db.Close()
	for _, x := range c.nodes {
		x.stop(c.t)
	}
	tally = demo.Count(c.books(demo.ExpectationsOf(demo.Synthetic(n, seed))))
	if !tally.OK() || tally.Unanswered != 0 || tally.WrongPartner != 0 || tally.Received != n || tally.Delivered != n || tally.Acknowledged != n || tally.Held != 0 {
		c.t.Errorf("by the lists: %s", brief(tally))
	}
	c.audit(n)
	c.auditNodes()
	return tally, c.late()
}

// auditNodes follows the ledger in order: each delivery must have been noted by
// the node that held the lease at that point.
func (c *cluster) auditNodes() (terms int) {
	c.t.Helper()
	db := c.open()
	defer db.Close()
	codec, err := ledger.NewCodec()
	if err != nil {
		c.t.Fatal(err)
	}
	holder, epoch, by := "", int64(0), map[string]int{}
	err = db.Query(c.t.Context(), "SELECT events, node FROM ledger_groups ORDER BY first", nil, func(row store.Scanner) error {
		var packed []byte
		var name string
		if err := row.Scan(&packed, &name); err != nil {
			return err
		}
		name, _, _ = strings.Cut(name, "~") // behind it stands what binds the row
		events, err := codec.Unpack(packed)
		if err != nil {
			return err
		}
		for _, e := range events {
			var v struct {
				Kind string            `json:"kind"`
				IDs  map[string]string `json:"ids"`
				N    map[string]int64  `json:"numbers"`
			}
			if err := json.Unmarshal(e, &v); err != nil {
				return err
			}
			switch v.Kind {
			case "node.lease_taken":
				if v.N["epoch"] != epoch+1 || v.IDs["node"] != name {
					c.t.Errorf("epoch %d of node %s follows epoch %d, in a row of node %s", v.N["epoch"], v.IDs["node"], epoch, name)
				}
				holder, epoch = v.IDs["node"], v.N["epoch"]
				terms++
			case "result.received":
				by[name]++
			case "result.delivered":
				if name != holder {
					c.t.Errorf("delivery %s was noted by %s while %s held the lease", v.IDs["delivery"], name, holder)
				}
			}
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Logf("%d terms; results taken in by node: %v", terms, by)
	if len(by) < 2 {
		c.t.Error("only one node took results in: the others' way was not tried")
	}
	return terms
}

// late counts what came to a clinic again after a later result of the same
// patient or order: what a node that slept sent when it woke up.
func (c *cluster) late() int {
	c.t.Helper()
	type facts struct {
		seq  int
		keys []string
	}
	b := c.books(nil)
	known := map[string]facts{}
	for _, l := range b.LIS {
		if l.Event == demo.Presented {
			if _, ok := known[l.SHA256]; !ok {
				known[l.SHA256] = facts{l.Seq, l.Keys}
			}
		}
	}
	n := 0
	for _, x := range b.Clinics {
		latest := map[string]int{}
		for _, l := range x.Lines {
			f := known[l.SHA256]
			over := false
			for _, k := range f.keys {
				over = over || latest[k] > f.seq
				latest[k] = max(latest[k], f.seq)
			}
			if over {
				n++
			}
		}
	}
	return n
}
