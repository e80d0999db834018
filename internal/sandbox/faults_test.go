package sandbox_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// listening puts the sandbox behind a real server, and returns a function that
// sends a request there.
func (a *api) listening() func(ctx context.Context, method, path, body string) (*http.Response, error) {
	server := httptest.NewServer(a.Handler())
	client := &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	a.t.Cleanup(func() {
		a.Close()
		client.CloseIdleConnections()
		server.Close()
	})
	return func(ctx context.Context, method, path, body string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, method, server.URL+path, strings.NewReader(body))
		require.NoError(a.t, err)
		r.Header.Set("AccessToken", a.tokens.AccessToken)
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		return client.Do(r)
	}
}

func (a *api) fail(faults ...sandbox.Fault) {
	a.t.Helper()
	require.NoError(a.t, a.Fail(faults...))
}

// Faults that are a complete answer.
func TestFaults_answers(t *testing.T) {
	cases := []struct {
		name        string
		fault       sandbox.Fault
		status      int
		contentType string
		body        string
		header      [2]string
	}{
		{"status", sandbox.Fault{Status: 503, RetryAfter: "2"}, 503, "application/json", `{"error":"SERVICE_UNAVAILABLE","message":"a fault that was asked for"}`, [2]string{"Retry-After", "2"}},
		{"no content", sandbox.Fault{Status: 204}, 204, "application/json", ``, [2]string{}},
		{"body", sandbox.Fault{Body: `{"x":1}`, ContentType: "text/plain"}, 200, "text/plain", `{"x":1}`, [2]string{}},
		{"status and body", sandbox.Fault{Status: 422, Body: `[]`, Header: http.Header{"X-Request-Id": {"r1"}}}, 422, "application/json", `[]`, [2]string{"X-Request-Id", "r1"}},
		{"page", sandbox.Fault{HTML: true}, 200, "text/html; charset=utf-8", `<!DOCTYPE html>`, [2]string{}},
		{"empty", sandbox.Fault{Empty: true}, 200, "application/json", ``, [2]string{}},
		{"redirect", sandbox.Fault{RedirectTo: "https://example.com/"}, 302, "text/plain; charset=utf-8", ``, [2]string{"Location", "https://example.com/"}},
		{"other redirect", sandbox.Fault{RedirectTo: "https://example.com/", Status: 307}, 307, "text/plain; charset=utf-8", ``, [2]string{"Location", "https://example.com/"}},
		{"oauth", sandbox.Fault{OAuthError: "invalid_grant"}, 400, "application/json", `{"error":"invalid_grant","error_description":"a fault that was asked for"}`, [2]string{}},
		{"oauth with a strange status", sandbox.Fault{OAuthError: "invalid_client", Status: 200}, 200, "application/json", `{"error":"invalid_client"`, [2]string{}},
		{"truncated", sandbox.Fault{Body: `{"x":1}`, Truncate: true}, 200, "application/json", `{"x`, [2]string{}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := newAPI(t)
			a.fail(c.fault)
			w := a.do("POST", "/api/docs", `{"template_id":21}`)
			assert.Equal(t, c.status, w.Code)
			assert.Equal(t, c.contentType, w.Header().Get("Content-Type"))
			assert.Contains(t, w.Body.String(), c.body)
			if c.body == "" {
				assert.Empty(t, w.Body.String())
			}
			if c.header[0] != "" {
				assert.Equal(t, c.header[1], w.Header().Get(c.header[0]))
			}
			assert.Empty(t, a.Documents(), "nothing was created")
			log := a.Requests()
			assert.Equal(t, c.status, log[0].Status)
			assert.Contains(t, log[0].Problem, "fault {")
		})
	}
}

