package revv_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// requestLog keeps the requests of a handler.
type requestLog struct {
	mu   sync.Mutex
	seen []*http.Request
}

func (r *requestLog) handle(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.seen = append(r.seen, req.Clone(context.WithoutCancel(req.Context())))
		r.mu.Unlock()
		next(w, req)
	})
}

func (r *requestLog) requests() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*http.Request(nil), r.seen...)
}

// signature stands in the query of presigned addresses and is as good as a password.
const signature = "SENTINEL-signature"

// D04: the storage behind the service gets no credential and no trace of the
// call, whatever way leads there.
func TestStorage_getsNoCredential(t *testing.T) {
	t.Parallel()
	text := pdf(5000)
	for name, bearer := range map[string][]revv.Option{"AccessToken": nil, "Bearer": {revv.WithBearerHeader()}} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(name+" "+http.StatusText(status), func(t *testing.T) {
				t.Parallel()
				var behind, front requestLog
				storage := newTLSServer(t, behind.handle(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Set-Cookie", "session=SENTINEL-cookie")
					switch r.URL.Path {
					case "/first":
						http.Redirect(w, r, "/second?X-Signature="+signature, status)
					case "/second":
						w.Header().Set("Location", "//"+r.Host+"/third?X-Signature="+signature)
						w.WriteHeader(http.StatusFound)
					default:
						w.Header().Set("Content-Type", "application/pdf")
						_, _ = io.WriteString(w, text)
					}
				}))
				api := httptest.NewServer(front.handle(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Set-Cookie", "session=SENTINEL-cookie")
					http.Redirect(w, r, storage.URL+"/first?X-Signature="+signature, status)
				}))
				defer api.Close()
				httpClient := storage.Client()
				httpClient.Jar = cookieJar{}
				opts := append([]revv.Option{
					revv.WithBaseURL(api.URL), revv.WithHTTPClient(httpClient), revv.WithHeader("X-Api-Key", "SENTINEL-header"), revv.WithQuery("key", "SENTINEL-query"),
					revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
						return roundTripper(func(r *http.Request) (*http.Response, error) {
							r.Header.Set("X-Middleware", "SENTINEL-middleware")
							return next.RoundTrip(r)
						})
					}),
				}, bearer...)
				client, err := revv.NewClient(revv.StaticToken(conformanceToken), opts...)
				require.NoError(t, err)
				var sink bytes.Buffer
				_, err = client.Documents.Download(t.Context(), 14, &sink)
				require.NoError(t, err)
				assert.Equal(t, text, sink.String())
				require.Len(t, front.requests(), 1)
				require.Len(t, behind.requests(), 3)
				for _, r := range behind.requests() {
					assert.Equal(t, http.MethodGet, r.Method)
					for name, values := range r.Header {
						assert.Contains(t, []string{"Accept", "Accept-Encoding", "User-Agent"}, name)
						assert.NotContains(t, strings.Join(values, ""), "SENTINEL")
					}
					assert.NotContains(t, r.URL.RawQuery, "SENTINEL-query")
				}
				httpClient.CloseIdleConnections()
			})
		}
	}
}

// cookieJar has a cookie for everybody.
type cookieJar struct{}

func (cookieJar) SetCookies(*url.URL, []*http.Cookie) {}
func (cookieJar) Cookies(*url.URL) []*http.Cookie {
	return []*http.Cookie{{Name: "session", Value: "SENTINEL-cookie"}}
}

// redirecting answers the API's route with a redirect, and records who else is asked.
func redirecting(to ...string) (network *switchboard, elsewhere func() []string) {
	var (
		mu   sync.Mutex
		seen []string
		hops = to
	)
	network = newSwitchboard(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path != "/api/docs/14/download" {
			seen = append(seen, r.URL.String())
		}
		if len(hops) == 0 {
			return reply(http.StatusOK, pdf(500), "Content-Type", "application/pdf"), nil
		}
		next := hops[0]
		hops = hops[1:]
		return reply(http.StatusFound, "", "Location", next), nil
	})
	return network, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), seen...)
	}
}

