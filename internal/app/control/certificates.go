package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/pki"
)

// Certificates is the laboratory's own authority, with what of the configuration
// it needs.
type Certificates struct {
	*certificates.Service
	// Address is where others enrol; empty where that door is not configured.
	Address func() string
	// Known says whether there is such a channel ("partner riverside").
	Known func(channel string) bool
	// Renewed takes over what was installed or pinned.
	Renewed func(ctx context.Context)
}

// CA is what there is of it.
type CA struct {
	Authorities []certificates.Authority `json:"authorities"`
	SSH         []string                 `json:"ssh_authorities"`
	Address     string                   `json:"address"`
	Lab         string                   `json:"lab"`
	Root        string                   `json:"root_pem"`
}

// PEMText is something in PEM, or a line of SSH.
type PEMText struct {
	PEM string `json:"pem"`
}

// InstallCA is the chain that the root has signed.
type InstallCA struct {
	PEM     string `json:"pem"`
	NewRoot bool   `json:"new_root,omitempty"`
}

// TokenAsk asks for an enrolment token.
type TokenAsk struct {
	Kind    string   `json:"kind"`
	Name    string   `json:"name"`
	Names   []string `json:"names,omitempty"`
	Days    int      `json:"days,omitempty"`
	Seconds int64    `json:"seconds,omitempty"`
}

// TokenMade is one; its text is shown once.
type TokenMade struct {
	Token string    `json:"token"`
	Until time.Time `json:"until"`
}

// SignSSH asks for an SSH certificate.
type SignSSH struct {
	Partner string `json:"partner"`
	Key     string `json:"key"`
	Days    int    `json:"days"`
}

// SSHSigned is one.
type SSHSigned struct {
	Certificate string              `json:"certificate"`
	Issued      certificates.Issued `json:"issued"`
}

// RevokeAsk names a serial number, or "partner NAME".
type RevokeAsk struct {
	What   string `json:"what"`
	Reason string `json:"reason"`
}

// IssuedList lists certificates.
type IssuedList struct {
	Certificates []certificates.Issued `json:"certificates"`
}

// ImportAsk pins somebody's certificate.
type ImportAsk struct {
	Channel string `json:"channel"`
	PEM     []byte `json:"file"`
	Owner   string `json:"owner"`
}

// UnpinAsk takes one out.
type UnpinAsk struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// PinList lists pinned certificates.
type PinList struct {
	Pins []certificates.Pin `json:"pins"`
}

// CRL is the list of revoked certificates, DER.
type CRL struct {
	DER []byte `json:"der"`
}

func (s *Server) certificateRoutes(all map[string]route) map[string]route {
	if s.Certificates == nil {
		return all
	}
	c := s.Certificates
	who := func(r *http.Request, reason string) certificates.By {
		return certificates.By{Who: by(r, "").Who, Reason: reason}
	}
	all["GET /v1/ca"] = func(r *http.Request) (any, error) {
		list, err := c.Authorities(r.Context())
		out := CA{Authorities: list, SSH: append([]string{}, c.SSHAuthority()...), Address: c.Address(), Lab: c.Lab()}
		if chain := c.Chain(); len(chain) > 0 {
			out.Root = string(pki.PEM(chain[len(chain)-1]))
		}
		return out, err
	}
	all["POST /v1/ca/request"] = func(r *http.Request) (any, error) {
		csr, err := c.Request(r.Context(), who(r, ""))
		return PEMText{string(pki.RequestPEM(csr))}, err
	}
	all["POST /v1/ca/install"] = take(func(r *http.Request, q InstallCA) (any, error) {
		chain, err := pki.Certificates([]byte(q.PEM))
		if err != nil {
			return nil, &Error{Invalid, err.Error()}
		}
		a, err := c.Install(r.Context(), chain, q.NewRoot, who(r, ""))
		if err == nil {
			c.Renewed(r.Context())
		}
		return a, err
	})
	all["POST /v1/ca/token"] = take(func(r *http.Request, q TokenAsk) (any, error) {
		text, until, err := c.Token(r.Context(), certificates.Ask{
			Identity: pki.Identity{Kind: pki.Kind(q.Kind), Name: q.Name}, Names: q.Names, Days: q.Days, For: time.Duration(q.Seconds) * time.Second, Address: c.Address(),
		}, who(r, ""))
		return TokenMade{text, until}, err
	})
	all["POST /v1/ca/ssh"] = take(func(r *http.Request, q SignSSH) (any, error) {
		if !c.Known("partner " + q.Partner) {
			return nil, &Error{Invalid, fmt.Sprintf("the applied configuration has no partner %s", q.Partner)}
		}
		x, line, err := c.SignSSH(r.Context(), q.Partner, []byte(q.Key), q.Days, who(r, ""))
		return SSHSigned{string(line), x}, err
	})
	all["POST /v1/ca/revoke"] = take(func(r *http.Request, q RevokeAsk) (any, error) {
		list, err := c.Revoke(r.Context(), q.What, who(r, q.Reason))
		return IssuedList{list}, err
	})
	all["GET /v1/ca/issued"] = func(r *http.Request) (any, error) {
		list, err := c.List(r.Context(), r.URL.Query().Get("all") == "true")
		return IssuedList{list}, err
	}
	all["GET /v1/ca/crl"] = func(r *http.Request) (any, error) {
		der, err := c.CRL(r.Context())
		return CRL{der}, err
	}
	all["GET /v1/certificates/pins"] = func(r *http.Request) (any, error) {
		list, err := c.AllPins(r.Context())
		return PinList{list}, err
	}
	all["POST /v1/certificates/import"] = take(func(r *http.Request, q ImportAsk) (any, error) {
		if !c.Known(q.Channel) {
			return nil, &Error{Invalid, fmt.Sprintf("the applied configuration has no %s; say partner NAME or source NAME", q.Channel)}
		}
		p, err := c.Import(r.Context(), q.Channel, q.PEM, q.Owner, who(r, ""))
		if err == nil {
			c.Renewed(r.Context())
		}
		return p, err
	})
	all["POST /v1/certificates/unpin"] = take(func(r *http.Request, q UnpinAsk) (any, error) {
		id, err := event.ParseID(q.ID)
		if err != nil {
			return nil, certificates.ErrNotFound
		}
		p, err := c.Unpin(r.Context(), id, who(r, q.Reason))
		if err == nil {
			c.Renewed(r.Context())
		}
		return p, err
	})
	return all
}

