package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func mustParse(t testing.TB, src string) *Config {
	t.Helper()
	c, problems := Parse("f", []byte(src), testOptions())
	if c == nil {
		t.Fatalf("problems: %v\n%s", problems, src)
	}
	return c
}

func edited(t testing.TB, pairs ...string) *Config {
	t.Helper()
	src := base(t)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(src, pairs[i]) {
			t.Fatalf("base.yaml has no %q", pairs[i])
		}
		src = strings.Replace(src, pairs[i], pairs[i+1], 1)
	}
	return mustParse(t, src)
}

func TestCommittedPagesAreCurrent(t *testing.T) {
	for name, want := range map[string][]byte{"configuration.md": Reference(), "labwarden.yaml": Sample()} {
		got, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operate", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("docs/operate/%s is not what the structs say; run go generate ./internal/platform/config", name)
		}
	}
}

func TestSampleHasNoProblem(t *testing.T) {
	c, problems := Parse("labwarden.yaml", Sample(), testOptions())
	if c == nil || len(problems) > 0 {
		t.Fatalf("the sample has problems: %v", problems)
	}
	if c.Lab.ID != "millbrook" || c.Routes[0].Stage != "shadow" || c.Partners["riverside"].Retry.First.Std() != 5*time.Second {
		t.Errorf("the sample reads as %s", c.JSON())
	}
}

// Every commented-out setting of the first level is real: with its # removed
// the file has the same meaning (defaults) or an error about that setting's
// own placeholder, never an unknown key or broken YAML.
func TestSampleUncommented(t *testing.T) {
	lines := strings.Split(string(Sample()), "\n")
	off := regexp.MustCompile(`^( *)#([a-z_]+:.*)$`)
	n := 0
	for i, l := range lines {
		m := off.FindStringSubmatch(l)
		if m == nil || strings.Contains(m[2], "<") {
			continue
		}
		n++
		out := slices.Clone(lines)
		out[i] = m[1] + m[2]
		for j := i + 1; j < len(out) && strings.HasPrefix(out[j], m[1]+"# "+" "); j++ {
			out[j] = m[1] + out[j][len(m[1])+1:]
		}
		_, problems := Parse("f", []byte(strings.Join(out, "\n")), Options{})
		for _, p := range problems {
			if strings.Contains(p.Message, "unknown") || strings.Contains(p.Message, "YAML") || strings.Contains(p.Message, "twice") {
				t.Errorf("with line %d uncommented: %v", i+1, p)
			}
		}
	}
	if n < 25 {
		t.Errorf("only %d settings found commented out", n)
	}
}

func TestEverySettingIsDocumented(t *testing.T) {
	var list []Setting
	if err := json.Unmarshal(ReferenceJSON(), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) < 130 {
		t.Errorf("%d settings, expected more", len(list))
	}
	for _, s := range list {
		if !strings.HasSuffix(s.Doc, ".") {
			t.Errorf("%s: doc %q is not a sentence", s.Path, s.Doc)
		}
		if s.Required && s.Default != "" {
			t.Errorf("%s is required and has a default", s.Path)
		}
	}
	if anchors := regexp.MustCompile(`\(#([^)]*)\)`).FindAllSubmatch(Reference(), -1); len(anchors) < 20 {
		t.Error("the reference has no links")
	} else {
		for _, a := range anchors {
			found := false
			for line := range strings.SplitSeq(string(Reference()), "\n") {
				found = found || strings.HasPrefix(line, "## ") && anchor(line[3:]) == string(a[1])
			}
			if !found {
				t.Errorf("link to #%s leads nowhere", a[1])
			}
		}
	}
}

func TestCanonicalIsOneForm(t *testing.T) {
	plain := edited(t)
	other := edited(t, "lab: {name: Millbrook Laboratory, id: millbrook}", "lab:\n    # a comment\n    id: 'millbrook'\n    name: \"Millbrook \\\n      Laboratory\"",
		"    stage: shadow\n", "    check: ordering_provider\n", "    from: [127.0.0.1/32]", "    idle: 600s\n    from: [127.0.0.1]")
	if !bytes.Equal(plain.Canonical(), other.Canonical()) {
		t.Errorf("the same meaning, two forms:\n%s%s", plain.Canonical(), other.Canonical())
	}
	if d := Diff(plain, other); len(d) > 0 {
		t.Errorf("differences %v", d)
	}
	again := mustParse(t, string(plain.Canonical()))
	if !reflect.DeepEqual(again, plain) {
		t.Errorf("canonical form reads as\n%s", again.JSON())
	}
}

