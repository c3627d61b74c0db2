package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Entry is who asks to come in, and how.
type Entry struct {
	User string
	// Key is the public key that signed, a *ssh.Certificate where it is one; nil
	// with a password.
	Key ssh.PublicKey
	// Password and Code were typed; empty with a key.
	Password, Code string
	Addr           string
	// Secured names key exchange and cipher: "SSH mlkem768x25519-sha256 aes128-gcm@openssh.com".
	Secured string
	// Client is its version line, cut to 64 printable characters.
	Client string
}

// Guest is somebody who came in.
type Guest interface {
	// Done is closed when the access ended: the connection is cut at once.
	Done() <-chan struct{}
	Close() error
}

// Door decides who comes in. It is asked with hostile input.
type Door interface {
	// Known says whether the key may sign in as the user, before its signature
	// was checked: nothing may come of it.
	Known(ctx context.Context, user string, key ssh.PublicKey, addr string) error
	// Enter lets in: with a key, its signature was checked.
	Enter(ctx context.Context, e Entry) (Guest, error)
	// AsksPassword says whether the user may come with password and code.
	AsksPassword(ctx context.Context, user string) bool
}

// Limits of a server; zero is the default in brackets.
type Limits struct {
	SignIn  time.Duration // from the first byte to signed in [30 s]
	Waiting int           // connections that are signing in [200]
	// WaitingEach are those of one address [20].
	WaitingEach int
	Tries       int // keys and passwords a connection may try [6]
	Sessions    int // at a time, of one connection [4]
}

// Server runs SSH for the subsystem "sftp".
type Server struct {
	HostKeys []ssh.Signer
	Door     Door
	// Stream takes a session's SFTP stream and returns when it is over.
	Stream func(ctx context.Context, g Guest, addr string, stream ssh.Channel) error
	Limits Limits
	Log    *slog.Logger

	once    sync.Once
	waiting waiting
}

// version is what the server calls itself. It names no version of its own.
const version = "SSH-2.0-Labwarden"

var errBusy = errors.New("too many connections are signing in")

