package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/internal/sandbox"
)

// events lists the names of what happened to a document.
func (a *api) events(d sandbox.Document) []string {
	a.t.Helper()
	var names []string
	for _, activity := range a.document(d).Activities {
		names = append(names, activity.Event)
	}
	return names
}

// lastMail is the newest mail.
func (a *api) lastMail() sandbox.Mail {
	a.t.Helper()
	mails := a.Mails()
	require.NotEmpty(a.t, mails)
	return mails[len(mails)-1]
}

// path is the path of a link from a mail.
func (a *api) path(link string) string {
	a.t.Helper()
	path, ok := strings.CutPrefix(link, a.BaseURL())
	require.True(a.t, ok, link)
	return path
}

// secret is the last segment of a link.
func secretOf(link string) string { return link[strings.LastIndex(link, "/")+1:] }

func TestSigning_oneSigner(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com","first_name":"First","last_name":"Signer"}],"email_message":"By Friday, please."}`)
	assert.Equal(t, revv.StageSent, a.document(d).Stage)

	mail := a.lastMail()
	assert.Equal(t, "s@example.com", mail.To.Email)
	assert.Equal(t, "Please sign “Mutual NDA”", mail.Subject)
	assert.Equal(t, "By Friday, please.", mail.Text)
	assert.Equal(t, sandbox.MailSign, mail.Kind)
	assert.Equal(t, d.ID, mail.DocumentID)

	require.NoError(t, a.Sign(d.ID, "S@Example.com", []sandbox.FieldValue{{Name: "Counterparty", Value: "Acme"}}))
	now := a.document(d)
	assert.Equal(t, revv.StageSigned, now.Stage)
	assert.Equal(t, "Acme", now.Fields[0].Value)
	assert.Equal(t, sandbox.PartyDone, now.Signers[0].State)
	assert.Equal(t, []string{
		"DOCUMENT_CREATED", "DOCUMENT_SENT_FOR_SIGN", "SIGNATURE_EMAIL_DELIVERED", "DOCUMENT_SIGNED", "DOCUMENT_CLOSED",
	}, a.events(d))

	require.NoError(t, a.Complete(d.ID))
	assert.Equal(t, revv.StageCompleted, a.document(d).Stage)
	require.ErrorContains(t, a.Complete(d.ID), "only a signed document is completed")
}

func TestSigning_inOrder(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[
		{"user_email":"third@example.com","order":2},{"user_email":"second@example.com","order":1},
		{"user_email":"any@example.com"},{"user_email":"first@example.com","order":1}]}`)
	sent := func() []string {
		var to []string
		for _, m := range a.Mails() {
			to = append(to, m.To.Email)
		}
		return to
	}
	assert.Equal(t, []string{"second@example.com", "any@example.com", "first@example.com"}, sent(), "who is not due has no mail yet")
	require.ErrorContains(t, a.Sign(d.ID, "third@example.com", nil), "due before: first@example.com and second@example.com")
	require.NoError(t, a.Sign(d.ID, "first@example.com", nil))
	require.ErrorContains(t, a.Sign(d.ID, "third@example.com", nil), "due before: second@example.com")
	require.ErrorContains(t, a.Reject(d.ID, "third@example.com", "no"), "not the turn")
	require.NoError(t, a.Sign(d.ID, "second@example.com", nil))
	assert.Equal(t, "third@example.com", a.lastMail().To.Email)
	require.NoError(t, a.Sign(d.ID, "third@example.com", nil))
	assert.Equal(t, revv.StageSent, a.document(d).Stage, "one is still missing")
	require.NoError(t, a.Sign(d.ID, "any@example.com", nil))
	assert.Equal(t, revv.StageSigned, a.document(d).Stage)
}

func TestSigning_refusals(t *testing.T) {
	a := newAPI(t)
	id, err := a.CreateDocument(templateService, "", 0)
	require.NoError(t, err)
	require.ErrorContains(t, a.Sign(id, "s@example.com", nil), "was not sent to s@example.com")
	require.ErrorContains(t, a.Sign(99, "s@example.com", nil), "no document has the id 99")
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"},{"user_email":"t@example.com"}]}`)
	require.ErrorContains(t, a.Sign(id, "s@example.com", nil), "required fields are filled: Client and Start date")
	require.ErrorContains(t, a.Sign(id, "s@example.com", []sandbox.FieldValue{{"Client", "Acme"}, {"Start date", "soon"}}), "is a date")
	require.ErrorContains(t, a.Sign(id, "s@example.com", []sandbox.FieldValue{{"Client", "Acme"}, {"Start date", "2021-07-01"}, {"Else", "x"}}), `no field "Else"`)
	now, _ := a.Document(id)
	assert.Empty(t, now.Fields[0].Value, "a refusal changes nothing")
	require.NoError(t, a.Sign(id, "s@example.com", []sandbox.FieldValue{{"Client", "Acme"}, {"Start date", "2021-07-01"}}))
	require.ErrorContains(t, a.Sign(id, "s@example.com", nil), "has signed document 14 (DOC-000040) already")
	require.ErrorContains(t, a.Sign(id, "t@example.com", []sandbox.FieldValue{{"Client", "Evil"}}), "cannot be changed any more")
	require.NoError(t, a.Sign(id, "t@example.com", []sandbox.FieldValue{{"Client", "Acme"}, {"Fee", "12.50"}}), "what is still empty may be filled")
	require.ErrorContains(t, a.Reject(id, "t@example.com", ""), "does not wait")
}

