package main

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/console"
	"github.com/revv-go/revv/internal/sandbox"
)

// pipeListener is a network in memory, which a test with a fake clock may wait on.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (*pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// wire is a connection to the program where time is fake.
type wire struct {
	net.Conn

	t       *testing.T
	answers *bufio.Reader
}

// inBubble runs a test on a connection to a program whose waiting takes no time.
func inBubble(t *testing.T, test func(t *testing.T, box *sandbox.Sandbox, w *wire)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		pages, err := console.New(sandbox.Options{BaseURL: "http://localhost", Lenient: true})
		require.NoError(t, err)
		listener := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error)
		go func() { served <- serve(ctx, listener, pages, log.New(io.Discard, "", 0)) }()
		here, there := net.Pipe()
		listener.conns <- there
		test(t, pages.Sandbox(), &wire{here, t, bufio.NewReader(here)})
		_ = here.Close()
		stop()
		require.NoError(t, <-served)
	})
}

// send writes a request, in the background, since a pipe takes no byte that nobody reads.
func (w *wire) send(text string) {
	go func() { _, _ = io.WriteString(w, text) }()
}

// answer reads the head of the next answer.
func (w *wire) answer() *http.Response {
	w.t.Helper()
	resp, err := http.ReadResponse(w.answers, nil)
	require.NoError(w.t, err)
	return resp
}

// A client that sends a body byte by byte, or no more of it, does not stay for ever.
func TestServe_bodyThatDoesNotArrive_isCut(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"of the API":   "POST /api/docs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
		"of a page":    "POST /folders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n",
		"nobody reads": "GET /outbox HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, _ *sandbox.Sandbox, w *wire) {
				begun := time.Now()
				w.send(head)
				resp := w.answer()
				defer resp.Body.Close()
				assert.Equal(t, readTimeout, time.Since(begun))
				_, err := io.Copy(io.Discard, resp.Body)
				require.NoError(t, err)
				_, err = w.answers.ReadByte()
				require.Error(t, err, "the connection ends")
			})
		})
	}
}

// The time is for the body, and not for what is answered, however long that takes.
func TestServe_answersThatTakeLonger_areNotCut(t *testing.T) {
	t.Parallel()
	const long = 10 * readTimeout
	t.Run("to a body", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(t *testing.T, box *sandbox.Sandbox, w *wire) {
			require.NoError(t, box.Fail(sandbox.Fault{Operation: "Auth.Login", Delay: long, Times: 1}))
			begun := time.Now()
			w.send("POST /api/auth/initiate-auth HTTP/1.1\r\nHost: localhost\r\nGrantType: password\r\nContent-Length: 83\r\n\r\n" + ownerLogin)
			resp := w.answer()
			defer resp.Body.Close()
			assert.Equal(t, http.StatusOK, resp.StatusCode)
			assert.GreaterOrEqual(t, time.Since(begun), long)
			_, err := io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)

			<-time.After(readTimeout + time.Second) // in a bubble; less than a connection may be idle
			w.send("GET /help HTTP/1.1\r\nHost: localhost\r\n\r\n")
			next := w.answer()
			defer next.Body.Close()
			assert.Equal(t, http.StatusOK, next.StatusCode, "the connection goes on")
			_, err = io.Copy(io.Discard, next.Body)
			require.NoError(t, err)
		})
	})
	t.Run("a download, byte by byte", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(t *testing.T, box *sandbox.Sandbox, w *wire) {
			id, err := box.CreateDocument(23, "", 0)
			require.NoError(t, err)
			require.Equal(t, int64(14), int64(id))
			require.NoError(t, box.Fail(sandbox.Fault{Drip: time.Second, Times: 1}))
			begun := time.Now()
			w.send("GET /api/docs/14/download HTTP/1.1\r\nHost: localhost\r\nAccessToken: " + box.IssueTokens().AccessToken + "\r\n\r\n")
			resp := w.answer()
			defer resp.Body.Close()
			pdf, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(string(pdf), "%PDF-"))
			assert.Greater(t, time.Since(begun), long)
		})
	})
	t.Run("a stream of events", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(t *testing.T, box *sandbox.Sandbox, w *wire) {
			w.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
			resp := w.answer()
			defer resp.Body.Close()
			defer func() { _ = w.Close() }() // before the body, which would wait for its end
			lines := bufio.NewScanner(resp.Body)
			require.True(t, lines.Scan())
			<-time.After(long) // in a bubble
			require.NoError(t, box.Fail(sandbox.Fault{Status: http.StatusTeapot}))
			require.True(t, lines.Scan(), "the end of the greeting")
			require.True(t, lines.Scan(), "the stream has ended")
			assert.Equal(t, "data: fault", lines.Text())
		})
	})
}
