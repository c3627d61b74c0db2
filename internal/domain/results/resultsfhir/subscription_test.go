package resultsfhir

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// hook is a partner's endpoint.
type hook struct {
	*httptest.Server
	code   atomic.Int64
	posts  atomic.Int64
	bodies atomic.Int64
	auth   atomic.Value
}

// notifyAt lists an endpoint on this machine for both clients.
func (l *lab) notifyAt(t *testing.T, code int) *hook {
	t.Helper()
	h := &hook{}
	h.code.Store(int64(code))
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.posts.Add(1)
		if r.ContentLength != 0 || r.Method != http.MethodPost {
			h.bodies.Add(1)
		}
		h.auth.Store(r.Header.Get("Authorization"))
		if c := int(h.code.Load()); c == http.StatusFound {
			http.Redirect(w, r, "https://127.0.0.1:1/", c)
		} else {
			w.WriteHeader(c)
		}
	}))
	t.Cleanup(h.Close)
	pool := x509.NewCertPool()
	pool.AddCert(h.Certificate())
	for _, c := range l.set.Clients {
		c.Notify = []Endpoint{{Prefix: h.URL + "/hooks", Transport: NewTransport(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}, true)}}
	}
	l.set.Clients["south-client"].Notify[0].Prefix = h.URL + "/hooks"
	return h
}

func (l *lab) subscription(criteria string) string {
	return `{"resourceType":"Subscription","status":"requested","reason":"to fetch results","criteria":"` + criteria + `","channel":{"type":"rest-hook","endpoint":"` +
		l.set.Clients["north-client"].Notify[0].Prefix + `/a","header":["Authorization: Bearer theirs"]}}`
}

func (l *lab) notify() {
	l.t.Helper()
	if err := l.fhir.Notify(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

func (c *caller) subscriptionState(at string) (status, fault string) {
	c.l.t.Helper()
	var out wireSubscription
	if err := json.Unmarshal(c.get(at).Body.Bytes(), &out); err != nil {
		c.l.t.Fatal(err)
	}
	return out.Status, out.Error
}

// A subscriber is greeted, told once of what is new and fits, told again later
// when it did not hear, and given up on at last; it is never told what.
func TestSubscription(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		h := l.notifyAt(t, http.StatusOK)
		c := l.as("north")
		w := c.do(http.MethodPost, "/fhir/Subscription", l.subscription("DiagnosticReport?status=final,corrected"))
		at := strings.TrimPrefix(w.Header().Get("Location"), "https://lab.example")
		if w.Code != http.StatusCreated || at == "" || strings.Contains(w.Body.String(), "theirs") {
			t.Fatalf("create: %d %s", w.Code, w.Body)
		}
		l.notify()
		if status, _ := c.subscriptionState(at); status != "active" || h.posts.Load() != 1 || h.auth.Load() != "Bearer theirs" {
			t.Errorf("after the handshake: %s, %d posts, %v", status, h.posts.Load(), h.auth.Load())
		}
		l.notify()
		l.deliver(l.message("NORTH", "P1", "1", "P", "90"), l.message("SOUTH", "P1", "2", "F", "90"))
		l.notify() // a preliminary one, and another's
		if n := h.posts.Load(); n != 1 {
			t.Errorf("told of what does not fit: %d posts", n)
		}
		l.deliver(l.message("NORTH", "P1", "3", "F", "90"), l.message("NORTH", "P1", "4", "F", "90"))
		l.notify()
		l.notify()
		if n := h.posts.Load(); n != 2 || h.bodies.Load() != 0 {
			t.Errorf("%d posts, %d with a body", n, h.bodies.Load())
		}
		// It does not hear: told again, later and later, and once it does all is well.
		h.code.Store(http.StatusBadGateway)
		l.deliver(l.message("NORTH", "P1", "5", "F", "90"))
		l.notify()
		l.notify()
		if n := h.posts.Load(); n != 3 {
			t.Errorf("%d posts: told again at once", n)
		}
		if status, fault := c.subscriptionState(at); status != "active" || fault != "the endpoint answered 502" {
			t.Errorf("%s, %q", status, fault)
		}
		h.code.Store(http.StatusNoContent)
		l.clock.add(notifyFirst)
		l.notify()
		if status, fault := l.as("north").subscriptionState(at); status != "active" || fault != "" || h.posts.Load() != 4 {
			t.Errorf("%s, %q, %d posts", status, fault, h.posts.Load())
		}
		// A redirect is not followed, and after so many tries there is an end.
		h.code.Store(http.StatusFound)
		l.deliver(l.message("NORTH", "P1", "6", "F", "90"))
		for range notifyTries {
			l.clock.add(notifyMax)
			l.notify()
		}
		c = l.as("north")
		if status, fault := c.subscriptionState(at); status != "error" || fault != "the endpoint answered 302" {
			t.Errorf("at last: %s, %q", status, fault)
		}
		if f, err := l.fhir.FailedSubscriptions(t.Context()); err != nil || len(f) != 1 || f[0].Partner != "north" || f[0].Client != "north-client" || f[0].Count != 1 || f[0].Fault != "the endpoint answered 302" {
			t.Errorf("what failed: %+v, %v", f, err)
		}
		n := h.posts.Load()
		l.clock.add(time.Hour)
		l.notify()
		if h.posts.Load() != n {
			t.Error("told after the end")
		}
		// Asked for again, it begins anew; ended, it is gone.
		h.code.Store(http.StatusOK)
		c = l.as("north")
		if w := c.do(http.MethodPut, at, l.subscription("DiagnosticReport")); w.Code != http.StatusOK {
			t.Errorf("put: %d %s", w.Code, w.Body)
		}
		l.notify()
		if status, _ := c.subscriptionState(at); status != "active" {
			t.Errorf("begun anew: %s", status)
		}
		if f, err := l.fhir.FailedSubscriptions(t.Context()); err != nil || len(f) != 0 {
			t.Errorf("what failed, after it began anew: %+v, %v", f, err)
		}
		if b := c.bundle("/fhir/Subscription"); len(b.Entry) != 1 {
			t.Errorf("list: %+v", b)
		}
		south := l.as("south")
		if w := south.get(at); w.Code != http.StatusNotFound {
			t.Errorf("another's: %d", w.Code)
		}
		if w := south.do(http.MethodDelete, at, ""); w.Code != http.StatusNotFound {
			t.Errorf("ending another's: %d", w.Code)
		}
		if b := south.bundle("/fhir/Subscription"); len(b.Entry) != 0 {
			t.Errorf("another's list: %+v", b)
		}
		if w := c.do(http.MethodDelete, at, ""); w.Code != http.StatusNoContent {
			t.Errorf("delete: %d", w.Code)
		}
		if w := c.get(at); w.Code != http.StatusNotFound {
			t.Errorf("after delete: %d", w.Code)
		}
	})
}

func TestSubscriptionsThatAreRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		h := l.notifyAt(t, http.StatusOK)
		c := l.as("north")
		good := l.subscription("DiagnosticReport")
		change := func(old, with string) string { return strings.Replace(good, old, with, 1) }
		endpoint := h.URL + "/hooks/a"
		for name, body := range map[string]string{
			"elsewhere": change(endpoint, "https://elsewhere.example/hooks/a"), "not below": change(endpoint, h.URL+"/hooksother"), "above": change(endpoint, h.URL+"/hooks/../x"),
			"plaintext": change("https://", "http://"), "user in it": change("https://", "https://a@"), "a query": change(endpoint, endpoint+"?x=1"), "escaped": change(endpoint, h.URL+"/hooks/%2e%2e/x"),
			"a payload": change(`"type":"rest-hook"`, `"type":"rest-hook","payload":"application/fhir+json"`), "mail": change("rest-hook", "email"),
			"a patient": change(`"criteria":"DiagnosticReport"`, `"criteria":"Patient"`), "unknown parameter": change(`"criteria":"DiagnosticReport"`, `"criteria":"DiagnosticReport?name=x"`),
			"with count": change(`"criteria":"DiagnosticReport"`, `"criteria":"DiagnosticReport?_count=5"`), "active": change("requested", "active"), "no reason": change("to fetch results", ""),
			"another header": change("Authorization: Bearer theirs", "Host: evil.example"), "two headers in one": change("Bearer theirs", `a\r\nX: y`),
			"ended": change(`"status"`, `"end":"2020-01-01T00:00:00Z","status"`), "for ever": change(`"status"`, `"end":"2090-01-01T00:00:00Z","status"`), "unknown member": change(`"status"`, `"contact":[],"status"`),
			"text": "x", "huge": `{"resourceType":"` + strings.Repeat("x", 20000) + `"}`,
		} {
			if w := c.do(http.MethodPost, "/fhir/Subscription", body); w.Code < 400 || w.Code > 499 || !strings.Contains(w.Body.String(), "OperationOutcome") {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
		narrow := l.as("north", "system/Subscription.cruds")
		if w := narrow.do(http.MethodPost, "/fhir/Subscription", good); w.Code != http.StatusCreated {
			// The client may read what the criteria name, though this token may not: what
			// it is told is that something is there.
			t.Errorf("a token for subscriptions alone: %d %s", w.Code, w.Body)
		}
		if w := l.as("north", "system/*.rs").do(http.MethodPost, "/fhir/Subscription", good); w.Code != http.StatusForbidden {
			t.Errorf("without the scope: %d", w.Code)
		}
		code := 0
		for range subscriptionsEach {
			code = c.do(http.MethodPost, "/fhir/Subscription", good).Code
		}
		if code != http.StatusUnprocessableEntity {
			t.Errorf("one too many: %d", code)
		}
	})
}

// An address inside is not reached unless the configuration says so, whatever
// name leads to it.
func TestNoticesDoNotGoInside(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	t.Cleanup(srv.Close)
	port := srv.Listener.Addr().(interface{ String() string }).String()
	port = port[strings.LastIndexByte(port, ':'):]
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "[fd00::1]", "[fe80::1]", "224.0.0.1"} {
		c := &Client{Notify: []Endpoint{{Prefix: "https://" + host + port, Transport: NewTransport(&tls.Config{MinVersion: tls.VersionTLS13}, false)}}}
		x := &subscription{subscribedTo: subscribedTo{Endpoint: "https://" + host + port + "/"}}
		if fault := c.post(t.Context(), x); fault != errInside.Error() && !(host == "[::1]" || host == "localhost") || fault == "" {
			t.Errorf("%s: %q", host, fault)
		}
	}
}
