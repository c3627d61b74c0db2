package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
)

func TestReplayShowsWhatWouldChange(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		p := newPractice(t)
		h := s.open()
		base := s.source(partnerAt("p", p.addr), "p", "carry")
		base = strings.Replace(base, "all, from: lis,", `all, from: lis, when: 'msh.trigger == "R01"',`, 1)
		addrs, _ := s.serve(h, s.parse(base))
		if _, err := propose(ctx, h, s.parse(base), base); err != nil {
			t.Fatal(err)
		}
		l := dial(t, addrs["lis"])
		day := time.Now()
		const n = 250 // more than a page
		for i := range n {
			if code, err := l.send(result(fmt.Sprintf("M%d", i))); err != nil || code != "AA" {
				t.Fatal(code, err)
			}
		}
		if code, _ := l.send(strings.Replace(result("Z"), "ORU^R01^ORU_R01", "ORU^R30", 1)); code != "AE" {
			t.Fatalf("no route answers %s", code)
		}
		replay := func(src string, o ReplayOptions) (results.ReplaySummary, []results.Difference) {
			t.Helper()
			o.Who = "tester"
			var out []results.Difference
			sum, err := h.Replay(ctx, s.parse(src), day, o, func(d results.Difference) error { out = append(out, d); return nil })
			if err != nil {
				t.Fatal(err)
			}
			return sum, out
		}
		if sum, out := replay(base, ReplayOptions{}); sum.Messages != n+1 || sum.Changed != 0 || len(out) != 0 {
			t.Errorf("the same configuration: %+v", sum)
		}
		set := strings.Replace(base, "check: none", "transform: [{set: {path: PID-5.1, value: SMITH}}, {remove: OBX}], check: none", 1)
		sum, out := replay(set, ReplayOptions{})
		if sum.Kinds[results.DiffBytes] != n || len(out) != n {
			t.Fatalf("transform: %+v", sum)
		}
		if d := out[0]; len(d.Paths) != 2 || d.Paths[0] != (results.PathChange{Path: "PID(1)-5"}) || d.Paths[1].Path != "OBX(1) is removed" {
			t.Errorf("changed paths: %+v", d.Paths)
		}
		head, err := h.Log.Head(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, out = replay(set, ReplayOptions{Reveal: true})
		if out[0].Paths[0].From != "DOE^JANE" || out[0].Paths[0].To != "SMITH^JANE" {
			t.Errorf("revealed: %+v", out[0].Paths[0])
		}
		if now, err := h.Log.Head(ctx); err != nil || now.Size <= head.Size {
			t.Errorf("who looked was not recorded: %v", err)
		}
		other := strings.Replace(base, partnerAt("p", p.addr), partnerAt("p", p.addr)+partnerAt("q", "127.0.0.1:2"), 1)
		if sum, _ = replay(strings.Replace(other, "to: [p]", "to: [q]", 1), ReplayOptions{}); sum.Kinds[results.DiffPartner] != n || sum.Kinds[results.DiffNoPartner] != n {
			t.Errorf("other partner: %+v", sum)
		}
		checked := strings.Replace(base, "check: none, check_reason: a test", "check: account", 1)
		checked = strings.Replace(checked, "name: Practice p,", "name: Practice p, accounts: [A1],", 1)
		sum, out = replay(checked, ReplayOptions{})
		if sum.Kinds[results.DiffState] != n || out[0].Was != "sent" || !strings.HasPrefix(out[0].Becomes, "held: ") {
			t.Errorf("held instead of sent: %+v", sum)
		}
		sum, _ = replay(strings.Replace(base, `"R01"`, `"R30"`, 1), ReplayOptions{})
		if sum.Kinds[results.DiffRefused] != n || sum.Kinds[results.DiffTaken] != 1 {
			t.Errorf("other condition: %+v", sum)
		}
		if sum, _ = replay(set, ReplayOptions{Source: "nobody"}); sum.Messages != 0 {
			t.Errorf("another source: %+v", sum)
		}
		day = day.AddDate(0, 0, -1)
		if sum, _ = replay(set, ReplayOptions{}); sum.Messages != 0 {
			t.Errorf("the day before: %+v", sum)
		}
	})
}
