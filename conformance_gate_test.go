package revv_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// slowAuth takes its time for a token.
type slowAuth struct{ wait time.Duration }

func (s slowAuth) Token(context.Context) (*oauth2.Token, error) {
	sleepVirtually(s.wait)
	return &oauth2.Token{AccessToken: conformanceToken}, nil
}

func (slowAuth) Reject(context.Context, *oauth2.Token) {}

// The gate is the last thing before the network: it holds calls as well that waited
// for the limiter, or for a token, when it was shut.
func TestConformance_gate_isShutWhileACallWaitsForSomethingElse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		auth    revv.Authenticator
		limiter revv.Option
	}{
		"the limiter": {revv.StaticToken(conformanceToken), revv.WithRateLimiter(limiterFunc(func(context.Context) error { sleepVirtually(2 * time.Second); return nil }))},
		"a token":     {slowAuth{2 * time.Second}, revv.WithUserAgent("slow")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var next atomic.Int64
				var shut time.Time
				service := newSwitchboard(func(*http.Request) (*http.Response, error) {
					if next.Add(1) == 1 {
						shut = time.Now().Add(10 * time.Second)
						return reply(429, "", "Retry-After", "10"), nil
					}
					assert.False(t, time.Now().Before(shut), "the gate is shut")
					return reply(200, documentAnswer), nil
				})
				client, err := revv.NewClient(test.auth, test.limiter, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: service}))
				require.NoError(t, err)
				done := make(chan error, 1)
				go func() { done <- readOne(t.Context(), client) }()
				sleepVirtually(time.Second) // the second call waits when the first is answered
				require.NoError(t, readOne(t.Context(), client))
				require.NoError(t, <-done)
			})
		})
	}
}

// How long to wait is told as well where the gate ends a call that had failed before.
func TestConformance_gate_shutBetweenTwoAttempts_tellsHowLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newSwitchboard(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/told") {
				return reply(429, "", "Retry-After", "50"), nil
			}
			sleepVirtually(time.Second)
			return reply(500, ""), nil
		})
		client := service.client(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- readOne(ctx, client) }()
		synctest.Wait()
		require.ErrorIs(t, client.Do(t.Context(), "GET", "/told", nil, nil, revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1})), revv.ErrRateLimited)
		err := <-done
		require.ErrorIs(t, err, revv.ErrRateLimited)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		e, ok := errors.AsType[*revv.Error](err)
		require.True(t, ok)
		assert.Equal(t, http.StatusInternalServerError, e.StatusCode)
		assert.Greater(t, e.RetryAfter, 45*time.Second)
	})
}

// slots is a rate limiter with a turn a second.
type slots struct {
	mu   sync.Mutex
	next time.Time
}

func (s *slots) Wait(context.Context) error {
	s.mu.Lock()
	if now := time.Now(); s.next.Before(now) {
		s.next = now
	}
	turn := s.next
	s.next = turn.Add(time.Second)
	s.mu.Unlock()
	sleepVirtually(time.Until(turn))
	return nil
}

// Calls that had their turn while the gate was shut do not leave together when it
// opens.
func TestConformance_gate_opens_callsKeepTheirRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sent []time.Time
		service := newSwitchboard(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			if sent = append(sent, time.Now()); len(sent) == 1 {
				return reply(429, "", "Retry-After", "10"), nil
			}
			return reply(200, documentAnswer), nil
		})
		client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithRateLimiter(&slots{}), revv.WithBaseURL(apiBase),
			revv.WithHTTPClient(&http.Client{Transport: service}))
		require.NoError(t, err)
		assert.Zero(t, throng(t.Context(), 5, client, readOne))
		require.Len(t, sent, 6)
		assert.GreaterOrEqual(t, sent[1].Sub(sent[0]), 10*time.Second)
		for i := 2; i < len(sent); i++ {
			assert.GreaterOrEqual(t, sent[i].Sub(sent[i-1]), time.Second)
		}
	})
}

// A 429 says that there were too many calls, also where the deadline leaves no time to come back.
func TestConformance_throttled_withoutTimeToComeBack_isRateLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := always(http.StatusTooManyRequests, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := readOne(ctx, s.client(t, revv.WithRetry(revv.RetryPolicy{BaseDelay: 1000 * time.Hour, MaxDelay: 1000 * time.Hour})))
		require.ErrorIs(t, err, revv.ErrRateLimited)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Len(t, s.Sent(), 1)
	})
}

// lateAuth gives a reason of its own once the context has ended.
type lateAuth struct{}

func (lateAuth) Token(ctx context.Context) (*oauth2.Token, error) {
	<-ctx.Done()
	return nil, errors.New("the vault does not answer")
}

func (lateAuth) Reject(context.Context, *oauth2.Token) {}

// Whoever has lost their patience is told so, whatever the authenticator says about it.
func TestConformance_contextEndsWhileATokenIsFetched_isInTheError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, err := revv.NewClient(lateAuth{}, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: silent(t)}))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = readOne(ctx, client)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "the vault does not answer")
	})
}
