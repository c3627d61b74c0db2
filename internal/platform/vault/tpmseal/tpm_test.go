package tpmseal_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-tpm/tpm2/transport"

	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/tpmseal"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// shared hands out one connection to a software TPM that stays open. It keeps
// what passes, as a listener on the bus would.
type shared struct {
	transport.TPM
	mu    sync.Mutex
	heard bytes.Buffer
}

func (s *shared) Close() error { return nil }

func (s *shared) Send(in []byte) ([]byte, error) {
	out, err := s.TPM.Send(in)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard.Write(in)
	s.heard.Write(out)
	return out, err
}

// start runs a software TPM with its state in dir until the end of the test.
func start(t *testing.T, dir string) (s *shared, stop func()) {
	t.Helper()
	bin, err := exec.LookPath("swtpm")
	if err != nil {
		t.Skip("TPM SEAL NOT TESTED: swtpm is missing (Debian package swtpm)")
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ours := os.NewFile(uintptr(pair[0]), "swtpm"), os.NewFile(uintptr(pair[1]), "tpm")
	cmd := exec.Command(bin, "socket", "--tpm2", "--fd", "3", "--tpmstate", "dir="+dir, "--flags", "not-need-init,startup-clear")
	cmd.ExtraFiles = []*os.File{theirs}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		conn.Close()
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("swtpm: %s", said.String())
		}
	})
	t.Cleanup(stop)
	return &shared{TPM: transport.FromReadWriter(conn)}, stop
}

func sealOf(s *shared) vault.Seal {
	return tpmseal.New(func() (transport.TPMCloser, error) { return s, nil })
}

func TestTPM(t *testing.T) {
	one, _ := start(t, t.TempDir())
	two, _ := start(t, t.TempDir())
	same, other := sealOf(one), sealOf(two)
	vaulttest.TestSeal(t, vaulttest.Subject{
		Same:  func(*testing.T) vault.Seal { return same },
		Other: func(*testing.T) vault.Seal { return other },
		Gone: func(t *testing.T) vault.Seal {
			return tpmseal.New(tpmseal.Device(filepath.Join(t.TempDir(), "tpmrm0")))
		},
	})
}

// After a restart of the machine the same TPM opens the seal.
func TestTPMAfterRestart(t *testing.T) {
	dir := t.TempDir()
	root := bytes.Repeat([]byte("root key"), 4)
	tpm, stop := start(t, dir)
	wrapped, params, err := sealOf(tpm).Wrap(root)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	tpm, _ = start(t, dir)
	got, err := sealOf(tpm).Unwrap(wrapped, params)
	if err != nil || !bytes.Equal(got, root) {
		t.Fatalf("after a restart: %v", err)
	}
}

// Nothing that passes between us and the TPM, while sealing or unsealing, is
// the secret that opens the wrapped key.
func TestListenerOnTheBus(t *testing.T) {
	tpm, _ := start(t, t.TempDir())
	s := sealOf(tpm)
	wrapped, params, err := s.Wrap(bytes.Repeat([]byte("root key"), 4))
	if err != nil {
		t.Fatal(err)
	}
	sealing := tpm.heard.Len()
	if _, err := s.Unwrap(wrapped, params); err != nil {
		t.Fatal(err)
	}
	heard := tpm.heard.Bytes()
	if sealing < 500 || len(heard) < sealing+500 {
		t.Fatalf("the listener heard %d and %d bytes only", sealing, len(heard)-sealing)
	}
	for i := 0; i+32 <= len(heard); i++ {
		aead, err := tpmseal.Under(heard[i : i+32])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := aead.Open(nil, nil, wrapped, params); err == nil {
			t.Fatal("the secret can be heard on the bus")
		}
	}
}

// Hostile parameters are refused without a panic; the TPM is never asked for
// what has not the form.
func FuzzParams(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 4, 0, 2, 0, 8, 0, 2, 0, 0})
	f.Add(append([]byte{0, 48, 0, 46, 0, 8, 0, 11, 0, 0, 0, 0x52, 0, 0, 0, 16, 0, 32}, make([]byte, 36)...))
	s := tpmseal.New(func() (transport.TPMCloser, error) { return nil, errors.New("no TPM here") })
	f.Fuzz(func(t *testing.T, params []byte) {
		if _, err := s.Unwrap(nil, params); err == nil {
			t.Fatal("unwrapped without a TPM")
		}
	})
}

func TestDevice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, says string }{{path, "is not a device"}, {path + ".gone", "no such file"}} {
		_, _, err := tpmseal.New(tpmseal.Device(c.path)).Wrap(make([]byte, 32))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v", err)
		}
	}
	broken := tpmseal.New(func() (transport.TPMCloser, error) { return nil, errors.New("no TPM here") })
	if _, err := broken.Unwrap(nil, []byte{0, 0, 0, 0}); err == nil {
		t.Error("unwrapped without a TPM")
	}
}
