package posture

import (
	"testing"
	"time"
)

func TestWhatWasNegotiated(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for secured, want := range map[string]struct {
		n         Negotiated
		pq, fips  string // fips: in the FIPS build
		otherwise string // guidance by TLS in that build
	}{
		"TLS 1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768":          {Negotiated{"TLS 1.3", "TLS_AES_128_GCM_SHA256", "X25519MLKEM768"}, Yes, Yes, Yes},
		"TLS 1.3 TLS_AES_256_GCM_SHA384 CurveP256":               {Negotiated{"TLS 1.3", "TLS_AES_256_GCM_SHA384", "CurveP256"}, No, Yes, Yes},
		"TLS 1.3 TLS_AES_128_GCM_SHA256 X25519":                  {Negotiated{"TLS 1.3", "TLS_AES_128_GCM_SHA256", "X25519"}, No, No, Unknown},
		"TLS 1.3 TLS_CHACHA20_POLY1305_SHA256 X25519MLKEM768":    {Negotiated{"TLS 1.3", "TLS_CHACHA20_POLY1305_SHA256", "X25519MLKEM768"}, Yes, No, No},
		"TLS 1.3 TLS_AES_128_GCM_SHA256":                         {Negotiated{"TLS 1.3", "TLS_AES_128_GCM_SHA256", ""}, Unknown, Yes, Yes},
		"SSH mlkem768x25519-sha256 aes128-gcm@openssh.com":       {Negotiated{"SSH", "aes128-gcm", "mlkem768x25519-sha256"}, Yes, No, ""},
		"SSH ecdh-sha2-nistp256 aes256-gcm@openssh.com":          {Negotiated{"SSH", "aes256-gcm", "ecdh-sha2-nistp256"}, No, Yes, ""},
		"SSH diffie-hellman-group1-sha1 aes128-ctr":              {Negotiated{"SSH", "aes128-ctr", "diffie-hellman-group1-sha1"}, No, No, ""},
		"SSH curve25519-sha256 chacha20-poly1305@openssh.com":    {Negotiated{"SSH", "chacha20-poly1305", "curve25519-sha256"}, No, No, ""},
		"WireGuard ChaCha20-Poly1305 X25519+mlkem-preshared-key": {Negotiated{"WireGuard", "ChaCha20-Poly1305", "X25519+mlkem-preshared-key"}, Yes, No, ""},
		"": {Negotiated{Protocol: "none"}, No, No, ""},
		"TLS 1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 CurveP256": {Negotiated{"TLS 1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "CurveP256"}, No, Yes, Yes},
	} {
		s := Seen{secured, at}
		if n := s.Parts(); n != want.n || s.PostQuantum() != want.pq || s.FIPS(true) != want.fips || s.FIPS(false) != No {
			t.Errorf("%q: %+v, post-quantum %s, FIPS %s", secured, n, s.PostQuantum(), s.FIPS(true))
		}
		if got, why := (Channel{Seen: s}).Judge(true); want.otherwise != "" && got != want.otherwise || why == "" {
			t.Errorf("%q: %s (%s), want %s", secured, got, why, want.otherwise)
		}
		if got, _ := (Channel{Seen: s}).Judge(false); got == Yes {
			t.Errorf("%q meets the guidance without the validated module", secured)
		}
	}
}

// Nothing that was not seen is good in any column, whatever is configured.
func TestNotSeenIsNeverGood(t *testing.T) {
	for _, c := range []Channel{{}, {SSH: true}, {WireGuard: true}, {VPN: true}, {Folder: true}, {Folder: true, Encrypted: true}, {Loopback: true, Plain: true}, {Plain: true, Tunnel: true}} {
		var l Line
		l.Settle(c, true)
		if l.State != NotSeen || l.Guidance != Unknown || l.PostQuantum == Yes || l.FIPS == Yes || l.Protocol != "" || l.Why == "" || l.EndToEnd != "none" {
			t.Errorf("%+v: %+v", c, l)
		}
	}
	l := Line{Dates: []Date{{Kind: "exception", Due: true, Past: true}}}
	l.Settle(Channel{Seen: Seen{"TLS 1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768", time.Unix(1, 0)}}, true)
	if l.Guidance != Yes || l.State != Warn {
		t.Errorf("an end that is over: %+v", l)
	}
	l = Line{}
	l.Settle(Channel{Plain: true}, true)
	if l.State != Stopped || l.Guidance != No {
		t.Errorf("plaintext: %+v", l)
	}
}
