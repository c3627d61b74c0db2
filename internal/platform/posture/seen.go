package posture

import (
	"slices"
	"strings"
	"time"
)

// The answers. Nothing is Yes that was not seen.
const (
	Yes     = "yes"
	No      = "no"
	Unknown = "unknown"
)

// Seen is what a connection negotiated, as channel.Peer.TLS has it: "TLS 1.3
// TLS_AES_128_GCM_SHA256 X25519MLKEM768" or "SSH mlkem768x25519-sha256
// aes128-gcm". Secured is empty where a connection had no encryption; At is zero
// where none was seen.
type Seen struct {
	Secured string
	At      time.Time
}

// Negotiated is Seen in its parts.
type Negotiated struct {
	Protocol string // "TLS 1.3", "SSH", "none" (plaintext); empty: not seen
	Cipher   string
	Exchange string // the key exchange; empty where it was not noted
}

// Parts takes it apart.
func (s Seen) Parts() Negotiated {
	w := strings.Fields(s.Secured)
	switch {
	case s.At.IsZero():
		return Negotiated{}
	case len(w) == 0:
		return Negotiated{Protocol: "none"}
	case w[0] == "WireGuard" && len(w) == 3:
		return Negotiated{Protocol: w[0], Cipher: w[1], Exchange: w[2]}
	case w[0] == "SSH":
		n := Negotiated{Protocol: "SSH"}
		if len(w) > 1 {
			n.Exchange = w[1]
		}
		if len(w) > 2 {
			n.Cipher = strings.TrimSuffix(w[2], "@openssh.com")
		}
		return n
	case w[0] == "TLS" && len(w) > 2:
		n := Negotiated{Protocol: "TLS " + w[1], Cipher: w[2]}
		if len(w) > 3 {
			n.Exchange = w[3]
		}
		return n
	}
	return Negotiated{Protocol: s.Secured}
}

// PostQuantum says whether the key exchange withstands a quantum computer that
// comes later: ML-KEM (FIPS 203) or sntrup761, beside a classical one.
func (s Seen) PostQuantum() string {
	n := s.Parts()
	x := strings.ToLower(n.Exchange)
	switch {
	case n.Protocol == "":
		return Unknown
	case n.Protocol == "none":
		return No
	case strings.Contains(x, "mlkem"), strings.Contains(x, "sntrup761"):
		return Yes
	case x == "" && n.Protocol == "TLS 1.2": // RFC 8422: the named groups of TLS 1.2 are classical
		return No
	case x == "":
		return Unknown
	}
	return No
}

// FIPS says whether algorithms that FIPS 140-3 approves were used, out of the
// module that is validated: build says whether this build has it. For the other
// end it says nothing.
func (s Seen) FIPS(build bool) string {
	n := s.Parts()
	switch {
	case n.Protocol == "":
		return Unknown
	case !build, !s.approved():
		return No
	}
	return Yes
}

// approved: AES with an exchange over a NIST curve, or one that mixes ML-KEM in
// (SP 800-56C r2 2: a hybrid secret counts when one part is approved). An exchange
// that was not noted is not held against it: the FIPS build offers no other.
func (s Seen) approved() bool {
	n := s.Parts()
	if !strings.Contains(strings.ToUpper(n.Cipher), "AES") {
		return false
	}
	x := strings.ToLower(n.Exchange)
	if n.Protocol == "SSH" {
		return strings.HasPrefix(x, "ecdh-sha2-nistp") || strings.HasPrefix(x, "diffie-hellman-group1") && strings.HasSuffix(x, "-sha256") || x == "diffie-hellman-group16-sha512"
	}
	return x == "" || strings.Contains(x, "mlkem") || slices.Contains([]string{"curvep256", "curvep384", "curvep521"}, x)
}
