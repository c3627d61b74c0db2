package pages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/demo"
)

// hand is how somebody works: with a mouse, or by keyboard alone. Selectors are
// plain CSS, so that Tab can look for them.
type hand struct {
	keys  bool
	steps []Step
}

func (h *hand) do(steps ...Step) *hand {
	h.steps = append(h.steps, steps...)
	return h
}

func (h *hand) click(at string) *hand {
	if !h.keys {
		return h.do(Step{Do: "click", At: at})
	}
	return h.do(Step{Do: "tab", At: at, Most: 200}, Step{Do: "press", Key: "Enter"})
}

func (h *hand) tick(at string) *hand {
	if !h.keys {
		return h.do(Step{Do: "check", At: at})
	}
	return h.do(Step{Do: "tab", At: at, Most: 200}, Step{Do: "press", Key: "Space"})
}

func (h *hand) fill(at, value string) *hand {
	if !h.keys {
		return h.do(Step{Do: "fill", At: at, Value: value})
	}
	return h.do(Step{Do: "tab", At: at, Most: 200}, Step{Do: "type", Value: value})
}

// choose takes what begins with the letters from a list.
func (h *hand) choose(at, value, letters string) *hand {
	if !h.keys {
		return h.do(Step{Do: "select", At: at, Value: value})
	}
	return h.do(Step{Do: "tab", At: at, Most: 200}, Step{Do: "type", Value: letters})
}

func (h *hand) download(at, to string) *hand {
	if !h.keys {
		return h.do(Step{Do: "download", At: at, Value: to})
	}
	return h.do(Step{Do: "tab", At: at, Most: 200}, Step{Do: "download", Key: "Enter", Value: to})
}

func (h *hand) to(path string) *hand  { return h.do(Step{Do: "goto", Path: path}) }
func (h *hand) see(text string) *hand { return h.do(Step{Do: "see", Text: text, Within: 8000}) }
func (h *hand) as(who string) *hand   { return h.do(Step{Do: "as", Name: who}) }

// confirm gives a reason and presses the button.
func (h *hand) confirm(reason string) *hand {
	if reason != "" {
		h.fill("#f-reason", reason)
	}
	return h.click("section.ask button[type=submit]")
}

// order is the number of the first order in a bundled message.
func order(t *testing.T, file string) string {
	t.Helper()
	b, err := demo.Read(file)
	fatal(t, err)
	for seg := range strings.FieldsFuncSeq(string(b), func(r rune) bool { return r == '\r' || r == '\n' }) {
		if f := strings.Split(seg, "|"); f[0] == "OBR" {
			return strings.Split(f[3], "^")[0]
		}
	}
	t.Fatalf("%s has no order", file)
	return ""
}

const (
	// proved is accepted by Riverside's system, waiting is for the partner that is down.
	proved  = "04-hba1c.hl7"
	waiting = "28-lithium-level.hl7"
)

