package tunnelsui_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/domain/tunnels/tunnelsui"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// room is a hub's tunnels in memory: it keeps what was asked of it.
type room struct {
	all  []tunnels.Seen
	vpns []tunnels.VPN
	did  []string
}

var (
	errNone  = &web.Error{Kind: web.KindNotFound, Message: "there is no tunnel of this name"}
	errWrong = errors.New("nothing could pass: name what the hub may reach")
)

func (m *room) note(words ...string) { m.did = append(m.did, strings.Join(words, " ")) }

func (m *room) find(name string) int {
	return slices.IndexFunc(m.all, func(t tunnels.Seen) bool { return t.Name == name })
}

func (m *room) List(context.Context) ([]tunnels.Seen, error) { return m.all, nil }

func (m *room) Show(_ context.Context, name string) (tunnels.Seen, error) {
	if i := m.find(name); i >= 0 {
		return m.all[i], nil
	}
	return tunnels.Seen{}, errNone
}

func (m *room) VPNs() []tunnels.VPN { return m.vpns }

func (m *room) Add(_ context.Context, a tunnels.Ask, who string) (tunnels.Invitation, error) {
	if len(a.Allow)+len(a.Offers) == 0 {
		return tunnels.Invitation{}, errWrong
	}
	m.note("add", a.Name, a.Kind, who)
	t := tunnels.Seen{Name: a.Name, Kind: a.Kind, Standard: a.Standard, State: "waiting", Words: "Nobody has joined yet: give the token to the far side.", Allow: a.Allow, Offers: a.Offers, MadeAt: start, MadeBy: who}
	in := tunnels.Invitation{Tunnel: t}
	if !a.Standard {
		in.Token, in.Until = "lwtunnel1_"+strings.Repeat("Q7xT", 40), start.Add(time.Hour)
		in.Tunnel.InvitedUntil = in.Until
	}
	m.all = append(m.all, in.Tunnel)
	return in, nil
}

func (m *room) Allow(_ context.Context, name string, l tunnels.Allowed, who, reason string) (tunnels.Seen, error) {
	if len(l.Allow)+len(l.Offers) == 0 {
		return tunnels.Seen{}, errWrong
	}
	i := m.find(name)
	m.note("allow", name, who, reason)
	m.all[i].Allow, m.all[i].Offers = l.Allow, l.Offers
	return m.all[i], nil
}

func (m *room) Rotate(_ context.Context, name, who string) error {
	m.note("rotate", name, who)
	return nil
}

func (m *room) Remove(_ context.Context, name, who, reason string) error {
	m.note("remove", name, who, reason)
	i := m.find(name)
	m.all = slices.Delete(m.all, i, i+1)
	return nil
}

func (m *room) Invite(_ context.Context, name, who, reason string) (tunnels.Invitation, error) {
	m.note("invite", name, who, reason)
	t, err := m.Show(context.Background(), name)
	return tunnels.Invitation{Tunnel: t, Token: "lwtunnel1_" + strings.Repeat("Zp4k", 40), Until: start.Add(time.Hour)}, err
}

func (m *room) Export(_ context.Context, name, public, who string) (tunnels.File, error) {
	if public != "" && len(public) != 44 {
		return tunnels.File{}, errWrong
	}
	m.note("export", name, public, who)
	return tunnels.File{Name: name, Config: "# Tunnel " + name + " to Millbrook Laboratory, made 2026-11-03 08:00 UTC. A secret: whoever has it is the device.\n[Interface]\nPrivateKey = mKkHTZ8v5p7oTO6Ix8VOYUTb2dtHvUKZ0TDz8Fk5C3E=\nAddress = 10.213.0.3/32\nMTU = 1420\n\n" +
		"[Peer]\nPublicKey = 8pXuHp5FzXdfm3rKzQmYh2dJbQ3b1zV0n8wqk7m3sXQ=\nPresharedKey = hUuN4gkCn3p2r1bZ6j9e3b5WmD6b0rQH7g8f5vJtq0M=\nAllowedIPs = 10.213.0.1/32\nEndpoint = tunnels.millbrook.example:51820\nPersistentKeepalive = 25\n"}, nil
}

