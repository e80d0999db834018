package revv_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

func TestNewWebhookHandler_joinsAllProblems(t *testing.T) {
	handler, err := revv.NewWebhookHandler(revv.WebhookSecret{}, nil,
		nil, revv.WithWebhookMaxBytes(0), revv.WithWebhookReadTimeout(-1), revv.WithWebhookObserver(nil), revv.WithReadBack(nil), revv.WithReadBack(&documents{}))
	assert.Nil(t, handler)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err)
	require.True(t, ok)
	var problems []string
	for _, problem := range joined.Unwrap() {
		e, ok := errors.AsType[*revv.Error](problem)
		require.True(t, ok)
		problems = append(problems, e.Argument+" "+e.Message)
	}
	assert.Equal(t, []string{
		"secret must be made by HeaderSecret, BasicSecret or PathSecret; InsecureNoSecret leaves the handler open",
		"fn must not be nil",
		"option must not be nil",
		"WithWebhookMaxBytes must be from 1 to 1048576",
		"WithWebhookReadTimeout must be positive",
		"WithWebhookObserver must not be nil",
		"WithReadBack must not be nil",
		"WithReadBack must not be given twice",
	}, problems)
	_, err = revv.NewWebhookHandler(revv.InsecureNoSecret(), ignoreEvent, revv.WithWebhookMaxBytes(1<<20+1))
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
}

func TestWebhookHandler_acceptsPostOnly(t *testing.T) {
	handler := newHandler(t, revv.HeaderSecret("X-Secret", newSecret), ignoreEvent)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "post", "PROPFIND"} {
		r := withHeader(eventRequest("/"), "X-Secret", newSecret)
		r.Method, r.Body = method, unreadBody{t}
		response := serve(t, handler, r)
		assert.Equal(t, http.StatusMethodNotAllowed, response.StatusCode, method)
		assert.Equal(t, http.MethodPost, response.Header.Get("Allow"), method)
	}
}

func TestWebhookHandler_acceptsPlainJSONOnly(t *testing.T) {
	tests := []struct {
		contentType, encoding string
		want                  int
	}{
		{contentType: "application/json", want: 204},
		{contentType: "Application/JSON; Charset=UTF-8", want: 204},
		{contentType: "application/vnd.revv.event+json", want: 204},
		{contentType: "application/cloudevents+json; profile=x", want: 204},
		{contentType: "application/json", encoding: "identity", want: 204},
		{contentType: "application/json; charset=utf-16", want: 415},
		{contentType: "application/json; charset=", want: 415},
		{contentType: "application/json; charset=utf-8; charset=utf-16", want: 415},
		{contentType: "application/jsonp", want: 415},
		{contentType: "application/x-www-form-urlencoded", want: 415},
		{contentType: "multipart/form-data; boundary=x", want: 415},
		{contentType: "text/plain", want: 415},
		{contentType: "text/html", want: 415},
		{contentType: "json", want: 415},
		{contentType: "", want: 415},
		{contentType: "application/json", encoding: "gzip", want: 415},
		{contentType: "application/json", encoding: "identity, gzip", want: 415},
		{contentType: "application/json", encoding: "br", want: 415},
	}
	handler := newHandler(t, revv.HeaderSecret("X-Secret", newSecret), ignoreEvent)
	for _, test := range tests {
		t.Run(test.contentType+" "+test.encoding, func(t *testing.T) {
			r := withHeader(withHeader(eventRequest("/"), "X-Secret", newSecret), "Content-Type", test.contentType)
			if test.encoding != "" {
				r.Header.Set("Content-Encoding", test.encoding)
			}
			if test.want != http.StatusNoContent {
				r.Body = unreadBody{t}
			}
			assert.Equal(t, test.want, serve(t, handler, r).StatusCode)
		})
	}
}

func TestWebhookHandler_checksTheSecretAfterTheSize(t *testing.T) {
	handler := newHandler(t, revv.HeaderSecret("X-Secret", newSecret), ignoreEvent, revv.WithWebhookMaxBytes(100))
	r := eventRequest("/")
	r.Body = unreadBody{t}
	assert.Equal(t, http.StatusRequestEntityTooLarge, serve(t, handler, r).StatusCode)
}

