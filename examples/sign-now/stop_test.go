package main

import (
	"context"
	"io"
	"net"
	"net/http"
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

// dial connects as a browser does.
func (p *pipes) dial() net.Conn {
	browser, accepted := net.Pipe()
	p.conns <- accepted
	return browser
}

// renewing returns a client of a sandbox that takes half a minute to renew its pair, once
// expire is called; kept says that the pair in the store is still the old one.
func renewing(t *testing.T) (client *revv.Client, expire func(), kept func() bool) {
	t.Helper()
	server := revvtest.NewServer(t, revvtest.WithoutNetwork())
	server.AddDocument(23, "A contract")
	store, first := revv.NewMemoryStore(), server.Token()
	require.NoError(t, revv.SaveToken(t.Context(), store, "example", first))
	auth, err := server.OAuthConfig().Authenticator(store, "example")
	require.NoError(t, err)
	client, err = revv.NewClient(auth, revv.WithBaseURL(server.URL()), revv.WithHTTPClient(server.HTTPClient()))
	require.NoError(t, err)
	expire = func() {
		server.ExpireTokens()
		server.Fail(revvtest.Fault{Operation: "OAuth.Token", Drip: 150 * time.Millisecond, Times: 1})
	}
	return client, expire, func() bool {
		now, err := store.Load(t.Context(), "example")
		require.NoError(t, err)
		return now.RefreshToken == first.RefreshToken
	}
}

func TestServe_stoppedWhileItStarts_savesThePair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, expire, kept := renewing(t)
		expire()
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		start := time.Now()
		err := serveOn(ctx, newPipes(), client, []string{"DOC-000040"}, password, io.Discard)
		require.ErrorIs(t, err, context.Canceled)
		assert.False(t, kept(), "the process ends here")
		assert.Greater(t, time.Since(start), 20*time.Second, "the renewal was slow")
	})
}

// A browser that does not take its answer uses up the time that the server has to end.
func TestServe_stoppedAtAClickThatDoesNotEnd_savesThePair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, expire, kept := renewing(t)
		ctx, stop := context.WithCancel(t.Context())
		ended, listener := make(chan error, 1), newPipes()
		go func() {
			ended <- serveOn(ctx, listener, client, []string{"DOC-000040"}, password, io.Discard)
		}()
		browser := listener.dial()
		expire()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/contracts/DOC-000040/sign", http.NoBody)
		require.NoError(t, err)
		req.SetBasicAuth(customer, password)
		require.NoError(t, req.Write(browser))
		synctest.Wait()
		start := time.Now()
		stop()
		require.ErrorIs(t, <-ended, context.DeadlineExceeded, "the server has not ended in time")
		assert.False(t, kept(), "the process ends here")
		assert.Greater(t, time.Since(start), 20*time.Second, "the renewal was slow")
		require.NoError(t, browser.Close())
	})
}
