package accessui

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/domain/access"
)

// scimOp is one operation of a patch (RFC 7644 3.5.2).
type scimOp struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

func (u *ui) scimPatch(w http.ResponseWriter, r *http.Request) error {
	p, err := u.scimFind(r)
	if err != nil {
		return err
	}
	var patch struct {
		Schemas    []string `json:"schemas"`
		Operations []scimOp `json:"Operations"`
	}
	if err := scimRead(r, &patch); err != nil {
		return err
	}
	if !slices.Contains(patch.Schemas, scimPatch) || len(patch.Operations) == 0 || len(patch.Operations) > 100 {
		return &access.Refusal{Kind: access.KindInvalid, Text: "This is not a PatchOp."}
	}
	x, err := u.scimWhole(r, p)
	if err != nil {
		return err
	}
	for _, op := range patch.Operations {
		if err := x.apply(op); err != nil {
			return err
		}
	}
	if !x.rolesSaid {
		x.Roles = nil // nothing was said about them
	}
	return u.scimKeep(w, r, p, x)
}

// apply changes one attribute, or, without a path, those of the value.
func (x *scimAnswer) apply(op scimOp) error {
	wrong := notUnderstood
	kind := strings.ToLower(op.Op) // sent as "Replace" too
	if kind != "replace" && kind != "add" && kind != "remove" {
		return wrong
	}
	if op.Path == "" {
		var all map[string]json.RawMessage
		if kind == "remove" || json.Unmarshal(op.Value, &all) != nil {
			return wrong
		}
		for path, v := range all {
			if err := x.apply(scimOp{kind, path, v}); err != nil {
				return err
			}
		}
		return nil
	}
	// emails[type eq "work"].value and the like: there is one of each here.
	path, _, _ := strings.Cut(strings.ToLower(op.Path), "[")
	if path == "roles" || path == "roles.value" {
		return x.applyRoles(kind, op.Path, op.Value)
	}
	if kind == "remove" {
		switch path {
		case "emails":
			x.Emails = nil
		default:
			return wrong
		}
		return nil
	}
	text := func(into *string) error {
		if json.Unmarshal(op.Value, into) != nil {
			return wrong
		}
		return nil
	}
	switch path {
	case "active":
		return orWrong(json.Unmarshal(op.Value, &x.Active), wrong)
	case "username":
		return text(&x.UserName)
	case "externalid":
		return text(&x.ExternalID)
	case "displayname", "name.formatted":
		return text(&x.Display)
	case "name":
		var n scimName
		if json.Unmarshal(op.Value, &n) != nil {
			return wrong
		}
		if n.Formatted == "" {
			n.Formatted = strings.TrimSpace(n.Given + " " + n.Family)
		}
		x.Display = n.Formatted
		return nil
	case "emails":
		return values(op.Value, &x.Emails, wrong)
	}
	// Attributes that are not kept here (title, phone numbers) are none of ours.
	return nil
}

func orWrong(err error, wrong error) error {
	if err != nil {
		return wrong
	}
	return nil
}

// values reads a list, one of its entries, or the bare value of one.
func values(raw json.RawMessage, into *[]scimValue, wrong error) error {
	var many []scimValue
	if json.Unmarshal(raw, &many) == nil {
		*into = many
		return nil
	}
	var one scimValue
	if json.Unmarshal(raw, &one) == nil {
		*into = []scimValue{one}
		return nil
	}
	if json.Unmarshal(raw, &one.Value) == nil {
		*into = []scimValue{one}
		return nil
	}
	return wrong
}
