package sandbox_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/internal/sandbox"
)

// What a link was mailed for is all that it is good for.
func TestLinks_wereMailedForSomethingElse_openNothing(t *testing.T) {
	a := newAPI(t)
	const shared = "/api/shared/documents/1/"
	secrets := map[string]string{}
	for kind, body := range map[string]string{
		"signers": `{"signers":[%s]}`, "acceptors": `{"acceptors":[%s]}`, "approvers": `{"approvers":[%s]}`, "recipients": `{"collaborators":[%s]}`,
	} {
		d := a.draft()
		a.ok("POST", fmt.Sprintf("/api/v2/doc-%s/%d", kind, d.ID), fmt.Sprintf(body, `{"user_email":"p@example.com"}`))
		for _, link := range a.lastMail().Links {
			path := strings.TrimPrefix(a.path(link), shared)
			path, _, _ = strings.Cut(path, "/doc-")
			secrets[kind] = secretOf(path)
		}
	}
	require.Len(t, secrets, 4)
	before := a.Documents()
	for kind, secret := range secrets {
		for _, request := range []struct{ method, path, of string }{
			{"GET", "/sign/" + secret, "signers"},
			{"POST", "/sign/" + secret, "signers"},
			{"GET", shared + secret, "acceptors, approvers"},
			{"POST", shared + secret + "/doc-acceptance/accept", "acceptors"},
			{"POST", shared + secret + "/doc-acceptance/reject", "acceptors"},
			{"POST", shared + secret + "/doc-approval/approve", "approvers"},
			{"POST", shared + secret + "/doc-approval/reject", "approvers"},
			{"GET", "/shared/" + secret, "recipients"},
		} {
			if strings.Contains(request.of, kind) {
				continue
			}
			w := a.do(request.method, request.path, "", "AccessToken", "")
			assert.Equal(t, http.StatusNotFound, w.Code, "%s %s with a link for %s", request.method, request.path, kind)
		}
	}
	assert.Equal(t, before, a.Documents())
}

// Who was asked in an earlier round has no say in the next.
func TestLinks_ofAnEarlierSending_areGoodForNothing(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"old@example.com"}]}`)
	links := a.lastMail().Links
	require.NoError(t, a.RefuseLink(secretOf(links["open"]), "not like this"))
	require.Equal(t, revv.StageDraft, a.document(d).Stage)
	a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"new@example.com"}]}`)
	assert.Equal(t, http.StatusNotFound, a.do("GET", a.path(links["open"]), "", "AccessToken", "").Code)
	assert.Equal(t, http.StatusNotFound, a.do("POST", a.path(links["accept"]), "", "AccessToken", "").Code)
	assert.Equal(t, revv.StageSent, a.document(d).Stage)
}

// After one has refused, the others are shown a document that they can only read.
func TestLinks_ofTheOthers_areClosedAfterARefusal(t *testing.T) {
	for path, body := range map[string]string{"acceptors": `{"acceptors":[%s]}`, "signers": `{"signers":[%s]}`} {
		a := newAPI(t)
		a.draft()
		a.ok("POST", "/api/v2/doc-"+path+"/14", fmt.Sprintf(body, `{"user_email":"a@example.com"},{"user_email":"b@example.com"}`))
		secrets := make([]string, 0, 2)
		for _, mail := range a.Mails() {
			for _, link := range mail.Links {
				secret := strings.TrimPrefix(a.path(link), "/api/shared/documents/1")
				secret, _, _ = strings.Cut(secret, "/doc-")
				secrets = append(secrets, secretOf(secret))
				break
			}
		}
		require.Len(t, secrets, 2)
		view, err := a.OpenLink(secrets[1])
		require.NoError(t, err)
		require.True(t, view.Open, path)
		require.NoError(t, a.RefuseLink(secrets[0], "no"))
		view, err = a.OpenLink(secrets[1])
		require.NoError(t, err)
		assert.False(t, view.Open, path)
	}
}

func TestFolders_deleted_areNotThereAnyMore(t *testing.T) {
	a := newAPI(t)
	id, err := a.AddFolder(sandbox.Folder{Name: "Gone"})
	require.NoError(t, err)
	path := fmt.Sprintf("/api/folders/%d", id)
	a.ok("DELETE", path, "")
	a.refused(http.StatusNotFound, "GET", path, "")
	a.refused(http.StatusNotFound, "DELETE", path, "")
	a.refused(http.StatusNotFound, "POST", "/api/docs", fmt.Sprintf(`{"template_id":%d,"folder_id":%d}`, templateNDA, id))
	a.refused(http.StatusNotFound, "POST", "/api/folders/", fmt.Sprintf(`{"name":"Within","parent_id":%d}`, id))
}

