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
	// Stay ends when the access ended: the connection is cut at once.
	Stay() context.Context
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
	// Signing in needs a deep stack, which would stay as large for as long as the
	// partner does: it has a goroutine of its own, which ends.
	in := make(chan signedIn)
	go func() {
		who := s.signIn(ctx, nc)
		leave()
		in <- who
	}()
	who := <-in
	if who.guest != nil {
		defer func() { _ = who.guest.Close() }()
	}
	if who.err != nil {
		return fmt.Errorf("sign in: %w", who.err)
	}
	defer context.AfterFunc(who.guest.Stay(), func() { _ = nc.Close() })()
	s.sessions(ctx, who.guest, nc.RemoteAddr().String(), who.chans, who.reqs)
	return nil
}

// signedIn is a connection after its handshake.
type signedIn struct {
	guest Guest
	chans <-chan ssh.NewChannel
	reqs  <-chan *ssh.Request
	err   error
}

func (s *Server) signIn(ctx context.Context, nc net.Conn) (in signedIn) {
	defer func() {
		if v := recover(); v != nil {
			s.Log.Error("ssh handshake panicked", "stack", string(debug.Stack()))
			in.err = fmt.Errorf("panic: %v", v)
		}
	}()
	if in.err = nc.SetDeadline(time.Now().Add(or(s.Limits.SignIn, 30*time.Second))); in.err != nil {
		return in
	}
	_, in.chans, in.reqs, in.err = ssh.NewServerConn(nc, s.config(ctx, &in.guest))
	if in.err == nil && in.guest == nil {
		in.err = errors.New("signed in without a guest")
	}
	if in.err == nil {
		in.err = nc.SetDeadline(time.Time{})
	}
	return in
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

// sessions lets the signed-in side open sessions until it goes. It costs no
// goroutine more than it must: there may be many who only wait.
func (s *Server) sessions(ctx context.Context, g Guest, addr string, chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request) {
	var wg sync.WaitGroup
	defer wg.Wait()
	room := make(chan struct{}, or(s.Limits.Sessions, 4))
	for {
		select {
		case n, ok := <-chans:
			if !ok {
				return
			}
			s.newSession(ctx, g, addr, n, room, &wg)
		case r, ok := <-reqs:
			if !ok {
				reqs = nil // the channels end with it
				continue
			}
			refuse(r)
		}
	}
}

func refuse(r *ssh.Request) {
	if r.WantReply {
		_ = r.Reply(false, nil)
	}
}

func (s *Server) newSession(ctx context.Context, g Guest, addr string, n ssh.NewChannel, room chan struct{}, wg *sync.WaitGroup) {
	if n.ChannelType() != "session" { // RFC 4254 6.1; no forwarding (7)
		_ = n.Reject(ssh.UnknownChannelType, "only sessions for file transfer are opened here")
		return
	}
	select {
	case room <- struct{}{}:
	default:
		_ = n.Reject(ssh.ResourceShortage, "too many sessions at once on this connection")
		return
	}
	ch, reqs, err := n.Accept()
	if err != nil {
		<-room
		return
	}
	wg.Go(func() {
		var stream sync.WaitGroup
		defer func() { stream.Wait(); <-room }()
		defer s.caught()
		s.session(ch, reqs, func() {
			stream.Go(func() {
				defer s.caught()
				s.stream(ctx, g, addr, ch)
			})
		})
	})
}

// caught keeps a panic of one session from the others.
func (s *Server) caught() {
	if v := recover(); v != nil {
		s.Log.Error("ssh session panicked", "stack", string(debug.Stack()))
	}
}

// session waits for the request of the subsystem, begins it, and refuses what is
// asked besides until the session ends.
func (s *Server) session(ch ssh.Channel, reqs <-chan *ssh.Request, begin func()) {
	begun := false
	for r := range reqs {
		var sub struct{ Name string }
		if begun || r.Type != "subsystem" || ssh.Unmarshal(r.Payload, &sub) != nil || sub.Name != "sftp" { // RFC 4254 6.5
			refuse(r)
			if !begun && (r.Type == "exec" || r.Type == "shell") { // the client would wait for ever
				_, _ = ch.Stderr().Write([]byte("This is a door for files only: use sftp, or scp without -O.\r\n"))
				break
			}
			continue
		}
		if r.WantReply {
			_ = r.Reply(true, nil)
		}
		begun = true
		begin()
	}
	if !begun {
		_ = ch.Close()
		ssh.DiscardRequests(reqs)
	}
}

// stream has the session's stream served.
func (s *Server) stream(ctx context.Context, g Guest, addr string, ch ssh.Channel) {
	defer func() { _ = ch.Close() }()
	status := uint32(0)
	if err := s.Stream(ctx, g, addr, ch); err != nil {
		s.Log.Info("sftp session ended", "err", err)
		status = 1
	}
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status})) // RFC 4254 6.10
}