// D05: where a download is not followed to. Nothing is connected to, not even
// where the transport is the caller's.
func TestStorage_placesThatAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, place := range []string{
		"http://storage.example.com/a", "HTTP://storage.example.com/a", "ftp://storage.example.com/a", "file:///etc/passwd", "data:application/pdf,x", "javascript:alert(1)", "gopher://storage.example.com",
		"https://127.0.0.1/", "https://127.0.0.1:8443/", "https://127.1.2.3/", "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://a.localhost/", "https://a.b.LocalHost./",
		"https://169.254.169.254/latest/meta-data", "https://10.0.0.1/", "https://10.255.255.255/", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.0.1/", "https://100.64.0.1/", "https://0.0.0.0/", "https://0.1.2.3/",
		"https://192.0.2.1/", "https://198.18.0.1/", "https://198.51.100.1/", "https://203.0.113.1/", "https://224.0.0.1/", "https://240.0.0.1/", "https://255.255.255.255/", "https://192.88.99.1/", "https://192.0.0.8/",
		"https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:10.0.0.1]/", "https://[::ffff:a9fe:a9fe]/", "https://[::127.0.0.1]/", "https://[::ffff:0:127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
		"https://[64:ff9b:1::1]/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fc00::1]/", "https://[fd12:3456::1]/", "https://[fec0::1]/", "https://[ff02::1]/", "https://[2001:db8::1]/", "https://[2001::1]/",
		"https://[2002:7f00:1::]/", "https://[100::1]/", "https://[3fff::1]/", "https://[4000::1]/",
		"https://2130706433/", "https://017700000001/", "https://0x7f000001/", "https://0x7f.1/", "https://0X7F.0x1/", "https://127.1/", "https://127.0.1/", "https://0177.0.0.1/", "https://127.0.0.1./", "https://1/", "https://0/",
		"https://example.1/", "https://a.0x10/", "https://１２７.0.0.1/", "https://127。0。0。1/", "https://storage.exämple.com/",
		"https://user@storage.example.com/", "https://user:password@storage.example.com/", "https://@storage.example.com/", "https:///nowhere", "https:storage.example.com", "https://", "https://:443/", "", "http://[::1", "https://storage.example.com:port/", "%zz", "\x7f",
	} {
		for where, hops := range map[string][]string{"at once": {place}, "later": {"https://storage.example.com/first", place}} {
			network, elsewhere := redirecting(hops...)
			client := network.client(t, hurried())
			var sink bytes.Buffer
			_, err := client.Documents.Download(t.Context(), 14, &sink)
			require.ErrorIs(t, err, revv.ErrRedirected, "%q %s", place, where)
			assert.Len(t, elsewhere(), len(hops)-1, "%q %s", place, where)
			assert.EqualValues(t, len(hops), network.taken(), "nothing is tried again: %q %s", place, where)
			assert.Zero(t, sink.Len())
			if len(place) > 10 {
				assert.NotContains(t, err.Error(), place[8:], "the address is not shown")
			}
		}
	}
}

func TestStorage_placesThatAreFollowed(t *testing.T) {
	t.Parallel()
	for _, place := range []string{
		"https://storage.example.com/a?b=c", "https://storage.example.com:8443/a", "https://STORAGE.example.com./a", "https://8.8.8.8/a", "https://[2606:4700::1111]/a", "https://xn--bcher-kva.example.com/a",
		"https://1.example.com/a", "https://storage.0xample.com/a", "//storage.example.com/a", "/elsewhere", "elsewhere?b=c", "https://172.15.0.1/", "https://172.32.0.1/", "https://192.167.0.1/", "https://100.63.0.1/", "https://100.128.0.1/", "https://11.0.0.1/",
	} {
		network, elsewhere := redirecting(place)
		got, err := network.client(t, hurried()).Documents.Download(t.Context(), 14, io.Discard)
		require.NoError(t, err, place)
		assert.NotZero(t, got.Size)
		assert.Len(t, elsewhere(), 1, place)
	}
}

// A service on loopback is somebody's test: its storage may be there as well.
func TestStorage_loopback_isForServicesOnLoopback(t *testing.T) {
	t.Parallel()
	for place, ok := range map[string]bool{
		"http://127.0.0.1:1/": true, "https://127.0.0.1:1/": true, "http://localhost:1/": true, "http://[::1]:1/": true, "https://storage.example.com/": true,
		"http://storage.example.com/": false, "https://10.0.0.1/": false, "http://10.0.0.1/": false, "https://169.254.169.254/": false, "ftp://127.0.0.1/": false, "http://u@127.0.0.1/": false, "http://0.0.0.0/": false,
	} {
		network, elsewhere := redirecting(place)
		client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL("http://127.0.0.1:9"), revv.WithHTTPClient(&http.Client{Transport: network}))
		require.NoError(t, err)
		_, err = client.Documents.Download(t.Context(), 14, io.Discard)
		if ok {
			require.NoError(t, err, place)
			continue
		}
		require.ErrorIs(t, err, revv.ErrRedirected, place)
		assert.Empty(t, elsewhere(), place)
	}
}

