package resultsfhir

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// broken is a ledger that cannot be written.
type broken struct{ store.Hook }

func (broken) Commit(*store.Tx) error { return errors.New("the ledger cannot be written") }

type manifest struct {
	TransactionTime     string
	Request             string
	RequiresAccessToken bool
	Output              []struct {
		Type, URL string
		Count     int
	}
	Error []any
}

func (c *caller) export(query string) (manifest, string) {
	c.l.t.Helper()
	return c.exportOf("/fhir/$export", query)
}

func (c *caller) exportOf(path, query string) (manifest, string) {
	c.l.t.Helper()
	w := c.get(path+query, "Prefer", "respond-async")
	if w.Code != http.StatusAccepted {
		c.l.t.Fatalf("kick-off: %d %s", w.Code, w.Body)
	}
	at := strings.TrimPrefix(w.Header().Get("Content-Location"), "https://lab.example")
	var m manifest
	c.l.until("the export", func() bool {
		w := c.get(at)
		if w.Code == http.StatusAccepted {
			return false
		}
		if w.Code != http.StatusOK {
			c.l.t.Fatalf("status: %d %s", w.Code, w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
			c.l.t.Fatal(err)
		}
		return true
	})
	return m, at
}

func (c *caller) ndjson(url string) []string {
	c.l.t.Helper()
	w := c.get(strings.TrimPrefix(url, "https://lab.example"))
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/fhir+ndjson" {
		c.l.t.Fatalf("%s: %d %s", url, w.Code, w.Body)
	}
	return strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n")
}

// An export gives everything of the partner, each resource once, as it is now.
func TestExport(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		var bodies []string
		for i := range 12 {
			bodies = append(bodies, l.message("NORTH", fmt.Sprint("P", i%5), fmt.Sprint(i), "F", "90"))
		}
		l.deliver(append(bodies, l.message("SOUTH", "P1", "X", "F", "90"))...)
		c := l.as("north")
		m, at := c.export("")
		if !m.RequiresAccessToken || m.TransactionTime == "" || m.Request != testBase+"/$export" || m.Error == nil {
			t.Errorf("manifest: %+v", m)
		}
		l.deliver(l.message("NORTH", "P1", "3", "C", "77"), l.message("NORTH", "P1", "LATE", "F", "90"))
		seen, byType := map[string]bool{}, map[string]int{}
		before := l.looks(results.KindExported)
		corrected := false
		for _, f := range m.Output {
			for _, line := range c.ndjson(f.URL) {
				var r struct{ ResourceType, ID, Status string }
				if err := json.Unmarshal([]byte(line), &r); err != nil || r.ResourceType != f.Type || seen[r.ID] {
					t.Fatalf("%v %s", err, line)
				}
				seen[r.ID] = true
				byType[f.Type]++
				corrected = corrected || r.Status == "corrected"
			}
		}
		if byType["DiagnosticReport"] != 12 || byType["Observation"] != 24 || byType["Patient"] != 5 {
			t.Errorf("exported: %v", byType)
		}
		if !corrected {
			t.Error("a correction that came meanwhile is not shown")
		}
		if n := l.looks(results.KindExported) - before; n < 12 {
			t.Errorf("%d exports recorded", n)
		}
		m, _ = c.export("?_type=Observation&_since=2026-03-04T00:00:00Z&_outputFormat=ndjson")
		if len(m.Output) != 1 || m.Output[0].Type != "Observation" || m.Output[0].Count != 26 {
			t.Errorf("of one type: %+v", m)
		}
		if m, _ := c.export("?_since=2027-01-01T00:00:00Z"); len(m.Output) != 0 {
			t.Errorf("of next year: %+v", m)
		}
		for _, q := range []string{"?_type=Condition", "?_since=x", "?_outputFormat=csv", "?_typeFilter=x", "?_type=Patient&_type=Observation"} {
			if w := c.get("/fhir/$export"+q, "Prefer", "respond-async"); w.Code != http.StatusBadRequest {
				t.Errorf("%s: %d", q, w.Code)
			}
		}
		if w := c.get("/fhir/$export"); w.Code != http.StatusBadRequest {
			t.Errorf("without Prefer: %d", w.Code)
		}
		narrow := l.as("north", "system/Patient.rs")
		if w := narrow.get("/fhir/$export?_type=Observation", "Prefer", "respond-async"); w.Code != http.StatusForbidden {
			t.Errorf("over the scope: %d", w.Code)
		}
		if m, _ := narrow.export(""); len(m.Output) != 1 || m.Output[0].Type != "Patient" {
			t.Errorf("within the scope: %+v", m)
		}
		file := strings.TrimPrefix(m.Output[0].URL, "https://lab.example")
		if w := (&caller{l, strings.Repeat("A", 43)}).get(file); w.Code != http.StatusUnauthorized {
			t.Errorf("a file without a token: %d", w.Code)
		}
		if w := c.do(http.MethodDelete, at, ""); w.Code != http.StatusAccepted {
			t.Errorf("delete: %d", w.Code)
		}
		if w := c.get(at); w.Code != http.StatusNotFound {
			t.Errorf("after delete: %d", w.Code)
		}
		var code int
		for range exportsOpen + 1 {
			code = c.get("/fhir/$export", "Prefer", "respond-async").Code
		}
		if code != http.StatusTooManyRequests {
			t.Errorf("one too many: %d", code)
		}
		l.fhir.work.Wait()
		l.clock.add(25 * time.Hour)
		if w := l.as("north").get(file); w.Code != http.StatusNotFound {
			t.Errorf("after its end: %d", w.Code)
		}
		if err := l.fhir.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		var n int64
		if err := l.db.QueryRow(t.Context(), "SELECT count(*) FROM results_fhir_exports").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d exports left, %v", n, err)
		}
	})
}

