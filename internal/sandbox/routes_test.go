package sandbox_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/internal/sandbox"
)

// Everything on one page: what each route of the contract answers, byte for byte
// where it is JSON. The clock stands still and ids are drawn from a seed.
func TestRoutes_answerInTheShapeOfTheContract(t *testing.T) {
	a := newAPI(t)
	const (
		fields   = `[{"name":"Client","type":"text","required":true,"value":""},{"name":"Start date","type":"date","required":true,"value":""},{"name":"Fee","type":"number","required":false,"value":""}]`
		filled   = `[{"name":"Client","type":"text","required":true,"value":"Acme"},{"name":"Start date","type":"date","required":true,"value":"2021-07-01"},{"name":"Fee","type":"number","required":false,"value":""}]`
		person   = `{"user_email":"first.signer@example.com","first_name":"First","last_name":"Signer"}`
		template = `{"id":%d,"title":"%s","thumbnail":"https://example.com/thumbnails/%d.png"}`
		contact  = `{"id":5001,"name":"First Signer","title":"Director","description":"","email":"first.signer@example.com","phone":"","type":"individual","linkedin":"","instagram":"","twitter":"","notes":""}`
		second   = `{"id":5002,"name":"Second Signer","title":"","description":"","email":"second.signer@example.com","phone":"","type":"individual","linkedin":"","instagram":"","twitter":"","notes":""}`
	)
	doc := func(id int, object, title string, folder int, stage, fields string, created, updated int) string {
		return fmt.Sprintf(`{"Document":{"id":%d,"doc_no":"DOC-%06d","object_id":"%s","title":"%s","template_id":21,"folder_id":%d,`+
			`"document_status":{"name":"%s"},"fields":%s,"created_at":"2021-06-18T12:00:00.%06dZ","updated_at":"2021-06-18T12:00:00.%06dZ"}}`,
			id, id+26, object, title, folder, stage, fields, created, updated)
	}
	objectOf := func(id revv.DocumentID) string {
		d, ok := a.Document(id)
		require.True(t, ok)
		return string(d.ObjectID)
	}
	steps := []struct {
		operation, method, path, body string
		want                          func() string
	}{
		{"Templates.List", "GET", "/api/docstemplate/?page_num=1&status=ACTIVE", "", func() string {
			return `{"Templates":[` + fmt.Sprintf(template, 21, "Service agreement", 21) + `,` + fmt.Sprintf(template, 22, "Offer letter", 22) + `,` + fmt.Sprintf(template, 23, "Mutual NDA", 23) + `]}`
		}},
		{"Templates.List", "GET", "/api/docstemplate/?status=", "", func() string {
			return `{"Templates":[` + fmt.Sprintf(template, 21, "Service agreement", 21) + `,` + fmt.Sprintf(template, 22, "Offer letter", 22) + `,` +
				fmt.Sprintf(template, 23, "Mutual NDA", 23) + `,` + fmt.Sprintf(template, 24, "Service agreement of last year", 24) + `]}`
		}},
		{"Templates.List", "GET", "/api/docstemplate/?page_num=2", "", func() string { return `{"Templates":[]}` }},
		{"Documents.Create", "POST", "/api/docs", `{"template_id":21}`, func() string {
			return doc(14, objectOf(14), "Service agreement", 1, "Draft", fields, 0, 0)
		}},
		{"Documents.Get", "GET", "/api/docs/14", "", func() string {
			return doc(14, objectOf(14), "Service agreement", 1, "Draft", fields, 0, 0)
		}},
		{"Documents.GetByNumber", "GET", "/api/documents/DOC-000040", "", func() string {
			return doc(14, objectOf(14), "Service agreement", 1, "Draft", fields, 0, 0)
		}},
		{"Documents.SetFields", "PUT", "/api/docs/14/fields", `{"fields":[{"name":"Client","value":"Acme"},{"name":"Start date","value":"2021-07-01"}]}`, func() string {
			return doc(14, objectOf(14), "Service agreement", 1, "Draft", filled, 0, 2)
		}},
		{"Folders.Create", "POST", "/api/folders/", `{"name":"Customers"}`, func() string { return `{"Folder":{"id":100002,"name":"Customers"}}` }},
		{"Documents.Move", "PUT", "/api/docs/14/folder", `{"folder_id":100002}`, func() string {
			return doc(14, objectOf(14), "Service agreement", 100002, "Draft", filled, 0, 4)
		}},
		{"Documents.Clone", "POST", "/api/documents/14/clone", `{"title":"Second one"}`, func() string {
			return doc(15, objectOf(15), "Second one", 100002, "Draft", filled, 6, 6)
		}},
		{"Documents.List", "GET", "/api/folders/?page_num=1", "", func() string {
			return `{"page":{"inodes":[` +
				`{"id":100001,"name":"Service agreement","type":"f","doc_no":"DOC-000040","document_status":{"name":"Draft"},"document_tag":{"name":""}},` +
				`{"id":100002,"name":"Customers","type":"d","document_status":null,"document_tag":null},` +
				`{"id":100003,"name":"Second one","type":"f","doc_no":"DOC-000041","document_status":{"name":"Draft"},"document_tag":{"name":""}}],"count":1}}`
		}},
		{"Documents.List", "GET", "/api/folders/?page_num=1&sort_by_doc_num=true", "", func() string {
			return `{"page":{"inodes":[` +
				`{"id":100001,"name":"Service agreement","type":"f","doc_no":"DOC-000040","document_status":{"name":"Draft"},"document_tag":{"name":""}},` +
				`{"id":100003,"name":"Second one","type":"f","doc_no":"DOC-000041","document_status":{"name":"Draft"},"document_tag":{"name":""}},` +
				`{"id":100002,"name":"Customers","type":"d","document_status":null,"document_tag":null}],"count":1}}`
		}},
		{"Documents.List", "GET", "/api/folders/1?page_num=1", "", func() string {
			return `{"page":{"inodes":[{"id":100002,"name":"Customers","type":"d","document_status":null,"document_tag":null}],"count":1}}`
		}},
		{"Documents.SendForApproval", "POST", "/api/v2/doc-approvers/15", `{"approvers":[],"email_message":""}`, func() string {
			return doc(15, objectOf(15), "Second one", 100002, "Draft", filled, 6, 10)
		}},
		{"Documents.SendForESign", "POST", "/api/v2/doc-signers/14", `{"signers":[` + person + `],"email_message":"Please sign"}`, func() string {
			return doc(14, objectOf(14), "Service agreement", 100002, "Sent", filled, 0, 12)
		}},
		{"Documents.SendForAcceptance", "POST", "/api/v2/doc-acceptors/15", `{"acceptors":[` + person + `],"email_message":""}`, func() string {
			return doc(15, objectOf(15), "Second one", 100002, "Sent", filled, 6, 17)
		}},
		{"Documents.Share", "POST", "/api/v2/doc-recipients/15", `{"collaborators":[` + person + `],"isReview":false,"reviewerEmailMessage":"Look"}`, func() string {
			return doc(15, objectOf(15), "Second one", 100002, "Sent", filled, 6, 21)
		}},
		{"Documents.Activities", "GET", "/api/object-activities/objects/{object}?after=2021-06-18T12:00:00.000001Z&limit=2", "", func() string {
			return `[{"event":"DOCUMENT_FIELDS_CHANGED","timestamp":"2021-06-18T12:00:00.000003Z","actor":{"name":"Sandbox Owner","image_url":"https://example.com/owner.png","user_email":"owner@example.com"},"subjects":[]},` +
				`{"event":"DOCUMENT_MOVED","timestamp":"2021-06-18T12:00:00.000005Z","actor":{"name":"Sandbox Owner","image_url":"https://example.com/owner.png","user_email":"owner@example.com"},"subjects":[{"name":"Customers"}]}]`
		}},
		{"Folders.Delete", "DELETE", "/api/folders/100002", "", func() string { return `{}` }},
		{"Folders.List", "GET", "/api/folders/1", "", func() string {
			return `{"page":{"inodes":[` +
				`{"id":100001,"name":"Service agreement","type":"f","doc_no":"DOC-000040","document_status":{"name":"Sent"},"document_tag":{"name":""}},` +
				`{"id":100003,"name":"Second one","type":"f","doc_no":"DOC-000041","document_status":{"name":"Sent"},"document_tag":{"name":""}}],"count":1}}`
		}},
		{"Contacts.List", "GET", "/api/contacts/all?page_num=1", "", func() string { return `{"Contacts":[` + contact + `,` + second + `]}` }},
		{"Contacts.Get", "GET", "/api/contacts/5001", "", func() string { return `{"Contact":` + contact + `}` }},
		{"Contacts.GetByEmail", "GET", "/api/contacts?email=FIRST.signer@example.com", "", func() string { return `{"Contacts":[` + contact + `]}` }},
		{"Contacts.GetByEmail", "GET", "/api/contacts?email=nobody@example.com", "", func() string { return `{"Contacts":[]}` }},
		{"Contacts.Upsert", "POST", "/api/contacts", `{"name":"First Signer","email":"first.signer@example.com","title":"","phone":"+1"}`, func() string {
			return `{"Contact":` + strings.Replace(strings.Replace(contact, `"Director"`, `""`, 1), `"phone":""`, `"phone":"+1"`, 1) + `}`
		}},
		{"Contacts.Upsert", "POST", "/api/contacts", `{"name":"","title":"","description":"","email":"new@example.com","phone":"","type":"corporate","linkedin":"","instagram":"","twitter":"","notes":""}`, func() string {
			return `{"Contact":{"id":5003,"name":"","title":"","description":"","email":"new@example.com","phone":"","type":"corporate","linkedin":"","instagram":"","twitter":"","notes":""}}`
		}},
		{"Contacts.Delete", "DELETE", "/api/contacts/5003", "", func() string { return `{}` }},
		{"Webhooks.Subscribe", "POST", "/api/webhooks", `{"event":"DOCUMENT_SIGNED","url":"https://example.com/hook"}`, func() string {
			return `{"Webhook":{"id":1,"event":"DOCUMENT_SIGNED","url":"https://example.com/hook"}}`
		}},
		{"Webhooks.List", "GET", "/api/webhooks", "", func() string {
			return `{"Webhooks":[{"id":1,"event":"DOCUMENT_SIGNED","url":"https://example.com/hook"}]}`
		}},
		{"Webhooks.Unsubscribe", "DELETE", "/api/webhooks/1", "", func() string { return `{}` }},
		{"Webhooks.List", "GET", "/api/webhooks", "", func() string { return `{"Webhooks":[]}` }},
	}
	for _, step := range steps {
		path := step.path
		if before, after, ok := strings.Cut(path, "{object}"); ok {
			path = before + objectOf(14) + after
		}
		got := a.ok(step.method, path, step.body)
		assert.Equal(t, step.want(), got, "%s %s", step.method, path)
	}

	link, ok := field(t, a.ok("POST", "/api/perma-link", `{"object_id":"`+objectOf(15)+`","object_type":"DOC"}`), "url").(string)
	require.True(t, ok)
	assert.Regexp(t, `^http://127\.0\.0\.1:1/perma/DOC/[A-Za-z0-9]{15}/Second-one$`, link)
	again := a.ok("POST", "/api/perma-link", `{"object_id":"`+objectOf(15)+`","object_type":"DOC"}`)
	assert.Equal(t, `{"url":"`+link+`"}`, again, "a magic link is permanent")

	pdf := a.do("GET", "/api/docs/14/download", "")
	assert.Equal(t, http.StatusOK, pdf.Code)
	assert.Equal(t, "application/pdf", pdf.Header().Get("Content-Type"))

	seen := map[string]bool{}
	for _, r := range a.Requests() {
		seen[r.Operation] = true
		assert.Empty(t, r.Problem, "%s %s", r.Method, r.Path)
	}
	assert.True(t, seen["Documents.MagicLink"])
	assert.True(t, seen["Documents.Download"])
	for _, step := range steps {
		if step.operation != "Folders.List" { // the same request as Documents.List
			assert.True(t, seen[step.operation], step.operation)
		}
	}
}