// The code of one authorization is good whatever else is authorized meanwhile.
func TestOAuth_twoAuthorizationsAtOnce_bothCodesAreGood(t *testing.T) {
	a := newAPI(t)
	first, second := a.code(), a.code()
	for _, code := range []string{first, second} {
		status, members := a.token(a.trade(code))
		assert.Equal(t, http.StatusOK, status, "%v", members)
	}
}

// A parameter that is there twice has two readers, and nobody knows which of them is right.
func TestOAuth_parameterTwice_isRefusedAndRedirectsNowhere(t *testing.T) {
	a := newAPI(t)
	for name := range a.request() {
		_, location, err := a.BeginConsent(a.request().Encode() + "&" + name + "=x")
		require.ErrorContains(t, err, "occurs twice", name)
		assert.Empty(t, location, name)
	}
}

// The address is the key of a contact. Those without one are not all the same.
func TestContacts_withoutAnAddress_areTwo(t *testing.T) {
	a := newAPI(t)
	before := len(a.Contacts())
	a.ok("POST", "/api/contacts", `{"name":"Ann","email":""}`)
	a.ok("POST", "/api/contacts", `{"name":"Bob","email":""}`)
	contacts := a.Contacts()
	require.Len(t, contacts, before+2)
	assert.Equal(t, "Ann", contacts[before].Name)
	assert.Equal(t, "Bob", contacts[before+1].Name)
}

// Values are texts on the wire. That a program of 2020 sent numbers is for the lenient.
func TestFields_valueIsANumber_isForTheLenient(t *testing.T) {
	const body = `{"fields":[{"name":"Counterparty","value":1500}]}`
	strict := newAPI(t)
	strict.draft()
	strict.refused(http.StatusBadRequest, "PUT", "/api/docs/14/fields", body)
	lenient := newAPI(t, func(o *sandbox.Options) { o.Lenient = true })
	d := lenient.draft()
	lenient.ok("PUT", "/api/docs/14/fields", body)
	assert.Equal(t, "1500", lenient.document(d).Fields[0].Value)
}

// The log names the fault also where there was no answer to see.
func TestRequests_metAFaultWithoutAnAnswer_sayWhich(t *testing.T) {
	a := newAPI(t)
	for _, fault := range []sandbox.Fault{{CutAfter: -1}, {Reset: true}} {
		fault.Operation, fault.Times = "Documents.Get", 1
		require.NoError(t, a.Fail(fault))
		assert.Panics(t, func() { a.do("GET", "/api/docs/14", "") })
		requests := a.Requests()
		assert.Equal(t, fault.String(), requests[len(requests)-1].Problem)
	}
}

// A document that is sent once more is in the stage that it was in: nobody is told.
func TestWebhooks_sentOnceMore_isNoChangeOfStage(t *testing.T) {
	a := newAPI(t, func(o *sandbox.Options) { o.RepeatedSends = true })
	a.draft()
	a.ok("POST", "/api/webhooks", `{"event":"DOCUMENT_STAGE_CHANGED","url":"http://127.0.0.1:1/hook"}`)
	for range 2 {
		a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	}
	assert.Len(t, a.Deliveries(), 1)
}

// What is done stands in the path of a link. A strict sandbox does not let a body contradict it.
func TestLinks_bodyThatSaysSomethingElse_isRefusedUnlessLenient(t *testing.T) {
	for _, link := range []struct{ list, does string }{{"acceptors", "accept"}, {"acceptors", "reject"}, {"approvers", "approve"}, {"approvers", "reject"}} {
		for _, lenient := range []bool{false, true} {
			for body, strictly := range map[string]int{
				"": 200, "reason=no": 200, `{"reason":"no"}`: 200, "{}": 200,
				"answer=reject": 400, "Reason=no": 400, `{"answer":"reject"}`: 400, "junk": 400, "%zz": 400, "reason=a&reason=b": 400, `{"reason":{}}`: 400,
			} {
				a := newAPI(t, func(o *sandbox.Options) { o.Lenient = lenient })
				a.draft()
				a.ok("POST", "/api/v2/doc-"+link.list+"/14", `{"`+link.list+`":[{"user_email":"s@example.com"}]}`)
				status := a.do("POST", a.path(a.lastMail().Links[link.does]), body, "AccessToken", "").Code
				assert.Equal(t, map[bool]int{false: strictly, true: 200}[lenient], status, "%s %q, lenient %v", link.does, body, lenient)
			}
			a := newAPI(t, func(o *sandbox.Options) { o.Lenient = lenient })
			a.draft()
			a.ok("POST", "/api/v2/doc-"+link.list+"/14", `{"`+link.list+`":[{"user_email":"s@example.com"}]}`)
			status := a.do("POST", a.path(a.lastMail().Links[link.does])+"?answer=reject", "", "AccessToken", "").Code
			assert.Equal(t, map[bool]int{false: 400, true: 200}[lenient], status, "%s with a query, lenient %v", link.does, lenient)
		}
	}
}
