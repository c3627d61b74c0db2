package resultsfhir

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

const (
	mrn  = "urn:labwarden:local:authority:LAB"
	code = "http://loinc.org|2345-7"
)

// A result that was delivered is found by everything it may be found by, with
// what it refers to; and by nobody else.
func TestAPartnerFindsItsResults(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		l.deliver(l.message("NORTH", "P1", "1", "F", "90"), l.message("NORTH", "P2", "2", "P", "91"), l.message("SOUTH", "P1", "3", "F", "92"))
		c := l.as("north")
		all := c.bundle("/fhir/DiagnosticReport").ids("match")
		if len(all) != 2 {
			t.Fatalf("reports: %v", all)
		}
		patient := c.one("/fhir/Patient?identifier=P1")
		id := patient["id"].(string)
		system := patient["identifier"].([]any)[0].(map[string]any)["system"].(string)
		report := c.one("/fhir/DiagnosticReport?patient=" + id)
		rid := report["id"].(string)
		for _, q := range []string{
			"patient=Patient/" + id, "subject=Patient/" + id, "subject=" + id, "patient.identifier=P1", "patient.identifier=" + url.QueryEscape(system+"|P1"),
			"identifier=FI1", "identifier=PL1", "patient=" + id + "&code=2345-7", "patient=" + id + "&code=" + url.QueryEscape(code), "code=2345-7&patient.identifier=P1",
			"patient=" + id + "&status=final", "status=final", "status=final,corrected", "_id=" + rid, "patient=" + id + "&date=2026-03-04",
			"patient=" + id + "&date=ge2026-03-04&date=lt2026-03-05", "issued=2026-03-04T07:59:00Z&status=final", "patient=" + id + "&_lastUpdated=ge2026-03-04",
			"patient=" + id + "&category=CH", "_lastUpdated=ge2026-03-04T08:00:00Z&_lastUpdated=lt2026-03-05&patient=" + id, "_format=json&_sort=-_lastUpdated&_count=5&status=final",
		} {
			got := c.bundle("/fhir/DiagnosticReport?" + q).ids("match")
			if len(got) != 1 || got[0] != "DiagnosticReport/"+rid {
				t.Errorf("%s: %v, want %s", q, got, rid)
			}
		}
		for _, q := range []string{
			"patient.identifier=P3", "identifier=FI3", "patient=" + id + "&code=2951-2", "patient=" + id + "&status=corrected", "_id=" + id, "identifier=other%7CFI1",
			"patient=" + id + "&date=2026-03-03", "patient=" + id + "&_lastUpdated=lt2026-03-04", "_lastUpdated=gt2027", "patient=nobody", "patient.identifier=other%7CP1",
			"patient=" + id + "&_lastUpdated=ge2026-03-05",
		} {
			if got := c.bundle("/fhir/DiagnosticReport?" + q).ids("match"); len(got) != 0 {
				t.Errorf("%s: %v, want nothing", q, got)
			}
		}
		if n := len(c.bundle("/fhir/Observation?patient=" + id).ids("match")); n != 2 {
			t.Errorf("%d observations", n)
		}
		if n := len(c.bundle("/fhir/Observation?patient=" + id + "&code=2951-2").ids("match")); n != 1 {
			t.Errorf("%d observations of a code", n)
		}
		b := c.bundle("/fhir/DiagnosticReport?patient=" + id + "&_include=DiagnosticReport:result&_include=DiagnosticReport:patient&_include=DiagnosticReport:based-on&_include=DiagnosticReport:specimen")
		if got := len(b.ids("include")); got != 5 {
			t.Errorf("%d included: %v", got, b.ids("include"))
		}
		// Every reference leads somewhere.
		seen := map[string]bool{}
		follow(t, c, "DiagnosticReport/"+rid, seen)
		for _, want := range []string{"Patient/", "Observation/", "ServiceRequest/", "Specimen/", "Practitioner"} {
			if !slices.ContainsFunc(keysOf(seen), func(s string) bool { return strings.HasPrefix(s, want) }) {
				t.Errorf("no %s was reached: %v", want, keysOf(seen))
			}
		}
		// By POST, as identifiers should be.
		w := c.do(http.MethodPost, "/fhir/DiagnosticReport/_search", "patient.identifier=P1", "Content-Type", "application/x-www-form-urlencoded")
		if w.Code != 200 || !strings.Contains(w.Body.String(), rid) {
			t.Errorf("search by POST: %d %s", w.Code, w.Body)
		}
	})
}

func keysOf(m map[string]bool) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	return out
}

func follow(t *testing.T, c *caller, ref string, seen map[string]bool) {
	t.Helper()
	if seen[ref] {
		return
	}
	seen[ref] = true
	w := c.get("/fhir/" + ref)
	if w.Code != 200 {
		t.Errorf("%s: %d", ref, w.Code)
		return
	}
	for part := range strings.SplitSeq(w.Body.String(), `"reference":"`) {
		if to, _, ok := strings.Cut(part, `"`); ok && strings.Contains(to, "/") && !strings.HasPrefix(part, "{") {
			follow(t, c, to, seen)
		}
	}
}

