package resultsfhir

import (
	"context"
	"errors"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/fhir"
	"github.com/labwarden/labwarden/internal/platform/event"
)

const (
	maxForm = 64 << 10 // the body of a search or of a token request
	maxLine = 16 << 10 // the query string
	perRead = 30 * time.Second
)

// asked is a request whose token was good.
type asked struct {
	*http.Request
	client *Client
	scopes []scope
	base   string
}

// Handler answers /fhir/…. It trusts nothing of the connection.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	open := func(pattern string, h func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				s.fail(w, r, err)
			}
		})
	}
	closed := func(pattern string, h func(http.ResponseWriter, *asked) error) {
		open(pattern, func(w http.ResponseWriter, r *http.Request) error {
			if r.Header.Get("Accept") != "" && !acceptsJSON(r.Header.Values("Accept")) {
				return &refusal{status: http.StatusNotAcceptable, code: "not-supported", text: "only JSON is served: application/fhir+json"}
			}
			a, err := s.authenticate(r)
			if err != nil {
				return err
			}
			if s.seen != nil && r.TLS != nil {
				s.seen(a.client.Partner, channel.Secured(*r.TLS))
			}
			return h(w, a)
		})
	}
	open("GET /fhir/metadata", s.metadata)
	open("GET /fhir/.well-known/smart-configuration", s.smart)
	mux.HandleFunc("POST /fhir/token", s.token)
	closed("GET /fhir/{type}", s.search)
	closed("POST /fhir/{type}/_search", s.searchPosted)
	closed("GET /fhir/{type}/{id}", s.readOne)
	closed("GET /fhir/{type}/{id}/_history", s.history)
	closed("GET /fhir/{type}/{id}/_history/{version}", s.readOne)
	s.exportRoutes(closed)
	s.groupRoutes(closed)
	s.subscriptionRoutes(closed)
	mux.HandleFunc("/fhir/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, &refusal{status: http.StatusNotFound, code: "not-supported", text: "this is not something this server does; /fhir/metadata lists what it does"})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		ctx, cancel := context.WithTimeout(r.Context(), perRead)
		defer cancel()
		r = r.WithContext(ctx)
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // the very value, as net/http compares it
					panic(p)
				}
				s.log.Error("a FHIR request panicked", "panic", p)
				s.fail(w, r, errors.New("panic"))
			}
		}()
		if len(r.URL.RawQuery) > maxLine {
			s.fail(w, r, &refusal{status: http.StatusRequestURITooLong, code: "too-long", text: "the address is too long; search by POST to TYPE/_search"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// acceptsJSON: R4 http.html 3.1.0.1.8 and RFC 9110 12.5.1, as far as one format
// needs it.
func acceptsJSON(values []string) bool {
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		t, p, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		if q, err := strconv.ParseFloat(p["q"], 64); err == nil && q == 0 {
			continue
		}
		switch t {
		case "*/*", "application/*", "application/json", fhir.ContentType, "text/json", "application/fhir+ndjson":
			return true
		}
	}
	return false
}

// lenient: R4 search.html 2.21.1.2, Prefer: handling.
func (a *asked) lenient() bool {
	return strings.Contains(strings.Join(a.Header.Values("Prefer"), ","), "handling=lenient")
}

func notFound() error {
	return &refusal{status: http.StatusNotFound, code: "not-found", text: "there is no such resource for this client"}
}

func (a *asked) kindAndScope(need byte) (kind, error) {
	k, ok := kindOf(a.PathValue("type"))
	if !ok {
		return 0, &refusal{status: http.StatusNotFound, code: "not-supported", text: "this type is not served here; /fhir/metadata lists those that are"}
	}
	if !a.may(k.String(), need) {
		return 0, forbidden()
	}
	return k, nil
}

func forbidden() error {
	return &refusal{status: http.StatusForbidden, code: "forbidden", text: "the token's scopes do not allow this"}
}

func (s *Service) search(w http.ResponseWriter, a *asked) error {
	q, err := url.ParseQuery(a.URL.RawQuery)
	if err != nil {
		return invalid("invalid", "the query string cannot be read")
	}
	return s.searchFor(w, a, q)
}

func (s *Service) searchPosted(w http.ResponseWriter, a *asked) error {
	q, err := s.form(w, a.Request)
	if err != nil {
		return err
	}
	more, err := url.ParseQuery(a.URL.RawQuery)
	if err != nil {
		return invalid("invalid", "the query string cannot be read")
	}
	for name, values := range more {
		q[name] = append(q[name], values...)
	}
	return s.searchFor(w, a, q)
}

// form reads the body of a POST that is a form.
func (s *Service) form(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
		return nil, &refusal{status: http.StatusUnsupportedMediaType, code: "not-supported", text: "send application/x-www-form-urlencoded"}
	}
	body, err := readAll(w, r, maxForm)
	if err != nil {
		return nil, err
	}
	q, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalid("invalid", "the form cannot be read")
	}
	return q, nil
}

