package filelock_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/filelock"
)

func acquire(t *testing.T, path string) *filelock.Lock {
	t.Helper()
	lock, err := filelock.Acquire(t.Context(), path)
	require.NoError(t, err)
	return lock
}

func TestAcquire_held_waitsForRelease(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	synctest.Test(t, func(t *testing.T) {
		holder := acquire(t, path)
		time.AfterFunc(time.Minute, holder.Release)
		start := time.Now()
		acquire(t, path).Release()
		waited := time.Since(start)
		assert.GreaterOrEqual(t, waited, time.Minute)
		assert.Less(t, waited, time.Minute+time.Second, "the lock is asked for often enough")
	})
	assert.FileExists(t, path, "a lock file stays")
}

func TestAcquire_contextEnds_leaves(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	synctest.Test(t, func(t *testing.T) {
		holder := acquire(t, path)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := filelock.Acquire(ctx, path)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "is held by another program")
		assert.Equal(t, time.Minute, time.Since(start))
		holder.Release()
		acquire(t, path).Release()
	})
}

// Who waits for a file that is removed must end up with the lock of its successor.
func TestAcquire_fileReplacedWhileHeld_locksTheNewOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	holder := acquire(t, path)
	if err := os.Remove(path); err != nil {
		holder.Release() // Windows does not let go of a file in use
		return
	}
	successor := acquire(t, path)
	holder.Release()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := filelock.Acquire(ctx, path)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	successor.Release()
}

func TestAcquire_notALockFile_isAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := filelock.Acquire(t.Context(), dir)
	require.Error(t, err)
	_, err = filelock.Acquire(t.Context(), filepath.Join(dir, "missing", "lock"))
	require.ErrorIs(t, err, os.ErrNotExist)
	target := filepath.Join(dir, "target")
	require.NoError(t, os.WriteFile(target, nil, 0o600))
	if os.Symlink(target, filepath.Join(dir, "link")) == nil {
		_, err = filelock.Acquire(t.Context(), filepath.Join(dir, "link"))
		require.ErrorContains(t, err, "not a regular file")
	}
	missing := filepath.Join(dir, "nobody made this")
	if os.Symlink(missing, filepath.Join(dir, "dangling")) == nil {
		_, err = filelock.Acquire(t.Context(), filepath.Join(dir, "dangling"))
		require.ErrorContains(t, err, "not a regular file")
		assert.NoFileExists(t, missing)
	}
}

// Who waits asks often enough to be prompt, and not so often that waiting costs a
// processor.
func TestAcquire_held_asksAtIntervalsWithinBounds(t *testing.T) {
	t.Parallel()
	const shortest, longest = 12500 * time.Microsecond, 37500 * time.Microsecond
	path := filepath.Join(t.TempDir(), "lock")
	synctest.Test(t, func(t *testing.T) {
		var latest time.Duration
		for i := range 60 {
			held := 200*time.Millisecond + time.Duration(i)*time.Millisecond
			time.AfterFunc(held, acquire(t, path).Release)
			start := time.Now()
			acquire(t, path).Release()
			latest = max(latest, time.Since(start)-held)
		}
		assert.LessOrEqual(t, latest, longest)
		assert.Greater(t, latest, shortest, "an interval is never shorter")
	})
}
