package control

import (
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/today"
)

// trouble says what about the nodes needs somebody.
func (n *Nodes) trouble() []string {
	if n == nil {
		return nil
	}
	var out []string
	if n.Trouble != "" {
		out = append(out, n.Trouble+" This node takes nothing in and delivers nothing until it can; it goes on trying.")
	}
	if !n.Lease.Live {
		out = append(out, "No node holds the lease: results are taken in and wait. A node that works takes it within seconds; if this stays, look at the nodes' logs.")
	}
	return out
}

// calm says who delivers.
func (n *Nodes) calm(self string, now time.Time) []string {
	if n == nil || !n.Lease.Live {
		return nil
	}
	since := today.Clock(n.Lease.Since, now)
	if n.Lease.Mine {
		return []string{fmt.Sprintf("This node (%s) has held the lease since %s: it delivers and runs the jobs.", self, since)}
	}
	return []string{fmt.Sprintf("Node %s has held the lease since %s: it delivers and runs the jobs. This node (%s) takes results in.", n.Lease.Node, since, self)}
}
