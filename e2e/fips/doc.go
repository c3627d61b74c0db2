// Package fips asks the FIPS build, as it runs, what it offers: by OpenSSH, by
// openssl, by its own commands.
//
// The program under test is the one that LABWARDEN_FIPS_BINARY names
// (tools/fips.sh builds it and sets that); without it the tests skip.
package fips