// A correction is the next version of the same report; the newest shows, the old
// one can be read, and says what it was.
func TestACorrectionIsANewVersion(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		l.deliver(l.message("NORTH", "P1", "1", "F", "90"))
		c := l.as("north")
		first := c.one("/fhir/DiagnosticReport?identifier=FI1")
		id := first["id"].(string)
		l.clock.add(time.Second)
		l.deliver(l.message("NORTH", "P1", "1", "C", "900"))
		now := c.one("/fhir/DiagnosticReport?identifier=FI1")
		if now["id"] != id || now["status"] != "corrected" || now["meta"].(map[string]any)["versionId"] != "2" {
			t.Errorf("after the correction: %v", now)
		}
		w := c.get("/fhir/DiagnosticReport/" + id)
		if w.Header().Get("ETag") != `W/"2"` {
			t.Errorf("ETag %q", w.Header().Get("ETag"))
		}
		if w := c.get("/fhir/DiagnosticReport/"+id, "If-None-Match", `W/"2"`); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
			t.Errorf("unchanged: %d", w.Code)
		}
		if w := c.get("/fhir/DiagnosticReport/"+id, "If-None-Match", `W/"1"`); w.Code != http.StatusOK {
			t.Errorf("changed: %d", w.Code)
		}
		if w := c.get("/fhir/DiagnosticReport/" + id + "/_history/1"); w.Code != 200 || !strings.Contains(w.Body.String(), `"final"`) {
			t.Errorf("the first version: %d %s", w.Code, w.Body)
		}
		if w := c.get("/fhir/DiagnosticReport/" + id + "/_history/3"); w.Code != http.StatusNotFound {
			t.Errorf("a version that never was: %d", w.Code)
		}
		if b := c.bundle("/fhir/DiagnosticReport/" + id + "/_history"); b.Type != "history" || len(b.Entry) != 2 {
			t.Errorf("history: %+v", b)
		}
		// The patient said nothing new: there is one version still.
		if p := c.one("/fhir/Patient?identifier=P1"); p["meta"].(map[string]any)["versionId"] != "1" {
			t.Errorf("patient: %v", p["meta"])
		}
		// A correction that moves the result to another patient leaves the first.
		old := c.one("/fhir/Patient?identifier=P1")["id"].(string)
		l.deliver(l.message("NORTH", "P9", "1", "C", "900"))
		if got := c.bundle("/fhir/DiagnosticReport?patient=" + old).ids("match"); len(got) != 0 {
			t.Errorf("the first patient still has %v", got)
		}
		if got := c.bundle("/fhir/DiagnosticReport?patient.identifier=P9").ids("match"); len(got) != 1 || got[0] != "DiagnosticReport/"+id {
			t.Errorf("the other patient has %v", got)
		}
	})
}

// Pages together give each report once, also while new ones and corrections come.
func TestPagesAreStable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		var bodies []string
		for i := range 25 {
			bodies = append(bodies, l.message("NORTH", "P1", fmt.Sprint("A", i), "F", "90"))
		}
		l.deliver(bodies...)
		c := l.as("north")
		var got []string
		path := "/fhir/DiagnosticReport?patient.identifier=P1&_count=4"
		for pages := 0; path != ""; pages++ {
			b := c.bundle(path)
			got = append(got, b.ids("match")...)
			path = b.next()
			if strings.Contains(path, "identifier") || strings.Count(path, "=") > 1 {
				t.Fatalf("the next link tells what was searched: %s", path)
			}
			if pages == 1 {
				l.deliver(l.message("NORTH", "P1", "NEW", "F", "1"), l.message("NORTH", "P1", "A3", "C", "77"))
			}
			if pages > 10 {
				t.Fatal("no end")
			}
		}
		if len(got) != 25 {
			t.Errorf("%d reports", len(got))
		}
		slices.Sort(got)
		if len(slices.Compact(got)) != 25 {
			t.Error("a report came twice")
		}
		if n := len(c.bundle("/fhir/DiagnosticReport?patient.identifier=P1").ids("match")); n != 26 {
			t.Errorf("%d reports now", n)
		}
		// A link is this client's, for an hour.
		next := c.bundle("/fhir/DiagnosticReport?_count=1").next()
		if w := l.as("south").get(next); w.Code != http.StatusBadRequest {
			t.Errorf("another's link: %d", w.Code)
		}
		if w := c.get(strings.Replace(next, "DiagnosticReport", "Observation", 1)); w.Code != http.StatusBadRequest {
			t.Errorf("a link of another type: %d", w.Code)
		}
		if w := c.get(next + "&status=final"); w.Code != http.StatusBadRequest {
			t.Errorf("a link with more: %d", w.Code)
		}
		l.clock.add(2 * time.Hour)
		if w := l.as("north").get(next); w.Code != http.StatusGone {
			t.Errorf("an old link: %d", w.Code)
		}
	})
}

