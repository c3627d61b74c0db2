package config

import (
	"strings"
	"testing"
)

const editable = `# head
lab: {name: Millbrook, id: m} # who
sources:
  lis:
    # where
    mllp:
      listen: 127.0.0.1:2575   # loopback
    from:
    - 10.0.0.1/32
    - 10.0.0.2/32
    idle: '10m'

partners:
  a:
    name: "A, \"the\" first"
    retry:
    accounts: [x, "y, z"]

  # the second
  b: {name: B}
routes:
  - name: one # first
    when: |
      a == b
      && c
    to: [a]

  - name: two
`

func TestSetPath(t *testing.T) {
	for _, c := range []struct {
		name, path string
		value      any
		old, new   string
	}{
		{"plain", "sources.lis.mllp.listen", "127.0.0.1:2600", "listen: 127.0.0.1:2575   # loop", "listen: \"127.0.0.1:2600\"   # loop"},
		{"in braces", "lab.name", "Mill: brook", "name: Millbrook,", "name: \"Mill: brook\","},
		{"single quotes", "sources.lis.idle", "5m", "'10m'", `"5m"`},
		{"double quotes", "partners.a.name", "A", `"A, \"the\" first"`, "A"},
		{"a word YAML would not read as text", "partners.b.name", "no", "{name: B}", `{name: "no"}`},
		{"number", "partners.a.name", 7, `"A, \"the\" first"`, "7"},
		{"list entry", "sources.lis.from[1]", "10.0.0.3/32", "- 10.0.0.2/32", `- "10.0.0.3/32"`},
		{"list grows", "sources.lis.from[2]", "10.0.0.3/32", "- 10.0.0.2/32\n", "- 10.0.0.2/32\n    - \"10.0.0.3/32\"\n"},
		{"list in brackets grows", "partners.a.accounts[2]", "w", `"y, z"]`, `"y, z", w]`},
		{"whole list", "sources.lis.from", []string{"a", "b"}, "from:\n    - 10.0.0.1/32\n    - 10.0.0.2/32\n", "from: [a, b]\n"},
		{"key without value", "partners.a.retry.first", "5s", "retry:\n", "retry:\n      first: \"5s\"\n"},
		{"new key", "sources.lis.site", "main", "idle: '10m'\n", "idle: '10m'\n    site: main\n"},
		{"new key in braces", "lab.site", "main", "id: m}", "id: m, site: main}"},
		{"new sections", "partners.a.destination.mllp.address", "h:1", "\"y, z\"]\n", "\"y, z\"]\n    destination:\n      mllp:\n        address: h:1\n"},
		{"new partner", "partners.c", map[string]any{"name": "C", "accounts": []string{"q"}}, "  b: {name: B}\n", "  b: {name: B}\n  c:\n    accounts: [q]\n    name: C\n"},
		{"new section at the top", "log.level", "debug", "  - name: two\n", "  - name: two\nlog:\n  level: debug\n"},
		{"text block", "routes[0].when", "x", "when: |\n      a == b\n      && c\n", "when: x\n"},
		{"first key of an entry", "routes[0].name", "eins", "- name: one #", "- name: eins #"},
		{"second key of an entry", "routes[1].when", "x", "  - name: two\n", "  - name: two\n    when: x\n"},
		{"key with a dot", `tables["a.b"].x`, "1", "  - name: two\n", "  - name: two\ntables:\n  a.b:\n    x: \"1\"\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, end := range []string{"\n", "\r\n"} {
				src := strings.ReplaceAll(editable, "\n", end)
				got, err := SetPath([]byte(src), c.path, c.value)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(editable, c.old) {
					t.Fatalf("no %q", c.old)
				}
				want := strings.ReplaceAll(strings.Replace(editable, c.old, c.new, 1), "\n", end)
				if string(got) != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			}
		})
	}
}

func TestRemovePath(t *testing.T) {
	for _, c := range []struct{ name, path, old, new string }{
		{"key", "sources.lis.idle", "    idle: '10m'\n", ""},
		{"section", "sources.lis.from", "    from:\n    - 10.0.0.1/32\n    - 10.0.0.2/32\n", ""},
		{"in braces, first", "lab.name", "name: Millbrook, ", ""},
		{"in braces, last", "lab.id", ", id: m", ""},
		{"in brackets, last", "partners.a.accounts[1]", `, "y, z"`, ""},
		{"list entry", "sources.lis.from[0]", "    - 10.0.0.1/32\n", ""},
		{"list section", "routes[1]", "  - name: two\n", ""},
		{"first key of an entry", "routes[0].name", "  - name: one # first\n    when", "  - when"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := RemovePath([]byte(editable), c.path)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Replace(editable, c.old, c.new, 1); string(got) != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestEditRefuses(t *testing.T) {
	for path, src := range map[string]string{
		"":                 editable,
		"a..b":             editable,
		"lab.name.x":       editable,
		"routes[7].name":   editable,
		"routes.one":       editable,
		"sources[0]":       editable,
		"a[99999999999].b": editable,
		"lab.id":           "lab: {id: &x a, b: *x}",
		"lab.name":         "lab: [",
	} {
		if out, err := SetPath([]byte(src), path, "x"); err == nil {
			t.Errorf("%q is set:\n%s", path, out)
		}
	}
	if _, err := SetPath([]byte(editable), "lab.name", struct{}{}); err == nil {
		t.Error("a struct is set")
	}
	if _, err := RemovePath([]byte(editable), "partners.zz"); err == nil {
		t.Error("what is not there is removed")
	}
}

func TestEveryValueOfTheSampleCanBeSet(t *testing.T) {
	src := Sample()
	for _, path := range []string{
		"lab.name", "node.seals[0].path", "node.tls.key", "sources.lis.from[0]", "partners.riverside.providers[0].id",
		"partners.riverside.destination.mllp.tls.fingerprint", "partners.riverside.retry.first", "routes[0].to[0]", "routes[0].stage", "log.format", "witnesses[0].kind",
	} {
		out, err := SetPath(src, path, "other")
		if path == "routes[0].to[0]" { // to: riverside is text, not a list
			if err == nil {
				t.Error("an entry of a text is set")
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if before, after := strings.Count(string(src), "# "), strings.Count(string(out), "# "); after != before {
			t.Errorf("%s: %d comments became %d", path, before, after)
		}
	}
}
