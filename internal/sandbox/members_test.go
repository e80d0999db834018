package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// Objects stand under a name, and a fault means what is in them.
func TestFaults_members(t *testing.T) {
	const list = "/api/folders/"
	for name, c := range map[string]struct {
		members      map[string]string
		method, path string
		body         string
		want         map[string]any // by path, "-" for what is not there
	}{
		"of a document":             {map[string]string{"title": `"X"`, "doc_no": "", "future": "[1]"}, "GET", "/api/docs/14", "", map[string]any{"Document.title": "X", "Document.doc_no": "-", "Document.future": []any{1.0}, "Document.id": 14.0, "title": "-"}},
		"the document itself":       {map[string]string{"Document": `{"id":1}`, "title": `"X"`}, "GET", "/api/docs/14", "", map[string]any{"Document": map[string]any{"id": 1.0}, "title": "X"}},
		"no document":               {map[string]string{"Document": "", "title": `"X"`}, "GET", "/api/docs/14", "", map[string]any{"Document": "-", "title": "X"}},
		"of a page":                 {map[string]string{"count": "9"}, "GET", list, "", map[string]any{"page.count": 9.0}},
		"of a list":                 {map[string]string{"count": "9"}, "GET", "/api/webhooks", "", map[string]any{"count": 9.0, "Webhooks": []any{}}},
		"of a link":                 {map[string]string{"url": `"x"`}, "POST", "/api/perma-link", `{"object_id":"OBJECT","object_type":"DOC"}`, map[string]any{"url": "x"}},
		"of nothing":                {map[string]string{"x": "1"}, "DELETE", "/api/contacts/5001", "", map[string]any{"x": 1.0}},
		"of a refusal":              {map[string]string{"message": ""}, "GET", "/api/docs/99", "", map[string]any{"error": "NOT_FOUND", "message": "-"}},
		"of what is deeper in it":   {map[string]string{"name": `"X"`}, "GET", "/api/docs/14", "", map[string]any{"Document.document_status.name": "Draft", "Document.name": "X"}},
		"of the login's one object": {map[string]string{"subdomain": ""}, "POST", "/api/auth/initiate-auth", `{"user_email":"owner@example.com","password":"revv-sandbox","org_domain":"sandbox"}`, map[string]any{"User.subdomain": "-", "User.last_name": "Owner"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			d := a.draft()
			operation := ""
			if c.path == "/api/auth/initiate-auth" {
				operation = "Auth.Login"
			}
			a.fail(sandbox.Fault{Operation: operation, Members: c.members})
			headers := []string{}
			if operation != "" {
				headers = []string{"AccessToken", "", "GrantType", "password"}
			}
			body := a.do(c.method, c.path, strings.ReplaceAll(c.body, "OBJECT", string(d.ObjectID)), headers...).Body.String()
			for path, want := range c.want {
				names := strings.Split(path, ".")
				if want == "-" {
					last := len(names) - 1
					assert.NotContains(t, field(t, body, names[:last]...), names[last], body)
					continue
				}
				assert.Equal(t, want, field(t, body, names...), path)
			}
		})
	}
}

// A fault that does nothing is refused, and members of what has none are nothing.
func TestFaults_membersOfNoObject_areRefused(t *testing.T) {
	a := newAPI(t)
	members := map[string]string{"event": `"X"`}
	for _, operation := range []string{"Documents.Activities", "Documents.Download", "OAuth.Authorize", "OAuth.Consent", "Shared.Open", "Shared.Sign", "Shared.Read", "Shared.MagicLink"} {
		require.ErrorContains(t, a.Fail(sandbox.Fault{Operation: operation, Members: members}), "this operation answers with none", operation)
		a.fail(sandbox.Fault{Operation: operation, Members: members, Status: http.StatusTeapot}) // whose body is an object
	}
	for _, body := range []string{"null", "[]", "x", "1"} {
		require.ErrorContains(t, a.Fail(sandbox.Fault{Members: members, Body: body}), "Body is none", body)
	}
	a.ClearFaults()
	a.fail(sandbox.Fault{Members: members, Body: ` { "Document" : { "id":1e400 } } `})
	assert.Equal(t, `{"Document":{"event":"X","id":1e400}}`, a.do("GET", "/api/docs/14", "").Body.String())
	for _, operation := range []string{"", "Documents.List", "Shared.Accept", "OAuth.Token"} {
		a.fail(sandbox.Fault{Operation: operation, Members: members})
	}
}
