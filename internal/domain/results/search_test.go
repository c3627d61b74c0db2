package results

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// found searches and returns the control ids of the hits, newest first.
func (l *lab) found(q Query) []string {
	l.t.Helper()
	var out []string
	for p := (Page{}); ; {
		h, err := l.Search(context.Background(), q, p)
		must(l.t, err)
		for _, m := range h.Messages {
			_, body, err := l.Message(context.Background(), m.ID)
			must(l.t, err)
			out = append(out, string(newLook(body, mustHeader(l.t, body), hl7.Charset{}).Header().ControlID))
		}
		if h.Next == 0 {
			return out
		}
		p.Before = h.Next
	}
}

func (l *lab) indexNow() {
	l.t.Helper()
	_, err := l.IndexNow(context.Background())
	must(l.t, err)
}

// indexIsWhole compares the index with what the messages say, entry by entry.
func (l *lab) indexIsWhole() {
	l.t.Helper()
	ctx := context.Background()
	runs, err := readRuns(ctx, l.db)
	must(l.t, err)
	var have, want []searchEntry
	messages, last := int64(0), int64(-1)
	for _, r := range runs {
		if r.first <= last || r.last < r.first {
			l.t.Fatalf("runs overlap: %+v", runs)
		}
		last = r.last
		messages += r.messages
		es, err := readRun(ctx, l.db, r.first)
		must(l.t, err)
		have = append(have, es...)
	}
	if n := l.count("SELECT count(*) FROM results_messages"); n != messages {
		l.t.Fatalf("%d messages, %d in the index", n, messages)
	}
	if n := l.count("SELECT count(*) FROM results_search WHERE run NOT IN (SELECT first FROM results_search_runs)"); n != 0 {
		l.t.Fatalf("%d blocks without a run", n)
	}
	list, err := l.List(ctx, Page{Limit: 500})
	must(l.t, err)
	for len(list) > 0 {
		for _, m := range list {
			_, body, err := l.Message(ctx, m.ID)
			if err != nil && m.Erased {
				continue
			}
			must(l.t, err)
			for _, k := range l.keysOfBody(body, nil) {
				want = append(want, searchEntry{k, m.Leaf})
			}
		}
		before := list[len(list)-1].Leaf
		if before == 0 {
			break
		}
		list, err = l.List(ctx, Page{Limit: 500, Before: before})
		must(l.t, err)
	}
	sortEntries(have)
	sortEntries(want)
	want = slices.Compact(want)
	if !slices.Equal(have, want) {
		l.t.Fatalf("index has %d entries, the messages say %d", len(have), len(want))
	}
}

func TestSearchFindsByEachKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.taken(oru("C1", "4711", "100"))
		l.clock.add(48 * time.Hour)
		l.taken(oru("C2", "4711", "101"))
		l.taken(oru("C3", "4712", "102"))
		l.taken([]byte(string(oru("C4", "4711", "103")) + "SPM|1|S77^^~S78||SER\r"))
		l.taken([]byte("MSH|^~\\&|G|H|N|C|20260304||ORU^R01|C5|P|2.5.1\rPID|1||4711^^^ELSEWHERE^MR||MARCHBANKS ^Other||1961-04-12|M\rOBR|1||F105\r"))
		l.indexNow()
		stop := Held
		must(t, l.Hold(t.Context(), mustSeq(t, l, "C2"), why))
		for name, c := range map[string]struct {
			q    Query
			want []string
		}{
			"order":              {Query{Order: "P100"}, []string{"C1"}},
			"filler":             {Query{Order: " F101 "}, []string{"C2"}},
			"specimen":           {Query{Order: "S77"}, []string{"C4"}},
			"patient":            {Query{PatientID: "4711"}, []string{"C5", "C4", "C2", "C1"}},
			"patient, authority": {Query{PatientID: "4711", Authority: "hollowFEN"}, []string{"C4", "C2", "C1"}},
			"name and birth":     {Query{LastName: "marchbanks", BirthDate: "1961-04-12"}, []string{"C5", "C4", "C3", "C2", "C1"}},
			"other birth":        {Query{LastName: "Marchbanks", BirthDate: "19610413"}, nil},
			"both":               {Query{PatientID: "4711", Order: "P102"}, nil},
			"from":               {Query{PatientID: "4711", From: l.clock.now().Add(-time.Hour)}, []string{"C5", "C4", "C2"}},
			"to":                 {Query{PatientID: "4711", To: l.clock.now().Add(-time.Hour)}, []string{"C1"}},
			"time alone":         {Query{To: l.clock.now().Add(-time.Hour)}, []string{"C1"}},
			"held":               {Query{State: &stop}, []string{"C2"}},
			"held at south":      {Query{State: &stop, Partner: "south"}, nil},
			"partner":            {Query{Partner: "south", From: l.clock.now().Add(-time.Minute)}, []string{"C5", "C4", "C3", "C2"}},
			"nobody":             {Query{Partner: "nobody"}, nil},
			"unknown order":      {Query{Order: "P1"}, nil},
		} {
			if got := l.found(c.q); !slices.Equal(got, c.want) {
				t.Errorf("%s: found %v, want %v", name, got, c.want)
			}
		}
		for _, q := range []Query{{LastName: "x"}, {BirthDate: "19610412"}, {LastName: " ", BirthDate: "19610412"}, {LastName: "x", BirthDate: "1961"}, {Authority: "x"}} {
			_, err := l.Search(t.Context(), q, Page{})
			wantErr(t, err, ErrInvalid)
		}
		l.indexIsWhole()
	})
}

