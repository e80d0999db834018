package revv_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// documents is a reader that gives one document, or an error.
type documents struct {
	stage revv.Stage
	name  revv.EventDocument // of the document, if it is another one than 14
	err   error
	empty bool
	asked atomic.Value
}

func (d *documents) answer(asked any) (*revv.Document, error) {
	d.asked.Store(fmt.Sprint(asked))
	if d.err != nil || d.empty {
		return nil, d.err
	}
	name := cmp.Or(d.name, revv.EventDocument{ID: 14, Number: "DOC-000040", ObjectID: "DOC-aB3dE5gH7jK9"})
	return &revv.Document{ID: name.ID, Number: name.Number, ObjectID: name.ObjectID, Title: "As read", Stage: d.stage}, nil
}

func (d *documents) Get(_ context.Context, id revv.DocumentID, _ ...revv.CallOption) (*revv.Document, error) {
	return d.answer(id)
}

func (d *documents) GetByNumber(_ context.Context, number revv.DocumentNumber, _ ...revv.CallOption) (*revv.Document, error) {
	return d.answer(number)
}

var _ revv.DocumentReader = (*revv.DocumentsService)(nil)

// Row H12 of the fault matrix.
func TestWithReadBack_handsOnOnlyWhatIsTrue(t *testing.T) {
	event := func(name, stage string) string {
		return fmt.Sprintf(`{"event":"DOCUMENT_%s","document":{"id":14,"title":"As claimed","document_status":{"name":%q}}}`, name, stage)
	}
	tests := map[string]struct {
		body      string
		stage     revv.Stage
		asked     string // what is read back, "14" if nothing else is said
		delivered bool
		later     bool // the sender is asked to come back
	}{
		"stage that is true":                   {body: event("STAGE_CHANGED", "Sent"), stage: "Sent", delivered: true},
		"stage that is true, in other case":    {body: event("STAGE_CHANGED", "IN REVIEW"), stage: "In review", delivered: true},
		"forged stage":                         {body: event("STAGE_CHANGED", "Completed"), stage: "Draft", later: true},
		"overtaken stage":                      {body: event("STAGE_CHANGED", "Sent"), stage: "Signed"},
		"stage that is not claimed":            {body: `{"event":"DOCUMENT_STAGE_CHANGED","document":{"id":14}}`, stage: "Sent", delivered: true},
		"stage that was not read yet":          {body: event("STAGE_CHANGED", "Signed"), stage: "Sent", later: true},
		"stage of one's own that was not read": {body: event("STAGE_CHANGED", "Filed"), stage: "Signed", later: true},
		"stage that was left for one's own":    {body: event("STAGE_CHANGED", "Signed"), stage: "Filed", later: true},
		"closing without a stage":              {body: `{"event":"DOCUMENT_CLOSED","document":{"id":14}}`, stage: "Signed", delivered: true},
		"closing that was not read yet":        {body: event("CLOSED", "Completed"), stage: "Signed", later: true},
		"overtaken closing":                    {body: event("CLOSED", "Signed"), stage: "Completed", delivered: true}, // it is closed all the same
		"closing that is true":                 {body: event("CLOSED", "Signed"), stage: "Signed", delivered: true},
		"closing in a stage of one's own":      {body: event("CLOSED", "Filed"), stage: "Filed", delivered: true},
		"forged closing":                       {body: event("CLOSED", "Signed"), stage: "Sent", later: true},
		"forged closing that claims the truth": {body: event("CLOSED", "Sent"), stage: "Sent", later: true},
		"forged closing of a draft":            {body: event("CLOSED", "draft"), stage: "Draft", later: true},
		"signature":                            {body: event("SIGNED", "Sent"), stage: "Signed", delivered: true},
		"forged signature on a draft":          {body: event("SIGNED", "Signed"), stage: "Draft", later: true},
		"forged signature without a stage":     {body: `{"event":"DOCUMENT_SIGNED","document":{"id":14}}`, stage: "Draft", later: true},
		"forged acceptance without a stage":    {body: `{"event":"DOCUMENT_ACCEPTED","document":{"id":14}}`, stage: "Draft", later: true},
		"acceptance":                           {body: event("ACCEPTED", "Sent"), stage: "Completed", delivered: true},
		"forged acceptance of a draft":         {body: event("ACCEPTED", "Completed"), stage: "Draft", later: true},
		"unknown event":                        {body: event("ARCHIVED", "Gone"), stage: "Sent", delivered: true},
		"document by its number":               {body: `{"event":"X","document":{"doc_no":"DOC-000040"}}`, stage: "Sent", asked: "DOC-000040", delivered: true},
		"document by all its names":            {body: `{"event":"X","document":{"id":14,"doc_no":"doc-000040","object_id":"DOC-aB3dE5gH7jK9"}}`, stage: "Sent", delivered: true},
		"signature that was not read yet":      {body: event("SIGNED", "Signed"), stage: "Sent", later: true},
		"acceptance that was not read yet":     {body: event("ACCEPTED", "Completed"), stage: "Signed", later: true},
		"unknown event that is ahead":          {body: event("SIGNED_BY_ALL", "Signed"), stage: "Sent", later: true},
		"unknown event, no stage is read":      {body: event("ARCHIVED", "Signed"), delivered: true},
		"stage that cannot be compared":        {body: event("STAGE_CHANGED", "Sent"), later: true},
		"closing that cannot be compared":      {body: event("CLOSED", "Signed"), later: true},
		"id of another document":               {body: `{"event":"X","document":{"id":14,"doc_no":"DOC-000041"}}`, stage: "Signed", later: true},
		"object id of another document":        {body: `{"event":"X","document":{"id":14,"object_id":"DOC-aB3dE5gH7jK8"}}`, stage: "Signed", later: true},
		"no document":                          {body: `{"event":"X"}`, asked: "nothing", later: true},
		"a document of another shape":          {body: `{"event":"X","data":{"document":{"id":14}}}`, asked: "nothing", later: true},
		"document by its object id only":       {body: `{"event":"X","document":{"object_id":"DOC-aB3dE5gH7jK9"}}`, asked: "nothing", later: true},
		"impossible id":                        {body: `{"event":"X","document":{"id":-1,"doc_no":"DOC-000040"}}`, asked: "nothing", later: true},
		"impossible number":                    {body: `{"event":"X","document":{"doc_no":".."}}`, asked: "nothing", later: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			reader := &documents{stage: test.stage}
			reader.asked.Store("nothing")
			var delivered *revv.Event
			var result revv.WebhookResult
			handler := newHandler(t, revv.InsecureNoSecret(), func(_ context.Context, e *revv.Event) error {
				delivered = e
				return nil
			}, revv.WithReadBack(reader), revv.WithWebhookObserver(func(r revv.WebhookResult) { result = r }))
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			r.Header.Set("Content-Type", "application/json")
			response := serve(t, handler, r)
			if test.later {
				assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
				assert.Equal(t, "30", response.Header.Get("Retry-After"))
			} else {
				assert.Equal(t, http.StatusNoContent, response.StatusCode)
			}
			if test.asked == "" {
				test.asked = "14"
			}
			assert.Equal(t, test.asked, reader.asked.Load())
			if !test.delivered {
				assert.Nil(t, delivered)
				assert.Equal(t, "unconfirmed", result.Reason)
				assert.Equal(t, response.StatusCode, result.Status, "what the observer is told is what was answered")
				assert.Error(t, result.Err)
				return
			}
			require.NotNil(t, delivered)
			assert.Equal(t, "ok", result.Reason)
			assert.Equal(t, revv.EventDocument{ID: 14, Number: "DOC-000040", ObjectID: "DOC-aB3dE5gH7jK9", Title: "As read", Stage: test.stage}, delivered.Document)
			assert.Equal(t, test.body, string(delivered.Raw))
		})
	}
}

