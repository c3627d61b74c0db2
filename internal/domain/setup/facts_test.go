package setup

import (
	"slices"
	"testing"
	"time"
)

// TestStepsAreWhatThereIs: nothing is ticked that was not looked at.
func TestStepsAreWhatThereIs(t *testing.T) {
	stands := func(f Facts, confirmed string) (out []Stand) {
		for _, s := range Steps(f, confirmed) {
			out = append(out, s.Stand)
			if s.Stand != StandDone && s.Title == "" || s.Stand == StandDone && s.Action != "" {
				t.Errorf("%+v", s)
			}
		}
		return out
	}
	if got := stands(Facts{}, ""); slices.Contains(got, StandDone) {
		t.Errorf("nothing is there, and done is %v", got)
	}
	at := time.Date(2026, 11, 21, 7, 0, 0, 0, time.UTC)
	f := Facts{
		Lab: "Millbrook", Revision: 1, Seals: 2, Unattended: true, Shares: 5, Threshold: 3, SharesSet: "AB12", Administrators: 2, Appliers: 2, Directing: 1,
		Sources: []Heard{{Key: "lis", Last: at}}, Partners: []Heard{{Key: "a", Name: "A"}, {Key: "b", Name: "B", Tested: at}}, OnCall: 2, Heartbeat: true, Witnesses: 2,
	}
	if got := stands(f, "AB12"); slices.Contains(got, StandMissing) || slices.Contains(got, StandAdvised) {
		t.Errorf("all is there: %v", got)
	}
	for name, change := range map[string]func(*Facts){
		"one seal":         func(f *Facts) { f.Seals = 1 },
		"needs a person":   func(f *Facts) { f.Unattended = false },
		"other shares":     func(f *Facts) { f.SharesSet = "CD" },
		"one applier":      func(f *Facts) { f.Appliers = 1 },
		"one hand":         func(f *Facts) { f.OneHand = true },
		"no director":      func(f *Facts) { f.Directing = 0 },
		"silent":           func(f *Facts) { f.Sources[0].Last = time.Time{} },
		"never tested":     func(f *Facts) { f.Partners = f.Partners[:1] },
		"nobody on call":   func(f *Facts) { f.OnCall = 0 },
		"nobody watches":   func(f *Facts) { f.Heartbeat = false },
		"no witness":       func(f *Facts) { f.Witnesses = 0 },
		"no recovery":      func(f *Facts) { f.Shares = 0 },
		"no administrator": func(f *Facts) { f.Administrators = 0 },
	} {
		g := f
		g.Sources = slices.Clone(f.Sources)
		change(&g)
		n := 0
		for _, s := range stands(g, "AB12") {
			if s != StandDone {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: %d steps are open", name, n)
		}
	}
}
