package resultsfhir

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/soak"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// filler makes n results that no search here opens, in the database itself: a
// report, an observation and an order each, 20 results a patient, index entries of
// the same number and size, bodies of chance bytes of the usual length.
func (l *lab) filler(first, n int) (last int) {
	l.t.Helper()
	const each = 2000
	series := "WITH RECURSIVE g(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM g WHERE i < $2) "
	id, patient, body, number := "randomblob(16)", "CAST(printf('%016d', (i / 3 * 7919) % $3) AS BLOB)", "randomblob(900)", "abs(random() / 2)"
	if l.db.Engine() != store.SQLite {
		series = "WITH g(i) AS (SELECT generate_series($1::bigint, $2::bigint)) "
		id, patient = "decode(md5(i::text || 'rid'), 'hex')", "convert_to(lpad(((i / 3 * 7919) % $3)::text, 16, '0'), 'UTF8')"
		body, number = "decode(repeat(md5(i::text), 56), 'hex')", "(random() * 9e18)::bigint"
	}
	for at := first; at < first+3*n; at += 3 * each {
		end := min(at+3*each, first+3*n) - 1
		err := l.db.Do(l.t.Context(), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, series+"INSERT INTO results_fhir_rows ("+rowCols+") SELECT i, "+id+", 1, 'north', 2 + i % 3, "+patient+", $4 + i, "+
				strconv.FormatInt(standing, 10)+", i / 3, "+body+" FROM g", int64(at), int64(end), int64(max(n/10, 1)), l.clock.now().UnixMicro()-1e8)
			return err
		})
		for range 3 { // identity, number of the filler and our own; of two of three the code too
			if err == nil {
				err = l.db.Do(l.t.Context(), func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.Exec(ctx, series+"INSERT INTO results_fhir_tokens (token, seq) SELECT "+number+", i FROM g", int64(at), int64(end))
					return err
				})
			}
		}
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return first + 3*n
}

// fill puts n results of n/20 patients there as placing them does, all sealed and
// found: a report, an observation and an order each.
func (l *lab) fill(from, n int) (patients []event.ID) {
	l.t.Helper()
	patients = make([]event.ID, max(n/20, 1))
	for i := range patients {
		patients[i] = event.NewID()
	}
	var pending []any
	var tokens []any
	flush := func() {
		if len(pending) == 0 {
			return
		}
		l.insert("results_fhir_rows ("+rowCols+")", 10, pending)
		l.insert("results_fhir_tokens (token, seq)", 2, tokens)
		pending, tokens = pending[:0], tokens[:0]
	}
	seq := int64(from) - 1
	put := func(k kind, patient event.ID, body string) {
		seq++
		r := &row{
			seq: seq, rid: event.NewID(), version: 1, partner: "north", kind: k, patient: patient, at: l.clock.now().UnixMicro() - 1e8 + seq, until: standing,
			message: seq / 3, identity: "urn:uuid:" + event.NewID().String(), messageID: event.NewID(), delivery: seq / 3 * 256, resource: []byte(body),
		}
		if k == kindPatient {
			r.rid = patient
		}
		l.fhir.mark(r, membersOf(r.resource))
		sealed, err := l.vault.Seal(sealedWith, rowWhere(seq), nil, append(r.head(), r.resource...))
		if err != nil {
			l.t.Fatal(err)
		}
		pending = append(pending, r.seq, r.rid[:], r.version, r.partner, int64(k), r.patient[:], r.at, r.until, r.message, sealed)
		for _, t := range r.tokens {
			tokens = append(tokens, t, seq)
		}
		if len(pending) >= 3000 {
			flush()
		}
	}
	for i, p := range patients {
		put(kindPatient, p, fmt.Sprintf(`{"resourceType":"Patient","identifier":[{"system":"urn:lab","value":"MRN%d"}],"name":[{"family":"DOE%d","given":["JANE"]}],"birthDate":"1970-01-02"}`, i, i))
	}
	codes := []string{"2345-7", "2951-2", "718-7", "4544-3", "777-3"}
	for i := range n {
		p := patients[rand.IntN(len(patients))]
		c := codes[i%len(codes)]
		concept := `"code":{"coding":[{"system":"http://loinc.org","code":"` + c + `","display":"A test with a name"}]},"subject":{"reference":"Patient/` + p.String() + `"}`
		id := fmt.Sprintf(`"identifier":[{"system":"urn:lab:filler","value":"FI%d"},{"use":"secondary","system":"urn:labwarden:local:x","value":"%s"}]`, i, event.NewID())
		put(kindReport, p, `{"resourceType":"DiagnosticReport",`+id+`,"status":"final",`+concept+`,"effectiveDateTime":"2026-03-04T07:00:00Z","issued":"2026-03-04T07:59:00Z","performer":[{"reference":"Organization/`+p.String()+`"}]}`)
		put(kindObservation, p, `{"resourceType":"Observation",`+id+`,"status":"final",`+concept+`,"effectiveDateTime":"2026-03-04T07:00:00Z","valueQuantity":{"value":90,"unit":"mg/dL"},"referenceRange":[{"text":"70-99"}],"interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"N"}]}]}`)
		put(kindRequest, p, `{"resourceType":"ServiceRequest",`+id+`,"status":"completed","intent":"order",`+concept+`}`)
	}
	flush()
	return patients
}

