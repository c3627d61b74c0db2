package accessui

import (
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
)

type apiMakeService struct {
	Account     string   `json:"account" doc:"stands in the record: a to z, 0 to 9 and . _ - @"`
	Name        string   `json:"name" doc:"name of the program"`
	Permissions []string `json:"permissions" doc:"the most it may do"`
	Partners    []string `json:"partners" doc:"only for these partners; none: all"`
}

type apiSetKey struct {
	ID          string `path:"id" doc:"identifier of the service account"`
	Certificate string `json:"certificate" doc:"the client certificate as PEM; empty takes it away"`
}

type apiKey struct {
	Key   string    `json:"key" doc:"SHA-256 of the public key of its certificate; empty: it has none"`
	Until time.Time `json:"until,omitzero" doc:"end of the certificate; one of the same key goes on working"`
	Waits bool      `json:"waits" doc:"it works once the compliance officer or the laboratory director has said yes"`
}

// apiServiceRoutes make and end service accounts, and set their certificates.
func (u *ui) apiServiceRoutes() []web.Route {
	return []web.Route{
		op("POST /api/v1/people/tokens", authz.TokensManage, "Add a service account", u.apiMakeService),
		op("POST /api/v1/people/tokens/{id}/certificate", authz.TokensManage, "Let a service account in by a client certificate", u.apiSetKey),
		act("POST /api/v1/people/tokens/{id}/end", authz.TokensManage, "End a service account with its tokens and its certificate", func(r *http.Request, id event.ID) error { return u.s.EndService(r.Context(), web.Who(r), id) }),
	}
}

func serviceOf(a access.ServiceAccount) apiService {
	x := apiService{a.ID.String(), a.Account, a.Name, texts(a.Permissions), a.Partners, a.Key, a.Ended, []apiToken{}}
	for _, t := range a.Tokens {
		x.Tokens = append(x.Tokens, tokenOf(t))
	}
	return x
}

func (u *ui) apiMakeService(r *http.Request, in apiMakeService) (apiService, error) {
	a := access.ServiceAccount{Account: in.Account, Name: in.Name, Partners: distinct(in.Partners)}
	for _, p := range distinct(in.Permissions) {
		a.Permissions = append(a.Permissions, authz.Permission(p))
	}
	err := u.knownPartners("partners", a.Partners)
	if err == nil {
		a, err = u.s.MakeService(r.Context(), web.Who(r), a)
	}
	return serviceOf(a), err
}

func (u *ui) apiSetKey(r *http.Request, in apiSetKey) (out apiKey, err error) {
	a, err := u.findService(r)
	if err != nil {
		return out, err
	}
	if err := u.s.SetKey(r.Context(), web.Who(r), a.ID, in.Certificate); err != nil {
		return out, err
	}
	if a, err = u.findService(r); err != nil {
		return out, err
	}
	waits, err := u.waits(r.Context(), a, web.Now(r))
	return apiKey{a.Key, a.KeyUntil, waits[a.ID]}, err
}
