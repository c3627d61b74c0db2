package front

import (
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
)

// Confine takes every file and folder from this process, and outgoing TCP, for
// good; what is open stays open. On a kernel without Landlock it does nothing and
// says so.
func Confine() (how string, err error) {
	conf := landlock.V5.BestEffort()
	if err := conf.RestrictPaths(); err != nil {
		return "", fmt.Errorf("restrict files: %w", err)
	}
	return conf.String(), nil
}