func TestWebhookHandler_boundsTheBody(t *testing.T) {
	padded := func(size int) string { return stageChanged + strings.Repeat(" ", size-len(stageChanged)) }
	for name, test := range map[string]struct {
		body    string
		limit   int64
		chunked bool
		want    int
	}{
		"at the limit":                    {body: padded(1 << 20), want: 204},
		"at the limit, chunked":           {body: padded(1 << 20), chunked: true, want: 204},
		"a byte more":                     {body: padded(1<<20 + 1), want: 413},
		"a byte more, chunked":            {body: padded(1<<20 + 1), chunked: true, want: 413},
		"at a limit of one's own":         {body: stageChanged, limit: int64(len(stageChanged)), want: 204},
		"over a limit of one's own":       {body: stageChanged, limit: int64(len(stageChanged)) - 1, want: 413},
		"over a limit of its own,chunked": {body: stageChanged, limit: int64(len(stageChanged)) - 1, chunked: true, want: 413},
	} {
		t.Run(name, func(t *testing.T) {
			var opts []revv.WebhookOption
			if test.limit != 0 {
				opts = append(opts, revv.WithWebhookMaxBytes(test.limit))
			}
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			r.Header.Set("Content-Type", "application/json")
			if test.chunked {
				r.ContentLength = -1
			}
			assert.Equal(t, test.want, serve(t, newHandler(t, revv.InsecureNoSecret(), ignoreEvent, opts...), r).StatusCode)
		})
	}
}

// endlessBody counts what is read of it.
type endlessBody struct{ read atomic.Int64 }

func (b *endlessBody) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	b.read.Add(int64(len(p)))
	return len(p), nil
}

func TestWebhookHandler_readsNoMoreOfAnEndlessBodyThanItsLimit(t *testing.T) {
	body := new(endlessBody)
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = -1
	response := serve(t, newHandler(t, revv.InsecureNoSecret(), ignoreEvent), r)
	assert.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	assert.Equal(t, "close", response.Header.Get("Connection"))
	assert.LessOrEqual(t, body.read.Load(), int64(1<<20+1))
}

func TestWebhookHandler_answersWhatIsNoEventWith400(t *testing.T) {
	for name, body := range map[string]io.Reader{
		"no body":         http.NoBody,
		"nil body":        nil,
		"no JSON":         strings.NewReader("event=DOCUMENT_CLOSED"),
		"null":            strings.NewReader("null"),
		"no type":         strings.NewReader(`{"id":"evt_1"}`),
		"a member twice":  strings.NewReader(`{"event":"X","event":"Y"}`),
		"broken transfer": io.MultiReader(strings.NewReader(stageChanged[:20]), iotest.ErrReader(io.ErrUnexpectedEOF)),
	} {
		t.Run(name, func(t *testing.T) {
			var result revv.WebhookResult
			handler := newHandler(t, revv.InsecureNoSecret(), func(context.Context, *revv.Event) error {
				t.Error("the function was called")
				return nil
			}, revv.WithWebhookObserver(func(r revv.WebhookResult) { result = r }))
			r := httptest.NewRequest(http.MethodPost, "/", body)
			r.Header.Set("Content-Type", "application/json")
			if body == nil {
				r.Body = nil
			}
			assert.Equal(t, http.StatusBadRequest, serve(t, handler, r).StatusCode)
			want, kind := "event", revv.ErrMalformedResponse
			if name == "broken transfer" {
				want, kind = "body", io.ErrUnexpectedEOF
			}
			assert.Equal(t, want, result.Reason)
			assert.Nil(t, result.Event)
			assert.ErrorIs(t, result.Err, kind)
		})
	}
}

func TestWebhookHandler_tellsTheSenderNothingOfAFailure(t *testing.T) {
	failure := errors.New("s3ntinel: the database is down")
	var result revv.WebhookResult
	handler := newHandler(t, revv.InsecureNoSecret(), func(context.Context, *revv.Event) error { return failure },
		revv.WithWebhookObserver(func(r revv.WebhookResult) { result = r }))
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, eventRequest("/"))
	assert.Equal(t, http.StatusInternalServerError, recorder.Code)
	assert.Equal(t, "Internal Server Error\n", recorder.Body.String())
	assert.NotContains(t, fmt.Sprint(recorder.Header()), "s3ntinel")
	assert.Equal(t, "handler", result.Reason)
	assert.ErrorIs(t, result.Err, failure)
	assert.Equal(t, "evt_7Qm2", result.Event.ID)
}

