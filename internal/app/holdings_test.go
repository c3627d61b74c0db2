package app

import (
	"slices"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// The access review covers programs too, and what it removes is gone.
func TestTheReviewCoversProgramsAndTokens(t *testing.T) {
	s := newSite(t, "")
	h := s.open()
	defer s.close(h)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	review := holdings{h}
	admin := review.inTheNameOf(accounts.By{Account: "anna"})
	x, err := h.Access.MakeService(ctx, admin, access.ServiceAccount{Account: "lis-robot", Name: "LIS robot", Permissions: []authz.Permission{authz.ResultsFind}})
	must(err)
	tok, err := h.Access.MakeToken(ctx, admin, x.ID, access.Token{Name: "nightly", Permissions: []authz.Permission{authz.ResultsFind}, Until: h.now().Add(24 * time.Hour)})
	must(err)
	kinds := func() (out []string) {
		all, err := review.Held(ctx)
		must(err)
		for _, one := range all {
			if one.Account == "lis-robot" {
				out = append(out, one.Kind)
			}
		}
		return out
	}
	if got := kinds(); !slices.Equal(got, []string{heldService, heldToken}) {
		t.Fatalf("%q", got)
	}
	must(review.Remove(ctx, heldToken, tok.ID.String(), accounts.By{Account: "sofia"}, "unused"))
	must(review.Remove(ctx, heldToken, tok.ID.String(), accounts.By{Account: "sofia"}, "unused"))
	must(review.Remove(ctx, heldService, x.ID.String(), accounts.By{Account: "sofia"}, "unused"))
	if got := kinds(); len(got) > 0 {
		t.Fatalf("%q", got)
	}
	if review.Remove(ctx, "crown", x.ID.String(), accounts.By{Account: "sofia"}, "") == nil {
		t.Fatal("something unknown was removed")
	}
}