func TestStorage_hopsAreCounted(t *testing.T) {
	t.Parallel()
	hop := "https://storage.example.com/again?X-Signature=" + signature
	for hops, ok := range map[int]bool{1: true, 4: true, 5: true, 6: false, 50: false} {
		chain := make([]string, hops)
		for i := range chain {
			chain[i] = hop
		}
		network, elsewhere := redirecting(chain...)
		_, err := network.client(t, hurried()).Documents.Download(t.Context(), 14, io.Discard)
		if ok {
			require.NoError(t, err, "%d hops", hops)
			assert.Len(t, elsewhere(), hops)
			continue
		}
		require.ErrorIs(t, err, revv.ErrRedirected, "%d hops", hops)
		assert.Len(t, elsewhere(), 5)
		assert.NotContains(t, err.Error(), "SENTINEL")
	}
}

// Redirects of other kinds have nowhere to lead to.
func TestStorage_otherRedirects_areNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{300, 304, 305, 306, 309} {
		network := newSwitchboard(answering(status, "", "Location", "https://storage.example.com/a"))
		_, err := network.client(t, hurried()).Documents.Download(t.Context(), 14, io.Discard)
		require.ErrorIs(t, err, revv.ErrRedirected, "%d", status)
		assert.EqualValues(t, 1, network.taken())
	}
}

// What the storage answers is about the storage: its 401 says nothing about the
// access token, its failures are repeated from the service on.
func TestStorage_failures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer      func(*http.Request) (*http.Response, error)
		is          error
		api, beyond int
	}{
		"401":          {answering(401, ""), errTyped, 1, 1},
		"403":          {answering(403, "<Error><Code>AccessDenied</Code></Error>"), revv.ErrForbidden, 1, 1},
		"404":          {answering(404, ""), revv.ErrNotFound, 1, 1},
		"500":          {answering(500, ""), revv.ErrServer, 3, 3},
		"503":          {answering(503, "", "Retry-After", "0"), revv.ErrServer, 3, 3},
		"a page":       {answering(200, htmlPage, "Content-Type", "text/html"), revv.ErrUnexpectedContent, 1, 1},
		"lost":         {lost, errTyped, 3, 3},
		"refused":      {unreachable, errTyped, 3, 3},
		"no such name": {func(*http.Request) (*http.Response, error) { return nil, errNoSuchName() }, errTyped, 1, 1},
		"a name that leads inside": {func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: fmt.Errorf("%w into a private network", revv.ErrRedirected)} // as the guard of the dialler
		}, revv.ErrRedirected, 1, 1},
		"a bad certificate": {func(*http.Request) (*http.Response, error) { return nil, errBadCertificate() }, errTyped, 1, 1},
		"an answer in halves": {func(*http.Request) (*http.Response, error) {
			resp := reply(200, pdf(900)[:500], "Content-Type", "application/pdf")
			resp.ContentLength, resp.Body = 900, io.NopCloser(io.MultiReader(resp.Body, failingReader{io.ErrUnexpectedEOF}))
			return resp, nil
		}, revv.ErrTruncated, 3, 3},
	} {
		var api, beyond int
		network := newSwitchboard(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "sandbox.example.com" {
				api++
				return reply(http.StatusFound, "", "Location", "https://storage.example.com/?X-Signature="+signature), nil
			}
			beyond++
			return test.answer(r)
		})
		auth := &passes{left: []string{"one", "two"}}
		client, err := revv.NewClient(auth, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: network}), hurried())
		require.NoError(t, err)
		_, err = client.Documents.Download(t.Context(), 14, io.Discard)
		require.Error(t, err, name)
		if test.is != errTyped { //nolint:errorlint // the very value
			require.ErrorIs(t, err, test.is, name)
		}
		require.NotErrorIs(t, err, revv.ErrUnauthorized, name)
		if failure(t, err).StatusCode != 0 && test.beyond == 1 && name != "a page" {
			require.ErrorContains(t, err, "said by the storage", name)
		}
		assert.NotContains(t, err.Error(), "SENTINEL", name)
		assert.NotContains(t, err.Error(), "AccessDenied", name)
		assert.Equal(t, test.api, api, "%s: requests of the service", name)
		assert.Equal(t, test.beyond, beyond, "%s: requests of the storage", name)
		assert.Zero(t, auth.rejections(), name)
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

func errBadCertificate() error {
	return &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
}

