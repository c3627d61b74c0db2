package certificatesui

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// End is something of the configuration that ends: our certificates, others'
// that were seen or pinned, authorities, exceptions.
type End struct {
	Of     string    `json:"of" doc:"whose it is: node, partner NAME, source NAME"`
	Kind   string    `json:"kind" doc:"what it is"`
	Words  string    `json:"words" doc:"how it stands, in a sentence"`
	Advice string    `json:"advice" doc:"what to do"`
	Owner  string    `json:"owner" doc:"who sees to it"`
	Ends   time.Time `json:"ends" doc:"when it ends"`
	Due    bool      `json:"due" doc:"within 30 days"`
	Past   bool      `json:"past" doc:"it has ended"`
}

// Deps is what the pages stand on; app fills it.
type Deps struct {
	Certificates *certificates.Service
	// Ends are what else ends.
	Ends func() []End
	// Channels are "partner riverside" and "source lis" with the names people read.
	Channels func() [][2]string
	// Address is where others enrol; empty where that door is not configured.
	Address func() string
	// Changed takes over what was pinned.
	Changed func(ctx context.Context)
	// Zone is the laboratory's time zone; nil is the zone of the server's clock.
	Zone *time.Location
}

// Routes are all pages and operations.
func Routes(d Deps) []web.Route {
	see, issue := authz.CertificatesSee, authz.CertificatesIssue
	all := append(d.ops(), []web.Route{
		{Pattern: "GET /certificates", Needs: see, Handle: d.calendar},
		{Pattern: "GET /certificates/issued/{serial}", Needs: see, Handle: d.one},
		{Pattern: "GET /certificates/issued/{serial}/revoke", Needs: issue, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.askRevoke(w, r, "") }},
		{Pattern: "POST /certificates/issued/{serial}/revoke", Needs: issue, Handle: d.revoke},
		{Pattern: "POST /certificates/own/renew", Needs: issue, Handle: d.renewOwn},
		{Pattern: "GET /certificates/token", Needs: issue, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.askToken(w, r, nil, "") }},
		{Pattern: "POST /certificates/token", Needs: issue, Handle: d.token},
		{Pattern: "GET /certificates/ssh", Needs: issue, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.askSSH(w, r, "") }},
		{Pattern: "POST /certificates/ssh", Needs: issue, Handle: d.ssh},
		{Pattern: "GET /certificates/pin", Needs: issue, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.askPin(w, r, "") }},
		{Pattern: "POST /certificates/pin", Needs: issue, Handle: d.pin, MaxBody: 128 << 10},
		{Pattern: "GET /certificates/pins/{id}/remove", Needs: issue, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.askUnpin(w, r, "") }},
		{Pattern: "POST /certificates/pins/{id}/remove", Needs: issue, Handle: d.unpin},
	}...)
	for i := range all {
		all[i].Handle = told(all[i].Handle)
	}
	return all
}

// told maps this room's errors for whoever asked.
func told(h web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := h(w, r)
		var invalid *certificates.InvalidError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &invalid):
			return web.Invalid(sentence(invalid.Error()))
		case errors.Is(err, certificates.ErrNotFound):
			return web.NotFound("There is no such certificate.")
		}
		for _, e := range []error{certificates.ErrRevoked, certificates.ErrNone, certificates.ErrNoSSH, certificates.ErrDamaged} {
			if errors.Is(err, e) {
				return &web.Error{Kind: web.KindConflict, Message: sentence(e.Error())}
			}
		}
		return err
	}
}

// sentence begins with a capital and ends with a full stop.
func sentence(v string) string {
	if v == "" {
		return v
	}
	return strings.ToUpper(v[:1]) + strings.TrimSuffix(v[1:], ".") + "."
}

func by(r *http.Request, reason string) certificates.By {
	return certificates.By{Who: web.Who(r).Account, Reason: strings.TrimSpace(reason)}
}

func (d Deps) clock(r *http.Request) time.Time {
	if d.Zone != nil {
		return web.Now(r).In(d.Zone)
	}
	return web.Now(r).Local()
}

func mayIssue(r *http.Request) bool { return !web.Scope(r, authz.CertificatesIssue).Empty() }

// wrong is what a person can mend in a form; ok is false for other errors.
func wrong(err error) (text string, ok bool) {
	var invalid *certificates.InvalidError
	if errors.As(err, &invalid) {
		return sentence(invalid.Error()), true
	}
	return "", false
}

// said changes what other pages show too.
func said(r *http.Request) { web.Say(r, "certificates", "today") }
