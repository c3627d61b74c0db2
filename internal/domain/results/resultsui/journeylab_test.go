package resultsui_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/results/resultsui"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// lab is the pages on a real service with a SQLite store.
type lab struct {
	board *today.Board
	*results.Service
	t    testing.TB
	db   *store.DB
	log  *bus.Log
	h    http.Handler
	mu   sync.Mutex
	at   time.Time
	errs bytes.Buffer
	box  map[string]*box
	set  func() *results.Settings
}

func (l *lab) now() time.Time { l.mu.Lock(); defer l.mu.Unlock(); return l.at }

func (l *lab) pass(d time.Duration) { l.mu.Lock(); l.at = l.at.Add(d); l.mu.Unlock() }

// box is a partner's system.
type box struct {
	mu   sync.Mutex
	fail error
}

func (b *box) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return channel.Receipt{}, b.fail
	}
	return channel.Receipt{
		Level: channel.Accepted, Code: "AA", Body: []byte("MSH|^~\\&|\rMSA|AA|" + m.ControlID + "\r"),
		Peer: channel.Peer{Name: "north", Proof: "certificate", Fingerprint: strings.Repeat("ab", 32), TLS: "TLS 1.3 TLS_AES_128_GCM_SHA256"},
	}, nil
}

func (b *box) set(err error) { b.mu.Lock(); b.fail = err; b.mu.Unlock() }

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{t: t, at: time.Date(2026, 5, 4, 7, 40, 0, 0, time.UTC), box: map[string]*box{"riverside": {}, "northgate": {}}}
	db, err := store.OpenSQLite(context.Background(), t.TempDir()+"/lab.db", store.Options{})
	l.ok(err)
	t.Cleanup(func() { _ = db.Close() })
	l.db = db
	l.ok(db.Migrate(context.Background(), bus.Migrations(), results.Migrations()))
	l.log, err = bus.New("test")
	l.ok(err)
	l.log.Attach(db)
	v := vaulttest.New(t)
	l.log.Bind(v)
	l.Service, err = results.New(context.Background(), db, l.log, v, l.now, slog.New(slog.NewTextHandler(&l.errs, nil)))
	l.ok(err)
	l.set = func() *results.Settings {
		s := &results.Settings{
			Revision: strings.Repeat("0a", 32), Sources: map[string]results.Source{"lis": {Name: "lis", Window: 24 * time.Hour}, "other": {Name: "other", Window: 24 * time.Hour}},
			Partners: map[string]*results.Partner{},
			Routes:   []results.Route{{Name: "all", From: "lis", To: []string{"riverside", "northgate"}, Stage: results.Carry}},
		}
		for key, name := range map[string]string{"riverside": "Riverside Family Practice", "northgate": "Northgate Clinic"} {
			s.Partners[key] = &results.Partner{Key: key, Name: name, Sender: l.box[key], Retry: results.Retry{First: time.Hour, Max: time.Hour}}
		}
		return s
	}
	l.Apply(l.set())
	s := &web.Server{
		Pace:     1_000_000, // the test asks faster than people do
		Identify: identify(l), Now: l.now, Kinds: resultsui.Kinds, SignIn: "/sign-in", StepUp: "/step-up", Log: slog.New(slog.NewTextHandler(&l.errs, nil)),
		Shell: func(_ *http.Request, who *authz.Subject) kit.Shell {
			sh := kit.Shell{Lab: "Millbrook Laboratory", Nav: []kit.NavItem{{Name: "Today", Href: "/", Icon: "today"}, {Name: "Results", Href: "/results", Icon: "results"}, {Name: "Quarantine", Href: "/quarantine", Icon: "inbox"}}, Clock: "07:40"}
			if who != nil {
				sh.Me = &kit.Me{Name: who.Name, Role: "Technologist"}
			}
			return sh
		},
	}
	l.board = &today.Board{Log: slog.New(slog.DiscardHandler)}
	s.Add(resultsui.Routes(resultsui.Deps{Results: l.Service, Board: l.board})...)
	l.h = s.Handler()
	return l
}

