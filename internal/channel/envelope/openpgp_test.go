package envelope

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/labwarden/labwarden/internal/channel"
)

// box keeps what it is given.
type box struct {
	mu     sync.Mutex
	got    []channel.Message
	closed bool
}

func (b *box) CarriesFiles() {}

func (b *box) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, m)
	return channel.Receipt{Level: channel.Placed}, nil
}

func (b *box) Close() error { b.closed = true; return nil }

// TestOpenPGPGnuPG: keys made by gpg, messages opened and verified by gpg.
func TestOpenPGPGnuPG(t *testing.T) {
	bin := program(t, "gpg")
	// The agent's socket path must be short.
	home, err := os.MkdirTemp("", "gpg") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	env := []string{"GNUPGHOME=" + home, "LC_ALL=C"}
	gpg := func(stdin []byte, args ...string) []byte {
		return run(t, stdin, env, bin, append([]string{"--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	}
	t.Cleanup(func() {
		// The agent gpg started for this home; it would end with the home anyway.
		kill := exec.Command("gpgconf", "--kill", "all")
		kill.Env = append(os.Environ(), env...)
		if err := kill.Run(); err != nil {
			t.Logf("end gpg-agent: %v", err)
		}
	})
	gpg(nil, "--quick-generate-key", "clinic@example.org", "future-default", "default", "1d")
	gpg(nil, "--quick-generate-key", "rsa@example.org", "rsa2048", "default", "never")
	// RSA 2048 for both uses: the key kind a partner is most likely to have.
	own := func() []byte {
		e, err := openpgp.NewEntity("Lab", "", "lab@example.org", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
		if err != nil {
			t.Fatal(err)
		}
		var pub, priv bytes.Buffer
		if err := e.Serialize(&pub); err != nil {
			t.Fatal(err)
		}
		gpg(pub.Bytes(), "--import")
		if err := e.EncryptPrivateKeys([]byte("open"), nil); err != nil {
			t.Fatal(err)
		}
		if err := e.SerializePrivateWithoutSigning(&priv, nil); err != nil {
			t.Fatal(err)
		}
		return priv.Bytes()
	}()
	clinic := gpg(nil, "--export", "clinic@example.org")
	armored := gpg(nil, "--armor", "--export", "clinic@example.org")
	rsaKey := rsaEncryptKey(t, gpg)
	for name, c := range map[string]OpenPGPConfig{
		"binary": {Keys: clinic}, "armor": {Keys: armored, Armor: true}, "RSA": {Keys: rsaKey},
		"two readers, signed": {Keys: append(bytes.Clone(clinic), rsaKey...), SignKey: own, Passphrase: []byte("open")},
		// Ten years on the clinic's key is long past its date; results still go.
		"past its date": {Keys: clinic, Now: func() time.Time { return time.Now().AddDate(10, 0, 0) }},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := NewOpenPGP(c)
			if err != nil {
				t.Fatal(err)
			}
			if suffix := map[bool]string{true: ".asc", false: ".gpg"}[c.Armor]; e.Suffix() != suffix {
				t.Errorf("suffix %q", e.Suffix())
			}
			if in := time.Until(e.NotAfter()); name != "RSA" && (in < 22*time.Hour || in > 25*time.Hour) {
				t.Errorf("not after %v", e.NotAfter())
			} else if name == "RSA" && !e.NotAfter().IsZero() {
				t.Errorf("not after %v", e.NotAfter())
			}
			for _, body := range bodies() {
				sealed, err := e.Encrypt(body)
				if err != nil {
					t.Fatal(err)
				}
				if c.Armor != bytes.HasPrefix(sealed, []byte("-----BEGIN PGP MESSAGE-----")) {
					t.Error("armor")
				}
				if got := gpg(sealed, "--decrypt", "--trust-model", "always"); !bytes.Equal(got, body) {
					t.Errorf("%d bytes back of %d", len(got), len(body))
				}
				status := string(gpg(sealed, "--decrypt", "--trust-model", "always", "--status-fd", "1", "--output", "/dev/null"))
				// Cipher 9 is AES-256; "DECRYPTION_INFO 2" is the integrity-protected packet.
				if !strings.Contains(status, "DECRYPTION_INFO 2 9") {
					t.Errorf("status %s", status)
				}
				if strings.Contains(status, "GOODSIG") != (c.SignKey != nil) {
					t.Errorf("signature: %s", status)
				}
			}
		})
	}
	for name, c := range map[string]OpenPGPConfig{
		"nothing": {}, "no key": {Keys: []byte("hello")}, "the private key": {Keys: own},
		"wrong passphrase":  {Keys: clinic, SignKey: own, Passphrase: []byte("shut")},
		"public to sign":    {Keys: clinic, SignKey: clinic},
		"nothing encrypted": {Keys: gpg(nil, "--export", "rsa@example.org")}, // a primary key that only signs
	} {
		if _, err := NewOpenPGP(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// Revoked is not the same as late.
	fpr := fingerprint(t, string(gpg(nil, "--with-colons", "--list-keys", "clinic@example.org")))
	revocation, err := os.ReadFile(home + "/openpgp-revocs.d/" + fpr + ".rev")
	if err != nil {
		t.Fatal(err)
	}
	gpg(bytes.Replace(revocation, []byte(":-----BEGIN"), []byte("-----BEGIN"), 1), "--import")
	if _, err := NewOpenPGP(OpenPGPConfig{Keys: gpg(nil, "--export", "clinic@example.org"), Now: func() time.Time { return time.Now().Add(time.Hour) }}); err == nil {
		t.Error("revoked key accepted")
	}
}

func fingerprint(t *testing.T, colons string) string {
	t.Helper()
	for _, line := range strings.Split(colons, "\n") {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			return f[9]
		}
	}
	t.Fatal("no fingerprint")
	return ""
}

// rsaEncryptKey makes a key with an RSA subkey for encryption and exports it.
func rsaEncryptKey(t *testing.T, gpg func([]byte, ...string) []byte) []byte {
	t.Helper()
	gpg(nil, "--quick-generate-key", "old@example.org", "rsa2048", "sign", "never")
	fpr := fingerprint(t, string(gpg(nil, "--with-colons", "--list-keys", "old@example.org")))
	gpg(nil, "--quick-add-key", fpr, "rsa2048", "encr", "never")
	return gpg(nil, "--export", "old@example.org")
}
