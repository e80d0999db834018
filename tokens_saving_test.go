package revv_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// unsavable is a store that takes no pair: from the first on, or as often as
// fails says.
func unsavable(fails func() error) func(*tokenWorld) {
	return func(w *tokenWorld) {
		w.ledger.set(func() { w.ledger.onSave = func(oauth2.Token) error { return fails() } })
	}
}

// savingCases: a pair was given out, and has to get into the store.
func savingCases() []tokenCase {
	notPersisted := []error{revv.ErrTokenNotPersisted, errLedgerDown}
	pending := tokenStep{want: notPersisted, never: but(revv.ErrTokenNotPersisted), tokens: 1, api: 1, then: took(0, 600*time.Millisecond)}
	still := tokenStep{callers: 50, want: notPersisted, never: but(revv.ErrTokenNotPersisted)}
	return []tokenCase{
		{"T13", "the new pair is saved before it is used", expired, []tokenStep{
			{tokens: 1, api: 2, saves: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				pair := w.ledger.pair(tokenAccount)
				assert.Equal(w, []string{
					"api " + w.first.AccessToken, "token", "saved " + pair.AccessToken, "api " + pair.AccessToken,
				}, w.events.all())
			}},
		}},
		{"T13", "saving takes its time", after(expired, together(20), unsavable(func() error { pass(3 * time.Second); return nil })), []tokenStep{
			{callers: 20, tokens: 1, api: 40, saves: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				events := w.events.all()
				pair := w.ledger.pair(tokenAccount)
				assert.Less(w, slices.Index(events, "saved "+pair.AccessToken), slices.Index(events, "api "+pair.AccessToken))
			}},
		}},
		{"T14", "saving fails once", after(expired, unsavable(failsTimes(1))), []tokenStep{
			{tokens: 1, api: 2, saves: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				assert.Contains(w, w.events.all(), "save failed")
			}},
			{api: 1},
		}},
		{"T14", "saving fails twice", after(expired, unsavable(failsTimes(2))), []tokenStep{{tokens: 1, api: 2, saves: 1}, {api: 1}}},
		{"T14", "the store has saved the pair and says that it has not", after(expired, func(w *tokenWorld) {
			w.ledger.set(func() {
				w.ledger.onSave = func(pair oauth2.Token) error {
					w.ledger.put(tokenAccount, &pair)
					return errLedgerDown
				}
			})
		}), []tokenStep{{tokens: 1, api: 2}, {api: 1}, {do: after(healed, expired), tokens: 1, api: 2, saves: 1}}},
		{"T15", "saving fails for ever", after(expired, unsavable(down)), []tokenStep{
			pending,
			still,
			{do: healed, api: 1, saves: 1, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				events, pair := w.events.all(), w.ledger.pair(tokenAccount)
				assert.Equal(w, []string{"saved " + pair.AccessToken, "api " + pair.AccessToken}, events[len(events)-2:])
				assert.NotEqual(w, w.first.RefreshToken, pair.RefreshToken)
			}},
			{do: expired, tokens: 1, api: 2, saves: 1},
		}},
		{"T15", "saving fails for ever, for a write with consequences", after(expired, unsavable(down)), []tokenStep{
			{call: createDocument, want: notPersisted, never: but(revv.ErrTokenNotPersisted), tokens: 1, api: 1},
			{do: healed, call: createDocument, api: 1, saves: 1},
		}},
		{"T15", "saving fails for ever and 200 callers wait", after(expired, unsavable(down), together(200)), []tokenStep{
			{callers: 200, want: notPersisted, tokens: 1, api: 200},
			{do: healed, callers: 200, api: 200, saves: 1},
		}},
		{"T15", "the store goes away altogether while a pair waits", after(expired, unsavable(down)), []tokenStep{
			pending,
			{do: func(w *tokenWorld) { w.ledger.set(func() { w.ledger.onUpdate, w.ledger.onLoad = down, down }) }, want: notPersisted},
			{do: healed, api: 1, saves: 1},
		}},
		{"T15", "the next call meets a store that fails twice more", after(expired, unsavable(down)), []tokenStep{
			pending,
			{do: unsavable(failsTimes(2)), api: 1, saves: 1},
		}},
		{"T15", "another program changes the store while a pair waits", after(expired, unsavable(down)), []tokenStep{
			pending,
			{do: func(w *tokenWorld) {
				healed(w)
				pair := w.first
				pair.AccessToken, pair.RefreshToken = w.authority.authorize()
				w.ledger.put(tokenAccount, &pair)
			}, api: 1},
			{do: expired, tokens: 1, api: 2, saves: 1},
		}},
		{"T15", "another program leaves an expired pair while a pair waits", after(expired, unsavable(down)), []tokenStep{
			pending,
			{do: func(w *tokenWorld) {
				healed(w)
				pair := w.first
				pair.AccessToken, pair.RefreshToken = w.authority.authorize()
				pair.Expiry = time.Now().Add(-time.Hour)
				w.ledger.put(tokenAccount, &pair)
			}, tokens: 1, api: 1, saves: 1},
		}},
		{"T15", "the account is removed while a pair waits", after(expired, unsavable(down)), []tokenStep{
			pending,
			{do: func(w *tokenWorld) { healed(w); w.ledger.remove(tokenAccount) }, want: []error{revv.ErrNoToken}, never: but(revv.ErrNoToken)},
			{want: []error{revv.ErrNoToken}, then: func(w *tokenWorld, _ time.Duration, _ []error) {
				assert.Empty(w, w.ledger.pairs, "what was removed stays removed")
			}},
			// The old pair comes back from a backup; its refresh token is spent.
			{do: func(w *tokenWorld) { w.ledger.put(tokenAccount, &w.first) }, api: 1, saves: 1},
		}},
		{"T15", "the program ends while a pair waits", after(expired, unsavable(down)), []tokenStep{
			pending,
			{do: func(w *tokenWorld) { healed(w); w.restart() }, want: []error{revv.ErrReauthorizationRequired}, tokens: 1, api: 1},
		}},
		{"T15", "saving fails for ever ahead of time", func(w *tokenWorld) {
			w.left(10 * time.Second)
			unsavable(down)(w)
		}, []tokenStep{{want: notPersisted, tokens: 1}, {want: notPersisted}, {do: healed, api: 1, saves: 1}}},
		{"S01", "the store quotes the pair in its error", func(w *tokenWorld) {
			w.expire()
			w.ledger.set(func() {
				w.ledger.onSave = func(pair oauth2.Token) error {
					old := w.ledger.pair(tokenAccount)
					return fmt.Errorf("%w: duplicate key (%s)=(%s), was (%s)=(%s)", errLedgerDown, pair.AccessToken, pair.RefreshToken, old.AccessToken, old.RefreshToken)
				}
			})
		}, []tokenStep{pending, still, {do: healed, api: 1, saves: 1}}},
		{"T23", "the store was replaced behind its lock", func(w *tokenWorld) {
			w.expire()
			w.ledger.set(func() {
				w.ledger.onSave = func(oauth2.Token) error {
					pair := w.first
					pair.AccessToken, pair.RefreshToken = w.authority.authorize()
					w.ledger.put(tokenAccount, &pair)
					healed(w)
					return fmt.Errorf("%w: somebody was faster", revv.ErrConflict)
				}
			})
		}, []tokenStep{{tokens: 1, api: 2}, {api: 1}, {do: expired, tokens: 1, api: 2, saves: 1}}},
	}
}

