package cli

import (
	"bytes"
	"strings"
	"testing"
)

func TestVersionFlagPrintsTheBuild(t *testing.T) {
	var out, errs bytes.Buffer
	if code := Main([]string{"--version"}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Fatalf("exit status %d, stderr %q", code, errs.String())
	}
	want := "labwarden " + Version() + "\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	if strings.TrimSpace(Version()) == "" {
		t.Error("the version is empty")
	}
}
