package app

import (
	"net/http"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/web"
)

// apiBeside are the acts of pages whose operation of the API has another name than
// /api/v1 and the page's own.
var apiBeside = map[string]string{
	"POST /accounts/new":                             "POST /api/v1/accounts/systems",
	"POST /accounts/systems/{key}/change":            "POST /api/v1/accounts/systems/{key}",
	"POST /accounts/systems/{key}/list":              "POST /api/v1/accounts/systems/{key}/lists",
	"POST /access-review/{quarter}/decide":           "POST /api/v1/access-reviews/{quarter}/decide",
	"POST /access-review/{quarter}/sign":             "POST /api/v1/access-reviews/{quarter}/sign",
	"POST /config/drafts/{number}":                   "PUT /api/v1/config/drafts/{number}",
	"POST /config/drafts/{number}/discard":           "DELETE /api/v1/config/drafts/{number}",
	"POST /maintenance/{id}/end":                     "DELETE /api/v1/maintenance/{id}",
	"POST /people/acts":                              "POST /api/v1/people/acts/review",
	"POST /people/{id}/roles/add":                    "POST /api/v1/people/{id}/roles",
	"POST /people/{id}/roles/{grant}/end":            "POST /api/v1/people/roles/{id}/end",
	"POST /people/{id}/blocks/{block}/lift":          "POST /api/v1/people/blocks/{id}/lift",
	"POST /record/export":                            "POST /api/v1/record/audit-events",
	"POST /record/patient/file":                      "POST /api/v1/record/patient",
	"POST /partners/{key}/keys/new":                  "POST /api/v1/partners/{key}/keys",
	"POST /partners/{key}/keys/{id}":                 "POST /api/v1/partners/{key}/keys/{id}/compare",
	"POST /results/{id}/deliveries/{number}/receipt": "GET /api/v1/results/{id}/deliveries/{number}/receipt",
	"POST /record/mine":                              "GET /api/v1/record/mine",
	"POST /results/{id}/deliveries/{number}/proof":   "GET /api/v1/results/{id}/deliveries/{number}/proof",
	"POST /results/{id}/export":                      "POST /api/v1/results/{id}/message",
	"POST /results/{id}/name":                        "POST /api/v1/results/{id}/message",
	"POST /routes/{name}/differences/{id}":           "POST /api/v1/routes/{name}/differences/{id}/explain",
	"POST /results/{id}/legal-hold":                  "POST /api/v1/legal-holds",
	"POST /results/{id}/legal-holds/{hold}/lift":     "POST /api/v1/legal-holds/{hold}/lift",
	"POST /secrets":                                  "PUT /api/v1/secrets/{name}",
	"POST /secrets/{name}/remove":                    "DELETE /api/v1/secrets/{name}",
	"POST /setup/partner/{kind}":                     "POST /api/v1/setup/partners",
	"POST /setup/source":                             "POST /api/v1/setup/sources",
	"POST /support":                                  "POST /api/v1/support/bundle",
	"POST /vendors/new":                              "POST /api/v1/vendors",
	"POST /vendors/{id}/change":                      "POST /api/v1/vendors/{id}",
}

// otherNeeds are acts whose operation asks for another permission, and why.
var otherNeeds = map[string]string{
	"POST /results/{id}/export": "the API gives the whole message at once: to read it and to keep it are the same",
	"POST /record/mine":         "the API only reads; the page's file is the same trail",
}

// pagesOnly are acts that only a person at a browser does, by the beginning of
// their pattern, and why.
var pagesOnly = map[string]string{
	"POST /sign-in":                 "a person proves who they are at a browser; programs have tokens and certificates",
	"POST /sign-out":                "ends the browser's own session",
	"POST /step-up":                 "a person proves who they are at a browser",
	"POST /welcome/":                "the first way in: a passkey or a password is made at the person's browser",
	"POST /me/":                     "a person's own means of signing in and sessions: a token that could change them would outlive them",
	"POST /api/try":                 "the explorer's own form: it calls an operation",
	"POST /api/scim/":               "is a programs' interface itself: SCIM 2.0 (RFC 7644)",
	"PUT /api/scim/":                "is a programs' interface itself: SCIM 2.0 (RFC 7644)",
	"PATCH /api/scim/":              "is a programs' interface itself: SCIM 2.0 (RFC 7644)",
	"DELETE /api/scim/":             "is a programs' interface itself: SCIM 2.0 (RFC 7644)",
	"POST /vendors/file":            "reads a file into single entries, each of which POST /api/v1/vendors takes",
	"POST /people/import":           "reads a file into single people, each of whom POST /api/v1/people takes; SCIM keeps them up to date",
	"POST /people/break-glass/open": "a person in an emergency, not a program",
	"POST /people/sessions/bench":   "pairs the browser that asks with a bench",
}

// Whatever a page changes, a program can change by the API, with the same
// permission: or it stands above why not.
func TestEveryActOfAPageHasAnAPI(t *testing.T) {
	d := newDoors(t)
	ops := map[string]*web.Route{}
	routes := d.s.Routes()
	for i := range routes {
		if routes[i].Doc != nil {
			ops[routes[i].Pattern] = &routes[i]
		}
	}
	used := map[string]bool{}
	for i := range routes {
		rt := &routes[i]
		if rt.Doc != nil || strings.HasPrefix(rt.Pattern, http.MethodGet+" ") {
			continue
		}
		name, named := apiBeside[rt.Pattern]
		if !named {
			method, path, _ := strings.Cut(rt.Pattern, " ")
			name = method + " /api/v1" + path
		}
		op := ops[name]
		only := ""
		for start := range pagesOnly {
			if strings.HasPrefix(rt.Pattern, start) {
				only = start
			}
		}
		used[rt.Pattern], used[only] = true, true
		switch {
		case named && op == nil:
			t.Errorf("%s: the API has no %s", rt.Pattern, name)
		case op == nil && only == "":
			t.Errorf("%s: the API can not do this (%s), and nothing says why", rt.Pattern, name)
		case op == nil:
		case only != "":
			t.Errorf("%s: the API has %s; it need not be excused any more", rt.Pattern, name)
		case op.Needs != rt.Needs && otherNeeds[rt.Pattern] == "":
			t.Errorf("%s asks for %s, %s for %s", rt.Pattern, rt.Needs, name, op.Needs)
		}
	}
	for _, m := range []map[string]string{apiBeside, pagesOnly, otherNeeds} {
		for p := range m {
			if !used[p] {
				t.Errorf("%s: there is no such act any more", p)
			}
		}
	}
}
