package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// delegated refuses a clinical act from the console in the name of somebody to
// whom the laboratory director did not delegate it. Until the laboratory has a
// director who can sign in there is nobody to ask: then the name is written down
// as it was typed.
func (h *Hub) delegated(ctx context.Context, name string, p authz.Permission) error {
	directors, err := holders{h}.Holders(ctx, authz.Delegate)
	if err != nil {
		return fmt.Errorf("look up who may do this: %w", err)
	}
	if len(directors) == 0 {
		return nil
	}
	may, err := holders{h}.Holders(ctx, p)
	if err != nil {
		return fmt.Errorf("look up who may do this: %w", err)
	}
	for _, x := range may {
		person, err := h.Access.Person(ctx, x.ID)
		if err != nil {
			return fmt.Errorf("look up who may do this: %w", err)
		}
		if same(name, person.Account) || same(name, person.Name) {
			return nil
		}
	}
	info, _ := authz.Of(p)
	return &control.Error{Kind: control.Denied, Message: fmt.Sprintf("the laboratory director has not let %q %s; the delegations stand on the pages under People", name, info.What)}
}

func same(a, b string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
}
