package revv_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

func TestNewEncryptedStore_wrongArguments_areNamed(t *testing.T) {
	t.Parallel()
	inner := revv.NewMemoryStore()
	_, err := revv.NewEncryptedStore(nil, storeKey)
	assertArgument(t, err, "inner")
	for _, key := range [][]byte{nil, {}, storeKey[:31], append(storeKey[:32:32], 'x'), storeKey[:16], make([]byte, 32)} {
		_, err = revv.NewEncryptedStore(inner, key)
		assertArgument(t, err, "key")
		assert.NotContains(t, err.Error(), "0123456789")
		_, err = revv.NewEncryptedStore(inner, storeKey, storeKey, key)
		assertArgument(t, err, "oldKeys[1]")
	}
}

func TestEncryptedStore_innerStore_seesNoToken(t *testing.T) {
	t.Parallel()
	inner := revv.NewMemoryStore()
	store := newEncryptedStore(t, inner, storeKey)
	pair := tokenPair("sentinel")
	saveToken(t, store, storeAccount, pair)
	first, err := inner.Load(t.Context(), storeAccount)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(first.AccessToken, "revv-sealed-v1."), "the format is named")
	assert.NotContains(t, first.AccessToken, "sentinel")
	assert.Equal(t, &oauth2.Token{AccessToken: first.AccessToken, TokenType: "sealed"}, first)

	saveToken(t, store, storeAccount, pair)
	second, err := inner.Load(t.Context(), storeAccount)
	require.NoError(t, err)
	assert.NotEqual(t, first.AccessToken, second.AccessToken, "the nonce is random")
}

func TestEncryptedStore_callersKey_isCopied(t *testing.T) {
	t.Parallel()
	inner := revv.NewMemoryStore()
	key := bytes.Clone(storeKey)
	store := newEncryptedStore(t, inner, key)
	clear(key)
	saveToken(t, store, storeAccount, tokenPair("kept"))
	assertStored(t, newEncryptedStore(t, inner, storeKey), storeAccount, tokenPair("kept"))
}

func TestEncryptedStore_whatItDidNotSeal_isCorruptAndKept(t *testing.T) {
	t.Parallel()
	otherKey := bytes.Repeat([]byte{7}, 32)
	sealed := func(key []byte, account string) string {
		inner := revv.NewMemoryStore()
		saveToken(t, newEncryptedStore(t, inner, key), account, tokenPair("sentinel"))
		token, err := inner.Load(t.Context(), account)
		require.NoError(t, err)
		return token.AccessToken
	}
	whole := sealed(storeKey, storeAccount)
	flipped := []byte(whole)
	flipped[len(flipped)/2] ^= 1
	for name, text := range map[string]string{
		"another key":      sealed(otherKey, storeAccount),
		"another account":  sealed(storeKey, "other@example.com"),
		"tampered":         string(flipped),
		"shortened":        whole[:len(whole)-4],
		"prefix alone":     "revv-sealed-v1.",
		"not base64":       "revv-sealed-v1.sentinel!",
		"another format":   strings.Replace(whole, "-v1.", "-v2.", 1),
		"not sealed":       "access-sentinel",
		"no access token":  "",
		"a few bytes only": "revv-sealed-v1.AAAA",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := revv.NewMemoryStore()
			before := &oauth2.Token{AccessToken: text, RefreshToken: "refresh-sentinel"}
			saveToken(t, inner, storeAccount, before)
			store := newEncryptedStore(t, inner, storeKey)
			_, err := store.Load(t.Context(), storeAccount)
			require.ErrorIs(t, err, revv.ErrTokenStoreCorrupt)
			assert.NotContains(t, err.Error(), "sentinel")
			assert.Contains(t, err.Error(), "sealed", "refused before it is read")
			_, err = store.Update(t.Context(), storeAccount, notCalled(t))
			require.ErrorIs(t, err, revv.ErrTokenStoreCorrupt)
			assert.NotContains(t, err.Error(), "sentinel")
			assertStored(t, inner, storeAccount, before)
		})
	}
}

func TestEncryptedStore_newKey_readsWhatTheOldOnesSealed(t *testing.T) {
	t.Parallel()
	inner := revv.NewMemoryStore()
	older, newer := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	saveToken(t, newEncryptedStore(t, inner, older), "a", tokenPair("a"))
	saveToken(t, newEncryptedStore(t, inner, storeKey), "b", tokenPair("b"))

	rotated := newEncryptedStore(t, inner, newer, older, storeKey)
	assertStored(t, rotated, "a", tokenPair("a"))
	assertStored(t, rotated, "b", tokenPair("b"))

	current := newEncryptedStore(t, inner, newer)
	_, err := current.Load(t.Context(), "a")
	require.ErrorIs(t, err, revv.ErrTokenStoreCorrupt)
	_, err = rotated.Update(t.Context(), "a", func(token *oauth2.Token) (*oauth2.Token, error) { return token, nil })
	require.NoError(t, err)
	_, err = current.Load(t.Context(), "a")
	require.ErrorIs(t, err, revv.ErrTokenStoreCorrupt, "the same token is not saved again")
	_, err = rotated.Update(t.Context(), "a", func(token *oauth2.Token) (*oauth2.Token, error) {
		again := *token
		return &again, nil
	})
	require.NoError(t, err)
	assertStored(t, current, "a", tokenPair("a"))
}

// brokenInner does not do what a store has to do.
type brokenInner struct{ err error }

func (b brokenInner) Load(context.Context, string) (*oauth2.Token, error) { return nil, b.err }

func (b brokenInner) Update(
	context.Context, string, func(*oauth2.Token) (*oauth2.Token, error),
) (*oauth2.Token, error) {
	return nil, b.err
}

func TestEncryptedStore_errorsOfTheInnerStore_pass(t *testing.T) {
	t.Parallel()
	store := newEncryptedStore(t, brokenInner{assert.AnError}, storeKey)
	_, err := store.Load(t.Context(), storeAccount)
	require.ErrorIs(t, err, assert.AnError)
	_, err = store.Update(t.Context(), storeAccount, notCalled(t))
	require.ErrorIs(t, err, assert.AnError)

	store = newEncryptedStore(t, brokenInner{}, storeKey)
	_, err = store.Load(t.Context(), storeAccount)
	require.ErrorIs(t, err, revv.ErrNoToken)
	_, err = store.Update(t.Context(), storeAccount, notCalled(t))
	assertArgument(t, err, "inner")
}
