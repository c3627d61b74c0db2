package record_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/bus/bustest"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func (r *rig) morning() (message, person string) {
	message, person = uuid(), uuid()
	r.happen(received(message))
	r.happen(
		ledger.Event{Kind: "signin.refused", IDs: ledger.Pairs{{K: "person", V: person}, {K: "from", V: "10.0.0.7"}}, Codes: ledger.Pairs{{K: "way", V: "password"}}},
		ledger.Event{Kind: "signin.refused", IDs: ledger.Pairs{{K: "from", V: "10.0.0.9"}}, Codes: ledger.Pairs{{K: "way", V: "password"}}},
		ledger.Event{Kind: "session.started", IDs: ledger.Pairs{{K: "by", V: "jdoe"}, {K: "person", V: person}, {K: "session", V: uuid()}}, Codes: ledger.Pairs{{K: "network", V: "10.0.0.7"}}},
	)
	r.happen(viewed(message, "jdoe"))
	r.happen(ledger.Event{Kind: "result.exported", IDs: ledger.Pairs{{K: "message", V: message}, {K: "by", V: "anna"}}})
	r.happen(ledger.Event{Kind: "result.held", IDs: ledger.Pairs{{K: "message", V: message}, {K: "by", V: "Jane-Doe"}, {K: "account", V: "jdoe"}, {K: "delivery", V: "7"}}})
	r.happen(ledger.Event{Kind: "person.invited", IDs: ledger.Pairs{{K: "by", V: "anna"}, {K: "person", V: uuid()}, {K: "account", V: "newone"}}})
	r.happen(ledger.Event{Kind: "access.refused", IDs: ledger.Pairs{{K: "by", V: "jdoe"}}})
	r.happen(ledger.Event{Kind: "result.delivered", IDs: ledger.Pairs{{K: "message", V: message}, {K: "partner", V: "riverside"}}})
	return message, person
}

func TestListByPersonKindTimeAndMessage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		message, person := r.morning()
		class := func(c record.Class) *record.Class { return &c }
		for name, c := range map[string]struct {
			q    record.Query
			want []string
		}{
			"all":              {record.Query{}, []string{"access.refused", "person.invited", "result.held", "result.exported", "result.viewed", "session.started", "signin.refused", "signin.refused"}},
			"views":            {record.Query{Class: class(record.View)}, []string{"result.viewed"}},
			"exports":          {record.Query{Class: class(record.Export)}, []string{"result.exported"}},
			"refusals":         {record.Query{Class: class(record.Refusal)}, []string{"access.refused", "signin.refused", "signin.refused"}},
			"sign-ins":         {record.Query{Class: class(record.SignIn)}, []string{"session.started"}},
			"changes":          {record.Query{Class: class(record.Change)}, []string{"person.invited", "result.held"}},
			"person":           {record.Query{Who: []string{"jdoe", record.ByPerson(person)}}, []string{"access.refused", "result.held", "result.viewed", "session.started", "signin.refused"}},
			"kind":             {record.Query{Kind: "result.held"}, []string{"result.held"}},
			"message":          {record.Query{Message: message}, []string{"result.held", "result.exported", "result.viewed"}},
			"time":             {record.Query{From: start.Add(3 * time.Second), To: start.Add(5 * time.Second)}, []string{"result.exported", "result.viewed"}},
			"person and class": {record.Query{Who: []string{"jdoe"}, Class: class(record.View)}, []string{"result.viewed"}},
			"nobody":           {record.Query{Who: []string{"nobody"}}, []string{}},
		} {
			got := r.kinds(c.q)
			got = slices.DeleteFunc(got, func(k string) bool { return strings.HasPrefix(k, "record.") })
			if !slices.Equal(got, c.want) {
				t.Errorf("%s\n got %q\nwant %q", name, got, c.want)
			}
		}
		if p := r.problems(); len(p) > 0 {
			t.Fatal(p)
		}
	})
}

