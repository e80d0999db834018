package contract

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const okDocument = `{"Document":{"id":14,"doc_no":"DOC-000040","object_id":"DOC-aB3dE5gH7jK9"}}`

// The check finds what it is made for: each row is an exchange with one mistake.
func TestCheck_findsMistakes(t *testing.T) { //nolint:tparallel // the cases share what was seen
	t.Parallel()
	c := load(t)
	cases := []struct {
		name, method, target, sent string
		headers                    []string // name, value; "" removes
		status                     int
		contentType, received      string
		request, response          string // a part of the problem, "" for none
	}{
		{"nothing", "GET", "/api/docs/14", "", nil, 200, "application/json", okDocument, "", ""},
		{"path", "GET", "/api/docs/14/pages", "", nil, 200, "application/json", okDocument, "not documented", ""},
		{"method", "PATCH", "/api/docs/14", "", nil, 200, "application/json", okDocument, "not documented", ""},
		{"lost slash", "GET", "/api/folders", "", nil, 200, "application/json", okDocument, "not documented", ""},
		{"kind of id", "GET", "/api/docs/DOC-000040", "", nil, 200, "application/json", okDocument, "id", ""},
		{"object id as number", "GET", "/api/documents/DOC-aB3dE5gH7jK9", "", nil, 200, "application/json", okDocument, "pattern", ""},
		{"query", "GET", "/api/docs/14?page=1", "", nil, 200, "application/json", okDocument, "'page'", ""},
		{"value in query", "GET", "/api/folders/?page_num=0", "", nil, 200, "application/json", `{"page":{"inodes":[]}}`, "page_num", ""},
		{"header", "GET", "/api/docs/14", "", []string{"X-Trace", "1"}, 200, "application/json", okDocument, "X-Trace", ""},
		{"no token", "GET", "/api/docs/14", "", []string{"AccessToken", ""}, 200, "application/json", okDocument, "0 headers carry a token", ""},
		{"two tokens", "GET", "/api/docs/14", "", []string{"Authorization", "Bearer x"}, 200, "application/json", okDocument, "2 headers carry a token", ""},
		{"token where none belongs", "POST", "/api/auth/initiate-auth", "", []string{"GrantType", "refreshToken", "RefreshToken", "x"}, 200, "application/json", `{"User":{"access_token":"x"}}`, "Accesstoken", ""},
		{"no body", "POST", "/api/docs", "", nil, 200, "application/json", okDocument, "body", ""},
		{"undeclared body", "GET", "/api/docs/14", "{}", nil, 200, "application/json", okDocument, "body", ""},
		{"member", "POST", "/api/docs", `{"template_id":21,"name":"x"}`, nil, 200, "application/json", okDocument, "'name'", ""},
		{"member missing", "POST", "/api/docs", `{"title":"x"}`, nil, 200, "application/json", okDocument, "template_id", ""},
		{"kind of member", "POST", "/api/docs", `{"template_id":"21"}`, nil, 200, "application/json", okDocument, "string", ""},
		{"order of an acceptor", "POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"ann@example.com","order":1}]}`, nil, 200, "application/json", `{}`, "'order'", ""},
		{"camel case", "POST", "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"ann@example.com"}],"is_review":true}`, nil, 200, "application/json", `{}`, "'is_review'", ""},
		{"constant", "POST", "/api/perma-link", `{"object_id":"DOC-aB3dE5gH7jK9","object_type":"doc"}`, nil, 200, "application/json", `{"url":"https://example.com/perma/DOC/00000000000000/x"}`, "must be 'DOC'", ""},
		{"content type of the body", "POST", "/api/docs", `{"template_id":21}`, []string{"Content-Type", "text/plain"}, 200, "application/json", okDocument, "text/plain", ""},
		{"answer: member", "GET", "/api/docs/14", "", nil, 200, "application/json", `{"Document":{"doc_no":"DOC-000040","object_id":"DOC-aB3dE5gH7jK9","pages":1}}`, "", "'pages'"},
		{"answer: member within a reference with notes", "GET", "/api/docs/14", "", nil, 200, "application/json", `{"Document":{"doc_no":"DOC-000040","object_id":"DOC-aB3dE5gH7jK9","document_status":{"name":"Draft","color":"red"}}}`, "", "'color'"},
		{"answer: outer member", "GET", "/api/docs/14", "", nil, 200, "application/json", `{"Document":{"doc_no":"DOC-000040","object_id":"DOC-aB3dE5gH7jK9"},"ok":true}`, "", "'ok'"},
		{"answer: member missing", "GET", "/api/docs/14", "", nil, 200, "application/json", `{"document":{}}`, "", "Document"},
		{"answer: null", "GET", "/api/contacts/7", "", nil, 200, "application/json", `{"Contact":{"name":"","email":null}}`, "", "null"},
		{"answer: form of a time", "GET", "/api/docs/14", "", nil, 200, "application/json", `{"Document":{"doc_no":"DOC-000040","object_id":"DOC-aB3dE5gH7jK9","created_at":"2021-06-18"}}`, "", "pattern"},
		{"answer: nothing", "GET", "/api/docs/14", "", nil, 200, "application/json", "", "", "in the place of a body"},
		{"answer: null as a whole", "GET", "/api/docs/14", "", nil, 200, "application/json", " null", "", "in the place of a body"},
		{"answer: array", "GET", "/api/webhooks", "", nil, 200, "application/json", `[]`, "", "object"},
		{"answer: content type", "GET", "/api/docs/14", "", nil, 200, "text/html", `<html></html>`, "", "text/html"},
		{"answer: status", "POST", "/oauth/token", "grant_type=refresh_token&refresh_token=x", []string{"AccessToken", "", "Content-Type", "application/x-www-form-urlencoded"}, 201, "application/json", `{"access_token":"x"}`, "", "201"},
		{"answer: error", "GET", "/api/docs/14", "", nil, 404, "application/json", `{"error":"NOT_FOUND"}`, "", "message"},
		{"form", "POST", "/oauth/token", "grant_type=refresh_token&refresh_token=x&scope=all", []string{"AccessToken", "", "Content-Type", "application/x-www-form-urlencoded"}, 200, "application/json", `{"access_token":"x"}`, "'scope'", ""},
		{"grant", "POST", "/oauth/token", "grant_type=password&refresh_token=x", []string{"AccessToken", "", "Content-Type", "application/x-www-form-urlencoded"}, 200, "application/json", `{"access_token":"x"}`, "must be 'refresh_token'", ""},
		{"webhook", "POST", webhookPath("DOCUMENT_CLOSED"), `{"id":"evt_1","event":"DOCUMENT_SIGNED","timestamp":"2021-06-18T10:00:00.000000Z","document":{"id":14,"doc_no":"DOC-000040","object_id":"DOC-aB3dE5gH7jK9","title":"","document_status":{"name":"Signed"}}}`, []string{"AccessToken", ""}, 204, "", "", "must be 'DOCUMENT_CLOSED'", ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			target, err := url.Parse("https://acme.example.com" + tc.target)
			require.NoError(t, err)
			x := &exchange{
				from: tc.name, method: tc.method, url: target, header: http.Header{"Accesstoken": {"x"}}, sent: []byte(tc.sent),
				status: tc.status, answered: http.Header{"Content-Type": {tc.contentType}}, received: []byte(tc.received),
			}
			if tc.sent != "" {
				x.header.Set("Content-Type", "application/json")
			}
			for i := 0; i < len(tc.headers); i += 2 {
				if x.header.Set(tc.headers[i], tc.headers[i+1]); tc.headers[i+1] == "" {
					x.header.Del(tc.headers[i])
				}
			}
			request, response := c.check(x)
			for _, side := range []struct {
				want string
				got  []string
			}{{tc.request, request}, {tc.response, response}} {
				if side.want == "" {
					assert.Empty(t, side.got)
					continue
				}
				require.NotEmpty(t, side.got)
				assert.Contains(t, side.got[0], side.want)
			}
		})
	}
}

// What has not been seen is missing, down to a member, and no longer than that.
func TestMissing_isWhatWasNotSeen(t *testing.T) {
	t.Parallel()
	c := load(t)
	const get = "GET /api/docs/{id}: "
	everything := c.documented()
	assert.Equal(t, everything, c.missing())
	for _, key := range []string{get + "path id", get + "200", get + "401", get + "200 as application/json: .Document.fields[].value", "GET /api/folders/: query sort_by_doc_num"} {
		assert.Contains(t, everything, key)
	}
	target, err := url.Parse("https://acme.example.com/api/docs/14")
	require.NoError(t, err)
	c.check(&exchange{method: "GET", url: target, status: 200, answered: http.Header{"Content-Type": {"application/json"}}, received: []byte(okDocument)})
	missing := c.missing()
	for _, seen := range []string{get + "path id", get + "200", get + "200 as application/json", get + "200 as application/json: .Document.doc_no"} {
		assert.NotContains(t, missing, seen)
	}
	for _, unseen := range []string{get + "401", get + "200 as application/json: .Document.title", get + "200 as application/json: .Document.fields[].value"} {
		assert.Contains(t, missing, unseen)
	}
}
