package results

import (
	"fmt"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// TestReplyMatrix: what intake answers for each pair of MSH-15 and MSH-16 (table
// 0155, HL7 v2.5.1 2.9.3) when it took the message, refuses it, cannot read it,
// or is busy. A commit acknowledgement that is wanted comes before one of the
// application; both together are answered by the commit alone.
func TestReplyMatrix(t *testing.T) {
	words := []string{"", "AL", "NE", "ER", "SU"}
	wants := func(word string, ok bool) bool { return word == "AL" || word == "SU" && ok || word == "ER" && !ok }
	for _, accept := range words {
		for _, app := range words {
			for _, c := range []struct {
				name              string
				ok                bool
				r                 refusal
				commit, orApplied string
			}{
				{"taken", true, refusal{}, "CA", "AA"},
				{"no route", false, refusal{cause: CauseNoRoute, text: "why", code: "207"}, "CE", "AE"},
				{"unreadable", false, refusal{cause: CauseUnparsable, text: "why", code: "100"}, "CE", "AR"},
				{"busy", false, refusal{busy: true, text: "later", code: "207"}, "CR", "AR"},
			} {
				h, err := hl7.ReadHeader([]byte(fmt.Sprintf("MSH|^~\\&|S|F|R|F|1||ORU^R01|C1|P|2.5.1|||%s|%s\r", accept, app)))
				if err != nil {
					t.Fatal(err)
				}
				want := ""
				switch {
				case accept == "" && app == "":
					want = c.orApplied // original mode
				case wants(accept, c.ok):
					want = c.commit
				case wants(app, c.ok):
					want = c.orApplied
				}
				b := reply(&h, event.ID{1}, time.Unix(0, 0).UTC(), c.ok, c.r)
				got := ""
				if b != nil {
					a, err := hl7.ReadAck(b)
					if err != nil || a.ControlID != "C1" {
						t.Errorf("%+v, %v", a, err)
					}
					got = a.Code
				}
				if got != want {
					t.Errorf("MSH-15 %q, MSH-16 %q, %s: %q, want %q", accept, app, c.name, got, want)
				}
			}
		}
	}
}
