package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func TestRun_withoutAnEnvironment_handlesEachEventOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, &out))
	text := out.String()
	assert.Contains(t, text, "11 × 204, 1 × 401, 1 × 400")
	assert.Equal(t, 1, strings.Count(text, "is Signed"))
	assert.NotContains(t, text, `"Service agreement" is Sent`, "the document says what is true now, not the event what was")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	assert.Contains(t, lines[len(lines)-1], "done: 5 events came twice and in reverse order")
}

// screen is what the program prints.
type screen struct {
	mu      sync.Mutex
	text    string
	printed chan struct{}
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text += string(p)
	select {
	case s.printed <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *screen) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text
}

// after waits for text and returns the rest of its line.
func (s *screen) after(t *testing.T, text string) string {
	t.Helper()
	for {
		_, rest, found := strings.Cut(s.shown(), text)
		if line, _, whole := strings.Cut(rest, "\n"); found && whole {
			return line
		}
		select {
		case <-s.printed:
		case <-time.After(20 * time.Second):
			require.Fail(t, "it is not printed", "%q in\n%s", text, s.shown())
		}
	}
}

// tunnel leads from a public URL to where the program listens.
type tunnel struct {
	*http.Transport

	mu      sync.Mutex
	address string
}

func (u *tunnel) RoundTrip(r *http.Request) (*http.Response, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	inside := r.Clone(r.Context())
	inside.URL = &url.URL{Scheme: "http", Host: u.address, Path: r.URL.Path}
	return u.Transport.RoundTrip(inside)
}

func TestRun_serving_receivesForTheAccountUntilItIsInterrupted(t *testing.T) {
	way := &tunnel{Transport: &http.Transport{DisableKeepAlives: true}}
	server := revvtest.NewServer(t, revvtest.WithWebhookClient(&http.Client{Transport: way}))
	dir := t.TempDir()
	for name, value := range map[string]string{
		"REVV_BASE_URL": server.URL(), "REVV_CLIENT_ID": server.OAuthConfig().ClientID, "REVV_CLIENT_SECRET": server.OAuthConfig().ClientSecret,
		"REVV_REDIRECT_URL": "http://127.0.0.1/callback", "REVV_TOKENS": filepath.Join(dir, "tokens"), "REVV_WEBHOOK_SECRET": "a-secret-of-the-test",
	} {
		t.Setenv(name, value)
	}
	args := []string{"-serve", "-listen", "127.0.0.1:0", "-public", "https://hooks.example.com", "-inbox", filepath.Join(dir, "inbox.jsonl")}
	client := server.Client()
	for start, want := range []string{"done: stopped; 1 events received, 0 of them wait", "done: stopped; 4 events received, 0 of them wait"} {
		ctx, interrupt := context.WithCancel(t.Context())
		out := &screen{printed: make(chan struct{}, 1)}
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, args, out) }()
		if start == 0 { // a person agrees, at the first start only
			out.after(t, "authorize the program")
			redirect, err := server.Authorize(strings.TrimSpace(out.after(t, "browser:\n\n")))
			require.NoError(t, err)
			callback, err := http.NewRequestWithContext(t.Context(), http.MethodGet, redirect, http.NoBody)
			require.NoError(t, err)
			resp, err := way.Transport.RoundTrip(callback)
			require.NoError(t, err)
			resp.Body.Close()
		}
		address := out.after(t, "listening on http://")
		way.mu.Lock()
		way.address = strings.TrimSuffix(address, "/hooks/<secret>")
		way.mu.Unlock()
		out.after(t, "ready")
		if start == 0 {
			server.AddDocument(21, "Agreement")
			_, err := client.Documents.SetFields(t.Context(), 14, []revv.FieldValue{{Name: "Client", Value: "Example Ltd"}, {Name: "Start date", Value: "2026-01-15"}})
			require.NoError(t, err)
			require.NoError(t, client.Documents.SendForESign(t.Context(), 14, revv.SendParams{Recipients: []revv.Person{{Email: "a@example.com"}}}))
			out.after(t, `DOC-000040 "Agreement" is Sent`)
		} else {
			require.NoError(t, server.Sign(14, "a@example.com"))
			out.after(t, `DOC-000040 "Agreement" is Signed`)
		}
		require.NoError(t, server.WaitDeliveries(t.Context()))
		for strings.Count(out.shown(), "msg=handled") < 1+2*start {
			<-out.printed
		}
		interrupt()
		require.NoError(t, <-ended)
		assert.Contains(t, out.text, want)
		assert.NotContains(t, out.text, "a-secret-of-the-test")
	}
}

