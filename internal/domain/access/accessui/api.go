package accessui

import (
	"net/http"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
)

const tag = "People and access"

type apiGrant struct {
	ID       string    `json:"id,omitempty" doc:"identifier of the grant"`
	Role     string    `json:"role" doc:"role, as in /api/v1/people/roles"`
	Partners []string  `json:"partners,omitempty" doc:"only for these partners; none: all"`
	Sites    []string  `json:"sites,omitempty" doc:"only at these sites; none: all"`
	From     time.Time `json:"from,omitzero" doc:"holds from then on"`
	Until    time.Time `json:"until,omitzero" doc:"holds until then"`
}

func (g apiGrant) grant() authz.Grant {
	return authz.Grant{Role: authz.Role(g.Role), Partners: g.Partners, Sites: g.Sites, From: g.From, Until: g.Until}
}

type apiPerson struct {
	ID       string     `json:"id" doc:"identifier"`
	Account  string     `json:"account" doc:"sign-in name"`
	Name     string     `json:"name" doc:"name"`
	Mail     string     `json:"mail,omitempty" doc:"mail address"`
	State    string     `json:"state" doc:"invited, active or ended"`
	Starts   time.Time  `json:"starts,omitzero" doc:"gets in from then on"`
	Ends     time.Time  `json:"ends,omitzero" doc:"is out from then on"`
	Origin   string     `json:"origin" doc:"local, csv, scim or oidc"`
	Revision int64      `json:"revision" doc:"grows with each change; a change names the one it was made from"`
	Grants   []apiGrant `json:"grants" doc:"roles that have not ended"`
}

func personOf(p access.Person) apiPerson {
	out := apiPerson{ID: p.ID.String(), Account: p.Account, Name: p.Name, Mail: p.Mail, State: p.State.String(), Starts: p.Starts, Ends: p.Ends, Origin: p.Origin, Revision: p.Revision, Grants: []apiGrant{}}
	for _, g := range p.Grants {
		out.Grants = append(out.Grants, apiGrant{g.ID.String(), string(g.Role), g.Partners, g.Sites, g.From, g.Until})
	}
	return out
}

type apiLink struct {
	Link  string    `json:"link" doc:"the one-time link; it is in this answer and nowhere else"`
	Until time.Time `json:"until" doc:"works until then"`
}

type (
	noInput struct{}
	byID    struct {
		ID string `path:"id" doc:"identifier"`
	}
	done struct {
		Done bool `json:"done" doc:"always true"`
	}
)

func parseID(text string) (event.ID, error) {
	id, err := event.ParseID(text)
	if err != nil {
		return id, access.ErrNotFound
	}
	return id, nil
}

// act makes an operation that does something to one thing.
func act(pattern string, needs authz.Permission, summary string, do func(r *http.Request, id event.ID) error) web.Route {
	return web.Op[byID, done]{Pattern: pattern, Needs: needs, Tag: tag, Summary: summary, Do: func(r *http.Request, in byID) (done, error) {
		id, err := parseID(in.ID)
		if err == nil {
			err = do(r, id)
		}
		if err == nil {
			web.Say(r, livePeople)
		}
		return done{err == nil}, err
	}}.Route()
}

func (u *ui) apiRoutes() []web.Route {
	return append(slices.Concat(u.apiMore(), u.apiAccessRoutes(), u.apiRuleRoutes(), u.apiServiceRoutes()),
		web.Op[noInput, struct {
			People []apiPerson `json:"people" doc:"everybody, ended ones too, by name"`
		}]{Pattern: "GET /api/v1/people", Needs: authz.PeopleSee, Tag: tag, Summary: "List people and their roles", Do: func(r *http.Request, _ noInput) (out struct {
			People []apiPerson `json:"people" doc:"everybody, ended ones too, by name"`
		}, err error,
		) {
			all, err := u.s.People(r.Context())
			out.People = []apiPerson{}
			for _, p := range all {
				out.People = append(out.People, personOf(p))
			}
			return out, err
		}}.Route(),
		web.Op[byID, apiPerson]{Pattern: "GET /api/v1/people/{id}", Needs: authz.PeopleSee, Tag: tag, Summary: "Read a person", Do: func(r *http.Request, in byID) (apiPerson, error) {
			id, err := parseID(in.ID)
			if err != nil {
				return apiPerson{}, err
			}
			p, err := u.s.Person(r.Context(), id)
			return personOf(p), err
		}}.Route(),
		web.Op[apiInvite, apiInvited]{Pattern: "POST /api/v1/people", Needs: authz.PeopleChange, Tag: tag, Summary: "Add a person", Detail: "The answer holds their one-time link.", Do: u.apiInvite}.Route(),
		web.Op[apiChange, apiPerson]{Pattern: "POST /api/v1/people/{id}/change", Needs: authz.PeopleChange, Tag: tag, Summary: "Change name, mail and dates of a person", Do: u.apiChange}.Route(),
		act("POST /api/v1/people/{id}/end", authz.PeopleChange, "End a person", func(r *http.Request, id event.ID) error { return u.s.End(r.Context(), web.Who(r), id) }),
		web.Op[apiGive, apiGrant]{Pattern: "POST /api/v1/people/{id}/roles", Needs: authz.PeopleChange, Tag: tag, Summary: "Give a role", Do: u.apiGive}.Route(),
		act("POST /api/v1/people/roles/{id}/end", authz.PeopleChange, "Take a role away (id is that of the grant)", func(r *http.Request, id event.ID) error { return u.s.EndGrant(r.Context(), web.Who(r), id) }),
		act("POST /api/v1/people/sessions/{id}/end", authz.SessionsEnd, "End a session", func(r *http.Request, id event.ID) error { return u.s.EndSession(r.Context(), web.Who(r), id) }),
		act("POST /api/v1/people/delegations/{id}/revoke", authz.Delegate, "Revoke a delegation", func(r *http.Request, id event.ID) error { return u.s.Revoke(r.Context(), web.Who(r), id) }),
		act("POST /api/v1/people/tokens/{id}/revoke", authz.TokensManage, "Revoke a token", func(r *http.Request, id event.ID) error { return u.s.RevokeToken(r.Context(), web.Who(r), id) }),
		act("POST /api/v1/people/break-glass/{id}/close", authz.OwnSecurity, "Close break-glass access", func(r *http.Request, id event.ID) error { return u.s.CloseGlass(r.Context(), web.Who(r), id) }),
	)
}

