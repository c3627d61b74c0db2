package envelope

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/hex"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// readOpenPGP reads one public key, armored or not.
func readOpenPGP(b []byte, now time.Time) (PublicKey, error) {
	if bytes.Count(b, []byte("-----BEGIN PGP PUBLIC KEY BLOCK")) > 1 {
		return PublicKey{}, refused("it holds several OpenPGP keys; give one file with one key")
	}
	if _, rest, ok := bytes.Cut(b, []byte("-----BEGIN PGP PUBLIC")); ok {
		// What stands before the block (a mail's text) is left out.
		block, err := armor.Decode(bytes.NewReader(append([]byte("-----BEGIN PGP PUBLIC"), rest...)))
		if err != nil {
			return PublicKey{}, refused("the OpenPGP key is not whole")
		}
		var in bytes.Buffer
		if _, err := in.ReadFrom(block.Body); err != nil {
			return PublicKey{}, refused("the OpenPGP key is not whole")
		}
		b = in.Bytes()
		if secretPacket(b) {
			return PublicKey{}, ErrSecret
		}
	}
	list, err := openpgp.ReadKeyRing(bytes.NewReader(b))
	if err != nil || len(list) == 0 {
		return PublicKey{}, refused("no OpenPGP key could be read from it: it is damaged, or of a kind that is not known here, or none of its own signatures holds")
	}
	if len(list) > 1 {
		return PublicKey{}, refused("it holds %d OpenPGP keys; give one file with one key", len(list))
	}
	e := list[0]
	if e.PrivateKey != nil {
		return PublicKey{}, ErrSecret
	}
	for i := range e.Subkeys {
		if e.Subkeys[i].PrivateKey != nil {
			return PublicKey{}, ErrSecret
		}
	}
	return judgeOpenPGP(e, now)
}

func judgeOpenPGP(e *openpgp.Entity, now time.Time) (PublicKey, error) {
	k := PublicKey{Kind: KindOpenPGP, Fingerprint: hex.EncodeToString(e.PrimaryKey.Fingerprint)}
	self, id := e.PrimarySelfSignature()
	if id != nil {
		k.Name = id.Name
	}
	switch {
	case e.Revoked(now):
		return k, refused("its owner has revoked it; ask for the new one")
	case self == nil:
		return k, refused("it is not signed by itself")
	case old(self.Hash):
		return k, refused("its own signature is made with SHA-1 or MD5; its owner has to renew it (gpg --cert-digest-algo SHA256 --quick-set-expire)")
	case now.Before(e.PrimaryKey.CreationTime.Add(-5 * time.Minute)):
		return k, refused("it was made on %s, which is still to come: look at the clocks", e.PrimaryKey.CreationTime.UTC().Format(time.DateOnly))
	}
	if err := k.pgpKey(e.PrimaryKey); err != nil {
		return k, err
	}
	enc, ok := e.EncryptionKey(now)
	var out bytes.Buffer
	if err := e.Serialize(&out); err != nil {
		return k, refused("it cannot be written down again")
	}
	k.Material = out.Bytes()
	if k.Ends = openEnded(e); !k.Ends.IsZero() && !now.Before(k.Ends) { // openEnded changes e: nothing is asked of its dates below
		return k, refused("it ended on %s; ask its owner for one that has been renewed", k.Ends.UTC().Format(time.DateOnly))
	}
	if !ok {
		return k, refused("it has no key for encryption, or that one has ended or was revoked")
	}
	if enc.SelfSignature != nil && old(enc.SelfSignature.Hash) {
		return k, refused("its key for encryption is bound with SHA-1 or MD5; its owner has to renew it")
	}
	return k, k.pgpKey(enc.PublicKey)
}

func old(h crypto.Hash) bool { return h == crypto.SHA1 || h == crypto.MD5 || h == crypto.RIPEMD160 }

// pgpKey judges the primary key, then the key for encryption, whose strength is
// the one that is told.
func (k *PublicKey) pgpKey(p *packet.PublicKey) error {
	bits, err := p.BitLength()
	if err != nil {
		return refused("its algorithm is not known here")
	}
	switch p.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoRSASignOnly:
		return k.rsa(int(bits))
	case packet.PubKeyAlgoDSA, packet.PubKeyAlgoElGamal:
		return refused("it is a DSA or ElGamal key, which is out of date; ask for an RSA key of 3072 bits or more, or a Curve25519 key")
	case packet.PubKeyAlgoECDH, packet.PubKeyAlgoX25519:
		k.Strength = "Curve25519"
		if c, err := p.Curve(); err == nil && c != packet.Curve25519 {
			k.Strength = string(c)
		}
	case packet.PubKeyAlgoX448:
		k.Strength = "Curve448"
	case packet.PubKeyAlgoMlkem768X25519:
		k.Strength = "ML-KEM-768 with X25519"
	case packet.PubKeyAlgoMlkem1024X448:
		k.Strength = "ML-KEM-1024 with X448"
	}
	return nil
}

func rsaBits(key any) (int, bool) {
	k, ok := key.(*rsa.PublicKey)
	if !ok {
		return 0, false
	}
	return k.N.BitLen(), true
}
