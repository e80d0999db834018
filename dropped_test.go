package revv_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// A program that makes a client for each request of its own, and drops it, does not keep the
// connections of all of them for 90 s.
func TestClient_thatIsDropped_leavesNoConnectionBehind(t *testing.T) {
	var open atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"Webhooks":[]}`)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		case http.StateActive, http.StateIdle:
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	for range 10 {
		client, err := revv.NewClient(revv.StaticToken("at_of_a_dropped_client"), revv.WithBaseURL(server.URL))
		require.NoError(t, err)
		_, err = client.Webhooks.List(t.Context())
		require.NoError(t, err)
	}
	assert.Eventually(t, func() bool {
		runtime.GC()
		return open.Load() == 0
	}, 10*time.Second, 50*time.Millisecond)
}
