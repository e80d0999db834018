package revv

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/secret"
)

func TestConcealed_hidesWhatCanBeASecret(t *testing.T) {
	t.Parallel()
	cause := errors.New("no route for abc with abcd, a+b/c= and a%2Bb%2Fc%3D")
	err := concealed(cause, "", "abc", "a+b/c=")
	require.EqualError(t, err, "no route for abc with abcd, [redacted] and [redacted]")
	require.EqualError(t, concealed(cause, "abcd"), "no route for abc with [redacted], a+b/c= and a%2Bb%2Fc%3D")
	assert.Same(t, cause, concealed(cause, "abc", "another"), "an error that shows nothing stays as it is")
}

// endpointAnswering is a token endpoint that gives the same answer to every form.
func endpointAnswering(status int, body string, header http.Header) *tokenEndpoint {
	target, err := parseEndpoint("https://sandbox.example.com/oauth/token")
	if err != nil {
		panic(err)
	}
	return &tokenEndpoint{op: opRefresh, url: target, limit: tokenRequestLimit, close: func() {}, roundTrip: func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: header.Clone(), Body: io.NopCloser(strings.NewReader(body))}, nil
	}}
}

func TestTokenEndpoint_everyRedirect_isRefused(t *testing.T) {
	t.Parallel()
	for status, redirected := range map[int]bool{299: false, 300: true, 301: true, 308: true, 399: true, 400: false} {
		reply := endpointAnswering(status, "", http.Header{"Location": {"https://example.com/"}}).post(t.Context(), nil, false)
		require.NotNil(t, reply.err, status)
		assert.Equal(t, redirected, errors.Is(reply.err, ErrRedirected), status)
	}
}

// A redirect is refused whatever comes behind it, and when.
func TestTokenEndpoint_bodyOfARedirect_isNotWaitedFor(t *testing.T) {
	t.Parallel()
	body, writer := io.Pipe()
	defer writer.Close() //nolint:errcheck // a pipe has no error here
	endpoint := endpointAnswering(http.StatusFound, "", nil)
	endpoint.roundTrip = func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusFound, Header: http.Header{}, Body: body}, nil
	}
	require.ErrorIs(t, endpoint.post(t.Context(), nil, false).err, ErrRedirected)
	_, err := writer.Write([]byte("{"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

// A member "error" is one where it says so, or where there is no token beside it.
func TestParseToken_errorBesideAToken(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		code    string
		refused bool
	}{
		`{"error":false,"access_token":"a"}`:           {},
		`{"error":0,"access_token":"a"}`:               {},
		`{"error":"","access_token":"a"}`:              {},
		`{"error":null,"access_token":"a"}`:            {},
		`{"error":"none","access_token":"a"}`:          {},
		`{"error":"invalid_grant","access_token":"a"}`: {code: codeInvalidGrant},
		`{"error":"none"}`:                             {refused: true},
		`{"error":true}`:                               {refused: true},
		`{}`:                                           {refused: true},
	} {
		code, token, err := parseToken("application/json", []byte(body))
		assert.Equal(t, want.code, code, body)
		assert.Equal(t, want.refused, err != nil, body)
		assert.Equal(t, !want.refused && want.code == "", token != nil && token.AccessToken == "a", body)
	}
}

// The service wraps its other answers in an object with one member. What is wrapped otherwise
// is not guessed.
func TestParseToken_wrappedOnce_isUnwrapped(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"User":{"access_token":"a","refresh_token":"r"}}`: "a",
		`{"data" : {"access_token":"a"} }`:                  "a",
		`{"access_token":"a"}`:                              "a",
		`{"data":{"User":{"access_token":"a"}}}`:            "",
		`{"status":1,"data":{"access_token":"a"}}`:          "",
		`{"data":[{"access_token":"a"}]}`:                   "",
		`{"data":{"access_token":"a"},"data":{"x":1}}`:      "", // the last of two counts
	} {
		_, token, err := parseToken("application/json", []byte(body))
		if want == "" {
			require.ErrorContains(t, err, `the member "access_token" is missing or empty`, body)
			continue
		}
		require.NoError(t, err, body)
		assert.Equal(t, want, token.AccessToken)
	}
	code, _, err := parseToken("application/json", []byte(`{"error":{"error":"invalid_grant"}}`))
	require.NoError(t, err)
	assert.Equal(t, codeInvalidGrant, code)
}

// A refresh token that can be none counts as absent: then the old one is kept.
func TestParseToken_refreshTokenThatIsNone_isAbsent(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"R2"`: "R2", `7`: "7", `"a b"`: "a b", `"0x"`: "0x",
		`false`: "", `true`: "", `0`: "", `" "`: "", `""`: "", `null`: "", `{}`: "", `[]`: "", `"R\ufffd2"`: "", "\"R\xff2\"": "",
	} {
		_, token, err := parseToken("application/json", []byte(`{"access_token":"a","refresh_token":`+text+`}`))
		if text == "\"R\xff2\"" && err != nil {
			continue // refused altogether
		}
		require.NoError(t, err, text)
		assert.Equal(t, want, token.RefreshToken, text)
	}
}

