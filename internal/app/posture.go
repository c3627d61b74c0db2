package app

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/posture"
)

// Posture is one line for each way on which results or people come and go.
func (h *Hub) Posture(ctx context.Context) ([]posture.Line, error) {
	c := h.inForce()
	if c == nil {
		cur, err := h.Current(ctx)
		if err != nil {
			return nil, err
		}
		c = cur.Config
	}
	h.seeTunnels(ctx)
	seen, err := h.rooms.sightings.list(ctx)
	if err != nil {
		return nil, err
	}
	now := h.now()
	p := &postureLines{h: h, ctx: ctx, c: c, seen: seen, now: now, fips: fipsOnly(), dates: map[string][]posture.Date{}}
	for _, d := range h.endings(c, now) {
		_, due := d.Threshold(now)
		p.dates[d.Of] = append(p.dates[d.Of], posture.Date{Kind: d.Kind, Of: d.What, From: d.Begins, Ends: d.End(), Owner: d.Owner, Due: due, Past: !d.End().After(now)})
	}
	for _, key := range sorted(c.Partners) {
		p.partner(key)
	}
	for _, key := range sorted(c.Sources) {
		p.source(key)
	}
	if err := p.tunnels(); err != nil {
		return nil, err
	}
	p.own()
	return p.out, nil
}

type postureLines struct {
	h     *Hub
	ctx   context.Context //nolint:containedctx // lives as long as one call
	c     *config.Config
	seen  map[string]posture.Seen
	now   time.Time
	fips  bool
	dates map[string][]posture.Date
	out   []posture.Line
}

func (p *postureLines) add(l posture.Line, way string, c posture.Channel) {
	c.Seen = p.seen[way]
	l.Settle(c, p.fips)
	p.out = append(p.out, l)
}

func (p *postureLines) partner(key string) {
	x := p.c.Partners[key]
	d := x.Destination
	of := "partner " + key
	line := func(way, where string) posture.Line {
		return posture.Line{Channel: of, Partner: key, Name: x.Name, Way: way, Where: where, Dates: p.dates[of], EndToEnd: p.endToEnd(key, d.Encrypt)}
	}
	through := ""
	if d.Tunnel != "" {
		through = ", through tunnel " + d.Tunnel
	}
	to := func(way, where string, c posture.Channel) {
		c.Loopback, c.Encrypted, c.Tunnel = thisMachine(where) && d.Tunnel == "", d.Encrypt != nil, d.Tunnel != ""
		p.add(line(way+through, where), of, c)
	}
	switch {
	case d.MLLP != nil:
		to("results to them by MLLP", string(d.MLLP.Address), posture.Channel{Plain: d.MLLP.TLS == nil})
	case d.FHIR != nil:
		to("results to them by FHIR", string(d.FHIR.Base), posture.Channel{Plain: plainWeb(string(d.FHIR.Base))})
	case d.HTTP != nil:
		to("results to them by HTTP", string(d.HTTP.URL), posture.Channel{Plain: plainWeb(string(d.HTTP.URL))})
	case d.SFTP != nil:
		to("results to their SFTP server", string(d.SFTP.Address), posture.Channel{SSH: true})
	case d.FTPS != nil:
		to("results to their FTPS server", string(d.FTPS.Address), posture.Channel{})
	case d.Folder != nil:
		to("results into a folder here", string(d.Folder.Path), posture.Channel{Folder: true})
	case d.FHIRPull != nil:
		where := ""
		if f := p.c.Node.FHIR; f != nil {
			where = string(f.PublicURL)
		}
		l := line("they fetch results by FHIR", where)
		l.Dates = slices.Concat(l.Dates, p.shown(wayFHIR))
		p.add(l, of, posture.Channel{})
		for _, n := range d.FHIRPull.Notify {
			l := line("notices to them of FHIR subscriptions", string(n.Endpoint))
			l.Dates = p.dates["notify "+key]
			p.add(l, wayNotices(key, string(n.Endpoint)), posture.Channel{})
		}
	case d.Portal != nil:
		where := ""
		if w := p.c.Node.Portal; w != nil {
			where = string(w.PublicURL)
		}
		// The portal's door is one for all practices: what it negotiated last may
		// have been another practice's, so nothing is said to be this one's.
		l := line("they read results in the portal", where)
		p.add(l, "", posture.Channel{})
		last := &p.out[len(p.out)-1]
		last.Why = "The portal has one door for all practices: see its own line."
	}
	f := p.c.Node.Front
	if x.Box == nil || f == nil {
		return
	}
	if f.SFTP != nil {
		p.add(line("their box here by SFTP", string(f.SFTP.Listen)), wayBox(key, "sftp"), posture.Channel{SSH: true})
	}
	if f.FTPS != nil {
		l := line("their box here by FTPS", string(f.FTPS.Listen))
		l.Dates = slices.Concat(l.Dates, p.shown(wayFTPS))
		p.add(l, wayBox(key, "ftps"), posture.Channel{})
	}
}

