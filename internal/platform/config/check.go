package config

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// check is what no single field can know.
func (d *decoder) check(c *Config) {
	d.checkNode(c)
	taken := map[Listen]string{}
	if l := c.Node.Metrics.Listen; !strings.HasSuffix(string(l), ":0") {
		taken[l] = "node.metrics"
	}
	d.checkPages(c.Node.Web, taken)
	d.checkFront(c, taken)
	d.checkEnrol(c.Node.Enrol, taken)
	d.checkFHIR(&c.Node, taken)
	d.checkTunnels(c, taken)
	d.checkPortal(c, taken)
	d.checkACME(&c.Node, taken)
	for _, name := range sorted(c.Sources) {
		d.checkSource(c, name, taken)
	}
	for _, name := range sorted(c.Partners) {
		d.checkPartner(c, name)
	}
	d.checkVPNs(c)
	d.checkRoutes(c)
	d.checkCounts(c)
	d.checkWitnesses(c)
	d.checkAlarms(c)
	d.checkProfiles(c)
	d.checkSignIn(c)
	if r := c.Retention; d.written("retention.messages") {
		if r.Messages < r.Minimum.Reports {
			d.add("retention.messages", "write at least "+r.Minimum.Reports.String(),
				"%s is less than retention.minimum.reports, %s", r.Messages, r.Minimum.Reports)
		}
	}
}

// checkEnrol: a door of its own.
func (d *decoder) checkEnrol(e *Enrol, taken map[Listen]string) {
	if e == nil || d.bad("node.enrol") {
		return
	}
	if l := e.Listen; !strings.HasSuffix(string(l), ":0") {
		if other, twice := taken[l]; twice {
			d.add("node.enrol.listen", "write another port", "%s has this address already", other)
		}
		taken[l] = "node.enrol"
	}
	for _, n := range e.Names {
		if net.ParseIP(n) == nil && !hostName.MatchString(n) {
			d.add("node.enrol.names", "write host names and addresses, without a port and without *", "%s is neither", quote(n))
		}
	}
}

// checkPages: the pages carry patient data and cookies that only TLS keeps.
func (d *decoder) checkPages(w *Web, taken map[Listen]string) {
	if w == nil || d.bad("node.web") {
		return
	}
	if l := w.Listen; !strings.HasSuffix(string(l), ":0") {
		if other, twice := taken[l]; twice {
			d.add("node.web.listen", "write another port", "%s has this address already", other)
		}
		taken[l] = "node.web"
	}
	u, err := url.Parse(string(w.PublicURL))
	switch {
	case err != nil || u.Scheme != "https":
		d.add("node.web.public_url", "write https://HOST or https://HOST:PORT", "pages are only served over TLS")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		d.add("node.web.public_url", "write https://HOST or https://HOST:PORT, nothing behind it", "the pages stand at the root of their address")
	}
	if w.TLS != nil {
		d.pair("node.web.tls", w.TLS.Certificate, w.TLS.Key)
	}
}

// checkFHIR: whoever asks there is told results.
func (d *decoder) checkFHIR(n *Node, taken map[Listen]string) {
	f := n.FHIR
	if f == nil || d.bad("node.fhir") {
		return
	}
	if l := f.Listen; l != "" && !strings.HasSuffix(string(l), ":0") {
		if other, twice := taken[l]; twice {
			d.add("node.fhir.listen", "write another port", "%s has this address already", other)
		}
		taken[l] = "node.fhir"
	}
	u, err := url.Parse(string(f.PublicURL))
	switch {
	case err != nil || u.Scheme != "https":
		d.add("node.fhir.public_url", "write https://HOST or https://HOST:PORT", "the FHIR server is only served over TLS")
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		d.add("node.fhir.public_url", "write https://HOST or https://HOST:PORT, nothing behind it", "the server stands at /fhir below its address")
	}
	switch {
	case f.TLS != nil:
		d.pair("node.fhir.tls", f.TLS.Certificate, f.TLS.Key)
	case n.TLS == nil && !f.ACME && !d.bad("node.tls"):
		d.addKey("node.fhir", Error, "write tls: with certificate and key here, or node.tls", "the FHIR server has no certificate")
	}
}