// ofCertificates gives this room's errors their kinds.
func ofCertificates(err error) error {
	var invalid *certificates.InvalidError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return &Error{Invalid, err.Error()}
	case errors.Is(err, certificates.ErrNotFound):
		return &Error{NotFound, err.Error()}
	case errors.Is(err, certificates.ErrRevoked), errors.Is(err, certificates.ErrNone), errors.Is(err, certificates.ErrNoSSH), errors.Is(err, certificates.ErrDamaged), errors.Is(err, certificates.ErrExists):
		return &Error{Conflict, err.Error()}
	}
	return err
}

func take[Q any](do func(r *http.Request, q Q) (any, error)) route {
	return func(r *http.Request) (any, error) {
		var q Q
		if err := read(r, &q); err != nil {
			return nil, err
		}
		return do(r, q)
	}
}

// CA says what authorities there are.
func (c *Client) CA(ctx context.Context) (CA, error) { return ask[CA](ctx, c, "/v1/ca", nil) }

// RequestCA has the hub make a key for an intermediate.
func (c *Client) RequestCA(ctx context.Context) (PEMText, error) {
	return ask[PEMText](ctx, c, "/v1/ca/request", struct{}{})
}

// InstallCA gives the hub what the root has signed.
func (c *Client) InstallCA(ctx context.Context, q InstallCA) (certificates.Authority, error) {
	return ask[certificates.Authority](ctx, c, "/v1/ca/install", q)
}

// EnrolToken makes a one-time token.
func (c *Client) EnrolToken(ctx context.Context, q TokenAsk) (TokenMade, error) {
	return ask[TokenMade](ctx, c, "/v1/ca/token", q)
}

// SignSSH signs an SSH key.
func (c *Client) SignSSH(ctx context.Context, q SignSSH) (SSHSigned, error) {
	return ask[SSHSigned](ctx, c, "/v1/ca/ssh", q)
}

// RevokeCertificates revokes one, or all of somebody.
func (c *Client) RevokeCertificates(ctx context.Context, q RevokeAsk) (IssuedList, error) {
	return ask[IssuedList](ctx, c, "/v1/ca/revoke", q)
}

// IssuedCertificates lists them.
func (c *Client) IssuedCertificates(ctx context.Context, all bool) (IssuedList, error) {
	return ask[IssuedList](ctx, c, fmt.Sprintf("/v1/ca/issued?all=%t", all), nil)
}

// CRL is the list of revoked certificates.
func (c *Client) CRL(ctx context.Context) (CRL, error) { return ask[CRL](ctx, c, "/v1/ca/crl", nil) }

// ImportCertificate pins one.
func (c *Client) ImportCertificate(ctx context.Context, q ImportAsk) (certificates.Pin, error) {
	return ask[certificates.Pin](ctx, c, "/v1/certificates/import", q)
}

// UnpinCertificate takes one out.
func (c *Client) UnpinCertificate(ctx context.Context, q UnpinAsk) (certificates.Pin, error) {
	return ask[certificates.Pin](ctx, c, "/v1/certificates/unpin", q)
}

// PinnedCertificates lists them.
func (c *Client) PinnedCertificates(ctx context.Context) (PinList, error) {
	return ask[PinList](ctx, c, "/v1/certificates/pins", nil)
}
