package revvtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// A server of net/http lingers for half a second at a connection that it gives up, which is
// longer than goleak waits.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// template is the first of the templates that every server starts with.
const template revv.TemplateID = 21

func signers(emails ...string) revv.SendParams {
	params := revv.SendParams{Message: "Please."}
	for i, email := range emails {
		params.Recipients = append(params.Recipients, revv.Person{Email: email, FirstName: "A", LastName: "Signer", Order: i + 1})
	}
	return params
}

// Every operation of the client is understood by the server, and the other way
// round.
func TestServer_understandsTheClient(t *testing.T) {
	server := revvtest.NewServer(t)
	client, ctx := server.Client(), t.Context()

	templates, err := client.Templates.List(ctx, revv.ListTemplatesParams{Status: revv.ActiveTemplates})
	require.NoError(t, err)
	require.Len(t, templates.Items, 3)
	assert.Equal(t, template, templates.Items[0].ID)

	folder, err := client.Folders.Create(ctx, revv.CreateFolderParams{Name: "Customers"})
	require.NoError(t, err)
	folders, err := client.Folders.List(ctx, revv.ListFoldersParams{})
	require.NoError(t, err)
	require.Len(t, folders.Items, 1)
	assert.Equal(t, folder.ID, folders.Items[0].ID)

	d, err := client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: template, Title: "Deal"})
	require.NoError(t, err)
	d, err = client.Documents.SetFields(ctx, d.ID, []revv.FieldValue{{Name: "Client", Value: "Acme"}, {Name: "Start date", Value: "2021-07-01"}})
	require.NoError(t, err)
	assert.Equal(t, "Acme", d.Fields[0].Value)
	d, err = client.Documents.Move(ctx, d.ID, folder.ID)
	require.NoError(t, err)
	assert.Equal(t, folder.ID, d.FolderID)
	byNumber, err := client.Documents.GetByNumber(ctx, d.Number)
	require.NoError(t, err)
	assert.Equal(t, d.ID, byNumber.ID)
	clone, err := client.Documents.Clone(ctx, d.ID, revv.CloneDocumentParams{})
	require.NoError(t, err)
	assert.Equal(t, "Copy of Deal", clone.Title)
	entries, err := client.Documents.List(ctx, revv.ListDocumentsParams{})
	require.NoError(t, err)
	assert.Len(t, entries.Items, 2)
	inFolder, err := client.Documents.List(ctx, revv.ListDocumentsParams{FolderID: folder.ID})
	require.NoError(t, err)
	assert.Len(t, inFolder.Items, 2)

	require.NoError(t, client.Documents.SendForApproval(ctx, clone.ID, revv.SendParams{Recipients: []revv.Person{{Email: "boss@example.com"}}}))
	require.NoError(t, server.Approve(clone.ID, "boss@example.com"))
	view, ok := server.Document(clone.ID)
	require.True(t, ok)
	assert.Equal(t, "approved", view.Approval)
	require.NoError(t, client.Documents.SendForAcceptance(ctx, clone.ID, revv.SendParams{Recipients: []revv.Person{{Email: "a@example.com"}}}))
	require.NoError(t, server.Accept(clone.ID, "a@example.com"))
	require.NoError(t, client.Documents.Share(ctx, clone.ID, revv.ShareParams{Recipients: []revv.Person{{Email: "r@example.com"}}, Review: true}))
	link, err := client.Documents.MagicLink(ctx, d.ObjectID)
	require.NoError(t, err)
	assert.Contains(t, link.URL(), server.URL()+"/perma/DOC/")

	require.NoError(t, client.Documents.SendForESign(ctx, d.ID, signers("s@example.com", "t@example.com")))
	require.ErrorIs(t, client.Documents.SendForESign(ctx, d.ID, signers("s@example.com")), revv.ErrConflict)
	require.Error(t, server.Sign(d.ID, "t@example.com"))
	require.NoError(t, server.Sign(d.ID, "s@example.com", revvtest.FieldValue{Name: "Fee", Value: "1500"}))
	require.NoError(t, server.Sign(d.ID, "t@example.com"))
	d, err = client.Documents.Get(ctx, d.ID)
	require.NoError(t, err)
	assert.True(t, d.Stage.Is(revv.StageSigned))
	var pdf bytes.Buffer
	download, err := client.Documents.Download(ctx, d.ID, &pdf)
	require.NoError(t, err)
	assert.Equal(t, "DOC-000040 Deal.pdf", download.FileName)
	activities, err := client.Documents.Activities(ctx, d.ObjectID, revv.ListActivitiesParams{})
	require.NoError(t, err)
	assert.Equal(t, "DOCUMENT_CLOSED", activities[len(activities)-1].Event)

	contact, err := client.Contacts.Upsert(ctx, revv.UpsertContactParams{Name: "New", Email: "new@example.com"})
	require.NoError(t, err)
	_, err = client.Contacts.Get(ctx, contact.ID)
	require.NoError(t, err)
	_, err = client.Contacts.GetByEmail(ctx, "new@example.com")
	require.NoError(t, err)
	n := 0
	for _, err := range client.Contacts.All(ctx, revv.ListContactsParams{}) {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, 3, n)
	require.NoError(t, client.Contacts.Delete(ctx, contact.ID))
	require.NoError(t, client.Folders.Delete(ctx, folder.ID))

	hook, err := client.Webhooks.Subscribe(ctx, revv.SubscribeParams{Event: revv.EventSigned, URL: "http://127.0.0.1:1/"})
	require.NoError(t, err)
	hooks, err := client.Webhooks.List(ctx)
	require.NoError(t, err)
	require.Len(t, hooks, 1)
	require.NoError(t, client.Webhooks.Unsubscribe(ctx, hook.ID))

	served := map[string]bool{}
	for _, r := range server.Requests() {
		served[r.Operation] = true
		assert.NotZero(t, r.Status)
	}
	assert.Len(t, served, 25, "%v", served)
	assert.Len(t, server.Requests("Documents.SendForESign"), 2)
}

