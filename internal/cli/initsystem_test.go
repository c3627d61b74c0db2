package cli

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app"
)

// TestInitForTheService: what init --system makes is what the package's unit
// reads: the key by way of a credential, and nothing that only root may read.
func TestInitForTheService(t *testing.T) {
	unit, err := os.ReadFile("../../packaging/labwarden.service")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	t.Chdir(root) // a command may leave the folder it was called in
	at := systemPlace(root, os.Getuid(), os.Getgid())
	c := initCommand()
	var out, errs bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&errs)
	c.SetContext(t.Context())
	if err := runInit(c, at, "Millbrook Laboratory", "millbrook", ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Share 5", "systemctl enable --now labwarden", "sudo -u labwarden labwarden access first --config " + filepath.Join(at.dir, "labwarden.yaml")} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
	for name, want := range map[string]fs.FileMode{
		"etc/labwarden/root.key": 0o600, "etc/labwarden/labwarden.yaml": 0o640, "etc/labwarden/tls/hub.key": 0o640, "etc/labwarden/tls/lis.key": 0o600,
		"etc/labwarden/keys/bypass.key": 0o600, "etc/labwarden": 0o750 | fs.ModeDir, "var/lib/labwarden": 0o700 | fs.ModeDir,
	} {
		if st, err := os.Stat(filepath.Join(root, name)); err != nil || st.Mode() != want {
			t.Errorf("%s: %v %v, want %v", name, st.Mode(), err, want)
		}
	}

	// As systemd starts it.
	if !strings.Contains(string(unit), "\nLoadCredential="+systemCredential+":"+systemConfig+"/root.key\n") ||
		!strings.Contains(string(unit), "--config "+systemConfig+"/labwarden.yaml\n") || !strings.Contains(string(unit), "\nStateDirectory=labwarden\n") {
		t.Error("the unit names other places")
	}
	key, err := os.ReadFile(at.key)
	if err != nil {
		t.Fatal(err)
	}
	credentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, systemCredential), key, 0o400); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	conf, err := loadConfig(filepath.Join(at.dir, "labwarden.yaml"), time.Now(), &errs)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(conf.Node.Control.Socket); got != "/run/labwarden/labwarden.sock" {
		t.Errorf("socket %s", got)
	}
	seals, err := app.Seals(&conf.Node, nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := app.Open(t.Context(), conf, seals, app.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Node: "millbrook"})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}

	if err := runInit(c, at, "Millbrook Laboratory", "millbrook", ""); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second time: %v", err)
	}
}
