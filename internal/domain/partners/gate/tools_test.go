package gate

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatOtherProgramsEncrypt: what openssl and gpg write is known for what it is.
func TestWhatOtherProgramsEncrypt(t *testing.T) {
	dir := t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GNUPGHOME="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	for _, name := range []string{"openssl", "gpg"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is not installed: tools/setup.sh test", name)
			}
			t.Skipf("SKIPPED: %s is not installed: the gate was not tried with what it writes", name)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "in"), []byte(normal), 0o600); err != nil {
		t.Fatal(err)
	}
	run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-out", "c.pem", "-subj", "/CN=x", "-days", "2")
	cms := []string{"cms", "-encrypt", "-binary", "-in", "in", "-aes256"}
	run("openssl", append(cms, "-outform", "DER", "-out", "a.p7m", "c.pem")...)
	run("openssl", append(cms, "-outform", "PEM", "-out", "b.p7m", "c.pem")...)
	run("openssl", append(cms, "-stream", "-outform", "DER", "-out", "c.p7m", "c.pem")...)
	run("openssl", "cms", "-encrypt", "-binary", "-in", "in", "-aes-256-gcm", "-outform", "DER", "-out", "d.p7m", "c.pem")
	run("openssl", "cms", "-sign", "-binary", "-nodetach", "-in", "in", "-outform", "DER", "-signer", "c.pem", "-inkey", "k.pem", "-out", "signed.p7m")
	gpg := []string{"--batch", "--pinentry-mode", "loopback", "--passphrase", ""}
	t.Cleanup(func() { run("gpgconf", "--kill", "all") })
	run("gpg", append(gpg, "--quick-gen-key", "x@x.example", "rsa2048", "encr")...)
	run("gpg", append(gpg, "--trust-model", "always", "-r", "x@x.example", "-o", "a.gpg", "-e", "in")...)
	run("gpg", append(gpg, "--trust-model", "always", "-r", "x@x.example", "--armor", "-o", "a.asc", "-e", "in")...)
	run("gpg", "--batch", "--pinentry-mode", "loopback", "--passphrase", "x", "-o", "b.pgp", "--symmetric", "in")
	for name, kind := range map[string]string{
		"a.p7m": KindCMS, "b.p7m": KindCMS, "c.p7m": KindCMS, "d.p7m": KindCMS, "a.gpg": KindOpenPGP, "a.asc": KindOpenPGP, "b.pgp": KindOpenPGP,
	} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if v := check(t, name, b, open); !v.Pass || v.Kind != kind+unseen {
			t.Errorf("%s: %+v", name, v)
		}
		if v := check(t, name, b, Rules{}); v.Pass || v.Cause != CauseEncrypted {
			t.Errorf("%s without leave: %+v", name, v)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "signed.p7m"))
	if err != nil {
		t.Fatal(err)
	}
	if v := check(t, "signed.p7m", b, open); v.Pass {
		t.Errorf("what is only signed passes as encrypted: %+v", v)
	}
}