func TestFaults_spoilTheRealAnswer(t *testing.T) {
	a := newAPI(t)
	a.fail(
		sandbox.Fault{Times: 1, Members: map[string]string{"Document": "", "Extra": "[1]"}},
		sandbox.Fault{Times: 1, Truncate: true},
		sandbox.Fault{Times: 1, Header: http.Header{"X-Request-Id": {"r1"}}},
		sandbox.Fault{Times: 1, Status: 500, Commit: true},
		sandbox.Fault{Operation: "OAuth.Token", Times: 1, Members: map[string]string{"expires_in": `"3600"`, "refresh_token": ""}},
		sandbox.Fault{Operation: "OAuth.Token", Status: 500},
	)
	assert.Equal(t, `{"Extra":[1]}`, a.ok("POST", "/api/docs", `{"template_id":21}`))
	assert.Regexp(t, `^\{"Document":.*[^}]$`, a.ok("POST", "/api/docs", `{"template_id":21}`))
	assert.Equal(t, "r1", a.do("POST", "/api/docs", `{"template_id":21}`).Header().Get("X-Request-Id"))
	assert.Equal(t, 500, a.do("POST", "/api/docs", `{"template_id":21}`).Code)
	assert.Len(t, a.Documents(), 4, "each was created")
	_, members := a.token(refresh(a.tokens.RefreshToken))
	assert.Equal(t, "3600", members["expires_in"])
	assert.NotContains(t, members, "refresh_token")
	_, members = a.token(refresh(a.tokens.RefreshToken))
	assert.Equal(t, "internal_server_error", members["error"])

	a.ClearFaults()
	whole := a.do("GET", "/api/docs/14/download", "").Body.String()
	a.fail(sandbox.Fault{Members: map[string]string{"id": "1"}}) // on every operation
	assert.Equal(t, whole, a.do("GET", "/api/docs/14/download", "").Body.String(), "what has no members stays as it is")
}

func TestFaults_count(t *testing.T) {
	a := newAPI(t)
	a.fail(
		sandbox.Fault{Operation: "Webhooks.List", After: 1, Times: 2, Status: 500},
		sandbox.Fault{Operation: "Webhooks.List", Times: 1, Status: 502},
		sandbox.Fault{Operation: "Contacts.List", Status: 418},
	)
	assert.Len(t, a.Faults(), 3)
	var got []int
	for range 5 {
		got = append(got, a.do("GET", "/api/webhooks", "").Code)
	}
	assert.Equal(t, []int{502, 500, 500, 200, 200}, got)
	for range 3 {
		assert.Equal(t, 418, a.do("GET", "/api/contacts/all", "").Code)
	}
	assert.Len(t, a.Faults(), 1)
	a.ClearFaults()
	a.ok("GET", "/api/contacts/all", "")

	a.fail(sandbox.Fault{Operation: "Folders.List", Times: 1, Status: 500})
	assert.Equal(t, 500, a.do("GET", "/api/folders/", "").Code, "a shared route fails under either name")
	a.fail(sandbox.Fault{Status: 500})
	status, _ := a.token(refresh(a.tokens.RefreshToken))
	assert.Equal(t, http.StatusOK, status, "every operation of the API, and none of OAuth")
	assert.Equal(t, 500, a.do("GET", "/api/webhooks", "", "AccessToken", "").Code, "a fault comes before the token")
}

func TestFaults_thatMakeNoSense(t *testing.T) {
	a := newAPI(t)
	for _, f := range []sandbox.Fault{
		{Operation: "Documents.create"},
		{Status: 500, Times: -1},
		{Status: 500, After: -1},
		{Status: 500, Delay: -1},
		{Status: 500, Late: -1},
		{Status: 500, Late: 1, Commit: true}, // carried out twice
		{Truncate: true, Late: 1},            // carried out already
		{Late: 1},
		{Status: 500, StallAfter: -1},
		{Status: 500, Drip: -1},
		{Status: 500, GzipBomb: -1},
		{Status: 100},
		{Status: 600},
		{Members: map[string]string{"x": "{"}},
		{},
		{Operation: "Documents.Create", Times: 1, After: 1, Commit: true}, // and then nothing
	} {
		require.Error(t, a.Fail(sandbox.Fault{Status: 500}, f), "%v", f)
	}
	assert.Empty(t, a.Faults())
}

