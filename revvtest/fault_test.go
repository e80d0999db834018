package revvtest_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// A fault that was never met is seen, and one that is used up is still there.
func TestServer_faults_areCounted(t *testing.T) {
	server := revvtest.NewServer(t)
	client := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
	assert.Empty(t, server.Faults())
	faults := []revvtest.Fault{
		{Operation: "Webhooks.List", Status: 418, Times: 2, After: 1, Header: http.Header{"X-Seen": {"1"}}},
		{Operation: "Webhooks.List", Members: map[string]string{"Webhooks": "[]"}},
		{Operation: "Documents.SendForAcceptance", CutAfter: -1},
	}
	server.Fail(faults...)
	for range 5 {
		_, _ = client.Webhooks.List(t.Context())
	}
	uses := server.Faults()
	require.Len(t, uses, 3)
	for i, use := range uses {
		assert.Equal(t, faults[i], use.Fault, "as it was given")
		assert.Equal(t, []int{2, 3, 0}[i], use.Met)
	}
	uses[0].Header.Set("X-Seen", "2")
	uses[1].Members["Webhooks"] = "{}"
	assert.Equal(t, faults[0].Header, server.Faults()[0].Header, "a copy")
	assert.Equal(t, faults[1].Members, server.Faults()[1].Members, "a copy")
	server.ClearFaults()
	assert.Empty(t, server.Faults())
}

// The list of faults does not grow for ever, whatever a program adds.
func TestServer_faults_theLastOnesAreKept(t *testing.T) {
	server := revvtest.NewServer(t)
	const most = 10_000
	for range 5 {
		server.Fail(revvtest.Fault{Operation: "Webhooks.List", Status: 418, Times: 1})
		_, err := server.Client().Webhooks.List(t.Context())
		require.Error(t, err)
	}
	for i := range most {
		server.Fail(revvtest.Fault{Operation: "Webhooks.List", Status: 418, After: i + 5})
	}
	uses := server.Faults()
	require.Len(t, uses, most)
	assert.Equal(t, 5, uses[0].After)
}
