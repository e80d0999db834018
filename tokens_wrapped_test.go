package revv_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// A store can be wrapped for encryption more than once. A pair that waits to be saved is
// found through each of the wraps.
func TestTokens_storeIsWrappedTwice_isTheSameStore(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		w.ledger = newLedger(w.events)
		one, other := newEncryptedStore(w.T, w.ledger, storeKey), newEncryptedStore(w.T, newEncryptedStore(w.T, w.ledger, storeKey), storeKey)
		require.NoError(w, revv.SaveToken(w.Context(), one, tokenAccount, &w.first))
		_, first := w.program(one, tokenAccount)
		_, second := w.program(newEncryptedStore(w.T, w.ledger, storeKey), tokenAccount)
		unsavable(down)(w)
		_, err := first.Documents.Get(w.Context(), 14)
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
		_, outer := w.program(other, "another account")
		require.ErrorIs(w, outer.Settle(w.Context()), revv.ErrTokenNotPersisted, "of the same store, two wraps away")
		healed(w)
		_, err = second.Documents.Get(w.Context(), 14)
		require.NoError(w, err)
		assert.Len(w, w.posts(), 1)
	})
}

// A pair that waits in a store of another kind is none of ours.
func TestTokens_storesOfTwoKinds_areTwoStores(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tokens")
	inWorld(t, func(w *tokenWorld) {
		files := newFileStore(w.T, dir)
		pair := w.first
		pair.AccessToken, pair.RefreshToken = w.authority.authorize()
		require.NoError(w, revv.SaveToken(w.Context(), files, tokenAccount, &pair))
		w.expire()
		_, filed := w.program(files, tokenAccount)
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		w.faulty(func(a *authority, r tokenRequest) (*http.Response, error) {
			assert.NoError(w, os.Rename(dir, dir+"-away"))
			status, body := a.honest(r.form)
			return reply(status, body), nil
		})
		_, err := filed.Documents.Get(w.Context(), 14)
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted, "the pair of the other store waits meanwhile")
		healed(w)
		require.NoError(w, getDocument(w.Context(), w, 0))
		require.NoError(w, os.Rename(dir+"-away", dir))
		_, err = filed.Documents.Get(w.Context(), 14)
		require.NoError(w, err)
		assert.Equal(w, []string{w.first.RefreshToken, pair.RefreshToken}, w.posts())
	})
}

// Two stores that nobody can compare count as two, whatever they keep.
func TestTokens_storesCannotBeCompared_areTwoStores(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		_, one := w.program(uncomparable{ledger: w.ledger}, tokenAccount)
		_, other := w.program(uncomparable{ledger: w.ledger}, tokenAccount)
		unsavable(down)(w)
		_, err := one.Documents.Get(w.Context(), 14)
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
		_, err = other.Documents.Get(w.Context(), 14)
		require.ErrorIs(w, err, revv.ErrReauthorizationRequired, "it does not know that the refresh token is spent")
		healed(w)
		require.NoError(w, one.Settle(w.Context()))
	})
}
