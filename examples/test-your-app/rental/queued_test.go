package rental_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
			require.ErrorIs(t, w.office.SendLease(t.Context(), lease()), rental.ErrUnseen)
		}
		<-time.After(20 * time.Minute)
		require.NoError(t, w.office.SendLease(t.Context(), lease()))
		w.sentOnce(t)
		assert.Len(t, w.Requests(send), 1)
	})
}
