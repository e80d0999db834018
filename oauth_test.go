package revv_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// exchangeCase is what may happen while a code is exchanged.
type exchangeCase struct {
	id, fault string
	faults    []tokenFault
	always    tokenFault
	limit     time.Duration // of the caller, 0 for none
	want      []error       // none for success
	never     []error
	requests  int
	took      time.Duration // exactly, if known
	says      string
}

func exchangeCases() []exchangeCase {
	again := "start the authorization again"
	unknown := []error{revv.ErrOutcomeUnknown}
	known := []error{revv.ErrOutcomeUnknown, revv.ErrTokenNotPersisted, revv.ErrNoToken}
	refused := []error{revv.ErrReauthorizationRequired}
	cases := []exchangeCase{
		{id: "T41", fault: "nothing goes wrong", requests: 1},
		{id: "T36", fault: "the connection is reset", always: resets, want: unknown, requests: 1, says: again},
		{id: "T36", fault: "the connection is closed", always: closes, want: []error{revv.ErrOutcomeUnknown, io.ErrUnexpectedEOF}, requests: 1, says: again},
		{id: "T36", fault: "the answer ends in the middle", always: cutsBody, want: unknown, requests: 1, says: again},
		{id: "T36", fault: "the JSON ends in the middle", always: cutsJSON, want: unknown, requests: 1, says: again},
		{id: "T36", fault: "the server fails", always: answers(500, serverTrouble), want: []error{revv.ErrOutcomeUnknown, revv.ErrServer}, requests: 1, says: again},
		{id: "T36", fault: "the gateway fails", always: answers(502, serverTrouble), want: []error{revv.ErrOutcomeUnknown, revv.ErrServer}, requests: 1, says: again},
		{id: "T36", fault: "the server is not available", always: answers(503, ""), want: []error{revv.ErrOutcomeUnknown, revv.ErrServer}, requests: 1, says: again},
		{id: "T36", fault: "the gateway times out", always: answers(504, ""), want: []error{revv.ErrOutcomeUnknown, revv.ErrServer}, requests: 1, says: again},
		{id: "T36", fault: "the server says that it has timed out", always: answers(408, ""), want: unknown, requests: 1, says: again},
		{
			id: "T36", fault: "no answer comes", always: hangs, requests: 1, says: again, took: 30 * time.Second,
			want: []error{revv.ErrOutcomeUnknown, context.DeadlineExceeded},
		},
		{
			id: "T36", fault: "no answer comes before the caller leaves", always: hangs, limit: 5 * time.Second, requests: 1, says: again,
			took: 5 * time.Second, want: []error{revv.ErrOutcomeUnknown, context.DeadlineExceeded},
		},
		{
			id: "T36", fault: "the answer stops in the middle", always: hangsInBody, limit: 5 * time.Second, requests: 1, says: again,
			took: 5 * time.Second, want: []error{revv.ErrOutcomeUnknown, context.DeadlineExceeded},
		},
		{
			id: "T36", fault: "the transport quotes the form", requests: 1, says: again, want: unknown,
			always: func(_ *authority, r tokenRequest) (*http.Response, error) {
				return nil, fmt.Errorf("no answer to %s, which is %v", r.form.Encode(), r.form)
			},
		},
		{
			id: "T36", fault: "the transport quotes the form while the answer is read", requests: 1, says: again, want: []error{revv.ErrOutcomeUnknown, syscall.ECONNRESET},
			always: func(_ *authority, r tokenRequest) (*http.Response, error) {
				resp := reply(http.StatusOK, "{}")
				resp.Body = io.NopCloser(iotest.ErrReader(fmt.Errorf("no answer to %v: %w", r.form, syscall.ECONNRESET)))
				return resp, nil
			},
		},
		{id: "T37", fault: "nobody listens once", faults: []tokenFault{refusesToConnect}, requests: 2},
		{id: "T37", fault: "nobody listens twice", faults: times(2, refusesToConnect), requests: 3},
		{id: "T37", fault: "nobody listens", always: refusesToConnect, want: []error{syscall.ECONNREFUSED}, never: known, requests: 3},
		{id: "T10", fault: "the endpoint asks for two seconds", faults: []tokenFault{answers(429, "", "Retry-After", "2")}, requests: 2, took: 2 * time.Second},
		{id: "T10", fault: "the endpoint asks for two seconds in a 503", faults: []tokenFault{answers(503, "", "Retry-After", "2")}, requests: 2, took: 2 * time.Second},
		{id: "T10", fault: "the endpoint asks for an hour", always: answers(429, "", "Retry-After", "3600"), want: []error{revv.ErrRateLimited}, never: known, requests: 1},
		{id: "T10", fault: "the endpoint asks for an hour in a 503", always: answers(503, "", "Retry-After", "3600"), want: []error{revv.ErrRateLimited}, never: known, requests: 1},
		{
			id: "T10", fault: "the endpoint asks for more than the caller has", always: answers(429, "", "Retry-After", "20"), limit: 10 * time.Second,
			want: []error{revv.ErrRateLimited}, never: known, requests: 1,
		},
		{id: "T10", fault: "the endpoint throttles for ever", always: answers(429, "", "Retry-After", "1"), want: []error{revv.ErrRateLimited}, never: known, requests: 3, took: 2 * time.Second},
		{id: "T19", fault: "the code is refused", always: refuses("invalid_grant"), want: refused, never: known, requests: 1, says: "invalid_grant"},
		{id: "T29", fault: "the code is refused with status 200", always: answers(200, `{"error":"invalid_grant"}`), want: refused, never: known, requests: 1},
		{id: "T09", fault: "the application is refused", always: answers(401, `{"error":"invalid_client"}`), want: []error{revv.ErrUnauthorized}, never: known, requests: 1, says: "invalid_client"},
		{id: "T09", fault: "the request is refused", always: refuses("invalid_request"), want: []error{revv.ErrInvalid}, never: known, requests: 1, says: "invalid_request"},
		{id: "T09", fault: "the request is refused for a reason that tells", always: refuses("ECHO"), want: []error{revv.ErrInvalid}, never: known, requests: 1},
		{id: "T28", fault: "there is no such place", always: answers(404, "ECHO"), want: []error{revv.ErrNotFound}, never: known, requests: 1},
		{id: "T28", fault: "a page is shown", always: answers(200, "<html>ECHO", "Content-Type", "text/html"), want: []error{revv.ErrUnexpectedContent, revv.ErrOutcomeUnknown}, requests: 1},
		{id: "T28", fault: "the answer is empty", always: answers(200, ""), want: []error{revv.ErrEmptyResponse, revv.ErrOutcomeUnknown}, requests: 1},
		{id: "T28", fault: "the answer is something else", always: answers(200, `{"ECHO":"ECHO"}`), want: []error{revv.ErrMalformedResponse, revv.ErrOutcomeUnknown}, requests: 1},
		{id: "T44", fault: "the token is of another type", always: answers(200, `{"access_token":"a","token_type":"mac"}`), want: []error{revv.ErrMalformedResponse}, requests: 1},
		{id: "T28", fault: "the status answers nothing", always: answers(101, ""), want: []error{revv.ErrOutcomeUnknown}, requests: 1, says: "start the authorization again"},
		{id: "T34", fault: "the endpoint points elsewhere", always: redirects(307), want: []error{revv.ErrRedirected}, never: known, requests: 1},
	}
	return cases
}

