package console_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// forms lists everything on a page that changes something, with a body that would.
func (b *browser) forms() map[string]string {
	b.t.Helper()
	d, ok := b.Sandbox().Document(14)
	require.True(b.t, ok)
	forms := map[string]string{
		"/documents/14/complete": "", "/folders": "name=Mine", "/templates": "title=Mine", "/templates/23/documents": "", "/webhooks/deliveries/1/resend": "",
		"/traffic/clear": "", "/faults": "preset=error&times=1", "/faults/clear": "", "/help/secret": "",
		"/sign/" + d.Signers[0].Token: "answer=decline", "/oauth/authorize": "decision=authorize&ticket=x",
	}
	for _, m := range b.Sandbox().Mails() {
		for name, target := range m.Links {
			if name == "accept" || name == "approve" || name == "reject" {
				forms[strings.TrimPrefix(target, base)] = ""
			}
		}
	}
	return forms
}

// Another site can make a browser send all of these; none may do anything.
func TestSecurity_formsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	b := full(t)
	before, err := b.Sandbox().Export()
	require.NoError(t, err)
	faults := b.Sandbox().Faults()
	forms := b.forms()
	assert.Greater(t, len(forms), 14)
	for path, body := range forms {
		for _, headers := range [][]string{
			{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
			{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:9999"}, // another port of this machine
			{"Sec-Fetch-Site", "", "Origin", "https://evil.example"},           // a browser from before 2023
			{"Sec-Fetch-Site", "", "Origin", "null"},                           // a frame without an origin
			{"Sec-Fetch-Site", "cross-site", "Origin", ""},
			{"Sec-Fetch-Site", "", "Origin", "http://127.0.0.1:8788"},
		} {
			w := b.do(http.MethodPost, path, body, headers...)
			assert.Equal(t, http.StatusForbidden, w.Code, "%s %v: %s", path, headers, w.Body)
			assert.Contains(t, w.Body.String(), "another site")
		}
	}
	after, err := b.Sandbox().Export()
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after))
	assert.Equal(t, faults, b.Sandbox().Faults())
	for _, site := range []string{"cross-site", "same-site"} {
		assert.Equal(t, http.StatusForbidden, b.do(http.MethodGet, "/events", "", "Sec-Fetch-Site", site).Code, "it would take a place")
	}
	assert.Contains(t, b.get("/traffic?show=refused"), "the page of another site has sent this")
}

const ownerLogin = `{"user_email":"owner@example.com","password":"revv-sandbox","org_domain":"sandbox"}`

