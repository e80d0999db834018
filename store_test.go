package revv_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

const storeAccount = "legal@example.com"

// storeKey is a key for tests, and nothing else.
//

var storeKey = []byte("0123456789abcdef0123456789abcdef")

func newFileStore(t *testing.T, dir string) *revv.FileStore {
	t.Helper()
	store, err := revv.NewFileStore(dir)
	require.NoError(t, err)
	return store
}

func newEncryptedStore(t *testing.T, inner revv.TokenStore, key []byte, old ...[]byte) *revv.EncryptedStore {
	t.Helper()
	store, err := revv.NewEncryptedStore(inner, key, old...)
	require.NoError(t, err)
	return store
}

// everyStore makes one store of each kind.
func everyStore(t *testing.T) map[string]revv.TokenStore {
	t.Helper()
	return map[string]revv.TokenStore{
		"memory":    revv.NewMemoryStore(),
		"file":      newFileStore(t, t.TempDir()),
		"encrypted": newEncryptedStore(t, revv.NewMemoryStore(), storeKey),
	}
}

// tokenPair is a pair that belongs together.
func tokenPair(name string) *oauth2.Token {
	return &oauth2.Token{AccessToken: "access-" + name, TokenType: "Bearer", RefreshToken: "refresh-" + name}
}

// saving returns a function for Update that saves the token.
func saving(token *oauth2.Token) func(*oauth2.Token) (*oauth2.Token, error) {
	return func(*oauth2.Token) (*oauth2.Token, error) { return token, nil }
}

// notCalled returns a function for Update that must not be called.
func notCalled(t *testing.T) func(*oauth2.Token) (*oauth2.Token, error) {
	t.Helper()
	return func(*oauth2.Token) (*oauth2.Token, error) {
		t.Error("fn was called: the refresh token would be spent")
		return nil, errors.New("not to be called")
	}
}

func saveToken(t *testing.T, store revv.TokenStore, account string, token *oauth2.Token) {
	t.Helper()
	saved, err := store.Update(t.Context(), account, saving(token))
	require.NoError(t, err)
	require.Equal(t, token.AccessToken, saved.AccessToken)
}

func assertStored(t *testing.T, store revv.TokenStore, account string, want *oauth2.Token) {
	t.Helper()
	got, err := store.Load(t.Context(), account)
	if assert.NoError(t, err) {
		assert.Equal(t, want, got)
	}
}

func TestTokenStores_keepTheirPromises(t *testing.T) {
	t.Parallel()
	stores := map[string]func(t *testing.T) revv.TokenStore{
		"memory": func(*testing.T) revv.TokenStore { return revv.NewMemoryStore() },
		"file":   func(t *testing.T) revv.TokenStore { t.Helper(); return newFileStore(t, t.TempDir()) },
		"encrypted": func(t *testing.T) revv.TokenStore {
			t.Helper()
			return newEncryptedStore(t, revv.NewMemoryStore(), storeKey)
		},
		"encrypted twice": func(t *testing.T) revv.TokenStore {
			t.Helper()
			return newEncryptedStore(t, newEncryptedStore(t, revv.NewMemoryStore(), storeKey), storeKey)
		},
	}
	for name, newStore := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			revvtest.TestTokenStore(t, newStore)
		})
	}
}

func TestTokenStores_withoutConstructor_refuse(t *testing.T) {
	t.Parallel()
	for name, store := range map[string]revv.TokenStore{
		"zero memory":    &revv.MemoryStore{},
		"nil memory":     (*revv.MemoryStore)(nil),
		"zero file":      &revv.FileStore{},
		"nil file":       (*revv.FileStore)(nil),
		"zero encrypted": &revv.EncryptedStore{},
		"nil encrypted":  (*revv.EncryptedStore)(nil),
		"zero within":    newEncryptedStore(t, &revv.FileStore{}, storeKey),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := store.Load(t.Context(), storeAccount)
			assertArgument(t, err, "store")
			_, err = store.Update(t.Context(), storeAccount, notCalled(t))
			assertArgument(t, err, "store")
		})
	}
}

func assertArgument(t *testing.T, err error, name string) {
	t.Helper()
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	var typed *revv.Error
	require.ErrorAs(t, err, &typed)
	assert.Equal(t, name, typed.Argument)
}

