package results

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

const sample = "MSH|^~\\&|LIS|LAB|CLINIC|C|20260102030405||ORU^R01^ORU_R01|M1|P|2.5.1\r" +
	"PID|1||P1^^^LAB^MR||DOE^JANE|||F||||||||||ACC1\r" +
	"OBR|1|PL1|FI1|2345-7^Glucose^LN|||20260102030405|||||||||1234567893^Smith^^^^^^^NPI\r" +
	"OBX|1|NM|2345-7^Glucose^LN||90|mg/dL|70-99|N|||F\r" +
	"OBX|2|NM|3094-0^BUN^LN||15|mg/dL|7-20|N|||F\r"

// runScript runs a program over the sample.
func runScript(source string) (string, error) {
	step, err := Script("test", source)
	if err != nil {
		return "", err
	}
	out, err := Transformer([]Change{step}, hl7.Charset{})([]byte(sample))
	return string(out), err
}

func body(lines ...string) string {
	return "def transform(m):\n    " + strings.Join(lines, "\n    ") + "\n"
}

func TestScriptChangesWhatItSays(t *testing.T) {
	out, err := runScript(body(
		`units = {"mg/dL": "mg/100mL"}`,
		`for i in range(len(m.all("OBX-6"))):`,
		`    p = "OBX(%d)-6" % (i + 1)`,
		`    m.set(p, units.get(m.get(p), "?"))`,
		`n = 0`, `n += 2`, `n *= 3`, `l = [1]`, `k = l`, `l += [2]`, `d = {"a": 1}`, `d["a"] += 4`,
		`m.set("MSH-6", "|".join([str(n), str(len(k)), str(d["a"])]) + " x".strip().upper())`,
		`if "PID" in ["PID"] and m.get("PID-5.1") == "DOE" and not (3 < 2):`,
		`    m.clear("PID-5")`,
		`m.remove("OBX(2)")`,
	))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(sample, "|C|", `|6\F\2\F\5X|`, 1)
	want = strings.Replace(want, "DOE^JANE", "", 1)
	want = strings.Replace(want, "mg/dL|70", "mg/100mL|70", 1)
	want = want[:strings.Index(want, "OBX|2")]
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", strings.ReplaceAll(out, "\r", "\n"), strings.ReplaceAll(want, "\r", "\n"))
	}
}

// Each of these would take a gigabyte, an hour or the machine.
func TestScriptIsStopped(t *testing.T) {
	double := `for i in range(40):`
	dag := []string{`a = [1, 2]`, double, `    a = [a, a]`}
	for name, lines := range map[string][]string{
		"endless loop":      {`for i in range(1000000):`, `    for j in range(1000000):`, `        pass`},
		"huge string":       {`s = "x" * (1 << 29)`, `m.set("MSH-5", s)`},
		"doubled string":    {`s = "x"`, double, `    s += s`},
		"doubled by plus":   {`s = "x"`, double, `    s = s + s`},
		"doubled list":      {`s = [1]`, double, `    s = s + s`},
		"list times":        {`s = [1] * (1 << 29)`},
		"extended list":     {`s = [1]`, double, `    s.extend(s)`},
		"list plus is":      {`s = [1]`, double, `    s += s`},
		"tuple times":       {`s = (1 << 29) * (1,)`},
		"join":              {`s = ("x" * 10000).join(["y"] * 10000)`},
		"replace":           {`s = ("x" * 10000).replace("x", "y" * 10000)`},
		"replace nothing":   {`s = ("x" * 10000).replace("", "y" * 10000)`},
		"format":            {`s = ("{0}" * 10000).format("y" * 10000)`},
		"percent":           {`s = ("%(a)s" * 10000) % {"a": "y" * 10000}`},
		"range list":        {`s = list(range(1 << 40))`},
		"all of a range":    {`s = all(range(1, 1 << 60))`},
		"max of a range":    {`s = [max(range(1000000)) for i in range(1000000)]`},
		"big number":        {`n = 3`, double, `    n = n * n`},
		"shifted number":    {`n = 1`, `for i in range(1000000):`, `    n = n << 500`},
		"number from text":  {`n = int("9" * 1000000)`},
		"text of a dag":     append(dag, `s = str(a)`),
		"compared dag":      append(dag, `b = a == [a, a]`),
		"hash of a dag":     {`a = (1, 2)`, double, `    a = (a, a)`, `d = {a: 1}`},
		"index by a dag":    {`a = (1, 2)`, double, `    a = (a, a)`, `d = {}`, `d[a] = 1`},
		"sorted dag":        append(dag, `b = sorted([a, a])`),
		"many long strings": {`l = []`, `for i in range(1000):`, `    l.append("x" * 100000 + str(i))`},
		"long field again":  {`m.set("MSH-5", "x" * 1000000)`, `for i in range(100000):`, `    m.get("MSH-5")`},
		"printed dag":       append(dag, `print(a)`),
		"fail with a dag":   append(dag, `fail(a)`),
		"stored method":     {`f = "x".join`, `s = "y" * 1000`, `for i in range(1000):`, `    s = f([s, s])`},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			_, err := runScript(body(lines...))
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("it ran to its end")
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if made := after.TotalAlloc - before.TotalAlloc; made > 512<<20 {
				t.Errorf("it made %d MiB", made>>20)
			}
		})
	}
}

