package e2e

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// application is a web application of somebody who uses the SDK.
type application struct {
	config   revv.OAuthConfig
	verifier string
	callback chan string // the query that the browser came back with
}

func newApplication(t *testing.T, p *program) *application {
	t.Helper()
	a := &application{verifier: oauth2.GenerateVerifier(), callback: make(chan string, 1)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/callback" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!DOCTYPE html><html lang="en"><title>Application</title><link rel="icon" href="data:,"><p>Welcome back.</p>`))
		select {
		case a.callback <- r.URL.RawQuery:
		default: // a second visit is not waited for
		}
	}))
	t.Cleanup(server.Close)
	a.config = revv.OAuthConfig{
		ClientID: p.clientID, ClientSecret: p.clientSecret,
		RedirectURL: server.URL + "/callback", Endpoint: revv.Endpoint(p.url),
	}
	return a
}

const oauthState = "the-state-of-the-application"

// answer waits for the browser to come back.
func (a *application) answer(t *testing.T, b *tab) (code, problem string) {
	t.Helper()
	select {
	case query := <-a.callback:
		request := httptest.NewRequest(http.MethodGet, "/callback?"+query, http.NoBody)
		assert.Equal(t, oauthState, request.FormValue("state"))
		return request.FormValue("code"), request.FormValue("error")
	case <-b.ctx.Done():
		t.Fatalf("the browser did not come back:\n%s", b.lastWords())
		return "", ""
	}
}

// The main job of the project, played by people: an application is authorized,
// two people sign in their order, and the signed document comes back.
func TestWalk_fromConsentToTheSignedPDF(t *testing.T) {
	t.Parallel()
	p := start(t)
	app, b := newApplication(t, p), newTab(t)

	b.open(app.config.AuthCodeURL(oauthState, app.verifier))
	b.sees("Authorize Sandbox application", "owner@example.com", "create documents", "send documents", "download signed documents")
	b.press("Authorize")
	b.sees("Welcome back.")
	code, problem := app.answer(t, b)
	require.Empty(t, problem)
	token, err := app.config.Exchange(t.Context(), code, app.verifier)
	require.NoError(t, err)
	client, err := revv.NewClient(revv.FromTokenSource(oauth2.StaticTokenSource(token)), revv.WithBaseURL(p.url))
	require.NoError(t, err)

	d := sent(t, client, "Agreement with Acme", ann, ben)
	b.open(p.url + "/")
	b.follow("Agreement with Acme")
	b.sees("Sent", "ann@example.com", "ben@example.com")
	b.follow("Open the page of ben@example.com")
	b.sees("It is not your turn yet", "ann@example.com")
	assert.False(t, b.has("Sign", "button"), "who has to wait cannot sign")

	b.open(p.url + "/outbox")
	assert.NotContains(t, b.text(), "ben@example.com", "the second signer has no mail before the first one has signed")
	b.openMail("ann@example.com")
	b.sees("Agreement with Acme", "For Ann Archer")
	b.fill("Client", "Acme Ltd")
	b.fill("Start date", "2026-01-31")
	b.fill("Fee", "1500.50")
	b.fill("Your name", "Ann Archer")
	b.press("Sign")
	b.sees("Thank you", "You signed", "as Ann Archer", "Sent")
	assert.Equal(t, revv.StageSent, stage(t, client, d))

	b.open(p.url + "/outbox")
	b.sees("Ben Baker (ben@example.com)")
	b.openMail("ben@example.com")
	b.sees("Acme Ltd", "Filled in before you", "1500.50")
	b.fill("Your name", "Ben B. Baker")
	b.press("Sign")
	b.sees("Thank you", "Signed")
	require.Equal(t, revv.StageSigned, stage(t, client, d))

	var pdf bytes.Buffer
	got, err := client.Documents.Download(t.Context(), d.ID, &pdf)
	require.NoError(t, err)
	assert.Equal(t, int64(pdf.Len()), got.Size)

	b.open(p.url + "/")
	b.follow("Agreement with Acme")
	b.sees("Signed", "as “Ann Archer”", "as “Ben B. Baker”", "Document signed")
	byLink := b.download("Open the PDF")
	assert.Equal(t, pdf.Bytes(), byLink, "a person and a program get the same document")
	for _, words := range []string{"Agreement with Acme", "Acme Ltd", "2026-01-31", "Signed by Ann Archer", "Signed by Ben B. Baker"} {
		assert.Contains(t, string(byLink), words)
	}
}

func TestConsent_cancelled_theApplicationIsTold(t *testing.T) {
	t.Parallel()
	p := start(t)
	app, b := newApplication(t, p), newTab(t)
	b.open(app.config.AuthCodeURL(oauthState, app.verifier))
	b.press("Cancel")
	b.sees("Welcome back.")
	code, problem := app.answer(t, b)
	assert.Empty(t, code)
	assert.Equal(t, "access_denied", problem)
}

// A consent page is good for one answer, so that the back button grants nothing.
func TestConsent_answeredTwice_isRefused(t *testing.T) {
	t.Parallel()
	p := start(t)
	app, b := newApplication(t, p), newTab(t)
	b.open(app.config.AuthCodeURL(oauthState, app.verifier))
	ticket := ask[string](b, `document.querySelector("[name=ticket]").value`)
	b.press("Authorize")
	b.sees("Welcome back.")

	b.open(app.config.AuthCodeURL(oauthState, app.verifier))
	b.find("Authorize", "button")
	ask[any](b, `document.querySelector("[name=ticket]").value = "`+ticket+`"`)
	b.press("Authorize")
	b.sees("too old or was answered already")

	code, _ := app.answer(t, b)
	_, err := app.config.Exchange(t.Context(), code, app.verifier)
	require.NoError(t, err)
	_, err = app.config.Exchange(t.Context(), code, app.verifier)
	assert.Error(t, err, "a code is good for one exchange")
}

// Whoever makes up a redirect must not be sent a code.
func TestConsent_foreignRedirect_staysHere(t *testing.T) {
	t.Parallel()
	p := start(t)
	app, b := newApplication(t, p), newTab(t)
	app.config.RedirectURL = "https://example.com/callback"
	b.open(app.config.AuthCodeURL(oauthState, app.verifier))
	b.sees("is not registered")
	assert.False(t, b.has("Authorize", "button"))
	assert.Contains(t, b.address(), p.url)
}