func TestTokenStores_wrongArguments_areNamed(t *testing.T) {
	t.Parallel()
	for name, store := range everyStore(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := store.Load(t.Context(), "")
			assertArgument(t, err, "account")
			_, err = store.Update(t.Context(), "", notCalled(t))
			assertArgument(t, err, "account")
			_, err = store.Load(nil, storeAccount) //nolint:staticcheck // the mistake that is tried
			assertArgument(t, err, "ctx")
			_, err = store.Update(nil, storeAccount, notCalled(t)) //nolint:staticcheck // the mistake that is tried
			assertArgument(t, err, "ctx")
			_, err = store.Update(t.Context(), storeAccount, nil)
			assertArgument(t, err, "fn")
			for _, token := range []*oauth2.Token{nil, {}, {TokenType: "Bearer"}, {AccessToken: "a\xff"}, {AccessToken: "a", TokenType: "\xff"}, {AccessToken: "a", RefreshToken: "\xff"}} {
				_, err = store.Update(t.Context(), storeAccount, saving(token))
				assertArgument(t, err, "fn")
			}
			_, err = store.Load(t.Context(), storeAccount)
			require.ErrorIs(t, err, revv.ErrNoToken)
		})
	}
}

func TestTokenStores_doneContext_isTheError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, store := range everyStore(t) {
		_, err := store.Load(ctx, storeAccount)
		require.ErrorIs(t, err, context.Canceled, name)
		_, err = store.Update(ctx, storeAccount, notCalled(t))
		require.ErrorIs(t, err, context.Canceled, name)
	}
}

func TestTokenStores_refreshTokenAlone_isAToken(t *testing.T) {
	t.Parallel()
	for name, store := range everyStore(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := &oauth2.Token{RefreshToken: "handed over from elsewhere"}
			saveToken(t, store, storeAccount, want)
			assertStored(t, store, storeAccount, want)
		})
	}
}

// All stores give the same answer, whatever form the time had.
func TestTokenStores_expiry_comesBackInUTC(t *testing.T) {
	t.Parallel()
	exact := time.Date(2031, time.March, 1, 23, 59, 59, 123456789, time.UTC)
	for name, store := range everyStore(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, tt := range []struct{ given, want time.Time }{
				{exact.In(time.FixedZone("", -7*3600)), exact},
				{time.Time{}, time.Time{}},
				{time.Date(12000, time.January, 1, 0, 0, 0, 0, time.UTC), time.Time{}},
				{time.Date(-5, time.January, 1, 0, 0, 0, 0, time.UTC), time.Time{}},
			} {
				token := tokenPair("dated")
				token.Expiry, token.ExpiresIn = tt.given, 3600
				saved, err := store.Update(t.Context(), storeAccount, saving(token))
				require.NoError(t, err)
				assert.Equal(t, tt.want, saved.Expiry)
				assert.Equal(t, tt.given, token.Expiry, "the caller's token stays as it is")
				assertStored(t, store, storeAccount, saved)
			}
		})
	}
}

func TestTokenStores_extraOfAToken_isNotKept(t *testing.T) {
	t.Parallel()
	for name, store := range everyStore(t) {
		token := tokenPair("extra").WithExtra(map[string]any{"id_token": "more than a store should keep"})
		saved, err := store.Update(t.Context(), storeAccount, saving(token))
		require.NoError(t, err, name)
		assert.Nil(t, saved.Extra("id_token"), name)
		assert.NotNil(t, token.Extra("id_token"), name)
	}
}

// Nothing but time passes while a caller waits: a deadline is kept to the moment.
func TestTokenStores_waiter_leavesAtItsDeadline(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	shared := revv.NewMemoryStore()
	pairs := map[string][2]revv.TokenStore{
		"memory":                      {shared, shared},
		"two stores on one directory": {newFileStore(t, dir), newFileStore(t, dir)},
	}
	for name, pair := range pairs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				holder, waiter := pair[0], pair[1]
				entered, release, done := make(chan struct{}), make(chan struct{}), make(chan error)
				go func() {
					_, err := holder.Update(t.Context(), storeAccount, func(*oauth2.Token) (*oauth2.Token, error) {
						close(entered)
						<-release
						return tokenPair("held"), nil
					})
					done <- err
				}()
				<-entered
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
				defer cancel()
				_, err := waiter.Update(ctx, storeAccount, notCalled(t))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, 7*time.Second, time.Since(start))

				close(release)
				require.NoError(t, <-done)
				assertStored(t, waiter, storeAccount, tokenPair("held"))
			})
		})
	}
}