// Of two parts that cannot both be met, one would be ignored.
func TestFaults_ofWhichAPartWouldBeIgnored_areRefused(t *testing.T) {
	a := newAPI(t)
	for message, faults := range map[string][]sandbox.Fault{
		"CutAfter and Drip":                      {{CutAfter: 1, Drip: 1}},
		"CutAfter and StallAfter":                {{CutAfter: 1, StallAfter: 1}, {CutAfter: 1, StallAfter: 1, Chunked: true}},
		"StallAfter and Drip":                    {{StallAfter: 1, Drip: 1}},
		"CutAfter and GzipBomb":                  {{CutAfter: 1, GzipBomb: 1}},
		"CloseDelimited and StallAfter":          {{CloseDelimited: true, StallAfter: 1}},
		"CloseDelimited and Drip":                {{CloseDelimited: true, Drip: 1}},
		"CloseDelimited and Chunked":             {{CloseDelimited: true, Chunked: true}},
		"Chunked and GzipBomb":                   {{Chunked: true, GzipBomb: 1}},
		"Body and HTML":                          {{Body: "x", HTML: true}},
		"Body and Empty":                         {{Body: "x", Empty: true}},
		"Body, OAuthError and RedirectTo":        {{Body: "x", OAuthError: "x", RedirectTo: "x"}},
		"HTML and GzipBomb":                      {{HTML: true, GzipBomb: 1}},
		"Status without a body and Body":         {{Status: 204, Body: "x"}},
		"CutAfter and Status without a body":     {{Status: 304, CutAfter: 1}},
		"Chunked and Status without a body":      {{Status: 204, Chunked: true}},
		"Truncate and Status without a body":     {{Status: 204, Truncate: true}},
		"Truncate and Empty":                     {{Truncate: true, Empty: true}},
		"Truncate and GzipBomb":                  {{Truncate: true, GzipBomb: 1}},
		"Members and HTML":                       {{Members: map[string]string{"x": ""}, HTML: true}},
		"Members and RedirectTo":                 {{Members: map[string]string{"x": ""}, RedirectTo: "x"}},
		"Drip and RedirectTo":                    {{Drip: 1, RedirectTo: "x"}},
		"Hang and Status":                        {{Hang: true, Status: 500}, {Hang: true, Status: 500, Delay: 1}},
		"Hang and Reset":                         {{Hang: true, Reset: true}},
		"Header and Reset":                       {{Reset: true, Header: http.Header{"X": {"1"}}}},
		"CutAfter below 0 and Reset":             {{CutAfter: -1, Reset: true}},
		"CutAfter below 0, Status and Truncate":  {{CutAfter: -1, Status: 500, Truncate: true}},
		"ContentType, CutAfter below 0 and Drip": {{CutAfter: -1, ContentType: "x", Drip: 1}},
	} {
		for _, f := range faults {
			require.ErrorContains(t, a.Fail(f), message+" do not go together")
		}
	}
	assert.Empty(t, a.Faults())
	a.fail(
		sandbox.Fault{Delay: 1, Hang: true, Commit: true},
		sandbox.Fault{Delay: 1, Reset: true},
		sandbox.Fault{CutAfter: 5, Commit: true, CloseDelimited: true, Truncate: true, Members: map[string]string{"x": "1"}},
		sandbox.Fault{StallAfter: 5, Chunked: true, Status: 500, RetryAfter: "1", Header: http.Header{"X": {"1"}}, ContentType: "text/plain"},
		sandbox.Fault{Drip: 1, Chunked: true, Body: "x", Status: 201},
		sandbox.Fault{Empty: true, Status: 204, Header: http.Header{"X": {"1"}}},
		sandbox.Fault{Empty: true, CutAfter: 1},
		sandbox.Fault{GzipBomb: 1, Status: 500, RetryAfter: "1"},
		sandbox.Fault{HTML: true, Status: 503, Truncate: true},
		sandbox.Fault{OAuthError: "x", Status: 200, Members: map[string]string{"x": "1"}},
		sandbox.Fault{RedirectTo: "x", Status: 307, Chunked: true},
	)
}

func TestFail_keepsWhatItWasGiven(t *testing.T) {
	a := newAPI(t)
	header, members := http.Header{"X-Trace": {"1"}}, map[string]string{"trace": "1"}
	a.fail(sandbox.Fault{Header: header, Members: members})
	for _, kept := range a.Faults() {
		kept.Members["trace"] = "3"
	}
	header["X-Trace"][0], members["trace"] = "2", "no JSON"
	w := a.do("GET", "/api/webhooks", "")
	assert.Equal(t, "1", w.Header().Get("X-Trace"))
	assert.Equal(t, `{"Webhooks":[],"trace":1}`, w.Body.String())
}