func TestSigning_declined_isADraftAgain(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	const signers = `{"signers":[{"user_email":"s@example.com"},{"user_email":"t@example.com"}]}`
	a.ok("POST", "/api/v2/doc-signers/14", signers)
	require.NoError(t, a.Sign(d.ID, "s@example.com", nil))
	old := a.lastMail().Links["sign"]
	require.NoError(t, a.Reject(d.ID, "t@example.com", "wrong price"))
	now := a.document(d)
	assert.Equal(t, revv.StageDraft, now.Stage)
	assert.Equal(t, "wrong price", now.Signers[1].Reason)
	require.ErrorContains(t, a.Sign(d.ID, "t@example.com", nil), "it can be signed while it is Sent")
	a.ok("PUT", "/api/docs/14/fields", `{"fields":[{"name":"Counterparty","value":"Acme"}]}`)
	a.ok("POST", "/api/v2/doc-signers/14", signers)
	_, err := a.OpenLink(secretOf(old))
	require.ErrorContains(t, err, "not valid any more")
	require.NoError(t, a.Sign(d.ID, "t@example.com", nil))
	require.NoError(t, a.Sign(d.ID, "s@example.com", nil))
	assert.Equal(t, revv.StageSigned, a.document(d).Stage)
}

func TestAcceptance(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"a@example.com"},{"user_email":"b@example.com"}],"email_message":""}`)
	require.ErrorContains(t, a.Accept(d.ID, "x@example.com"), "was not sent to x@example.com for acceptance")
	require.ErrorContains(t, a.Approve(d.ID, "a@example.com"), "for approval")
	require.NoError(t, a.Accept(d.ID, "a@example.com"))
	require.ErrorContains(t, a.Accept(d.ID, "a@example.com"), "has answered already")
	assert.Equal(t, revv.StageSent, a.document(d).Stage)
	require.NoError(t, a.Accept(d.ID, "b@example.com"))
	assert.Equal(t, revv.StageCompleted, a.document(d).Stage)
	assert.Equal(t, []string{
		"DOCUMENT_CREATED", "DOCUMENT_SENT_FOR_ACCEPT", "ACCEPTANCE_EMAIL_DELIVERED", "ACCEPTANCE_EMAIL_DELIVERED",
		"DOCUMENT_ACCEPTED", "DOCUMENT_ACCEPTED", "DOCUMENT_COMPLETED",
	}, a.events(d))
}

// The links for acceptors work without a token, as the path that was observed.
func TestAcceptance_byLink(t *testing.T) {
	for _, c := range []struct {
		link, body, event string
		stage             revv.Stage
		reason            string
	}{
		{"accept", "", "DOCUMENT_COMPLETED", revv.StageCompleted, ""},
		{"reject", `{"reason":"too dear"}`, "DOCUMENT_REJECTED", revv.StageDraft, "too dear"},
		{"reject", "reason=too+dear", "DOCUMENT_REJECTED", revv.StageDraft, "too dear"},
		{"reject", "", "DOCUMENT_REJECTED", revv.StageDraft, ""},
		{"reject", "reason=" + strings.Repeat("x", 999) + "%C3%BCx", "DOCUMENT_REJECTED", revv.StageDraft, strings.Repeat("x", 999) + "ü"}, // a thousand characters
	} {
		a := newAPI(t)
		d := a.draft()
		a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"a@example.com"}]}`)
		links := a.lastMail().Links
		assert.Regexp(t, `^http://127.0.0.1:1/api/shared/documents/1/[A-Za-z0-9]{32}/doc-acceptance/accept$`, links["accept"])
		assert.Contains(t, a.do("GET", a.path(links["open"]), "", "AccessToken", "").Body.String(), `action="`+a.path(links["reject"]))
		w := a.do("POST", a.path(links[c.link]), c.body, "AccessToken", "", "Content-Type", "")
		require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		assert.Equal(t, string(c.stage), field(t, w.Body.String(), "Document", "document_status", "name"))
		events := a.events(d)
		assert.Equal(t, c.event, events[len(events)-1])
		assert.Equal(t, c.reason, a.document(d).Acceptors[0].Reason)
		a.refused(http.StatusConflict, "POST", a.path(links[c.link]), "")
		page := a.do("POST", a.path(links[c.link]), "", "Accept", "text/html")
		assert.Equal(t, http.StatusConflict, page.Code)
		assert.Contains(t, page.Body.String(), "has answered already")
	}
}

