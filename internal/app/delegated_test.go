package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// At the console a clinical act needs the director's delegation as on the pages,
// once there is a director.
func TestClinicalActsAtTheConsoleNeedADelegation(t *testing.T) {
	h := newSite(t, "").open()
	defer h.Close()
	ctx := t.Context()
	if err := h.delegated(ctx, "Dr. Hahn", authz.ClinicalStop); err != nil {
		t.Fatalf("before there is a director: %v", err)
	}
	boss := holdings{h}.inTheNameOf(accounts.By{Account: "first"})
	person := func(account, name string, role authz.Role) access.Person {
		p, link, err := h.Access.Invite(ctx, boss, access.NewPerson{Account: account, Name: name, Grants: []authz.Grant{{Role: role}}})
		if err != nil {
			t.Fatal(err)
		}
		err = h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, _, err := h.Access.UseLink(ctx, tx, link.Token, access.NewPerson{})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	director := person("hahn", "Dr. L. Hahn", authz.Director)
	okafor := person("okafor", "M. Okafor", authz.Technologist)
	for name, want := range map[string]bool{"Dr. L.  Hahn": true, "HAHN": true, "M. Okafor": false, "root": false} {
		err := h.delegated(ctx, name, authz.ClinicalStop)
		var no *control.Error
		if (err == nil) != want || err != nil && (!errors.As(err, &no) || no.Kind != control.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	who := &authz.Subject{Person: director.ID, Account: "hahn", Level: authz.LevelPasskey, FreshAt: time.Now(), Grants: []authz.Grant{{Role: authz.Director}}}
	if _, err := h.Access.Delegate(ctx, who, access.Delegation{Person: okafor.ID, Permission: authz.ClinicalStop}); err != nil {
		t.Fatal(err)
	}
	if err := h.delegated(ctx, "M. Okafor", authz.ClinicalStop); err != nil {
		t.Errorf("delegated, and refused: %v", err)
	}
	if err := h.delegated(ctx, "M. Okafor", authz.RoutesApprove); err == nil {
		t.Error("one delegation gave another")
	}
}
