package revv_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// page is what a browser got.
type page struct {
	status int
	header http.Header
	body   string
}

// visit requests an address on a connection of its own and follows no redirect.
// It is safe in any goroutine: what fails leaves the status 0.
func visit(ctx context.Context, t testing.TB, method, address string) page {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if !assert.NoError(t, err) {
		return page{}
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return page{body: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	return page{resp.StatusCode, resp.Header, string(body)}
}

// loginRound is a program that logs in. Its URL was opened, and the person has
// not decided yet.
type loginRound struct {
	*testing.T

	authority *authority
	asked     url.Values // the authorization request
	result    chan loginOutcome
	pages     []page
}

type loginOutcome struct {
	token *oauth2.Token
	err   error
}

// bounded ends a login that nothing else ends, so that its test fails and does not
// hang.
func bounded(ctx context.Context, t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// startLogin begins a login and waits until its URL was opened.
func startLogin(ctx context.Context, t *testing.T, change func(*revv.OAuthConfig)) *loginRound {
	t.Helper()
	l := &loginRound{T: t, authority: newAuthority(t, &eventLog{}), result: make(chan loginOutcome, 1)}
	config := l.authority.config()
	config.RedirectURL = ""
	if change != nil {
		change(&config)
	}
	opened := make(chan string, 1)
	ctx = bounded(ctx, t)
	go func() {
		token, err := config.Login(ctx, func(authURL string) error { opened <- authURL; return nil })
		l.result <- loginOutcome{token, err}
	}()
	select {
	case authURL := <-opened:
		asked, err := url.Parse(authURL)
		require.NoError(t, err)
		require.Equal(t, apiBase+"/oauth/authorize", asked.Scheme+"://"+asked.Host+asked.Path)
		l.asked = asked.Query()
		require.Len(t, l.asked.Get("state"), 26)
	case r := <-l.result:
		require.NoError(t, r.err, "the login ended before the browser was opened")
	}
	return l
}

// callback is the address that the browser is sent to, with the given query.
func (l *loginRound) callback(query string) string { return l.asked.Get("redirect_uri") + "?" + query }

// granted is the query of a person who agrees.
func (l *loginRound) granted() string {
	return url.Values{"code": {l.authority.sentinel("code")}, "state": {l.asked.Get("state")}}.Encode()
}

func (l *loginRound) visit(method, address string) page {
	l.Helper()
	p := visit(l.Context(), l, method, address)
	l.pages = append(l.pages, p)
	return p
}

// end returns what Login has returned, and checks what nobody may have seen.
func (l *loginRound) end() (*oauth2.Token, error) {
	l.Helper()
	r := <-l.result
	secrets := append(l.authority.hidden(), l.asked.Get("state"))
	for _, form := range l.authority.forms {
		secrets = append(secrets, form.Get("code_verifier"))
	}
	for _, p := range l.pages {
		assertNoSecretIn(l, secrets, fmt.Sprint(p.header, p.body), "a page")
	}
	if r.err != nil {
		assertKeepsSecrets(l, secrets, r.err)
	}
	return r.token, r.err
}

// T41, from the first URL to the pair.
func TestLogin_rightCallback_isExchanged(t *testing.T) {
	t.Parallel()
	l := startLogin(t.Context(), t, nil)
	p := l.visit(http.MethodGet, l.callback(l.granted()))
	assert.Equal(t, http.StatusOK, p.status)
	assertSafePage(t, p)
	token, err := l.end()
	require.NoError(t, err)
	assert.NotEmpty(t, token.AccessToken)
	require.Len(t, l.authority.forms, 1)
	form := l.authority.forms[0]
	assert.Equal(t, l.asked["redirect_uri"], form["redirect_uri"])
	assert.Equal(t, l.asked.Get("code_challenge"), oauth2.S256ChallengeFromVerifier(form.Get("code_verifier")))
	assert.NotEqual(t, http.StatusOK, visit(t.Context(), t, http.MethodGet, l.callback(l.granted())).status, "nobody listens any more")
}

// assertSafePage: the page shows a fixed text, is kept nowhere and runs nothing.
func assertSafePage(t testing.TB, p page) {
	t.Helper()
	assert.Equal(t, "text/html; charset=utf-8", p.header.Get("Content-Type"))
	assert.Equal(t, "nosniff", p.header.Get("X-Content-Type-Options"))
	assert.Equal(t, "no-store", p.header.Get("Cache-Control"))
	assert.Equal(t, "no-referrer", p.header.Get("Referrer-Policy"))
	assert.Contains(t, p.header.Get("Content-Security-Policy"), "default-src 'none'")
	assert.NotContains(t, strings.ToLower(p.body), "script")
}

// wrongCallbacks are queries that do not belong to the authorization with state.
func wrongCallbacks(state string) map[string]string {
	swapped := strings.ToLower(state)
	if swapped == state {
		swapped = strings.ToUpper(state)
	}
	return map[string]string{
		"nothing": "", "no state": "code=a", "an empty state": "code=a&state=", "another state": "code=a&state=other", "the state in another case": "code=a&state=" + swapped,
		"the beginning of the state": "code=a&state=" + state[:len(state)-1], "more than the state": "code=a&state=" + state + "x", "a space behind": "code=a&state=" + state + "+",
		"the state twice": "code=a&state=" + state + "&state=" + state, "another state first": "code=a&state=other&state=" + state, "another state behind": "code=a&state=" + state + "&state=other",
		"two codes": "code=a&code=b&state=" + state, "two errors": "error=a&error=b&state=" + state, "no code": "state=" + state, "an empty code": "code=&state=" + state,
		"a semicolon": "code=a;state=" + state, "half an escape": "code=a&state=" + state + "&x=%", "the state as a name": state + "=state&code=a", "an error without state": "error=access_denied",
		"an error of another state": "error=access_denied&state=other", "a fragment": "code=a#state=" + state,
	}
}

// T38: whoever does not know the state changes nothing.
func TestLogin_wrongCallback_isRefusedAndTheWaitGoesOn(t *testing.T) {
	t.Parallel()
	l := startLogin(t.Context(), t, nil)
	for name, query := range wrongCallbacks(l.asked.Get("state")) {
		p := l.visit(http.MethodGet, l.callback(query))
		assert.Equal(t, http.StatusBadRequest, p.status, name)
		assertSafePage(t, p)
	}
	for _, method := range []string{http.MethodPost, http.MethodHead, http.MethodPut, http.MethodOptions} {
		p := l.visit(method, l.callback(l.granted()))
		assert.Equal(t, http.StatusMethodNotAllowed, p.status, method)
		assert.Equal(t, http.MethodGet, p.header.Get("Allow"))
	}
	for _, path := range []string{"/", "/favicon.ico", "/callback/", "//callback", "/callback/../callback"} {
		address := "http://" + hostOf(t, l.asked.Get("redirect_uri")) + path + "?" + l.granted()
		assert.Equal(t, http.StatusNotFound, l.visit(http.MethodGet, address).status, path)
	}
	assert.Empty(t, l.authority.forms, "something was exchanged")
	assert.Equal(t, http.StatusOK, l.visit(http.MethodGet, l.callback(l.granted())).status)
	_, err := l.end()
	require.NoError(t, err)
	assert.Len(t, l.authority.forms, 1)
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Host
}

// T38: of many callbacks with the right state one is exchanged.
func TestLogin_callbackReplayed_isExchangedOnce(t *testing.T) {
	t.Parallel()
	l := startLogin(t.Context(), t, nil)
	release := make(chan struct{})
	l.authority.set(func() { l.authority.always = slow(func(context.Context) { <-release }) })
	query := l.granted()
	statuses := make(chan int, 20)
	var visitors sync.WaitGroup
	for range cap(statuses) {
		visitors.Go(func() { statuses <- visit(t.Context(), t, http.MethodGet, l.callback(query)).status })
	}
	for range cap(statuses) - 1 {
		assert.Equal(t, http.StatusBadRequest, <-statuses)
	}
	close(release)
	assert.Equal(t, http.StatusOK, <-statuses)
	visitors.Wait()
	_, err := l.end()
	require.NoError(t, err)
	assert.Len(t, l.authority.forms, 1)
}

// T39: what comes with a refusal is for nobody's eyes.
func TestLogin_authorizationNotGranted_isATypedError(t *testing.T) {
	t.Parallel()
	for sent, c := range map[string]struct {
		code string
		want error
	}{
		"access_denied":               {"access_denied", revv.ErrForbidden},
		"server_error":                {"server_error", errAny},
		"<script>alert(1)</script>":   {"", errAny},
		"\x1b[2J\r\nSet-Cookie: a=b,": {"", errAny},
	} {
		t.Run(sent, func(t *testing.T) {
			t.Parallel()
			l := startLogin(t.Context(), t, nil)
			p := l.visit(http.MethodGet, l.callback(url.Values{
				"error": {sent}, "error_description": {"<script>alert('description')</script>"}, "error_uri": {"javascript:alert('uri')"}, "state": {l.asked.Get("state")},
			}.Encode()))
			status := http.StatusBadGateway
			if errors.Is(c.want, revv.ErrForbidden) {
				status = http.StatusForbidden
			}
			assert.Equal(t, status, p.status)
			assertSafePage(t, p)
			_, err := l.end()
			if !errors.Is(c.want, errAny) {
				require.ErrorIs(t, err, c.want)
			}
			assert.Equal(t, c.code, failure(t, err).Code)
			for _, text := range []string{"script", "alert", "description", "Set-Cookie"} {
				assert.NotContains(t, err.Error(), text)
				assert.NotContains(t, p.body, text)
			}
			assert.Empty(t, l.authority.forms)
		})
	}
}

func TestLogin_exchangeFails_isTheError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault tokenFault
		want  error
	}{
		"the code is refused":     {refuses("invalid_grant"), revv.ErrReauthorizationRequired},
		"the connection is cut":   {resets, revv.ErrOutcomeUnknown},
		"a page is shown":         {answers(200, "<html>ECHO"), revv.ErrUnexpectedContent},
		"the endpoint redirects":  {redirects(307), revv.ErrRedirected},
		"the server is in a mess": {answers(500, serverTrouble), revv.ErrServer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := startLogin(t.Context(), t, nil)
			l.authority.set(func() { l.authority.always = c.fault })
			p := l.visit(http.MethodGet, l.callback(l.granted()))
			assert.Equal(t, http.StatusBadGateway, p.status)
			assertSafePage(t, p)
			token, err := l.end()
			require.ErrorIs(t, err, c.want)
			assert.Nil(t, token)
			assert.Len(t, l.authority.forms, 1)
		})
	}
}

