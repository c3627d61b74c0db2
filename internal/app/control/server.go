package control

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/app/watch"
	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/posture"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Limits of a request. A zero field takes its default.
type Limits struct {
	Header  time.Duration // for the request's header; 5 s
	Read    time.Duration // for the whole request; 10 s
	Answer  time.Duration // for the answer, but the audit's; 60 s
	Audit   time.Duration // for the audit of the ledger and a replay; 1 h
	MaxBody int64         // bytes of a request; 64 KiB, of a partner's list 8 MiB
	// MaxDraft bounds a request that carries a configuration or a secret; 2 MiB.
	MaxDraft int64
	Active   int   // requests at once; 16
	Lines    int64 // differences that one replay gives out; 100,000
}

func (l Limits) defaults() Limits {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&l.Header, 5*time.Second)
	set(&l.Read, 10*time.Second)
	set(&l.Answer, time.Minute)
	set(&l.Audit, time.Hour)
	if l.MaxBody <= 0 {
		l.MaxBody = 64 << 10
	}
	if l.MaxDraft <= 0 {
		l.MaxDraft = config.MaxSize*4/3 + 64<<10 // base64
	}
	if l.Active <= 0 {
		l.Active = 16
	}
	if l.Lines <= 0 {
		l.Lines = 100_000
	}
	return l
}

// Server answers on the control socket. Set its fields before Serve.
type Server struct {
	Results *results.Service
	Log     *bus.Log
	DB      *store.DB
	Vault   *vault.Vault
	Probe   *watch.Probe
	// Facts are asked for each answer: what runs changes.
	Facts func() Facts
	// Nodes tells who delivers, and why this node does no work if it does none;
	// nil where there is one node only.
	Nodes func(ctx context.Context) (Nodes, error)
	// Operate is the hub as the user of this name uses it.
	Operate func(who string) desk.Desk
	// Reload takes over what changed outside and names it; nil is not offered.
	Reload func(ctx context.Context) (desk.Reloaded, error)
	// Alarms are what a person must decide about the ledger or look at in its
	// witnesses, in sentences; nil for none.
	Alarms func() []string
	// Decide records a person's decision about the ledger's alarms; nil is not
	// offered.
	Decide func(ctx context.Context, by, reason string) error
	// Notes are advice for the status, in sentences; nil for none.
	Notes func() []string
	// ReadBypass reads bypass logs in; nil is not offered.
	ReadBypass func(ctx context.Context) (BypassRead, error)
	// Bundle makes a support bundle; nil is not offered.
	Bundle func(ctx context.Context, by string) ([]byte, setup.Manifest, error)
	// Access makes one-time links for people; nil where there are no pages.
	Access Access
	// Boxes are the partners', with a front or without; nil for none.
	Boxes Boxes
	// Delegated refuses a clinical act in the name of somebody who may not do it;
	// nil asks nobody.
	Delegated func(ctx context.Context, name string, p authz.Permission) error
	// Tunnels are the tunnels; nil is not offered.
	Tunnels Tunnels
	// Posture is how well each way is protected; nil for none.
	Posture func(ctx context.Context) ([]posture.Line, error)
	// Trials are the boxes in which clients try themselves; nil for none.
	Trials Trials
	// Adoption moves routes between their stages; nil is not offered.
	Adoption Adoption
	// PartnerKeys is the register of partners' keys; nil offers none.
	PartnerKeys *keys.Service
	// Certificates is the laboratory's own authority; nil is not offered.
	Certificates *Certificates
	// CountNow counts a partner; nil is not offered.
	CountNow func(ctx context.Context, partner string, by results.Named) (results.Counted, error)
	// Desk holds the alarms; nil offers none.
	Desk *alarm.Desk
	// Audit holds all that is stored against the ledger; nil leaves the hub's own
	// tables out. Heard takes what it found; nil for nobody.
	Audit  func(ctx context.Context, progress func(done, total int64) error) (*results.Audited, error)
	Heard  func(context.Context, *results.Audited)
	UID    int // the hub's own user, answered besides root
	Limits Limits
	Now    func() time.Time
	Slog   *slog.Logger

	replaying chan struct{} // holds one while a replay runs
}

