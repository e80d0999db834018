package revvtest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/revvtest"
)

// closes fails the test if the server does not close. The limit is only there to
// fail in less than the limit of the whole run.
func closes(t *testing.T, server *revvtest.Server) {
	t.Helper()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		server.Close()
	}()
	select {
	case <-closed:
	case <-time.After(time.Minute):
		require.Fail(t, "the server does not close")
	}
}

// call sends a request for the documents, and leaves the body of the answer unread.
func call(t *testing.T, server *revvtest.Server) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL()+"/api/folders/", http.NoBody)
	require.NoError(t, err)
	r.Header["AccessToken"] = []string{server.Token().AccessToken}
	resp, err := server.HTTPClient().Do(r)
	require.NoError(t, err)
	return resp
}

// A handler that waits for its client to read or to write ends with its connection.
func TestServer_close_endsHandlersThatWaitForTheirClient(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]*revvtest.Fault{
		"a long list":                nil,
		"a gzip bomb":                {GzipBomb: 100 << 30},
		"a body without a length":    {CloseDelimited: true},
		"a body in chunks":           {Chunked: true},
		"a body that ends too early": {CutAfter: 1 << 20},
	} {
		t.Run("unread: "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // whose network in memory has no buffers, so that each byte waits
				server := revvtest.NewServer(nil, revvtest.WithoutNetwork(), revvtest.WithPageSize(1000))
				for i := range 100 {
					server.AddDocument(template, fmt.Sprint("Document ", i))
				}
				if fault != nil {
					server.Fail(*fault)
				}
				resp := call(t, server)
				synctest.Wait() // until the handler can do no more
				closes(t, server)
				require.NoError(t, resp.Body.Close())
			})
		})
	}
	t.Run("unread: a gzip bomb on a socket", func(t *testing.T) {
		t.Parallel()
		server := revvtest.NewServer(nil)
		server.Fail(revvtest.Fault{GzipBomb: 100 << 30}) // more than any buffer takes
		resp := call(t, server)
		closes(t, server)
		require.NoError(t, resp.Body.Close())
	})
	t.Run("unsent", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			server := revvtest.NewServer(nil, revvtest.WithoutNetwork())
			body, never := io.Pipe()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL()+"/api/docs", body)
			require.NoError(t, err)
			answered := make(chan error)
			go func() {
				resp, err := server.HTTPClient().Do(r)
				if err == nil {
					_ = resp.Body.Close()
				}
				answered <- err
			}()
			synctest.Wait() // until the handler waits for the body
			closes(t, server)
			require.NoError(t, never.Close())
			require.Error(t, <-answered)
		})
	})
	t.Run("unsent on a socket", func(t *testing.T) {
		t.Parallel()
		server := revvtest.NewServer(nil)
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(server.URL(), "http://"))
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close()) }()
		_, err = io.WriteString(conn, "POST /api/docs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
		require.NoError(t, err)
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, "HTTP/1.1 100 Continue\r\n", line, "which net/http says when the handler begins to read")
		closes(t, server)
	})
}

// The handler on another server ends with the connections of that server.
func TestServer_close_afterTheConnectionsOfAnotherServer(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(nil)
	begun := make(chan struct{})
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		server.Handler().ServeHTTP(w, r)
	}))
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", other.Listener.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(conn, "POST /api/docs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	require.NoError(t, err)
	<-begun // and the body does not come
	other.CloseClientConnections()
	closes(t, server)
	other.Close()
	require.NoError(t, conn.Close())
}
