//go:build !windows

package filelock_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/filelock"
)

func TestGiveToOwner_addsWhatIsMissingAlone(t *testing.T) {
	t.Parallel()
	for given, want := range map[os.FileMode]os.FileMode{0: 0o600, 0o200: 0o600, 0o400: 0o600, 0o044: 0o600, 0o600: 0o600, 0o640: 0o640, 0o700: 0o700} {
		file, err := os.Create(filepath.Join(t.TempDir(), "file"))
		require.NoError(t, err)
		require.NoError(t, file.Chmod(given))
		require.NoError(t, filelock.GiveToOwner(file))
		info, err := file.Stat()
		require.NoError(t, err)
		assert.Equal(t, want, info.Mode().Perm(), "of %v", given)
		require.NoError(t, file.Close())
		require.ErrorIs(t, filelock.GiveToOwner(file), os.ErrClosed)
	}
}
