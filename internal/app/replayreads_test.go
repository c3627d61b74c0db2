package app

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// TestWhatADraftAsksOfPatients: a draft is a question to all stored messages. Rules
// that both configurations have ask nothing; what a draft adds or takes away is
// judged by what it reads.
func TestWhatADraftAsksOfPatients(t *testing.T) {
	f := newFiled(t)
	base := f.source(partnerAt("p", "127.0.0.1:2"), "p", "carry")
	tables := "tables:\n  t: {a: b}\n"
	with := func(pairs ...string) string {
		out := base
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(out, pairs[i]) {
				t.Fatalf("%q is not in it", pairs[i])
			}
			out = strings.Replace(out, pairs[i], pairs[i+1], 1)
		}
		return out
	}
	when := func(cond string) string { return with("all, from: lis,", "all, from: lis, when: '"+cond+"',") }
	steps := func(list string) string { return with("check: none", "transform: ["+list+"], check: none") + tables }
	account := with("check: none, check_reason: a test", "check: account", "name: Practice p,", "name: Practice p, accounts: [A1],")
	for _, c := range []struct {
		name, old, new string
		want           []string
	}{
		{"the same", base, base, nil},
		{"a name", base, with("Practice p", "Practice q"), nil},
		{"a kind of message", base, when(`msh.type == "ORU" and critical`), nil},
		{"a test", base, when(`field("OBR-4.1") == "718-7"`), nil},
		{"a patient's name", base, when(`field("PID-5.1") startsWith "D"`), []string{"route all reads PID-5.1"}},
		{"one message", base, when(`field("MSH-10") == "7"`), []string{"route all reads MSH-10"}},
		{"it stands already", when(`field("PID-5.1") startsWith "D"`), when(`field("PID-5.1") startsWith "D"`), nil},
		{"it goes", when(`field("PID-5.1") startsWith "D"`), base, []string{"route all reads PID-5.1"}},
		{"the route goes", when(`field("PID-5.1") startsWith "D"`), when(`field("PID-5.1") startsWith "D"`)[:strings.Index(when(`field("PID-5.1") startsWith "D"`), "routes:")] + "routes: []\n", []string{"route all, which the draft does not have, reads PID-5.1"}},
		{"the account", base, account, []string{"route all reads the account (PID-18)"}},
		{"another account", account, strings.Replace(account, "[A1]", "[A2]", 1), []string{"route all reads the account (PID-18)"}},
		{"who ordered it", base, with("check: none, check_reason: a test", "check: ordering_provider", "name: Practice p,", "name: Practice p, providers: [{id: '1', authority: NPI}],"), nil},
		{"a value written", base, steps("{set: {path: PID-5.1, value: SMITH}}"), []string{"route all reads PID-5.1"}},
		{"a receiver written", base, steps("{set: {path: MSH-5, value: P}}"), nil},
		{"a value by a table", base, steps("{map: {path: PV1-3, table: t}}"), []string{"route all reads PV1-3"}},
		{"a unit by a table", base, steps("{map: {path: OBX-6.1, table: t}}"), nil},
		{"a comment removed", base, steps("{remove: NTE}"), []string{"route all reads NTE"}},
		{"a number copied", base, steps("{copy: {from: OBR-3.1, to: OBR-20}}"), nil},
		{"a number copied to where it can be asked for", base, steps("{copy: {from: OBR-3.1, to: MSH-6}}"), []string{"route all reads OBR-3.1"}},
		{"a result copied", base, steps("{copy: {from: OBX-5, to: OBR-20}}"), []string{"route all reads OBX-5"}},
		{"another table", steps("{map: {path: PID-8, table: t}}"), strings.Replace(steps("{map: {path: PID-8, table: t}}"), "a: b", "a: c", 1), []string{"route all reads PID-8"}},
	} {
		got, err := replayReads(f.parse(c.old), f.parse(c.new))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q (%v)", c.name, got, c.want, err)
		}
	}
}

// TestAReplayIsOnRecordBeforeItRuns: who asked, which configuration, which day; of
// rules that read the patient's also as a look at patients' data. One that cannot
// be recorded does not run, and one from the pages not without the right to see.
func TestAReplayIsOnRecordBeforeItRuns(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		h := s.open()
		base := s.source(partnerAt("p", "127.0.0.1:2"), "p", "carry")
		if _, err := propose(ctx, h, s.parse(base), base); err != nil {
			t.Fatal(err)
		}
		day := time.Now()
		asks := strings.Replace(base, "all, from: lis,", `all, from: lis, when: 'field("PID-5.1") startsWith "D"',`, 1)
		recorded := func(do func() error) (kinds []string) {
			t.Helper()
			before, err := h.Log.Head(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := do(); err != nil {
				t.Fatal(err)
			}
			after, err := h.Log.Head(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for n := before.Size; n < after.Size; n++ {
				raw, err := h.Log.Event(ctx, n)
				if err != nil {
					t.Fatal(err)
				}
				e, err := ledger.ParseEvent(raw)
				if err != nil {
					t.Fatal(err)
				}
				kinds = append(kinds, e.Kind+" "+e.IDs.Get("by")+" "+e.Codes.Get("day"))
				if len(e.Codes.Get("revision")) != 64 {
					t.Errorf("it names no configuration: %+v", e)
				}
			}
			return kinds
		}
		on := " ann " + day.UTC().Format(time.DateOnly)
		run := func(src string, reveal bool) func() error {
			return func() error {
				_, err := setupPort{h}.Replay(ctx, setup.ReplayAsk{By: "ann", Day: day, To: setup.Target{Source: []byte(src)}, Reveal: reveal}, nil, nil)
				return err
			}
		}
		if got := recorded(run(base+"# another text\n", false)); !slices.Equal(got, []string{"config.replayed" + on}) {
			t.Errorf("%q", got)
		}
		if got := recorded(run(asks, true)); !slices.Equal(got, []string{"config.replayed" + on, "result.replay_listed" + on}) {
			t.Errorf("%q", got)
		}
		if err := run(asks, false)(); err == nil || !strings.Contains(err.Error(), "patients") {
			t.Errorf("without the right to see: %v", err)
		}
		none := func(results.Difference) error { t.Error("it ran"); return nil }
		if _, err := h.Replay(ctx, s.parse(asks), day, ReplayOptions{}, none); err == nil {
			t.Error("nobody asked")
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := h.Replay(gone, s.parse(asks), day, ReplayOptions{Who: "ann"}, none); err == nil {
			t.Error("it ran without a record")
		}
	})
}
