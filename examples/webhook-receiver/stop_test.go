package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// pipes is a listener without a network, so that the time of a test is fake.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial connects as the service does.
func (p *pipes) dial() net.Conn {
	sender, accepted := net.Pipe()
	p.conns <- accepted
	return sender
}

// The document of an event is being read, with a pair that takes half a minute to renew.
// A sender that does not take its answer uses up the time that the server has to end.
func TestServe_stoppedWhileARequestRenews_savesThePair(t *testing.T) {
	t.Parallel()
	for name, stuck := range map[string]bool{"nothing else": false, "a sender is stuck": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "inbox")
			synctest.Test(t, func(t *testing.T) {
				server := revvtest.NewServer(t, revvtest.WithoutNetwork())
				server.AddDocument(23, "A contract")
				store, first := revv.NewMemoryStore(), server.Token()
				require.NoError(t, revv.SaveToken(t.Context(), store, "example", first))
				auth, err := server.OAuthConfig().Authenticator(store, "example")
				require.NoError(t, err)
				client, err := revv.NewClient(auth, revv.WithBaseURL(server.URL()), revv.WithHTTPClient(server.HTTPClient()))
				require.NoError(t, err)
				server.ExpireTokens()
				server.Fail(revvtest.Fault{Operation: "OAuth.Token", Drip: 150 * time.Millisecond, Times: 1})
				var announced []revv.Stage
				r := quiet(t, server, &announced)
				r.documents, r.inbox = client.Documents, open(t, path)
				require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))

				ctx, stop := context.WithCancel(t.Context())
				ended, listener := make(chan error, 1), newPipes()
				handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
				go func() { ended <- serveOn(ctx, listener, handler, r, client, "", io.Discard) }()
				sender := listener.dial()
				if stuck {
					_, err := io.Copy(sender, strings.NewReader("POST /hooks/secret HTTP/1.1\r\nHost: hooks.example.com\r\nContent-Length: 0\r\n\r\n"))
					require.NoError(t, err)
				} else {
					require.NoError(t, sender.Close())
				}
				synctest.Wait()
				start := time.Now()
				stop()
				if err := <-ended; stuck {
					require.ErrorIs(t, err, context.DeadlineExceeded, "the server has not ended in time")
				} else {
					require.NoError(t, err)
				}
				now, err := store.Load(t.Context(), "example")
				require.NoError(t, err)
				assert.NotEqual(t, first.RefreshToken, now.RefreshToken, "the process ends here")
				assert.Greater(t, time.Since(start), 20*time.Second, "the renewal was slow")
				assert.Empty(t, announced, "that is for the next start")
				require.NoError(t, sender.Close())
			})
		})
	}
}
