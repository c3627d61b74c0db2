package accessui

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"

	"github.com/labwarden/labwarden/internal/domain/access"
)

var (
	notUnderstood = &access.Refusal{Kind: access.KindInvalid, Text: "This operation is not understood."}
	// scimValueFilter selects one of several values (RFC 7644 3.5.2, figure 1).
	scimValueFilter = regexp.MustCompile(`(?i)^roles\[\s*value\s+eq\s+("(?:[^"\\]|\\.)*")\s*\](?:\.value)?$`)
)

// scimWhole is scimOf with the roles that SCIM gave last.
func (u *ui) scimWhole(r *http.Request, p access.Person) (scimAnswer, error) {
	x := u.scimOf(p)
	words, err := u.s.Words(r.Context(), p)
	for _, w := range words {
		x.Roles = append(x.Roles, scimValue{Value: w})
	}
	return x, err
}

func (u *ui) scimShow(w http.ResponseWriter, r *http.Request, status int, p access.Person) error {
	x, err := u.scimWhole(r, p)
	if err != nil {
		return err
	}
	return scimJSON(w, status, x)
}

// applyRoles changes the roles, which are several and each has only its value. An
// operation that names some of them leaves the others; one whose choice is not
// understood is refused: it must not take them all.
func (x *scimAnswer) applyRoles(kind, path string, value json.RawMessage) error {
	x.rolesSaid = true
	var said []scimValue
	if len(value) > 0 && string(value) != "null" {
		if err := values(value, &said, notUnderstood); err != nil {
			return err
		}
	}
	chosen, filtered := "", len(path) > len("roles") // behind it stands [ or .
	if filtered {
		m := scimValueFilter.FindStringSubmatch(path)
		switch {
		case m != nil:
			if json.Unmarshal([]byte(m[1]), &chosen) != nil {
				return notUnderstood
			}
		// roles[primary eq "True"].value and the like, as a widespread provider sends them:
		// to add is clear; of one role there is no choice.
		case kind == "add":
		case kind == "replace" && len(x.Roles) <= 1:
			filtered = false
		default:
			return notUnderstood
		}
	}
	is := func(word string) func(scimValue) bool {
		return func(v scimValue) bool { return v.Value == word }
	}
	switch {
	case kind == "remove" && filtered:
		x.Roles = slices.DeleteFunc(x.Roles, is(chosen))
	case kind == "remove" && len(said) > 0:
		x.Roles = slices.DeleteFunc(x.Roles, func(v scimValue) bool { return slices.ContainsFunc(said, is(v.Value)) })
	case kind == "remove":
		x.Roles = []scimValue{}
	case kind == "replace" && filtered:
		x.Roles = append(slices.DeleteFunc(x.Roles, is(chosen)), said...)
	case kind == "replace":
		x.Roles = said
	default: // add: what is there already is not added twice (RFC 7644 3.5.2.1)
		for _, v := range said {
			if !slices.ContainsFunc(x.Roles, is(v.Value)) {
				x.Roles = append(x.Roles, v)
			}
		}
	}
	if x.Roles == nil {
		x.Roles = []scimValue{}
	}
	return nil
}
