package revv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

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

// A stream that the server has shut out was not looked at. What comes of the next attempt
// is no matter of doubt.
func TestWriteThatWasShutOutUnread_thenRefusedForGood_isNotInDoubt(t *testing.T) {
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
						shutOut(c, stream)
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

// shutOut ends a connection before the stream.
func shutOut(c *http2Conn, stream uint32) {
	c.goAway(stream-1, codeNone)
	_ = c.Close()
}

// Shut out each time, the error speaks of the server and not of what net/http needs.
func TestWriteThatIsAlwaysShutOutUnread_saysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := overHTTP2(t, func(c *http2Conn, _ int, stream uint32) { shutOut(c, stream) }, func(client *revv.Client) error {
			return client.Do(t.Context(), http.MethodPost, "/x", nil, nil)
		})
		require.ErrorContains(t, err, "the server has not processed the request (attempts: 3)")
		require.NotErrorIs(t, err, revv.ErrOutcomeUnknown)
		require.NotErrorIs(t, err, revv.ErrUnreachable)
	})
}

// A proxy that has passed a send on and lost the answer may refuse its stream: HAProxy does.
// The send is not repeated, and the error speaks of the stream and not of what net/http needs.
func TestWriteWhoseStreamIsRefused_isNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests, err := overHTTP2(t, func(c *http2Conn, _ int, stream uint32) { c.resetStream(stream, codeRefusedStream) }, func(client *revv.Client) error {
			return client.Documents.SendForESign(t.Context(), 14, revv.SendParams{Recipients: []revv.Person{{Email: "ann@example.com"}}})
		})
		assert.Equal(t, 1, requests)
		require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
		require.True(t, revv.MaybeApplied(err))
		require.ErrorContains(t, err, "the stream was reset with REFUSED_STREAM")
		require.NotContains(t, err.Error(), "GetBody")
	})
}

// The same for the forms of OAuth: a code is posted once, a refresh token once more at once.
func TestFormWhoseStreamIsRefused_mayHaveArrived(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"exchange": 1, "renewal": 2} {
		synctest.Test(t, func(t *testing.T) {
			requests, err := throughHTTP2(func(c *http2Conn, _ int, stream uint32) { c.resetStream(stream, codeRefusedStream) }, func(transport *http.Transport) error {
				config := revv.OAuthConfig{ClientID: "id", ClientSecret: "a-secret", Endpoint: revv.Endpoint("https://" + apiName), HTTPClient: &http.Client{Transport: transport}}
				if name == "exchange" {
					return errorOf(config.Exchange(t.Context(), "a-code", ""))
				}
				store := revv.NewMemoryStore()
				require.NoError(t, revv.SaveToken(t.Context(), store, "example", &oauth2.Token{AccessToken: "access-1", RefreshToken: "refresh-1", Expiry: time.Now().Add(-time.Hour)}))
				auth, err := config.Authenticator(store, "example")
				require.NoError(t, err)
				return errorOf(auth.Token(t.Context()))
			})
			assert.Equal(t, want, requests, name)
			require.Equal(t, name == "exchange", errors.Is(err, revv.ErrOutcomeUnknown), name)
			require.ErrorContains(t, err, "the stream was reset with REFUSED_STREAM", name)
			require.NotContains(t, err.Error(), "GetBody", name)
		})
	}
}

