package app

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// What docs/use/routes.md shows is what happens.
func TestRoutesPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "use", "routes.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string][]string{}
	for _, m := range regexp.MustCompile("(?s)```(yaml [a-z]+|hl7[ a-z]*)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		blocks[m[1]] = append(blocks[m[1]], m[2])
	}
	if len(blocks["yaml when"]) < 3 || len(blocks["yaml transform"]) != 2 || len(blocks["hl7"]) != 1 {
		t.Fatalf("the page has %d conditions, %d transforms", len(blocks["yaml when"]), len(blocks["yaml transform"]))
	}
	indent := func(s string, n int) string {
		pad := strings.Repeat(" ", n)
		return pad + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n"+pad) + "\n"
	}
	conf := func(route string) *config.Config {
		t.Helper()
		src := `lab: {name: Test, id: test}
node: {seals: [{kind: keyfile, path: k}]}
sources: {lis: {mllp: {listen: "127.0.0.1:0"}}}
partners:
  riverside: {name: Riverside, providers: [{id: "1234567893", authority: NPI}], destination: {mllp: {address: "127.0.0.1:1"}}}
tables:
` + indent(blocks["yaml tables"][0], 2) + "routes:\n" + indent(route, 2)
		c, problems := config.Parse("page", []byte(src), config.Options{Validators: Validators()})
		if c == nil {
			t.Fatal(problems.Err())
		}
		return c
	}
	wire := func(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r")) }
	message := wire(blocks["hl7"][0])
	plain := strings.TrimSuffix(blocks["yaml route"][0], "\n")
	if _, err := new(Hub).settings(conf(plain), nil); err != nil {
		t.Error(err)
	}
	// Each condition of the page, alone: the message is taken, as its text says.
	for _, when := range blocks["yaml when"] {
		route := strings.Replace(plain, "}", ", when: '"+strings.TrimSpace(when)+"'}", 1)
		set, err := new(Hub).settings(conf(route), nil)
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		if yes, err := set.Routes[0].When(results.LookAt(message)); err != nil || !yes {
			t.Errorf("%s: %v %v", when, yes, err)
		}
	}
	for i, name := range []string{"hl7 steps", "hl7 program"} {
		route := "- name: riverside-results\n  from: lis\n  to: riverside\n  stage: carry\n  transform:\n" + indent(blocks["yaml transform"][i], 4)
		set, err := new(Hub).settings(conf(route), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		out, err := set.Routes[0].Transform(message)
		if err != nil || string(out) != string(wire(blocks[name][0])) {
			t.Errorf("%s: %v\n%s", name, err, strings.ReplaceAll(string(out), "\r", "\n"))
		}
	}
}
