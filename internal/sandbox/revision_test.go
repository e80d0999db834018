package sandbox_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// Whoever saves the account looks at the revision alone: everything that an
// export would show must raise it, and what only reads must not.
func TestRevision_growsWithWhatAnExportShows(t *testing.T) {
	a := newAPI(t)
	revision := a.Revision()
	exported, err := a.Export()
	require.NoError(t, err)
	look := func() (grown, changed bool) {
		now, err := a.Export()
		require.NoError(t, err)
		grown, changed = a.Revision() != revision, !bytes.Equal(now, exported)
		revision, exported = a.Revision(), now
		return grown, changed
	}
	for _, act := range []struct {
		name string
		do   func()
	}{
		{"document", func() { a.draft() }},
		{"document by a program", func() { a.ok("POST", "/api/docs", `{"template_id":21}`) }},
		{"contact", func() { a.ok("POST", "/api/contacts", `{"name":"A","email":"a@example.com"}`) }},
		{"contact changed", func() { a.ok("POST", "/api/contacts", `{"name":"B","email":"a@example.com"}`) }},
		{"folder", func() { a.ok("POST", "/api/folders/", `{"name":"A"}`) }},
		{"fields", func() { a.ok("PUT", "/api/docs/15/fields", `{"fields":[{"name":"Fee","value":"7"}]}`) }},
		{"move", func() { a.ok("PUT", "/api/docs/15/folder", `{"folder_id":100003}`) }},
		{"clone", func() { a.ok("POST", "/api/documents/14/clone", `{"title":"Another"}`) }},
		{"magic link", func() {
			a.ok("POST", "/api/perma-link", `{"object_id":"`+string(a.Documents()[0].ObjectID)+`","object_type":"DOC"}`)
		}},
		{"share", func() {
			a.ok("POST", "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"r@example.com"}],"isReview":false,"reviewerEmailMessage":""}`)
		}},
		{"send", func() { a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`) }},
		{"signature", func() { require.NoError(t, a.Sign(14, "s@example.com", nil)) }},
		// After all that has events, because a delivery would go on changing the account.
		{"webhook", func() { require.NoError(t, a.Subscribe("DOCUMENT_CLOSED", "http://127.0.0.1:1/")) }},
		{"template", func() {
			_, err := a.AddTemplate(sandbox.Template{Title: "A"})
			require.NoError(t, err)
		}},
		{"contact deleted", func() { a.ok("DELETE", "/api/contacts/5001", "") }},
		{"folder deleted", func() { a.ok("DELETE", "/api/folders/100003", "") }},
		{"webhook removed", func() { a.ok("DELETE", "/api/webhooks/1", "") }},
		{"tokens", func() { a.IssueTokens() }},
		{"login", func() {
			const login = `{"user_email":"owner@example.com","password":"revv-sandbox","org_domain":"sandbox"}`
			w := a.do("POST", "/api/v2/auth/initiate-auth", login, "GrantType", "password", "AccessToken", "")
			require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		}},
		{"expiry", a.ExpireTokens},
		{"revocation", a.RevokeTokens},
	} {
		act.do()
		grown, changed := look()
		assert.True(t, grown, act.name)
		assert.True(t, changed, act.name)
	}
	a.tokens = a.IssueTokens()
	look()
	a.ok("GET", "/api/contacts/all", "")
	a.Requests()
	require.NoError(t, a.Fail(sandbox.Fault{Operation: "Contacts.List", Status: http.StatusInternalServerError, Times: 1}))
	grown, changed := look()
	assert.False(t, grown, "reading")
	assert.False(t, changed, "reading")
}

func TestSubscribe_onceForEachEventAndURL(t *testing.T) {
	a := newAPI(t)
	for range 2 {
		for _, event := range sandbox.WebhookEvents() {
			require.NoError(t, a.Subscribe(event, "http://127.0.0.1:1/"))
		}
	}
	assert.Len(t, a.Webhooks(), 4)
	require.ErrorContains(t, a.Subscribe("NOPE", "http://127.0.0.1:1/"), "event: ")
	require.ErrorContains(t, a.Subscribe("DOCUMENT_CLOSED", "nope"), "url: ")
}

// What Close interrupts is delivered by whoever imports the account.
func TestImport_takesUpWhatWasNotDelivered(t *testing.T) {
	first := newAPI(t)
	arrived, answer := make(chan struct{}, 1), make(chan struct{})
	defer close(answer)
	receiver := newReceiver(t, func(nth int) int {
		if nth == 1 {
			arrived <- struct{}{}
			<-answer
		}
		return http.StatusOK
	})
	require.NoError(t, first.Subscribe("DOCUMENT_STAGE_CHANGED", receiver.URL))
	first.draft()
	first.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	<-arrived
	first.Close()
	exported, err := first.Export()
	require.NoError(t, err)

	second := newAPI(t, func(o *sandbox.Options) { o.RedirectURLs = []string{"https://app.example.com/callback"} })
	require.NoError(t, second.Import(exported))
	second.wait()
	deliveries := second.Deliveries()
	require.Len(t, deliveries, 1)
	assert.Equal(t, sandbox.DeliveryDelivered, deliveries[0].State)
	exported, err = second.Export()
	require.NoError(t, err)
	third := newAPI(t)
	require.NoError(t, third.Import(exported))
	third.wait()
	assert.Equal(t, deliveries, third.Deliveries(), "what has arrived is not delivered again")
	assert.Equal(t, []string{"https://app.example.com/callback"}, second.App().RedirectURLs, "a matter of the options")
}

// Who follows changes, as a page does, has everything to look at again.
func TestImport_tellsThatEverythingHasChanged(t *testing.T) {
	a := newAPI(t)
	exported, err := a.Export()
	require.NoError(t, err)
	changes, end := a.Watch()
	before := a.Revision()
	require.NoError(t, a.Import(exported))
	end()
	var kinds []string
	for change := range changes {
		kinds = append(kinds, change.Kind)
	}
	assert.ElementsMatch(t, []string{"document", "folder", "template", "contact", "webhook", "mail", "delivery"}, kinds)
	assert.Greater(t, a.Revision(), before)
}

// What a caller was given does not change behind its back.
func TestDocument_isACopy(t *testing.T) {
	a := newAPI(t)
	id, err := a.CreateDocument(templateService, "", 0)
	require.NoError(t, err)
	path := fmt.Sprint(id)
	a.ok("PUT", "/api/docs/"+path+"/fields", `{"fields":[{"name":"Client","value":"Acme"},{"name":"Start date","value":"2021-07-01"}]}`)
	a.ok("POST", "/api/v2/doc-signers/"+path, `{"signers":[{"user_email":"s@example.com"}]}`)
	before, _ := a.Document(id)
	require.NoError(t, a.Sign(id, "s@example.com", []sandbox.FieldValue{{Name: "Fee", Value: "7"}}))
	assert.Empty(t, before.Fields[2].Value)
	assert.Equal(t, sandbox.PartyOpen, before.Signers[0].State)

	a.ok("POST", "/api/v2/doc-acceptors/"+fmt.Sprint(a.draft().ID), `{"acceptors":[{"user_email":"s@example.com"}]}`)
	before, _ = a.Document(id + 1)
	require.NoError(t, a.Accept(id+1, "s@example.com"))
	assert.Equal(t, sandbox.PartyOpen, before.Acceptors[0].State)
}

func TestPreflight_namesTheHeadersThatWereAskedFor(t *testing.T) {
	for lenient, want := range map[bool]string{true: "accesstoken,x-custom", false: "AccessToken, Authorization, GrantType, RefreshToken, Content-Type, If-Range, Range"} {
		a := newAPI(t, func(o *sandbox.Options) { o.Lenient = lenient })
		w := a.do("OPTIONS", "/api/docs", "", "AccessToken", "", "Origin", "https://app.example.com",
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "accesstoken,x-custom")
		assert.Equal(t, http.StatusNoContent, w.Code)
		assert.Equal(t, want, w.Header().Get("Access-Control-Allow-Headers"))
		assert.Equal(t, "*", w.Header().Get("Access-Control-Allow-Origin"))
	}
}