// TestGroupExport: the group is the partner's patients, with all that is about them;
// there is no other group.
func TestGroupExport(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		l.deliver(l.message("NORTH", "P1", "1", "F", "90"), l.message("NORTH", "P2", "2", "F", "90"), l.message("SOUTH", "P1", "3", "F", "5555"))
		c := l.as("north")
		if b := c.bundle("/fhir/Group"); len(b.Entry) != 1 {
			t.Errorf("groups: %+v", b)
		}
		if w := c.get("/fhir/Group/patients"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"actual":true`) || strings.Contains(w.Body.String(), "member") {
			t.Errorf("read: %d %s", w.Code, w.Body)
		}
		m, _ := c.exportOf("/fhir/Group/patients/$export", "")
		if m.Request != testBase+"/Group/patients/$export" {
			t.Errorf("%+v", m)
		}
		byType, before := map[string]int{}, l.looks(results.KindExported)
		for _, f := range m.Output {
			for _, line := range c.ndjson(f.URL) {
				byType[f.Type]++
				if strings.Contains(line, "5555") {
					t.Errorf("another's: %s", line)
				}
				if k, _ := kindOf(f.Type); k.clinical() && !strings.Contains(line, `"subject":{"reference":"Patient/`) {
					t.Errorf("about nobody: %s", line)
				}
			}
		}
		if byType["DiagnosticReport"] != 2 || byType["Patient"] != 2 || byType["Practitioner"] == 0 {
			t.Errorf("exported %v", byType)
		}
		if n := l.looks(results.KindExported) - before; n < 2 {
			t.Errorf("%d exports recorded", n)
		}
		if m, _ := c.exportOf("/fhir/Group/patients/$export", "?_type=Observation"); len(m.Output) != 1 || m.Output[0].Count != 4 {
			t.Errorf("%+v", m)
		}
		for path, code := range map[string]int{"/fhir/Group/others/$export": 404, "/fhir/Group/others": 404, "/fhir/Group?name=x": 400, "/fhir/Group/patients/_history": 404} {
			if w := c.get(path, "Prefer", "respond-async"); w.Code != code {
				t.Errorf("%s: %d", path, w.Code)
			}
		}
		if w := l.as("north", "system/Patient.rs").get("/fhir/Group/patients"); w.Code != http.StatusForbidden {
			t.Errorf("over the scope: %d", w.Code)
		}
	})
}

// TestWhatWaitsToBeFetched: what nobody fetched counts from when it was placed; a
// fetch ends it, and a report that a newer one replaced is not waited for.
func TestWhatWaitsToBeFetched(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		waits := func() int64 {
			n, oldest, err := l.fhir.NotPickedUp(t.Context(), "north", l.clock.now().Add(-time.Hour))
			if err != nil || (n == 0) != oldest.IsZero() {
				t.Fatal(n, oldest, err)
			}
			return n
		}
		l.deliver(l.message("NORTH", "P1", "1", "F", "90"), l.message("NORTH", "P2", "2", "F", "90"), l.message("SOUTH", "P1", "3", "F", "90"))
		if n := waits(); n != 0 {
			t.Errorf("%d at once", n)
		}
		l.clock.add(2 * time.Hour)
		if n := waits(); n != 2 {
			t.Errorf("%d after two hours", n)
		}
		l.deliver(l.message("NORTH", "P1", "1", "C", "91")) // the first one is never fetched any more
		if n := waits(); n != 1 {
			t.Errorf("%d beside a correction", n)
		}
		l.clock.add(2 * time.Hour)
		if n := waits(); n != 2 {
			t.Errorf("%d two hours after the correction", n)
		}
		l.as("north").bundle("/fhir/DiagnosticReport")
		if n := waits(); n != 0 {
			t.Errorf("%d after a fetch", n)
		}
	})
}
