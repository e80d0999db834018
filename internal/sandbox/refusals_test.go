package sandbox_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// Every slip of a client has a refusal of its own that says what was wrong.
func TestRefusals(t *testing.T) {
	a := newAPI(t)
	draft, sent, signed := a.draft(), a.draft(), a.draft()
	empty, err := a.CreateDocument(templateService, "", 0)
	require.NoError(t, err)
	require.Equal(t, []any{14, 15, 16, 17}, []any{int(draft.ID), int(sent.ID), int(signed.ID), int(empty)})
	a.ok("POST", "/api/v2/doc-signers/15", `{"signers":[{"user_email":"s@example.com","first_name":"","last_name":""}]}`)
	a.ok("POST", "/api/v2/doc-signers/16", `{"signers":[{"user_email":"s@example.com"}]}`)
	require.NoError(t, a.Sign(16, "s@example.com", nil))
	object := string(draft.ObjectID)
	const person = `{"user_email":"s@example.com","first_name":"","last_name":""}`
	deep, long := strings.Repeat(`[`, 200)+strings.Repeat(`]`, 200), strings.Repeat("x", 10_001)

	cases := []struct {
		name, method, path, body string
		status                   int
		message                  string
		headers                  []string
	}{
		// Headers.
		{"no token", "GET", "/api/docs/14", "", 401, "the header AccessToken is missing", []string{"AccessToken", ""}},
		{"unknown token", "GET", "/api/docs/14", "", 401, "not known", []string{"AccessToken", "x"}},
		{"refresh token as access token", "GET", "/api/docs/14", "", 401, "this is a refresh token", []string{"AccessToken", a.tokens.RefreshToken}},
		{"bearer in AccessToken", "GET", "/api/docs/14", "", 401, "without Bearer", []string{"AccessToken", "Bearer " + a.tokens.AccessToken}},
		{"both headers", "GET", "/api/docs/14", "", 400, "both there", []string{"Authorization", "Bearer " + a.tokens.AccessToken}},
		{"basic", "GET", "/api/docs/14", "", 401, "takes Bearer", []string{"AccessToken", "", "Authorization", "Basic eDp5"}},
		{"no content type", "POST", "/api/docs", `{"template_id":21}`, 415, "must be application/json", []string{"Content-Type", ""}},
		{"form content type", "POST", "/api/docs", `{"template_id":21}`, 415, "application/x-www-form-urlencoded", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"other charset", "POST", "/api/docs", `{"template_id":21}`, 415, "in UTF-8", []string{"Content-Type", "application/json; charset=latin1"}},
		{"broken parameter", "POST", "/api/docs", `{"template_id":21}`, 415, "must be application/json", []string{"Content-Type", "application/json; charset"}},
		{"compressed", "POST", "/api/docs", `{"template_id":21}`, 415, "Content-Encoding", []string{"Content-Encoding", "gzip"}},
		// JSON.
		{"no body", "POST", "/api/docs", "", 400, "the body is empty", []string{"Content-Type", "application/json"}},
		{"no JSON", "POST", "/api/docs", `template_id=21`, 400, "no JSON", nil},
		{"cut JSON", "POST", "/api/docs", `{"template_id":`, 400, "ends in the middle", nil},
		{"trailing data", "POST", "/api/docs", `{"template_id":21}{}`, 400, "data behind", nil},
		{"array", "POST", "/api/docs", `[21]`, 400, "a JSON array; one JSON object is due", nil},
		{"null", "POST", "/api/docs", `null`, 400, "a JSON null", nil},
		{"bad UTF-8", "POST", "/api/docs", "{\"title\":\"\xff\"}", 400, "UTF-8", nil},
		{"too deep", "POST", "/api/docs", `{"template_id":` + deep + `}`, 400, "nested", nil},
		{"duplicate member", "POST", "/api/docs", `{"template_id":21,"template_id":22}`, 400, `"template_id" occurs twice`, nil},
		{"duplicate inner member", "POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"a@example.com","user_email":"b@example.com"}]}`, 400, `"signers[0].user_email" occurs twice`, nil},
		{"unknown member", "POST", "/api/docs", `{"template_id":21,"templateId":1}`, 400, "templateId: the contract knows no such member here; it knows folder_id, template_id and title", nil},
		{"other case", "POST", "/api/docs", `{"Template_ID":21}`, 400, "template_id: the member is missing", nil},
		{"unknown inner member", "POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"a@example.com","order":1}]}`, 400, "acceptors[0].order: the contract knows no such member", nil},
		{"text for a number", "POST", "/api/docs", `{"template_id":"21"}`, 400, "template_id: a number is due, not string", nil},
		{"fraction for an id", "POST", "/api/docs", `{"template_id":21.5}`, 400, "positive whole number", nil},
		{"negative id", "POST", "/api/docs", `{"template_id":-1}`, 400, "positive whole number", nil},
		{"null for a text", "POST", "/api/docs", `{"template_id":21,"title":null}`, 400, "title: a string is due, not null", nil},
		{"object for an array", "PUT", "/api/docs/14/fields", `{"fields":{"Counterparty":"Acme"}}`, 400, "fields: an array is due, not object", nil},
		{"text in an array of objects", "PUT", "/api/docs/14/fields", `{"fields":["Counterparty"]}`, 400, "fields[0]: an object is due, not string", nil},
		{"text for a boolean", "POST", "/api/v2/doc-recipients/14", `{"collaborators":[` + person + `],"isReview":"no"}`, 400, "isReview: a boolean is due", nil},
		{"body of a read", "GET", "/api/docs/14", `{}`, 400, "Documents.Get has no body", nil},
		// Paths and queries.
		{"unknown path", "GET", "/api/document/14", "", 404, "did you mean GET /api/documents/{doc_no}?", nil},
		{"lost slash", "GET", "/api/folders", "", 404, "did you mean GET /api/folders/?", nil},
		{"lost slash of templates", "GET", "/api/docstemplate", "", 404, "did you mean GET /api/docstemplate/?", nil},
		{"slash too many", "POST", "/api/docs/", `{"template_id":21}`, 404, "did you mean POST /api/docs?", nil},
		{"double slash", "GET", "/api//docs/14", "", 404, "did you mean GET /api/docs/{id}", nil},
		{"lost version", "POST", "/api/doc-signers/14", "{}", 404, "did you mean POST /api/v2/doc-signers/{id}?", nil},
		{"lost id", "GET", "/api/documents", "", 404, "did you mean GET /api/documents/{doc_no}?", nil},
		{"slip in a link", "POST", "/api/shared/documents/1/x/doc-acceptances/accept", "", 404, "did you mean POST /api/shared/documents/1/{hash}/doc-acceptance/accept?", nil},
		{"wrong method", "DELETE", "/api/docs/14", "", 405, "/api/docs/{id} does not take DELETE; it takes GET and HEAD", nil},
		{"wrong method of a link", "PUT", "/sign/x", "", 405, "/sign/{hash} does not take PUT; it takes GET, HEAD and POST", nil},
		{"PATCH", "PATCH", "/api/docs/14/fields", `{}`, 405, "it takes PUT", nil},
		{"unknown query", "GET", "/api/folders/?page=2", "", 400, "page: Documents.List knows no such query parameter; it knows page_num and sort_by_doc_num", nil},
		{"query where none is known", "GET", "/api/docs/14?page_num=1", "", 400, "it knows none", nil},
		{"query twice", "GET", "/api/folders/?page_num=1&page_num=2", "", 400, "occurs twice", nil},
		{"broken query", "GET", "/api/folders/?page_num=%zz", "", 400, "the query is malformed", nil},
		{"page 0", "GET", "/api/folders/?page_num=0", "", 400, "page_num: a whole number from 1 is due", nil},
		{"page with a zero before it", "GET", "/api/folders/?page_num=01", "", 400, "page_num: a whole number from 1 is due", nil},
		{"page of text", "GET", "/api/contacts/all?page_num=one", "", 400, "page_num", nil},
		{"page of templates", "GET", "/api/docstemplate/?page_num=-1", "", 400, "page_num", nil},
		{"flag", "GET", "/api/folders/?sort_by_doc_num=yes", "", 400, "true or false is due", nil},
		{"status", "GET", "/api/docstemplate/?status=active", "", 400, `status: "active" is not ACTIVE`, nil},
		{"status that nobody has seen", "GET", "/api/docstemplate/?status=INACTIVE", "", 400, `status: "INACTIVE" is not ACTIVE`, nil},
		{"after", "GET", "/api/object-activities/objects/" + object + "?after=yesterday", "", 400, "a time as 2020-09-17T14:48:00.000000Z is due", nil},
		{"limit", "GET", "/api/object-activities/objects/" + object + "?limit=0", "", 400, "from 1 to 1000", nil},
		{"limit with a zero before it", "GET", "/api/object-activities/objects/" + object + "?limit=07", "", 400, "from 1 to 1000", nil},
		{"no email", "GET", "/api/contacts", "", 422, `email: "" is no e-mail address`, nil},
		// Ids.
		{"number for an id", "GET", "/api/docs/DOC-000040", "", 400, "is a document number (doc_no); this route takes a document id", nil},
		{"object id for an id", "GET", "/api/docs/" + object, "", 400, "is an object id", nil},
		{"text for an id", "GET", "/api/docs/first", "", 400, `"first" is no document id`, nil},
		{"id with a zero before it", "GET", "/api/docs/014", "", 400, `"014" is no document id`, nil},
		{"entry id for an id", "GET", "/api/docs/100001", "", 404, "that is the id of the entry of document 14", nil},
		{"unknown id", "GET", "/api/docs/99", "", 404, "no document has the id 99", nil},
		{"id for a number", "GET", "/api/documents/14", "", 400, "as DOC-000040", nil},
		{"object id for a number", "GET", "/api/documents/" + object, "", 400, "this route takes a document number", nil},
		{"unknown number", "GET", "/api/documents/DOC-999999", "", 404, "no document has the number", nil},
		{"number for an object id", "GET", "/api/object-activities/objects/DOC-000040", "", 400, "an object id is due", nil},
		{"id for an object id", "POST", "/api/perma-link", `{"object_id":"14","object_type":"DOC"}`, 400, "is no object id", nil},
		{"unknown object id", "POST", "/api/perma-link", `{"object_id":"DOC-abcdefghijkl","object_type":"DOC"}`, 404, "no object has the id", nil},
		{"object type", "POST", "/api/perma-link", `{"object_id":"` + object + `","object_type":"doc"}`, 422, "only DOC is known", nil},
		{"unknown template", "POST", "/api/docs", `{"template_id":14}`, 404, "no template has the id 14", nil},
		{"inactive template", "POST", "/api/docs", `{"template_id":24}`, 409, "is inactive", nil},
		{"unknown folder", "POST", "/api/docs", `{"template_id":21,"folder_id":2}`, 404, "no folder has the id 2", nil},
		{"document as folder", "PUT", "/api/docs/14/folder", `{"folder_id":100001}`, 404, "that is the entry of the document DOC-000040", nil},
		{"unknown parent", "POST", "/api/folders/", `{"name":"x","parent_id":2}`, 404, "parent_id", nil},
		{"folder by number", "GET", "/api/folders/DOC-000040", "", 400, "this route takes a folder id", nil},
		{"unknown folder in path", "DELETE", "/api/folders/2", "", 404, "no folder has the id 2", nil},
		{"main folder", "DELETE", "/api/folders/1", "", 409, "the main folder cannot be deleted", nil},
		{"unknown contact", "GET", "/api/contacts/14", "", 404, "no contact has the id 14", nil},
		{"deleting an unknown contact", "DELETE", "/api/contacts/14", "", 404, "no contact", nil},
		{"contact by text", "GET", "/api/contacts/first", "", 400, "is no contact id", nil},
		{"unknown webhook", "DELETE", "/api/webhooks/14", "", 404, "no webhook has the id 14", nil},
		{"webhook by text", "DELETE", "/api/webhooks/first", "", 400, "is no webhook id", nil},
		{"unknown document to share", "POST", "/api/v2/doc-recipients/99", `{}`, 404, "no document", nil},
		{"unknown document to send", "POST", "/api/v2/doc-signers/99", `{}`, 404, "no document", nil},
		{"unknown document to clone", "POST", "/api/documents/99/clone", `{}`, 404, "no document", nil},
		{"unknown document to fill", "PUT", "/api/docs/99/fields", `{}`, 404, "no document", nil},
		{"unknown document to move", "PUT", "/api/docs/99/folder", `{}`, 404, "no document", nil},
		{"unknown document to download", "GET", "/api/docs/99/download", "", 404, "no document", nil},
		// Values.
		{"empty title", "POST", "/api/docs", `{"template_id":21,"title":" "}`, 422, "title: must not be empty", nil},
		{"long title", "POST", "/api/documents/14/clone", `{"title":"` + strings.Repeat("x", 256) + `"}`, 422, "not be longer than 255", nil},
		{"control in title", "POST", "/api/folders/", `{"name":"a\u0000b"}`, 422, "control characters", nil},
		{"no folder name", "POST", "/api/folders/", `{}`, 400, "name: the member is missing", nil},
		{"no folder to move to", "PUT", "/api/docs/14/folder", `{}`, 400, "folder_id: the member is missing", nil},
		{"no fields", "PUT", "/api/docs/14/fields", `{"fields":[]}`, 422, "fields: at least one entry is due", nil},
		{"unknown field", "PUT", "/api/docs/14/fields", `{"fields":[{"name":"Client","value":"x"}]}`, 422, "its fields are Counterparty and Effective date", nil},
		{"field without value", "PUT", "/api/docs/14/fields", `{"fields":[{"name":"Counterparty"}]}`, 400, "fields[0].value: the member is missing", nil},
		{"field twice", "PUT", "/api/docs/14/fields", `{"fields":[{"name":"Counterparty","value":"x"},{"name":"Counterparty","value":"y"}]}`, 422, "occurs twice", nil},
		{"bad date", "PUT", "/api/docs/14/fields", `{"fields":[{"name":"Effective date","value":"01.07.2021"}]}`, 422, "is a date as 2021-06-18", nil},
		{"bad number", "PUT", "/api/docs/17/fields", `{"fields":[{"name":"Fee","value":"1,500"}]}`, 422, "is a number such as 1500", nil},
		{"bad text", "PUT", "/api/docs/14/fields", `{"fields":[{"name":"Counterparty","value":"\u0007"}]}`, 422, "without control characters", nil},
		{"long text", "PUT", "/api/docs/14/fields", `{"fields":[{"name":"Counterparty","value":"` + strings.Repeat("x", 10_001) + `"}]}`, 422, "at most 10000 bytes", nil},
		{"fields of a signed document", "PUT", "/api/docs/16/fields", `{"fields":[{"name":"Counterparty","value":"x"}]}`, 409, "because it is signed", nil},
		{"no address", "POST", "/api/v2/doc-signers/14", `{"signers":[{"first_name":"x"}]}`, 400, "signers[0].user_email: the member is missing", nil},
		{"bad address", "POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"First <first@example.com>"}]}`, 422, "signers[0].user_email", nil},
		{"address twice", "POST", "/api/v2/doc-signers/14", `{"signers":[` + person + `,` + person + `]}`, 422, "signers[1].user_email: s@example.com occurs twice", nil},
		{"order 0", "POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com","order":0}]}`, 400, "order: a whole number from 1", nil},
		{"bad order", "POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com","order":-1}]}`, 400, "order: a whole number from 1", nil},
		{"too many", "POST", "/api/v2/doc-signers/14", `{"signers":[` + strings.Repeat(`{},`, 100) + `{}]}`, 422, "at most 100 entries", nil},
		{"long message", "POST", "/api/v2/doc-signers/14", `{"signers":[` + person + `],"email_message":"` + long + `"}`, 422, "email_message: at most 10000 bytes", nil},
		{"long message to readers", "POST", "/api/v2/doc-recipients/14", `{"collaborators":[` + person + `],"reviewerEmailMessage":"` + long + `"}`, 422, "reviewerEmailMessage: at most 10000 bytes", nil},
		{"long name", "POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"s@example.com","first_name":"` + long + `"}]}`, 422, "acceptors[0].first_name: at most 10000 bytes", nil},
		{"long last name", "POST", "/api/v2/doc-approvers/14", `{"approvers":[{"user_email":"s@example.com","last_name":"` + long + `"}]}`, 422, "approvers[0].last_name: at most 10000 bytes", nil},
		{"long address", "POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"` + long + `@example.com"}]}`, 422, "signers[0].user_email: at most 10000 bytes", nil},
		{"long URL", "POST", "/api/webhooks", `{"event":"DOCUMENT_SIGNED","url":"https://example.com/` + long + `"}`, 422, "url: at most 10000 bytes", nil},
		{"no signers", "POST", "/api/v2/doc-signers/14", `{"signers":[]}`, 422, "at least one signer", nil},
		{"no acceptors", "POST", "/api/v2/doc-acceptors/14", `{"acceptors":[]}`, 422, "at least one acceptor", nil},
		{"no collaborators", "POST", "/api/v2/doc-recipients/14", `{"collaborators":[]}`, 422, "at least one person", nil},
		{"snake case where camel case was observed", "POST", "/api/v2/doc-recipients/14", `{"collaborators":[` + person + `],"is_review":false}`, 400, "is_review", nil},
		{"acceptance with empty fields", "POST", "/api/v2/doc-acceptors/17", `{"acceptors":[` + person + `]}`, 422, "required fields are filled: Client and Start date", nil},
		{"signing twice", "POST", "/api/v2/doc-signers/15", `{"signers":[` + person + `]}`, 409, "it is Sent already", nil},
		{"acceptance of a sent document", "POST", "/api/v2/doc-acceptors/15", `{"acceptors":[` + person + `]}`, 409, "it is Sent already", nil},
		{"approval of a signed document", "POST", "/api/v2/doc-approvers/16", `{"approvers":[` + person + `]}`, 409, "only a draft is sent for approval", nil},
		{"contact without anything", "POST", "/api/contacts", `{"name":"","email":""}`, 422, "a contact needs a name or an email", nil},
		{"contact type", "POST", "/api/contacts", `{"name":"x","type":"person"}`, 422, "none of individual and corporate", nil},
		{"contact address", "POST", "/api/contacts", `{"name":"x","email":"x"}`, 422, "email:", nil},
		{"contact with null", "POST", "/api/contacts", `{"name":"x","phone":null}`, 400, "phone: a string is due, not null", nil},
		{"contact too long", "POST", "/api/contacts", `{"name":"x","notes":"` + strings.Repeat("x", 10_001) + `"}`, 422, "notes: at most", nil},
		{"webhook event", "POST", "/api/webhooks", `{"event":"DOCUMENT_OPENED","url":"https://example.com"}`, 422, "the events are DOCUMENT_STAGE_CHANGED, DOCUMENT_CLOSED, DOCUMENT_SIGNED and DOCUMENT_ACCEPTED", nil},
		{"webhook scheme", "POST", "/api/webhooks", `{"event":"DOCUMENT_SIGNED","url":"ftp://example.com/x"}`, 422, "absolute http or https URL", nil},
		{"webhook without a host", "POST", "/api/webhooks", `{"event":"DOCUMENT_SIGNED","url":"https:///x"}`, 422, "absolute http or https URL", nil},
		{"webhook with a fragment", "POST", "/api/webhooks", `{"event":"DOCUMENT_SIGNED","url":"https://example.com/#x"}`, 422, "absolute http or https URL", nil},
		// The login of 2020.
		{"no grant type", "POST", "/api/v2/auth/initiate-auth", `{}`, 400, "password or refreshToken", []string{"AccessToken", ""}},
		{"login without domain", "POST", "/api/v2/auth/initiate-auth", `{"user_email":"a","password":"b"}`, 400, "org_domain: the member is missing", []string{"GrantType", "password", "AccessToken", ""}},
		{"wrong password", "POST", "/api/v2/auth/initiate-auth", `{"user_email":"owner@example.com","password":"b","org_domain":"sandbox"}`, 401, "is wrong", []string{"GrantType", "password", "AccessToken", ""}},
		{"no refresh token", "POST", "/api/auth/initiate-auth", "", 400, "RefreshToken is missing", []string{"GrantType", "refreshToken", "AccessToken", ""}},
		{"unknown refresh token", "POST", "/api/auth/initiate-auth", "", 401, "not known", []string{"GrantType", "refreshToken", "RefreshToken", "x", "AccessToken", ""}},
		// Links.
		{"unknown acceptance link", "POST", "/api/shared/documents/1/x/doc-acceptance/accept", "", 404, "not valid", nil},
		{"unknown approval link", "POST", "/api/shared/documents/1/x/doc-approval/reject", "", 404, "not valid", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a.t = t
			assert.Contains(t, a.refused(c.status, c.method, c.path, c.body, c.headers...), c.message)
		})
	}
	a.t = t
	assert.Equal(t, "GET, HEAD", a.do("DELETE", "/api/docs/14", "").Header().Get("Allow"))
	log := a.Requests()
	assert.Contains(t, log[len(log)-1].Problem, "does not take DELETE", "the log says why")
}

func TestRefusals_webhookTwice(t *testing.T) {
	a := newAPI(t)
	a.ok("POST", "/api/webhooks", `{"event":"DOCUMENT_SIGNED","url":"https://example.com"}`)
	assert.Contains(t, a.refused(http.StatusConflict, "POST", "/api/webhooks", `{"event":"DOCUMENT_SIGNED","url":"https://example.com"}`), "as webhook 1")
}

func TestRefusals_largeBody(t *testing.T) {
	a := newAPI(t)
	a.refused(http.StatusRequestEntityTooLarge, "POST", "/api/docs", `{"title":"`+strings.Repeat("x", 1<<20)+`"}`)
}

func TestRefusals_tokenTwice(t *testing.T) {
	a := newAPI(t)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/docs/14", nil)
	r.Header["Accesstoken"] = []string{a.tokens.AccessToken, a.tokens.AccessToken}
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, r)
	assert.Equal(t, http.StatusBadRequest, w.Code)
}

