package config

import (
	"net/url"
	"slices"
	"strings"
)

// SignIn says how people sign in besides passkeys and passwords, which are always
// there. It is a pointer in Config: a revision from before it keeps its hash.
type SignIn struct {
	OIDC *OIDC `yaml:"oidc" doc:"An OpenID Connect provider. Its redirect address for us is node.web.public_url followed by /sign-in/provider/return."`
}

// OIDC is an OpenID Connect provider.
type OIDC struct {
	Issuer    URL      `yaml:"issuer" rule:"required" ex:"https://id.millbrook.example" doc:"The provider's issuer, letter for letter as it stands in its tokens."`
	ClientID  string   `yaml:"client_id" rule:"required" ex:"labwarden" doc:"What the provider calls us. A token made for another program is not taken."`
	Secret    Secret   `yaml:"client_secret" rule:"required" ex:"vault:oidc" doc:"Our password there, as vault:NAME or file:PATH."`
	Label     string   `yaml:"label" rule:"required" ex:"Millbrook ID" doc:"What your people call it; it stands on the button."`
	Scopes    []string `yaml:"scopes" default:"openid, profile" doc:"What we ask for. Some providers give groups only for a scope of their own."`
	Groups    string   `yaml:"groups" default:"groups" doc:"The claim that names a person's groups. Which group gives which role is a rule on the page People; without a rule nobody new comes in."`
	Strong    *Strong  `yaml:"strong" sample:"off" doc:"When a sign-in there counts for more than one factor. Without this section it never does, and administrators, security and compliance officers need a passkey of ours."`
	RoleDays  int      `yaml:"role_days" rule:"min=1,max=366" ex:"30" doc:"For how many days after a sign-in by the provider the roles of its groups count; 30 when absent. Who comes in by a passkey or password of ours for longer has them no more until the provider was asked again."`
	SCIMIsSub bool     `yaml:"scim_external_id_is_subject" doc:"Whoever SCIM provisioned has this provider's subject as externalId. Say so only if one directory feeds both; who may write an externalId decides then who signs in as whom."`
	CA        Path     `yaml:"ca" rule:"file" doc:"PEM file of the authorities that may vouch for the provider; the system's when absent."`
}

// Strong are the words of a provider that count.
type Strong struct {
	TwoFactor []string `yaml:"two_factor" ex:"mfa" doc:"Values of acr or amr that show two factors."`
	Passkey   []string `yaml:"passkey" ex:"hwk" doc:"Values of acr or amr that show a key that cannot be phished (hwk, phr). They open what needs a passkey: name only what your provider truly enforces."`
}

func (d *decoder) checkSignIn(c *Config) {
	if c.SignIn == nil || c.SignIn.OIDC == nil || d.bad("sign_in.oidc") {
		return
	}
	o, at := c.SignIn.OIDC, "sign_in.oidc"
	u, err := url.Parse(string(o.Issuer))
	switch {
	case d.bad(at + ".issuer"):
	case err != nil || u.Scheme != "https":
		d.add(at+".issuer", "write https://HOST/PATH", "an issuer is only asked over TLS")
	case u.RawQuery != "" || u.ForceQuery:
		d.add(at+".issuer", "write it as the provider's tokens have it", "an issuer has nothing behind a question mark")
	}
	if len(o.Scopes) > 0 && !slices.Contains(o.Scopes, "openid") && !d.bad(at+".scopes") {
		d.add(at+".scopes", "write scopes: [openid, profile]", "openid is missing: the provider would not say who signs in")
	}
	if s := o.Strong; s != nil {
		for _, v := range s.Passkey {
			if key := at + ".strong.passkey"; !d.bad(key) && slices.Contains([]string{"pwd", "otp", "sms", "mfa", "kba", "pin", "tel"}, strings.ToLower(v)) {
				d.add(key, "write it under two_factor, or leave it out", "%s shows no key that cannot be phished (RFC 8176)", quote(v))
			}
		}
	}
	if c.Node.Web == nil {
		d.addKey(at, Warning, "write node.web:, or remove it", "there are no pages to sign in on")
	}
}
