package revv_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
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
