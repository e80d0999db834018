package revv_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// storeFiles lists the directory: the extensions of its files, sorted.
func storeFiles(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var extensions []string
	for _, entry := range entries {
		extensions = append(extensions, filepath.Ext(entry.Name()))
	}
	slices.Sort(extensions)
	return extensions
}

// tokenFile returns the path of the only token file in dir.
func tokenFile(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

// storeWithToken returns a store that holds a pair for storeAccount, and its file.
func storeWithToken(t *testing.T, pair *oauth2.Token) (store *revv.FileStore, path string) {
	t.Helper()
	dir := t.TempDir()
	store = newFileStore(t, dir)
	saveToken(t, store, storeAccount, pair)
	return store, tokenFile(t, dir)
}

func TestNewFileStore_noDirectoryPossible_isAnError(t *testing.T) {
	t.Parallel()
	_, err := revv.NewFileStore("")
	assertArgument(t, err, "dir")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{file, filepath.Join(file, "below"), "a\x00b"} {
		_, err = revv.NewFileStore(dir)
		require.Error(t, err, dir)
	}
}

func TestFileStore_anyAccount_getsASafeName(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "below")
	store := newFileStore(t, dir)
	accounts := []string{
		"..", "/", "../../etc/passwd", "a/b", `a\b`, "con", "a", "A", "a ", "\x00", "\xff", "-", "*", strings.Repeat("long", 10<<10/4),
	}
	for _, account := range accounts {
		saveToken(t, store, account, tokenPair(accountName(account)))
	}
	for _, account := range accounts {
		assertStored(t, store, account, tokenPair(accountName(account)))
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2*len(accounts))
	for _, entry := range entries {
		assert.Regexp(t, `^[0-9a-f]{64}\.(json|lock)$`, entry.Name())
	}
}

func accountName(account string) string { return strings.ToValidUTF8(account, "?") }

func TestFileStore_restart_findsTheToken(t *testing.T) {
	t.Parallel()
	want := tokenPair("kept")
	want.Expiry, want.ExpiresIn = time.Date(2031, time.May, 1, 2, 3, 4, 5, time.UTC), 3600
	_, path := storeWithToken(t, want)
	assertStored(t, newFileStore(t, filepath.Dir(path)), storeAccount, want)
}

func TestFileStore_relativeDirectory_staysWhereItWas(t *testing.T) {
	t.Chdir(t.TempDir())
	store := newFileStore(t, "tokens")
	saveToken(t, store, storeAccount, tokenPair("here"))
	t.Chdir(t.TempDir())
	assertStored(t, store, storeAccount, tokenPair("here"))
}

func TestFileStore_everyEndOfUpdate_leavesNoDraft(t *testing.T) {
	t.Parallel()
	store, path := storeWithToken(t, tokenPair("before"))
	dir := filepath.Dir(path)
	for name, fn := range map[string]func(*oauth2.Token) (*oauth2.Token, error){
		"saved":     saving(tokenPair("before")),
		"failed":    func(*oauth2.Token) (*oauth2.Token, error) { return nil, assert.AnError },
		"the same":  func(current *oauth2.Token) (*oauth2.Token, error) { return current, nil },
		"no token":  saving(nil),
		"too large": saving(&oauth2.Token{AccessToken: strings.Repeat("x", 64<<10)}),
		"panic":     func(*oauth2.Token) (*oauth2.Token, error) { panic("in fn") },
	} {
		func() {
			defer func() { _ = recover() }()
			_, err := store.Update(t.Context(), storeAccount, fn)
			assert.Equal(t, name == "saved" || name == "the same", err == nil, "%s: %v", name, err)
		}()
		assert.Equal(t, []string{".json", ".lock"}, storeFiles(t, dir), name)
		assertStored(t, store, storeAccount, tokenPair("before"))
	}
}

// The room is taken before the token is spent: see also the test with a full disk.
func TestFileStore_whileFnRuns_holdsRoomForAnyToken(t *testing.T) {
	t.Parallel()
	store, path := storeWithToken(t, tokenPair("before"))
	_, err := store.Update(t.Context(), storeAccount, func(*oauth2.Token) (*oauth2.Token, error) {
		draft, err := os.Stat(strings.TrimSuffix(path, ".json") + ".tmp")
		require.NoError(t, err)
		assert.EqualValues(t, 64<<10, draft.Size())
		return tokenPair("after"), nil
	})
	require.NoError(t, err)
}

