package mllp

import "time"

// Limits bounds what peers can cost. A zero field takes its default.
type Limits struct {
	// MaxMessage is the largest body in bytes; default 32 MiB.
	MaxMessage int
	// MaxRead is how much of a message over MaxMessage is read for its length
	// and hash; default 16 times MaxMessage.
	MaxRead int64
	// FrameTime is how long a block may take from its first byte; default 60 s.
	FrameTime time.Duration
	// Idle is how long a connection may be silent between blocks; default 15 min.
	// It may be overrun by a sixteenth.
	Idle time.Duration
	// Handshake bounds the TLS handshake; default 10 s.
	Handshake time.Duration
	// WriteTime is how long a reply may take to leave; default 30 s.
	WriteTime time.Duration
	// Drain is how long Serve waits for handlers in flight when it is told to
	// stop; default 8 s.
	Drain time.Duration
	// Connections in all (default 4096), per address (default 512) and per
	// certificate (default 512). Those of one address that have not shaken hands
	// take at most half of what all may: one machine without a certificate does
	// not keep the others out.
	Conns, ConnsPerAddr, ConnsPerCert int
	// Mid and Big are how many messages over 64 KiB and over 1 MiB are in memory
	// at once; default 32 and 4. One peer gets at most half of each. Buffers take
	// at most Conns x 64 KiB + Mid x 1 MiB + Big x 1.5 x MaxMessage.
	Mid, Big int
}

func orDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.MaxMessage, 32<<20)
	orDefault(&l.MaxRead, 16*int64(l.MaxMessage))
	orDefault(&l.FrameTime, 60*time.Second)
	orDefault(&l.Idle, 15*time.Minute)
	orDefault(&l.Handshake, 10*time.Second)
	orDefault(&l.WriteTime, 30*time.Second)
	orDefault(&l.Drain, 8*time.Second)
	orDefault(&l.Conns, 4096)
	orDefault(&l.ConnsPerAddr, 512)
	orDefault(&l.ConnsPerCert, 512)
	orDefault(&l.Mid, 32)
	orDefault(&l.Big, 4)
	return l
}

// lazyDeadline moves a deadline only when it has come too close, so that a busy
// connection does not pay for one per message.
type lazyDeadline struct {
	set  func(time.Time) error
	at   time.Time
	slop time.Duration
}

// atLeast makes sure that the deadline is d away, and no more than d+slop.
func (l *lazyDeadline) atLeast(now time.Time, d time.Duration) error {
	if until := l.at.Sub(now); until >= d && until <= d+l.slop {
		return nil
	}
	return l.exactly(now.Add(d + l.slop))
}

func (l *lazyDeadline) exactly(t time.Time) error {
	l.at = t
	return l.set(t)
}