// insert writes many rows with one statement each few hundred.
func (l *lab) insert(into string, columns int, values []any) {
	l.t.Helper()
	for part := range slices.Chunk(values, 300*columns) {
		marks := make([]string, 0, len(part)/columns)
		for i := 0; i < len(part); i += columns {
			one := make([]string, columns)
			for k := range one {
				one[k] = "$" + strconv.Itoa(i+k+1)
			}
			marks = append(marks, "("+strings.Join(one, ",")+")")
		}
		err := l.db.Do(l.t.Context(), func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO "+into+" VALUES "+strings.Join(marks, ","), part...)
			return err
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}
}

// A search by patient answers, with a bound that no slow machine breaks.
func TestSearchByPatientAtScale(t *testing.T) { searches(t, 3000, 500*time.Millisecond) }

// TestBarSearchByPatient: over a million results it answers in 30 ms for 95 of
// 100; LABWARDEN_FHIR_RESULTS says another number.
func TestBarSearchByPatient(t *testing.T) {
	if os.Getenv("LABWARDEN_BARS") != "whole" {
		t.Skip("SKIPPED A BAR: a million results take long; `make soak` runs it, every test a small one (TestSearchByPatientAtScale)")
	}
	n := 1_000_000
	if s := os.Getenv("LABWARDEN_FHIR_RESULTS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	searches(t, n, 30*time.Millisecond)
}

func searches(t *testing.T, n int, bar time.Duration) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		began := time.Now()
		// In the middle of all others are those that are searched for.
		real := min(n, 10000)
		from := l.filler(1, (n-real)/2)
		patients := l.fill(from, real)
		l.filler(from+4*real, n-real-(n-real)/2)
		if l.db.Engine() != store.SQLite {
			for _, table := range []string{"results_fhir_rows", "results_fhir_tokens"} {
				l.exec("ANALYZE " + table)
			}
		}
		t.Logf("%d results filled in %s", n, time.Since(began).Round(time.Second))
		c := l.as("north")
		var said []string
		for _, x := range []struct {
			name string
			path func(i int) string
			some bool
		}{
			{"reports of a patient", func(i int) string { return "/fhir/DiagnosticReport?patient=" + patients[i].String() }, true},
			{"reports by the patient's identifier", func(i int) string {
				return fmt.Sprintf("/fhir/DiagnosticReport?patient.identifier=urn:lab%%7CMRN%d", i)
			}, true},
			{"observations of a patient and code", func(i int) string { return "/fhir/Observation?code=2345-7&patient=" + patients[i].String() }, false},
			{"reports of a patient since yesterday, with patient", func(i int) string {
				return "/fhir/DiagnosticReport?_lastUpdated=ge2026-03-03&_include=DiagnosticReport:patient&patient=" + patients[i].String()
			}, true},
			{"a report by its order", func(i int) string { return fmt.Sprintf("/fhir/DiagnosticReport?identifier=FI%d", i*20) }, true},
		} {
			const runs = 1000
			took := make([]time.Duration, 0, runs)
			cpu := used(t)
			for range min(runs, n) {
				path := x.path(rand.IntN(len(patients)))
				at := time.Now()
				w := c.get(path)
				took = append(took, time.Since(at))
				if w.Code != 200 || x.some && !strings.Contains(w.Body.String(), `"mode":"match"`) {
					t.Fatalf("%s: %d %.200s", path, w.Code, w.Body)
				}
			}
			slices.Sort(took)
			at := func(p int) time.Duration { return took[len(took)*p/100].Round(10 * time.Microsecond) }
			each := ((used(t) - cpu) / time.Duration(len(took))).Round(10 * time.Microsecond)
			said = append(said, fmt.Sprintf("%s: p50 %s, p95 %s (goal %s at most): %s; p99 %s; %s of CPU each, database apart", x.name, at(50), at(95), bar, soak.Met(float64(at(95)), float64(bar)), at(99), each))
			t.Log(said[len(said)-1])
			if at(95) > bar {
				t.Errorf("%s: p95 %s is over %s", x.name, at(95), bar)
			}
		}
		if os.Getenv("LABWARDEN_BARS") == "whole" && n >= 1_000_000 {
			soak.Page{File: "fhir.md", Title: "FHIR search", By: "internal/domain/results/resultsfhir"}.Write(t, fmt.Sprintf("%d results, %s", n, l.db.Engine()), said...)
		}
	})
}

// used is the CPU time of this process: on a machine that others use too it says
// more than the clock.
func used(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
