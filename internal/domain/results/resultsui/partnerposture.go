package resultsui

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
	guidance "github.com/labwarden/labwarden/internal/platform/posture"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// posture is how well a partner's channel is protected: what the configuration
// asks for, what was seen at the last delivery, and the dates at which somebody
// must do something.
type posture struct {
	address, protocol string
	tls               *config.ClientTLS
	plain, loopback   bool
	exception         *config.Exception
	encrypt           *config.Encrypt
	folder, ssh       bool
	tunnel            bool
	seen              channel.Peer
	seenAt            time.Time
	dates             []Date
	guidance          string // yes, no or unknown
	why               string
	state             kit.State
}

func (d Deps) posture(ctx context.Context, v *partnerView, p *config.Partner, now time.Time) (*posture, error) {
	out := &posture{protocol: v.by, encrypt: p.Destination.Encrypt, tunnel: p.Destination.Tunnel != ""}
	switch dest := &p.Destination; {
	case dest.MLLP != nil:
		out.address, out.tls, out.exception, out.plain = string(dest.MLLP.Address), dest.MLLP.TLS, dest.MLLP.Exception, dest.MLLP.TLS == nil
	case dest.FHIR != nil:
		out.address, out.tls, out.exception, out.plain = string(dest.FHIR.Base), dest.FHIR.TLS, dest.FHIR.Exception, plainURL(string(dest.FHIR.Base))
	case dest.HTTP != nil:
		out.address, out.tls, out.exception, out.plain = string(dest.HTTP.URL), dest.HTTP.TLS, dest.HTTP.Exception, plainURL(string(dest.HTTP.URL))
	case dest.SFTP != nil:
		out.address, out.ssh = string(dest.SFTP.Address), true
	case dest.FTPS != nil:
		out.address, out.tls, out.exception = string(dest.FTPS.Address), dest.FTPS.TLS, dest.FTPS.Exception
	case dest.Folder != nil:
		out.address, out.folder = string(dest.Folder.Path), true
	}
	out.loopback = onThisMachine(out.address)
	if v.Last >= 0 {
		var err error
		if out.seen, out.seenAt, err = d.Results.PeerOf(ctx, v.Last); err != nil && !errors.Is(err, results.ErrNotFound) {
			return nil, err
		}
	}
	if d.Dates != nil {
		out.dates = d.Dates("partner "+v.Partner, now)
	}
	out.guidance, out.why = out.judge(d.FIPS)
	switch {
	case out.guidance == "no":
		out.state = kit.Stopped
	case out.exception != nil && !out.exception.Until.End().After(now):
		out.state = kit.Warn
	case out.guidance == "yes":
		out.state = kit.Fine
	}
	for _, x := range out.dates {
		if x.Due && out.state == kit.Fine {
			out.state = kit.Warn
		}
	}
	return out, nil
}

func onThisMachine(address string) bool {
	host := address
	if _, rest, ok := strings.Cut(address, "://"); ok {
		host, _, _ = strings.Cut(rest, "/")
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// judge asks the one place that knows the guidance (package posture).
func (p *posture) judge(fips bool) (answer, why string) {
	return guidance.Channel{
		Plain: p.plain, Loopback: p.loopback, Folder: p.folder, Tunnel: p.tunnel, Encrypted: p.encrypt != nil, SSH: p.ssh,
		Seen: guidance.Seen{Secured: p.seen.TLS, At: p.seenAt},
	}.Judge(fips)
}

// facts are the lines of the channel, for the page and the API.
func (p *posture) facts(now time.Time) []kit.KV {
	out := []kit.KV{{Key: "How", Value: p.protocol}}
	if p.address != "" {
		out = append(out, kit.KV{Key: "Where", Value: p.address, Mono: true})
	}
	if !p.folder {
		out = append(out, kit.KV{Key: "Asked for", Value: p.asked()})
	}
	if p.tls != nil || !p.plain && !p.folder {
		out = append(out, kit.KV{Key: "Who they are", Value: p.trust()})
	}
	switch {
	case p.folder:
	case p.seenAt.IsZero():
		out = append(out, kit.KV{Key: "Seen", Value: "not in the last 14 days"})
	case p.seen.TLS == "":
		out = append(out, kit.KV{Key: "Seen", Value: "no encryption, " + kit.Clock(p.seenAt, now)})
	default:
		out = append(out, kit.KV{Key: "Seen", Value: p.seen.TLS + ", " + kit.Clock(p.seenAt, now)})
	}
	if p.seen.Fingerprint != "" {
		what := "Their certificate"
		if p.ssh {
			what = "Their host key (SHA-256)"
		}
		out = append(out, kit.KV{Key: what, Value: p.seen.Fingerprint, Mono: true})
	}
	return out
}

func (p *posture) asked() string {
	switch {
	case p.plain && p.loopback:
		return "nothing: it does not leave this machine"
	case p.plain:
		return "nothing: plaintext, by exception"
	case p.ssh:
		return "SSH with forward secrecy and authenticated encryption"
	case p.exception != nil && p.exception.Kind == "tls12":
		return "TLS 1.2 or newer, by exception"
	}
	return "TLS 1.3"
}

func (p *posture) trust() string {
	switch {
	case p.ssh:
		return "one of the host keys in the configuration"
	case p.tls == nil || p.tls.CA == "" && p.tls.Fingerprint == "":
		return "any certificate the system's authorities vouch for"
	case p.tls.Fingerprint != "":
		return "one certificate only: its key is pinned"
	}
	return "certificates of the authority in the configuration"
}

// sheet draws it.
func (p *posture) sheet(now time.Time) templ.Component {
	checks := []kit.Check{{State: p.state, Word: "Meets the guidance: " + p.guidance, Title: "Meets HHS guidance: " + p.guidance, Text: p.why}}
	if p.guidance == "unknown" {
		checks[0].State = kit.Unknown
	}
	if e := p.exception; e != nil {
		x := kit.Check{
			State: kit.Warn, Title: "An exception until " + day(e.Until.String()),
			Text: fmt.Sprintf("%s: %s. %s sees to its end.", exceptionWords(e.Kind), strings.TrimSuffix(e.Reason, "."), e.Owner),
		}
		if !e.Until.End().After(now) {
			x.State, x.Title = kit.Stopped, "An exception ended on "+day(e.Until.String())
			x.Text += " The channel keeps running."
		}
		checks = append(checks, x)
	}
	for _, d := range p.dates {
		if p.exception != nil && d.What == "exception" {
			continue // told above
		}
		x := kit.Check{State: kit.Fine, Title: strings.ToUpper(d.What[:1]) + d.What[1:], Text: d.Words}
		if d.Due {
			x.State = kit.Warn
		}
		if !d.Ends.After(now) {
			x.State = kit.Stopped
		}
		checks = append(checks, x)
	}
	return kit.Sheet(kit.SheetOpts{Title: "Channel", Body: templ.Join(kit.KeyValues(p.facts(now)), kit.Checks(checks))})
}

func exceptionWords(kind string) string {
	switch kind {
	case "plaintext":
		return "Plaintext is allowed"
	case "tls12":
		return "TLS 1.2 is allowed"
	}
	return "An exception is made"
}