func (d *decoder) checkNode(c *Config) {
	db, at := c.Node.Database, "node.database"
	switch db.Engine {
	case "sqlite":
		for key, set := range map[string]bool{"url": db.URL != "", "dsn_file": db.DSNFile != ""} {
			if set {
				d.addKey(at+"."+key, Error, "remove it, or write engine: postgres", "%s is only for engine postgres", key)
			}
		}
	case "postgres":
		if (db.URL == "") == (db.DSNFile == "") && !d.bad(at) {
			d.addKey(at, Error, "write dsn_file: FILE, or url: postgres://USER@HOST/DATABASE without a password", "postgres needs exactly one of url and dsn_file")
		}
		if db.URL != "" {
			d.databaseURL(at+".url", db.URL)
		}
	}
	alone := len(c.Node.Seals) > 0
	for i, s := range c.Node.Seals {
		at := fmt.Sprintf("node.seals[%d]", i)
		switch s.Kind {
		case "keyfile":
			alone = false
			d.need(at, "path", s.Path != "", "write path: ./keys/root.key", "a keyfile seal")
			d.only(at, "name", s.Name == "", "a systemd seal")
		case "systemd":
			alone = false
			d.need(at, "name", s.Name != "", "write name: labwarden-root", "a systemd seal")
			d.only(at, "path", s.Path == "", "a keyfile seal")
		case "passphrase":
			d.only(at, "name", s.Name == "", "a systemd seal")
			d.only(at, "path", s.Path == "", "a keyfile seal")
		default:
			alone = false
		}
	}
	if alone {
		d.addKey("node.seals", Warning, "add {kind: keyfile, path: FILE} or {kind: systemd, name: NAME}",
			"every seal needs a person: after a power cut no result flows until someone comes")
	} else if len(c.Node.Seals) == 1 {
		d.addKey("node.seals", Warning, "add a second one", "only one seal: if it is lost, only recovery shares open the vault")
	}
	d.checkScanner(c.Node.Scanner)
	for _, name := range sorted(c.Node.Listen) {
		d.refer(join("node.listen", name), "source", name, sorted(c.Sources), true)
	}
}

// bad says whether an error stands at path or below it already.
func (d *decoder) bad(path string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool {
		return p.Severity == Error && (p.Path == path || strings.HasPrefix(p.Path, path+".") || strings.HasPrefix(p.Path, path+"["))
	})
}

func (d *decoder) databaseURL(at, text string) {
	const fix = "write postgres://USER@HOST/DATABASE; a password belongs into a file named by dsn_file"
	u, err := url.Parse(text)
	hidden := err != nil
	if err == nil {
		_, inUser := u.User.Password()
		hidden = inUser || strings.Contains(strings.ToLower(u.RawQuery), "password")
	}
	switch {
	case hidden:
		p := d.add(at, fix, "a password must not stand in the configuration")
		p.mask = p.Column
	case u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "":
		p := d.add(at, fix, "not a PostgreSQL address")
		p.mask = p.Column // host=... password=... is the other spelling
	}
}

// need reports that a setting is missing from the section at.
func (d *decoder) need(at, key string, there bool, fix, who string) {
	if !there && !d.bad(at+"."+key) {
		p := d.where(at)
		d.put(p.keyLine, p.keyCol, p.keyWidth, at+"."+key, Error, fix, "%s needs %s", who, key)
	}
}

// only reports a setting that has no meaning here.
func (d *decoder) only(at, key string, absent bool, who string) {
	if !absent {
		d.addKey(at+"."+key, Error, "remove it", "%s is only for %s", key, who)
	}
}

// refer checks that a name exists.
func (d *decoder) refer(at, what, name string, known []string, key bool) {
	if slices.Contains(known, name) || name == "" {
		return
	}
	fix := "write one of " + strings.Join(known, ", ")
	if len(known) == 0 {
		fix = "add it under " + what + "s:"
	} else if near := nearest(name, known); near != "" {
		fix = "write " + near
	}
	if key {
		d.addKey(at, Error, fix, "there is no %s %s", what, quote(name))
	} else {
		d.add(at, fix, "there is no %s %s", what, quote(name))
	}
}

