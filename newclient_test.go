package revv_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

func TestNewClient_baseURL(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"https://acme.example.com": "https://acme.example.com", "https://acme.example.com/": "https://acme.example.com", "https://ACME.example.com:8443/revv/": "https://acme.example.com:8443/revv",
		"HTTPS://acme.example.com": "https://acme.example.com", "http://localhost:8080": "http://localhost:8080", "http://127.0.0.1": "http://127.0.0.1", "http://127.8.9.1:80": "http://127.8.9.1:80",
		"http://[::1]:8080": "http://[::1]:8080", "http://[::ffff:127.0.0.1]": "http://[::ffff:127.0.0.1]", "http://LOCALHOST": "http://localhost",
	}
	for text, want := range good {
		client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(text))
		require.NoError(t, err, text)
		assert.Equal(t, want, client.BaseURL())
	}
	bad := map[string]string{
		"": "must be an absolute URL", "acme.example.com": "must be an absolute URL", "https://": "must be an absolute URL", "https:acme.example.com": "must be an absolute URL",
		"/api": "must be an absolute URL", "https://acme.example.com:port": "must be an absolute URL", "https://:443": "must be an absolute URL", "https://a b.example.com": "must be an absolute URL",
		"http://acme.example.com": "must be https", "http://localhost.example.com": "must be https", "http://127.0.0.1.example.com": "must be https", "http://10.0.0.1": "must be https",
		"http://0.0.0.0": "must be https", "ws://localhost": "must be https", "file://localhost/etc": "must be https",
		"https://secret-user@acme.example.com": "must not contain a user", "https://secret-user:secret@acme.example.com": "must not contain a user",
		"https://acme.example.com?secret=1": "must not contain a query", "https://acme.example.com/?": "must not contain a query",
		"https://acme.example.com#secret": "must not contain a fragment", "https://acme.example.com/#": "must not contain a fragment",
		"https://acme.example.com/a%2Fb": "must not contain characters in its path that have to be escaped", "https://acme.example.com:99999": "must have a port from 1 to 65535", "https://acme.example.com:0": "must have a port", "https://acme.example.com:": "must have a port", "https://acme.example.com/a/../b": `must not contain "." or ".."`, "https://acme.example.com/a//b": "empty segment",
		"https://acme.example.com/a%20b": "plain text", "https://acme.example.com/a\r\nb": "must be an absolute URL",
	}
	for text, rule := range bad {
		client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(text))
		refused(t, err, "NewClient", "WithBaseURL", rule)
		assert.Nil(t, client)
		assert.NotContains(t, err.Error(), "secret", "a password given by mistake is not repeated")
	}
}

func TestNewClient_subdomain(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"acme", "a", "acme-2", "0", strings.Repeat("a", 63)} {
		client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithSubdomain(text))
		require.NoError(t, err, text)
		assert.Equal(t, "https://"+text+".revv.so", client.BaseURL())
	}
	for _, text := range []string{"", "-a", "a-", "Acme", "a.b", "a/b", "a@b", "a:1", "a b", "ä", "evil.example.com#", strings.Repeat("a", 64), "a\n"} {
		_, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithSubdomain(text))
		refused(t, err, "NewClient", "WithSubdomain", "must be one DNS label in lower case")
	}
	_, err := revv.NewClient(revv.StaticToken(anyToken))
	refused(t, err, "NewClient", "WithBaseURL or WithSubdomain", "is required: there is no default host")
	_, err = revv.NewClient(revv.StaticToken(anyToken), revv.WithSubdomain("acme"), revv.WithBaseURL(apiBase))
	refused(t, err, "NewClient", "WithBaseURL and WithSubdomain", "exclude each other")
}

// noSource is a token source that is nil inside its interface.
type noSource struct{}

func (*noSource) Token() (*oauth2.Token, error) { panic("never called") }

func (*noSource) Reject(context.Context, *oauth2.Token) {}

