// Package posture judges how well a way that results travel is protected: what
// the protocol, cipher and key exchange are that were last negotiated, whether
// they are post-quantum and FIPS-approved, and whether the way meets the guidance
// of HHS on what renders patient data secured in motion.
//
// It guarantees: what was not seen is never said to be good; "unknown" is an
// answer of its own. It is pure: no clock, network or store. It does not collect:
// whoever carries a connection notes what was negotiated.
package posture