func TestRun_serving_namesWhatIsMissing(t *testing.T) {
	for _, name := range []string{"REVV_WEBHOOK_SECRET", "REVV_BASE_URL", "REVV_CLIENT_ID", "REVV_CLIENT_SECRET"} {
		t.Setenv(name, "")
	}
	args := []string{"-serve", "-inbox", filepath.Join(t.TempDir(), "inbox.jsonl")}
	require.ErrorContains(t, run(t.Context(), args, io.Discard), "REVV_WEBHOOK_SECRET")
	t.Setenv("REVV_WEBHOOK_SECRET", "short")
	require.ErrorContains(t, run(t.Context(), args, io.Discard), "16 bytes")
	t.Setenv("REVV_WEBHOOK_SECRET", "a-secret-of-the-test")
	err := run(t.Context(), args, io.Discard)
	for _, name := range []string{"REVV_BASE_URL", "REVV_CLIENT_ID", "REVV_CLIENT_SECRET"} {
		require.ErrorContains(t, err, name)
	}
	require.ErrorContains(t, run(t.Context(), []string{"serve"}, io.Discard), `"serve" is not understood`)
}

// event is one about a document.
func event(t *testing.T, id, document string) *revv.Event {
	t.Helper()
	e, err := revv.ParseEvent([]byte(`{"id":"` + id + `","event":"DOCUMENT_CLOSED","document":{` + document + `}}`))
	require.NoError(t, err)
	return e
}

func open(t *testing.T, path string) *inbox {
	t.Helper()
	box, err := openInbox(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = box.close() })
	return box
}

func TestInbox_sameEventManyTimesAtOnce_isKeptOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	box := open(t, path)
	e := event(t, "evt_1", `"id":14`)
	var senders sync.WaitGroup
	for range 20 {
		senders.Go(func() { assert.NoError(t, box.put(t.Context(), e)) })
	}
	senders.Wait()
	all, waiting := open(t, path).counts()
	assert.Equal(t, []int{1, 1}, []int{all, waiting})
}

func TestInbox_programDiesAnywhere_keepsWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	box := open(t, path)
	first, second := event(t, "evt_1", `"id":14`), event(t, "", `"id":15`) // the key of the second is a digest
	require.NoError(t, box.put(t.Context(), first))
	require.NoError(t, box.put(t.Context(), second))
	require.NoError(t, box.done(first.Key(), 14, revv.StageSigned))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)

	again := open(t, path)
	assert.Equal(t, revv.StageSigned, again.stage(14))
	next, ok := again.next()
	require.True(t, ok)
	assert.Equal(t, revv.DocumentID(15), next.event.Document.ID)
	require.NoError(t, again.put(t.Context(), second))
	all, waiting := again.counts()
	assert.Equal(t, []int{2, 1}, []int{all, waiting})

	for size := 0; size < len(whole); size += 17 {
		cut := filepath.Join(t.TempDir(), "inbox")
		require.NoError(t, os.WriteFile(cut, whole[:size], 0o600))
		box := open(t, cut)
		all, waiting := box.counts()
		assert.Equal(t, min(2, bytes.Count(whole[:size], []byte("\n"))), all)
		assert.Equal(t, all, waiting, "what was not noted as handled is handled again")
		require.NoError(t, box.put(t.Context(), first))
		require.NoError(t, box.put(t.Context(), second))
		all, _ = open(t, cut).counts()
		assert.Equal(t, 2, all)
	}
}

