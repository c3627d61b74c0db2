package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the task page shows is what happens.
func TestFirstConfigurationPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "use", "first-configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatal("the page shows no source")
	}
	source := strings.ReplaceAll(strings.TrimSpace("\n"+string(m[1])), "\n   ", "\n")
	src := base(t)
	from, to := strings.Index(src, "sources:"), strings.Index(src, "partners:")
	c, problems := Parse("f", []byte(src[:from]+source+"\n"+src[to:]), testOptions())
	if c == nil || len(problems) != 1 || !strings.Contains(problems[0].Message, "plaintext is allowed until 2027-06-30") {
		t.Errorf("the page's source gives %v", problems)
	}
	bad := strings.Replace(src, "stage: shadow", "stage: shadwo", 1)
	_, problems = Parse("lab/labwarden.yaml", []byte(bad), testOptions())
	var b strings.Builder
	if err := problems.Render(&b, []byte(bad)); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if !strings.Contains(string(page), line) {
			t.Errorf("the page does not show %q", line)
		}
	}
}