// storeCases: the store fails before any token is spent.
func storeCases() []tokenCase {
	cannot := func(w *tokenWorld) { w.ledger.set(func() { w.ledger.onUpdate = down }) }
	return []tokenCase{
		{"T16", "the store is read-only", after(expired, cannot), []tokenStep{
			{want: []error{errLedgerDown}, never: errTokenKinds, api: 1},
			{callers: 100, want: []error{errLedgerDown}, never: errTokenKinds},
			{do: healed, tokens: 1, api: 1, saves: 1},
		}},
		{"T16", "the store cannot be read", func(w *tokenWorld) { w.ledger.set(func() { w.ledger.onLoad = down }) }, []tokenStep{
			{want: []error{errLedgerDown}, never: errTokenKinds},
			{callers: 100, want: []error{errLedgerDown}},
			{do: healed, api: 1},
		}},
		{"T16", "the store cannot be read when the token is rejected", expired, []tokenStep{
			{do: func(w *tokenWorld) { w.ledger.set(func() { w.ledger.onLoad = down }) }, want: []error{errLedgerDown}},
			{do: healed, tokens: 1, api: 2, saves: 1},
		}},
		{"T16", "the store hangs", func(w *tokenWorld) {
			w.expire()
			w.ledger.set(func() { w.ledger.onUpdate = func() error { pass(40 * time.Second); return errLedgerDown } })
		}, []tokenStep{
			{call: within(5 * time.Second), want: []error{context.DeadlineExceeded}, api: 1, then: took(5*time.Second, 5*time.Second)},
			{do: func(w *tokenWorld) { pass(time.Minute); healed(w) }, tokens: 1, api: 1, saves: 1},
		}},
		{"T16", "the store fails to lock once", after(expired, func(w *tokenWorld) { w.ledger.set(func() { w.ledger.onUpdate = failsTimes(1) }) }), []tokenStep{
			{want: []error{errLedgerDown}, api: 1}, {tokens: 1, api: 1, saves: 1},
		}},
		{"T16", "the store has no token of the account", func(w *tokenWorld) { w.ledger.remove(tokenAccount) }, []tokenStep{
			{want: []error{revv.ErrNoToken}, never: but(revv.ErrNoToken)},
			{callers: 100, want: []error{revv.ErrNoToken}},
			{do: func(w *tokenWorld) { w.ledger.put(tokenAccount, &w.first) }, api: 1},
		}},
		{"T16", "the account is removed while the program runs", nil, []tokenStep{
			{api: 1},
			{do: func(w *tokenWorld) { w.ledger.remove(tokenAccount) }, api: 1}, // the token at hand is good
			{do: expired, want: []error{revv.ErrNoToken}, never: but(revv.ErrNoToken), api: 1},
		}},
		{"T16", "the account is removed while its lock is waited for", func(w *tokenWorld) {
			w.expire()
			w.ledger.set(func() {
				w.ledger.onUpdate = func() error { w.ledger.remove(tokenAccount); return nil }
			})
		}, []tokenStep{{want: []error{revv.ErrNoToken}, never: but(revv.ErrNoToken), api: 1}}},
		{"T18", "another program has put a new pair into the store", expired, []tokenStep{
			{do: func(w *tokenWorld) {
				w.authority.set(func() { // while the API refuses the old one
					w.authority.apiAnswer = func(n int, _ *http.Request) (*http.Response, error) {
						if n == 1 {
							pair := w.first
							pair.AccessToken, pair.RefreshToken = w.authority.authorize()
							w.ledger.put(tokenAccount, &pair)
						}
						return nil, nil //nolint:nilnil // an honest answer
					}
				})
			}, api: 2},
			{api: 1},
		}},
		{"T18", "another program puts a new pair into the store while its lock is waited for", func(w *tokenWorld) {
			w.expire()
			w.ledger.set(func() {
				w.ledger.onUpdate = func() error {
					pair := w.first
					pair.AccessToken, pair.RefreshToken = w.authority.authorize()
					w.ledger.put(tokenAccount, &pair)
					return nil
				}
			})
		}, []tokenStep{{api: 2}, {api: 1}}},
		{"T05", "another program has renewed ahead of time", func(w *tokenWorld) { w.left(time.Minute) }, []tokenStep{
			{api: 1},
			{do: func(w *tokenWorld) {
				pass(45 * time.Second)
				pair := w.first
				pair.AccessToken, pair.RefreshToken = w.authority.authorize()
				w.ledger.put(tokenAccount, &pair)
			}, api: 1},
		}},
	}
}

