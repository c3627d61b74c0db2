package results

import (
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func TestATestMessageIsPlainlyATest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		l.until("couriers run", func() bool { return l.flow("north").Here })
		dana := Named{By{Who: "dana", Reason: "line-changed"}, "Dana Reyes"}
		x, err := l.SendTest(t.Context(), "north", dana)
		must(t, err)
		if x.Refused != nil || x.Receipt.Code != "AA" || x.Receipt.Level != channel.Accepted || !strings.HasPrefix(x.ControlID, "LWTEST") {
			t.Errorf("%+v", x)
		}
		body := l.boxes["north"].bodies[0]
		m, err := hl7.Parse(body)
		must(t, err)
		test := false
		for _, s := range m.Signs() {
			test = test || s.Kind == hl7.NotProduction
		}
		if h := mustHeader(t, body); string(h.ProcessingID) != "T" || !test {
			t.Errorf("%q does not say that it is a test", body)
		}
		if ev := l.events(KindTested); len(ev) != 1 || ev[0].IDs.Get("by") != "Dana-Reyes" || ev[0].Codes.Get("outcome") != "accepted" {
			t.Errorf("%+v", ev)
		}
		l.boxes["north"].set(fails(channel.Rejected, "AR"))
		x, err = l.SendTest(t.Context(), "north", dana)
		must(t, err)
		if x.Refused == nil || x.Refused.Code != "AR" {
			t.Errorf("%+v", x)
		}
		if n := l.count("SELECT count(*) FROM results_messages"); n != 0 {
			t.Errorf("%d results are stored", n)
		}
		_, err = l.SendTest(t.Context(), "nobody", dana)
		wantErr(t, err, ErrNotFound)
		_, err = l.PlaceStop(t.Context(), Stop{Kind: TransportStop, Scope: ScopePartner, Target: "north", Text: "line in doubt"}, dana)
		must(t, err)
		_, err = l.SendTest(t.Context(), "north", dana)
		wantErr(t, err, ErrConflict)
	})
}

func TestLately(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.boxes["south"].set(fails(channel.Unreachable, ""))
		l.run()
		m := l.taken(oru("C1", "P1", "1"))
		l.until("north has it", func() bool { return l.flow("north").Last >= 0 })
		open1, err := l.OpenOf(t.Context(), "south", 10)
		must(t, err)
		if len(open1) != 1 || open1[0].Message != m.ID || open1[0].State != Waiting {
			t.Errorf("%+v", open1)
		}
		peer, at, err := l.PeerOf(t.Context(), l.flow("north").Last)
		must(t, err)
		if !strings.HasPrefix(peer.TLS, "TLS 1.3") || at.IsZero() {
			t.Errorf("%+v at %v", peer, at)
		}
		_, _, err = l.PeerOf(t.Context(), open1[0].Seq)
		wantErr(t, err, ErrNotFound)
		counts, err := l.LatestCounts(t.Context())
		must(t, err)
		if len(counts) != 0 {
			t.Errorf("%+v", counts)
		}
		day := l.now().Format(time.DateOnly)
		for _, list := range []string{"C1\nC2\n", "C1\n"} {
			_, err = l.AddCount(t.Context(), "north", day, l.now().Location(), []byte(list), Named{By{Who: "dana", Reason: "daily"}, "Dana Reyes"})
			must(t, err)
			l.clock.add(time.Minute)
		}
		counts, err = l.LatestCounts(t.Context())
		must(t, err)
		if c := counts["north"]; len(counts) != 1 || c.Matched != 1 || c.Extra != 0 {
			t.Errorf("%+v", counts)
		}
		calls, err := l.CallsOf(t.Context())
		must(t, err)
		if len(calls) != 0 {
			t.Errorf("%+v", calls)
		}
	})
}