// What net/http quotes is cut, and nothing else that is said in quotes.
func TestUnquoted_cutsWhatIsQuotedOfAnAnswer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`Post: malformed HTTP response "{\"a\"}"`:                          `Post: malformed HTTP response [redacted]`,
		"one\nmalformed MIME header line: \"x\"\nand \"y\"":                "one\nmalformed MIME header [redacted]\nand \"y\"",
		`malformed MIME header line: access_token=secret`:                  `malformed MIME header [redacted]`, // before Go 1.26.4
		`malformed MIME header: missing colon: secret`:                     `malformed MIME header [redacted]`,
		`unsupported transfer encoding: "secret bad Content-Length"`:       `unsupported transfer encoding [redacted]`,
		`malformed MIME header line: "{\"a\":\"malformed HTTP version\"}"`: `malformed MIME header [redacted]`,
		`multiple Content-Length headers; got ["1" "2"]`:                   `multiple Content-Length headers [redacted]`,
		`malformed HTTP response "secret bad Content-Length"`:              `malformed HTTP response [redacted]`,
		`http2: server sent GOAWAY, debug="secret"`:                        `http2: server sent GOAWAY, debug= [redacted]`,
		`malformed response: the member "url" is missing`:                  `malformed response: the member "url" is missing`,
		`lookup "acme.example.com"`:                                        `lookup "acme.example.com"`,
		`my gateway: header field "X-Tenant" is missing`:                   `my gateway: header field "X-Tenant" is missing`,
		`malformed HTTP version`:                                           `malformed HTTP version`,
	} {
		assert.Equal(t, want, cutQuotes(text))
	}
}

func TestLifetime_isBelievedFromASecondToTenYears(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "0.999": 0, "1": 1, "1.9": 1, `"3600"`: 3600, "315360000": 315360000, "315360000.1": 0, "315360001": 0, "-1": 0, `"NaN"`: 0, `"Inf"`: 0, "null": 0,
	} {
		assert.Equal(t, want, lifetime(json.RawMessage(text)), text)
	}
}

func TestTokenReply_again_waitsAsLongAsAMinute(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]bool{0: true, defaultMaxRetryAfter: true, defaultMaxRetryAfter + 1: false} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			reply := tokenReply{hasRetryAfter: true, err: &Error{RetryAfter: wait}}
			assert.Equal(t, want, reply.waitToRepeat(t.Context(), 1, 0), "%v", wait)
			assert.Equal(t, !want, errors.Is(reply.err, ErrRateLimited), "%v", wait)
			if want {
				assert.Equal(t, wait, time.Since(start))
			}
		})
	}
	reply := tokenReply{hasRetryAfter: true, err: &Error{}}
	assert.True(t, reply.waitToRepeat(t.Context(), defaultAttempts-1, 0))
	assert.False(t, reply.waitToRepeat(t.Context(), defaultAttempts, 0))
}

// A renewal that the endpoint refuses for now says how often it was asked.
func TestRefresher_failure_countsItsPosts(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{http.StatusServiceUnavailable: defaultAttempts, http.StatusForbidden: 1} {
		synctest.Test(t, func(t *testing.T) {
			r := refresher{endpoint: endpointAnswering(status, "", nil), config: secret.New(&OAuthConfig{})}
			token, err := r.refresh(t.Context(), "a refresh token")
			assert.Nil(t, token)
			require.NotNil(t, err)
			assert.Equal(t, want, err.Attempts, strconv.Itoa(status))
		})
	}
}