// endToEnd names the kinds of the keys that a partner's bodies are encrypted to.
func (p *postureLines) endToEnd(key string, e *config.Encrypt) string {
	switch {
	case e == nil:
		return ""
	case e.Keys != "":
		f, err := p.h.rooms.keys.InForce(p.ctx, key)
		if err != nil {
			return "registered keys: none in use, results wait"
		}
		var kinds []string
		for i := range f.Keys {
			kinds = append(kinds, f.Keys[i].Kind)
		}
		return "registered: " + strings.Join(kinds, ", ")
	case len(e.Age) > 0 && strings.HasPrefix(e.Age[0], "age1pq"):
		return "age, post-quantum"
	case len(e.Age) > 0:
		return "age"
	case e.OpenPGP != "":
		return "openpgp"
	}
	return "cms"
}

func (p *postureLines) source(key string) {
	s := p.c.Sources[key]
	of := "source " + key
	line := func(way, where string) posture.Line {
		switch {
		case s.Tunnel != "" && s.MLLP != nil:
			way += ", through tunnel " + s.Tunnel + " as well"
		case s.Tunnel != "":
			way += ", through tunnel " + s.Tunnel
		}
		return posture.Line{Channel: of, Name: key, Way: way, Where: where, Dates: p.dates[of]}
	}
	switch {
	case s.MLLP != nil:
		at := string(p.c.ListenAddress(key))
		p.add(line("messages from it by MLLP", at), of, posture.Channel{Plain: s.MLLP.TLS == nil, Loopback: thisMachine(at)})
	case s.SFTP != nil:
		p.add(line("messages from its SFTP server", string(s.SFTP.Address)), of, posture.Channel{SSH: true, Tunnel: s.Tunnel != ""})
	case s.FTPS != nil:
		p.add(line("messages from its FTPS server", string(s.FTPS.Address)), of, posture.Channel{Tunnel: s.Tunnel != ""})
	case s.Folder != nil:
		p.add(line("messages from a folder here", string(s.Folder.Path)), of, posture.Channel{Folder: true})
	}
}

func (p *postureLines) tunnels() error {
	all, err := p.h.rooms.tunnels.book.List(p.ctx)
	if err != nil {
		return err
	}
	for _, x := range all {
		of := "tunnel " + x.Name
		l := posture.Line{Channel: of, Name: x.Name, Way: "tunnel, " + x.Kind, Dates: p.dates[of]}
		if !x.KeysAt.IsZero() {
			l.Dates = append(l.Dates, posture.Date{Kind: "tunnel keys", Of: fmt.Sprintf("number %d", x.Epoch), From: x.KeysAt})
		}
		p.add(l, of, posture.Channel{WireGuard: x.Kind == "wireguard"})
	}
	for _, v := range p.h.rooms.vpns.tell(p.c) {
		of := "vpn " + v.Name
		p.add(posture.Line{Channel: of, Name: v.Name, Way: "VPN that the partner keeps; cipher as told: " + v.Cipher, Where: v.Checked, Dates: p.dates[of]}, of, posture.Channel{VPN: true})
	}
	return nil
}

// own are the doors of the laboratory for people.
func (p *postureLines) own() {
	if w := p.c.Node.Portal; w != nil {
		p.add(posture.Line{Channel: wayPortal, Name: "Portal", Way: "people of practices read results", Where: string(w.PublicURL), Dates: p.shown(wayPortal)}, wayPortal, posture.Channel{})
	}
	if w := p.c.Node.Web; w != nil {
		p.add(posture.Line{Channel: wayPages, Name: "Pages", Way: "the laboratory's own pages", Where: string(w.PublicURL), Dates: p.shown(wayPages)}, wayPages, posture.Channel{})
	}
}

// seeTunnels notes what the tunnels' links negotiated that are there now.
func (h *Hub) seeTunnels(ctx context.Context) {
	hub := h.rooms.tunnels.running()
	if hub == nil {
		return
	}
	all, err := h.rooms.tunnels.book.List(ctx)
	if err != nil {
		return // whoever asks for the tunnels is told
	}
	for _, x := range all {
		s, ok := hub.Status(x.Name)
		switch {
		case !ok:
		case x.Kind != "wireguard" && s.Secured != "":
			h.rooms.sightings.saw("tunnel "+x.Name, s.Secured)
		case x.Kind == "wireguard" && string(s.State) == "up":
			// WireGuard has one suite (whitepaper 5): what differs is the preshared key.
			secured := "WireGuard ChaCha20-Poly1305 X25519"
			if x.Epoch > 0 && !x.Standard {
				secured += "+mlkem-preshared-key"
			}
			h.rooms.sightings.saw("tunnel "+x.Name, secured)
		}
	}
}

func plainWeb(address string) bool { return strings.HasPrefix(address, "http://") }

// thisMachine: what goes there does not leave it.
func thisMachine(address string) bool {
	host := address
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		host = u.Host
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
