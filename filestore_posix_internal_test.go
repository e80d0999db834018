//go:build !windows

package revv

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMakePrivate_notPossible_isAnError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	require.NoError(t, os.Chmod(path, 0o644)) //nolint:gosec // whatever the umask is
	file, err := os.Open(path)
	require.NoError(t, err)
	info, err := file.Stat()
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.ErrorIs(t, makePrivate(file, info), os.ErrClosed, "rights that cannot be changed are not passed over")
}

func TestSyncDir_noDirectory_isAnError(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, syncDir(filepath.Join(t.TempDir(), "missing")), os.ErrNotExist)
}

// A file that was written over in place, as by a tool that sets its time back, is known by
// its size.
func TestCheckUntouched_otherSize_isAConflict(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("one"), 0o600))
	before, err := os.Lstat(path)
	require.NoError(t, err)
	require.NoError(t, checkUntouched(path, before))
	require.NoError(t, os.WriteFile(path, []byte("another"), 0o600))
	require.NoError(t, os.Chtimes(path, before.ModTime(), before.ModTime()))
	require.ErrorIs(t, checkUntouched(path, before), ErrConflict)
}

// A backup that was put back looks like what was there, but for one thing at a time.
func TestCheckUntouched_oneThingDiffers_isAConflict(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("one"), 0o600))
	before, err := os.Lstat(path)
	require.NoError(t, err)
	require.NoError(t, os.Chtimes(path, before.ModTime(), before.ModTime().Add(time.Second)))
	require.ErrorIs(t, checkUntouched(path, before), ErrConflict, "the time")
	require.NoError(t, os.Chtimes(path, before.ModTime(), before.ModTime()))
	require.NoError(t, checkUntouched(path, before))

	require.NoError(t, os.Rename(path, path+".old")) // so that its number is not given to the next
	require.NoError(t, os.WriteFile(path, []byte("two"), 0o600))
	require.NoError(t, os.Chtimes(path, before.ModTime(), before.ModTime()))
	require.ErrorIs(t, checkUntouched(path, before), ErrConflict, "the file")
}
