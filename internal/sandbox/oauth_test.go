package sandbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

const verifier = "0123456789-0123456789-0123456789-0123456789"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is a good authorization request, changed by pairs; "" removes one.
func (a *api) request(changes ...string) url.Values {
	query := url.Values{
		"client_id": {a.App().ClientID}, "redirect_uri": {"http://127.0.0.1:8765/callback"}, "response_type": {"code"},
		"state": {"st&te"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	return changed(query, changes)
}

func changed(values url.Values, changes []string) url.Values {
	for i := 0; i < len(changes); i += 2 {
		values.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			values.Del(changes[i])
		}
	}
	return values
}

// code authorizes the application and returns the code.
func (a *api) code(changes ...string) string {
	a.t.Helper()
	location, err := a.Authorize(a.BaseURL()+"/oauth/authorize?"+a.request(changes...).Encode(), true)
	require.NoError(a.t, err)
	u, err := url.Parse(location)
	require.NoError(a.t, err)
	require.Empty(a.t, u.Query().Get("error"), location)
	return u.Query().Get("code")
}

// token posts a form to the token endpoint.
func (a *api) token(form url.Values, headers ...string) (status int, members map[string]any) {
	a.t.Helper()
	headers = append([]string{"AccessToken", "", "Content-Type", "application/x-www-form-urlencoded"}, headers...)
	w := a.do("POST", "/oauth/token", form.Encode(), headers...)
	if w.Code < http.StatusInternalServerError {
		assert.Equal(a.t, "no-store", w.Header().Get("Cache-Control"))
	}
	require.NoError(a.t, json.Unmarshal(w.Body.Bytes(), &members), "%s", w.Body)
	return w.Code, members
}

func (a *api) trade(code string, changes ...string) url.Values {
	return changed(url.Values{
		"client_id": {a.App().ClientID}, "client_secret": {a.App().ClientSecret}, "redirect_uri": {"http://127.0.0.1:8765/callback"},
		"code": {code}, "grant_type": {"authorization_code"}, "code_verifier": {verifier},
	}, changes)
}

func refresh(token any, changes ...string) url.Values {
	text, _ := token.(string)
	return changed(url.Values{"refresh_token": {text}, "grant_type": {"refresh_token"}}, changes)
}

func TestOAuth_authorizeTradeRefresh(t *testing.T) {
	a := newAPI(t)
	status, pair := a.token(a.trade(a.code()))
	require.Equal(t, http.StatusOK, status, pair)
	assert.Equal(t, "Bearer", pair["token_type"])
	assert.InDelta(t, 3600, pair["expires_in"], 0)

	a.tokens.AccessToken, _ = pair["access_token"].(string)
	a.ok("GET", "/api/webhooks", "")
	status, next := a.token(refresh(pair["refresh_token"]))
	require.Equal(t, http.StatusOK, status, next)
	assert.NotEqual(t, pair["refresh_token"], next["refresh_token"])
	a.ok("GET", "/api/webhooks", "")
	a.Advance(time.Hour)
	assert.Contains(t, a.refused(http.StatusUnauthorized, "GET", "/api/webhooks", ""), "has expired")
}

// The consent page as a browser sees it.
func TestOAuth_consentPage(t *testing.T) {
	a := newAPI(t)
	for decision, want := range map[string]string{"authorize": "code", "cancel": "error"} {
		page := a.do("GET", "/oauth/authorize?"+a.request().Encode(), "", "AccessToken", "")
		require.Equal(t, http.StatusOK, page.Code)
		assert.Contains(t, page.Body.String(), "<h1>Authorize Sandbox application</h1>")
		assert.Contains(t, page.Body.String(), "Sandbox application asks owner@example.com")
		ticket := regexp.MustCompile(`name="ticket" value="([A-Za-z0-9]+)"`).FindStringSubmatch(page.Body.String())
		require.NotNil(t, ticket)
		form := url.Values{"ticket": {ticket[1]}, "decision": {decision}}.Encode()
		post := func() *httptest.ResponseRecorder {
			return a.do("POST", "/oauth/authorize", form, "Content-Type", "application/x-www-form-urlencoded", "AccessToken", "")
		}
		w := post()
		require.Equal(t, http.StatusSeeOther, w.Code)
		u, err := url.Parse(w.Header().Get("Location"))
		require.NoError(t, err)
		assert.Equal(t, "127.0.0.1:8765", u.Host)
		assert.Equal(t, "st&te", u.Query().Get("state"))
		assert.NotEmpty(t, u.Query().Get(want))
		assert.Equal(t, http.StatusBadRequest, post().Code, "a page is answered once")
	}
	assert.Equal(t, http.StatusBadRequest, a.do("POST", "/oauth/authorize", "decision=maybe").Code)

	consent, _, err := a.BeginConsent(a.request().Encode())
	require.NoError(t, err)
	for mistake, message := range map[string]string{"decision=authorize&x=%zz": "malformed", "decision=maybe": "must be authorize or cancel"} {
		w := a.do("POST", "/oauth/authorize", "ticket="+consent.Ticket+"&"+mistake, "Content-Type", "application/x-www-form-urlencoded", "AccessToken", "")
		assert.Equal(t, http.StatusBadRequest, w.Code, mistake)
		assert.Contains(t, w.Body.String(), message)
	}
	requests := a.Requests()
	assert.NotContains(t, requests[len(requests)-1].Body, consent.Ticket, "whoever has it can decide")
	a.Advance(11 * time.Minute)
	_, err = a.DecideConsent(consent.Ticket, true)
	require.ErrorContains(t, err, "too old")
}

func TestOAuth_badAuthorizationRequests(t *testing.T) {
	a := newAPI(t)
	shown := map[string][]string{
		"<p>client_id is missing.</p>": {"client_id", ""},
		"<p>No application":            {"client_id", "x"},
		"<p>redirect_uri is missing":   {"redirect_uri", ""},
		"<p>The redirect_uri":          {"redirect_uri", "http://127.0.0.1:8765/other"},
		"is not regis":                 {"redirect_uri", "http://localhost:8765/callback"},
		"not registered":               {"redirect_uri", "https://127.0.0.1/callback"},
		"registered; ":                 {"redirect_uri", "http://u@127.0.0.1/callback"},
	}
	for message, changes := range shown {
		w := a.do("GET", "/oauth/authorize?"+a.request(changes...).Encode(), "")
		assert.Equal(t, http.StatusBadRequest, w.Code)
		assert.Contains(t, w.Body.String(), message)
		assert.Empty(t, w.Header().Get("Location"), "nothing redirects to where nobody registered")
	}
	assert.Equal(t, http.StatusBadRequest, a.do("GET", "/oauth/authorize?client_id=a&client_id=b", "").Code)
	assert.Equal(t, http.StatusBadRequest, a.do("GET", "/oauth/authorize?client_id=%zz", "").Code)

	told := map[string][]string{
		"unsupported_response_type": {"response_type", "token"},
		"S256":                      {"code_challenge_method", "plain"},
		"without":                   {"code_challenge", ""},
		"43 characters":             {"code_challenge", "short"},
		"of base64url":              {"code_challenge", strings.Repeat("+", 43)},
		"invalid_request":           {"response_type", ""},
		"scope":                     {"scope", "all"},
	}
	for message, changes := range told {
		location, err := a.Authorize(a.BaseURL()+"/oauth/authorize?"+a.request(changes...).Encode(), true)
		require.NoError(t, err)
		u, err := url.Parse(location)
		require.NoError(t, err)
		assert.Contains(t, u.Query().Get("error")+u.Query().Get("error_description"), message)
		assert.Equal(t, "st&te", u.Query().Get("state"))
		assert.Equal(t, http.StatusSeeOther, a.do("GET", "/oauth/authorize?"+a.request(changes...).Encode(), "").Code)
	}
	_, err := a.Authorize("http://127.0.0.1:1/oauth/token", true)
	require.ErrorContains(t, err, "is not the authorization page")
	_, err = a.Authorize(":", true)
	require.Error(t, err)
	_, err = a.Authorize(a.BaseURL()+"/oauth/authorize?client_id=x", true)
	require.ErrorContains(t, err, "client_id")

	location, err := a.Authorize(a.BaseURL()+"/oauth/authorize?"+a.request("state", "").Encode(), false)
	require.NoError(t, err)
	assert.Contains(t, location, "error=access_denied")
	assert.NotContains(t, location, "state=")
}

func TestOAuth_registeredRedirectURLs(t *testing.T) {
	a := newAPI(t, func(o *sandbox.Options) {
		o.RedirectURLs = []string{"https://example.com/callback?from=revv", "http://localhost:1/cb"}
	})
	location, err := a.Authorize(a.BaseURL()+"/oauth/authorize?"+a.request("redirect_uri", "https://example.com/callback?from=revv").Encode(), true)
	require.NoError(t, err)
	assert.Contains(t, location, "from=revv")
	_, err = a.Authorize(a.BaseURL()+"/oauth/authorize?"+a.request("redirect_uri", "http://localhost:2/cb").Encode(), true)
	require.Error(t, err, "only the port of an address is free")

	a = newAPI(t)
	for _, other := range []string{
		"https://127.0.0.1:8765/callback", "http://127.0.0.2:8765/callback", "http://user@127.0.0.1:8765/callback",
		"http://127.0.0.1:0/callback", "http://127.0.0.1:8765/callback/", "http://127.0.0.1:8765/callback?from=revv",
	} {
		_, err = a.Authorize(a.BaseURL()+"/oauth/authorize?"+a.request("redirect_uri", other).Encode(), true)
		require.ErrorContains(t, err, "redirect_uri", other)
	}
}

func TestOAuth_badTrades(t *testing.T) {
	a := newAPI(t)
	cases := []struct {
		name    string
		changes []string
		status  int
		code    string
		message string
	}{
		{"unknown code", []string{"code", "x"}, 400, "invalid_grant", "not known"},
		{"no code", []string{"code", ""}, 400, "invalid_request", "code: the field is missing"},
		{"wrong secret", []string{"client_secret", "x"}, 401, "invalid_client", "wrong"},
		{"wrong id", []string{"client_id", "x"}, 401, "invalid_client", "wrong"},
		{"no secret", []string{"client_secret", ""}, 400, "invalid_request", "client_secret"},
		{"other redirect", []string{"redirect_uri", "http://127.0.0.1:8766/callback"}, 400, "invalid_grant", "redirect_uri"},
		{"the name in the article's prose", []string{"redirect_uri", "", "redirect_url", "http://127.0.0.1:8765/callback"}, 400, "invalid_request", "redirect_uri"},
		{"wrong verifier", []string{"code_verifier", strings.Repeat("x", 43)}, 400, "invalid_grant", "does not match"},
		{"no verifier", []string{"code_verifier", ""}, 400, "invalid_request", "code_verifier"},
		{"short verifier", []string{"code_verifier", strings.Repeat("x", 42)}, 400, "invalid_request", "code_verifier: 43 to 128"},
		{"longest verifier", []string{"code_verifier", strings.Repeat("~", 128)}, 400, "invalid_grant", "does not match"},
		{"long verifier", []string{"code_verifier", strings.Repeat("x", 129)}, 400, "invalid_request", "code_verifier: 43 to 128"},
		{"strange verifier", []string{"code_verifier", strings.Repeat("+", 43)}, 400, "invalid_request", "code_verifier: 43 to 128"},
		{"extra member", []string{"scope", "all"}, 400, "invalid_request", "scope: the contract knows no such field"},
		{"other grant", []string{"grant_type", "password"}, 400, "unsupported_grant_type", "only authorization_code and refresh_token"},
		{"no grant", []string{"grant_type", ""}, 400, "invalid_request", "grant_type"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, members := a.token(a.trade(a.code(), c.changes...))
			assert.Equal(t, c.status, status)
			assert.Equal(t, c.code, members["error"])
			assert.Contains(t, members["error_description"], c.message)
		})
	}
	_, members := a.token(a.trade(a.code("code_challenge", "", "code_challenge_method", "")))
	assert.Contains(t, members["error_description"], "had no code_challenge")
	status, _ := a.token(a.trade(a.code("code_challenge", "", "code_challenge_method", ""), "code_verifier", ""))
	assert.Equal(t, http.StatusOK, status, "the API of 2021 knew no PKCE")

	code := a.code()
	a.Advance(10 * time.Minute)
	_, members = a.token(a.trade(code))
	assert.Equal(t, "invalid_grant", members["error"])

	form := a.trade(a.code())
	for _, headers := range [][]string{
		{"Content-Type", "application/json"}, {"Authorization", "Basic eDp5"}, {"AccessToken", "x"},
	} {
		_, members = a.token(form, headers...)
		assert.Equal(t, "invalid_request", members["error"])
	}
	form["code"] = append(form["code"], "x")
	_, members = a.token(form)
	assert.Contains(t, members["error_description"], "code: the field occurs twice")
	query := a.do("POST", "/oauth/token?code=x", refresh(a.tokens.RefreshToken).Encode(), "AccessToken", "", "Content-Type", "application/x-www-form-urlencoded")
	assert.Equal(t, http.StatusBadRequest, query.Code)
	assert.Contains(t, query.Body.String(), "takes no query")
	assert.Equal(t, http.StatusBadRequest, a.do("POST", "/oauth/token", "%zz", "AccessToken", "", "Content-Type", "application/x-www-form-urlencoded").Code)
	assert.Equal(t, http.StatusMethodNotAllowed, a.do("GET", "/oauth/token", "").Code)
}

