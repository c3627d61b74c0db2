package posture

import "strings"

// Channel is what is known of a way besides what was negotiated.
type Channel struct {
	// Plain: the configuration asks for no encryption. Loopback: it does not leave
	// this machine.
	Plain, Loopback bool
	// Folder: files lie on this machine's disk. Encrypted: bodies are encrypted to
	// the partner's key, end to end.
	Folder, Encrypted bool
	SSH, WireGuard    bool
	// Tunnel: it goes through a tunnel, which is judged by itself.
	Tunnel bool
	// VPN: IPsec that the partner keeps; nothing of it is seen from here.
	VPN  bool
	Seen Seen
}

// Judge says whether the way meets the guidance of HHS on what renders patient
// data secured in motion (74 FR 19006: NIST SP 800-52, 800-77 or 800-113, or
// others validated under FIPS 140): TLS with approved algorithms out of a
// validated module. What is not plainly inside it is unknown, not yes.
func (c Channel) Judge(fips bool) (answer, why string) {
	n := c.Seen.Parts()
	switch {
	case c.Folder && !c.Encrypted:
		return Unknown, "What carries the files on from this folder is not seen from here."
	case c.Folder:
		return Unknown, "The files are encrypted to the partner's key; whether its software is validated under FIPS 140 is not known here."
	case c.Loopback && c.Plain:
		return Unknown, "It goes to a program on this machine. How that one sends it on is not seen from here."
	case c.WireGuard:
		return Unknown, "WireGuard is not named in NIST SP 800-52, 800-77 or 800-113, and its ciphers are not validated under FIPS 140. TLS inside the tunnel is judged by itself."
	case c.VPN:
		return Unknown, "NIST SP 800-77 names IPsec, but its ciphers and software are only known here as the partner told them. TLS inside it is judged by itself."
	case c.Plain && c.Tunnel:
		return Unknown, "Nothing but the tunnel encrypts it: the tunnel's own line says how well."
	case c.Plain:
		return No, "Results travel without encryption between this machine and theirs."
	case c.SSH:
		return Unknown, "SSH is not named in NIST SP 800-52, 800-77 or 800-113, and counts where its cryptography is a module that is validated under FIPS 140: whether the other end's is, is not known here."
	case c.Seen.At.IsZero():
		return Unknown, "TLS is required, and no connection was seen yet that would show which protocol and cipher are used."
	case c.Seen.Secured == "":
		return Unknown, "The last connection does not say which protocol and cipher were used."
	case !strings.Contains(n.Cipher, "AES"):
		return No, "The cipher that was used is not one that NIST SP 800-52 approves."
	case !fips:
		return Unknown, "TLS with approved algorithms was used, but this build's cryptography is not the module that is validated under FIPS 140. The FIPS build is the recommendation for laboratories in the United States."
	case !c.Seen.approved():
		return Unknown, "The cipher is approved, and the key exchange " + n.Exchange + " is not one that FIPS 140 approves."
	}
	return Yes, "TLS with approved algorithms was used, out of the module that is validated under FIPS 140 (NIST SP 800-52)."
}