func TestFileStore_leftoverOfACrash_isReplaced(t *testing.T) {
	t.Parallel()
	store, path := storeWithToken(t, tokenPair("before"))
	draft := strings.TrimSuffix(path, ".json") + ".tmp"
	require.NoError(t, os.WriteFile(draft, []byte("half a tok"), 0o600))
	assertStored(t, store, storeAccount, tokenPair("before"))
	saveToken(t, store, storeAccount, tokenPair("after"))
	assertStored(t, store, storeAccount, tokenPair("after"))
	assert.NoFileExists(t, draft)
}

// writeFile provokes what a person or a broken disk does to a file.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestFileStore_fileThatIsNoToken_isCorruptAndKept(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, path, whole string){
		"empty":         func(t *testing.T, path, _ string) { t.Helper(); writeFile(t, path, "") },
		"half":          func(t *testing.T, path, whole string) { t.Helper(); writeFile(t, path, whole[:len(whole)/2]) },
		"zeros":         func(t *testing.T, path, _ string) { t.Helper(); writeFile(t, path, string(make([]byte, 300))) },
		"text":          func(t *testing.T, path, _ string) { t.Helper(); writeFile(t, path, "sentinel") },
		"null":          func(t *testing.T, path, _ string) { t.Helper(); writeFile(t, path, "null") },
		"trailing text": func(t *testing.T, path, whole string) { t.Helper(); writeFile(t, path, whole+"sentinel") },
		"too large": func(t *testing.T, path, whole string) {
			t.Helper()
			writeFile(t, path, whole+strings.Repeat(" ", 64<<10))
		},
		"huge": func(t *testing.T, path, _ string) {
			t.Helper()
			require.NoError(t, os.Truncate(path, 1<<30))
		},
		"directory": func(t *testing.T, path, _ string) {
			t.Helper()
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.Mkdir(path, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, path := storeWithToken(t, tokenPair("sentinel"))
			whole, err := os.ReadFile(path)
			require.NoError(t, err)
			spoil(t, path, string(whole))
			assertCorruptAndKept(t, store, path)
		})
	}
}

func assertCorruptAndKept(t *testing.T, store *revv.FileStore, path string) {
	t.Helper()
	before, err := os.Lstat(path)
	require.NoError(t, err)
	_, err = store.Load(t.Context(), storeAccount)
	require.ErrorIs(t, err, revv.ErrTokenStoreCorrupt)
	assert.Contains(t, err.Error(), filepath.Base(path), "the user has to find the file")
	assert.NotContains(t, err.Error(), "sentinel")
	_, err = store.Update(t.Context(), storeAccount, notCalled(t))
	require.ErrorIs(t, err, revv.ErrTokenStoreCorrupt)
	assert.NotContains(t, err.Error(), "sentinel")
	after, err := os.Lstat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after))
	assert.Equal(t, before.Size(), after.Size())
	assert.Equal(t, before.ModTime(), after.ModTime())

	// The remedy is to remove the file.
	require.NoError(t, os.RemoveAll(path))
	saveToken(t, store, storeAccount, tokenPair("anew"))
	assertStored(t, store, storeAccount, tokenPair("anew"))
}

func TestFileStore_filesOfTwoAccountsSwapped_isCorrupt(t *testing.T) {
	t.Parallel()
	store, mine := storeWithToken(t, tokenPair("mine"))
	dir := t.TempDir()
	saveToken(t, newFileStore(t, dir), "other@example.com", tokenPair("other"))
	other, err := os.ReadFile(tokenFile(t, dir))
	require.NoError(t, err)
	writeFile(t, mine, string(other))
	assertCorruptAndKept(t, store, mine)
}

func TestFileStore_directoryGone_isNotNoToken(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "volume")
	store := newFileStore(t, dir)
	saveToken(t, store, storeAccount, tokenPair("before"))
	require.NoError(t, os.Rename(dir, dir+".away"))
	assertStoreDown(t, store)
	writeFile(t, dir, "a file in its place")
	assertStoreDown(t, store)
	require.NoError(t, os.Remove(dir))
	require.NoError(t, os.Rename(dir+".away", dir))
	assertStored(t, store, storeAccount, tokenPair("before"))
	saveToken(t, store, storeAccount, tokenPair("after"))
}

