package revv_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// A call that has not waited for the renewal that it began must not be the last thing
// that a program does.
func TestSettle_waitsForTheRenewal(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		store := revv.NewMemoryStore()
		require.NoError(w, revv.SaveToken(w.Context(), store, tokenAccount, &w.first))
		_, client := w.program(store, tokenAccount)
		require.NoError(w, client.Settle(w.Context()), "there is nothing to wait for")
		w.faulty(func(a *authority, r tokenRequest) (*http.Response, error) {
			<-time.After(20 * time.Second)
			status, body := a.honest(r.form)
			return reply(status, body), nil
		})
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		_, err := client.Documents.Get(ctx, 14)
		require.ErrorIs(w, err, context.DeadlineExceeded)
		short, cancelShort := context.WithTimeout(w.Context(), time.Second)
		defer cancelShort()
		require.ErrorIs(w, client.Settle(short), context.DeadlineExceeded)

		start := time.Now()
		require.NoError(w, client.Settle(w.Context()))
		assert.Equal(w, 18*time.Second, time.Since(start))
		kept, err := store.Load(w.Context(), tokenAccount)
		require.NoError(w, err)
		assert.NotEqual(w, w.first.RefreshToken, kept.RefreshToken)
		assert.Len(w, w.posts(), 1)
	})
}

// A web application keeps many clients, and drops some while their renewals go on.
func TestSettle_isForAllClientsOfAStore(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		store := revv.NewMemoryStore()
		require.NoError(w, revv.SaveToken(w.Context(), store, tokenAccount, &w.first))
		w.faulty(func(a *authority, r tokenRequest) (*http.Response, error) {
			<-time.After(20 * time.Second)
			status, body := a.honest(r.form)
			return reply(status, body), nil
		})
		func() {
			_, dropped := w.program(store, tokenAccount)
			ctx, cancel := context.WithTimeout(w.Context(), time.Second)
			defer cancel()
			_, err := dropped.Documents.Get(ctx, 14)
			require.ErrorIs(w, err, context.DeadlineExceeded)
		}()
		start := time.Now()
		_, stranger := w.program(revv.NewMemoryStore(), tokenAccount)
		require.NoError(w, stranger.Settle(w.Context()))
		assert.Zero(w, time.Since(start), "another store")

		_, other := w.program(store, "another account")
		short, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		require.ErrorIs(w, other.Settle(short), context.DeadlineExceeded)
		require.NoError(w, other.Settle(w.Context()))
		assert.Equal(w, 19*time.Second, time.Since(start))
		kept, err := store.Load(w.Context(), tokenAccount)
		require.NoError(w, err)
		assert.NotEqual(w, w.first.RefreshToken, kept.RefreshToken)
		assert.Len(w, w.posts(), 1)
	})
}

func TestSettle_savesThePairOfAnotherClient(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		_, client := w.program(w.ledger, tokenAccount)
		unsavable(down)(w)
		_, err := client.Documents.Get(w.Context(), 14)
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
		_, other := w.program(w.ledger, "another account")
		require.ErrorIs(w, other.Settle(w.Context()), revv.ErrTokenNotPersisted)
		healed(w)
		_, stranger := w.program(revv.NewMemoryStore(), tokenAccount)
		require.NoError(w, stranger.Settle(w.Context()))
		kept, err := w.ledger.Load(w.Context(), tokenAccount)
		require.NoError(w, err)
		require.Equal(w, w.first.RefreshToken, kept.RefreshToken, "a client of another store has nothing to save here")
		require.NoError(w, other.Settle(w.Context()))
		kept, err = w.ledger.Load(w.Context(), tokenAccount)
		require.NoError(w, err)
		assert.NotEqual(w, w.first.RefreshToken, kept.RefreshToken)
		assert.Len(w, w.posts(), 1)
	})
}

