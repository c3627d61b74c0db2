package accountsui

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Deps is what the pages stand on; app fills it.
type Deps struct {
	Accounts *accounts.Service
	Record   *record.Record
	// Hub says the laboratory's name and host, for AuditEvents.
	Hub func() record.Hub
	// Partners are the keys and names of configured partners, for the channels of
	// vendors; nil knows none.
	Partners func() [][2]string
	// Programs are the service accounts, for the record; nil knows none.
	Programs func(ctx context.Context) ([]Program, error)
	// Zone is the laboratory's time zone; nil is the zone of the server's clock.
	Zone *time.Location
}

// Program is a service account, with who made it.
type Program struct{ Account, Name, MadeBy string }

// Routes are all pages and operations. Each part has its own file.
func Routes(d Deps) []web.Route {
	var out []web.Route
	for _, part := range []func(Deps) []web.Route{
		systemRoutes, listRoutes, findingRoutes, reviewRoutes, vendorRoutes, recordRoutes, patientRoutes,
		systemOps, findingOps, reviewOps, vendorOps, recordOps,
	} {
		for _, rt := range part(d) {
			rt.Handle = told(rt.Handle)
			out = append(out, rt)
		}
	}
	return out
}

// told maps this room's errors for whoever asked.
func told(h web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := h(w, r)
		if err == nil {
			return nil
		}
		if e := Kinds(err); e != nil {
			return e
		}
		return err
	}
}

// Kinds maps errors of accounts and record; nil for others.
func Kinds(err error) *web.Error {
	var f *accounts.FieldError
	switch {
	case errors.As(err, &f):
		return &web.Error{Kind: web.KindInvalid, Message: f.Message, Fields: map[string]string{f.Field: f.Message}}
	case errors.Is(err, accounts.ErrOwn):
		return &web.Error{Kind: web.KindDenied, Message: sentence(accounts.ErrOwn.Error())}
	case errors.Is(err, accounts.ErrInvalid):
		return &web.Error{Kind: web.KindInvalid, Message: after(err, accounts.ErrInvalid)}
	case errors.Is(err, record.ErrInvalid):
		return &web.Error{Kind: web.KindInvalid, Message: after(err, record.ErrInvalid)}
	case errors.Is(err, accounts.ErrConflict):
		return &web.Error{Kind: web.KindConflict, Message: after(err, accounts.ErrConflict)}
	case errors.Is(err, accounts.ErrNotFound), errors.Is(err, record.ErrNotFound):
		return &web.Error{Kind: web.KindNotFound, Message: nothing}
	case errors.Is(err, record.ErrNoReports):
		return &web.Error{Kind: web.KindNotFound, Message: sentence(record.ErrNoReports.Error())}
	}
	return nil
}

const nothing = "There is no such entry."

// after is what stands behind a kind of error: what was written for people.
func after(err, kind error) string {
	if _, text, ok := strings.Cut(err.Error(), kind.Error()+": "); ok {
		return sentence(text)
	}
	return sentence(kind.Error())
}

// sentence begins with a capital and ends with a full stop.
func sentence(v string) string {
	if v == "" {
		return v
	}
	v = strings.ToUpper(v[:1]) + v[1:]
	if !strings.HasSuffix(v, ".") {
		v += "."
	}
	return v
}

func by(r *http.Request) accounts.By {
	who := web.Who(r)
	return accounts.By{Person: who.Person, Account: who.Account, Name: who.Name}
}

func (d Deps) clock(r *http.Request) time.Time {
	now := web.Now(r)
	if d.Zone != nil {
		return now.In(d.Zone)
	}
	return now.Local()
}

func idOf(r *http.Request, name string) (event.ID, error) {
	id, err := event.ParseID(r.PathValue(name))
	if err != nil {
		return id, web.NotFound(nothing)
	}
	return id, nil
}

// fields are the messages beside fields, and the one about the whole.
func fields(err error) (beside map[string]string, whole string, ok bool) {
	e := Kinds(err)
	if e == nil || e.Kind != web.KindInvalid {
		return nil, "", false
	}
	if len(e.Fields) > 0 {
		return e.Fields, "", true
	}
	return nil, e.Message, true
}

// around draws a form whose fields stand partly in a table: rows to choose from,
// then what is done with those chosen.
func around(action, wrong, submit string, table templ.Component, f []kit.Field) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		say := func(text string) error {
			_, err := io.WriteString(w, text)
			return err
		}
		if err := say(`<form method="post" action="` + templ.EscapeString(action) + `" novalidate>`); err != nil {
			return err
		}
		parts := []templ.Component{kit.ErrorSummary(wrong, nil), table}
		if err := errors.Join(templ.Join(parts...).Render(ctx, w), say(`<div class="pad"><div class="form">`)); err != nil {
			return err
		}
		for _, x := range f {
			if err := kit.Input(x).Render(ctx, w); err != nil {
				return err
			}
		}
		return say(`<div class="go"><button type="submit" class="btn pri">` + templ.EscapeString(submit) + `</button></div></div></div></form>`)
	})
}

// dayOf reads a date of a form; zero where it is empty.
func dayOf(r *http.Request, name string) (time.Time, error) {
	v := strings.TrimSpace(r.FormValue(name))
	if v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, v)
	if err != nil {
		return t, &accounts.FieldError{Field: name, Message: "Write a date as 2027-05-31."}
	}
	return t, nil
}

func dayValue(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// names is how accounts and ids of people read.
func (d Deps) names(ctx context.Context) (map[string]string, error) {
	people, err := d.Accounts.People(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, 2*len(people))
	for i := range people {
		out[people[i].Account] = people[i].Name
		out[record.ByPerson(people[i].ID.String())] = people[i].Name
	}
	return out, nil
}

// recordNames is how the people of the record read.
func (d Deps) recordNames(ctx context.Context) (record.Names, error) {
	people, err := d.Accounts.People(ctx)
	if err != nil {
		return nil, err
	}
	out := record.NewNames()
	for i := range people {
		out.Add(people[i].ID, people[i].Account, people[i].Name)
	}
	if d.Programs == nil {
		return out, nil
	}
	programs, err := d.Programs(ctx)
	for _, p := range programs {
		out.AddProgram(p.Account, p.Name, p.MadeBy)
	}
	return out, err
}

// named is a person's name with the account behind it.
func named(names map[string]string, account string) string {
	switch n := names[account]; {
	case account == "":
		return "nobody"
	case n == "" || n == account || strings.HasPrefix(account, "person:"):
		if n != "" {
			return n
		}
		return account
	default:
		return n + " (" + account + ")"
	}
}

// confirmed says whether the second step was taken.
func confirmed(r *http.Request) bool { return r.FormValue("confirm") == "yes" }