var start = time.Date(2026, 11, 3, 8, 0, 0, 0, time.UTC)

// full is a hub with a tunnel in each state, and VPNs.
func full() *room {
	ago := func(d time.Duration) time.Time { return start.Add(-d) }
	return &room{
		all: []tunnels.Seen{
			{
				Name: "analyser", Kind: "wireguard", Standard: true, State: "down", Words: "Not seen to be up: last handshake 2026-11-03 06:10:00 UTC. A device without keepalive is silent while nothing is sent.",
				Since: ago(time.Hour), Handshake: ago(110 * time.Minute), Allow: []string{"10.213.0.3:2575"}, Offers: []tunnels.Opened{{Source: "lis", Listen: "10.213.0.3:2600"}}, KeyNumber: 2, KeysAt: ago(48 * time.Hour),
				JoinedAt: ago(48 * time.Hour), MadeAt: ago(72 * time.Hour), MadeBy: "anna",
			},
			{
				Name: "hilltop", Kind: "tls", State: "waiting", Words: "Nobody has joined yet: give the token to the far side.", Allow: []string{"hl7.hilltop.example:2576"}, Offers: []tunnels.Opened{},
				InvitedUntil: ago(2 * time.Hour), MadeAt: ago(3 * time.Hour), MadeBy: "anna",
			},
			{
				Name: "lakeside", Kind: "wireguard", State: "partly", Words: "Half up: the far end is connected, but no WireGuard packet gets through (last handshake never). UDP port 51820 of the hub is probably closed on the way.",
				Since: ago(20 * time.Minute), Allow: []string{"10.9.0.5:2576"}, Offers: []tunnels.Opened{}, From: "203.0.113.9:40112", Host: "lakeside-gw", JoinedAt: ago(time.Hour), KeyNumber: 1, KeysAt: ago(time.Hour), PostQuantum: true,
				Certificates: []string{strings.Repeat("ab12", 16)}, MadeAt: ago(2 * time.Hour), MadeBy: "anna", Users: []string{"partner lakeside"},
			},
			{
				Name: "riverside", Kind: "wireguard", State: "up", Words: "Up: link and WireGuard.", Since: ago(30 * time.Hour), Handshake: ago(70 * time.Second), Allow: []string{"10.20.0.5:2576", "10.20.0.9:50000-50099"},
				Offers: []tunnels.Opened{{Source: "lis", Listen: "127.0.0.1:2575"}}, Missing: []string{"10.20.0.9:50000-50099"}, In: 48_231_004, Out: 912_004_112, InRate: 810, OutRate: 21_540, Connections: 3,
				From: "198.51.100.20:51911", Host: "riverside-gw", JoinedAt: ago(240 * time.Hour), KeysAt: ago(9 * time.Hour), KeyNumber: 11, PostQuantum: true, Certificates: []string{strings.Repeat("04fe", 16)},
				MadeAt: ago(241 * time.Hour), MadeBy: "anna", Users: []string{"partner riverside", "source lis"},
			},
			{
				Name: "summit", Kind: "tls", State: "down", Words: "Down: the far end is not connected; last heard 2026-11-03 07:31:00 UTC. It comes back by itself when it runs and reaches the hub.", Since: ago(29 * time.Minute), Handshake: ago(29 * time.Minute),
				Allow: []string{"10.70.1.4:443"}, Offers: []tunnels.Opened{}, Host: "summit-edge", JoinedAt: ago(100 * time.Hour), KeysAt: ago(4 * time.Hour), KeyNumber: 5, PostQuantum: true, Certificates: []string{strings.Repeat("9c31", 16)},
				MadeAt: ago(101 * time.Hour), MadeBy: "anna", Users: []string{"partner summit"},
			},
		},
		vpns: []tunnels.VPN{
			{Name: "bayview", Peer: "192.0.2.30, Bayview's firewall", Checked: "10.50.0.2:2576", State: "up", Since: ago(90 * time.Hour), At: ago(30 * time.Second), Words: "10.50.0.2:2576 was reached through it at 2026-11-03 07:59 UTC.", Cipher: "IKEv2, AES-256-GCM (as told by M. Okafor on 2026-03-02)", Expires: "2026-11-20", Owner: "S. Lindqvist"},
			{Name: "county", Peer: "192.0.2.44", Checked: "10.60.0.2:21", State: "not known", At: ago(2 * time.Hour), Words: "Not tried since 2026-11-03 06:00 UTC, so nothing is known of it.", Cipher: "not known", Expires: "2026-10-31", Owner: "S. Lindqvist"},
			{Name: "state", Peer: "192.0.2.50", Checked: "10.61.0.2:21", State: "down", Since: ago(9 * time.Minute), At: ago(time.Minute), Words: "10.61.0.2:21 was not reached through it at 2026-11-03 07:59 UTC (connection refused).", Cipher: "not known", Owner: "M. Okafor"},
		},
	}
}

