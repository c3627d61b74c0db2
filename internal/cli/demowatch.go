package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
)

// watchJourneys prints one line for each step of each result: when it came,
// and when each partner had it. It asks the same list everybody sees.
func watchJourneys(ctx context.Context, s *results.Service, out io.Writer) {
	said := map[int64]string{}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		done := ctx.Err() != nil
		// The last look is made after the end was asked for, so that the last
		// steps are seen too.
		list, err := s.List(context.WithoutCancel(ctx), results.Page{Limit: 500})
		if err != nil {
			fmt.Fprintf(out, "the journeys cannot be shown: %v\n", err)
			return
		}
		for i := len(list) - 1; i >= 0; i-- {
			m := list[i]
			line := journey(m)
			if line != said[m.Leaf] {
				said[m.Leaf] = line
				fmt.Fprintln(out, line)
			}
		}
		if done {
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func journey(m results.Summary) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  result %s  %5d bytes  sealed", m.ReceivedAt.Local().Format("15:04:05"), m.ID.String()[24:], m.Size)
	if m.Critical {
		b.WriteString("  CRITICAL")
	}
	if m.Correction {
		b.WriteString("  correction")
	}
	for _, d := range m.Deliveries {
		switch {
		case d.State == results.Done && d.Level == "accepted":
			fmt.Fprintf(&b, "  -> %s accepted it (%s)", d.Partner, d.Code)
		case d.State == results.Done:
			fmt.Fprintf(&b, "  -> %s: %s", d.Partner, d.Level)
		case d.State == results.Waiting && d.Attempts > 0:
			fmt.Fprintf(&b, "  -> %s: waits, %d tries", d.Partner, d.Attempts)
		default:
			fmt.Fprintf(&b, "  -> %s: %s", d.Partner, d.State)
		}
	}
	return b.String()
}
