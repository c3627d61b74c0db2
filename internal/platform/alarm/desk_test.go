package alarm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func TestEscalationGoesOnUntilSomeoneAccepts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.desk.Raise(t.Context(), silent)
		r.after(0)
		r.want("raised", "")
		r.after(9 * time.Minute)
		r.want("raised", "")
		r.after(time.Minute)
		r.want("raised", "raised")
		r.after(15 * time.Minute)
		r.want("raised again", "raised")
		r.after(59 * time.Minute)
		r.want("raised again", "raised")
		r.after(time.Minute)
		r.want("raised again", "raised again")

		a, err := r.desk.Accept(t.Context(), 1, "okafor", "on my way")
		check(t, err)
		if a.State != alarm.Accepted || a.By != "okafor" {
			t.Fatalf("accepted: %+v", a)
		}
		r.after(23 * time.Hour)
		r.want("raised again", "raised again")
		// An acceptance ends: what still stands is told anew.
		r.after(2 * time.Hour)
		r.want("raised again raised", "raised again")
		if live := r.desk.Live(); len(live) != 1 || live[0].State != alarm.Open || live[0].By != "" {
			t.Fatalf("after the acceptance ended: %+v", live)
		}

		r.desk.Over(t.Context(), silent.Key)
		r.after(time.Minute)
		if len(r.desk.Live()) != 1 {
			t.Fatal("over before it was quiet for long enough")
		}
		r.after(5 * time.Minute)
		r.want("raised again raised over", "raised again")
		if len(r.desk.Live()) != 0 {
			t.Fatal("not over")
		}
		want := "alarm.raised alarm.told alarm.told alarm.told alarm.told alarm.accepted alarm.acceptance_ended alarm.told alarm.over alarm.told"
		if got := r.facts(); got != want {
			t.Errorf("the ledger has %s\nwant %s", got, want)
		}
		if _, damage, err := r.log.Audit(t.Context(), 0); err != nil || damage != nil {
			t.Errorf("audit: %v %v", damage, err)
		}
		rec, told, err := r.desk.Show(t.Context(), 1)
		if err != nil || rec.State != alarm.Ended || len(told) != 6 || !told[0].Sent || told[0].Outcome != "250 taken" {
			t.Errorf("shown %+v, %+v, %v", rec, told, err)
		}
		if _, err := r.desk.Accept(t.Context(), 1, "okafor", ""); !errors.Is(err, alarm.ErrEnded) {
			t.Errorf("accepting what is over: %v", err)
		}
		if _, err := r.desk.Accept(t.Context(), 99, "okafor", ""); !errors.Is(err, alarm.ErrNotFound) {
			t.Errorf("accepting what never was: %v", err)
		}
	})
}

func TestTheSameConditionIsOneAlarmAndFlappingIsDamped(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		for range 40 { // comes and goes every minute
			r.desk.Raise(t.Context(), silent)
			r.after(30 * time.Second)
			r.desk.Over(t.Context(), silent.Key)
			r.after(30 * time.Second)
		}
		live := r.desk.Live()
		if len(live) != 1 || live[0].Number != 1 || live[0].Times != 40 || !live[0].Since.Equal(start) {
			t.Fatalf("40 times the same became %+v", live)
		}
		if words := r.first.words(); strings.Contains(words, "over") {
			t.Errorf("told %q while it flaps", words)
		}
		// Quiet at last: what flapped must be quiet for longer.
		r.after(30 * time.Minute)
		if len(r.desk.Live()) != 1 {
			t.Error("what flapped was over as soon as what did not")
		}
		r.after(31 * time.Minute)
		if len(r.desk.Live()) != 0 {
			t.Fatal("never over")
		}
		// Back within the hour: the same alarm, quietly as it has returned so often.
		before := r.first.words()
		r.desk.Raise(t.Context(), silent)
		r.after(time.Minute)
		if live := r.desk.Live(); len(live) != 1 || live[0].Number != 1 {
			t.Fatalf("came back as %+v", live)
		}
		if r.first.words() != before {
			t.Errorf("a condition that returns all the time was told at once: %q", r.first.words())
		}
		r.after(time.Hour)
		if r.first.words() == before {
			t.Error("never told that it is back")
		}
		// Back after two hours of quiet: a new one.
		r.desk.Over(t.Context(), silent.Key)
		r.after(0)
		r.after(time.Hour)
		r.after(2 * time.Hour)
		r.desk.Raise(t.Context(), silent)
		r.after(0)
		if live := r.desk.Live(); len(live) != 1 || live[0].Number != 2 {
			t.Fatalf("after a long time it became %+v", live)
		}
	})
}