func TestApproval(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	const approver = `{"approvers":[{"user_email":"boss@example.com"},{"user_email":"chief@example.com"}],"email_message":""}`
	a.ok("POST", "/api/v2/doc-approvers/14", approver)
	assert.Equal(t, sandbox.ApprovalPending, a.document(d).Approval)
	a.refused(http.StatusConflict, "POST", "/api/v2/doc-approvers/14", approver)
	assert.Contains(t, a.refused(http.StatusConflict, "POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`), "waiting for approval")
	require.NoError(t, a.Reject(d.ID, "boss@example.com", "no"))
	assert.Equal(t, sandbox.ApprovalRejected, a.document(d).Approval)
	require.ErrorContains(t, a.Approve(d.ID, "chief@example.com"), "not waiting for approval")

	a.ok("POST", "/api/v2/doc-approvers/14", approver)
	links := a.lastMail().Links
	require.NoError(t, a.Approve(d.ID, "boss@example.com"))
	assert.Equal(t, sandbox.ApprovalPending, a.document(d).Approval)
	assert.Contains(t, a.do("GET", a.path(links["open"]), "").Body.String(), "Approve</button>")
	a.ok("POST", a.path(links["approve"]), "")
	assert.Equal(t, sandbox.ApprovalApproved, a.document(d).Approval)
	assert.Equal(t, revv.StageDraft, a.document(d).Stage)
	a.refused(http.StatusConflict, "POST", "/api/v2/doc-approvers/14", approver)
	a.refused(http.StatusConflict, "POST", a.path(links["reject"]), "")
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
}

func TestReject_byASignerWhoNeverApproved_declinesToSign(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":[{"user_email":"boss@example.com"},{"user_email":"chief@example.com"}]}`)
	require.NoError(t, a.Reject(d.ID, "boss@example.com", "no"))
	require.ErrorContains(t, a.Reject(d.ID, "chief@example.com", "no"), "does not wait", "the other has ended it")
	a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":[{"user_email":"boss@example.com"}]}`)
	require.NoError(t, a.Approve(d.ID, "boss@example.com"))
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"chief@example.com"}]}`)
	require.NoError(t, a.Reject(d.ID, "chief@example.com", "too dear"))
	now := a.document(d)
	assert.Equal(t, revv.StageDraft, now.Stage)
	assert.Equal(t, sandbox.PartyDeclined, now.Signers[0].State)
	require.ErrorContains(t, a.Reject(d.ID, "chief@example.com", "no"), "does not wait")
}

// Approval is there to keep back what is not approved.
func TestApproval_rejected_keepsTheDocumentBack(t *testing.T) {
	for member, path := range map[string]string{"signers": "/api/v2/doc-signers/14", "acceptors": "/api/v2/doc-acceptors/14"} {
		a := newAPI(t)
		d := a.draft()
		a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":[{"user_email":"boss@example.com"}]}`)
		require.NoError(t, a.Reject(d.ID, "boss@example.com", "no"))
		send := `{"` + member + `":[{"user_email":"s@example.com"}]}`
		assert.Contains(t, a.refused(http.StatusConflict, "POST", path, send), "its approval was rejected; send it for approval once more")
		assert.Len(t, a.Mails(), 1)
		a.ok("POST", "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"r@example.com"}]}`) // a copy asks for nothing
		a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":[{"user_email":"boss@example.com"}]}`)
		require.NoError(t, a.Approve(d.ID, "boss@example.com"))
		a.ok("POST", path, send)
	}
}

