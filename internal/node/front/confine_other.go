//go:build !linux

package front

// Confine does nothing here: there is no Landlock.
func Confine() (how string, err error) { return "not confined: this system has no Landlock", nil }