func TestWebhookHandler_successHasNoBody(t *testing.T) {
	var result revv.WebhookResult
	recorder := httptest.NewRecorder()
	newHandler(t, revv.InsecureNoSecret(), ignoreEvent, revv.WithWebhookObserver(func(r revv.WebhookResult) { result = r })).ServeHTTP(recorder, eventRequest("/"))
	assert.Equal(t, http.StatusNoContent, recorder.Code)
	assert.Empty(t, recorder.Body.String())
	assert.Empty(t, recorder.Header())
	assert.Equal(t, "evt_7Qm2", result.Event.ID)
	result.Event, result.Duration = nil, 0
	assert.Equal(t, revv.WebhookResult{Status: 204, Reason: "ok"}, result)
}

func TestWebhookHandler_aPanicReachesTheServerAndTheObserver(t *testing.T) {
	var results []revv.WebhookResult
	handler := newHandler(t, revv.InsecureNoSecret(), func(context.Context, *revv.Event) error { panic("boom") },
		revv.WithWebhookObserver(func(r revv.WebhookResult) { results = append(results, r) }))
	recorder := httptest.NewRecorder()
	assert.PanicsWithValue(t, "boom", func() { handler.ServeHTTP(recorder, eventRequest("/")) })
	require.Len(t, results, 1)
	assert.Zero(t, results[0].Status)
	assert.Equal(t, "handler", results[0].Reason)
	assert.Equal(t, "evt_7Qm2", results[0].Event.ID)
}

func TestWebhookHandler_givesTheContextOfTheRequest(t *testing.T) {
	type key struct{}
	handler := newHandler(t, revv.InsecureNoSecret(), func(ctx context.Context, _ *revv.Event) error {
		assert.Equal(t, "value", ctx.Value(key{}))
		return nil
	})
	r := eventRequest("/")
	assert.Equal(t, http.StatusNoContent, serve(t, handler, r.WithContext(context.WithValue(r.Context(), key{}, "value"))).StatusCode)
}

func TestWebhookHandler_servesManyAtOnce(t *testing.T) {
	var calls, observed atomic.Int64
	handler := newHandler(t, revv.HeaderSecret("X-Secret", newSecret, oldSecret), func(context.Context, *revv.Event) error {
		calls.Add(1)
		return nil
	}, revv.WithWebhookObserver(func(revv.WebhookResult) { observed.Add(1) }), revv.WithReadBack(&documents{stage: revv.StageSent}))
	server := httptest.NewServer(handler)
	defer server.Close()
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			secret := []string{newSecret, oldSecret, "wrong"}[i%3]
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(stageChanged))
			if !assert.NoError(t, err) {
				return
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Secret", secret)
			response, err := server.Client().Do(r)
			if !assert.NoError(t, err) {
				return
			}
			defer response.Body.Close()
			assert.Equal(t, map[bool]int{true: 401, false: 204}[secret == "wrong"], response.StatusCode)
		})
	}
	all.Wait()
	assert.Equal(t, int64(43), calls.Load())
	assert.Equal(t, int64(64), observed.Load())
}

// pipeListener hands the other ends of pipes to a server, so that a test with a
// clock of its own can speak to it.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// dial starts a server for handler and connects to it.
func dial(t *testing.T, handler http.Handler) net.Conn {
	t.Helper()
	listener := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: handler} //nolint:gosec // the deadlines under test are the handler's
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	ours, theirs := net.Pipe()
	listener.conns <- theirs
	t.Cleanup(func() {
		_ = ours.Close()
		_ = server.Close()
		<-ended
	})
	return ours
}

const head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"

func TestWebhookHandler_cutsOffASlowBody(t *testing.T) {
	for name, send := range map[string]func(conn net.Conn){
		"that stalls at once": func(net.Conn) {},
		"that stalls halfway": func(conn net.Conn) { _, _ = io.WriteString(conn, stageChanged[:50]) },
		"that trickles": func(conn net.Conn) {
			for i := range stageChanged {
				<-time.After(time.Second)
				if _, err := io.WriteString(conn, stageChanged[i:i+1]); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var result revv.WebhookResult
				conn := dial(t, newHandler(t, revv.InsecureNoSecret(), ignoreEvent, revv.WithWebhookObserver(func(r revv.WebhookResult) { result = r })))
				start := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() {
					_, _ = fmt.Fprintf(conn, head+"Content-Length: %d\r\n\r\n", len(stageChanged))
					send(conn)
				})
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				require.NoError(t, err)
				defer response.Body.Close()
				assert.Equal(t, http.StatusRequestTimeout, response.StatusCode)
				assert.True(t, response.Close)
				assert.Equal(t, 10*time.Second, time.Since(start))
				synctest.Wait()
				assert.Equal(t, "timeout", result.Reason)
				assert.Equal(t, 10*time.Second, result.Duration)
				sending.Wait()
			})
		})
	}
}