// jobs are the main jobs of LOOK.md that there are, each by keyboard alone and, on
// something else of the kind, without JavaScript. Most is how many clicks it may
// take from Today.
func jobs(t *testing.T, l *laboratory) []Job {
	t.Helper()
	var out []Job
	for _, still := range []bool{false, true} {
		other := func(one, two string) string {
			if still {
				return two
			}
			return one
		}
		add := func(name, as string, most int, h *hand) {
			out = append(out, Job{Name: name, As: as, Most: most, Still: still, Steps: h.steps})
		}
		start := func() *hand { return (&hand{keys: !still}).to("/") }

		add("what needs me", dana, 0, start().see("need you").see("results are waiting for Northgate Clinic"))
		add("why is a partner waiting", dana, 1, start().click(".todo a[href='/partners/northgate']").see("Their server has not been reachable"))
		add("prove a result", okafor, 3, start().
			fill("#q", order(t, proved)).do(Step{Do: "press", Key: "Enter"}).
			do(Step{Do: "keep", At: "main table a[href^='/results/']", Key: "href", Name: "result"}).
			click("main table a[href^='/results/']").
			download("main form[action$='/proof'] button", l.proof(still)))
		if !whole() {
			continue
		}
		add("hold and release", bell, 0, start().
			fill("#q", order(t, waiting)).do(Step{Do: "press", Key: "Enter"}).
			do(Step{Do: "keep", At: "main table a[href^='/results/']", Key: "href", Name: "waits"}).
			click("main table a[href^='/results/']").
			click("main a[href$='/hold']").confirm("wrong tube, the bench looks").see("Held. Release undoes it.").
			click("main a[href$='/release']").confirm("the bench has looked").see("Released."))
		add("replay from quarantine", okafor, 0, start().
			click("nav a[href='/quarantine']").
			click(other("main table tbody tr:last-child a", "main table tbody tr:nth-last-child(2) a")).
			click("main a[href$='/replay']").confirm("the route was looked at").see(other("It is still refused", "Replayed: it was taken.")))
		add("take and log a phone call", okafor, 0, start().
			click("nav a[href='/calls']").
			do(Step{Do: "wait", At: "main table tbody tr:first-child a", Within: 90000}). // a task opens after a minute
			do(Step{Do: "keep", At: "main table tbody tr:last-child a", Key: "href", Name: "call"}).
			click("main table tbody tr:first-child a").
			click("main form[action$='/take'] button").see("The call is yours.").
			tick("input[name=outcome][value=reached]").fill("#f-whom", "Nurse Amber Vale").tick("input[name=read_back]").
			click("main form[action$='/log'] button").see("The call is written down.").
			fill("#f-close-reason", "told and read back").click("main form[action$='/close'] button").see("The phone task is closed."))
		add("invite a person", dana, 0, start().
			click("nav a[href='/people']").click("main a[href='/people/new'], .tools a[href='/people/new']").
			fill("#f-account", other("e.marsh", "t.birch")).fill("#f-name", other("E. Marsh", "T. Birch")).choose("#f-role", "front-desk", "Phleb").
			click("main form[action='/people'] button[type=submit]").see("It is shown this once."))
		key := other("cedar", "maple")
		add("add a partner, by two people", dana, 12, start().
			click("nav a[href='/settings']").click("a[href='/setup/partner']").click("a[href='/setup/partner/mllp']").
			fill("#f-name", strings.ToUpper(key[:1])+key[1:]+" Clinic").fill("#f-key", key).fill("#f-providers", "1234567893").
			fill("#f-address", l.further[key]).fill("#f-ca", l.path("tls/ca.pem")).fill("#f-server-name", key).
			click("main form button[type=submit]").see("Ask a second person").
			do(Step{Do: "keep", At: "main a[href$='/ask']", Key: "href", Code: "(.*)/ask", Name: "draft"}).
			click("main a[href$='/ask']").confirm("a new practice, agreed on Monday").see("A second person is asked").
			as(weiss).to("/").click(".todo a[href^='/config/drafts/']").click("main a[href$='/apply']").confirm("").see("is in force").
			as(dana).to("{{draft}}").click("main a[href$='/test']").confirm("the first message").see("system accepted the test message"))
		add("end a session", dana, 0, start().
			click("nav a[href='/people']").click("main a[href='/people/sessions']").
			click("main table tbody tr:first-child form[action$='/end'] button").see("The session was ended."))
	}
	// What one person does another sees within a second.
	before, after := "5 messages wait for a person.", "4 messages wait for a person."
	if whole() { // one was replayed above
		before, after = after, "3 messages wait for a person."
	}
	live := (&hand{}).to("/quarantine").see(before).
		as(dana).to("/quarantine").click("main table tbody tr:first-child a").click("main a[href$='/refuse']").confirm("the sender has sent it again").see("Refused.").
		as(okafor).do(Step{Do: "see", Text: after, Within: 1000})
	return append(out, Job{Name: "a live change", As: okafor, Steps: live.steps})
}

// proof is the file a proof is saved in.
func (l *laboratory) proof(still bool) string {
	if still {
		return filepath.Join(l.dir, "still.proof")
	}
	return filepath.Join(l.dir, "keys.proof")
}

// verify has the program check, with the public key alone, that the proof is for
// the bytes that the laboratory's system sent.
func (l *laboratory) verify(still bool) {
	l.t.Helper()
	body, err := demo.Read(proved)
	fatal(l.t, err)
	message := l.path("message.hl7")
	fatal(l.t, os.WriteFile(message, body, 0o600))
	if out, err := command(l.t, l.dir, "verify", message, l.proof(still), "--key", l.key); err != nil {
		l.t.Errorf("the downloaded proof is not accepted: %v\n%s", err, out)
	}
}