// What transport or middleware repeats over a network that does not report to httptrace what
// it has written, or over a connection that turns out to be closed, is in doubt as well.
func TestWriteRepeated_overANetworkThatTellsLess_isNotRepeatedOnTop(t *testing.T) {
	t.Parallel()
	lost := func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }
	for name, acts := range map[string][2]func(*http.Request) (*http.Response, error){
		"lost, then no connection": {lost, func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}},
		"lost, then 429": {lost, func(*http.Request) (*http.Response, error) {
			return reply(http.StatusTooManyRequests, "{}", "Retry-After", "0"), nil
		}},
		"lost, then 404": {lost, func(*http.Request) (*http.Response, error) { return reply(http.StatusNotFound, "{}"), nil }},
		"written and lost, then 404": {
			func(r *http.Request) (*http.Response, error) { // as the ClientConn of net/http
				httptrace.ContextClientTrace(r.Context()).WroteHeaders()
				return nil, io.ErrUnexpectedEOF
			},
			func(r *http.Request) (*http.Response, error) {
				httptrace.ContextClientTrace(r.Context()).WroteHeaders()
				return reply(http.StatusNotFound, "{}"), nil
			},
		},
		"500, then a connection that is closed": {
			func(r *http.Request) (*http.Response, error) {
				trace := httptrace.ContextClientTrace(r.Context())
				trace.GetConn("")
				trace.GotConn(httptrace.GotConnInfo{})
				trace.WroteHeaders()
				trace.GotFirstResponseByte()
				return reply(http.StatusInternalServerError, "{}"), nil
			},
			func(r *http.Request) (*http.Response, error) {
				trace := httptrace.ContextClientTrace(r.Context())
				trace.GetConn("")
				trace.GotConn(httptrace.GotConnInfo{})
				return nil, errors.New("net/http: cannot rewind body after connection loss") // as net/http says it
			},
		},
	} {
		for _, where := range []string{"middleware", "transport"} {
			if where == "transport" && strings.HasPrefix(name, "lost") {
				continue // nothing shows what it does by itself
			}
			t.Run(name+", "+where, func(t *testing.T) {
				t.Parallel()
				requests := 0
				var network http.RoundTripper = tripper(func(r *http.Request) (*http.Response, error) {
					requests++
					if requests <= len(acts) {
						return acts[requests-1](r)
					}
					return reply(http.StatusOK, documentAnswer), nil
				})
				opts := []revv.Option{revv.WithBaseURL(apiBase), hurried()}
				if where == "transport" {
					network = repeatingOnce(network)
				} else {
					opts = append(opts, revv.WithMiddleware(repeatingOnce))
				}
				client, err := revv.NewClient(revv.StaticToken(anyToken), append(opts, revv.WithHTTPClient(&http.Client{Transport: network}))...)
				require.NoError(t, err)
				_, err = client.Documents.Clone(t.Context(), 14, revv.CloneDocumentParams{Title: "A copy"})
				require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
				assert.Equal(t, 2, requests)
			})
		}
	}
}

// A connection that turns out to be closed before anything was on the wire harms nothing,
// where nobody repeats.
func TestWriteOverAClosedConnection_isSentOnAnother(t *testing.T) {
	t.Parallel()
	requests := 0
	network := tripper(func(r *http.Request) (*http.Response, error) {
		trace := httptrace.ContextClientTrace(r.Context())
		trace.GetConn("")
		trace.GotConn(httptrace.GotConnInfo{})
		trace.WroteHeaders() // into the buffer of the connection
		if requests++; requests == 1 {
			return nil, errors.New("net/http: cannot rewind body after connection loss")
		}
		trace.GotFirstResponseByte()
		return reply(http.StatusOK, documentAnswer), nil
	})
	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: network}), hurried())
	require.NoError(t, err)
	_, err = client.Documents.Clone(t.Context(), 14, revv.CloneDocumentParams{Title: "A copy"})
	require.NoError(t, err)
	assert.Equal(t, 2, requests)
}

// Nor does it show that nothing was sent if the context ends while a connection is looked for
// once more. What an attempt before was answered is then not shown, as it would mislead.
func TestWriteRepeated_contextEndsInTheRepetition_isInDoubt(t *testing.T) {
	t.Parallel()
	for _, ends := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		requests := 0
		network := tripper(func(*http.Request) (*http.Response, error) {
			switch requests++; requests {
			case 1, 2:
				return reply(http.StatusTooManyRequests, "{}", "Retry-After", "0"), nil
			case 3:
				return nil, io.ErrUnexpectedEOF // it has arrived
			}
			if ends {
				cancel()
			}
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		})
		client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), hurried(), revv.WithMiddleware(repeatingOnce), revv.WithHTTPClient(&http.Client{Transport: network}))
		require.NoError(t, err)
		_, err = client.Documents.Clone(ctx, 14, revv.CloneDocumentParams{Title: "A copy"})
		require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
		require.NotErrorIs(t, err, revv.ErrUnreachable, "which says that nothing was sent")
		assert.Equal(t, ends, errors.Is(err, context.Canceled))
		assert.Zero(t, failure(t, err).StatusCode)
		assert.Equal(t, 4, requests)
		cancel()
	}
}