// A code that is traded twice was stolen by one of the two.
func TestOAuth_codeTwice_revokes(t *testing.T) {
	a := newAPI(t)
	form := a.trade(a.code())
	_, pair := a.token(form)
	_, members := a.token(form)
	assert.Equal(t, "invalid_grant", members["error"])
	a.tokens.AccessToken, _ = pair["access_token"].(string)
	assert.Contains(t, a.refused(http.StatusUnauthorized, "GET", "/api/webhooks", ""), "revoked")
}

func TestOAuth_badRefreshes(t *testing.T) {
	a := newAPI(t)
	for message, form := range map[string]url.Values{
		"not known":                      refresh(a.tokens.AccessToken),
		"refresh_token: the field":       refresh(""),
		"code_verifier: the contract kn": refresh(a.tokens.RefreshToken, "code_verifier", "x"),
	} {
		status, members := a.token(form)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, members["error_description"], message)
	}
	lenient := newAPI(t, func(o *sandbox.Options) { o.Lenient = true })
	status, _ := lenient.token(refresh(lenient.tokens.RefreshToken, "client_id", "x", "code_verifier", "x"))
	assert.Equal(t, http.StatusOK, status)
}

// A client that was once told invalid_client adds its credentials, and goes on doing so.
// They are not due, and wrong ones are refused.
func TestOAuth_refreshWithCredentials(t *testing.T) {
	for _, lenient := range []bool{false, true} {
		a := newAPI(t, func(o *sandbox.Options) { o.Lenient = lenient })
		app := a.App()
		for _, wrong := range [][]string{
			{"client_id", app.ClientID, "client_secret", "x"}, {"client_id", "x", "client_secret", app.ClientSecret}, {"client_secret", app.ClientSecret},
		} {
			status, members := a.token(refresh(a.tokens.RefreshToken, wrong...))
			assert.Equal(t, http.StatusUnauthorized, status)
			assert.Equal(t, "invalid_client", members["error"])
		}
		status, _ := a.token(refresh(a.tokens.RefreshToken, "client_id", app.ClientID, "client_secret", app.ClientSecret))
		assert.Equal(t, http.StatusOK, status, "the wrong ones have spent nothing")
	}
	a := newAPI(t)
	status, _ := a.token(refresh(a.tokens.RefreshToken, "client_id", a.App().ClientID))
	assert.Equal(t, http.StatusUnauthorized, status, "one without the other")
}