func TestWebhookHandler_cutsOffASlowBodyWithoutDeadlinesOfTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, sender := io.Pipe()
		var sending sync.WaitGroup
		sending.Go(func() {
			for {
				<-time.After(time.Second)
				if _, err := sender.Write([]byte(" ")); err != nil {
					return
				}
			}
		})
		r := httptest.NewRequest(http.MethodPost, "/", body)
		r.Header.Set("Content-Type", "application/json")
		handler := newHandler(t, revv.InsecureNoSecret(), ignoreEvent, revv.WithWebhookReadTimeout(3*time.Second))
		assert.Equal(t, http.StatusRequestTimeout, serve(t, handler, r).StatusCode)
		require.NoError(t, body.Close())
		sending.Wait()
	})
}

func TestWebhookHandler_theDeadlineOfTheBodyDoesNotCutOffTheFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := dial(t, newHandler(t, revv.InsecureNoSecret(), func(ctx context.Context, _ *revv.Event) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Minute):
				return nil
			}
		}))
		reader := bufio.NewReader(conn)
		for range 2 { // the connection lives on as well
			go func() { _, _ = fmt.Fprintf(conn, head+"Content-Length: %d\r\n\r\n%s", len(stageChanged), stageChanged) }()
			response, err := http.ReadResponse(reader, nil)
			require.NoError(t, err)
			_ = response.Body.Close()
			assert.Equal(t, http.StatusNoContent, response.StatusCode)
		}
	})
}

func TestWebhookHandler_aRefusedSenderCannotHoldTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := dial(t, newHandler(t, revv.HeaderSecret("X-Secret", newSecret), ignoreEvent))
		start := time.Now()
		go func() { _, _ = io.WriteString(conn, head+"Content-Length: 1000\r\n\r\n") }()
		reader := bufio.NewReader(conn)
		response, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		_, err = io.ReadAll(response.Body)
		require.NoError(t, err)
		_ = response.Body.Close()
		assert.Equal(t, http.StatusUnauthorized, response.StatusCode)
		assert.Zero(t, time.Since(start), "the refusal does not wait for the body")
		_, err = reader.ReadByte()
		require.ErrorIs(t, err, io.EOF)
		assert.LessOrEqual(t, time.Since(start), 11*time.Second)
	})
}

// documents is a reader that gives one document, or an error.
type documents struct {
	stage revv.Stage
	err   error
	empty bool
	asked atomic.Value
}

func (d *documents) answer(asked any) (*revv.Document, error) {
	d.asked.Store(fmt.Sprint(asked))
	if d.err != nil || d.empty {
		return nil, d.err
	}
	return &revv.Document{ID: 14, Number: "DOC-000040", ObjectID: "DOC-read0back000", Title: "As read", Stage: d.stage}, nil
}

func (d *documents) Get(_ context.Context, id revv.DocumentID, _ ...revv.CallOption) (*revv.Document, error) {
	return d.answer(id)
}

func (d *documents) GetByNumber(_ context.Context, number revv.DocumentNumber, _ ...revv.CallOption) (*revv.Document, error) {
	return d.answer(number)
}

var _ revv.DocumentReader = (*revv.DocumentsService)(nil)