func TestServer_authorizesTheClient(t *testing.T) {
	server := revvtest.NewServer(t)
	config := server.OAuthConfig()
	verifier := oauth2.GenerateVerifier()
	location, err := server.Authorize(config.AuthCodeURL("state", verifier))
	require.NoError(t, err)
	u, err := url.Parse(location)
	require.NoError(t, err)
	assert.Equal(t, "state", u.Query().Get("state"))
	token, err := config.Exchange(t.Context(), u.Query().Get("code"), verifier)
	require.NoError(t, err)

	client, err := revv.NewClient(revv.StaticToken(token.AccessToken), revv.WithBaseURL(server.URL()))
	require.NoError(t, err)
	_, err = client.Webhooks.List(t.Context())
	require.NoError(t, err)
	server.RevokeTokens()
	_, err = client.Webhooks.List(t.Context())
	require.ErrorIs(t, err, revv.ErrUnauthorized)

	location, err = server.Deny(config.AuthCodeURL("state", verifier))
	require.NoError(t, err)
	assert.Contains(t, location, "error=access_denied")
	_, err = server.Authorize("https://example.com/")
	require.Error(t, err)
}

func TestServer_tokensExpire(t *testing.T) {
	server := revvtest.NewServer(t)
	client := server.Client()
	server.ExpireTokens()
	_, err := client.Webhooks.List(t.Context())
	require.NoError(t, err, "the client refreshes")
	assert.Len(t, server.Requests("OAuth.Token"), 1)
	server.RevokeTokens()
	_, err = client.Webhooks.List(t.Context())
	require.ErrorIs(t, err, revv.ErrReauthorizationRequired)

	forever := revvtest.NewServer(t, revvtest.WithTokenLifetime(0))
	assert.True(t, forever.Token().Expiry.IsZero())
	short := revvtest.NewServer(t, revvtest.WithTokenLifetime(time.Minute))
	assert.WithinDuration(t, time.Now().Add(time.Minute), short.Token().Expiry, 10*time.Second)
}

// Two servers that are asked for the same things give the same ones.
func TestServer_isReproducible(t *testing.T) {
	first, second, other := revvtest.NewServer(t), revvtest.NewServer(t), revvtest.NewServer(t, revvtest.WithSeed(2))
	a, b, c := first.Token(), second.Token(), other.Token()
	assert.Equal(t, a.AccessToken, b.AccessToken)
	assert.NotEqual(t, a.AccessToken, c.AccessToken)
}

