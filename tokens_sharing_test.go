package revv_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// T20: whoever shares a store shares one renewal.
func TestTokens_twoClientsOnOneStore_renewOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	memory, sealed := revv.NewMemoryStore(), newEncryptedStore(t, revv.NewMemoryStore(), storeKey)
	for name, stores := range map[string][2]revv.TokenStore{
		"a memory store":               {memory, memory},
		"an encrypted store":           {sealed, sealed},
		"two file stores on one place": {newFileStore(t, dir), newFileStore(t, dir)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const callers = 100
			w := newTokenWorld(t)
			saveToken(t, stores[0], tokenAccount, &w.first)
			w.expire()
			together(2 * callers)(w)
			var all sync.WaitGroup
			var auths [2]revv.Authenticator
			for i, store := range stores {
				auth, client := w.program(store, tokenAccount)
				auths[i] = auth
				for range callers {
					all.Go(func() {
						_, err := client.Documents.Get(t.Context(), 14)
						assert.NoError(t, err)
					})
				}
			}
			all.Wait()
			tokens, api := w.authority.counts()
			assert.Equal(t, 1, tokens)
			assert.Equal(t, 4*callers, api)
			one, err := auths[0].Token(t.Context())
			require.NoError(t, err)
			other, err := auths[1].Token(t.Context())
			require.NoError(t, err)
			assert.Equal(t, one.AccessToken, other.AccessToken)
			assert.Equal(t, one.RefreshToken, other.RefreshToken)
			assertStored(t, stores[0], tokenAccount, one)
			for _, value := range []any{auths[0], stores[0], stores[1]} {
				assertKeepsSecrets(t, w.authority.hidden(), value)
			}
		})
	}
}

// T20: also where both renew ahead of time, and the endpoint is slow.
func TestTokens_twoClientsOnOneStore_renewOnceAheadOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		w.left(10 * time.Second)
		w.faulty(slow(func(context.Context) { pass(3 * time.Second) }))
		var all sync.WaitGroup
		for range 5 {
			_, client := w.program(w.ledger, tokenAccount)
			for range 20 {
				all.Go(func() {
					_, err := client.Documents.Get(t.Context(), 14)
					assert.NoError(t, err)
				})
			}
		}
		all.Wait()
		tokens, api := w.authority.counts()
		assert.Equal(t, 1, tokens)
		assert.Equal(t, 100, api)
	})
}

// T43: accounts do not wait for one another, and their pairs never mix.
func TestTokens_twoAccountsInOneStore_neverMix(t *testing.T) {
	t.Parallel()
	for name, store := range everyStore(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTokenWorld(t)
			owners := make(map[string]string) // of every refresh token
			// No request is answered before each account has sent one.
			var both sync.WaitGroup
			both.Add(2)
			w.alwaysFaulty(func(a *authority, r tokenRequest) (*http.Response, error) {
				both.Done()
				both.Wait()
				status, body := a.honest(r.form)
				return reply(status, body), nil
			})
			var all sync.WaitGroup
			for _, account := range []string{"legal@example.com", "sales@example.com"} {
				pair := &oauth2.Token{TokenType: "Bearer"}
				pair.AccessToken, pair.RefreshToken = w.authority.authorize()
				owners[account] = pair.RefreshToken
				saveToken(t, store, account, pair)
				_, client := w.program(store, account)
				all.Add(50)
				w.expire()
				for range 50 {
					go func() {
						defer all.Done()
						_, err := client.Documents.Get(t.Context(), 14)
						assert.NoError(t, err)
					}()
				}
			}
			all.Wait()
			tokens, _ := w.authority.counts()
			assert.Equal(t, 2, tokens)
			for account, first := range owners {
				pair, err := store.Load(t.Context(), account)
				require.NoError(t, err)
				w.authority.mu.Lock()
				family := w.authority.families[first]
				assert.Equal(t, family.refresh, pair.RefreshToken)
				assert.True(t, family.access[pair.AccessToken])
				w.authority.mu.Unlock()
			}
		})
	}
}

// T21: the operating system takes the lock away from a process that is killed.
func TestTokens_holderOfTheLockKilled_successorRenews(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := newFileStore(t, dir)
	w := newTokenWorld(t)
	saveToken(t, store, storeAccount, &w.first)
	_, client := w.program(store, storeAccount)
	w.expire()
	holder := startChild(t, "hold the lock", dir)
	text, ok := holder.says()
	require.True(t, ok, "%s", &holder.other)
	require.Equal(t, "holding", text)

	ctx, cancel := context.WithTimeout(t.Context(), childLife)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := client.Documents.Get(ctx, 14)
		done <- err
	}()
	require.Eventually(t, func() bool { _, api := w.authority.counts(); return api == 1 }, childLife, time.Millisecond)
	tokens, _ := w.authority.counts()
	assert.Zero(t, tokens, "the lock is held by another process")
	holder.kill(t)
	require.NoError(t, <-done)
	tokens, api := w.authority.counts()
	assert.Equal(t, 1, tokens)
	assert.Equal(t, 2, api)
}

