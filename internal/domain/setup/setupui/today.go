package setupui

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Sources are what Today asks of the configuration and set-up.
func Sources(d Deps) []today.Source {
	return []today.Source{
		{Name: "drafts of the configuration", Needs: authz.TodaySee, Look: d.draftItems},
		{Name: "what was applied alone", Needs: authz.ReviewActs, Look: d.aloneItems},
		{Name: "reported problems", Needs: authz.ProblemsAnswer, Look: d.problemItems},
		{Name: "the set-up", Needs: authz.ConfigSee, Look: d.setupItems},
	}
}

// draftItems are drafts that wait for this person: to decide what is the
// director's, or to apply what somebody else wrote.
func (d Deps) draftItems(ctx context.Context, who *authz.Subject, now time.Time) ([]today.Item, error) {
	all, err := d.Setup.Asked(ctx)
	if err != nil {
		return nil, err
	}
	me := approval.Person{ID: who.Person, Account: who.Account}
	var out []today.Item
	for _, a := range all {
		it := today.Item{
			State: kit.Warn, Rank: today.RankLater, Since: a.MadeAt, Text: a.Author.Account + " asked: " + sentence(a.Reason),
			Title: fmt.Sprintf("A change of the configuration waits for a second person: %s", a.Title), Needs: authz.ConfigApply,
			Action: kit.Action{Text: "Review it", Href: draftPath(a.Draft)},
		}
		if a.Kind == setup.ActDirector {
			it.Title, it.Needs = fmt.Sprintf("A change of the configuration waits for the laboratory director: %s", a.Title), authz.RoutesApprove
			it.Action.Href += "/director"
		} else if a.State == approval.Approved {
			it.Title = fmt.Sprintf("A change of the configuration is approved and not in force: %s", a.Title)
			it.Text = "The last try to apply it did not go through. " + it.Text
		}
		if a.Bars(me) == nil {
			out = append(out, it)
		}
	}
	return out, nil
}

func (d Deps) aloneItems(ctx context.Context, who *authz.Subject, _ time.Time) ([]today.Item, error) {
	all, err := d.Setup.Alone(ctx, false)
	if err != nil {
		return nil, err
	}
	me := approval.Person{ID: who.Person, Account: who.Account}
	var out []today.Item
	for _, a := range all {
		if a.By.Same(me) {
			continue
		}
		out = append(out, today.Item{
			State: kit.Warn, Rank: today.RankLater, Since: a.MadeAt, Needs: authz.ReviewActs,
			Title: a.By.Account + " applied a change without a second person", Text: "Nobody else could. Their statement: " + sentence(a.Statement),
			Action: kit.Action{Text: "Review it", Href: "/config/alone"},
		})
	}
	return out, nil
}

// setupItems: what nothing works without, as one item.
func (d Deps) setupItems(ctx context.Context, _ *authz.Subject, now time.Time) ([]today.Item, error) {
	look := d.Facts
	if d.FactsLately != nil {
		look = d.FactsLately
	}
	f, err := look(ctx)
	if err != nil {
		return nil, err
	}
	shown, err := d.Setup.SharesShown(ctx)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, s := range setup.Steps(f, shown.Set) {
		if s.Stand == setup.StandMissing {
			missing = append(missing, sentence(s.Title))
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	return []today.Item{{
		State: kit.Warn, Rank: today.RankSoon, Needs: authz.ConfigSee, Title: "The set-up has " + things(len(missing), "open step", "open steps"),
		Text: strings.Join(missing, " "), Action: kit.Action{Text: "Go on with it", Href: "/setup"},
	}}, nil
}