func TestServer_options(t *testing.T) {
	routes := revv.Routes{ListWebhooks: "GET /v3/hooks"}
	server := revvtest.NewServer(t,
		revvtest.WithRoutes(routes), revvtest.WithoutSeedData(), revvtest.WithPageSize(2), revvtest.WithRotation(false),
		revvtest.WithReuseDetection(false), revvtest.WithClientAuthRequired(), revvtest.WithRateLimit(100, time.Minute),
		revvtest.WithLenientBodies(), revvtest.WithRedirectURLs("https://example.com/callback"),
		revvtest.WithClock(func() time.Time { return time.Date(2021, 6, 18, 0, 0, 0, 0, time.UTC) }),
	)
	assert.Equal(t, "https://example.com/callback", server.OAuthConfig().RedirectURL)
	assert.Equal(t, 2021, server.Now().Year())
	server.Advance(24 * time.Hour)
	assert.Equal(t, 19, server.Now().Day())
	server.SetTime(time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC))
	assert.Equal(t, 2022, server.Now().Year())

	client := server.Client(revv.WithRoutes(routes))
	_, err := client.Webhooks.List(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "/v3/hooks", server.Requests()[0].Path)
	server.ExpireTokens()
	_, err = client.Webhooks.List(t.Context())
	require.NoError(t, err)
	assert.Len(t, server.Requests("OAuth.Token"), 2, "invalid_client once, then with the client's credentials")

	for range 3 {
		server.AddContact(revvtest.Contact{Name: "Twice", Email: "twice@example.com"})
	}
	page, err := client.Contacts.List(t.Context(), revv.ListContactsParams{})
	require.NoError(t, err)
	assert.Len(t, page.Items, 2)
}

func TestServer_spentRefreshToken_revokesTheFamilyUnlessToldNotTo(t *testing.T) {
	for detected, want := range map[bool]int{true: http.StatusBadRequest, false: http.StatusOK} {
		server := revvtest.NewServer(t, revvtest.WithReuseDetection(detected))
		renew := func(refreshToken string) (status int, next string) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/oauth/token",
				strings.NewReader(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			server.Handler().ServeHTTP(w, r)
			var pair oauth2.Token
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &pair), "%s", w.Body)
			return w.Code, pair.RefreshToken
		}
		spent := server.Token().RefreshToken
		status, next := renew(spent)
		require.Equal(t, http.StatusOK, status)
		status, _ = renew(spent)
		require.Equal(t, http.StatusBadRequest, status)
		status, _ = renew(next)
		assert.Equal(t, want, status)
	}
}

func TestServer_stateForTests(t *testing.T) {
	server := revvtest.NewServer(t)
	id := server.AddTemplate(revvtest.Template{Title: "Lease", Fields: []revvtest.Field{{Name: "Tenant", Required: true}}})
	folder := server.AddFolder("Leases", 0)
	d := server.AddDocument(id, "Lease of a flat")
	client := server.Client()
	_, err := client.Documents.Move(t.Context(), d, folder)
	require.NoError(t, err)
	require.NoError(t, client.Documents.SendForApproval(t.Context(), d, revv.SendParams{Recipients: []revv.Person{{Email: "boss@example.com"}}}))
	require.NoError(t, server.Approve(d, "boss@example.com"))
	require.NoError(t, client.Documents.SendForESign(t.Context(), d, signers("tenant@example.com")))
	require.NoError(t, server.Reject(d, "tenant@example.com", "too dear"))

	view, ok := server.Document(d)
	require.True(t, ok)
	assert.Equal(t, "Lease of a flat", view.Title)
	assert.Equal(t, []revvtest.Field{{Name: "Tenant", Type: "text", Required: true}}, view.Fields)
	assert.Equal(t, "too dear", view.Signers[0].Reason)
	assert.Equal(t, "declined", view.Signers[0].State)
	assert.Contains(t, view.Events, "DOCUMENT_SIGNATURE_DECLINED")
	assert.NotEqual(t, int64(view.ID), int64(view.EntryID))
	mails := server.Outbox()
	require.Len(t, mails, 2)
	assert.Equal(t, "approve", mails[0].Kind)
	assert.Equal(t, "tenant@example.com", mails[1].To)
	assert.Contains(t, mails[1].Links["sign"], server.URL())
	_, ok = server.Document(99)
	assert.False(t, ok)
	later := server.AddDocument(id, "Lease of a house")
	all := server.Documents()
	require.Len(t, all, 2)
	assert.Equal(t, view, all[0])
	assert.Equal(t, later, all[1].ID)
}