func TestOAuth_reuse(t *testing.T) {
	for _, detected := range []bool{true, false} {
		a := newAPI(t, func(o *sandbox.Options) { o.NoReuseDetection = !detected })
		_, next := a.token(refresh(a.tokens.RefreshToken))
		_, members := a.token(refresh(a.tokens.RefreshToken))
		assert.Equal(t, "invalid_grant", members["error"])
		status, members := a.token(refresh(next["refresh_token"]))
		a.tokens.AccessToken, _ = next["access_token"].(string)
		if detected {
			assert.Equal(t, "invalid_grant", members["error"], "the whole family ends")
			assert.Contains(t, a.refused(http.StatusUnauthorized, "GET", "/api/webhooks", ""), "revoked")
			continue
		}
		assert.Equal(t, http.StatusOK, status)
		a.ok("GET", "/api/webhooks", "")
	}
}

func TestOAuth_withoutRotation(t *testing.T) {
	a := newAPI(t, func(o *sandbox.Options) { o.NoRotation = true })
	for range 3 {
		status, members := a.token(refresh(a.tokens.RefreshToken))
		require.Equal(t, http.StatusOK, status)
		assert.NotContains(t, members, "refresh_token")
	}
}

func TestOAuth_withoutExpiry(t *testing.T) {
	a := newAPI(t, func(o *sandbox.Options) { o.TokenLifetime = -1 })
	assert.Zero(t, a.tokens.ExpiresIn)
	_, members := a.token(refresh(a.tokens.RefreshToken))
	assert.NotContains(t, members, "expires_in")
	a.Advance(1000 * time.Hour)
	a.ok("GET", "/api/webhooks", "")
	a.ExpireTokens()
	a.refused(http.StatusUnauthorized, "GET", "/api/webhooks", "")
}

