package sftp

import (
	"crypto/fips140"

	"golang.org/x/crypto/ssh"
)

// Algorithms are what SSH may agree on. Nothing of SHA-1, CBC, and no
// encrypt-and-MAC. ChaCha20-Poly1305 is left out on both sides: with AES-GCM
// alone a client without strict key exchange has nothing that the Terrapin
// attack (CVE-2023-48795) could use.
type Algorithms struct {
	KeyExchanges, Ciphers, MACs, UserKeys, HostKeys []string
}

// OursToOffer is the list in order of our wish: the hybrid of ML-KEM-768 and
// X25519 first. Under FIPS 140 only what its module approves is left.
func OursToOffer() Algorithms {
	a := Algorithms{
		KeyExchanges: []string{
			ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519,
			ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521,
		},
		Ciphers: []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM},
		// With AES-GCM no MAC is used; the list must not be empty.
		MACs: []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM},
		// A certificate counts as the algorithm of its key (golang.org/x/crypto/ssh).
		UserKeys: []string{
			ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoSKECDSA256,
			ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512,
		},
		HostKeys: []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512},
	}
	if fips140.Enabled() {
		a.KeyExchanges = []string{ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521}
		a.UserKeys = []string{
			ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512,
		}
		a.HostKeys = a.HostKeys[1:]
	}
	return a
}

// MinRSABits is the shortest RSA key that signs in or is believed of a host
// (NIST SP 800-131A: shorter ones are disallowed).
const MinRSABits = 2048
