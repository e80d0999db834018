package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

const password = "a-password-of-the-test"

func TestRun_withoutAnEnvironment_clicksItself(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), nil, &out))
	assert.NotContains(t, out.String(), "/perma/")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.Equal(t, "done: 1 click made 1 link, which is in the redirect and nowhere else", lines[len(lines)-1])
}

// serving starts the program and waits until it says where it listens.
func serving(t *testing.T, args ...string) (address string, printed *lockedBuffer, stop func() error) {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	t.Cleanup(interrupt)
	printed = &lockedBuffer{}
	ready := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"-serve", "-listen", "127.0.0.1:0"}, args...), watched{printed, ready})
	}()
	select {
	case address = <-ready:
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		require.Fail(t, "it does not start", printed.String())
	}
	return address, printed, func() error {
		interrupt()
		return <-ended
	}
}

// watched hands on the address of a program when it is printed.
type watched struct {
	io.Writer

	ready chan<- string
}

func (w watched) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if _, address, ok := strings.Cut(string(p), "open "); ok {
		w.ready <- strings.TrimSpace(address)
	}
	return n, err
}

func TestRun_servingForAnAccount_opensContractsOfTheCustomer(t *testing.T) {
	server := revvtest.NewServer(t)
	config, tokens := server.OAuthConfig(), filepath.Join(t.TempDir(), "tokens")
	for name, value := range map[string]string{
		"REVV_BASE_URL": server.URL(), "REVV_CLIENT_ID": config.ClientID, "REVV_CLIENT_SECRET": config.ClientSecret,
		"REVV_TOKENS": tokens, "REVV_REDIRECT_URL": "", "SIGN_NOW_PASSWORD": password,
	} {
		t.Setenv(name, value)
	}
	store, err := revv.NewFileStore(tokens)
	require.NoError(t, err)
	require.NoError(t, revv.SaveToken(t.Context(), store, "example", server.Token()))
	server.AddDocument(23, "First")
	server.AddDocument(23, "Second")
	server.AddDocument(23, "Of somebody else")
	server.ExpireTokens() // it is renewed on the way

	address, printed, stop := serving(t, "-documents", "DOC-000040, DOC-000041")
	page := click(t, http.MethodGet, address+"/", password, "")
	assert.Contains(t, page.body, `action="/contracts/DOC-000041/sign"`)
	assert.NotContains(t, page.body, "Of somebody else")
	got := click(t, http.MethodPost, address+"/contracts/DOC-000041/sign", password, "same-origin")
	assert.Equal(t, http.StatusSeeOther, got.status)
	assert.Contains(t, got.location, server.URL()+"/perma/DOC/")
	assert.Equal(t, http.StatusNotFound, click(t, http.MethodPost, address+"/contracts/DOC-000042/sign", password, "").status)
	require.NoError(t, stop())
	assert.True(t, strings.HasSuffix(printed.String(), "done: stopped\n"))
	assert.NotContains(t, printed.String(), got.location)
	assert.NotContains(t, printed.String(), password)
}

func TestRun_servingASandbox_letsInWithThePasswordThatItPrints(t *testing.T) {
	t.Setenv("REVV_BASE_URL", "")
	address, printed, stop := serving(t)
	_, rest, _ := strings.Cut(printed.String(), "with the password ")
	given, _, _ := strings.Cut(rest, "\n")
	assert.Equal(t, http.StatusUnauthorized, click(t, http.MethodGet, address+"/", "", "").status)
	assert.Equal(t, http.StatusOK, click(t, http.MethodGet, address+"/", given, "").status)
	require.NoError(t, stop())
}

func TestRun_badInput_isNamed(t *testing.T) {
	for _, name := range []string{"REVV_CLIENT_ID", "REVV_CLIENT_SECRET"} {
		t.Setenv(name, "")
	}
	t.Setenv("REVV_BASE_URL", "https://acme.example.com")
	t.Setenv("SIGN_NOW_PASSWORD", "short")
	err := run(t.Context(), []string{"-serve"}, io.Discard)
	require.ErrorContains(t, err, "SIGN_NOW_PASSWORD")
	require.ErrorContains(t, err, "-documents")
	t.Setenv("SIGN_NOW_PASSWORD", password)
	err = run(t.Context(), []string{"-serve", "-documents", "DOC-000040"}, io.Discard)
	require.ErrorContains(t, err, "REVV_CLIENT_ID")
	require.ErrorContains(t, err, "REVV_CLIENT_SECRET")
	require.ErrorContains(t, run(t.Context(), []string{"serve"}, io.Discard), `"serve" is not understood`)
}

