package results

import "context"

// turns lets a bounded number of deliveries onto the wire, in the order in
// which they asked. What comes next is read and rendered while it waits. Its
// methods are called under the courier's lock, but for wait.
type turns struct {
	free  int
	queue []*turn
}

type turn struct {
	come chan struct{} // closed when it is this one's turn
	has  bool
}

// ask takes a place in the line.
func (t *turns) ask() *turn {
	n := &turn{come: make(chan struct{})}
	t.queue = append(t.queue, n)
	t.grant()
	return n
}

func (t *turns) grant() {
	for t.free > 0 && len(t.queue) > 0 {
		n := t.queue[0]
		t.queue = t.queue[1:]
		t.free--
		n.has = true
		close(n.come)
	}
}

// leave gives the place back, taken or not.
func (t *turns) leave(n *turn) {
	if n.has {
		t.free++
		t.grant()
		return
	}
	for i, x := range t.queue {
		if x == n {
			t.queue = append(t.queue[:i], t.queue[i+1:]...)
			return
		}
	}
}

// wait returns when it is n's turn.
func (n *turn) wait(ctx context.Context) error {
	select {
	case <-n.come:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
