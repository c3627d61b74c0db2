package results

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// accessioned is oru with an accession number in OBR-18.
func accessioned(control, patient, order, accession string) []byte {
	return []byte(strings.Replace(string(oru(control, patient, order)), "^Dee||", "^Dee||"+accession, 1))
}

// withAccession makes source lis one that writes its accession number to fields.
func (l *lab) withAccession(fields ...int) {
	set := l.standard()
	src := set.Sources["lis"]
	src.AccessionFields = fields
	set.Sources["lis"] = src
	l.Apply(set)
}

// TestSameAccessionKeepsItsOrder: what shares nothing but the source's accession
// number leaves in its order.
func TestSameAccessionKeepsItsOrder(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.withAccession(18)
		box := l.boxes["north"]
		box.set(func(m channel.Message) error {
			if m.ControlID == "A1" {
				return &channel.Error{Class: channel.Rejected, Code: "AE"}
			}
			return nil
		})
		l.taken(accessioned("A1", "4711", "100", "ACC7"))
		l.taken(accessioned("A2", "4712", "200", "ACC7"))
		l.taken(accessioned("A3", "4713", "300", "ACC8"))
		l.run()
		pass(time.Minute)
		if got := box.list(); !slices.Equal(got, []string{"A3"}) {
			t.Errorf("north got %v", got)
		}
	})
}

// TestAccessionFieldsMayChange: the phone task names the number, results are
// found by it, and the audit does not take another setting for a changed index.
func TestAccessionFieldsMayChange(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.withAccession(18)
		l.taken(accessioned("A1", "4711", "100", "ACC7"))
		m := l.taken([]byte(strings.Replace(string(correction("A2", "4711", "100")), "^Dee||", "^Dee||ACC7", 1)))
		l.indexNow()
		if got := l.found(Query{Order: "ACC7"}); !slices.Equal(got, []string{"A2", "A1"}) {
			t.Errorf("found %v", got)
		}
		calls := l.calls()
		if len(calls) == 0 || calls[0].Message != m.ID {
			t.Fatalf("%+v", calls)
		}
		v, err := l.ViewCall(t.Context(), calls[0].ID, why)
		must(t, err)
		if !slices.Contains(v.Orders, "ACC7") {
			t.Errorf("the phone task names %v", v.Orders)
		}
		for _, fields := range [][]int{nil, {19}, {18}, {18, 20}} {
			l.withAccession(fields...)
			a, err := l.Audit(t.Context(), nil)
			must(t, err)
			if len(a.Findings) != 0 {
				t.Errorf("with %v: %v", fields, a.Findings)
			}
		}
		l.exec("UPDATE results_messages SET source = 'other' WHERE leaf >= 0") // the audit still sees other changes
		a, err := l.Audit(t.Context(), nil)
		must(t, err)
		if len(a.Findings) == 0 {
			t.Error("nothing is found any more")
		}
	})
}
