package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/node/bypass"
)

// TestTheBypassKeepsTheStops: what a person stopped in the hub does not go out
// because the hub died.
func TestTheBypassKeepsTheStops(t *testing.T) {
	s := newSite(t, "")
	t.Chdir(s.dir)
	in := map[string]string{}
	for _, p := range []string{"box", "breach"} {
		in[p] = filepath.Join(s.dir, p)
		if err := os.Mkdir(in[p], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	src := fmt.Sprintf(`lab: {name: Test, id: test}
node: {data: %s, seals: [{kind: keyfile, path: %s}]}
sources: {lis: {mllp: {listen: "127.0.0.1:0"}}}
partners:
  box: {name: Box, destination: {folder: {path: %s}}}
  breach: {name: Breach, destination: {folder: {path: %s}}}
routes:
  - {name: box, from: lis, when: 'msh.receiving_app in ["BOX", "BOTH"]', to: box, stage: parallel, check: none, check_reason: a test}
  - {name: breach, from: lis, when: 'msh.receiving_app in ["BREACH", "BOTH"]', to: breach, stage: parallel, check: none, check_reason: a test}
  - {name: halted, from: lis, when: 'msh.receiving_app == "HALTED"', to: box, stage: parallel, check: none, check_reason: a test}
`, filepath.Join(s.dir, "data"), filepath.Join(s.dir, "root.key"), in["box"], in["breach"])
	c := s.bypassed(src)
	h := s.open()
	_, stop := s.serve(h, c)
	key, err := bypass.ReadKey(string(c.Node.Bypass.Key))
	if err != nil {
		t.Fatal(err)
	}
	dir := bypass.Folder(string(c.Node.Data))
	stops := func(want int) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for {
			card, err := bypass.ReadCard(dir, key)
			if err != nil {
				t.Fatal(err)
			}
			if len(card.Stops) == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the card has %d stops, want %d", len(card.Stops), want)
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	person := results.Named{By: results.By{Who: "ann", Reason: "test"}, Person: "Ann Example"}
	place := func(st results.Stop) {
		t.Helper()
		st.Text = "test"
		if _, err := h.Results.PlaceStop(t.Context(), st, person); err != nil {
			t.Fatal(err)
		}
	}
	named := strings.NewReplacer("4711", "0815", "P1|F1", "P2|F2", "2345-7", "2823-3")
	if _, err := h.Results.Intake("lis").Handle(t.Context(), channel.Peer{}, []byte(named.Replace(string(oneResult("C0", "BOX", "77"))))); err != nil {
		t.Fatal(err)
	}
	all, err := h.Results.List(t.Context(), results.Page{Limit: 1})
	if err != nil || len(all) != 1 {
		t.Fatalf("%v %v", all, err)
	}
	place(results.Stop{Kind: results.TransportStop, Scope: results.ScopePartner, Target: "breach"})
	place(results.Stop{Kind: results.ClinicalStop, Scope: results.ScopeRoute, Target: "halted"})
	place(results.Stop{Kind: results.ClinicalStop, Scope: results.ScopePatient, Target: all[0].ID.String()})
	place(results.Stop{Kind: results.ClinicalStop, Scope: results.ScopeOrder, Target: all[0].ID.String()})
	place(results.Stop{Kind: results.ClinicalStop, Scope: results.ScopeTest, Target: "3094-0"})
	stops(5)
	place(results.Stop{Kind: results.ClinicalStop, Scope: results.ScopeMessage, Target: all[0].ID.String()})
	stop()

	b, err := OpenBypass(t.Context(), &c.Node, opener, s.deps())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if len(b.Cannot) != 1 || !strings.Contains(b.Cannot["breach"], "transport stop") {
		t.Errorf("cannot reach: %v", b.Cannot)
	}
	files := func() (n int) {
		for _, p := range in {
			found, _ := filepath.Glob(filepath.Join(p, "*.hl7"))
			n += len(found)
		}
		return n
	}
	before := files()
	for i, x := range []struct {
		what, receiver string
		change         []string
		want           string
		files          int
	}{
		{"nothing stops it", "BOX", nil, "AA", 1},
		{"the partner is stopped", "BREACH", nil, "AE", 1},
		{"one of two partners is stopped", "BOTH", nil, "AE", 2},
		{"the route is stopped", "HALTED", nil, "AE", 2},
		{"the patient is stopped", "BOX", []string{"4711", "0815"}, "AE", 2},
		{"another authority's patient", "BOX", []string{"4711^^^HOLLOWFEN", "0815^^^ELSEWHERE"}, "AA", 3},
		{"the order is stopped", "BOX", []string{"F1", "F2"}, "AE", 3},
		{"the test is stopped", "BOX", []string{"OBX|1|NM|2345-7", "OBX|1|NM|3094-0"}, "AE", 3},
	} {
		body := []byte(strings.NewReplacer(x.change...).Replace(string(oneResult(fmt.Sprintf("B%d", i), x.receiver, "77"))))
		r, err := b.Relay.Source("lis").Handle(t.Context(), channel.Peer{}, body)
		if err != nil {
			t.Fatal(err)
		}
		a, err := hl7.ReadAck(r.Body)
		if err != nil || a.Code != x.want || files()-before != x.files {
			t.Errorf("%s: %q, %d files, %v", x.what, a.Code, files()-before, err)
		}
		if strings.Contains(string(r.Body), "0815") {
			t.Errorf("%s: the answer names the patient", x.what)
		}
	}
}
