// Package tpmseal seals the vault's root key to this machine's TPM 2.0.
//
// # Guarantees
//
//   - Only the same TPM, with the same owner seed, opens the seal: a stolen disk
//     or backup does not. No person is needed.
//   - What passes between processor and TPM is encrypted to the TPM's storage
//     key (salted session, AES-128-CFB parameter encryption), against a
//     listener on the bus. The storage key is not compared with a certificate
//     of the maker, so someone who can rewrite traffic on the bus is not kept out.
//
// # What it does not do
//
// It is not bound to the boot state (PCRs): an update of firmware or kernel
// must not stop results. Who can run programs as root on the running machine
// can therefore use the seal. Clearing the TPM, or a new mainboard, loses it.
package tpmseal
