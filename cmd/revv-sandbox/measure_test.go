package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// measuring is on when REVV_SANDBOX_MEASURE is set. Then the tests of this file
// use the full numbers and hold the medians to their limits, which a machine that
// is busy with other tests could not keep. docs/sandbox.md has the command.
func measuring() bool { return os.Getenv("REVV_SANDBOX_MEASURE") != "" }

func fullOr(small, full int) int {
	if measuring() {
		return full
	}
	return small
}

// From the start of the process to the end of the first answer.
func TestMeasure_startToFirstAnswer(t *testing.T) {
	if !measuring() {
		t.Skip("REVV_SANDBOX_MEASURE is not set")
	}
	program := build(t, ".")
	var times []time.Duration
	for range 10 {
		ctx, stop := context.WithCancel(t.Context())
		begun := time.Now()
		cmd := exec.CommandContext(ctx, program, "-addr", "127.0.0.1:0", "-state", filepath.Join(t.TempDir(), "state.json"))
		cmd.Env = ownEnvironment()
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		text := ""
		for lines := bufio.NewScanner(stdout); !strings.HasSuffix(text, readyLine) && lines.Scan(); {
			text += lines.Text() + "\n"
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, variables(text)["REVV_BASE_URL"]+"/", http.NoBody)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		times = append(times, time.Since(begun))
		http.DefaultClient.CloseIdleConnections()
		stop()
		require.Error(t, cmd.Wait())
	}
	slices.Sort(times)
	t.Logf("fastest %v, median %v, slowest %v", times[0], times[len(times)/2], times[len(times)-1])
	assert.Less(t, times[len(times)/2], 100*time.Millisecond)
}

// largeAccount writes the state of an account with many entries of each kind.
func largeAccount(t *testing.T, documents, templates, contacts int) (path string) {
	t.Helper()
	s, err := sandbox.New(sandbox.Options{NoSeedData: true})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.SetBaseURL("http://127.0.0.1:1"))
	for i := range templates {
		_, err := s.AddTemplate(sandbox.Template{Title: fmt.Sprintf("Template %d", i), Fields: []sandbox.Field{{Name: "Client", Required: true}, {Name: "Start", Type: sandbox.FieldDate}}})
		require.NoError(t, err)
	}
	for i := range contacts {
		_, err := s.AddContact(sandbox.Contact{Name: fmt.Sprintf("Contact %d", i), Email: fmt.Sprintf("c%d@example.com", i)})
		require.NoError(t, err)
	}
	all := s.Templates()
	token := s.IssueTokens().AccessToken
	values := []sandbox.FieldValue{{Name: "Client", Value: "Example Ltd"}}
	for i := range documents { // every third a draft, sent, signed
		id, err := s.CreateDocument(all[i%templates].ID, fmt.Sprintf("Document %d", i), 0)
		require.NoError(t, err)
		if i%3 > 0 {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("/api/v2/doc-signers/%d", id),
				strings.NewReader(`{"signers":[{"user_email":"a@example.com"},{"user_email":"b@example.com"}]}`))
			r.Header = http.Header{"Accesstoken": {token}, "Content-Type": {"application/json"}}
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		}
		if i%3 > 1 {
			require.NoError(t, s.Sign(id, "a@example.com", values))
			require.NoError(t, s.Sign(id, "b@example.com", nil))
		}
	}
	content, err := s.Export()
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "state.json")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// 2,000 documents, 200 templates and 5,000 contacts: every list of the API and
// every page within 200 ms, while the state is saved in between.
func TestMeasure_largeAccount(t *testing.T) {
	p := start(t, "-state", largeAccount(t, fullOr(100, 2000), fullOr(20, 200), fullOr(100, 5000)))
	p.login()
	for _, path := range []string{
		"/api/folders/?page_num=1", "/api/folders/?page_num=100&sort_by_doc_num=true", "/api/folders/1?page_num=1",
		"/api/docstemplate/?page_num=1&status=ACTIVE", "/api/contacts/all?page_num=1", "/api/contacts/all?page_num=250", "/api/contacts?email=c4999@example.com",
		"/", "/folders", "/templates", "/contacts", "/outbox", "/webhooks", "/traffic", "/faults", "/documents/14",
	} {
		var times []time.Duration
		size := 0
		for range 11 {
			begun := time.Now()
			r := p.send("GET", path, "", "AccessToken", p.token, "Accept", "*/*")
			times = append(times, time.Since(begun).Round(10*time.Microsecond))
			size = len(r.body)
			require.Equal(t, http.StatusOK, r.status, "%s: %s", path, r.body)
		}
		slices.Sort(times)
		median := times[len(times)/2]
		t.Logf("median %8v, slowest %8v, %7d bytes  %s", median, times[len(times)-1], size, path)
		if measuring() {
			assert.Less(t, median, 200*time.Millisecond, path)
		}
	}
}

