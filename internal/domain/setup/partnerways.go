package setup

import "strings"

// Ways to a partner that a form can write, beside HL7 over TLS, FHIR, HTTPS and a
// folder.
const (
	WaySFTPBox  = "sftp-box"  // they fetch from a box here
	WayFTPSBox  = "ftps-box"  // likewise, by FTP with TLS
	WaySFTP     = "sftp"      // we put files on their server
	WayFTPS     = "ftps"      // likewise, by FTP with TLS
	WayFHIRPull = "fhir-pull" // their program fetches from our FHIR server
	WayPortal   = "portal"    // they look with a browser
)

// fileFields are the fields of these ways, by the setting they become.
var fileFields = map[string]string{
	"box.keys": "ssh-keys", "box.from": "from", "box": "ssh-keys",
	"destination.sftp.address": "address", "destination.sftp.user": "user", "destination.sftp.host_keys": "host-keys", "destination.sftp.key": "token", "destination.sftp.password": "token",
	"destination.sftp.dir": "dir", "destination.sftp": "address",
	"destination.ftps.address": "address", "destination.ftps.user": "user", "destination.ftps.password": "token", "destination.ftps.dir": "dir",
	"destination.ftps.tls.fingerprint": "fingerprint", "destination.ftps.tls.ca": "ca", "destination.ftps.tls": "fingerprint", "destination.ftps": "address",
	"destination.fhir_pull.client_id": "client-id", "destination.fhir_pull.keys": "jwks", "destination.fhir_pull": "client-id",
}

// checkFiles says what is missing of these ways; false for another.
func (p *NewPartner) checkFiles(w Wrong) bool {
	switch p.Kind {
	case WaySFTPBox, WayFTPSBox, WayPortal:
	case WaySFTP:
		p.checkServer(w, "sftp.partner.example:22")
		if len(items(p.HostKeys)) == 0 {
			w["host-keys"] = "Write their host key's fingerprint, SHA256:...: labwarden partner hostkey HOST:PORT shows it, and somebody there reads it to you."
		}
		w.need("token", p.Token, "Choose the secret with our private key or password there.")
	case WayFTPS:
		p.checkServer(w, "ftps.partner.example:21")
		if p.CA == "" && p.Fingerprint == "" {
			w["fingerprint"] = "Write their certificate's fingerprint, or below the file of the authority that vouches for it."
		}
		w.need("token", p.Token, "Choose the secret with our password there.")
	case WayFHIRPull:
		w.need("client-id", p.ClientID, "Write the name by which their program signs in, like riverside-ehr.")
		w.need("jwks", p.JWKS, "Write the file with their program's public keys.")
	default:
		return false
	}
	return true
}

func (p *NewPartner) checkServer(w Wrong, like string) {
	w.need("address", p.Address, "Write host and port, like "+like+".")
	w.need("user", p.User, "Write our name there.")
}

func several(all []string) []any {
	out := []any{}
	for _, x := range all {
		out = append(out, x)
	}
	return out
}

// keyLines are public keys, one a line: a key's comment may hold anything else.
func keyLines(text string) (out []string) {
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// fileSettings are what these ways write; false for another.
func (p *NewPartner) fileSettings() ([]setting, bool) {
	var out []setting
	add := func(path string, value any) {
		if value != "" {
			out = append(out, setting{path, value})
		}
	}
	box := func() {
		if keys := several(keyLines(p.SSHKeys)); len(keys) > 0 && p.Kind == WaySFTPBox {
			add("box.keys", keys)
		} else {
			add("box.password", true)
		}
		if from := several(items(p.From)); len(from) > 0 {
			add("box.from", from)
		}
		add("destination.box", map[string]any{})
	}
	switch p.Kind {
	case WaySFTPBox, WayFTPSBox:
		box()
	case WaySFTP:
		add("destination.sftp.address", p.Address)
		add("destination.sftp.user", p.User)
		add("destination.sftp.host_keys", several(items(p.HostKeys)))
		if p.Password {
			add("destination.sftp.password", "vault:"+p.Token)
		} else {
			add("destination.sftp.key", "vault:"+p.Token)
		}
		add("destination.sftp.dir", p.Dir)
	case WayFTPS:
		add("destination.ftps.address", p.Address)
		add("destination.ftps.user", p.User)
		add("destination.ftps.password", "vault:"+p.Token)
		add("destination.ftps.tls.fingerprint", p.Fingerprint)
		add("destination.ftps.tls.ca", p.CA)
		add("destination.ftps.dir", p.Dir)
	case WayFHIRPull:
		add("destination.fhir_pull.client_id", p.ClientID)
		add("destination.fhir_pull.keys", p.JWKS)
	case WayPortal:
		add("destination.portal", map[string]any{})
	default:
		return nil, false
	}
	return out, true
}
