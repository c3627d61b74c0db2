//go:build !race

package vault_test

const underRace = false
