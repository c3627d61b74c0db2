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

// areas is how the areas of events read.
var areas = map[string]string{
	"result": "Result", "quarantine": "Quarantine", "call": "Phone task", "route": "Route", "stop": "Stop", "legal_hold": "Legal hold",
	"signin": "Sign-in", "session": "Session", "person": "Person", "grant": "Role", "delegation": "Delegation", "link": "One-time link",
	"bench": "Shared bench", "service": "Service account", "token": "Token", "glass": "Break-glass", "break_glass": "Break-glass",
	"access": "Access", "request": "Request", "account": "Other systems' accounts", "vendor": "Vendor", "review": "Access review",
	"record": "Record", "config": "Configuration", "keys": "Keys", "secret": "Secret", "ledger": "Ledger", "alarm": "Alarm",
	"date": "Date", "partner": "Partner", "bypass": "Bypass", "approval": "Approval", "node": "Node", "scim": "Directory", "setup": "Set-up",
}

// Words is how a kind reads: "Result: viewed".
func Words(kind string) string {
	area, rest, _ := strings.Cut(kind, ".")
	name, ok := areas[area]
	if !ok {
		name = strings.ReplaceAll(area, "_", " ")
	}
	return name + ": " + strings.NewReplacer("_", " ", ".", " ").Replace(rest)
}
