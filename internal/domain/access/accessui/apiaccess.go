package accessui

import (
	"context"
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
)

type apiBench struct {
	ID     string    `json:"id" doc:"identifier; it opens nothing"`
	Name   string    `json:"name" doc:"as it is called on the floor"`
	Site   string    `json:"site,omitempty" doc:"key of its site"`
	Made   time.Time `json:"made" doc:"when it was paired"`
	MadeBy string    `json:"made_by" doc:"by whom"`
}

type apiBenches struct {
	Benches []apiBench `json:"benches" doc:"by name"`
}

type apiReviewGlass struct {
	ID      string `path:"id" doc:"identifier of the break-glass access"`
	Verdict string `json:"verdict" doc:"fine or not-fine"`
	Note    string `json:"note" doc:"needed for not-fine"`
}

type apiProvider struct {
	ID      string `path:"id" doc:"identifier of the person"`
	Subject string `json:"subject" doc:"the subject (sub) by which the sign-in provider knows them"`
}

// apiAccessRoutes are the acts about how one person gets in, and what they did there.
func (u *ui) apiAccessRoutes() []web.Route {
	return []web.Route{
		op("POST /api/v1/people/{id}/link", authz.PeopleChange, "Make a new invitation link", u.apiLinked(u.s.NewLink)),
		op("POST /api/v1/people/{id}/recover", authz.PeopleChange, "Make a recovery link for somebody who lost every way to sign in", u.apiLinked(u.s.RecoveryLink)),
		op("POST /api/v1/people/{id}/return", authz.PeopleChange, "Let somebody in again who was ended: without a role, by a new invitation link", u.apiLinked(u.s.Return)),
		act("POST /api/v1/people/{id}/unlock", authz.PeopleChange, "Let somebody try again at once whose password is not taken after wrong tries", func(r *http.Request, id event.ID) error {
			_, err := u.lift(r, id)
			return err
		}),
		op("POST /api/v1/people/{id}/provider", authz.PeopleChange, "Link somebody to the sign-in provider; they are told", u.apiLinkOutside),
		act("POST /api/v1/people/{id}/provider/unlink", authz.PeopleChange, "End somebody's link to the sign-in provider, and the sessions it opened; they are told", func(r *http.Request, id event.ID) error {
			return u.s.UnlinkOutside(r.Context(), web.Who(r), id)
		}),
		op("GET /api/v1/people/sessions/benches", authz.SessionsEnd, "List the shared benches", func(r *http.Request, _ noInput) (apiBenches, error) {
			out := apiBenches{Benches: []apiBench{}}
			all, err := u.s.Benches(r.Context())
			for _, b := range all {
				out.Benches = append(out.Benches, apiBench{b.ID.String(), b.Name, b.Site, b.Made, b.MadeBy})
			}
			return out, err
		}),
		act("POST /api/v1/people/sessions/{id}/unpair", authz.BenchesManage, "End a shared bench and the session at it (id is that of the bench)", func(r *http.Request, id event.ID) error { return u.s.EndBench(r.Context(), web.Who(r), id) }),
		op("POST /api/v1/people/break-glass/{id}/review", authz.ReviewActs, "Sign the review of a break-glass access; never of one's own", u.apiReviewGlass),
	}
}

// apiLinked makes a one-time link, which is in the answer and nowhere else.
func (u *ui) apiLinked(do func(context.Context, *authz.Subject, event.ID) (access.Link, error)) func(*http.Request, byID) (apiLink, error) {
	return func(r *http.Request, in byID) (apiLink, error) {
		id, err := parseID(in.ID)
		if err != nil {
			return apiLink{}, err
		}
		l, err := do(r.Context(), web.Who(r), id)
		if err != nil {
			return apiLink{}, err
		}
		web.Say(r, livePeople)
		return apiLink{u.address() + l.Path(), l.Until}, nil
	}
}

func (u *ui) apiLinkOutside(r *http.Request, in apiProvider) (done, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return done{}, err
	}
	if _, err := u.s.Person(r.Context(), id); err != nil {
		return done{}, err
	}
	issuer, _ := u.provider()
	if err := u.s.LinkOutside(r.Context(), web.Who(r), id, issuer, in.Subject); err != nil {
		return done{}, err
	}
	web.Say(r, livePeople)
	return done{true}, nil
}

func (u *ui) apiReviewGlass(r *http.Request, in apiReviewGlass) (apiGlass, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return apiGlass{}, err
	}
	if _, err := u.s.Glass(r.Context(), id); err != nil {
		return apiGlass{}, err
	}
	if err := u.s.ReviewGlass(r.Context(), web.Who(r), id, in.Verdict, in.Note); err != nil {
		return apiGlass{}, err
	}
	web.Say(r, livePeople, "today")
	g, err := u.s.Glass(r.Context(), id)
	return glassOf(g), err
}