// A person closes the page when it has done its duty; the code is spent by then.
func TestLogin_browserLeavesDuringTheExchange_isFinished(t *testing.T) {
	t.Parallel()
	l := startLogin(t.Context(), t, nil)
	asked, release := make(chan struct{}), make(chan struct{})
	l.authority.set(func() {
		l.authority.always = slow(func(ctx context.Context) {
			close(asked)
			<-release
			select { // time for a cancellation that must not come
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		})
	})
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan page, 1)
	go func() { left <- visit(ctx, t, http.MethodGet, l.callback(l.granted())) }()
	<-asked
	leave()
	assert.Zero(t, (<-left).status)
	close(release)
	token, err := l.end()
	require.NoError(t, err)
	assert.NotEmpty(t, token.AccessToken)
}

// Where the code has been sent the context is not the whole story.
func TestLogin_contextEndsDuringTheExchange_saysThatTheCodeMayBeSpent(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	l := startLogin(ctx, t, nil)
	asked := make(chan struct{})
	l.authority.set(func() {
		l.authority.always = func(a *authority, r tokenRequest) (*http.Response, error) {
			close(asked)
			return hangs(a, r)
		}
	})
	shown := make(chan page, 1)
	go func() { shown <- visit(t.Context(), t, http.MethodGet, l.callback(l.granted())) }()
	<-asked
	cancel()
	_, err := l.end()
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
	assert.Equal(t, http.StatusBadGateway, (<-shown).status)
}

