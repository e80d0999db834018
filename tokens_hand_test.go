package revv_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// A slow call may learn of its 401 when the token after the next was refused already.
func TestReject_ofATokenThatIsGoneAlready_bringsNoneBack(t *testing.T) {
	t.Parallel()
	auth := revv.FromTokenSource(&askedSource{answer: func(n int) (*oauth2.Token, error) {
		return &oauth2.Token{AccessToken: fmt.Sprintf("access-%d", n)}, nil
	}})
	first, err := auth.Token(t.Context())
	require.NoError(t, err)
	auth.Reject(t.Context(), first)
	second, err := auth.Token(t.Context())
	require.NoError(t, err)
	auth.Reject(t.Context(), second)
	auth.Reject(t.Context(), first)
	third, err := auth.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "access-3", third.AccessToken)
}

// While a pair waits to be saved, the token that it replaces goes out no more, however long
// the store takes.
func TestTokens_pairWaitsAndTheStoreIsSlow_oldTokenIsNotUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		w.left(25 * time.Second)
		unsavable(down)(w)
		require.ErrorIs(t, askToken(t.Context(), w, 0), revv.ErrTokenNotPersisted)
		unsavable(func() error { pass(8 * time.Second); return nil })(w)
		token, err := w.auth.Token(t.Context())
		require.NoError(t, err)
		assert.NotEqual(t, w.first.AccessToken, token.AccessToken)
		pass(time.Hour)
	})
}

// What the store holds is no better than the token at hand if its time is over.
func TestTokens_storeHoldsAnOlderPairAndEndpointHangs_tokenAtHandIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		w.left(time.Minute)
		require.NoError(t, askToken(t.Context(), w, 0))
		pass(40 * time.Second)
		w.authorizedElsewhere()
		w.left(-time.Minute)
		w.faulty(slow(func(context.Context) { pass(15 * time.Second) }))
		begun := time.Now()
		token, err := w.auth.Token(t.Context())
		require.NoError(t, err)
		assert.Equal(t, w.first.AccessToken, token.AccessToken)
		assert.Equal(t, 5*time.Second, time.Since(begun))
		pass(time.Hour)
	})
}

// What the store holds is better than the token at hand if only that has expired.
func TestTokens_tokenAtHandExpiredAndEndpointHangs_oneInTheStoreIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		w.left(time.Minute)
		for _, s := range []tokenStep{
			{api: 1},
			{do: func(w *tokenWorld) {
				pass(time.Minute)
				w.expire()
				w.authorizedElsewhere()
				w.left(20 * time.Second) // so little that it is renewed, too
				w.alwaysFaulty(hangs)
			}, call: within(8 * time.Second), tokens: 1, api: 1, then: took(4*time.Second, 4*time.Second)},
		} {
			s.run(w)
		}
		pass(time.Hour)
	})
}

// The token may turn up after the time that a caller waits for a better one.
func TestTokens_storeIsSlowAndEndpointHangs_oneInTheStoreIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		w.left(20 * time.Second)
		w.alwaysFaulty(hangs)
		w.ledger.set(func() { w.ledger.onLoad = func() error { pass(2550 * time.Millisecond); return nil } })
		s := tokenStep{call: within(4 * time.Second), tokens: 1, api: 1, then: took(2600*time.Millisecond, 2600*time.Millisecond)}
		s.run(w)
		pass(time.Hour)
	})
}

// shiftedStore loses the zone of the expiry, as a column of a database can.
type shiftedStore struct{ revv.TokenStore }

func (s shiftedStore) shift(token *oauth2.Token) *oauth2.Token {
	if token == nil || token.Expiry.IsZero() {
		return token
	}
	shifted := *token
	shifted.Expiry = token.Expiry.Add(-8 * time.Hour)
	return &shifted
}

func (s shiftedStore) Load(ctx context.Context, account string) (*oauth2.Token, error) {
	token, err := s.TokenStore.Load(ctx, account)
	return s.shift(token), err
}

func (s shiftedStore) Update(ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
	token, err := s.TokenStore.Update(ctx, account, func(current *oauth2.Token) (*oauth2.Token, error) { return fn(s.shift(current)) })
	return s.shift(token), err
}

func TestTokens_storeLosesTheZone_isNoStorm(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t, revvtest.WithoutNetwork())
	memory := revv.NewMemoryStore()
	first := *server.Token()
	first.Expiry = time.Now().Add(-time.Hour)
	require.NoError(t, revv.SaveToken(t.Context(), memory, "acme", &first))
	auth, err := server.OAuthConfig().Authenticator(shiftedStore{memory}, "acme")
	require.NoError(t, err)
	for range 20 {
		_, err := auth.Token(t.Context())
		require.NoError(t, err)
	}
	assert.Len(t, server.Requests("OAuth.Token"), 1)
}