// T42: what is wrong with the files is seen before the refresh token is spent.
func TestTokens_brokenFiles_spendNoToken(t *testing.T) {
	t.Parallel()
	overwrite := func(content string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		}
	}
	for name, c := range map[string]struct {
		breaks func(t *testing.T, path string)
		want   error
	}{
		"an empty file":   {overwrite(""), revv.ErrTokenStoreCorrupt},
		"not JSON":        {overwrite("{"), revv.ErrTokenStoreCorrupt},
		"other JSON":      {overwrite(`{"access_token":"access","refresh_token":"refresh"}`), revv.ErrTokenStoreCorrupt},
		"a directory":     {func(t *testing.T, path string) { t.Helper(); remake(t, path) }, revv.ErrTokenStoreCorrupt},
		"no room for one": {func(t *testing.T, path string) { t.Helper(); blockDraft(t, path) }, errAny},
		"no directory":    {func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.RemoveAll(filepath.Dir(path))) }, os.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTokenWorld(t)
			dir := t.TempDir()
			store := newFileStore(t, dir)
			saveToken(t, store, tokenAccount, &w.first)
			path := soleTokenFile(t, dir)
			_, client := w.program(store, tokenAccount)
			_, err := client.Documents.Get(t.Context(), 14)
			require.NoError(t, err)
			w.expire()
			c.breaks(t, path)
			before := contentOf(path)

			_, err = client.Documents.Get(t.Context(), 14)
			(&tokenStep{want: []error{c.want}, never: but(c.want)}).check(w, err)
			tokens, _ := w.authority.counts()
			assert.Zero(t, tokens)
			assert.Equal(t, before, contentOf(path), "what is there stays for a person to look at")
		})
	}
}

// T42: a crash between writing and renaming has left a draft behind.
func TestTokens_draftOfACrash_isNoToken(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t)
	dir := t.TempDir()
	store := newFileStore(t, dir)
	saveToken(t, store, tokenAccount, &w.first)
	path := soleTokenFile(t, dir)
	draft := path[:len(path)-len(".json")] + ".tmp"
	require.NoError(t, os.WriteFile(draft, []byte(`{"version":1,"acc`), 0o600))
	require.NoError(t, os.Chmod(path, 0o644)) //nolint:gosec // the mistake that is tried
	_, client := w.program(store, tokenAccount)
	w.expire()
	_, err := client.Documents.Get(t.Context(), 14)
	require.NoError(t, err)
	tokens, _ := w.authority.counts()
	assert.Equal(t, 1, tokens)
	assert.NoFileExists(t, draft)
	if runtime.GOOS == "windows" {
		return // a mode says nothing there about who may read
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Zero(t, info.Mode().Perm()&0o077, "others may read the tokens")
}

// soleTokenFile is the only token file of a directory.
func soleTokenFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	return files[0]
}

func contentOf(path string) string {
	content, err := os.ReadFile(path)
	return fmt.Sprint(string(content), err)
}

// remake puts a directory in the place of a file.
func remake(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o700))
}

// blockDraft takes the name that a draft would have.
func blockDraft(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(path[:len(path)-len(".json")]+".tmp", "full"), 0o700))
}

// brokenStore does not keep the promises of a store.
type brokenStore struct {
	revv.TokenStore

	token *oauth2.Token
	twice bool
}

// Load implements [revv.TokenStore].
func (s *brokenStore) Load(context.Context, string) (*oauth2.Token, error) { return s.token, nil }

// Update implements [revv.TokenStore].
func (s *brokenStore) Update(
	_ context.Context, _ string, fn func(*oauth2.Token) (*oauth2.Token, error),
) (*oauth2.Token, error) {
	_, err := fn(s.token)
	if err == nil && s.twice {
		s.token, err = fn(s.token)
	}
	return s.token, err
}

func TestTokens_storeThatBreaksItsPromises_isAnErrorAndNoPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		auth, _ := w.program(&brokenStore{}, tokenAccount)
		_, err := auth.Token(t.Context())
		require.ErrorIs(t, err, revv.ErrNoToken)

		w.expire()
		_, client := w.program(&brokenStore{token: &w.first, twice: true}, tokenAccount)
		_, err = client.Documents.Get(t.Context(), 14)
		require.NoError(t, err, "a store that calls fn again gets the same pair again")
		tokens, _ := w.authority.counts()
		assert.Equal(t, 1, tokens)
	})
}

// The pair is too large for the store, which is no argument of the call that is told: to that
// call the loss of the pair matters.
func TestTokens_pairIsTooLargeForTheFileStore_isNotPersisted(t *testing.T) {
	dir := t.TempDir()
	inWorld(t, func(w *tokenWorld) {
		store := newFileStore(t, dir)
		require.NoError(w, revv.SaveToken(w.Context(), store, tokenAccount, &w.first))
		_, client := w.program(store, tokenAccount)
		large := strings.Repeat("r", 70_000)
		w.alwaysFaulty(answers(http.StatusOK, `{"access_token":"`+w.authority.sentinel("access")+`","refresh_token":"`+large+`"}`))
		_, err := client.Documents.Get(w.Context(), 14)
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
		require.NotErrorIs(w, err, revv.ErrInvalidArgument, "the call was sent")
		assertKeepsSecrets(w, append(w.authority.hidden(), large), err)
		_, err = client.Documents.Get(w.Context(), 14)
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
		assert.Len(w, w.posts(), 1)
	})
}
