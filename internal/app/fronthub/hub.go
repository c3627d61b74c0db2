package fronthub

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
	"github.com/labwarden/labwarden/internal/channel/sftp"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/platform/spool"
)

// Who says who may come in, by the configuration in force.
type Who interface {
	// Key says which partner signs in as the user with the key (a
	// *ssh.Certificate where it is one) from the address.
	Key(ctx context.Context, user string, key gossh.PublicKey, addr string) (partner string, err error)
	// Password likewise, and uses the code up.
	Password(ctx context.Context, user, password, code, addr string) (partner string, err error)
	// HasPassword says whether the user may come with a password.
	HasPassword(ctx context.Context, user string) bool
	// Still says whether somebody who came in like this may stay.
	Still(ctx context.Context, how How) bool
}

// How is how somebody came in.
type How struct {
	Protocol, User, Partner string
	Key                     gossh.PublicKey // nil: with a password
	Addr, Secured, Client   string
	Since                   time.Time
}

// via is it as receipts say it.
func (h How) via() boxes.Via {
	v := boxes.Via{Protocol: h.Protocol, Proof: "password", Secured: h.Secured}
	if h.Key != nil {
		v.Proof, v.Fingerprint = "key", gossh.FingerprintSHA256(h.Key)
		if _, is := h.Key.(*gossh.Certificate); is {
			v.Proof = "certificate"
		}
	}
	return v
}

// Bounds of what the front may have open.
const (
	maxTickets = 5000
	maxFiles   = 64 // of one ticket
)

// Hub answers the front. Its fields are set before Serve.
type Hub struct {
	Boxes *boxes.Service
	Who   Who
	// HostKeys are what SSH proves the hub with.
	HostKeys []gossh.Signer
	// Signers are the TLS keys the front may have signatures of, by name.
	Signers func(name string) (crypto.Signer, bool)
	// Challenge is what answers an authority that asks for a host by TLS-ALPN-01;
	// nil where no site has a public certificate.
	Challenge func(host string) (frontlink.Site, error)
	// Web takes the requests that came through the front.
	Web http.Handler
	// Settings is what the front shall do.
	Settings func() frontlink.Settings
	// Trial is the box of a trial, by the name that Who gave for a partner's; is says
	// that it is one, also when it has ended.
	Trial func(partner string) (x *Trial, is bool)
	// Entered and Left are told of each session, for the record.
	Entered func(h How)
	UID     []int // users that may be at the other end of the socket
	// SSHConns and SSHEach are how many SSH connections there may be in all and of
	// one address.
	SSHConns, SSHEach int
	Now               func() time.Time
	Log               *slog.Logger

	keeper *spool.Keeper
	ssh    *sftp.Server
	web    *webDoor
	// carrier carries the streams of SFTP.
	carrier sftp.Carrier

	mu      sync.Mutex
	tickets map[string]*ticket
	fronts  map[*frontlink.Conn]struct{}
	conns   int
	from    map[netip.Addr]int
}

// Serve answers fronts on the listener until ctx ends.
func (h *Hub) Serve(ctx context.Context, ln *net.UnixListener) error {
	var err error
	if h.keeper, err = spool.NewKeeper(); err != nil {
		return err
	}
	h.tickets, h.fronts, h.from = map[string]*ticket{}, map[*frontlink.Conn]struct{}{}, map[netip.Addr]int{}
	h.ssh = &sftp.Server{HostKeys: h.HostKeys, Door: door{h}, Stream: h.stream, Log: h.Log}
	h.carrier = sftp.Carrier{Rooms: new(sftp.Rooms), Log: h.Log}
	h.web = newWebDoor(h.Web, h.Log)
	defer h.web.close()
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		c, err := ln.AcceptUnix()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("accept the front: %w", err)
		}
		if uid, err := peerOf(c); err != nil || !contains(h.UID, uid) {
			h.Log.Warn("somebody else than the front asked at its socket", "uid", uid, "err", err)
			_ = c.Close()
			continue
		}
		wg.Go(func() { h.front(ctx, c) })
	}
}

func contains(all []int, x int) bool {
	for _, e := range all {
		if e == x {
			return true
		}
	}
	return false
}

func peerOf(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("ask for the peer: %w", err)
	}
	uid := -1
	var serr error
	err = raw.Control(func(fd uintptr) {
		var cred *syscall.Ucred
		if cred, serr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); serr == nil {
			uid = int(cred.Uid)
		}
	})
	return uid, errors.Join(err, serr)
}

