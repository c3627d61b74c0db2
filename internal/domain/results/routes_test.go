package results

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

func lookAt(t testing.TB, body string) Look {
	t.Helper()
	h, err := hl7.ReadHeader([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return newLook([]byte(body), &h, hl7.Charset{})
}

func TestCondition(t *testing.T) {
	for source, want := range map[string]bool{
		`msh.type == "ORU"`: true,
		`msh.type == "ORU" and msh.trigger in ["R01", "R30"]`: true,
		`msh.sending_app == "OTHER"`:                          false,
		`field("OBR-4.1") == "2345-7"`:                        true,
		`field("OBR-99") == ""`:                               true,
		`"3094-0" in fields("OBX-3.1")`:                       true,
		`any(fields("OBX-3.1"), # startsWith "9")`:            false,
		`len(fields("ZZZ-1")) == 0`:                           true,
		`critical or correction`:                              false,
		`msh.processing_id == "P" and msh.version == "2.5.1"`: true,
	} {
		f, err := Condition(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got, err := f(lookAt(t, sample)); err != nil || got != want {
			t.Errorf("%s: %v %v, want %v", source, got, err, want)
		}
	}
}

func TestConditionRefusedBeforeItRuns(t *testing.T) {
	for _, source := range []string{
		``, `msh.type`, `msh.type == 3`, `msh.typo == "ORU"`, `field(4) == "x"`, `field("OBR-4.1") > 5`,
		`fields("OBX-3.1") == "x"`, `nothing`, `msh.type ==`, `critical + 1`, `field("OBR-4.1", "x") == ""`,
		`now().Year() > 2000`, `date("2026-01-01").Year() > 2000`, `timezone("UTC") != nil`,
		strings.Repeat("critical or ", 3000) + "critical",
	} {
		if _, err := Condition(source); err == nil {
			t.Errorf("%.60q was taken", source)
		}
	}
}

// What cannot be answered is an error without content, never a no.
func TestConditionThatCannotBeAnswered(t *testing.T) {
	for _, source := range []string{
		`field("not a path") == ""`,
		`int(field("PID-5.1")) > 3`,
		`fields("OBX-3.1")[99] == "x"`,
		`repeat(field("PID-5.1"), 100000000) == ""`,
		`len(map(1..100000000, #)) > 1`,
	} {
		f, err := Condition(source)
		if err != nil {
			continue // refused already
		}
		yes, err := f(lookAt(t, sample))
		if err == nil || yes || strings.Contains(err.Error(), "DOE") || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v %v", source, yes, err)
		}
	}
}

func path(t *testing.T, s string) hl7.Path {
	t.Helper()
	p, err := hl7.ParsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTransformSteps(t *testing.T) {
	units := map[string]string{"mg/dL": "mg/100mL"}
	for name, c := range map[string]struct {
		step     Change
		from, to string // what changes in the sample; all of it
	}{
		"set":                       {SetTo(path(t, "MSH-5"), "RIVER"), "|CLINIC|", "|RIVER|"},
		"set escapes":               {SetTo(path(t, "MSH-5"), "A|B^C&D~E\\F"), "|CLINIC|", `|A\F\B\S\C\T\D\R\E\E\F|`},
		"set in each segment":       {SetTo(path(t, "OBX-11"), "C"), "|F\r", "|C\r"},
		"set where nothing is":      {SetTo(path(t, "ZZZ-1"), "X"), "", ""},
		"copy":                      {CopyFrom(path(t, "OBR-3"), path(t, "OBR-20")), "^^^^^^^NPI\r", "^^^^^^^NPI||||FI1\r"},
		"copy of nothing":           {CopyFrom(path(t, "ZZZ-1"), path(t, "MSH-5")), "|CLINIC|", "||"},
		"remove a field":            {RemoveAt(path(t, "PID-5")), "DOE^JANE", ""},
		"remove one segment":        {RemoveAt(path(t, "OBX(1)")), "OBX|1|NM|2345-7^Glucose^LN||90|mg/dL|70-99|N|||F\r", ""},
		"remove what is not":        {RemoveAt(path(t, "NTE")), "", ""},
		"map":                       {MapBy(path(t, "OBX-6.1"), units, false), "mg/dL", "mg/100mL"},
		"map keeps the unknown":     {MapBy(path(t, "OBX-3.1"), map[string]string{"2345-7": "GLU"}, true), "OBX|1|NM|2345-7", "OBX|1|NM|GLU"},
		"map of nothing that is":    {MapBy(path(t, "NTE-3"), units, false), "", ""},
		"a program beside the rest": {mustScript(t, body(`m.set("MSH-5", m.get("MSH-3"))`)), "|CLINIC|", "|LIS|"},
	} {
		out, err := Transformer([]Change{c.step}, hl7.Charset{})([]byte(sample))
		want := sample
		if c.from != "" {
			want = strings.ReplaceAll(sample, c.from, c.to)
		}
		if err != nil || string(out) != want {
			t.Errorf("%s: %v\n%s", name, err, strings.ReplaceAll(string(out), "\r", "\n"))
		}
	}
	out, err := Transformer([]Change{RemoveAt(path(t, "OBX"))}, hl7.Charset{})([]byte(sample))
	if err != nil || strings.Contains(string(out), "OBX") {
		t.Errorf("remove every segment: %v %s", err, out)
	}
	_, err = Transformer([]Change{SetTo(path(t, "MSH-5"), "X"), MapBy(path(t, "OBX-3.1"), units, false)}, hl7.Charset{})([]byte(sample))
	if !errors.Is(err, ErrNotInTable) || !strings.Contains(err.Error(), "step 2") || strings.Contains(err.Error(), "2345") {
		t.Errorf("a value that is not in the table: %v", err)
	}
}

func mustScript(t *testing.T, source string) Change {
	t.Helper()
	c, err := Script("test", source)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPlan(t *testing.T) {
	owns := map[string]Belonging{
		"mine":   {Providers: []Provider{{ID: "1234567893", Authority: "NPI"}}, Accounts: []string{"ACC1"}},
		"theirs": {Providers: []Provider{{ID: "9999999999", Authority: "NPI"}}, Accounts: []string{"ACC2"}},
		"local":  {Providers: []Provider{{ID: "1234567893", Authority: "LOCAL"}}},
	}
	yes := func(Look) (bool, error) { return true, nil }
	no := func(Look) (bool, error) { return false, nil }
	cannot := func(Look) (bool, error) { return false, ErrInvalid }
	anonymous := strings.Replace(sample, "1234567893^Smith^^^^^^^NPI", "", 1)
	nobodys := strings.Replace(anonymous, "|ACC1", "", 1)
	var many []string
	for i := range maxPlans + 1 {
		many = append(many, strconv.Itoa(i))
	}
	orc := func(id string) string { return "ORC|RE" + strings.Repeat("|", 11) + id + "^X^^^^^^^NPI\r" }
	for name, c := range map[string]struct {
		routes []Route
		body   string
		want   string // partner:route:state, joined by spaces; "error"
	}{
		"passes":                             {[]Route{{Name: "a", To: []string{"mine"}, Stage: Carry, When: yes, Owner: ByProvider(owns)}}, sample, "mine:a:waiting"},
		"another's provider is held":         {[]Route{{Name: "a", To: []string{"theirs"}, Stage: Carry, Owner: ByProvider(owns)}}, sample, "theirs:a:held"},
		"same number, other authority":       {[]Route{{Name: "a", To: []string{"local"}, Stage: Carry, Owner: ByProvider(owns)}}, sample, "local:a:held"},
		"no provider, the account decides":   {[]Route{{Name: "a", To: []string{"mine", "theirs"}, Stage: Carry, Owner: ByProvider(owns)}}, anonymous, "mine:a:waiting theirs:a:held"},
		"nothing says whose it is":           {[]Route{{Name: "a", To: []string{"mine"}, Stage: Carry, Owner: ByProvider(owns)}}, nobodys, "mine:a:held"},
		"account":                            {[]Route{{Name: "a", To: []string{"mine", "theirs"}, Stage: Carry, Owner: ByAccount(owns)}}, sample, "mine:a:waiting theirs:a:held"},
		"two providers, one not his":         {[]Route{{Name: "a", To: []string{"mine"}, Stage: Carry, Owner: ByProvider(owns)}}, sample + "OBR|2" + strings.Repeat("|", 15) + "9999999999^X^^^^^^^NPI\r", "mine:a:held"},
		"the ORC of the second order":        {[]Route{{Name: "a", To: []string{"mine"}, Stage: Carry, Owner: ByProvider(owns)}}, sample + orc("9999999999") + "OBR|2\r", "mine:a:held"},
		"an order without an ORC":            {[]Route{{Name: "a", To: []string{"mine"}, Stage: Carry, Owner: ByProvider(owns)}}, sample + "OBR|2\r" + orc("1234567893") + "OBR|3\r", "mine:a:waiting"},
		"an ORC behind its OBR":              {[]Route{{Name: "a", To: []string{"mine"}, Stage: Carry, Owner: ByProvider(owns)}}, strings.Replace(sample, "ORU^R01", "OUL^R22", 1) + "OBR|2\r" + orc("9999999999") + "OBX|2\r", "mine:a:held"},
		"shadow":                             {[]Route{{Name: "a", To: []string{"theirs"}, Stage: Shadow, Owner: ByProvider(owns)}}, sample, "theirs:a:shadow"},
		"parallel sends":                     {[]Route{{Name: "a", To: []string{"mine"}, Stage: Parallel}}, sample, "mine:a:waiting"},
		"several routes send once":           {[]Route{{Name: "a", To: []string{"mine"}, Stage: Carry}, {Name: "b", To: []string{"theirs", "mine"}, Stage: Carry}}, sample, "mine:a:waiting theirs:b:waiting"},
		"a shadow before a route that sends": {[]Route{{Name: "a", To: []string{"mine", "theirs"}, Stage: Shadow}, {Name: "b", To: []string{"mine"}, Stage: Carry}, {Name: "c", To: []string{"mine"}, Stage: Shadow}}, sample, "mine:b:waiting theirs:a:shadow"},
		"more partners than can be":          {[]Route{{Name: "a", To: many, Stage: Carry}}, sample, "error"},
		"a route that says no":               {[]Route{{Name: "a", To: []string{"mine"}, Stage: Carry, When: no}, {Name: "b", To: []string{"mine"}, Stage: Carry}}, sample, "mine:b:waiting"},
		"another source's route":             {[]Route{{Name: "a", From: "other", To: []string{"mine"}, Stage: Carry}}, sample, ""},
		"a condition without an answer":      {[]Route{{Name: "a", To: []string{"mine"}, Stage: Carry, When: cannot}}, sample, "error"},
	} {
		set := &Settings{Routes: c.routes}
		plans, err := set.plan("lis", lookAt(t, c.body))
		var got []string
		for _, p := range plans {
			got = append(got, p.partner+":"+p.route+":"+p.state.String())
			if (p.state == Held) != (p.reason != "") {
				t.Errorf("%s: %s with the reason %q", name, p.state, p.reason)
			}
		}
		out := strings.Join(got, " ")
		if err != nil {
			out = "error"
		}
		if out != c.want {
			t.Errorf("%s: %q, want %q", name, out, c.want)
		}
	}
}

// TestOrderersAreFoundInLinearTime: as many orders as a message may have, none
// of which names anybody, must not hold the intake up.
func TestOrderersAreFoundInLinearTime(t *testing.T) {
	m, err := hl7.Parse([]byte("MSH|^~\\&|LIS|LAB|||20260101||ORU^R01|1|P|2.5.1\r" + strings.Repeat("OBR|1\r", 150_000) + strings.Repeat("ORC|RE\r", 40_000)))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if got := providers(m); len(got) != 0 {
		t.Errorf("%d providers", len(got))
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

func FuzzCondition(f *testing.F) {
	for _, s := range []string{`msh.type == "ORU"`, `any(fields("OBX-3.1"), # contains "x")`, `len(1..3) > 2`, `field("OBR-4.1")[0:1] == "2"`, `let x = fields("PID-3"); x[0] == ""`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		cond, err := Condition(source)
		if err != nil {
			return
		}
		_, _ = cond(lookAt(t, sample)) // must end and must not panic
	})
}

func TestChangedPaths(t *testing.T) {
	lines := strings.SplitAfter(strings.TrimSuffix(sample, "\r"), "\r")
	for name, c := range map[string]struct {
		to   string
		want string
	}{
		"nothing":           {sample, ""},
		"two fields":        {strings.NewReplacer("CLINIC", "X", "|90|", "|91|").Replace(sample), "MSH(1)-5 OBX(1)-5"},
		"a field more":      {sample[:len(sample)-1] + "|new\r", "OBX(2)-12"},
		"first OBX removed": {lines[0] + lines[1] + lines[2] + lines[4], "OBX(1) is removed"},
		"NTE added":         {lines[0] + lines[1] + lines[2] + lines[3] + "NTE|1||x\r" + lines[4], "NTE(1) is added"},
		"no message":        {"nothing", "the whole message"},
	} {
		var got []string
		for _, p := range changedPaths([]byte(sample), []byte(c.to), false) {
			if p.From != "" || p.To != "" {
				t.Errorf("%s: values are shown", name)
			}
			got = append(got, p.Path)
		}
		if out := strings.Join(got, " "); out != c.want {
			t.Errorf("%s: %q, want %q", name, out, c.want)
		}
	}
}

// TestCharsetOfTheSourceReachesTheRendering: by the message handed over and by
// the one read from the table, and by the route's own for that source.
func TestCharsetOfTheSourceReachesTheRendering(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		cs, _ := hl7.LookupCharset("8859/2")
		var mu sync.Mutex
		var got []string
		set := l.standard()
		set.Sources["lis"] = Source{Name: "lis", Window: window, Charset: cs}
		mark := func(s string) func([]byte) ([]byte, error) {
			return func(b []byte) ([]byte, error) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, s)
				return b, nil
			}
		}
		set.Routes = []Route{
			{Name: "all", From: "other", To: []string{"north"}, Stage: Carry, Transform: mark("other's")},
			{Name: "all", From: "lis", To: []string{"north"}, Stage: Carry, Transform: mark("own")},
		}
		set.Partners["north"].Render = func(r Rendering) (channel.Message, error) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, r.Charset.Name())
			return r.Message, nil
		}
		l.Apply(set)
		l.taken(oru("C1", "4711", "100"))
		l.run()
		pass(3 * time.Second)
		l.taken(oru("C2", "4711", "101"))
		pass(3 * time.Second)
		if want := []string{"own", "8859/2", "own", "8859/2"}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}
