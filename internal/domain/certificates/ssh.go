package certificates

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// MaxSSHLife is the longest life of an SSH certificate.
const MaxSSHLife = 90 * 24 * time.Hour

// SignSSH signs a partner's public key (a line of an authorized_keys file) for
// its box and returns the certificate as such a line. The certificate has the
// partner as its only principal and allows no forwarding, no terminal.
func (s *Service) SignSSH(ctx context.Context, partner string, line []byte, days int, by By) (Issued, []byte, error) {
	if err := by.check(false); err != nil {
		return Issued{}, nil, err
	}
	id := pki.Identity{Kind: pki.Partner, Name: partner}
	if err := id.Check(); err != nil {
		return Issued{}, nil, invalid(err)
	}
	life := time.Duration(days) * 24 * time.Hour
	if days < 1 || life > MaxSSHLife {
		return Issued{}, nil, refuse(fmt.Sprintf("an SSH certificate lives from 1 to %d days", MaxSSHLife/(24*time.Hour)))
	}
	key, err := s.sshPublic(line)
	if err != nil {
		return Issued{}, nil, invalid(err)
	}
	st := s.now.Load()
	if st.ssh == nil {
		return Issued{}, nil, ErrNoSSH
	}
	now := s.clock()
	serial := make([]byte, 8)
	if _, err := io.ReadFull(s.Rand, serial); err != nil {
		return Issued{}, nil, fmt.Errorf("make serial number: %w", err)
	}
	serial[0] |= 0x80 // never 0, which means "none" (PROTOCOL.certkeys)
	c := &ssh.Certificate{
		Key: key, Serial: binary.BigEndian.Uint64(serial), CertType: ssh.UserCert, KeyId: "labwarden " + id.String(), ValidPrincipals: []string{partner},
		ValidAfter: uint64(now.Add(-pki.Backdate).Unix()), ValidBefore: uint64(now.Add(life).Unix()),
	}
	if err := c.SignCert(s.Rand, st.ssh); err != nil {
		return Issued{}, nil, fmt.Errorf("sign SSH certificate: %w", err)
	}
	out := ssh.MarshalAuthorizedKey(c)
	x := Issued{
		Serial: hex.EncodeToString(serial), Form: formSSH, Identity: id, Begins: now.Add(-pki.Backdate), Ends: now.Add(life).Truncate(time.Second),
		Made: now, By: by.Who, Via: "person", Days: int64(days), serial: serial, der: c.Marshal(),
	}
	x.fingerprint()
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		return s.record(ctx, tx, "certificates.ssh_issued", x, by.Who)
	})
	if err != nil {
		return Issued{}, nil, fmt.Errorf("record SSH certificate: %w", err)
	}
	s.know(x)
	return x, out, nil
}

// sshPublic reads a public key that may be signed: Ed25519, NIST curves, RSA of
// 3072 bits or more; under FIPS NIST curves and RSA.
func (s *Service) sshPublic(line []byte) (ssh.PublicKey, error) {
	if len(line) > 16<<10 {
		return nil, errors.New("this is larger than an SSH public key")
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return nil, errors.New("this is no SSH public key; give the file whose name ends in .pub")
	}
	switch key.Type() {
	case ssh.KeyAlgoED25519:
		if !s.FIPS {
			return key, nil
		}
	case ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return key, nil
	case ssh.KeyAlgoRSA:
		if len(key.Marshal()) >= 3072/8 {
			return key, nil
		}
		return nil, errors.New("RSA keys have 3072 bits or more here; make one with ssh-keygen -t ed25519")
	}
	return nil, fmt.Errorf("keys of the type %s are not signed here; make one with ssh-keygen -t ecdsa", key.Type())
}

// SSHAuthority are the public keys of the authorities whose user certificates
// count, as lines of an authorized_keys file, the one that signs first.
func (s *Service) SSHAuthority() []string {
	st := s.now.Load()
	var out []string
	for _, k := range st.sshKeys {
		line := string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(k)))
		if st.ssh != nil && bytes.Equal(k.Marshal(), st.ssh.PublicKey().Marshal()) {
			out = append([]string{line}, out...)
		} else {
			out = append(out, line)
		}
	}
	return out
}

// datesError is ErrDates in words.
type datesError struct{ text string }

func (e *datesError) Error() string        { return e.text }
func (e *datesError) Is(target error) bool { return target == ErrDates }

// CheckSSH takes the user certificate (in wire form) that somebody shows who
// wants in as user, and returns the partner it is for: its signature, dates,
// principal, and that it is on record and not revoked. That the client holds the
// key, the SSH handshake has to prove. It asks no database.
func (s *Service) CheckSSH(_ context.Context, certificate []byte, user string) (partner string, err error) {
	st := s.now.Load()
	k, err := ssh.ParsePublicKey(certificate)
	c, ok := k.(*ssh.Certificate)
	if err != nil || !ok {
		return "", errors.New("this is no SSH certificate")
	}
	check := ssh.CertChecker{
		IsUserAuthority: func(auth ssh.PublicKey) bool {
			for _, k := range st.sshKeys {
				if bytes.Equal(auth.Marshal(), k.Marshal()) {
					return true
				}
			}
			return false
		},
		Clock: s.Now,
	}
	if c.CertType != ssh.UserCert || len(c.ValidPrincipals) != 1 || !check.IsUserAuthority(c.SignatureKey) {
		return "", ErrUnknown
	}
	if err := check.CheckCert(user, c); err != nil {
		now, begins, ends := s.clock(), time.Unix(int64(c.ValidAfter), 0), time.Unix(int64(c.ValidBefore), 0)
		check.Clock = func() time.Time { return begins }
		// CheckCert looks at the dates before the signature: only what we signed is
		// said to be past its dates.
		if (now.Before(begins) || !now.Before(ends)) && check.CheckCert(user, c) == nil {
			const form = "2006-01-02 15:04 MST"
			return "", &datesError{fmt.Sprintf("this SSH certificate is valid from %s to %s, and the hub's clock says %s", begins.UTC().Format(form), ends.UTC().Format(form), now.UTC().Format(form))}
		}
		return "", fmt.Errorf("check SSH certificate: %w", err)
	}
	serial := hex.EncodeToString(binary.BigEndian.AppendUint64(nil, c.Serial))
	if r, gone := st.revoked[serial]; gone {
		return "", fmt.Errorf("%w on %s", ErrRevoked, r.At.Format("2006-01-02 15:04 MST"))
	}
	if _, known := st.live[serial]; !known {
		return "", ErrUnknown
	}
	return c.ValidPrincipals[0], nil
}
