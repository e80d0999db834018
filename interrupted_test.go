package revv_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// behindHTTP2 is a client of a sandbox behind TLS and HTTP/2, whose cut streams have errors of a
// type that net/http does not export.
func behindHTTP2(t *testing.T, server *revvtest.Server) *revv.Client {
	t.Helper()
	front := httptest.NewUnstartedServer(server.Handler())
	front.EnableHTTP2 = true
	front.StartTLS()
	t.Cleanup(front.Close)
	base, err := url.Parse(front.URL)
	require.NoError(t, err)
	require.Equal(t, "https", base.Scheme)
	client, err := revv.NewClient(revv.StaticToken(server.Token().AccessToken), revv.WithBaseURL(front.URL), revv.WithHTTPClient(front.Client()), hurried())
	require.NoError(t, err)
	return client
}

func TestErrInterrupted_whatWasCut_canBeCalledAgain(t *testing.T) {
	t.Parallel()
	for protocol, connect := range map[string]func(*testing.T, *revvtest.Server) *revv.Client{
		"HTTP/1.1": func(_ *testing.T, server *revvtest.Server) *revv.Client { return server.Client(hurried()) },
		"HTTP/2":   behindHTTP2,
	} {
		server := revvtest.NewServer(t)
		client := connect(t, server)
		id := server.AddDocument(21, "A lease")
		for name, call := range map[string]func() error{
			"Documents.Get": func() error { return errorOf(client.Documents.Get(t.Context(), id)) },
			"Documents.SetFields": func() error {
				return errorOf(client.Documents.SetFields(t.Context(), id, []revv.FieldValue{{Name: "Client", Value: "x"}}))
			},
		} {
			server.Fail(revvtest.Fault{Operation: name, CutAfter: -1})
			err := call()
			require.ErrorIs(t, err, revv.ErrInterrupted, "%s, %s", protocol, name)
			require.NotErrorIs(t, err, revv.ErrUnreachable)
			assert.False(t, revv.MaybeApplied(err), "%s, %s", protocol, name)
			server.ClearFaults()
			require.NoError(t, call())
		}
		server.Fail(revvtest.Fault{Operation: "Documents.Get", CutAfter: 20})
		require.ErrorIs(t, errorOf(client.Documents.Get(t.Context(), id)), revv.ErrInterrupted, protocol)
		server.ClearFaults()
		server.Fail(revvtest.Fault{Operation: "Documents.Get", Hang: true, Times: 1})
		err := errorOf(client.Documents.Get(t.Context(), id, revv.WithAttemptTimeout(50*time.Millisecond), revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1})))
		require.ErrorIs(t, err, revv.ErrInterrupted, protocol)
		require.ErrorIs(t, err, context.DeadlineExceeded, protocol)
		server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", CutAfter: -1, Times: 1})
		err = client.Documents.SendForESign(t.Context(), id, revv.SendParams{Recipients: oneRecipient})
		require.ErrorIs(t, err, revv.ErrOutcomeUnknown, protocol)
		require.NotErrorIs(t, err, revv.ErrInterrupted, protocol)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		server.Fail(revvtest.Fault{Operation: "Documents.Get", Hang: true, Times: 1})
		err = errorOf(client.Documents.Get(ctx, id))
		require.ErrorIs(t, err, context.DeadlineExceeded, protocol)
		require.NotErrorIs(t, err, revv.ErrInterrupted, "the caller has ended it")
		cancel()
	}
}

// Reads and writes alike: what found no connection has another name than what lost one.
func TestErrUnreachable_handshakeThatIsCut_isNoConnection(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, listener.Close()) })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 64<<10)) // or the client would see a reset, and no end
			_ = conn.Close()
		}
	}()
	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL("https://"+listener.Addr().String()), hurried())
	require.NoError(t, err)
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost} {
		err := client.Do(t.Context(), method, "/x", nil, nil)
		require.ErrorIs(t, err, revv.ErrUnreachable, method)
		require.NotErrorIs(t, err, revv.ErrInterrupted, method)
		assert.NotContains(t, err.Error(), "before an answer came", method)
	}
}

// What ends a call for another reason is not interrupted, and a wait that the caller ends is
// the caller's.
func TestErrInterrupted_otherReasons_areNamedAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cut := &service{answer: func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }}
		patient := revv.WithRetry(revv.RetryPolicy{BaseDelay: time.Hour, MaxDelay: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Nanosecond, cancel) // in the wait
		err := cut.client(t, patient).Do(ctx, http.MethodGet, "/x", nil, nil)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, revv.ErrInterrupted)
		ctx, cancel = context.WithTimeout(t.Context(), time.Nanosecond) // less than the wait
		defer cancel()
		err = cut.client(t, patient).Do(ctx, http.MethodGet, "/x", nil, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, revv.ErrInterrupted)
	})
	sandbox := revvtest.NewServer(t)
	sandbox.Fail(revvtest.Fault{Operation: "Documents.Download", Truncate: true})
	_, err := sandbox.Client(hurried()).Documents.Download(t.Context(), sandbox.AddDocument(21, "A lease"), io.Discard)
	require.ErrorIs(t, err, revv.ErrTruncated)
	require.NotErrorIs(t, err, revv.ErrInterrupted)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", 100<<10))
	}))
	t.Cleanup(server.Close)
	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(server.URL), hurried())
	require.NoError(t, err)
	err = client.Do(t.Context(), http.MethodGet, "/x", nil, nil)
	require.ErrorIs(t, err, revv.ErrResponseTooLarge)
	require.NotErrorIs(t, err, revv.ErrInterrupted)
}

// A server that demands a certificate of the client refuses it after the connection was found.
func TestErrUnreachable_certificateIsDemanded_isNoConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(server.URL), revv.WithHTTPClient(server.Client()), hurried())
	require.NoError(t, err)
	err = client.Do(t.Context(), http.MethodGet, "/x", nil, nil)
	require.ErrorIs(t, err, revv.ErrUnreachable)
}

// Middleware may make a request of its own with the context that it is given. That this one
// finds no connection says nothing of the other, whose network reports nothing.
func TestMiddleware_requestOfItsOwnFails_isNotThatOfTheCall(t *testing.T) {
	t.Parallel()
	nobody, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	own := new(http.Transport)
	t.Cleanup(own.CloseIdleConnections)
	s := &service{answer: func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }}
	client := s.client(t, revv.WithMiddleware(through(func(r *http.Request) {
		lookup, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+nobody.Addr().String(), http.NoBody)
		if assert.NoError(t, err) {
			_, err = own.RoundTrip(lookup)
			assert.Error(t, err)
		}
	})))
	err = client.Documents.SendForESign(t.Context(), 14, revv.SendParams{Recipients: oneRecipient})
	require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
	require.NotErrorIs(t, err, revv.ErrUnreachable)
	assert.Len(t, s.Sent(), 1)
}

func TestErrUnauthorized_otherTokenIsNone_staysUnauthorized(t *testing.T) {
	t.Parallel()
	client, err := revv.NewClient(&fleeting{token: anyToken}, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: always(http.StatusUnauthorized, "{}")}))
	require.NoError(t, err)
	err = client.Do(t.Context(), http.MethodGet, "/x", nil, nil)
	require.ErrorIs(t, err, revv.ErrUnauthorized)
	require.ErrorContains(t, err, "token must not be empty")
}
