package revv_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// deadPath is a way to a server on which everything sent over the connections made so far is
// lost once it is cut, without an end: what remains after a failover, or of a forgotten NAT entry.
type deadPath struct{ cuts, made atomic.Int64 }

func (p *deadPath) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	p.made.Add(1)
	return &deadConn{conn, p, p.cuts.Load()}, err
}

type deadConn struct {
	net.Conn

	path *deadPath
	cuts int64 // when it was made
}

func (c *deadConn) Write(b []byte) (int, error) {
	if c.path.cuts.Load() > c.cuts {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func TestNewTransport_http2ConnectionIsSilentlyDead_isReplaced(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"number":1}`)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	path := new(deadPath)
	transport := revv.NewTransport()
	transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	transport.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	transport.DialContext = path.dial
	transport.ResponseHeaderTimeout /= 30 // 1 s for 30 s
	require.NotNil(t, transport.HTTP2, "nothing looks whether a connection is alive")
	require.Equal(t, 15*time.Second, transport.HTTP2.SendPingTimeout)
	require.Equal(t, 15*time.Second, transport.HTTP2.PingTimeout)
	transport.HTTP2.SendPingTimeout /= 30
	transport.HTTP2.PingTimeout /= 30
	defer transport.CloseIdleConnections()
	client, err := revv.NewClient(revv.StaticToken("token"), revv.WithBaseURL(server.URL), revv.WithHTTPClient(&http.Client{Transport: transport}), revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
	require.NoError(t, err)
	post := func() error { return client.Do(t.Context(), http.MethodPost, "/thing", nil, nil) }
	require.NoError(t, post())
	path.cuts.Add(1)
	require.ErrorIs(t, post(), revv.ErrOutcomeUnknown) // it cannot be known that it was lost
	require.Eventually(t, func() bool { return post() == nil }, 10*time.Second, 50*time.Millisecond)
	assert.Greater(t, path.made.Load(), int64(1))
}
