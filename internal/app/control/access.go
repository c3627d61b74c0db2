package control

import (
	"context"
	"net/http"
	"time"
)

// Access is what about people can only be done from the machine's own console.
type Access interface {
	// First makes the one-time link by which the first administrator comes in; it
	// is refused once there is one.
	First(ctx context.Context, by string) (AccessLink, error)
	// Recover makes a one-time link for somebody who lost every way in.
	Recover(ctx context.Context, account, by string) (AccessLink, error)
	// Confirm says that an account is in the hands of its person.
	Confirm(ctx context.Context, account, by string) error
	// Root is the certificate that browsers must trust, as PEM.
	Root(ctx context.Context) ([]byte, error)
}

// AccessLink lets one person in, once.
type AccessLink struct {
	URL   string    `json:"url"`
	Until time.Time `json:"until"`
}

// RecoverAccount names whose way in is made anew, or who is confirmed.
type RecoverAccount struct {
	Account string `json:"account"`
}

// PagesRoot is the certificate of the pages' authority.
type PagesRoot struct {
	PEM string `json:"pem"`
}

func (s *Server) accessRoutes(all map[string]route) map[string]route {
	if s.Access == nil {
		return all
	}
	all["POST /v1/access/first"] = func(r *http.Request) (any, error) {
		return s.Access.First(r.Context(), by(r, "").Who)
	}
	all["POST /v1/access/recover"] = func(r *http.Request) (any, error) {
		var q RecoverAccount
		if err := read(r, &q); err != nil {
			return nil, err
		}
		return s.Access.Recover(r.Context(), q.Account, by(r, "").Who)
	}
	all["POST /v1/access/confirm"] = func(r *http.Request) (any, error) {
		var q RecoverAccount
		if err := read(r, &q); err != nil {
			return nil, err
		}
		return struct{}{}, s.Access.Confirm(r.Context(), q.Account, by(r, "").Who)
	}
	all["GET /v1/access/root"] = func(r *http.Request) (any, error) {
		b, err := s.Access.Root(r.Context())
		return PagesRoot{string(b)}, err
	}
	return all
}

// FirstAdministrator makes the first administrator's one-time link.
func (c *Client) FirstAdministrator(ctx context.Context) (AccessLink, error) {
	return ask[AccessLink](ctx, c, "/v1/access/first", struct{}{})
}

// RecoverAdministrator makes a one-time link for an administrator.
func (c *Client) RecoverAdministrator(ctx context.Context, account string) (AccessLink, error) {
	return ask[AccessLink](ctx, c, "/v1/access/recover", RecoverAccount{account})
}

// ConfirmPerson says that an account is in the hands of its person.
func (c *Client) ConfirmPerson(ctx context.Context, account string) error {
	_, err := ask[struct{}](ctx, c, "/v1/access/confirm", RecoverAccount{account})
	return err
}

// PagesRoot returns the certificate that browsers must trust.
func (c *Client) PagesRoot(ctx context.Context) (PagesRoot, error) {
	var out PagesRoot
	err := c.do(ctx, "/v1/access/root", nil, &out)
	return out, err
}
