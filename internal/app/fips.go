package app

import "crypto/fips140"

// validatedModule is the version of the Go Cryptographic Module that Go calls
// certified (lib/fips140/certified.txt in its installation). A newer one counts
// from the day this line is changed, with docs/comply/fips.md.
const validatedModule = "v1.0.0"

// fipsMode: only approved algorithms are used, whichever module computes them.
func fipsMode() bool { return fips140.Enabled() }

// fipsOnly says that this program's cryptography is the validated module's. The
// ordinary build told to keep to approved algorithms (GODEBUG=fips140=on) is not.
func fipsOnly() bool { return fipsMode() && fips140.Version() == validatedModule }

// FIPS says in words which module computes and whether it is the validated one.
func FIPS() string {
	switch {
	case fipsOnly():
		return "FIPS 140-3: yes, validated module " + fips140.Version()
	case fipsMode():
		return "FIPS 140-3: approved algorithms only, but the module (" + fips140.Version() + ") is not validated"
	}
	return "FIPS 140-3: no"
}
