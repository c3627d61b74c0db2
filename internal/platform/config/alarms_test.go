package config

import (
	"strings"
	"testing"
)

const onCall = `alarms:
  mail: {server: "smtp.lab.example:587", from: labwarden@lab.example, user: labwarden, password: vault:smtp}
  heartbeat: {url: "https://watch.lab.example:2581/", every: 30s}
  on_call:
    - name: M. Okafor
      wait: 10m
      ways:
        - {kind: mail, to: m.okafor@lab.example}
        - {kind: webhook, url: "https://sms.example/hidden", to: "+15550100", secret: vault:sms}
`

func TestOnCall(t *testing.T) {
	c, problems := Parse("f", []byte(base(t)+onCall), testOptions())
	if c == nil {
		t.Fatal(problems)
	}
	a := c.Alarms
	if len(a.OnCall) != 1 || a.Repeat.String() != "1h" || a.AcceptedFor.String() != "1d" || a.Mail.TLS != "starttls" || a.Heartbeat.Every.String() != "30s" {
		t.Errorf("%+v", a)
	}
	if x, y := a.OnCall[0].Ways[0].Label(), a.OnCall[0].Ways[1].Label(); x != "mail m.okafor@lab.example" || y != "webhook sms.example for +15550100" {
		t.Errorf("labels %q, %q", x, y)
	}
	again, problems := Parse("f", c.Canonical(), testOptions())
	if again == nil || again.Revision() != c.Revision() {
		t.Errorf("the canonical form is another: %v", problems)
	}
}

func TestOnCallRefused(t *testing.T) {
	for _, x := range []struct{ old, now, want string }{
		{"https://sms", "http://sms", "alarms would go there in plaintext"},
		{"secret: vault:sms", "secret: hunter2hunter2", "a secret must not stand in the configuration"},
		{", secret: vault:sms", "", "a webhook needs secret"},
		{"to: m.okafor@lab.example", "to: okafor", "is not a mail address"},
		{"from: labwarden@lab.example", "from: labwarden", "is not a mail address"},
		{", password: vault:smtp", "", "user and password belong together"},
		{"https://watch", "http://watch", "the heartbeat would go there in plaintext"},
		{"every: 30s", "every: 5m", "is more than 30s"},
		{"{kind: mail, to: m.okafor@lab.example}", "{kind: mail, to: m.okafor@lab.example, url: \"https://x.example/\"}", "url is only for a webhook"},
		{"  mail: {", "  #mail: {", "there is no mail server"},
		{"      wait: 10m\n", "      wait: 10m\n      weight: 3\n", "unknown key"},
		{"kind: webhook", "kind: pigeon", "is not one of mail, webhook"},
	} {
		if !strings.Contains(onCall, x.old) {
			t.Fatalf("no %q", x.old)
		}
		c, problems := Parse("f", []byte(base(t)+strings.Replace(onCall, x.old, x.now, 1)), testOptions())
		var text strings.Builder
		for _, p := range problems {
			text.WriteString(p.Message + "; ")
		}
		if c != nil || !strings.Contains(text.String(), x.want) {
			t.Errorf("%q for %q: %s", x.now, x.old, text.String())
		}
		if strings.Contains(text.String(), "hunter2") {
			t.Errorf("a secret is shown: %s", text.String())
		}
	}
}
