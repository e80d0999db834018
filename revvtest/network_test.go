package revvtest_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// ask calls the API at a base URL with a token.
func ask(t *testing.T, server *revvtest.Server, base string) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/webhooks", http.NoBody)
	require.NoError(t, err)
	r.Header.Set("AccessToken", server.Token().AccessToken)
	resp, err := server.HTTPClient().Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	return nil
}

// A client that asks the wrong host, or takes its token elsewhere, fails in memory as
// it would outside.
func TestServer_withoutNetwork_isTheOnlyHost(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t, revvtest.WithoutNetwork())
	for _, base := range []string{server.URL(), server.URL() + ":80", strings.ToUpper(server.URL())} {
		require.NoError(t, ask(t, server, base), base)
	}
	arrived := len(server.Requests())
	elsewhere := []string{
		"http://wrong.example.com:1234", "http://wrong.example.com", "http://127.0.0.1", "http://[::1]", "http://localhost.example.com",
		server.URL() + ":8080", "https://localhost",
	}
	for _, base := range elsewhere {
		err := ask(t, server, base)
		var refused *net.OpError
		require.ErrorAs(t, err, &refused, base)
		require.ErrorContains(t, err, "connection refused", base)
		assert.Contains(t, base, strings.Split(refused.Addr.String(), ":")[0], "the error names the host")
	}

	server.Fail(revvtest.Fault{Operation: "Webhooks.List", RedirectTo: "http://evil.example.com/api/webhooks", Times: 1})
	require.ErrorContains(t, ask(t, server, server.URL()), "connection refused", "the redirect leads to a stranger")
	assert.Len(t, server.Requests(), arrived+1, "nothing but the request that was redirected has arrived")

	server.Close()
	var closed, other *net.OpError
	require.ErrorAs(t, ask(t, server, server.URL()), &closed)
	require.ErrorAs(t, ask(t, server, "http://wrong.example.com"), &other)
	assert.Equal(t, closed.Err, other.Err, "a stranger is refused as by a server that is closed")
	assert.Equal(t, closed.Net, other.Net)
}

// What the server itself sends, and what a client fetches from it, arrives.
func TestServer_withoutNetwork_deliversAndGivesDownloads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const secret = "a-secret-of-enough-bytes"
		events := make(chan revv.EventType, 1)
		handler, err := revv.NewWebhookHandler(revv.PathSecret(secret), func(_ context.Context, event *revv.Event) error {
			events <- event.Type
			return nil
		})
		require.NoError(t, err)
		server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithWebhookClient(inProcess(handler)))
		client := server.Client()
		_, err = client.Webhooks.Subscribe(t.Context(), revv.SubscribeParams{Event: revv.EventStageChanged, URL: "https://app.example.com/" + secret})
		require.NoError(t, err)
		id := server.AddDocument(template+2, "")
		require.NoError(t, client.Documents.SendForESign(t.Context(), id, signers("s@example.com")))
		require.NoError(t, server.WaitDeliveries(t.Context()))
		assert.Equal(t, revv.EventStageChanged, <-events)
		var pdf bytes.Buffer
		_, err = client.Documents.Download(t.Context(), id, &pdf)
		require.NoError(t, err)
		assert.NotZero(t, pdf.Len())
	})
}

// Beside a browser, a server can be closed to its pages. Programs reach it as ever.
func TestWithLocalOnly_pagesOfOthers_areRefused(t *testing.T) {
	t.Parallel()
	for _, local := range []bool{false, true} {
		var opts []revvtest.Option
		if local {
			opts = append(opts, revvtest.WithLocalOnly())
		}
		server := revvtest.NewServer(t, opts...)
		status := func(method, origin, host string) int {
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL()+"/api/webhooks", http.NoBody)
			require.NoError(t, err)
			r.Header.Set("Access-Control-Request-Method", http.MethodPost)
			r.Header.Set("Origin", origin)
			r.Host = host
			resp, err := server.HTTPClient().Do(r)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			return resp.StatusCode
		}
		want := map[bool][]int{false: {http.StatusNoContent, http.StatusUnauthorized}, true: {http.StatusForbidden, http.StatusMisdirectedRequest}}[local]
		assert.Equal(t, http.StatusNoContent, status(http.MethodOptions, "http://localhost:3000", ""))
		assert.Equal(t, want[0], status(http.MethodOptions, "https://evil.example", ""))
		assert.Equal(t, want[1], status(http.MethodGet, "http://localhost:3000", "evil.example"))
		require.NoError(t, ask(t, server, server.URL()))
		_, err := server.Client().Webhooks.List(t.Context())
		require.NoError(t, err)
	}
}
