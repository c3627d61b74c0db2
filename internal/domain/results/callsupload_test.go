package results

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// stopped is a file as the content gate hands it over.
func (l *lab) stopped(name, content string) StoppedUpload {
	return StoppedUpload{
		File: event.NewID(), Partner: "north", SHA256: sha256.Sum256([]byte(content)), Came: l.clock.now(), Stopped: "refused by the content gate: it is cut off.",
		Name: name, Content: []byte(content),
	}
}

func TestStoppedFileOpensAPhoneTaskAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		batch := string(oru("U1", "4711", "100")) + "\r" + string(critical("U2", "4712", "200"))
		u := l.stopped("DOE^JANE.hl7", batch)
		must(t, l.UploadStopped(t.Context(), u))
		must(t, l.UploadStopped(t.Context(), u)) // sent again: the same call
		again := u
		again.File = event.NewID()
		must(t, l.UploadStopped(t.Context(), again))
		all := l.calls()
		if len(all) != 1 {
			t.Fatalf("%d tasks", len(all))
		}
		c := all[0]
		if c.Why != CallUpload || c.Message != u.File || c.Partner != "north" || c.Delivery != -1 || c.Overdue || !c.DueAt.Equal(l.clock.now().Add(defaultCriticalAfter)) ||
			c.Stopped != u.Stopped || c.Now != "nothing of it was kept" || c.Acknowledged {
			t.Errorf("%+v", c)
		}
		by, err := l.CallsOf(t.Context())
		must(t, err)
		if by[Place{Partner: "north"}].Open != 1 {
			t.Errorf("on Today: %v", by)
		}
		// The name and the numbers of the critical message alone, after the look is recorded.
		shown, err := l.ShowCall(t.Context(), c.ID)
		must(t, err)
		if strings.Contains(fmt.Sprint(shown), "DOE") || strings.Contains(fmt.Sprint(shown), "200") {
			t.Errorf("shown without a record: %+v", shown)
		}
		v, err := l.ViewCall(t.Context(), c.ID, why)
		must(t, err)
		if v.File != "DOE^JANE.hl7" || !slices.ContainsFunc(v.Orders, func(s string) bool { return strings.Contains(s, "200") }) || slices.ContainsFunc(v.Orders, func(s string) bool { return strings.HasSuffix(s, "100") }) {
			t.Errorf("%q %q", v.File, v.Orders)
		}
		if n := len(l.events(KindCallViewed)); n != 1 {
			t.Errorf("%d looks recorded", n)
		}
		for _, e := range l.events(KindCall + "opened") {
			if text := fmt.Sprintf("%+v", e); strings.Contains(text, "DOE") || !strings.Contains(text, u.File.String()) {
				t.Errorf("the fact: %s", text)
			}
		}
		l.restart()
		l.clock.add(11 * time.Minute)
		if c := l.calls(); len(c) != 1 || !c[0].Overdue {
			t.Errorf("not overdue: %+v", c)
		}
		must(t, l.TakeCall(t.Context(), c.ID, ann))
		must(t, l.LogCall(t.Context(), c.ID, CallLog{Whom: "their ward 3", Outcome: Reached, ReadBack: true}, ann))
		must(t, l.CloseCall(t.Context(), c.ID, false, bea))
		must(t, l.UploadStopped(t.Context(), again)) // once more, after it was settled
		if c := l.calls(); len(c) != 1 || c[0].Message != again.File {
			t.Errorf("after the close: %+v", c)
		}
		l.fits()
		l.exec("UPDATE results_calls SET stopped = 'waiting'")
		if a, err := l.Audit(t.Context(), nil); err != nil || !slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Table == "results_calls" }) {
			t.Errorf("a changed task is not found: %v, %v", a, err)
		}
	})
}

// TestFileThatWasLetThrough: held, then released by a person of the laboratory:
// the task stands until a person closes it, and needs no call for that.
func TestFileThatWasLetThrough(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		u := l.stopped("a.age", "x")
		u.Content = nil
		must(t, l.UploadStopped(t.Context(), u))
		state := "held by the content gate"
		l.SetUploads(func(_ context.Context, id event.ID) (string, bool, error) {
			if id != u.File {
				t.Errorf("asked of %s", id)
			}
			return state, state == "let through", nil
		})
		c := l.calls()[0]
		if c.Now != state || c.Acknowledged {
			t.Errorf("%+v", c)
		}
		if err := l.CloseCall(t.Context(), c.ID, false, ann); err == nil {
			t.Error("closed without a call")
		}
		state = "let through"
		must(t, l.CloseCall(t.Context(), c.ID, false, ann))
		shown, err := l.ShowCall(t.Context(), c.ID)
		must(t, err)
		if last := shown.Steps[len(shown.Steps)-1]; shown.State != "closed" || last.Outcome != "let_through" {
			t.Errorf("%+v", shown)
		}
	})
}

// TestFilesWithoutEnd: a partner who sends without end opens no more tasks than
// people can take.
func TestFilesWithoutEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		for i := range maxUploadCalls + 5 {
			must(t, l.UploadStopped(t.Context(), l.stopped("a.age", fmt.Sprint(i))))
		}
		other := l.stopped("b.age", "b")
		other.Partner = "south"
		must(t, l.UploadStopped(t.Context(), other))
		if n := l.count("SELECT count(*) FROM results_calls"); n != maxUploadCalls+1 {
			t.Errorf("%d tasks", n)
		}
	})
}