// identify reads X-Role "technologist", "provider@riverside" or, narrowed to
// sites, "technologist@/main,hill"; X-Hold for the director's delegation.
func identify(l *lab) func(r *http.Request) (*authz.Subject, error) {
	return func(r *http.Request) (*authz.Subject, error) {
		role, partner, narrowed := strings.Cut(r.Header.Get("X-Role"), "@")
		if role == "" {
			return nil, nil
		}
		g := authz.Grant{Role: authz.Role(role)}
		partner, sites, sited := strings.Cut(partner, "/")
		if narrowed && partner != "" {
			g.Partners = []string{partner}
		}
		if sited {
			g.Sites = strings.Split(sites, ",")
		}
		if info, _ := authz.RoleOf(g.Role); info.Boxed {
			g.Until = l.now().Add(time.Hour)
		}
		who := &authz.Subject{Account: role, Name: "Dana Reyes", Grants: []authz.Grant{g}, Level: authz.LevelPasskey, FreshAt: l.now(), Session: event.ID{1}}
		if s := r.Header.Get("X-Session"); s != "" {
			who.Session = event.ID{2, s[0]}
		}
		if r.Header.Get("X-Hold") != "" {
			who.Delegations = []authz.Delegation{{Permission: authz.ClinicalStop}}
		}
		if s := r.Header.Get("X-Glass"); s != "" {
			who.Glass = event.ID{7, s[0]}
			who.Glassed = []authz.Permission{authz.ResultsFind, authz.ResultsReveal, authz.QuarantineSee, authz.QuarantineRead, authz.CallsSee, authz.CallsAct}
		}
		return who, nil
	}
}

