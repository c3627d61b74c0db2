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

// commas reads keys that a form separates by commas or spaces.
func commas(text string) []string {
	out := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })
	slices.Sort(out)
	return slices.Compact(out)
}