// Serve runs one connection that came to the door at a time, and closes it.
func (s *Server) Serve(ctx context.Context, nc net.Conn, came time.Time) (err error) {
	defer func() { _ = nc.Close() }()
	defer func() {
		if v := recover(); v != nil {
			s.Log.Error("ssh connection panicked", "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	s.once.Do(func() { s.waiting.max, s.waiting.each = or(s.Limits.Waiting, 200), or(s.Limits.WaitingEach, 20) })
	leave, ok := s.waiting.enter(nc, came)
	if !ok {
		return errBusy
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	defer stop()
	var guest Guest
	conn, chans, reqs, err := func() (*ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
		defer leave()
		if err := nc.SetDeadline(time.Now().Add(or(s.Limits.SignIn, 30*time.Second))); err != nil {
			return nil, nil, nil, fmt.Errorf("set deadline: %w", err)
		}
		return ssh.NewServerConn(nc, s.config(ctx, &guest))
	}()
	if guest != nil {
		defer func() { _ = guest.Close() }()
	}
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	if guest == nil {
		return errors.New("signed in without a guest")
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("lift deadline: %w", err)
	}
	go ssh.DiscardRequests(reqs)
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-guest.Done():
			_ = nc.Close()
		case <-over:
		}
	}()
	s.sessions(ctx, guest, conn.RemoteAddr().String(), chans)
	return nil
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (s *Server) config(ctx context.Context, guest *Guest) *ssh.ServerConfig {
	a := OursToOffer()
	c := &ssh.ServerConfig{
		Config:                  ssh.Config{KeyExchanges: a.KeyExchanges, Ciphers: a.Ciphers, MACs: a.MACs},
		PublicKeyAuthAlgorithms: a.UserKeys, ServerVersion: version, MaxAuthTries: or(s.Limits.Tries, 6),
	}
	enter := func(m ssh.ConnMetadata, e Entry) (*ssh.Permissions, error) {
		e.User, e.Addr, e.Client, e.Secured = m.User(), m.RemoteAddr().String(), clientOf(m), securedOf(m)
		g, err := s.Door.Enter(ctx, e)
		if err != nil {
			return nil, err
		}
		*guest = g
		return &ssh.Permissions{}, nil
	}
	c.PublicKeyCallback = func(m ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if err := s.Door.Known(ctx, m.User(), key, m.RemoteAddr().String()); err != nil {
			return nil, err
		}
		return &ssh.Permissions{}, nil
	}
	c.VerifiedPublicKeyCallback = func(m ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
		return enter(m, Entry{Key: key})
	}
	c.KeyboardInteractiveCallback = func(m ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		if !s.Door.AsksPassword(ctx, m.User()) {
			return nil, errors.New("this partner signs in with a key")
		}
		// RFC 4256 3.2
		said, err := ask("", "", []string{"Password: ", "Code of the authenticator: "}, []bool{false, true})
		if err != nil || len(said) != 2 || len(said[0]) > maxPassword || len(said[1]) > 16 {
			return nil, errors.New("no password and code")
		}
		return enter(m, Entry{Password: said[0], Code: said[1]})
	}
	// Clients that cannot ask twice send the code behind the password.
	c.PasswordCallback = func(m ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		if !s.Door.AsksPassword(ctx, m.User()) || len(password) > maxPassword+codeDigits || len(password) <= codeDigits {
			return nil, errors.New("this partner signs in with a key")
		}
		at := len(password) - codeDigits
		return enter(m, Entry{Password: string(password[:at]), Code: string(password[at:])})
	}
	for _, k := range s.HostKeys {
		c.AddHostKey(k)
	}
	return c
}

const (
	maxPassword = 1024
	codeDigits  = 6
)

func clientOf(m ssh.ConnMetadata) string {
	v := bytes.TrimPrefix(m.ClientVersion(), []byte("SSH-2.0-"))
	v = v[:min(len(v), 64)]
	return string(bytes.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, v))
}

func securedOf(m ssh.ConnMetadata) string {
	a, ok := m.(ssh.AlgorithmsConnMetadata)
	if !ok {
		return "SSH"
	}
	n := a.Algorithms()
	return "SSH " + n.KeyExchange + " " + n.Read.Cipher
}

// sessions lets the signed-in side open sessions until it goes.
func (s *Server) sessions(ctx context.Context, g Guest, addr string, chans <-chan ssh.NewChannel) {
	var wg sync.WaitGroup
	defer wg.Wait()
	room := make(chan struct{}, or(s.Limits.Sessions, 4))
	for n := range chans {
		if n.ChannelType() != "session" { // RFC 4254 6.1; no forwarding (7)
			_ = n.Reject(ssh.UnknownChannelType, "only sessions for file transfer are opened here")
			continue
		}
		select {
		case room <- struct{}{}:
		default:
			_ = n.Reject(ssh.ResourceShortage, "too many sessions at once on this connection")
			continue
		}
		ch, reqs, err := n.Accept()
		if err != nil {
			<-room
			continue
		}
		wg.Go(func() {
			defer func() { <-room }()
			defer func() {
				if v := recover(); v != nil {
					s.Log.Error("ssh session panicked", "stack", string(debug.Stack()))
				}
			}()
			s.session(ctx, g, addr, ch, reqs)
		})
	}
}

// session waits for the request of the subsystem and serves it.
func (s *Server) session(ctx context.Context, g Guest, addr string, ch ssh.Channel, reqs <-chan *ssh.Request) {
	defer func() { _ = ch.Close() }()
	for r := range reqs {
		var sub struct{ Name string }
		if r.Type != "subsystem" || ssh.Unmarshal(r.Payload, &sub) != nil || sub.Name != "sftp" { // RFC 4254 6.5
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
			if r.Type == "exec" || r.Type == "shell" { // the client would wait for ever
				_, _ = ch.Stderr().Write([]byte("This is a door for files only: use sftp, or scp without -O.\r\n"))
				return
			}
			continue
		}
		if r.WantReply {
			_ = r.Reply(true, nil)
		}
		go ssh.DiscardRequests(reqs)
		status := uint32(0)
		if err := s.Stream(ctx, g, addr, ch); err != nil {
			s.Log.Info("sftp session ended", "err", err)
			status = 1
		}
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status})) // RFC 4254 6.10
		return
	}
}
