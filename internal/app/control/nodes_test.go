package control

import (
	"slices"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/lease"
)

func TestNodesInSentences(t *testing.T) {
	now := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	since := now.Add(-2 * time.Hour)
	for name, c := range map[string]struct {
		nodes *Nodes
		state string
		want  string
	}{
		"one node":     {nil, "fine", "Everything is running."},
		"mine":         {&Nodes{Lease: lease.State{Node: "north", Since: since, Live: true, Mine: true}}, "fine", "This node (north) has held the lease since 07:00: it delivers and runs the jobs."},
		"another's":    {&Nodes{Lease: lease.State{Node: "south", Since: since, Live: true}}, "fine", "Node south has held the lease since 07:00: it delivers and runs the jobs. This node (north) takes results in."},
		"nobody's":     {&Nodes{Lease: lease.State{Node: "south", Since: since}}, "needs_you", "No node holds the lease: results are taken in and wait. A node that works takes it within seconds; if this stays, look at the nodes' logs."},
		"stands still": {&Nodes{Lease: lease.State{Node: "south", Since: since, Live: true}, Trouble: "Revision 7 cannot be loaded."}, "needs_you", "Revision 7 cannot be loaded. This node takes nothing in and delivers nothing until it can; it goes on trying."},
	} {
		st := Status{Node: "north", Store: Store{Writable: true}, Nodes: c.nodes}
		st.say(now, nil)
		if st.State != c.state || !slices.Contains(st.Sentences, c.want) {
			t.Errorf("%s: %s %q", name, st.State, st.Sentences)
		}
	}
}
