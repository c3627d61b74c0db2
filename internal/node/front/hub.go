package front

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
)

// hub is the hub as the front sees it.
type hub struct {
	link   *frontlink.Conn
	keeper []byte

	mu       sync.Mutex
	sessions map[string]*session
}

func (h *hub) ask(ctx context.Context, v frontlink.Verb, words, reply any) error {
	_, f, err := h.link.Ask(ctx, v, words, nil, nil, reply)
	if f != nil {
		_ = f.Close()
	}
	return boxError(err)
}

// boxError says of a broken link what a file server understands.
func boxError(err error) error {
	if errors.Is(err, frontlink.ErrGone) {
		return channel.ErrBoxClosed
	}
	return err
}

// SignIn implements channel.BoxDoor.
func (h *hub) SignIn(ctx context.Context, s channel.SignIn) (channel.BoxSession, error) {
	var t frontlink.Ticket
	if err := h.ask(ctx, frontlink.VerbSignIn, frontlink.SignIn(s), &t); err != nil {
		return nil, err
	}
	return h.session(t.Ticket, t.Partner), nil
}

func (h *hub) session(ticket, partner string) *session {
	s := &session{hub: h, ticket: ticket, partner: partner}
	s.ctx, s.over = context.WithCancel(context.Background())
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[ticket] = s
	return s
}

// ended cuts the session of a ticket that is no longer good.
func (h *hub) ended(ticket string) {
	h.mu.Lock()
	s := h.sessions[ticket]
	h.mu.Unlock()
	if s != nil {
		s.end()
	}
}

// handOver gives an accepted connection to the hub, which runs SSH on it.
func (h *hub) handOver(ctx context.Context, c *net.TCPConn, at time.Time) error {
	f, err := c.File() // a second descriptor; c is closed by the caller
	if err != nil {
		return fmt.Errorf("hand connection over: %w", err)
	}
	defer func() { _ = f.Close() }()
	_, _, err = h.link.Ask(ctx, frontlink.VerbSSH, frontlink.Came{Addr: c.RemoteAddr().String(), At: at}, nil, f, nil)
	return err
}

// dial opens a connection to the hub's web handlers.
func (h *hub) dial(ctx context.Context) (net.Conn, error) {
	_, f, err := h.link.Ask(ctx, frontlink.VerbWeb, frontlink.Came{}, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, errors.New("the hub gave no connection")
	}
	defer func() { _ = f.Close() }()
	return net.FileConn(f)
}

// signer is a key that stays in the hub.
type signer struct {
	hub  *hub
	name string
	pub  crypto.PublicKey
}

func newSigner(h *hub, name string, chain [][]byte) (*signer, error) {
	if len(chain) == 0 {
		return nil, errors.New("the hub gave no certificate")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return &signer{h, name, leaf.PublicKey}, nil
}

func (s *signer) Public() crypto.PublicKey { return s.pub }

// signTime is how long a handshake waits for the hub's signature.
const signTime = 5 * time.Second

// Sign implements crypto.Signer.
func (s *signer) Sign(_ io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), signTime)
	defer cancel()
	_, pss := o.(*rsa.PSSOptions)
	words := frontlink.Digest{Key: s.name, Digest: digest, Hash: uint(o.HashFunc()), PSS: pss}
	b, f, err := s.hub.link.Ask(ctx, frontlink.VerbSign, words, nil, nil, nil)
	if f != nil {
		_ = f.Close()
	}
	return b, err
}

// connOf turns a socket that was handed over into a connection.
func connOf(f *os.File) (net.Conn, error) {
	if f == nil {
		return nil, errors.New("no socket was handed over")
	}
	defer func() { _ = f.Close() }()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("take socket: %w", err)
	}
	return c, nil
}