// What is not known is refused; leniency is answered with a warning.
func TestUnknownParametersAreRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		l.deliver(l.message("NORTH", "P1", "1", "F", "90"))
		c := l.as("north")
		for _, q := range []string{
			"name=DOE", "patient:Patient=1", "status:not=final", "_sort=date", "_sort=_lastUpdated", "_count=0", "_count=x", "_include=*", "_include=DiagnosticReport:nothing",
			"date=yesterday", "_lastUpdated=sa2026", "_summary=count", "_total=accurate", "identifier=", "status=" + strings.Repeat("a,", 30), "_has:Observation:patient:code=1", "%zz=1", "_page=x",
		} {
			w := c.get("/fhir/DiagnosticReport?" + q)
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "OperationOutcome") {
				t.Errorf("%s: %d %s", q, w.Code, w.Body)
			}
		}
		b := c.bundle("/fhir/DiagnosticReport?name=DOE", "Prefer", "handling=lenient")
		if got := b.ids("outcome"); len(got) != 1 {
			t.Errorf("no warning: %+v", b)
		}
		for path, want := range map[string]int{
			"/fhir/Condition": 404, "/fhir/DiagnosticReport/x": 404, "/fhir/DiagnosticReport/019aa000-0000-7000-8000-000000000000": 404, "/fhir/Nothing/x/y/z": 404,
		} {
			if w := c.get(path); w.Code != want {
				t.Errorf("%s: %d", path, w.Code)
			}
		}
		if w := c.get("/fhir/DiagnosticReport", "Accept", "application/fhir+xml"); w.Code != http.StatusNotAcceptable {
			t.Errorf("XML: %d", w.Code)
		}
		if w := c.get("/fhir/DiagnosticReport?_format=xml"); w.Code != http.StatusNotAcceptable {
			t.Errorf("XML by _format: %d", w.Code)
		}
		if w := c.do(http.MethodDelete, "/fhir/DiagnosticReport/x", ""); w.Code != http.StatusNotFound {
			t.Errorf("delete: %d", w.Code)
		}
	})
}

// The statement names exactly what is parsed, and every parameter it names works.
func TestTheStatementIsTrue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		c := l.as("north")
		w := c.get("/fhir/metadata")
		var st struct {
			Rest []struct {
				Resource []struct {
					Type          string
					SearchParam   []struct{ Name, Type string }
					SearchInclude []string
					Operation     []struct{ Name string }
				}
				Operation []struct{ Name string }
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &st); err != nil {
			t.Fatal(err)
		}
		// The operations it names are there, and no other type has one.
		operations := 0
		for _, res := range st.Rest[0].Resource {
			operations += len(res.Operation)
			if w := c.get("/fhir/"+res.Type+"/patients/$export", "Prefer", "respond-async"); (w.Code == http.StatusAccepted) != (len(res.Operation) == 1) {
				t.Errorf("an export of %s: %d, and the statement says %v", res.Type, w.Code, res.Operation)
			}
		}
		if w := c.get("/fhir/$export", "Prefer", "respond-async"); operations != 1 || len(st.Rest[0].Operation) != 1 || w.Code != http.StatusAccepted {
			t.Errorf("%d operations of types, %v of all: %d", operations, st.Rest[0].Operation, w.Code)
		}
		l.fhir.work.Wait()
		sample := map[string]string{"token": "a|b", "date": "ge2026", "reference": "Patient/x"}
		tried := 0
		for _, res := range st.Rest[0].Resource {
			if res.Type == "Subscription" {
				continue
			}
			named := map[string]bool{}
			for _, p := range res.SearchParam {
				named[p.Name] = true
				tried++
				if w := c.get("/fhir/" + res.Type + "?" + p.Name + "=" + url.QueryEscape(sample[p.Type])); w.Code != 200 {
					t.Errorf("%s?%s: %d %s", res.Type, p.Name, w.Code, w.Body)
				}
			}
			for _, i := range res.SearchInclude {
				tried++
				if w := c.get("/fhir/" + res.Type + "?_include=" + i); w.Code != 200 {
					t.Errorf("%s: %d", i, w.Code)
				}
			}
			// And nothing that is parsed is left out.
			for _, p := range params {
				if p.form == formSpecial {
					continue
				}
				if w := c.get("/fhir/" + res.Type + "?" + p.name + "=" + url.QueryEscape(sample[formTypes[p.form]])); (w.Code == 200) != named[p.name] {
					t.Errorf("%s?%s: %d, and the statement says %v", res.Type, p.name, w.Code, named[p.name])
				}
			}
		}
		t.Logf("%d parameters and includes tried", tried)
	})
}
