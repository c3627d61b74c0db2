package app

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// worked is what people have done in a full hub.
type worked struct {
	t   *testing.T
	ctx context.Context
	h   *Hub
	set results.Settings
}

func (w *worked) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *worked) take(source, body string) {
	w.t.Helper()
	reply, err := w.h.Results.Intake(source).Handle(w.ctx, channel.Peer{Name: source, Proof: "certificate"}, []byte(body))
	w.must(err)
	if !strings.Contains(string(reply.Body), "MSA|AA") {
		w.t.Fatalf("not taken: %q", reply.Body)
	}
}

func (w *worked) ids(query string, args ...any) (out []event.ID) {
	w.t.Helper()
	w.must(w.h.DB.Query(w.ctx, query, args, func(s store.Scanner) error {
		var raw []byte
		if err := s.Scan(&raw); err != nil {
			return err
		}
		id, err := event.IDFromBytes(raw)
		out = append(out, id)
		return err
	}))
	return out
}

func (w *worked) number(query string, args ...any) (n int64) {
	w.t.Helper()
	w.must(w.h.DB.QueryRow(w.ctx, query, args...).Scan(&n))
	return n
}

var (
	anna = results.Named{By: results.By{Who: "anna", Reason: "a-test"}, Person: "Anna Example"}
	bert = results.Named{By: results.By{Who: "bert", Reason: "a-test"}, Person: "Bert Example"}
)

func critical(id string) string { return strings.Replace(result(id), "|70-99|N|", "|70-99|HH|", 1) }

// corrected replaces result(id) as a whole.
func corrected(id string) string {
	return strings.NewReplacer("|"+id+"|P|", "|"+id+"C|P|", "|N|||F", "|N|||C").Replace(result(id))
}

// calls has phone tasks with steps, and timers that run.
func (w *worked) calls() {
	w.take("lis", critical("CR1"))
	w.take("lis", critical("CR2"))
	run, stop := context.WithCancel(w.ctx)
	done := make(chan error, 1)
	go func() { done <- w.h.Results.RunClinical(run) }()
	eventually(w.t, "phone tasks", func() bool {
		return w.number("SELECT count(*) FROM results_calls") >= 2 && w.number("SELECT count(*) FROM results_call_timers") == 0
	})
	stop()
	w.must(<-done)
	all := w.ids("SELECT id FROM results_calls ORDER BY id")
	w.must(w.h.Results.TakeCall(w.ctx, all[0], anna))
	w.must(w.h.Results.LogCall(w.ctx, all[0], results.CallLog{Whom: "ward 3", Outcome: results.Reached, ReadBack: true, Note: "told"}, anna))
	w.must(w.h.Results.CloseCall(w.ctx, all[0], false, anna))
	w.must(w.h.Results.LogCall(w.ctx, all[1], results.CallLog{Whom: "ward 4", Outcome: results.NotReached, Next: w.h.now().Add(time.Hour)}, bert))
	w.take("lis", critical("CR3"))
	w.take("lis", critical("CR4"))
	for _, name := range []string{"a.age", "b.age"} {
		w.must(w.h.Results.UploadStopped(w.ctx, results.StoppedUpload{
			File: event.NewID(), Partner: "good", SHA256: [32]byte{name[0]}, Came: w.h.now(), Stopped: "held by the content gate: a test", Name: name,
		}))
	}
}

// stops stand over several deliveries each.
func (w *worked) stops() {
	for n, id := range w.ids("SELECT id FROM results_messages ORDER BY leaf LIMIT 2") {
		stop, err := w.h.Results.PlaceStop(w.ctx, results.Stop{
			Kind: results.ClinicalStop, Scope: results.ScopeMessage, Target: id.String(), Text: "in doubt " + strconv.Itoa(n),
		}, anna)
		w.must(err)
		if n == 0 {
			w.must(w.h.Results.ReviewStop(w.ctx, stop, bert))
			out, err := w.h.Results.LiftStop(w.ctx, stop, results.ClinicalStop, anna)
			w.must(err)
			if !out.Waits {
				w.t.Fatalf("%+v", out)
			}
		}
	}
	w.must(w.h.Results.ExtendStop(w.ctx, w.ids("SELECT id FROM results_stops ORDER BY id LIMIT 1")[0], anna, time.Hour))
}

// alone sends corrections without their originals.
func (w *worked) alone() {
	for _, id := range []string{"SA1", "SA2"} {
		w.take("lis", result(id))
		w.take("lis", corrected(id))
		seq := w.number("SELECT max(seq) FROM results_deliveries WHERE partner = 'away'")
		_, err := w.h.Results.SendAlone(w.ctx, seq, anna)
		w.must(err)
	}
}

// counts has lists of a partner.
func (w *worked) counts() {
	at := time.UnixMicro(w.number("SELECT min(changed_at) FROM results_deliveries WHERE partner = 'good' AND state = 3"))
	zone := time.FixedZone("so that no day ends here", -int(at.UTC().Sub(at.UTC().Truncate(24*time.Hour)).Seconds())+12*3600)
	for _, list := range []string{"A0\nA1\nX1\n", "A2\nX2\n"} {
		c, err := w.h.Results.AddCount(w.ctx, "good", at.In(zone).Format(time.DateOnly), zone, []byte(list), anna)
		w.must(err)
		if c.Matched == 0 {
			w.t.Fatalf("%+v", c)
		}
	}
}

