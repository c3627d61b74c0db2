package vault

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/mod/sumdb/note"
)

const algEd25519 = 1 // C2SP signed-note, signature type of Ed25519

// SignerPublic is the current public signing key; nil when closed.
func (v *Vault) SignerPublic() ed25519.PublicKey {
	r := v.ring.Load()
	if r == nil {
		return nil
	}
	return r.signer.Public().(ed25519.PublicKey)
}

// Sign is the plain Ed25519 signature (RFC 8032) of msg under the current key.
// Let each kind of message begin with its own label, so that a signature of
// one never passes for another; prefer NoteSigner for what leaves the house.
func (v *Vault) Sign(msg []byte) ([]byte, error) {
	r := v.ring.Load()
	if r == nil {
		return nil, ErrClosed
	}
	return ed25519.Sign(r.signer, msg), nil
}

// NoteSigner signs notes (C2SP signed-note) in the laboratory's name with the
// key of this moment; ask anew for each note, so that a rotation is followed.
// After Close its Sign fails.
func (v *Vault) NoteSigner() note.Signer { return noteSigner{v.ring.Load()} }

type noteSigner struct{ r *ring }

func (s noteSigner) Name() string {
	if s.r == nil {
		return ""
	}
	return s.r.book.Lab
}

func (s noteSigner) KeyHash() uint32 {
	if s.r == nil {
		return 0
	}
	return noteHash(s.r.book.Lab, s.r.signer.Public().(ed25519.PublicKey))
}

func (s noteSigner) Sign(msg []byte) ([]byte, error) {
	if s.r == nil {
		return nil, ErrClosed
	}
	return ed25519.Sign(s.r.signer, msg), nil
}

// noteHash is the key id of C2SP signed-note: the first four bytes of
// SHA-256(name, newline, signature type, public key).
func noteHash(name string, pub ed25519.PublicKey) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"+string(rune(algEd25519))), pub...))
	return binary.BigEndian.Uint32(sum[:])
}

// VerifierKey is the current public key as a note verifier key
// ("name+hash+base64"), the text to give to partners; empty when closed.
func (v *Vault) VerifierKey() string {
	keys := v.VerifierKeys()
	if len(keys) == 0 {
		return ""
	}
	return keys[0]
}

// VerifierKeys are all verifier keys the laboratory ever signed with, the
// current one first.
func (v *Vault) VerifierKeys() []string {
	r := v.ring.Load()
	if r == nil {
		return nil
	}
	return r.book.verifierKeys()
}

func (c *contents) verifierKeys() []string {
	var out []string
	for i := len(c.Signers) - 1; i >= 0; i-- {
		key, err := note.NewEd25519VerifierKey(c.Lab, ed25519.PublicKey(c.Signers[i].Public))
		if err != nil {
			panic("vault: " + err.Error()) // only for a bad length; valid() has seen the book
		}
		out = append(out, key)
	}
	return out
}