// front serves one front until it goes.
func (h *Hub) front(ctx context.Context, c *net.UnixConn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var link *frontlink.Conn
	link = frontlink.New(c, func(ctx context.Context, call *frontlink.Call) (frontlink.Reply, error) {
		return h.answer(ctx, link, call)
	}, h.Log)
	h.mu.Lock()
	h.fronts[link] = struct{}{}
	h.mu.Unlock()
	err := link.Run(ctx)
	h.Log.Info("the front left", "err", err)
	h.mu.Lock()
	delete(h.fronts, link)
	var mine []*ticket
	for _, t := range h.tickets {
		if t.link == link {
			mine = append(mine, t)
		}
	}
	h.mu.Unlock()
	for _, t := range mine {
		t.end()
	}
}

// Changed has every front told what to do now, and cuts the sessions of those who
// may no longer be there. Call it after each change of the configuration.
func (h *Hub) Changed(ctx context.Context) {
	h.mu.Lock()
	var links []*frontlink.Conn
	for l := range h.fronts {
		links = append(links, l)
	}
	all := make([]*ticket, 0, len(h.tickets))
	for _, t := range h.tickets {
		all = append(all, t)
	}
	h.mu.Unlock()
	for _, t := range all {
		if !h.Who.Still(ctx, t.how) {
			h.Log.Info("a session is cut: its access ended", "partner", t.how.Partner, "protocol", t.how.Protocol)
			t.end()
		}
	}
	set := h.Settings()
	for _, l := range links {
		if _, _, err := l.Ask(ctx, frontlink.VerbSettings, set, nil, nil, nil); err != nil {
			h.Log.Warn("the front does not take its settings", "err", err)
		}
	}
}

// Fronts is how many fronts are there.
func (h *Hub) Fronts() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.fronts)
}

// Sessions are who is there now.
func (h *Hub) Sessions() []How {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]How, 0, len(h.tickets))
	for _, t := range h.tickets {
		out = append(out, t.how)
	}
	return out
}

// answer does what the front asks.
func (h *Hub) answer(ctx context.Context, link *frontlink.Conn, c *frontlink.Call) (frontlink.Reply, error) {
	if c.File != nil && c.Verb != frontlink.VerbSSH {
		_ = c.File.Close()
		return frontlink.Reply{}, errors.New("a file that nobody asked for")
	}
	switch c.Verb {
	case frontlink.VerbHello:
		return asked(c, func(w frontlink.Hello) (frontlink.Reply, error) {
			if w.Version != frontlink.Version {
				return frontlink.Reply{}, fmt.Errorf("the front is of another build: it speaks version %d, the hub %d", w.Version, frontlink.Version)
			}
			return frontlink.Reply{Words: frontlink.Welcome{Keeper: h.keeper.Public(), Settings: h.Settings()}}, nil
		})
	case frontlink.VerbSignIn:
		return asked(c, func(w frontlink.SignIn) (frontlink.Reply, error) { return h.signIn(ctx, link, w) })
	case frontlink.VerbLeave:
		return asked(c, func(w frontlink.Of) (frontlink.Reply, error) {
			if t := h.ticket(w.Ticket, link); t != nil && t.how.Protocol != "sftp" { // SSH ends in the hub
				t.end()
			}
			return frontlink.Reply{}, nil
		})
	case frontlink.VerbSay:
		return asked(c, func(w frontlink.Said) (frontlink.Reply, error) {
			if t := h.ticket(w.Ticket, link); t != nil {
				t.say(w)
			}
			return frontlink.Reply{}, nil
		})
	case frontlink.VerbSSH:
		return h.takeSSH(ctx, link, c)
	case frontlink.VerbSign:
		return asked(c, h.sign)
	case frontlink.VerbChallenge:
		return asked(c, func(w frontlink.Named) (frontlink.Reply, error) {
			if h.Challenge == nil {
				return frontlink.Reply{}, channel.ErrNoFile
			}
			site, err := h.Challenge(w.Host)
			return frontlink.Reply{Words: site}, err
		})
	case frontlink.VerbWeb:
		f, err := h.web.open(ctx)
		return frontlink.Reply{File: f}, err
	}
	return h.files(ctx, link, c)
}

func asked[W any](c *frontlink.Call, do func(W) (frontlink.Reply, error)) (frontlink.Reply, error) {
	var w W
	if err := c.Words(&w); err != nil {
		return frontlink.Reply{}, err
	}
	return do(w)
}

