package ftps

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"path"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// ClientConfig is a partner's FTP server as we reach it.
type ClientConfig struct {
	// Name is the partner's configured name; Addr is HOST:PORT.
	Name, Addr, User, Password string
	// TLS is whom we believe and who we are, as channel.TLS makes it. It is copied:
	// every control connection has a session of its own that its data connections
	// resume, and none is carried to the next control connection.
	TLS *tls.Config
	// Dir is the directory there; empty is where the server puts us.
	Dir string
	// Dial opens connections, control and data alike; nil dials TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client opens control connections to one directory of one server. Explicit TLS
// and passive mode only: nothing but AUTH TLS is ever sent in plaintext, and no
// server connects to us.
type Client struct{ cfg ClientConfig }

// NewClient checks the configuration; it does not connect.
func NewClient(c ClientConfig) (*Client, error) {
	if c.TLS == nil || c.Addr == "" || c.User == "" {
		return nil, errors.New("ftps server has no address, no user or nothing that says whom to believe")
	}
	for _, s := range []string{c.User, c.Password, c.Dir} {
		if strings.ContainsAny(s, "\r\n\x00") {
			return nil, errors.New("user, password or directory has a line break")
		}
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	return &Client{cfg: c}, nil
}

// Place is where the directory is, for people.
func (c *Client) Place() string { return "ftps://" + c.cfg.Addr + path.Join("/", c.cfg.Dir) }

func (c *Client) peer() channel.Peer { return channel.Peer{Name: c.cfg.Name, Addr: c.Place()} }

func (c *Client) fail(class channel.Class, err error) error {
	return &channel.Error{Class: class, Peer: c.peer(), Err: err}
}

// Open connects, asks for TLS and signs in. It makes a Dir of package remote.
func (c *Client) Open(ctx context.Context) (*ClientDir, error) {
	raw, err := c.cfg.Dial(ctx, "tcp", c.cfg.Addr)
	if err != nil {
		return nil, c.fail(channel.Unreachable, fmt.Errorf("connect: %w", err))
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	d := &ClientDir{c: c, peer: c.peer(), conns: map[net.Conn]bool{raw: true}}
	err = d.begin(ctx, raw)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = d.Close()
		if ctx.Err() != nil {
			err = c.fail(channel.Unreachable, ctx.Err())
		}
		return nil, err
	}
	return d, nil
}

// begin carries a new connection to the state in which files can be moved.
func (d *ClientDir) begin(ctx context.Context, raw net.Conn) error {
	d.text = textproto.NewConn(raw)
	if _, err := d.reply(220); err != nil {
		return d.said("greeting", err)
	}
	if _, err := d.command(234, "AUTH TLS"); err != nil { // RFC 4217 4
		var no *replyError
		if errors.As(err, &no) {
			return d.c.fail(channel.Misconfigured, errors.New("the server does not offer TLS (AUTH TLS refused); nothing is sent without it"))
		}
		return d.said("ask for TLS", err)
	}
	if d.text.R.Buffered() > 0 {
		// What came before TLS began is nobody's word (RFC 4217 15.1; CVE-2011-4130).
		return d.c.fail(channel.Misconfigured, errors.New("the server, or somebody between, sent more than its answer before TLS began"))
	}
	d.conf = d.c.cfg.TLS.Clone()
	d.conf.SessionTicketsDisabled, d.conf.ClientSessionCache = false, tls.NewLRUClientSessionCache(4)
	if d.conf.ServerName == "" { // the cache goes by it
		d.conf.ServerName = "pinned"
	}
	conn := tls.Client(raw, d.conf)
	if err := conn.HandshakeContext(ctx); err != nil {
		return d.c.fail(tlsClass(err), fmt.Errorf("begin TLS: %w", err))
	}
	p := channel.PeerOf(conn.ConnectionState(), "")
	d.peer.Proof, d.peer.Fingerprint, d.peer.TLS = p.Proof, p.Fingerprint, p.TLS
	d.text = textproto.NewConn(conn)
	if err := d.signIn(); err != nil {
		return err
	}
	return d.ready()
}

// tlsClass: a certificate that is not believed needs a person; the rest may pass.
func tlsClass(err error) channel.Class {
	var cert *tls.CertificateVerificationError
	var alert tls.AlertError
	if errors.As(err, &cert) || errors.As(err, &alert) || strings.Contains(err.Error(), "certificate") || strings.Contains(err.Error(), "protocol version") {
		return channel.Misconfigured
	}
	return channel.Unreachable
}

func (d *ClientDir) signIn() error {
	code, err := d.any("USER " + d.c.cfg.User)
	if err == nil && code == 331 {
		code, err = d.any("PASS " + d.c.cfg.Password)
	}
	switch {
	case err != nil:
		return d.said("sign in", err)
	case code == 230 || code == 232: // 232: our certificate was enough (RFC 4217 4)
		return nil
	case code == 421 || code == 434:
		return &channel.Error{Class: channel.Busy, Peer: d.peer, Code: fmt.Sprint(code), Err: errors.New("sign in: the server cannot now")}
	}
	return &channel.Error{Class: channel.Misconfigured, Peer: d.peer, Code: fmt.Sprint(code), Err: fmt.Errorf("the server does not let user %s in: ask the partner whether password or account were changed", d.c.cfg.User)}
}

// ready protects data connections, learns what the server can do and goes to the
// directory.
func (d *ClientDir) ready() error {
	for _, cmd := range []string{"PBSZ 0", "PROT P"} { // RFC 4217 8, 9
		if _, err := d.command(200, cmd); err != nil {
			var no *replyError
			if errors.As(err, &no) {
				return d.c.fail(channel.Misconfigured, errors.New("the server does not encrypt data connections (PROT P refused); nothing is sent without it"))
			}
			return d.said("protect data", err)
		}
	}
	d.features = map[string]string{}
	if _, lines, err := d.lines("FEAT"); err == nil { // RFC 2389 3
		for _, l := range lines {
			name, rest, _ := strings.Cut(strings.TrimSpace(l), " ")
			d.features[strings.ToUpper(name)] = rest
		}
	} else if lostConnection(err) {
		return d.said("ask what it can do", err)
	}
	if _, ok := d.features["UTF8"]; ok {
		_, _ = d.any("OPTS UTF8 ON") // some answer 202: it is on already
	}
	if _, err := d.command(200, "TYPE I"); err != nil {
		return d.said("ask for binary", err)
	}
	if dir := d.c.cfg.Dir; dir != "" && dir != "." {
		if _, err := d.command(250, "CWD "+dir); err != nil {
			var no *replyError
			if errors.As(err, &no) {
				return d.c.fail(channel.Misconfigured, errors.New("there is no such directory there, or we may not enter it"))
			}
			return d.said("go to the directory", err)
		}
	}
	if h := d.features["HASH"]; strings.Contains(strings.ToUpper(h), "SHA-256") && !strings.Contains(strings.ToUpper(h), "SHA-256*") {
		if _, err := d.command(200, "OPTS HASH SHA-256"); err != nil { // draft-bryan-ftp-hash 3
			delete(d.features, "HASH")
		}
	}
	return nil
}

// farewell is how long the server may take to end a data connection that we have
// ended.
const farewell = 30 * time.Second