// Who looks into the record stands in it, with what they asked; without that
// they see nothing.
func TestWhoLooksIsRecordedFirst(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.morning()
		view := record.View
		r.kinds(record.Query{Who: []string{"jdoe"}, Class: &view})
		r.follow()
		lines, _, err := r.r.List(t.Context(), record.By{Account: "audrey"}, record.Query{Who: []string{"sofia"}}, record.Cursor{}, 10)
		check(t, err)
		if len(lines) != 1 || lines[0].Kind != "record.read" || lines[0].Class != record.View || lines[0].Event.IDs.Get("of_1") != "jdoe" || lines[0].Event.Codes.Get("class") != "view" {
			t.Fatalf("%+v", lines)
		}
		if _, _, err := r.r.List(t.Context(), record.By{}, record.Query{}, record.Cursor{}, 10); err == nil {
			t.Fatal("nobody may look")
		}
		check(t, r.db.Close()) // nothing can be written any more
		lines, _, err = r.r.List(t.Context(), record.By{Account: "sofia"}, record.Query{}, record.Cursor{}, 10)
		if err == nil || len(lines) > 0 {
			t.Fatalf("shown without a record: %v %v", lines, err)
		}
		if _, err := r.r.Patient(t.Context(), record.By{Account: "sofia"}, record.Ask{ID: "PA1"}); err == nil {
			t.Fatal("a report without a record")
		}
	})
}

// An auditor gets their own trail: what they asked and took, and nobody else's.
func TestOwnTrail(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.morning()
		audrey := record.By{Account: "audrey"}
		r.follow()
		_, _, err := r.r.List(t.Context(), audrey, record.Query{Kind: "result.viewed"}, record.Cursor{}, 10)
		check(t, err)
		var out strings.Builder
		sink, err := record.NewSink(record.CSV, &out, record.Hub{})
		check(t, err)
		check(t, r.r.ExportTo(t.Context(), audrey, record.Query{Kind: "result.viewed"}, record.CSV, sink))
		if !strings.Contains(out.String(), "result.viewed") || strings.Contains(out.String(), "result.held") {
			t.Fatal(out.String())
		}
		r.follow()
		lines, _, err := r.r.Own(t.Context(), audrey, uuid(), record.Cursor{}, 10)
		check(t, err)
		var got []string
		for _, l := range lines {
			got = append(got, l.Kind+" "+l.Who)
		}
		if !slices.Equal(got, []string{"record.exported audrey", "record.read audrey"}) {
			t.Fatalf("%q", got)
		}
	})
}

// Pages meet without a gap and without a line twice, also where many things
// happened in the same microsecond.
func TestPagesMeet(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		for range 7 {
			var all []ledger.Event
			for range 90 {
				all = append(all, viewed(uuid(), "jdoe"), received(uuid()))
			}
			r.happen(all...)
		}
		r.follow()
		seen := map[int64]bool{}
		last := int64(1 << 62)
		for from := (record.Cursor{}); ; {
			back, err := record.ParseCursor(from.String())
			check(t, err)
			lines, next, err := r.r.List(t.Context(), record.By{Account: "sofia"}, record.Query{Who: []string{"jdoe"}}, back, 64)
			check(t, err)
			for _, l := range lines {
				if seen[l.Leaf] || l.Leaf > last {
					t.Fatalf("leaf %d again or out of order", l.Leaf)
				}
				seen[l.Leaf], last = true, l.Leaf
			}
			if next == (record.Cursor{}) {
				break
			}
			from = next
		}
		if len(seen) != 630 {
			t.Fatalf("%d of 630", len(seen))
		}
		for _, bad := range []string{"x", "1", "-1.2", "1.-2", "zz.zz.z", "1.2'"} {
			if _, err := record.ParseCursor(bad); err == nil {
				t.Errorf("%q is a page", bad)
			}
		}
	})
}

// The table can be lost: it is made anew from the ledger, the same.
func TestTableIsMadeAnew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.morning()
		want := r.kinds(record.Query{})
		r.exec("DELETE FROM record_events")
		check(t, r.r.Rebuild(t.Context()))
		if got := r.kinds(record.Query{}); !slices.Equal(got, want) {
			t.Fatalf("%q\n%q", got, want)
		}
		// Other rules: it begins again by itself.
		r.exec("UPDATE record_position SET rules = 0")
		if got := r.kinds(record.Query{}); !slices.Equal(got, want) {
			t.Fatalf("%q\n%q", got, want)
		}
	})
}

