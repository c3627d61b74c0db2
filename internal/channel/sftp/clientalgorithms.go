package sftp

import (
	"crypto/fips140"
	"crypto/rsa"

	"golang.org/x/crypto/ssh"
)

// algorithms are what we agree to with a partner's server, in the order of our
// wish: the hybrid of ML-KEM-768 and X25519 first. Nothing of SHA-1, no CBC, no
// MAC before encryption, and no ChaCha20-Poly1305: without it, and with
// encrypt-then-MAC beside AES-CTR alone, there is nothing that the Terrapin
// attack (CVE-2023-48795) could use on a server without strict key exchange.
// AES-CTR and the classic groups are for partners whose servers are old. Under
// FIPS 140 only what its module approves is left.
func algorithms() ssh.Algorithms {
	a := ssh.Algorithms{
		KeyExchanges: []string{
			ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519,
			ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521,
			ssh.KeyExchangeDH16SHA512, ssh.KeyExchangeDHGEXSHA256,
		},
		Ciphers:  []string{ssh.CipherAES256GCM, ssh.CipherAES128GCM, ssh.CipherAES256CTR, ssh.CipherAES128CTR},
		MACs:     []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM},
		HostKeys: []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
	}
	if fips140.Enabled() {
		a.KeyExchanges = []string{ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521}
		a.HostKeys = a.HostKeys[1:]
	}
	return a
}

// shortestRSA is the shortest RSA key that is believed of a host, and that we
// sign in with (NIST SP 800-131A: shorter ones are disallowed).
const shortestRSA = 2048

// tooShort says that a key is an RSA key that nobody should trust.
func tooShort(key ssh.PublicKey) bool {
	c, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return false
	}
	k, ok := c.CryptoPublicKey().(*rsa.PublicKey)
	return ok && k.N.BitLen() < shortestRSA
}

// typesOf are the signature algorithms of a kind of key.
func typesOf(key string) []string {
	if key == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256} // RFC 8332 3
	}
	return []string{key}
}
