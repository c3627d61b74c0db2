package envelope

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

var keyDay = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// rsaKeys are made once: they take long.
var rsaKeys = sync.OnceValue(func() map[int]*rsa.PrivateKey {
	out := map[int]*rsa.PrivateKey{}
	for _, bits := range []int{2048, 3072} {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		out[bits] = k
	}
	return out
})

func selfSigned(t testing.TB, bits int, change func(*x509.Certificate)) []byte {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Riverside results"}, NotBefore: keyDay.AddDate(0, -1, 0), NotAfter: keyDay.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageKeyEncipherment,
	}
	if change != nil {
		change(c)
	}
	var key crypto.Signer
	if bits == 0 {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key = k
	} else {
		key = rsaKeys()[bits]
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// entity is an OpenPGP key pair.
func entity(t testing.TB, lifetime time.Duration, c packet.Config) *openpgp.Entity {
	t.Helper()
	if c.Time == nil {
		c.Time = func() time.Time { return keyDay.AddDate(0, -1, 0) }
	}
	c.KeyLifetimeSecs = uint32(lifetime / time.Second)
	e, err := openpgp.NewEntity("Riverside", "", "results@riverside.example", &c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func armored(t testing.TB, kind string, write func(*bytes.Buffer) error) []byte {
	t.Helper()
	var raw, out bytes.Buffer
	if err := write(&raw); err != nil {
		t.Fatal(err)
	}
	w, err := armor.Encode(&out, kind, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(raw.Bytes())
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func public(t testing.TB, e *openpgp.Entity) []byte {
	return armored(t, openpgp.PublicKeyType, func(b *bytes.Buffer) error { return e.Serialize(b) })
}

var ecc = packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519}

func TestReadPublicKey(t *testing.T) {
	x, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	pq, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	pgp, ends := entity(t, 0, ecc), entity(t, 365*24*time.Hour, ecc)
	der := selfSigned(t, 3072, nil)
	for name, c := range map[string]struct {
		in       []byte
		kind     string
		strength string
		ends     time.Time
		weak     bool
	}{
		"age":             {[]byte("# created: 2026\n" + x.Recipient().String() + "\r\n"), KindAge, "X25519", time.Time{}, false},
		"age, two hybrid": {[]byte(pq.Recipient().String()), KindAgePQ, "ML-KEM-768 with X25519", time.Time{}, false},
		"openpgp":         {public(t, pgp), KindOpenPGP, "Curve25519", time.Time{}, false},
		"openpgp, mailed": {append([]byte("Dear lab,\nhere is our key:\n"), public(t, pgp)...), KindOpenPGP, "Curve25519", time.Time{}, false},
		"openpgp, a year": {public(t, ends), KindOpenPGP, "Curve25519", ends.PrimaryKey.CreationTime.Add(365 * 24 * time.Hour), false},
		"certificate":     {pemOf("CERTIFICATE", der), KindCMS, "RSA 3072", keyDay.AddDate(1, 0, 0), false},
		"certificate DER": {der, KindCMS, "RSA 3072", keyDay.AddDate(1, 0, 0), false},
		"2048":            {selfSigned(t, 2048, nil), KindCMS, "RSA 2048", keyDay.AddDate(1, 0, 0), true},
	} {
		if (c.kind == KindAge || c.kind == KindAgePQ) && fips140.Enabled() {
			continue // TestAgeIsOffUnderFIPS
		}
		k, err := ReadPublicKey(c.in, keyDay)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if k.Kind != c.kind || k.Strength != c.strength || !k.Ends.Equal(c.ends) || k.Weak != c.weak {
			t.Errorf("%s: %+v", name, k)
		}
		again, err := ReadPublicKey(k.Material, keyDay)
		if err != nil || again.Fingerprint != k.Fingerprint || !bytes.Equal(again.Material, k.Material) || again.Name != k.Name {
			t.Errorf("%s: read again: %v %+v", name, err, again)
		}
		// A key that has ended since is encrypted to all the same.
		if e, err := ToKeys([]PublicKey{k}); err != nil || e.Fingerprints()[0] != k.Fingerprint || !e.NotAfter().Equal(k.Ends) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if k, _ := ReadPublicKey(public(t, pgp), keyDay); k.Fingerprint != hex.EncodeToString(pgp.PrimaryKey.Fingerprint) || !strings.Contains(k.Name, "Riverside") {
		t.Errorf("%+v", k)
	}
}

func TestReadPublicKeyRefuses(t *testing.T) {
	x, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(rsaKeys()[2048])
	if err != nil {
		t.Fatal(err)
	}
	pgp, revoked := entity(t, 0, ecc), entity(t, 0, ecc)
	if err := revoked.RevokeKey(packet.KeyCompromised, "", &packet.Config{Time: func() time.Time { return keyDay.AddDate(0, 0, -1) }}); err != nil {
		t.Fatal(err)
	}
	noSub := entity(t, 0, ecc)
	noSub.Subkeys = nil
	private := armored(t, openpgp.PrivateKeyType, func(b *bytes.Buffer) error { return pgp.SerializePrivate(b, nil) })
	var rawPrivate, both bytes.Buffer
	if err := pgp.SerializePrivate(&rawPrivate, nil); err != nil {
		t.Fatal(err)
	}
	for _, e := range []*openpgp.Entity{pgp, noSub} {
		if err := e.Serialize(&both); err != nil {
			t.Fatal(err)
		}
	}
	der := selfSigned(t, 2048, nil)
	for name, c := range map[string]struct {
		in   []byte
		says string
	}{
		"empty":                  {nil, "empty"},
		"an age secret":          {[]byte(x.String()), "private key"},
		"an age secret, small":   {[]byte(strings.ToLower(x.String())), "private key"},
		"an age file of both":    {[]byte("# public key: " + x.Recipient().String() + "\n" + x.String()), "private key"},
		"PKCS #8":                {pkcs8, "private key"},
		"PKCS #8 PEM":            {pemOf("PRIVATE KEY", pkcs8), "private key"},
		"certificate with key":   {append(pemOf("CERTIFICATE", der), pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKeys()[2048]))...), "private key"},
		"PKCS #1":                {x509.MarshalPKCS1PrivateKey(rsaKeys()[2048]), "private key"},
		"PKCS #12":               {append([]byte{0x30, 0x82, 1, 0, 2, 1, 3}, make([]byte, 256)...), "private key"},
		"an OpenPGP secret":      {private, "private key"},
		"a binary one":           {rawPrivate.Bytes(), "private key"},
		"a secret called public": {armored(t, openpgp.PublicKeyType, func(b *bytes.Buffer) error { return pgp.SerializePrivate(b, nil) }), "private key"},
		"two OpenPGP keys":       {both.Bytes(), "2 OpenPGP keys"},
		"two blocks":             {append(public(t, pgp), public(t, pgp)...), "several OpenPGP keys"},
		"revoked":                {public(t, revoked), "revoked"},
		"ended":                  {public(t, entity(t, 10*24*time.Hour, ecc)), "ended on 2026-11-01"},
		"not for encryption":     {public(t, noSub), "no key for encryption"},
		"a message":              {[]byte("-----BEGIN PGP MESSAGE-----\n\nxx\n-----END PGP MESSAGE-----\n"), "not a public key"},
		"SSH":                    {[]byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI dana@riverside"), "SSH key"},
		"two age keys":           {[]byte(x.Recipient().String() + "\n" + x.Recipient().String()), "2 lines"},
		"age, a sign wrong":      {[]byte(x.Recipient().String()[:61] + "q"), "not whole"},
		"a letter":               {[]byte("Our key comes tomorrow."), "neither"},
		"an authority":           {selfSigned(t, 2048, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), "authority"},
		"ended certificate":      {selfSigned(t, 2048, func(c *x509.Certificate) { c.NotAfter = keyDay.AddDate(0, 0, -1) }), "ended on 2026-11-21"},
		"begins later":           {selfSigned(t, 2048, func(c *x509.Certificate) { c.NotBefore = keyDay.AddDate(0, 0, 1) }), "begins on"},
		"only signs":             {selfSigned(t, 2048, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), "key usage"},
		"EC certificate":         {selfSigned(t, 0, func(c *x509.Certificate) { c.KeyUsage = 0 }), "RSA key"},
		"SHA-1":                  {sha1Certificate(t), "SHA-1"},
		"a chain":                {append(pemOf("CERTIFICATE", der), pemOf("CERTIFICATE", der)...), "2 certificates"},
		"a request":              {pemOf("CERTIFICATE REQUEST", der), "no certificate"},
		"noise":                  {[]byte{0x99, 1, 2, 3}, "no OpenPGP key"},
		"too large":              {make([]byte, MaxPublicKey+1), "128 KiB"},
	} {
		_, err := ReadPublicKey(c.in, keyDay)
		if err == nil || !strings.Contains(err.Error(), c.says) || !errors.Is(err, ErrKey) && !errors.Is(err, ErrSecret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	k := PublicKey{}
	if err := k.rsa(1024); !errors.Is(err, ErrKey) {
		t.Errorf("1024 bits: %v", err)
	}
}

// sha1Certificate says that it is signed with SHA-1: the library does not make
// such, so the algorithm's number is written over the one of SHA-256.
func sha1Certificate(t *testing.T) []byte {
	der := selfSigned(t, 2048, nil)
	sha256WithRSA, sha1WithRSA := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11}, []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5}
	if bytes.Count(der, sha256WithRSA) != 2 {
		t.Fatal("the certificate is not built as was thought")
	}
	return bytes.ReplaceAll(der, sha256WithRSA, sha1WithRSA)
}

// A key that GnuPG made with SHA-1 in its own signature.
func TestReadPublicKeyGnuPG(t *testing.T) {
	gpg := program(t, "gpg")
	make1 := func(args ...string) []byte {
		dir := t.TempDir()
		base := append([]string{"--homedir", dir, "--batch", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)
		run(t, nil, nil, gpg, append(base, "--quick-gen-key", "Riverside <r@riverside.example>", "future-default", "default", "2y")...)
		return run(t, nil, nil, gpg, "--homedir", dir, "--armor", "--export")
	}
	k, err := ReadPublicKey(make1(), time.Now())
	if err != nil || k.Kind != KindOpenPGP || k.Ends.IsZero() {
		t.Errorf("%v %+v", err, k)
	}
	if _, err := ReadPublicKey(make1("--cert-digest-algo", "SHA1"), time.Now()); !errors.Is(err, ErrKey) {
		t.Errorf("SHA-1: %v", err)
	}
}

// A file for two keys while one takes the other's place.
func TestToKeysOfOneKind(t *testing.T) {
	ageOrSkip(t)
	var keys []PublicKey
	var ids []*age.X25519Identity
	for range 2 {
		x, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		k, err := ReadPublicKey([]byte(x.Recipient().String()), keyDay)
		if err != nil {
			t.Fatal(err)
		}
		keys, ids = append(keys, k), append(ids, x)
	}
	e, err := ToKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Encrypt([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if _, err := age.Decrypt(bytes.NewReader(b), id); err != nil {
			t.Error(err)
		}
	}
	pgp, err := ReadPublicKey(public(t, entity(t, 0, ecc)), keyDay)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ToKeys(append(keys, pgp)); err == nil {
		t.Error("keys of two kinds were taken")
	}
	if _, err := ToKeys(nil); err == nil {
		t.Error("no key was taken")
	}
}

func FuzzReadPublicKey(f *testing.F) {
	x, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(x.Recipient().String()))
	f.Add(public(f, entity(f, 0, ecc)))
	f.Add(selfSigned(f, 2048, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ReadPublicKey(b, keyDay)
		if err != nil {
			if !errors.Is(err, ErrKey) && !errors.Is(err, ErrSecret) {
				t.Fatal(err)
			}
			return
		}
		again, err := ReadPublicKey(k.Material, keyDay)
		if err != nil || again.Fingerprint != k.Fingerprint {
			t.Fatalf("%v\n%+v\n%+v", err, k, again)
		}
	})
}
