package accessui_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// scimRoles: a patch that adds or takes one role leaves the others, also when it
// chooses by a filter, and one whose choice is not understood takes none.
func scimRoles(t *testing.T, x *office, admin *authz.Subject, patch func(string) (int, map[string]any), id event.ID) {
	t.Helper()
	for word, role := range map[string]authz.Role{"Desk": authz.FrontDesk, "Counsel": authz.Counsel} {
		_, err := x.s.MakeRule(t.Context(), admin, access.Rule{Origin: access.OriginSCIM, Word: word, Role: role})
		check(t, err)
	}
	has := func() string {
		p, err := x.s.Person(t.Context(), id)
		check(t, err)
		var out []string
		for _, g := range p.Grants {
			out = append(out, string(g.Role))
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	for _, c := range []struct {
		op   string
		code int
		want string
	}{
		{`{"op":"add","path":"roles","value":[{"value":"Bench"}]}`, 200, "technologist"},
		{`{"op":"add","path":"roles","value":[{"value":"Desk"}]}`, 200, "front-desk technologist"},
		{`{"op":"add","value":{"roles":[{"value":"Desk"},{"value":"Nothing here"}]}}`, 200, "front-desk technologist"},
		{`{"op":"Add","path":"roles[primary eq \"True\"].value","value":"Counsel"}`, 200, "counsel front-desk technologist"},
		{`{"op":"replace","path":"displayName","value":"Sam"}`, 200, "counsel front-desk technologist"},
		{`{"op":"remove","path":"roles[value eq \"Desk\"]"}`, 200, "counsel technologist"},
		{`{"op":"remove","path":"roles[value eq \"desk\"]"}`, 200, "counsel technologist"},
		{`{"op":"remove","path":"roles[primary eq \"True\"]"}`, 400, "counsel technologist"},
		{`{"op":"replace","path":"roles[type eq \"x\"].value","value":"Desk"}`, 400, "counsel technologist"},
		{`{"op":"remove","path":"roles","value":[{"value":"Counsel"}]}`, 200, "technologist"},
		{`{"op":"replace","path":"roles[value eq \"Bench\"].value","value":"Desk"}`, 200, "front-desk"},
		{`{"op":"replace","path":"roles","value":[{"value":"Bench"},{"value":"Counsel"}]}`, 200, "counsel technologist"},
		{`{"op":"remove","path":"roles"}`, 200, ""},
	} {
		if code, u := patch(c.op); code != c.code || has() != c.want {
			t.Errorf("%s: %d %v, has %q, want %q", c.op, code, u["detail"], has(), c.want)
		}
	}
	if _, u := patch(`{"op":"add","path":"roles","value":[{"value":"Bench"}]}`); !strings.Contains(fmt.Sprint(u["roles"]), "Bench") {
		t.Errorf("the answer does not say which roles: %v", u)
	}
	// Given by a version that did not keep the words: the rules tell them.
	forgetWords(t, x)
	if code, _ := patch(`{"op":"add","path":"roles","value":[{"value":"Desk"}]}`); code != 200 || has() != "front-desk technologist" {
		t.Errorf("%d, has %q", code, has())
	}
	if code, _ := patch(`{"op":"remove","path":"roles"}`); code != 200 || has() != "" {
		t.Errorf("%d, has %q", code, has())
	}
}

func forgetWords(t *testing.T, x *office) {
	t.Helper()
	d := &bus.Tagged{Table: "access_words", Key: "person", Columns: []string{"words", "at"}}
	var ids [][]byte
	check(t, x.db.Query(t.Context(), "SELECT person FROM access_words", nil, func(row store.Scanner) error {
		var id []byte
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	}))
	check(t, x.db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		for _, id := range ids {
			if _, err := bus.NewTags(keys{}).Exec(ctx, tx, d, id, "DELETE FROM access_words WHERE person = $1", id); err != nil {
				return err
			}
		}
		return nil
	}))
}