// Whoever changes the table behind the program's back is found, and no line says
// what the ledger does not.
func TestTableChangedBehindIsFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.morning()
		r.follow()
		rows := []string{}
		check(t, r.db.Query(t.Context(), "SELECT leaf FROM record_events ORDER BY leaf", nil, func(s store.Scanner) error {
			var leaf int64
			err := s.Scan(&leaf)
			rows = append(rows, fmt.Sprint(leaf))
			return err
		}))
		for _, q := range []string{
			"UPDATE record_events SET who = 'sofia' WHERE kind = 'result.viewed'", "UPDATE record_events SET at = at + 1 WHERE leaf = 1", "UPDATE record_events SET class = 1 WHERE class = 2",
			"UPDATE record_events SET kind = 'result.held' WHERE kind = 'result.viewed'", "UPDATE record_events SET message = 'x' WHERE kind = 'result.viewed'",
			"DELETE FROM record_events WHERE kind = 'result.viewed'", "UPDATE record_events SET leaf = 0 WHERE leaf = 1", "UPDATE record_events SET leaf = 70000 WHERE leaf = 1",
			"INSERT INTO record_events (leaf, at, kind, class, who, message) VALUES (0, 1, 'result.viewed', 2, 'jdoe', '')", "UPDATE record_events SET leaf = -5 WHERE leaf = 1",
			"UPDATE record_position SET next = next + 100", "UPDATE record_position SET next = next - 1", "DELETE FROM record_position",
		} {
			r.exec(q)
			if p := r.problems(); len(p) == 0 {
				t.Errorf("%s is not found", q)
			}
			lines, _, err := r.r.List(t.Context(), record.By{Account: "sofia"}, record.Query{}, record.Cursor{}, 100)
			check(t, err)
			if strings.Contains(q, "SET who") && !slices.ContainsFunc(lines, func(l record.Line) bool { return l.Damaged }) {
				t.Errorf("%s: no line shows as damaged", q)
			}
			r.exec("DELETE FROM record_events")
			r.exec("DELETE FROM record_position")
			r.exec("DELETE FROM row_tags")
			r.follow()
			if p := r.problems(); len(p) > 0 {
				t.Fatalf("after %s and a new table: %q", q, p)
			}
		}
		if len(rows) == 0 {
			t.Fatal("nothing was tried")
		}
	})
}

// The table by every column; the position, one row, is tried above.
func TestEveryColumnIsBound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.morning()
		r.follow()
		bustest.EveryColumn(t, r.db, "record", map[string]string{"record_position.*": "tried in TestTableChangedBehindIsFound"}, r.r.Audit)
	})
}

// Run follows what is written, and ends when asked.
func TestRunFollows(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.r.Run(ctx) }()
		r.morning()
		deadline := time.After(20 * time.Second)
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			read, all, err := r.r.Reach(t.Context())
			check(t, err)
			if read == all && all > 0 {
				break
			}
			select {
			case <-deadline:
				t.Fatal("it does not follow")
			case <-tick.C:
			}
		}
		stop()
		check(t, <-done)
	})
}

func TestClassify(t *testing.T) {
	for kind, want := range map[string]record.Class{
		"result.viewed": record.View, "quarantine.shown": record.View, "call.viewed": record.View, "route.comparison_viewed": record.View,
		"result.replay_revealed": record.View, "result.exported": record.Export, "result.refused": record.Change, "quarantine.refused": record.Change,
		"signin.accepted": record.SignIn, "signin.refused": record.Refusal, "session.ended": record.SignIn, "session.raised": record.SignIn,
		"signin.enrolled": record.Change, "grant.given": record.Change, "record.read": record.View, "record.exported": record.Export,
		"config.applied": record.Change, "access.refused": record.Refusal, "secret.set": record.Change, "review.signed": record.Change,
	} {
		if got := record.Classify(kind); got != want {
			t.Errorf("%s is %s, want %s", kind, got, want)
		}
	}
}
