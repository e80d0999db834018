package revv_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// scripted is a store that does something else than it should.
type scripted struct {
	*ledger

	load   func(account string) (*oauth2.Token, error)
	update func(ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error)
}

// Load implements [revv.TokenStore].
func (s *scripted) Load(ctx context.Context, account string) (*oauth2.Token, error) {
	if s.load != nil {
		return s.load(account)
	}
	return s.ledger.Load(ctx, account)
}

// Update implements [revv.TokenStore].
func (s *scripted) Update(ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
	if s.update != nil {
		return s.update(ctx, account, fn)
	}
	return s.ledger.Update(ctx, account, fn)
}

// inWorld runs a test in a world with an expired token, and in a bubble of time.
func inWorld(t *testing.T, test func(w *tokenWorld)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		w := newTokenWorld(t)
		w.expire()
		test(w)
		pass(time.Hour) // every flight has an end
	})
}

// scripted is a program whose store is scripted.
func (w *tokenWorld) scripted(s *scripted) func() error {
	w.Helper()
	s.ledger = w.ledger
	_, client := w.program(s, tokenAccount)
	return func() error {
		_, err := client.Documents.Get(w.Context(), 14)
		return err
	}
}

// posts returns the refresh tokens that were posted.
func (w *tokenWorld) posts() (tokens []string) {
	w.authority.mu.Lock()
	defer w.authority.mu.Unlock()
	for _, form := range w.authority.forms {
		tokens = append(tokens, form.Get("refresh_token"))
	}
	return tokens
}

// T14 and T20: the pair that a save has failed for belongs to everybody.
func TestTokens_saveFailsWhileAnotherClientWaits_tokenIsPostedOnce(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		_, other := w.program(w.ledger, tokenAccount)
		fails := failsTimes(1)
		unsavable(fails)(w)
		w.faulty(slow(func(context.Context) { pass(100 * time.Millisecond) }))
		var all sync.WaitGroup
		all.Go(func() { assert.NoError(w, getDocument(w.Context(), w, 0)) })
		all.Go(func() {
			_, err := other.Documents.Get(w.Context(), 14)
			assert.NoError(w, err)
		})
		all.Wait()
		assert.Equal(w, []string{w.first.RefreshToken}, w.posts())
	})
}

// A refresh token that was replaced by a pair which nobody needs any more is spent all the
// same: a store that shows it again, as after a failover, must not have it posted again.
func TestTokens_pairThatWasPostedComesBack_isNotPostedAgain(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		healed(w)
		pair := w.first
		pair.AccessToken, pair.RefreshToken = w.authority.authorize()
		w.ledger.put(tokenAccount, &pair)
		require.NoError(w, getDocument(w.Context(), w, 0), "somebody has connected again")
		w.ledger.put(tokenAccount, &w.first)
		w.expire()
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrReauthorizationRequired)
		assert.Equal(w, []string{w.first.RefreshToken}, w.posts())
	})
}

// An endpoint that keeps the refresh token has spent nothing.
func TestTokens_pairOfASteadyEndpointComesBack_isRenewed(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		w.authority.set(func() { w.authority.steady = true })
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		healed(w)
		pair := w.first
		pair.AccessToken = "saved-by-another-program"
		w.ledger.put(tokenAccount, &pair)
		require.NoError(w, getDocument(w.Context(), w, 0))
		w.ledger.put(tokenAccount, &w.first)
		w.expire()
		require.NoError(w, getDocument(w.Context(), w, 0))
	})
}

// T15: a pair that waits to be saved is saved first by whoever comes next.
func TestTokens_pairWaitsToBeSaved_everyClientOfTheAccountSavesItFirst(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		_, other := w.program(w.ledger, tokenAccount)
		_, err := other.Documents.Get(w.Context(), 14)
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted, "the store is still down")
		healed(w)
		_, err = other.Documents.Get(w.Context(), 14)
		require.NoError(w, err)
		require.NoError(w, getDocument(w.Context(), w, 0))
		assert.Equal(w, []string{w.first.RefreshToken}, w.posts())
		_, _, saves := w.ledger.counts()
		assert.Equal(w, 1, saves)
	})
}

