package revv_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// get visits an address as a browser does that does not follow redirects.
func get(t *testing.T, address string) (status int, page string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if !assert.NoError(t, err) {
		return 0, ""
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if !assert.NoError(t, err) {
		return 0, ""
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	return resp.StatusCode, string(content)
}

func TestLogin_waitsForTheRightState(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	config := server.OAuthConfig()
	pages := make(chan string, 10)
	token, err := config.Login(bounded(t.Context(), t), func(authURL string) error {
		asked, err := url.Parse(authURL)
		require.NoError(t, err)
		state := asked.Query().Get("state")
		assert.Equal(t, "S256", asked.Query().Get("code_challenge_method"))
		redirect, err := server.Authorize(authURL)
		require.NoError(t, err)
		callback, err := url.Parse(redirect)
		require.NoError(t, err)
		assert.True(t, strings.HasPrefix(redirect, asked.Query().Get("redirect_uri")+"?"))
		go func() {
			other := *callback
			for _, query := range []string{"", "code=x", "code=x&state=wrong", "code=x&state=" + state + "&state=" + state, "state=" + state, "%zz"} {
				other.RawQuery = query
				status, page := get(t, other.String())
				assert.Equal(t, http.StatusBadRequest, status, query)
				assert.NotContains(t, page, state)
			}
			other.Path, other.RawQuery = "/elsewhere", callback.RawQuery
			status, _ := get(t, other.String())
			assert.Equal(t, http.StatusNotFound, status)
			status, page := get(t, redirect)
			assert.Equal(t, http.StatusOK, status)
			pages <- page
		}()
		return nil
	})
	require.NoError(t, err)
	assert.NotEmpty(t, token.AccessToken)
	assert.NotEmpty(t, token.RefreshToken)
	assert.Contains(t, <-pages, "succeeded")
	assert.Len(t, server.Requests("OAuth.Token"), 1, "only the right callback is exchanged")
}

func TestLogin_aPersonWhoDeclines_isForbidden(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	pages := make(chan string, 1)
	_, err := server.OAuthConfig().Login(bounded(t.Context(), t), func(authURL string) error {
		redirect, err := server.Deny(authURL)
		require.NoError(t, err)
		go func() {
			_, page := get(t, redirect+"&error_description="+url.QueryEscape("<script>alert(1)</script>"))
			pages <- page
		}()
		return nil
	})
	require.ErrorIs(t, err, revv.ErrForbidden)
	failure, ok := errors.AsType[*revv.Error](err)
	require.True(t, ok)
	assert.Equal(t, "access_denied", failure.Code)
	assert.NotContains(t, <-pages, "script>")
	assert.Empty(t, server.Requests("OAuth.Token"))
}

func TestLogin_endsWithItsContext(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := server.OAuthConfig().Login(ctx, func(string) error { cancel(); return nil })
	require.ErrorIs(t, err, context.Canceled)

	_, err = server.OAuthConfig().Login(t.Context(), func(string) error { return errors.New("no browser") })
	require.ErrorContains(t, err, "no browser")
}

// RFC 6749, section 3.1.
func TestLogin_authorizationURLWithAQuery_keepsIt(t *testing.T) {
	t.Parallel()
	config := revv.OAuthConfig{ClientID: "id", ClientSecret: "secret", Endpoint: revv.Endpoint("https://acme.example.com")}
	config.Endpoint.AuthURL += "?tenant=acme"
	ctx, cancel := context.WithCancel(t.Context())
	var opened string
	_, err := config.Login(ctx, func(address string) error { opened = address; cancel(); return nil })
	require.ErrorIs(t, err, context.Canceled)
	u, err := url.Parse(opened)
	require.NoError(t, err)
	assert.Equal(t, "acme", u.Query().Get("tenant"))
	assert.Equal(t, "id", u.Query().Get("client_id"))
}

func TestLogin_badArguments_areNamed(t *testing.T) {
	t.Parallel()
	open := func(string) error { t.Error("the browser was opened"); return nil }
	good := revv.OAuthConfig{ClientID: "id", ClientSecret: "secret", Endpoint: revv.Endpoint("https://acme.example.com")}
	for argument, change := range map[string]func(*revv.OAuthConfig){
		"ClientID":          func(c *revv.OAuthConfig) { c.ClientID = "" },
		"ClientSecret":      func(c *revv.OAuthConfig) { c.ClientSecret = "" },
		"Endpoint.AuthURL":  func(c *revv.OAuthConfig) { c.Endpoint.AuthURL = "http://acme.example.com/authorize" },
		"Endpoint.TokenURL": func(c *revv.OAuthConfig) { c.Endpoint.TokenURL = "ftp://acme.example.com" },
		"RedirectURL":       func(c *revv.OAuthConfig) { c.RedirectURL = "https://acme.example.com/callback" },
	} {
		config := good
		change(&config)
		_, err := config.Login(t.Context(), open)
		require.ErrorIs(t, err, revv.ErrInvalidArgument, argument)
		assert.ErrorContains(t, err, argument)
	}
	ended, end := context.WithTimeout(t.Context(), time.Second) // for what is accepted by mistake
	defer end()
	for _, query := range []string{"?tenant=a#b", "?x=a\nb", "?a=%zz", "?state=x", "?code_challenge_method=plain", "?tenant=a&client_id=b", `?a="b"`} {
		config := good
		config.Endpoint.AuthURL += query
		_, err := config.Login(ended, func(string) error { return nil })
		require.ErrorIs(t, err, revv.ErrInvalidArgument, query)
		require.ErrorContains(t, err, "Endpoint.AuthURL must", query)
	}
	_, err := good.Login(t.Context(), nil)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	_, err = good.Login(nil, open) //nolint:staticcheck // the mistake that is tried
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
}

// webApplication is an application whose users authorize it in their browsers.
func webApplication(t *testing.T, server *revvtest.Server, done func(*oauth2.Token, error)) (app *httptest.Server, browser *http.Client) {
	t.Helper()
	mux := http.NewServeMux()
	app = httptest.NewServer(mux)
	t.Cleanup(app.Close)
	config := server.OAuthConfig()
	config.RedirectURL = app.URL + "/callback"
	start, callback, err := config.Handlers(func(w http.ResponseWriter, _ *http.Request, token *oauth2.Token, err error) {
		done(token, err)
		w.WriteHeader(http.StatusNoContent)
	})
	require.NoError(t, err)
	mux.Handle("/start", start)
	mux.Handle("/callback", callback)
	return app, newBrowser(t)
}

func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	return &http.Client{
		Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func browse(t *testing.T, browser *http.Client, method, address string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
	require.NoError(t, err)
	resp, err := browser.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp
}

func TestHandlers_exchangeOnceAndOnlyForTheBrowserThatStarted(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t, revvtest.WithRedirectURLs("http://127.0.0.1/callback"))
	var tokens []*oauth2.Token
	app, browser := webApplication(t, server, func(token *oauth2.Token, err error) {
		assert.NoError(t, err)
		tokens = append(tokens, token)
	})

	started := browse(t, browser, http.MethodGet, app.URL+"/start")
	require.Equal(t, http.StatusFound, started.StatusCode)
	cookie := started.Cookies()[0]
	assert.True(t, cookie.HttpOnly)
	assert.False(t, cookie.Secure, "the redirect URL is plain http on loopback")
	assert.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
	redirect, err := server.Authorize(started.Header.Get("Location"))
	require.NoError(t, err)

	stranger := newBrowser(t)
	assert.Equal(t, http.StatusBadRequest, browse(t, stranger, http.MethodGet, redirect).StatusCode, "no cookie")
	browse(t, stranger, http.MethodGet, app.URL+"/start")
	assert.Equal(t, http.StatusBadRequest, browse(t, stranger, http.MethodGet, redirect).StatusCode, "another cookie")
	assert.Equal(t, http.StatusMethodNotAllowed, browse(t, browser, http.MethodPost, redirect).StatusCode)
	assert.Equal(t, http.StatusMethodNotAllowed, browse(t, browser, http.MethodDelete, app.URL+"/start").StatusCode)
	assert.Equal(t, http.StatusBadRequest, browse(t, browser, http.MethodGet, app.URL+"/callback").StatusCode)

	replay := newBrowser(t)
	at, err := url.Parse(app.URL + "/callback")
	require.NoError(t, err)
	replay.Jar.SetCookies(at, []*http.Cookie{cookie})
	assert.Equal(t, http.StatusNoContent, browse(t, browser, http.MethodGet, redirect).StatusCode)
	assert.Equal(t, http.StatusBadRequest, browse(t, browser, http.MethodGet, redirect).StatusCode, "used")
	assert.Equal(t, http.StatusBadRequest, browse(t, replay, http.MethodGet, redirect).StatusCode, "used, with the same cookie")
	require.Len(t, tokens, 1)
	assert.NotEmpty(t, tokens[0].RefreshToken)
	assert.Len(t, server.Requests("OAuth.Token"), 1)
}

func TestHandlers_badArguments_areAllNamed(t *testing.T) {
	t.Parallel()
	_, _, err := revv.OAuthConfig{RedirectURL: "http://acme.example.com"}.Handlers(nil)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	for _, argument := range []string{"ClientID", "ClientSecret", "Endpoint.AuthURL", "Endpoint.TokenURL", "RedirectURL", "done"} {
		assert.ErrorContains(t, err, argument)
	}
}

func TestExchange_aCodeIsSentOnce(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	config := server.OAuthConfig()
	config.RedirectURL = "http://127.0.0.1:8765/callback"
	verifier := oauth2.GenerateVerifier()
	redirect, err := server.Authorize(config.AuthCodeURL("state", verifier))
	require.NoError(t, err)
	back, err := url.Parse(redirect)
	require.NoError(t, err)
	code := back.Query().Get("code")

	server.Fail(revvtest.Fault{Operation: "OAuth.Token", CutAfter: -1, Times: 1})
	_, err = config.Exchange(t.Context(), code, verifier)
	require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
	require.ErrorContains(t, err, "start the authorization again")
	assert.NotContains(t, err.Error(), code)
	assert.Len(t, server.Requests("OAuth.Token"), 1)

	_, err = config.Exchange(t.Context(), code, oauth2.GenerateVerifier())
	require.ErrorIs(t, err, revv.ErrReauthorizationRequired, "the verifier is another one")
	_, err = config.Exchange(t.Context(), "", verifier)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	config.Endpoint.TokenURL = "http://acme.example.com/token"
	_, err = config.Exchange(t.Context(), code, verifier)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
}

func TestFromTokenSource_isAskedAgainAfterARejection(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	asked := 0
	auth := revv.FromTokenSource(tokenSource(func() (*oauth2.Token, error) {
		if asked++; asked == 1 {
			return &oauth2.Token{AccessToken: "old"}, nil
		}
		return server.Token(), nil
	}))
	client, err := revv.NewClient(auth, revv.WithBaseURL(server.URL()))
	require.NoError(t, err)
	for range 3 {
		_, err = client.Templates.List(t.Context(), revv.ListTemplatesParams{})
		require.NoError(t, err)
	}
	assert.Equal(t, 2, asked)

	_, err = revv.FromTokenSource(tokenSource(func() (*oauth2.Token, error) {
		return nil, &oauth2.RetrieveError{Response: &http.Response{StatusCode: http.StatusBadRequest}, Body: []byte("secret body"), ErrorCode: "invalid_grant"}
	})).Token(t.Context())
	require.ErrorIs(t, err, revv.ErrReauthorizationRequired)
	assert.NotContains(t, err.Error(), "secret body")
}

type tokenSource func() (*oauth2.Token, error)

func (f tokenSource) Token() (*oauth2.Token, error) { return f() }

// A browser that is started may report a failure although it has shown the page.
func TestLogin_openFailsAfterTheCallback_pairIsKept(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, &eventLog{})
	config := a.config()
	config.RedirectURL = ""
	for name, sooner := range map[string]bool{"after the exchange": false, "during the exchange": true} {
		arrived, release := make(chan struct{}), make(chan struct{})
		a.set(func() {
			a.faults = []tokenFault{func(a *authority, r tokenRequest) (*http.Response, error) {
				close(arrived)
				<-release
				status, body := a.honest(r.form)
				return reply(status, body), nil
			}}
		})
		var visited sync.WaitGroup
		token, err := config.Login(bounded(t.Context(), t), func(authURL string) error {
			asked, err := url.Parse(authURL)
			if err != nil {
				return err
			}
			query := url.Values{"code": {"a-code"}, "state": {asked.Query().Get("state")}}
			visited.Go(func() { visit(t.Context(), t, http.MethodGet, asked.Query().Get("redirect_uri")+"?"+query.Encode()) })
			<-arrived
			if !sooner {
				close(release)
				visited.Wait()
			} else {
				time.AfterFunc(10*time.Millisecond, func() { close(release) })
			}
			return errLedgerDown
		})
		visited.Wait()
		require.NoError(t, err, name)
		assert.NotEmpty(t, token.RefreshToken, name)
	}
}

// net/http recovers a panic of its handler, and nobody would be told how the login has ended.
func TestLogin_transportPanicsDuringTheExchange_outcomeIsUnknown(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){
		"panics":             func() { panic("a transport of the program's own") },
		"ends its goroutine": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startLogin(t.Context(), t, nil)
			l.authority.set(func() {
				l.authority.always = func(*authority, tokenRequest) (*http.Response, error) {
					end()
					return nil, errLedgerDown
				}
			})
			assert.Zero(t, l.visit(http.MethodGet, l.callback(l.granted())).status, "the connection is cut")
			select {
			case r := <-l.result:
				l.result <- r // for end
			case <-time.After(10 * time.Second):
				require.Fail(t, "the login does not end")
			}
			token, err := l.end()
			require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
			assert.Equal(t, "OAuth.Login", failure(t, err).Op)
			assert.Nil(t, token)
		})
	}
}