func TestStandsEndsWhatNoLongerStands(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		other := silent
		other.About = "hillside"
		elsewhere := silent
		elsewhere.Kind = "disk.low"
		kinds := []string{silent.Kind}
		r.desk.Raise(t.Context(), elsewhere)
		for range 10 {
			r.desk.Stands(t.Context(), kinds, []alarm.Alarm{silent, other})
			r.after(15 * time.Second)
		}
		r.desk.Stands(t.Context(), kinds, []alarm.Alarm{other})
		r.after(0)
		r.after(5 * time.Minute)
		var left []string
		for _, a := range r.desk.Live() {
			left = append(left, a.Kind+" "+a.About)
			if a.Times != 1 {
				t.Errorf("a look at what stands counted as another time: %d", a.Times)
			}
		}
		if got := strings.Join(left, ", "); got != "disk.low riverside, partner.silent hillside" {
			t.Errorf("live: %s", got)
		}
		if n := r.desk.Counts()[alarm.Urgent]; n != 2 {
			t.Errorf("%d urgent ones counted", n)
		}
	})
}

func TestWorseIsToldAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		a := alarm.Alarm{Key: alarm.Key{Kind: "certificate.ends", About: "node"}, Severity: alarm.Note, Grade: 1, Sentence: "30 days.", Advice: "Renew."}
		r.desk.Stands(t.Context(), []string{a.Kind}, []alarm.Alarm{a})
		r.after(0)
		r.after(10 * time.Hour)
		r.want("raised", "") // a note goes to the first person, once
		_, err := r.desk.Accept(t.Context(), 1, "okafor", "")
		check(t, err)
		a.Grade, a.Severity = 3, alarm.Warning
		r.desk.Stands(t.Context(), []string{a.Kind}, []alarm.Alarm{a})
		r.after(0)
		r.want("raised raised", "")
		if live := r.desk.Live(); len(live) != 1 || live[0].State != alarm.Open || live[0].Severity != alarm.Warning {
			t.Errorf("%+v", live)
		}
	})
}

func TestCloseIsForWhatIsPast(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		once := alarm.Alarm{Key: alarm.Key{Kind: "clock.jumped"}, Severity: alarm.Warning, Once: true, Sentence: "The clock jumped.", Advice: "Look."}
		r.desk.Raise(t.Context(), silent)
		r.desk.Raise(t.Context(), once)
		r.after(0)
		if _, err := r.desk.Close(t.Context(), 1, "okafor", "never mind"); !errors.Is(err, alarm.ErrStands) {
			t.Errorf("closing what stands: %v", err)
		}
		if _, err := r.desk.Close(t.Context(), 2, "okafor", " "); !errors.Is(err, alarm.ErrReason) {
			t.Errorf("closing without a reason: %v", err)
		}
		a, err := r.desk.Close(t.Context(), 2, "okafor", "time service mended")
		if err != nil || a.State != alarm.Closed {
			t.Fatalf("%+v %v", a, err)
		}
		r.after(0)
		r.want("raised raised closed", "")
		if !strings.HasSuffix(r.facts(), "alarm.closed alarm.told") {
			t.Errorf("the ledger has %s", r.facts())
		}
		r.desk.Raise(t.Context(), once)
		r.after(0)
		if live := r.desk.Live(); len(live) != 2 || live[1].Number != 3 {
			t.Errorf("after closing it came as %+v", live)
		}
	})
}

func TestAFailingWayIsTriedAgainShownAndPassedOver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.first.broken(errors.New("connection refused"))
		r.desk.Raise(t.Context(), silent)
		r.after(0)
		r.want("", "raised") // nobody waits for somebody who cannot be reached
		w := r.desk.Ways()
		if len(w) != 2 || w[0].Since.IsZero() || w[0].Problem != "connection refused" || w[1].OK.IsZero() || !w[1].Since.IsZero() {
			t.Fatalf("ways: %+v", w)
		}
		for range 5 {
			r.after(2 * time.Second)
		}
		_, told, err := r.desk.Show(t.Context(), 1)
		if err != nil || len(told) != 2 || told[0].Tries+told[1].Tries != 3 {
			t.Errorf("after 10 s: %+v, %v", told, err)
		}
		r.first.broken(nil)
		r.after(time.Minute)
		r.want("raised", "raised")
		if w := r.desk.Ways(); !w[0].Since.IsZero() || w[0].OK.IsZero() {
			t.Errorf("a way that works again: %+v", w[0])
		}
		// What cannot be sent any more is not sent late.
		r.first.broken(errors.New("away"))
		other := silent
		other.About = "hillside"
		r.desk.Raise(t.Context(), other)
		r.after(0)
		_, err = r.desk.Accept(t.Context(), 2, "lindqvist", "")
		check(t, err)
		r.first.broken(nil)
		r.after(time.Hour)
		if words := r.first.words(); strings.Count(words, "raised") != 1 {
			t.Errorf("an accepted alarm was told: %q", words)
		}
	})
}

func TestAWayThatPanicsOrHangsHarmsNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		p := r.plan()
		p.People[0].Ways = append(p.People[0].Ways, alarm.Way{Name: "bad", Sender: panics{}})
		r.desk.SetPlan(p)
		r.desk.Raise(t.Context(), silent)
		r.after(0)
		r.want("raised", "")
		if w := r.desk.Ways(); !strings.Contains(w[1].Problem, "failed badly") {
			t.Errorf("%+v", w)
		}
	})
}

type panics struct{}

func (panics) Send(context.Context, alarm.Message) (string, error) { panic("no") }