// T43: a pair that waits is the pair of its account alone.
func TestTokens_pairWaitsInAnotherAccount_isLeftThere(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		pair := w.first
		pair.AccessToken, pair.RefreshToken = w.authority.authorize()
		w.ledger.put("sales@example.com", &pair)
		w.expire()
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		healed(w)
		_, other := w.program(w.ledger, "sales@example.com")
		_, err := other.Documents.Get(w.Context(), 14)
		require.NoError(w, err)
		assert.Equal(w, []string{w.first.RefreshToken, pair.RefreshToken}, w.posts())
		assert.Equal(w, w.first, w.ledger.pair(tokenAccount), "not saved yet")
	})
}

// T15: a store that swallows its failure has failed all the same.
func TestTokens_storeSwallowsAFailedSave_pairWaits(t *testing.T) {
	for name, token := range map[string]*oauth2.Token{"and returns the old pair": {}, "and returns nothing": nil} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *tokenWorld) {
				s := &scripted{}
				get := w.scripted(s)
				s.update = func(_ context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
					stored := w.ledger.pair(account)
					if _, err := fn(&stored); err != nil || token == nil {
						return nil, err
					}
					old := w.ledger.pair(account)
					return &old, nil
				}
				require.ErrorIs(w, get(), revv.ErrTokenNotPersisted)
				s.update = nil
				require.NoError(w, get())
				assert.Equal(w, []string{w.first.RefreshToken}, w.posts())
			})
		})
	}
}

// T15: a row of which half was written shows a spent refresh token.
func TestTokens_storeWritesHalfOfAPair_spentTokenIsNotPosted(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		s := &scripted{}
		get := w.scripted(s)
		s.update = func(_ context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
			s.update = nil
			stored := w.ledger.pair(account)
			next, err := fn(&stored)
			if err != nil {
				return nil, err
			}
			stored = oauth2.Token{} // a store may use its memory again
			half := w.first
			half.AccessToken = next.AccessToken
			w.ledger.put(account, &half)
			return nil, errLedgerDown
		}
		require.NoError(w, get())
		w.expire()
		require.NoError(w, get())
		posts := w.posts()
		assert.Len(w, posts, 2)
		assert.NotEqual(w, posts[0], posts[1])
	})
}

// Where the service keeps the refresh token, an equal one is not a sign of a pair
// that was replaced.
func TestTokens_refreshTokenStaysTheSame_newerPairIsAdopted(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		w.authority.set(func() { w.authority.steady = true })
		unsavable(down)(w)
		require.ErrorIs(w, getDocument(w.Context(), w, 0), revv.ErrTokenNotPersisted)
		healed(w)
		w.expire() // the pair that waits is of no use any more
		_, answer := w.authority.honest(map[string][]string{"refresh_token": {w.first.RefreshToken}})
		newer := w.first
		require.NoError(w, json.Unmarshal([]byte(answer), &newer))
		w.ledger.put(tokenAccount, &newer)
		require.NoError(w, getDocument(w.Context(), w, 0))
		assert.Equal(w, newer.AccessToken, w.ledger.pair(tokenAccount).AccessToken)
	})
}

// A store may ask twice where it should not: a token is spent once.
func TestTokens_storeAsksAgainAfterAFailure_tokenIsPostedOnce(t *testing.T) {
	for name, fault := range map[string]tokenFault{"refused": refuses("invalid_grant"), "unreadable": answers(200, `{}`)} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *tokenWorld) {
				s := &scripted{}
				get := w.scripted(s)
				s.update = func(ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
					asks := func(current *oauth2.Token) (*oauth2.Token, error) {
						next, err := fn(current)
						assert.Error(w, err, "it could save what comes without an error")
						return next, err
					}
					if token, err := w.ledger.Update(ctx, account, asks); err == nil {
						return token, nil
					}
					return w.ledger.Update(ctx, account, asks)
				}
				w.alwaysFaulty(fault)
				require.Error(w, get())
				assert.Len(w, w.posts(), 1)
			})
		})
	}
}

