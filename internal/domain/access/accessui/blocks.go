package accessui

import (
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// blockRoutes are about roles that no rule gives again.
func (u *ui) blockRoutes() []web.Route {
	return []web.Route{
		post("/people/{id}/blocks/{block}/lift", authz.PeopleChange, u.liftBlock),
		web.Op[byID, apiBlocks]{Pattern: "GET /api/v1/people/{id}/blocks", Needs: authz.PeopleSee, Tag: tag, Summary: "List the roles that rules do not give a person again", Do: u.apiBlocks}.Route(),
		act("POST /api/v1/people/blocks/{id}/lift", authz.PeopleChange, "Let a rule give a role again", func(r *http.Request, id event.ID) error { return u.s.Unblock(r.Context(), web.Who(r), id) }),
	}
}

// blockSheet shows what was taken by hand and does not come back by a rule.
func (u *ui) blockSheet(r *http.Request, id event.ID, names record.Names, changes bool) (templ.Component, error) {
	all, err := u.s.Blocks(r.Context(), id)
	if err != nil || len(all) == 0 {
		return templ.NopComponent, err
	}
	columns, now := []kit.Column{{Name: "Role"}, {Name: "Taken away", Wide: true}}, web.Now(r)
	if changes {
		columns = append(columns, kit.Column{Name: "Act"})
	}
	var rows []kit.Row
	for _, b := range all {
		cells := []kit.Cell{{Text: grantWords(b.Grant), Sub: originWord(b.Origin)}, kit.C(kit.Date(b.Made, now) + ", by " + names.Of(b.MadeBy))}
		if changes {
			cells = append(cells, kit.CBody(kit.Quick("/people/"+id.String()+"/blocks/"+b.ID.String()+"/lift", "Let it come back", grantWords(b.Grant))))
		}
		rows = append(rows, kit.Row{Key: "b-" + b.ID.String(), Cells: cells})
	}
	return kit.Sheet(kit.SheetOpts{
		Title: "Kept from coming back", Sub: "rules give these no more",
		Body: kit.DataTable(kit.Table{Caption: "Roles that were taken away by hand", Columns: columns, Rows: rows, Total: len(rows)}),
	}), nil
}

func (u *ui) liftBlock(w http.ResponseWriter, r *http.Request) error {
	person, err := idOf(r, "id")
	if err != nil {
		return err
	}
	id, err := idOf(r, "block")
	if err != nil {
		return err
	}
	if err := u.s.Unblock(r.Context(), web.Who(r), id); err != nil {
		return err
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/"+person.String(), "The role comes back when the other system says so the next time.")
}

type apiBlock struct {
	ID       string    `json:"id" doc:"identifier"`
	Origin   string    `json:"origin" doc:"scim or oidc: the system whose rules it is about"`
	Role     string    `json:"role" doc:"role"`
	Partners []string  `json:"partners" doc:"only for these partners"`
	Sites    []string  `json:"sites" doc:"only at these sites"`
	Made     time.Time `json:"made" doc:"when it was taken away"`
	MadeBy   string    `json:"made_by" doc:"by whom"`
}

type apiBlocks struct {
	Blocks []apiBlock `json:"blocks" doc:"the roles"`
}

func (u *ui) apiBlocks(r *http.Request, in byID) (apiBlocks, error) {
	out := apiBlocks{Blocks: []apiBlock{}}
	id, err := parseID(in.ID)
	if err != nil {
		return out, err
	}
	if _, err := u.s.Person(r.Context(), id); err != nil {
		return out, err
	}
	all, err := u.s.Blocks(r.Context(), id)
	for _, b := range all {
		out.Blocks = append(out.Blocks, apiBlock{b.ID.String(), b.Origin, string(b.Grant.Role), b.Grant.Partners, b.Grant.Sites, b.Made, b.MadeBy})
	}
	return out, err
}

// providedFact says until when the roles of the provider count.
func (u *ui) providedFact(r *http.Request, p access.Person) ([]kit.KV, error) {
	until, err := u.s.ProvidedUntil(r.Context(), p)
	if err != nil || until.IsZero() {
		return nil, err
	}
	now := web.Now(r)
	value := "count until " + kit.Date(until, now) + ", or longer after the next sign-in there"
	if !now.Before(until) {
		value = "count no more since " + kit.Date(until, now) + ", until the next sign-in there"
	}
	return []kit.KV{{Key: "Roles of the sign-in provider", Value: value}}, nil
}
