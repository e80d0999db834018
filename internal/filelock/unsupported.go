//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package filelock

import (
	"errors"
	"os"
)

// Supported says whether this system has locks.
const Supported = false

func lock(file *os.File) error {
	return &os.PathError{Op: "lock", Path: file.Name(), Err: errors.ErrUnsupported}
}

func unlock(*os.File) {}