// A download that was cut asks the service again, and resumes at the storage.
func TestStorage_cut_isResumedThere(t *testing.T) {
	t.Parallel()
	v := version{pdf(5000), someTag}
	var ranges []string
	network := newSwitchboard(func(r *http.Request) (*http.Response, error) {
		ranges = append(ranges, r.URL.Host+" "+r.Header.Get("Range")+" "+r.Header.Get("If-Range"))
		if r.URL.Host == "sandbox.example.com" {
			return reply(http.StatusFound, "", "Location", "https://storage.example.com/a"), nil
		}
		if r.Header.Get("Range") == "" {
			resp := reply(200, "", "Content-Type", "application/pdf", "Etag", someTag)
			resp.ContentLength, resp.Body = 5001, io.NopCloser(io.MultiReader(strings.NewReader(v.body[:3000]), failingReader{io.ErrUnexpectedEOF}))
			resp.ContentLength = int64(len(v.body))
			return resp, nil
		}
		resp := reply(206, v.body[3000:], "Content-Type", "application/pdf", "Etag", someTag, "Content-Range", "bytes 3000-"+strconv.Itoa(len(v.body)-1)+"/"+strconv.Itoa(len(v.body)))
		return resp, nil
	})
	var sink bytes.Buffer
	_, err := network.client(t, hurried()).Documents.Download(t.Context(), 14, &sink)
	require.NoError(t, err)
	assert.Equal(t, v.body, sink.String())
	assert.Equal(t, []string{
		"sandbox.example.com  ", "storage.example.com  ", "sandbox.example.com bytes=3000- " + someTag, "storage.example.com bytes=3000- " + someTag,
	}, ranges)
}

// Where a proxy is configured, the storage is reached through it.
func TestStorage_proxy_isUsed(t *testing.T) {
	t.Parallel()
	var dialled []string
	proxy, err := url.Parse("http://proxy.example.com:3128")
	require.NoError(t, err)
	transport := &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Hostname() == "storage.example.com" {
				return proxy, nil
			}
			return nil, nil //nolint:nilnil // as net/http has it: no proxy
		},
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			if address != "127.0.0.1:9" {
				return nil, errNoSuchName()
			}
			client, server := newPipe()
			service := &rawService{act: func(int) act { return replying(302, "", "Location: https://storage.example.com/a") }}
			go service.serve(server, server.reset)
			return client, nil
		},
	}
	defer transport.CloseIdleConnections()
	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL("http://127.0.0.1:9"), revv.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	_, err = client.Documents.Download(t.Context(), 14, io.Discard)
	require.Error(t, err)
	assert.Equal(t, []string{"127.0.0.1:9", "proxy.example.com:3128"}, dialled)
}

// What a storage asks for is its own affair: only the download waits, and no call
// of the API.
func TestStorage_rateLimited_holdsUpTheDownloadAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v, asked := version{pdf(5000), someTag}, 0
		network := newSwitchboard(func(r *http.Request) (*http.Response, error) {
			switch {
			case r.URL.Path == "/api/webhooks":
				return reply(200, `{"Webhooks":[]}`), nil
			case r.URL.Host == "sandbox.example.com":
				return reply(http.StatusFound, "", "Location", "https://storage.example.com/a"), nil
			}
			if asked++; asked == 1 {
				return reply(429, "", "Retry-After", "30"), nil
			}
			return reply(200, v.body, "Content-Type", "application/pdf"), nil
		})
		client, began := network.client(t), time.Now()
		done := make(chan error)
		go func() {
			_, err := client.Documents.Download(t.Context(), 14, io.Discard)
			done <- err
		}()
		synctest.Wait() // until the download waits
		_, err := client.Webhooks.List(t.Context())
		require.NoError(t, err)
		assert.Zero(t, time.Since(began), "the call waited for the storage")
		require.NoError(t, <-done)
		assert.Equal(t, 30*time.Second, time.Since(began))
	})
}

// The limits of the caller hold at the storage, too.
func TestStorage_callerLeaves_endsAtOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	network := newSwitchboard(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "sandbox.example.com" {
			return reply(http.StatusFound, "", "Location", "https://storage.example.com/a"), nil
		}
		cancel()
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	_, err := network.client(t).Documents.Download(ctx, 14, io.Discard)
	require.ErrorIs(t, err, context.Canceled)
	assert.EqualValues(t, 2, network.taken())
}

// closeCounter is a body that counts how often it is closed.
type closeCounter struct {
	io.Reader

	closed *atomic.Int32
}

func (c closeCounter) Close() error { c.closed.Add(1); return nil }

// A redirect has a body, too, whose connection is to serve the next call.
func TestStorage_bodiesOfRedirects_areClosed(t *testing.T) {
	t.Parallel()
	var closed, sent atomic.Int32
	s := &service{answer: func(*http.Request) (*http.Response, error) {
		resp := reply(http.StatusFound, "", "Location", "https://files.example.com/"+strconv.Itoa(int(sent.Add(1))))
		resp.Body, resp.ContentLength = closeCounter{strings.NewReader("moved"), &closed}, -1
		return resp, nil
	}}
	_, err := s.client(t).Documents.Download(t.Context(), 14, io.Discard)
	require.ErrorIs(t, err, revv.ErrRedirected)
	assert.Greater(t, sent.Load(), int32(5))
	assert.Equal(t, sent.Load(), closed.Load())
}
