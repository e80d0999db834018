package revv_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// A store that does not keep what it is given is noticed where a person has just
// authorized the program.
func TestSaveToken_storeKeepsNothing_isAnError(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		s := &scripted{ledger: w.ledger}
		s.update = func(context.Context, string, func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
			return nil, nil
		}
		err := revv.SaveToken(w.Context(), s, tokenAccount, &w.first)
		require.ErrorContains(w, err, "has not kept the pair")
	})
}

func TestSaveToken_storeFails_isTriedAgainAndQuotesNothing(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		pair := w.first
		pair.AccessToken, pair.RefreshToken = w.authority.authorize()
		unsavable(failsTimes(2))(w)
		require.NoError(w, revv.SaveToken(w.Context(), w.ledger, tokenAccount, &pair))
		assert.Equal(w, pair.RefreshToken, w.ledger.pair(tokenAccount).RefreshToken)
		w.ledger.set(func() {
			w.ledger.onSave = func(p oauth2.Token) error {
				return fmt.Errorf("INSERT (%s, %s) over %s", p.AccessToken, p.RefreshToken, pair.RefreshToken)
			}
		})
		start := time.Now()
		err := revv.SaveToken(w.Context(), w.ledger, tokenAccount, &w.first)
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
		require.ErrorContains(w, err, "INSERT")
		assert.InDelta(w, 6, time.Since(start).Seconds(), 1, "five seconds, and the last wait")
		assertKeepsSecrets(w, w.authority.hidden(), err)
	})
}

// While a database restarts, somebody waits for the page that says so.
func TestSaveToken_storeIsAwayForSomeSeconds_isWaitedFor(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		back := time.Now().Add(4 * time.Second)
		unsavable(func() error {
			if time.Now().Before(back) {
				return errLedgerDown
			}
			return nil
		})(w)
		require.NoError(w, revv.SaveToken(w.Context(), w.ledger, "another", &w.first))
		assert.Equal(w, w.first.RefreshToken, w.ledger.pair("another").RefreshToken)
	})
}

// A person connects another account while the old one is in use: what a renewal has made of
// the old pair in the meantime is not what the person wants.
func TestSaveToken_oldPairIsRenewedBetweenTwoTries_newOneIsKept(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		pair := w.first
		pair.AccessToken, pair.RefreshToken = w.authority.authorize()
		s, failed := &scripted{ledger: w.ledger}, false
		s.update = func(ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
			if failed {
				return w.ledger.Update(ctx, account, fn)
			}
			failed = true
			current := w.ledger.pair(account)
			_, err := fn(&current)
			require.NoError(w, err)
			w.expire()
			require.NoError(w, getDocument(ctx, w, 0))
			return nil, errLedgerDown
		}
		require.NoError(w, revv.SaveToken(w.Context(), s, tokenAccount, &pair))
		assert.Equal(w, pair.RefreshToken, w.ledger.pair(tokenAccount).RefreshToken)
	})
}

// No time makes another key of the one that the program has.
func TestSaveToken_storeIsCorrupt_isNotTriedAgain(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		start := time.Now()
		unsavable(func() error { return revv.ErrTokenStoreCorrupt })(w)
		err := revv.SaveToken(w.Context(), w.ledger, tokenAccount, &w.first)
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
		require.ErrorIs(w, err, revv.ErrTokenStoreCorrupt)
		assert.Contains(w, err.Error(), "let the store forget the account", "to authorize again does not help")
		assert.Zero(w, time.Since(start))
	})
}

// The code is spent by then: whoever leaves must not lose what it was spent for.
func TestSaveToken_contextThatIsDone_savesAllTheSame(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		require.NoError(w, revv.SaveToken(ctx, w.ledger, "another", &w.first))
		assert.Equal(w, w.first.RefreshToken, w.ledger.pair("another").RefreshToken)
	})
}

func TestSaveToken_storeHangs_endsAtALimitOfItsOwn(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		s := &scripted{ledger: w.ledger}
		s.update = func(ctx context.Context, _ string, _ func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		began := time.Now()
		require.ErrorIs(w, revv.SaveToken(w.Context(), s, tokenAccount, &w.first), context.DeadlineExceeded)
		assert.Equal(w, 30*time.Second, time.Since(began))
	})
}

