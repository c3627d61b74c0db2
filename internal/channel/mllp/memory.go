package mllp

import (
	"sync"
	"time"
)

// memory shares out what messages larger than a connection's own buffer need:
// mid slots of 1 MiB, and big slots that grow up to the size limit. A holder of
// a big slot holds a mid slot too and needs nothing more, so nobody waits in a
// circle. One peer gets at most half of each, so that it cannot starve others.
type memory struct {
	mid, big chan struct{}
	free     chan []byte // a few mid buffers kept warm
}

func newMemory(mid, big int) *memory {
	return &memory{mid: make(chan struct{}, mid), big: make(chan struct{}, big), free: make(chan []byte, 4)}
}

// quota is one peer's half, shared by its connections.
type quota struct {
	mid, big chan struct{}
	conns    int // guarded by the registry
}

func (m *memory) newQuota() *quota {
	return &quota{
		mid: make(chan struct{}, max(1, cap(m.mid)/2)),
		big: make(chan struct{}, max(1, cap(m.big)/2)),
	}
}

// share is one connection's access to the memory.
type share struct {
	all  *memory
	peer *quota
	stop <-chan struct{}
	// left is how long the current frame may still take.
	left func() time.Duration
}

func (s *share) takeMid() bool { return s.take(s.peer.mid, s.all.mid) }
func (s *share) takeBig() bool { return s.take(s.peer.big, s.all.big) }
func (s *share) giveMid()      { <-s.all.mid; <-s.peer.mid }
func (s *share) giveBig()      { <-s.all.big; <-s.peer.big }

func (s *share) take(peer, all chan struct{}) bool {
	t := time.NewTimer(s.left())
	defer t.Stop()
	select {
	case peer <- struct{}{}:
	case <-t.C:
		return false
	case <-s.stop:
		return false
	}
	select {
	case all <- struct{}{}:
		return true
	case <-t.C:
	case <-s.stop:
	}
	<-peer
	return false
}

func (s *share) midBuffer() []byte {
	select {
	case b := <-s.all.free:
		return b
	default:
		return make([]byte, midBuf)
	}
}

func (s *share) returnMid(b []byte) {
	select {
	case s.all.free <- b:
	default:
	}
}

// registry counts connections per key (address, certificate) and in all.
type registry struct {
	mu    sync.Mutex
	peers map[string]*quota
	mem   *memory
}

// enter counts a connection in under key; false when limit are in already.
func (r *registry) enter(key string, limit int) (*quota, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.peers[key]
	if q == nil {
		q = r.mem.newQuota()
		r.peers[key] = q
	}
	if q.conns >= limit {
		return nil, false
	}
	q.conns++
	return q, true
}

func (r *registry) leave(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q := r.peers[key]; q != nil {
		if q.conns--; q.conns == 0 {
			delete(r.peers, key)
		}
	}
}