func TestLogin_contextEnds_nobodyHasAuthorized(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	l := startLogin(ctx, t, nil)
	cancel()
	_, err := l.end()
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, revv.ErrOutcomeUnknown)
	assert.ErrorContains(t, err, "nobody has authorized")
	assert.NotEqual(t, http.StatusOK, visit(t.Context(), t, http.MethodGet, l.callback(l.granted())).status, "nobody listens any more")
}

func TestLogin_browserCannotBeOpened_theErrorKeepsTheState(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, &eventLog{})
	config := a.config()
	config.RedirectURL = ""
	var state string
	for name, describe := range map[string]func(authURL string) error{
		"plainly":    func(string) error { return errLedgerDown },
		"with a URL": func(u string) error { return fmt.Errorf("cannot open %s", u) },
		"as a URL":   func(u string) error { return &url.Error{Op: "open", URL: u, Err: errLedgerDown} },
	} {
		_, err := config.Login(t.Context(), func(authURL string) error {
			u, err := url.Parse(authURL)
			if !assert.NoError(t, err) {
				return err
			}
			state = u.Query().Get("state")
			return describe(authURL)
		})
		require.ErrorContains(t, err, "the browser could not be opened", name)
		require.NotEmpty(t, state)
		assertKeepsSecrets(t, append(a.hidden(), state), err)
		if name != "with a URL" {
			require.ErrorIs(t, err, errLedgerDown)
		}
	}
}

