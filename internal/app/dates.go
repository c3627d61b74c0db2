package app

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const (
	// longDead is how long before an extension a certificate may have ended at
	// most to be believed by it: an older one is a forgotten key, not a late
	// renewal.
	longDead = 30 * 24 * time.Hour
	// maxSeen bounds the certificates of other people that are remembered.
	maxSeen = 4096
)

// dates knows the ends that somebody must see to. Nothing stops at one of them
// by itself (SAFETY.md 7).
type dates struct {
	mu       sync.Mutex
	inUse    []control.Date // certificates of the configuration that runs, as they were loaded
	keys     []control.Date // of the keys that results are encrypted to; see lookKeys
	theirs   map[theirCertificate]theirEnd
	extended map[string]desk.Extension // by channel
	refusals map[string]string         // by channel: why the certificate shown last is not believed
}

// theirCertificate: a renewed certificate of the same subject takes the place
// of the old one.
type theirCertificate struct{ channel, subject string }

type theirEnd struct {
	begins  time.Time
	ends    time.Time
	refused bool
}

func newDates() *dates {
	return &dates{theirs: map[theirCertificate]theirEnd{}, extended: map[string]desk.Extension{}, refusals: map[string]string{}}
}

// load reads the extensions that people have made.
func (d *dates) load(ctx context.Context, db *store.DB) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := db.Query(ctx, "SELECT channel, until, made_at, made_by, reason, leaf FROM hub_extensions", nil, func(row store.Scanner) error {
		var x desk.Extension
		var until, at int64
		if err := row.Scan(&x.Channel, &until, &at, &x.By, &x.Reason, &x.Leaf); err != nil {
			return err
		}
		x.Until, x.At = time.UnixMicro(until).UTC(), time.UnixMicro(at).UTC()
		d.extended[x.Channel] = x
		return nil
	})
	if err != nil {
		return fmt.Errorf("read extensions: %w", err)
	}
	return nil
}

// watched makes the certificates of one channel's other end known to dates;
// without a hub, in bypass, to nobody.
type watched struct {
	h       *Hub
	channel string
	ca      authority // nil in a bypass that carries none
}

func (h *Hub) watched(channel string) watched { return watched{h, channel, h.rooms.certificates} }

func (w watched) over(t channel.TLS) channel.TLS {
	if w.h == nil {
		return t
	}
	t.Now, t.Seen, t.Expired, t.Refused = w.h.now, w.seen, w.expired, w.refused
	return t
}

// negotiated notes protocol, suite and key exchange, for the posture.
func (w watched) negotiated(secured string) {
	if w.h != nil {
		w.h.rooms.sightings.saw(w.channel, secured)
	}
}

// refused notes why a partner's server is not believed. Who comes to a source's
// door is told of by the door.
func (w watched) refused(leaf *x509.Certificate, why error) {
	if strings.HasPrefix(w.channel, "source ") {
		return
	}
	said := why.Error()
	if now := w.h.now(); now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		said = fmt.Sprintf("its certificate is valid from %s to %s, and the hub's clock says %s", when(leaf.NotBefore), when(leaf.NotAfter), when(now))
	}
	d := w.h.dates
	d.mu.Lock()
	before, again := d.refusals[w.channel]
	d.refusals[w.channel] = said
	d.mu.Unlock()
	if stem := func(s string) string { s, _, _ = strings.Cut(s, ", and the hub's clock"); return s }; !again || stem(before) != stem(said) {
		w.h.slog.Warn("the other end's certificate is refused; results wait", "channel", w.channel, "certificate", leaf.Subject.CommonName, "why", said)
	}
}

// refusal is why a channel's other end is not believed at the moment; empty where
// it is.
func (d *dates) refusal(channel string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refusals[channel]
}

func (w watched) seen(leaf *x509.Certificate) {
	w.h.dates.believed(w.channel)
	w.h.cuts.saw(w.channel, leaf)
	if w.h.rooms.certificates.Ours(leaf) {
		w.h.dates.renewed(w.channel, leaf) // it is short-lived and renews itself: the authority tells when it does not
		return
	}
	w.h.dates.saw(w.channel, leaf, false)
}

// expired is asked about a certificate whose only fault is its date: it is
// believed while a person has extended the channel.
func (w watched) expired(leaf *x509.Certificate) bool {
	d, now := w.h.dates, w.h.now()
	d.mu.Lock()
	x, ok := d.extended[w.channel]
	d.mu.Unlock()
	ok = ok && now.Before(x.Until) && leaf.NotAfter.After(x.At.Add(-longDead))
	if !ok && d.saw(w.channel, leaf, true) {
		w.h.slog.Error("ALARM: the other end's certificate has ended and its connections are refused; results wait. `labwarden extend` lets it in for 72 hours",
			"channel", w.channel, "ended", leaf.NotAfter.UTC())
	}
	return ok
}

// saw remembers a certificate; it reports whether that is news.
func (d *dates) saw(channel string, leaf *x509.Certificate, refused bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := theirCertificate{channel, leaf.Subject.CommonName}
	is := theirEnd{leaf.NotBefore, leaf.NotAfter, refused}
	was, known := d.theirs[key]
	if !known && len(d.theirs) >= maxSeen {
		return false
	}
	d.theirs[key] = is
	return was != is
}

