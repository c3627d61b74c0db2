package pages

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/npm"
)

// Look has a browser carry out the plan and fails the test for each finding. It
// skips where Chromium or Node is missing, unless LABWARDEN_REQUIRE_BROWSER=1. A
// browser that stopped answering is started once more where the plan can be begun
// anew: with Serve, or where nothing in it changes anything.
func Look(t *testing.T, plan Plan) Report {
	t.Helper()
	anew := plan.Serve != nil
	if anew {
		plan.Base = plan.Serve(t)
	}
	r := Try(t, plan)
	if r.Hung != "" && (anew || len(plan.Jobs)+len(plan.People)+len(plan.SignIn) == 0) {
		t.Logf("THE BROWSER HUNG, once more: %s", r.Hung)
		if anew {
			plan.Base = plan.Serve(t)
		}
		r = Try(t, plan)
	}
	if r.Hung != "" {
		t.Errorf("the browser hung: %s", r.Hung)
	}
	tell(t, r)
	return r
}

func tell(t *testing.T, r Report) {
	t.Helper()
	for _, f := range r.Findings {
		t.Errorf("%s, %s: %s: %s", f.Page, f.Where, f.Kind, f.Text)
	}
	for _, m := range r.Measured {
		t.Logf("%-20s first load %6d bytes, later %6d, scripts %5d; axe unsure: %s", m.Page, m.First, m.Later, m.Script, strings.Join(m.Unsure, ", "))
	}
	for _, j := range r.Done {
		t.Logf("done: %s, %d clicks, %d ms", j.Name, j.Chosen, j.MS)
	}
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
	if plan.Console != nil {
		machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := plan.Console(r.FormValue("line")); err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
			}
		}))
		defer machine.Close()
		plan.Machine = machine.URL
	}
	for _, c := range plan.Trust {
		sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
		plan.SPKI = append(plan.SPKI, base64.StdEncoding.EncodeToString(sum[:]))
	}
	in, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	// The script has bounds of its own; this one is for the script.
	most := 7 * time.Minute
	if end, ok := t.Deadline(); ok {
		most = time.Until(end) - 30*time.Second
	}
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	var out, noise bytes.Buffer
	cmd := exec.CommandContext(ctx, node, "pages.js") //nolint:gosec // node as it was found on this machine
	cmd.WaitDelay = 10 * time.Second
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
			Hung     string
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
		if line.Hung != "" {
			r.Hung = line.Hung
		}
		ended = ended || line.Ended
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	if ctx.Err() != nil {
		r.Hung = "the script did not end within " + most.Round(time.Second).String()
	}
	if r.Hung != "" {
		return r
	}
	if failed != nil || !ended && len(r.Findings) == 0 {
		t.Errorf("the browser's script did not end well: %v\n%s", failed, noise.String())
	}
	return r
}
