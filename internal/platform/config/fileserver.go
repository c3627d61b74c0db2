package config

import (
	"path"
	"regexp"
	"strings"
)

// HostKey is an SSH server's key: its fingerprint as ssh-keygen -l shows it, or
// the key itself as it stands in known_hosts, without the name.
type HostKey string

func (k HostKey) String() string { return string(k) }

var (
	hostKeyPrint = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}=?$`)
	hostKeyLine  = regexp.MustCompile(`^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) AAAA[A-Za-z0-9+/]+=*( .*)?$`)
)

func (k *HostKey) read(text string) (string, string) {
	t := strings.TrimSpace(text)
	if !hostKeyPrint.MatchString(t) && !hostKeyLine.MatchString(t) {
		return quote(text) + " is not a host key", "write its fingerprint, SHA256:..., or the key, ssh-ed25519 AAAA...; labwarden partner hostkey HOST:PORT shows both"
	}
	*k = HostKey(t)
	return "", ""
}

func (*HostKey) kind() string { return "SSH host key" }

// SFTPDestination is a directory on a partner's SFTP server.
type SFTPDestination struct {
	Address        Address   `yaml:"address" rule:"required" ex:"sftp.riverside.example:22" doc:"HOST:PORT."`
	User           string    `yaml:"user" rule:"required" ex:"millbrook" doc:"Our name there."`
	HostKeys       []HostKey `yaml:"host_keys" ex:"SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg" doc:"The host keys that are believed, as fingerprints or public keys; no other is. Compare them with the partner by phone: labwarden partner hostkey HOST:PORT shows what the server says."`
	Key            Secret    `yaml:"key" ex:"vault:riverside-sftp" doc:"Our private key, as vault:NAME or file:PATH, without a passphrase."`
	Password       Secret    `yaml:"password" sample:"off" doc:"Our password, for a partner that takes no keys, as vault:NAME or file:PATH."`
	Dir            string    `yaml:"dir" default:"." doc:"The directory there, from where the server puts us or from /; it must exist."`
	Name           string    `yaml:"name" default:"{time}-{id}.hl7" doc:"File name: {id} (needed: the delivery), {time}, {date}, {partner}, {route} and plain characters. Never patient data."`
	Receipts       bool      `yaml:"receipts" doc:"Puts a signed receipt beside each file once that has its name: NAME.receipt.json, which labwarden verify checks offline."`
	Verify         string    `yaml:"verify" default:"hash" rule:"oneof=hash|size|none" doc:"How an upload is checked before it gets its name. hash: by its SHA-256, read back where the server offers no command for it. size: by its size alone. none: not, for servers that hide what was uploaded."`
	Connections    int       `yaml:"connections" default:"1" rule:"min=1,max=64" doc:"How many connections to keep, each with one file under way."`
	Timeout        Duration  `yaml:"timeout" default:"30s" rule:"min=1s,max=10m" doc:"A server that does nothing for this time is given up; the file is tried again."`
	PickedUpWithin Duration  `yaml:"picked_up_within" rule:"min=5m,max=366d" doc:"For a partner that takes files away when it has read them: the directory is looked at, what has gone is noted as picked up, and what lies there longer than this raises an alarm. Not looked at when absent."`
}

// FTPSDestination is a directory on a partner's FTP server with explicit TLS.
type FTPSDestination struct {
	Address        Address    `yaml:"address" rule:"required" ex:"ftps.state.example:21" doc:"HOST:PORT. TLS is asked for at once (explicit FTPS); nothing is ever sent without it."`
	User           string     `yaml:"user" rule:"required" ex:"millbrook" doc:"Our name there."`
	Password       Secret     `yaml:"password" doc:"Our password, as vault:NAME or file:PATH; none where our certificate is enough."`
	TLS            *ClientTLS `yaml:"tls" doc:"Whom we accept and who we are: ca or fingerprint is needed. Data connections resume the session of their control connection."`
	Dir            string     `yaml:"dir" default:"." doc:"The directory there, from where the server puts us or from /; it must exist."`
	Name           string     `yaml:"name" default:"{time}-{id}.hl7" doc:"File name: {id} (needed: the delivery), {time}, {date}, {partner}, {route} and plain characters. Never patient data."`
	Receipts       bool       `yaml:"receipts" doc:"Puts a signed receipt beside each file once that has its name: NAME.receipt.json, which labwarden verify checks offline."`
	Verify         string     `yaml:"verify" default:"hash" rule:"oneof=hash|size|none" doc:"How an upload is checked before it gets its name. hash: by its SHA-256, asked of the server, or read back where it offers no command for it. size: by its size alone. none: not."`
	Connections    int        `yaml:"connections" default:"1" rule:"min=1,max=64" doc:"How many connections to keep, each with one file under way."`
	Timeout        Duration   `yaml:"timeout" default:"30s" rule:"min=1s,max=10m" doc:"A server that does nothing for this time is given up; the file is tried again."`
	PickedUpWithin Duration   `yaml:"picked_up_within" rule:"min=5m,max=366d" doc:"For a partner that takes files away when it has read them: the directory is looked at, what has gone is noted as picked up, and what lies there longer than this raises an alarm. Not looked at when absent."`
	Exception      *Exception `yaml:"exception" sample:"off" doc:"Allows TLS 1.2 for a stated time and reason."`
}

// SFTPSource is a directory on somebody's SFTP server that files are taken from.
type SFTPSource struct {
	Address  Address   `yaml:"address" rule:"required" ex:"sftp.lis.example:22" doc:"HOST:PORT."`
	User     string    `yaml:"user" rule:"required" ex:"labwarden" doc:"Our name there."`
	HostKeys []HostKey `yaml:"host_keys" ex:"SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg" doc:"The host keys that are believed, as fingerprints or public keys; no other is."`
	Key      Secret    `yaml:"key" ex:"vault:lis-sftp" doc:"Our private key, as vault:NAME or file:PATH, without a passphrase."`
	Password Secret    `yaml:"password" sample:"off" doc:"Our password, where no keys are taken, as vault:NAME or file:PATH."`
	Dir      string    `yaml:"dir" default:"." doc:"The directory there; it must exist."`
	Match    string    `yaml:"match" default:"*" ex:"*.hl7" doc:"Pattern of the names that are taken (* and ? and [a-z]). Names that begin with a dot or end in .part or .tmp never are."`
	Every    Duration  `yaml:"every" default:"1m" rule:"min=1s,max=24h" doc:"The time between two looks."`
	Settle   Duration  `yaml:"settle" default:"5s" rule:"min=1s,max=1h" doc:"A file is taken once its size and time have stayed the same for this time, seen in two looks."`
	After    string    `yaml:"after" default:"move" rule:"oneof=move|delete|leave" doc:"What becomes of a file whose messages were all taken. move: into the folder done there, with the answer beside it. delete: it is removed. leave: it stays, and is remembered as taken. What was refused or is not whole goes to the folder failed, with leave it stays."`
	MaxFile  Size      `yaml:"max_file" default:"256MiB" rule:"min=1KiB,max=1GiB" doc:"Nothing of a larger file is taken."`
	Timeout  Duration  `yaml:"timeout" default:"30s" rule:"min=1s,max=10m" doc:"A server that does nothing for this time is given up until the next look."`
}

// FTPSSource is a directory on somebody's FTP server with explicit TLS that files
// are taken from.
type FTPSSource struct {
	Address   Address    `yaml:"address" rule:"required" ex:"ftps.lis.example:21" doc:"HOST:PORT. TLS is asked for at once (explicit FTPS)."`
	User      string     `yaml:"user" rule:"required" ex:"labwarden" doc:"Our name there."`
	Password  Secret     `yaml:"password" doc:"Our password, as vault:NAME or file:PATH; none where our certificate is enough."`
	TLS       *ClientTLS `yaml:"tls" doc:"Whom we accept and who we are: ca or fingerprint is needed."`
	Dir       string     `yaml:"dir" default:"." doc:"The directory there; it must exist."`
	Match     string     `yaml:"match" default:"*" ex:"*.hl7" doc:"Pattern of the names that are taken, as for sftp."`
	Every     Duration   `yaml:"every" default:"1m" rule:"min=1s,max=24h" doc:"The time between two looks."`
	Settle    Duration   `yaml:"settle" default:"5s" rule:"min=1s,max=1h" doc:"A file is taken once its size and time have stayed the same for this time, seen in two looks."`
	After     string     `yaml:"after" default:"move" rule:"oneof=move|delete|leave" doc:"What becomes of a file whose messages were all taken, as for sftp."`
	MaxFile   Size       `yaml:"max_file" default:"256MiB" rule:"min=1KiB,max=1GiB" doc:"Nothing of a larger file is taken."`
	Timeout   Duration   `yaml:"timeout" default:"30s" rule:"min=1s,max=10m" doc:"A server that does nothing for this time is given up until the next look."`
	Exception *Exception `yaml:"exception" sample:"off" doc:"Allows TLS 1.2 for a stated time and reason."`
}

// checkSFTP: who they are, and who we are.
func (d *decoder) checkSFTP(at string, keys []HostKey, key, password Secret) {
	if len(keys) == 0 && !d.bad(at) && !d.bad(at+".host_keys") {
		d.addKey(at, Error, "write host_keys: [SHA256:...]; labwarden partner hostkey HOST:PORT shows what the server says, compare it with the partner by phone", "nothing says how the server proves who it is")
	}
	d.only(at, "password", key == "" || password == "", "a server that takes no keys")
	if key == "" && password == "" && !d.bad(at) {
		d.addKey(at, Error, "write key: vault:NAME, or password: vault:NAME where no keys are taken", "there is nothing to sign in with")
	}
}

// checkFTPS: who they are, and who we are.
func (d *decoder) checkFTPS(c *Config, at string, t *ClientTLS, password Secret, e *Exception) {
	if e != nil && e.Kind == "plaintext" && !d.bad(at+".exception") {
		d.add(at+".exception.kind", "write kind: tls12, or use another transport", "ftps is never without TLS")
	} else {
		d.checkException(e, at, true)
	}
	if t == nil && !d.bad(at) {
		d.addKey(at, Error, "write tls: with ca or fingerprint", "nothing says how the server proves who it is")
	}
	d.clientTLS(t, at+".tls", true)
	if password == "" && t != nil && t.Certificate == "" && c.Node.TLS == nil && !d.bad(at) && !d.bad("node.tls") {
		d.addKey(at, Error, "write password: vault:NAME", "there is nothing to sign in with")
	}
}

func (d *decoder) remoteName(name, verify, at string) {
	d.fileName(name, at+".name")
	if strings.HasPrefix(name, ".") {
		d.add(at+".name", "begin with a letter or digit", "files whose names begin with a dot are not seen by the partner")
	}
	if verify == "none" && !d.bad(at+".verify") {
		d.addKey(at+".verify", Warning, "write verify: hash if the server lets us read", "a damaged upload would not be noticed")
	}
}

func (d *decoder) checkRemoteSource(c *Config, name string) {
	s, at := c.Sources[name], join("sources", name)
	d.only(at, "from", len(s.From) == 0, "an mllp source")
	match := ""
	switch {
	case s.SFTP != nil:
		at += ".sftp"
		match = s.SFTP.Match
		d.checkSFTP(at, s.SFTP.HostKeys, s.SFTP.Key, s.SFTP.Password)
	case s.FTPS != nil:
		at += ".ftps"
		match = s.FTPS.Match
		d.checkFTPS(c, at, s.FTPS.TLS, s.FTPS.Password, s.FTPS.Exception)
	}
	if _, err := path.Match(match, "x"); err != nil {
		d.add(at+".match", "write a pattern like *.hl7", "%s is no pattern", quote(match))
	}
}