func TestOAuth_clientAuthRequired(t *testing.T) {
	a := newAPI(t, func(o *sandbox.Options) { o.ClientAuthRequired = true })
	status, members := a.token(refresh(a.tokens.RefreshToken))
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Equal(t, "invalid_client", members["error"])
	_, members = a.token(refresh(a.tokens.RefreshToken, "client_id", a.App().ClientID, "client_secret", "x"))
	assert.Equal(t, "invalid_client", members["error"])
	status, _ = a.token(refresh(a.tokens.RefreshToken, "client_id", a.App().ClientID, "client_secret", a.App().ClientSecret))
	assert.Equal(t, http.StatusOK, status, "a refusal of the client spends no token")
}

func TestTokens_expireAndRevoke(t *testing.T) {
	a := newAPI(t)
	a.ExpireTokens()
	assert.Contains(t, a.refused(http.StatusUnauthorized, "GET", "/api/webhooks", ""), "expired")
	status, next := a.token(refresh(a.tokens.RefreshToken))
	require.Equal(t, http.StatusOK, status)
	a.RevokeTokens()
	a.tokens.AccessToken, _ = next["access_token"].(string)
	assert.Contains(t, a.refused(http.StatusUnauthorized, "GET", "/api/webhooks", ""), "revoked")
	_, members := a.token(refresh(next["refresh_token"]))
	assert.Equal(t, "invalid_grant", members["error"])
}

