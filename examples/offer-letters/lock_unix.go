//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// heldLock is a lock that ends when it is closed, and not when the last process has closed
// the file that was begun while it was open.
type heldLock struct{ file *os.File }

// Close implements io.Closer.
func (l heldLock) Close() error {
	return errors.Join(syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN), l.file.Close())
}

// lockFile takes the lock that has this path, until it is closed: errLocked if another run
// holds it. The system gives it back however its holder ends, so that no lock is left
// behind; the file stays.
func lockFile(path string) (io.Closer, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the file that the user names
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return heldLock{file}, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = errLocked
	}
	return nil, errors.Join(err, file.Close())
}
