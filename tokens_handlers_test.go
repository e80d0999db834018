package revv_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// webReplica is one process of a web application. Replicas share nothing but the
// configuration.
type webReplica struct {
	start, callback http.Handler

	mu    sync.Mutex
	ended []loginOutcome // what done was called with
}

const webRedirect = "https://app.example.com/oauth/callback"

func newWebReplica(t *testing.T, config revv.OAuthConfig) *webReplica {
	t.Helper()
	r := &webReplica{}
	var err error
	r.start, r.callback, err = config.Handlers(func(w http.ResponseWriter, req *http.Request, token *oauth2.Token, err error) {
		assert.NoError(t, req.Context().Err(), "what saves the pair must not end with the browser")
		r.mu.Lock()
		r.ended = append(r.ended, loginOutcome{token, err})
		r.mu.Unlock()
		w.WriteHeader(http.StatusTeapot)
	})
	require.NoError(t, err)
	return r
}

func (r *webReplica) outcomes() []loginOutcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]loginOutcome{}, r.ended...)
}

// begin starts an authorization in a new browser.
func (r *webReplica) begin(t *testing.T) (cookie *http.Cookie, asked url.Values) {
	t.Helper()
	w := httptest.NewRecorder()
	r.start.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://app.example.com/connect", http.NoBody))
	require.Equal(t, http.StatusFound, w.Code)
	location, err := w.Result().Location()
	require.NoError(t, err)
	require.Equal(t, apiBase+"/oauth/authorize", location.Scheme+"://"+location.Host+location.Path)
	cookies := w.Result().Cookies()
	require.Len(t, cookies, 1)
	return cookies[0], location.Query()
}

// back is the browser that comes back, with the cookies that it has.
func (r *webReplica) back(t *testing.T, method, query string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequest(method, webRedirect, http.NoBody)
	req.URL.RawQuery = query
	for _, c := range cookies {
		req.AddCookie(c)
	}
	w := httptest.NewRecorder()
	r.callback.ServeHTTP(w, req)
	return w
}

func grantedQuery(asked url.Values) string {
	return url.Values{"code": {"a-code"}, "state": {asked.Get("state")}}.Encode()
}

// assertRefusedPage: the callback led nowhere, and its page gives nothing away.
func assertRefusedPage(t *testing.T, w *httptest.ResponseRecorder, why string, secrets ...string) {
	t.Helper()
	assert.Equal(t, http.StatusBadRequest, w.Code, why)
	assertSafePage(t, page{w.Code, w.Header(), w.Body.String()})
	assertNoSecretIn(t, secrets, fmt.Sprint(w.Header(), w.Body.String()), why)
}

func TestHandlers_start_sendsTheBrowserToTheService(t *testing.T) {
	t.Parallel()
	for redirect, secure := range map[string]bool{webRedirect: true, "http://127.0.0.1:8080/oauth/callback": false} {
		a := newAuthority(t, &eventLog{})
		config := a.config()
		config.RedirectURL = redirect
		r := newWebReplica(t, config)
		states := make(map[string]bool)
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			w := httptest.NewRecorder()
			r.start.ServeHTTP(w, httptest.NewRequest(method, "/connect?next=/secret-place", http.NoBody))
			assert.Equal(t, http.StatusFound, w.Code)
			assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			assert.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"))
			cookies := w.Result().Cookies()
			require.Len(t, cookies, 1)
			cookie := cookies[0]
			assert.Equal(t, secure, cookie.Secure)
			assert.True(t, cookie.HttpOnly)
			assert.Equal(t, http.SameSiteLaxMode, cookie.SameSite, "the browser comes from another site")
			if secure { // a sibling of this host cannot set one of this name
				assert.Equal(t, "__Host-revv_login", cookie.Name)
				assert.Equal(t, "/", cookie.Path)
			} else {
				assert.Equal(t, "revv_login", cookie.Name)
				assert.Equal(t, "/oauth/callback", cookie.Path)
			}
			assert.Empty(t, cookie.Domain)
			assert.Equal(t, 600, cookie.MaxAge)
			location, err := w.Result().Location()
			require.NoError(t, err)
			query := location.Query()
			assert.Equal(t, redirect, query.Get("redirect_uri"))
			assert.Equal(t, "S256", query.Get("code_challenge_method"))
			assert.GreaterOrEqual(t, len(query.Get("state")), 43)
			assert.NotContains(t, location.String(), cookie.Value, "the cookie stays between the browser and the application")
			assert.NotContains(t, cookie.Value, query.Get("state"))
			states[query.Get("state")], states[query.Get("code_challenge")], states[cookie.Value] = true, true, true
			assertNoSecretIn(t, a.hidden(), fmt.Sprint(w.Header(), w.Body), "the redirect")
		}
		assert.Len(t, states, 6, "all are new for every authorization")
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions} {
			w := httptest.NewRecorder()
			r.start.ServeHTTP(w, httptest.NewRequest(method, "/connect", http.NoBody))
			assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
			assert.Equal(t, "GET, POST", w.Header().Get("Allow"))
			assert.Empty(t, w.Header()["Set-Cookie"])
		}
	}
}

