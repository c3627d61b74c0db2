package setupui

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Deps is what the pages work with.
type Deps struct {
	Setup  *setup.Service
	Config setup.Configuration
	// Facts says what the laboratory has so far, looked at now.
	Facts func(context.Context) (setup.Facts, error)
	// FactsLately may be a minute old, for Today; nil looks anew.
	FactsLately func(context.Context) (setup.Facts, error)
	// These are pages only where they are not nil.
	Keys       Keys
	Secrets    Secrets
	Dates      Dates
	Witnessing Witnessing
	Bundles    *setup.BundleJob
	// Sites are those of the configuration in force; none where there is one laboratory.
	Sites func() []kit.Option
	// Missing says what this node lacks for a way to partners to work, in sentences;
	// empty for nothing. Nil is never asked.
	Missing func(kind string) string
	// Zone is where the laboratory is; nil is UTC.
	Zone Zone
}

// Routes are the pages and API operations.
func Routes(d Deps) []web.Route {
	var out []web.Route
	for _, part := range [][]web.Route{d.configRoutes(), d.draftRoutes(), d.actRoutes(), d.directorRoutes(), d.replayRoutes(), d.aloneRoutes(), d.configAPI(), d.formAPI(), d.settingsRoutes(), d.formRoutes(), d.keyRoutes(), d.secretRoutes(), d.dateRoutes(), d.maintenanceRoutes(), d.supportRoutes(), d.problemRoutes(), d.problemAPI()} {
		out = append(out, part...)
	}
	return out
}

// Kinds says what a person may read of this domain's errors; nil for others.
func Kinds(err error) *web.Error {
	for kind, errs := range map[web.Kind][]error{
		web.KindNotFound: {setup.ErrNoDraft, setup.ErrNoAlone, setup.ErrNoReplay, setup.ErrNoWindow, setup.ErrNoBundle, setup.ErrNoProblem, approval.ErrNotFound},
		web.KindConflict: {
			setup.ErrEnded, setup.ErrEdited, setup.ErrMoved, setup.ErrReviewed, setup.ErrDirector, setup.ErrWindowOver, setup.ErrProblemAnswered, setup.ErrProblemTaken,
			approval.ErrDecided, approval.ErrExpired, approval.ErrChanged, approval.ErrMissing, approval.ErrDamaged,
		},
		web.KindDenied: {setup.ErrNotAlone, setup.ErrNever, setup.ErrReads, approval.ErrOwn, approval.ErrHand},
		web.KindBusy:   {setup.ErrBusy, setup.ErrBundleBusy, setup.ErrProblemMany, setup.ErrOften},
		web.KindInvalid: {
			setup.ErrUnchanged, setup.ErrProblems, setup.ErrStatement, setup.ErrTooLong, setup.ErrTitle, setup.ErrDirecting, setup.ErrNote, setup.ErrDay,
			setup.ErrWindowWhat, setup.ErrWindowWhen, setup.ErrWindowLong, setup.ErrWindowReason, setup.ErrProblemWords, setup.ErrProblemAnswer, setup.ErrProblemPage,
			approval.ErrReason, approval.ErrNobody,
		},
	} {
		for _, e := range errs {
			if errors.Is(err, e) {
				return &web.Error{Kind: kind, Message: sentence(e.Error())}
			}
		}
	}
	return nil
}

// sentence makes an error's words one.
func sentence(s string) string {
	if s == "" {
		return s
	}
	b := []byte(s)
	if b[0] >= 'a' && b[0] <= 'z' {
		b[0] -= 'a' - 'A'
	}
	if last := b[len(b)-1]; last != '.' && last != '?' && last != '!' {
		b = append(b, '.')
	}
	return string(b)
}

func person(r *http.Request) approval.Person {
	who := web.Who(r)
	return approval.Person{ID: who.Person, Account: who.Account}
}

// may says whether the person may do p at all, for what a page offers: that they
// still have to confirm who they are does not take the button away.
func may(r *http.Request, p authz.Permission) bool {
	err := web.May(r, p, authz.Object{})
	var d *authz.Denied
	return err == nil || errors.As(err, &d) && (d.StepUp || d.Strong)
}

// number reads a number from the path; what is none does not exist.
func number(r *http.Request, name, message string) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil || n < 1 {
		return 0, web.NotFound(message)
	}
	return n, nil
}

const noDraft = "There is no such draft."

func join(cs ...templ.Component) templ.Component {
	out := cs[:0:0]
	for _, c := range cs {
		if c != nil {
			out = append(out, c)
		}
	}
	return templ.Join(out...)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// things is a number of things in words.
func things(n int, one, more string) string { return kit.Many(n, one, more) }

// stacked draws parts with room between them.
func stacked(cs ...templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return kit.Stack().Render(templ.WithChildren(ctx, join(cs...)), w)
	})
}
