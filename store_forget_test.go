package revv_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// forgetting is a store that can forget, as all of the package can.
type forgetting interface {
	revv.TokenStore
	Forget(ctx context.Context, account string) error
}

func TestForget_removesTheTokenOfTheAccountAlone(t *testing.T) {
	t.Parallel()
	for name, store := range everyStore(t) {
		store, ok := store.(forgetting)
		require.True(t, ok, name)
		other := tokenPair("other")
		saveToken(t, store, storeAccount, tokenPair("one"))
		saveToken(t, store, "other", other)
		for range 2 { // what is not there is forgotten, too
			require.NoError(t, store.Forget(t.Context(), storeAccount), name)
			_, err := store.Load(t.Context(), storeAccount)
			require.ErrorIs(t, err, revv.ErrNoToken, name)
		}
		assertStored(t, store, "other", other)
		saveToken(t, store, storeAccount, tokenPair("two"))
		assertStored(t, store, storeAccount, tokenPair("two"))
		require.ErrorIs(t, store.Forget(t.Context(), ""), revv.ErrInvalidArgument, name)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, store.Forget(ctx, storeAccount), context.Canceled, name)
		assertStored(t, store, storeAccount, tokenPair("two"))
	}
	for _, store := range map[string]forgetting{"memory": &revv.MemoryStore{}, "file": &revv.FileStore{}, "encrypted": &revv.EncryptedStore{}} {
		assertArgument(t, store.Forget(t.Context(), storeAccount), "store")
	}
}

// A renewal that is under way has spent the refresh token. It saves what it has got, and
// that is forgotten.
func TestForget_waitsForAnUpdate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := revv.NewMemoryStore()
		saveToken(t, store, storeAccount, tokenPair("one"))
		go func() {
			_, err := store.Update(t.Context(), storeAccount, func(*oauth2.Token) (*oauth2.Token, error) {
				<-time.After(time.Minute)
				return tokenPair("two"), nil
			})
			assert.NoError(t, err)
		}()
		synctest.Wait()
		start := time.Now()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, store.Forget(short, storeAccount), context.DeadlineExceeded)
		require.NoError(t, store.Forget(t.Context(), storeAccount))
		assert.Equal(t, time.Minute, time.Since(start))
		_, err := store.Load(t.Context(), storeAccount)
		require.ErrorIs(t, err, revv.ErrNoToken)
	})
}

// The way out of a file that holds no token.
func TestFileStoreForget_removesWhatIsCorrupt_andADraft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := newFileStore(t, dir)
	saveToken(t, store, storeAccount, tokenPair("one"))
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.Len(t, paths, 1)
	require.NoError(t, os.WriteFile(paths[0], []byte("nonsense"), 0o600))
	require.NoError(t, os.WriteFile(paths[0][:len(paths[0])-len(".json")]+".tmp", []byte("nonsense"), 0o600))
	_, err = store.Load(t.Context(), storeAccount)
	require.ErrorIs(t, err, revv.ErrTokenStoreCorrupt)
	require.NoError(t, store.Forget(t.Context(), storeAccount))
	assert.Equal(t, []string{".lock"}, storeFiles(t, dir))
	_, err = store.Load(t.Context(), storeAccount)
	require.ErrorIs(t, err, revv.ErrNoToken)
}

func TestEncryptedStoreForget_innerCannot_saysSo(t *testing.T) {
	t.Parallel()
	store := newEncryptedStore(t, withoutForget{revv.NewMemoryStore()}, storeKey)
	err := store.Forget(t.Context(), storeAccount)
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "EncryptedStore.Forget")
}

// withoutForget is a store of somebody else's.
type withoutForget struct{ revv.TokenStore }
