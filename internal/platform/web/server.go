package web

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Server answers for pages and API. Set its fields, then call Handler once.
type Server struct {
	// Identify says who sends a request: by session cookie, token or certificate.
	// nil and no error: nobody known. An error: it could not be found out (503).
	Identify func(r *http.Request) (*authz.Subject, error)
	// Refused records that somebody was refused, or asks too fast (KindBusy; once a
	// minute for each account); nil records nothing. It must not block for long.
	Refused func(ctx context.Context, who *authz.Subject, r *http.Request, why error)
	// Kinds maps errors of domains to what a person may read; nil for an error it
	// does not know.
	Kinds func(error) *Error
	// Shell gives the frame of a page for this subject: laboratory, menu with
	// counts. who is nil on pages before the sign-in.
	Shell func(r *http.Request, who *authz.Subject) kit.Shell
	// SignIn is where a person who is not signed in is sent, StepUp who must prove
	// identity again; both get ?to=PATH.
	SignIn, StepUp string
	// Report is where a person reports a problem; empty where nobody can.
	Report  string
	Live    *Live
	Now     func() time.Time
	Log     *slog.Logger
	Version string // the program's, for the API's description
	// PagesOnly has neither API nor live hints: a site for people outside.
	PagesOnly bool
	// Home is what a refusal offers beside the reason: the name of "/". Empty is Today.
	Home string
	// Notices is the cookie that carries what was just done to the next page; empty is
	// the pages' own. Two sites on one host need two.
	Notices string
	// Active bounds the requests under way of people who are signed in; 0 is 256. One
	// of them gets a quarter. Strangers share half as many of their own, a quarter of
	// Active each address. Exports and live pages are bounded apart.
	Active int
	// Pace is how many requests a minute one account may make; a fifth of them may
	// come at once. 0 is 3000. A person's sessions count together, and so do the
	// tokens of a service account: nobody gets more by opening more of them. Each
	// node counts for itself.
	Pace int

	routes  []Route
	paces   *paces
	rooms   *rooms
	closing chan struct{}
	once    sync.Once
	panics  func()
	gzip    squeezers
}

type ctxKey int

const (
	keyRequest ctxKey = iota
)

// request is what the server knows of one.
type request struct {
	s     *Server
	who   *authz.Subject
	nonce string
	route *Route
}

func of(r *http.Request) *request {
	q, _ := r.Context().Value(keyRequest).(*request)
	if q == nil {
		panic("web: a handler was called outside of its server")
	}
	return q
}

// Who is who sends the request; nil on an open route without a sign-in.
func Who(r *http.Request) *authz.Subject { return of(r).who }

// Now is the server's time.
func Now(r *http.Request) time.Time { return of(r).s.Now() }

// May asks for a permission on one object. A handler calls it with the partner
// and site of what it has found, before it shows or changes it.
func May(r *http.Request, p authz.Permission, o authz.Object) error {
	q := of(r)
	return q.who.May(p, o, q.s.Now())
}

// Scope says where the caller may do p: what a list shows.
func Scope(r *http.Request, p authz.Permission) authz.Scope {
	q := of(r)
	return q.who.Scope(p, q.s.Now())
}

// Say tells open pages that a topic has changed.
func Say(r *http.Request, topics ...Topic) { of(r).s.Live.Say(topics...) }

// Routes lists what was registered: for the menu, the API's description and the
// test that tries every role on every one.
func (s *Server) Routes() []Route { return append([]Route(nil), s.routes...) }

// Close ends live hints, so that a graceful stop need not wait for them.
func (s *Server) Close() { s.once.Do(func() { close(s.closing) }) }

// Add registers routes. It panics on one that is not safe to serve.
func (s *Server) Add(routes ...Route) {
	for i := range routes {
		routes[i].check()
	}
	s.routes = append(s.routes, routes...)
}

const (
	maxBody    = 64 << 10
	answerTime = 30 * time.Second
)

