package demo

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
)

func seal(t *testing.T, recipient string, body []byte, armored bool) []byte {
	t.Helper()
	to, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	var out io.Writer = &b
	aw := armor.NewWriter(&b)
	if armored {
		out = aw
	}
	w, err := age.Encrypt(out, to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if armored {
		_ = aw.Close()
	}
	return b.Bytes()
}

func place(t *testing.T, folder, name string, b []byte) {
	t.Helper()
	tmp := filepath.Join(folder, "."+name+".tmp")
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(folder, name)); err != nil {
		t.Fatal(err)
	}
}

func waitLines(t *testing.T, path string, n int) []ClinicLine {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		l, err := ReadClinic(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(l) >= n || time.Now().After(deadline) {
			if len(l) != n {
				t.Fatalf("%d lines, want %d", len(l), n)
			}
			return l
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestFolderClinic(t *testing.T) {
	dir := t.TempDir()
	o := clinicOptions(dir, KindFolder, Northgate)
	recipient, err := NewIdentity(o.Identity)
	if err != nil {
		t.Fatal(err)
	}
	again, err := NewIdentity(o.Identity)
	pub, _ := os.ReadFile(o.Identity + ".pub")
	if err != nil || again != recipient || strings.TrimSpace(string(pub)) != recipient {
		t.Fatalf("identity is not kept: %v", err)
	}
	_ = os.Mkdir(o.Folder, 0o700)
	msgs := slices.Collect(Synthetic(40, 5))
	place(t, o.Folder, "before.age", seal(t, recipient, msgs[0], false))
	addr, _, cmd := startProcess(t, KindFolder, "-dir", dir, "-name", Northgate)
	if addr != o.Folder {
		t.Errorf("ready %s", addr)
	}
	// Names against the alphabet: only the order of the renames counts.
	for i, m := range msgs[1:] {
		place(t, o.Folder, fmt.Sprintf("%02d.age", 50-i), seal(t, recipient, m, i%2 == 0))
	}
	lines := waitLines(t, o.List, 40)
	for i, m := range msgs {
		if lines[i].SHA256 != hash(m) || lines[i].Seq != i+1 || lines[i].Code != "taken" || lines[i].Controls[0] != readFacts(m).Control {
			t.Errorf("line %d: %+v", i, lines[i])
		}
	}
	other, err := NewIdentity(filepath.Join(dir, "other"))
	if err != nil {
		t.Fatal(err)
	}
	place(t, o.Folder, "a", seal(t, other, msgs[0], false))
	place(t, o.Folder, "b", msgs[1])
	broken := seal(t, recipient, msgs[2], false)
	broken[len(broken)-1] ^= 1
	place(t, o.Folder, "c", broken)
	place(t, o.Folder, "50.age", seal(t, recipient, msgs[1], false)) // the same again, over the old file
	lines = waitLines(t, o.List, 44)[40:]
	for i, want := range []string{"cannot be decrypted", "not encrypted", "damaged"} {
		if lines[i].Code != "" || !strings.Contains(lines[i].Problem, want) {
			t.Errorf("%+v", lines[i])
		}
	}
	if !lines[3].Duplicate || lines[3].Code != "taken" {
		t.Errorf("%+v", lines[3])
	}
	terminate(t, cmd)
	// A second run lists what came in between and nothing again.
	place(t, o.Folder, "later.age", seal(t, recipient, []byte("x"), false))
	_, _, cmd = startProcess(t, KindFolder, "-dir", dir, "-name", Northgate)
	if l := waitLines(t, o.List, 45); l[44].Seq != 45 || l[44].Name != "later.age" {
		t.Errorf("%+v", l[44])
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
}
