package cli

import (
	"os"
	"testing"
)

func TestCommandsPageIsCurrent(t *testing.T) {
	got, err := os.ReadFile("../../docs/use/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Page() {
		t.Error("docs/use/commands.md is not what the command tree says; run go generate ./internal/cli")
	}
}