func TestRevision(t *testing.T) {
	rev := edited(t).Revision()
	if len(rev) != 64 {
		t.Errorf("revision %q", rev)
	}
	if got := edited(t, "  seals:", "  data: /srv/labwarden\n  seals:").Revision(); got != rev {
		t.Error("the node section changes the revision")
	}
	if got := edited(t, "stage: shadow", "stage: carry").Revision(); got == rev {
		t.Error("a stage does not change the revision")
	}
	// A program named by its file is part of the revision by its text.
	withFile := func(text string) string {
		o := testOptions()
		o.ReadFile = func(string) ([]byte, error) { return []byte(text), nil }
		c, problems := Parse("f", []byte(strings.Replace(base(t), "    stage: shadow", "    transform: [{starlark: {file: a.star}}]", 1)), o)
		if c == nil {
			t.Fatal(problems)
		}
		return c.Revision()
	}
	if withFile("a = 1") == withFile("a = 2") {
		t.Error("another program, the same revision")
	}
}

func TestDiffInWords(t *testing.T) {
	a := edited(t)
	b := edited(t,
		"hl7.riverside.example:2576", "hl7.riverside.example:2577",
		"    name: Riverside Family Practice", "    name: Riverside Family Practice\n    alarm_after: 30m\n    accounts: [A1]",
		"partners:\n", "partners:\n  lakeside: {name: Lakeside, accounts: [A9], destination: {folder: {path: /srv/lakeside}}}\n",
		"from: [127.0.0.1/32]", "from: [10.0.0.5]",
		"    stage: shadow\n", "    stage: parallel\n    transform: [{set: {path: MSH-5, value: X}}]\n  - {name: lakeside-results, from: lis, to: lakeside, check: account}\n",
		"tls: {certificate: ./tls/hub.crt", "data: /srv/data\n  tls: {certificate: ./tls/hub.crt")
	var got []string
	for _, c := range Diff(a, b) {
		got = append(got, c.Words)
	}
	want := []string{
		"node: data changes from ./data to /srv/data",
		"source lis: from no longer has 127.0.0.1/32",
		"source lis: from also has 10.0.0.5/32",
		"partner lakeside is added",
		"partner riverside: accounts also has A1",
		"partner riverside: destination.mllp.address changes from hl7.riverside.example:2576 to hl7.riverside.example:2577",
		"partner riverside: alarm_after changes from 15m to 30m",
		"route riverside-results: stage changes from shadow to parallel",
		"route riverside-results: transform[0] is added",
		"route lakeside-results is added",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	back := Diff(b, a)
	if len(back) != len(want) || back[3].Words != "partner lakeside is removed" || back[3].Kind != "removed" {
		t.Errorf("the other way: %v", back)
	}
}

func TestDiffSeesOrder(t *testing.T) {
	two := "    stage: shadow\n  - {name: second, from: lis, to: riverside}\n"
	a := edited(t, "    stage: shadow\n", two)
	b := edited(t, "  - name: riverside-results", "  - {name: second, from: lis, to: riverside}\n  - name: riverside-results")
	d := Diff(a, b)
	if len(d) != 1 || d[0].Words != "routes change their order from riverside-results, second to second, riverside-results" {
		t.Errorf("got %v", d)
	}
}

func TestRender(t *testing.T) {
	src := "lab: {name: \"Müller\", ident: m}\nnode: {seals: [{kind: passphrase}]}\r\npartners: {a: {destination: {http: {token: hunter2, url: ftp://x}}}}\n"
	_, problems := Parse("lab.yaml", []byte(src), Options{})
	var b strings.Builder
	if err := problems.Render(&b, []byte(src)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"lab.yaml:1:23: error: lab.ident: unknown key \"ident\" in lab\n" +
			"     1 | lab: {name: \"Müller\", ident…\n" +
			"       |                       ^^^^^\n" +
			"        = remove it; known here: name, id\n",
		"lab.yaml:3:44: error: partners.a.destination.http.token: a secret must not stand in the configuration\n" +
			"     3 | partners: {a: {destination: {http: {token: …\n" +
			"       |                                            ^\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got\n%s\nwant in it\n%s", b.String(), want)
		}
	}
	if err := problems.Err(); err == nil || strings.Contains(err.Error(), "hunter2") || strings.Count(err.Error(), "\n") != len(problems.Errors())-1 {
		t.Errorf("as one error: %v", err)
	}
	if got := string(Problems(nil).JSON()); got != "[]\n" {
		t.Errorf("no problems as JSON: %q", got)
	}
}

