package control

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// peerUID asks the kernel which user is at the other end of c.
func peerUID(c net.Conn) (int, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return -1, errors.New("not a Unix socket")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("ask for the peer: %w", err)
	}
	uid := -1
	var serr error
	err = raw.Control(func(fd uintptr) {
		var cred *syscall.Ucred
		if cred, serr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); serr == nil {
			uid = int(cred.Uid)
		}
	})
	if err = errors.Join(err, serr); err != nil {
		return -1, fmt.Errorf("ask for the peer: %w", err)
	}
	return uid, nil
}
