package app

import (
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/config"
)

// longerCalls names where a critical result might go unacknowledged for longer
// than before until somebody must telephone: that time is the laboratory
// director's (SAFETY.md 10). What a source or partner had of its own and has no
// longer is longer where the laboratory's time is.
func longerCalls(old, new *config.Config) []string {
	if old == nil {
		return nil
	}
	var out []string
	all := func(c *config.Config, own config.Duration) config.Duration {
		if own > 0 {
			return own
		}
		return c.Alarms.CriticalAfter
	}
	longer := func(what string, was, is config.Duration) {
		if is > was {
			out = append(out, fmt.Sprintf("%s would let a critical result wait %s instead of %s until somebody must telephone", what, is, was))
		}
	}
	longer("alarms.critical_after", old.Alarms.CriticalAfter, new.Alarms.CriticalAfter)
	for _, key := range sorted(new.Sources) {
		if was, ok := old.Sources[key]; ok && (was.CriticalAfter > 0 || new.Sources[key].CriticalAfter > 0) {
			longer("source "+key, all(old, was.CriticalAfter), all(new, new.Sources[key].CriticalAfter))
		}
	}
	for _, key := range sorted(new.Partners) {
		if was, ok := old.Partners[key]; ok && (was.CriticalAfter > 0 || new.Partners[key].CriticalAfter > 0) {
			longer("partner "+key, all(old, was.CriticalAfter), all(new, new.Partners[key].CriticalAfter))
		}
	}
	return out
}
