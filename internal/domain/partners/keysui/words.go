package keysui

import (
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// kindWords name a kind of key as people know it.
func kindWords(kind string) string {
	switch kind {
	case "age":
		return "age"
	case "age-pq":
		return "age, post-quantum"
	case "openpgp":
		return "OpenPGP"
	case "cms":
		return "S/MIME certificate"
	}
	return kind
}

// state is how a key stands, drawn.
func state(k *keys.Key, now time.Time) (kit.State, string) {
	switch s := k.Stands(now); s {
	case "in use", "retiring":
		if !k.Ends.IsZero() && !now.Before(k.Ends) {
			return kit.Stopped, s + ", past its end"
		}
		if !k.Ends.IsZero() && k.Ends.Sub(now) <= 30*24*time.Hour {
			return kit.Warn, s + ", ends soon"
		}
		return kit.Fine, s
	case "proposed", "compared":
		return kit.Warn, s
	case "revoked":
		return kit.Stopped, s
	default:
		return kit.Unknown, s
	}
}

// lead answers in one sentence how the results of this partner are encrypted.
func lead(p Partner, f keys.Force, all []keys.Key) (lead, rest string) {
	waits := 0
	for i := range all {
		if all[i].State < keys.InUse {
			waits++
		}
	}
	if waits > 0 {
		rest = kit.Many(waits, "key waits to be compared or taken into use.", "keys wait to be compared or taken into use.")
	}
	switch {
	case !p.Registered:
		return "Results for " + p.Name + " are not encrypted to these keys.", "In the configuration, destination: {encrypt: {keys: registered}} does that. " + rest
	case len(f.Keys) == 0:
		return "There is no key to encrypt to for " + p.Name + ": its results wait.", rest
	case f.Late:
		return "Results for " + p.Name + " are still encrypted to a key that was to be replaced.", rest
	case len(f.Keys) == 1:
		return "Results for " + p.Name + " are encrypted to one key.", rest
	}
	return "Results for " + p.Name + " are encrypted to " + kit.Count(len(f.Keys)) + " keys: each of them opens them.", rest
}

// ask says whom to call.
func ask(p Partner) string {
	switch {
	case p.Contact != "" && p.Phone != "":
		return p.Contact + " at " + p.Phone
	case p.Contact != "":
		return p.Contact
	case p.Phone != "":
		return p.Name + " at " + p.Phone
	}
	return "somebody you know at " + p.Name
}

// howTheySee is what the partner types to see the fingerprint of its own key.
func howTheySee(kind string) string {
	switch kind {
	case "openpgp":
		return "gpg --fingerprint THEIR-ADDRESS"
	case "cms":
		return "openssl x509 -in certificate.pem -outform DER | sha256sum"
	}
	return "printf %s age1... | sha256sum"
}

func short(fingerprint string) string {
	g := keys.Groups(fingerprint)
	return strings.Join(g[:min(2, len(g))], " ") + " …"
}