func (s *Service) searchFor(w http.ResponseWriter, a *asked, values url.Values) error {
	k, err := a.kindAndScope('s')
	if err != nil {
		return err
	}
	ctx := a.Context()
	var q *search
	at := position{before: math.MaxInt64}
	if p := values.Get("_page"); p != "" {
		if len(values) != 1 || len(values["_page"]) != 1 {
			return invalid("invalid", "a page link stands alone")
		}
		q, at, err = s.openLink(a.client.ID, k, p)
	} else if q, err = parseSearch(k, values, a.lenient()); err == nil {
		at.snap, _, err = s.snap(ctx, s.db)
	}
	if err != nil {
		return err
	}
	for _, inc := range q.includes {
		if err := a.mayInclude(inc); err != nil {
			return err
		}
	}
	found, err := s.find(ctx, a.client.Partner, q, at)
	if err != nil {
		return err
	}
	others, err := s.including(ctx, a.client.Partner, q, found.rows)
	if err != nil {
		return err
	}
	kept := others[:0]
	for _, r := range others { // an include without a target may reach types the token does not
		if a.may(r.kind.String(), 'r') {
			kept = append(kept, r)
		}
	}
	others = kept
	l := listed{kind: "searchset", base: a.base, matches: found.rows, others: others}
	self := a.base + "/" + k.String()
	if len(q.said) > 0 {
		self += "?" + q.said.Encode()
	}
	l.links = append(l.links, [2]string{"self", self})
	if found.next != nil {
		text, err := s.sealLink(a.client.ID, link{
			Kind: k.String(), Query: q.said.Encode(), Snap: found.next.snap, Before: found.next.before, Ends: s.now().Add(pageLife).UnixMicro(),
		})
		if err != nil {
			return err
		}
		l.links = append(l.links, [2]string{"next", a.base + "/" + k.String() + "?_page=" + text})
	}
	if len(q.ignored) > 0 {
		o := newOutcome("warning", "not-supported", "these parameters are not known and were ignored: "+strings.Join(q.ignored, ", "))
		l.outcome = &o
	}
	b, err := l.bundle(s.now().UTC().Format(instant))
	if err != nil {
		return err
	}
	all := append(append([]*row(nil), found.rows...), others...)
	if err := s.given(ctx, a.client, all, false); err != nil {
		return err
	}
	s.write200(w, http.StatusOK, b)
	s.picked(ctx, all)
	return nil
}

// mayInclude: an include that names what it wants needs the scope for it.
func (a *asked) mayInclude(value string) error {
	if parts := strings.Split(value, ":"); len(parts) == 3 && !a.may(parts[2], 'r') {
		return forbidden()
	}
	return nil
}

func (s *Service) readOne(w http.ResponseWriter, a *asked) error {
	k, err := a.kindAndScope('r')
	if err != nil {
		return err
	}
	id, err := event.ParseID(a.PathValue("id"))
	if err != nil {
		return notFound()
	}
	for name := range a.URL.Query() {
		if name != "_format" {
			return invalid("not-supported", "a read takes no parameter but _format")
		}
	}
	if f := a.URL.Query().Get("_format"); f != "" && !jsonFormat(f) {
		return &refusal{status: http.StatusNotAcceptable, code: "not-supported", text: "only JSON is served: application/fhir+json"}
	}
	ctx := a.Context()
	query, args := "SELECT "+rowCols+" FROM results_fhir_rows WHERE rid = $1 ORDER BY seq DESC LIMIT 1", []any{id[:]}
	if v := a.PathValue("version"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return notFound()
		}
		query, args = "SELECT "+rowCols+" FROM results_fhir_rows WHERE rid = $1 AND version = $2", append(args, n)
	}
	found, err := s.rows(ctx, s.db, query, args...)
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0].partner != a.client.Partner || found[0].kind != k {
		return notFound()
	}
	r := found[0]
	h := w.Header()
	tag := `W/"` + strconv.FormatInt(r.version, 10) + `"`
	h.Set("ETag", tag)
	h.Set("Last-Modified", r.updated().Format(http.TimeFormat))
	if matches(a.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if err := s.given(ctx, a.client, found, false); err != nil {
		return err
	}
	s.write200(w, http.StatusOK, r.served(nil))
	s.picked(ctx, found)
	return nil
}

// matches: RFC 9110 13.1.2, weak comparison.
func matches(headers []string, tag string) bool {
	for part := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

const maxHistory = 100

func (s *Service) history(w http.ResponseWriter, a *asked) error {
	k, err := a.kindAndScope('r')
	if err != nil {
		return err
	}
	id, err := event.ParseID(a.PathValue("id"))
	if err != nil {
		return notFound()
	}
	if len(a.URL.RawQuery) > 0 {
		return invalid("not-supported", "a history takes no parameters; it gives the newest %d versions", maxHistory)
	}
	ctx := a.Context()
	found, err := s.rows(ctx, s.db, "SELECT "+rowCols+" FROM results_fhir_rows WHERE rid = $1 ORDER BY seq DESC LIMIT $2", id[:], int64(maxHistory))
	if err != nil {
		return err
	}
	if len(found) == 0 || found[0].partner != a.client.Partner || found[0].kind != k {
		return notFound()
	}
	l := listed{kind: "history", base: a.base, matches: found, links: [][2]string{{"self", a.base + "/" + found[0].ref() + "/_history"}}}
	b, err := l.bundle(s.now().UTC().Format(instant))
	if err != nil {
		return err
	}
	if err := s.given(ctx, a.client, found, false); err != nil {
		return err
	}
	s.write200(w, http.StatusOK, b)
	s.picked(ctx, found)
	return nil
}
