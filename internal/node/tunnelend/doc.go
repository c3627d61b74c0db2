// Package tunnelend is the far end of a tunnel: Labwarden's own program on a
// machine at a partner, without the hub's database and keys.
//
// Guarantees: its keys are made on its machine and stay in its folder, readable by
// its user only; files are replaced whole. It forwards what the hub asks for only
// if somebody here has confirmed the same line; a confirmation is a file of its
// own that the running program never writes. One program runs on one folder.
//
// It does not look into what it forwards and keeps none of it.
package tunnelend
