package sandbox

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRedaction_atItsBounds(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("x", maxLoggedBody)
	assert.Equal(t, whole, redactBody("Documents.Create", []byte(whole)))
	assert.Equal(t, whole, redactBody("Documents.Create", []byte(whole+"x")))
	form := "x=" + whole[2:]
	assert.Equal(t, form, redactForm(form))
	assert.Equal(t, tooLong, redactForm(form+"x"))
	assert.Equal(t, whole, redactQuery(whole))
	assert.Equal(t, tooLong, redactQuery(whole+"x"))
	object := []byte(`{"a":"` + strings.Repeat("x", maxLoggedBody-8) + `"}`)
	assert.Len(t, redactJSON(object), maxLoggedBody)
	assert.Equal(t, tooLong, redactJSON(append(object, ' ')))
	shown := Fingerprint("a secret")
	assert.Equal(t, "client_secret="+shown+"&x=1", redactForm("client_secret=a%20secret&x=1"))
	assert.Equal(t, "client_secret="+Fingerprint("a%zz"), redactForm("client_secret=a%zz"))
}

// A secret is one however its name is spelt, and wherever it stands.
func TestRedaction_ofNamesInAnySpelling(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"access_token", "accessToken", "Access-Token", "ACCESS_TOKEN", "X-Access-Token", "token", "refresh_token", "X-Csrf-Token",
		"client_secret", "clientSecret", "Client-Secret", "password", "Password", "user[password]", "new_password",
		"X-Api-Key", "apikey", "code", "code_verifier", "codeVerifier", "ticket", "state", "Cookie", "Set-Cookie", "Proxy-Authorization",
	} {
		assert.True(t, secretName(name), name)
	}
	for _, name := range []string{"token_type", "GrantType", "grant_type", "redirect_uri", "client_id", "user_email", "org_domain", "title", "value", "Content-Type", "status"} {
		assert.False(t, secretName(name), name)
	}
}

func TestRedaction_ofBodies(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	hidden := Fingerprint(secret)
	for _, test := range []struct{ op, body, want string }{
		{"", `{"User":{"password":"hunter2"}}`, `{"User":{"password":"` + hidden + `"}}`},
		{"", `{"a":[[{"Password":"hunter2"}]],"b":1.50}`, `{"a":[[{"Password":"` + hidden + `"}]],"b":1.50}`},
		{"", `{"clientSecret":"hunter2"}`, `{"clientSecret":"` + hidden + `"}`},
		{"", `{"password":["hunter2"]}`, `{"password":"` + Fingerprint(`["hunter2"]`) + `"}`},
		{"", `{"password":"hunter2"`, noObject},
		{"", `{"a":"hunter2"}{}`, noObject},
		{"", `[{"password":"hunter2"}]`, noForm},
		{"", `["password=hunter2"]`, noForm},
		{"", `"hunter2"`, noForm},
		{"", `hunter2`, noForm},
		{"", "a=1\nhunter2", noForm},
		{"", "a=1&hunter2", noForm},
		{"", "=hunter2", noForm},
		{"", "<login password=\"hunter2\"/>", noForm},
		{"", "--b\r\nContent-Disposition: form-data; name=\"client_secret\"\r\n\r\nhunter2\r\n--b--", noForm},
		{"", "a=1&Password=hunter2&user%5Bpassword%5D=hunter2&user[x]=1", "a=1&Password=" + hidden + "&user%5Bpassword%5D=" + hidden + "&user[x]=1"},
		{"", "", ""},
		// Members come in any order: what is found must not be forgotten at the next one.
		{
			"Documents.Create", `{"a":{},"b":{},"c":{},"d":{},"e":{},"f":{},"g":{},"h":{},"i":{},"token":"hunter2"}`,
			`{"a":{},"b":{},"c":{},"d":{},"e":{},"f":{},"g":{},"h":{},"i":{},"token":"` + hidden + `"}`,
		},
		{"Documents.Create", `{"a":[{"token":"hunter2"},{},1]}`, `{"a":[{"token":"` + hidden + `"},{},1]}`},
		{"OAuth.Token", "grant_type=refresh_token&&refresh_token=hunter2&", "grant_type=refresh_token&&refresh_token=" + hidden + "&"},
		{"OAuth.Token", `{"client_secret":"hunter2"}`, `{"client_secret":"` + hidden + `"}`},
		{"OAuth.Token", "--b\r\n\r\nhunter2\r\n--b--", noForm},
		{"OAuth.Token", "grant_type=refresh_token&refreshToken=hunter2", "grant_type=refresh_token&refreshToken=" + hidden},
		{"Auth.Login", `{"user":{"pwd":"hunter2"}}`, `{"user":{"pwd":"` + hidden + `"}}`},
		{"Auth.Login", "password=hunter2", noObject},
		{"Webhooks.Subscribe", `{"Webhook":{"url":"https://example.com/hunter2"}}`, `{"Webhook":{"url":"https://example.com/` + hidden + `"}}`},
		{"Webhooks.Subscribe", `{"callback_url":"https://example.com/hunter2"}`, `{"callback_url":"https://example.com/` + hidden + `"}`},
		{"Webhooks.Subscribe", `{"url":["https://example.com/hunter2"]}`, `{"url":"` + Fingerprint(`["https://example.com/hunter2"]`) + `"}`},
		{"Documents.Create", `{ "template_id": 21, "password": "hunter2" }`, `{"password":"` + hidden + `","template_id":21}`},
		{"Documents.Create", `{ "template_id": 21 }`, `{ "template_id": 21 }`}, // as it came
		{"Documents.Create", `{ "template_id": `, `{ "template_id": `},
		{"Contacts.Upsert", `{"linkedin":"https://example.com/me","url":"x"}`, `{"linkedin":"https://example.com/me","url":"x"}`},
	} {
		assert.Equal(t, test.want, redactBody(test.op, []byte(test.body)), "%s %s", test.op, test.body)
	}
}