type lab struct {
	t      *testing.T
	room   *room
	deps   tunnelsui.Deps
	srv    *httptest.Server
	c      *http.Client
	who    authz.Role
	closed string
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newLab(t *testing.T, m *room) *lab {
	t.Helper()
	l := &lab{t: t, room: m, who: authz.Administrator}
	l.deps = tunnelsui.Deps{
		Reader: m, Keeper: m, Secrets: m, Closed: func() string { return l.closed }, Sources: func() []string { return []string{"lis"} },
		Wrong: func(err error) (string, bool) { return err.Error(), errors.Is(err, errWrong) },
	}
	s := &web.Server{
		Pace: 1_000_000,
		Identify: func(*http.Request) (*authz.Subject, error) {
			return &authz.Subject{Person: event.ID{1}, Account: "anna", Name: "Anna Admin", Level: authz.LevelPasskey, FreshAt: start, Grants: []authz.Grant{{Role: l.who, Until: start.AddDate(1, 0, 0)}}}, nil
		},
		Shell: func(*http.Request, *authz.Subject) kit.Shell {
			return kit.Shell{Lab: "Millbrook Laboratory", Clock: "08:00", Me: &kit.Me{Name: "Anna Admin"}, Nav: []kit.NavItem{
				{Name: "Today", Href: "/", Icon: "today"}, {Name: "Partners", Href: "/partners", Icon: "partners"}, {Name: "Tunnels", Href: "/tunnels", Icon: "network"}, {Name: "Settings", Href: "/settings", Icon: "settings"},
			}}
		},
		SignIn: "/sign-in", StepUp: "/step-up", Live: web.NewLive(), Now: func() time.Time { return start }, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	s.Add(tunnelsui.Routes(l.deps)...)
	l.srv = httptest.NewUnstartedServer(s.Handler())
	l.srv.EnableHTTP2 = true
	l.srv.StartTLS()
	t.Cleanup(func() { s.Close(); l.srv.Close() })
	l.c = l.srv.Client()
	var err error
	l.c.Jar, err = cookiejar.New(nil)
	check(t, err)
	l.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return l
}

func (l *lab) ask(method, path string, form url.Values, body any) (int, string) {
	l.t.Helper()
	var in io.Reader
	kind := ""
	switch {
	case form != nil:
		in, kind = strings.NewReader(form.Encode()), "application/x-www-form-urlencoded"
	case body != nil:
		b, err := json.Marshal(body)
		check(l.t, err)
		in, kind = strings.NewReader(string(b)), "application/json"
	}
	r, err := http.NewRequestWithContext(l.t.Context(), method, l.srv.URL+path, in)
	check(l.t, err)
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := l.c.Do(r)
	check(l.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	check(l.t, err)
	return resp.StatusCode, string(b)
}

func (l *lab) says(method, path string, form url.Values, status int, words ...string) string {
	l.t.Helper()
	got, text := l.ask(method, path, form, nil)
	if got != status {
		l.t.Errorf("%s %s: %d\n%s", method, path, got, text)
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			l.t.Errorf("%s %s does not say %q\n%s", method, path, w, text)
		}
	}
	return text
}

func (l *lab) did(want string) {
	l.t.Helper()
	if n := len(l.room.did); n == 0 || l.room.did[n-1] != want {
		l.t.Errorf("did %q, not %q", l.room.did, want)
	}
}