// Programs of 2020 log in with a password, on either path.
func TestLogin(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"/api/v2/auth/initiate-auth", "/api/auth/initiate-auth"} {
		w := a.do("POST", path, `{"user_email":"owner@example.com","password":"revv-sandbox","org_domain":"sandbox"}`, "GrantType", "password", "AccessToken", "")
		require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		user, ok := field(t, w.Body.String(), "User").(map[string]any)
		require.True(t, ok)
		assert.Equal(t, "sandbox", user["subdomain"])
		assert.Equal(t, "Sandbox", user["first_name"])
		assert.Equal(t, "Owner", user["last_name"])
		assert.Equal(t, "https://example.com/owner.png", user["image_url"])
		refreshToken, _ := user["refresh_token"].(string)
		for range 2 {
			w = a.do("POST", path, "", "GrantType", "refreshToken", "RefreshToken", refreshToken, "AccessToken", "")
			require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		}
		assert.Equal(t, refreshToken, field(t, w.Body.String(), "User", "refresh_token"), "it is not rotated: nobody was seen to read it")
		a.tokens.AccessToken, _ = field(t, w.Body.String(), "User", "access_token").(string)
		a.ok("GET", "/api/webhooks", "")
	}
}

// A slip that a lenient sandbox lets pass, as the service may have done, is seen in
// a strict one.
func TestLogin_whatNoLoginHas_isRefusedUnlessLenient(t *testing.T) {
	const path, password = "/api/v2/auth/initiate-auth", `{"user_email":"owner@example.com","password":"revv-sandbox","org_domain":"sandbox"}`
	for name, c := range map[string]struct {
		path, body string
		header     http.Header
		message    string // "" for what is right
	}{
		"a password":                   {path, password, http.Header{"Granttype": {"password"}}, ""},
		"a refresh token":              {path, "", http.Header{"Granttype": {"refreshToken"}, "Refreshtoken": {""}}, ""},
		"a query":                      {path + "?x=1", password, http.Header{"Granttype": {"password"}}, "takes no query"},
		"an empty query with a sign":   {path + "?=", "", http.Header{"Granttype": {"refreshToken"}, "Refreshtoken": {""}}, "takes no query"},
		"a refresh token and a body":   {path, password, http.Header{"Granttype": {"refreshToken"}, "Refreshtoken": {""}}, "has no body"},
		"two kinds":                    {path, password, http.Header{"Granttype": {"password", "refreshToken"}}, "GrantType occurs twice"},
		"two refresh tokens":           {path, "", http.Header{"Granttype": {"refreshToken"}, "Refreshtoken": {"", ""}}, "RefreshToken occurs twice"},
		"an access token":              {path, password, http.Header{"Granttype": {"password"}, "Accesstoken": {"A"}}, "AccessToken does not belong here"},
		"an access token to renew":     {path, "", http.Header{"Granttype": {"refreshToken"}, "Refreshtoken": {""}, "Accesstoken": {"A"}}, "AccessToken does not belong here"},
		"an authorization":             {path, password, http.Header{"Granttype": {"password"}, "Authorization": {"Bearer A"}}, "Authorization does not belong here"},
		"a password and refresh token": {path, password, http.Header{"Granttype": {"password"}, "Refreshtoken": {""}}, "RefreshToken does not belong here"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, lenient := range []bool{false, true} {
				a := newAPI(t, func(o *sandbox.Options) { o.Lenient = lenient })
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, c.path, strings.NewReader(c.body))
				r.Header = c.header.Clone()
				for i := range r.Header["Refreshtoken"] {
					r.Header["Refreshtoken"][i] = a.tokens.RefreshToken
				}
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				a.Handler().ServeHTTP(w, r)
				if lenient || c.message == "" {
					assert.Equal(t, http.StatusOK, w.Code, "lenient: %v: %s", lenient, w.Body)
					continue
				}
				assert.Equal(t, http.StatusBadRequest, w.Code)
				assert.Contains(t, w.Body.String(), c.message)
			}
		})
	}
}
