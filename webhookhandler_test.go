package revv_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

func TestNewWebhookHandler_joinsAllProblems(t *testing.T) {
	handler, err := revv.NewWebhookHandler(revv.WebhookSecret{}, nil,
		nil, revv.WithWebhookMaxBytes(0), revv.WithWebhookReadTimeout(0), revv.WithWebhookObserver(nil), revv.WithReadBack(nil), revv.WithReadBack(&documents{}))
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
	for name, opt := range map[string]revv.WebhookOption{
		"WithWebhookMaxBytes": revv.WithWebhookMaxBytes(1), "WithWebhookReadTimeout": revv.WithWebhookReadTimeout(1),
		"WithWebhookObserver": revv.WithWebhookObserver(func(revv.WebhookResult) {}), "WithReadBack": revv.WithReadBack(&documents{}),
	} {
		_, err = revv.NewWebhookHandler(revv.InsecureNoSecret(), ignoreEvent, opt, opt)
		assertArgument(t, err, name)
	}
	for size, want := range map[int64]error{-1: revv.ErrInvalidArgument, 1: nil, 1 << 20: nil, 1<<20 + 1: revv.ErrInvalidArgument} {
		_, err = revv.NewWebhookHandler(revv.InsecureNoSecret(), ignoreEvent, revv.WithWebhookMaxBytes(size))
		require.ErrorIs(t, err, want, "%d bytes", size)
	}
}

// Row H06 of the fault matrix.
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

// Rows H03 and H06 of the fault matrix.
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
		{contentType: "application/json; charset=utf8", want: 204},
		{contentType: "application/json; charset=US-ASCII", want: 204},
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

// Whoever counts refusals goes by the word.
func TestWebhookHandler_tellsTheObserverWhyItRefuses(t *testing.T) {
	t.Parallel()
	large := stageChanged + strings.Repeat(" ", 1<<20)
	for name, test := range map[string]struct {
		change func(r *http.Request)
		want   string
	}{
		"no POST": {func(r *http.Request) { r.Method = http.MethodPut }, "method"},
		"no JSON": {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, "content type"},
		"too large": {func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(large)), int64(len(large))
		}, "size"},
		"too large, and does not say": {func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader(large)), -1 }, "size"},
		"no event":                    {func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2 }, "event"},
		"cut":                         {func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)) }, "body"},
	} {
		var result revv.WebhookResult
		handler := newHandler(t, revv.InsecureNoSecret(), ignoreEvent, revv.WithWebhookObserver(func(r revv.WebhookResult) { result = r }))
		r := eventRequest("/")
		test.change(r)
		response := serve(t, handler, r)
		assert.Equal(t, test.want, result.Reason, name)
		assert.Equal(t, response.StatusCode, result.Status, name)
	}
}

func TestWebhookHandler_checksTheSecretAfterTheSize(t *testing.T) {
	handler := newHandler(t, revv.HeaderSecret("X-Secret", newSecret), ignoreEvent, revv.WithWebhookMaxBytes(100))
	r := eventRequest("/")
	r.Body = unreadBody{t}
	assert.Equal(t, http.StatusRequestEntityTooLarge, serve(t, handler, r).StatusCode)
}

// Row H03 of the fault matrix.
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

// Row H03 of the fault matrix.
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

// What a sender declares costs nothing: it may be large, and nothing may come.
func TestWebhookHandler_declaredSize_isNotAllocatedAtOnce(t *testing.T) {
	handler := newHandler(t, revv.InsecureNoSecret(), ignoreEvent)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 20
	for range times {
		r := eventRequest("/")
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{")), 1<<20
		assert.Equal(t, http.StatusBadRequest, serve(t, handler, r).StatusCode)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, (after.TotalAlloc-before.TotalAlloc)/times, uint64(256<<10), "bytes for each")
}

// Middleware of this program has read the body: that is no fault of the sender, who should come
// again.
func TestWebhookHandler_bodyIsTaken_isAFaultOfThisProgram(t *testing.T) {
	var result revv.WebhookResult
	handler := newHandler(t, revv.InsecureNoSecret(), ignoreEvent, revv.WithWebhookObserver(func(r revv.WebhookResult) { result = r }))
	r := eventRequest("/")
	_, err := io.Copy(io.Discard, r.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusInternalServerError, serve(t, handler, r).StatusCode)
	assert.Equal(t, "body", result.Reason)
	require.ErrorContains(t, result.Err, "somebody else has read the body")

	r = eventRequest("/")
	r.Body, r.ContentLength = http.NoBody, 0
	assert.Equal(t, http.StatusBadRequest, serve(t, handler, r).StatusCode)
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
