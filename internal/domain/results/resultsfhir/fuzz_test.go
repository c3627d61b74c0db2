package resultsfhir

import (
	"net/url"
	"strings"
	"testing"
)

// Whatever stands in a query, it is read or refused, and what was read is read
// again from what it says of itself.
func FuzzSearch(f *testing.F) {
	for _, q := range []string{
		"patient=Patient/1&code=http://loinc.org|2345-7", "identifier=a\\|b|c\\,d,e", "_lastUpdated=ge2026-01-01&_lastUpdated=lt2027", "date=eq2026-02-30", "_include=DiagnosticReport:patient:Patient",
		"status=|final", "status=x|", "%zz", "_count=999999999999999999999", "a;b=c", "patient.identifier=" + strings.Repeat("x,", 50), "_format=json&_sort=-_lastUpdated",
	} {
		f.Add(q, false)
	}
	f.Fuzz(func(t *testing.T, raw string, lenient bool) {
		values, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		for k := kind(1); k < kinds; k++ {
			q, err := parseSearch(k, values, lenient)
			if err != nil {
				continue
			}
			if q.count < 1 || q.count > maxCount {
				t.Fatalf("count %d", q.count)
			}
			again, err := parseSearch(k, q.said, false)
			if err != nil || len(again.conds) != len(q.conds) || again.count != q.count {
				t.Fatalf("read again: %v", err)
			}
			r := &row{kind: k}
			q.fits(r, membersOf([]byte(`{"identifier":[{"system":"a","value":"b"}],"status":"final","code":{"coding":[{"code":"x"}]},"effectiveDateTime":"2026-01-01"}`)))
		}
	})
}

// Nobody but the holder of a key makes an assertion that is taken.
func FuzzAssertion(f *testing.F) {
	l := &lab{t: f, clock: &clock{}}
	s := New(Deps{Now: l.clock.now})
	set := &Settings{Base: testBase, Clients: map[string]*Client{"north-client": {ID: "north-client"}}}
	f.Add("e30.e30.e30")
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJub3J0aC1jbGllbnQifQ.")
	f.Fuzz(func(t *testing.T, text string) {
		if _, _, err := s.verifyAssertion(set, text); err == nil {
			t.Fatal("taken")
		}
	})
}

// A row that cannot be read is an error, never a panic; one that can be is the
// same written again.
func FuzzHead(f *testing.F) {
	good := &row{partner: "p", kind: kindReport, version: 2, at: 3, message: 4, identity: "urn:uuid:x", tokens: []int64{1, 2}}
	f.Add(good.head())
	f.Add([]byte{1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r row
		rest, ok := r.readHead(b)
		if !ok {
			return
		}
		var again row
		if _, ok := again.readHead(append(r.head(), rest...)); !ok || again.partner != r.partner || again.rid != r.rid || len(again.tokens) != len(r.tokens) {
			t.Fatal("not the same again")
		}
	})
}
