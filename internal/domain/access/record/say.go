package record

import (
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// notObjects are ids that say who, or in which frame, not what.
var notObjects = []string{"by", "account", "person", "from", "session", "owner", "asked_by", "approved_by", "bench"}

// object names what an event is about: "message 0192…", "finding 0192…". Empty:
// it names nothing.
func object(l *Line) string {
	if l.Message != "" {
		return "message " + l.Message
	}
	area, _, _ := strings.Cut(l.Kind, ".")
	best, unique := "", false
	for _, p := range l.Event.IDs {
		switch {
		case p.K == area || strings.HasPrefix(area, p.K) && p.K != "by":
			return p.K + " " + p.V
		case slices.Contains(notObjects, p.K) || strings.HasPrefix(p.K, "of_"):
		case best == "" || !unique && isID(p.V):
			best, unique = p.K+" "+p.V, isID(p.V)
		}
	}
	if best == "" && l.Class != SignIn && l.Class != Refusal {
		if p := l.Event.IDs.Get("person"); p != "" {
			return "person " + p
		}
	}
	return best
}

// isID: an id of ours says more than a name or a hash.
func isID(v string) bool {
	_, err := event.ParseID(v)
	return err == nil
}

// Object is what a line is about, for pages.
func (l *Line) Object() string { return object(l) }

// Details are the rest of what the ledger says, as "key value" pairs.
func (l *Line) Details() ledger.Pairs {
	var out ledger.Pairs
	for _, p := range l.Event.IDs {
		if p.K != "by" && p.K != "account" && p.K+" "+p.V != object(l) {
			out = append(out, p)
		}
	}
	return append(out, l.Event.Codes...)
}
