package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// postForm sends a form as a person's browser does.
func (a *api) postForm(path string, form url.Values) (status int, page string) {
	a.t.Helper()
	w := a.do("POST", path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "AccessToken", "", "Accept", "text/html")
	assert.Equal(a.t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	return w.Code, w.Body.String()
}

// Whatever is wrong with one of the inputs, the page says at its top that nothing is signed.
func TestSignPage_withAnInputThatIsWrong_signsNothing(t *testing.T) {
	a := newAPI(t)
	id, err := a.CreateDocument(templateService, "", 0)
	require.NoError(t, err)
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	link := a.path(a.lastMail().Links["sign"])
	right := func(changes ...string) url.Values {
		return changed(url.Values{"answer": {"sign"}, "name": {"S"}, "field:Client": {"Acme"}, "field:Start date": {"2021-07-01"}}, changes)
	}
	empty := right()
	empty.Set("name", "")
	for what, form := range map[string]url.Values{
		"a required field is missing":   right("field:Client", ""),
		"a field is of another type":    right("field:Start date", "tomorrow"),
		"the name is empty":             empty,
		"the name is too long to print": right("name", strings.Repeat("x", 256)),
	} {
		status, page := a.postForm(link, form)
		assert.Equal(t, http.StatusUnprocessableEntity, status, what)
		assert.Contains(t, page, "Nothing is signed yet", what)
		d, _ := a.Document(id)
		assert.Equal(t, sandbox.PartyOpen, d.Signers[0].State, what)
		assert.Empty(t, d.Fields[0].Value, what)
	}
	status, _ := a.postForm(link, right())
	assert.Equal(t, http.StatusOK, status)
	d, _ := a.Document(id)
	assert.Equal(t, "S", d.Signers[0].SignedAs)
}

// A person who comes too late with an answer sees a page that says so.
func TestLinks_thatAreNotValid_areAnsweredWithAPage(t *testing.T) {
	a := newAPI(t)
	for _, answer := range []string{"doc-acceptance/accept", "doc-acceptance/reject", "doc-approval/approve", "doc-approval/reject"} {
		status, page := a.postForm("/api/shared/documents/1/unknown/"+answer, nil)
		assert.Equal(t, http.StatusNotFound, status, answer)
		assert.Contains(t, page, "This link is not valid", answer)
	}
}

// What may be left empty may be left empty, and stays the next signer's to fill.
func TestSignPage_withAnEmptyFieldThatIsNotRequired_signs(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"},{"user_email":"t@example.com"}]}`)
	signers := a.document(d).Signers
	status, page := a.postForm("/sign/"+signers[0].Token, url.Values{"answer": {"sign"}, "field:Counterparty": {"Acme"}, "field:Effective date": {""}})
	assert.Equal(t, http.StatusOK, status, page)
	next := a.do("GET", "/sign/"+signers[1].Token, "", "AccessToken", "").Body.String()
	assert.Equal(t, 1, strings.Count(next, " readonly"), "the field that is filled")
	status, page = a.postForm("/sign/"+signers[1].Token, url.Values{"answer": {"sign"}, "field:Effective date": {"2021-07-01"}})
	assert.Equal(t, http.StatusOK, status, page)
	assert.Equal(t, "2021-07-01", a.document(d).Fields[1].Value)
}

func TestSignPage_withAMalformedForm_signsNothing(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	w := a.do("POST", a.path(a.lastMail().Links["sign"]), "answer=sign&x=%zz", "Content-Type", "application/x-www-form-urlencoded", "AccessToken", "")
	assert.Equal(t, http.StatusBadRequest, w.Code)
	assert.Equal(t, sandbox.PartyOpen, a.document(d).Signers[0].State)
}

// The page of a link is headed by the document, before an answer and after it, and has
// nothing to press for who has answered while others have not.
func TestLinks_answeredByOneOfTwo_offerNothingMoreToThem(t *testing.T) {
	for kind, send := range map[string]string{"acceptance/accept": "acceptors", "approval/approve": "approvers"} {
		a := newAPI(t)
		a.draft()
		a.ok("POST", "/api/v2/doc-"+send+"/14", `{"`+send+`":[{"user_email":"a@example.com"},{"user_email":"b@example.com"}]}`)
		link := "/api/shared/documents/1/" + map[string]func(sandbox.Document) string{
			"acceptors": func(d sandbox.Document) string { return d.Acceptors[0].Token },
			"approvers": func(d sandbox.Document) string { return d.Approvers[0].Token },
		}[send](a.Documents()[0])
		look := func() string { return a.do("GET", link, "", "AccessToken", "").Body.String() }
		assert.Contains(t, look(), "<h1>Mutual NDA</h1>")
		assert.Contains(t, look(), "<button>", send)
		status, page := a.postForm(link+"/doc-"+kind, nil)
		assert.Equal(t, http.StatusOK, status, page)
		assert.Contains(t, page, "<h1>Mutual NDA</h1>")
		assert.Contains(t, page, "DOC-000040 is ")
		assert.NotContains(t, look(), "<button>", send)
	}
}

// A magic link shows the document by its title, and offers it as a file.
func TestMagicLink_page_hasTheTitleAndTheFile(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	link, _ := field(t, a.ok("POST", "/api/perma-link", `{"object_id":"`+string(d.ObjectID)+`","object_type":"DOC"}`), "url").(string)
	page := a.do("GET", a.path(link), "", "AccessToken", "").Body.String()
	assert.Contains(t, page, "<h1>Mutual NDA</h1>")
	assert.Contains(t, page, `href="?download=pdf"`)
	activities := a.document(d).Activities
	assert.Equal(t, sandbox.Person{FirstName: "Somebody", LastName: "with the magic link"}, activities[len(activities)-1].Actor)
}
