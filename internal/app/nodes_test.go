package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// nodePair is two hubs on one database; north was first and holds the lease.
type nodePair struct {
	t            *testing.T
	north, south *Hub
	at           map[*Hub]map[string]string // addresses
	stop         map[*Hub]func()
	site         *site // north's, for configurations
}

func newPair(t *testing.T, partners, to string) *nodePair {
	t.Helper()
	s := newSite(t, storetest.PostgresDSN(t))
	p := &nodePair{t: t, at: map[*Hub]map[string]string{}, stop: map[*Hub]func(){}}
	for _, name := range []string{"north", "south"} {
		own := *s
		own.node = name
		p.site = &own
		h := own.open()
		c := own.parse(own.source(partners, to, "carry"))
		if err := stated(t.Context(), h, c); err != nil {
			t.Fatal(err)
		}
		start, err := h.Begin(t.Context(), c.Node, c, nil, "tester")
		if err != nil {
			t.Fatal(err)
		}
		p.at[h], p.stop[h] = own.serve(h, start.Config)
		if name == "north" {
			p.north = h
			p.holds(h)
		} else {
			p.south = h
		}
	}
	return p
}

func (p *nodePair) holds(h *Hub) {
	p.t.Helper()
	eventually(p.t, "the node holds the lease", func() bool { _, ok := h.lease.Mine(); return ok })
}

func (p *nodePair) send(h *Hub, id string) {
	p.t.Helper()
	l := dial(p.t, p.at[h]["lis"])
	defer l.Close()
	if code, err := l.send(result(id)); err != nil || code != "AA" {
		p.t.Fatalf("%s: %s %v", id, code, err)
	}
}

func (p *practice) has(id string) bool {
	got, _ := p.list()
	return slices.Contains(got, id)
}

// deaf cuts the words between nodes: what is left is looking.
func (p *nodePair) deaf() {
	for _, h := range []*Hub{p.north, p.south} {
		h.Results.SetElsewhere(func(string, bool) {})
	}
}

// What one node takes in the other delivers, promptly.
func TestResultsOfEveryNodeAreDeliveredPromptly(t *testing.T) {
	x := newPractice(t)
	p := newPair(t, partnerAt("p", x.addr), "p")
	var took []time.Duration
	for i := range 30 {
		id := fmt.Sprintf("S%d", i)
		p.send(p.south, id)
		at := time.Now()
		eventually(t, "it arrives", func() bool { return x.has(id) })
		took = append(took, time.Since(at))
	}
	slices.Sort(took)
	t.Logf("from the acknowledgement by one node to the delivery by the other: %v median, %v worst", took[15], took[29])
	if took[15] > 200*time.Millisecond {
		t.Errorf("%v in the middle: the word does not get across, only looking finds it", took[15])
	}
	p.deaf()
	p.send(p.south, "deaf")
	eventually(t, "it arrives without a word", func() bool { return x.has("deaf") })
	if c := p.south.Results.Counts(); c.Delivered != 0 {
		t.Errorf("the node without the lease delivered %d", c.Delivered)
	}
}

