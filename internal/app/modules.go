package app

import (
	"context"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup/setupui"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Module is what a domain brings to the hub beside its tables: pages, API,
// menu, what it has for Today, and what it runs. What is switched off is not in
// the list, so it has no menu, port or job.
type Module struct {
	Name   string
	Routes []web.Route
	Menu   []MenuItem
	// Run is done by the node that holds the lease, until its term ends; nil for
	// nothing.
	Run func(ctx context.Context) error
}

// MenuItem is an entry of the menu, for those who may open it.
type MenuItem struct {
	Name, Href, Icon string
	Needs            authz.Permission
	// Count is what waits there; nil for nothing to count.
	Count func(ctx context.Context, who *authz.Subject) (n int, bad bool, word string)
}

// modules is the list. What the configuration switches off is not in it.
func (h *Hub) modules(*config.Config) []Module {
	return []Module{
		{
			Name: "configuration", Routes: setupui.Routes(h.setupPages()), Run: h.rooms.setup.Run,
			Menu: []MenuItem{{Name: "Settings", Href: "/settings", Icon: "settings", Needs: authz.ConfigSee}},
		},
		{Name: "people", Run: h.keepPeople},
		{Name: "record", Run: h.rooms.record.Run},
	}
}

// keepPeople does what dates and time ask for: reviews that are due, sign-in
// counters that are old.
func (h *Hub) keepPeople(ctx context.Context) error {
	tick := time.NewTicker(peopleEvery)
	defer tick.Stop()
	for {
		for what, do := range map[string]func(context.Context) error{"reviews of access": h.rooms.accounts.Tick, "old sign-in counters": h.rooms.signin.Sweep} {
			if err := do(ctx); err != nil && ctx.Err() == nil {
				h.slog.Error("something about people was not done; it is tried again", "what", what, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// peopleEvery is how late a date about people acts at most, where nobody is
// there to ask (a sign-in asks at once).
const peopleEvery = time.Minute

// menu is what somebody sees of it.
func menu(ctx context.Context, all []Module, who *authz.Subject, may func(authz.Permission) bool) []kit.NavItem {
	var out []kit.NavItem
	if who == nil {
		return nil
	}
	for _, m := range all {
		for _, i := range m.Menu {
			if !may(i.Needs) {
				continue
			}
			n := kit.NavItem{Name: i.Name, Href: i.Href, Icon: i.Icon}
			if i.Count != nil {
				n.Count, n.Bad, n.CountWord = i.Count(ctx, who)
			}
			out = append(out, n)
		}
	}
	return out
}

// roleName is how a person's roles read below the name.
func roleName(who *authz.Subject) string {
	var out []string
	for _, g := range who.Grants {
		if i, ok := authz.RoleOf(g.Role); ok {
			out = append(out, i.Name)
		}
	}
	return strings.Join(out, ", ")
}
