package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func newStore(t *testing.T, path string) *sqliteStore {
	t.Helper()
	store, err := openStore(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, store.Close()) })
	return store
}

func TestStore_keepsThePromisesOfATokenStore(t *testing.T) {
	t.Parallel()
	revvtest.TestTokenStore(t, func(t *testing.T) revv.TokenStore {
		return newStore(t, filepath.Join(t.TempDir(), "a name with ? # %41.db"))
	})
}

// Two replicas have a pool of connections each, and one database.
func TestStore_ofTwoReplicas_keepsThePromisesOfATokenStore(t *testing.T) {
	t.Parallel()
	revvtest.TestSharedTokenStore(t, func(t *testing.T) (one, another revv.TokenStore) {
		path := filepath.Join(t.TempDir(), "tokens.db")
		return newStore(t, path), newStore(t, path)
	})
}

func TestStore_sealed_keepsThePromisesOfATokenStore(t *testing.T) {
	t.Parallel()
	revvtest.TestTokenStore(t, func(t *testing.T) revv.TokenStore {
		store, err := revv.NewEncryptedStore(newStore(t, filepath.Join(t.TempDir(), "tokens.db")), bytes.Repeat([]byte{7}, 32))
		require.NoError(t, err)
		return store
	})
}

func TestStore_ofTheOwnerAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("file modes")
	}
	path := filepath.Join(t.TempDir(), "tokens.db")
	store := newStore(t, path)
	require.NoError(t, revv.SaveToken(t.Context(), store, "acme", &oauth2.Token{AccessToken: "a"}))
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	assert.NotEmpty(t, files)
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file)
	}
}

// The pair is renewed once, although two replicas find out at the same time that
// it has expired, each with many requests.
func TestStore_twoReplicasOnOneFile_refreshOnce(t *testing.T) {
	t.Parallel()
	server, path := revvtest.NewServer(t), filepath.Join(t.TempDir(), "tokens.db")
	var clients []*revv.Client
	for range 2 {
		auth, err := server.OAuthConfig().Authenticator(newStore(t, path), "acme")
		require.NoError(t, err)
		client, err := revv.NewClient(auth, revv.WithBaseURL(server.URL()))
		require.NoError(t, err)
		clients = append(clients, client)
	}
	require.NoError(t, revv.SaveToken(t.Context(), newStore(t, path), "acme", server.Token()))
	server.ExpireTokens()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			_, err := clients[i%2].Templates.List(t.Context(), revv.ListTemplatesParams{})
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.Len(t, server.Requests("OAuth.Token"), 1)
}

func TestStore_holderThatDied_isFollowedWhenItsTimeIsUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens.db")
	store := newStore(t, path)
	_, err := store.lock(t.Context(), "acme") // never unlocked
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockPoll)
	defer cancel()
	_, err = store.Update(ctx, "acme", func(*oauth2.Token) (*oauth2.Token, error) { return &oauth2.Token{AccessToken: "early"}, nil })
	require.ErrorIs(t, err, context.DeadlineExceeded)

	_, err = store.db.ExecContext(t.Context(), `UPDATE locks SET until = until - ?`, lockLease.Seconds()+1)
	require.NoError(t, err)
	require.NoError(t, revv.SaveToken(t.Context(), newStore(t, path), "acme", &oauth2.Token{AccessToken: "in time"}))
}

// A holder that was stopped for longer than its lock lasts must not overwrite what
// its successor has saved.
func TestStore_holderThatWasOvertaken_doesNotSave(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens.db")
	slow, quick := newStore(t, path), newStore(t, path)
	_, err := slow.Update(t.Context(), "acme", func(*oauth2.Token) (*oauth2.Token, error) {
		_, err := slow.db.ExecContext(t.Context(), `UPDATE locks SET until = 0`)
		require.NoError(t, err)
		require.NoError(t, revv.SaveToken(t.Context(), quick, "acme", &oauth2.Token{AccessToken: "of the successor"}))
		return &oauth2.Token{AccessToken: "too late"}, nil
	})
	require.ErrorIs(t, err, revv.ErrConflict)
	token, err := slow.Load(t.Context(), "acme")
	require.NoError(t, err)
	assert.Equal(t, "of the successor", token.AccessToken)
}

func TestStore_thatCannotBeWritten_doesNotCallFn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens.db")
	store := newStore(t, path)
	store.db.SetMaxOpenConns(1)
	_, err := store.db.ExecContext(t.Context(), `PRAGMA query_only = 1`)
	require.NoError(t, err)
	var called atomic.Bool
	_, err = store.Update(t.Context(), "acme", func(*oauth2.Token) (*oauth2.Token, error) {
		called.Store(true)
		return nil, errors.New("called")
	})
	require.ErrorContains(t, err, "lock the token")
	assert.False(t, called.Load())
}

func TestStore_rowThatIsNoToken_isReportedAndLeftAlone(t *testing.T) {
	t.Parallel()
	store := newStore(t, filepath.Join(t.TempDir(), "tokens.db"))
	_, err := store.db.ExecContext(t.Context(), `INSERT INTO tokens VALUES (?, ?)`, []byte("acme"), []byte(`{"access_token":`))
	require.NoError(t, err)
	_, err = store.Load(t.Context(), "acme")
	require.ErrorIs(t, err, revv.ErrTokenStoreCorrupt)
	require.ErrorIs(t, revv.SaveToken(t.Context(), store, "acme", &oauth2.Token{AccessToken: "a"}), revv.ErrTokenStoreCorrupt)
}

func TestStore_forgets(t *testing.T) {
	t.Parallel()
	store := newStore(t, filepath.Join(t.TempDir(), "tokens.db"))
	require.NoError(t, revv.SaveToken(t.Context(), store, "acme", &oauth2.Token{AccessToken: "a"}))
	require.NoError(t, store.Forget(t.Context(), "acme"))
	_, err := store.Load(t.Context(), "acme")
	require.ErrorIs(t, err, revv.ErrNoToken)
	for _, err := range []error{store.Forget(t.Context(), ""), revv.SaveToken(t.Context(), store, "", &oauth2.Token{AccessToken: "a"})} {
		require.ErrorIs(t, err, revv.ErrInvalidArgument)
	}
}

func TestOpenStore_whereNoFileCanBe_saysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := openStore(t.Context(), filepath.Join(dir, "missing", "tokens.db"))
	require.ErrorIs(t, err, os.ErrNotExist)
	path := filepath.Join(dir, "text.db")
	require.NoError(t, os.WriteFile(path, []byte("this is no database, but it is a file with some text in it"), 0o600))
	_, err = openStore(t.Context(), path)
	require.ErrorContains(t, err, "prepare "+path)
}