func TestInbox_diskFails_theSenderIsAskedToComeAgain(t *testing.T) {
	t.Parallel()
	box := open(t, filepath.Join(t.TempDir(), "inbox"))
	require.NoError(t, box.file.Close())
	require.Error(t, box.put(t.Context(), event(t, "evt_1", `"id":14`)))
	all, _ := box.counts()
	assert.Zero(t, all)
}

func TestInbox_damaged_isNotOpened(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox")
	for _, text := range []string{"nonsense\n", `{"key":"k","event":{}}` + "\n"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := openInbox(path)
		require.ErrorContains(t, err, "line 1")
	}
}

// quiet is a receiver that counts what it announces.
func quiet(t *testing.T, server *revvtest.Server, announced *[]revv.Stage) *receiver {
	t.Helper()
	return &receiver{
		inbox: open(t, filepath.Join(t.TempDir(), "inbox")), documents: server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1})).Documents,
		log: slog.New(slog.DiscardHandler), pause: time.Millisecond,
		changed: func(_ context.Context, doc *revv.Document) error {
			*announced = append(*announced, doc.Stage)
			return nil
		},
	}
}

func TestHandle_eventAboutNoDocument_isDoneWith(t *testing.T) {
	t.Parallel()
	var announced []revv.Stage
	r := quiet(t, revvtest.NewServer(t), &announced)
	for id, document := range map[string]string{"evt_1": `"id":99`, "evt_2": ``, "evt_3": `"doc_no":"DOC-000099"`} {
		require.NoError(t, r.inbox.put(t.Context(), event(t, id, document)))
	}
	for range 3 {
		ok, err := r.handle(t.Context())
		require.NoError(t, err)
		assert.True(t, ok)
	}
	_, waiting := r.inbox.counts()
	assert.Zero(t, waiting)
	assert.Empty(t, announced)
}

// The vendor's hosts answer every path with a page. That says nothing of a document.
func TestHandle_pageInThePlaceOfTheAPI_keepsTheEvent(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	var announced []revv.Stage
	r := quiet(t, server, &announced)
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
	server.Fail(revvtest.Fault{Operation: "Documents.Get", Status: http.StatusNotFound, Body: "<!doctype html><title>Revv</title>", ContentType: "text/html"})
	ok, err := r.handle(t.Context())
	require.ErrorIs(t, err, revv.ErrUnexpectedContent)
	assert.True(t, ok)
	_, waiting := r.inbox.counts()
	assert.Equal(t, 1, waiting)
	assert.Empty(t, announced)
}

func TestWork_documentCannotBeRead_comesAgainBehindTheOthers(t *testing.T) {
	t.Parallel()
	server := revvtest.NewServer(t)
	server.AddDocument(23, "First")
	server.AddDocument(23, "Second")
	server.Fail(revvtest.Fault{Operation: "Documents.Get", Status: 500, Times: 1})
	var announced []revv.Stage
	r := quiet(t, server, &announced)
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_1", `"id":14`)))
	require.NoError(t, r.inbox.put(t.Context(), event(t, "evt_2", `"doc_no":"DOC-000041"`)))
	ctx, stop := context.WithCancel(t.Context())
	count, changed := 0, r.changed
	r.changed = func(ctx context.Context, doc *revv.Document) error {
		if count++; count == 2 {
			stop()
		}
		return changed(ctx, doc)
	}
	r.work(ctx)
	assert.Len(t, announced, 2)
	var order []string
	for _, request := range server.Requests() {
		order = append(order, request.Operation)
	}
	assert.Equal(t, []string{"Documents.Get", "Documents.GetByNumber", "Documents.Get"}, order)
}
