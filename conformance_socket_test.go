package revv_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// onSockets serves on a port of this machine, for what pipes cannot show: the
// client's own transport, and connections that are used again.
func onSockets(t *testing.T, act func(n int) act) (service *rawService, base string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	service = &rawService{act: act}
	t.Cleanup(service.listen(listener))
	return service, "http://" + listener.Addr().String()
}

// listen serves until the returned function is called, which waits for the end
// of all connections.
func (s *rawService) listen(listener net.Listener) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.dials = append(s.dials, conn.RemoteAddr().String())
			s.open = append(s.open, conn)
			s.mu.Unlock()
			s.conns.Go(func() { s.serve(conn, func() { resetSocket(conn) }) })
		}
	}()
	return func() {
		_ = listener.Close()
		<-done
		s.mu.Lock()
		for _, conn := range s.open {
			_ = conn.Close()
		}
		s.mu.Unlock()
		s.conns.Wait()
	}
}

// resetSocket ends a connection with an RST.
func resetSocket(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// hurried keeps the waits between attempts out of tests with real time.
func hurried() revv.Option { return revv.WithRetry(revv.RetryPolicy{BaseDelay: time.Millisecond}) }

// TestConformance_onSockets drives the faults below HTTP against the transport
// that the client makes for itself, on fresh and on used connections.
func TestConformance_onSockets(t *testing.T) {
	t.Parallel()
	var count tally
	count.report(t, "conformance on sockets")
	faults := map[string]struct {
		act  act
		want map[class]verdict
	}{
		"closed after the request":   {ending(""), repeatable(good(2), unknown())},
		"reset after the request":    {resetting(""), repeatable(good(2), unknown())},
		"half a status line":         {ending("HTTP/1."), repeatable(good(2), unknown())},
		"reset within the headers":   {resetting("HTTP/1.1 200 OK\r\nContent-"), repeatable(good(2), unknown())},
		"headers of 128 KiB":         {replying(200, "{}", "X-Filler: "+strings.Repeat("x", 128<<10)), repeatable(good(2), unknown(revv.ErrResponseTooLarge))},
		"nothing goes wrong":         {nil, anyClass(good(1))},
		"429 and come back at once":  {failing(429, "Retry-After: 0"), anyClass(good(2))},
		"body cut":                   {ending(headed(50) + `{"Document":`), writes(good(2), applied())},
		"body reset":                 {resetting(headed(50) + `{"Document":`), writes(good(2), applied())},
		"a redirect to another host": {replying(302, "", "Location: http://192.0.2.1/"), anyClass(bad(1, revv.ErrRedirected))},
	}
	ops := everyOperation(anyArguments(t.TempDir()))
	for name, fault := range faults {
		for _, used := range []bool{false, true} {
			where := "on a fresh connection"
			if used {
				where = "on a used connection"
			}
			t.Run(name+" "+where, func(t *testing.T) {
				t.Parallel()
				for _, op := range ops {
					if op.pdf && (name == "body cut" || name == "body reset" || fault.want[reads].is != nil) {
						continue // they stand with the downloads
					}
					count.cases.Add(1)
					if t.Run(op.name, func(t *testing.T) { socketCase(t, op, fault.act, used, fault.want[op.class]) }) {
						count.passed.Add(1)
					}
				}
			})
		}
	}
}

// socketCase drives one operation against one fault. net/http gives up a connection
// whose request it has not seen leave within 50 ms of the answer, as happens on a busy
// machine, so that a case on a used connection gets more than one try to find one.
func socketCase(t *testing.T, op operationCase, fault act, used bool, want verdict) {
	t.Helper()
	for range 20 {
		if socketTry(t, op, fault, used, want) || t.Failed() {
			return
		}
	}
	t.Fatal("no connection was used again")
}

// socketTry is one try. It reports whether the connection was the one asked for.
func socketTry(t *testing.T, op operationCase, fault act, used bool, want verdict) bool {
	t.Helper()
	warm := 0
	if used {
		warm = 1
	}
	service, base := onSockets(t, func(n int) act {
		if n <= warm {
			return replying(http.StatusOK, documentAnswer)
		}
		if n == warm+1 && fault != nil {
			return fault
		}
		return op.answered()
	})
	client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL(base), hurried())
	require.NoError(t, err)
	defer client.HTTPClient().CloseIdleConnections()
	if used {
		require.NoError(t, errorOf(client.Documents.Get(t.Context(), 1)))
	}
	err = op.call(t.Context(), client)
	requests := service.requests()[warm:]
	want.check(t, outcome{op: op, err: err, requests: requests})
	return !used || len(service.addresses()) <= len(requests)
}

// R32: a server may close a connection at the moment when the next call begins.
// Then a read succeeds; a write does, or says that it does not know. It is
// never sent twice.
func TestConformance_idleConnectionCloses_nothingIsSentTwice(t *testing.T) {
	t.Parallel()
	service, base := onSockets(t, func(int) act {
		return func(x *exchanged) bool {
			replying(http.StatusOK, documentAnswer)(x)
			return false // without a word about it in the headers
		}
	})
	client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL(base), hurried())
	require.NoError(t, err)
	defer client.HTTPClient().CloseIdleConnections()
	for range 200 {
		require.NoError(t, errorOf(client.Documents.Get(t.Context(), 1)))
		before := len(service.requests())
		err := errorOf(client.Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: 3}))
		seen := len(service.requests()) - before
		if err == nil {
			require.Equal(t, 1, seen)
			continue
		}
		require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
		require.LessOrEqual(t, seen, 1)
	}
}

// W03 on sockets: nobody listens at first.
func TestConformance_nobodyListens_isRetriedAndNotUnknown(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	base := "http://" + listener.Addr().String()
	require.NoError(t, listener.Close())
	for _, op := range everyOperation(anyArguments(t.TempDir())) {
		client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL(base), hurried())
		require.NoError(t, err)
		err = op.call(t.Context(), client)
		failed := failure(t, err)
		assert.Equal(t, 3, failed.Attempts, op.name)
		assert.Zero(t, failed.StatusCode, op.name)
		require.NotErrorIs(t, err, revv.ErrOutcomeUnknown, op.name)
	}
}

// A name that does not exist is not asked for again; see RFC 6761 on .invalid.
func TestConformance_nameThatDoesNotExist_isNotAskedForAgain(t *testing.T) {
	t.Parallel()
	notFound := &net.DNSError{Err: "no such host", Name: "acme.invalid", IsNotFound: true}
	dials := 0
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		dials++
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: notFound}
	}}
	client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL("https://acme.invalid"), revv.WithHTTPClient(&http.Client{Transport: transport}), hurried())
	require.NoError(t, err)
	for _, call := range []func(context.Context, *revv.Client, ...revv.CallOption) error{readOne, writeOne} {
		dials = 0
		err := call(t.Context(), client)
		assert.Equal(t, 1, dials)
		var dns *net.DNSError
		require.ErrorAs(t, err, &dns)
		assert.True(t, dns.IsNotFound)
		require.NotErrorIs(t, err, revv.ErrOutcomeUnknown)
	}
}
