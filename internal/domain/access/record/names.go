package record

import (
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// Names is how the people of events read: by id, by account, and by what
// ledger.Code made of account or name.
type Names map[string]string

// NewNames knows those who act without being a person.
func NewNames() Names {
	return Names{ledger.Program: "Labwarden", "labwarden": "Labwarden", "hub": "Labwarden", "console": "the console", "openid": "the sign-in provider"}
}

// Add makes a person known.
func (n Names) Add(id event.ID, account, name string) {
	n[id.String()], n[ByPerson(id.String())] = name, name
	n[account], n[ledger.Code(account)] = name, name
	code := ledger.Code(name)
	if was, ok := n[code]; ok && was != name {
		return // somebody else, or an account, reads the same: it stays theirs
	}
	n[code] = name
}

// AddProgram makes a service account known, with who made it: what it sees, they
// let it see.
func (n Names) AddProgram(account, name, maker string) {
	text := name + ", a program that " + n.Of(maker) + " made"
	n[account], n[ledger.Code(account)] = text, text
}

// Of is the name of whom v means; v where nobody is known by it.
func (n Names) Of(v string) string {
	if name := n[v]; name != "" {
		return name
	}
	if operator, ok := strings.CutPrefix(v, "console:"); ok {
		return operator + " at the console"
	}
	if id, ok := strings.CutPrefix(v, "person:"); ok {
		return "somebody with the id " + Brief(id)
	}
	return v
}

// Who is a name with the account that stands behind it.
func (n Names) Who(v string) string {
	name := n.Of(v)
	if name == v || strings.HasPrefix(v, "person:") || strings.HasPrefix(v, "console:") || ledger.Code(name) == v || isID(v) || n.program(v) {
		return name
	}
	return name + " (" + v + ")"
}

func (n Names) program(v string) bool {
	return v == ledger.Program || v == "labwarden" || v == "hub" || v == "console" || v == "openid"
}

// Brief keeps the end of a long identifier: of ours the beginning is the time; of
// a hash the beginning is enough.
func Brief(v string) string {
	switch {
	case len(v) == 64 && strings.Trim(v, "0123456789abcdef") == "":
		return v[:8] + "…"
	case isID(v):
		return "…" + v[len(v)-12:]
	}
	return v
}

// people are the keys of who somebody is.
var people = []string{"by", "account", "person", "owner", "asked_by", "approved_by", "director", "author", "of_1", "of_2", "of_3", "of_4"}

// prose are the keys of what somebody wrote, which the ledger keeps with '-' for
// each blank.
var prose = []string{"reason", "why", "note", "remark", "cause"}

// keys is how the keys of events read, where the key itself is no plain word.
var keys = map[string]string{
	"about": "message", "about_message": "message", "asked_by": "asked by", "approved_by": "approved by", "as_of": "as of", "account_of": "account",
	"replaced_by": "replaced by", "phi": "patient data", "id": "passkey", "of": "of a", "for": "for a",
	"of_1": "of", "of_2": "and", "of_3": "and", "of_4": "and", "whose": "whose it is",
}

// values is how the codes of events read, by key; "" is for every key.
var values = map[string]map[string]string{
	"way": {
		"password": "password", "totp": "authenticator app", "recovery": "recovery codes", "passkey": "passkey", "oidc": "sign-in provider",
		"provider": "sign-in provider", "all": "every way", "mail": "mail", "webhook": "webhook",
	},
	"method": {"password-totp": "password and code", "totp": "password and code", "recovery": "recovery code", "oidc": "sign-in provider", "link": "one-time link"},
	"reason": {
		"no-match": "it did not match", "wait": "they had to wait", "busy": "too many at this moment", "gone": "it took too long", "cloned": "the passkey was copied",
		"no-second-factor": "no second factor", "provider-silent": "the provider did not answer", "provider-declined": "the provider declined",
		"provider-answer": "the provider's answer could not be relied on", "provider-stranger": "nobody is known by this", "provider-not-fresh": "the provider did not ask anew",
	},
	"what": {
		"new-device": "a new device", "new-network": "a new network", "moved": "another kind of device", "way-added": "a way to sign in was added",
		"way-removed": "a way to sign in was removed", "ways-removed": "all ways to sign in were removed", "linked": "linked to the sign-in provider",
		"unlinked": "unlinked from the sign-in provider",
	},
	"origin": {"local": "added here", "csv": "a list", "scim": "another system (SCIM)", "oidc": "the sign-in provider"},
	"format": {"csv": "CSV", "ndjson": "FHIR AuditEvents"},
	"why":    {"denied": "their roles do not allow it", "not_found": "there is no such thing for them", "too_fast": "they asked faster than the pages allow"},
	"for":    {"step-up": "step-up"},
}

// Detail says one pair of an event in plain words: "role Technologist". Empty: it
// says nothing to a person.
func (n Names) Detail(key, value string) string {
	name, ok := keys[key]
	if !ok {
		name = strings.ReplaceAll(key, "_", " ")
	}
	if value == "-" || value == "" {
		return ""
	}
	if w, ok := values[key][value]; ok {
		return name + " " + w
	}
	switch {
	case slices.Contains(people, key):
		return name + " " + n.Of(value)
	case slices.Contains(prose, key):
		return name + ": " + strings.ReplaceAll(value, "-", " ")
	case key == "role":
		if i, ok := authz.RoleOf(authz.Role(value)); ok {
			return name + " " + i.Name
		}
	case key == "permission":
		if i, ok := authz.Of(authz.Permission(value)); ok {
			return "to " + i.What
		}
	case key == "permissions":
		var out []string
		for _, p := range strings.Split(value, ",") {
			if i, ok := authz.Of(authz.Permission(p)); ok {
				out = append(out, i.What)
			}
		}
		return "to " + strings.Join(out, "; ")
	case key == "kind":
		if _, ok := said[value]; ok {
			return "kind " + Words(value)
		}
	case key == "page":
		_, path, _ := strings.Cut(value, "-") // "GET-/people/-id-": '-' stands for what a code may not hold
		parts := strings.Split(path, "/")
		for i, x := range parts {
			if len(x) > 1 && x[0] == '-' && x[len(x)-1] == '-' {
				parts[i] = "…"
			}
		}
		return "page " + strings.Join(parts, "/")
	}
	return name + " " + strings.ReplaceAll(Brief(value), "_", " ")
}
