package accountsui

import (
	"context"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Today is what this room has for the page Today.
func (d Deps) Today() []today.Source {
	return []today.Source{
		{Name: "other systems' accounts", Needs: authz.AccountsSee, Look: d.todayAccounts},
		{Name: "the access review", Needs: authz.AccountsSee, Look: d.todayReview},
		{Name: "the register of vendors", Needs: authz.VendorsSee, Look: d.todayVendors},
	}
}

func (d Deps) todayAccounts(ctx context.Context, _ *authz.Subject, now time.Time) ([]today.Item, error) {
	systems, err := d.Accounts.Systems(ctx, false)
	if err != nil {
		return nil, err
	}
	open, err := d.Accounts.Findings(ctx, "", false)
	if err != nil {
		return nil, err
	}
	var out []today.Item
	for i := range systems {
		x := &systems[i]
		at := kit.Action{Text: "Look at it", Href: "/accounts/systems/" + x.Key}
		if x.Stale(now) {
			it := today.Item{
				State: kit.Unknown, Rank: today.RankLater, Needs: authz.AccountsImport, Since: x.AsOf, Title: x.Name + " was not looked at since " + kit.Date(x.AsOf, now),
				Text: "Whether somebody who left still has an account there is not known. Take a new list.", Action: kit.Action{Text: "Take a list", Href: "/accounts/systems/" + x.Key + "/list"},
			}
			if x.AsOf.IsZero() {
				it.Title = "No list of the accounts of " + x.Name + " was ever taken"
			}
			out = append(out, it)
			continue
		}
		leavers, late, rest := 0, 0, 0
		var since time.Time
		for j := range open {
			f := &open[j]
			if f.System != x.Key {
				continue
			}
			if f.Kind != accounts.Leaver {
				if f.Late(now) {
					rest++
				}
				continue
			}
			leavers++
			if f.Late(now) {
				late++
			}
			if since.IsZero() || f.Opened.Before(since) {
				since = f.Opened
			}
		}
		if leavers > 0 {
			it := today.Item{
				State: kit.Warn, Rank: today.RankSoon, Needs: authz.AccountsSee, Since: since, Action: at,
				Title: kit.Many(leavers, "account of somebody who left is", "accounts of people who left are") + " still there in " + x.Name,
				Text:  "By its list of " + kit.Date(x.AsOf, now) + ". Have them removed there, then take a new list.",
			}
			if late > 0 {
				it.State = kit.Stopped
			}
			out = append(out, it)
		}
		if rest > 0 {
			out = append(out, today.Item{
				State: kit.Warn, Rank: today.RankLater, Needs: authz.AccountsSee, Action: at, Title: kit.Many(rest, "finding is", "findings are") + " past the day in " + x.Name,
				Text: "Settle them, or close them with a reason.",
			})
		}
	}
	return out, nil
}

func (d Deps) todayReview(ctx context.Context, _ *authz.Subject, now time.Time) ([]today.Item, error) {
	all, err := d.Accounts.Reviews(ctx)
	if err != nil {
		return nil, err
	}
	var out []today.Item
	for i := range all {
		r := &all[i]
		at := kit.Action{Text: "Review", Href: "/access-review/" + r.Quarter}
		switch {
		case !r.Signed.IsZero():
		case r.Late(now):
			out = append(out, today.Item{
				State: kit.Stopped, Rank: today.RankSoon, Needs: authz.AccountsSee, Since: r.Due, Action: at, Title: "The access review of " + r.Quarter + " is late",
				Text: "It was due on " + kit.Date(r.Due, now) + ". Decide about the lines that are left and sign it.",
			})
		case r.Open:
			out = append(out, today.Item{
				State: kit.Warn, Rank: today.RankLater, Needs: authz.AccessReview, Since: r.Opened, Action: at, Title: "The access review of " + r.Quarter + " is open",
				Text: "It is due on " + kit.Date(r.Due, now) + ". Does everybody still need what they have?",
			})
		}
	}
	tasks, err := d.Accounts.Tasks(ctx)
	if err != nil {
		return nil, err
	}
	if n := len(tasks); n > 0 {
		out = append(out, today.Item{
			State: kit.Warn, Rank: today.RankSoon, Needs: authz.AccountsSee, Since: tasks[0].Decided, Action: kit.Action{Text: "See which", Href: "/access-review"},
			Title: kit.Many(n, "removal waits", "removals wait") + " to be done", Text: "The access review decided it. Have them removed there; the next list closes them.",
		})
	}
	return out, nil
}

func (d Deps) todayVendors(ctx context.Context, _ *authz.Subject, now time.Time) ([]today.Item, error) {
	all, err := d.Accounts.Vendors(ctx, false)
	if err != nil {
		return nil, err
	}
	var out []today.Item
	for i := range all {
		v := &all[i]
		s, word := agreement(v, now)
		if s != kit.Stopped && s != kit.Warn {
			continue
		}
		out = append(out, today.Item{
			State: s, Rank: today.RankSoon, Needs: authz.VendorsSee, Title: v.Name + ": " + lowerFirst(word), Text: "Nothing is switched off by the date. Renew it, or end what they can reach.",
			Action: kit.Action{Text: "Open the entry", Href: "/vendors/" + v.ID.String()},
		})
	}
	return out, nil
}
