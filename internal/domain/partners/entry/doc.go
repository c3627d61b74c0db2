// Package entry keeps what opens the partners' door for file clients: passwords
// with one-time codes for partners that cannot use a key, and the hub's own SSH
// host keys.
//
// Guarantees:
//
//   - A password is drawn by the hub (160 bits), shown once, stored as a hash.
//   - A code is accepted once, on all nodes together: the step it belongs to is
//     written in the transaction that lets somebody in.
//   - A wrong password and a wrong code get the same answer, and so does a name
//     that does not exist. The password has 160 bits: guesses at it are hopeless,
//     and close no door, or a stranger could keep a partner out. After TooMany
//     wrong codes with the right password within a minute it is refused for a
//     minute, whoever shows it; its keys are not.
//
// It does not know protocols, and SSH keys of partners stand in the configuration.
package entry
