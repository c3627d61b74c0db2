package keysui

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Deps is what the pages stand on; app fills it.
type Deps struct {
	Keys *keys.Service
	// Partner tells of one partner of the configuration in force.
	Partner func(key string) (Partner, bool)
	// Own are the laboratory's public signing keys as lab.pub has them, the one in
	// use first.
	Own func() []string
	// Called is how an account's person is called; nil leaves it as it is.
	Called func(account string) string
}

// Partner is what the pages need to know of one.
type Partner struct {
	Key, Name string
	// Contact and Phone are whom to call; may be empty.
	Contact, Phone string
	// Registered: its results are encrypted to the keys here.
	Registered bool
}

// maxFile is the most that a form with a key may weigh.
const maxFile = 192 << 10

// Routes are the pages and operations.
func Routes(d Deps) []web.Route {
	all := append([]web.Route{
		{Pattern: "GET /partners/{key}/keys", Needs: authz.PartnersSee, Handle: d.list},
		{Pattern: "GET /partners/{key}/keys/new", Needs: authz.PartnerKeys, Handle: d.askAdd},
		{Pattern: "POST /partners/{key}/keys/new", Needs: authz.PartnerKeys, Handle: d.add, MaxBody: maxFile},
		{Pattern: "GET /partners/{key}/keys/{id}", Needs: authz.PartnersSee, Handle: d.one},
		{Pattern: "POST /partners/{key}/keys/{id}", Needs: authz.PartnerKeys, Handle: d.compare},
		{Pattern: "GET /partners/{key}/keys/{id}/use", Needs: authz.PartnerKeysUse, Handle: d.askUse},
		{Pattern: "POST /partners/{key}/keys/{id}/use", Needs: authz.PartnerKeysUse, Handle: d.use},
		{Pattern: "GET /partners/{key}/keys/{id}/retire", Needs: authz.PartnerKeysUse, Handle: d.askEnd},
		{Pattern: "POST /partners/{key}/keys/{id}/retire", Needs: authz.PartnerKeysUse, Handle: d.retire},
		{Pattern: "GET /partners/{key}/keys/{id}/revoke", Needs: authz.PartnerKeysUse, Handle: d.askEnd},
		{Pattern: "POST /partners/{key}/keys/{id}/revoke", Needs: authz.PartnerKeysUse, Handle: d.revoke},
	}, ops(d)...)
	for i := range all {
		h := all[i].Handle
		all[i].Handle = func(w http.ResponseWriter, r *http.Request) error {
			err := h(w, r)
			if e := Kinds(err); e != nil {
				return e
			}
			return err
		}
	}
	return all
}

// Kinds maps the errors of package keys; nil for others.
func Kinds(err error) *web.Error {
	var f *keys.FieldError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return &web.Error{Kind: web.KindInvalid, Message: f.Message, Fields: map[string]string{f.Field: f.Message}}
	case errors.Is(err, keys.ErrSecond):
		return &web.Error{Kind: web.KindDenied, Message: sentence(keys.ErrSecond)}
	case errors.Is(err, keys.ErrNotFound):
		return &web.Error{Kind: web.KindNotFound, Message: nothing}
	case errors.Is(err, keys.ErrConflict):
		return &web.Error{Kind: web.KindConflict, Message: sentence(keys.ErrConflict)}
	case errors.Is(err, keys.ErrDamaged):
		return &web.Error{Kind: web.KindConflict, Message: sentence(keys.ErrDamaged)}
	case errors.Is(err, keys.ErrInvalid):
		return &web.Error{Kind: web.KindInvalid, Message: sentence(keys.ErrInvalid)}
	}
	return nil
}

const (
	nothing   = "There is no such key."
	noPartner = "There is no such partner, or it is not yours to see."
)

func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// partner is the partner of the address, as this caller may see it. Its keys are
// those of the whole partner: whoever may see only some sites of it does not see
// them.
func (d Deps) partner(r *http.Request, p authz.Permission) (Partner, error) {
	x, ok := d.Partner(r.PathValue("key"))
	if !ok || !may(r, authz.PartnersSee, r.PathValue("key")) {
		return x, web.NotFound(noPartner)
	}
	return x, web.May(r, p, authz.Object{Partner: x.Key})
}

// found is the key of the address with its partner.
func (d Deps) found(r *http.Request, p authz.Permission) (Partner, keys.Key, error) {
	x, err := d.partner(r, p)
	if err != nil {
		return x, keys.Key{}, err
	}
	id, err := event.ParseID(r.PathValue("id"))
	if err != nil {
		return x, keys.Key{}, web.NotFound(nothing)
	}
	k, err := d.Keys.Key(r.Context(), id)
	if err == nil && k.Partner != x.Key {
		err = web.NotFound(nothing)
	}
	return x, k, err
}

func may(r *http.Request, p authz.Permission, partner string) bool {
	return web.Scope(r, p).Holds(authz.Object{Partner: partner})
}

func by(r *http.Request) string { return web.Who(r).Account }

func (d Deps) called(account string) string {
	if d.Called != nil && account != "" {
		if n := d.Called(account); n != "" {
			return n
		}
	}
	return account
}

func clock(r *http.Request) time.Time { return web.Now(r).Local() }

func crumbs(p Partner, more ...kit.Crumb) []kit.Crumb {
	return append([]kit.Crumb{{Name: "Partners", Href: "/partners"}, {Name: p.Name, Href: "/partners/" + p.Key}, {Name: "Keys", Href: at(p)}}, more...)
}

func at(p Partner) string { return "/partners/" + p.Key + "/keys" }

func atKey(k *keys.Key) string { return "/partners/" + k.Partner + "/keys/" + k.ID.String() }

// said tells open pages.
func said(r *http.Request, partner string) {
	web.Say(r, web.Topic("partner:"+partner), "today")
}