// An event that was read back is the one that was delivered, also once it was stored.
func TestWithReadBack_leavesTheKeyAsItWas(t *testing.T) {
	const body = `{"event":"DOCUMENT_SIGNED","document":{"id":14,"title":"As claimed"}}`
	claimed, err := revv.ParseEvent([]byte(body))
	require.NoError(t, err)
	var keys []string
	handler := newHandler(t, revv.InsecureNoSecret(), func(_ context.Context, e *revv.Event) error {
		keys = append(keys, e.Key(), stored(t, e).Key())
		return nil
	}, revv.WithReadBack(&documents{stage: "Sent"}))
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	assert.Equal(t, http.StatusNoContent, serve(t, handler, r).StatusCode)
	assert.Equal(t, []string{claimed.Key(), claimed.Key()}, keys)
}

func TestWithReadBack_aDocumentThatCannotBeRead(t *testing.T) {
	tests := map[string]struct {
		reader     *documents
		status     int
		retryAfter string
	}{
		"does not exist":          {&documents{err: fmt.Errorf("wrapped: %w", revv.ErrNotFound)}, 204, ""},
		"service down":            {&documents{err: &revv.Error{StatusCode: 502}}, 503, "30"},
		"rate limited":            {&documents{err: &revv.Error{StatusCode: 429, RetryAfter: 90*time.Second + 1}}, 503, "91"},
		"a clock that is wrong":   {&documents{err: &revv.Error{StatusCode: 429, RetryAfter: 50 * 365 * 24 * time.Hour}}, 503, "3600"},
		"account locked out":      {&documents{err: revv.ErrReauthorizationRequired}, 503, "30"},
		"neither error nor truth": {&documents{empty: true}, 503, "30"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var result revv.WebhookResult
			handler := newHandler(t, revv.InsecureNoSecret(), func(context.Context, *revv.Event) error {
				t.Error("the function was called")
				return nil
			}, revv.WithReadBack(test.reader), revv.WithWebhookObserver(func(r revv.WebhookResult) { result = r }))
			response := serve(t, handler, eventRequest("/"))
			assert.Equal(t, test.status, response.StatusCode)
			assert.Equal(t, test.retryAfter, response.Header.Get("Retry-After"))
			assert.Equal(t, "unconfirmed", result.Reason)
			require.Error(t, result.Err)
			if test.reader.err != nil {
				assert.ErrorIs(t, result.Err, test.reader.err)
			}
		})
	}
}