// What is not posted does not count as posted.
func TestRefresher_tooLittleTime_postsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := refresher{endpoint: endpointAnswering(http.StatusOK, `{"access_token":"a-token"}`, nil), config: secret.New(&OAuthConfig{})}
		ctx, cancel := context.WithTimeout(t.Context(), answerTime-1)
		defer cancel()
		_, err := r.refresh(ctx, "a refresh token")
		require.NotNil(t, err)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Zero(t, err.Attempts)
		ctx, cancel = context.WithTimeout(t.Context(), answerTime)
		defer cancel()
		token, err := r.refresh(ctx, "a refresh token")
		require.Nil(t, err)
		assert.Equal(t, "a-token", token.AccessToken)
	})
}

// A client without a transport has that of the package, and its limit is kept.
func TestNewTokenEndpoint_clientWithoutTransport_hasOne(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]time.Duration{0: tokenRequestLimit, time.Second: time.Second, time.Hour: tokenRequestLimit} {
		endpoint, err := newTokenEndpoint(opRefresh, OAuthConfig{
			Endpoint: Endpoint("https://sandbox.example.com"), HTTPClient: &http.Client{Timeout: timeout},
		})
		require.NoError(t, err)
		assert.NotNil(t, endpoint.roundTrip)
		assert.Equal(t, want, endpoint.limit)
		endpoint.close()
	}
}

// Whoever leaves is told that, and not that the endpoint cannot be reached.
func TestTokenEndpoint_contextThatEnds_isWhatTheErrorSays(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, test := range []struct {
		cause error
		begun bool // the answer had begun
	}{{refused, false}, {io.ErrUnexpectedEOF, false}, {io.ErrUnexpectedEOF, true}, {errors.New("reset"), true}} {
		ctx, cancel := context.WithCancel(t.Context())
		posts := 0
		endpoint := endpointAnswering(http.StatusOK, "", nil)
		endpoint.roundTrip = func(*http.Request) (*http.Response, error) {
			posts++
			cancel()
			if test.begun {
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(iotest.ErrReader(test.cause))}, nil
			}
			return nil, test.cause
		}
		r := &refresher{endpoint: endpoint, config: secret.New(&OAuthConfig{})}
		_, failure := r.refresh(ctx, "refresh token")
		require.NotNil(t, failure)
		require.ErrorIs(t, failure, context.Canceled)
		require.NotErrorIs(t, failure, ErrUnreachable)
		assert.Equal(t, 1, posts, "nobody waits for a second answer")
	}
}

// A transport that answers for the endpoint, while the form is on its way, cannot refuse for
// it; a token that it hands out is one.
func TestTokenEndpoint_tokenFromATransport_isTaken(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]retry.Outcome{
		`{"access_token":"a-token"}`: retry.Success,
		`{"error":"invalid_grant"}`:  retry.Cut,
	} {
		endpoint := endpointAnswering(http.StatusOK, body, nil)
		answer := endpoint.roundTrip
		endpoint.roundTrip = func(r *http.Request) (*http.Response, error) {
			trace := httptrace.ContextClientTrace(r.Context())
			trace.GetConn("sandbox.example.com:443")
			trace.GotConn(httptrace.GotConnInfo{})
			return answer(r)
		}
		reply := endpoint.post(t.Context(), nil, false)
		assert.Equal(t, want, reply.outcome, body)
		assert.Equal(t, want == retry.Success, reply.err == nil, body)
	}
}

// A program that was frozen while it waited reads the answer when it goes on. The limit of a
// transport for the first byte of an answer runs on meanwhile.
func TestTokenEndpoint_limitOfTheTransport_isNotApplied(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(100 * time.Millisecond)
		_, _ = io.WriteString(w, `{"access_token":"a","token_type":"bearer"}`)
	}))
	t.Cleanup(server.Close)
	given := &http.Transport{ResponseHeaderTimeout: time.Millisecond, DisableKeepAlives: true}
	endpoint, err := newTokenEndpoint(opRefresh, OAuthConfig{Endpoint: oauth2.Endpoint{TokenURL: server.URL}, HTTPClient: &http.Client{Transport: given}})
	require.NoError(t, err)
	reply := endpoint.post(t.Context(), nil, false)
	require.Nil(t, reply.err)
	assert.Equal(t, "a", reply.token.AccessToken)
	assert.Equal(t, time.Millisecond, given.ResponseHeaderTimeout, "that of the caller stays as it is")
}
