package revv_test

import (
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// A limit on the size of files fails in the same place as a full disk: a file can be
// created, but not filled. It holds for a whole process, hence the child.
func TestFileStore_fullDisk_isNoticedBeforeFn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := newFileStore(t, dir)
	saveToken(t, store, storeAccount, tokenPair("before"))
	startChild(t, "meet a full disk", dir).finish(t)
	assertStored(t, store, storeAccount, tokenPair("before"))
	require.Equal(t, []string{".json", ".lock"}, storeFiles(t, dir))
	saveToken(t, store, storeAccount, tokenPair("after"))
}

// What a crash has left may be the only pair that is good. If it cannot be read, as when
// no file can be opened any more, it must not be cleared away.
func TestFileStore_draftThatCannotBeRead_stays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	leaveFirstDraft(t, dir, tokenPair("fresh"))
	startChild(t, "open too many files", dir).finish(t)
	require.Equal(t, []string{".lock", ".tmp"}, storeFiles(t, dir))
	assertStored(t, newFileStore(t, dir), storeAccount, tokenPair("fresh"))
}

// openTooManyFiles leaves a single descriptor, which the lock takes.
func openTooManyFiles(t *testing.T, store *revv.FileStore) {
	t.Helper()
	var usual syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &usual))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: usual.Max}))
	var held []int
	for {
		fd, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0)
		if err != nil {
			break
		}
		held = append(held, fd)
	}
	require.NotEmpty(t, held)
	require.NoError(t, syscall.Close(held[0]))
	_, err := store.Update(t.Context(), storeAccount, notCalled(t))
	for _, fd := range held[1:] {
		require.NoError(t, syscall.Close(fd))
	}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &usual))
	require.ErrorIs(t, err, syscall.EMFILE)
}

// leaveFirstDraft leaves what a crash leaves between writing the first pair and renaming
// it.
func leaveFirstDraft(t *testing.T, dir string, first *oauth2.Token) {
	t.Helper()
	elsewhere := t.TempDir()
	saveToken(t, newFileStore(t, elsewhere), storeAccount, first)
	files, err := filepath.Glob(filepath.Join(elsewhere, "*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	name := strings.TrimSuffix(filepath.Base(files[0]), ".json") + ".tmp"
	require.NoError(t, os.Rename(files[0], filepath.Join(dir, name)))
}

func meetFullDisk(t *testing.T, store *revv.FileStore) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var usual syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &usual))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: usual.Max}))
	// A process that is built to measure coverage writes a file at its end.
	defer func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &usual)) }()
	_, err := store.Update(t.Context(), storeAccount, notCalled(t))
	require.ErrorIs(t, err, syscall.EFBIG)
	assertStored(t, store, storeAccount, tokenPair("before"))
}

// openIn lists the files below a directory that this process has open.
func openIn(t *testing.T, dir string) (paths []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, entry := range entries {
		if path, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.HasPrefix(path, dir) {
			paths = append(paths, path)
		}
	}
	return paths
}

// A server that renews for years must not run out of descriptors.
func TestFileStore_leavesNoFileOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := newFileStore(t, dir)
	for range 20 {
		saveToken(t, store, storeAccount, tokenPair("kept"))
		_, err := store.Update(t.Context(), storeAccount, func(current *oauth2.Token) (*oauth2.Token, error) { return current, nil })
		require.NoError(t, err)
		_, err = store.Update(t.Context(), storeAccount, func(*oauth2.Token) (*oauth2.Token, error) { return nil, errLedgerDown })
		require.ErrorIs(t, err, errLedgerDown)
		assertStored(t, store, storeAccount, tokenPair("kept"))
		require.NoError(t, store.Forget(t.Context(), storeAccount))
		leaveFirstDraft(t, dir, tokenPair("fresh"))
		assertStored(t, store, storeAccount, tokenPair("fresh"))
	}
	require.Empty(t, openIn(t, dir))
}
