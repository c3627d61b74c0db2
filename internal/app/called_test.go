package app

import (
	"testing"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// A journey names people as the laboratory does, however the ledger has them.
func TestPeopleOfAJourneyAreCalledByName(t *testing.T) {
	h := newDoors(t).h
	_, _, err := h.Access.Invite(t.Context(), holdings{h}.inTheNameOf(accounts.By{Account: "first"}), access.NewPerson{Account: "bell", Name: "Dr. H. Bell"})
	if err != nil {
		t.Fatal(err)
	}
	called := h.called()
	people, err := h.Access.People(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range people {
		for _, who := range []string{p.Account, ledger.Code(p.Name)} {
			if got := called(who); got != p.Name {
				t.Errorf("%s is called %q, not %q", who, got, p.Name)
			}
		}
	}
	for who, want := range map[string]string{"labwarden": "Labwarden", "nobody-known": "nobody-known"} {
		if got := called(who); got != want {
			t.Errorf("%s is called %q, not %q", who, got, want)
		}
	}
	if len(people) == 0 {
		t.Error("there is nobody")
	}
}
