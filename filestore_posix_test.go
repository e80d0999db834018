//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package revv_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

func permissions(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}

func TestFileStore_files_areForTheOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	store := newFileStore(t, dir)
	assert.EqualValues(t, 0o700, permissions(t, dir))
	assert.EqualValues(t, 0o700, permissions(t, filepath.Dir(dir)))
	_, err := store.Update(t.Context(), storeAccount, func(*oauth2.Token) (*oauth2.Token, error) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Len(t, entries, 2, "the lock and the draft")
		for _, entry := range entries {
			assert.EqualValues(t, 0o600, permissions(t, filepath.Join(dir, entry.Name())))
		}
		return tokenPair("any"), nil
	})
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, permissions(t, tokenFile(t, dir)))
}

func TestFileStore_fileThatOthersMayRead_isMadePrivate(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o666, 0o777} {
		store, path := storeWithToken(t, tokenPair("open"))
		require.NoError(t, os.Chmod(path, mode))
		assertStored(t, store, storeAccount, tokenPair("open"))
		assert.EqualValues(t, 0o600, permissions(t, path), mode)

		require.NoError(t, os.Chmod(path, mode))
		_, err := store.Update(t.Context(), storeAccount, func(current *oauth2.Token) (*oauth2.Token, error) {
			assert.EqualValues(t, 0o600, permissions(t, path), mode)
			return current, nil
		})
		require.NoError(t, err)
		saveToken(t, store, storeAccount, tokenPair("after"))
	}
	store, path := storeWithToken(t, tokenPair("read only"))
	require.NoError(t, os.Chmod(path, 0o400))
	assertStored(t, store, storeAccount, tokenPair("read only"))
	assert.EqualValues(t, 0o400, permissions(t, path), "private enough")
}

func TestFileStore_symbolicLinkOrPipe_isCorruptAndKept(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(path string) error{
		"link to a token": func(path string) error {
			moved := path + ".moved"
			if err := os.Rename(path, moved); err != nil {
				return err
			}
			return os.Symlink(moved, path)
		},
		"link to nothing": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Symlink(path+".missing", path)
		},
		"pipe": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return syscall.Mkfifo(path, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, path := storeWithToken(t, tokenPair("sentinel"))
			require.NoError(t, replace(path))
			assertCorruptAndKept(t, store, path)
		})
	}
}

func TestFileStore_lockOrDraftIsALink_isNotFollowed(t *testing.T) {
	t.Parallel()
	store, path := storeWithToken(t, tokenPair("before"))
	base := strings.TrimSuffix(path, ".json")
	target := filepath.Join(t.TempDir(), "precious")
	writeFile(t, target, "precious")
	require.NoError(t, os.Symlink(target, base+".tmp"))
	saveToken(t, store, storeAccount, tokenPair("after"))

	require.NoError(t, os.Remove(base+".lock"))
	require.NoError(t, os.Symlink(target, base+".lock"))
	_, err := store.Update(t.Context(), storeAccount, notCalled(t))
	require.ErrorContains(t, err, "not a regular file")
	content, err := os.ReadFile(target)
	require.NoError(t, err)
	assert.Equal(t, "precious", string(content))
}

// Windows protects files in use from all of this.
func TestFileStore_savingFails_keepsTheOldToken(t *testing.T) {
	t.Parallel()
	for name, sabotage := range map[string]func(path string) error{
		"token removed": os.Remove,
		"draft removed": func(path string) error { return os.Remove(strings.TrimSuffix(path, ".json") + ".tmp") },
		"draft replaced": func(path string) error {
			draft := strings.TrimSuffix(path, ".json") + ".tmp"
			return errors.Join(os.Remove(draft), os.WriteFile(draft, []byte("sentinel"), 0o600))
		},
		"token turned into a directory": func(path string) error {
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
		},
		"directory moved away": func(path string) error {
			return os.Rename(filepath.Dir(path), filepath.Dir(path)+".away")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "tokens")
			store := newFileStore(t, dir)
			saveToken(t, store, storeAccount, tokenPair("before"))
			path := tokenFile(t, dir)
			whole, err := os.ReadFile(path)
			require.NoError(t, err)
			got, err := store.Update(t.Context(), storeAccount, func(*oauth2.Token) (*oauth2.Token, error) {
				require.NoError(t, sabotage(path))
				return tokenPair("sentinel"), nil
			})
			require.Error(t, err)
			assert.Nil(t, got)
			assert.NotContains(t, err.Error(), "sentinel")

			// Once the obstacle is gone, everything is as before.
			require.NoError(t, os.RemoveAll(dir))
			_ = os.Rename(dir+".away", dir)
			require.NoError(t, os.MkdirAll(dir, 0o700))
			require.NoError(t, os.WriteFile(path, whole, 0o600))
			assertStored(t, store, storeAccount, tokenPair("before"))
			saveToken(t, store, storeAccount, tokenPair("after"))
			assertStored(t, store, storeAccount, tokenPair("after"))
		})
	}
}

// A umask can take away what the owner needs.
func TestFileStore_strictUmask_isOfUse(t *testing.T) {
	t.Parallel()
	for _, umask := range []string{"0177", "0377", "0777"} {
		dir := filepath.Join(t.TempDir(), "tokens")
		startChild(t, "count 15 times", dir, "/bin/sh", "-c", `umask `+umask+` && exec "$0" "$@"`).finish(t)
		assert.EqualValues(t, 0o700, permissions(t, dir), umask)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Len(t, entries, 2, "the lock and the token")
		for _, entry := range entries {
			assert.EqualValues(t, 0o600, permissions(t, filepath.Join(dir, entry.Name())), umask)
		}
		assert.Equal(t, 15, loadCount(t, newFileStore(t, dir)), umask)
	}
}