// 50,000 calls from 64 connections without an error, with memory that is flat
// once the bounded lists are full, saving the state all the while.
func TestMeasure_soak(t *testing.T) {
	calls, connections := fullOr(2_000, 50_000), fullOr(8, 64)
	p := startLogging(t, io.Discard, "-state", filepath.Join(t.TempDir(), "state.json"))
	p.login()
	object := textAt(t, p.call("POST", "/api/docs", `{"template_id":21,"title":"Soak"}`), "Document", "object_id")
	kinds := []func(client *http.Client, i int) error{
		func(c *http.Client, _ int) error { return p.attempt(c, "GET", "/api/docs/14", "") },
		func(c *http.Client, i int) error {
			return p.attempt(c, "PUT", "/api/docs/14/fields", fmt.Sprintf(`{"fields":[{"name":"Client","value":"Client %d"}]}`, i))
		},
		func(c *http.Client, _ int) error { return p.attempt(c, "GET", "/api/folders/?page_num=1", "") },
		func(c *http.Client, i int) error {
			return p.attempt(c, "POST", "/api/contacts", fmt.Sprintf(`{"name":"Contact","email":"c%d@example.com"}`, i%100))
		},
		func(c *http.Client, _ int) error { return p.attempt(c, "GET", "/api/docstemplate/?page_num=1", "") },
		func(c *http.Client, i int) error {
			return p.attempt(c, "POST", "/api/v2/doc-recipients/14", fmt.Sprintf(`{"collaborators":[{"user_email":"r%d@example.com"}]}`, i%100))
		},
		func(c *http.Client, _ int) error {
			return p.attempt(c, "GET", "/api/object-activities/objects/"+object, "")
		},
		func(c *http.Client, _ int) error {
			return p.attempt(c, "POST", "/api/v2/auth/initiate-auth", ownerLogin)
		},
		func(c *http.Client, _ int) error { return p.attempt(c, "GET", "/api/docs/14/download", "") },
		func(c *http.Client, _ int) error { return p.attempt(c, "GET", "/api/contacts/all?page_num=1", "") },
	}
	all := func(calls int, kinds ...func(*http.Client, int) error) {
		var workers sync.WaitGroup
		for range connections {
			workers.Go(func() {
				client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
				defer client.CloseIdleConnections()
				for i := range calls / connections {
					if !assert.NoError(t, kinds[i%len(kinds)](client, i)) {
						return
					}
				}
			})
		}
		workers.Wait()
	}
	// The log of requests is full after 10,000 of them, the history of the document
	// after 1,000 lines. Mails and tokens take longer, so their lists are filled
	// first: 10,000 mails, and 20,000 logins of two tokens each.
	if measuring() {
		all(11_000, kinds[5])
		all(21_000, kinds[7])
		p.login() // the oldest tokens had to go, its own among them
	}
	memory := []uint64{heap()} // and after each fifth
	begun := time.Now()
	for range 5 {
		all(calls/5, kinds...)
		memory = append(memory, heap())
	}
	took := time.Since(begun)
	t.Logf("%d calls from %d connections in %v, %.0f a second; heap in use before, and after each fifth: %v MiB",
		calls, connections, took.Round(time.Millisecond), float64(calls)/took.Seconds(), mebibytes(memory))
	// A reading may hold a state that is just being written, so the smallest count.
	if measuring() {
		assert.Less(t, slices.Min(memory[3:]), slices.Min(memory[:3])*11/10, "the heap grows: %v", mebibytes(memory))
	}
}

// attempt makes a call that has to succeed.
func (p *program) attempt(client *http.Client, method, path, body string) error {
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = http.Header{"AccessToken": {p.token}, "GrantType": {"password"}}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, (&url.URL{Path: path}).Path, resp.Status, content)
	}
	return err
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func mebibytes(bytes []uint64) []uint64 {
	list := make([]uint64, len(bytes))
	for i, n := range bytes {
		list[i] = n >> 20
	}
	return list
}
