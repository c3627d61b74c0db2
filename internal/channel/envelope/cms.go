package envelope

import (
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/labwarden/labwarden/internal/channel"
)

// CMS encrypts CMS EnvelopedData (RFC 5652 6) to RSA certificates: AES-256-CBC,
// its key transported with RSAES-OAEP (RFC 3560). This is what the CMS readers
// in the field open; authenticated encryption (RFC 5083) is not.
//
// CBC does not prove that nobody changed the text on the way. With a signing
// certificate the content is a SignedData, which does; without one only the
// transport protects it, so sign wherever the partner can verify.
type CMS struct {
	to    []*x509.Certificate
	sign  *tls.Certificate
	until time.Time
}

// choose sets what the library keeps in package variables, whose defaults are
// single DES and PKCS #1 v1.5. Once, before any use, so that reads do not race.
var choose = sync.OnceFunc(func() {
	pkcs7.ContentEncryptionAlgorithm = pkcs7.EncryptionAlgorithmAES256CBC
	pkcs7.KeyEncryptionAlgorithm = pkcs7.OIDEncryptionAlgorithmRSAESOAEP
	// The default of RFC 4055 4.1, with a mask generation function that matches:
	// the library writes no other function down. OAEP does not rest on SHA-1
	// being free of collisions.
	pkcs7.KeyEncryptionHash = crypto.SHA1
})

// NewCMS takes the partner's certificates and, to sign, our own certificate with
// its key (nil signs nothing).
func NewCMS(to []*x509.Certificate, sign *tls.Certificate) (*CMS, error) {
	c := &CMS{sign: sign}
	for i, t := range to {
		k, ok := t.PublicKey.(*rsa.PublicKey)
		if !ok || k.N.BitLen() < 2048 {
			return nil, fmt.Errorf("CMS certificate %d has no RSA key of 2048 bits or more", i+1)
		}
		if t.KeyUsage != 0 && t.KeyUsage&x509.KeyUsageKeyEncipherment == 0 {
			return nil, fmt.Errorf("CMS certificate %d is not for encryption (key usage)", i+1)
		}
		c.to = append(c.to, t)
		c.until = earlier(c.until, t.NotAfter)
	}
	if len(c.to) == 0 {
		return nil, errors.New("no CMS certificate")
	}
	if sign != nil {
		if sign.Leaf == nil || sign.PrivateKey == nil {
			return nil, errors.New("the CMS signing certificate needs leaf and private key")
		}
		c.until = earlier(c.until, sign.Leaf.NotAfter)
	}
	if _, err := c.Encrypt([]byte("x")); err != nil {
		return nil, fmt.Errorf("try CMS certificates: %w", err)
	}
	return c, nil
}

// Encrypt returns a DER ContentInfo.
func (c *CMS) Encrypt(body []byte) ([]byte, error) {
	choose()
	if c.sign != nil {
		sd, err := pkcs7.NewSignedData(body)
		if err != nil {
			return nil, err
		}
		sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
		if err := sd.AddSignerChain(c.sign.Leaf, c.sign.PrivateKey, nil, pkcs7.SignerInfoConfig{}); err != nil {
			return nil, err
		}
		if body, err = sd.Finish(); err != nil {
			return nil, err
		}
	}
	return pkcs7.Encrypt(body, c.to)
}

// ContentType is that of RFC 8551 3.3.
func (c *CMS) ContentType() string { return "application/pkcs7-mime; smime-type=enveloped-data" }

// Suffix is ".p7m".
func (c *CMS) Suffix() string { return ".p7m" }

// Recipients are the SHA-256 fingerprints of the partner's certificates.
func (c *CMS) Recipients() []string {
	var names []string
	for _, t := range c.to {
		names = append(names, channel.Fingerprint(t))
	}
	return names
}

// Fingerprints are the same.
func (c *CMS) Fingerprints() []string { return c.Recipients() }

// NotAfter is the earliest end of any of the certificates, ours included.
func (c *CMS) NotAfter() time.Time { return c.until }
