package demo

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
)

// watch calls pick for every file that is or comes to be complete in folder, in
// order: those present by time, then by the kernel's own order of events. File
// times alone are too coarse to tell two quick writes apart. pick must take a
// name twice in its stride. ready is called once nothing can be missed.
func watch(ctx context.Context, folder string, ready func(), pick func(string) error) error {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch folder: %w", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	defer func() { _ = f.Close() }()
	if _, err := syscall.InotifyAddWatch(fd, folder, syscall.IN_MOVED_TO|syscall.IN_CLOSE_WRITE|syscall.IN_ONLYDIR); err != nil {
		return fmt.Errorf("watch folder: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = f.Close() })
	defer stop()
	if err := scan(folder, pick); err != nil {
		return err
	}
	ready()
	buf := make([]byte, 64<<10)
	for {
		n, err := f.Read(buf)
		if err != nil {
			return fmt.Errorf("watch folder: %w", err)
		}
		for b := buf[:n]; len(b) >= syscall.SizeofInotifyEvent; {
			mask, size := binary.NativeEndian.Uint32(b[4:]), int(binary.NativeEndian.Uint32(b[12:]))
			name := b[syscall.SizeofInotifyEvent:][:size]
			b = b[syscall.SizeofInotifyEvent+size:]
			if mask&syscall.IN_Q_OVERFLOW != 0 {
				err = scan(folder, pick)
			} else {
				err = pick(string(bytes.TrimRight(name, "\x00")))
			}
			if err != nil {
				return err
			}
		}
	}
}
