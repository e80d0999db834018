package revv_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// renewing is an authenticator whose tokens are renewed when they are rejected.
type renewing struct {
	tokens   []string
	rejected []string
}

func (a *renewing) Token(context.Context) (*oauth2.Token, error) {
	return &oauth2.Token{AccessToken: a.tokens[0]}, nil
}

func (a *renewing) Reject(_ context.Context, bad *oauth2.Token) {
	a.rejected = append(a.rejected, bad.AccessToken)
	if len(a.tokens) > 1 {
		a.tokens = a.tokens[1:]
	}
}

// pinnedClient is the [revv.Client.HTTPClient] of a client whose API accepts the
// token "new" alone.
func pinnedClient(t *testing.T, auth revv.Authenticator) (*http.Client, *service) {
	t.Helper()
	s := &service{answer: func(r *http.Request) (*http.Response, error) {
		if strings.Join(r.Header["AccessToken"], "") != "new" {
			return reply(http.StatusUnauthorized, `{"error":"EXPIRED"}`), nil
		}
		return reply(http.StatusOK, `{"ok":true}`), nil
	}}
	client, err := revv.NewClient(auth, revv.WithBaseURL(apiBase+"/tenant"), revv.WithHTTPClient(&http.Client{Transport: s}))
	require.NoError(t, err)
	return client.HTTPClient(), s
}

func request(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, http.NoBody)
	require.NoError(t, err)
	if body != "" {
		r, err = http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
		require.NoError(t, err)
	}
	return r
}

func TestHTTPClient_addsTheTokenToACopy(t *testing.T) {
	t.Parallel()
	client, s := pinnedClient(t, revv.StaticToken("new"))
	r := request(t, http.MethodPost, apiBase+"/tenant/api/users?page=1", `{"name":"Ann"}`)
	r.Header.Set("Authorization", "Bearer other")
	r.Header.Set("AccessToken", "other")
	r.Header.Set("Idempotency-Key", "1")
	r.Header.Set("X-Own", "1")
	before := r.Header.Clone()
	resp, err := client.Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assert.Equal(t, before, r.Header, "the request is the caller's")
	assert.Equal(t, []string{`POST /tenant/api/users?page=1 {"name":"Ann"}`}, s.Lines())
	assert.Equal(t, http.Header{"AccessToken": {"new"}, "X-Own": {"1"}, "User-Agent": {"revv-go/" + revv.Version}}, s.Sent()[0].Header)
}

func TestHTTPClient_after401_renewsTheTokenOnceAndRepeats(t *testing.T) {
	t.Parallel()
	auth := &renewing{tokens: []string{"old", "new"}}
	client, s := pinnedClient(t, auth)
	resp, err := client.Do(request(t, http.MethodPost, apiBase+"/tenant/api/users", `{"name":"Ann"}`))
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, `{"ok":true}`, string(body))
	assert.Equal(t, []string{"old"}, auth.rejected)
	assert.Equal(t, []string{`POST /tenant/api/users {"name":"Ann"}`, `POST /tenant/api/users {"name":"Ann"}`}, s.Lines())
}

func TestHTTPClient_401ThatStays_isReturned(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		auth revv.Authenticator
		body func(*http.Request)
		sent int
	}{
		"no other token":            {revv.StaticToken("old"), nil, 1},
		"another that is as bad":    {&renewing{tokens: []string{"old", "older", "oldest"}}, nil, 2},
		"a body that is gone":       {&renewing{tokens: []string{"old", "new"}}, func(r *http.Request) { r.GetBody = nil }, 1},
		"a body that cannot be had": {&renewing{tokens: []string{"old", "new"}}, func(r *http.Request) { r.GetBody = func() (io.ReadCloser, error) { return nil, io.ErrClosedPipe } }, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, s := pinnedClient(t, test.auth)
			r := request(t, http.MethodPost, apiBase+"/tenant/api/users", `{}`)
			if test.body != nil {
				test.body(r)
			}
			resp, err := client.Do(r)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
			assert.Equal(t, `{"error":"EXPIRED"}`, string(body), "the answer can still be read")
			assert.Len(t, s.Sent(), test.sent)
		})
	}
}

func TestHTTPClient_otherTargets_getNothing(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"https://evil.example.com/tenant/api/users", "http://sandbox.example.com/tenant/api/users", "https://sandbox.example.com:8443/tenant/api/users",
		"https://sandbox.example.com/api/users", "https://sandbox.example.com/tenants/api/users", "https://sandbox.example.com/tenant/../other/api",
		"https://sandbox.example.com/tenant/..;/other", "https://sandbox.example.com/tenant/.;x/other", "https://sandbox.example.com/tenant/..%5cother",
		"https://sandbox.example.com/tenant/..%09/other", "https://sandbox.example.com/tenant/.%00./other", "https://sandbox.example.com/tenant/%2e%2e/other",
		"https://sandbox.example.com.evil.example.com/tenant/api", "https://sandbox.example.com@evil.example.com/tenant/api",
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			client, s := pinnedClient(t, revv.StaticToken("new"))
			closed := false
			r := request(t, http.MethodPost, target, `{}`)
			r.Body = closing{r.Body, &closed}
			resp, err := client.Do(r)
			require.ErrorIs(t, err, revv.ErrInvalidArgument)
			assert.Nil(t, resp)
			assert.Empty(t, s.Lines())
			assert.True(t, closed)
			assert.NotContains(t, err.Error(), "new\"")
		})
	}
}

