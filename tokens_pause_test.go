package revv_test

import (
	"encoding/json"
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
		loads, updates, _ := w.ledger.counts()
		assert.Equal(w, []int{2, 1}, []int{loads, updates}, "nobody can have used a token that is not there: the store is not looked at once more")
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

// What cannot be sent gets no 401 that would say so, and must not stay for ever.
func TestTokens_storeHoldsATokenThatCannotBeSent_nextOneIsUsed(t *testing.T) {
	for name, next := range map[string]struct {
		repair func(w *tokenWorld)
		posts  int
	}{
		"of another program": {func(w *tokenWorld) { w.authorizedElsewhere() }, 0},
		"of a renewal":       {func(*tokenWorld) {}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *tokenWorld) {
				bad := w.first
				bad.AccessToken += "\n"
				w.ledger.put(tokenAccount, &bad)
				require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrInvalidArgument)
				next.repair(w)
				require.NoError(w, getDocument(w.Context(), w, 0))
				tokens, api := w.authority.counts()
				assert.Equal(w, next.posts, tokens)
				assert.Equal(w, 1, api)
			})
		})
	}
}

// A service that does not rotate gives the refresh token again that it has refused before:
// the account was locked, and a person has authorized anew.
func TestTokens_reauthorizedWithTheSameRefreshToken_isRenewedAgain(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		w.authority.set(func() { w.authority.steady = true })
		w.alwaysFaulty(refuses("invalid_grant"))
		for range 3 {
			require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrReauthorizationRequired)
		}
		require.Len(w, w.posts(), 1, "the pair stays refused")
		healed(w)
		_, answer := w.authority.honest(map[string][]string{"refresh_token": {w.first.RefreshToken}})
		anew := w.first
		require.NoError(w, json.Unmarshal([]byte(answer), &anew))
		require.NotEqual(w, w.first.AccessToken, anew.AccessToken)
		require.NoError(w, revv.SaveToken(w.Context(), w.ledger, tokenAccount, &anew))
		require.NoError(w, getDocument(w.Context(), w, 0))
		w.expire() // an hour later
		require.NoError(w, getDocument(w.Context(), w, 0))
		assert.Equal(w, []string{w.first.RefreshToken, w.first.RefreshToken}, w.posts())
	})
}

// The clock may be wrong, and nothing better is to be had: the service decides.
func TestTokens_expiredByTheClockAndNoRefreshToken_isSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTokenWorld(t)
		pair := w.first
		pair.RefreshToken, pair.Expiry = "", time.Now().Add(-time.Minute)
		w.ledger.put(tokenAccount, &pair)
		for _, s := range []tokenStep{
			{api: 1},
			{callers: 20, api: 20},
			{do: expired, want: []error{revv.ErrReauthorizationRequired}, never: but(revv.ErrReauthorizationRequired), api: 1},
			{want: []error{revv.ErrReauthorizationRequired}, never: but(revv.ErrReauthorizationRequired)},
		} {
			s.run(w)
		}
		pass(time.Hour)
	})
}