func TestExchange_everyFault(t *testing.T) {
	t.Parallel()
	cases := exchangeCases()
	for _, c := range cases {
		t.Run(c.id+" "+c.fault, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, c.run)
		})
	}
	t.Logf("%d cases", len(cases))
}

func (c exchangeCase) run(t *testing.T) {
	t.Helper()
	a := newAuthority(t, &eventLog{})
	a.faults, a.always = c.faults, c.always
	code, verifier := a.sentinel("code"), a.sentinel("verifier")
	ctx := t.Context()
	if c.limit > 0 {
		limited, cancel := context.WithTimeout(ctx, c.limit)
		defer cancel()
		ctx = limited
	}
	start := time.Now()
	token, err := a.config().Exchange(ctx, code, verifier)
	took := time.Since(start)
	(&tokenStep{want: c.want, never: c.never}).check(&tokenWorld{T: t}, err)
	if len(c.want) == 0 {
		require.NoError(t, err)
		assert.NotEmpty(t, token.AccessToken)
		assert.NotEmpty(t, token.RefreshToken)
	} else {
		require.Error(t, err)
		assert.Nil(t, token)
		assertKeepsSecrets(t, a.hidden(), err)
		assert.ErrorContains(t, err, c.says)
		assert.Equal(t, c.requests, failure(t, err).Attempts)
	}
	tokens, _ := a.counts()
	assert.Equal(t, c.requests, tokens)
	if c.took > 0 {
		assert.Equal(t, c.took, took)
	}
	for _, form := range a.forms {
		assert.Equal(t, url.Values{
			"client_id": {"an-application"}, "client_secret": {a.secret}, "redirect_uri": {"https://app.example.com/oauth/callback"},
			"code": {code}, "grant_type": {"authorization_code"}, "code_verifier": {verifier},
		}, form)
	}
	for _, header := range a.headers {
		assert.NotContains(t, header, "Authorization")
	}
}

