package accessui

import (
	"context"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// todayReserved names accounts that may read as the program's own.
func (u *ui) todayReserved(ctx context.Context, _ *authz.Subject, now time.Time) ([]today.Item, error) {
	all, err := u.s.ReservedAccounts(ctx)
	if err != nil {
		return nil, err
	}
	var out []today.Item
	for _, account := range all {
		out = append(out, today.Item{
			State: kit.Warn, Rank: today.RankSoon, Needs: authz.PeopleSee, Since: now, Title: "The account " + account + " has a name that stands for the program or the machine",
			Text:   "What is done with it may read as the program's own. Give whoever has it another account, end this one, and read in the record what it did.",
			Action: kit.Action{Text: "People", Href: "/people"},
		})
	}
	return out, nil
}
