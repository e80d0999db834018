package revv_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