// The redirect URL is part of what the service compares, so it is kept as it is.
func TestLogin_redirectURL_isKeptOrGetsAFreePort(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	for given, want := range map[string]string{
		"":                           "http://127.0.0.1:PORT/callback",
		"http://127.0.0.1/":          "http://127.0.0.1:PORT/",
		"http://127.0.0.1":           "http://127.0.0.1:PORT",
		"http://localhost/deep/path": "http://localhost:PORT/deep/path",
		"http://127.0.0.1:" + port + "/Call%2Dback/": "",
		"http://localhost:" + port + "/callback":     "http://localhost:" + port + "/callback",
	} {
		if want == "" { // escaped characters would be ambiguous
			assertRedirectRefused(t, given)
			continue
		}
		l := startLogin(t.Context(), t, func(c *revv.OAuthConfig) { c.RedirectURL = given })
		redirect := l.asked.Get("redirect_uri")
		u, err := url.Parse(redirect)
		require.NoError(t, err)
		assert.Equal(t, strings.Replace(want, "PORT", u.Port(), 1), redirect)
		target := *u
		target.Host, target.RawQuery = "127.0.0.1:"+u.Port(), l.granted()
		assert.Equal(t, http.StatusOK, l.visit(http.MethodGet, target.String()).status, given)
		_, err = l.end()
		require.NoError(t, err)
		assert.Equal(t, redirect, l.authority.forms[0].Get("redirect_uri"))
	}
	for _, given := range []string{
		"https://127.0.0.1/callback", "http://example.com/callback", "http://127.0.0.1:0/callback", "http://192.0.2.1/callback", "http://127.0.0.1/callback?a=b",
		"http://127.0.0.1/#a", "http://user@127.0.0.1/", "urn:ietf:wg:oauth:2.0:oob", "127.0.0.1:8765/callback", "app://callback", "http:///callback", "http://127.0.0.1:99999/callback/%zz",
	} {
		assertRedirectRefused(t, given)
	}
}

func assertRedirectRefused(t *testing.T, redirect string) {
	t.Helper()
	config := newAuthority(t, &eventLog{}).config()
	config.RedirectURL = redirect
	_, err := config.Login(t.Context(), func(string) error {
		t.Errorf("the browser was opened for %q", redirect)
		return errSilence
	})
	require.ErrorIs(t, err, revv.ErrInvalidArgument, redirect)
	assert.Equal(t, "RedirectURL", failure(t, err).Argument)
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return port
}

func TestLogin_portIsTaken_isSaidBeforeTheBrowserOpens(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	config := newAuthority(t, &eventLog{}).config()
	config.RedirectURL = "http://" + listener.Addr().String() + "/callback"
	_, err = config.Login(t.Context(), func(string) error {
		t.Error("the browser was opened")
		return errSilence
	})
	inUse := syscall.EADDRINUSE
	if runtime.GOOS == "windows" {
		inUse = 10048 // WSAEADDRINUSE; the number of package syscall is an invention, which no call returns
	}
	require.ErrorIs(t, err, inUse)
	assert.Equal(t, "OAuth.Login", failure(t, err).Op)
}
