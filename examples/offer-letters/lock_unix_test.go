//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A process that is begun while the lock is held has the file open for a moment, too.
func TestLockFile_closedWhileAnotherHasTheFileOpen_isFree(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := lockFile(path)
	require.NoError(t, err)
	held, ok := lock.(heldLock)
	require.True(t, ok)
	child, err := syscall.Dup(int(held.file.Fd()))
	require.NoError(t, err)
	defer func() { assert.NoError(t, syscall.Close(child)) }()
	require.NoError(t, lock.Close())
	next, err := lockFile(path)
	require.NoError(t, err)
	require.NoError(t, next.Close())
}