// login asks for a token as the page of an origin does: the browser asks first whether
// it may send the header. It returns the answers to both, the second one empty if the
// browser would not have gone on.
func (b *browser) login(origin string) (asked, answered *httptest.ResponseRecorder) {
	b.t.Helper()
	const path = "/api/v2/auth/initiate-auth"
	asked = b.do(http.MethodOptions, path, "", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,granttype")
	if asked.Code != http.StatusNoContent {
		return asked, httptest.NewRecorder()
	}
	return asked, b.do(http.MethodPost, path, ownerLogin, "Origin", origin, "Sec-Fetch-Site", "cross-site", "GrantType", "password", "Content-Type", "application/json")
}

// A page of any site knows the password, which is printed in the documentation. With
// a token it could have webhooks sent to the network of this machine.
func TestSecurity_pagesOfOtherOriginsCannotCallTheAPI(t *testing.T) {
	t.Parallel()
	b := open(t)
	for _, origin := range []string{
		"https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://evil-localhost",
		"http://192.168.1.7:3000", "http://10.0.0.1", "http://[::2]", "ftp://localhost", "chrome-extension://localhost", "https://evil.example/?http://localhost", "http://%6c%zz",
	} {
		asked, _ := b.login(origin)
		assert.Equal(t, http.StatusForbidden, asked.Code, origin)
		assert.Empty(t, asked.Header().Get("Access-Control-Allow-Origin"), origin)
		assert.Contains(t, asked.Body.String(), "may not call the API", origin)
		assert.Equal(t, "Origin", asked.Header().Get("Vary"))
		w := b.do(http.MethodGet, "/api/webhooks", "", "Origin", origin)
		assert.Empty(t, w.Header().Get("Access-Control-Allow-Origin"), "what needs no question cannot be read: %s", origin)
		assert.Empty(t, w.Header().Get("Access-Control-Expose-Headers"))
	}
	for _, r := range b.Sandbox().Requests() {
		assert.NotEqual(t, "Auth.Login", r.Operation)
	}
	assert.Contains(t, b.get("/traffic?show=refused"), "may not call the API", "who wrote the page finds the reason there")
}

func TestSecurity_pagesOnLoopbackCallTheAPI(t *testing.T) {
	t.Parallel()
	b := open(t, func(o *sandbox.Options) { o.Origins = []string{"https://app.example.com", "http://192.168.1.7:3000"} })
	for _, origin := range []string{
		"http://localhost", "http://localhost:3000", "https://localhost:8443", "http://127.0.0.1:5173", "http://127.1.2.3", "http://[::1]:3000",
		"https://app.example.com", "http://192.168.1.7:3000", "http://app.localhost:5173", "http://tauri.localhost",
	} {
		asked, answered := b.login(origin)
		for _, w := range []*httptest.ResponseRecorder{asked, answered} {
			assert.Equal(t, origin, w.Header().Get("Access-Control-Allow-Origin"))
			assert.Equal(t, "Origin", w.Header().Get("Vary"), "or a cache would give the answer to another origin")
		}
		assert.Contains(t, asked.Header().Get("Access-Control-Allow-Headers"), "GrantType")
		assert.Equal(t, http.StatusOK, answered.Code, "%s: %s", origin, answered.Body)
		assert.Contains(t, answered.Header().Get("Access-Control-Expose-Headers"), "Retry-After")
	}
	asked, _ := b.login("https://app.example.com:444")
	assert.Equal(t, http.StatusForbidden, asked.Code)
	everybody := open(t, func(o *sandbox.Options) { o.Origins = []string{"*"} })
	for _, origin := range []string{"https://evil.example", "null"} {
		_, answered := everybody.login(origin)
		assert.Equal(t, http.StatusOK, answered.Code)
		assert.Equal(t, "*", answered.Header().Get("Access-Control-Allow-Origin"))
	}
}

// A program sends neither header.
func TestSecurity_programsAreNotHeldUp(t *testing.T) {
	t.Parallel()
	b := full(t)
	accept := b.Sandbox().Mails()[2].Links["accept"]
	require.NotEmpty(t, accept)
	w := b.do(http.MethodPost, accept, "", "Origin", "https://app.example", "Sec-Fetch-Site", "cross-site", "Accept", "*/*")
	assert.Equal(t, http.StatusForbidden, w.Code, "as anywhere else in the API: %s", w.Body)
	w = b.do(http.MethodPost, accept, "", "Origin", "http://localhost:3000", "Sec-Fetch-Site", "cross-site", "Accept", "*/*")
	assert.Equal(t, http.StatusOK, w.Code, "an origin that may call the API, and knows the secret: %s", w.Body)
	w = b.do(http.MethodPost, "/faults/clear", "", "Origin", "", "Sec-Fetch-Site", "")
	assert.Equal(t, http.StatusSeeOther, w.Code)
	for _, host := range []string{"localhost:8787", "127.0.0.1:8787", "[::1]:8787", "192.168.1.5"} {
		w = b.do(http.MethodGet, "http://"+host+"/api/folders/", "", "AccessToken", b.Sandbox().IssueTokens().AccessToken)
		assert.Equal(t, http.StatusOK, w.Code, host)
	}
	nameless := httptest.NewRequest(http.MethodGet, "/api/folders/", http.NoBody) // of HTTP/1.0
	nameless.Host = ""
	nameless.Header.Set("AccessToken", b.Sandbox().IssueTokens().AccessToken)
	answered := httptest.NewRecorder()
	b.Handler().ServeHTTP(answered, nameless)
	assert.Equal(t, http.StatusOK, answered.Code)
}

// A site whose name points to this machine is of the same origin as the sandbox
// under that name.
func TestSecurity_foreignNamesAreRefused(t *testing.T) {
	t.Parallel()
	b := full(t)
	for _, path := range b.paths() {
		for _, host := range []string{"evil.example", "evil.example:8787", "127.0.0.1.evil.example", "localhost.evil.example", "evil-localhost"} {
			w := b.do(http.MethodGet, "http://"+host+path, "", "Sec-Fetch-Site", "same-origin")
			assert.Equal(t, http.StatusMisdirectedRequest, w.Code, "%s at %s", path, host)
			assert.NotContains(t, w.Body.String(), "DOC-0000")
		}
	}
	for path, body := range b.forms() {
		w := b.do(http.MethodPost, "http://evil.example:8787"+path, body, "Origin", "http://evil.example:8787")
		assert.Equal(t, http.StatusMisdirectedRequest, w.Code, path)
	}
	assert.Equal(t, http.StatusMisdirectedRequest, b.do(http.MethodGet, "http://evil.example/events", "").Code)

	// Nor can such a site call the API, for which it needs to ask no browser.
	issued := b.Sandbox().Revision()
	token := b.Sandbox().IssueTokens().AccessToken
	for call, body := range map[string]string{
		"POST /api/v2/auth/initiate-auth": ownerLogin, "POST /api/auth/initiate-auth": ownerLogin, "GET /api/folders/": "", "GET /api/docs/14": "",
		"POST /api/webhooks": `{"event":"DOCUMENT_SIGNED","url":"http://192.168.1.1/"}`, "POST /oauth/token": "grant_type=refresh_token",
	} {
		method, path, _ := strings.Cut(call, " ")
		w := b.do(method, "http://evil.example:8787"+path, body, "Origin", "http://evil.example:8787", "GrantType", "password", "AccessToken", token, "Accept", "*/*")
		assert.Equal(t, http.StatusMisdirectedRequest, w.Code, call)
		assert.Contains(t, w.Body.String(), `"error":"FOREIGN_HOST"`, call)
	}
	assert.Equal(t, issued+1, b.Sandbox().Revision(), "nothing has changed, but for the token of this test")
	assert.Len(t, b.Sandbox().Webhooks(), 1)
}

func TestSecurity_ownNamesAreServed(t *testing.T) {
	t.Parallel()
	b := open(t, func(o *sandbox.Options) {
		o.BaseURL = "https://Sandbox.Example.com"
		o.Hosts = []string{"revv-sandbox", "other:1234"}
	})
	for _, host := range []string{"localhost:8787", "LOCALHOST", "127.0.0.1", "127.1.2.3:80", "[::1]:8787", "192.168.1.5:8787", "app.localhost", "sandbox.example.com", "sandbox.example.com.:443", "revv-sandbox:8787", "other"} {
		assert.Equal(t, http.StatusOK, b.do(http.MethodGet, "http://"+host+"/", "").Code, host)
		assert.Equal(t, http.StatusUnauthorized, b.do(http.MethodGet, "http://"+host+"/api/webhooks", "").Code, host)
	}
	assert.Equal(t, http.StatusMisdirectedRequest, b.do(http.MethodGet, "http://example.com/", "").Code)
	everybody := open(t, func(o *sandbox.Options) { o.Hosts = []string{"*"} })
	assert.Equal(t, http.StatusOK, everybody.do(http.MethodGet, "http://whatever.example/", "").Code)
}

// Without a referrer, browsers send "Origin: null" with a form, and Sec-Fetch-Site
// only to addresses that they trust. A phone in the same network has to get past.
func TestSecurity_formsFromAPhone(t *testing.T) {
	t.Parallel()
	b := open(t)
	const phone = "http://192.168.1.5:8787"
	first, _ := b.sent("Deal")
	for _, path := range []string{"/faults", first} {
		assert.Equal(t, "same-origin", b.do(http.MethodGet, phone+path, "").Header().Get("Referrer-Policy"), path)
	}
	w := b.do(http.MethodPost, phone+"/faults", "preset=error&times=1", "Origin", phone, "Sec-Fetch-Site", "")
	assert.Equal(t, http.StatusSeeOther, w.Code)
	w = b.do(http.MethodPost, phone+first, "answer=decline", "Origin", phone, "Sec-Fetch-Site", "")
	assert.Equal(t, http.StatusOK, w.Code)
}
