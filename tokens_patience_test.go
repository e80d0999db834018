package revv_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// first makes a fault happen to the first request, and the others wait before they
// are answered honestly. An answer that nobody waits for any more is lost.
func first(fault tokenFault, wait time.Duration) func(*tokenWorld) {
	return func(w *tokenWorld) {
		w.alwaysFaulty(func(a *authority, r tokenRequest) (*http.Response, error) {
			if tokens, _ := a.counts(); tokens == 1 {
				return fault(a, r)
			}
			status, body := a.honest(r.form)
			select {
			case <-time.After(wait):
				return reply(status, body), nil
			case <-r.ctx.Done():
				return nil, r.ctx.Err()
			}
		})
	}
}

// shortageCases: a renewal runs out of time, or is not worth waiting for.
func shortageCases() []tokenCase {
	const soon = 1500 * time.Millisecond
	late := func(after time.Duration, fault tokenFault) tokenFault {
		return func(a *authority, r tokenRequest) (*http.Response, error) {
			pass(after)
			return fault(a, r)
		}
	}
	tooLate := []error{context.DeadlineExceeded}
	locked := func(d time.Duration) func(*tokenWorld) {
		return func(w *tokenWorld) {
			w.ledger.set(func() { w.ledger.onUpdate = func() error { pass(d); return nil } })
		}
	}
	good := tokenStep{do: healed, tokens: 1, api: 1, saves: 1}
	// The old token is good, so that a caller has no reason to wait long.
	dusk := func(left time.Duration) func(*tokenWorld) {
		return func(w *tokenWorld) {
			w.left(left)
			w.alwaysFaulty(hangs)
		}
	}
	return []tokenCase{
		{"T21", "the lock takes nearly all the time", after(expired, locked(29*time.Second)), []tokenStep{{want: tooLate, api: 1}, good}},
		{"T21", "the lock takes some of the time", after(expired, locked(19*time.Second)), []tokenStep{{tokens: 1, api: 2, saves: 1}}},
		{"T10", "the endpoint asks to wait until nothing is left", after(expired, first(answers(503, "", "Retry-After", "29"), soon)), []tokenStep{
			{want: []error{revv.ErrRateLimited}, never: but(), tokens: 1, api: 1, then: took(0, 0)},
			{want: []error{revv.ErrRateLimited}, never: but()},
			{do: func(*tokenWorld) { pass(30 * time.Second) }, tokens: 1, api: 1, saves: 1},
		}},
		{"T10", "the endpoint asks to wait, and enough is left", after(expired, first(answers(503, "", "Retry-After", "19"), soon)), []tokenStep{
			{tokens: 2, api: 2, saves: 1, then: took(19*time.Second, 21*time.Second)},
		}},
		{"T26", "the endpoint fails late, twice", after(expired, func(w *tokenWorld) {
			w.faulty(late(14*time.Second, answers(504, "")), late(14*time.Second, answers(504, "")))
		}), []tokenStep{{want: []error{revv.ErrServer, context.DeadlineExceeded}, tokens: 2, api: 1}, good}},
		{"T11", "an answer is lost late: the token is posted again at once", after(expired, func(w *tokenWorld) {
			w.faulty(late(25*time.Second, closes))
		}), []tokenStep{{tokens: 2, api: 2, saves: 1}}},
		{"T05", "the endpoint hangs and the old token is good", dusk(20 * time.Second), []tokenStep{
			{callers: 20, tokens: 1, api: 20, then: took(5*time.Second, 5*time.Second)},
			{callers: 20, api: 20, then: took(0, 0)}, // nobody else waits
		}},
		{"T05", "the endpoint hangs, the old token is good, and the caller has a deadline", dusk(20 * time.Second), []tokenStep{
			{call: within(4 * time.Second), tokens: 1, api: 1, then: took(2*time.Second, 2*time.Second)},
		}},
		{"T05", "the endpoint hangs and the old token ends", dusk(3 * time.Second), []tokenStep{
			{want: tooLate, tokens: 1, then: took(30*time.Second, 30*time.Second)},
		}},
		{"T05", "the endpoint hangs and the old token is rejected", after(expired, dusk(20*time.Second)), []tokenStep{
			{want: tooLate, tokens: 1, api: 1, then: took(30*time.Second, 30*time.Second)},
		}},
		{"T01", "the endpoint gives the rejected token again", func(w *tokenWorld) {
			w.expire()
			w.alwaysFaulty(answers(200, `{"access_token":"`+w.first.AccessToken+`"}`))
		}, []tokenStep{
			{want: []error{revv.ErrUnauthorized}, tokens: 1, api: 1, saves: 1},
			{want: []error{revv.ErrUnauthorized}, tokens: 1, api: 1, saves: 1},
			{do: func(w *tokenWorld) { w.faulty() }, tokens: 1, api: 2, saves: 1},
		}},
		{"T28", "an answer of white space", broken(answers(200, "\r\n ")), []tokenStep{
			{want: []error{revv.ErrEmptyResponse}, never: but(), tokens: 1, api: 1},
		}},
	}
}

// T06: a store that keeps the time of expiry, and not how long a life was, shows a
// token of half a minute as one that is about to end.
func TestTokens_shortLifeInAForgetfulStore_isNotRenewedForEachCall(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		s := &scripted{}
		get := w.scripted(s)
		s.update = func(ctx context.Context, account string, fn func(*oauth2.Token) (*oauth2.Token, error)) (*oauth2.Token, error) {
			return w.ledger.Update(ctx, account, func(stored *oauth2.Token) (*oauth2.Token, error) {
				next, err := fn(stored)
				if err != nil {
					return nil, err
				}
				kept := *next
				kept.ExpiresIn = 0
				return &kept, nil
			})
		}
		w.authority.set(func() { w.authority.members = map[string]any{"expires_in": 30} })
		for range 50 {
			require.NoError(w, get())
		}
		assert.Len(w, w.posts(), 1)
	})
}

// A source that hangs holds nobody up whose token is good.
func TestFromTokenSource_hangsAheadOfTime_tokenAtHandIsUsed(t *testing.T) {
	inWorld(t, func(w *tokenWorld) {
		asked := 0
		auth := revv.FromTokenSource(sourceFunc(func() (*oauth2.Token, error) {
			if asked++; asked > 1 {
				pass(time.Hour)
				return nil, errLedgerDown
			}
			return &oauth2.Token{AccessToken: "an-access-token", Expiry: time.Now().Add(time.Minute), ExpiresIn: 3600}, nil
		}))
		_, err := auth.Token(w.Context())
		require.NoError(w, err)
		pass(35 * time.Second)
		start := time.Now()
		token, err := auth.Token(w.Context())
		require.NoError(w, err)
		assert.Equal(w, "an-access-token", token.AccessToken)
		assert.Equal(w, 5*time.Second, time.Since(start))
		pass(2 * time.Hour)
	})
}
