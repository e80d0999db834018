package revv_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// dialRedirect connects to the address that the browser would be sent to.
func (l *loginRound) dialRedirect() net.Conn {
	l.Helper()
	redirect, err := url.Parse(l.asked.Get("redirect_uri"))
	require.NoError(l, err)
	conn, err := (&net.Dialer{}).DialContext(l.Context(), "tcp", redirect.Host)
	require.NoError(l, err)
	l.Cleanup(func() { _ = conn.Close() })
	require.NoError(l, conn.SetDeadline(time.Now().Add(8*time.Second)))
	return conn
}

func TestLogin_endsWhileAConnectionIsOpen_hangsUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	l := startLogin(ctx, t, nil)
	conn := l.dialRedirect()
	_, err := io.WriteString(conn, "GET /callback HTTP/1.1\r\n")
	require.NoError(t, err)
	cancel()
	_, err = l.end()
	require.ErrorIs(t, err, context.Canceled)
	_, err = io.Copy(io.Discard, conn)
	if netErr, ok := errors.AsType[net.Error](err); ok {
		assert.False(t, netErr.Timeout(), "the connection outlives the login")
	}
}

func TestLogin_redirectURLWithAnAddress_listensThere(t *testing.T) {
	t.Parallel()
	probe, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6: ", err)
	}
	require.NoError(t, probe.Close())
	given := "http://" + probe.Addr().String() + "/callback"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l := startLogin(ctx, t, func(c *revv.OAuthConfig) { c.RedirectURL = given })
	assert.Equal(t, given, l.asked.Get("redirect_uri"))
	conn := l.dialRedirect()
	require.NoError(t, conn.Close())
	cancel()
	_, err = l.end()
	require.ErrorIs(t, err, context.Canceled)
}