// A help page of the vendor says so.
func TestApproval_withoutApprovers_isGivenAtOnce(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":[],"email_message":""}`)
	assert.Equal(t, sandbox.ApprovalApproved, a.document(d).Approval)
	assert.Empty(t, a.Mails())
}

func TestShare(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"r@example.com","first_name":"R","last_name":""}],"isReview":true,"reviewerEmailMessage":"Look"}`)
	first := a.lastMail()
	assert.Equal(t, "Please review “Mutual NDA”", first.Subject)
	w := a.do("GET", a.path(first.Links["open"]), "", "AccessToken", "")
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Contains(t, w.Body.String(), "Mutual NDA")
	a.ok("POST", "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"R@example.com"},{"user_email":"q@example.com"}],"isReview":false}`)
	require.Len(t, a.Mails(), 3)
	assert.Equal(t, first.Links, a.Mails()[1].Links, "shared again: the same link once more")
	assert.Equal(t, revv.StageDraft, a.document(d).Stage)
	secret := secretOf(first.Links["open"])
	require.ErrorContains(t, a.AnswerLink(secret, nil), "takes no answer")
	require.ErrorContains(t, a.RefuseLink(secret, ""), "takes no answer")
}

func TestSignPage(t *testing.T) {
	a := newAPI(t)
	id, err := a.CreateDocument(templateService, `<b>"Deal"</b>`, 0)
	require.NoError(t, err)
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com","order":1},{"user_email":"t@example.com","order":2}]}`)
	link := a.path(a.lastMail().Links["sign"])
	w := a.do("GET", link, "", "AccessToken", "")
	assert.Equal(t, http.StatusOK, w.Code)
	assert.NotContains(t, w.Body.String(), "<b>")
	assert.Contains(t, w.Body.String(), `name="field:Start date"`)
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	assert.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"))
	assert.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")

	post := func(path string, form url.Values) (int, string) {
		w := a.do("POST", path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "AccessToken", "")
		return w.Code, w.Body.String()
	}
	status, body := post(link, url.Values{"answer": {"sign"}, "field:Client": {""}})
	assert.Equal(t, http.StatusUnprocessableEntity, status)
	assert.Contains(t, body, "required fields")
	status, _ = post(link, url.Values{"answer": {"sign"}, "field:Client": {"Acme"}, "field:Start date": {"2021-07-01"}})
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, a.do("GET", link, "").Body.String(), "Nothing is left to do")

	next := a.path(a.lastMail().Links["sign"])
	status, _ = post(next+"?answer=decline", url.Values{"answer": {"sign"}})
	assert.Equal(t, http.StatusBadRequest, status)
	for reason, forms := range map[string][]url.Values{ // else it is signed by who misspells the answer
		"no input of this page":   {{"action": {"decline"}}, {"answer": {"sign"}, "Reason": {"no"}}, {"answer": {"sign"}, "field:Nobody": {"x"}}, {"answer": {"sign"}, "field:": {"x"}}},
		"more than once":          {{"answer": {"sign", "decline"}}},
		"must be sign or decline": {{}, {"answer": {""}}, {"answer": {"no"}}, {"name": {"T"}}},
	} {
		for _, form := range forms {
			status, body = post(next, form)
			assert.Equal(t, http.StatusBadRequest, status, form)
			assert.Contains(t, body, reason, form)
		}
	}
	status, body = post(next, url.Values{"answer": {"decline"}, "reason": {"no"}})
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, "is Draft now")
	d, _ := a.Document(id)
	assert.Equal(t, sandbox.PartyDeclined, d.Signers[1].State)
	status, _ = post("/sign/unknown", nil)
	assert.Equal(t, http.StatusNotFound, status)
	assert.Equal(t, http.StatusNotFound, a.do("GET", "/sign/unknown", "").Code)
}