type apiInvite struct {
	Account string     `json:"account" doc:"sign-in name: a to z, 0 to 9 and . _ - @"`
	Name    string     `json:"name" doc:"name"`
	Mail    string     `json:"mail" doc:"mail address, may be empty"`
	Starts  time.Time  `json:"starts" doc:"gets in from then on"`
	Ends    time.Time  `json:"ends" doc:"is out from then on"`
	Grants  []apiGrant `json:"grants" doc:"roles"`
}

type apiInvited struct {
	Person apiPerson `json:"person" doc:"the person"`
	apiLink
}

func (u *ui) apiInvite(r *http.Request, in apiInvite) (out apiInvited, err error) {
	n := access.NewPerson{Account: in.Account, Name: in.Name, Mail: in.Mail, Starts: in.Starts, Ends: in.Ends}
	for _, g := range in.Grants {
		if err := u.knownPlaces(g.Partners, g.Sites); err != nil {
			return out, err
		}
		n.Grants = append(n.Grants, g.grant())
	}
	p, l, err := u.s.Invite(r.Context(), web.Who(r), n)
	if err != nil {
		return out, err
	}
	web.Say(r, livePeople)
	return apiInvited{personOf(p), apiLink{u.address() + l.Path(), l.Until}}, nil
}

type apiChange struct {
	ID       string    `path:"id" doc:"identifier"`
	Name     string    `json:"name" doc:"name"`
	Mail     string    `json:"mail" doc:"mail address, may be empty"`
	Starts   time.Time `json:"starts" doc:"gets in from then on"`
	Ends     time.Time `json:"ends" doc:"is out from then on"`
	Revision int64     `json:"revision" doc:"the one the change was made from"`
}

func (u *ui) apiChange(r *http.Request, in apiChange) (out apiPerson, err error) {
	id, err := parseID(in.ID)
	if err != nil {
		return out, err
	}
	err = u.s.ChangePerson(r.Context(), web.Who(r), id, access.Change{Name: in.Name, Mail: in.Mail, Starts: in.Starts, Ends: in.Ends, Revision: in.Revision})
	if err != nil {
		return out, err
	}
	web.Say(r, livePeople)
	p, err := u.s.Person(r.Context(), id)
	return personOf(p), err
}

type apiGive struct {
	ID       string    `path:"id" doc:"identifier of the person"`
	Role     string    `json:"role" doc:"role"`
	Partners []string  `json:"partners" doc:"only for these partners"`
	Sites    []string  `json:"sites" doc:"only at these sites"`
	From     time.Time `json:"from" doc:"holds from then on"`
	Until    time.Time `json:"until" doc:"holds until then"`
}

func (u *ui) apiGive(r *http.Request, in apiGive) (out apiGrant, err error) {
	id, err := parseID(in.ID)
	if err != nil {
		return out, err
	}
	if err := u.knownPlaces(in.Partners, in.Sites); err != nil {
		return out, err
	}
	g, err := u.s.Grant(r.Context(), web.Who(r), id, authz.Grant{Role: authz.Role(in.Role), Partners: in.Partners, Sites: in.Sites, From: in.From, Until: in.Until})
	if err != nil {
		return out, err
	}
	web.Say(r, livePeople)
	return apiGrant{g.ID.String(), string(g.Role), g.Partners, g.Sites, g.From, g.Until}, nil
}
