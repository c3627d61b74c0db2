package resultsui

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// bench is a real service with its pages.
type bench struct {
	t     testing.TB
	db    *store.DB
	svc   *results.Service
	desk  *alarm.Desk
	conf  *config.Config
	boxes map[string]*clinic
	deps  Deps
	site  http.Handler

	mu sync.Mutex
	at time.Time
}

// clinic is a partner's system.
type clinic struct {
	mu   sync.Mutex
	fail *channel.Error
	got  [][]byte
}

func (b *clinic) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return channel.Receipt{}, b.fail
	}
	b.got = append(b.got, bytes.Clone(m.Body))
	return channel.Receipt{
		Level: channel.Accepted, Code: "AA", Body: []byte("MSH|^~\\&|\rMSA|AA|" + m.ControlID + "\r"),
		Peer: channel.Peer{Name: "north", Proof: "certificate", Fingerprint: strings.Repeat("ab", 32), TLS: "TLS 1.3 TLS_AES_128_GCM_SHA256"},
	}, nil
}

func (b *clinic) set(fail *channel.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fail
}

func (b *clinic) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.got)
}

func (l *bench) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

func (l *bench) pass(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = l.at.Add(d)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newBench has source lis, partners north (MLLP, pinned) and south (folder), and a
// route in shadow to south.
func newBench(t testing.TB) *bench {
	t.Helper()
	l := benchOf(t, "north", "south")
	l.run()
	return l
}

// benchOf delivers nothing until run is called.
func benchOf(t testing.TB, partners ...string) *bench {
	t.Helper()
	db, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "test.db"), store.Options{})
	must(t, err)
	return benchOn(t, db, partners...)
}

// benchOn is benchOf on an empty database.
func benchOn(t testing.TB, db *store.DB, partners ...string) *bench {
	t.Helper()
	l := &bench{t: t, db: db, boxes: map[string]*clinic{}, at: time.Date(2026, 11, 21, 7, 40, 0, 0, time.Local)}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	must(t, l.db.Migrate(t.Context(), bus.Migrations(), results.Migrations(), alarm.Migrations()))
	keys := vaulttest.New(t)
	log, err := bus.New("test")
	must(t, err)
	log.Attach(l.db)
	log.Bind(keys)
	l.svc, err = results.New(t.Context(), l.db, log, keys, l.now, quiet)
	must(t, err)
	l.desk, err = alarm.New(t.Context(), l.db, keys, l.now, quiet)
	must(t, err)
	l.conf = &config.Config{Partners: map[string]config.Partner{}}
	set := &results.Settings{
		Revision: "r1", Sources: map[string]results.Source{"lis": {Name: "lis", Window: time.Hour}}, Partners: map[string]*results.Partner{},
		Routes: []results.Route{{Name: "all", From: "lis", To: partners, Stage: results.Carry, Config: "c1"}, {Name: "trial", From: "lis", To: partners[:1], Stage: results.Shadow, Config: "c2"}},
	}
	l.conf.Routes = []config.Route{{Name: "all", To: partners, Stage: "carry"}, {Name: "trial", To: partners[:1], Stage: "shadow"}}
	for i, key := range partners {
		b := &clinic{}
		l.boxes[key] = b
		name := strings.ToUpper(key[:1]) + key[1:] + " Clinic"
		set.Partners[key] = &results.Partner{Key: key, Name: name, Sender: b, AlarmAfter: 15 * time.Minute, Retry: results.Retry{First: time.Second, Max: 30 * time.Second}}
		p := config.Partner{Name: name, AlarmAfter: config.Duration(15 * time.Minute), Retry: config.Retry{Max: config.Duration(30 * time.Second)}}
		if i == 1 {
			p.Destination.Folder = &config.FolderDestination{Path: "/srv/south"}
		} else {
			p.Destination.MLLP = &config.MLLPDestination{Address: "hl7." + config.Address(key) + ".example:2576", TLS: &config.ClientTLS{Fingerprint: config.Fingerprint(strings.Repeat("ab", 32))}}
		}
		l.conf.Partners[key] = p
	}
	l.svc.Apply(set)
	board := &today.Board{Log: quiet}
	l.deps = Deps{Results: l.svc, Alarms: l.desk, Config: func() *config.Config { return l.conf }, Board: board}
	board.Add(Sources(l.deps)...)
	board.AddChecks(today.Check{Name: "keys", Needs: authz.KeysSee, Look: func(context.Context, time.Time) (today.Line, error) {
		return today.Line{State: kit.Fine, Name: "Keys", Strong: "2", Value: "seals open them"}, nil
	}})
	s := &web.Server{
		Pace:     1_000_000, // the test asks faster than people do
		Identify: identifyAs(l.now), Now: l.now, Kinds: Kinds, SignIn: "/sign-in", StepUp: "/step-up", Log: quiet,
		Shell: func(*http.Request, *authz.Subject) kit.Shell { return kit.Shell{Lab: "Millbrook"} },
	}
	s.Add(Routes(l.deps)...)
	l.site = s.Handler()
	t.Cleanup(func() { must(t, l.db.Close()) })
	return l
}

// run delivers until the test ends.
func (l *bench) run() {
	l.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = l.svc.Run(ctx) }()
	l.t.Cleanup(func() {
		cancel()
		<-done
	})
	l.until("couriers run", func() bool {
		f, err := l.svc.Flows(l.t.Context(), time.Local)
		must(l.t, err)
		return f.Known() && f.Partners[0].Here
	})
}