// What a person does on one node holds on the node that delivers, with the word
// between them or without.
func TestActsOnAnotherNode(t *testing.T) {
	for name, deaf := range map[string]bool{"told": false, "by looking": true} {
		t.Run(name, func(t *testing.T) {
			x := newPractice(t)
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			gone := free.Addr().String()
			free.Close() // nobody there: all waits
			p := newPair(t, partnerAt("p", gone), "p")
			if deaf {
				p.deaf()
			}
			by := results.By{Who: "tester", Reason: "a-test"}
			ctx := t.Context()
			var seqs []int64
			for _, id := range []string{"held", "refused"} {
				p.send(p.south, id)
			}
			err = p.south.DB.Query(ctx, "SELECT seq FROM results_deliveries ORDER BY seq", nil, func(row store.Scanner) error {
				var seq int64
				err := row.Scan(&seq)
				seqs = append(seqs, seq)
				return err
			})
			if err != nil || len(seqs) != 2 {
				t.Fatalf("%v %v", seqs, err)
			}
			for _, seq := range seqs {
				if err := p.south.Results.Hold(ctx, seq, by); err != nil {
					t.Fatal(err)
				}
			}
			src := p.site.source(partnerAt("p", x.addr), "p", "carry")
			if _, err := propose(ctx, p.south, p.site.parse(src), src); err != nil {
				t.Fatal(err)
			}
			p.send(p.south, "free")
			eventually(t, "what is not held arrives", func() bool { return x.has("free") })
			if x.has("held") || x.has("refused") {
				t.Fatal("what was held on the other node was sent")
			}
			if err := p.south.Results.Refuse(ctx, seqs[1], by); err != nil {
				t.Fatal(err)
			}
			if err := p.south.Results.Release(ctx, seqs[0], by); err != nil {
				t.Fatal(err)
			}
			eventually(t, "what was released arrives", func() bool { return x.has("held") })
			done := func() int64 {
				var n int64
				if err := p.south.DB.QueryRow(ctx, "SELECT count(*) FROM results_deliveries WHERE state = 3").Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			eventually(t, "both are noted", func() bool { return done() == 2 })
			if _, err := p.south.Results.Resend(ctx, seqs[0], by); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is sent again", func() bool { return done() == 3 })
			if x.has("refused") {
				t.Error("what a person refused was sent")
			}
		})
	}
}

// A revision applied on one node is in force on the other within seconds. One
// that the other cannot load stops that one, and only that one.
func TestNodesFollowRevisions(t *testing.T) {
	x, y := newPractice(t), newPractice(t)
	p := newPair(t, partnerAt("p", x.addr), "p")
	ctx := t.Context()
	src := p.site.source(partnerAt("p", x.addr)+partnerAt("q", y.addr), "p, q", "carry")
	at := time.Now()
	r, err := propose(ctx, p.south, p.site.parse(src), src)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other takes it", func() bool { return p.north.Results.Settings().Revision == r.Hash })
	if took := time.Since(at); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	p.send(p.north, "both")
	eventually(t, "the new partner has it", func() bool { return y.has("both") && x.has("both") })

	// A source on a port that only one of the two, on one machine, can open.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	bad := strings.Replace(src, "partners:\n", fmt.Sprintf("  other:\n    mllp: {listen: %q}\npartners:\n", addr), 1)
	if _, err := propose(ctx, p.south, p.site.parse(bad), bad); err != nil {
		t.Fatal(err)
	}
	eventually(t, "north stands down", func() bool { return p.north.Trouble() != "" })
	p.holds(p.south)
	if d := p.north.Addresses(); len(d) != 0 {
		t.Errorf("its doors are open: %v", d)
	}
	if c, err := net.DialTimeout("tcp", p.at[p.north]["lis"], time.Second); err == nil {
		c.Close()
		t.Error("it still takes connections")
	}
	if !strings.Contains(p.north.Trouble(), "Revision 3") {
		t.Errorf("it says: %s", p.north.Trouble())
	}
	p.send(p.south, "on")
	eventually(t, "results flow by the other node", func() bool { return x.has("on") && y.has("on") })

	if _, err := propose(ctx, p.south, p.site.parse(src), src); err != nil {
		t.Fatal(err)
	}
	eventually(t, "north works again", func() bool { return p.north.Trouble() == "" && len(p.north.Addresses()) == 1 })
	p.at[p.north] = p.north.Addresses()
	p.send(p.north, "again")
	eventually(t, "its results flow", func() bool { return x.has("again") && y.has("again") })
	p.stop[p.south]()
	p.holds(p.north)
}

// Two nodes cannot apply over each other unnoticed.
func TestRevisionAppliedOnTwoNodesAtOnce(t *testing.T) {
	x := newPractice(t)
	p := newPair(t, partnerAt("p", x.addr), "p")
	errs := make(chan error, 2)
	for i, h := range []*Hub{p.north, p.south} {
		src := p.site.source(partnerAt("p", x.addr)+partnerAt("q", fmt.Sprintf("127.0.0.1:%d", 10+i)), "p", "carry")
		c := p.site.parse(src)
		go func() {
			_, err := propose(context.Background(), h, c, src)
			errs <- err
		}()
	}
	for range 2 {
		if err := <-errs; err != nil && !strings.Contains(err.Error(), ErrOvertaken.Error()) {
			t.Error(err)
		}
	}
	history, err := p.north.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "both run the last", func() bool {
		return p.north.Results.Settings().Revision == history[0].Hash && p.south.Results.Settings().Revision == history[0].Hash
	})
}