func TestHandlers_rightCallback_isExchangedOnce(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, &eventLog{})
	r := newWebReplica(t, a.config())
	cookie, asked := r.begin(t)
	w := r.back(t, http.MethodGet, grantedQuery(asked), cookie)
	assert.Equal(t, http.StatusTeapot, w.Code, "the answer is the application's")
	assert.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"))
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	cleared := w.Result().Cookies()
	require.Len(t, cleared, 1)
	assert.Equal(t, []any{cookie.Name, "", cookie.Path, true, true}, []any{cleared[0].Name, cleared[0].Value, cleared[0].Path, cleared[0].Secure, cleared[0].MaxAge < 0})

	require.Len(t, a.forms, 1)
	form := a.forms[0]
	assert.Equal(t, "a-code", form.Get("code"))
	assert.Equal(t, asked["redirect_uri"], form["redirect_uri"])
	assert.Equal(t, asked.Get("code_challenge"), oauth2.S256ChallengeFromVerifier(form.Get("code_verifier")))
	outcomes := r.outcomes()
	require.Len(t, outcomes, 1)
	require.NoError(t, outcomes[0].err)
	assert.NotEmpty(t, outcomes[0].token.RefreshToken)

	assertRefusedPage(t, r.back(t, http.MethodGet, grantedQuery(asked), cookie), "used before", asked.Get("state"))
	assert.Len(t, r.outcomes(), 1)
	assert.Len(t, a.forms, 1)
	assertKeepsSecrets(t, append(a.hidden(), asked.Get("state"), form.Get("code_verifier"), cookie.Value), []any{r.start, r.callback})
}

// T38 in a web application.
func TestHandlers_wrongCallback_isRefused(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, &eventLog{})
	r := newWebReplica(t, a.config())
	cookie, asked := r.begin(t)
	state := asked.Get("state")
	secrets := append(a.hidden(), state)
	for name, query := range wrongCallbacks(state) {
		assertRefusedPage(t, r.back(t, http.MethodGet, query, cookie), name, secrets...)
	}
	otherCookie, otherAsked := r.begin(t)
	tampered, empty := *cookie, *cookie
	first := map[bool]string{true: "B", false: "A"}[cookie.Value[0] == 'A']
	tampered.Value, empty.Value = first+cookie.Value[1:], ""
	for name, c := range map[string]struct {
		query   string
		cookies []*http.Cookie
	}{
		"no cookie":                  {grantedQuery(asked), nil},
		"the cookie of another":      {grantedQuery(asked), []*http.Cookie{otherCookie}},
		"the state of another":       {grantedQuery(otherAsked), []*http.Cookie{cookie}},
		"a cookie that was changed":  {grantedQuery(asked), []*http.Cookie{&tampered}},
		"an empty cookie":            {grantedQuery(asked), []*http.Cookie{&empty}},
		"a cookie of another name":   {grantedQuery(asked), []*http.Cookie{{Name: "session", Value: cookie.Value}}},
		"the state as the cookie":    {grantedQuery(asked), []*http.Cookie{{Name: cookie.Name, Value: state}}},
		"the cookie as the state":    {"code=a-code&state=" + cookie.Value, []*http.Cookie{cookie}},
		"a refusal without a cookie": {"error=access_denied&state=" + state, nil},
	} {
		assertRefusedPage(t, r.back(t, http.MethodGet, c.query, c.cookies...), name, secrets...)
	}
	for _, method := range []string{http.MethodPost, http.MethodHead, http.MethodPut} {
		w := r.back(t, method, grantedQuery(asked), cookie)
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code, method)
		assert.Equal(t, http.MethodGet, w.Header().Get("Allow"))
	}
	assert.Empty(t, a.forms, "something was exchanged")
	assert.Empty(t, r.outcomes())
	assert.Equal(t, http.StatusTeapot, r.back(t, http.MethodGet, grantedQuery(asked), cookie).Code, "the right one is still waited for")
	assert.Equal(t, http.StatusTeapot, r.back(t, http.MethodGet, grantedQuery(otherAsked), otherCookie).Code)
}

