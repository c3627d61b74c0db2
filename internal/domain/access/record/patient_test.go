package record_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestPatientReport: access and accounting of disclosures, 45 CFR 164.528.
func TestPatientReport(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		message, _ := r.morning()
		other := uuid()
		r.happen(viewed(other, "jdoe"))
		r.follow()
		sent := start.Add(8 * time.Second)
		r.a.of["PA17/LAB"] = []record.Message{{
			ID: message, Source: "lis", Received: start.Add(time.Second),
			Deliveries: []record.Delivery{{Number: 1, Partner: "riverside", State: "done", Accepted: sent}, {Number: 2, Partner: "northgate", State: "waiting"}},
		}}
		comp := record.By{Account: "carla"}
		rep, err := r.r.Patient(t.Context(), comp, record.Ask{ID: " PA17 ", Authority: "LAB"})
		check(t, err)
		if len(rep.Missing) > 0 || len(rep.Messages) != 1 || len(rep.Access) != 3 || len(rep.Disclosures) != 1 || rep.Disclosures[0].Partner != "riverside" {
			t.Fatalf("%+v", rep)
		}
		for _, l := range rep.Access {
			if l.Message != message {
				t.Errorf("of another patient: %+v", l)
			}
		}
		// The report is itself a look at this patient: the next one lists it. Neither
		// holds the identifier in the ledger.
		r.follow()
		rep, err = r.r.Patient(t.Context(), comp, record.Ask{ID: "PA17", Authority: "LAB"})
		check(t, err)
		if len(rep.Access) != 4 || rep.Access[0].Kind != record.KindReported || rep.Access[0].Who != "carla" {
			t.Fatalf("%+v", rep.Access)
		}
		head, err := r.log.Head(t.Context())
		check(t, err)
		check(t, r.log.Walk(t.Context(), 0, head.Size, func(_ int64, events [][]byte) error {
			for _, e := range events {
				if strings.Contains(string(e), "PA17") {
					t.Errorf("the identifier is in the ledger: %s", e)
				}
			}
			return nil
		}))
		// Nothing found is recorded too; an end that is not whole says so.
		if rep, err = r.r.Patient(t.Context(), comp, record.Ask{ID: "PA99"}); err != nil || len(rep.Messages) != 0 || len(rep.Missing) == 0 {
			t.Fatalf("%v %+v", err, rep)
		}
		r.a.some = true
		if rep, err = r.r.Patient(t.Context(), comp, record.Ask{ID: "PA17", Authority: "LAB", To: start.Add(4 * time.Second)}); err != nil || len(rep.Missing) != 2 || len(rep.Disclosures) != 0 || len(rep.Access) != 1 {
			t.Fatalf("%v %+v", err, rep)
		}
		if got := len(r.kinds(record.Query{Kind: record.KindReported})); got != 4 {
			t.Fatalf("%d reports recorded", got)
		}
		for _, ask := range []record.Ask{{}, {ID: "  "}, {ID: strings.Repeat("x", 300)}, {ID: "a", From: start, To: start}} {
			if _, err := r.r.Patient(t.Context(), comp, ask); !errors.Is(err, record.ErrInvalid) {
				t.Errorf("%+v: %v", ask, err)
			}
		}
	})
}

func TestPatientReportOfMany(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		for range 650 {
			r.a.of["PA1/"] = append(r.a.of["PA1/"], record.Message{ID: uuid(), Source: "lis", Received: start})
		}
		r.happen(viewed(r.a.of["PA1/"][649].ID, "jdoe"))
		r.follow()
		rep, err := r.r.Patient(t.Context(), record.By{Account: "carla"}, record.Ask{ID: "PA1"})
		check(t, err)
		if len(rep.Messages) != 650 || len(rep.Access) != 1 {
			t.Fatalf("%d %d", len(rep.Messages), len(rep.Access))
		}
		head, err := r.log.Head(t.Context())
		check(t, err)
		if head.Size != 651 {
			t.Fatalf("%d facts", head.Size)
		}
		for range 2000 {
			r.a.of["PA1/"] = append(r.a.of["PA1/"], record.Message{ID: uuid()})
		}
		if _, err := r.r.Patient(t.Context(), record.By{Account: "carla"}, record.Ask{ID: "PA1"}); !errors.Is(err, record.ErrInvalid) {
			t.Fatal(err)
		}
	})
}

func TestWords(t *testing.T) {
	for kind, want := range map[string]string{"result.viewed": "Viewed a result", "legal_hold.placed": "Placed a legal hold", "odd_thing.hap_pened": "Odd thing: hap pened", "result.newly_done": "Result: newly done"} {
		if got := record.Words(kind); got != want {
			t.Errorf("%s reads %q", kind, got)
		}
	}
	l := record.Line{Entry: record.Entry{Kind: "account.finding_closed", Class: record.Change}, Event: ledger.Event{IDs: ledger.Pairs{{K: "account_of", V: "1"}, {K: "by", V: "x"}, {K: "finding", V: "2"}}}}
	if l.Object() == "" {
		t.Error("it names nothing")
	}
}
