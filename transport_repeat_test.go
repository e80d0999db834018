package revv_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// repeatingOnce repeats once, by itself, what has failed or was refused for now, as
// transports of other packages do.
func repeatingOnce(next http.RoundTripper) http.RoundTripper {
	return tripper(func(r *http.Request) (*http.Response, error) {
		var body []byte
		if r.Body != nil {
			var err error
			if body, err = io.ReadAll(r.Body); err != nil {
				return nil, err
			}
		}
		for try := 1; ; try++ {
			out := r.Clone(r.Context())
			out.Body = io.NopCloser(bytes.NewReader(body))
			resp, err := next.RoundTrip(out)
			if try == 2 || err == nil && resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode < http.StatusInternalServerError {
				return resp, err
			}
			if err == nil {
				_ = resp.Body.Close()
			}
		}
	})
}

// What a transport or middleware has sent before its last answer may have been
// applied, whatever that answer says.
func TestWriteRepeatedByATransport_isNotRepeatedOnTop_norCalledRefused(t *testing.T) {
	t.Parallel()
	doubtful := []error{revv.ErrOutcomeUnknown}
	cases := map[string]struct {
		acts []act
		// The client sees of a transport how often it has sent, and of middleware what
		// each request was answered, too.
		transport, middleware verdict
	}{
		"lost, then 429":  {[]act{ending(""), replying(429, "{}", "Retry-After: 0")}, bad(2, doubtful...), bad(2, doubtful...)},
		"lost, then 401":  {[]act{ending(""), replying(401, "{}")}, bad(2, doubtful...), bad(2, doubtful...)},
		"lost, then 409":  {[]act{ending(""), replying(409, "{}")}, bad(2, doubtful...), bad(2, doubtful...)},
		"lost, then 503":  {[]act{ending(""), replying(503, "{}", "Retry-After: 0")}, bad(2, doubtful...), bad(2, doubtful...)},
		"500, then 409":   {[]act{replying(500, "{}"), replying(409, "{}")}, bad(2, doubtful...), bad(2, doubtful...)},
		"lost, then good": {[]act{ending(""), replying(200, documentAnswer)}, good(2), good(2)},
		"429, then 409":   {[]act{replying(429, "{}"), replying(409, "{}")}, bad(2, doubtful...), bad(2, revv.ErrConflict).but(revv.ErrOutcomeUnknown)},
		"429, then good":  {[]act{replying(429, "{}"), replying(200, documentAnswer)}, good(2), good(2)},
		"409":             {[]act{replying(409, "{}")}, bad(1, revv.ErrConflict).but(revv.ErrOutcomeUnknown), bad(1, revv.ErrConflict).but(revv.ErrOutcomeUnknown)},
	}
	for name, c := range cases {
		for where, want := range map[string]verdict{"transport": c.transport, "middleware": c.middleware} {
			t.Run(name+", "+where, func(t *testing.T) {
				t.Parallel()
				service, base := onSockets(t, func(n int) act {
					if n <= len(c.acts) {
						return c.acts[n-1]
					}
					return replying(200, documentAnswer)
				})
				network := &http.Transport{}
				t.Cleanup(network.CloseIdleConnections)
				opts := []revv.Option{revv.WithBaseURL(base), hurried()}
				if where == "transport" {
					opts = append(opts, revv.WithHTTPClient(&http.Client{Transport: repeatingOnce(network)}))
				} else {
					opts = append(opts, revv.WithHTTPClient(&http.Client{Transport: network}), revv.WithMiddleware(repeatingOnce))
				}
				var tokens atomic.Int32 // so that a 401 has another one to go on with
				auth := revv.FromTokenSource(tokenSource(func() (*oauth2.Token, error) {
					return &oauth2.Token{AccessToken: fmt.Sprint("token-of-a-test-", tokens.Add(1))}, nil
				}))
				client, err := revv.NewClient(auth, opts...)
				require.NoError(t, err)
				_, err = client.Documents.Clone(t.Context(), 14, revv.CloneDocumentParams{Title: "A copy"})
				for _, kind := range want.is {
					require.ErrorIs(t, err, kind)
				}
				for _, kind := range want.not {
					require.NotErrorIs(t, err, kind)
				}
				if len(want.is) == 0 {
					require.NoError(t, err)
				}
				assert.Len(t, service.requests(), want.requests)
			})
		}
	}
}

// A stream that the server has refused was not looked at. What comes of the next attempt
// is no matter of doubt.
func TestWriteThatWasRefusedUnread_thenRefusedForGood_isNotInDoubt(t *testing.T) {
	t.Parallel()
	for _, op := range everyOperation(anyArguments(t.TempDir())) {
		if op.class != consequences {
			continue
		}
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				requests, err := overHTTP2(t, func(c *http2Conn, request int, stream uint32) {
					if request == 1 {
						c.resetStream(stream, codeRefusedStream)
						return
					}
					_ = c.frame(frameHeaders, flagEndHeaders|flagEndStream, stream, []byte{0x8d}) // ":status: 404" of the static table
				}, func(client *revv.Client) error { return op.call(t.Context(), client) })
				assert.Equal(t, 2, requests)
				require.ErrorIs(t, err, revv.ErrNotFound)
				require.NotErrorIs(t, err, revv.ErrOutcomeUnknown)
			})
		})
	}
}

// Refused each time, the error speaks of the server and not of what net/http needs.
func TestWriteThatIsAlwaysRefusedUnread_saysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := overHTTP2(t, func(c *http2Conn, _ int, stream uint32) { c.resetStream(stream, codeRefusedStream) }, func(client *revv.Client) error {
			return client.Do(t.Context(), http.MethodPost, "/x", nil, nil)
		})
		require.ErrorContains(t, err, "the server has not processed the request (attempts: 3)")
		require.NotErrorIs(t, err, revv.ErrOutcomeUnknown)
		require.NotErrorIs(t, err, revv.ErrUnreachable)
	})
}