func TestSettle_savesThePairThatWaits(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		_, client := w.program(w.ledger, tokenAccount)
		unsavable(down)(w)
		_, err := client.Documents.Get(w.Context(), 14)
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
		require.ErrorIs(w, client.Settle(w.Context()), revv.ErrTokenNotPersisted)
		healed(w)
		require.NoError(w, client.Settle(w.Context()))
		assert.Len(w, w.posts(), 1)
		kept, err := w.ledger.Load(w.Context(), tokenAccount)
		require.NoError(w, err)
		assert.NotEqual(w, w.first.RefreshToken, kept.RefreshToken)
	})
}

// panicking is a store whose driver panics once, behind the function that spends the token.
type panicking struct {
	revv.TokenStore

	once atomic.Bool
}

func (p *panicking) Update(
	ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error),
) (*oauth2.Token, error) {
	if !p.once.CompareAndSwap(false, true) {
		return p.TokenStore.Update(ctx, account, fn)
	}
	current, err := p.Load(ctx, account)
	if err != nil {
		return nil, err
	}
	if _, err := fn(current); err != nil {
		return nil, err
	}
	panic("driver: bad connection")
}

func TestSettle_storeHasPanicked_savesThePair(t *testing.T) {
	t.Parallel()
	for name, expiry := range map[string]time.Duration{"rejected": 0, "about to expire": 20 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *tokenWorld) {
				inner := revv.NewMemoryStore()
				first := w.first
				if expiry > 0 {
					first.Expiry = time.Now().Add(expiry)
					w.authority.apiAnswer = func(int, *http.Request) (*http.Response, error) { // the old token is still good
						return reply(http.StatusOK, `{"Document":{"id":14}}`), nil
					}
				}
				require.NoError(w, revv.SaveToken(w.Context(), inner, tokenAccount, &first))
				_, client := w.program(&panicking{TokenStore: inner}, tokenAccount)
				_, _ = client.Documents.Get(w.Context(), 14) // whether it has a token depends on the old one
				require.NoError(w, client.Settle(w.Context()))
				kept, err := inner.Load(w.Context(), tokenAccount)
				require.NoError(w, err)
				assert.NotEqual(w, first.RefreshToken, kept.RefreshToken)
				assert.Len(w, w.posts(), 1)
			})
		})
	}
}

func TestSettle_withoutARenewal_returnsAtOnce(t *testing.T) {
	t.Parallel()
	client := silent(t).client(t) // with a static token
	require.NoError(t, client.Settle(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, client.Settle(ctx), context.Canceled)
	require.ErrorIs(t, client.Settle(nil), revv.ErrInvalidArgument) //nolint:staticcheck // on purpose
	var none *revv.Client
	require.ErrorIs(t, none.Settle(t.Context()), revv.ErrInvalidArgument)
	require.ErrorIs(t, new(revv.Client).Settle(t.Context()), revv.ErrInvalidArgument)
}

// Of a store that cannot be compared, a client still saves its own pair.
func TestSettle_storeCannotBeCompared_savesThePairOfItsClient(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		_, client := w.program(uncomparable{ledger: w.ledger}, tokenAccount)
		unsavable(down)(w)
		_, err := client.Documents.Get(w.Context(), 14)
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
		require.ErrorIs(w, client.Settle(w.Context()), revv.ErrTokenNotPersisted)
		healed(w)
		require.NoError(w, client.Settle(w.Context()))
		kept, err := w.ledger.Load(w.Context(), tokenAccount)
		require.NoError(w, err)
		assert.NotEqual(w, w.first.RefreshToken, kept.RefreshToken)
		assert.Len(w, w.posts(), 1)
	})
}

