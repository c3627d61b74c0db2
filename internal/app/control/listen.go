package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxPath is what a Unix socket's address holds (sun_path of unix(7), less its
// final zero).
const maxPath = 107

// Listen opens the socket at path, mode 0600. Its folder is made 0700 if it is
// missing; a folder that others may write is refused, because they could put a
// socket of their own in its place. A socket whose process is gone is replaced,
// one that answers is not, and neither is anything that is not a socket.
func Listen(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("open the control socket: %s is longer than %d bytes; set node.control.socket to a shorter path", path, maxPath)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	st, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	if perm := st.Mode().Perm(); perm&0o022 != 0 {
		return nil, fmt.Errorf("open the control socket: others may write in %s (mode %04o); run: chmod go-w %s", dir, perm, dir)
	}
	if err := RemoveStale(ctx, "unix", path); err != nil {
		return nil, err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect the control socket: %w", err), ln.Close())
	}
	return ln, nil
}

// RemoveStale removes a socket at path whose process is gone; network is "unix"
// or "unixpacket".
func RemoveStale(ctx context.Context, network, path string) error {
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the control socket: %w", err)
	}
	if st.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("open the control socket: %s is there and is not a socket; move it away or set node.control.socket", path)
	}
	c, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(fmt.Errorf("open the control socket: another process answers on %s; is a hub running already?", path), c.Close())
	}
	// Only a refused connection proves that nobody listens any more.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("open the control socket: %s cannot be judged: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the control socket of a process that is gone: %w", err)
	}
	return nil
}