// T41: what stands in the authorization request comes again at the exchange.
func TestAuthCodeURL_belongsToTheExchange(t *testing.T) {
	t.Parallel()
	for _, redirect := range []string{
		"https://app.example.com/oauth/callback", "https://APP.example.com:443/a%20b/../Callback", "https://app.example.com", "https://app.example.com/?a=1&b=ä+%2F", "",
	} {
		t.Run(redirect, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t, &eventLog{})
			config := a.config()
			config.RedirectURL = redirect
			verifier := oauth2.GenerateVerifier()
			asked, err := url.Parse(config.AuthCodeURL("a state & more", verifier))
			require.NoError(t, err)
			assert.Equal(t, apiBase+"/oauth/authorize", asked.Scheme+"://"+asked.Host+asked.Path)
			query := asked.Query()
			assert.Equal(t, []string{"code"}, query["response_type"])
			assert.Equal(t, []string{"an-application"}, query["client_id"])
			assert.Equal(t, []string{"a state & more"}, query["state"])
			assert.Equal(t, []string{"S256"}, query["code_challenge_method"])
			assert.NotContains(t, asked.String(), verifier)
			assert.NotContains(t, asked.String(), a.secret)

			_, err = config.Exchange(t.Context(), "a-code", verifier)
			require.NoError(t, err)
			form := a.forms[0]
			assert.Equal(t, query["redirect_uri"], form["redirect_uri"])
			sum := sha256.Sum256([]byte(form.Get("code_verifier")))
			assert.Equal(t, query.Get("code_challenge"), base64.RawURLEncoding.EncodeToString(sum[:]))
		})
	}
}

func TestAuthCodeURL_withoutVerifier_asksForNoPKCE(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, &eventLog{})
	asked, err := url.Parse(a.config().AuthCodeURL("state", ""))
	require.NoError(t, err)
	assert.NotContains(t, asked.Query(), "code_challenge")
	_, err = a.config().Exchange(t.Context(), "a-code", "")
	require.NoError(t, err)
	assert.NotContains(t, a.forms[0], "code_verifier")
}

// T35: a token endpoint where others can listen gets nothing.
func TestOAuthConfig_unsafeTokenURL_isRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "http://example.com/oauth/token", "http://127.0.0.1.example.com/token", "http://localhost.example.com/token", "http://10.0.0.1/token", "http://[::2]/token",
		"ftp://example.com/token", "https:///token", "https:token", "//example.com/token", "/oauth/token", "https://user:password-SENTINEL@example.com/token",
		"https://example.com/token?key=password-SENTINEL", "https://example.com/token#password-SENTINEL", "https://example.com/\x00password-SENTINEL", "https://exa mple.com/",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t, &eventLog{})
			config := a.config()
			config.Endpoint.TokenURL = text
			_, constructed := config.Authenticator(newLedger(&eventLog{}), tokenAccount)
			_, exchanged := config.Exchange(t.Context(), "a-code", "")
			_, loggedIn := config.Login(t.Context(), func(string) error { return errSilence })
			_, _, handled := config.Handlers(func(http.ResponseWriter, *http.Request, *oauth2.Token, error) {})
			for _, err := range []error{constructed, exchanged, loggedIn, handled} {
				require.ErrorIs(t, err, revv.ErrInvalidArgument)
				assert.Equal(t, "Endpoint.TokenURL", failure(t, err).Argument)
				assertKeepsSecrets(t, []string{"password-SENTINEL", a.secret}, err)
			}
			assert.Empty(t, a.forms)
		})
	}
	for _, text := range []string{"http://127.0.0.1:8080/token", "http://localhost/token", "http://[::1]:1/token", "https://example.com:8443/token", "HTTPS://EXAMPLE.COM/token"} {
		config := newAuthority(t, &eventLog{}).config()
		config.Endpoint.TokenURL = text
		_, err := config.Authenticator(newLedger(&eventLog{}), tokenAccount)
		assert.NoError(t, err, text)
	}
}