// Each id has a sequence of its own, so that one never passes for another.
func TestIDs_ofOneDocumentDiffer(t *testing.T) {
	a := newAPI(t)
	for range 100 {
		d := a.draft()
		assert.NotEqual(t, int64(d.ID), int64(d.EntryID))
		assert.Regexp(t, `^DOC-[0-9]{6}$`, string(d.Number))
		assert.Regexp(t, `^DOC-[A-Za-z0-9]{12}$`, string(d.ObjectID))
	}
}

func TestSeed_makesEverythingReproducible(t *testing.T) {
	run := func(seed uint64) string {
		a := newAPI(t, func(o *sandbox.Options) { o.Seed = &seed })
		return a.tokens.AccessToken + a.App().ClientSecret + a.ok("POST", "/api/docs", `{"template_id":21}`)
	}
	first, again := run(1), run(1)
	assert.Equal(t, first, again)
	assert.NotEqual(t, first, run(2))

	unseeded := func() string {
		a := newAPI(t, func(o *sandbox.Options) { o.Seed = nil })
		return a.tokens.AccessToken
	}
	one, other := unseeded(), unseeded()
	assert.NotEqual(t, one, other)
}

// A user repairs a route by setting one field; the sandbox follows.
func TestRoutes_canBeChanged(t *testing.T) {
	routes := revv.Routes{
		CreateDocument: "PUT /v3/documents", GetDocument: "GET /v3/documents/{id}", GetDocumentByNumber: "GET /v3/documents/{doc_no}",
		ListContacts: "GET /api/contacts",
	}
	a := newAPI(t, func(o *sandbox.Options) { o.Routes = routes })
	a.ok("PUT", "/v3/documents", `{"template_id":21}`)
	assert.Equal(t, a.ok("GET", "/v3/documents/14", ""), a.ok("GET", "/v3/documents/DOC-000040", ""), "two operations share a path, and the id tells them apart")
	assert.Contains(t, a.ok("GET", "/api/contacts?page_num=1", ""), "first.signer")
	assert.NotContains(t, a.ok("GET", "/api/contacts?email=second.signer@example.com", ""), "first.signer")
	assert.Contains(t, a.refused(http.StatusNotFound, "POST", "/api/docs", `{"template_id":21}`), "no operation lives at /api/docs")
}