// within gets a document in limited time.
func within(limit time.Duration) func(context.Context, *tokenWorld, int) error {
	return func(ctx context.Context, w *tokenWorld, i int) error {
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return getDocument(limited, w, i)
	}
}

// waitingCases: callers come and go, the renewal stays.
func waitingCases() []tokenCase {
	slowly := func(w *tokenWorld) {
		w.expire()
		w.faulty(slow(func(context.Context) { pass(5 * time.Second) }))
	}
	cancelled := func(call func(context.Context, *tokenWorld, int) error) func(context.Context, *tokenWorld, int) error {
		return func(ctx context.Context, w *tokenWorld, i int) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return call(ctx, w, i)
		}
	}
	untouched := func(w *tokenWorld, _ time.Duration, _ []error) {
		loads, updates, _ := w.ledger.counts()
		assert.Zero(w, loads+updates, "calls of the store")
	}
	return []tokenCase{
		{"T24", "the caller that began the renewal leaves", slowly, []tokenStep{
			{callers: 3, tokens: 1, api: 3, saves: 1, call: func(ctx context.Context, w *tokenWorld, i int) error {
				if i > 0 {
					pass(time.Second) // they find it on its way
					return getDocument(ctx, w, i)
				}
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(2*time.Second, cancel)
				start := time.Now()
				err := getDocument(ctx, w, i)
				assert.Equal(w, 2*time.Second, time.Since(start))
				assert.ErrorIs(w, err, context.Canceled)
				assertKeepsSecrets(w, w.authority.hidden(), err)
				return nil
			}},
		}},
		{"T24", "all callers leave and the pair is saved all the same", after(slowly, together(9)), []tokenStep{
			{callers: 9, call: within(time.Second), want: []error{context.DeadlineExceeded}, tokens: 1, api: 9, then: took(time.Second, time.Second)},
			{do: func(*tokenWorld) { pass(10 * time.Second) }, api: 1, saves: 1},
		}},
		{"T25", "the context is done", expired, []tokenStep{
			{call: cancelled(getDocument), want: []error{context.Canceled}, then: untouched},
			{call: cancelled(askToken), want: []error{context.Canceled}, then: untouched},
			{call: cancelled(createDocument), want: []error{context.Canceled}, never: []error{revv.ErrOutcomeUnknown}, then: untouched},
			{do: func(w *tokenWorld) { require.NoError(w, getDocument(w.Context(), w, 0)) }, tokens: 1, api: 2, saves: 1, call: cancelled(askToken), want: []error{context.Canceled}},
		}},
		{"T25", "there is no context", expired, []tokenStep{
			{call: func(_ context.Context, w *tokenWorld, _ int) error {
				_, err := w.auth.Token(nil) //nolint:staticcheck // the mistake that is tried
				return err
			}, want: []error{revv.ErrInvalidArgument}, then: untouched},
		}},
		{"T26", "the endpoint hangs", after(broken(hangs), together(20)), []tokenStep{
			{callers: 20, tokens: 1, api: 20, call: func(ctx context.Context, w *tokenWorld, i int) error {
				limit := time.Duration(i+1) * time.Second
				start := time.Now()
				err := within(limit)(ctx, w, i)
				assert.Equal(w, limit, time.Since(start))
				return err
			}, want: []error{context.DeadlineExceeded}, never: but(context.DeadlineExceeded)},
			{call: askToken, want: []error{context.DeadlineExceeded}, then: took(10*time.Second, 10*time.Second)}, // the same flight ends
			{do: healed, tokens: 1, api: 1, saves: 1},
		}},
		{"T26", "the endpoint hangs and a write with consequences waits", broken(hangs), []tokenStep{
			{call: createDocument, want: []error{context.DeadlineExceeded}, never: but(context.DeadlineExceeded), tokens: 1, api: 1, then: took(30*time.Second, 30*time.Second)},
		}},
		{"T26", "the endpoint never answers anything but failures, late", broken(func(a *authority, r tokenRequest) (*http.Response, error) {
			select {
			case <-time.After(20 * time.Second):
			case <-r.ctx.Done():
				return nil, r.ctx.Err()
			}
			return answers(500, serverTrouble)(a, r)
		}), []tokenStep{{want: []error{context.DeadlineExceeded, revv.ErrServer}, tokens: 1, api: 1, then: took(20*time.Second, 20*time.Second)}}},
	}
}
