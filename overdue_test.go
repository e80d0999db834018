package revv_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// lateTimer is a context as a process finds it that was frozen: its deadline has passed, and
// the timer has not run yet.
type lateTimer struct {
	context.Context //nolint:containedctx // it is one

	deadline time.Time
}

func (c lateTimer) Deadline() (time.Time, bool) { return c.deadline, true }

// frozen is a limiter during whose wait the process is frozen for ten seconds.
type frozen struct{ calls int }

func (f *frozen) Wait(context.Context) error {
	if f.calls++; f.calls == 2 {
		pass(10 * time.Second)
	}
	return nil
}

// Whoever has recorded a deadline relies on it: what goes out later is sent twice.
func TestSend_deadlineHasPassedDuringAFreeze_isNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(*http.Request) (*http.Response, error) {
			return reply(http.StatusTooManyRequests, `{"error":"SLOW_DOWN"}`, "Retry-After", "2"), nil
		}}
		client := s.client(t, revv.WithRateLimiter(&frozen{}))
		ctx := lateTimer{t.Context(), time.Now().Add(4 * time.Second)}
		err := client.Documents.SendForESign(ctx, 14, revv.SendParams{Recipients: []revv.Person{{Email: "tenant@example.com"}}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.False(t, revv.MaybeApplied(err))
		assert.Len(t, s.Sent(), 1)
		assert.Equal(t, 2, failure(t, err).Attempts, "it is not tried a third time")
	})
}

func TestSend_deadlineHasPassedDuringAWait_isNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(*http.Request) (*http.Response, error) {
			return reply(http.StatusTooManyRequests, `{"error":"SLOW_DOWN"}`, "Retry-After", "2"), nil
		}}
		ctx := lateTimer{t.Context(), time.Now().Add(2 * time.Second)}
		err := s.client(t).Documents.SendForESign(ctx, 14, revv.SendParams{Recipients: []revv.Person{{Email: "tenant@example.com"}}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.False(t, revv.MaybeApplied(err))
		assert.Len(t, s.Sent(), 1)
		assert.Equal(t, 1, failure(t, err).Attempts)
	})
}

// A machine can be suspended, or a process frozen, while a connection is made. Then the timer of
// the context, whose clock may have stood still, does not keep the request from leaving.
func TestWrite_deadlineHasPassedWhileConnecting_isNotSent(t *testing.T) {
	t.Parallel()
	for _, op := range everyOperation(anyArguments(t.TempDir())) {
		if op.class == reads {
			continue
		}
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				service := &rawService{
					act: func(int) act { return op.answered() },
					dialled: func(context.Context, int) (net.Conn, error) {
						pass(10 * time.Second)
						return nil, nil
					},
				}
				network := service.transport()
				defer network.CloseIdleConnections()
				client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL("http://127.0.0.1"), revv.WithHTTPClient(&http.Client{Transport: network}))
				require.NoError(t, err)
				err = op.call(lateTimer{t.Context(), time.Now().Add(4 * time.Second)}, client)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.False(t, revv.MaybeApplied(err))
				assert.Empty(t, service.requests())
			})
		})
	}
}