// Handler returns the whole as one http.Handler.
func (s *Server) Handler() http.Handler {
	s.closing, s.paces, s.rooms = make(chan struct{}), newPaces(s.Pace), newRooms(s.Active)
	if s.Live == nil {
		s.Live = NewLive()
	}
	if !s.PagesOnly {
		s.Add(s.liveRoute(), s.describeRoute())
		s.Add(s.explorerRoutes()...)
	}
	s.Add(assetRoutes()...)
	mux := http.NewServeMux()
	for i := range s.routes {
		mux.Handle(s.routes[i].Pattern, s.serve(&s.routes[i]))
	}
	mux.HandleFunc("/", s.stranger(NotFound("There is no such page.")))
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(s.stranger(&Error{Kind: KindDenied, Message: "This request came from another site. Open the page here and try again."}))
	inner := guard.Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &request{s: s, nonce: rand.Text()}
		r = r.WithContext(context.WithValue(r.Context(), keyRequest, q))
		secure(w.Header(), q.nonce)
		if r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0) {
			// It may have had a Content-Length besides, which net/http drops, or chunks in
			// HTTP/1.0, which it does not look at: whoever stands before us may have read
			// another length (RFC 9112 6.1).
			w.Header().Set("Connection", "close")
		}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
					panic(p)
				}
				if s.panics != nil {
					s.panics()
				}
				s.Log.Error("a page panicked", "pattern", r.Pattern, "panic", p, "stack", string(debug.Stack()))
				s.fail(w, r, &Error{Kind: KindInternal})
			}
		}()
		inner.ServeHTTP(w, r)
	})
}

// stranger refuses what reaches no route, whoever asks.
func (s *Server) stranger(why error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, ok := s.rooms.enter(nil, nil, r)
		if !ok {
			s.full(w, r)
			return
		}
		defer leave()
		s.fail(&patient{w, http.NewResponseController(w), strangerReads}, r, why)
	}
}

// OnPanic has f called for each request that panicked.
func (s *Server) OnPanic(f func()) { s.panics = f }

