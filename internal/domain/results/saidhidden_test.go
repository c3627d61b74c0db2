package results

import (
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// TestTheEndOfANumber: three characters at most, and never more than half.
func TestTheEndOfANumber(t *testing.T) {
	for s, want := range map[string]string{"": "", "7": "…", "17": "…7", "100": "…0", "F100": "…00", "26-118-0128": "…128", "äöü€ßé": "…€ßé"} {
		if got := numberEnd(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

// TestHiddenLeavesWhatItIsMadeOf: the original is not changed, and the lines of the
// message lose their numbers too.
func TestHiddenLeavesWhatItIsMadeOf(t *testing.T) {
	m, err := hl7.Parse([]byte("MSH|^~\\&|A|B|C|D|20260504||ORU^R01^ORU_R01|7|P|2.5.1\rORC|RE|P777128|F777128\rOBR|1|P777128^LIS|F777128|718-7^Hb||||||||||||1234^Sandoval^Pia\rSPM|1|SP888345^SF888346|SP|SER\r"))
	must(t, err)
	said := saidOf(m, time.UTC, false)
	hidden := said.Hidden()
	if said.Orders[0].Filler != "F777128" || said.Orders[0].Provider == "" || said.Specimens[0] != "SF888346" {
		t.Errorf("the original was changed: %+v", said)
	}
	if o := hidden.Orders[0]; o.Filler != "…128" || o.Placer != "…128" || o.Provider != "" || o.Test != "Hb" || hidden.Specimens[0] != "…346" {
		t.Errorf("%+v, %q", o, hidden.Specimens)
	}
	for _, line := range withoutNumbers(masked(m, false)) {
		for f, part := range line.Parts {
			for _, n := range []string{"777128", "888345", "888346"} {
				if part.Hidden && part.Text != "" || strings.Contains(part.Text, n) {
					t.Errorf("%s-%d: %+v", line.Name, f+1, part)
				}
			}
		}
	}
	if (*Said)(nil).Hidden() != nil {
		t.Error("of nothing something")
	}
}
