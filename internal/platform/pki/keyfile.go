package pki

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

// A root's file is a certificate and an encrypted PKCS #8 key (RFC 5958, with
// PBES2 of RFC 8018: PBKDF2 with HMAC-SHA-256, AES-256-CBC), which openssl reads
// as well: an offline root must not need this program in fifteen years.
var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMAC   = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9} // hmacWithSHA256
	oidAES    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

const (
	// OWASP's password storage guidance of 2023 for PBKDF2-HMAC-SHA256.
	iterations    = 600_000
	maxIterations = 10_000_000
	// MinPassphrase is the least number of characters of a root's passphrase
	// (NIST SP 800-63B-4 asks 15 of a password that stands alone).
	MinPassphrase = 15
)

type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2 struct{ KDF, Scheme pkix.AlgorithmIdentifier }

type kdfParams struct {
	Salt       []byte
	Iterations int
	KeyLength  int `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier
}

// ErrPassphrase: the passphrase does not open the file.
var ErrPassphrase = errors.New("the passphrase does not open this root")

// WriteRoot is a root as a file, its key encrypted.
func WriteRoot(i *Issuer, passphrase string, rand io.Reader) ([]byte, error) {
	if len([]rune(passphrase)) < MinPassphrase {
		return nil, fmt.Errorf("the passphrase of a root has %d characters or more", MinPassphrase)
	}
	plain, err := x509.MarshalPKCS8PrivateKey(i.Key)
	if err != nil {
		return nil, fmt.Errorf("write root: %w", err)
	}
	salt, iv := make([]byte, 16), make([]byte, aes.BlockSize)
	for _, b := range [][]byte{salt, iv} {
		if _, err := io.ReadFull(rand, b); err != nil {
			return nil, fmt.Errorf("write root: %w", err)
		}
	}
	block, err := derive(passphrase, salt, iterations)
	if err != nil {
		return nil, err
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize // RFC 8018 B.2.5
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(plain, plain)
	kdf, err1 := asn1.Marshal(kdfParams{salt, iterations, 32, pkix.AlgorithmIdentifier{Algorithm: oidHMAC, Parameters: asn1.NullRawValue}})
	ivDER, err2 := asn1.Marshal(iv)
	scheme, err3 := asn1.Marshal(pbes2{
		pkix.AlgorithmIdentifier{Algorithm: oidPBKDF2, Parameters: asn1.RawValue{FullBytes: kdf}},
		pkix.AlgorithmIdentifier{Algorithm: oidAES, Parameters: asn1.RawValue{FullBytes: ivDER}},
	})
	out, err4 := asn1.Marshal(encryptedKey{pkix.AlgorithmIdentifier{Algorithm: oidPBES2, Parameters: asn1.RawValue{FullBytes: scheme}}, plain})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, fmt.Errorf("write root: %w", err)
	}
	return append(PEM(i.Cert.Raw), pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: out})...), nil
}

func derive(passphrase string, salt []byte, n int) (cipher.Block, error) {
	key, err := pbkdf2.Key(sha256.New, passphrase, salt, n, 32)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return aes.NewCipher(key)
}

// ReadRoot reads what WriteRoot wrote. CBC does not notice changes: that the key
// is that of the certificate does.
func ReadRoot(b []byte, passphrase string) (*Issuer, error) {
	certs, err := Certificates(b)
	if err != nil {
		return nil, err
	}
	var enc []byte
	for p, rest := pem.Decode(b); p != nil; p, rest = pem.Decode(rest) {
		if p.Type == "ENCRYPTED PRIVATE KEY" {
			enc = p.Bytes
		}
	}
	if enc == nil {
		return nil, errors.New("read root: the file holds no encrypted key")
	}
	plain, err := open(enc, passphrase)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	k, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, ErrPassphrase
	}
	s, ok := k.(crypto.Signer)
	if !ok || !SameKey(s.Public(), certs[0].PublicKey) {
		return nil, ErrPassphrase
	}
	return &Issuer{Cert: certs[0], Key: s, Chain: [][]byte{certs[0].Raw}}, nil
}

// SameKey compares public keys.
func SameKey(a, b crypto.PublicKey) bool {
	e, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && e.Equal(b)
}

func open(enc []byte, passphrase string) ([]byte, error) {
	unknown := errors.New("read root: its key is encrypted in a way that is not known here")
	var e encryptedKey
	var s pbes2
	var k kdfParams
	var iv []byte
	if rest, err := asn1.Unmarshal(enc, &e); err != nil || len(rest) > 0 || !e.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, unknown
	}
	for _, x := range []struct {
		raw  func() []byte
		into any
	}{
		{func() []byte { return e.Algorithm.Parameters.FullBytes }, &s},
		{func() []byte { return s.KDF.Parameters.FullBytes }, &k},
		{func() []byte { return s.Scheme.Parameters.FullBytes }, &iv},
	} {
		if _, err := asn1.Unmarshal(x.raw(), x.into); err != nil {
			return nil, unknown
		}
	}
	if !s.KDF.Algorithm.Equal(oidPBKDF2) || !s.Scheme.Algorithm.Equal(oidAES) || !k.PRF.Algorithm.Equal(oidHMAC) ||
		len(iv) != aes.BlockSize || k.Iterations < 1 || k.Iterations > maxIterations || len(e.Data) == 0 || len(e.Data)%aes.BlockSize != 0 {
		return nil, unknown
	}
	block, err := derive(passphrase, k.Salt, k.Iterations)
	if err != nil {
		return nil, err
	}
	plain := bytes.Clone(e.Data)
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, plain)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize || pad > len(plain) || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, ErrPassphrase
	}
	return plain[:len(plain)-pad], nil
}
