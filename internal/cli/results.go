package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/labwarden/labwarden/internal/app/control"
)

func resultsCommand() *cobra.Command {
	c := &cobra.Command{Use: "results", Short: "The results the hub carries: list, look, hold, release, send again"}
	c.AddCommand(resultsListCommand(), resultsShowCommand(), resultsFindCommand(), resultsExportCommand(), resultsProofCommand(), resultsReceiptCommand())
	for _, a := range acts() {
		c.AddCommand(actCommand(a))
	}
	c.AddCommand(sendAloneCommand())
	return c
}

// filterFlags choose results.
type filterFlags struct {
	source, partner, state, since, until *string
}

func addFilterFlags(c *cobra.Command) *filterFlags {
	f := c.Flags()
	return &filterFlags{
		source:  f.String("source", "", "only what this source sent"),
		partner: f.String("partner", "", "only what goes to this partner"),
		state:   f.String("state", "", `only with a delivery that is "waiting", "held", "needs a person", "done", "shadow", "refused" or "superseded"`),
		since:   f.String("since", "", "only what came in at this time or later: 2026-05-04, 2026-05-04T06:52, or 2h ago as 2h"),
		until:   f.String("until", "", "only what came in before this time"),
	}
}

func (f *filterFlags) filter(c *cobra.Command, now time.Time) (control.Filter, error) {
	out := control.Filter{Source: *f.source, Partner: *f.partner, State: *f.state}
	var err error
	if out.Since, err = parseTime(*f.since, now); err != nil {
		return out, usageError{c.CommandPath(), fmt.Errorf("--since: %w", err)}
	}
	if out.Until, err = parseTime(*f.until, now); err != nil {
		return out, usageError{c.CommandPath(), fmt.Errorf("--until: %w", err)}
	}
	return out, nil
}

// parseTime reads a day, a local time, a full time, or how long ago.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("write a day (2026-05-04), a time (2026-05-04T06:52) or how long ago (2h)")
}

// deliveries is how far a result has come, in a few words.
func deliveries(ds []control.Delivery) string {
	if len(ds) == 0 {
		return "goes nowhere"
	}
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = fmt.Sprintf("%d %s: %s", d.Number, d.Partner, stateWords(d))
	}
	return strings.Join(out, "; ")
}

// stateWords says no more than what is known: that a system accepted a result
// is not that somebody has read it.
func stateWords(d control.Delivery) string {
	switch {
	case d.Gated != "":
		return d.State + ", behind a " + strings.Fields(d.Gated)[0] + " stop"
	case d.State != "done":
		return d.State
	case !d.FoundAt.IsZero():
		return "they have it (their own list)"
	}
	switch d.Level {
	case "accepted":
		return "their system accepted it"
	case "committed":
		return "their system took it"
	}
	return "placed, nobody has confirmed"
}

func marks(r control.Result) string {
	var out []string
	for _, m := range []struct {
		is   bool
		word string
	}{{r.Critical, "critical"}, {r.Correction, "correction"}, {r.Erased, "erased"}, {r.Bypassed, "bypass"}} {
		if m.is {
			out = append(out, m.word)
		}
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, ",")
}