// An event can name the entry of a document in the place of its id. Its number tells.
func TestWithReadBack_idLeadsNowhere_theNumberIsAsked(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	server.AddDocument(21, "Agreement")
	for body, status := range map[string]int{
		`{"event":"X","document":{"id":100001,"doc_no":"DOC-000040"}}`: http.StatusServiceUnavailable,
		`{"event":"X","document":{"id":100001,"doc_no":"DOC-000041"}}`: http.StatusNoContent,
		`{"event":"X","document":{"id":100001}}`:                       http.StatusNoContent,
	} {
		handler := newHandler(t, revv.InsecureNoSecret(), func(context.Context, *revv.Event) error {
			t.Error("the function was called")
			return nil
		}, revv.WithReadBack(server.Client().Documents))
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		assert.Equal(t, status, serve(t, handler, r).StatusCode, body)
	}
}

// Nothing is concluded from an id that leads nowhere while the number cannot be asked.
func TestWithReadBack_idLeadsNowhereAndTheNumberFails_isAskedAgain(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	server.Fail(revvtest.Fault{Operation: "Documents.GetByNumber", Status: http.StatusBadGateway})
	var result revv.WebhookResult
	handler := newHandler(t, revv.InsecureNoSecret(), func(context.Context, *revv.Event) error {
		t.Error("the function was called")
		return nil
	}, revv.WithReadBack(server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1})).Documents), revv.WithWebhookObserver(func(r revv.WebhookResult) { result = r }))
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"event":"X","document":{"id":100001,"doc_no":"DOC-000040"}}`))
	r.Header.Set("Content-Type", "application/json")
	assert.Equal(t, http.StatusServiceUnavailable, serve(t, handler, r).StatusCode)
	require.ErrorIs(t, result.Err, revv.ErrNotFound)
	require.ErrorIs(t, result.Err, revv.ErrServer)
}

// A cache, a proxy or a guess of ours that is wrong can bring a document that nobody asked for.
func TestWithReadBack_anotherDocumentIsRead_isNotHandedOn(t *testing.T) {
	t.Parallel()
	for body, name := range map[string]revv.EventDocument{
		`{"event":"X","document":{"id":14}}`:                             {ID: 15},
		`{"event":"X","document":{"doc_no":"DOC-000040"}}`:               {ID: 15, Number: "DOC-000041"},
		`{"event":"X","document":{"id":14,"object_id":"DOC-000000000"}}`: {ID: 14, ObjectID: "DOC-000000001"},
	} {
		var result revv.WebhookResult
		handler := newHandler(t, revv.InsecureNoSecret(), func(context.Context, *revv.Event) error {
			t.Error("the function was called")
			return nil
		}, revv.WithReadBack(&documents{stage: "Signed", name: name}), revv.WithWebhookObserver(func(r revv.WebhookResult) { result = r }))
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		assert.Equal(t, http.StatusServiceUnavailable, serve(t, handler, r).StatusCode, body)
		require.ErrorContains(t, result.Err, "is another one than the event names")
	}
}

// A number that the service refuses is refused again whenever the event comes.
func TestWithReadBack_aNumberThatIsNone_isNotAskedForAgain(t *testing.T) {
	const byID, byNumber = `{"event":"X","document":{"id":14,"doc_no":"foo"}}`, `{"event":"X","document":{"doc_no":"foo"}}`
	server := revvtest.NewServer(t)
	for name, test := range map[string]struct {
		body   string
		reader revv.DocumentReader
		status int
	}{
		"the sandbox":                 {byNumber, server.Client().Documents, 204},
		"400":                         {byNumber, &documents{err: &revv.Error{StatusCode: 400}}, 204},
		"422":                         {byNumber, &documents{err: &revv.Error{StatusCode: 422}}, 204},
		"refused before it was asked": {byNumber, &documents{err: fmt.Errorf("wrapped: %w", revv.ErrInvalidArgument)}, 204},
		"400 to an id":                {byID, &documents{err: &revv.Error{StatusCode: 400}}, 503},
		"400, as a page":              {byNumber, &documents{err: fmt.Errorf("%w: %w", revv.ErrUnexpectedContent, &revv.Error{StatusCode: 400})}, 503},
		"403":                         {byNumber, &documents{err: &revv.Error{StatusCode: 403}}, 503},
		"no token":                    {byNumber, clientWithoutToken(t, server).Documents, 503},
	} {
		t.Run(name, func(t *testing.T) {
			handler := newHandler(t, revv.InsecureNoSecret(), func(context.Context, *revv.Event) error {
				t.Error("the function was called")
				return nil
			}, revv.WithReadBack(test.reader))
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			r.Header.Set("Content-Type", "application/json")
			assert.Equal(t, test.status, serve(t, handler, r).StatusCode)
		})
	}
}

// clientWithoutToken fails for an argument that is not the document's.
func clientWithoutToken(t *testing.T, server *revvtest.Server) *revv.Client {
	t.Helper()
	client, err := revv.NewClient(revv.FromTokenSource(oauth2.StaticTokenSource(new(oauth2.Token))), revv.WithBaseURL(server.URL()))
	require.NoError(t, err)
	return client
}

// stalledDocuments never answers.
type stalledDocuments struct{ documents }

func (*stalledDocuments) Get(ctx context.Context, _ revv.DocumentID, _ ...revv.CallOption) (*revv.Document, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestWithReadBack_doesNotWaitForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		response := serve(t, newHandler(t, revv.InsecureNoSecret(), ignoreEvent, revv.WithReadBack(new(stalledDocuments))), eventRequest("/"))
		assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
		assert.Equal(t, 8*time.Second, time.Since(start))
	})
}

// That no token can be had says nothing of the document: the sender has to come again.
func TestWithReadBack_renewalThatIsRefused_isNoWordAboutTheDocument(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"event":"DOCUMENT_CLOSED","document":{"id":14}}`, `{"event":"DOCUMENT_CLOSED","document":{"doc_no":"DOC-000040"}}`} {
		for _, fault := range []revvtest.Fault{
			{Status: 400}, {Status: 403}, {Status: 404}, {Status: 409}, {Status: 410}, {Status: 422}, {OAuthError: "invalid_grant"}, {OAuthError: "invalid_client"}, {OAuthError: "invalid_request"},
		} {
			fault.Operation = "OAuth.Token"
			synctest.Test(t, func(t *testing.T) {
				server := revvtest.NewServer(t, revvtest.WithoutNetwork())
				client := server.Client()
				server.ExpireTokens()
				server.Fail(fault)
				handler := newHandler(t, revv.InsecureNoSecret(), ignoreEvent, revv.WithReadBack(client.Documents))
				for range 2 { // the second one does not ask the API any more
					r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
					r.Header.Set("Content-Type", "application/json")
					assert.Equal(t, http.StatusServiceUnavailable, serve(t, handler, r).StatusCode, "%+v", fault)
				}
				server.Close()
				server.HTTPClient().CloseIdleConnections()
			})
		}
	}
}

