package config

import (
	"fmt"
	"net/mail"
	"strings"
)

func (d *decoder) checkAlarms(c *Config) {
	a := c.Alarms
	names, mails := map[string]int{}, 0
	for i, p := range a.OnCall {
		at := fmt.Sprintf("alarms.on_call[%d]", i)
		d.twice(names, p.Name, i, at+".name", "person")
		ways := map[string]int{}
		for j, w := range p.Ways {
			here := fmt.Sprintf("%s.ways[%d]", at, j)
			d.twice(ways, w.Label(), j, here, "way")
			switch w.Kind {
			case "mail":
				mails++
				d.checkMailTo(w, here)
			case "webhook":
				d.need(here, "url", w.URL != "", "write url: https://HOST/PATH", "a webhook")
				d.need(here, "secret", w.Secret != "", "write secret: vault:NAME", "a webhook")
				if w.URL != "" && !w.URL.TLS() {
					d.add(here+".url", "write https://HOST/PATH", "alarms would go there in plaintext")
				}
			}
		}
	}
	if mails > 0 && a.Mail == nil && !d.bad("alarms.mail") {
		d.addKey("alarms.on_call", Error, "write alarms.mail: with server and from", "somebody is to be told by mail, and there is no mail server")
	}
	if m := a.Mail; m != nil {
		if _, err := mail.ParseAddress(m.From); err != nil && !d.bad("alarms.mail.from") {
			d.add("alarms.mail.from", "write an address: labwarden@lab.example", "%s is not a mail address", quote(m.From))
		}
		if (m.User == "") != (m.Password == "") && !d.bad("alarms.mail") {
			d.addKey("alarms.mail", Error, "write both, or neither", "user and password belong together")
		}
	}
	if h := a.Heartbeat; h != nil && h.URL.Plaintext() {
		d.add("alarms.heartbeat.url", "write https://HOST/PATH", "the heartbeat would go there in plaintext")
	}
}

func (d *decoder) checkMailTo(w Way, at string) {
	d.need(at, "to", w.To != "", "write to: and the address", "mail")
	if _, err := mail.ParseAddress(w.To); err != nil && w.To != "" {
		d.add(at+".to", "write an address: m.okafor@lab.example", "%s is not a mail address", quote(w.To))
	}
	for key, absent := range map[string]bool{"url": w.URL == "", "secret": w.Secret == "", "ca": w.CA == ""} {
		d.only(at, key, absent, "a webhook")
	}
}

// Label names the way apart from the person's others: "mail x@y.example",
// "webhook gateway.example". It shows no path, which may be secret.
func (w Way) Label() string {
	if w.Kind == "mail" {
		return "mail " + w.To
	}
	host := strings.TrimPrefix(string(w.URL), "https://")
	host, _, _ = strings.Cut(host, "/")
	host, _, _ = strings.Cut(host, "?")
	if w.To != "" {
		return "webhook " + host + " for " + w.To
	}
	return "webhook " + host
}
