package console_test

import (
	"net/http"
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

// The API is called from the pages of other sites, as in 2020, and a program sends
// neither header.
func TestSecurity_programsAreNotHeldUp(t *testing.T) {
	t.Parallel()
	b := full(t)
	w := b.do(http.MethodPost, "/api/v2/auth/initiate-auth", `{"user_email":"owner@example.com","password":"revv-sandbox","org_domain":"sandbox"}`,
		"Origin", "https://app.example", "Sec-Fetch-Site", "cross-site", "GrantType", "password", "Content-Type", "application/json")
	assert.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	assert.Equal(t, "*", w.Header().Get("Access-Control-Allow-Origin"))
	accept := b.Sandbox().Mails()[2].Links["accept"]
	require.NotEmpty(t, accept)
	w = b.do(http.MethodPost, accept, "", "Origin", "https://app.example", "Sec-Fetch-Site", "cross-site", "Accept", "*/*")
	assert.Equal(t, http.StatusOK, w.Code, "a script has to know the secret: %s", w.Body)
	w = b.do(http.MethodPost, "/faults/clear", "", "Origin", "", "Sec-Fetch-Site", "")
	assert.Equal(t, http.StatusSeeOther, w.Code)
	w = b.do(http.MethodGet, "http://revv-sandbox:8787/api/folders/", "", "AccessToken", b.Sandbox().IssueTokens().AccessToken)
	assert.Equal(t, http.StatusOK, w.Code, "the API answers under any name")
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
}

func TestSecurity_ownNamesAreServed(t *testing.T) {
	t.Parallel()
	b := open(t, func(o *sandbox.Options) {
		o.BaseURL = "https://Sandbox.Example.com"
		o.Hosts = []string{"revv-sandbox", "other:1234"}
	})
	for _, host := range []string{"localhost:8787", "LOCALHOST", "127.0.0.1", "127.1.2.3:80", "[::1]:8787", "192.168.1.5:8787", "app.localhost", "sandbox.example.com", "sandbox.example.com.:443", "revv-sandbox:8787", "other"} {
		assert.Equal(t, http.StatusOK, b.do(http.MethodGet, "http://"+host+"/", "").Code, host)
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