// What fails in this program has no say in whether there is such a document, whatever its
// error is called: the event must come again.
func TestWithReadBack_failureOfTheProgramItself_isNoWordAboutTheDocument(t *testing.T) {
	t.Parallel()
	failing := func(err error) func(http.RoundTripper) http.RoundTripper {
		return func(http.RoundTripper) http.RoundTripper {
			return tripper(func(*http.Request) (*http.Response, error) { return nil, err })
		}
	}
	middleware := map[string]func(http.RoundTripper) http.RoundTripper{
		"no argument": failing(fmt.Errorf("of ours: %w", revv.ErrInvalidArgument)),
		"no tenant":   failing(fmt.Errorf("of ours: %w", revv.ErrNotFound)),
		"no context": func(next http.RoundTripper) http.RoundTripper {
			return tripper(func(r *http.Request) (*http.Response, error) {
				return next.RoundTrip(r.WithContext(context.WithoutCancel(t.Context())))
			})
		},
		"another origin": func(next http.RoundTripper) http.RoundTripper {
			return tripper(func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				r.URL.Host = "proxy.example.com"
				return next.RoundTrip(r)
			})
		},
	}
	options := map[string][]revv.Option{}
	for name, m := range middleware {
		options["middleware: "+name] = []revv.Option{revv.WithMiddleware(m)}
	}
	auths := map[string]revv.Authenticator{}
	for _, kind := range []error{revv.ErrNotFound, revv.ErrInvalid, revv.ErrInvalidArgument} {
		auths["source: "+kind.Error()] = revv.FromTokenSource(tokenSource(func() (*oauth2.Token, error) { return nil, fmt.Errorf("of ours: %w", kind) }))
		options["source: "+kind.Error()] = nil
	}
	for name, opts := range options {
		for _, named := range []string{`{"doc_no":"DOC-000040"}`, `{"id":14}`, `{"id":14,"doc_no":"DOC-000040"}`} {
			t.Run(name+" "+named, func(t *testing.T) {
				t.Parallel()
				auth := cmp.Or(auths[name], revv.StaticToken(anyToken))
				client, err := revv.NewClient(auth, append([]revv.Option{revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: tripper(func(*http.Request) (*http.Response, error) {
					return reply(http.StatusOK, documentAnswer), nil
				})})}, opts...)...)
				require.NoError(t, err)
				handler, err := revv.NewWebhookHandler(revv.InsecureNoSecret(), func(context.Context, *revv.Event) error {
					t.Error("handed on")
					return nil
				}, revv.WithReadBack(client.Documents))
				require.NoError(t, err)
				request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{"event":"DOCUMENT_CLOSED","document":`+named+`}`))
				request.Header.Set("Content-Type", "application/json")
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, request)
				assert.Equal(t, http.StatusServiceUnavailable, answer.Code)
			})
		}
	}
}
