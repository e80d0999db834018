package revv_test

import (
	"net/http"
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

// authorizedElsewhere is what another program does: it puts a pair into the store that the
// service takes.
func (w *tokenWorld) authorizedElsewhere() oauth2.Token {
	pair := w.ledger.pair(tokenAccount)
	pair.AccessToken, pair.RefreshToken = w.authority.authorize()
	w.ledger.put(tokenAccount, &pair)
	return pair
}

// The pause is counted from the first refusal, and told once, however many calls meet it.
func TestTokens_twoCallsHaveTheFreshTokenRefused_pauseIsThatOfTheFirst(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		var (
			mu    sync.Mutex
			tries = make(map[string]int)
		)
		w.authority.set(func() {
			w.authority.apiAnswer = func(_ int, r *http.Request) (*http.Response, error) {
				mu.Lock()
				token := r.Header["AccessToken"][0]
				tries[token]++
				n := tries[token]
				mu.Unlock()
				switch {
				case token == w.first.AccessToken:
					pass(time.Second) // both calls are on their way
				case n == 2:
					pass(3 * time.Second)
				}
				return reply(http.StatusUnauthorized, `{"error":"NO"}`), nil
			}
		})
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() { assert.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrUnauthorized) })
		}
		calls.Wait()
		assert.Len(w, w.posts(), 1)
		assert.Equal(w, 1, strings.Count(w.logs.String(), "fresh token refused"))
		healed(w)
		w.expire()
		pass(29 * time.Second)
		require.NoError(w, getDocument(w.Context(), w, 0))
		assert.Len(w, w.posts(), 2)
	})
}

// A token of somebody else's that is refused says nothing of our renewals, not even right
// after one.
func TestTokens_tokensOfOthersAreRefused_renewalsGoOn(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		require.NoError(w, getDocument(w.Context(), w, 0))
		w.authority.set(func() {
			w.authority.apiAnswer = func(int, *http.Request) (*http.Response, error) {
				w.authorizedElsewhere()
				return reply(http.StatusUnauthorized, `{"error":"NO"}`), nil
			}
		})
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrUnauthorized)
		assert.Len(w, w.posts(), 1)
		w.authority.set(func() { w.authority.apiAnswer = nil })
		require.NoError(w, getDocument(w.Context(), w, 0))
		w.expire()
		require.NoError(w, getDocument(w.Context(), w, 0))
		assert.Len(w, w.posts(), 2)
		assert.NotContains(w, w.logs.String(), "fresh token refused")
	})
}

// The pause is for the token that was refused, and for no other.
func TestTokens_anotherPairExpiresDuringThePause_isRenewed(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		refusesAll(http.StatusUnauthorized)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrUnauthorized)
		healed(w)
		other := w.authorizedElsewhere()
		w.expire()
		require.NoError(w, getDocument(w.Context(), w, 0))
		assert.Equal(w, []string{w.first.RefreshToken, other.RefreshToken}, w.posts())
	})
}

// A pair without an access token is no pair to call with, whatever was rejected before.
func TestTokens_storeHoldsARefreshTokenAlone_isRenewed(t *testing.T) {
	for name, fault := range map[string]tokenFault{"and the endpoint answers": nil, "and the endpoint fails": refuses("invalid_request")} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *tokenWorld) {
				w.authority.set(func() { w.authority.families[w.first.RefreshToken].access[w.first.AccessToken] = true })
				require.NoError(w, getDocument(w.Context(), w, 0))
				w.expire()
				half := w.ledger.pair(tokenAccount)
				half.AccessToken = ""
				w.ledger.put(tokenAccount, &half)
				w.alwaysFaulty(fault)
				err := getDocument(w.Context(), w, 0)
				assert.Len(w, w.posts(), 1)
				if fault == nil {
					require.NoError(w, err)
					return
				}
				require.ErrorContains(w, err, "invalid_request")
				require.NotErrorIs(w, err, revv.ErrInvalidArgument)
			})
		})
	}
}

// Who looks for the reason must not be told of a refusal that never was.
func TestTokens_storeHoldsNoRefreshToken_saysSo(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		pair := w.first
		pair.RefreshToken = ""
		w.ledger.put(tokenAccount, &pair)
		err := getDocument(w.Context(), w, 0)
		require.ErrorIs(w, err, revv.ErrReauthorizationRequired)
		require.ErrorContains(w, err, "the store holds no refresh token")
		assert.Empty(w, w.posts())
	})
}

// What another program has put into the store is good until its end, also where this one
// held something older, and the endpoint is down.
func TestTokens_pairOfOthersIsAboutToExpireAndEndpointIsDown_isUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		w.left(10 * time.Minute)
		require.NoError(t, getDocument(t.Context(), w, 0))
		pass(11 * time.Minute)
		w.expire()
		w.authorizedElsewhere()
		w.left(20 * time.Second)
		w.alwaysFaulty(answers(http.StatusInternalServerError, serverTrouble))
		require.NoError(t, getDocument(t.Context(), w, 0))
		pass(time.Hour)
	})
}