func TestAuthenticator_everyWrongArgument_isNamed(t *testing.T) {
	t.Parallel()
	var none *revv.MemoryStore
	config := revv.OAuthConfig{ClientID: "an-application", Endpoint: revv.Endpoint("http://example.com")}
	for _, store := range []revv.TokenStore{nil, none} {
		_, err := config.Authenticator(store, "")
		require.ErrorIs(t, err, revv.ErrInvalidArgument)
		for _, name := range []string{"store", "account", "ClientID and ClientSecret", "Endpoint.TokenURL"} {
			assert.ErrorContains(t, err, name)
		}
	}
	_, err := revv.OAuthConfig{}.Authenticator(newLedger(&eventLog{}), tokenAccount)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
}

func TestExchange_everyWrongArgument_sendsNothing(t *testing.T) {
	t.Parallel()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context //nolint:containedctx // the argument
		change func(*revv.OAuthConfig)
		code   string
		want   error
	}{
		"ctx":          {nil, nil, "a-code", revv.ErrInvalidArgument},
		"":             {done, nil, "a-code", context.Canceled},
		"code":         {t.Context(), nil, "", revv.ErrInvalidArgument},
		"ClientID":     {t.Context(), func(c *revv.OAuthConfig) { c.ClientID = "" }, "a-code", revv.ErrInvalidArgument},
		"ClientSecret": {t.Context(), func(c *revv.OAuthConfig) { c.ClientSecret = "" }, "a-code", revv.ErrInvalidArgument},
	} {
		a := newAuthority(t, &eventLog{})
		config := a.config()
		if c.change != nil {
			c.change(&config)
		}
		_, err := config.Exchange(c.ctx, c.code, "")
		require.ErrorIs(t, err, c.want, name)
		assert.Equal(t, name, failure(t, err).Argument)
		assert.Empty(t, a.forms, name)
	}
}

func TestSaveToken_everyWrongArgument_isNamed(t *testing.T) {
	t.Parallel()
	var none *revv.MemoryStore
	good, store := tokenPair("good"), revv.NewMemoryStore()
	assertArgument(t, revv.SaveToken(nil, store, tokenAccount, good), "ctx") //nolint:staticcheck // the mistake that is tried
	assertArgument(t, revv.SaveToken(t.Context(), nil, tokenAccount, good), "store")
	assertArgument(t, revv.SaveToken(t.Context(), none, tokenAccount, good), "store")
	assertArgument(t, revv.SaveToken(t.Context(), store, "", good), "account")
	assertArgument(t, revv.SaveToken(t.Context(), store, tokenAccount, nil), "token")
	assertArgument(t, revv.SaveToken(t.Context(), store, tokenAccount, &oauth2.Token{RefreshToken: "refresh"}), "token")
	require.NoError(t, revv.SaveToken(t.Context(), store, tokenAccount, good))
	assertStored(t, store, tokenAccount, good)
	require.NoError(t, revv.SaveToken(t.Context(), store, tokenAccount, tokenPair("better")))
	assertStored(t, store, tokenAccount, tokenPair("better"))
}

func TestEndpoint_standsBesideTheBaseURL(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"https://acme.example.com/prefix", "https://acme.example.com/prefix/", "https://acme.example.com/prefix//"} {
		endpoint := revv.Endpoint(base)
		assert.Equal(t, "https://acme.example.com/prefix/oauth/authorize", endpoint.AuthURL)
		assert.Equal(t, "https://acme.example.com/prefix/oauth/token", endpoint.TokenURL)
	}
	assert.NotContains(t, revv.Endpoint("").TokenURL, "http", "there is no default host")
}
