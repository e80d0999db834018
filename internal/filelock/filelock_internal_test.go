package filelock

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Between opening a file and locking it, somebody may put another one in its place.
func TestInPlace_onlyTheFileAtThePathCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, other := filepath.Join(dir, "lock"), filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(other, nil, 0o600))
	file, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, inPlace(file, path))
	require.ErrorIs(t, inPlace(file, other), errHeld, "another file")
	require.ErrorIs(t, inPlace(file, filepath.Join(dir, "gone")), errHeld, "no file")
	err = inPlace(file, string([]byte{'a', 0}))
	require.Error(t, err, "a path that cannot be looked at")
	require.NotErrorIs(t, err, errHeld)
	require.NoError(t, file.Close())
	err = inPlace(file, path)
	require.Error(t, err)
	if runtime.GOOS != "windows" { // which says only that the handle is not valid
		require.ErrorIs(t, err, os.ErrClosed)
	}
	assert.NotErrorIs(t, err, errHeld)
}
