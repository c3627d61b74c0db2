package accessui

import (
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func roleName(r authz.Role) string {
	if i, ok := authz.RoleOf(r); ok {
		return i.Name
	}
	return string(r)
}

func permissionWord(p authz.Permission) string {
	if i, ok := authz.Of(p); ok {
		return i.What
	}
	return string(p)
}

// grantWords says a role with what narrows it: "Technologist, site main".
func grantWords(g authz.Grant) string {
	text := roleName(g.Role)
	if len(g.Partners) > 0 {
		text += ", for " + strings.Join(g.Partners, ", ")
	}
	if len(g.Sites) > 0 {
		text += ", site " + strings.Join(g.Sites, ", ")
	}
	return text
}

// grantDates says when a role holds.
func grantDates(g authz.Grant, now time.Time) string {
	switch {
	case !g.From.IsZero() && now.Before(g.From):
		return "from " + wordDay(g.From, "") + untilWords(g.Until)
	case !g.Until.IsZero() && !now.Before(g.Until):
		return "over since " + wordLastDay(g.Until, "")
	case !g.Until.IsZero():
		return "until " + wordLastDay(g.Until, "")
	}
	return "no end"
}

func untilWords(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + wordLastDay(t, "")
}

// personState is how somebody stands, with its word and a sentence.
func personState(p access.Person, now time.Time) (kit.State, string, string) {
	switch {
	case p.State == access.Ended:
		return kit.Unknown, "ended", "ended " + kit.Date(p.EndedAt, now)
	case !p.Ends.IsZero() && !now.Before(p.Ends):
		return kit.Unknown, "ended", "their last day was " + wordLastDay(p.Ends, "")
	case p.State == access.Invited:
		return kit.Unknown, "invited", "invited, has not come in yet"
	case !p.Starts.IsZero() && now.Before(p.Starts):
		return kit.Unknown, "not yet", "from " + wordDay(p.Starts, "")
	case len(p.Grants) == 0:
		return kit.Warn, "no role", "active, without a role: sees nothing"
	case !p.Ends.IsZero():
		return kit.Fine, "active", "active until " + wordLastDay(p.Ends, "")
	}
	return kit.Fine, "active", "active"
}

var origins = map[string]string{access.OriginLocal: "added here", access.OriginCSV: "from a list", access.OriginSCIM: "from another system (SCIM)", access.OriginOIDC: "from the sign-in provider"}

func originWord(o string) string {
	if w, ok := origins[o]; ok {
		return w
	}
	return o
}

var methodWords = map[string]string{"passkey": "passkey", "password": "password", "password-totp": "password and code", "totp": "password and code", "recovery": "recovery code", "oidc": "sign-in provider", "link": "one-time link"}

func methodWord(m string) string {
	if w, ok := methodWords[m]; ok {
		return w
	}
	return m
}

// kindWords says an event of the ledger in words; one that is not listed stands
// as it is.
var kindWords = map[string]string{
	access.KindInvited: "added a person", access.KindJoined: "came in for the first time", access.KindPerson: "changed a person", access.KindEnded: "ended a person",
	access.KindReturned: "let a person in again", access.KindGranted: "gave a role", access.KindTaken: "took a role", access.KindLinkMade: "made a one-time link",
	access.KindLinkUsed: "used a one-time link", access.KindSignedIn: "signed in", access.KindSteppedUp: "confirmed their identity", access.KindSignedOut: "a session ended",
	access.KindServiceMade: "added a service account", access.KindServiceEnded: "ended a service account", access.KindKeySet: "set the certificate of a service account",
	access.KindTokenMade: "made a token", access.KindTokenRevoked: "revoked a token", access.KindPaired: "paired a bench", access.KindUnpaired: "ended a bench",
	access.KindRuleMade: "added a rule", access.KindRuleEnded: "ended a rule", access.KindImported: "applied a list of people",
	access.KindDelegated: "delegated a clinical act", access.KindRevoked: "revoked a delegation", access.KindGlassOpened: "opened break-glass access",
	access.KindGlassClosed: "break-glass access was closed", access.KindGlassReviewed: "reviewed break-glass access", access.KindReviewed: "reviewed acts",
	"config.applied": "applied a configuration", "config.draft_begun": "began a draft of the configuration", "config.draft_applied": "put a draft in force", "secret.set": "set a secret", "secret.removed": "removed a secret", "keys.rotation_ordered": "rotated a key", "problem.reported": "reported a problem", "problem.taken": "took a problem report", "problem.answered": "answered a problem report",
	"keys.destruction_ordered": "destroyed a key", "keys.recovered": "recovered the keys with shares", "ledger.alarm_decided": "decided about an alarm of the ledger",
	"date.extended": "extended a date", "result.viewed": "viewed a result", "result.exported": "took a result out as a file", "quarantine.shown": "read a quarantined message",
	"call.viewed": "viewed a phone task", "result.resent": "sent a result again",
}

func kindWord(kind string) string {
	if w, ok := kindWords[kind]; ok {
		return w
	}
	return kind
}

// commas reads keys that a form separates by commas or spaces.
func commas(text string) []string {
	out := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })
	slices.Sort(out)
	return slices.Compact(out)
}