// Facts are what the hub knows of itself.
type Facts struct {
	Lab, Node, Version, FIPS string
	Started                  time.Time
	Names                    map[string]string        // partners' names as people read them
	AlarmAfter               map[string]time.Duration // by partner
	Doors                    map[string]string        // sources' addresses
	Dates                    []Date
	Faults                   []string // what could not be started
}

type callerKey struct{}

// caller is who is at the other end of a connection.
type caller struct {
	uid int
	err error
}

func (c caller) name() string {
	if u, err := user.LookupId(strconv.Itoa(c.uid)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid-%d", c.uid)
}

// Serve answers until ctx ends, lets what is under way finish for up to three
// seconds, and removes the socket.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	l := s.Limits.defaults()
	srv := &http.Server{
		Handler: s.handler(l), ReadHeaderTimeout: l.Header, ReadTimeout: l.Read, WriteTimeout: l.Answer,
		IdleTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.Slog.Handler(), slog.LevelWarn),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			uid, err := peerUID(c)
			return context.WithValue(ctx, callerKey{}, caller{uid, err})
		},
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve the control socket: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		return srv.Close()
	}
	return nil
}

// handler checks who calls, then routes.
func (s *Server) handler(l Limits) http.Handler {
	s.replaying = make(chan struct{}, 1)
	mux := http.NewServeMux()
	for pattern, h := range s.routes() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			limit := l.Answer
			most := l.MaxBody
			if carriesDraft(pattern) {
				most = l.MaxDraft
			} else if strings.HasPrefix(r.URL.Path, "/v1/counts/") {
				most = max(most, 8<<20)
			}
			r.Body = http.MaxBytesReader(w, r.Body, most)
			if takesLong(pattern) {
				limit = l.Audit
				if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit)); err != nil {
					s.refuse(w, fmt.Errorf("set deadline: %w", err))
					return
				}
			}
			ctx, cancel := context.WithTimeout(r.Context(), limit)
			defer cancel()
			answer, err := h(r.WithContext(ctx))
			if err != nil {
				s.refuse(w, err)
				return
			}
			if long, ok := answer.(stream); ok {
				s.stream(ctx, w, l, long)
				return
			}
			s.answer(w, http.StatusOK, answer)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		s.refuse(w, &Error{NotFound, "this hub does not know the request; are the program and the running hub of the same version?"})
	})
	slots := make(chan struct{}, l.Active)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := r.Context().Value(callerKey{}).(caller)
		if who.err != nil || who.uid != 0 && who.uid != s.UID {
			s.Slog.Warn("a request on the control socket was refused", "uid", who.uid, "error", who.err)
			w.Header().Set("Connection", "close")
			s.refuse(w, &Error{Denied, "only the user the hub runs as and root may talk to it; use sudo or that user"})
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			s.refuse(w, &Error{Unavailable, "the hub is busy with other requests; try again"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		s.refuse(w, fmt.Errorf("write answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(append(b, '\n')); err != nil {
		s.Slog.Debug("an answer on the control socket did not leave", "error", err)
	}
}

// refuse maps an error to its kind.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	e := s.refusal(err)
	s.answer(w, e.Kind.status(), struct {
		Error Error `json:"error"`
	}{e})
}

// refusal is err as the caller may see it. What is not for the caller goes to
// the log under a reference.
func (s *Server) refusal(err error) Error {
	k := kindOf(err)
	e := Error{k, err.Error()}
	if k == Unknown {
		ref := rand.Text()[:8]
		s.Slog.Error("it is not known whether a request on the control socket was done", "reference", ref, "error", err)
		e.Message = store.ErrUnknown.Error() + "; the hub's log has it under reference " + ref
	}
	if k == Internal || k == Unavailable {
		var own *Error
		if !errors.As(err, &own) {
			ref := rand.Text()[:8]
			s.Slog.Error("a request on the control socket failed", "reference", ref, "error", err)
			e.Message = "the hub could not do this; its log says why under reference " + ref
		}
	}
	return e
}

// read takes the JSON body of a request.
func read(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		_, err = d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("something follows the JSON value")
	}
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return &Error{Invalid, fmt.Sprintf("the request is larger than %d bytes", big.Limit)}
	}
	return &Error{Invalid, "the request is not the JSON that is expected"}
}

func by(r *http.Request, reason string) results.By {
	who, _ := r.Context().Value(callerKey{}).(caller)
	return results.By{Who: who.name(), Reason: reason}
}
