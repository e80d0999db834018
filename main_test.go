package revv_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/revv-go/revv"
)

// A server of net/http lingers for half a second at a connection that it gives up, which is
// longer than goleak waits.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// apiBase is where the API is said to be in tests that need no network.
const apiBase = "https://sandbox.example.com"

// anyToken is an access token that no server knows.
const anyToken = "token-of-an-example"

// service plays the API: a transport that keeps what it was sent.
type service struct {
	answer func(r *http.Request) (*http.Response, error)

	mu   sync.Mutex
	sent []sentRequest
}

// sentRequest is a request as the transport got it.
type sentRequest struct {
	Method string
	URL    string // path and query
	Body   string
	Header http.Header
	Origin string // scheme and host
	Host   string // the field of the request, "" for that of the URL
}

// Line is the request as tests write it: method, path with query, body.
func (r sentRequest) Line() string { return strings.TrimSpace(r.Method + " " + r.URL + " " + r.Body) }

// RoundTrip implements [http.RoundTripper].
func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := sentRequest{
		Method: r.Method, URL: r.URL.RequestURI(), Header: r.Header.Clone(), Origin: r.URL.Scheme + "://" + r.URL.Host, Host: r.Host,
	}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		_ = r.Body.Close()
		sent.Body = string(body)
		r.Body = io.NopCloser(strings.NewReader(sent.Body))
	}
	s.mu.Lock()
	s.sent = append(s.sent, sent)
	s.mu.Unlock()
	resp, err := s.answer(r)
	if resp != nil {
		resp.Request = r
	}
	return resp, err
}

// Sent lists the requests so far.
func (s *service) Sent() []sentRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sentRequest{}, s.sent...)
}

// Lines lists the requests so far as tests write them.
func (s *service) Lines() []string {
	lines := []string{}
	for _, r := range s.Sent() {
		lines = append(lines, r.Line())
	}
	return lines
}

// reply is an answer with a JSON body. Headers come in pairs.
func reply(status int, body string, headers ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}
	for i := 0; i < len(headers); i += 2 {
		resp.Header.Set(headers[i], headers[i+1])
	}
	return resp
}

// always answers every request in the same way.
func always(status int, body string, headers ...string) *service {
	return &service{answer: func(*http.Request) (*http.Response, error) { return reply(status, body, headers...), nil }}
}

// errSilence is what a service fails with that no request should reach.
var errSilence = errors.New("no request was to be sent")

// silent fails the test if anything is sent.
func silent(t *testing.T) *service {
	t.Helper()
	s := &service{answer: func(*http.Request) (*http.Response, error) { return nil, errSilence }}
	t.Cleanup(func() { assert.Empty(t, s.Lines(), "requests were sent") })
	return s
}

// client returns a client whose network is the service.
func (s *service) client(t *testing.T, opts ...revv.Option) *revv.Client {
	t.Helper()
	own := []revv.Option{revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: s})}
	client, err := revv.NewClient(revv.StaticToken(anyToken), append(own, opts...)...)
	require.NoError(t, err)
	return client
}

// unrepeated keeps a call from being repeated.
func unrepeated() revv.SharedOption { return revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}) }

// at is a time as the service writes it.
func at(t *testing.T, text string) revv.Time {
	t.Helper()
	var out revv.Time
	require.NoError(t, out.UnmarshalJSON([]byte(`"`+text+`"`)))
	require.False(t, out.IsZero(), "%q is no time", text)
	return out
}

// failure returns the error as what every call fails with.
func failure(t *testing.T, err error) *revv.Error {
	t.Helper()
	require.Error(t, err)
	var typed *revv.Error
	require.ErrorAs(t, err, &typed)
	return typed
}

// operationCall calls the operation behind one field of [revv.Routes], with
// arguments that are in order.
type operationCall struct {
	field string // of revv.Routes
	name  string // as errors have it
	kind  string // R for a read, I for an idempotent write, W for one with consequences
	call  func(ctx context.Context, c *revv.Client, opts ...revv.CallOption) error
}

var oneRecipient = []revv.Person{{Email: "ann@example.com", FirstName: "Ann", LastName: "Lee"}}

