package revv

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/secret"
)

func TestGuard_looksAtTheAddressThatANameLeadsTo(t *testing.T) {
	t.Parallel()
	for address, public := range map[string]bool{
		"93.184.216.34:443": true, "[2606:2800:220:1::1]:443": true, "127.0.0.1:443": false, "10.1.2.3:443": false, "169.254.169.254:80": false,
		"[::ffff:192.168.0.1]:443": false, "[fe80::1%25eth0]:443": false, "[2002:7f00:1::]:443": false, "storage.example.com:443": false, "224.0.0.1:443": false,
	} {
		err := (&guard{}).control("tcp", address, nil)
		assert.Equal(t, public, err == nil, "%s: %v", address, err)
		if err != nil {
			require.ErrorIs(t, err, ErrRedirected)
		}
	}
	require.NoError(t, (&guard{local: true}).control("tcp", "127.0.0.1:443", nil))
	require.ErrorIs(t, (&guard{local: true}).control("tcp", "10.0.0.1:443", nil), ErrRedirected)
	assert.False(t, isPublic(netip.Addr{}))
}

func TestGuard_beforeAnotherDialler(t *testing.T) {
	t.Parallel()
	errDialled := errors.New("dialled")
	dial := (&guard{}).guardedDial(func(context.Context, string, string) (net.Conn, error) { return nil, errDialled })
	_, err := dial(t.Context(), "tcp", "127.0.0.1:443")
	require.ErrorIs(t, err, ErrRedirected)
	_, err = dial(t.Context(), "tcp", "93.184.216.34:443")
	require.ErrorIs(t, err, errDialled)
	_, err = dial(t.Context(), "tcp", "no port")
	require.Error(t, err)
	require.NotErrorIs(t, err, errDialled)
	assert.Nil(t, (&guard{}).guardedDial(nil))
}

// D05, DNS rebinding: a name that is looked up for a check, and again to be dialled, can lead
// inside the second time. So where the dialler is not the caller's, the address is checked that
// is connected to, and the name is looked up once: here for each kind of address, in vain. Not
// parallel, because it replaces the resolver of the process.
//
//nolint:paralleltest // see above
func TestStorage_looksANameUpOnce(t *testing.T) {
	asked := fakeResolver(t)
	base, err := url.Parse("https://acme.example.com")
	require.NoError(t, err)
	changed := NewTransport()
	changed.MaxIdleConns = 1
	foreign := &http.Transport{DialContext: new(net.Dialer).DialContext}
	for name, network := range map[string]*http.Transport{"shared by clients": NewTransport(), "changed": changed, "zero": {}, "with a dialler of the caller": foreign} {
		c := &core{base: base, network: secret.New[http.RoundTripper](network)}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://storage.example.com./", http.NoBody)
		require.NoError(t, err)
		before := asked.Load()
		_, err = c.storage().RoundTrip(req)
		require.ErrorAs(t, err, new(*net.DNSError), name)
		want := int32(2)
		if network == foreign {
			want = 4 // its rules decide, see SECURITY.md
		}
		assert.Equal(t, want, asked.Load()-before, name)
	}
}

// fakeResolver makes the resolver of the process ask a server that knows no name, until the test
// ends, and counts the questions.
func fakeResolver(t *testing.T) *atomic.Int32 {
	t.Helper()
	server, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	require.NoError(t, err)
	resolver := net.DefaultResolver
	t.Cleanup(func() {
		net.DefaultResolver = resolver
		_ = server.Close()
	})
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	asked := new(atomic.Int32)
	go func() {
		message := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(message)
			if err != nil {
				return
			}
			asked.Add(1)
			copy(message[2:], []byte{0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0}) // an answer: no such name
			end := min(n, 12+len("\x07storage\x07example\x03com\x00")+4)
			_, _ = server.WriteTo(message[:end], from)
		}
	}()
	return asked
}

