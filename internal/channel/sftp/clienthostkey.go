package sftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Pins are the host keys that are believed of a server, each a fingerprint
// ("SHA256:…", as ssh-keygen -l shows it) or a public key as it stands in
// known_hosts ("ssh-ed25519 AAAA…").
type pins struct {
	fingerprints []string
	keys         []ssh.PublicKey
}

func readPins(texts []string) (p pins, err error) {
	for _, t := range texts {
		t = strings.TrimSpace(t)
		if strings.HasPrefix(t, "SHA256:") {
			p.fingerprints = append(p.fingerprints, strings.TrimRight(t, "="))
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(t))
		if err != nil {
			return p, fmt.Errorf("read host key %q: write its fingerprint (SHA256:…) or its public key (ssh-ed25519 AAAA…)", t)
		}
		if tooShort(key) {
			return p, fmt.Errorf("host key %s is an RSA key of less than %d bits: ask for another", ssh.FingerprintSHA256(key), shortestRSA)
		}
		p.keys = append(p.keys, key)
	}
	if len(p.fingerprints)+len(p.keys) == 0 {
		return p, errors.New("no host key is pinned: nobody could be believed")
	}
	return p, nil
}

func (p pins) believe(key ssh.PublicKey) bool {
	if tooShort(key) {
		return false
	}
	return slices.Contains(p.fingerprints, ssh.FingerprintSHA256(key)) ||
		slices.ContainsFunc(p.keys, func(k ssh.PublicKey) bool { return string(k.Marshal()) == string(key.Marshal()) })
}

// asks are the lists of host key algorithms to ask a server for, one after the
// other: a fingerprint does not say of which kind its key is, and a server shows
// one key only.
func (p pins) asks() [][]string {
	all := algorithms().HostKeys
	if len(p.fingerprints) == 0 {
		var of []string
		for _, k := range p.keys {
			of = append(of, typesOf(k.Type())...)
		}
		return [][]string{of}
	}
	out := [][]string{all}
	for _, kind := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA} {
		if types := typesOf(kind); slices.Contains(all, types[0]) {
			out = append(out, types)
		}
	}
	return out
}

// strangerError: the server is not the one agreed on.
type strangerError struct {
	addr  string
	shown []string
}

func (e *strangerError) Error() string {
	return fmt.Sprintf("the server at %s shows a host key that was not agreed on (%s). Nothing was sent. Ask the partner, by phone, whether their key has changed; if it has, and they read out the same fingerprint, put it under host_keys",
		e.addr, strings.Join(e.shown, ", "))
}

// Shown is a host key as a server shows it.
type Shown struct{ Type, Fingerprint, Line string }

// HostKeys asks a server for its host keys, one of each kind it has, and signs
// in nowhere. They are what somebody at that address says: compare them with the
// partner on the phone before one is put into the configuration.
func HostKeys(ctx context.Context, addr string) ([]Shown, error) {
	var out []Shown
	var last error
	for _, kind := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA} {
		var key ssh.PublicKey
		seen := errors.New("seen")
		conf := clientConfig(typesOf(kind))
		conf.User = "labwarden"
		conf.HostKeyCallback = func(_ string, _ net.Addr, k ssh.PublicKey) error { key = k; return seen }
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return out, fmt.Errorf("connect to %s: %w", addr, err)
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		_, _, _, err = ssh.NewClientConn(conn, addr, conf)
		stop()
		_ = conn.Close()
		if key == nil {
			last = err
			continue
		}
		out = append(out, Shown{key.Type(), ssh.FingerprintSHA256(key), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("ask %s for its host keys: %w", addr, last)
	}
	return out, nil
}
