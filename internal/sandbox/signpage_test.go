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
