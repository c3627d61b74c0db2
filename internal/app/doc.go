// Package app puts the parts together: it opens the store and the vault, turns
// the applied configuration into sources, partners and routes, and runs what is
// switched on. It holds wiring only; what a thing does stands with the thing.
package app
