package resultsfhir

import "strings"

// scope is system/TYPE.RIGHTS of SMART App Launch 2, or system/TYPE.read of 1.
type scope struct {
	kind   string // "*": every one
	rights string // letters of "cruds"
}

// parseScope reads one; others than system scopes, and those with a search
// behind, are not known.
func parseScope(text string) (scope, bool) {
	rest, ok := strings.CutPrefix(text, "system/")
	name, rights, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || name == "" {
		return scope{}, false
	}
	switch rights {
	case "read":
		rights = "rs"
	case "write":
		rights = "cud"
	case "*":
		rights = "cruds"
	}
	at := -1
	for _, c := range rights { // in their order, each once
		i := strings.IndexRune("cruds", c)
		if i <= at {
			return scope{}, false
		}
		at = i
	}
	if _, known := kindOf(name); !known && name != "*" && name != "Subscription" && name != "Group" || rights == "" {
		return scope{}, false
	}
	return scope{name, rights}, true
}

// ScopeKnown says whether the server knows the scope, for who configures one.
func ScopeKnown(text string) bool { _, ok := parseScope(text); return ok }

func parseScopes(texts []string) []scope {
	var out []scope
	for _, t := range texts {
		if s, ok := parseScope(t); ok {
			out = append(out, s)
		}
	}
	return out
}

// covered says whether the right is among them.
func covered(all []scope, kind string, right byte) bool {
	for _, s := range all {
		// Only Subscription is ever written: "*" means what is read.
		if (s.kind == kind || s.kind == "*" && (kind != "Subscription" || strings.ContainsAny(s.rights, "cud"))) && strings.IndexByte(s.rights, right) >= 0 {
			return true
		}
	}
	return false
}

// within are those of the scopes asked for that the allowed ones cover whole.
func within(asked, allowed []string) []string {
	have := parseScopes(allowed)
	var out []string
next:
	for _, text := range asked {
		s, ok := parseScope(text)
		if !ok {
			continue
		}
		names := []string{s.kind}
		if s.kind == "*" {
			names = append(kindNames[1:], "*")
		}
		for _, name := range names {
			for i := range len(s.rights) {
				if name != "*" && !covered(have, name, s.rights[i]) || name == "*" && !covered(have, "*", s.rights[i]) {
					continue next
				}
			}
		}
		out = append(out, text)
	}
	return out
}

// may asks the token's scopes, and the client's as they are configured now.
func (a *asked) may(kind string, right byte) bool {
	return covered(a.scopes, kind, right) && covered(parseScopes(a.client.Scopes), kind, right)
}