func TestFaults_endTheConnection(t *testing.T) {
	reset := syscall.ECONNRESET
	if runtime.GOOS == "windows" {
		reset = 10054 // WSAECONNRESET; the number of package syscall is an invention, which no call returns
	}
	cases := map[string]struct {
		fault   sandbox.Fault
		request error // of the request
		body    error // of reading the body
		commit  bool
	}{
		"before the headers":               {fault: sandbox.Fault{CutAfter: -1}, request: io.EOF},
		"before the headers, but applied":  {fault: sandbox.Fault{CutAfter: -1, Commit: true}, request: io.EOF, commit: true},
		"reset":                            {fault: sandbox.Fault{Reset: true}, request: reset},
		"within the body":                  {fault: sandbox.Fault{CutAfter: 10}, body: io.ErrUnexpectedEOF, commit: true},
		"behind the body":                  {fault: sandbox.Fault{CutAfter: 1 << 20}, body: io.ErrUnexpectedEOF, commit: true},
		"within a body of unknown length":  {fault: sandbox.Fault{CutAfter: 10, CloseDelimited: true}, commit: true},
		"within a body in chunks":          {fault: sandbox.Fault{CutAfter: 10, Chunked: true}, body: io.ErrUnexpectedEOF, commit: true},
		"a body in chunks":                 {fault: sandbox.Fault{Chunked: true}, commit: true},
		"at the end, without saying where": {fault: sandbox.Fault{CloseDelimited: true}, commit: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			send := a.listening()
			a.fail(c.fault)
			resp, err := send(t.Context(), "POST", "/api/docs", `{"template_id":21}`)
			assert.Equal(t, c.commit, len(a.Documents()) == 1)
			if c.request != nil {
				require.ErrorIs(t, err, c.request)
				assert.Zero(t, a.Requests()[0].Status)
				return
			}
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, resp.Body.Close())
			if c.body == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, c.body)
			}
			if c.fault.CutAfter == 10 {
				assert.Equal(t, `{"Document`, string(body))
			}
		})
	}
}

// A download is an answer like any other: with a length that a fault can leave out.
func TestFaults_onADownload(t *testing.T) {
	for name, c := range map[string]struct {
		method  string
		fault   *sandbox.Fault
		whole   bool  // the length is declared
		chunked bool  // so that a cut is seen
		cut     bool  // only ten bytes come
		reading error // of reading the body
	}{
		"nothing wrong":                 {method: "GET", whole: true},
		"asked for its head":            {method: "HEAD", whole: true},
		"in chunks":                     {method: "GET", fault: &sandbox.Fault{Chunked: true}, chunked: true},
		"cut in chunks":                 {method: "GET", fault: &sandbox.Fault{Chunked: true, CutAfter: 10}, chunked: true, cut: true, reading: io.ErrUnexpectedEOF},
		"cut":                           {method: "GET", fault: &sandbox.Fault{CutAfter: 10}, whole: true, cut: true, reading: io.ErrUnexpectedEOF},
		"without saying where it ends":  {method: "GET", fault: &sandbox.Fault{CloseDelimited: true}},
		"cut, and nobody can tell that": {method: "GET", fault: &sandbox.Fault{CloseDelimited: true, CutAfter: 10}, cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			d := a.draft()
			send := a.listening()
			if c.fault != nil {
				a.fail(*c.fault)
			}
			resp, err := send(t.Context(), c.method, fmt.Sprintf("/api/docs/%d/download", d.ID), "")
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.ErrorIs(t, err, c.reading)
			require.NoError(t, resp.Body.Close())
			pdf := d.PDF()
			length, want := int64(-1), pdf
			if c.whole {
				length = int64(len(pdf))
			}
			assert.Equal(t, length, resp.ContentLength)
			assert.Equal(t, c.chunked, len(resp.TransferEncoding) > 0)
			switch {
			case c.method == "HEAD":
				want = []byte{}
			case c.cut:
				want = pdf[:10]
			}
			assert.Equal(t, string(want), string(body))
		})
	}
}

