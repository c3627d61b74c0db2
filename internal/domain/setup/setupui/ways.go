package setupui

import (
	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// fileWay asks about ways by files, our FHIR server and the portal; false for another.
func fileWay(p setup.NewPartner, secret, finger, authority kit.Field) ([]kit.Field, bool) {
	address := kit.Field{Name: "address", Label: "Host and port", Value: p.Address, Mono: true, Required: true, Hint: "sftp.riverside.example:22"}
	user := kit.Field{Name: "user", Label: "Our name there", Value: p.User, Mono: true, Required: true, Autocomplete: "off"}
	dir := kit.Field{Name: "dir", Label: "Folder there", Value: p.Dir, Mono: true, Optional: true, Hint: "Where they want the files; it must exist. Left empty: where their server puts us."}
	from := kit.Field{Name: "from", Label: "Networks they connect from", Kind: kit.TextareaField, Rows: 2, Value: p.From, Mono: true, Optional: true, Hint: "One a line: 203.0.113.0/28. From anywhere when it is left empty."}
	switch p.Kind {
	case setup.WaySFTPBox:
		return []kit.Field{
			{
				Name: "ssh-keys", Label: "Their SSH public key", Kind: kit.TextareaField, Rows: 3, Value: p.SSHKeys, Mono: true, Optional: true,
				Hint: "The line of their .pub file, like ssh-ed25519 AAAA...; several, one a line. Left empty, they sign in with a password and a one-time code.",
			},
			from,
		}, true
	case setup.WayFTPSBox:
		return []kit.Field{from}, true
	case setup.WaySFTP:
		secret.Label, secret.Hint, secret.Optional = "Secret with our private key", "One of those under Secrets.", false
		return []kit.Field{
			address, user,
			{
				Name: "host-keys", Label: "Fingerprint of their host key", Kind: kit.TextareaField, Rows: 2, Value: p.HostKeys, Mono: true, Required: true,
				Hint: "SHA256:..., one a line. labwarden partner hostkey HOST:PORT shows what the server says; have somebody there read theirs to you.",
			},
			secret,
			{Name: "password", Label: "It is a password: their server takes no keys", Kind: kit.CheckboxField, Checked: p.Password},
			dir,
		}, true
	case setup.WayFTPS:
		address.Hint = "ftps.riverside.example:21; TLS is asked for at once."
		secret.Label, secret.Hint, secret.Optional = "Secret with our password", "One of those under Secrets.", false
		return []kit.Field{address, user, secret, finger, authority, dir}, true
	case setup.WayFHIRPull:
		return []kit.Field{
			{Name: "client-id", Label: "Name of their program", Value: p.ClientID, Mono: true, Required: true, Autocomplete: "off", Hint: "By which it signs in here: riverside-ehr."},
			{Name: "jwks", Label: "File with its public keys", Value: p.JWKS, Mono: true, Required: true, Hint: "On this machine: ./partners/riverside.jwks. They give it to you (a JSON Web Key Set); it holds nothing secret."},
		}, true
	case setup.WayPortal:
		return nil, true
	}
	return nil, false
}

// lastStep says how it is found out that a new way works.
func lastStep(kind string) string {
	switch kind {
	case setup.WaySFTPBox, setup.WayFTPSBox:
		return "A test message lies in their box, and it is seen when they fetch it. Where they sign in with a password, labwarden box password SHORT-NAME draws it, with its one-time code."
	case setup.WayFHIRPull:
		return "Their program fetches; what it has fetched is seen here."
	case setup.WayPortal:
		return "From the partner's page you invite its people by letter, each with a code."
	}
	return "A test message to the partner says whether the line works."
}