func TestBearerHeader_isAccepted(t *testing.T) {
	a := newAPI(t)
	w := a.do("GET", "/api/webhooks", "", "AccessToken", "", "Authorization", "Bearer "+a.tokens.AccessToken)
	assert.Equal(t, http.StatusOK, w.Code)
}

// What the live service was seen to accept from programs of 2020.
func TestLenient(t *testing.T) {
	a := newAPI(t, func(o *sandbox.Options) { o.Lenient = true })
	w := a.do("POST", "/api/docs", `{"template_id":"21","created_by":"us"}`, "Content-Type", "text/plain")
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	a.ok("GET", "/api/docs/14?_=1", "")
	a.ok("PUT", "/api/docs/14/fields", `{"fields":[{"name":"Fee","value":1500}]}`)
	a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"a@example.com","role":"x"}],"email_message":"","isReview":false}`)
	require.NoError(t, a.Accept(14, "a@example.com"), "required fields are not looked at")
	a.refused(http.StatusBadRequest, "POST", "/api/docs", `{"template_id":"x"}`)
	a.refused(http.StatusBadRequest, "POST", "/api/docs", `no JSON`)
}

// The window slides: it is any one of that length, and not one after the other.
func TestRateLimit_holdsInAnyWindow(t *testing.T) {
	a := newAPI(t, func(o *sandbox.Options) { o.RateLimit = sandbox.RateLimit{Requests: 2, Per: 10 * time.Second} })
	for _, c := range []struct {
		at    time.Duration
		after string // the header Retry-After of a refusal, "" for an answer
	}{
		{0, ""},
		{9 * time.Second, ""},
		{9500 * time.Millisecond, "1"}, // a half, rounded up
		{10 * time.Second, ""},
		{10 * time.Second, "9"}, // the calls at 9 and at 10
		{18 * time.Second, "1"},
		{19 * time.Second, ""},
		{19 * time.Second, "1"},
		{-time.Hour, ""}, // what is still to come does not count
		{-time.Hour, ""},
		{-time.Hour, "10"},
	} {
		a.SetTime(noon.Add(c.at))
		w := a.do("GET", "/api/webhooks", "")
		want := http.StatusOK
		if c.after != "" {
			want = http.StatusTooManyRequests
		}
		assert.Equal(t, want, w.Code, c.at)
		assert.Equal(t, c.after, w.Header().Get("Retry-After"), c.at)
	}
}

func TestClosed_answers503(t *testing.T) {
	a := newAPI(t)
	a.Close()
	a.refused(http.StatusServiceUnavailable, "GET", "/api/webhooks", "")
}

func TestCrossOrigin(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"/api/docs", "/api/v2/auth/initiate-auth", "/api/unknown"} {
		w := a.do("OPTIONS", path, "", "Origin", "https://example.com", "Access-Control-Request-Method", "POST", "AccessToken", "")
		assert.Equal(t, http.StatusNoContent, w.Code, path)
		for _, name := range []string{"AccessToken", "GrantType", "RefreshToken", "Content-Type"} {
			assert.Contains(t, w.Header().Get("Access-Control-Allow-Headers"), name)
		}
		assert.Equal(t, "*", w.Header().Get("Access-Control-Allow-Origin"))
	}
	assert.Equal(t, "*", a.do("GET", "/api/webhooks", "").Header().Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "*", a.do("GET", "/api/docs/99", "").Header().Get("Access-Control-Allow-Origin"))
	assert.Empty(t, a.do("OPTIONS", "/oauth/token", "", "Access-Control-Request-Method", "POST").Header().Get("Access-Control-Allow-Origin"))
}

func TestFallback_answersWhatIsNotTheAPI(t *testing.T) {
	a := newAPI(t, func(o *sandbox.Options) {
		o.Fallback = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	})
	assert.Equal(t, http.StatusTeapot, a.do("GET", "/dashboard", "").Code)
	assert.Equal(t, http.StatusTeapot, a.do("GET", "/", "").Code)
	assert.Equal(t, http.StatusNotFound, a.do("GET", "/api/unknown", "").Code)
	assert.Equal(t, http.StatusOK, a.do("GET", "/api/webhooks", "").Code)
}

// A path that is like no operation is answered without a guess, and no guess is a
// page behind a link.
func TestUnknownPath_unlikeAnyRoute_hasNoHint(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"/robots.txt", "/favicon.ico", "/", "/api", "/api/", "/api/v2", "/api/user", "/v1/documents", "/sign", "/sign/a/b", "/shared", "/perma/DOC/x", "/graphql"} {
		body := a.refused(http.StatusNotFound, "GET", path, "")
		assert.Contains(t, body, "no operation lives at /", path)
		assert.NotContains(t, body, "did you mean", path)
	}
}

// Whatever is called, half an object is no body.
func TestBodies_thatEndInTheMiddle_areRefused(t *testing.T) {
	a := newAPI(t)
	a.draft()
	for _, call := range []string{
		"POST /api/docs", "PUT /api/docs/14/fields", "PUT /api/docs/14/folder", "POST /api/documents/14/clone", "POST /api/perma-link",
		"POST /api/v2/doc-signers/14", "POST /api/v2/doc-acceptors/14", "POST /api/v2/doc-approvers/14", "POST /api/v2/doc-recipients/14",
		"POST /api/folders/", "POST /api/contacts", "POST /api/webhooks",
	} {
		method, path, _ := strings.Cut(call, " ")
		assert.Contains(t, a.refused(http.StatusBadRequest, method, path, `{"title":`), "ends in the middle", call)
	}
}
