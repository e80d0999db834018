package main

import (
	"bytes"
	"context"
	"io"
	"net"
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

// The one that is running may be in the middle of a line, which is not to be cut off.
func TestRun_serving_anotherIsRunning_leavesTheInboxAlone(t *testing.T) {
	running, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { assert.NoError(t, running.Close()) }()
	t.Setenv("REVV_WEBHOOK_SECRET", "a-secret-of-the-test")
	path := filepath.Join(t.TempDir(), "inbox.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(`{"key":"evt_1","ev`), 0o600))
	require.Error(t, run(t.Context(), []string{"-serve", "-listen", running.Addr().String(), "-inbox", path}, io.Discard))
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, `{"key":"evt_1","ev`, string(kept))
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

// Whoever asks for help has made no mistake.
func TestRun_askedForHelp_listsTheFlags(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-h"}, &out))
	assert.Contains(t, out.String(), "Usage of webhook-receiver")
}