func TestWithReadBack_handsOnOnlyWhatIsTrue(t *testing.T) {
	event := func(name, stage string) string {
		return fmt.Sprintf(`{"event":"DOCUMENT_%s","document":{"id":14,"title":"As claimed","document_status":{"name":%q}}}`, name, stage)
	}
	tests := map[string]struct {
		body      string
		stage     revv.Stage
		asked     string // what is read back, "14" if nothing else is said
		delivered bool
	}{
		"stage that is true":                   {body: event("STAGE_CHANGED", "Sent"), stage: "Sent", delivered: true},
		"stage that is true, in other case":    {body: event("STAGE_CHANGED", "IN REVIEW"), stage: "In review", delivered: true},
		"forged stage":                         {body: event("STAGE_CHANGED", "Completed"), stage: "Draft"},
		"overtaken stage":                      {body: event("STAGE_CHANGED", "Sent"), stage: "Signed"},
		"stage that is not claimed":            {body: `{"event":"DOCUMENT_STAGE_CHANGED","document":{"id":14}}`, stage: "Sent"},
		"closing that is true":                 {body: event("CLOSED", "Signed"), stage: "Signed", delivered: true},
		"closing in a stage of one's own":      {body: event("CLOSED", "Filed"), stage: "Filed", delivered: true},
		"forged closing":                       {body: event("CLOSED", "Signed"), stage: "Sent"},
		"forged closing that claims the truth": {body: event("CLOSED", "Sent"), stage: "Sent"},
		"forged closing of a draft":            {body: event("CLOSED", "draft"), stage: "Draft"},
		"signature":                            {body: event("SIGNED", "Sent"), stage: "Signed", delivered: true},
		"forged signature on a draft":          {body: event("SIGNED", "Signed"), stage: "Draft"},
		"acceptance":                           {body: event("ACCEPTED", "Sent"), stage: "Completed", delivered: true},
		"forged acceptance of a draft":         {body: event("ACCEPTED", "Completed"), stage: "Draft"},
		"unknown event":                        {body: event("ARCHIVED", "Gone"), stage: "Sent", delivered: true},
		"document by its number":               {body: `{"event":"X","document":{"doc_no":"DOC-000040"}}`, stage: "Sent", asked: "DOC-000040", delivered: true},
		"no document":                          {body: `{"event":"X"}`, asked: "nothing"},
		"document by its object id only":       {body: `{"event":"X","document":{"object_id":"DOC-aB3dE5gH7jK9"}}`, asked: "nothing"},
		"impossible id":                        {body: `{"event":"X","document":{"id":-1,"doc_no":"DOC-000040"}}`, asked: "nothing"},
		"impossible number":                    {body: `{"event":"X","document":{"doc_no":".."}}`, asked: "nothing"},
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
			assert.Equal(t, http.StatusNoContent, serve(t, handler, r).StatusCode)
			if test.asked == "" {
				test.asked = "14"
			}
			assert.Equal(t, test.asked, reader.asked.Load())
			if !test.delivered {
				assert.Nil(t, delivered)
				assert.Equal(t, "unconfirmed", result.Reason)
				assert.Error(t, result.Err)
				return
			}
			require.NotNil(t, delivered)
			assert.Equal(t, "ok", result.Reason)
			assert.Equal(t, revv.EventDocument{ID: 14, Number: "DOC-000040", ObjectID: "DOC-read0back000", Title: "As read", Stage: test.stage}, delivered.Document)
			assert.Equal(t, test.body, string(delivered.Raw))
		})
	}
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
		assert.Equal(t, 15*time.Second, time.Since(start))
	})
}

func BenchmarkWebhookHandler(b *testing.B) {
	handler, err := revv.NewWebhookHandler(revv.HeaderSecret("X-Secret", newSecret, oldSecret), ignoreEvent)
	require.NoError(b, err)
	for name, secret := range map[string]string{"right secret": newSecret, "wrong secret": "wrong", "missing secret": ""} {
		b.Run(name, func(b *testing.B) {
			r := eventRequest("/")
			if secret != "" {
				r.Header.Set("X-Secret", secret)
			}
			b.ReportAllocs()
			for b.Loop() {
				r.Body = io.NopCloser(strings.NewReader(stageChanged))
				handler.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}

func ExampleNewWebhookHandler() {
	seen := make(map[string]bool) // a table with a unique column in real life
	handler, err := revv.NewWebhookHandler(
		revv.HeaderSecret("X-Webhook-Secret", "the-secret-in-use", "the-one-before-it"),
		func(_ context.Context, event *revv.Event) error {
			if !seen[event.Key()] {
				seen[event.Key()] = true
				fmt.Println(event.Type, event.Document.Number, event.Document.Stage)
			}
			return nil
		},
		revv.WithWebhookObserver(func(result revv.WebhookResult) { fmt.Println(result.Status, result.Reason) }),
		// revv.WithReadBack(client.Documents) makes it trustworthy.
	)
	if err != nil {
		fmt.Println(err)
		return
	}

	deliver := func(secret string) {
		body := `{"id":"evt_1","event":"DOCUMENT_CLOSED","document":{"doc_no":"DOC-000040","document_status":{"name":"Signed"}}}`
		r := httptest.NewRequest(http.MethodPost, "/hooks/revv", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Webhook-Secret", secret)
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	deliver("the-secret-in-use")
	deliver("the-one-before-it") // the same delivery again
	deliver("something else")
	// Output:
	// DOCUMENT_CLOSED DOC-000040 Signed
	// 204 ok
	// 204 ok
	// 401 secret
}