// pickups has results that a partner fetched, and some that wait for it.
func (w *worked) pickups() {
	const first = "SELECT min(seq) FROM results_deliveries WHERE partner = 'good' AND state = 3 AND seq > $1"
	for seq, n := int64(-1), 0; n < 2; n++ {
		seq = w.number(first, seq)
		w.must(w.h.Results.PickedUp(w.ctx, seq, w.h.now(), results.PickupRead))
	}
}

// takes has files that stayed at a source.
func (w *worked) takes() {
	for _, name := range []string{"a.hl7", "b.hl7"} {
		w.must(w.h.Results.RememberTaken(w.ctx, "lis", results.TakenFile{Name: name, Size: 3, Modified: w.h.now(), Sum: [32]byte{1}}))
	}
}

// adopts compares two routes with their old paths, and has approvals.
func (w *worked) adopts() {
	set := w.set
	set.Sources = map[string]results.Source{"lis": {Name: "lis", Window: 24 * time.Hour}, "lab2": {Name: "lab2", Window: 24 * time.Hour}}
	for _, n := range []string{"1", "2"} {
		set.Routes = append(set.Routes, results.Route{Name: "r" + n, From: "lab2", To: []string{"good"}, Stage: results.Shadow, Config: "c" + n, OldPath: "old" + n})
	}
	w.h.Results.Apply(&set)
	r := w.h.Results
	copied := func(feed, body string) {
		_, err := r.Copies(feed).Handle(w.ctx, channel.Peer{}, []byte(body))
		w.must(err)
	}
	w.must(r.CompareNow(w.ctx))
	for i := range 3 {
		id := fmt.Sprint("Z", i)
		w.take("lab2", result(id))
		for _, feed := range []string{"old1", "old2"} {
			copied(feed, strings.NewReplacer("||90|", fmt.Sprintf("||9%d|", i+1), "70-99", "70-98").Replace(result(id)))
		}
	}
	w.must(r.CompareNow(w.ctx))
	for _, kind := range []string{"OBX-5", "OBX-7"} {
		_, err := r.Explain(w.ctx, "r1", results.Differs, kind, nil, anna.By)
		w.must(err)
	}
	w.take("lab2", result("ZW")) // still waits
	copied("old1", result("ZV"))
	copied("old2", result("ZU"))
	for _, n := range []string{"3", "4"} {
		_, err := r.Approve(w.ctx, results.Candidate{Route: "r" + n, Config: "c" + n}, "Dr Director", true, anna.By)
		w.must(err)
	}
	w.must(w.h.DB.Do(w.ctx, func(ctx context.Context, tx *store.Tx) error {
		return r.EndApprovals(ctx, tx, "r3", "", w.h.now())
	}))
	w.h.Results.Apply(&w.set)
}

// bypassed has read a bypass log in.
func (w *worked) bypassed() {
	in := w.h.Results.BypassIntake()
	at := w.h.now()
	for _, id := range []string{"BY1", "BY2"} {
		_, _, err := in.Take(w.ctx, results.Bypassed{
			ID: event.NewID(), Source: "lis", Peer: channel.Peer{Proof: "certificate"}, At: at, Body: []byte(result(id)),
			Revision: strings.Repeat("0a", 32), Window: 24 * time.Hour, Ways: []results.BypassedWay{{Partner: "away", Route: "all"}},
		})
		w.must(err)
	}
	_, err := in.Finish(w.ctx, results.BypassSession{ID: event.NewID(), By: "anna", Reason: "a-test", OpenedAt: at, ClosedAt: at, Closed: true})
	w.must(err)
}

// post takes what people are told.
type post struct{}

func (post) Send(context.Context, alarm.Message) (string, error) { return "250 taken", nil }

// alarmed has alarms of which people were told, one accepted.
func (w *worked) alarmed() {
	d := w.h.Alarms
	d.SetPlan(alarm.Plan{Lab: "Test", People: []alarm.Person{{Name: "Okafor", Ways: []alarm.Way{{Name: "mail", Sender: post{}}}}}})
	for _, about := range []string{"one", "two"} {
		d.Raise(w.ctx, alarm.Alarm{Key: alarm.Key{Kind: "a.test", About: about}, Severity: alarm.Urgent, Sentence: about + " is wrong", Advice: "mend " + about, Owner: "anna"})
	}
	d.Tick(w.ctx)
	d.Tick(w.ctx)
	if _, err := d.Accept(w.ctx, 1, "anna", "looking"); err != nil {
		w.t.Fatal(err)
	}
}

// extended has moved ends.
func (w *worked) extended() {
	for _, c := range []string{"partner p", "source lis"} {
		_, err := w.h.Extend(w.ctx, c, "anna", "renewal ordered")
		w.must(err)
	}
}

// placed says to which sites the sources belong.
func placed(ctx context.Context, h *Hub) error {
	err := h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		leaf, err := bus.Publish(ctx, tx, ledger.Event{Kind: KindConfigApplied, At: h.now().UnixMicro(), IDs: ledger.Pairs{{K: "by", V: "anna"}}, Numbers: []ledger.Number{{K: "number", N: 9}}})
		if err != nil {
			return err
		}
		return h.Results.PlaceSources(ctx, tx, leaf, map[string]string{"lis": "north", "lab2": "south"})
	})
	if err != nil {
		return err
	}
	return h.Results.LoadSites(ctx)
}
