package mllp

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stats counts since the start of the server.
type Stats struct {
	Accepted, Active int64 // connections
	OverLimit        int64 // connections refused by a connection limit
	HandshakeFailed  int64
	Unidentified     int64 // Admit or Identify refused
	Messages, Bytes  int64 // handed to the Handler
	Oversize         int64
	BadFraming       int64
	SlowFrames       int64 // FrameTime passed inside a block
	IdleClosed       int64
	NoMemory         int64 // a large message waited its whole FrameTime for memory
	BrokenOff        int64 // the peer closed inside a block
	HandlerErrors    int64
	WriteErrors      int64
	Panics           int64
}

type counters struct {
	accepted, active, overLimit, handshakeFailed, unidentified atomic.Int64
	messages, bytes, oversize, badFraming, slowFrames          atomic.Int64
	idleClosed, noMemory, brokenOff, handlerErrors             atomic.Int64
	writeErrors, panics                                        atomic.Int64
}

// Status is what a status page shows of a server.
type Status struct {
	Stats
	// Encrypted tells whether the listener speaks TLS.
	Encrypted bool
	// Warning is the sentence about an exception in force, empty without one.
	Warning string
}

// Status may be called at any time.
func (s *Server) Status() Status {
	s.init()
	c := &s.stats
	return Status{
		Stats: Stats{
			Accepted: c.accepted.Load(), Active: c.active.Load(), OverLimit: c.overLimit.Load(),
			HandshakeFailed: c.handshakeFailed.Load(), Unidentified: c.unidentified.Load(),
			Messages: c.messages.Load(), Bytes: c.bytes.Load(), Oversize: c.oversize.Load(),
			BadFraming: c.badFraming.Load(), SlowFrames: c.slowFrames.Load(),
			IdleClosed: c.idleClosed.Load(), NoMemory: c.noMemory.Load(), BrokenOff: c.brokenOff.Load(),
			HandlerErrors: c.handlerErrors.Load(), WriteErrors: c.writeErrors.Load(), Panics: c.panics.Load(),
		},
		Encrypted: s.TLS != nil,
		Warning:   s.Exception.Warning(s.Now()),
	}
}

// budget lets through at most linesPerSecond log lines: a peer that connects in
// a loop must not fill the disk.
type budget struct {
	mu    sync.Mutex
	since time.Time
	used  int
}

const linesPerSecond = 20

func (b *budget) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.since) >= time.Second {
		b.since, b.used = now, 0
	}
	b.used++
	return b.used <= linesPerSecond
}