// S01: a store may quote what it was given, at any time.
func TestTokens_storeQuotesThePair_errorDoesNot(t *testing.T) {
	quoting := func(w *tokenWorld) error {
		pair := w.ledger.pair(tokenAccount)
		return fmt.Errorf("cannot read the row (%s, %s)", pair.AccessToken, pair.RefreshToken)
	}
	for name, breaks := range map[string]func(w *tokenWorld, s *scripted){
		"when it reads": func(w *tokenWorld, s *scripted) {
			s.load = func(string) (*oauth2.Token, error) { return nil, quoting(w) }
		},
		"when it locks": func(w *tokenWorld, s *scripted) {
			s.update = func(context.Context, string, func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
				return nil, quoting(w)
			}
		},
		"when it locks, with a refresh token that it has shown before": func(w *tokenWorld, s *scripted) {
			pair := w.first
			_, pair.RefreshToken = w.authority.authorize()
			w.ledger.put(tokenAccount, &pair)
			s.update = func(context.Context, string, func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
				return nil, quoting(w)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *tokenWorld) {
				s := &scripted{}
				get := w.scripted(s)
				w.authority.set(func() { w.authority.families[w.first.RefreshToken].access[w.first.AccessToken] = true })
				require.NoError(w, get(), "it knows the pair from now on")
				w.expire()
				breaks(w, s)
				err := get()
				require.ErrorContains(w, err, "cannot read the row")
				assertKeepsSecrets(w, w.authority.hidden(), err)
			})
		})
	}
}

// S01: a store may quote what it was given in the way of Go, or as JSON.
func TestTokens_storeQuotesThePairInOtherSpellings_errorDoesNot(t *testing.T) {
	for name, spell := range map[string]func(pair *oauth2.Token) string{
		"Go": func(pair *oauth2.Token) string { return fmt.Sprintf("%q, %q", pair.AccessToken, pair.RefreshToken) },
		"JSON": func(pair *oauth2.Token) string {
			text, err := json.Marshal([]string{pair.AccessToken, pair.RefreshToken})
			return fmt.Sprint(string(text), err)
		},
	} {
		for _, refresh := range []string{`re"fresh"SENTINEL`, `re\fresh\SENTINEL`, `re<fresh>&SENTINEL`, `SENTINEL/+=`, "re\tfresh SENTINEL"} {
			t.Run(name+" "+refresh, func(t *testing.T) {
				inWorld(t, func(w *tokenWorld) {
					s := &scripted{}
					get := w.scripted(s)
					pair := w.first
					pair.AccessToken, pair.RefreshToken = `ac"<cess>"\SENTINEL`, refresh
					w.ledger.put(tokenAccount, &pair)
					s.update = func(context.Context, string, func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
						return nil, fmt.Errorf("cannot lock %s", spell(&pair))
					}
					err := get()
					require.ErrorContains(w, err, "cannot lock")
					assertKeepsSecrets(w, []string{"SENTINEL"}, err)
				})
			})
		}
	}
}

// A store that panics is a mistake of the program, which the program survives:
// nobody could recover in the goroutine of a renewal.
func TestTokens_storePanicsOrEndsItsGoroutine_callersGetAnError(t *testing.T) {
	for name, end := range map[string]func(){
		"panics":             func() { panic("the pair is a-secret-of-a-panic") },
		"ends its goroutine": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *tokenWorld) {
				s := &scripted{}
				get := w.scripted(s)
				s.load = func(string) (*oauth2.Token, error) { end(); return nil, nil }
				err := get()
				require.ErrorContains(w, err, "panicked")
				assert.NotContains(w, err.Error(), "a-secret-of-a-panic")
				s.load = nil
				assert.NoError(w, get())
			})
		})
	}
}

// T15: a pair that was given out before a store panics is saved by the next call.
func TestTokens_storePanicsWhileItSaves_pairWaits(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		s := &scripted{}
		get := w.scripted(s)
		s.update = func(_ context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
			s.update = nil
			stored := w.ledger.pair(account)
			_, err := fn(&stored)
			panic(err)
		}
		require.Error(w, get())
		require.NoError(w, get())
		assert.Equal(w, []string{w.first.RefreshToken}, w.posts())
	})
}

func TestFromTokenSource_nil_isATypedError(t *testing.T) {
	t.Parallel()
	_, err := revv.FromTokenSource(nil).Token(t.Context())
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
}

