package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/internal/sandbox"
)

// A program that reads the history tells by the names of the events what has become of
// what it sent.
func TestActivities_nameWhatHappened(t *testing.T) {
	const people = `[{"user_email":"p@example.com"}]`
	for name, c := range map[string]struct {
		does func(*api)
		want []string
	}{
		"approved": {func(a *api) {
			a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":`+people+`}`)
			require.NoError(t, a.Approve(14, "p@example.com"))
		}, []string{"DOCUMENT_SENT_FOR_APPROVAL", "APPROVAL_EMAIL_DELIVERED", "DOCUMENT_APPROVED"}},
		"approved at once": {func(a *api) {
			a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":[]}`)
		}, []string{"DOCUMENT_SENT_FOR_APPROVAL", "DOCUMENT_APPROVED"}},
		"not approved": {func(a *api) {
			a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":`+people+`}`)
			require.NoError(t, a.Reject(14, "p@example.com", ""))
		}, []string{"DOCUMENT_SENT_FOR_APPROVAL", "APPROVAL_EMAIL_DELIVERED", "DOCUMENT_APPROVAL_REJECTED"}},
		"accepted": {func(a *api) {
			a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":`+people+`}`)
			require.NoError(t, a.Accept(14, "p@example.com"))
		}, []string{"DOCUMENT_SENT_FOR_ACCEPT", "ACCEPTANCE_EMAIL_DELIVERED", "DOCUMENT_ACCEPTED", "DOCUMENT_COMPLETED"}},
		"not accepted": {func(a *api) {
			a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":`+people+`}`)
			require.NoError(t, a.Reject(14, "p@example.com", ""))
		}, []string{"DOCUMENT_SENT_FOR_ACCEPT", "ACCEPTANCE_EMAIL_DELIVERED", "DOCUMENT_REJECTED"}},
		"declined": {func(a *api) {
			a.ok("POST", "/api/v2/doc-signers/14", `{"signers":`+people+`}`)
			require.NoError(t, a.Reject(14, "p@example.com", ""))
		}, []string{"DOCUMENT_SENT_FOR_SIGN", "SIGNATURE_EMAIL_DELIVERED", "DOCUMENT_SIGNATURE_DECLINED"}},
		"completed": {func(a *api) {
			a.ok("POST", "/api/v2/doc-signers/14", `{"signers":`+people+`}`)
			require.NoError(t, a.Sign(14, "p@example.com", nil))
			require.NoError(t, a.Complete(14))
		}, []string{"DOCUMENT_SENT_FOR_SIGN", "SIGNATURE_EMAIL_DELIVERED", "DOCUMENT_SIGNED", "DOCUMENT_CLOSED", "DOCUMENT_COMPLETED"}},
		"shared": {func(a *api) {
			a.ok("POST", "/api/v2/doc-recipients/14", `{"collaborators":`+people+`}`)
		}, []string{"DOCUMENT_SHARED", "SHARE_EMAIL_DELIVERED"}},
		"edited": {func(a *api) {
			a.ok("PUT", "/api/docs/14/fields", `{"fields":[{"name":"Counterparty","value":"Acme"}]}`)
		}, []string{"DOCUMENT_FIELDS_CHANGED"}},
	} {
		a := newAPI(t)
		d := a.draft()
		c.does(a)
		assert.Equal(t, append([]string{"DOCUMENT_CREATED"}, c.want...), a.events(d), name)
	}
}

