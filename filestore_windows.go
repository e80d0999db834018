package revv

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// How long a file that is in use is waited for. While a file is replaced it cannot
// be opened, and may even seem to be missing, for some microseconds; while it is
// read, by a Load or by a virus scanner, it cannot be replaced. A first Load finds
// no file and is kept waiting, so reading is less patient.
const (
	briefly      = 50 * time.Millisecond
	persistently = 2 * time.Second
)

const errSharingViolation = syscall.Errno(32)

// patiently repeats do while the file is in use.
func patiently(limit time.Duration, do func() error) error {
	deadline := time.Now().Add(limit)
	for delay := time.Millisecond; ; delay *= 2 {
		err := do()
		if !inUse(err) || time.Now().Add(delay).After(deadline) {
			return err
		}
		<-time.After(delay)
	}
}

func inUse(err error) bool {
	return errors.Is(err, errSharingViolation) ||
		errors.Is(err, syscall.ERROR_ACCESS_DENIED) ||
		errors.Is(err, syscall.ERROR_FILE_NOT_FOUND)
}

// isFileName reports whether a file can have the name: a device cannot be replaced, and
// what stands behind a colon is a stream of another file.
func isFileName(name string) bool { return filepath.IsLocal(name) }

// makePrivate has nothing to do: a file has the rights that its directory passes on.
func makePrivate(*os.File, fs.FileInfo) error { return nil }

// syncDir has nothing to do: directories cannot be synchronized.
func syncDir(string) error { return nil }