// Keys made on one node open what the other reads; a changed secret is used by
// both.
func TestNodesFollowKeysAndSecrets(t *testing.T) {
	x := newPractice(t)
	p := newPair(t, partnerAt("p", x.addr), "p")
	if err := p.south.Vault.Rotate(t.Context(), "bodies", time.Now()); err != nil {
		t.Fatal(err)
	}
	p.send(p.south, "new-key")
	eventually(t, "what is sealed with the new key is delivered", func() bool { return x.has("new-key") })

	token := func(h *Hub) string {
		h.applying.Lock()
		defer h.applying.Unlock()
		return h.running.senders["w"].mark
	}
	if err := p.south.SetSecret(t.Context(), "token", []byte("one"), "tester"); err != nil {
		t.Fatal(err)
	}
	ca, err := demo.NewCA(time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := ca.Write(dir, "hub"); err != nil {
		t.Fatal(err)
	}
	web := fmt.Sprintf("  w: {name: W, destination: {http: {url: \"https://127.0.0.1:9/x\", token: \"vault:token\", tls: {ca: %[1]s/ca.pem, certificate: %[1]s/hub.pem, key: %[1]s/hub.key}}}}\n", dir)
	src := p.site.source(partnerAt("p", x.addr)+web, "p", "carry")
	r, err := propose(t.Context(), p.south, p.site.parse(src), src)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other takes it", func() bool { return p.north.Results.Settings().Revision == r.Hash })
	before := token(p.north)
	if before != token(p.south) {
		t.Error("the nodes use different secrets")
	}
	if err := p.south.SetSecret(t.Context(), "token", []byte("two"), "tester"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both use the new one", func() bool { return token(p.north) != before && token(p.north) == token(p.south) })
}

// Views on a node without the lease are open or closed by what the holder found.
func TestViewsFollowTheHolder(t *testing.T) {
	x := newPractice(t)
	p := newPair(t, partnerAt("p", x.addr), "p")
	eventually(t, "views are open on both", func() bool { return p.north.Results.ViewsClosed() == "" && p.south.Results.ViewsClosed() == "" })
	p.north.guard.Load().mu.Lock()
	p.north.guard.Load().waiting = true // as while the witnesses are asked
	p.north.guard.Load().mu.Unlock()
	p.north.guard.Load().views()
	eventually(t, "they close on the other node", func() bool { return strings.Contains(p.south.Results.ViewsClosed(), "witnesses") })
	if err := p.south.decide(t.Context(), "tester", "a-test"); err == nil || !strings.Contains(err.Error(), "north") {
		t.Errorf("a decision on the wrong node: %v", err)
	}
	if s := p.south.alarms(); len(s) != 1 || !strings.Contains(s[0], "closed on this node") {
		t.Errorf("status says %q", s)
	}
	// Somebody who can write to the database, and has no key, says that all is well.
	err := p.south.DB.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE hub_views SET closed = $1", []byte{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "that is noticed", func() bool { return p.south.Results.ViewsClosed() == viewsForged })
	p.north.guard.Load().answered()
	eventually(t, "they open again", func() bool { return p.south.Results.ViewsClosed() == "" })
	p.stop[p.north]()
	p.holds(p.south)
	eventually(t, "the next holder finds out itself", func() bool { return p.south.Results.ViewsClosed() == "" })
}

// A folder, which may be on a share, is taken from by the node with the lease,
// also when it is new or when another node takes over.
func TestOneNodeTakesFromAFolder(t *testing.T) {
	x, dir := newPractice(t), t.TempDir()
	p := newPair(t, partnerAt("p", x.addr), "p")
	src := strings.Replace(p.site.folderSource(p.site.source(partnerAt("p", x.addr), "p", "carry"), "export", dir), "from: lis", "from: [lis, export]", 1)
	r, err := propose(t.Context(), p.south, p.site.parse(src), src)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the holder takes the revision", func() bool { return p.north.Results.Settings().Revision == r.Hash })
	place(t, dir, "a.hl7", result("A"))
	eventually(t, "it arrives", func() bool { return x.has("A") })
	if n, s := p.north.Results.Counts().Received, p.south.Results.Counts().Received; n != 1 || s != 0 {
		t.Errorf("north, with the lease, took %d, south %d", n, s)
	}
	p.stop[p.north]()
	p.holds(p.south)
	place(t, dir, "b.hl7", result("B"))
	eventually(t, "the next arrives", func() bool { return x.has("B") })
	if s := p.south.Results.Counts().Received; s != 1 {
		t.Errorf("south took %d", s)
	}
}

// What a person extends on one node is extended on the one that connects.
func TestNodesFollowExtensions(t *testing.T) {
	x := newPractice(t)
	p := newPair(t, partnerAt("p", x.addr), "p")
	e, err := p.south.Extend(t.Context(), "partner p", "tester", "renewal-late")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "north knows", func() bool { return p.north.dates.extendedAt("partner p").Equal(e.At) })
	mark := func(h *Hub) string {
		h.applying.Lock()
		defer h.applying.Unlock()
		return h.running.senders["p"].mark
	}
	eventually(t, "and connects anew", func() bool { return mark(p.north) == mark(p.south) })
}

// The other node's file says what runs there, with a node section of its own.
func TestFileOfEveryNodeFollows(t *testing.T) {
	x, y := newPractice(t), newPractice(t)
	p := newPair(t, partnerAt("p", x.addr), "p")
	own := strings.Replace(p.site.source(partnerAt("p", x.addr), "p", "carry"), "node:\n", "node:\n  name: north # ours\n", 1)
	path := filepath.Join(t.TempDir(), "labwarden.yaml")
	writeFile(t, path, own)
	p.north.applying.Lock()
	p.north.file = path
	p.north.applying.Unlock()
	src := "# new words\n" + p.site.source(partnerAt("p", x.addr)+partnerAt("q", y.addr), "p, q", "carry")
	if _, err := propose(t.Context(), p.south, p.site.parse(src), src); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the file follows", func() bool {
		b, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(b), "# new words") && strings.Contains(string(b), "name: north # ours")
	})
}
