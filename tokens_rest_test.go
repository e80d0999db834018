package revv_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/revvtest"
)

// Each call begins a renewal if none is under way, so that busy callers would post as fast as
// the endpoint fails, over a new connection each time.
func TestTokens_endpointFailsAtOnce_busyCallersDoNotFloodIt(t *testing.T) {
	t.Parallel()
	const outage = 10 * time.Second
	for name, fault := range map[string]revvtest.Fault{
		"no answer": {Operation: "OAuth.Token", CutAfter: -1},
		"a page":    {Operation: "OAuth.Token", HTML: true},
		"403":       {Operation: "OAuth.Token", Status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := revvtest.NewServer(t, revvtest.WithoutNetwork())
				client := server.Client()
				server.ExpireTokens()
				server.Fail(fault)
				begun := time.Now()
				var callers sync.WaitGroup
				for range 20 {
					callers.Go(func() {
						for time.Since(begun) < outage {
							_, err := client.Webhooks.List(t.Context())
							assert.Error(t, err)
							<-time.After(10 * time.Millisecond)
						}
					})
				}
				callers.Wait()
				assert.LessOrEqual(t, len(server.Requests("OAuth.Token")), 50) // two in half a second, at most
				server.ClearFaults()
				begun = time.Now()
				_, err := client.Webhooks.List(t.Context())
				require.NoError(t, err)
				assert.Less(t, time.Since(begun), time.Second)
			})
		})
	}
}