func TestNewClient_authenticator(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]revv.Authenticator{
		"nil": nil, "typed nil": (*renewing)(nil), "empty token": revv.StaticToken(""), "space": revv.StaticToken("a b"), "line break": revv.StaticToken("a\r\nX-Evil: 1"),
		"tab": revv.StaticToken("a\tb"), "NUL": revv.StaticToken("a\x00"), "not ASCII": revv.StaticToken("tökén"), "no source": revv.FromTokenSource(nil),
		"typed nil source": revv.FromTokenSource((*noSource)(nil)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := revv.NewClient(auth, revv.WithBaseURL(apiBase))
			refused(t, err, "NewClient", "auth", "must")
			assert.Nil(t, client)
			assert.NotContains(t, err.Error(), "Evil")
		})
	}
}

// fixedToken hands out a token that no check at construction has seen.
type fixedToken struct{ token *oauth2.Token }

func (f fixedToken) Token(context.Context) (*oauth2.Token, error) { return f.token, nil }
func (fixedToken) Reject(context.Context, *oauth2.Token)          {}

func TestToken_thatCannotGoIntoAHeader_isRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	for _, token := range []*oauth2.Token{nil, {}, {AccessToken: "a b"}, {AccessToken: "secret\r\nX-Evil: 1"}, {AccessToken: "secret\x00"}} {
		s := silent(t)
		client, err := revv.NewClient(fixedToken{token}, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: s}))
		require.NoError(t, err)
		err = getOffer(t, client)
		refused(t, err, "Documents.Get", "token", "must")
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestOptions_thatBreakARule_areAllReportedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := revv.NewClient(
		nil, nil, revv.WithBaseURL("http://acme.example.com"), revv.WithHTTPClient(nil), revv.WithUserAgent("a\r\nX: y"), revv.WithLogger(nil), revv.WithMiddleware(nil),
		revv.WithRateLimiter(nil), revv.WithRetry(revv.RetryPolicy{MaxAttempts: 11}), revv.WithAttemptTimeout(0), revv.WithHeader("Authorization", "x"), revv.WithQuery("", "x"),
		revv.WithRoutes(revv.Routes{GetDocument: "x"}),
	)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	for _, name := range []string{
		"auth ", "option ", "WithBaseURL ", "WithHTTPClient ", "WithUserAgent ", "WithLogger ", "WithMiddleware ", "WithRateLimiter ", "WithRetry ", "WithAttemptTimeout ",
		"WithHeader ", "WithQuery ", "WithRoutes ",
	} {
		assert.ErrorContains(t, err, "revv: NewClient: invalid argument: "+name)
	}
	assert.NotContains(t, err.Error(), "\r")
}

// What would panic in the first call is refused before it.
func TestNewClient_nilInsideAnInterface_isRefused(t *testing.T) {
	t.Parallel()
	nothing := func(http.RoundTripper) http.RoundTripper { return nil }
	nilPointer := func(http.RoundTripper) http.RoundTripper { return (*http.Transport)(nil) }
	fine := through(func(*http.Request) {})
	for name, test := range map[string]struct {
		option   revv.Option
		argument string
		rule     string
	}{
		"limiter, a nil pointer":               {revv.WithRateLimiter((*countedLimiter)(nil)), "WithRateLimiter", "must not be nil"},
		"limiter, a nil function":              {revv.WithRateLimiter(limiterFunc(nil)), "WithRateLimiter", "must not be nil"},
		"middleware that returns nil":          {revv.WithMiddleware(nothing), "WithMiddleware", "must not return nil"},
		"middleware that returns nil, within":  {revv.WithMiddleware(fine, nothing), "WithMiddleware", "must not return nil"},
		"middleware that returns nil, outside": {revv.WithMiddleware(nothing, fine), "WithMiddleware", "must not return nil"},
		"middleware that returns a nil value":  {revv.WithMiddleware(nilPointer), "WithMiddleware", "must not return nil"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), test.option)
			refused(t, err, "NewClient", test.argument, test.rule)
			assert.Nil(t, client)
		})
	}
}

// countedLimiter counts, and so cannot do without a value.
type countedLimiter struct{ asked int }

func (l *countedLimiter) Wait(context.Context) error {
	l.asked++
	return nil
}

