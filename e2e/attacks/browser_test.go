package attacks

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/descope/virtualwebauthn"
)

// browser keeps cookies and follows no redirect by itself.
type browser struct {
	*hub
	http *http.Client
	jar  http.CookieJar
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
	seen *cookies
}

// reply is an answer as tests look at it.
type reply struct {
	status int
	to     string // where it leads
	body   string
	head   http.Header
}

func (h *hub) browser() *browser { return h.browserFrom(&net.Dialer{}) }

// browserFrom is one that dials so: from another address of this machine.
func (h *hub) browserFrom(dial *net.Dialer) *browser {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	must(h.t, err)
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dial.DialContext(ctx, network, h.addr)
		},
		TLSClientConfig: &tls.Config{RootCAs: h.roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}
	h.t.Cleanup(t.CloseIdleConnections)
	return &browser{hub: h, jar: jar, seen: &cookies{}, http: &http.Client{Jar: jar, Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// try sends one request; its headers come in pairs.
func (b *browser) try(method, path string, body io.Reader, pairs ...string) (reply, error) {
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, body)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("User-Agent", "Chrome/130 Linux")
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] == "Host" {
			req.Host = pairs[i+1]
			continue
		}
		req.Header.Set(pairs[i], pairs[i+1])
	}
	res, err := b.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	b.seen.add(res)
	return reply{res.StatusCode, res.Header.Get("Location"), string(text), res.Header}, err
}

func (b *browser) do(method, path string, body io.Reader, pairs ...string) reply {
	b.t.Helper()
	r, err := b.try(method, path, body, pairs...)
	must(b.t, err)
	return r
}

func (b *browser) get(path string, pairs ...string) reply {
	b.t.Helper()
	return b.do(http.MethodGet, path, nil, pairs...)
}

func (b *browser) post(path string, pairs ...string) reply {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.do(http.MethodPost, path, strings.NewReader(form.Encode()), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
}

func (b *browser) json(path string, in, out any) reply {
	b.t.Helper()
	text, err := json.Marshal(in)
	must(b.t, err)
	r := b.do(http.MethodPost, path, bytes.NewReader(text), "Content-Type", "application/json")
	if r.status == http.StatusOK && out != nil {
		must(b.t, json.Unmarshal([]byte(r.body), out))
	}
	return r
}

func (b *browser) want(r reply, status int, text string) reply {
	b.t.Helper()
	if r.status != status || !strings.Contains(html.UnescapeString(r.body)+r.to, text) {
		b.t.Fatalf("status %d, to %q, want %d with %q\n%.3000s", r.status, r.to, status, text, r.body)
	}
	return r
}

type begun struct {
	Token   string          `json:"token"`
	Options json.RawMessage `json:"options"`
}

func (b *browser) rp() virtualwebauthn.RelyingParty {
	return virtualwebauthn.RelyingParty{ID: "localhost", Name: "x", Origin: b.url}
}

// enrol makes a passkey at the welcome page; more goes along with both requests.
func (b *browser) enrol(more map[string]any) {
	b.t.Helper()
	var c begun
	b.want(b.json("/welcome/passkey/begin", more, &c), http.StatusOK, "")
	o, err := virtualwebauthn.ParseAttestationOptions(string(c.Options))
	must(b.t, err)
	handle, err := base64.RawURLEncoding.DecodeString(o.UserID)
	if err != nil {
		handle = []byte(o.UserID)
	}
	b.auth = virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: handle})
	b.cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	for len(b.cred.Key.AttestationData()) != 77 { // the library drops leading zeros
		b.cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	in := map[string]any{"token": c.Token, "answer": json.RawMessage(virtualwebauthn.CreateAttestationResponse(b.rp(), b.auth, b.cred, *o))}
	for n, v := range more {
		in[n] = v
	}
	b.want(b.json("/welcome/passkey/finish", in, nil), http.StatusOK, "/me")
}

// press proves with the passkey.
func (b *browser) press(begin, finish string) reply {
	b.t.Helper()
	var c begun
	b.want(b.json(begin, map[string]any{}, &c), http.StatusOK, "")
	o, err := virtualwebauthn.ParseAssertionOptions(string(c.Options))
	must(b.t, err)
	b.cred.Counter++
	return b.json(finish, map[string]any{"token": c.Token, "answer": json.RawMessage(virtualwebauthn.CreateAssertionResponse(b.rp(), b.auth, b.cred, *o))}, nil)
}

// administrator comes by the console's link and makes a passkey.
func (h *hub) administrator() *browser {
	h.t.Helper()
	b := h.browser()
	b.want(b.get(h.link), http.StatusSeeOther, "/welcome")
	b.want(b.get("/welcome"), http.StatusOK, "first administrator")
	b.enrol(map[string]any{"account": "dana", "name": "Dana Reyes", "called": "blue key"})
	b.want(b.get("/"), http.StatusOK, "Today")
	return b
}

var linkShown = regexp.MustCompile(`https://[^/\s]+(/welcome\?t=[A-Za-z0-9_-]+)`)

// invite adds a person through the pages and lets them in with a passkey.
func (b *browser) invite(account, name, role, partners string) *browser {
	b.t.Helper()
	r := b.want(b.post("/people", "account", account, "name", name, "role", role, "partners", partners), http.StatusOK, "/welcome?t=")
	link := linkShown.FindStringSubmatch(html.UnescapeString(r.body))
	if link == nil {
		b.t.Fatalf("no link:\n%s", r.body)
	}
	p := b.browser()
	p.want(p.get(link[1]), http.StatusSeeOther, "/welcome")
	p.enrol(map[string]any{"called": "blue key"})
	return p
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	must(t, err)
	return u
}

func (b *browser) cookie(name string) string {
	for _, c := range b.jar.Cookies(mustURL(b.t, b.url)) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// cookies are all Set-Cookie lines that a browser got.
type cookies struct{ all []string }

func (c *cookies) add(res *http.Response) { c.all = append(c.all, res.Header.Values("Set-Cookie")...) }
