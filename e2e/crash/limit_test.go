package crash

import (
	"fmt"
	"syscall"
	"unsafe"
)

// limitFiles sets the largest file the process may write (RLIMIT_FSIZE, soft),
// in bytes. A write beyond it fails with EFBIG: Go ignores the signal.
func limitFiles(pid int, bytes uint64) error {
	var lim struct{ cur, max uint64 }
	lim.cur, lim.max = bytes, ^uint64(0)
	_, _, e := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&lim)), 0, 0, 0)
	if e != 0 {
		return fmt.Errorf("set limit: %w", e)
	}
	return nil
}