func TestOptions_givenTwice_wouldDependOnTheirOrder(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]revv.Option{
		"WithBaseURL": revv.WithBaseURL(apiBase), "WithSubdomain": revv.WithSubdomain("acme"), "WithRoutes": revv.WithRoutes(revv.Routes{}), "WithHTTPClient": revv.WithHTTPClient(http.DefaultClient),
		"WithUserAgent": revv.WithUserAgent("a"), "WithRateLimiter": revv.WithRateLimiter(limiterFunc(func(context.Context) error { return nil })),
	} {
		options := []revv.Option{option, option}
		if name != "WithBaseURL" && name != "WithSubdomain" {
			options = append(options, revv.WithBaseURL(apiBase))
		}
		_, err := revv.NewClient(revv.StaticToken(anyToken), options...)
		refused(t, err, "NewClient", name, "must not be given twice")
	}
}

func TestCallOptions_thatBreakARule_areNamedAndNothingIsSent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		option   revv.CallOption
		argument string
		rule     string
	}{
		{nil, "option", "must not be nil"},
		{revv.CaptureResponse(nil), "CaptureResponse", "must not be nil"},
		{revv.WithProgress(nil), "WithProgress", "must not be nil"},
		{revv.WithRetry(revv.RetryPolicy{MaxAttempts: -1}), "WithRetry", "MaxAttempts must be from 1 to 10"},
		{revv.WithRetry(revv.RetryPolicy{MaxAttempts: 11}), "WithRetry", "MaxAttempts must be from 1 to 10"},
		{revv.WithRetry(revv.RetryPolicy{BaseDelay: -1}), "WithRetry", "must not be negative"},
		{revv.WithRetry(revv.RetryPolicy{MaxDelay: -1}), "WithRetry", "must not be negative"},
		{revv.WithRetry(revv.RetryPolicy{MaxRetryAfter: -1}), "WithRetry", "must not be negative"},
		{revv.WithAttemptTimeout(0), "WithAttemptTimeout", "must be positive"},
		{revv.WithAttemptTimeout(-1), "WithAttemptTimeout", "must be positive"},
		{revv.WithQuery("", "x"), "WithQuery", "must not be empty"},
		{revv.WithQuery("\xff", "x"), "WithQuery", "UTF-8"},
		{revv.WithQuery("x", "\xff"), "WithQuery", "UTF-8"},
		{revv.WithHeader("", "x"), "WithHeader", "must be a header name"},
		{revv.WithHeader("X Y", "x"), "WithHeader", "must be a header name"},
		{revv.WithHeader("X:", "x"), "WithHeader", "must be a header name"},
		{revv.WithHeader("X\r\nY", "x"), "WithHeader", "must be a header name"},
		{revv.WithHeader("Ü", "x"), "WithHeader", "must be a header name"},
		{revv.WithHeader("X-Own", "a\r\nAccessToken: b"), "WithHeader", "must be printable ASCII on one line"},
		{revv.WithHeader("X-Own", "a\x00"), "WithHeader", "must be printable ASCII on one line"},
		{revv.WithHeader("X-Own", "ü"), "WithHeader", "must be printable ASCII on one line"},
	}
	for _, own := range []string{
		"accesstoken", "AccessToken", "Authorization", "cookie", "Host", "Content-Type", "Content-Length", "Accept", "accept-encoding", "User-Agent", "Idempotency-Key", "x-idempotency-key",
		"Range", "If-Range", "Transfer-Encoding", "Connection", "TE", "Trailer", "Upgrade", "Expect", "Proxy-Authorization", "Proxy-Connection", "RefreshToken",
	} {
		tests = append(tests, struct {
			option   revv.CallOption
			argument string
			rule     string
		}{revv.WithHeader(own, "x"), "WithHeader", "is set by the client alone"})
	}
	for i, test := range tests {
		t.Run(fmt.Sprint(i, " ", test.argument), func(t *testing.T) {
			t.Parallel()
			client := silent(t).client(t)
			refused(t, getOffer(t, client, test.option), "Documents.Get", test.argument, test.rule)
			_, err := client.Documents.Download(t.Context(), 14, io.Discard, test.option)
			refused(t, err, "Documents.Download", test.argument, test.rule)
			_, err = client.Documents.DownloadFile(t.Context(), 14, t.TempDir()+"/x", test.option)
			refused(t, err, "Documents.Download", test.argument, test.rule)
			if option, ok := test.option.(revv.Option); ok {
				_, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), option)
				refused(t, err, "NewClient", test.argument, test.rule)
			}
		})
	}
}
