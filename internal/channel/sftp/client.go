package sftp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/channel"
)

// ClientConfig is a partner's SFTP server as we reach it.
type ClientConfig struct {
	// Name is the partner's configured name; Addr is HOST:PORT.
	Name, Addr, User string
	// HostKeys are the keys that are believed, as fingerprints ("SHA256:…") or
	// public keys; no other is.
	HostKeys []string
	// Key is our private key in PEM or OpenSSH form; Password is for servers that
	// take nothing better. One of the two is needed.
	Key      []byte
	Password string
	// Dir is the directory there; empty is where the server puts us.
	Dir string
	// Dial opens the connection; nil dials TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client opens connections to one directory of one server.
type Client struct {
	cfg   ClientConfig
	auth  []ssh.AuthMethod
	pins  pins
	asked atomic.Int32 // which of pins.asks found the agreed key
}

// NewClient checks the configuration; it does not connect.
func NewClient(c ClientConfig) (*Client, error) {
	p, err := readPins(c.HostKeys)
	if err != nil {
		return nil, err
	}
	if c.User == "" || c.Addr == "" {
		return nil, errors.New("sftp server has no address or no user")
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	cl := &Client{cfg: c, pins: p}
	if len(c.Key) > 0 {
		s, err := signer(c.Key)
		if err != nil {
			return nil, err
		}
		cl.auth = append(cl.auth, ssh.PublicKeys(s))
	}
	if c.Password != "" {
		// Some servers ask for the password by keyboard-interactive alone (RFC 4256).
		cl.auth = append(cl.auth, ssh.Password(c.Password), ssh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
			if len(questions) > 1 {
				return nil, errors.New("the server asks for more than a password")
			}
			out := make([]string, len(questions))
			for i := range out {
				out[i] = c.Password
			}
			return out, nil
		}))
	}
	if len(cl.auth) == 0 {
		return nil, errors.New("neither key nor password to sign in with")
	}
	return cl, nil
}

// signer reads our key; an RSA key never signs with SHA-1 (RFC 8332).
func signer(pem []byte) (ssh.Signer, error) {
	s, err := ssh.ParsePrivateKey(pem)
	if err != nil { // the error may quote the key
		return nil, errors.New("read the private key: it is no unencrypted OpenSSH or PEM private key")
	}
	if tooShort(s.PublicKey()) {
		return nil, fmt.Errorf("the private key is an RSA key of less than %d bits", shortestRSA)
	}
	a, ok := s.(ssh.AlgorithmSigner)
	if !ok || s.PublicKey().Type() != ssh.KeyAlgoRSA {
		return s, nil
	}
	return ssh.NewSignerWithAlgorithms(a, typesOf(ssh.KeyAlgoRSA))
}

func clientConfig(hostKeys []string) *ssh.ClientConfig {
	a := algorithms()
	return &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: a.KeyExchanges, Ciphers: a.Ciphers, MACs: a.MACs},
		ClientVersion:     "SSH-2.0-Labwarden",
		HostKeyAlgorithms: hostKeys,
	}
}

// Place is where the directory is, for people.
func (c *Client) Place() string { return "sftp://" + c.cfg.Addr + path.Join("/", c.cfg.Dir) }

// Open connects and signs in. It makes a Dir of package remote.
func (c *Client) Open(ctx context.Context) (*ClientDir, error) {
	asks := c.pins.asks()
	stranger := &strangerError{addr: c.cfg.Addr}
	first := int(c.asked.Load())
	for n := range asks {
		n = (first + n) % len(asks)
		d, shown, err := c.open(ctx, asks[n])
		if err == nil {
			c.asked.Store(int32(n))
			return d, nil
		}
		if shown == "" && len(stranger.shown) > 0 && channel.ClassOf(err) == channel.Misconfigured {
			continue // it has no key of that kind
		}
		if shown == "" {
			return nil, err
		}
		if !slices.Contains(stranger.shown, shown) {
			stranger.shown = append(stranger.shown, shown)
		}
	}
	return nil, c.fail(channel.Misconfigured, stranger)
}

func (c *Client) peer() channel.Peer { return channel.Peer{Name: c.cfg.Name, Addr: c.Place()} }

func (c *Client) fail(class channel.Class, err error) error {
	return &channel.Error{Class: class, Peer: c.peer(), Err: err}
}

// open tries with one list of host key algorithms. shown is the key that was not
// believed.
func (c *Client) open(ctx context.Context, hostKeys []string) (d *ClientDir, shown string, err error) {
	conn, err := c.cfg.Dial(ctx, "tcp", c.cfg.Addr)
	if err != nil {
		return nil, "", c.fail(channel.Unreachable, fmt.Errorf("connect: %w", err))
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	peer := c.peer()
	believed := false
	conf := clientConfig(hostKeys)
	conf.User, conf.Auth = c.cfg.User, c.auth
	conf.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
		if !c.pins.believe(key) {
			shown = key.Type() + " " + ssh.FingerprintSHA256(key)
			return errors.New("not believed")
		}
		believed = true
		sum := sha256.Sum256(key.Marshal())
		peer.Proof, peer.Fingerprint = "host key", hex.EncodeToString(sum[:])
		return nil
	}
	sc, chans, reqs, err := ssh.NewClientConn(conn, c.cfg.Addr, conf)
	if err != nil {
		_ = conn.Close()
		return nil, shown, c.opening(ctx, err, believed)
	}
	client := ssh.NewClient(sc, chans, reqs)
	if m, ok := sc.(ssh.AlgorithmsConnMetadata); ok {
		a := m.Algorithms()
		peer.TLS = "SSH " + a.KeyExchange + " " + strings.TrimSuffix(a.Write.Cipher, "@openssh.com")
	}
	f, err := sftp.NewClient(client)
	if err != nil {
		_ = client.Close()
		if ctx.Err() != nil {
			return nil, "", c.fail(channel.Unreachable, ctx.Err())
		}
		return nil, "", c.fail(channel.Misconfigured, fmt.Errorf("the server lets us in but does not speak SFTP to us: %w", err))
	}
	return &ClientDir{conn: client, files: f, dir: c.cfg.Dir, peer: peer}, "", nil
}

// opening says what a connection that did not come about means.
func (c *Client) opening(ctx context.Context, err error, believed bool) error {
	if ctx.Err() != nil {
		return c.fail(channel.Unreachable, ctx.Err())
	}
	text := err.Error()
	switch {
	case believed && (strings.Contains(text, "unable to authenticate") || strings.Contains(text, "unexpected message type 51")): // RFC 4252 5.1: SSH_MSG_USERAUTH_FAILURE
		return c.fail(channel.Misconfigured, fmt.Errorf("the server does not let user %s in with our key or password: ask the partner whether they were changed", c.cfg.User))
	case strings.Contains(text, "no common algorithm"):
		return c.fail(channel.Misconfigured, fmt.Errorf("the server offers nothing that is safe enough or that fits the agreed host key: %w", err))
	}
	return c.fail(channel.Unreachable, fmt.Errorf("begin SSH: %w", err))
}
