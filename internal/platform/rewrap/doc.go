// Package rewrap carries sealed values over to the current key of their purpose
// in the background, after a rotation.
//
// Guarantees: it keeps no position: what is still under an old key is read off
// the values themselves, so it may be stopped or killed at any point and started
// again. A value is replaced only if it is still the one that was read, in
// batches of one transaction each. A value that does not open stays as it is,
// and its key stays with it. InUse looks at every column of bytes that the
// schema has, listed here or not: a key is never reported free while any value
// anywhere names it.
//
// It does not decide when to destroy a key; that is for whoever owns the vault.
package rewrap
