package revv_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// A database restarts at the worst moment, and nobody calls this replica for a while. The
// other one must not find the refresh token that is spent.
func TestTokens_storeIsAwayForSomeSeconds_pairIsSavedWithoutACall(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		pass(5 * time.Second)
		healed(w)
		pass(5 * time.Second)
		assert.NotEqual(w, w.first.RefreshToken, w.ledger.pair(tokenAccount).RefreshToken)
		_, other := w.program(&reopened{w.ledger}, tokenAccount)
		_, err := other.Documents.Get(w.Context(), 14)
		require.NoError(w, err)
		require.NoError(w, getDocument(w.Context(), w, 0))
		assert.Len(w, w.posts(), 1)
	})
}

func TestTokens_storePanicsWhileItSaves_pairIsSavedWithoutACall(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		_, client := w.program(&panicking{TokenStore: w.ledger}, tokenAccount)
		_, err := client.Documents.Get(w.Context(), 14)
		require.ErrorContains(w, err, "panicked")
		pass(2 * time.Second)
		assert.NotEqual(w, w.first.RefreshToken, w.ledger.pair(tokenAccount).RefreshToken)
		assert.Len(w, w.posts(), 1)
	})
}

// A store that is gone for good is not asked for ever, and the next call still asks it.
func TestTokens_storeIsAwayForHours_isAskedLessAndLess(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		_, before, _ := w.ledger.counts()
		pass(time.Hour)
		_, after, _ := w.ledger.counts()
		assert.Equal(w, 24, after-before, "three times after 1, 2, 4 … 128 seconds")
		healed(w)
		pass(time.Hour)
		assert.Equal(w, w.first.RefreshToken, w.ledger.pair(tokenAccount).RefreshToken)
		require.NoError(w, getDocument(w.Context(), w, 0))
		assert.NotEqual(w, w.first.RefreshToken, w.ledger.pair(tokenAccount).RefreshToken)
		assert.Len(w, w.posts(), 1)

		w.expire() // and the next time it begins anew
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		healed(w)
		spent := w.ledger.pair(tokenAccount).RefreshToken
		pass(2 * time.Second)
		assert.NotEqual(w, spent, w.ledger.pair(tokenAccount).RefreshToken)
		assert.Len(w, w.posts(), 2)
	})
}

// Calls that fail in the meantime take nothing away from that.
func TestTokens_storeIsAwayWhileCallsFail_pairIsSavedWithoutACall(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		unsavable(down)(w)
		for range 60 {
			require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
			pass(10 * time.Second)
		}
		healed(w)
		pass(5 * time.Minute)
		assert.NotEqual(w, w.first.RefreshToken, w.ledger.pair(tokenAccount).RefreshToken)
		assert.Len(w, w.posts(), 1)
	})
}

// However many authenticators find the pair unsaved, the one that has it saves it.
func TestTokens_storeIsAwayForManyClients_isAskedByOne(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		for range 100 {
			_, other := w.program(w.ledger, tokenAccount)
			_, err := other.Documents.Get(w.Context(), 14)
			require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
		}
		_, before, _ := w.ledger.counts()
		pass(time.Hour)
		_, after, _ := w.ledger.counts()
		assert.LessOrEqual(w, after-before, 24)
	})
}

// A pair that was saved needs no timer, and leaves none that stands in the way of the next.
func TestTokens_renewalsWereSaved_theOneThatIsNotIsSavedSoon(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		require.NoError(w, getDocument(w.Context(), w, 0))
		pass(100 * time.Second)
		w.expire()
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		healed(w)
		spent := w.ledger.pair(tokenAccount).RefreshToken
		pass(2 * time.Second)
		assert.NotEqual(w, spent, w.ledger.pair(tokenAccount).RefreshToken)
	})
}

func TestTokens_anotherClientHasSavedThePair_storeIsLeftInPeace(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		healed(w)
		_, other := w.program(w.ledger, tokenAccount)
		_, err := other.Documents.Get(w.Context(), 14)
		require.NoError(w, err)
		loads, updates, saves := w.ledger.counts()
		pass(time.Hour)
		loadsLater, updatesLater, savesLater := w.ledger.counts()
		assert.Equal(w, []int{loads, updates, saves}, []int{loadsLater, updatesLater, savesLater})
	})
}

