package accessui

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
)

type apiRule struct {
	ID       string    `json:"id" doc:"identifier"`
	Origin   string    `json:"origin" doc:"oidc or scim: the system whose group it is"`
	Word     string    `json:"word" doc:"the group or role, exactly as the other system names it"`
	Role     string    `json:"role" doc:"role that it gives"`
	Partners []string  `json:"partners" doc:"only for these partners; none: all"`
	Sites    []string  `json:"sites" doc:"only at these sites; none: all"`
	Days     int64     `json:"days" doc:"after how many days the role ends; 0: no end"`
	Made     time.Time `json:"made" doc:"when it was added"`
	MadeBy   string    `json:"made_by" doc:"by whom"`
}

func ruleOf(x access.Rule) apiRule {
	return apiRule{x.ID.String(), x.Origin, x.Word, string(x.Role), x.Partners, x.Sites, x.Days, x.Made, x.MadeBy}
}

type apiRules struct {
	Rules []apiRule `json:"rules" doc:"those that stand"`
}

type apiMakeRule struct {
	Origin   string   `json:"origin" doc:"oidc or scim"`
	Word     string   `json:"word" doc:"the group or role, exactly as the other system names it"`
	Role     string   `json:"role" doc:"role, as in /api/v1/people/roles"`
	Partners []string `json:"partners" doc:"only for these partners; none: all"`
	Sites    []string `json:"sites" doc:"only at these sites; none: all"`
	Days     int64    `json:"days" doc:"after how many days the role ends; 0: no end. Auditors and IT partners must have an end"`
}

// apiRuleRoutes are the rules for other systems.
func (u *ui) apiRuleRoutes() []web.Route {
	return []web.Route{
		op("GET /api/v1/people/rules", authz.PeopleChange, "List the rules by which other systems give roles", func(r *http.Request, _ noInput) (apiRules, error) {
			out := apiRules{Rules: []apiRule{}}
			all, err := u.s.Rules(r.Context())
			for _, x := range all {
				out.Rules = append(out.Rules, ruleOf(x))
			}
			return out, err
		}),
		op("POST /api/v1/people/rules", authz.PeopleChange, "Add a rule by which a group of another system gives a role", u.apiMakeRule),
		act("POST /api/v1/people/rules/{id}/end", authz.PeopleChange, "End a rule; the roles it gave end when their person comes from there the next time", func(r *http.Request, id event.ID) error { return u.s.EndRule(r.Context(), web.Who(r), id) }),
	}
}

func (u *ui) apiMakeRule(r *http.Request, in apiMakeRule) (apiRule, error) {
	x := access.Rule{Origin: in.Origin, Word: in.Word, Role: authz.Role(in.Role), Partners: distinct(in.Partners), Sites: distinct(in.Sites), Days: in.Days}
	err := u.knownPlaces(x.Partners, x.Sites)
	if err == nil {
		x, err = u.s.MakeRule(r.Context(), web.Who(r), x)
	}
	var ref *access.Refusal
	if errors.As(err, &ref) && ref.Field == "until" { // of a rule, the end is a number of days
		err = &access.Refusal{Kind: ref.Kind, Field: "days", Text: ref.Text}
	}
	return ruleOf(x), err
}

// distinct is keys as a form gives them: in order, each once.
func distinct(keys []string) []string { return slices.Compact(slices.Sorted(slices.Values(keys))) }