func (d *decoder) checkSource(c *Config, name string, taken map[Listen]string) {
	s, at := c.Sources[name], join("sources", name)
	m := s.MLLP
	d.refer(at+".site", "site", s.Site, sorted(c.Sites), false)
	var kinds []string
	for _, k := range []string{"mllp", "folder", "sftp", "ftps"} {
		if d.written(at + "." + k) {
			kinds = append(kinds, k)
		}
	}
	switch {
	case len(kinds) > 1:
		d.addKey(at+"."+kinds[1], Error, "write two sources", "a source is exactly one of mllp, folder, sftp and ftps")
	case len(kinds) == 0 && !d.bad(at):
		d.need(at, "mllp", false, "write mllp: with listen, folder: with path, or sftp: or ftps: with address", "a source")
	case s.SFTP != nil || s.FTPS != nil:
		d.checkRemoteSource(c, name)
	case s.Folder != nil:
		d.checkFolderSource(c, name)
	}
	if s.Tunnel != "" && s.Folder != nil && !d.bad(at) {
		d.addKey(at+".tunnel", Error, "remove it", "tunnel is for mllp, sftp and ftps sources")
	}
	if m == nil {
		return
	}
	listen, where := c.ListenAddress(name), at+".mllp.listen"
	if _, here := c.Node.Listen[name]; here {
		where = join("node.listen", name)
	}
	if other, twice := taken[listen]; twice {
		d.add(where, "give each listener its own address and port", "%s listens on %s already", other, listen)
	} else if !strings.HasSuffix(string(listen), ":0") {
		taken[listen] = at
	}
	at += ".mllp"
	d.checkException(m.Exception, at, m.TLS != nil)
	if m.TLS != nil {
		t, tls := m.TLS, at+".tls"
		d.pair(tls, t.Certificate, t.Key)
		if t.ClientCA == "" && len(t.Fingerprints) == 0 && !t.OwnCA && !t.Pinned && !d.bad(tls) {
			d.addKey(tls, Error, "write client_ca: FILE, own_ca: true, pinned: true or fingerprints: [...]", "nothing says which client certificates may connect")
		}
		if t.OwnCA && t.ClientCA != "" && !d.bad(tls) {
			d.add(tls+".own_ca", "remove client_ca:, or own_ca:", "our own authority and another beside it: whoever the other signs for would pass as this source")
		}
		if t.Certificate == "" && c.Node.TLS == nil && !t.OwnCA && !d.bad("node.tls") {
			d.addKey(tls, Error, "write node.tls, or certificate and key here", "there is no certificate for this listener")
		}
		return
	}
	if s.Tunnel != "" && m.Exception == nil && !d.bad(at) {
		d.addKey(join("sources", name)+".tunnel", Error, "write mllp.tls with client_ca or fingerprints", "what comes through a tunnel proves itself by its certificate, and tls is missing")
	}
	if listen.Loopback() || listen == "" || d.bad(at) || d.bad(where) {
		return
	}
	if m.Exception == nil || m.Exception.Kind != "plaintext" {
		d.add(where, "write tls: with client_ca, listen on 127.0.0.1, or state exception: {kind: plaintext, reason, owner, until}",
			"plaintext on %s: anyone on that network could read results", listen)
	} else if len(s.From) == 0 && !d.bad(join("sources", name)+".from") {
		d.addKey(at, Error, "write from: [ADDRESS/32]", "a plaintext source proves itself only by its network, and from is missing")
	}
}

func (d *decoder) checkFolderSource(c *Config, name string) {
	s, at := c.Sources[name], join("sources", name)
	f := s.Folder
	if _, err := path.Match(f.Match, "x"); err != nil {
		d.add(at+".folder.match", "write a pattern like *.hl7", "%s is no pattern", quote(f.Match))
	}
	d.only(at, "from", len(s.From) == 0, "an mllp source")
	for _, other := range sorted(c.Sources) {
		if o := c.Sources[other].Folder; o != nil && other < name && path.Clean(string(o.Path)) == path.Clean(string(f.Path)) {
			d.add(at+".folder.path", "give each source a folder of its own", "source %s takes from %s already", other, quote(string(f.Path)))
		}
	}
	for _, key := range sorted(c.Partners) {
		if o := c.Partners[key].Destination.Folder; o != nil && path.Clean(string(o.Path)) == path.Clean(string(f.Path)) {
			d.add(at+".folder.path", "choose another folder", "partner %s is sent its results there: they would come back in", key)
		}
	}
}