func TestHandlers_callbackReplayedAtOnce_isExchangedOnce(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, &eventLog{})
	r := newWebReplica(t, a.config())
	cookie, asked := r.begin(t)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { r.back(t, http.MethodGet, grantedQuery(asked), cookie) })
	}
	all.Wait()
	assert.Len(t, a.forms, 1)
	assert.Len(t, r.outcomes(), 1)
}

// T39 in a web application.
func TestHandlers_authorizationNotGranted_isATypedError(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, &eventLog{})
	r := newWebReplica(t, a.config())
	cookie, asked := r.begin(t)
	w := r.back(t, http.MethodGet, url.Values{
		"error": {"access_denied"}, "error_description": {"<script>alert(1)</script>"}, "state": {asked.Get("state")},
	}.Encode(), cookie)
	assert.NotContains(t, w.Body.String(), "script")
	outcomes := r.outcomes()
	require.Len(t, outcomes, 1)
	require.ErrorIs(t, outcomes[0].err, revv.ErrForbidden)
	assert.Nil(t, outcomes[0].token)
	assert.Equal(t, "access_denied", failure(t, outcomes[0].err).Code)
	assertKeepsSecrets(t, []string{"<script>", "alert(1)", asked.Get("state")}, outcomes[0].err)
	assert.Empty(t, a.forms)
	assertRefusedPage(t, r.back(t, http.MethodGet, grantedQuery(asked), cookie), "a refusal uses the state up", asked.Get("state"))
}

func TestHandlers_exchangeFails_isTheErrorOfDone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault tokenFault
		want  error
	}{
		"the code is refused":   {refuses("invalid_grant"), revv.ErrReauthorizationRequired},
		"the connection is cut": {resets, revv.ErrOutcomeUnknown},
		"a page is shown":       {answers(200, "<html>ECHO"), revv.ErrUnexpectedContent},
	} {
		a := newAuthority(t, &eventLog{})
		a.always = c.fault
		r := newWebReplica(t, a.config())
		cookie, asked := r.begin(t)
		r.back(t, http.MethodGet, grantedQuery(asked), cookie)
		require.Len(t, a.forms, 1, name)
		outcomes := r.outcomes()
		require.Len(t, outcomes, 1, name)
		require.ErrorIs(t, outcomes[0].err, c.want)
		assert.Nil(t, outcomes[0].token)
		assertKeepsSecrets(t, append(a.hidden(), asked.Get("state"), a.forms[0].Get("code_verifier"), cookie.Value), outcomes[0].err)
	}
}

// A state is good for ten minutes, and for as long it is known that it was used.
func TestHandlers_state_expires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, &eventLog{})
		r := newWebReplica(t, a.config())
		oldCookie, old := r.begin(t)
		pass(time.Minute)
		cookie, asked := r.begin(t)
		pass(9 * time.Minute)
		assert.Equal(t, http.StatusTeapot, r.back(t, http.MethodGet, grantedQuery(old), oldCookie).Code, "ten minutes")
		assert.Equal(t, http.StatusTeapot, r.back(t, http.MethodGet, grantedQuery(asked), cookie).Code, "nine minutes")
		assertRefusedPage(t, r.back(t, http.MethodGet, grantedQuery(asked), cookie), "at once again")
		pass(time.Minute - time.Second)
		assertRefusedPage(t, r.back(t, http.MethodGet, grantedQuery(asked), cookie), "again before its end")

		cookie, asked = r.begin(t)
		pass(10*time.Minute + time.Second)
		assertRefusedPage(t, r.back(t, http.MethodGet, grantedQuery(asked), cookie), "too late", asked.Get("state"))
		assert.Len(t, a.forms, 2)
	})
}