func TestServer_deliversWebhooks(t *testing.T) {
	server := revvtest.NewServer(t, revvtest.WithWebhookClient(nil))
	client := server.Client()
	events := make(chan *revv.Event, 10)
	handler, err := revv.NewWebhookHandler(revv.PathSecret("0123456789abcdef0123456789abcdef"), func(_ context.Context, e *revv.Event) error {
		events <- e
		return nil
	})
	require.NoError(t, err)
	receiver := httptest.NewServer(handler)
	defer receiver.Close()
	_, err = client.Webhooks.Subscribe(t.Context(), revv.SubscribeParams{Event: revv.EventSigned, URL: receiver.URL + "/0123456789abcdef0123456789abcdef"})
	require.NoError(t, err)
	d := server.AddDocument(template+2, "")
	require.NoError(t, client.Documents.SendForESign(t.Context(), d, signers("s@example.com")))
	require.NoError(t, server.Sign(d, "s@example.com"))
	require.NoError(t, server.WaitDeliveries(t.Context()))
	event := <-events
	assert.Equal(t, d, event.Document.ID)
	deliveries := server.Deliveries()
	require.Len(t, deliveries, 1)
	assert.Equal(t, "delivered", deliveries[0].State)
	assert.NotEmpty(t, event.ID)
	assert.Equal(t, event.ID, deliveries[0].EventID)
	assert.WithinDuration(t, server.Now(), event.Timestamp.Time, time.Minute)
	assert.Equal(t, receiver.URL+"/0123456789abcdef0123456789abcdef", deliveries[0].URL)
	assert.Equal(t, http.StatusNoContent, deliveries[0].Attempts[0].Status)
	assert.Contains(t, deliveries[0].Body, `"DOCUMENT_SIGNED"`)

	require.NoError(t, server.Resend(deliveries[0].ID))
	require.NoError(t, server.WaitDeliveries(t.Context()))
	assert.Equal(t, event.Key(), (<-events).Key(), "the same event, as whoever receives it has to notice")
	deliveries = server.Deliveries()
	require.Len(t, deliveries, 2)
	assert.NotEqual(t, deliveries[0].ID, deliveries[1].ID)
	assert.Equal(t, deliveries[0].EventID, deliveries[1].EventID)
	require.ErrorContains(t, server.Resend(99), "no delivery has the id 99")
}

func TestServer_fails(t *testing.T) {
	server := revvtest.NewServer(t)
	client := server.Client(revv.WithRetry(revv.RetryPolicy{BaseDelay: time.Millisecond, MaxDelay: time.Millisecond}))
	server.Fail(revvtest.Fault{Operation: "Webhooks.List", Times: 2, Status: 503})
	_, err := client.Webhooks.List(t.Context())
	require.NoError(t, err, "a read is repeated")
	assert.Len(t, server.Requests("Webhooks.List"), 3)

	server.Fail(revvtest.Fault{Operation: "Documents.Create", CutAfter: -1, Commit: true})
	_, err = client.Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: template})
	require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
	assert.Len(t, server.Requests("Documents.Create"), 1)
	server.ClearFaults()
	_, err = client.Documents.Get(t.Context(), 14)
	require.NoError(t, err, "it had been applied")
}

// Which of the operations of one route a client has called, no server can tell.
func TestServer_operationsThatShareARoute_areSeenAndFailTogether(t *testing.T) {
	server := revvtest.NewServer(t)
	client := server.Client()
	listings := []string{"Documents.List", "Folders.List"}
	for _, failing := range listings {
		server.Fail(revvtest.Fault{Operation: failing, Times: 2, Status: 418})
		_, err := client.Folders.List(t.Context(), revv.ListFoldersParams{})
		require.Error(t, err, failing)
		_, err = client.Documents.List(t.Context(), revv.ListDocumentsParams{})
		require.Error(t, err, failing)
	}
	for _, name := range listings {
		assert.Len(t, server.Requests(name), 4, name)
	}
	assert.Len(t, server.Requests(listings...), 4, "each once")
	assert.Empty(t, server.Requests("Folders.Create"), "the same path with another method")
}

// Every name that a request can have in the list can be asked for.
func TestServer_requests_knowsEveryNameThatItGives(t *testing.T) {
	server := revvtest.NewServer(t)
	for _, target := range []string{"GET /api/folders/", "OPTIONS /api/folders/", "GET /api/unheard-of", "POST /oauth/token", "PATCH /api/docs"} {
		method, path, _ := strings.Cut(target, " ")
		r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
		r.Header.Set("Access-Control-Request-Method", http.MethodGet)
		server.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}
	requests := server.Requests()
	require.Len(t, requests, 5)
	for _, request := range requests {
		assert.Contains(t, server.Requests(request.Operation), request)
	}
}