// Whoever authorizes anew puts a better pair there than the one that waits.
func TestSettle_pairWasReplacedMeanwhile_hasNothingToSave(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		healed(w)
		anew := w.first
		anew.AccessToken, anew.RefreshToken = w.authority.authorize()
		w.ledger.put(tokenAccount, &anew)
		require.NoError(w, w.client.Settle(w.Context()))
		_, updates, _ := w.ledger.counts()
		pass(time.Hour)
		_, later, _ := w.ledger.counts()
		assert.Equal(w, updates, later, "and nothing is tried again")
		assert.Equal(w, anew, w.ledger.pair(tokenAccount))
		assert.Len(w, w.posts(), 1)
	})
}

// The caller's own time is up, which is another thing than a store that fails.
func TestSettle_contextEndsWhileThePairIsSaved_saysSo(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		unsavable(func() error { pass(10 * time.Second); return nil })(w)
		ctx, cancel := context.WithTimeout(w.Context(), 100*time.Millisecond)
		defer cancel()
		require.ErrorIs(w, w.client.Settle(ctx), context.DeadlineExceeded)
		require.NoError(w, w.client.Settle(w.Context()))
		assert.NotEqual(w, w.first.RefreshToken, w.ledger.pair(tokenAccount).RefreshToken)
	})
}

// What has failed once is not tried again because of a renewal that is waited for.
func TestSettle_storeIsDown_savesEachPairOnce(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		pair := w.first
		pair.AccessToken, pair.RefreshToken = w.authority.authorize()
		w.ledger.put("slow", &pair)
		w.expire()
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		w.faulty(slow(func(context.Context) { pass(5 * time.Second) }))
		_, client := w.program(w.ledger, "slow")
		short, cancel := context.WithTimeout(w.Context(), time.Millisecond)
		defer cancel()
		_, err := client.Documents.Get(short, 14)
		require.ErrorIs(w, err, context.DeadlineExceeded)
		err = client.Settle(w.Context())
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
		joined, ok := err.(interface{ Unwrap() []error })
		require.True(w, ok)
		assert.Len(w, joined.Unwrap(), 2, "one for each pair")
	})
}

// leaving is a context that ends as soon as somebody has looked whether it has ended.
type leaving struct {
	context.Context //nolint:containedctx // it is one

	end context.CancelFunc
}

// Err implements [context.Context].
func (l leaving) Err() error {
	defer l.end()
	return l.Context.Err()
}

// Who begins a renewal may leave before its goroutine has done anything. It is a matter of
// luck how far that is when Settle looks, so there are many tries.
func TestSettle_renewalOfAnotherClientHasJustBegun_isWaitedFor(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		w.alwaysFaulty(slow(func(context.Context) { pass(20 * time.Second) }))
		_, client := w.program(w.ledger, "another account")
		for range 50 {
			w.left(-time.Hour)
			auth, _ := w.program(w.ledger, tokenAccount)
			start, spent := time.Now(), w.ledger.pair(tokenAccount)
			ctx, cancel := context.WithCancel(w.Context())
			_, err := auth.Token(leaving{ctx, cancel})
			require.ErrorIs(w, err, context.Canceled)
			require.NoError(w, client.Settle(w.Context()))
			if !assert.Equal(w, 20*time.Second, time.Since(start)) {
				return // and let the renewal end
			}
			assert.NotEqual(w, spent.RefreshToken, w.ledger.pair(tokenAccount).RefreshToken)
		}
		assert.Len(w, w.posts(), 50)
	})
}

// A token source can write to a file of its own while it renews.
func TestSettle_tokenSource_isWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, err := revv.NewClient(revv.FromTokenSource(slowSource(20*time.Second)), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: always(http.StatusOK, documentAnswer)}))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = client.Documents.Get(ctx, 14)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		start := time.Now()
		require.NoError(t, client.Settle(t.Context()))
		assert.Equal(t, 19*time.Second, time.Since(start))
		require.NoError(t, client.Settle(t.Context()))
	})
}

// slowSource takes its time for a token.
type slowSource time.Duration

func (s slowSource) Token() (*oauth2.Token, error) {
	<-time.After(time.Duration(s))
	return &oauth2.Token{AccessToken: anyToken}, nil
}
