package console_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// follow opens the stream of events and reads its greeting.
func follow(ctx context.Context, t *testing.T, url string) (status int, lines *bufio.Scanner) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/events", http.NoBody)
	require.NoError(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	lines = bufio.NewScanner(resp.Body)
	if resp.StatusCode == http.StatusOK {
		assert.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
		require.True(t, lines.Scan())
		assert.Equal(t, ": hello", lines.Text())
	}
	return resp.StatusCode, lines
}

// next returns the kinds of the next event.
func next(t *testing.T, lines *bufio.Scanner) []string {
	t.Helper()
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			return strings.Fields(data)
		}
	}
	require.FailNow(t, "the stream has ended", "%v", lines.Err())
	return nil
}

func TestEvents_tellWhatHasChanged_andEndWithTheConsole(t *testing.T) {
	t.Parallel()
	b := open(t)
	server := httptest.NewServer(b.Handler())
	t.Cleanup(server.Close)
	status, lines := follow(t.Context(), t, server.URL)
	require.Equal(t, http.StatusOK, status)

	_, err := b.Sandbox().AddContact(sandbox.Contact{Name: "N", Email: "n@example.com"})
	require.NoError(t, err)
	assert.Equal(t, []string{"contact"}, next(t, lines))

	// Many changes at once are few events, and each kind is in one of them.
	seen := map[string]bool{}
	for range 500 {
		_, err := b.Sandbox().CreateDocument(23, "", 0)
		require.NoError(t, err)
	}
	require.NoError(t, b.Sandbox().Fail(sandbox.Fault{Status: http.StatusTeapot}))
	events := 0
	for ; !seen["document"]; events++ {
		for _, kind := range next(t, lines) {
			seen[kind] = true
		}
	}
	assert.Less(t, events, 10)

	b.Close()
	for lines.Scan() { // what was still on its way
		assert.NotContains(t, lines.Text(), "DOC-")
	}
	require.NoError(t, lines.Err())
	assert.Equal(t, http.StatusServiceUnavailable, b.do(http.MethodGet, "/events", "").Code)
}

func TestEvents_areBounded(t *testing.T) {
	t.Parallel()
	b := open(t)
	server := httptest.NewServer(b.Handler())
	t.Cleanup(server.Close)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	const most = 64
	for range most {
		status, _ := follow(ctx, t, server.URL)
		require.Equal(t, http.StatusOK, status)
	}
	w := b.do(http.MethodGet, "/events", "")
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.NotEmpty(t, w.Header().Get("Retry-After"))
	assert.Equal(t, http.StatusOK, b.do(http.MethodGet, "/", "").Code, "the pages themselves go on")
	leave()
	require.Eventually(t, func() bool { // places become free as the server notices
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		status, _ := follow(ctx, t, server.URL)
		return status == http.StatusOK
	}, waitLong, waitShort)
}

// A page is told to follow exactly what it shows, and the script finds its parts.
func TestEvents_pagesAndScriptFitTogether(t *testing.T) {
	t.Parallel()
	b := full(t)
	kinds := []string{"document", "folder", "template", "contact", "webhook", "mail", "delivery", "request", "fault"}
	live := 0
	for _, path := range b.paths() {
		page := b.get(path)
		_, rest, ok := strings.Cut(page, `data-watch="`)
		if !ok {
			assert.NotContains(t, page, "data-live", path)
			continue
		}
		live++
		watched, _, _ := strings.Cut(rest, `"`)
		for kind := range strings.FieldsSeq(watched) {
			assert.Contains(t, kinds, kind, path)
		}
		assert.Contains(t, page, `data-live="`, path)
		assert.Contains(t, page, `id="news" role="status"></div>`, path) // there and empty, so that what comes in is read out
	}
	assert.Greater(t, live, 10)
	script, err := io.ReadAll(b.do(http.MethodGet, "/assets/console.js", "").Body)
	require.NoError(t, err)
	assert.Contains(t, string(script), `EventSource("/events")`)
}

// stuckPage is a page that takes the greeting and then reads no more.
type stuckPage struct {
	*httptest.ResponseRecorder

	deadline time.Time
	greeted  bool
}

func (p *stuckPage) SetWriteDeadline(deadline time.Time) error {
	p.deadline = deadline
	return nil
}

func (p *stuckPage) Write(text []byte) (int, error) {
	if !p.greeted {
		p.greeted = true
		return len(text), nil
	}
	limit := time.Hour // of a connection that has no deadline
	if !p.deadline.IsZero() {
		limit = time.Until(p.deadline)
	}
	<-time.After(limit)
	return 0, os.ErrDeadlineExceeded
}

// A page that does not read gives its place free.
func TestEvents_pageThatDoesNotRead_isLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		ended := make(chan time.Time)
		go func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, base+"/events", http.NoBody)
			b.Handler().ServeHTTP(&stuckPage{ResponseRecorder: httptest.NewRecorder()}, r)
			ended <- time.Now()
		}()
		synctest.Wait()
		<-time.After(time.Hour) // in a bubble: the time is for each event, and not for the stream
		changed := time.Now()
		require.NoError(t, b.Sandbox().Fail(sandbox.Fault{Status: http.StatusTeapot}))
		took := (<-ended).Sub(changed)
		assert.GreaterOrEqual(t, took, time.Second)
		assert.LessOrEqual(t, took, time.Minute)
	})
}
