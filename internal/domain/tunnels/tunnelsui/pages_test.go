package tunnelsui_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func TestThePagesOfTunnels(t *testing.T) {
	l := newLab(t, &room{})
	l.says("GET", "/tunnels", nil, 200, "There is no tunnel and no watched VPN.", "Add a tunnel")

	// Added, with a token that is shown once.
	l.says("GET", "/setup/tunnel", nil, 200, "Where does the tunnel lead?", "Sources that can be opened: lis.")
	l.says("POST", "/tunnels", url.Values{"name": {"riverside"}, "kind": {"wireguard"}}, 422, "Nothing could pass", `value="riverside"`)
	l.says("POST", "/tunnels", url.Values{"name": {"riverside"}, "kind": {"tls"}, "offers": {"lis 127.0.0.1:1"}}, 422, "is not SOURCE@IP:PORT")
	text := l.says("POST", "/tunnels", url.Values{"name": {"riverside"}, "kind": {"wireguard"}, "allow": {"10.20.0.5:2576\r\n"}, "offers": {"lis@127.0.0.1:2575"}}, 200, "not shown again", "labwarden tunnel join lwtunnel1_")
	l.did("add riverside wireguard anna")
	token := text[strings.Index(text, "lwtunnel1_"):][:40]
	for _, path := range []string{"/tunnels", "/tunnels/riverside"} {
		if text := l.says("GET", path, nil, 200, "Nobody has joined"); strings.Contains(text, token) {
			t.Errorf("%s shows the token", path)
		}
	}
	l.says("GET", "/tunnels/riverside", nil, 200, "10.20.0.5:2576", "127.0.0.1:2575", "No partner and no source goes through it.", "Make a token")
	l.says("GET", "/tunnels/nobody", nil, 404)

	// The list is changed as a whole, with a reason.
	l.says("GET", "/tunnels/riverside/allow", nil, 200, "10.20.0.5:2576", "lis@127.0.0.1:2575", "cut at once")
	l.says("POST", "/tunnels/riverside/allow", url.Values{"allow": {"10.20.0.6:2576"}}, 422, "Say why", "10.20.0.6:2576")
	l.says("POST", "/tunnels/riverside/allow", url.Values{"allow": {""}, "offers": {""}, "reason": {"x"}}, 422, "Nothing could pass")
	l.says("POST", "/tunnels/riverside/allow", url.Values{"allow": {"10.20.0.6:2576\n10.20.0.9:50000-50099"}, "reason": {"a new engine"}}, 303)
	l.did("allow riverside anna a new engine")
	l.says("GET", "/tunnels/riverside", nil, 200, "The list is in force.", "10.20.0.9:50000-50099")

	// Another token, and its end, take a yes and a reason.
	l.says("GET", "/tunnels/riverside/invite", nil, 200, "Yes, make a token")
	l.says("POST", "/tunnels/riverside/invite", url.Values{"confirm": {"yes"}}, 422, "Say why")
	l.says("POST", "/tunnels/riverside/invite", url.Values{"confirm": {"yes"}, "reason": {"a new machine"}}, 200, "not shown again")
	l.did("invite riverside anna a new machine")
	l.says("POST", "/tunnels/riverside/rotate", url.Values{}, 303)
	l.did("rotate riverside anna")
	l.says("POST", "/tunnels/riverside/remove", url.Values{"reason": {"closed"}}, 422, "Say why")
	l.says("POST", "/tunnels/riverside/remove", url.Values{"confirm": {"yes"}, "reason": {"closed"}}, 303)
	l.did("remove riverside anna closed")
	l.says("GET", "/tunnels/riverside", nil, 404)

	// A device gets a file and a code, once.
	l.says("POST", "/tunnels", url.Values{"name": {"analyser"}, "kind": {"device"}, "allow": {"10.213.0.2:2575"}}, 303)
	l.says("GET", "/tunnels/analyser/export", nil, 200, "public key")
	l.says("POST", "/tunnels/analyser/export", url.Values{"public": {"short"}}, 422, `value="short"`)
	l.says("POST", "/tunnels/analyser/export", url.Values{}, 200, "PrivateKey", "<svg", "not shown again")
	if text := l.says("GET", "/tunnels/analyser", nil, 200, "a device of theirs"); strings.Contains(text, "PrivateKey") {
		t.Error("the configuration is shown again")
	}
}