// The time between two sweeps must not bring a used state back.
func TestHandlers_usedStates_stayUsedAmongMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, &eventLog{})
		r := newWebReplica(t, a.config())
		cookie, asked := r.begin(t)
		assert.Equal(t, http.StatusTeapot, r.back(t, http.MethodGet, grantedQuery(asked), cookie).Code)
		for range 19 {
			pass(31 * time.Second)
			other, otherAsked := r.begin(t)
			assert.Equal(t, http.StatusTeapot, r.back(t, http.MethodGet, grantedQuery(otherAsked), other).Code)
			assertRefusedPage(t, r.back(t, http.MethodGet, grantedQuery(asked), cookie), "used")
		}
		assert.Len(t, a.forms, 20)
	})
}

// A browser may come back to another process than the one that it left from.
func TestHandlers_replicas_shareTheSecretAlone(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, &eventLog{})
	one, other := newWebReplica(t, a.config()), newWebReplica(t, a.config())
	cookie, asked := one.begin(t)
	assert.Equal(t, http.StatusTeapot, other.back(t, http.MethodGet, grantedQuery(asked), cookie).Code)
	require.Len(t, a.forms, 1)
	assert.Equal(t, asked.Get("code_challenge"), oauth2.S256ChallengeFromVerifier(a.forms[0].Get("code_verifier")))

	for name, change := range map[string]func(*revv.OAuthConfig){
		"another application":  func(c *revv.OAuthConfig) { c.ClientSecret = "another secret" },
		"another client id":    func(c *revv.OAuthConfig) { c.ClientID = "another" },
		"another endpoint":     func(c *revv.OAuthConfig) { c.Endpoint.TokenURL = "https://other.example.com/oauth/token" },
		"another page":         func(c *revv.OAuthConfig) { c.Endpoint.AuthURL += "?org=other" },
		"another redirect URL": func(c *revv.OAuthConfig) { c.RedirectURL += "/other" },
	} {
		config := a.config()
		change(&config)
		stranger := newWebReplica(t, config)
		cookie, asked = stranger.begin(t)
		assertRefusedPage(t, one.back(t, http.MethodGet, grantedQuery(asked), cookie), name, asked.Get("state"))
	}
	assert.Len(t, a.forms, 1)
}

// The exchange of a browser that has gone away ends with its request.
func TestHandlers_requestEnds_doneLearnsThatTheCodeMayBeSpent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, &eventLog{})
		a.always = hangs
		r := newWebReplica(t, a.config())
		cookie, asked := r.begin(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req := httptest.NewRequest(http.MethodGet, webRedirect+"?"+grantedQuery(asked), http.NoBody).WithContext(ctx)
		req.AddCookie(cookie)
		r.callback.ServeHTTP(httptest.NewRecorder(), req)
		outcomes := r.outcomes()
		require.Len(t, outcomes, 1)
		require.ErrorIs(t, outcomes[0].err, revv.ErrOutcomeUnknown)
		require.ErrorIs(t, outcomes[0].err, context.DeadlineExceeded)
	})
}

func TestHandlers_unusableConfiguration_isNamed(t *testing.T) {
	t.Parallel()
	done := func(http.ResponseWriter, *http.Request, *oauth2.Token, error) {}
	for _, redirect := range []string{"", "/callback", "http://app.example.com/callback", "https://app.example.com/callback?a=b", "https://user@app.example.com/", "https://app.example.com/#a"} {
		config := newAuthority(t, &eventLog{}).config()
		config.RedirectURL = redirect
		_, _, err := config.Handlers(done)
		require.ErrorIs(t, err, revv.ErrInvalidArgument, redirect)
		assert.Equal(t, "RedirectURL", failure(t, err).Argument)
	}
	config := newAuthority(t, &eventLog{}).config()
	config.RedirectURL = strings.TrimSuffix(webRedirect, "/oauth/callback")
	cookie, _ := newWebReplica(t, config).begin(t)
	assert.Equal(t, "/", cookie.Path)
}