func (d *decoder) pair(at string, cert, key Path) {
	if (cert == "") != (key == "") && !d.bad(at) {
		d.addKey(at, Error, "write both, or neither to use those of node.tls", "certificate and key belong together")
	}
}

// checkException checks an exception against the section it stands in, and
// warns of it: one that nobody sees is forgotten.
func (d *decoder) checkException(e *Exception, at string, tls bool) {
	if e == nil {
		return
	}
	at += ".exception"
	if d.bad(at) {
		return
	}
	if e.Kind == "plaintext" && tls {
		d.add(at+".kind", "remove tls:, or write kind: tls12", "a plaintext exception beside TLS settings")
		return
	}
	if e.Kind == "tls12" && !tls {
		d.add(at+".kind", "write tls:, or kind: plaintext", "a tls12 exception without TLS settings")
		return
	}
	if d.opts.Now.IsZero() {
		return
	}
	what := map[string]string{"plaintext": "plaintext", "tls12": "TLS 1.2"}[e.Kind]
	d.addKey(at, Warning, "mend the cause, or set a later until with its reason", "%s %s; owner %s", what, e.state(d.opts.Now), e.Owner)
}

// DaysLeft counts the days from now to the last day, in UTC: 0 on the last day
// itself, negative past it.
func (e Exception) DaysLeft(now time.Time) int {
	last := e.Until.End().AddDate(0, 0, -1)
	y, m, day := now.UTC().Date()
	return int(last.Sub(time.Date(y, m, day, 0, 0, 0, 0, time.UTC)) / (24 * time.Hour))
}

// Alarm returns which of the alarms at 30, 14, 7 and 1 days is due, 0 past the
// last day, and -1 while none is.
func (e Exception) Alarm(now time.Time) int {
	left := e.DaysLeft(now)
	if left < 0 {
		return 0
	}
	for _, days := range []int{1, 7, 14, 30} {
		if left <= days {
			return days
		}
	}
	return -1
}

func (e Exception) state(now time.Time) string {
	left := e.DaysLeft(now)
	switch alarm := e.Alarm(now); {
	case alarm == 0:
		return fmt.Sprintf("was allowed until %s, %s ago; it keeps running", e.Until, days(-left))
	case left == 0:
		return fmt.Sprintf("is allowed until %s, which is today", e.Until)
	case alarm > 0:
		return fmt.Sprintf("is allowed until %s, only %s left", e.Until, days(left))
	}
	return fmt.Sprintf("is allowed until %s, %s left", e.Until, days(left))
}

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

func (d *decoder) checkWitnesses(c *Config) {
	kinds, names := map[string]bool{}, map[string]int{}
	for i, w := range c.Witnesses {
		at := fmt.Sprintf("witnesses[%d]", i)
		kinds[w.Kind] = true
		d.twice(names, w.Name, i, at+".name", "witness")
		switch w.Kind {
		case "http":
			d.need(at, "url", w.URL != "", "write url: https://HOST/PATH", "an http witness")
			d.need(at, "key", w.Key != "", "write key: and the witness's public key", "an http witness")
			d.only(at, "path", w.Path == "", "a folder witness")
		case "folder":
			d.need(at, "path", w.Path != "", "write path: FOLDER", "a folder witness")
			for key, absent := range map[string]bool{"url": w.URL == "", "key": w.Key == "", "token": w.Token == "", "ca": w.CA == ""} {
				d.only(at, key, absent, "an http witness")
			}
		}
	}
	if len(kinds) < 2 && d.written("witnesses") {
		d.addKey("witnesses", Warning, "add a witness of another kind", "%s of witness: two are advised", cmp.Or(map[int]string{1: "only one kind"}[len(kinds)], "no kind"))
	}
}

// twice reports a name that an earlier entry of the list has.
func (d *decoder) twice(names map[string]int, name string, i int, at, what string) {
	if j, ok := names[name]; ok && name != "" {
		d.add(at, "choose another name", "%s %d is called %s too", what, j+1, quote(name))
		return
	}
	names[name] = i
}
