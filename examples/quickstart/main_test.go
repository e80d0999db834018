package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func TestRun_withoutAnEnvironment_walksTheWholeWayInASandbox(t *testing.T) {
	for _, name := range []string{"REVV_BASE_URL", "REVV_ROUTES", "REVV_TEMPLATE_ID"} {
		t.Setenv(name, "")
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	text := out.String()
	for _, line := range []string{"subscribed to DOCUMENT_CLOSED", "1. first@example.com", "all signed, stage Signed", "document_closed", "PDF verified"} {
		assert.Contains(t, text, line)
	}
	assert.NotContains(t, text, "/perma/", "the magic link is not printed")
}

// person reads what the program prints, and does what it asks for.
type person struct {
	t      *testing.T
	server *revvtest.Server
	read   bytes.Buffer
}

func (p *person) Write(text []byte) (int, error) {
	p.read.Write(text)
	switch {
	case bytes.Contains(text, []byte("Please authorize")):
		for word := range strings.FieldsSeq(string(text)) {
			if strings.HasPrefix(word, "http") {
				assert.NoError(p.t, consent(p.server, word))
			}
		}
	case bytes.Contains(text, []byte("Waiting for")):
		for _, address := range []string{"one@example.com", "two@example.com"} {
			assert.NoError(p.t, p.server.Sign(14, address))
		}
	}
	return len(text), nil
}

// against sets the environment for a server with another route.
func against(t *testing.T) *revvtest.Server {
	t.Helper()
	server := revvtest.NewServer(t, revvtest.WithRoutes(revv.Routes{SetFields: "PUT /api/v2/docs/{id}/fields"}))
	config := server.OAuthConfig()
	t.Chdir(t.TempDir())
	for name, value := range map[string]string{
		"PATH":          "", // no browser
		"REVV_BASE_URL": server.URL(), "REVV_CLIENT_ID": config.ClientID, "REVV_CLIENT_SECRET": config.ClientSecret,
		"REVV_REDIRECT_URL": "http://127.0.0.1/callback", "REVV_SIGNERS": "one@example.com, two@example.com",
		"REVV_ROUTES": `{"SetFields":"PUT /api/v2/docs/{id}/fields"}`, "REVV_TEMPLATE_ID": "22", "REVV_WEBHOOK_URL": "",
	} {
		t.Setenv(name, value)
	}
	return server
}

// What is sent is what was to be written, or nothing is.
func TestRun_fieldsWereNotWritten_sendsNothing(t *testing.T) {
	server := against(t)
	server.Fail(revvtest.Fault{Operation: "Documents.SetFields", Members: map[string]string{"fields": `[]`}})
	err := run(t.Context(), &person{t: t, server: server})
	require.ErrorContains(t, err, "nothing is sent")
	assert.Empty(t, server.Outbox())
}

// until is a person who leaves when something is printed.
type until struct {
	*person

	text  string
	leave context.CancelFunc
	left  bool
}

func (u *until) Write(text []byte) (int, error) {
	if u.left = u.left || bytes.Contains(text, []byte(u.text)); u.left {
		u.leave()
		return u.read.Write(text)
	}
	return u.person.Write(text)
}

func TestRun_reportedAsSentAndStillADraft_saysSo(t *testing.T) {
	server := against(t)
	server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", Status: http.StatusAccepted, Body: `{}`})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p := &until{person: &person{t: t, server: server}, text: "reported as sent", leave: cancel}
	require.ErrorIs(t, run(ctx, p), context.Canceled)
	assert.Contains(t, p.read.String(), `reported as sent, and its stage is "Draft"`)
}

// Its URL, with the secret, would stay in the account.
func TestWalkThrough_interrupted_endsItsSubscriptions(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"subscribed to DOCUMENT_SIGNED", "first@example.com"} {
		server := revvtest.NewServer(t)
		place, err := sandbox(server)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		p := &until{person: &person{t: t, server: server}, text: last, leave: cancel}
		require.ErrorIs(t, walkThrough(ctx, place, p), context.Canceled)
		left, err := server.Client().Webhooks.List(t.Context())
		require.NoError(t, err)
		assert.Empty(t, left)
		place.close()
	}
}

func TestRun_whatItShowsCannotBeRead_saysThatItWasSent(t *testing.T) {
	server := against(t)
	server.Fail(revvtest.Fault{Operation: "Documents.Get", After: 1, Status: http.StatusForbidden})
	err := run(t.Context(), &person{t: t, server: server})
	require.ErrorContains(t, err, "it was reported as sent, and what it shows cannot be read")
	assert.Len(t, server.Requests("Documents.SendForESign"), 1)
}

func TestRun_againstAServer_logsInWithABrowserAndSendsToTheSignersOfTheEnvironment(t *testing.T) {
	p := &person{t: t, server: against(t)}
	require.NoError(t, run(t.Context(), p))
	assert.Contains(t, p.read.String(), "Offer letter for Example Ltd")
	assert.Contains(t, p.read.String(), "done: ")
	content, err := os.ReadFile("DOC-000040.pdf")
	require.NoError(t, err)
	assert.True(t, bytes.HasPrefix(content, []byte("%PDF-")))
}

func TestRun_againstAServer_namesWhatIsMissing(t *testing.T) {
	t.Setenv("REVV_BASE_URL", "https://acme.example.com")
	for _, name := range []string{"REVV_CLIENT_ID", "REVV_CLIENT_SECRET", "REVV_SIGNERS"} {
		t.Setenv(name, "")
	}
	t.Setenv("REVV_ROUTES", `{"SetFields":"POST /api/docs/fields"}`)
	err := run(t.Context(), &bytes.Buffer{})
	require.ErrorContains(t, err, "the placeholder {id} is missing", "and nobody has authorized anything")
	t.Setenv("REVV_ROUTES", `{"Nope":"GET /"}`)
	err = run(t.Context(), &bytes.Buffer{})
	for _, name := range []string{"REVV_CLIENT_ID", "REVV_CLIENT_SECRET", "REVV_SIGNERS", "REVV_ROUTES"} {
		require.ErrorContains(t, err, name)
	}
}