// Every change of a document moves its updated_at, what people do as well.
func TestDocument_updatedAt_movesWithEveryChange(t *testing.T) {
	a := newAPI(t)
	_, err := a.AddFolder(sandbox.Folder{Name: "Customers"})
	require.NoError(t, err)
	d := a.draft()
	last := d.UpdatedAt
	for _, act := range []struct {
		name string
		does func()
	}{
		{"fields", func() {
			a.ok("PUT", "/api/docs/14/fields", `{"fields":[{"name":"Counterparty","value":"Acme"}]}`)
		}},
		{"move", func() { a.ok("PUT", "/api/docs/14/folder", `{"folder_id":100001}`) }},
		{"deletion of its folder", func() { a.ok("DELETE", "/api/folders/100001", "") }},
		{"share", func() {
			a.ok("POST", "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"r@example.com"}]}`)
		}},
		{"sending for approval", func() {
			a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":[{"user_email":"b@example.com"}]}`)
		}},
		{"rejection", func() { require.NoError(t, a.Reject(14, "b@example.com", "")) }},
		{"sending for approval again", func() {
			a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":[{"user_email":"b@example.com"}]}`)
		}},
		{"approval", func() { require.NoError(t, a.Approve(14, "b@example.com")) }},
		{"sending for acceptance", func() {
			a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"c@example.com"},{"user_email":"a@example.com"}]}`)
		}},
		{"acceptance by one of two", func() { require.NoError(t, a.Accept(14, "c@example.com")) }},
		{"no acceptance by the other", func() { require.NoError(t, a.Reject(14, "a@example.com", "")) }},
		{"sending for signing", func() {
			a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"},{"user_email":"t@example.com"}]}`)
		}},
		{"signature", func() { require.NoError(t, a.Sign(14, "s@example.com", nil)) }},
		{"last signature", func() { require.NoError(t, a.Sign(14, "t@example.com", nil)) }},
		{"completion", func() { require.NoError(t, a.Complete(14)) }},
	} {
		a.Advance(time.Minute)
		act.does()
		now := a.document(d).UpdatedAt
		assert.WithinRange(t, now, last.Add(time.Minute-time.Second), last.Add(time.Minute+time.Second), act.name)
		last = now
	}
}

// Who got a copy earlier gets none because somebody else gets one.
func TestShare_withSomebodyElse_mailsNobodyTwice(t *testing.T) {
	a := newAPI(t)
	a.draft()
	for _, reader := range []string{"r@example.com", "q@example.com"} {
		a.ok("POST", "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"`+reader+`"}]}`)
	}
	var to []string
	for _, mail := range a.Mails() {
		to = append(to, mail.To.Email)
	}
	assert.Equal(t, []string{"r@example.com", "q@example.com"}, to)
}

// Fields may be changed as long as nobody has accepted, so a required one can be empty again.
func TestAcceptance_requiredFieldEmptiedMeanwhile_isRefusedUnlessLenient(t *testing.T) {
	for _, lenient := range []bool{false, true} {
		a := newAPI(t, func(o *sandbox.Options) { o.Lenient = lenient })
		id, err := a.CreateDocument(templateService, "", 0)
		require.NoError(t, err)
		a.ok("PUT", "/api/docs/14/fields", `{"fields":[{"name":"Client","value":"Acme"},{"name":"Start date","value":"2021-07-01"}]}`)
		a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"a@example.com"}]}`)
		a.ok("PUT", "/api/docs/14/fields", `{"fields":[{"name":"Client","value":""}]}`)
		err = a.Accept(id, "a@example.com")
		now, _ := a.Document(id)
		if lenient {
			require.NoError(t, err)
			assert.Equal(t, revv.StageCompleted, now.Stage)
			continue
		}
		require.ErrorContains(t, err, "cannot be accepted before its required fields are filled")
		assert.Equal(t, revv.StageSent, now.Stage)
	}
}

// What may be sent again is what is out already, and nothing else.
func TestRepeatedSends_ofWhatIsNotOut_areRefused(t *testing.T) {
	for name, before := range map[string]func(*api){
		"waits for approval": func(a *api) {
			a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":[{"user_email":"b@example.com"}]}`)
		},
		"approval was rejected": func(a *api) {
			a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":[{"user_email":"b@example.com"}]}`)
			require.NoError(t, a.Reject(14, "b@example.com", ""))
		},
		"is signed": func(a *api) {
			a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
			require.NoError(t, a.Sign(14, "s@example.com", nil))
		},
		"is completed": func(a *api) {
			a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"a@example.com"}]}`)
			require.NoError(t, a.Accept(14, "a@example.com"))
		},
	} {
		a := newAPI(t, func(o *sandbox.Options) { o.RepeatedSends = true })
		a.draft()
		before(a)
		mails := len(a.Mails())
		a.refused(http.StatusConflict, "POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"x@example.com"}]}`)
		a.refused(http.StatusConflict, "POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"x@example.com"}]}`)
		assert.Len(t, a.Mails(), mails, name)
	}
}