// What is around a token stays, and so does what only begins like one.
func TestRedaction_ofTokensInAText(t *testing.T) {
	t.Parallel()
	letters := strings.Repeat("aZ09", tokenLength/4)
	access, renewal, code := "at_"+letters, "rt_"+letters, "code_"+letters
	for text, want := range map[string]string{
		"":                                      "",
		access:                                  Fingerprint(access),
		"my_title: " + access + "!":             "my_title: " + Fingerprint(access) + "!",
		access + renewal + " and " + code + ".": Fingerprint(access) + Fingerprint(renewal) + " and " + Fingerprint(code) + ".",
		access + "more":                         Fingerprint(access) + "more",
		access[1:]:                              access[1:],
		access[:len(access)-1]:                  access[:len(access)-1],
		access[:len(access)-1] + "-":            access[:len(access)-1] + "-",
		"_" + letters + letters:                 "_" + letters + letters,
	} {
		assert.Equal(t, want, redactTokens(text))
	}
}

func TestRedaction_ofHeadersAndQueries(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	hidden := Fingerprint(secret)
	header := http.Header{}
	for _, name := range []string{"AccessToken", "Access-Token", "Access_token", "X-Access-Token", "X-Api-Key", "Cookie", "Proxy-Authorization"} {
		header.Set(name, secret)
	}
	header.Set("Authorization", "Bearer "+secret)
	header.Set("GrantType", "password")
	header.Set("Referer", "http://127.0.0.1/?Access_Token="+secret)
	redacted := redactHeader(header)
	for name, values := range redacted {
		assert.NotContains(t, values[0], secret, name)
	}
	assert.Equal(t, "Bearer "+hidden, redacted.Get("Authorization"))
	assert.Equal(t, "password", redacted.Get("GrantType"))
	assert.Equal(t, secret, header.Get("X-Api-Key"), "a copy")
	// What cannot be read may be the secret itself.
	assert.Equal(t, hidden, redactHeader(http.Header{"Authorization": {secret}}).Get("Authorization"))
	assert.Equal(t, Fingerprint("http://[::1/"+secret), redactHeader(http.Header{"Referer": {"http://[::1/" + secret}}).Get("Referer"))
	assert.Equal(t, "%zz="+hidden, redactQuery("%zz=hunter2"))
	for _, address := range []string{secret, "mailto:" + secret, "http://[::1/" + secret, "/hooks/" + secret} {
		assert.Equal(t, Fingerprint(address), redactURL(address))
	}
	assert.Equal(t, "Access_Token="+hidden+"&token="+hidden+"&x=1&y", redactQuery("Access_Token=hunter2&token=hunter2&x=1&y"))
}
