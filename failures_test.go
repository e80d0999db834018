package revv_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// failureShape is one shape of failure on the wire and what becomes of it.
type failureShape struct {
	cassette string
	prepare  func(*testing.T, *revvtest.Server)
	call     func(context.Context, *revv.Client) error

	sent string
	is   []error
	want revv.Error // the fields that say something; Op and Attempts included
	text string     // of the error
}

// everyKind lists the sentinels that an answer can lead to.
var everyKind = []error{
	revv.ErrInvalidArgument, revv.ErrInvalid, revv.ErrUnauthorized, revv.ErrForbidden, revv.ErrNotFound, revv.ErrConflict, revv.ErrRateLimited, revv.ErrServer,
	revv.ErrOutcomeUnknown, revv.ErrAppliedResponseUnreadable, revv.ErrUnexpectedContent, revv.ErrMalformedResponse, revv.ErrEmptyResponse,
	revv.ErrResponseTooLarge, revv.ErrRedirected, revv.ErrTruncated, revv.ErrReauthorizationRequired, revv.ErrTokenNotPersisted, revv.ErrNoToken, revv.ErrPageLoop,
}

// faulty makes document 14 and lets every call fail in this way.
func faulty(f revvtest.Fault) func(*testing.T, *revvtest.Server) {
	return func(t *testing.T, s *revvtest.Server) {
		t.Helper()
		withOffer(t, s)
		s.Fail(f)
	}
}