// identifyAs: X-Role names the role, X-Partner narrows it, X-Name is the person,
// X-Account their account; without it their first name is.
func identifyAs(now func() time.Time) func(*http.Request) (*authz.Subject, error) {
	return func(r *http.Request) (*authz.Subject, error) {
		role := r.Header.Get("X-Role")
		if role == "" {
			return nil, nil
		}
		g := authz.Grant{Role: authz.Role(role), Until: now().AddDate(0, 1, 0)}
		if p := r.Header.Get("X-Partner"); p != "" {
			g.Partners = []string{p}
		}
		name := r.Header.Get("X-Name")
		if name == "" {
			name = "Dana Reyes"
		}
		account := r.Header.Get("X-Account")
		if account == "" {
			account = strings.ToLower(strings.Fields(name)[0])
		}
		return &authz.Subject{Account: account, Name: name, Grants: []authz.Grant{g}, Level: authz.LevelPasskey, FreshAt: now()}, nil
	}
}

// asker asks as somebody.
type asker struct {
	l       *bench
	headers []string
}

func (l *bench) as(role authz.Role, more ...string) asker {
	return asker{l, append([]string{"X-Role", string(role)}, more...)}
}

func (a asker) do(method, path, ctype, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://lab.example"+path, strings.NewReader(body))
	for i := 0; i < len(a.headers); i += 2 {
		r.Header.Set(a.headers[i], a.headers[i+1])
	}
	if ctype != "" {
		r.Header.Set("Content-Type", ctype)
	}
	w := httptest.NewRecorder()
	a.l.site.ServeHTTP(w, r)
	return w
}

// get must answer status; it returns the text of the page without its tags.
func (a asker) get(path string, status int) string {
	a.l.t.Helper()
	w := a.do("GET", path, "", "")
	if w.Code != status {
		a.l.t.Fatalf("GET %s: %d\n%s", path, w.Code, text(w.Body.String()))
	}
	return text(w.Body.String())
}

// post sends a form; pairs are its fields.
func (a asker) post(path string, status int, pairs ...string) string {
	a.l.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	w := a.do("POST", path, "application/x-www-form-urlencoded", v.Encode())
	if w.Code != status {
		a.l.t.Fatalf("POST %s: %d\n%s", path, w.Code, text(w.Body.String()))
	}
	return text(w.Body.String())
}

// json asks the API; body empty is a GET.
func (a asker) json(method, path, body string, status int) string {
	a.l.t.Helper()
	w := a.do(method, path, "application/json", body)
	if w.Code != status {
		a.l.t.Fatalf("%s %s: %d\n%s", method, path, w.Code, w.Body)
	}
	return w.Body.String()
}

// text is what somebody reads: tags out, white space once.
func text(html string) string {
	var b strings.Builder
	in := false
	for _, c := range html {
		switch {
		case c == '<':
			in = true
			b.WriteByte(' ')
		case c == '>':
			in = false
		case !in:
			b.WriteRune(c)
		}
	}
	return strings.NewReplacer("&#39;", "'", "&amp;", "&", " .", ".", " ,", ",").Replace(strings.Join(strings.Fields(b.String()), " "))
}

func has(t testing.TB, page string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("there is no %q in\n%s", w, page)
		}
	}
}

func hasNot(t testing.TB, page string, bad ...string) {
	t.Helper()
	for _, w := range bad {
		if strings.Contains(page, w) {
			t.Errorf("there is %q in\n%s", w, page)
		}
	}
}

// until waits for something of the background; the lab's clock goes on meanwhile.
func (l *bench) until(what string, ok func() bool) {
	l.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			l.t.Fatalf("never: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// take brings a message in.
func (l *bench) take(control, patient, order, tail string) {
	l.t.Helper()
	s := []string{
		`MSH|^~\&|GLASSWORT|HOLLOWFEN|NORTH|CLINIC|20260304080000||ORU^R01^ORU_R01|` + control + `|P|2.5.1`,
		`PID|1||` + patient + `^^^HOLLOWFEN^MR||Marchbanks^Petronella^Q||19610412|F`,
		`ORC|RE|P` + order + `|F` + order,
		`OBR|1|P` + order + `|F` + order + `|2345-7^Glucose^LN|||20260304073000|||||||||1234^Doctor^Dee||||||20260304080000||CH|F`,
		`OBX|1|NM|2345-7^Glucose^LN||91|mg/dL|70-99|` + tail + `|||F`,
	}
	r, err := l.svc.Intake("lis").Handle(l.t.Context(), channel.Peer{Name: "lis"}, []byte(strings.Join(s, "\r")+"\r"))
	must(l.t, err)
	if !bytes.Contains(r.Body, []byte("MSA|AA|")) && !bytes.Contains(r.Body, []byte("MSA|CA|")) {
		l.t.Fatalf("not taken: %q", r.Body)
	}
}

// flow waits until a partner's flow is so.
func (l *bench) flow(partner string, ok func(results.Flow) bool) {
	l.t.Helper()
	l.until("the flow of "+partner, func() bool {
		f, err := l.svc.Flows(l.t.Context(), time.Local)
		must(l.t, err)
		x, _ := f.Partner(partner)
		return f.Known() && ok(x)
	})
}

// ctx is one that the test ends itself.
func (l *bench) ctx() (context.Context, context.CancelFunc) {
	return context.WithCancel(l.t.Context())
}

func unreachable() *channel.Error {
	return &channel.Error{Class: channel.Unreachable, Err: fmt.Errorf("no route")}
}