// An answer to TRACE repeats the token (RFC 9110, section 9.3.8).
func TestHTTPClient_methodsThatNoTokenBelongsTo_areRefused(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"TRACE", "CONNECT", "trace"} {
		client, s := pinnedClient(t, revv.StaticToken("new"))
		_, err := client.Do(request(t, method, apiBase+"/tenant/api/users", ""))
		require.ErrorIs(t, err, revv.ErrInvalidArgument, method)
		assert.Empty(t, s.Lines(), method)
	}
}

func TestHTTPClient_redirects_areNotFollowed(t *testing.T) {
	t.Parallel()
	s := always(http.StatusFound, ``, "Location", apiBase+"/api/elsewhere")
	resp, err := s.client(t).HTTPClient().Do(request(t, http.MethodGet, apiBase+"/api/users", ""))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusFound, resp.StatusCode)
	assert.Len(t, s.Sent(), 1)
}

func TestHTTPClient_portThatIsImplied_isTheSameOrigin(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, `{}`)
	resp, err := s.client(t, revv.WithBearerHeader()).HTTPClient().Do(request(t, http.MethodGet, "https://SANDBOX.example.com:443/api/users", ""))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, []string{"Bearer " + anyToken}, s.Sent()[0].Header["Authorization"])
	assert.NotContains(t, s.Sent()[0].Header, "AccessToken")
}

// A request cannot talk its way out of the origin, nor bring credentials of its own.
func TestHTTPClient_isPinnedAsTightlyAsTheCalls(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, `{}`)
	for _, opts := range [][]revv.Option{nil, {revv.WithBearerHeader()}} {
		client := s.client(t, opts...).HTTPClient()
		r := request(t, http.MethodPost, apiBase+"/api/users", `{}`)
		r.Host = "evil.example.com"
		for _, name := range []string{"Authorization", "AccessToken", "Cookie", "Idempotency-Key", "X-Idempotency-Key"} {
			for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
				r.Header[spelling] = []string{"stale"}
			}
		}
		resp, err := client.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		sent := s.Sent()[len(s.Sent())-1]
		assert.Empty(t, sent.Host)
		assert.Len(t, sent.Header, 2, "the credentials and the user agent: %v", sent.Header)
		for _, values := range sent.Header {
			assert.NotContains(t, values, "stale")
		}

		before := len(s.Sent())
		for _, opaque := range []string{"//evil.example.com/y", "/api/users", "*"} {
			r := request(t, http.MethodGet, apiBase+"/api/users", "")
			r.URL.Opaque = opaque
			_, err := client.Do(r)
			require.ErrorIs(t, err, revv.ErrInvalidArgument)
		}
		assert.Len(t, s.Sent(), before)
	}
}

// A service may answer everything with 401 for a while. No request repeats another here, so
// each would spend a refresh token if nothing were remembered between them.
func TestHTTPClient_serviceRefusesEveryToken_spendsFewRefreshTokens(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*http.Request){
		"a body that can be sent again": func(*http.Request) {},
		"a body that is gone":           func(r *http.Request) { r.GetBody = nil },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *tokenWorld) {
				refusesAll(http.StatusUnauthorized)(w)
				client := w.client.HTTPClient()
				for range 100 {
					r := request(w.T, http.MethodPost, apiBase+"/api/users", `{}`)
					prepare(r)
					resp, err := client.Do(r)
					require.NoError(w, err)
					require.NoError(w, resp.Body.Close())
					require.Equal(w, http.StatusUnauthorized, resp.StatusCode)
				}
				assert.NotEmpty(w, w.posts(), "it has tried")
				assert.LessOrEqual(w, len(w.posts()), 2)
			})
		})
	}
}

// A request without a token is not sent, and its body is closed, as that of any round trip.
func TestHTTPClient_noToken_sendsNothing(t *testing.T) {
	t.Parallel()
	source := revv.FromTokenSource(oauth2.StaticTokenSource(new(oauth2.Token)))
	pinned, s := pinnedClient(t, source)
	r := request(t, http.MethodPost, apiBase+"/tenant/api/docs", "{}")
	var closed atomic.Int32
	r.Body = closeCounter{strings.NewReader("{}"), &closed}
	resp, err := pinned.Do(r)
	if err == nil {
		_ = resp.Body.Close()
	}
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	require.ErrorContains(t, err, "token must not be empty")
	assert.EqualValues(t, 1, closed.Load())
	assert.Empty(t, s.Sent())
}
