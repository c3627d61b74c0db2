package portalui

import (
	"context"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Today is what the portal has for the laboratory's people. unopened is after how
// long a result that nobody opened is an item, by practice.
func Today(d Deps, unopened func() map[string]time.Duration) []today.Source {
	return []today.Source{
		{Name: "what practices told in the portal", Needs: authz.PortalSee, Look: d.lookTold},
		{Name: "changes of how people of practices sign in", Needs: authz.PortalSee, Look: d.lookChanges},
		{Name: "what rules keep from the portal", Needs: authz.PortalAnswer, Look: d.lookKept},
		{Name: "results nobody opened in the portal", Needs: authz.PortalSee, Look: func(ctx context.Context, _ *authz.Subject, now time.Time) ([]today.Item, error) {
			return d.lookUnopened(ctx, unopened(), now)
		}},
		{Name: "patients' copies", Needs: authz.PatientCopies, Look: d.lookCopies},
	}
}

func (d Deps) lookTold(ctx context.Context, _ *authz.Subject, _ time.Time) ([]today.Item, error) {
	list, err := d.Portal.Tellings(ctx, "", false, 100)
	var out []today.Item
	names := d.Portal.Settings().Partners
	for i := range list {
		t := &list[i]
		x := today.Item{
			State: kit.Warn, Rank: today.RankPerson, Title: names[t.Partner] + " did not get a result", Text: toldWords(t, d.Zone) + " Call them, or find out where it is.",
			Action: kit.Action{Text: "Look", Href: "/portal/" + t.Partner}, Since: t.At, Needs: authz.PortalSee, Partner: t.Partner,
		}
		if t.Kind == portal.NotOurs {
			x.State, x.Rank, x.Title = kit.Stopped, today.RankPatient, names[t.Partner]+" says: not our patient"
			x.Text = "The result is hidden there. Find out whose it is, whether more went wrong, and whether it was a disclosure."
		}
		out = append(out, x)
	}
	return out, err
}

func (d Deps) lookChanges(ctx context.Context, _ *authz.Subject, _ time.Time) ([]today.Item, error) {
	list, err := d.Portal.ForLab(ctx)
	var out []today.Item
	for i := range list {
		c := &list[i]
		name := d.Portal.Settings().Partners[c.Partner]
		x := today.Item{
			State: kit.Warn, Rank: today.RankSoon, Title: c.Name + " of " + name + " changed how they sign in", Text: changeWords(c) + ". Nobody else there looks after colleagues: call them and ask.",
			Action: kit.Action{Text: "Look", Href: "/portal/" + c.Partner}, Since: c.At, Needs: authz.PortalSee, Partner: c.Partner,
		}
		if c.Answer == portal.Unexpected {
			x.State, x.Rank, x.Title = kit.Stopped, today.RankPerson, name+" did not expect how "+c.Name+" signs in now"
			x.Text = "They are locked out. Call them, look at what was opened since, and write a new letter when it is clear who has it."
		}
		out = append(out, x)
	}
	return out, err
}

func (d Deps) lookKept(ctx context.Context, _ *authz.Subject, _ time.Time) ([]today.Item, error) {
	list, err := d.Portal.Withheld(ctx, "", 1000)
	of := map[string]*today.Item{}
	count := map[string]int{}
	for i := range list {
		x := &list[i]
		count[x.Partner]++
		if of[x.Partner] == nil {
			of[x.Partner] = &today.Item{State: kit.Warn, Rank: today.RankPerson, Action: kit.Action{Text: "Look", Href: "/portal/" + x.Partner}, Since: x.Placed, Needs: authz.PortalAnswer, Partner: x.Partner}
		}
	}
	var out []today.Item
	for key, x := range of {
		x.Title = kit.Many(count[key], "result is", "results are") + " kept from the portal of " + d.Portal.Settings().Partners[key]
		x.Text = "By a rule of the configuration. The practice does not know of them until somebody shows them."
		out = append(out, *x)
	}
	return out, err
}

func (d Deps) lookUnopened(ctx context.Context, after map[string]time.Duration, now time.Time) ([]today.Item, error) {
	var out []today.Item
	for key, wait := range after {
		n, oldest, err := d.Portal.Unopened(ctx, key, now.Add(-wait))
		if err != nil {
			return out, err
		}
		if n > 0 {
			out = append(out, today.Item{
				State: kit.Warn, Rank: today.RankSoon, Title: d.Portal.Settings().Partners[key] + " has not opened " + kit.Many(n, "result", "results"), Text: "They are ready in the portal for longer than " + kit.Span(wait) + ". Call the practice; a new letter helps whoever cannot sign in.",
				Action: kit.Action{Text: "Look", Href: "/portal/" + key}, Since: oldest, Needs: authz.PortalSee, Partner: key,
			})
		}
	}
	return out, nil
}

func (d Deps) lookCopies(ctx context.Context, _ *authz.Subject, now time.Time) ([]today.Item, error) {
	list, err := d.Portal.Copies(ctx, false, 500)
	var out []today.Item
	for i := range list {
		c := &list[i]
		first := c.Due
		if !c.Policy.IsZero() && c.Policy.Before(first) && now.Before(c.Policy) {
			first = c.Policy
		}
		_, state, title := copyClocks(c, now, d.Zone)
		if first.Sub(now) > 10*24*time.Hour && state == kit.Unknown {
			continue
		}
		x := today.Item{
			State: kit.Warn, Rank: today.RankSoon, Title: "A patient's copy: " + strings.ToLower(title[:1]) + title[1:], Text: "The request came on " + kit.Date(c.Asked, now) + ".",
			Action: kit.Action{Text: "Look", Href: "/patient-copies"}, Since: c.Asked, Needs: authz.PatientCopies,
		}
		if state == kit.Stopped {
			x.State, x.Rank = kit.Stopped, today.RankPerson
		}
		out = append(out, x)
	}
	return out, err
}