// Sorting is of one answer: it leaves no trace in the next one.
func TestFolders_listedByNumber_keepTheirOrderWithout(t *testing.T) {
	a := newAPI(t)
	a.draft()
	_, err := a.AddFolder(sandbox.Folder{Name: "Customers"})
	require.NoError(t, err)
	a.draft()
	plain := a.ok("GET", "/api/folders/", "")
	assert.NotEqual(t, plain, a.ok("GET", "/api/folders/?sort_by_doc_num=true", ""))
	assert.Equal(t, plain, a.ok("GET", "/api/folders/", ""))
}

// Somebody who rejects ends the round: the document is a draft again, and nobody else can
// accept or sign what may be changed meanwhile.
func TestRefusal_endsTheRoundForTheOthers(t *testing.T) {
	for member, path := range map[string]string{"acceptors": "/api/v2/doc-acceptors/14", "signers": "/api/v2/doc-signers/14"} {
		a := newAPI(t)
		d := a.draft()
		a.ok("POST", path, `{"`+member+`":[{"user_email":"a@example.com"},{"user_email":"b@example.com"}]}`)
		require.NoError(t, a.Reject(d.ID, "a@example.com", "no"))
		answer := a.Accept
		if member == "signers" {
			answer = func(id revv.DocumentID, email string) error { return a.Sign(id, email, nil) }
		}
		require.ErrorContains(t, answer(d.ID, "b@example.com"), "while it is Sent", member)
		require.ErrorContains(t, a.Reject(d.ID, "b@example.com", "no"), "does not wait", member)
		assert.Equal(t, revv.StageDraft, a.document(d).Stage, member)
	}
}

// A reader sees whether a review is asked for.
func TestShare_saysWhatItIsFor(t *testing.T) {
	for review, subject := range map[string]string{"true": "Please review “Mutual NDA”", "false": "A copy of “Mutual NDA” for you"} {
		a := newAPI(t)
		a.draft()
		a.ok("POST", "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"r@example.com"}],"isReview":`+review+`}`)
		assert.Equal(t, subject, a.lastMail().Subject)
	}
}

// Who was asked in an earlier round is not asked again by the mails of a later one.
func TestInvitations_ofALaterRound_leaveTheEarlierOut(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"a@example.com"}]}`)
	require.NoError(t, a.Reject(d.ID, "a@example.com", "no"))
	a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":[{"user_email":"b@example.com"}]}`)
	require.NoError(t, a.Approve(d.ID, "b@example.com"))
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com","order":1},{"user_email":"t@example.com","order":2}]}`)
	require.NoError(t, a.Sign(d.ID, "s@example.com", nil))
	var to []string
	for _, mail := range a.Mails() {
		to = append(to, mail.To.Email)
	}
	assert.Equal(t, []string{"a@example.com", "b@example.com", "s@example.com", "t@example.com"}, to)
}

// A member that the contract does not have is a slip of the client, whatever the call.
func TestBodies_withAnUnknownMember_areRefused(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	link := `{"object_id":"` + string(d.ObjectID) + `","object_type":"DOC"`
	assert.Contains(t, a.refused(http.StatusBadRequest, "POST", "/api/perma-link", link+`,"expires":1}`), "expires")
	assert.Contains(t, a.refused(http.StatusBadRequest, "POST", "/api/folders/", `{"name":"2026","colour":"red"}`), "colour")
	assert.NotContains(t, a.events(d), "DOCUMENT_MAGIC_LINK_CREATED")
	for range 2 { // the second call makes nothing
		a.ok("POST", "/api/perma-link", link+`}`)
	}
	events := a.events(d)
	assert.Equal(t, 1, strings.Count(strings.Join(events, " "), "DOCUMENT_MAGIC_LINK_CREATED"), events)
}
