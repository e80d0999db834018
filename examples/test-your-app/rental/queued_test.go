package rental_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/examples/test-your-app/rental"
	"github.com/revv-go/revv/revvtest"
)

// A service may take a request, answer at once, and send the lease when it gets to it. Until
// then the lease is a draft, and who clicks again must not send it again.
func TestSendLease_theServiceQueuesIt_isNotSentAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.Fail(revvtest.Fault{Operation: send, Status: http.StatusAccepted, Body: `{}`, Late: 30 * time.Minute, Times: 1})
		require.NoError(t, w.office.SendLease(t.Context(), lease()))
		for range 2 {
			<-time.After(10 * time.Minute)
			require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrUnshown)
		}
		<-time.After(20 * time.Minute)
		require.NoError(t, w.office.SendLease(t.Context(), lease()))
		w.sentOnce(t)
		assert.Len(t, w.Requests(send), 1)
	})
}

// forgetful is a token whose store is down when another one is needed.
type forgetful struct {
	token *oauth2.Token
	down  atomic.Bool
}

func (f *forgetful) Token(context.Context) (*oauth2.Token, error) {
	if f.down.Load() {
		return nil, errors.New("the database is down")
	}
	return f.token, nil
}

func (f *forgetful) Reject(context.Context, *oauth2.Token) { f.down.Store(true) }

// Neither the call that meets it nor the next one sends anybody to connect Revv again.
func TestSendLease_storeOfTokensIsDown_isForLater(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	client, err := revv.NewClient(&forgetful{token: server.Token()}, revv.WithBaseURL(server.URL()))
	require.NoError(t, err)
	office := rental.New(client, 21, func(string) {})
	server.ExpireTokens()
	for range 2 {
		err := office.SendLease(t.Context(), lease())
		require.ErrorIs(t, err, rental.ErrTryLater)
		require.NotErrorIs(t, err, rental.ErrReconnect)
	}
}

func TestSendLease_connectionIsCut_isForLater(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"Documents.Get", "Documents.SetFields"} {
		bubble(t, func(t *testing.T, w *world) {
			w.Fail(revvtest.Fault{Operation: operation, CutAfter: -1})
			require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrTryLater)
			w.ClearFaults()
			require.NoError(t, w.office.SendLease(t.Context(), lease()))
			w.sentOnce(t)
		})
	}
}

// The service hangs for a minute in the call of somebody else.
func TestSendLease_anotherIsBeingSent_waitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.Fail(revvtest.Fault{Operation: create, Hang: true})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.office.SendLease(ctx, lease()) }()
		synctest.Wait()
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, w.office.SendLease(soon, lease()), rental.ErrTryLater)
		assert.Equal(t, time.Second, time.Since(start))
		stop()
		require.Error(t, <-ended)
	})
}