// A server without a network works where time is fake, and still has real
// connections to cut.
func TestServer_withoutNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		client := server.Client()
		start := time.Now()
		server.Fail(revvtest.Fault{Times: 1, Status: 429, RetryAfter: "30"})
		_, err := client.Webhooks.List(t.Context())
		require.NoError(t, err)
		assert.GreaterOrEqual(t, time.Since(start), 30*time.Second)

		server.Advance(2 * time.Hour)
		_, err = client.Webhooks.List(t.Context())
		require.NoError(t, err, "the token endpoint is reached too")

		server.Fail(revvtest.Fault{Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = client.Webhooks.List(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		server.ClearFaults()

		server.Fail(revvtest.Fault{Reset: true, Times: 1}, revvtest.Fault{CutAfter: 3, Times: 1})
		_, err = client.Webhooks.List(t.Context())
		require.NoError(t, err, "both are retried")

		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL()+"/api/webhooks", http.NoBody)
		require.NoError(t, err)
		resp, err := server.HTTPClient().Do(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		server.Close()
		_, err = server.HTTPClient().Do(req)
		require.ErrorContains(t, err, "refused")
	})
}

func TestServer_handlerWithoutConnection(t *testing.T) {
	server := revvtest.NewServer(t)
	w := httptest.NewRecorder()
	server.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/webhooks", nil))
	assert.Equal(t, http.StatusUnauthorized, w.Code)

	// A request for a client to send has no body at all, where one for a server
	// always has one. Both are handed to handlers.
	for path, want := range map[string]int{"/api/webhooks": http.StatusUnauthorized, "/api/none": http.StatusNotFound} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil) //nolint:gocritic // nil is what is tested
		require.NoError(t, err)
		w = httptest.NewRecorder()
		server.Handler().ServeHTTP(w, r)
		assert.Equal(t, want, w.Code)
	}
}

// A mistake in a test ends the test; without a test, it panics.
func TestServer_reportsMistakes(t *testing.T) {
	on := func(mistake func(*revvtest.Server)) func(testing.TB) {
		return func(tb testing.TB) { //nolint:thelper // tb may be nil
			server := revvtest.NewServer(tb)
			defer server.Close()
			mistake(server)
		}
	}
	for name, mistake := range map[string]func(testing.TB){
		"fault":    on(func(s *revvtest.Server) { s.Fail(revvtest.Fault{Operation: "Documents.create"}) }),
		"requests": on(func(s *revvtest.Server) { s.Requests("Documents.SendForESign", "Documents.SendForEsign") }),
		"template": on(func(s *revvtest.Server) { s.AddTemplate(revvtest.Template{}) }),
		"folder":   on(func(s *revvtest.Server) { s.AddFolder("", 0) }),
		"contact":  on(func(s *revvtest.Server) { s.AddContact(revvtest.Contact{Type: "x"}) }),
		"document": on(func(s *revvtest.Server) { s.AddDocument(99, "") }),
		"client":   on(func(s *revvtest.Server) { s.Client(revv.WithBaseURL("http://example.com")) }),
		"option":   func(tb testing.TB) { revvtest.NewServer(tb, revvtest.WithPageSize(-1)) },              //nolint:thelper // tb may be nil
		"page":     func(tb testing.TB) { revvtest.NewServer(tb, revvtest.WithPageSize(0)) },               //nolint:thelper // tb may be nil
		"no URL":   func(tb testing.TB) { revvtest.NewServer(tb, revvtest.WithRedirectURLs()) },            //nolint:thelper // tb may be nil
		"lifetime": func(tb testing.TB) { revvtest.NewServer(tb, revvtest.WithTokenLifetime(-time.Hour)) }, //nolint:thelper // as above
		"nothing":  func(tb testing.TB) { revvtest.NewServer(tb, nil) },                                    //nolint:thelper // as above
	} {
		t.Run(name, func(t *testing.T) {
			assert.Panics(t, func() { mistake(nil) })
			tb := &mistaken{TB: t}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				mistake(tb)
			}()
			<-ended
			assert.Contains(t, tb.message, "revvtest: ")
		})
	}
}

// mistaken is a test that ends without failing the real one.
type mistaken struct {
	testing.TB

	message string
}

func (m *mistaken) Fatal(args ...any) {
	m.message = fmt.Sprint(args...)
	runtime.Goexit()
}
