package config

import (
	"strings"
	"testing"
)

func TestParseNodeReadsOnPastMistakesElsewhere(t *testing.T) {
	src := base(t)
	bad := strings.Replace(src, "stage: shadow", "stage: shadwo", 1)
	if c, _ := Parse("f", []byte(bad), testOptions()); c != nil {
		t.Fatal("the mistake was not noticed")
	}
	whole, _ := Parse("f", []byte(src), testOptions())
	n, problems := ParseNode("f", []byte(bad), testOptions())
	if n == nil {
		t.Fatal(problems)
	}
	if n.Data != whole.Node.Data || len(n.Seals) != len(whole.Node.Seals) || n.Database != whole.Node.Database {
		t.Errorf("read %+v, want %+v", n, whole.Node)
	}
	for name, text := range map[string]string{
		"a mistake in the node section": strings.Replace(src, "kind: keyfile", "kind: keyfiel", 1),
		"no YAML":                       "{{{",
	} {
		if n, problems := ParseNode("f", []byte(text), testOptions()); n != nil || len(problems.Errors()) == 0 {
			t.Errorf("%s: got %v, %v", name, n, problems)
		}
	}
}
