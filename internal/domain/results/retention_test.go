package results

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

const year = 365 * 24 * time.Hour

var policy = Retention{MaxAge: 3 * year, Reports: 2 * year, Immunohaematology: 5 * year, Pathology: 10 * year}

// kind is a message whose OBR-24 is the code.
func kindOfReport(control, patient, order, code string) []byte {
	return bytes.Replace(oru(control, patient, order), []byte("||CH|F"), []byte("||"+code+"|F"), 1)
}

// delivered marks every open delivery done, as couriers would.
func (l *lab) delivered() {
	l.exec("UPDATE results_deliveries SET state = 3, receipt = $1 WHERE state = 0", []byte{1})
}

func TestRetentionErasesOnlyWhatNothingProtects(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		old := l.taken(kindOfReport("OLD", "1", "1", "CH"))
		path := l.taken(kindOfReport("PATH", "2", "2", "SP"))
		blood := l.taken(kindOfReport("BLOOD", "3", "3", "BLB"))
		unsaid := l.taken(kindOfReport("UNSAID", "4", "4", ""))
		heldMessage := l.taken(kindOfReport("HELDM", "5", "5", "CH"))
		heldPatient := l.taken(kindOfReport("HELDP", "6", "6", "CH"))
		l.delivered()
		waits := l.taken(kindOfReport("WAITS", "7", "7", "CH"))
		hm, err := l.HoldMessage(t.Context(), heldMessage.ID, why)
		must(t, err)
		hp, err := l.HoldPatient(t.Context(), "6", "Hollowfen", why)
		must(t, err)
		l.clock.add(4 * year)
		fresh := l.taken(kindOfReport("FRESH", "1", "9", "CH"))
		size, err := l.log.Head(t.Context())
		must(t, err)
		root := size.Root()
		proof, err := l.log.InclusionProof(t.Context(), old.Leaf, size.Size)
		must(t, err)
		leaf, err := l.log.Event(t.Context(), old.Leaf)
		must(t, err)

		r, err := l.Retain(t.Context(), policy)
		must(t, err)
		if r.Erased != 1 || r.LegalMinimum != 3 || r.OnHold != 2 || r.Undelivered != 1 || r.OverBytes != 0 {
			t.Fatalf("%+v", r)
		}
		_, _, err = l.Message(t.Context(), old.ID)
		wantErr(t, err, ErrErased)
		for _, m := range []Summary{path, blood, unsaid, heldMessage, heldPatient, waits, fresh} {
			if _, _, err := l.Message(t.Context(), m.ID); err != nil {
				t.Fatal(err)
			}
		}
		if got := l.found(Query{Order: "P1"}); len(got) != 0 {
			t.Fatalf("an erased message is found: %v", got)
		}
		if got := l.found(Query{PatientID: "1"}); !slices.Equal(got, []string{"FRESH"}) {
			t.Fatalf("found %v", got)
		}
		l.indexIsWhole()
		if n := l.count("SELECT count(*) FROM results_deliveries WHERE message = $1 AND receipt IS NOT NULL", old.Leaf); n != 0 {
			t.Fatal("a receipt stayed")
		}
		if ev := l.events(KindErased); len(ev) != 1 || ev[0].IDs.Get("message") != old.ID.String() || ev[0].Codes.Get("policy") != "age" {
			t.Fatalf("%+v", ev)
		}
		// The ledger stays whole, and a proof made before still holds.
		l.audited()
		if err := tlog.CheckRecord(proof, size.Size, root, old.Leaf, tlog.RecordHash(leaf)); err != nil {
			t.Fatal(err)
		}
		head, err := l.log.Head(t.Context())
		must(t, err)
		grown, err := l.log.ConsistencyProof(t.Context(), size.Size, head.Size)
		must(t, err)
		must(t, tlog.CheckTree(grown, head.Size, head.Root(), size.Size, root))

		must(t, l.LiftHold(t.Context(), hm, why))
		must(t, l.LiftHold(t.Context(), hp, why))
		must(t, l.LiftHold(t.Context(), hp, why))
		l.delivered()
		l.clock.add(2 * year)
		if r, err = l.Retain(t.Context(), policy); err != nil || r.Erased != 4 || r.LegalMinimum != 2 || r.OnHold+r.Undelivered != 0 {
			t.Fatalf("%+v, %v", r, err) // the two held, the one that waited, blood after five years
		}
		if n := len(l.events(KindHoldPlaced)) + len(l.events(KindHoldLifted)); n != 4 {
			t.Fatalf("%d events of holds", n)
		}
		if strings.Contains(l.said.String(), "Marchbanks") {
			t.Fatal("patient data in the log")
		}
	})
}

func TestSizePolicyErasesTheOldestAndAlarmsForTheRest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		for i := range 700 {
			l.taken(kindOfReport(countOf("C%d", i), countOf("%d", i), countOf("%d", i), "CH"))
		}
		l.delivered()
		l.clock.add(2*year + time.Hour)
		for i := range 100 {
			l.taken(kindOfReport(countOf("N%d", i), "1", countOf("n%d", i), "CH"))
		}
		l.delivered()
		total := l.count("SELECT CAST(sum(length(body)) AS BIGINT) FROM results_messages")
		p := policy
		p.MaxBytes = total / 2
		r, err := l.Retain(t.Context(), p)
		must(t, err)
		left := l.count("SELECT CAST(sum(length(body)) AS BIGINT) FROM results_messages")
		if left > p.MaxBytes || left < p.MaxBytes-2000 || r.OverBytes != 0 || r.Bytes != total-left {
			t.Fatalf("%d bytes of %d left, limit %d, %+v", left, total, p.MaxBytes, r)
		}
		if n := l.count("SELECT count(*) FROM results_messages WHERE body IS NULL AND leaf > (SELECT min(leaf) FROM results_messages WHERE body IS NOT NULL)"); n != 0 {
			t.Fatalf("%d younger ones went before older ones", n)
		}
		p.MaxBytes = 1
		if r, err = l.Retain(t.Context(), p); err != nil || r.LegalMinimum != 100 || r.OverBytes == 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		if n := l.count("SELECT count(*) FROM results_messages WHERE body IS NOT NULL"); n != 100 {
			t.Fatalf("%d bodies left, want the 100 the law keeps", n)
		}
		if l.db.Engine() == store.SQLite {
			if n := l.count("PRAGMA freelist_count"); n != 0 {
				t.Fatalf("%d pages were not given back", n)
			}
		}
		l.indexIsWhole()
		l.audited()
	})
}

// TestMinimumOfSections: HL7 table 0074 against 42 CFR 493.1105(a)(6).
func TestMinimumOfSections(t *testing.T) {
	for code, years := range map[string]time.Duration{
		"CH": 2, "HM": 2, "MB": 2, "BLB": 5, "IMM": 5, "SR": 5, "SP": 10, "CP": 10, "CG": 10, "GE": 10,
		"CT": 10, "": 10, "XX": 10, "sp": 10, "LAB": 10, // no section, or none we know: the longest
	} {
		body := "MSH|^~\\&|A|B|C|D|1||ORU^R01|1|P|2.5.1\rPID|1||7\rOBR|1||F1|T" + strings.Repeat("|", 20) + code + "|F\r"
		if got := policy.minimum([]byte(body)); got != years*year {
			t.Errorf("%q is kept %v, want %d years", code, got, years)
		}
	}
	if got := policy.minimum([]byte("no message")); got != policy.longest() {
		t.Errorf("what cannot be read is kept %v", got)
	}
}
