package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/alarm"
)

// A secret that is gone fails one way, loudly, and no start; a change of the
// configuration that needs it is refused.
func TestAWayThatCannotBeBuiltStopsNoStart(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		p := newPractice(t)
		plain := s.source(partnerAt("p", p.addr), "p", "carry")
		src := plain + `alarms:
  on_call:
    - name: M. Okafor
      ways: [{kind: webhook, url: "https://127.0.0.1:9/sms", secret: vault:gone}]
`
		h := s.open()
		addrs, stop := s.serve(h, s.parse(src))
		if code, err := dial(t, addrs["lis"]).send(result("M1")); err != nil || code != "AA" {
			t.Fatal(code, err)
		}
		eventually(t, "the result at the practice", func() bool { got, _ := p.list(); return len(got) == 1 })
		h.Alarms.Raise(t.Context(), alarm.Alarm{Key: alarm.Key{Kind: "test"}, Severity: alarm.Urgent, Sentence: "A test.", Advice: "None."})
		eventually(t, "the way is shown as failing", func() bool {
			w := h.Alarms.Ways()
			return len(w) == 1 && strings.Contains(w[0].Problem, "labwarden secret set gone")
		})
		other := strings.Replace(src, "wait", "wait", 1) + "  repeat: 2h\n"
		if _, err := propose(t.Context(), h, s.parse(other), other); err == nil || !strings.Contains(err.Error(), "gone") {
			t.Errorf("a configuration with a way that cannot be built: %v", err)
		}
		stop()
	})
}

// docs/operate/alarms.md names every kind.
func TestThePageNamesEveryKind(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operate", "alarms.md"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	for _, file := range []string{"conditions.go", "machine.go", "oncall.go"} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(src)) {
			var name, kind string
			if _, err := fmt.Sscanf(strings.TrimPrefix(strings.TrimSpace(line), "const "), "kind%s = %q", &name, &kind); err != nil {
				continue
			}
			kinds++
			if !strings.Contains(string(page), "`"+kind+"`") {
				t.Errorf("%s is not on the page", kind)
			}
		}
	}
	if kinds < 20 {
		t.Errorf("only %d kinds found in the source", kinds)
	}
}
