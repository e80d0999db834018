// Package filelock lets one process at a time hold the lock at a path. The operating
// system releases the lock when its holder dies, so nothing has to be cleaned up and no
// lock goes stale.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// Lock is a lock that is held until Release.
type Lock struct{ file *os.File }

// errHeld says that somebody else holds the lock.
var errHeld = errors.New("lock is held")

// The lock is tried again after a delay that doubles from the first to the last.
const (
	firstDelay = time.Millisecond
	lastDelay  = 25 * time.Millisecond
)

// Acquire waits for the lock until ctx is done. It creates the file at path, which must
// not be removed while processes use it: whoever creates it again locks another file.
// Acquire notices if the file was replaced while it waited.
//
// Locks exclude one another within a process, too.
func Acquire(ctx context.Context, path string) (*Lock, error) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for delay := firstDelay; ; delay = min(2*delay, lastDelay) {
		select {
		case <-ctx.Done():
			if delay == firstDelay { // it was not asked for yet
				return nil, ctx.Err()
			}
			return nil, fmt.Errorf("%w: the lock %q is held by another program, or elsewhere in this one", ctx.Err(), path)
		case <-timer.C:
		}
		lock, err := try(path)
		if !errors.Is(err, errHeld) {
			return lock, err
		}
		// A system call that waits for a lock cannot be cancelled, so the lock is polled.
		// The random part of the delay keeps processes from polling in step.
		timer.Reset(delay/2 + rand.N(delay)) //nolint:gosec // no secret
	}
}

// Release gives the lock back.
func (l *Lock) Release() {
	unlock(l.file)
	_ = l.file.Close()
}

func try(path string) (*Lock, error) {
	// Opening would follow a symbolic link, and create what it points to.
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("lock file is not a regular file: %q", path)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the caller's path
	if err != nil {
		return nil, err
	}
	_ = GiveToOwner(file) // the file may be somebody else's, and be locked all the same
	if err = lock(file); err == nil {
		err = inPlace(file, path)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &Lock{file: file}, nil
}

// GiveToOwner gives the owner of a new file the rights that a umask has taken away: without
// them, the file could not be opened again.
func GiveToOwner(file *os.File) error {
	const rights = 0o600
	info, err := file.Stat()
	if err != nil || info.Mode().Perm()&rights == rights {
		return err
	}
	return file.Chmod(rights)
}

// inPlace returns errHeld if the file is no longer the one at path, so that the lock is
// tried again: a lock on a file that was removed excludes nobody.
func inPlace(file *os.File, path string) error {
	locked, err := file.Stat()
	if err != nil {
		return err
	}
	now, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(locked, now) {
		return errHeld
	}
	return err
}