func TestPeopleAreToldWhenTheStoreTakesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		drop := func(name string) {
			check(t, r.db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, name)
				return err
			}))
		}
		drop("ALTER TABLE alarm_notices RENAME TO alarm_gone")
		r.desk.Raise(t.Context(), silent)
		r.after(0)
		r.want("raised", "")
		if _, err := r.desk.Accept(t.Context(), 1, "okafor", ""); !errors.Is(err, alarm.ErrNotStored) {
			t.Errorf("accepting while the store takes nothing: %v", err)
		}
		if r.facts() != "" {
			t.Fatalf("half a transaction: %s", r.facts())
		}
		drop("ALTER TABLE alarm_gone RENAME TO alarm_notices")
		r.after(5 * time.Second)
		if got := r.facts(); got != "alarm.raised alarm.accepted alarm.told" {
			t.Errorf("afterwards the ledger has %q", got)
		}
		r.want("raised", "")
	})
}

func TestARestartForgetsNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.second.broken(errors.New("away"))
		r.desk.Raise(t.Context(), silent)
		r.after(0)
		r.after(10 * time.Minute) // the second person's notice is still to go out
		check(t, r.db.Close())
		r.second.broken(nil)
		r.clock.forward(time.Minute)
		r.open(open)
		if live := r.desk.Live(); len(live) != 1 || live[0].Number != 1 || !live[0].Since.Equal(start) {
			t.Fatalf("after the restart: %+v", live)
		}
		r.after(0)
		r.want("raised", "raised")
		r.desk.Raise(t.Context(), silent)
		r.after(0)
		if live := r.desk.Live(); len(live) != 1 || live[0].Times != 2 {
			t.Fatalf("the same condition after the restart: %+v", live)
		}
	})
}

func TestTryTellsWhatEachWayAnswered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.second.broken(errors.New("no such mailbox"))
		got, err := r.desk.Try(t.Context(), "okafor")
		check(t, err)
		if len(got) != 2 || !got[0].OK || got[0].Answer != "250 taken" || got[1].OK || got[1].Answer != "no such mailbox" {
			t.Errorf("%+v", got)
		}
		if r.first.words() != "test" || !strings.Contains(r.first.got[0].Subject, "TEST") {
			t.Errorf("sent %+v", r.first.got)
		}
		r.desk.SetPlan(alarm.Plan{})
		if _, err := r.desk.Try(t.Context(), "okafor"); !errors.Is(err, alarm.ErrNoPeople) {
			t.Errorf("nobody on the list: %v", err)
		}
	})
}

func TestAlarmsWaitForAListAndAreThenTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.desk.SetPlan(alarm.Plan{})
		r.desk.Raise(t.Context(), silent)
		r.after(0)
		r.after(time.Hour)
		r.want("", "")
		r.desk.SetPlan(r.plan())
		r.after(0)
		r.want("raised", "")
	})
}

func TestLettersAreOneLineSubjectsAndShort(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		a := silent
		a.Sentence = "First\r\nBcc: everybody@elsewhere.example " + strings.Repeat("ü", 700)
		r.desk.Raise(t.Context(), a)
		r.after(0)
		m := r.first.got[0]
		if strings.ContainsAny(m.Subject+m.Short, "\r\n") || len(m.Subject) > 160 || len(m.Short) > 300 {
			t.Errorf("subject %q, short %q", m.Subject, m.Short)
		}
		if !strings.Contains(m.Text, "labwarden alarms accept 1") || !strings.Contains(m.Text, "Call them.") {
			t.Errorf("text %q", m.Text)
		}
		if fmt.Sprintf("%q", m.Subject) != strings.ReplaceAll(fmt.Sprintf("%q", m.Subject), `\x`, "") {
			t.Errorf("the subject broke a character: %q", m.Subject)
		}
	})
}

func TestManyAtOnceBecomeOneMessage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		for i := range 40 {
			a := silent
			a.About = fmt.Sprintf("partner%d", i)
			a.Severity = alarm.Warning
			if i == 17 {
				a.Severity, a.Sentence = alarm.Urgent, "The worst of all."
			}
			r.desk.Raise(t.Context(), a)
		}
		r.first.broken(errors.New("away"))
		r.after(0)
		r.want("", "raised") // passed over, and one message as well
		r.first.broken(nil)
		r.after(5 * time.Second)
		r.want("raised", "raised")
		m := r.first.got[0]
		if !strings.Contains(m.Subject, "40 alarms") || !strings.Contains(m.Short, "The worst of all.") || m.Severity != "urgent" ||
			strings.Count(m.Text, "Alarm ") != 30 || !strings.Contains(m.Text, "... and 10 more.") {
			t.Errorf("%+v", m)
		}
		for n := range int64(40) {
			if _, told, err := r.desk.Show(t.Context(), n+1); err != nil || len(told) != 2 || !told[0].Sent || !told[1].Sent {
				t.Fatalf("alarm %d: %+v, %v", n+1, told, err)
			}
		}
		r.after(time.Hour)
		if words := r.first.words(); words != "raised again" {
			t.Errorf("after an hour: %q", words)
		}
	})
}