// A route with a slash at its end is one path, and not all that begin with it.
func TestRoutes_belowOneThatEndsWithASlash_areUnknown(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"/api/docstemplate/21", "/api/docstemplate/x/y", "/api/folders/1/documents"} {
		a.refused(http.StatusNotFound, "GET", path, "")
	}
}

// The table of the sandbox knows every route of the client.
func TestRoutes_areAllServed(t *testing.T) {
	defaults := reflect.ValueOf(revv.DefaultRoutes())
	a := newAPI(t)
	for i := range defaults.NumField() {
		method, path, _ := strings.Cut(defaults.Field(i).String(), " ")
		path = strings.NewReplacer("{id}", "1", "{doc_no}", "DOC-000001", "{object_id}", "DOC-abcdefghijkl").Replace(path)
		w := a.do(method, path, "", "AccessToken", "")
		assert.Equal(t, http.StatusUnauthorized, w.Code, "%s: %s %s", defaults.Type().Field(i).Name, method, path)
	}
}

// Whoever changes the wrong field has to learn which one it was.
func TestNew_badRoute_isNamedByItsField(t *testing.T) {
	for field := range reflect.TypeFor[revv.Routes]().Fields() {
		var routes revv.Routes
		reflect.ValueOf(&routes).Elem().FieldByIndex(field.Index).SetString("nowhere")
		_, err := sandbox.New(sandbox.Options{Routes: routes})
		require.ErrorContains(t, err, "Routes."+field.Name+`: "nowhere"`)
	}
}

func TestNew_reportsEveryBadOption(t *testing.T) {
	_, err := sandbox.New(sandbox.Options{
		Routes:       revv.Routes{CreateDocument: "/api/docs", GetContact: "GET /api/{id}/x", GetDocument: "GET /api/{id}/{id}"},
		PageSize:     -1,
		RateLimit:    sandbox.RateLimit{Requests: 1},
		RedirectURLs: []string{"http://example.com/callback", "callback", "https://example.com/#top", "https://user@example.com/", ":"},
	})
	require.Error(t, err)
	for _, part := range []string{"Routes.CreateDocument", "/api/{param}/x cannot be served", "/api/{param}/{param} cannot be served", "PageSize", "RateLimit", "http://example.com/callback", `"callback"`, "#top", "user@", "missing protocol"} {
		assert.Contains(t, err.Error(), part)
	}
}