// A connection can break after the commit. What another client has made of the pair since
// must not be replaced by it: its refresh token is spent.
func TestSaveToken_commitWithoutAnAnswerAndRenewalBetweenTwoTries_renewedPairIsKept(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		pair := w.first
		pair.AccessToken, pair.RefreshToken = w.authority.authorize()
		s, tries := &scripted{ledger: w.ledger}, 0
		s.update = func(ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
			switch tries++; tries {
			case 1:
				_, err := w.ledger.Update(ctx, account, fn)
				require.NoError(w, err)
				return nil, errLedgerDown
			case 2:
				w.expire()
				require.NoError(w, getDocument(ctx, w, 0))
				return nil, errLedgerDown
			}
			return w.ledger.Update(ctx, account, fn)
		}
		slow := &waitingLoad{s, 2 * time.Second} // which tells the truth as well
		require.NoError(w, revv.SaveToken(w.Context(), slow, tokenAccount, &pair))
		assert.Equal(w, 3, tries)
		assert.Equal(w, []string{pair.RefreshToken}, w.posts(), "the other client has found the pair")
		assert.NotEqual(w, pair.RefreshToken, w.ledger.pair(tokenAccount).RefreshToken)
		w.expire()
		w.restart()
		require.NoError(w, getDocument(w.Context(), w, 0))
	})
}

// Whatever was there before the pair has arrived is what the person wants to be replaced.
func TestSaveToken_storeFailsAndAnotherProgramPutsAPairThere_newOneWins(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		pair := w.first
		pair.AccessToken, pair.RefreshToken = w.authority.authorize()
		unsavable(func() error {
			healed(w)
			w.authorizedElsewhere()
			return errLedgerDown
		})(w)
		require.NoError(w, revv.SaveToken(w.Context(), w.ledger, tokenAccount, &pair))
		assert.Equal(w, pair, w.ledger.pair(tokenAccount))
		require.NoError(w, getDocument(w.Context(), w, 0))
		assert.Empty(w, w.posts())
	})
}

// A database that fails over can lose what it has shown.
func TestSaveToken_pairIsLostAgain_isSavedOnceMore(t *testing.T) {
	t.Parallel()
	const (
		away       = "is away"
		unanswered = "saves, and the answer is lost"
		blind      = "saves, the answer is lost, and nothing can be loaded"
	)
	for name, fate := range map[string][]string{ // of the tries before the pair is lost
		"shown once":                 {unanswered},
		"away when it came first":    {away, unanswered},
		"seen by a try, then loaded": {blind, unanswered},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *tokenWorld) {
				pair := w.first
				pair.AccessToken, pair.RefreshToken = w.authority.authorize()
				old := w.ledger.pair(tokenAccount)
				s, tries := &scripted{ledger: w.ledger}, 0
				s.load = func(account string) (*oauth2.Token, error) {
					if fate[min(tries, len(fate))-1] == blind {
						return nil, errLedgerDown
					}
					return w.ledger.Load(w.Context(), account)
				}
				s.update = func(ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
					tries++
					switch {
					case tries > len(fate):
						_, err := w.ledger.Update(ctx, account, func(*oauth2.Token) (*oauth2.Token, error) { return &old, nil })
						require.NoError(w, err)
						return w.ledger.Update(ctx, account, fn)
					case fate[tries-1] != away:
						_, err := w.ledger.Update(ctx, account, fn)
						require.NoError(w, err)
					}
					return nil, errLedgerDown
				}
				require.NoError(w, revv.SaveToken(w.Context(), s, tokenAccount, &pair))
				assert.Equal(w, pair, w.ledger.pair(tokenAccount))
				assert.Equal(w, len(fate)+1, tries)
			})
		})
	}
}

// To look whether the pair has arrived does not take the time of the next try.
func TestSaveToken_storeCannotShowAnything_isTriedAgain(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		unsavable(failsTimes(1))(w)
		s := &waitingLoad{w.ledger, time.Hour}
		begun := time.Now()
		require.NoError(w, revv.SaveToken(w.Context(), s, "another", &w.first))
		assert.Less(w, time.Since(begun), 6*time.Second)
		assert.Equal(w, w.first, w.ledger.pair("another"))
	})
}

// waitingLoad is a store that waits for a connection before it loads.
type waitingLoad struct {
	revv.TokenStore

	wait time.Duration
}

// Load implements [revv.TokenStore].
func (s *waitingLoad) Load(ctx context.Context, account string) (*oauth2.Token, error) {
	select {
	case <-time.After(s.wait):
		return s.TokenStore.Load(ctx, account)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