func (l *lab) ok(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// answer is what came back.
type answer struct {
	*httptest.ResponseRecorder
	text string
}

func (l *lab) do(role, method, path string, form url.Values, headers ...string) answer {
	l.t.Helper()
	var body io.Reader = http.NoBody
	media := ""
	if form != nil {
		body, media = strings.NewReader(form.Encode()), "application/x-www-form-urlencoded"
	}
	return l.send(role, method, path, body, media, headers...)
}

func (l *lab) send(role, method, path string, body io.Reader, media string, headers ...string) answer {
	l.t.Helper()
	r := httptest.NewRequest(method, "https://lab.example"+path, body)
	r.Header.Set("X-Role", role)
	if media != "" {
		r.Header.Set("Content-Type", media)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	l.h.ServeHTTP(w, r)
	return answer{w, nonce.ReplaceAllString(w.Body.String(), "")}
}

func (l *lab) get(role, path string) answer {
	l.t.Helper()
	return l.do(role, "GET", path, nil)
}

// want fails unless the answer has this status and says these things.
func (a answer) want(t testing.TB, status int, says ...string) answer {
	t.Helper()
	if a.Code != status {
		t.Fatalf("status %d, want %d\n%s", a.Code, status, a.text)
	}
	for _, s := range says {
		if !strings.Contains(a.text, s) {
			t.Errorf("it does not say %q:\n%s", s, main(a.text))
		}
	}
	return a
}

func (a answer) not(t testing.TB, says ...string) answer {
	t.Helper()
	for _, s := range says {
		if strings.Contains(a.text, s) {
			t.Errorf("it says %q:\n%s", s, main(a.text))
		}
	}
	return a
}

// main is the page without its frame.
func main(page string) string {
	if _, rest, ok := strings.Cut(page, "<main"); ok {
		page, _, _ = strings.Cut(rest, "</main>")
	}
	return strings.Join(strings.FieldsFunc(tag.ReplaceAllString(page, "\n"), func(r rune) bool { return r == '\n' }), "\n")
}

var nonce = regexp.MustCompile(` nonce="[^"]*"`)

var tag = regexp.MustCompile(`(?s)<svg.*?</svg>|<[^>]*>`)

// oru is a result message.
func oru(control, patient, order string, segments ...string) []byte {
	s := []string{
		`MSH|^~\&|GLASSWORT|HOLLOWFEN|NORTH|CLINIC|20260504073900||ORU^R01^ORU_R01|` + control + `|P|2.5.1`,
		`PID|1||` + patient + `^^^HOLLOWFEN^MR||Marchbanks^Petronella^Q||19610412|F`,
		`ORC|RE|P` + order + `|F` + order,
		`OBR|1|P` + order + `|F` + order + `|2345-7^Glucose^LN|||20260504065500|||||||||1234^Sandoval^Pia||||||20260504073800||CH|F`,
		`OBX|1|NM|2345-7^Glucose^LN||91|mg/dL|70-99|N|||F`,
	}
	return []byte(strings.Join(append(s, segments...), "\r") + "\r")
}

// take presents a message and returns its id.
func (l *lab) take(body []byte) event.ID { return l.takeFrom("lis", body) }

func (l *lab) takeFrom(source string, body []byte) event.ID {
	l.t.Helper()
	before := l.newest()
	_, err := l.Intake(source).Handle(l.t.Context(), channel.Peer{Name: source, Proof: "certificate", Fingerprint: strings.Repeat("cd", 32), TLS: "TLS 1.3"}, body)
	l.ok(err)
	after := l.newest()
	if before == after {
		return event.ID{}
	}
	return after
}

func (l *lab) newest() event.ID {
	l.t.Helper()
	list, err := l.List(l.t.Context(), results.Page{Limit: 1})
	l.ok(err)
	if len(list) == 0 {
		return event.ID{}
	}
	return list[0].ID
}

// start runs the couriers until stop is called.
func (l *lab) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return func() { cancel(); l.ok(<-done) }
}

// deliver runs the couriers until each open delivery was tried.
func (l *lab) deliver() {
	l.t.Helper()
	stop := l.start()
	defer stop()
	l.until("deliveries tried", func() bool {
		var n int64
		l.ok(l.db.QueryRow(context.Background(), "SELECT count(*) FROM results_deliveries WHERE state = 0 AND attempts = 0").Scan(&n))
		return n == 0
	})
}

func (l *lab) until(what string, ok func() bool) {
	l.t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			l.t.Fatalf("never: %s\n%s", what, l.errs.String())
		}
		<-time.After(2 * time.Millisecond)
	}
}

func (l *lab) events(kind string) []ledger.Event {
	l.t.Helper()
	head, err := l.log.Head(context.Background())
	l.ok(err)
	var out []ledger.Event
	for leaf := range head.Size {
		b, err := l.log.Event(context.Background(), leaf)
		l.ok(err)
		e, err := ledger.ParseEvent(b)
		l.ok(err)
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func (l *lab) to(id event.ID, partner string) results.Delivery {
	l.t.Helper()
	m, err := l.Show(l.t.Context(), id)
	l.ok(err)
	for _, d := range m.Deliveries {
		if d.Partner == partner {
			return d
		}
	}
	l.t.Fatalf("no delivery to %s", partner)
	return results.Delivery{}
}

// unwritable makes the store refuse every write from now on.
func (l *lab) unwritable() {
	l.t.Helper()
	l.db.SetHook(refusing{})
}

type refusing struct{}

func (refusing) Begin(tx *store.Tx) error { tx.SetBase(0); return nil }
func (refusing) Commit(*store.Tx) error   { return errors.New("the disk is full") }
func (refusing) Done(bool)                {}

const tech = "technologist"

var reason = url.Values{"reason": {"phone call of the ward"}, "confirm": {"yes"}}

func path(id event.ID) string { return "/results/" + id.String() }

func wayPath(id event.ID, seq int64, act string) string {
	return fmt.Sprintf("%s/deliveries/%d/%s", path(id), seq, act)
}

// exec changes a row behind the service's back.
func (l *lab) exec(query string, args ...any) {
	l.t.Helper()
	l.ok(l.db.Do(context.Background(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	}))
}
