package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/app/desk"
)

// Under systemd the hub may not write in /etc; who runs the command may.
func TestTheCommandWritesTheFileWhereTheHubMayNot(t *testing.T) {
	dir := newLab(t)
	if code, _, errs := run(t, dir, "", "config", "apply", "--reason", "first", "--yes"); code != 0 {
		t.Fatal(errs)
	}
	path := filepath.Join(dir, "labwarden.yaml")
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, dir, "name: First Partner", "name: Second Partner")
	if code, _, errs := run(t, dir, "", "config", "apply", "--reason", "second", "--yes"); code != 0 {
		t.Fatal(errs)
	}
	c := &cobra.Command{}
	c.SetContext(t.Context())
	file, err := readDraft(path, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	file.conf = nil // nothing of the file is needed but its place and its node section
	out := desk.Outcome{File: desk.File{Path: path, Problem: "the hub may not"}}
	err = withHub(c, &draft{path: path, abs: filepath.Join(dir, "nowhere", "x.yaml"), source: first, conf: nil}, func(h *app.Hub) error {
		d := h.Desk("anna")
		var err error
		if out, err = d.Apply(t.Context(), desk.Target{Number: 1}, desk.Why{Reason: "back"}); err != nil {
			return err
		}
		if out.File.Problem == "" || !strings.Contains(out.File.Path, "nowhere") {
			t.Errorf("the hub wrote %+v", out.File)
		}
		writeForHub(c, d, file, &out)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	now, err := os.ReadFile(path)
	if err != nil || string(now) != string(first) || !out.File.Written || out.File.Problem != "" || out.File.Kept != "" {
		t.Errorf("%+v %v\n%s", out.File, err, now)
	}
}