func TestFaults_keepTheClientWaiting(t *testing.T) {
	for name, fault := range map[string]sandbox.Fault{
		"hang": {Hang: true}, "delay": {Delay: time.Hour}, "stall": {StallAfter: 5}, "drip": {Drip: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			send := a.listening()
			a.fail(fault)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			resp, err := send(ctx, "GET", "/api/webhooks", "")
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				require.NoError(t, resp.Body.Close())
			}
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	}
	t.Run("until the sandbox is closed", func(t *testing.T) {
		a := newAPI(t)
		send := a.listening()
		a.fail(sandbox.Fault{Hang: true})
		changes, end := a.Watch()
		defer end()
		done := make(chan error)
		go func() {
			resp, err := send(context.Background(), "GET", "/api/webhooks", "")
			if err == nil {
				err = errors.Join(errors.New("answered"), resp.Body.Close())
			}
			done <- err
		}()
		<-changes
		a.Close()
		require.ErrorIs(t, <-done, io.EOF)
	})
}

func TestFaults_delayAndDrip_answerInTheEnd(t *testing.T) {
	a := newAPI(t)
	send := a.listening()
	a.fail(
		sandbox.Fault{Delay: time.Millisecond, Drip: time.Microsecond, Times: 1},
		sandbox.Fault{Status: http.StatusTeapot, Body: "[]", Drip: time.Microsecond},
	)
	for _, want := range []struct {
		status int
		body   string
	}{{http.StatusOK, `{"Webhooks":[]}`}, {http.StatusTeapot, "[]"}} {
		resp, err := send(t.Context(), "GET", "/api/webhooks", "")
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, want.status, resp.StatusCode)
		assert.Equal(t, "application/json", resp.Header.Get("Content-Type"))
		assert.Equal(t, int64(len(want.body)), resp.ContentLength)
		assert.Equal(t, want.body, string(body))
	}
}

func TestFaults_closeDelimited_hasTheHeadersOfTheAnswer(t *testing.T) {
	a := newAPI(t)
	send := a.listening()
	a.fail(sandbox.Fault{CloseDelimited: true, Status: http.StatusTooManyRequests, RetryAfter: "7", Header: http.Header{"X-Request-Id": {"r1"}}})
	resp, err := send(t.Context(), "GET", "/api/webhooks", "")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	assert.Equal(t, int64(-1), resp.ContentLength)
	for name, want := range map[string]string{"Retry-After": "7", "X-Request-Id": "r1", "Content-Type": "application/json"} {
		assert.Equal(t, want, resp.Header.Get(name))
	}
}

func TestFaults_gzipBomb(t *testing.T) {
	a := newAPI(t)
	a.fail(sandbox.Fault{GzipBomb: 10 << 20, ContentType: "application/problem+json", Status: http.StatusBadGateway})
	w := a.do("GET", "/api/webhooks", "")
	assert.Equal(t, http.StatusBadGateway, w.Code)
	assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	assert.Equal(t, "gzip", w.Header().Get("Content-Encoding"))
	assert.Less(t, w.Body.Len(), 10<<20/100) // how well it is compressed, the release of Go decides
	zip, err := gzip.NewReader(bytes.NewReader(w.Body.Bytes()))
	require.NoError(t, err)
	unpacked, err := io.ReadAll(io.LimitReader(zip, 20<<20))
	require.NoError(t, err)
	assert.Greater(t, len(unpacked), 10<<20)
	assert.True(t, json.Valid(unpacked), "a client that reads it to the end finds nothing wrong")
}

// Without a connection to end, a handler ends as net/http expects it to.
func TestFaults_withoutAConnection_panicAsNetHTTPExpects(t *testing.T) {
	a := newAPI(t)
	for _, f := range []sandbox.Fault{{Reset: true}, {CutAfter: -1}, {CutAfter: 5}, {CloseDelimited: true}} {
		a.ClearFaults()
		a.fail(f)
		assert.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { a.do("GET", "/api/webhooks", "") })
	}
}
