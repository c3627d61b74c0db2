package accessui

import (
	"context"
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// programRoutes are the yes or no to programs that read patient data or bring people
// in.
func (u *ui) programRoutes() []web.Route {
	return []web.Route{
		get("/people/programs", authz.TokensAllow, u.programs),
		post("/people/programs/{id}/yes", authz.TokensAllow, u.allowProgram),
		post("/people/programs/{id}/no", authz.TokensAllow, u.refuseProgram),
		post("/people/tokens/{id}/again", authz.TokensManage, u.askProgram),
		op("GET /api/v1/people/programs", authz.TokensAllow, "List tokens and certificates that wait for a yes", u.apiPrograms),
		act("POST /api/v1/people/programs/{id}/yes", authz.TokensAllow, "Say yes to a token, or to a service account's certificate", func(r *http.Request, id event.ID) error { return u.s.AllowProgram(r.Context(), web.Who(r), id) }),
		op("POST /api/v1/people/programs/{id}/no", authz.TokensAllow, "Say no to a token or certificate", u.apiReasoned(u.s.RefuseProgram)),
		act("POST /api/v1/people/tokens/{id}/again", authz.TokensManage, "Ask anew for the yes to a token or certificate", func(r *http.Request, id event.ID) error { return u.s.AskProgram(r.Context(), web.Who(r), id) }),
	}
}

const programsPath = "/people/programs"

func wayWords(w access.WayIn) string {
	if w.Name == "" {
		return "the certificate"
	}
	return "the token " + w.Name
}

type apiProgram struct {
	ID          string    `json:"id" doc:"the token's identifier; for a certificate the service account's"`
	Account     string    `json:"account" doc:"account of the program"`
	Name        string    `json:"name" doc:"name of the program"`
	Token       string    `json:"token,omitempty" doc:"what the token is for; none: the client certificate"`
	Permissions []string  `json:"permissions" doc:"what it would be let do"`
	Partners    []string  `json:"partners" doc:"only for these partners; none: all"`
	Until       time.Time `json:"until" doc:"would work until then"`
	MadeBy      string    `json:"made_by" doc:"who made the account"`
	AskedBy     string    `json:"asked_by" doc:"who asks"`
	Asked       time.Time `json:"asked" doc:"since when"`
}

type apiPrograms struct {
	Programs []apiProgram `json:"programs" doc:"the oldest first"`
}

func (u *ui) apiPrograms(r *http.Request, _ noInput) (apiPrograms, error) {
	out := apiPrograms{Programs: []apiProgram{}}
	all, err := u.s.AskedPrograms(r.Context())
	for _, q := range all {
		out.Programs = append(out.Programs, apiProgram{
			q.Object, q.Account.Account, q.Account.Name, q.Name, texts(q.Permissions), q.Partners, q.Until, q.Account.MadeBy, q.Author.Account, q.MadeAt,
		})
	}
	return out, err
}

func (u *ui) programs(w http.ResponseWriter, r *http.Request) error {
	page, err := u.programsPage(r, "", nil, "")
	if err != nil {
		return err
	}
	return web.Render(w, r, page)
}

// programsPage draws what waits; errs and whole are about the answer to id.
func (u *ui) programsPage(r *http.Request, id string, errs map[string]string, whole string) (kit.Page, error) {
	all, err := u.s.AskedPrograms(r.Context())
	if err != nil {
		return kit.Page{}, err
	}
	names, err := u.names(r.Context())
	if err != nil {
		return kit.Page{}, err
	}
	now, body := web.Now(r), u.tabs(r, programsPath)
	for _, q := range all {
		facts := []kit.KV{
			{Key: "Program", Value: q.Account.Name + " (" + q.Account.Account + ")"},
			{Key: "Would be let", Value: permissionList(q.Permissions)},
			{Key: "For", Value: partnerList(q.Partners)},
			{Key: "Until", Value: wordLastDay(q.Until, "")},
			{Key: "Account made by", Value: names.Of(q.Account.MadeBy)},
			{Key: "Asked by", Value: names.Of(q.Author.Account) + ", " + kit.Clock(q.MadeAt, now)},
		}
		base, answer := programsPath+"/"+q.Object, pad(kit.Paragraph("You made this program or asked for it: somebody else decides."))
		if q.Bars(handOf(web.Who(r))) == nil {
			wrong, all := errs, whole
			if id != q.Object {
				wrong, all = nil, ""
			}
			answer = join(kit.Acts(kit.Action{Text: "Yes, let it in", Href: base + "/yes", Post: true, Icon: "access"}), pad(reasonForm(r, base+"/no", "Or why not", "Say no", "", wrong, all)))
		}
		body = join(body, kit.Sheet(kit.SheetOpts{Title: upperFirst(wayWords(q.WayIn)) + " of " + q.Account.Name, Body: join(kit.KeyValues(facts), answer)}))
	}
	return kit.Page{
		Title: "Programs to allow", Lead: kit.Many(len(all), "program waits for a yes.", "programs wait for a yes."), Rest: "It would read patient data or bring people in, and whoever made it need not be allowed that.",
		Crumbs: wayTo(r, kit.Crumb{Name: "Programs to allow"}), Nav: navOf(r, programsPath), Live: []string{livePeople}, Body: body,
	}, nil
}

func (u *ui) allowProgram(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := u.s.AllowProgram(r.Context(), web.Who(r), id); err != nil {
		return err
	}
	web.Say(r, livePeople)
	return web.Done(w, r, programsPath, "The program is let in.")
}

func (u *ui) refuseProgram(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := u.s.RefuseProgram(r.Context(), web.Who(r), id, r.PostFormValue("reason")); err != nil {
		var failed error
		err = redraw(w, r, err, func(errs map[string]string, whole string) kit.Page {
			page, err := u.programsPage(r, id.String(), errs, whole)
			failed = err
			return page
		})
		if failed != nil {
			return failed
		}
		return err
	}
	web.Say(r, livePeople)
	return web.Done(w, r, programsPath, "The program is not let in.")
}

func (u *ui) askProgram(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := u.s.AskProgram(r.Context(), web.Who(r), id); err != nil {
		return err
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/tokens", "The compliance officer or the laboratory director was asked: they find it on Today.")
}

// waits says which of a service account's tokens, and its certificate (by the
// account's id), still need their yes.
func (u *ui) waits(ctx context.Context, a access.ServiceAccount, now time.Time) (map[event.ID]bool, error) {
	out := map[event.ID]bool{}
	if !a.Ended.IsZero() {
		return out, nil
	}
	for _, t := range a.Tokens {
		if !t.In(now) {
			continue
		}
		w, err := u.s.Waits(ctx, t.ID, "", t.Permissions)
		if err != nil {
			return nil, err
		}
		out[t.ID] = w
	}
	if a.Key == "" {
		return out, nil
	}
	w, err := u.s.Waits(ctx, a.ID, a.Key, a.Permissions)
	out[a.ID] = w
	return out, err
}

func (u *ui) todayPrograms(ctx context.Context, who *authz.Subject, _ time.Time) ([]today.Item, error) {
	all, err := u.s.AskedPrograms(ctx)
	if err != nil {
		return nil, err
	}
	var out []today.Item
	for _, q := range all {
		if q.Bars(handOf(who)) != nil {
			continue
		}
		out = append(out, today.Item{
			State: kit.Warn, Rank: today.RankSoon, Needs: authz.TokensAllow, Since: q.MadeAt, Title: "May " + q.Account.Name + " " + permissionList(q.Permissions) + "?",
			Text: q.Author.Account + " made " + wayWords(q.WayIn) + ". It works once you say yes.", Action: kit.Action{Text: "Decide", Href: programsPath},
		})
	}
	return out, nil
}
