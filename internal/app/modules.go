package app

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access/accessui"
	"github.com/labwarden/labwarden/internal/domain/access/accountsui"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/domain/certificates/certificatesui"
	"github.com/labwarden/labwarden/internal/domain/partners/keysui"
	"github.com/labwarden/labwarden/internal/domain/partners/postureui"
	"github.com/labwarden/labwarden/internal/domain/results/resultsui"
	"github.com/labwarden/labwarden/internal/domain/setup/setupui"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Module is what a domain brings to the hub beside its tables: pages, API,
// menu and what it has for Today. What is switched off is not in the list.
type Module struct {
	Name string
	// Profile switches it on and off while the hub runs; empty: always on.
	Profile config.Profile
	Routes  []web.Route
	Menu    []MenuItem
	Today   []today.Source
	Checks  []today.Check
}

// MenuItem is an entry of the menu, for those who may open it.
type MenuItem struct {
	Name, Href, Icon string
	Needs            authz.Permission
	// Unless: who may this has another entry that leads there.
	Unless authz.Permission
	// Count is what waits there; nil for nothing to count.
	Count func(ctx context.Context, who *authz.Subject) (n int, bad bool, word string)
}

// jobs are what the domains run on the node that holds the lease.
func (h *Hub) jobs() []func(ctx context.Context) error {
	return []func(ctx context.Context) error{h.runSetup, h.Access.Run, h.keepPeople, h.keepBoxes, h.nightCounts, h.rooms.record.Run, h.rooms.fhir.Run}
}

// modules is the list. c is the configuration the hub began with; what pages
// show of it they read anew.
func (h *Hub) modules(c *config.Config) []Module {
	w := c.Node.Web
	lab := func() string { return h.current(c).Lab.Name }
	public := func() string { return strings.TrimSuffix(string(w.PublicURL), "/") }
	people := accessui.Deps{Access: h.Access, SignIn: h.rooms.signin, Lab: lab, PublicURL: public, Partners: func() []accessui.Place {
		var out []accessui.Place
		for _, p := range h.places(c) {
			out = append(out, accessui.Place{Key: p[0], Name: p[1]})
		}
		return out
	}, Sites: func() []accessui.Place {
		var out []accessui.Place
		sites := h.current(c).Sites
		for _, key := range sorted(sites) {
			out = append(out, accessui.Place{Key: key, Name: sites[key].Name})
		}
		return out
	}}
	board := &today.Board{Log: h.slog}
	res := resultsui.Deps{
		Results: h.Results, Alarms: h.Alarms, Config: h.inForce, Board: board, Dates: h.channelDates, Move: h.moveRoute, FIPS: fipsOnly(), Called: h.called(),
		CountWays: h.countWays, CountNow: h.countNow,
	}
	conf := h.setupPages()
	always, carried := apart(resultsui.Routes(res), "/{$}", "/api/v1/today", "/alarms", "/api/v1/alarms")
	books := accountsui.Deps{
		Accounts: h.rooms.accounts, Record: h.rooms.record,
		Hub:      func() record.Hub { return record.Hub{Lab: lab(), Host: strings.TrimPrefix(public(), "https://")} },
		Partners: func() [][2]string { return h.places(c) }, Zone: time.Local, Programs: h.recordPrograms,
	}
	recorded, reviewed := apart(accountsui.Routes(books), "/record", "/api/v1/record")
	keyPages := h.keyPages(c)
	all := []Module{
		{
			Name: "today and alarms", Routes: always, Checks: h.checks(),
			Menu: []MenuItem{{Name: "Today", Href: "/", Icon: "today", Needs: authz.TodaySee}},
		},
		{
			Name: "results", Profile: config.ProfileCarry, Routes: carried, Today: resultsui.Sources(res),
			Menu: []MenuItem{
				{Name: "Results", Href: "/results", Icon: "results", Needs: authz.ResultsFind, Count: h.countWaiting},
				{Name: "Quarantine", Href: "/quarantine", Icon: "inbox", Needs: authz.QuarantineSee, Count: h.countQuarantine},
				{Name: "Phone tasks", Href: "/calls", Icon: "phone", Needs: authz.CallsSee, Count: h.countCalls},
				{Name: "Partners", Href: "/partners", Icon: "partners", Needs: authz.PartnersSee},
				{Name: "Stops", Href: "/stops", Icon: "hold", Needs: authz.PartnersSee},
				{Name: "Legal holds", Href: "/legal-holds", Icon: "lock", Needs: authz.LegalHold},
			},
		},
		{Name: "partners' keys", Profile: config.ProfileCarry, Routes: keysui.Routes(keyPages), Today: []today.Source{keyPages.Today()}},
		{Name: "alarms", Menu: []MenuItem{{Name: "Alarms", Href: "/alarms", Icon: "alarm", Needs: authz.AlarmsSee, Count: h.countAlarms}}},
		{
			Name: "people", Routes: append(accessui.Routes(people), accessui.SignRoutes(accessui.SignDeps{Access: h.Access, SignIn: h.rooms.signin, DB: h.DB})...),
			Today: accessui.Today(people),
			Menu: []MenuItem{
				{Name: "People", Href: "/people", Icon: "people", Needs: authz.PeopleSee},
				{Name: "Delegations", Href: "/people/delegations", Icon: "delegate", Needs: authz.DelegationsSee, Unless: authz.PeopleSee},
				{Name: "Break-glass", Href: "/people/break-glass", Icon: "break-glass", Needs: authz.BreakGlass, Unless: authz.PeopleSee},
			},
		},
		{
			Name:   "accounts and record",
			Routes: reviewed,
			Today:  books.Today(),
			Menu: []MenuItem{
				{Name: "Access review", Href: "/access-review", Icon: "access", Needs: authz.AccountsSee},
				{Name: "Vendors", Href: "/vendors", Icon: "partners", Needs: authz.VendorsSee, Unless: authz.AccountsSee},
			},
		},
		{Name: "record", Routes: recorded, Menu: []MenuItem{
			{Name: "Record", Href: "/record", Icon: "record", Needs: authz.RecordSee},
			{Name: "Your own trail", Href: "/record/mine", Icon: "record", Needs: authz.OwnSecurity, Unless: authz.RecordSee},
		}},
		{Name: "certificates", Routes: certificatesui.Routes(h.certificatePages(c)), Menu: []MenuItem{
			{Name: "Certificates", Href: "/certificates", Icon: "key", Needs: authz.CertificatesSee},
		}},
		h.tunnelModule(c),
		h.portalModule(c),
		{Name: "posture", Routes: postureui.Routes(postureui.Deps{Lines: h.Posture, FIPS: fipsOnly(), Trials: &h.rooms.trials, Partners: h.partnerNames}), Menu: []MenuItem{
			{Name: "Posture", Href: "/posture", Icon: "shield-check", Needs: authz.PartnersSee},
		}},
		{
			Name: "configuration", Routes: setupui.Routes(conf), Today: append(setupui.Sources(conf), h.bypassSource(), h.keySource()),
			Menu: []MenuItem{{Name: "Settings", Href: "/settings", Icon: "settings", Needs: authz.ConfigSee}},
		},
	}
	for i := range all {
		m := &all[i]
		on := func() bool { return m.Profile == "" || h.current(c).On(m.Profile) }
		for j := range m.Routes {
			m.Routes[j].Handle = onlyWhile(on, m.Routes[j].Handle)
		}
		for j := range m.Today {
			look := m.Today[j].Look
			m.Today[j].Look = func(ctx context.Context, who *authz.Subject, now time.Time) ([]today.Item, error) {
				if !on() {
					return nil, nil
				}
				return look(ctx, who, now)
			}
		}
		board.Add(m.Today...)
		board.AddChecks(m.Checks...)
	}
	return all
}

