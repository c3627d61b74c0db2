// Package vault keeps the laboratory's keys and seals records with them.
//
// A root key is wrapped, in parallel, by one or more seals (key file,
// passphrase, systemd credential) and by recovery shares of which a threshold
// is enough. Under the root stand keys per purpose, each in one or more
// versions, and the Ed25519 key that signs checkpoints and proofs. All of it is
// in one small authenticated file, the book; whoever stores it implements Book.
//
// # Guarantees
//
//   - A record is AES-256-GCM; table, column and row are authenticated with it,
//     so a ciphertext that is changed, or moved to another place, does not open.
//   - A wrong key is refused by the key check value before anything is decrypted
//     with it, and Open and Recover never write.
//   - A book with any byte changed does not open. An older, whole book does: the
//     vault cannot see a rollback. Status.Revision is there to be compared with
//     what was witnessed outside.
//   - Each change of the book is one Save. A crash before or after it leaves a
//     book that the seals named in it open.
//   - Errors and Status hold no key, share or plaintext bytes.
//   - Seal, Unseal, Index and Sign are safe for concurrent use and take no lock.
//
// # Nonces
//
// A random 96-bit nonce is safe for 2^32 records under one key (NIST
// SP 800-38D 8.3), too few for years of a laboratory on several nodes, and
// counting over nodes and crashes needs a write for each block of numbers. So
// no record is sealed under a purpose key itself: each process derives a
// session key from the purpose key and 96 random bits (HKDF-SHA-256), seals at
// most 2^24 records with it under random 96-bit nonces drawn by the standard
// library for each record, and then draws a new session. The two parts act as a
// 192-bit nonce, as in XAES-256-GCM, but the key is derived once in 16 million
// records instead of for each. Two nonces meet within a session with a chance
// below 2^-49; ten years of 50,000 records a second are about 2^20 sessions, in
// all below 2^-29, and no node needs to know of another. A counter would be a
// little faster, but a virtual machine resumed from a snapshot would repeat it.
//
// # What it does not do
//
// It does not keep the keys from the memory of the process or from whoever is
// root on the machine, and it stores no named secrets (a domain does, sealed
// with PurposeSecrets).
package vault
