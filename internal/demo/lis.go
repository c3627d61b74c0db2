package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"
)

// LISOptions says how the simulated LIS presents its messages.
type LISOptions struct {
	// Hub is the address of the hub's MLLP/TLS listener.
	Hub string
	// Certs is a folder written by CA.Write; Name (default "lis") is the
	// certificate to show and Server (default "hub") the name the hub must bear.
	Certs, Name, Server string
	// List is the path of the LIS's own list. When it already holds something,
	// what was answered is not presented again and what was not is repeated
	// under its old sequence number: a restarted LIS goes on.
	List string
	// Connections is how many connections to use, 1 when zero. Messages that
	// share a patient, filler or placer number, even through others, stay on
	// one connection in their order.
	Connections int
	// Pace is the least time between two first presentations on a connection.
	Pace time.Duration
	// AckTimeout is how long to wait for an answer (10 s when zero); RetryEvery
	// how long before a repeat or a new connection (1 s when zero); Attempts how
	// often to present one message before giving it up (zero: until the end).
	AckTimeout, RetryEvery time.Duration
	Attempts               int
	// WholeBatches sends a batch file in one frame instead of message by message.
	WholeBatches bool
	// Synthetic, when not zero, presents that many generated messages with Seed
	// instead of the bundled set.
	Synthetic int
	Seed      uint64
	// Out gets the line "ready ADDRESS" before the first message and, when all
	// is presented, "done P presented, A answered, G given up".
	Out io.Writer
}

func (o *LISOptions) defaults() {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&o.Name, "lis")
	def(&o.Server, "hub")
	o.Connections = max(o.Connections, 1)
	if o.AckTimeout <= 0 {
		o.AckTimeout = 10 * time.Second
	}
	if o.RetryEvery <= 0 {
		o.RetryEvery = time.Second
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
}

// RunLIS presents everything and returns when all of it is answered or given
// up (nil, also when some was given up: the list says which), when ctx ends
// (its error), or when its list cannot be written.
func RunLIS(ctx context.Context, o LISOptions) error {
	o.defaults()
	conf, err := ClientTLS(o.Certs, o.Name, o.Server)
	if err != nil {
		return err
	}
	log, old, err := openList[LISLine](o.List)
	if err != nil {
		return err
	}
	defer func() { _ = log.close() }()
	l := &lis{o: o, conf: conf, list: log}
	todo, err := l.plan(old)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(o.Out, "ready %s\n", o.Hub)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i, q := range todo {
		if len(q) == 0 {
			continue
		}
		wg.Go(func() {
			c := &lisConn{lis: l, n: i + 1}
			defer c.drop()
			if err := c.run(ctx, q); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("run LIS: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(o.Out, "done %d presented, %d answered, %d given up\n", l.seq, l.answered, l.gaveUp)
	return nil
}

// task is a unit with what the list already says of it.
type task struct {
	Unit
	parts   []partState
	attempt int
}

type partState struct {
	Part
	facts
	sha      string
	seq      int
	answered bool
}

func (t *task) open() bool {
	for _, p := range t.parts {
		if !p.answered {
			return true
		}
	}
	return false
}

func (l *lis) units() iter.Seq2[Unit, error] {
	if l.o.Synthetic > 0 {
		return func(yield func(Unit, error) bool) {
			n := 0
			for b := range Synthetic(l.o.Synthetic, l.o.Seed) {
				n++
				u := Unit{File: fmt.Sprintf("synthetic-%d", n), Body: b, Parts: []Part{{1, b}}}
				if !yield(u, nil) {
					return
				}
			}
		}
	}
	return Units(l.o.WholeBatches)
}

// plan reads the messages, takes over what the list says and gives each
// connection its queue.
func (l *lis) plan(old []LISLine) ([][]*task, error) {
	type state struct {
		seq, attempt int
		done         bool
	}
	known := map[string]*state{}
	for _, x := range old {
		if x.Seq == 0 {
			continue
		}
		k := fmt.Sprintf("%s#%d", x.File, x.Index)
		s := known[k]
		if s == nil {
			s = &state{seq: x.Seq}
			known[k] = s
		}
		s.attempt = max(s.attempt, x.Attempt)
		if x.Event == Replied || x.Event == GaveUp {
			if !s.done && x.Event == Replied {
				l.answered++
			} else if !s.done {
				l.gaveUp++
			}
			s.done = true
		}
		l.seq = max(l.seq, x.Seq)
	}
	var tasks []*task
	var group groups
	for u, err := range l.units() {
		if err != nil {
			return nil, err
		}
		t := &task{Unit: u}
		var keys []string
		for _, p := range u.Parts {
			ps := partState{Part: p, facts: readFacts(p.Body), sha: hash(p.Body)}
			keys = append(keys, ps.keys()...)
			if s := known[fmt.Sprintf("%s#%d", u.File, p.Index)]; s != nil {
				ps.seq, ps.answered = s.seq, s.done
				t.attempt = max(t.attempt, s.attempt)
			}
			t.parts = append(t.parts, ps)
		}
		group.add(keys)
		tasks = append(tasks, t)
	}
	queues := make([][]*task, l.o.Connections)
	for i, t := range tasks {
		if c := group.of(i) % l.o.Connections; t.open() {
			queues[c] = append(queues[c], t)
		}
	}
	return queues, nil
}

// groups joins members that share a key, directly or through others, and
// numbers the groups by their first member.
type groups struct {
	parent []int
	byKey  map[string]int
	number map[int]int
}

func (g *groups) add(keys []string) {
	if g.byKey == nil {
		g.byKey = map[string]int{}
	}
	me := len(g.parent)
	g.parent = append(g.parent, me)
	for _, k := range keys {
		if other, ok := g.byKey[k]; ok {
			a, b := g.root(me), g.root(other)
			g.parent[max(a, b)] = min(a, b)
		} else {
			g.byKey[k] = me
		}
	}
}

func (g *groups) root(i int) int {
	for g.parent[i] != i {
		g.parent[i] = g.parent[g.parent[i]]
		i = g.parent[i]
	}
	return i
}

func (g *groups) of(i int) int {
	if g.number == nil {
		g.number = map[int]int{}
	}
	r := g.root(i)
	n, ok := g.number[r]
	if !ok {
		n = len(g.number)
		g.number[r] = n
	}
	return n
}

var errNoAnswer = errors.New("no usable answer")
