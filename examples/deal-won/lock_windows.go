package main

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// lockFile takes the lock at path until it is closed, or returns errLocked if another run
// holds it. The system releases the lock however its holder ends; the file stays.
func lockFile(path string) (io.Closer, error) {
	const (
		shareWithNobody  = 0
		sharingViolation = syscall.Errno(32)
	)
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	handle, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, shareWithNobody, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	switch {
	case errors.Is(err, sharingViolation):
		return nil, errLocked
	case err != nil:
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(handle), path), nil
}