// Two people have the page open; the first one signs. The other one sees what the document
// says then, and not what was about to be sent.
func TestSignPage_valueThatWasFilledMeanwhile_isShown(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"},{"user_email":"t@example.com"}]}`)
	require.NoError(t, a.Sign(d.ID, "s@example.com", []sandbox.FieldValue{{Name: "Counterparty", Value: "Acme"}}))
	form := url.Values{"answer": {"sign"}, "name": {"T"}, "field:Counterparty": {"Evil"}}
	w := a.do("POST", "/sign/"+a.document(d).Signers[1].Token, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "AccessToken", "")
	assert.Equal(t, http.StatusConflict, w.Code)
	assert.Contains(t, w.Body.String(), "Acme")
	assert.NotContains(t, w.Body.String(), "Evil")
	assert.Equal(t, sandbox.PartyOpen, a.document(d).Signers[1].State)
}

func TestSignPage_linesOfAText_areAsTheyWereTyped(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	form := url.Values{"answer": {"sign"}, "name": {"S"}, "field:Counterparty": {"Acme\r\nLondon"}}
	w := a.do("POST", "/sign/"+a.document(d).Signers[0].Token, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "AccessToken", "")
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "Acme\nLondon", a.document(d).Fields[0].Value)
}

// What somebody has signed or accepted stays as it is.
func TestFields_ofADocumentThatIsSettled_stay(t *testing.T) {
	const change = `{"fields":[{"name":"Counterparty","value":"Evil"}]}`
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"a@example.com"},{"user_email":"b@example.com"}]}`)
	a.ok("PUT", "/api/docs/14/fields", `{"fields":[{"name":"Counterparty","value":"Acme"}]}`)
	require.NoError(t, a.Accept(d.ID, "a@example.com"))
	assert.Contains(t, a.refused(http.StatusConflict, "PUT", "/api/docs/14/fields", change), "because it is accepted")
	require.NoError(t, a.Accept(d.ID, "b@example.com"))
	assert.Contains(t, a.refused(http.StatusConflict, "PUT", "/api/docs/14/fields", change), "because it is accepted")
	assert.Equal(t, "Acme", a.document(d).Fields[0].Value)
	signed := a.draft()
	a.ok("POST", "/api/v2/doc-signers/15", `{"signers":[{"user_email":"s@example.com"},{"user_email":"t@example.com"}]}`)
	require.NoError(t, a.Sign(signed.ID, "s@example.com", nil))
	assert.Contains(t, a.refused(http.StatusConflict, "PUT", "/api/docs/15/fields", change), "because it is signed")
}

// HEAD tells whether a link is good, and opens no document.
func TestLinks_headIsNoOpening(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	link, _ := field(t, a.ok("POST", "/api/perma-link", `{"object_id":"`+string(d.ObjectID)+`","object_type":"DOC"}`), "url").(string)
	a.ok("POST", "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"r@example.com"}]}`)
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	for _, path := range []string{a.path(link), "/shared/" + a.document(d).Readers[0].Token, "/sign/" + a.document(d).Signers[0].Token} {
		before := len(a.events(d))
		assert.Equal(t, http.StatusOK, a.do("HEAD", path, "", "AccessToken", "").Code)
		assert.Len(t, a.events(d), before)
		assert.Equal(t, http.StatusOK, a.do("GET", path, "", "AccessToken", "").Code)
		assert.Len(t, a.events(d), before+1)
	}
	assert.Equal(t, http.StatusNotFound, a.do("HEAD", "/shared/x", "", "AccessToken", "").Code)
	other := a.draft()
	a.ok("POST", "/api/v2/doc-acceptors/15", `{"acceptors":[{"user_email":"a@example.com"}]}`)
	before := len(a.events(other))
	accept := "/api/shared/documents/1/" + a.document(other).Acceptors[0].Token
	assert.Equal(t, http.StatusOK, a.do("HEAD", accept, "", "AccessToken", "").Code)
	assert.Len(t, a.events(other), before)
	assert.Equal(t, http.StatusOK, a.do("GET", accept, "", "AccessToken", "").Code)
	assert.Len(t, a.events(other), before+1)
}

