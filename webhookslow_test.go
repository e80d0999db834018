package revv_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// pipeListener hands the other ends of pipes to a server, so that a test with a
// clock of its own can speak to it.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// dial starts a server for handler and connects to it.
func dial(t *testing.T, handler http.Handler) net.Conn {
	t.Helper()
	listener := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	closed := make(chan struct{})
	server := &http.Server{ //nolint:gosec // the deadlines under test are the handler's
		Handler: handler,
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(closed)
			}
		},
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	ours, theirs := net.Pipe()
	listener.conns <- theirs
	t.Cleanup(func() {
		_ = ours.Close()
		_ = server.Close()
		<-ended
		<-closed // a connection that is given up lingers for half a second since Go 1.27
	})
	return ours
}

const head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"

// Row H04 of the fault matrix.
func TestWebhookHandler_cutsOffASlowBody(t *testing.T) {
	for name, send := range map[string]func(conn net.Conn){
		"that stalls at once": func(net.Conn) {},
		"that stalls halfway": func(conn net.Conn) { _, _ = io.WriteString(conn, stageChanged[:50]) },
		"that trickles": func(conn net.Conn) {
			for i := range stageChanged {
				<-time.After(time.Second)
				if _, err := io.WriteString(conn, stageChanged[i:i+1]); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var result revv.WebhookResult
				conn := dial(t, newHandler(t, revv.InsecureNoSecret(), ignoreEvent, revv.WithWebhookObserver(func(r revv.WebhookResult) { result = r })))
				start := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() {
					_, _ = fmt.Fprintf(conn, head+"Content-Length: %d\r\n\r\n", len(stageChanged))
					send(conn)
				})
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(t, err)
				defer response.Body.Close()
				assert.Equal(t, http.StatusRequestTimeout, response.StatusCode)
				assert.True(t, response.Close)
				assert.Equal(t, 10*time.Second, time.Since(start))
				synctest.Wait()
				assert.Equal(t, "timeout", result.Reason)
				assert.Equal(t, 10*time.Second, result.Duration)
				sending.Wait()
			})
		})
	}
}

// Row H04 of the fault matrix.
func TestWebhookHandler_cutsOffASlowBodyWithoutDeadlinesOfTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, sender := io.Pipe()
		var sending sync.WaitGroup
		sending.Go(func() {
			for {
				<-time.After(time.Second)
				if _, err := sender.Write([]byte(" ")); err != nil {
					return
				}
			}
		})
		r := httptest.NewRequest(http.MethodPost, "/", body)
		r.Header.Set("Content-Type", "application/json")
		handler := newHandler(t, revv.InsecureNoSecret(), ignoreEvent, revv.WithWebhookReadTimeout(3*time.Second))
		start := time.Now()
		assert.Equal(t, http.StatusRequestTimeout, serve(t, handler, r).StatusCode)
		assert.Equal(t, 3*time.Second, time.Since(start), "as it was set, and not the default")
		require.NoError(t, body.Close())
		sending.Wait()
	})
}

func TestWebhookHandler_theDeadlineOfTheBodyDoesNotCutOffTheFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := dial(t, newHandler(t, revv.InsecureNoSecret(), func(ctx context.Context, _ *revv.Event) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Minute):
				return nil
			}
		}))
		reader := bufio.NewReader(conn)
		for range 2 { // the connection lives on as well
			go func() { _, _ = fmt.Fprintf(conn, head+"Content-Length: %d\r\n\r\n%s", len(stageChanged), stageChanged) }()
			response, err := http.ReadResponse(reader, nil)
			require.NoError(t, err)
			_ = response.Body.Close()
			assert.Equal(t, http.StatusNoContent, response.StatusCode)
		}
	})
}

func TestWebhookHandler_aRefusedSenderCannotHoldTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := dial(t, newHandler(t, revv.HeaderSecret("X-Secret", newSecret), ignoreEvent))
		start := time.Now()
		go func() { _, _ = io.WriteString(conn, head+"Content-Length: 1000\r\n\r\n") }()
		reader := bufio.NewReader(conn)
		response, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		_, err = io.ReadAll(response.Body)
		require.NoError(t, err)
		_ = response.Body.Close()
		assert.Equal(t, http.StatusUnauthorized, response.StatusCode)
		assert.Zero(t, time.Since(start), "the refusal does not wait for the body")
		_, err = reader.ReadByte()
		require.ErrorIs(t, err, io.EOF)
		assert.LessOrEqual(t, time.Since(start), 11*time.Second)
	})
}

// deadlines notes those that are set on the connection.
type deadlines struct {
	*httptest.ResponseRecorder

	last time.Time
}

// SetReadDeadline is what [http.ResponseController] looks for.
func (d *deadlines) SetReadDeadline(deadline time.Time) error {
	d.last = deadline
	return nil
}

// A server that reads ahead would take the deadline of the body for the end of the sender.
func TestWebhookHandler_noDeadlineIsLeftForTheFunction(t *testing.T) {
	t.Parallel()
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	newHandler(t, revv.InsecureNoSecret(), func(context.Context, *revv.Event) error {
		assert.Zero(t, w.last)
		return nil
	}).ServeHTTP(w, eventRequest("/"))
	assert.Equal(t, http.StatusNoContent, w.Code)
}