// signIn lets in whoever shows a partner's password with its code behind it.
func (h *Hub) signIn(ctx context.Context, link *frontlink.Conn, w frontlink.SignIn) (frontlink.Reply, error) {
	const digits = 6
	if w.Protocol != "ftps" || len(w.Password) <= digits || len(w.Password) > 1024 {
		return frontlink.Reply{}, channel.ErrSignIn
	}
	at := len(w.Password) - digits
	since := h.Now()
	partner, err := h.Who.Password(ctx, w.User, w.Password[:at], w.Password[at:], w.Addr)
	if err != nil {
		return frontlink.Reply{}, err
	}
	t, err := h.enter(ctx, link, How{Protocol: w.Protocol, User: w.User, Partner: partner, Addr: w.Addr, Secured: w.Secured, Since: since})
	if err != nil {
		return frontlink.Reply{}, err
	}
	return frontlink.Reply{Words: frontlink.Ticket{Ticket: t.name, Partner: partner}}, nil
}

// sign signs what a TLS handshake in the front needs.
func (h *Hub) sign(w frontlink.Digest) (frontlink.Reply, error) {
	if h.Signers == nil {
		return frontlink.Reply{}, channel.ErrNoFile
	}
	key, ok := h.Signers(w.Key)
	if !ok {
		return frontlink.Reply{}, channel.ErrNoFile
	}
	how, err := signature(key, w)
	if err != nil {
		return frontlink.Reply{}, err
	}
	b, err := key.Sign(rand.Reader, w.Digest, how)
	if err != nil {
		return frontlink.Reply{}, fmt.Errorf("sign: %w", err)
	}
	return frontlink.Reply{Body: b}, nil
}

// signature says how the key signs, and refuses what no TLS server signs.
func signature(key crypto.Signer, w frontlink.Digest) (crypto.SignerOpts, error) {
	hash := crypto.Hash(w.Hash)
	_, isRSA := key.Public().(*rsa.PublicKey)
	_, isEd := key.Public().(ed25519.PublicKey)
	switch {
	case isEd:
		// Ed25519 signs the message itself: let it be nothing but a server's word in a
		// handshake (RFC 8446 4.4.3).
		rest, ok := bytes.CutPrefix(w.Digest, []byte(strings.Repeat(" ", 64)+"TLS 1.3, server CertificateVerify\x00"))
		if !ok || hash != 0 || w.PSS || len(rest) != crypto.SHA256.Size() && len(rest) != crypto.SHA384.Size() {
			return nil, errors.New("not a message that a TLS server signs")
		}
		return hash, nil
	case hash != crypto.SHA256 && hash != crypto.SHA384 && hash != crypto.SHA512, len(w.Digest) != hash.Size(), w.PSS && !isRSA:
		return nil, errors.New("not a digest that TLS signs")
	case w.PSS:
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}, nil
	}
	return hash, nil
}

// takeSSH runs SSH on a connection that came to the front.
func (h *Hub) takeSSH(ctx context.Context, link *frontlink.Conn, c *frontlink.Call) (frontlink.Reply, error) {
	if c.File == nil {
		return frontlink.Reply{}, errors.New("no connection was handed over")
	}
	var came frontlink.Came
	if err := c.Words(&came); err != nil {
		_ = c.File.Close()
		return frontlink.Reply{}, err
	}
	nc, err := net.FileConn(c.File)
	_ = c.File.Close()
	if err != nil {
		return frontlink.Reply{}, fmt.Errorf("take connection: %w", err)
	}
	done, ok := h.count(nc)
	if !ok {
		_ = nc.Close()
		return frontlink.Reply{}, channel.Refuse("too many connections")
	}
	go func() {
		defer done()
		if err := h.ssh.Serve(context.WithValue(ctx, linkKey{}, link), nc, came.At); err != nil {
			h.Log.Info("ssh connection ended", "err", err)
		}
	}()
	return frontlink.Reply{}, nil
}

// linkKey carries the link that a connection came over.
type linkKey struct{}

// count counts a connection in; false where there are too many.
func (h *Hub) count(c net.Conn) (done func(), ok bool) {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return nil, false
	}
	at := ap.Addr().Unmap()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.SSHConns > 0 && h.conns >= h.SSHConns || h.SSHEach > 0 && h.from[at] >= h.SSHEach {
		return nil, false
	}
	h.conns++
	h.from[at]++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.conns--
		if h.from[at]--; h.from[at] == 0 {
			delete(h.from, at)
		}
	}, true
}

// pairOf makes two ends of a stream: one for the front, one for us.
func pairOf() (theirs *os.File, ours net.Conn, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a pair of sockets: %w", err)
	}
	theirs = os.NewFile(uintptr(fds[0]), "front's end")
	mine := os.NewFile(uintptr(fds[1]), "hub's end")
	defer func() { _ = mine.Close() }()
	if ours, err = net.FileConn(mine); err != nil {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("take our end: %w", err)
	}
	return theirs, ours, nil
}