func TestLinks_ofTheEngine(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com","order":1},{"user_email":"t@example.com","order":2}]}`)
	waiting := a.document(d).Signers[1].Token
	view, err := a.OpenLink(waiting)
	require.NoError(t, err)
	assert.False(t, view.Open)
	assert.Equal(t, []string{"s@example.com"}, view.Waiting)
	assert.Equal(t, sandbox.MailSign, view.Kind)
	require.NoError(t, a.AnswerLink(secretOf(a.lastMail().Links["sign"]), nil))
	view, err = a.OpenLink(waiting)
	require.NoError(t, err)
	assert.True(t, view.Open)
	require.NoError(t, a.RefuseLink(waiting, "no"))
	assert.Equal(t, revv.StageDraft, a.document(d).Stage)
	require.ErrorContains(t, a.AnswerLink("x", nil), "not valid")
	require.ErrorContains(t, a.RefuseLink("x", ""), "not valid")
	assert.Contains(t, a.events(d), "DOCUMENT_OPENED")

	other := a.draft()
	a.ok("POST", "/api/v2/doc-acceptors/15", `{"acceptors":[{"user_email":"a@example.com"}]}`)
	require.NoError(t, a.AnswerLink(a.document(other).Acceptors[0].Token, nil))
	third := a.draft()
	a.ok("POST", "/api/v2/doc-approvers/16", `{"approvers":[{"user_email":"a@example.com"}]}`)
	require.NoError(t, a.AnswerLink(a.document(third).Approvers[0].Token, nil))
	assert.Equal(t, sandbox.ApprovalApproved, a.document(third).Approval)
}

func TestMagicLink_isPublicAndLive(t *testing.T) {
	a := newAPI(t)
	id, err := a.CreateDocument(templateNDA, "NDA: Acme & Söhne", 0)
	require.NoError(t, err)
	d, _ := a.Document(id)
	link, _ := field(t, a.ok("POST", "/api/perma-link", `{"object_id":"`+string(d.ObjectID)+`","object_type":"DOC"}`), "url").(string)
	assert.True(t, strings.HasSuffix(link, "/NDA--Acme---S-hne"), link)
	a.ok("PUT", "/api/docs/14/fields", `{"fields":[{"name":"Counterparty","value":"Acme <Ltd>"}]}`)
	w := a.do("GET", a.path(link), "", "AccessToken", "")
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Contains(t, w.Body.String(), "Acme &lt;Ltd&gt;")
	pdf := a.do("GET", a.path(link)+"?download=pdf", "", "AccessToken", "")
	assert.Equal(t, "application/pdf", pdf.Header().Get("Content-Type"))
	assert.Equal(t, http.StatusNotFound, a.do("GET", "/perma/DOC/x/y", "").Code)
}
