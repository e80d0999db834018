package revv_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func TestBudget_repetitionThatIsNotSent_costsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		client := server.Client()
		list := func(limit time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err := client.Webhooks.List(ctx)
			return err
		}
		for range 20 {
			server.Fail(revvtest.Fault{Operation: "Webhooks.List", Status: 503, RetryAfter: "1", Times: 1})
			held := make(chan error)
			go func() { held <- list(5 * time.Second) }()
			<-time.After(100 * time.Millisecond) // while it waits for its repetition, a 429 holds back all calls
			server.Fail(revvtest.Fault{Operation: "Webhooks.List", Status: 429, RetryAfter: "30", Times: 1})
			require.ErrorIs(t, list(time.Second), revv.ErrRateLimited)
			require.ErrorIs(t, <-held, revv.ErrRateLimited)
			<-time.After(time.Minute)
		}
		require.Len(t, server.Requests("Webhooks.List"), 40) // nothing was repeated
		server.Fail(revvtest.Fault{Operation: "Webhooks.List", Status: 500, Times: 1})
		require.NoError(t, list(time.Minute))
	})
}
