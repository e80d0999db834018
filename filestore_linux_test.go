package revv_test

import (
	"os/signal"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

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
