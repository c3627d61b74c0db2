package accessui

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// SignDeps is what the pages of signing in and of one's own security need.
type SignDeps struct {
	Access *access.Service
	SignIn *signin.Service
	DB     *store.DB
}

// signing holds the handlers.
type signing struct{ SignDeps }

// SignRoutes are the doors that sign files draw, and those of me files.
func SignRoutes(d SignDeps) []web.Route {
	s := &signing{d}
	return slices.Concat(s.stepRoutes(), s.welcomeRoutes(), s.meRoutes())
}

// people answers signin from access.
type people struct {
	*access.Service
	now func() time.Time
}

// SignInPeople lets package signin find people; signin.Options.People.
func SignInPeople(s *access.Service, now func() time.Time) signin.People { return people{s, now} }

func (p people) ByAccount(ctx context.Context, account string) (signin.PersonInfo, bool, error) {
	clean, err := access.CleanAccount(account)
	if err != nil {
		clean = "-" // no account is written so, and it is looked for all the same
	}
	x, err := p.PersonByAccount(ctx, clean)
	return p.info(x, err)
}

func (p people) ByID(ctx context.Context, id event.ID) (signin.PersonInfo, bool, error) {
	x, err := p.Person(ctx, id)
	return p.info(x, err)
}

// SignInTeller has people told of changes of how they sign in; signin.Options.Tell.
func SignInTeller(s *access.Service) signin.Teller { return teller{s} }

type teller struct{ *access.Service }

var changes = map[string]string{signin.Added: access.WayAdded, signin.Changed: access.WayChanged, signin.Removed: access.WayRemoved, signin.Used: access.WayUsed}

// WayChanged is signin.Teller.
func (t teller) WayChanged(ctx context.Context, tx *store.Tx, c signin.Change) error {
	d := access.Device{Name: c.Device}
	if c.From.IsValid() {
		d.Network = c.From.String()
	}
	return t.Changed(ctx, tx, access.WayChange{Person: c.Person, What: changes[c.What], Way: string(c.Way), By: c.By, Session: c.Session, Device: d})
}

// FromProvider is signin.Outside.
func (p people) FromProvider(ctx context.Context, x signin.Outsider) (signin.PersonInfo, bool, error) {
	return p.info(p.Service.FromProvider(ctx, access.Said{Issuer: x.Issuer, Subject: x.Subject, Account: x.Account, Name: x.Name, Groups: x.Groups, SCIM: x.SCIM}))
}

// SignInOutside lets package signin find whom a provider means;
// signin.Options.Outside.
func SignInOutside(s *access.Service, now func() time.Time) signin.Outside { return people{s, now} }

func (p people) info(x access.Person, err error) (signin.PersonInfo, bool, error) {
	if errors.Is(err, access.ErrNotFound) {
		return signin.PersonInfo{}, false, nil
	}
	if err != nil {
		return signin.PersonInfo{}, false, err
	}
	return infoOf(&x, p.now()), true, nil
}

// failure is what a person reads of an error of these pages; nil for one that is
// not theirs.
func failure(err error) *web.Error {
	var refused *signin.Refused
	var own *web.Error
	var no *access.Refusal
	var badPassword *signin.BadPassword
	var badName *signin.BadName
	var last *signin.LastWay
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &refused):
		e := &web.Error{Kind: web.KindInvalid, Message: refused.Error()}
		switch refused.Reason {
		case signin.Wait, signin.Busy:
			e.Kind, e.After = web.KindBusy, int(min(refused.After, 24*time.Hour).Seconds())+1
		case signin.Gone:
			e.Kind = web.KindConflict
		}
		return e
	case errors.As(err, &badPassword):
		return &web.Error{Kind: web.KindInvalid, Message: badPassword.Message, Fields: map[string]string{"password": badPassword.Message}}
	case errors.As(err, &badName):
		return &web.Error{Kind: web.KindInvalid, Message: badName.Message, Fields: map[string]string{"called": badName.Message}}
	case errors.As(err, &last):
		return &web.Error{Kind: web.KindConflict, Message: last.Error()}
	case errors.Is(err, signin.ErrNotFound):
		return &web.Error{Kind: web.KindNotFound, Message: "There is no such way to sign in."}
	case errors.As(err, &no):
		kinds := map[access.Kind]web.Kind{access.KindInvalid: web.KindInvalid, access.KindNotFound: web.KindNotFound, access.KindConflict: web.KindConflict}
		e := &web.Error{Kind: kinds[no.Kind], Message: no.Text}
		if no.Field != "" {
			e.Fields = map[string]string{no.Field: no.Text}
		}
		return e
	}
	return nil
}

// told is failure for what is shown on the page itself; other errors go on to the
// server.
func told(err error) (*web.Error, error) {
	if e := failure(err); e != nil {
		return e, nil
	}
	return nil, err
}

// pass hands an error on in a form the server shows.
func pass(err error) error {
	if e := failure(err); e != nil {
		return e
	}
	return err
}

func statusOf(e *web.Error) int {
	switch e.Kind {
	case web.KindBusy:
		return http.StatusTooManyRequests
	case web.KindConflict:
		return http.StatusConflict
	case web.KindNotFound:
		return http.StatusNotFound
	case web.KindDenied:
		return http.StatusForbidden
	}
	return http.StatusUnprocessableEntity
}

// back is how an address to come back to travels.
func back(path string) string {
	if path == "/" || path == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(path))
}

// with adds the way back to an address.
func with(path, to string) string {
	if to = back(to); to != "" {
		return path + "?to=" + to
	}
	return path
}

// answer is for the script of passkeys: v, or why not, as JSON.
func answer(w http.ResponseWriter, v any, err error) error {
	if err == nil {
		return web.JSON(w, v)
	}
	e := failure(err)
	var denied *authz.Denied
	switch {
	case e != nil:
	case errors.As(err, &denied) && denied.Bench:
		e = &web.Error{Kind: web.KindDenied, Message: sentence(denied)}
	case errors.As(err, &denied):
		e = &web.Error{Kind: web.KindConflict, Message: "Confirm first that it is you: open this page again."}
	default:
		return err
	}
	b, err := json.Marshal(map[string]any{"error": map[string]any{"message": e.Message, "fields": e.Fields}})
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	if e.After > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(e.After))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statusOf(e))
	_, _ = w.Write(b) // the browser may have gone
	return nil
}

// read takes the JSON that the script sends.
func read(r *http.Request, into any) error {
	if ct, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(ct) != "application/json" {
		return web.Invalid("Send the body as Content-Type: application/json.")
	}
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return err
		}
		return web.Invalid("The browser's answer could not be read.")
	}
	return nil
}

// proof is how well who has proved who they are.
func proof(r *http.Request) signin.Proof {
	who := web.Who(r)
	return signin.Proof{Level: who.Level, FreshAt: who.FreshAt, From: web.From(r), Session: who.Session, Device: access.DeviceOf(r).Name, Bench: who.Bench}
}
