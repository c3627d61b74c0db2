package accessui

import (
	"context"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Today is what people and access have that needs somebody: break-glass access
// that is open or not reviewed, acts to review, and sign-ins the person should
// recognise.
func Today(d Deps) []today.Source {
	u := &ui{d, d.Access}
	return []today.Source{
		{Name: "your sign-ins", Needs: authz.OwnSecurity, Look: u.todayNotices},
		{Name: "break-glass access", Needs: authz.TodaySee, Look: u.todayGlass},
		{Name: "acts to review", Needs: authz.ReviewActs, Look: u.todayActs},
		{Name: "programs to allow", Needs: authz.TokensAllow, Look: u.todayPrograms},
		{Name: "people to confirm", Needs: authz.PeopleConfirm, Look: u.todayStanding},
		{Name: "reserved accounts", Needs: authz.PeopleSee, Look: u.todayReserved},
	}
}

func (u *ui) todayNotices(ctx context.Context, who *authz.Subject, now time.Time) ([]today.Item, error) {
	all, err := u.s.Notices(ctx, who)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, nil
	}
	names, err := u.names(ctx)
	if err != nil {
		return nil, err
	}
	var out []today.Item
	for _, n := range all {
		title, text := NoticeText(n, names.Of)
		out = append(out, today.Item{
			State: kit.Warn, Rank: today.RankSoon, Needs: authz.OwnSecurity, Since: n.At, Title: title + " Was that you?",
			Text: strings.TrimSpace(text + " " + kit.Clock(n.At, now) + "."), Action: kit.Action{Text: "Answer", Href: MePath},
		})
	}
	return out, nil
}

// MePath is the page of one's own security.
const MePath = "/me"

func (u *ui) todayGlass(ctx context.Context, who *authz.Subject, now time.Time) ([]today.Item, error) {
	all, err := u.s.Glasses(ctx, false, 50)
	if err != nil {
		return nil, err
	}
	var out []today.Item
	for _, g := range all {
		it := today.Item{State: kit.Warn, Rank: today.RankSoon, Since: g.Opened}
		switch {
		case g.Open(now) && g.Person == who.Person:
			it.Title, it.Text = "Your break-glass access is open until "+kit.Clock(g.Until, now), "Close it when you are done. What you see with it is linked to it and reviewed."
			it.Needs, it.Action = authz.BreakGlass, kit.Action{Text: "Close it", Href: "/people/break-glass"}
		case g.Open(now):
			it.Title, it.Text = g.Account+" has break-glass access until "+kit.Clock(g.Until, now), g.Reason
			it.Needs, it.Action = authz.ReviewActs, kit.Action{Text: "See what is done", Href: "/people/break-glass/" + g.ID.String() + "/review"}
		case g.Person == who.Person:
			continue
		default:
			it.Title, it.Text, it.Rank = "Break-glass access of "+g.Account+" waits for a review", "It was opened "+kit.Clock(g.Opened, now)+". Somebody with another role says whether it was right.", today.RankLater
			it.Needs, it.Action = authz.ReviewActs, kit.Action{Text: "Review it", Href: "/people/break-glass/" + g.ID.String() + "/review"}
		}
		out = append(out, it)
	}
	return out, nil
}

func (u *ui) todayActs(ctx context.Context, who *authz.Subject, now time.Time) ([]today.Item, error) {
	n, err := u.s.OpenActs(ctx, who)
	if err != nil || n == 0 {
		return nil, err
	}
	acts, err := u.s.Acts(ctx, who, false, 1000)
	if err != nil {
		return nil, err
	}
	var since time.Time
	for _, a := range acts {
		if a.Account != ledger.Code(who.Account) {
			since = a.At // the newest come first
		}
	}
	return []today.Item{{
		State: kit.Warn, Rank: today.RankLater, Needs: authz.ReviewActs, Since: since, Title: kit.Many(int(n), "act of an administrator waits", "acts of administrators wait") + " for a review",
		Text: "What changed how systems run or who gets in is looked at by another role.", Action: kit.Action{Text: "Review", Href: "/people/acts"},
	}}, nil
}
