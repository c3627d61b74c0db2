package pages

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/e2e/npm"
)

// Look has a browser carry out the plan and fails the test for each finding. It
// skips where Chromium or Node is missing, unless LABWARDEN_REQUIRE_BROWSER=1.
func Look(t *testing.T, plan Plan) Report {
	t.Helper()
	r := Try(t, plan)
	for _, f := range r.Findings {
		t.Errorf("%s, %s: %s: %s", f.Page, f.Where, f.Kind, f.Text)
	}
	for _, m := range r.Measured {
		t.Logf("%-20s first load %6d bytes, later %6d, scripts %5d; axe unsure: %s", m.Page, m.First, m.Later, m.Script, strings.Join(m.Unsure, ", "))
	}
	for _, j := range r.Done {
		t.Logf("done: %s, %d clicks, %d ms", j.Name, j.Chosen, j.MS)
	}
	return r
}

// Try is Look that only reports.
func Try(t *testing.T, plan Plan) Report {
	t.Helper()
	must := os.Getenv("LABWARDEN_REQUIRE_BROWSER") == "1"
	const notTried = "no page was looked at with a browser"
	browser, err := exec.LookPath("chromium")
	if err != nil && must {
		t.Fatal("chromium is missing: tools/setup.sh browser")
	} else if err != nil {
		t.Skip("SKIPPED: chromium is missing (tools/setup.sh browser): " + notTried)
	}
	root := npm.Root(t)
	dir, node := npm.Install(t, root, notTried, must)
	plan.Browser = browser
	if plan.Shots == "" {
		plan.Shots = filepath.Join(root, ".test", "screens")
	}
	if err := os.MkdirAll(plan.Shots, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, c := range plan.Trust {
		sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
		plan.SPKI = append(plan.SPKI, base64.StdEncoding.EncodeToString(sum[:]))
	}
	in, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var out, noise bytes.Buffer
	cmd := exec.CommandContext(t.Context(), node, "pages.js") //nolint:gosec // node as it was found on this machine
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, bytes.NewReader(in), &out, &noise
	failed := cmd.Run()
	r := Report{Kept: map[string]string{}}
	ended := false
	s := bufio.NewScanner(&out)
	s.Buffer(nil, 8<<20)
	for s.Scan() {
		var line struct {
			Finding  *Finding
			Measured *Measured
			Done     *Done
			Kept     *struct{ Name, Value string }
			Ended    bool
		}
		if err := json.Unmarshal(s.Bytes(), &line); err != nil {
			t.Errorf("the browser's script wrote %q: %v", s.Text(), err)
			continue
		}
		switch {
		case line.Finding != nil:
			r.Findings = append(r.Findings, *line.Finding)
		case line.Measured != nil:
			r.Measured = append(r.Measured, *line.Measured)
		case line.Done != nil:
			r.Done = append(r.Done, *line.Done)
		case line.Kept != nil:
			r.Kept[line.Kept.Name] = line.Kept.Value
		}
		ended = ended || line.Ended
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	if failed != nil || !ended && len(r.Findings) == 0 {
		t.Errorf("the browser's script did not end well: %v\n%s", failed, noise.String())
	}
	return r
}