func TestHowTunnelsAreDrawn(t *testing.T) {
	l := newLab(t, full())
	l.says("GET", "/tunnels", nil, 200, "5 ways to partners need somebody.", "Half up", "Up, not all agreed to", "Nobody has joined", "Silent", "Down", "21.5 kB/s out", "as told by M. Okafor", "nothing is known of it")
	l.says("GET", "/tunnels/riverside", nil, 200, "not all of its list passes", "partner riverside, source lis", "labwarden tunnel confirm", "yes: ML-KEM", "912 MB", ":58:50")
	l.says("GET", "/tunnels/summit", nil, 200, "Tunnel summit is down.", "Last heard")
	l.says("GET", "/tunnels/hilltop", nil, 200, "Make another token")
	l.says("GET", "/tunnels/analyser", nil, 200, "no: the key in its file is random", "reaches our source")

	// Who may see, may not change; who may not see, sees nothing.
	l.who = authz.Auditor
	for _, path := range []string{"/tunnels", "/tunnels/riverside"} {
		if text := l.says("GET", path, nil, 200); strings.Contains(text, "Add a tunnel") || strings.Contains(text, "Remove it") || strings.Contains(text, "Change it") {
			t.Errorf("%s offers an auditor an act", path)
		}
	}
	l.says("GET", "/tunnels/riverside/remove", nil, 403)
	l.who = authz.FrontDesk
	l.says("GET", "/tunnels", nil, 403)

	// A node without tunnels says so and offers nothing.
	l.who, l.closed = authz.Administrator, "This node has none: add node.tunnels."
	if text := l.says("GET", "/tunnels", nil, 200, "not served here", "add node.tunnels"); strings.Contains(text, "Add a tunnel") {
		t.Error("offers a tunnel where there can be none")
	}
	l.says("GET", "/setup/tunnel", nil, 200, "add node.tunnels")
}

func TestTheAPIOfTunnels(t *testing.T) {
	l := newLab(t, full())
	for _, path := range []string{"/tunnels", "/tunnels/riverside", "/vpns"} {
		if status, text := l.ask("GET", "/api/v1"+path, nil, nil); status != 200 {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	status, text := l.ask("POST", "/api/v1/tunnels", nil, map[string]any{"name": "new", "kind": "tls", "allow": []string{"10.0.0.1:1"}, "offers": []any{map[string]string{"source": "lis", "listen": "127.0.0.1:2"}}})
	if status != 200 || !strings.Contains(text, "lwtunnel1_") {
		t.Errorf("%d %s", status, text)
	}
	l.says("GET", "/tunnels/new", nil, 200, "Nobody has joined tunnel new yet.") // a name that is no page
	for _, act := range []string{"allow", "invite", "remove"} {
		if status, text := l.ask("POST", "/api/v1/tunnels/new/"+act, nil, map[string]any{"reason": " "}); status != 400 && status != 422 {
			t.Errorf("%s without a reason: %d %s", act, status, text)
		}
	}
	for _, x := range []struct{ act, did string }{{"allow", "allow new anna why"}, {"invite", "invite new anna why"}, {"remove", "remove new anna why"}} {
		if status, text := l.ask("POST", "/api/v1/tunnels/new/"+x.act, nil, map[string]any{"reason": "why", "allow": []string{"10.0.0.2:2"}}); x.act == "allow" && status != 200 {
			t.Errorf("%s: %d %s", x.act, status, text)
		} else if x.act != "allow" {
			status, text = l.ask("POST", "/api/v1/tunnels/new/"+x.act, nil, map[string]any{"reason": "why"})
			if status != 200 {
				t.Errorf("%s: %d %s", x.act, status, text)
			}
		}
		l.did(x.did)
	}
	if status, text := l.ask("POST", "/api/v1/tunnels/riverside/rotate", nil, map[string]any{}); status != 200 {
		t.Errorf("%d %s", status, text)
	}
	if status, text := l.ask("POST", "/api/v1/tunnels/analyser/export", nil, map[string]any{"public": ""}); status != 200 || !strings.Contains(text, "PrivateKey") {
		t.Errorf("%d %s", status, text)
	}
	l.who = authz.Auditor
	if status, _ := l.ask("POST", "/api/v1/tunnels/riverside/remove", nil, map[string]any{"reason": "why"}); status != 403 {
		t.Errorf("an auditor: %d", status)
	}
}

// What Today tells itself is what no alarm does.
func TestTodayOfTunnels(t *testing.T) {
	l := newLab(t, full())
	items, err := l.deps.Today().Look(t.Context(), nil, start)
	check(t, err)
	var got []string
	for _, x := range items {
		got = append(got, x.Title+": "+x.Action.Href)
		if x.Needs != authz.TunnelsSee || x.Text == "" || x.State == kit.Fine {
			t.Errorf("%+v", x)
		}
	}
	want := "Nobody has joined tunnel hilltop: /tunnels/hilltop|Not all of tunnel riverside passes: /tunnels/riverside|Nothing is known of VPN county: /tunnels#vpns"
	if strings.Join(got, "|") != want {
		t.Error(got)
	}
}