// assertStoreDown checks that the store says so before a token is spent.
func assertStoreDown(t *testing.T, store revv.TokenStore) {
	t.Helper()
	_, err := store.Load(t.Context(), storeAccount)
	require.Error(t, err)
	require.NotErrorIs(t, err, revv.ErrNoToken)
	_, err = store.Update(t.Context(), storeAccount, notCalled(t))
	require.Error(t, err)
	var typed *revv.Error
	require.ErrorAs(t, err, &typed)
	assert.Equal(t, "FileStore.Update", typed.Op)
}

func TestFileStore_draftCannotBeMade_isNoticedBeforeFn(t *testing.T) {
	t.Parallel()
	store, path := storeWithToken(t, tokenPair("before"))
	draft := strings.TrimSuffix(path, ".json") + ".tmp"
	require.NoError(t, os.MkdirAll(filepath.Join(draft, "full"), 0o700))
	_, err := store.Update(t.Context(), storeAccount, notCalled(t))
	require.Error(t, err)
	assertStored(t, store, storeAccount, tokenPair("before"))
	require.NoError(t, os.RemoveAll(draft))
	saveToken(t, store, storeAccount, tokenPair("after"))
}

func TestFileStore_lockCannotBeMade_isNoticedBeforeFn(t *testing.T) {
	t.Parallel()
	store, path := storeWithToken(t, tokenPair("before"))
	lock := strings.TrimSuffix(path, ".json") + ".lock"
	require.NoError(t, os.Remove(lock))
	require.NoError(t, os.Mkdir(lock, 0o700))
	_, err := store.Update(t.Context(), storeAccount, notCalled(t))
	require.Error(t, err)
	assertStored(t, store, storeAccount, tokenPair("before"))
}

// Somebody who does not respect the lock may have the only pair that still works.
func TestFileStore_replacedBehindTheLock_isAConflictAndKept(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]*oauth2.Token{"first token": nil, "next token": tokenPair("before")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			foreign, dir := t.TempDir(), t.TempDir()
			saveToken(t, newFileStore(t, foreign), storeAccount, tokenPair("foreign"))
			foreignFile := tokenFile(t, foreign)
			store := newFileStore(t, dir)
			if before != nil {
				saveToken(t, store, storeAccount, before)
			}
			calls := 0
			_, err := store.Update(t.Context(), storeAccount, func(*oauth2.Token) (*oauth2.Token, error) {
				calls++
				require.NoError(t, os.Rename(foreignFile, filepath.Join(dir, filepath.Base(foreignFile))))
				return tokenPair("after"), nil
			})
			require.ErrorIs(t, err, revv.ErrConflict)
			assert.Equal(t, 1, calls)
			assertStored(t, store, storeAccount, tokenPair("foreign"))
			assert.Equal(t, []string{".json", ".lock"}, storeFiles(t, dir))
			saveToken(t, store, storeAccount, tokenPair("after"))
		})
	}
}

// The lock file must not be removed, but somebody will.
func TestFileStore_lockFileRemoved_nextUpdateHasALock(t *testing.T) {
	t.Parallel()
	store, path := storeWithToken(t, tokenPair("before"))
	require.NoError(t, os.Remove(strings.TrimSuffix(path, ".json")+".lock"))
	saveToken(t, store, storeAccount, tokenPair("after"))
	assert.Equal(t, []string{".json", ".lock"}, storeFiles(t, filepath.Dir(path)))
}

func TestFileStore_storesOnOneDirectory_loseNoUpdate(t *testing.T) {
	t.Parallel()
	const stores, rounds = 4, 5
	dir := t.TempDir()
	done := make(chan error, stores)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for range stores {
		store := newFileStore(t, dir)
		go func() {
			var err error
			for range rounds {
				if err == nil {
					_, err = store.Update(ctx, storeAccount, nextCount)
				}
			}
			done <- err
		}()
	}
	for range stores {
		require.NoError(t, <-done)
	}
	token, err := newFileStore(t, dir).Load(ctx, storeAccount)
	require.NoError(t, err)
	assert.Equal(t, stores*rounds, countOf(t, token))
}

func TestFileStore_errorOfTheSystem_isKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "tokens")
	store := newFileStore(t, dir)
	require.NoError(t, os.Remove(dir))
	_, err := store.Load(t.Context(), storeAccount)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = store.Update(t.Context(), storeAccount, notCalled(t))
	require.ErrorIs(t, err, fs.ErrNotExist)
}
