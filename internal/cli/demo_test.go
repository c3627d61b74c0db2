package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestMain lets the test binary be every process of the demo.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "demo-") {
		os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

func TestDemoOnceLosesNothingAndProvesEverything(t *testing.T) {
	var out, errs bytes.Buffer
	if code := Main([]string{"demo", "--once"}, nil, &out, &errs); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out.String(), errs.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	// 29 of the 92 deliveries are files in a folder: placed, and nobody answers.
	const want = "demo: 93 received, 3 quarantined, 92 delivered, 63 acknowledged, 92 proofs verified, 0 lost"
	if got := lines[len(lines)-1]; got != want {
		t.Fatalf("last line\n%s\nwant\n%s", got, want)
	}
}