func TestScriptReachesNothingOutside(t *testing.T) {
	for name, src := range map[string]string{
		"load":        "load(\"x.star\", \"y\")\n" + body("pass"),
		"open":        body(`open("/etc/passwd")`),
		"time":        body(`time.now()`),
		"import":      "import os\n" + body("pass"),
		"getattr":     body(`getattr(m, "get")("MSH-3")`),
		"star call":   body(`m.get(*["MSH-3"])`),
		"attribute":   body(`m.vault`),
		"inner names": body(`·op(1, 2, 3)`),
		"while":       body("while True:", "    pass"),
		"recursion":   "def f(x):\n    return f(x)\n" + body("f(1)"),
		"state":       "seen = []\n" + body(`seen.append(1)`),
		"no function": "x = 1\n",
		"two params":  "def transform(m, n):\n    pass\n",
		"top level":   "x = \"x\" * (1 << 29)\n" + body("pass"),
	} {
		if out, err := runScript(src); err == nil {
			t.Errorf("%s: ran and gave %q", name, out)
		}
	}
}

func TestScriptFailureShowsNoContent(t *testing.T) {
	for _, src := range []string{body(`fail(m.get("PID-5"))`), body(`x = {}[m.get("PID-5.1")]`), body(`int(m.get("PID-5.2"))`), body(`m.set(m.get("PID-5"), "x")`)} {
		_, err := runScript(src)
		if err == nil || strings.Contains(err.Error(), "DOE") || strings.Contains(err.Error(), "JANE") || !strings.Contains(err.Error(), "line 2") || !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", src, err)
		}
	}
}

func TestScriptIsDeterministic(t *testing.T) {
	src := body(`d = {}`, `for p in ["PID-3", "OBX-3", "MSH-10", "OBR-4"]:`, `    d[p] = hash(m.get(p))`, `m.set("MSH-6", str(d))`, `m.set("MSH-5", repr(set(["b", "a"])))`)
	src = strings.Replace(src, `set(["b", "a"])`, `sorted(["b", "a"])`, 1)
	first, err := runScript(src)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if again, err := runScript(src); err != nil || again != first {
			t.Fatalf("%q then %q, %v", first, again, err)
		}
	}
}

func FuzzScript(f *testing.F) {
	for _, s := range []string{body(`m.set("MSH-5", m.get("PID-3.1") + "x")`), body(`x = [1, 2]`, `x[0] += 1`, `d = {"a": x}`, `m.clear("PID-5")`), "def transform(m): return lambda x: x.y[0](*m)", body(`x = a.b.c`), "x = 1\nx += (2 if x else 3)\n" + body("pass")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		step, err := Script("fuzz", src)
		if err != nil {
			return
		}
		m, err := hl7.Parse([]byte(sample))
		if err != nil {
			t.Fatal(err)
		}
		_ = step(m) // must end and must not panic
	})
}