func TestStorage_keepsTheCallersProxyAndDialler(t *testing.T) {
	t.Parallel()
	errDialled := errors.New("dialled")
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Cleanup(proxy.Close)
	proxyURL, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	base, err := url.Parse("https://acme.example.com")
	require.NoError(t, err)

	c := &core{base: base, network: secret.New[http.RoundTripper](&http.Transport{Proxy: http.ProxyURL(proxyURL)})}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://storage.example.com/", http.NoBody)
	require.NoError(t, err)
	resp, err := c.storage().RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusTeapot, resp.StatusCode)

	c = &core{base: base, network: secret.New[http.RoundTripper](&http.Transport{Dial: func(string, string) (net.Conn, error) { return nil, errDialled }})} //nolint:staticcheck // callers may set it
	for host, want := range map[string]error{"93.184.216.34": errDialled, "127.0.0.1": ErrRedirected} {
		req.URL.Host = host
		_, err = c.storage().RoundTrip(req)
		require.ErrorIs(t, err, want, host)
	}
}

// A certificate of the client is a credential, and the name of its server is not that of a storage.
func TestStorage_getsNoCertificateOfTheClient(t *testing.T) {
	t.Parallel()
	var certificates int
	var name string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		certificates, name = len(r.TLS.PeerCertificates), r.TLS.ServerName
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	require.NoError(t, err)
	trust := x509.NewCertPool()
	trust.AddCert(server.Certificate())
	own := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, ServerName: "example.com"}}
	for _, config := range []func(){
		func() { own.TLSClientConfig.Certificates = server.TLS.Certificates },
		func() {
			own.TLSClientConfig.Certificates = nil
			own.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &server.TLS.Certificates[0], nil
			}
		},
	} {
		config()
		transport := own.Clone()
		c := &core{base: base, network: secret.New[http.RoundTripper](transport)}
		for network, want := range map[http.RoundTripper]int{transport: 1, c.storage(): 0} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
			require.NoError(t, err)
			resp, err := network.RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, want, certificates)
			assert.Equal(t, want == 1, name == "example.com")
		}
		transport.CloseIdleConnections()
	}
}

// A copy of a transport speaks what it offers: the zero transport speaks HTTP/2.
func TestCloneTransport_speaksWhatItOffers(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	trust := x509.NewCertPool()
	trust.AddCert(server.Certificate())
	for name, original := range map[string]*http.Transport{
		"HTTP/2.0": {}, "HTTP/1.1": {TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}},
	} {
		clone := cloneTransport(original)
		if clone.TLSClientConfig == nil {
			clone.TLSClientConfig = new(tls.Config)
		}
		clone.TLSClientConfig.RootCAs = trust
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		require.NoError(t, err)
		resp, err := clone.RoundTrip(req)
		require.NoError(t, err, name)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, name, resp.Proto)
		clone.CloseIdleConnections()
	}
}

func TestNewTransport_proxyThatRefuses_isNamed(t *testing.T) {
	t.Parallel()
	var answer int
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(answer) }))
	t.Cleanup(proxy.Close)
	proxyURL, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	network := NewTransport()
	network.Proxy = http.ProxyURL(proxyURL)
	t.Cleanup(network.CloseIdleConnections)
	client, err := NewClient(StaticToken("token-of-a-test"), WithBaseURL("https://acme.example.com"), WithHTTPClient(&http.Client{Transport: network}),
		WithRetry(RetryPolicy{MaxAttempts: 1}))
	require.NoError(t, err)
	for _, answer = range []int{http.StatusForbidden, http.StatusBadGateway} {
		_, err = client.Documents.Get(t.Context(), 14)
		require.ErrorIs(t, err, ErrUnreachable)
		require.NotErrorIs(t, err, ErrInterrupted)
		err = client.Documents.SendForESign(t.Context(), 14, SendParams{Recipients: []Person{{Email: "ann@example.com"}}})
		require.ErrorIs(t, err, ErrUnreachable)
		require.NotErrorIs(t, err, ErrOutcomeUnknown)
		require.ErrorContains(t, err, "the proxy refused the connection: "+strconv.Itoa(answer))
	}
}