// onlyWhile answers as if there were no such page while its part is off.
func onlyWhile(on func() bool, h web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !on() {
			return web.NotFound("There is nothing here: this part of Labwarden is switched off.")
		}
		return h(w, r)
	}
}

// apart parts routes by the beginning of their paths.
func apart(all []web.Route, begins ...string) (those, others []web.Route) {
	for _, rt := range all {
		_, path, _ := strings.Cut(rt.Pattern, " ")
		if slices.ContainsFunc(begins, func(b string) bool { return path == b || strings.HasPrefix(path, b+"/") }) {
			those = append(those, rt)
		} else {
			others = append(others, rt)
		}
	}
	return those, others
}

// current is the configuration in force, or c while there is none.
func (h *Hub) current(c *config.Config) *config.Config {
	if now := h.inForce(); now != nil {
		return now
	}
	return c
}

// places are the partners by key and name.
func (h *Hub) places(c *config.Config) [][2]string {
	var out [][2]string
	now := h.current(c)
	for _, key := range sorted(now.Partners) {
		out = append(out, [2]string{key, now.Partners[key].Name})
	}
	return out
}

// keepPeople does what time asks for: reviews that are due, sign-in counters that
// are old.
func (h *Hub) keepPeople(ctx context.Context) error {
	tick := time.NewTicker(peopleEvery)
	defer tick.Stop()
	for {
		jobs := map[string]func(context.Context) error{"old sign-in counters": h.rooms.signin.Sweep}
		if c := h.inForce(); c == nil || c.On(config.ProfilePeople) {
			jobs["reviews of access"] = h.rooms.accounts.Tick
		}
		for what, do := range jobs {
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
func menu(ctx context.Context, all []Module, c *config.Config, who *authz.Subject, may func(authz.Permission) bool) []kit.NavItem {
	var out []kit.NavItem
	if who == nil {
		return nil
	}
	for _, m := range all {
		if m.Profile != "" && !c.On(m.Profile) {
			continue
		}
		for _, i := range m.Menu {
			if !may(i.Needs) || i.Unless != "" && may(i.Unless) {
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