// A call that is slower than a renewal learns late that its token was refused, and takes one
// that has worked for others meanwhile: if that is refused as well, it was no fresh one.
func TestTokens_slowCallTakesATokenOfOthers_renewalsGoOn(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		begun, late := make(chan struct{}), make(chan struct{})
		w.authority.set(func() {
			w.authority.apiAnswer = func(n int, _ *http.Request) (*http.Response, error) {
				if n == 1 {
					close(begun)
					<-late
					return reply(http.StatusUnauthorized, `{"error":"TOKEN_EXPIRED"}`), nil
				}
				return nil, nil //nolint:nilnil // an honest answer
			}
		})
		var calls sync.WaitGroup
		calls.Go(func() { assert.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrUnauthorized) })
		<-begun
		require.NoError(w, getDocument(w.Context(), w, 0))
		pass(20 * time.Second)
		w.expire()
		close(late)
		calls.Wait()
		require.NoError(w, getDocument(w.Context(), w, 0))
		assert.Len(w, w.posts(), 2)
		assert.NotContains(w, w.logs.String(), "fresh token refused")
	})
}

// An account that was removed has nothing to be saved.
func TestSettle_accountWasRemoved_isNoError(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		healed(w)
		w.ledger.remove(tokenAccount)
		require.NoError(w, w.client.Settle(w.Context()))
	})
}

// The token at hand is good, so no call fails; and yet a pair would be lost.
func TestSettle_storePanicsForEver_isAnError(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		pair := w.first
		pair.AccessToken, pair.RefreshToken = w.authority.authorize()
		w.ledger.put(tokenAccount, &pair)
		w.left(20 * time.Second)
		unsavable(func() error { panic("driver") })(w)
		w.restart()
		require.NoError(w, askToken(w.Context(), w, 0))
		require.ErrorIs(w, w.client.Settle(w.Context()), revv.ErrTokenNotPersisted)
		healed(w)
		require.NoError(w, w.client.Settle(w.Context()))
		assert.Len(w, w.posts(), 1)
	})
}

// What is stuck keeps nothing from being saved but itself.
func TestSettle_oneAccountIsStuck_savesTheOthers(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		var stuck atomic.Bool
		s := &scripted{ledger: w.ledger}
		s.update = func(ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
			if account == "a" && stuck.Load() { // its lock is held by a replica that has died
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return w.ledger.Update(ctx, account, fn)
		}
		accounts := []string{"a", "b", "c", "d"}
		var clients []*revv.Client
		for _, account := range accounts {
			pair := w.first
			pair.AccessToken, pair.RefreshToken = w.authority.authorize()
			w.ledger.put(account, &pair)
			_, client := w.program(s, account)
			clients = append(clients, client)
		}
		w.expire()
		unsavable(down)(w)
		spent := make(map[string]string)
		for i, account := range accounts {
			_, err := clients[i].Documents.Get(w.Context(), 14)
			require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
			spent[account] = w.ledger.pair(account).RefreshToken
		}
		healed(w)
		stuck.Store(true)
		ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
		defer cancel()
		require.ErrorIs(w, clients[1].Settle(ctx), context.DeadlineExceeded)
		assert.Equal(w, spent["a"], w.ledger.pair("a").RefreshToken)
		for _, account := range accounts[1:] {
			assert.NotEqual(w, spent[account], w.ledger.pair(account).RefreshToken, account)
		}
		assert.Len(w, w.posts(), 4)
	})
}

// What it has waited for can leave something to be saved.
func TestSettle_renewalEndsWithoutSaving_savesThePair(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		w.faulty(slow(func(context.Context) { pass(5 * time.Second) }))
		unsavable(failsTimes(3))(w)
		short, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		_, err := w.client.Documents.Get(short, 14)
		require.ErrorIs(w, err, context.DeadlineExceeded)
		require.ErrorContains(w, err, "waiting for a renewal of the token")
		require.NoError(w, w.client.Settle(w.Context()))
		assert.NotEqual(w, w.first.RefreshToken, w.ledger.pair(tokenAccount).RefreshToken)
		assert.Len(w, w.posts(), 1)
	})
}

func TestSettle_oneRenewalHangs_savesThePairThatWaits(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		pair := w.first
		pair.AccessToken, pair.RefreshToken = w.authority.authorize()
		w.ledger.put("hanging", &pair)
		unsavable(down)(w)
		w.expire()
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		healed(w)
		w.alwaysFaulty(func(_ *authority, r tokenRequest) (*http.Response, error) {
			<-r.ctx.Done()
			return nil, r.ctx.Err()
		})
		_, client := w.program(w.ledger, "hanging")
		short, cancelShort := context.WithTimeout(w.Context(), 100*time.Millisecond)
		defer cancelShort()
		_, err := client.Documents.Get(short, 14)
		require.ErrorIs(w, err, context.DeadlineExceeded)
		ctx, cancel := context.WithTimeout(w.Context(), 500*time.Millisecond)
		defer cancel()
		require.ErrorIs(w, client.Settle(ctx), context.DeadlineExceeded)
		assert.NotEqual(w, w.first.RefreshToken, w.ledger.pair(tokenAccount).RefreshToken)
	})
}
