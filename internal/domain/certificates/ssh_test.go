package certificates_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func (r *rig) exec(query string) {
	r.t.Helper()
	r.must(r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, query)
		return err
	}))
}

func sshKey(t *testing.T) (ed25519.PrivateKey, []byte) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return key, ssh.MarshalAuthorizedKey(p)
}

func wire(t *testing.T, line []byte) []byte {
	t.Helper()
	k, _, _, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		t.Fatal(err)
	}
	return k.Marshal()
}

func TestSSHCertificatesLetOnePartnerInUntilTheyAreRevoked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		_, pub := sshKey(t)
		if _, _, err := r.SignSSH(ctx, "riverside", pub, 30, ann); !errors.Is(err, certificates.ErrNoSSH) {
			t.Errorf("without an authority: %v", err)
		}
		r.authority()
		x, line, err := r.SignSSH(ctx, "riverside", pub, 30, ann)
		r.must(err)
		cert := wire(t, line)
		if p, err := r.CheckSSH(ctx, cert, "riverside"); err != nil || p != "riverside" {
			t.Errorf("%q %v", p, err)
		}
		if _, err := r.CheckSSH(ctx, cert, "hillcrest"); err == nil {
			t.Error("it let in somebody else")
		}
		if _, err := r.CheckSSH(ctx, wire(t, pub), "riverside"); err == nil {
			t.Error("a plain key was taken for a certificate")
		}
		// A certificate that another authority signed, or ours for a host, is none.
		_, foreign, err := ed25519.GenerateKey(rand.Reader)
		r.must(err)
		signer, err := ssh.NewSignerFromKey(foreign)
		r.must(err)
		k, _, _, _, err := ssh.ParseAuthorizedKey(line)
		r.must(err)
		forged := *k.(*ssh.Certificate)
		r.must(forged.SignCert(rand.Reader, signer))
		if _, err := r.CheckSSH(ctx, forged.Marshal(), "riverside"); !errors.Is(err, certificates.ErrUnknown) {
			t.Errorf("forged: %v", err)
		}
		at := r.now
		for _, off := range []time.Duration{31 * 24 * time.Hour, -24 * time.Hour} {
			r.now = at.Add(off)
			if _, err := r.CheckSSH(ctx, cert, "riverside"); err == nil || !strings.Contains(err.Error(), "clock says") {
				t.Errorf("a clock off by %s: %v", off, err)
			}
		}
		r.now = at
		var told []certificates.Revoked
		r.OnRevoked(func(list []certificates.Revoked) { told = append(told, list...) })
		_, err = r.Revoke(ctx, x.Serial, ann)
		r.must(err)
		if len(told) != 1 || told[0].Serial != x.Serial || told[0].Form != "ssh" || told[0].Name != "riverside" {
			t.Errorf("told of %v", told)
		}
		if _, err := r.CheckSSH(ctx, cert, "riverside"); !errors.Is(err, certificates.ErrRevoked) {
			t.Errorf("revoked: %v", err)
		}
		for _, bad := range [][]byte{nil, []byte("x"), []byte("ssh-rsa AAAA"), []byte(strings.Repeat("x", 20<<10))} {
			if _, _, err := r.SignSSH(ctx, "riverside", bad, 30, ann); err == nil {
				t.Errorf("%.20q was signed", bad)
			}
		}
		if _, _, err := r.SignSSH(ctx, "riverside", pub, 91, ann); err == nil {
			t.Error("91 days were allowed")
		}
	})
}

func TestUnderFIPSTheSSHAuthorityIsOfANISTCurve(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.Service = r.another(true)
		r.authority()
		if a := r.SSHAuthority(); len(a) != 1 || !strings.HasPrefix(a[0], "ecdsa-sha2-nistp256 ") {
			t.Errorf("authority: %v", a)
		}
		_, pub := sshKey(t)
		if _, _, err := r.SignSSH(t.Context(), "riverside", pub, 30, ann); err == nil {
			t.Error("an Ed25519 key was signed")
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		r.must(err)
		p, err := ssh.NewPublicKey(key.Public())
		r.must(err)
		_, line, err := r.SignSSH(t.Context(), "riverside", ssh.MarshalAuthorizedKey(p), 1, ann)
		r.must(err)
		if _, err := r.CheckSSH(t.Context(), wire(t, line), "riverside"); err != nil {
			t.Error(err)
		}
	})
}

// OpenSSH reads what we sign.
func TestOpenSSHReadsOurCertificate(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("ssh-keygen is missing")
		}
		t.Skip("NOT TRIED: ssh-keygen is missing")
	}
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.authority()
		_, pub := sshKey(t)
		_, line, err := r.SignSSH(t.Context(), "riverside", pub, 30, ann)
		r.must(err)
		file := filepath.Join(t.TempDir(), "id-cert.pub")
		r.must(os.WriteFile(file, line, 0o600))
		out, err := exec.CommandContext(t.Context(), keygen, "-L", "-f", file).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "user certificate") || !strings.Contains(string(out), "riverside") || strings.Contains(string(out), "permit-") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