func TestHostileBytes(t *testing.T) {
	for name, src := range map[string]string{
		"zero byte":         "lab: {name: \"a\x00b\"}",
		"not utf-8":         "lab: {name: \xff}",
		"too large":         strings.Repeat("#", MaxSize+1),
		"deep brackets":     strings.Repeat("[", 100000),
		"deep braces":       strings.Repeat("{a: ", 100000),
		"deep dashes":       strings.Repeat("- ", 100000),
		"deep questions":    strings.Repeat("? ", 100000),
		"deep tags":         strings.Repeat("!a ", 100000),
		"deep anchors":      strings.Repeat("&a ", 100000),
		"many aliases":      "a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
		"many nulls":        strings.Repeat("a:\n", 100000),
		"many unknown keys": manyKeys(3000),
		"lone return":       "lab: {}\r.: x",
		"only colons":       ":::::",
		"only a dash":       "-",
		"lone percent":      "%",
		"unfinished quote":  "lab: \"",
		"unfinished block":  "lab: |",
		"literal as key":    "? |\n  a\n: b",
		"nested by indents": nestedIndents(1300),
	} {
		c, problems := Parse("f", []byte(src), testOptions())
		if c != nil || len(problems.Errors()) == 0 {
			t.Errorf("%s: no error", name)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 {
				t.Errorf("%s: position %d:%d", name, p.Line, p.Column)
			}
		}
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("k" + strconv.Itoa(i) + ": v\n")
	}
	return b.String()
}

func nestedIndents(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestDaysLeft(t *testing.T) {
	e := Exception{Until: "2026-12-22"}
	for _, c := range []struct {
		now         string
		left, alarm int
	}{
		{"2026-11-01T00:00:00Z", 51, -1},
		{"2026-11-21T23:59:59Z", 31, -1},
		{"2026-11-22T00:00:00Z", 30, 30},
		{"2026-12-08T12:00:00Z", 14, 14},
		{"2026-12-15T12:00:00Z", 7, 7},
		{"2026-12-21T23:59:59Z", 1, 1},
		{"2026-12-22T23:59:59Z", 0, 1},
		{"2026-12-23T00:00:00Z", -1, 0},
		{"2027-12-22T00:00:00+02:00", -364, 0},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		if left, alarm := e.DaysLeft(now), e.Alarm(now); left != c.left || alarm != c.alarm {
			t.Errorf("%s: %d days left and alarm %d, want %d and %d", c.now, left, alarm, c.left, c.alarm)
		}
	}
}

func TestValuesReadTheirOwnText(t *testing.T) {
	for _, text := range []string{"1s", "90s", "1500ms", "36h", "7d", "2w", "10y", "1h30m", "0s"} {
		var a, b Duration
		if refused, _ := a.read(text); refused != "" {
			t.Fatal(refused)
		}
		if refused, _ := b.read(a.String()); refused != "" || a != b {
			t.Errorf("%s reads as %s reads as %s", text, a, b)
		}
	}
	var y Duration
	if y.read("10y"); y.Std() < 3653*24*time.Hour {
		t.Error("ten years can be shorter than ten calendar years")
	}
	for _, text := range []string{"1B", "1536KiB", "32MiB", "10GiB", "2TiB"} {
		var a, b Size
		a.read(text)
		if b.read(a.String()); a != b || a == 0 {
			t.Errorf("%s reads as %s reads as %s", text, a, b)
		}
	}
	for _, text := range []string{"2575", ":2575", "localhost:2575", "127.0.0.1:2575"} {
		var l Listen
		if l.read(text); l != "127.0.0.1:2575" || !l.Loopback() {
			t.Errorf("%s listens on %s", text, l)
		}
	}
	for _, text := range []string{"99999999999s", "999999999y", "-1s", "1.5h", "s", "1e3s", ""} {
		var d Duration
		if refused, _ := d.read(text); refused == "" {
			t.Errorf("%q is read as %s", text, d)
		}
	}
	if s := Secret("file:./x"); s.File() != "./x" || s.Vault() != "" {
		t.Error("a file reference is not read")
	}
	if s := Secret("vault:x"); s.File() != "" || s.Vault() != "x" {
		t.Error("a vault reference is not read")
	}
}

func TestListenAddress(t *testing.T) {
	c := edited(t, "  seals:", "  listen: {lis: 192.0.2.10:2600}\n  seals:")
	if got := c.ListenAddress("lis"); got != "192.0.2.10:2600" {
		t.Errorf("listens on %s", got)
	}
	if got := c.ListenAddress("nobody"); got != "" {
		t.Errorf("nobody listens on %s", got)
	}
}
