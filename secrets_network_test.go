package revv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// speaker answers every connection with the same bytes, whatever it is asked, and
// closes it.
func speaker(t *testing.T, answer func(request string) string) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() {
		assert.NoError(t, listener.Close())
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			if request, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, request.Body)
				var head strings.Builder
				_ = request.Header.Write(&head)
				_, _ = io.WriteString(conn, answer(head.String()))
			}
			_ = conn.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}

// net/http quotes what it cannot parse, and with a broken head that is the body.
func TestSecrets_inAnAnswerWithABrokenHead_areNotQuoted(t *testing.T) {
	t.Parallel()
	const pair = `{"access_token":"SENTINEL-new-access","refresh_token":"SENTINEL-new-refresh","url":"https://acme.example.com/perma/DOC/SENTINEL-link/x"}`
	for name, answer := range map[string]string{
		"no head":                 pair + "\n",
		"in the place of headers": "HTTP/1.1 200 OK\r\n" + pair + "\r\n\r\n",
		"no colon":                "HTTP/1.1 200 OK\r\nSet-Cookie session=SENTINEL-cookie\r\n\r\n",
		"status":                  "HTTP/1.1 SENTINEL-status OK\r\n\r\n",
		"length":                  "HTTP/1.1 200 OK\r\nContent-Length: SENTINEL-length\r\n\r\n",
		"two lengths":             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2, SENTINEL-length\r\n\r\n",
		"encoding":                "HTTP/1.1 200 OK\r\nTransfer-Encoding: SENTINEL-encoding\r\n\r\n",
		"one within another":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: SENTINEL bad Content-Length\r\n\r\n",
		"trailer":                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length, SENTINEL-trailer\r\n\r\n0\r\nSENTINEL-broken\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := speaker(t, func(string) string { return answer })
			config := revv.OAuthConfig{ClientID: "an-application", ClientSecret: socketSecret, Endpoint: revv.Endpoint(base)}
			client, err := revv.NewClient(revv.StaticToken("token"), revv.WithBaseURL(base), revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
			require.NoError(t, err)

			_, exchange := config.Exchange(t.Context(), socketCode, "")
			_, renewal := renewer(t, config).Token(t.Context())
			_, link := client.Documents.MagicLink(t.Context(), "DOC-aB3dE5gH7jK9")
			_, download := client.Documents.Download(t.Context(), 14, io.Discard)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/x", http.NoBody)
			require.NoError(t, err)
			response, raw := client.HTTPClient().Do(request)
			if raw == nil {
				_, raw = io.ReadAll(response.Body)
				require.NoError(t, response.Body.Close())
			}
			client.HTTPClient().CloseIdleConnections()
			for who, err := range map[string]error{"exchange": exchange, "renewal": renewal, "magic link": link, "download": download} {
				require.Error(t, err, who)
				assert.NotContains(t, err.Error(), "SENTINEL", who)
			}
			if raw != nil && name != "trailer" { // that is read by the caller, with what net/http says
				assert.NotContains(t, raw.Error(), "SENTINEL")
			}
		})
	}
}

// The token stands in an answer that net/http quotes in its error.
func TestHTTPClient_tokenThatIsRepeated_isNotInTheError(t *testing.T) {
	t.Parallel()
	base := speaker(t, func(request string) string {
		_, token, _ := strings.Cut(request, "token-SENTINEL")
		token, _, _ = strings.Cut(token, "\r\n")
		return "HTTP/1.1 200 OK\r\nyour token was token-SENTINEL" + token + "\r\n\r\n"
	})
	client, err := revv.NewClient(revv.StaticToken("token-SENTINEL-of-a-client"), revv.WithBaseURL(base))
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/x", http.NoBody)
	require.NoError(t, err)
	_, err = client.HTTPClient().Do(request)
	require.ErrorContains(t, err, "malformed MIME header")
	assert.NotContains(t, err.Error(), "SENTINEL")
}

