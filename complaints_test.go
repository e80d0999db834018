package revv_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// What reports a success and complains is none to rely on: somebody has to look.
func TestAnswer_thatComplains_isNoSuccess(t *testing.T) {
	t.Parallel()
	send := callOf("SendForESign")
	for _, body := range []string{
		`{"error":"NO_CREDITS"}`, `{"errors":[{"code":1}]}`, `{"ok":true,"error":{"code":"X"}}`, `{"Error":true}`, `{"error":1}`, `{"error":-0.1}`, `{"errors":[[]]}`, `{"error":"0"}`,
		`{"success":false}`, `{"Success": false,"message":"NO_CREDITS"}`, `{"ok":false}`, `{"ok":"False"}`, `{"success":0}`, `{"success":"0"}`,
		`{"status":"error","message":"NO_CREDITS"}`, `{"status":"FAILED"}`, `{"status":"fail"}`, `{"status":"failure"}`, `{"status":false}`,
	} {
		err := send(t.Context(), always(http.StatusOK, body).client(t))
		require.ErrorIs(t, err, revv.ErrAppliedResponseUnreadable, body)
		assert.Equal(t, strings.Contains(body, "NO_CREDITS"), strings.Contains(err.Error(), "NO_CREDITS"), body)
	}
	for _, body := range []string{
		``, `{}`, `null`, `7`, `[]`, `{"error":null}`, `{"error":"","errors":[]}`, `{"error":false}`, `{"Document":{"error":"x"}}`, "{\"error\": { }, \"errors\": [\n]}",
		`{"error":0}`, `{"error":-0.0e0}`, `{"error":0E0}`, `{"error":" "}`, `{"success":true}`, `{"success":null,"ok":""}`, `{"success":"true","ok":1}`,
		`{"status":"ok"}`, `{"status":"success"}`, `{"status":200}`, `{"status":0}`, `{"status":null}`, `{"status":{"name":"Failed"}}`,
	} {
		require.NoError(t, send(t.Context(), always(http.StatusOK, body).client(t)), body)
	}
}

// A refusal with what would be there without it is a refusal all the same. An empty list would
// otherwise be taken for all that there is.
func TestAnswer_thatComplainsBesideItsMember_isNoSuccess(t *testing.T) {
	t.Parallel()
	for member, test := range map[string]struct {
		empty bool // so that any complaint counts
		call  func(context.Context, *revv.Client) error
	}{
		`"Templates":[]`: {true, func(ctx context.Context, c *revv.Client) error {
			_, err := c.Templates.List(ctx, revv.ListTemplatesParams{})
			return err
		}},
		`"Contacts":null`: {true, func(ctx context.Context, c *revv.Client) error {
			_, err := c.Contacts.GetByEmail(ctx, "tenant@example.com")
			return err
		}},
		`"page":{"inodes":[]}`: {true, func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.List(ctx, revv.ListDocumentsParams{})
			return err
		}},
		`"Document":{"id":14}`: {false, func(ctx context.Context, c *revv.Client) error { return readOne(ctx, c) }},
	} {
		for complaint, denies := range map[string]bool{`"success":false`: true, `"status":"error"`: true, `"errors":["NO_CREDITS"]`: false, `"error":{"code":1}`: false} {
			for _, body := range []string{"{" + member + "," + complaint + "}", "{" + complaint + "," + member + "}"} {
				err := test.call(t.Context(), always(http.StatusOK, body).client(t))
				refused := errors.Is(err, revv.ErrMalformedResponse)
				assert.Equal(t, denies || test.empty, refused, body)
				assert.Equal(t, refused && strings.Contains(body, "NO_CREDITS"), err != nil && strings.Contains(err.Error(), "NO_CREDITS"), body)
			}
		}
		for _, rest := range []string{``, `,"success":true`, `,"errors":[]`, ` `, `,"total_page_count":1,"status":"ok"`} {
			err := test.call(t.Context(), always(http.StatusOK, "{"+member+rest+"}").client(t))
			assert.NotErrorIs(t, err, revv.ErrMalformedResponse, rest) // there is no such contact
		}
	}
	link, err := always(http.StatusOK, `{"url":"https://acme.example.com/m/1","success":false}`).client(t).Documents.MagicLink(t.Context(), "DOC-aB3dE5gH7jK9")
	require.ErrorIs(t, err, revv.ErrAppliedResponseUnreadable)
	assert.Empty(t, link.URL())
	create := callOf("CreateDocument")
	require.ErrorIs(t, create(t.Context(), always(http.StatusOK, `{"Document":{"id":14},"success":false}`).client(t)), revv.ErrAppliedResponseUnreadable)
	for _, inside := range []string{`"success":false`, `"errors":["the index is rebuilt"]`} { // of the object around a listing
		_, err := always(http.StatusOK, `{"page":{"inodes":[],`+inside+`}}`).client(t).Documents.List(t.Context(), revv.ListDocumentsParams{})
		require.ErrorIs(t, err, revv.ErrMalformedResponse, inside)
	}
}

// What the service says in the place of an object is not lost, and shows nothing of what was sent,
// however long that is. What does not complain is an object of another shape, and private.
func TestFailures_complaintInThePlaceOfTheObject_isQuoted(t *testing.T) {
	t.Parallel()
	create := func(body, token string) *revv.Error {
		s := always(http.StatusOK, body)
		client, err := revv.NewClient(revv.StaticToken(token), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: s}))
		require.NoError(t, err)
		_, err = client.Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: 21})
		require.ErrorIs(t, err, revv.ErrAppliedResponseUnreadable)
		require.ErrorContains(t, err, `the member "Document" is missing`)
		return failure(t, err)
	}
	e := create(`{"error":"TEMPLATE_INACTIVE","message":"template 21\nof `+anyToken+`"}`, anyToken)
	assert.Equal(t, "TEMPLATE_INACTIVE", e.Code)
	assert.Equal(t, `template 21\nof [redacted]`, e.Message)
	long := strings.Repeat("eyJhbGciOiJSUzI1NiJ9.", 40)
	for _, before := range []int{0, 200, 250} {
		e = create(`{"error":"BAD","message":"`+strings.Repeat("x", before)+" "+long+`"}`, long)
		assert.NotContains(t, e.Error(), "eyJhb", before)
	}
	for _, body := range []string{
		`{"id":14,"title":"Dismissal of Ann","message":"private"}`, `{"error":null,"title":"Dismissal of Ann"}`, `{"errors":[],"message":"private"}`,
		`{"error":"x","message":"private` + strings.Repeat("x", 64<<10) + `"}`,
	} {
		e = create(body, anyToken)
		assert.Empty(t, e.Message)
		assert.NotContains(t, e.Error(), "rivate")
	}
}
