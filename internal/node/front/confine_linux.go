package front

import (
	"errors"
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	syscall "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Confine takes every file and folder from this process, and outgoing TCP, for
// good; what is open stays open. On a kernel without Landlock it does nothing and
// says so.
func Confine() (how string, err error) {
	// Listening stays allowed: the hub may name other ports, and FTPS opens one for
	// each transfer.
	net, err := landlock.NewConfig(landlock.AccessNetSet(syscall.AccessNetConnectTCP))
	if err != nil {
		return "", fmt.Errorf("say what is restricted: %w", err)
	}
	files, calls := landlock.V5.BestEffort(), net.BestEffort()
	if err := errors.Join(files.RestrictPaths(), calls.RestrictNet()); err != nil {
		return "", fmt.Errorf("restrict files and connections: %w", err)
	}
	return files.String() + ", " + calls.String(), nil
}