func mustSeq(t testing.TB, l *lab, control string) int64 {
	t.Helper()
	h, err := l.Search(t.Context(), Query{PatientID: "4711"}, Page{})
	must(t, err)
	for _, m := range h.Messages {
		_, body, err := l.Message(t.Context(), m.ID)
		must(t, err)
		if string(mustHeader(t, body).ControlID) == control {
			return to(t, m, "north").Seq
		}
	}
	t.Fatalf("no message %s", control)
	return 0
}

// load takes n messages in at once, starting at number from.
func (l *lab) load(from, n int) {
	l.t.Helper()
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for i := w; i < n; i += 64 {
				v := l.take(context.Background(), "lis", peer, loadMessage(from+i))
				if v.outcome != Taken {
					l.t.Errorf("message %d: %q", from+i, v.ack)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestIndexSurvivesAStopBetweenAnyTwoWrites(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		const n = 3000
		l.load(0, n)
		r := rand.New(rand.NewPCG(1, 2))
		// Each round ends the process somewhere between two transactions: after
		// a batch, before its merge, between merges.
		for round := 0; ; round++ {
			ctx, cancel := context.WithCancel(t.Context())
			left := r.IntN(3)
			l.db.SetHook(stopAfter{Hook: l.log, left: &left, stop: cancel})
			_, err := l.IndexNow(ctx)
			cancel()
			l.restart()
			if err == nil {
				break
			}
			if round > 200 {
				t.Fatal("it never ends")
			}
		}
		l.indexIsWhole()
		runs, err := readRuns(t.Context(), l.db)
		must(t, err)
		if len(runs) > 2*mergeRuns {
			t.Fatalf("%d runs for %d messages", len(runs), n)
		}
		must(t, l.Rebuild(t.Context()))
		l.indexIsWhole()
		if got := l.found(Query{Order: "P2321"}); !slices.Equal(got, []string{"L2321"}) {
			t.Fatalf("after the rebuild %v", got)
		}
	})
}

// stopAfter cancels a context after some transactions.
type stopAfter struct {
	store.Hook
	left *int
	stop func()
}

func (h stopAfter) Done(ok bool) {
	h.Hook.Done(ok)
	if *h.left--; *h.left < 0 {
		h.stop()
	}
}

func TestSmallBatchesMergeAndTwoIndexersDoNotDouble(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		// Another node: it hears nothing of what this one writes.
		log, err := bus.New("other")
		must(t, err)
		log.Attach(l.db)
		l.log.Attach(l.db)
		other, err := New(t.Context(), l.db, log, l.vault, l.now, l.slog)
		must(t, err)
		r := rand.New(rand.NewPCG(3, 4))
		n := 0
		for range 60 {
			some := 1 + r.IntN(20)
			if r.IntN(20) == 0 {
				some = 700
			}
			l.load(n, some)
			n += some
			var wg sync.WaitGroup
			for _, s := range []*Service{l.Service, other} {
				wg.Go(func() {
					if _, err := s.IndexNow(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		l.indexIsWhole()
		runs, err := readRuns(t.Context(), l.db)
		must(t, err)
		if len(runs) > 5*mergeRuns {
			t.Fatalf("%d runs", len(runs))
		}
	})
}

func TestRunIndexFindsWithinHalfASecond(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.RunIndex(ctx) }()
		for i := range 5 {
			pass(3 * time.Second)
			l.taken(oru(countOf("C%d", i), "4711", "100"))
			pass(500 * time.Millisecond)
			if got := l.found(Query{PatientID: "4711"}); len(got) != i+1 {
				t.Errorf("half a second later %d of %d found", len(got), i+1)
			}
		}
		cancel()
		must(t, <-done)
	})
}

func TestSearchAcrossAnIndexKeyRotation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.taken(oru("C1", "4711", "100"))
		l.indexNow()
		must(t, l.vault.Rotate(t.Context(), vault.PurposeIndex, l.clock.now()))
		l.taken(oru("C2", "4711", "101"))
		l.indexNow()
		if got := l.found(Query{PatientID: "4711"}); !slices.Equal(got, []string{"C2", "C1"}) {
			t.Fatalf("during the rotation %v", got)
		}
		must(t, l.Rebuild(t.Context()))
		if got := l.found(Query{PatientID: "4711"}); !slices.Equal(got, []string{"C2", "C1"}) {
			t.Fatalf("after the rebuild %v", got)
		}
	})
}
