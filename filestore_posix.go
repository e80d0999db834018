//go:build !windows

package revv

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// See filestore_windows.go; elsewhere there is nothing to wait for.
const briefly, persistently = time.Duration(0), time.Duration(0)

func patiently(_ time.Duration, do func() error) error { return do() }

// isFileName: every name can be that of a file.
func isFileName(string) bool { return true }

// makePrivate takes the rights to a file away from everybody but the owner.
func makePrivate(file *os.File, info fs.FileInfo) error {
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return file.Chmod(0o600)
}

// syncDir makes a rename in the directory durable.
func syncDir(path string) error {
	dir, err := os.Open(path) //nolint:gosec // the directory that the user chose
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil // some network filesystems cannot, and need not
	}
	return err
}
