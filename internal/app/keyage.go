package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// keyPeriod is how long a purpose key is used before Today asks for a new one
// (docs/operate/keys.md). Nothing stops when it is over. The index key stays, and
// the signing key and the root key have no period: who knows them by name would
// have to be told each time.
const keyPeriod = 366 * 24 * time.Hour

// oldKeys are the purposes whose current key is older than its period, and since
// when the first of them is.
func oldKeys(st vault.Status, now time.Time) (of []string, since time.Time) {
	for _, k := range st.Keys {
		if !k.Current || k.Purpose == vault.PurposeIndex || now.Sub(k.Created) < keyPeriod {
			continue
		}
		of = append(of, string(k.Purpose))
		if due := k.Created.Add(keyPeriod); since.IsZero() || due.Before(since) {
			since = due
		}
	}
	return of, since
}

// keySource asks for new keys in the place of old ones.
func (h *Hub) keySource() today.Source {
	return today.Source{Name: "the age of the keys", Needs: authz.KeysSee, Look: func(_ context.Context, _ *authz.Subject, now time.Time) ([]today.Item, error) {
		st, err := h.keyStatus()
		if err != nil {
			return nil, fmt.Errorf("look at the keys: %w", err)
		}
		of, since := oldKeys(st, now)
		if len(of) == 0 {
			return nil, nil
		}
		title := "One key is older than a year"
		if len(of) > 1 {
			title = fmt.Sprintf("%d keys are older than a year", len(of))
		}
		return []today.Item{{
			State: kit.Warn, Rank: today.RankLater, Since: since, Needs: authz.KeysSee, Title: title,
			Text:   "Those for " + strings.Join(of, ", ") + ". Make new ones; what is stored is carried over by itself, and nothing stops meanwhile.",
			Action: kit.Action{Text: "See keys", Href: "/keys"},
		}}, nil
	}}
}