// believed forgets why a channel's other end was not.
func (d *dates) believed(channel string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.refusals, channel)
}

// renewed forgets an ended certificate in whose place another was shown.
func (d *dates) renewed(channel string, leaf *x509.Certificate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.theirs, theirCertificate{channel, leaf.Subject.CommonName})
}

// take notes which certificates are in use with a configuration, and forgets
// those of channels that are no more.
func (d *dates) take(c *config.Config, inUse []control.Date) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inUse = inUse
	for key := range d.refusals {
		if !hasChannel(c, key) {
			delete(d.refusals, key)
		}
	}
	for key := range d.theirs {
		if !hasChannel(c, key.channel) {
			delete(d.theirs, key)
		}
	}
}

func hasChannel(c *config.Config, name string) bool {
	for key := range c.Sources {
		if name == "source "+key {
			return true
		}
	}
	for key := range c.Partners {
		if name == "partner "+key {
			return true
		}
	}
	return false
}

// endings are all dates of the configuration that runs and of the certificates
// seen, in a fixed order. now judges which extensions count.
func (h *Hub) endings(c *config.Config, now time.Time) []control.Date {
	onDisk, _ := ownCertificates(c) // the lookout tells of one that cannot be read
	d := h.dates
	d.mu.Lock()
	out := slices.Clone(d.inUse)
	d.mu.Unlock()
	if out == nil {
		out = onDisk // nothing runs
	}
	for i := range out {
		j := slices.IndexFunc(onDisk, func(x control.Date) bool { return x.Of == out[i].Of && x.Kind == out[i].Kind })
		switch {
		case j < 0 || onDisk[j].Ends.Equal(out[i].Ends):
		case slices.ContainsFunc(outerDoors(c), func(d certified) bool { return d.name == out[i].Of }):
			out[i].Begins, out[i].Ends = onDisk[j].Begins, onDisk[j].Ends // it takes what lies there by itself
		default:
			out[i].OnDisk = onDisk[j].Ends
		}
	}
	for of, e := range exceptions(c) {
		x := exception(e)
		out = append(out, control.Date{Of: of, Kind: control.DateException, Ends: x.Until, Owner: e.Owner, What: x.Allows() + " (" + e.Reason + ")"})
	}
	out = append(out, h.ownEndings(now)...)
	out = append(out, h.publicEndings(now)...)
	pinned := h.pinnedEndings(c)
	out = append(out, pinned...)
	for key, v := range c.VPNs {
		if v.Expires != "" {
			out = append(out, control.Date{Of: "vpn " + key, Kind: control.DateVPN, Ends: v.Expires.End(), Owner: v.Owner, What: v.Peer})
		}
	}
	d.mu.Lock()
	for key, t := range d.theirs {
		if slices.ContainsFunc(pinned, func(p control.Date) bool { return p.Of == key.channel && p.What == key.subject && p.Ends.Equal(t.ends) }) {
			continue // pinned, with an owner
		}
		out = append(out, control.Date{Of: key.channel, Kind: control.DateTheirs, Begins: t.begins, Ends: t.ends, What: key.subject, Refused: t.refused})
	}
	out = append(out, d.keys...)
	for i := range out {
		x, ok := d.extended[out[i].Of]
		if ok && (out[i].Kind == control.DateException || out[i].Kind == control.DateTheirs || out[i].Kind == control.DateKey) && x.Until.After(out[i].Ends) && now.Before(x.Until) {
			out[i].Extended = &x
			out[i].Refused = false
		}
	}
	d.mu.Unlock()
	for i := range out {
		if out[i].Owner == "" {
			out[i].Owner = c.Alarms.DateOwner
		}
	}
	slices.SortFunc(out, control.Date.Compare)
	return out
}

// exceptions of a configuration, by channel.
func exceptions(c *config.Config) map[string]*config.Exception {
	out := map[string]*config.Exception{}
	for key, s := range c.Sources {
		if s.MLLP != nil && s.MLLP.Exception != nil {
			out["source "+key] = s.MLLP.Exception
		}
		if s.FTPS != nil && s.FTPS.Exception != nil {
			out["source "+key] = s.FTPS.Exception
		}
	}
	for key, p := range c.Partners {
		d := p.Destination
		for _, e := range []*config.Exception{
			field(d.MLLP, func(m *config.MLLPDestination) *config.Exception { return m.Exception }),
			field(d.FHIR, func(m *config.FHIRDestination) *config.Exception { return m.Exception }),
			field(d.HTTP, func(m *config.HTTPDestination) *config.Exception { return m.Exception }),
			field(d.FTPS, func(m *config.FTPSDestination) *config.Exception { return m.Exception }),
		} {
			if e != nil {
				out["partner "+key] = e
			}
		}
	}
	return out
}

// inForce is the configuration that runs; nil while nothing does. It is asked
// also under applying, by what is built or written down there: so it takes no
// lock. Who needs what belongs to the configuration with it (senders, doors)
// takes applying and goes by running.
func (h *Hub) inForce() *config.Config { return h.conf.Load() }
