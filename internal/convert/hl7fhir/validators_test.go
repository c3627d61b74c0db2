package hl7fhir

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/npm"
	"github.com/labwarden/labwarden/internal/codec/fhir"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// repoRoot walks up to go.mod.
func repoRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal("no go.mod above the test")
	return ""
}

// corpus is the folder of other people's test data, empty where it is absent.
func corpus(t testing.TB, sub string) string {
	t.Helper()
	var at []string
	if s := os.Getenv("LABWARDEN_SHARED"); s != "" {
		at = append(at, s)
	}
	for dir := repoRoot(t); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		at = append(at, filepath.Join(filepath.Dir(dir), "shared"))
	}
	for _, s := range at {
		p := filepath.Join(s, "corpus", sub)
		if st, err := os.Stat(p); err == nil && st.IsDir() {
			return p
		}
	}
	return ""
}

// corpusBundles converts every message of the corpus that has a mapping; files
// with several messages give several.
func corpusBundles(t testing.TB, dir string) (bundles map[string]*fhir.Bundle, refused map[string]error) {
	t.Helper()
	bundles, refused = map[string]*fhir.Bundle{}, map[string]error{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(p) != ".hl7" {
			return err
		}
		body, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		for i, one := range splitMessages(body) {
			name := fmt.Sprintf("%s#%d", rel, i+1)
			m, err := hl7.Parse(one)
			if err == nil {
				bundles[name], _, err = Convert(m, testOptions())
			}
			if err != nil {
				delete(bundles, name)
				refused[name] = err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bundles, refused
}

// splitMessages cuts a file at its MSH lines, for tests only.
func splitMessages(b []byte) [][]byte {
	s := strings.ReplaceAll(strings.ReplaceAll(string(b), "\r\n", "\r"), "\n", "\r")
	var out [][]byte
	for line := range strings.SplitSeq(s, "\r") {
		switch {
		case strings.HasPrefix(line, "MSH"):
			out = append(out, []byte(line+"\r"))
		case len(line) < 3, strings.HasPrefix(line, "FHS"), strings.HasPrefix(line, "BHS"), strings.HasPrefix(line, "BTS"), strings.HasPrefix(line, "FTS"):
		case len(out) > 0:
			out[len(out)-1] = append(out[len(out)-1], line+"\r"...)
		}
	}
	return out
}

type verdict struct {
	Name     string   `json:"name"`
	Errors   []string `json:"errors"`
	Warnings int      `json:"warnings"`
}

// judge runs both validators over the resources.
func judge(t *testing.T, dir, node string, named map[string]json.RawMessage) map[string]verdict {
	t.Helper()
	var in bytes.Buffer
	for name, r := range named {
		line, err := json.Marshal(map[string]any{"name": name, "resource": r})
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "validate.js")
	cmd.Dir, cmd.Stdin = dir, &in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("validators: %v\n%s", err, stderr.String())
	}
	verdicts := map[string]verdict{}
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(nil, 8<<20)
	for sc.Scan() {
		var v verdict
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		verdicts[v.Name] = v
	}
	return verdicts
}

func TestValidatorsOnEveryBundle(t *testing.T) {
	dir, node := npm.Validators(t, "no FHIR schema validator of others has seen these bundles")
	named := map[string]json.RawMessage{
		// Both validators must be able to fail.
		"planted bad status": json.RawMessage(`{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":{"resourceType":"Observation","status":"done","code":{"text":"x"}},"request":{"method":"POST","url":"Observation"}}]}`),
		"planted unexpected": json.RawMessage(`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueAttachment":{}},"request":{"method":"POST","url":"Observation"}}]}`),
	}
	for _, n := range sampleNames(t) {
		opt := testOptions()
		opt.Sign = func(p []byte) (fhir.Signature, error) {
			return SignatureOf(opt.Recorded, "Northlab", "application/jose", p[:8]), nil
		}
		b, _ := convert(t, sample2(t, n), opt)
		named["sample "+n] = json.RawMessage(asJSON(t, b))
	}
	own := len(named) - 2
	if c := corpus(t, "hl7"); c == "" {
		t.Log("SKIPPED the shared corpus: it is absent, only our own samples are checked")
	} else {
		bundles, refused := corpusBundles(t, c)
		for n, b := range bundles {
			named["corpus "+n] = json.RawMessage(asJSON(t, b))
		}
		t.Logf("corpus: %d bundles, %d messages refused", len(bundles), len(refused))
	}
	verdicts := judge(t, dir, node, named)
	if len(verdicts) != len(named) {
		t.Fatalf("%d verdicts for %d bundles", len(verdicts), len(named))
	}
	warnings := 0
	for n, v := range verdicts {
		if strings.HasPrefix(n, "planted") {
			if len(v.Errors) == 0 {
				t.Errorf("%s: the validators did not see it", n)
			}
			continue
		}
		warnings += v.Warnings
		if len(v.Errors) > 0 {
			t.Errorf("%s:\n  %s", n, strings.Join(v.Errors, "\n  "))
		}
	}
	t.Logf("%d bundles (%d of our own samples), %d warnings", len(named)-2, own, warnings)
}
