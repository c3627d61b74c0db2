//go:build race

package vault_test

// Under the race detector sync.Pool drops what it is given at random.
const underRace = true
