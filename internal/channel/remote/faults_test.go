package remote_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/remote"
	"github.com/labwarden/labwarden/internal/channel/sftp"
)

// losing cuts the line when the server has renamed and before it is heard.
func losing(dial remote.Dial, l *line) remote.Dial {
	return func(ctx context.Context) (remote.Dir, error) {
		d, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return deaf{d, l}, nil
	}
}

type deaf struct {
	remote.Dir
	l *line
}

func (d deaf) Rename(ctx context.Context, from, to string) error {
	if err := d.Dir.Rename(ctx, from, to); err != nil {
		return err
	}
	d.l.cut()
	_, err := d.Dir.Stat(ctx, to) // whatever comes next finds the line dead
	return err
}

func TestSFTPWhoIsBelieved(t *testing.T) {
	s := startSSHD(t, "")
	other, _ := newKeyPair(t)
	try := func(change func(*sftp.ClientConfig)) error {
		c := s.config(s.addr)
		change(&c)
		d, err := sftpDial(t, c)(t.Context())
		if err == nil {
			_ = d.Close()
		}
		return err
	}
	for name, pin := range map[string]string{"fingerprint": ssh.FingerprintSHA256(s.host.PublicKey()), "public key": s.hostKeyLine} {
		if err := try(func(c *sftp.ClientConfig) { c.HostKeys = []string{pin} }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, pin := range map[string]string{"fingerprint": ssh.FingerprintSHA256(other.PublicKey()), "public key": string(ssh.MarshalAuthorizedKey(other.PublicKey()))} {
		err := try(func(c *sftp.ClientConfig) { c.HostKeys = []string{pin} })
		if channel.ClassOf(err) != channel.Misconfigured || !strings.Contains(err.Error(), ssh.FingerprintSHA256(s.host.PublicKey())) || !strings.Contains(err.Error(), "by phone") {
			t.Errorf("wrong %s: %v", name, err)
		}
	}
	_, strange := newKeyPair(t)
	err := try(func(c *sftp.ClientConfig) { c.Key = strange })
	if channel.ClassOf(err) != channel.Misconfigured || !strings.Contains(err.Error(), "does not let user") {
		t.Errorf("wrong key: %v", err)
	}
	err = try(func(c *sftp.ClientConfig) { c.Key, c.Password = nil, "wrong-password" })
	if channel.ClassOf(err) != channel.Misconfigured || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("wrong password: %v", err)
	}
	for name, change := range map[string]func(*sftp.ClientConfig){
		"no host key": func(c *sftp.ClientConfig) { c.HostKeys = nil },
		"no key":      func(c *sftp.ClientConfig) { c.Key = nil },
		"bad key":     func(c *sftp.ClientConfig) { c.Key = []byte("-----BEGIN SECRET") },
		"bad pin":     func(c *sftp.ClientConfig) { c.HostKeys = []string{"ab:cd"} },
	} {
		c := s.config(s.addr)
		change(&c)
		if _, err := sftp.NewClient(c); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", name, err)
		}
	}
	shown, err := sftp.HostKeys(t.Context(), s.addr)
	if err != nil || len(shown) != 1 || shown[0].Fingerprint != ssh.FingerprintSHA256(s.host.PublicKey()) || shown[0].Line != s.hostKeyLine {
		t.Errorf("%+v %v", shown, err)
	}
}

func TestSFTPNotAllowed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can run sshd for another user")
	}
	s := startSSHD(t, "nobody")
	srv := &server{kind: "sftp", dir: s.dir, dial: sftpDial(t, s.config(s.addr))}
	out := srv.sender(t, nil)
	if _, err := send(t, out, "a.hl7", "x"); channel.ClassOf(err) != channel.Misconfigured {
		t.Errorf("a directory that may not be written: %v", err)
	}
	c := s.config(s.addr)
	c.Dir += "/nowhere"
	srv.dial = sftpDial(t, c)
	if _, err := send(t, srv.sender(t, nil), "a.hl7", "x"); channel.ClassOf(err) != channel.Misconfigured {
		t.Errorf("no such directory: %v", err)
	}
}