func TestEncryptedStore_innerStoreKeepsNothing_isAnError(t *testing.T) {
	t.Parallel()
	s := &scripted{ledger: newLedger(&eventLog{})}
	sealed := newEncryptedStore(t, s, storeKey)
	s.update = func(context.Context, string, func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
		return &oauth2.Token{AccessToken: "revv-sealed-v1.AAAA", TokenType: "sealed"}, nil
	}
	_, err := sealed.Update(t.Context(), tokenAccount, notCalled(t))
	require.ErrorIs(t, err, revv.ErrInvalidArgument, "it has not called the function")
	for name, returned := range map[string]*oauth2.Token{"nothing": nil, "another token": {AccessToken: "revv-sealed-v1.AAAA", TokenType: "sealed"}} {
		s.update = func(_ context.Context, _ string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
			_, err := fn(nil)
			return returned, err
		}
		_, err := sealed.Update(t.Context(), tokenAccount, func(*oauth2.Token) (*oauth2.Token, error) {
			return &oauth2.Token{AccessToken: "an-access-token"}, nil
		})
		require.ErrorIs(t, err, revv.ErrInvalidArgument, name)
	}
}

// uncomparable is a store of which nobody can say whether it is the same as another.
type uncomparable struct {
	*ledger

	_ []string
}

func TestTokens_storeCannotBeCompared_pairWaitsWithItsClient(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		_, client := w.program(uncomparable{ledger: w.ledger}, tokenAccount)
		unsavable(down)(w)
		_, err := client.Documents.Get(w.Context(), 14)
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
		healed(w)
		_, err = client.Documents.Get(w.Context(), 14)
		require.NoError(w, err)
		assert.Len(w, w.posts(), 1)
	})
}

// A directory can have two names. A pair that waits to be saved is found by both.
func TestTokens_directoryByAnotherName_isTheSameStore(t *testing.T) {
	root := t.TempDir()
	dir, link := filepath.Join(root, "tokens"), filepath.Join(root, "link")
	require.NoError(t, os.Mkdir(dir, 0o700))
	if err := os.Symlink(dir, link); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	inWorld(t, func(w *tokenWorld) {
		one, other := newFileStore(t, dir), newFileStore(t, link)
		require.NoError(w, revv.SaveToken(w.Context(), one, tokenAccount, &w.first))
		first, _ := w.program(one, tokenAccount)
		second, _ := w.program(other, tokenAccount)
		spent := w.first
		w.faulty(func(a *authority, r tokenRequest) (*http.Response, error) {
			assert.NoError(w, os.Rename(dir, dir+"-away")) // the volume goes while the answer is under way
			status, body := a.honest(r.form)
			return reply(status, body), nil
		})
		first.Reject(w.Context(), &spent)
		_, err := first.Token(w.Context())
		require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
		drafts, err := filepath.Glob(filepath.Join(dir+"-away", "*.tmp"))
		require.NoError(w, err)
		require.Len(w, drafts, 1)
		require.NoError(w, os.Remove(drafts[0])) // which would bring the pair back by itself
		require.NoError(w, os.Rename(dir+"-away", dir))
		second.Reject(w.Context(), &spent)
		_, err = second.Token(w.Context())
		require.NoError(w, err)
		assert.Len(w, w.posts(), 1)
	})
}

// A pair waits for its own directory alone, also while that has gone.
func TestTokens_otherDirectory_isAnotherStore(t *testing.T) {
	for name, gone := range map[string]bool{"both are there": false, "one has gone": true} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "tokens")
			inWorld(t, func(w *tokenWorld) {
				one, other := newFileStore(t, dir), newFileStore(t, t.TempDir())
				for _, store := range []revv.TokenStore{one, other} {
					require.NoError(w, revv.SaveToken(w.Context(), store, tokenAccount, &w.first))
				}
				first, _ := w.program(one, tokenAccount)
				second, _ := w.program(other, tokenAccount)
				spent := w.first
				w.faulty(func(a *authority, r tokenRequest) (*http.Response, error) {
					assert.NoError(w, os.Rename(dir, dir+"-away"))
					status, body := a.honest(r.form)
					return reply(status, body), nil
				})
				first.Reject(w.Context(), &spent)
				_, err := first.Token(w.Context())
				require.ErrorIs(w, err, revv.ErrTokenNotPersisted)
				if !gone {
					require.NoError(w, os.Rename(dir+"-away", dir))
				}
				second.Reject(w.Context(), &spent)
				_, err = second.Token(w.Context())
				require.ErrorIs(w, err, revv.ErrReauthorizationRequired, "its own refresh token went out, which the first has spent")
				assert.Len(w, w.posts(), 2)
			})
		})
	}
}
