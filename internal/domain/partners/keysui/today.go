package keysui

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Today tells of keys that wait for somebody. Keys that end, and partners
// without a key, are alarms.
func (d Deps) Today() today.Source {
	return today.Source{Name: "partners' keys", Needs: authz.PartnersSee, Look: func(ctx context.Context, _ *authz.Subject, _ time.Time) ([]today.Item, error) {
		all, err := d.Keys.All(ctx)
		if err != nil {
			return nil, fmt.Errorf("look at partners' keys: %w", err)
		}
		var out []today.Item
		for i := range all {
			k := &all[i]
			p, ok := d.Partner(k.Partner)
			if !ok || k.State > keys.Compared {
				continue
			}
			x := today.Item{
				State: kit.Warn, Rank: today.RankLater, Since: k.AddedAt, Needs: authz.PartnerKeys, Partner: k.Partner,
				Title: "A key of " + p.Name + " waits to be compared", Text: "Call " + ask(p) + ", read half of the fingerprint and hear the other half.",
				Action: kit.Action{Text: "Compare it", Href: atKey(k)},
			}
			if k.State == keys.Compared {
				x.Needs, x.Since = authz.PartnerKeysUse, k.Comparison.At
				x.Title, x.Text = "A key of "+p.Name+" waits to be taken into use", "It was compared with "+k.Comparison.With+". Somebody else than the one who added it decides from when on."
				x.Action.Text = "Look at it"
			}
			out = append(out, x)
		}
		return out, nil
	}}
}
