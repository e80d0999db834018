package revv

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

type awakeKey struct{}

func TestAwake_endsAtItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := withAwakeTimeout(context.WithValue(t.Context(), awakeKey{}, "a value"), 30*time.Second)
		defer cancel()
		deadline, ok := ctx.Deadline()
		assert.True(t, ok)
		assert.Equal(t, 30*time.Second, deadline.Sub(start))
		assert.Equal(t, "a value", ctx.Value(awakeKey{}))
		assert.NoError(t, ctx.Err())
		child, cancelChild := context.WithTimeout(ctx, time.Hour)
		defer cancelChild()
		<-child.Done()
		assert.Equal(t, 30*time.Second, time.Since(start))
		assert.ErrorIs(t, child.Err(), context.DeadlineExceeded)
		assert.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		cancel()
		assert.ErrorIs(t, ctx.Err(), context.DeadlineExceeded, "the first end counts")
	})
}

func TestAwake_endsWithItsParentAndWhenItIsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		parent, cancelParent := context.WithTimeout(t.Context(), time.Second)
		defer cancelParent()
		ctx, cancel := withAwakeTimeout(parent, 30*time.Second)
		defer cancel()
		deadline, _ := ctx.Deadline()
		assert.Equal(t, time.Second, deadline.Sub(start), "the earlier one")
		<-ctx.Done()
		assert.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))

		late, cancelLate := context.WithTimeout(t.Context(), time.Hour)
		defer cancelLate()
		begun := time.Now()
		within, cancelWithin := withAwakeTimeout(late, 30*time.Second)
		defer cancelWithin()
		deadline, _ = within.Deadline()
		assert.Equal(t, 30*time.Second, deadline.Sub(begun), "its own, where that is the earlier one")

		other, cancelOther := withAwakeTimeout(t.Context(), 30*time.Second)
		cancelOther()
		<-other.Done()
		assert.ErrorIs(t, other.Err(), context.Canceled)
		synctest.Wait() // no goroutine and no timer goes on, or the bubble would not end
	})
}

// askedWith keeps the context that it is asked with.
type askedWith struct {
	*MemoryStore

	ctx context.Context //nolint:containedctx // to be looked at
}

func (s *askedWith) Load(ctx context.Context, account string) (*oauth2.Token, error) {
	s.ctx = ctx
	return s.MemoryStore.Load(ctx, account)
}

func TestRenewal_countsTheTimeThatItRuns(t *testing.T) {
	t.Parallel()
	store := &askedWith{MemoryStore: NewMemoryStore()}
	require.NoError(t, SaveToken(t.Context(), store, "acme", &oauth2.Token{AccessToken: "a"}))
	auth, err := OAuthConfig{Endpoint: Endpoint("https://sandbox.example.com")}.Authenticator(store, "acme")
	require.NoError(t, err)
	_, err = auth.Token(t.Context())
	require.NoError(t, err)
	assert.IsType(t, &awakeContext{}, store.ctx)
	require.ErrorIs(t, store.ctx.Err(), context.Canceled, "and ends with the renewal")
	renewals.mu.Lock()
	defer renewals.mu.Unlock()
	for renewing := range renewals.by {
		assert.NotSame(t, auth, renewing, "a program may make an authenticator for each request")
	}
}