// operationCalls lists every operation of the API.
func operationCalls() []operationCall {
	only := func(_ any, err error) error { return err }
	send := revv.SendParams{Recipients: oneRecipient, Message: "Please sign"}
	return []operationCall{
		{"CreateDocument", "Documents.Create", "W", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: 21}, o...))
		}},
		{"ListDocuments", "Documents.List", "R", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Documents.List(ctx, revv.ListDocumentsParams{}, o...))
		}},
		{"ListFolderContents", "Documents.List", "R", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Documents.List(ctx, revv.ListDocumentsParams{FolderID: 3}, o...))
		}},
		{"GetDocument", "Documents.Get", "R", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Documents.Get(ctx, 14, o...))
		}},
		{"GetDocumentByNumber", "Documents.GetByNumber", "R", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Documents.GetByNumber(ctx, "DOC-000040", o...))
		}},
		{"SetFields", "Documents.SetFields", "I", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Documents.SetFields(ctx, 14, []revv.FieldValue{{Name: "Client", Value: "Acme"}}, o...))
		}},
		{"CloneDocument", "Documents.Clone", "W", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Documents.Clone(ctx, 14, revv.CloneDocumentParams{}, o...))
		}},
		{"ListActivities", "Documents.Activities", "R", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Documents.Activities(ctx, "DOC-aB3dE5gH7jK9", revv.ListActivitiesParams{}, o...))
		}},
		{"DownloadDocument", "Documents.Download", "R", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Documents.Download(ctx, 14, io.Discard, o...))
		}},
		{"ShareDocument", "Documents.Share", "W", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return c.Documents.Share(ctx, 14, revv.ShareParams{Recipients: oneRecipient}, o...)
		}},
		{"SendForESign", "Documents.SendForESign", "W", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return c.Documents.SendForESign(ctx, 14, send, o...)
		}},
		{"SendForAcceptance", "Documents.SendForAcceptance", "W", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return c.Documents.SendForAcceptance(ctx, 14, send, o...)
		}},
		{"SendForApproval", "Documents.SendForApproval", "W", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return c.Documents.SendForApproval(ctx, 14, send, o...)
		}},
		{"CreateMagicLink", "Documents.MagicLink", "W", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Documents.MagicLink(ctx, "DOC-aB3dE5gH7jK9", o...))
		}},
		{"MoveDocument", "Documents.Move", "I", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Documents.Move(ctx, 14, 3, o...))
		}},
		{"ListTemplates", "Templates.List", "R", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Templates.List(ctx, revv.ListTemplatesParams{}, o...))
		}},
		{"CreateFolder", "Folders.Create", "W", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Folders.Create(ctx, revv.CreateFolderParams{Name: "Offers"}, o...))
		}},
		{"ListFolders", "Folders.List", "R", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Folders.List(ctx, revv.ListFoldersParams{}, o...))
		}},
		{"DeleteFolder", "Folders.Delete", "I", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return c.Folders.Delete(ctx, 3, o...)
		}},
		{"UpsertContact", "Contacts.Upsert", "W", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Contacts.Upsert(ctx, revv.UpsertContactParams{Name: "Ann Lee", Email: "ann@example.com"}, o...))
		}},
		{"ListContacts", "Contacts.List", "R", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Contacts.List(ctx, revv.ListContactsParams{}, o...))
		}},
		{"GetContact", "Contacts.Get", "R", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Contacts.Get(ctx, 5001, o...))
		}},
		{"GetContactByEmail", "Contacts.GetByEmail", "R", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Contacts.GetByEmail(ctx, "ann@example.com", o...))
		}},
		{"DeleteContact", "Contacts.Delete", "I", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return c.Contacts.Delete(ctx, 5001, o...)
		}},
		{"SubscribeWebhook", "Webhooks.Subscribe", "W", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Webhooks.Subscribe(ctx, revv.SubscribeParams{Event: revv.EventClosed, URL: "https://example.com/hooks"}, o...))
		}},
		{"ListWebhooks", "Webhooks.List", "R", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return only(c.Webhooks.List(ctx, o...))
		}},
		{"UnsubscribeWebhook", "Webhooks.Unsubscribe", "I", func(ctx context.Context, c *revv.Client, o ...revv.CallOption) error {
			return c.Webhooks.Unsubscribe(ctx, "7", o...)
		}},
	}
}

// callOf is the call of the operation behind a field of [revv.Routes].
func callOf(field string) func(ctx context.Context, c *revv.Client, opts ...revv.CallOption) error {
	for _, op := range operationCalls() {
		if op.field == field {
			return op.call
		}
	}
	panic("no operation " + field)
}
