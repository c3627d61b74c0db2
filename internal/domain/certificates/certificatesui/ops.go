package certificatesui

import (
	"errors"
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/web"
)

const tag = "Certificates"

var errNoChannel = errors.New("the configuration in force has no such channel; say partner NAME or source NAME")

type none struct{}

// Done is the answer of an operation that only acts.
type Done struct {
	Done bool `json:"done" doc:"always true"`
}

type listIn struct {
	All bool `query:"all" doc:"also what was renewed, revoked or has ended"`
}

type serialIn struct {
	Serial string `path:"serial" doc:"serial number in hex"`
}

type revokeIn struct {
	Serial string `path:"serial" doc:"serial number in hex"`
	All    bool   `json:"all" doc:"all certificates of whom this one is for; what to do when a key was lost"`
	Reason string `json:"reason" doc:"why; never name a patient"`
}

// TokenMade is a token; it is never given out again.
type TokenMade struct {
	Token string    `json:"token" doc:"for labwarden cert enrol, or as the password of EST's simpleenroll"`
	Until time.Time `json:"until" doc:"how long it may be used"`
}

type tokenIn struct {
	Kind  string   `json:"kind" doc:"device, partner or service"`
	Name  string   `json:"name" doc:"the source or partner as the configuration calls it"`
	Names []string `json:"names" doc:"host names and addresses, where the other side is a server"`
	Days  int      `json:"days" doc:"life of a certificate; 0 is 30"`
	Hours int      `json:"hours" doc:"how long the token may be used; 0 is 24"`
}

type sshIn struct {
	Partner string `json:"partner" doc:"its key in the configuration"`
	Key     string `json:"key" doc:"a public key, as a line of an authorized_keys file"`
	Days    int    `json:"days" doc:"1 to 90"`
}

// SSHSigned is an SSH certificate.
type SSHSigned struct {
	Certificate string    `json:"certificate" doc:"a line for the file KEY-cert.pub"`
	Serial      string    `json:"serial" doc:"by which it can be revoked"`
	Ends        time.Time `json:"ends" doc:"when it ends"`
}

type pinIn struct {
	Channel     string `json:"channel" doc:"partner NAME or source NAME"`
	Certificate string `json:"certificate" doc:"PEM"`
	Owner       string `json:"owner" doc:"who sees to its end; may be empty"`
}

type unpinIn struct {
	ID     string `path:"id" doc:"the pin's id"`
	Reason string `json:"reason" doc:"why; never name a patient"`
}

func (d Deps) ops() []web.Route {
	see, issue := authz.CertificatesSee, authz.CertificatesIssue
	return []web.Route{
		web.Op[none, []End]{Pattern: "GET /api/v1/certificates", Needs: see, Tag: tag, Summary: "All that ends: our certificates, others', authorities, exceptions", Do: func(*http.Request, none) ([]End, error) {
			return append([]End{}, d.Ends()...), nil
		}}.Route(),
		web.Op[none, []certificates.Authority]{Pattern: "GET /api/v1/certificates/authorities", Needs: see, Tag: tag, Summary: "The laboratory's own authorities", Do: func(r *http.Request, _ none) ([]certificates.Authority, error) {
			return d.Certificates.Authorities(r.Context())
		}}.Route(),
		web.Op[listIn, []certificates.Issued]{Pattern: "GET /api/v1/certificates/issued", Needs: see, Tag: tag, Summary: "What the laboratory's own authority has issued", Do: func(r *http.Request, in listIn) ([]certificates.Issued, error) {
			return d.Certificates.List(r.Context(), in.All)
		}}.Route(),
		web.Op[serialIn, certificates.Issued]{Pattern: "GET /api/v1/certificates/issued/{serial}", Needs: see, Tag: tag, Summary: "One of them", Do: func(r *http.Request, in serialIn) (certificates.Issued, error) {
			return d.Certificates.Get(r.Context(), in.Serial)
		}}.Route(),
		web.Op[revokeIn, []certificates.Issued]{Pattern: "POST /api/v1/certificates/issued/{serial}/revoke", Needs: issue, Tag: tag, Summary: "Revoke a certificate, or all of whom it is for, at once", Do: func(r *http.Request, in revokeIn) ([]certificates.Issued, error) {
			return d.revokeOne(r, in.Serial, in.All, in.Reason)
		}}.Route(),
		web.Op[none, Done]{Pattern: "POST /api/v1/certificates/own/renew", Needs: issue, Tag: tag, Summary: "Make the hub's own certificate anew", Do: func(r *http.Request, _ none) (Done, error) {
			d.Certificates.RenewOwn()
			said(r)
			return Done{true}, nil
		}}.Route(),
		web.Op[tokenIn, TokenMade]{Pattern: "POST /api/v1/certificates/token", Needs: issue, Tag: tag, Summary: "Make a one-time token for a certificate", Do: func(r *http.Request, in tokenIn) (TokenMade, error) {
			text, until, err := d.Certificates.Token(r.Context(), certificates.Ask{
				Identity: pki.Identity{Kind: pki.Kind(in.Kind), Name: in.Name}, Names: in.Names, Days: in.Days, For: time.Duration(in.Hours) * time.Hour, Address: d.Address(),
			}, by(r, ""))
			return TokenMade{text, until}, err
		}}.Route(),
		web.Op[sshIn, SSHSigned]{Pattern: "POST /api/v1/certificates/ssh", Needs: issue, Tag: tag, Summary: "Sign a partner's SSH key for its box", Do: func(r *http.Request, in sshIn) (SSHSigned, error) {
			x, line, err := d.signSSH(r, in.Partner, in.Key, in.Days)
			return SSHSigned{string(line), x.Serial, x.Ends}, err
		}}.Route(),
		web.Op[none, []certificates.Pin]{Pattern: "GET /api/v1/certificates/pins", Needs: see, Tag: tag, Summary: "Certificates of others that are pinned", Do: func(r *http.Request, _ none) ([]certificates.Pin, error) {
			return d.Certificates.AllPins(r.Context())
		}}.Route(),
		web.Op[pinIn, certificates.Pin]{Pattern: "POST /api/v1/certificates/pin", Needs: issue, Tag: tag, Summary: "Pin somebody's own certificate for a channel", MaxBody: 128 << 10, Do: func(r *http.Request, in pinIn) (certificates.Pin, error) {
			return d.importPin(r, in.Channel, in.Certificate, in.Owner)
		}}.Route(),
		web.Op[unpinIn, Done]{Pattern: "POST /api/v1/certificates/pins/{id}/remove", Needs: issue, Tag: tag, Summary: "Take a pinned certificate out", Do: func(r *http.Request, in unpinIn) (Done, error) {
			return Done{true}, d.takeOut(r, in.ID, in.Reason)
		}}.Route(),
	}
}