func failureShapesOnTheWire() []failureShape {
	get := func(ctx context.Context, c *revv.Client) error {
		_, err := c.Documents.Get(ctx, 14, unrepeated())
		return err
	}
	create := func(ctx context.Context, c *revv.Client) error {
		_, err := c.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: 21}, unrepeated())
		return err
	}
	fields := func(ctx context.Context, c *revv.Client) error {
		_, err := c.Documents.SetFields(ctx, 14, []revv.FieldValue{{Name: "Price", Value: "1"}}, unrepeated())
		return err
	}
	const (
		sentGet    = "GET /api/docs/14"
		sentCreate = `POST /api/docs {"template_id":21}`
		sentFields = `PUT /api/docs/14/fields {"fields":[{"name":"Price","value":"1"}]}`
		asked      = "a fault that was asked for"
	)
	got := func(status int, code, message string) revv.Error {
		return revv.Error{Op: "Documents.Get", StatusCode: status, Code: code, Message: message, Attempts: 1}
	}
	return []failureShape{
		{
			cassette: "400", sent: "GET /api/documents/DOC-gD1cql1SohgD", is: []error{revv.ErrInvalid}, prepare: withOffer,
			call: func(ctx context.Context, c *revv.Client) error {
				_, err := c.Documents.GetByNumber(ctx, revv.DocumentNumber(offerObject))
				return err
			},
			want: revv.Error{
				Op: "Documents.GetByNumber", StatusCode: 400, Code: "INVALID_ID", Attempts: 1,
				Message: "doc_no: DOC-gD1cql1SohgD is an object id; this route takes a document number as DOC-000040",
			},
			text: "revv: Documents.GetByNumber: 400 Bad Request: INVALID_ID: doc_no: DOC-gD1cql1SohgD is an object id; this route takes a document number as DOC-000040 (attempts: 1)",
		},
		{
			cassette: "401", sent: sentGet, is: []error{revv.ErrUnauthorized}, call: get,
			prepare: func(t *testing.T, s *revvtest.Server) {
				t.Helper()
				withOffer(t, s)
				s.ExpireTokens()
			},
			want: got(401, "UNAUTHORIZED", "the access token has expired"),
			text: "revv: Documents.Get: 401 Unauthorized: UNAUTHORIZED: the access token has expired (attempts: 1)",
		},
		{
			cassette: "403", sent: sentGet, is: []error{revv.ErrForbidden}, call: get, prepare: faulty(revvtest.Fault{Status: 403}),
			want: got(403, "FORBIDDEN", asked),
		},
		{
			cassette: "404", sent: sentGet, is: []error{revv.ErrNotFound}, call: get,
			want: got(404, "NOT_FOUND", "no document has the id 14"),
		},
		{
			cassette: "410", sent: sentGet, is: []error{revv.ErrNotFound}, call: get, prepare: faulty(revvtest.Fault{Status: 410}),
			want: got(410, "GONE", asked),
		},
		{
			cassette: "409", sent: `POST /api/v2/doc-signers/14 {"signers":[{"user_email":"ann@example.com","first_name":"Ann","last_name":"Lee"}],"email_message":""}`,
			is: []error{revv.ErrConflict},
			prepare: func(t *testing.T, s *revvtest.Server) {
				t.Helper()
				withOffer(t, s)
				require.NoError(t, s.Client().Documents.SendForESign(t.Context(), 14, revv.SendParams{Recipients: oneRecipient}))
			},
			call: func(ctx context.Context, c *revv.Client) error {
				return c.Documents.SendForESign(ctx, 14, revv.SendParams{Recipients: oneRecipient})
			},
			want: revv.Error{
				Op: "Documents.SendForESign", StatusCode: 409, Code: "CONFLICT", Attempts: 1,
				Message: "document 14 (DOC-000040) cannot be sent for signing: it is Sent already, and only a draft is sent",
			},
		},
		{
			cassette: "415", sent: sentCreate, is: []error{revv.ErrInvalid}, call: create, prepare: faulty(revvtest.Fault{Status: 415}),
			want: revv.Error{Op: "Documents.Create", StatusCode: 415, Code: "UNSUPPORTED_MEDIA_TYPE", Message: asked, Attempts: 1},
		},
		{
			cassette: "422", sent: sentFields, is: []error{revv.ErrInvalid}, call: fields, prepare: withOffer,
			want: revv.Error{
				Op: "Documents.SetFields", StatusCode: 422, Code: "INVALID_VALUE", Attempts: 1,
				Message: `fields[0].name: the document has no field "Price"; its fields are Client, Start date and Fee`,
			},
		},
		{
			cassette: "429_withRetryAfter", sent: sentGet, is: []error{revv.ErrRateLimited}, call: get, prepare: faulty(revvtest.Fault{Status: 429, RetryAfter: "120"}),
			want: revv.Error{Op: "Documents.Get", StatusCode: 429, Code: "TOO_MANY_REQUESTS", Message: asked, Attempts: 1, RetryAfter: 2 * time.Minute},
			text: "revv: Documents.Get: 429 Too Many Requests: TOO_MANY_REQUESTS: a fault that was asked for (attempts: 1, retry after: 2m0s)",
		},
		{
			cassette: "429_whenAContractIsSent", sent: sentCreate, is: []error{revv.ErrRateLimited}, call: create, prepare: faulty(revvtest.Fault{Status: 429}),
			want: revv.Error{Op: "Documents.Create", StatusCode: 429, Code: "TOO_MANY_REQUESTS", Message: asked, Attempts: 1},
		},
		{
			cassette: "500", sent: sentGet, is: []error{revv.ErrServer}, call: get, prepare: faulty(revvtest.Fault{Status: 500}),
			want: got(500, "INTERNAL_SERVER_ERROR", asked),
		},
		{
			cassette: "500_whenAContractIsSent", sent: sentCreate, is: []error{revv.ErrServer, revv.ErrOutcomeUnknown}, call: create, prepare: faulty(revvtest.Fault{Status: 500}),
			want: revv.Error{Op: "Documents.Create", StatusCode: 500, Code: "INTERNAL_SERVER_ERROR", Message: asked, Attempts: 1},
			text: "revv: Documents.Create: 500 Internal Server Error: outcome unknown: the request may have been applied: INTERNAL_SERVER_ERROR: a fault that was asked for (attempts: 1)",
		},
		{
			cassette: "503", sent: sentCreate, is: []error{revv.ErrServer, revv.ErrOutcomeUnknown}, call: create, prepare: faulty(revvtest.Fault{Status: 503}),
			want: revv.Error{Op: "Documents.Create", StatusCode: 503, Code: "SERVICE_UNAVAILABLE", Message: asked, Attempts: 1},
		},
		{
			cassette: "503_withRetryAfter", sent: sentCreate, is: []error{revv.ErrServer, revv.ErrRateLimited}, call: func(ctx context.Context, c *revv.Client) error {
				_, err := c.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: 21})
				return err
			}, prepare: faulty(revvtest.Fault{Status: 503, RetryAfter: "61"}),
			want: revv.Error{Op: "Documents.Create", StatusCode: 503, Code: "SERVICE_UNAVAILABLE", Message: asked, Attempts: 1, RetryAfter: 61 * time.Second},
		},
		{
			cassette: "502_page", sent: sentGet, is: []error{revv.ErrServer}, call: get,
			prepare: faulty(revvtest.Fault{Status: 502, Body: "<html><body><h1>502 Bad Gateway</h1></body></html>", ContentType: "text/html", Header: http.Header{"X-Request-Id": {"req-7"}}}),
			want:    revv.Error{Op: "Documents.Get", StatusCode: 502, Message: "an HTML page in the place of JSON", Attempts: 1, RequestID: "req-7"},
			text:    "revv: Documents.Get: 502 Bad Gateway: an HTML page in the place of JSON (attempts: 1, request id: req-7)",
		},
		{
			cassette: "400_errorAsObject", sent: sentGet, is: []error{revv.ErrInvalid}, call: get,
			prepare: faulty(revvtest.Fault{Status: 400, Body: `{"error":{"code":17,"message":"line one\nline two"}}`}),
			want:    got(400, "17", `line one\nline two`),
		},
		{
			cassette: "400_text", sent: sentGet, is: []error{revv.ErrInvalid}, call: get,
			prepare: faulty(revvtest.Fault{Status: 400, Body: `no such thing`, ContentType: "text/plain"}),
			want:    got(400, "", "no such thing"),
			text:    "revv: Documents.Get: 400 Bad Request: no such thing (attempts: 1)",
		},
		{
			cassette: "302", sent: sentGet, is: []error{revv.ErrRedirected}, call: get, prepare: faulty(revvtest.Fault{RedirectTo: "https://login.example.com/?next=secret"}),
			want: got(302, "", "redirects are not followed; is this the address of the API?"),
		},
		{
			cassette: "200_page", sent: sentGet, is: []error{revv.ErrUnexpectedContent}, call: get, prepare: faulty(revvtest.Fault{HTML: true}),
			want: got(200, "", ""),
			text: "revv: Documents.Get: 200 OK: unexpected content: an HTML page in the place of JSON; is this the address of the API? (attempts: 1, route: GET /api/docs/{id}, see Routes.GetDocument)",
		},
		{
			cassette: "200_pageWhenAContractIsSent", sent: sentCreate, is: []error{revv.ErrUnexpectedContent, revv.ErrAppliedResponseUnreadable}, call: create,
			prepare: faulty(revvtest.Fault{HTML: true}),
			want:    revv.Error{Op: "Documents.Create", StatusCode: 200, Attempts: 1},
			text: "revv: Documents.Create: 200 OK: reported as applied, but the response could not be read: " +
				"unexpected content: an HTML page in the place of JSON; is this the address of the API? (attempts: 1, route: POST /api/docs, see Routes.CreateDocument)",
		},
		{
			cassette: "200_pageWhenFieldsAreSet", sent: sentFields, is: []error{revv.ErrUnexpectedContent, revv.ErrAppliedResponseUnreadable}, call: fields,
			prepare: faulty(revvtest.Fault{HTML: true}),
			want:    revv.Error{Op: "Documents.SetFields", StatusCode: 200, Attempts: 1},
		},
		{
			cassette: "200_empty", sent: sentGet, is: []error{revv.ErrEmptyResponse}, call: get, prepare: faulty(revvtest.Fault{Empty: true}),
			want: got(200, "", ""),
		},
		{
			cassette: "204", sent: sentGet, is: []error{revv.ErrEmptyResponse}, call: get, prepare: faulty(revvtest.Fault{Status: 204}),
			want: got(204, "", ""),
		},
		{
			cassette: "200_truncated", sent: sentGet, is: []error{revv.ErrMalformedResponse}, call: get, prepare: faulty(revvtest.Fault{Truncate: true}),
			want: got(200, "", ""),
			text: "revv: Documents.Get: 200 OK: malformed response: unexpected end of JSON at byte 228 (attempts: 1)",
		},
		{
			cassette: "200_twoValues", sent: sentGet, is: []error{revv.ErrMalformedResponse}, call: get,
			prepare: faulty(revvtest.Fault{Body: `{"Document":{"id":14}}{}`}), want: got(200, "", ""),
			text: "revv: Documents.Get: 200 OK: malformed response: data after the JSON value at byte 22 (attempts: 1)",
		},
		{
			cassette: "200_withoutTheMember", sent: sentGet, is: []error{revv.ErrMalformedResponse}, call: get, prepare: faulty(revvtest.Fault{Body: `{"User":{"id":14}}`}),
			want: got(200, "", ""),
			text: `revv: Documents.Get: 200 OK: malformed response: the member "Document" is missing (attempts: 1)`,
		},
		{
			cassette: "200_null", sent: sentGet, is: []error{revv.ErrMalformedResponse}, call: get, prepare: faulty(revvtest.Fault{Body: `null`}),
			want: got(200, "", ""),
		},
		{
			cassette: "200_memberThatDoesNotFit", sent: sentGet, is: []error{revv.ErrMalformedResponse}, call: get,
			prepare: faulty(revvtest.Fault{Members: map[string]string{"Document": `{"id":{"secret":"value"},"doc_no":"DOC-000040"}`}}),
			want:    got(200, "", ""),
			text:    `revv: Documents.Get: 200 OK: malformed response: the member "Document.id" cannot hold this object (attempts: 1)`,
		},
		{
			cassette: "200_textInThePlaceOfJSON", sent: sentGet, is: []error{revv.ErrUnexpectedContent}, call: get,
			prepare: faulty(revvtest.Fault{Body: "maintenance", ContentType: "text/plain; charset=utf-8"}), want: got(200, "", ""),
			text: `revv: Documents.Get: 200 OK: unexpected content: "text/plain; charset=utf-8" in the place of JSON (attempts: 1, route: GET /api/docs/{id}, see Routes.GetDocument)`,
		},
		{
			cassette: "200_noPDF", sent: "GET /api/docs/14/download", is: []error{revv.ErrUnexpectedContent}, prepare: faulty(revvtest.Fault{HTML: true}),
			call: func(ctx context.Context, c *revv.Client) error {
				_, err := c.Documents.Download(ctx, 14, failOnWrite{}, unrepeated())
				return err
			},
			want: revv.Error{Op: "Documents.Download", StatusCode: 200, Attempts: 1},
			text: "revv: Documents.Download: 200 OK: unexpected content: an HTML page in the place of a PDF; is this the address of the API? (attempts: 1, route: GET /api/docs/{id}/download, a stand-in, see Routes.DownloadDocument)",
		},
	}
}