// clicked is what a browser gets.
type clicked struct {
	status         int
	location, body string
	header         http.Header
}

// click sends a request as a browser does, and stays where it is.
func click(t *testing.T, method, address, password, site string) clicked {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
	require.NoError(t, err)
	req.SetBasicAuth(customer, password)
	if site != "" {
		req.Header.Set("Sec-Fetch-Site", site)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return clicked{resp.StatusCode, resp.Header.Get("Location"), string(body), resp.Header}
}

// front serves the application for a document of a sandbox.
func front(t *testing.T) (server *revvtest.Server, button string, log *lockedBuffer) {
	t.Helper()
	server = revvtest.NewServer(t)
	server.AddDocument(23, "A contract")
	log = &lockedBuffer{}
	a, err := newApp(t.Context(), server.Client(), []string{"DOC-000040"}, password, log)
	require.NoError(t, err)
	site := httptest.NewServer(a.handler())
	t.Cleanup(site.Close)
	return server, site.URL + "/contracts/DOC-000040/sign", log
}

func TestSignNow_refusedRequests_makeNoLink(t *testing.T) {
	t.Parallel()
	server, button, _ := front(t)
	for name, test := range map[string]struct {
		method, password, site string
		want                   int
	}{
		"another site":              {http.MethodPost, password, "cross-site", http.StatusForbidden},
		"a neighbour of the site":   {http.MethodPost, password, "same-site", http.StatusForbidden},
		"a link":                    {http.MethodGet, password, "same-origin", http.StatusMethodNotAllowed},
		"a prefetch":                {http.MethodHead, password, "same-origin", http.StatusMethodNotAllowed},
		"a stranger":                {http.MethodPost, "", "same-origin", http.StatusUnauthorized},
		"somebody who tries to get": {http.MethodPost, "a-password-of-the-best", "same-origin", http.StatusUnauthorized},
	} {
		got := click(t, test.method, button, test.password, test.site)
		assert.Equal(t, test.want, got.status, name)
		assert.Equal(t, "no-store", got.header.Get("Cache-Control"), name)
		assert.Empty(t, got.location, name)
	}
	assert.Empty(t, server.Requests("Documents.MagicLink"))
}

func TestSignNow_eachClick_makesTheLinkAnew(t *testing.T) {
	t.Parallel()
	server, button, log := front(t)
	for range 2 {
		got := click(t, http.MethodPost, button, password, "same-origin")
		assert.Equal(t, http.StatusSeeOther, got.status)
		assert.Contains(t, got.location, "/perma/DOC/")
		assert.Equal(t, "no-store", got.header.Get("Cache-Control"))
		assert.Equal(t, "no-referrer", got.header.Get("Referrer-Policy"))
		assert.Empty(t, got.body)
		assert.NotContains(t, log.String(), "/perma/")
	}
	assert.Len(t, server.Requests("Documents.MagicLink"), 2, "none is kept")
}

func TestSignNow_serviceFails_saysSoAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]revvtest.Fault{
		"refused":     {Status: http.StatusForbidden},
		"answer lost": {CutAfter: -1, Commit: true},
		"answer cut":  {Truncate: true},
		"no link":     {Members: map[string]string{"url": `"javascript:alert(1)"`}},
		"page":        {HTML: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, button, log := front(t)
			fault.Operation = "Documents.MagicLink"
			server.Fail(fault)
			got := click(t, http.MethodPost, button, password, "same-origin")
			assert.Equal(t, http.StatusBadGateway, got.status)
			assert.Equal(t, "The contract cannot be opened at the moment. Please go back and try again.\n", got.body)
			assert.Equal(t, "no-store", got.header.Get("Cache-Control"))
			assert.Empty(t, got.location)
			assert.Contains(t, log.String(), `msg="no link" document=DOC-000040`)
			assert.NotContains(t, log.String(), "/perma/")
			assert.NotContains(t, log.String(), "javascript")
		})
	}
}

// Whoever asks for help has made no mistake.
func TestRun_askedForHelp_listsTheFlags(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-h"}, &out))
	assert.Contains(t, out.String(), "Usage of sign-now")
}