// serve is one route: who, may, limits, then the handler.
func (s *Server) serve(rt *Route) http.Handler {
	body := rt.MaxBody
	if body <= 0 {
		body = maxBody
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := of(r)
		q.route = rt
		r.Body = http.MaxBytesReader(w, r.Body, body)
		p := &patient{w, http.NewResponseController(w), strangerReads}
		w = p
		knock, ok := s.rooms.door.enter(Network(From(r)))
		if !ok {
			s.full(w, r)
			return
		}
		defer knock()
		most := answerTime
		if rt.Stream {
			most = longAnswerTime
		}
		if rt.Pattern != livePattern {
			ctx, cancel := context.WithTimeout(r.Context(), most)
			defer cancel()
			r = r.WithContext(ctx)
		}
		who, err := s.Identify(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		q.who = who
		knock()
		leave, ok := s.rooms.enter(rt, who, r)
		if !ok {
			s.full(w, r)
			return
		}
		defer leave()
		if who != nil {
			p.each = knownReads
		}
		if who != nil && rt.Stream {
			p.each = longReads
			_ = p.c.SetWriteDeadline(time.Now().Add(longAnswerTime)) // until the first piece; a recorder of a test has none
		}
		if err := s.pace(r, rt, who); err != nil {
			s.fail(w, r, err)
			return
		}
		if rt.Access == SignedIn && who == nil {
			s.fail(w, r, &Error{Kind: KindSignIn, Message: "Sign in first."})
			return
		}
		if rt.Access == ByPermission {
			if err := s.allowed(r, rt, who); err != nil {
				s.fail(w, r, err)
				return
			}
		}
		if rt.changes() {
			if err := takeBody(r, body); err != nil {
				s.fail(w, r, err)
				return
			}
		}
		if err := rt.Handle(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// allowed: the route's permission, somewhere; what belongs to one partner the
// handler asks for.
func (s *Server) allowed(r *http.Request, rt *Route, who *authz.Subject) error {
	if who == nil {
		return &Error{Kind: KindSignIn, Message: "Sign in first."}
	}
	now := s.Now()
	info, _ := authz.Of(rt.Needs)
	if !info.Scoped {
		return who.May(rt.Needs, authz.Object{}, now)
	}
	scope := who.Scope(rt.Needs, now)
	switch {
	case scope.Empty():
		return who.May(rt.Needs, authz.Object{}, now)
	case scope.All:
		return who.May(rt.Needs, authz.Object{}, now)
	}
	// Somewhere: the reason a narrowed grant may still be refused is freshness.
	g := scope.Grants[0]
	o := authz.Object{}
	if len(g.Partners) > 0 {
		o.Partner = g.Partners[0]
	}
	if len(g.Sites) > 0 {
		o.Site = g.Sites[0]
	}
	return who.May(rt.Needs, o, now)
}

// secure sets what every answer carries.
func secure(h http.Header, nonce string) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+nonce+"'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=(), publickey-credentials-get=(self), publickey-credentials-create=(self)")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("Cache-Control", "no-store")
}

// fail answers with an error, as a page or as JSON.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	q := of(r)
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		s.Log.Debug("a reader left before the answer", "pattern", r.Pattern)
		return
	}
	e, ref := s.classify(err), ""
	if e.Kind == KindInternal || e.Kind == KindUnavailable && e.Message == "" {
		ref = rand.Text()[:8]
		s.Log.Error("a request failed", "reference", ref, "pattern", r.Pattern, "error", err)
		e = &Error{Kind: e.Kind, Message: "This did not work, and it is not your fault. The log says why under reference " + ref + "."}
	}
	if e.Kind == KindUnknown {
		ref := rand.Text()[:8]
		s.Log.Error("it is not known whether a request was done", "reference", ref, "pattern", r.Pattern, "error", err)
		e.Message += " The log has it under reference " + ref + "."
	}
	if (e.Kind == KindDenied || e.Kind == KindNotFound && q.route != nil) && s.Refused != nil {
		s.Refused(r.Context(), q.who, r, err)
	}
	if e.After > 0 {
		w.Header().Set("Retry-After", itoa(e.After))
	}
	if wantsJSON(q.route, r) {
		writeError(w, e)
		return
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		if e.Kind == KindSignIn && s.SignIn != "" {
			http.Redirect(w, r, s.SignIn+"?to="+base64.RawURLEncoding.EncodeToString([]byte(r.URL.RequestURI())), http.StatusSeeOther) //nolint:gosec // G710: the path is ours, where it came from rides along encoded
			return
		}
		if stepUp(err) && s.StepUp != "" {
			http.Redirect(w, r, s.StepUp+"?to="+base64.RawURLEncoding.EncodeToString([]byte(r.URL.RequestURI())), http.StatusSeeOther) //nolint:gosec // G710: the path is ours, where it came from rides along encoded
			return
		}
	}
	p := kit.Page{Title: "Not done", Lead: title(e.Kind), Status: e.Kind.status(), Body: kit.Refusal(e.Message, back(s, r, err, e, ref))}
	if err := Render(w, r, p); err != nil && r.Context().Err() == nil { // else the reader has left
		s.Log.Error("an error page could not be drawn", "error", err)
	}
}

func title(k Kind) string {
	switch k {
	case KindDenied:
		return "You may not do this."
	case KindSignIn:
		return "Sign in first."
	case KindNotFound:
		return "There is nothing here."
	case KindConflict:
		return "Somebody was faster."
	case KindInvalid:
		return "This cannot be done as it stands."
	case KindBusy:
		return "Too much at once."
	case KindTooBig:
		return "That is too much."
	case KindUnknown:
		return "It is not known whether this was done."
	}
	return "This did not work."
}

func writeError(w http.ResponseWriter, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Kind.status())
	b, err := json.Marshal(struct {
		Error apiError `json:"error"`
	}{apiError{e.Kind, e.Message, e.Fields}})
	if err == nil {
		_, _ = w.Write(append(b, '\n')) // the caller may have gone
	}
}

type apiError struct {
	Kind    Kind              `json:"kind"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields,omitempty"`
}

// From is the network address of the caller, without its port.
func From(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}
