package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/authz"
)

// Handler answers a request. An error it returns is mapped and shown by the
// server: a Handler that returns one has not written anything.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Access says who a route is for besides a permission.
type Access int

// The kinds of access.
const (
	// ByPermission is the default: Route.Needs must be granted.
	ByPermission Access = iota
	// Open is for everybody, signed in or not; Route.Why must say why that is
	// right. Sign-in, assets.
	Open
	// SignedIn is for whoever is known, whatever they may: on a site whose people have
	// no roles. The handler decides what is theirs; Route.Why must say how.
	SignedIn
)

// Route is one door.
type Route struct {
	// Pattern is the method and path as net/http reads them: "GET /results/{id}".
	Pattern string
	// Needs is what the caller must be allowed, wherever it may be (a grant narrowed
	// to a partner passes here). A handler that shows or changes a thing of one
	// partner asks May besides, with the partner it has found.
	Needs  authz.Permission
	Access Access
	Why    string
	Handle Handler
	// MaxBody is the size of a request's body in bytes; 0 is 64 KiB.
	MaxBody int64
	// Stream has no time limit for the answer: live hints, long exports.
	Stream bool
	// Doc describes an operation of the JSON API; nil for pages. Its errors are
	// JSON, and tokens may call it.
	Doc *Doc
}

// method and path of the pattern.
func (rt *Route) split() (method, path string) {
	method, path, ok := strings.Cut(rt.Pattern, " ")
	if !ok || !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, method) || !strings.HasPrefix(path, "/") {
		panic(fmt.Sprintf("route %q: write METHOD /path", rt.Pattern))
	}
	return method, path
}

// check panics where a route could let somebody in by mistake: at start, not at
// the first request.
func (rt *Route) check() {
	rt.split()
	switch {
	case rt.Handle == nil:
		panic(fmt.Sprintf("route %q has no handler", rt.Pattern))
	case rt.Access == Open && rt.Why == "":
		panic(fmt.Sprintf("route %q is open to everybody and does not say why", rt.Pattern))
	case rt.Access == SignedIn && rt.Why == "":
		panic(fmt.Sprintf("route %q is for everybody who is signed in and does not say how it decides what is theirs", rt.Pattern))
	case rt.Access != ByPermission && rt.Needs != "":
		panic(fmt.Sprintf("route %q is not judged by permission and asks for one", rt.Pattern))
	case rt.Access == ByPermission && rt.Needs == "":
		panic(fmt.Sprintf("route %q asks for no permission", rt.Pattern))
	}
	if rt.Access == ByPermission {
		if _, ok := authz.Of(rt.Needs); !ok {
			panic(fmt.Sprintf("route %q asks for %q, which the catalogue does not name", rt.Pattern, rt.Needs))
		}
	}
}

// changes says whether the method may change something.
func (rt *Route) changes() bool {
	m, _ := rt.split()
	return m != http.MethodGet
}