func TestMemoryStore_waiters_areServedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := revv.NewMemoryStore()
		release := make(chan struct{})
		order := make(chan int, 10)
		for i := range 10 {
			go func() {
				_, err := store.Update(t.Context(), storeAccount, func(*oauth2.Token) (*oauth2.Token, error) {
					<-release
					order <- i
					return tokenPair("any"), nil
				})
				assert.NoError(t, err)
			}()
			synctest.Wait()
		}
		close(release)
		for i := range 10 {
			assert.Equal(t, i, <-order)
		}
	})
}

// The text of every store, in every form, is free of what it keeps.
func TestTokenStores_printedOrEncoded_showNoSecret(t *testing.T) {
	t.Parallel()
	secrets := []string{"access-sentinel", "refresh-sentinel", string(storeKey)}
	dir := t.TempDir()
	for name, store := range map[string]revv.TokenStore{
		"memory":           revv.NewMemoryStore(),
		"file":             newFileStore(t, dir),
		"encrypted file":   newEncryptedStore(t, newFileStore(t, dir), storeKey, storeKey),
		"encrypted memory": newEncryptedStore(t, revv.NewMemoryStore(), storeKey),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			saveToken(t, store, name, tokenPair("sentinel"))
			var texts strings.Builder
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
				fmt.Fprintf(&texts, verb, store)
			}
			encoded, err := json.Marshal(store)
			require.NoError(t, err)
			texts.Write(encoded)
			var binary bytes.Buffer
			_ = gob.NewEncoder(&binary).Encode(store)
			texts.Write(binary.Bytes())
			slog.New(slog.NewTextHandler(&texts, nil)).Info("store", "store", store)
			slog.New(slog.NewJSONHandler(&texts, nil)).Info("store", "store", store)
			// A failed comparison dumps both values field by field, exported or not.
			dump := &dumpRecorder{out: &texts}
			assert.Equal(dump, &struct{ Store any }{store}, &struct{ Store any }{dump})
			require.Contains(t, texts.String(), "Store:", "the dump is there")
			for _, secret := range secrets {
				assert.NotContains(t, texts.String(), secret)
				assert.NotContains(t, strings.ToLower(texts.String()), fmt.Sprintf("%x", secret))
			}
		})
	}
}

type dumpRecorder struct{ out *strings.Builder }

func (r *dumpRecorder) Errorf(format string, args ...any) { fmt.Fprintf(r.out, format, args...) }

// What fn was handed is its own. Whatever it changes in it, and returns, is saved.
func TestTokenStores_tokenIsChangedInPlace_isSaved(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*oauth2.Token){
		"access token":  func(token *oauth2.Token) { token.AccessToken = "access-changed" },
		"type":          func(token *oauth2.Token) { token.TokenType = "MAC" },
		"refresh token": func(token *oauth2.Token) { token.RefreshToken = "refresh-changed" },
		"expiry":        func(token *oauth2.Token) { token.Expiry = time.Date(2031, time.March, 1, 0, 0, 0, 0, time.UTC) },
		"life":          func(token *oauth2.Token) { token.ExpiresIn = 3600 },
	} {
		for kind, store := range everyStore(t) {
			saveToken(t, store, storeAccount, tokenPair("kept"))
			want := tokenPair("kept")
			change(want)
			_, err := store.Update(t.Context(), storeAccount, func(current *oauth2.Token) (*oauth2.Token, error) {
				change(current)
				return current, nil
			})
			require.NoError(t, err, "%s, %s", kind, name)
			assertStored(t, store, storeAccount, want)
		}
	}
}

// endsMeanwhile is a context whose time is up once somebody waits, and whose channel is late:
// as where the lock is free at the very moment when the time is up.
type endsMeanwhile struct {
	context.Context //nolint:containedctx // it is one

	waited atomic.Bool
}

// Done implements [context.Context].
func (c *endsMeanwhile) Done() <-chan struct{} {
	c.waited.Store(true)
	return nil
}

// Err implements [context.Context].
func (c *endsMeanwhile) Err() error {
	if c.waited.Load() {
		return context.DeadlineExceeded
	}
	return nil
}

func TestTokenStores_contextEndsWhenTheLockIsFree_fnIsNotCalled(t *testing.T) {
	t.Parallel()
	for name, store := range everyStore(t) {
		_, err := store.Update(&endsMeanwhile{Context: t.Context()}, storeAccount, notCalled(t))
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
	}
}