// failOnWrite takes nothing: what is no PDF must not reach the caller's writer.
type failOnWrite struct{}

func (failOnWrite) Write([]byte) (int, error) { panic("something was written") }

func TestFailures_onTheWire_areTypedAndToldInFull(t *testing.T) {
	t.Parallel()
	for _, shape := range failureShapesOnTheWire() {
		t.Run(shape.cassette, func(t *testing.T) {
			t.Parallel()
			p := insert(t, failureShapes+shape.cassette, shape.prepare)
			err := shape.call(t.Context(), p.Client)
			p.sent(shape.sent)
			got := failure(t, err)
			assert.Equal(t, shape.want, revv.Error{
				Op: got.Op, Argument: got.Argument, StatusCode: got.StatusCode, Code: got.Code, Message: got.Message,
				RequestID: got.RequestID, Attempts: got.Attempts, RetryAfter: got.RetryAfter,
			})
			for _, kind := range everyKind {
				if slices.Contains(shape.is, kind) {
					require.ErrorIs(t, err, kind)
				} else {
					require.NotErrorIs(t, err, kind)
				}
			}
			if shape.text != "" {
				assert.EqualError(t, err, shape.text)
			}
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestGet_rightJSONUnderAWrongContentType_isAccepted(t *testing.T) {
	t.Parallel()
	p := insert(t, failureShapes+"200_wrongContentType", faulty(revvtest.Fault{ContentType: "text/plain; charset=utf-8"}))
	document, err := p.Documents.Get(t.Context(), 14)
	p.sent("GET /api/docs/14")
	p.came(offer(t), document, err)
}

func TestGet_afterA429_comesBackWhenItWasAskedTo(t *testing.T) {
	t.Parallel()
	p := insert(t, failureShapes+"429_thenSuccess", faulty(revvtest.Fault{Status: 429, RetryAfter: "0", Times: 1}))
	document, err := p.Documents.Get(t.Context(), 14)
	p.sent("GET /api/docs/14", "GET /api/docs/14")
	p.came(offer(t), document, err)
}

// What has been deleted may be gone, whatever the method of a repaired route: the
// operation says so, and of Do the method.
func TestDelete_answerLostThenNotFound_isSuccessByTheOperation(t *testing.T) {
	t.Parallel()
	deletes := map[string]bool{"DeleteFolder": true, "DeleteContact": true, "UnsubscribeWebhook": true}
	routes := revv.Routes{
		DeleteFolder: "POST /a/{id}/delete", DeleteContact: "PUT /b/{id}/gone", UnsubscribeWebhook: "DELETE /c/{id}",
		SetFields: "DELETE /d/{id}", MoveDocument: "DELETE /e/{id}",
	}
	lost := func(status int) *service {
		calls := 0
		return &service{answer: func(*http.Request) (*http.Response, error) {
			if calls++; calls == 1 {
				return nil, io.ErrUnexpectedEOF
			}
			return reply(status, `{}`), nil
		}}
	}
	for _, op := range operationCalls() {
		if op.kind != "I" {
			continue
		}
		for _, status := range []int{http.StatusNotFound, http.StatusGone} {
			s := lost(status)
			err := op.call(t.Context(), s.client(t, revv.WithRoutes(routes), revv.WithRetry(revv.RetryPolicy{BaseDelay: 1})))
			assert.Len(t, s.Sent(), 2)
			if deletes[op.field] {
				require.NoError(t, err, op.field)
				continue
			}
			require.ErrorIs(t, err, revv.ErrNotFound, op.field)
		}
	}
	hurried := revv.WithRetry(revv.RetryPolicy{BaseDelay: 1})
	require.NoError(t, lost(404).client(t).Do(t.Context(), http.MethodDelete, "/api/users/7", nil, nil, hurried))
	require.ErrorIs(t, lost(404).client(t).Do(t.Context(), http.MethodPut, "/api/users/7", nil, nil, hurried), revv.ErrNotFound)
}

// A page says nothing of an object, also if it is too large to be read, or is cut.
func TestDelete_answerLostThenALargePage_isNotFound(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]io.Reader{
		"a page": strings.NewReader(htmlPage), "a large page": strings.NewReader(htmlPage + strings.Repeat(" ", 70_000)),
		"a page that is cut": io.MultiReader(strings.NewReader(htmlPage), failingReader{io.ErrUnexpectedEOF}),
	} {
		calls := 0
		s := &service{answer: func(*http.Request) (*http.Response, error) {
			if calls++; calls == 1 {
				return nil, io.ErrUnexpectedEOF
			}
			resp := reply(http.StatusNotFound, "", "Content-Type", "text/html; charset=utf-8")
			resp.Body, resp.ContentLength = io.NopCloser(body), -1
			return resp, nil
		}}
		err := s.client(t, hurried()).Contacts.Delete(t.Context(), 7)
		require.ErrorIs(t, err, revv.ErrNotFound, name)
		require.ErrorIs(t, err, revv.ErrUnexpectedContent, name)
	}
}

// An error body is read up to 64 KiB, and what is longer says nothing.
func TestError_bodyOfTheLargestSize_isRead(t *testing.T) {
	t.Parallel()
	const most = 64 << 10
	for size, code := range map[int]string{most: "TOO_BIG", most + 1: ""} {
		body := `{"error":"TOO_BIG","message":"no","rest":""}`
		body = strings.Replace(body, `"rest":"`, `"rest":"`+strings.Repeat("x", size-len(body)), 1)
		require.Len(t, body, size)
		_, err := always(http.StatusConflict, body).client(t).Documents.Get(t.Context(), 14)
		require.ErrorIs(t, err, revv.ErrConflict)
		assert.Equal(t, code, failure(t, err).Code, "%d", size)
	}
}

// What nobody wants of an answer is read all the same, within limits, so that the
// connection serves the next call.
func TestConnection_survivesAnswersThatAreNotRead(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("AccessToken") == "old" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, strings.Repeat("x", 60<<10))
			return
		}
		_, _ = io.WriteString(w, `{}`)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client, err := revv.NewClient(&passes{left: []string{"old", "new"}}, revv.WithBaseURL(server.URL))
	require.NoError(t, err)
	resp, err := client.HTTPClient().Do(request(t, http.MethodGet, server.URL+"/api/users", ""))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.NoError(t, resp.Body.Close())
	client.HTTPClient().CloseIdleConnections()
	assert.EqualValues(t, 1, connections.Load())
}

// A server that answers a form with a redirect has mostly done what was asked. Only 307 and
// 308 say that it is to be asked elsewhere.
func TestRedirect_ofAWriteWithConsequences_mayMeanThatItWasDone(t *testing.T) {
	t.Parallel()
	for _, op := range everyOperation(anyArguments(t.TempDir())) {
		if op.pdf {
			continue
		}
		for status, done := range map[int]bool{300: true, 301: true, 302: true, 303: true, 304: true, 307: false, 308: false} {
			err := op.call(t.Context(), always(status, "").client(t))
			require.ErrorIs(t, err, revv.ErrRedirected)
			require.NotErrorIs(t, err, revv.ErrOutcomeUnknown)
			may := done && op.class == consequences
			assert.Equal(t, may, revv.MaybeApplied(err), "%s %d", op.name, status)
			assert.Equal(t, may, strings.Contains(err.Error(), "can mean that the request was applied"))
		}
	}
}

// Whoever joins errors is told whatever the order.
func TestMaybeApplied_looksAtAllOfAJoinedError(t *testing.T) {
	t.Parallel()
	send := callOf("SendForESign")
	moved, missing := send(t.Context(), always(http.StatusSeeOther, "").client(t)), send(t.Context(), always(http.StatusNotFound, "").client(t))
	assert.False(t, revv.MaybeApplied(missing))
	assert.True(t, revv.MaybeApplied(errors.Join(missing, moved)))
	assert.True(t, revv.MaybeApplied(fmt.Errorf("the lease: %w", moved)))
}

func TestError_statusThatAnswersNothing_isNamed(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, readOne(t.Context(), always(99, "").client(t)), "the status 099 answers nothing")
}
