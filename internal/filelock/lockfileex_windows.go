package filelock

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

// Supported says whether this system has locks.
const Supported = true

const (
	lockfileFailImmediately = 1
	lockfileExclusiveLock   = 2

	errLockViolation = syscall.Errno(33)
)

//nolint:gochecknoglobals // the system's own functions
var (
	kernel32         = syscall.NewLazyDLL("kernel32.dll")
	procLockFileEx   = kernel32.NewProc("LockFileEx")
	procUnlockFileEx = kernel32.NewProc("UnlockFileEx")
)

// lock locks the first byte, which need not exist.
func lock(file *os.File) error {
	var at syscall.Overlapped
	ok, _, err := procLockFileEx.Call(file.Fd(), lockfileExclusiveLock|lockfileFailImmediately,
		0, 1, 0, uintptr(unsafe.Pointer(&at))) //nolint:gosec // how the system takes it
	switch {
	case ok != 0:
		return nil
	case errors.Is(err, errLockViolation):
		return errHeld
	}
	return &os.PathError{Op: "LockFileEx", Path: file.Name(), Err: err}
}

func unlock(file *os.File) {
	var at syscall.Overlapped
	procUnlockFileEx.Call(file.Fd(), 0, 1, 0, uintptr(unsafe.Pointer(&at))) //nolint:errcheck,gosec // how the system takes it; Release closes the file anyway
}
