package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// Verify says how an upload is checked before it gets its name.
type Verify int

// The ways. A size is asked of every server; a hash is asked of it, or where it
// offers none the file is read back.
const (
	VerifyHash Verify = iota
	VerifySize
	VerifyNone
)

// Config describes a directory that is delivered to.
type Config struct {
	// Name is the partner's configured name; Place tells people where the directory
	// is (sftp://HOST:PORT/DIR), without a password.
	Name, Place string
	Dial        Dial
	Verify      Verify
	// Connections is how many are open at once; default 1.
	Connections int
	// Patience is how long the server may do nothing; default 30 s.
	Patience time.Duration
	// SameName: names are unique per message, so a file of that name is this
	// message whatever its bytes (see folder.Config).
	SameName bool
	// PickUps: the receipt names the file, so that its absence can be noticed.
	PickUps bool
	Now     func() time.Time // nil is time.Now
}

const (
	tmpPrefix = ".labwarden-"
	tmpSuffix = ".part"
	// stale is when a temporary file is certainly of no more use: servers' clocks
	// and zones differ.
	stale    = 48 * time.Hour
	maxNames = 1000
	// keepIdle is how long a connection is kept for the next message.
	keepIdle = 20 * time.Second
	// worthResuming is from which size on it is cheaper to compare what is there
	// than to send it again.
	worthResuming = 256 << 10
)

// Sender places files. It is safe for concurrent use.
type Sender struct {
	cfg  Config
	pool *pool

	naming sync.Mutex // from looking for a free name to taking it
	mu     sync.Mutex
	swept  bool
}

// NewSender checks the configuration; it connects with the first message.
func NewSender(c Config) (*Sender, error) {
	if c.Dial == nil || c.Place == "" {
		return nil, errors.New("remote destination has no server")
	}
	if c.Connections <= 0 {
		c.Connections = 1
	}
	if c.Patience <= 0 {
		c.Patience = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Sender{cfg: c, pool: newPool(c.Dial, c.Connections, c.Patience, keepIdle)}, nil
}

// Beside writes into the same directory over the same connections; it need not be
// closed. Names are taken to be unique: a file of that name is this message.
func (s *Sender) Beside() *Sender {
	c := s.cfg
	c.SameName, c.PickUps = true, false
	return &Sender{cfg: c, pool: s.pool, swept: true}
}

// CarriesFiles marks the transport as one whose bodies may be encrypted.
func (s *Sender) CarriesFiles() {}

// Close ends what is in flight; later Sends are Unreachable.
func (s *Sender) Close() error { s.pool.close(); return nil }

// Send places m.Body under m.Name. The receipt's code is "renamed", or "present"
// when an earlier try had placed it; its peer address is the file's place.
//
// Errors: Misconfigured for a server that is not the one agreed on, does not let
// us in, or a directory that is missing or may not be written; Unfit for an
// unusable name; Busy when the server has no space or cannot now; Unanswered when
// the connection ended while the file was renamed; Unreachable for the rest.
func (s *Sender) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	if err := checkName(m.Name); err != nil {
		return channel.Receipt{}, &channel.Error{Class: channel.Unfit, Peer: s.peer(""), Err: err}
	}
	if err := ctx.Err(); err != nil {
		return channel.Receipt{}, classed(err, s.peer(""))
	}
	var r channel.Receipt
	err := s.pool.with(ctx, func(l *link) (begun bool, err error) {
		up := upload{s: s, l: l, m: m, sum: sha256.Sum256(m.Body)}
		up.tmp = tmpPrefix + hex.EncodeToString(up.key()) + tmpSuffix
		name, code, err := up.run(ctx)
		if err == nil {
			r = s.receipt(l, name, code)
			s.sweep(ctx, l)
		}
		return up.begun, err
	})
	return r, classed(err, s.peer(""))
}

func (s *Sender) peer(name string) channel.Peer {
	p := channel.Peer{Name: s.cfg.Name, Addr: s.cfg.Place}
	if name != "" {
		p.Addr = strings.TrimSuffix(s.cfg.Place, "/") + "/" + name
	}
	return p
}

func (s *Sender) receipt(l *link, name, code string) channel.Receipt {
	p, far := s.peer(name), l.Peer()
	p.Proof, p.Fingerprint, p.TLS = far.Proof, far.Fingerprint, far.TLS
	r := channel.Receipt{Level: channel.Placed, Code: code, Peer: p, At: s.cfg.Now(), Name: name}
	if s.cfg.PickUps {
		r.PickUp = name
	}
	return r
}

// Names are the files that stand in the directory now.
func (s *Sender) Names(ctx context.Context) (map[string]bool, error) {
	out := map[string]bool{}
	err := s.pool.with(ctx, func(l *link) (bool, error) {
		all, err := l.List(ctx)
		for _, e := range all {
			out[e.Name] = true
		}
		return false, err
	})
	if err != nil {
		return nil, fmt.Errorf("list the directory: %w", err)
	}
	return out, nil
}

// sweep removes, once, what was left half written long ago: it holds results.
func (s *Sender) sweep(ctx context.Context, l *link) {
	s.mu.Lock()
	done := s.swept
	s.swept = true
	s.mu.Unlock()
	if done {
		return
	}
	all, err := l.List(ctx)
	if err != nil {
		return
	}
	for _, e := range all {
		if !e.Dir && strings.HasPrefix(e.Name, tmpPrefix) && strings.HasSuffix(e.Name, tmpSuffix) && s.cfg.Now().Sub(e.Modified) > stale {
			_ = l.Remove(ctx, e.Name) // the next process sees it again
		}
	}
}