// Unicode has letters beside ASCII whose lower case is an ASCII letter: net/http
// dials another host than strings.ToLower compares.
func TestCredentials_hostThatOnlyFoldsToTheAPIs_getsNone(t *testing.T) {
	t.Parallel()
	dialled := make(chan string, 8)
	network := &http.Transport{DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
		dialled <- address
		return nil, errors.New("not in this test")
	}}
	aside := func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			r = r.Clone(r.Context())
			r.URL.Host = "api.s\u0130gning.example"
			return next.RoundTrip(r)
		})
	}
	options := []revv.Option{revv.WithBaseURL("https://API.signing.example"), revv.WithHTTPClient(&http.Client{Transport: network})}
	client, err := revv.NewClient(revv.StaticToken("token"), options...)
	require.NoError(t, err)
	assert.Equal(t, "https://api.signing.example", client.BaseURL())
	for _, host := range []string{"api.s\u0130gning.example", "api.signing.example.\u212A", "\u212Aapi.signing.example"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/x", http.NoBody)
		require.NoError(t, err)
		_, err = client.HTTPClient().Do(request)
		require.ErrorIs(t, err, revv.ErrInvalidArgument, host)
	}
	client, err = revv.NewClient(revv.StaticToken("token"), append(options, revv.WithMiddleware(aside))...)
	require.NoError(t, err)
	_, err = client.Documents.Get(t.Context(), 14)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	assert.Empty(t, dialled)

	client, err = revv.NewClient(revv.StaticToken("token"), revv.WithBaseURL("https://ap\u0130.example.com"))
	require.NoError(t, err)
	assert.NotEqual(t, "https://api.example.com", client.BaseURL(), "it is another host")
	_, err = revv.NewClient(revv.StaticToken("token"), revv.WithBaseURL("http://localho\u017Ft"))
	require.ErrorIs(t, err, revv.ErrInvalidArgument, "only its capitals are those of localhost")
}

// url.Error asks the error of a transport itself whether it is a timeout.
func TestHTTPClient_timeoutThatQuotesTheToken_isOneAllTheSame(t *testing.T) {
	t.Parallel()
	network := roundTripper(func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("%v: %w", r.Header, os.ErrDeadlineExceeded)
	})
	client, err := revv.NewClient(revv.StaticToken("token-SENTINEL-of-a-client"), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: network}))
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, apiBase+"/x", http.NoBody)
	require.NoError(t, err)
	_, err = client.HTTPClient().Do(request)
	assert.NotContains(t, err.Error(), "SENTINEL")
	failed, ok := errors.AsType[*url.Error](err)
	require.True(t, ok)
	assert.True(t, failed.Timeout())
}

// The name of a file is no signature, and neither are the parts of an address without end.
func TestDownload_nameOfTheFile_staysInTheHeaders(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"offer-letter-of-jane-doe.pdf", strings.Repeat("a/", 200) + "offer-letter-of-jane-doe.pdf"} {
		network := newSwitchboard(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "sandbox.example.com" {
				return reply(http.StatusFound, "", "Location", "https://storage.example.com/SENTINEL%2Fof-a-signature/"+path+"?sig=SENTINEL-of-a-signature"), nil
			}
			return reply(http.StatusForbidden, `{"message":"no SENTINEL%2Fof-a-signature, no SENTINEL/of-a-signature"}`, "Content-Disposition", `attachment; filename="offer-letter-of-jane-doe.pdf"`), nil
		})
		client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: network}))
		require.NoError(t, err)
		var response revv.Response
		_, err = client.Documents.Download(t.Context(), 14, io.Discard, revv.CaptureResponse(&response))
		require.ErrorIs(t, err, revv.ErrForbidden)
		assert.NotContains(t, err.Error(), "SENTINEL")
		assert.Contains(t, response.Header.Get("Content-Disposition"), "offer-letter-of-jane-doe.pdf")
	}
}

// What middleware says by itself is not put into the mouth of the network.
func TestMiddleware_endsWithAnEOFOfItsOwn_isQuotedAsItIs(t *testing.T) {
	t.Parallel()
	own := func(http.RoundTripper) http.RoundTripper {
		return roundTripper(func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("my own: %w", io.EOF) })
	}
	client, err := revv.NewClient(revv.StaticToken("token"), revv.WithBaseURL(apiBase), revv.WithMiddleware(own))
	require.NoError(t, err)
	_, err = client.Documents.Get(t.Context(), 14)
	require.ErrorIs(t, err, io.EOF)
	assert.NotContains(t, err.Error(), "connection")
}
