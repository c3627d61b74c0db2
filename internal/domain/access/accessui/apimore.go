package accessui

import (
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

type apiRole struct {
	Role        string   `json:"role" doc:"role"`
	Name        string   `json:"name" doc:"its name"`
	What        string   `json:"what" doc:"what it is for"`
	Passkey     bool     `json:"passkey" doc:"signs in with a passkey or hardware key only"`
	Permissions []string `json:"permissions" doc:"what it may do"`
}

type apiRoles struct {
	Roles []apiRole `json:"roles" doc:"the roles"`
}

func rolesOperation(*http.Request, noInput) (apiRoles, error) {
	var out apiRoles
	for _, i := range authz.Roles() {
		x := apiRole{Role: string(i.Role), Name: i.Name, What: i.What, Passkey: i.Strong, Permissions: []string{}}
		for _, p := range authz.Permissions() {
			if p.Delegated && i.Role == authz.Director || authz.Has(i.Role, p.Permission) && !(p.Patient && i.Masked) {
				x.Permissions = append(x.Permissions, string(p.Permission))
			}
		}
		out.Roles = append(out.Roles, x)
	}
	return out, nil
}

type apiDelegation struct {
	ID         string    `json:"id" doc:"identifier"`
	Person     string    `json:"person" doc:"identifier of the person"`
	Account    string    `json:"account" doc:"sign-in name of the person"`
	Permission string    `json:"permission" doc:"the clinical act"`
	From       time.Time `json:"from" doc:"holds from then on"`
	Until      time.Time `json:"until,omitzero" doc:"holds until then; none: until it is revoked"`
	Note       string    `json:"note,omitempty" doc:"what it is for"`
	GivenBy    string    `json:"given_by" doc:"sign-in name of the director"`
	GivenAt    time.Time `json:"given_at" doc:"when it was written"`
	RevokedAt  time.Time `json:"revoked_at,omitzero" doc:"when it was revoked"`
	RevokedBy  string    `json:"revoked_by,omitempty" doc:"by whom"`
	Idle       string    `json:"idle,omitempty" doc:"why it gives nothing at this moment"`
}

func delegationOf(d access.Delegation) apiDelegation {
	return apiDelegation{d.ID.String(), d.Person.String(), d.Account, string(d.Permission), d.From, d.Until, d.Note, d.GivenBy, d.GivenAt, d.RevokedAt, d.RevokedBy, d.Idle}
}

type apiDelegations struct {
	Standing []apiDelegation `json:"standing" doc:"those that are not revoked and not over"`
	Past     []apiDelegation `json:"past" doc:"the others"`
}

type apiDelegate struct {
	Person     string    `json:"person" doc:"identifier of the person"`
	Permission string    `json:"permission" doc:"results.hold, results.send_alone or routes.approve"`
	From       time.Time `json:"from" doc:"holds from then on; none: from now"`
	Until      time.Time `json:"until" doc:"holds until then; none: until it is revoked"`
	Note       string    `json:"note" doc:"what it is for"`
}

type apiSession struct {
	ID      string    `json:"id" doc:"identifier; it opens nothing"`
	Person  string    `json:"person" doc:"identifier of the person"`
	Account string    `json:"account" doc:"sign-in name"`
	Method  string    `json:"method" doc:"how identity was proved"`
	Level   int       `json:"level" doc:"1 one factor, 2 two factors, 3 passkey or hardware key"`
	Bench   string    `json:"bench,omitempty" doc:"the shared bench"`
	Device  string    `json:"device" doc:"what the browser says it is"`
	Network string    `json:"network" doc:"address it was opened from"`
	Made    time.Time `json:"made" doc:"when it was opened"`
	Seen    time.Time `json:"seen" doc:"when it was used last"`
	IdleAt  time.Time `json:"idle_at" doc:"ends then if it is not used"`
	OverAt  time.Time `json:"over_at" doc:"ends then at the latest"`
	Current bool      `json:"current" doc:"the session that asks"`
}

type apiSessions struct {
	Sessions []apiSession `json:"sessions" doc:"open sessions, the newest first"`
}

type apiGlass struct {
	ID          string    `json:"id" doc:"identifier"`
	Account     string    `json:"account" doc:"who opened it"`
	Reason      string    `json:"reason" doc:"why"`
	Permissions []string  `json:"permissions" doc:"what it gave"`
	Opened      time.Time `json:"opened" doc:"when it was opened"`
	Until       time.Time `json:"until" doc:"its latest end"`
	Closed      time.Time `json:"closed,omitzero" doc:"when it was closed"`
	Verdict     string    `json:"verdict,omitempty" doc:"fine or not-fine, once it was reviewed"`
	ReviewedBy  string    `json:"reviewed_by,omitempty" doc:"by whom"`
	Note        string    `json:"note,omitempty" doc:"note of the review"`
}

type apiGlasses struct {
	BreakGlass []apiGlass `json:"break_glass" doc:"the last 100, the newest first"`
}

type apiAct struct {
	Leaf       int64     `json:"leaf" doc:"line of the record"`
	At         time.Time `json:"at" doc:"when"`
	Kind       string    `json:"kind" doc:"what"`
	Account    string    `json:"account" doc:"by whom"`
	About      []string  `json:"about" doc:"identifiers and codes of the line"`
	Verdict    string    `json:"verdict,omitempty" doc:"fine or not-fine, once it was reviewed"`
	ReviewedBy string    `json:"reviewed_by,omitempty" doc:"by whom"`
}

type apiActs struct {
	Acts []apiAct `json:"acts" doc:"the newest first"`
}

type apiReview struct {
	Leaves  []int64 `json:"leaves" doc:"lines of the record"`
	Verdict string  `json:"verdict" doc:"fine or not-fine"`
	Note    string  `json:"note" doc:"needed for not-fine"`
}

type apiService struct {
	ID          string     `json:"id" doc:"identifier"`
	Account     string     `json:"account" doc:"stands in the record"`
	Name        string     `json:"name" doc:"name"`
	Permissions []string   `json:"permissions" doc:"the most it may do"`
	Partners    []string   `json:"partners" doc:"only for these partners; none: all"`
	Key         string     `json:"key,omitempty" doc:"SHA-256 of the public key of its certificate"`
	Ended       time.Time  `json:"ended,omitzero" doc:"when it was ended"`
	Tokens      []apiToken `json:"tokens" doc:"its tokens, without their secrets"`
}

type apiToken struct {
	ID          string    `json:"id" doc:"identifier"`
	Name        string    `json:"name" doc:"what it is for"`
	Permissions []string  `json:"permissions" doc:"what it may do"`
	Until       time.Time `json:"until" doc:"works until then"`
	Used        time.Time `json:"used,omitzero" doc:"when it was used last"`
	Revoked     time.Time `json:"revoked,omitzero" doc:"when it was revoked"`
	Secret      string    `json:"secret,omitempty" doc:"the token; it is in the answer that made it and nowhere else"`
}

type apiServices struct {
	Services []apiService `json:"service_accounts" doc:"by name"`
}

type apiMakeToken struct {
	ID          string    `path:"id" doc:"identifier of the service account"`
	Name        string    `json:"name" doc:"what it is for"`
	Permissions []string  `json:"permissions" doc:"none: all of the account"`
	Partners    []string  `json:"partners" doc:"none: all of the account"`
	Until       time.Time `json:"until" doc:"within a year"`
}

func texts(perms []authz.Permission) []string {
	out := make([]string, len(perms))
	for i, p := range perms {
		out[i] = string(p)
	}
	return out
}

func tokenOf(t access.Token) apiToken {
	return apiToken{t.ID.String(), t.Name, texts(t.Permissions), t.Until, t.Used, t.Revoked, t.Secret}
}

func glassOf(g access.Glass) apiGlass {
	return apiGlass{g.ID.String(), g.Account, g.Reason, texts(g.Permissions), g.Opened, g.Until, g.Closed, g.Verdict, g.ReviewedBy, g.Note}
}

// op shortens the operations that only read.
func op[In, Out any](pattern string, needs authz.Permission, summary string, do func(r *http.Request, in In) (Out, error)) web.Route {
	return web.Op[In, Out]{Pattern: pattern, Needs: needs, Tag: tag, Summary: summary, Do: do}.Route()
}

func (u *ui) apiMore() []web.Route {
	return []web.Route{
		op("GET /api/v1/people/roles", authz.PeopleSee, "List roles and what each may do", rolesOperation),
		op("GET /api/v1/people/delegations", authz.DelegationsSee, "List the laboratory director's delegations", func(r *http.Request, _ noInput) (apiDelegations, error) {
			out := apiDelegations{Standing: []apiDelegation{}, Past: []apiDelegation{}}
			standing, past, err := u.s.Delegations(r.Context(), web.Who(r))
			for _, d := range standing {
				out.Standing = append(out.Standing, delegationOf(d))
			}
			for _, d := range past {
				out.Past = append(out.Past, delegationOf(d))
			}
			return out, err
		}),
		op("POST /api/v1/people/delegations", authz.Delegate, "Delegate a clinical act", func(r *http.Request, in apiDelegate) (apiDelegation, error) {
			person, err := parseID(in.Person)
			if err != nil {
				return apiDelegation{}, err
			}
			d, err := u.s.Delegate(r.Context(), web.Who(r), access.Delegation{Person: person, Permission: authz.Permission(in.Permission), From: in.From, Until: in.Until, Note: in.Note})
			if err == nil {
				web.Say(r, livePeople)
			}
			return delegationOf(d), err
		}),
		op("GET /api/v1/people/sessions", authz.SessionsEnd, "List open sessions", func(r *http.Request, _ noInput) (apiSessions, error) {
			out := apiSessions{Sessions: []apiSession{}}
			all, err := u.s.Sessions(r.Context(), web.Who(r))
			for _, x := range all {
				out.Sessions = append(out.Sessions, apiSession{x.ID.String(), x.Person.String(), x.Account, x.Method, int(x.Level), x.Bench, x.Device.Name, x.Device.Network, x.Made, x.Seen, x.IdleAt, x.OverAt, x.Current})
			}
			return out, err
		}),
		op("GET /api/v1/people/break-glass", authz.ReviewActs, "List break-glass accesses", func(r *http.Request, _ noInput) (apiGlasses, error) {
			out := apiGlasses{BreakGlass: []apiGlass{}}
			all, err := u.s.Glasses(r.Context(), true, 100)
			for _, g := range all {
				out.BreakGlass = append(out.BreakGlass, glassOf(g))
			}
			return out, err
		}),
		op("GET /api/v1/people/acts", authz.ReviewActs, "List acts of administrators that wait for a review", func(r *http.Request, _ noInput) (apiActs, error) {
			out := apiActs{Acts: []apiAct{}}
			all, err := u.s.Acts(r.Context(), web.Who(r), false, 1000)
			for _, a := range all {
				out.Acts = append(out.Acts, apiAct{a.Leaf, a.At, a.Kind, a.Account, a.About, a.Verdict, a.ReviewedBy})
			}
			return out, err
		}),
		op("POST /api/v1/people/acts/review", authz.ReviewActs, "Sign acts off", func(r *http.Request, in apiReview) (done, error) {
			err := u.s.ReviewActs(r.Context(), web.Who(r), in.Leaves, in.Verdict, in.Note)
			if err == nil {
				web.Say(r, livePeople)
			}
			return done{err == nil}, err
		}),
		op("GET /api/v1/people/tokens", authz.TokensManage, "List service accounts and their tokens", func(r *http.Request, _ noInput) (apiServices, error) {
			out := apiServices{Services: []apiService{}}
			all, err := u.s.Services(r.Context())
			for _, a := range all {
				out.Services = append(out.Services, serviceOf(a))
			}
			return out, err
		}),
		op("POST /api/v1/people/tokens/{id}/token", authz.TokensManage, "Make a token of a service account", func(r *http.Request, in apiMakeToken) (apiToken, error) {
			id, err := parseID(in.ID)
			if err != nil {
				return apiToken{}, err
			}
			var perms []authz.Permission
			for _, p := range in.Permissions {
				perms = append(perms, authz.Permission(p))
			}
			t, err := u.s.MakeToken(r.Context(), web.Who(r), id, access.Token{Name: in.Name, Permissions: perms, Partners: in.Partners, Until: in.Until})
			return tokenOf(t), err
		}),
	}
}
