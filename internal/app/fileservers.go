package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/ftps"
	"github.com/labwarden/labwarden/internal/channel/remote"
	"github.com/labwarden/labwarden/internal/channel/sftp"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// fileServer is somebody else's SFTP or FTPS server as the configuration has it.
type fileServer struct {
	dial  remote.Dial
	place string
}

func (b builder) sftpServer(name, through string, a config.Address, user string, keys []config.HostKey, key, password config.Secret, dir string) (fileServer, error) {
	conf := sftp.ClientConfig{Name: name, Addr: string(a), User: user, Dir: dir}
	for _, k := range keys {
		conf.HostKeys = append(conf.HostKeys, string(k))
	}
	var err error
	if conf.Dial, err = b.through(through); err != nil {
		return fileServer{}, err
	}
	if conf.Key, err = b.secret(context.Background(), key); err != nil {
		return fileServer{}, err
	}
	if conf.Password, err = b.password(password); err != nil {
		return fileServer{}, err
	}
	c, err := sftp.NewClient(conf)
	if err != nil {
		return fileServer{}, err
	}
	return fileServer{func(ctx context.Context) (remote.Dir, error) {
		d, err := c.Open(ctx)
		if err != nil {
			return nil, err // a nil pointer would be a Dir
		}
		return d, nil
	}, c.Place()}, nil
}

func (b builder) ftpsServer(name, of, through string, a config.Address, user string, password config.Secret, t *config.ClientTLS, node *config.KeyPair, e *config.Exception, dir string) (fileServer, error) {
	host, _, err := net.SplitHostPort(string(a))
	if err != nil {
		return fileServer{}, err
	}
	conf := ftps.ClientConfig{Name: name, Addr: string(a), User: user, Dir: dir}
	if conf.Dial, err = b.through(through); err != nil {
		return fileServer{}, err
	}
	if conf.Password, err = b.password(password); err != nil {
		return fileServer{}, err
	}
	if t == nil {
		return fileServer{}, fmt.Errorf("nothing says whom to believe at %s", a)
	}
	if conf.TLS, err = fileTLS(t, host, node, exception(e), b.watched(of)); err != nil {
		return fileServer{}, err
	}
	c, err := ftps.NewClient(conf)
	if err != nil {
		return fileServer{}, err
	}
	return fileServer{func(ctx context.Context) (remote.Dir, error) {
		d, err := c.Open(ctx)
		if err != nil {
			return nil, err // a nil pointer would be a Dir
		}
		return d, nil
	}, c.Place()}, nil
}

// fileTLS is our side of an FTPS connection: our certificate where we have one,
// for servers that ask.
func fileTLS(t *config.ClientTLS, host string, node *config.KeyPair, e *channel.Exception, w watched) (*tls.Config, error) {
	cert, err := certificate(t.Certificate, t.Key, node)
	if err != nil {
		return nil, err
	}
	if cert == nil { // a password is enough there
		cert = func() (*tls.Certificate, error) { return &tls.Certificate{}, nil }
	}
	ca, err := roots(t.CA)
	if err != nil {
		return nil, err
	}
	name := t.ServerName
	if name == "" {
		name = host
	}
	c := w.over(channel.TLS{Certificate: cert, Roots: ca, ServerName: name, Exception: e})
	if t.Fingerprint != "" {
		c.Pins = []string{string(t.Fingerprint)}
	}
	return c.Client()
}

// password reads one; a line break at its end is the file's, not the password's.
func (b builder) password(s config.Secret) (string, error) {
	p, err := b.secret(context.Background(), s)
	return strings.TrimRight(string(p), "\r\n"), err
}

// remoteSender is what carries files to a partner's file server.
func (b builder) remoteSender(c *config.Config, key string, d config.Destination) (channel.Sender, error) {
	r := remote.Config{Name: key, SameName: d.Encrypt != nil, PickUps: pickedUpWithin(d) > 0, Now: b.now}
	var verify string
	var connections int
	var timeout time.Duration
	var at fileServer
	var err error
	if s := d.SFTP; s != nil {
		verify, connections, timeout = s.Verify, s.Connections, s.Timeout.Std()
		at, err = b.sftpServer(key, d.Tunnel, s.Address, s.User, s.HostKeys, s.Key, s.Password, s.Dir)
	} else {
		s := d.FTPS
		verify, connections, timeout = s.Verify, s.Connections, s.Timeout.Std()
		at, err = b.ftpsServer(key, "partner "+key, d.Tunnel, s.Address, s.User, s.Password, s.TLS, c.Node.TLS, s.Exception, s.Dir)
	}
	if err != nil {
		return nil, err
	}
	switch verify {
	case "size":
		r.Verify = remote.VerifySize
	case "none":
		r.Verify = remote.VerifyNone
	}
	r.Dial, r.Place, r.Connections, r.Patience = at.dial, at.place, connections, timeout
	return remote.NewSender(r)
}

// pickedUpWithin is how long a file may lie at a destination; 0 where nobody looks.
func pickedUpWithin(d config.Destination) time.Duration {
	switch {
	case d.SFTP != nil:
		return d.SFTP.PickedUpWithin.Std()
	case d.FTPS != nil:
		return d.FTPS.PickedUpWithin.Std()
	case d.Box != nil:
		return d.Box.PickedUpWithin.Std()
	case d.FHIRPull != nil:
		return d.FHIRPull.PickedUpWithin.Std()
	}
	return 0
}

// fileTemplate is the template of the names of files that go there; empty where
// no files go.
func fileTemplate(d config.Destination) string {
	switch {
	case d.Folder != nil:
		return d.Folder.Name
	case d.SFTP != nil:
		return d.SFTP.Name
	case d.FTPS != nil:
		return d.FTPS.Name
	case d.Box != nil:
		return d.Box.Name
	}
	return ""
}
