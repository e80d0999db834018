package revv_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// application is the OAuth application of the README's section on authentication.
func application() revv.OAuthConfig {
	config := revv.OAuthConfig{
		ClientID: os.Getenv("REVV_CLIENT_ID"), ClientSecret: os.Getenv("REVV_CLIENT_SECRET"),
		RedirectURL: "http://127.0.0.1:8765/callback", Endpoint: revv.Endpoint("https://acme.revv.so"),
	}
	return config
}

// connect is the README's section on authentication.
func connect(ctx context.Context, config revv.OAuthConfig) (*revv.Client, error) {
	store, err := revv.NewFileStore("tokens") // 0600, safe across processes
	if err != nil {
		return nil, err
	}
	auth, err := config.Connect(ctx, store, "acme", func(url string) error { fmt.Println("open", url); return nil })
	if err != nil {
		return nil, err
	}
	return revv.NewClient(auth, revv.WithSubdomain("acme"))
}

// connectCustomers is the README's section on authentication, for web applications.
func connectCustomers(config revv.OAuthConfig, store revv.TokenStore, customerOf func(*http.Request) string, remember func(ctx context.Context, customer, connection string) error) error {
	start, callback, err := config.Handlers(func(w http.ResponseWriter, r *http.Request, token *oauth2.Token, err error) {
		connection := customerOf(r) + "/" + rand.Text() // a name of its own: the pair may be that of another account
		if err == nil {
			err = revv.SaveToken(r.Context(), store, connection, token)
		}
		if err == nil {
			err = remember(r.Context(), customerOf(r), connection) // in your database: what the customer uses from now on
		}
		if err != nil {
			log.Println("Revv is not connected:", err) // the logger has the refused callbacks alone
			http.Error(w, "Revv is not connected.", http.StatusBadGateway)
			return
		}
		http.Redirect(w, r, "/settings", http.StatusSeeOther)
	})
	if err != nil {
		return err
	}
	http.Handle("POST /connect", start)
	http.Handle("GET /callback", callback) // the path of RedirectURL
	return nil
}

// manyAccounts is the README's section on many accounts.
func manyAccounts(accounts map[string]revv.Authenticator, clients map[string]*revv.Client) (err error) {
	shared := &http.Client{Transport: revv.NewTransport()} // one for all clients of the program
	for subdomain, auth := range accounts {
		if clients[subdomain], err = revv.NewClient(auth, revv.WithSubdomain(subdomain), revv.WithHTTPClient(shared)); err != nil {
			return err
		}
	}
	return nil
}

// serveWebhooks is the README's section on webhooks.
func serveWebhooks(client *revv.Client) error {
	secret := revv.PathSecret(os.Getenv("REVV_WEBHOOK_SECRET")) // …/hooks/<secret>, at least 16 bytes, unguessable
	handler, err := revv.NewWebhookHandler(secret, func(ctx context.Context, event *revv.Event) error {
		if event.Document.Stage.Reached(revv.StageSigned) { // as it was read back
			log.Println("signed by everybody:", event.Document.Number, event.Key())
		}
		return nil // an error asks the service to deliver again
	}, revv.WithReadBack(client.Documents), revv.WithWebhookObserver(func(r revv.WebhookResult) {
		if r.Err != nil || r.Status >= 400 {
			log.Println("not taken:", r.Status, r.Reason, r.Err) // nothing else reports a wrong secret
		}
	}))
	if err != nil {
		return err
	}
	http.Handle("POST /hooks/", handler)
	return http.ListenAndServe("127.0.0.1:8080", nil)
}

// subscribe is the README's section on webhooks.
func subscribe(ctx context.Context, client *revv.Client) error {
	target := "https://app.example.com/hooks/" + url.PathEscape(os.Getenv("REVV_WEBHOOK_SECRET"))
	_, err := client.Webhooks.Subscribe(ctx, revv.SubscribeParams{Event: revv.EventClosed, URL: target})
	return err
}

// listing is the README's section on the ids of a document.
func listing(ctx context.Context, client *revv.Client) error {
	for entry, err := range client.Documents.All(ctx, revv.ListDocumentsParams{}) {
		if err != nil {
			return err
		}
		doc, err := client.Documents.GetByNumber(ctx, entry.Number) // an entry does not have the id that most calls need
		if err != nil {
			return err
		}
		fmt.Println(doc.ID, doc.Number, doc.Title, doc.Stage)
	}
	return nil
}

var errUnshown = errors.New("the document was reported as sent, and is not seen to be")

// contract is the README's section on a document.
func contract(ctx context.Context, client *revv.Client, template revv.TemplateID) (*revv.Document, error) {
	doc, err := client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: template, Title: "Agreement D-1042"})
	if err != nil {
		return nil, err
	}
	for _, field := range doc.Fields { // those of the template
		fmt.Println(field.Name, field.Type, field.Required)
	}
	filled, err := client.Documents.SetFields(ctx, doc.ID, []revv.FieldValue{{Name: "Client", Value: "Example Ltd"}})
	if err != nil {
		return nil, err
	}
	if filled.Field("Client").Value != "Example Ltd" { // the shape of the request is a guess
		return nil, errors.New("the field was not set")
	}
	err = client.Documents.SendForESign(ctx, doc.ID, revv.SendParams{
		Recipients: []revv.Person{{Email: "first@example.com", Order: 1}, {Email: "second@example.com", Order: 2}},
		Message:    "Please sign our agreement.",
	})
	if err != nil {
		return doc, err // with the document: revv.MaybeApplied(err) has to be looked into
	}
	now, err := client.Documents.Get(ctx, doc.ID)
	if err != nil || !now.Stage.Reached(revv.StageSent) {
		return doc, errUnshown // an error of yours, after which nothing is sent again: it was reported as sent, even if only this look failed
	}
	return now, nil
}

// file is the README's section on a document, when it is signed.
func file(ctx context.Context, client *revv.Client, number revv.DocumentNumber) error {
	doc, err := client.Documents.GetByNumber(ctx, number)
	if err != nil {
		return err
	}
	if !doc.Stage.Reached(revv.StageSigned) {
		return nil // not yet: what it would give is not known
	}
	pdf, err := client.Documents.DownloadFile(ctx, doc.ID, "agreement.pdf")
	if err != nil {
		return err
	}
	fmt.Println(pdf.Size, pdf.SHA256)
	return nil
}

// send is the README's section on errors.
func send(ctx context.Context, client *revv.Client, doc *revv.Document, people []revv.Person) error {
	err := client.Documents.SendForESign(ctx, doc.ID, revv.SendParams{Recipients: people})
	switch {
	case revv.MaybeApplied(err): // look, and do not send again
		look, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute) // the end of ctx may be why
		defer cancel()
		outcome, readErr := client.Documents.SendOutcome(look, doc.ID, time.Now(), time.Minute)
		if outcome == revv.SendApplied {
			return nil
		} // revv.SendPending: that proves nothing yet, the request may be on its way
		err = errors.Join(err, readErr)
	case errors.Is(err, revv.ErrReauthorizationRequired):
		return fmt.Errorf("please connect Revv again: %w", err)
	}
	return err
}

// repair is the README's section on routes.
func repair(auth revv.Authenticator) (*revv.Client, error) {
	routes := revv.DefaultRoutes()
	routes.SetFields = "POST /api/v2/docs/{id}/fields"
	return revv.NewClient(auth, revv.WithSubdomain("acme"), revv.WithRoutes(routes))
}

// TestContractIsSent is the README's section on testing.
func TestContractIsSent(t *testing.T) {
	server := revvtest.NewServer(t) // a Revv of its own, gone when the test ends
	client := server.Client()

	template := server.AddTemplate(revvtest.Template{Title: "Lease", Fields: []revvtest.Field{{Name: "Rent", Required: true}}})
	doc, err := client.Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: template})
	require.NoError(t, err)
	_, err = client.Documents.SetFields(t.Context(), doc.ID, []revv.FieldValue{{Name: "Rent", Value: "1200"}})
	require.NoError(t, err)

	server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", CutAfter: -1, Commit: true, Times: 1}) // carried out, but the answer is lost
	require.NoError(t, send(t.Context(), client, doc, []revv.Person{{Email: "tenant@example.com"}}))

	require.Len(t, server.Outbox(), 1) // sent once, although the answer was lost
	require.Len(t, server.Requests("Documents.SendForESign"), 1)
	require.NoError(t, server.Sign(doc.ID, "tenant@example.com"))
}

// A deadline that has lost the answer does not keep the program from looking.
func TestReadmeSend_deadlineThatLostTheAnswer_looks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		client := server.Client()
		id := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "Lease"}), "Lease")
		server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", Hang: true, Commit: true, Times: 1})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.NoError(t, send(ctx, client, &revv.Document{ID: id}, []revv.Person{{Email: "tenant@example.com"}}))
		require.Error(t, ctx.Err())
		require.Len(t, server.Outbox(), 1)
	})
}

// TestWaiting is the section on the clock in docs/testing.md.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := revvtest.NewServer(t, revvtest.WithoutNetwork())
		server.Fail(revvtest.Fault{Operation: "Templates.List", Status: 429, RetryAfter: "30", Times: 1})
		begun := time.Now()
		_, err := server.Client().Templates.List(t.Context(), revv.ListTemplatesParams{})
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(begun), 30*time.Second) // in the bubble; outside, it takes no time
	})
}

func ExampleNewClient() {
	server := revvtest.NewServer(nil)
	defer server.Close()

	client, err := revv.NewClient(revv.StaticToken(server.Token().AccessToken), revv.WithBaseURL(server.URL()))
	if err != nil {
		log.Fatal(err)
	}
	for template, err := range client.Templates.All(context.Background(), revv.ListTemplatesParams{Status: revv.ActiveTemplates}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(template.Title)
	}
	// Output:
	// Service agreement
	// Offer letter
	// Mutual NDA
}

func ExampleNewClient_badOptions() {
	_, err := revv.NewClient(revv.StaticToken(""), revv.WithBaseURL("http://api.example.com"), revv.WithRoutes(revv.Routes{GetDocument: "GET /docs"}))
	fmt.Println(err)
	// Output:
	// revv: NewClient: invalid argument: auth must hold an access token that is not empty
	// revv: NewClient: invalid argument: WithBaseURL must be https; http is for loopback addresses alone
	// revv: NewClient: invalid argument: WithRoutes has a route that cannot be used: Routes.GetDocument: "GET /docs": the placeholder {id} is missing
}

func ExampleDocumentsService_SendForESign() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()

	template := server.AddTemplate(revvtest.Template{Title: "Lease"})
	doc, err := client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: template, Title: "Lease of 1 Example Street"})
	if err != nil {
		log.Fatal(err)
	}
	err = client.Documents.SendForESign(ctx, doc.ID, revv.SendParams{Recipients: []revv.Person{
		{Email: "landlord@example.com", Order: 1},
		{Email: "tenant@example.com", Order: 2},
	}})
	if err != nil {
		log.Fatal(err)
	}
	doc, err = client.Documents.Get(ctx, doc.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(doc.Stage)
	// Output: Sent
}

// The answer to a send is lost: find out what became of it, and give the request time to
// arrive before you conclude that it never will.
func ExampleDocumentsService_SendOutcome() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	id := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "Lease"}), "Lease of 1 Example Street")
	params := revv.SendParams{Recipients: []revv.Person{{Email: "tenant@example.com"}}}

	// The connection is cut, but the request arrives a little later.
	server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", CutAfter: -1, Late: 50 * time.Millisecond, Times: 1})

	err := client.Documents.SendForESign(ctx, id, params)
	fmt.Println("nobody knows:", revv.MaybeApplied(err))
	for left := time.Now(); revv.MaybeApplied(err); <-time.After(10 * time.Millisecond) { // every few seconds in real life
		outcome, readErr := client.Documents.SendOutcome(ctx, id, left, time.Minute)
		switch {
		case readErr != nil || outcome == revv.SendPending: // look again
		case outcome == revv.SendApplied:
			err = nil
		case outcome == revv.SendNotApplied:
			err = client.Documents.SendForESign(ctx, id, params) // for the second time, and still once
			left = time.Now()
		default: // revv.SendUndone, revv.SendUnclear
			fmt.Println("a person decides:", outcome)
			return
		}
	}
	fmt.Println(err, "mails:", len(server.Outbox()))
	// Output:
	// nobody knows: true
	// <nil> mails: 1
}

func ExampleError() {
	server := revvtest.NewServer(nil)
	defer server.Close()

	_, err := server.Client().Documents.Get(context.Background(), 4711)
	fmt.Println(errors.Is(err, revv.ErrNotFound))
	if e, ok := errors.AsType[*revv.Error](err); ok {
		fmt.Println(e.Op, e.StatusCode, e.Attempts)
	}
	// Output:
	// true
	// Documents.Get 404 1
}

func ExampleMaybeApplied() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	template := server.AddTemplate(revvtest.Template{Title: "Lease"})
	params := revv.CreateDocumentParams{TemplateID: template, Title: "Lease of 1 Example Street"}

	server.Fail(revvtest.Fault{Operation: "Documents.Create", Status: http.StatusConflict, Times: 1})
	_, err := client.Documents.Create(ctx, params)
	fmt.Println("refused:", revv.MaybeApplied(err))

	server.Fail(revvtest.Fault{Operation: "Documents.Create", Commit: true, Reset: true, Times: 1})
	_, err = client.Documents.Create(ctx, params)
	fmt.Println("connection lost:", revv.MaybeApplied(err))
	for entry, err := range client.Documents.All(ctx, revv.ListDocumentsParams{SortByNumber: true}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if entry.Name == params.Title { // so put an id of your own into the title
			fmt.Println("there is:", entry.Number, entry.Name)
		}
	}
	fmt.Println("documents:", len(server.Documents()))
	// Output:
	// refused: false
	// connection lost: true
	// there is: DOC-000040 Lease of 1 Example Street
	// documents: 1
}

// What a worker with a queue does with a job whose call failed: look, ask a person, try
// again later, or give up, because the same call would fail in the same way.
func ExampleMaybeApplied_queue() {
	next := func(err error) string {
		is := func(targets ...error) bool {
			return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
		}
		e, _ := errors.AsType[*revv.Error](err)
		switch {
		case revv.MaybeApplied(err), is(revv.ErrConflict): // first of all: such an error can be others as well
			return "look" // after a conflict as well: an earlier run may have sent it
		case is(revv.ErrReauthorizationRequired, revv.ErrNoToken, revv.ErrTokenStoreCorrupt):
			return "ask a person"
		case is(revv.ErrInvalidArgument, revv.ErrNotFound, revv.ErrPageLoop), e != nil && (e.StatusCode == http.StatusNotImplemented || e.StatusCode == http.StatusHTTPVersionNotSupported):
			return "give up"
		case e != nil && (e.Attempts == 0 || e.StatusCode == http.StatusUnauthorized): // the limiter, the store of tokens or a renewal failed: if it stays so, ask a person
			return "later"
		case is(revv.ErrInterrupted, revv.ErrUnreachable, revv.ErrRateLimited, revv.ErrServer, revv.ErrTruncated, revv.ErrTokenNotPersisted,
			context.DeadlineExceeded, context.Canceled):
			return "later"
		}
		return "give up"
	}

	server := revvtest.NewServer(nil)
	defer server.Close()
	id := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "Lease"}), "Lease of 1 Example Street")
	client := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
	const send = "Documents.SendForESign"
	for _, fault := range []revvtest.Fault{
		{Operation: send, Status: 502},
		{Operation: send, Status: 429},
		{Operation: send, Reset: true},
		{Operation: send, Status: 403},
		{Operation: send, Status: 501},
		{Operation: "OAuth.Token", Status: 403},
	} {
		fault.Times = 1
		server.ExpireTokens()
		server.Fail(fault)
		err := client.Documents.SendForESign(context.Background(), id, revv.SendParams{Recipients: []revv.Person{{Email: "tenant@example.com"}}})
		fmt.Println(fault.Operation, fault.Status, next(err))
	}
	// Output:
	// Documents.SendForESign 502 look
	// Documents.SendForESign 429 later
	// Documents.SendForESign 0 look
	// Documents.SendForESign 403 give up
	// Documents.SendForESign 501 give up
	// OAuth.Token 403 later
}

func ExampleClient_Do() {
	server := revvtest.NewServer(nil)
	defer server.Close()

	var answer struct {
		Templates []struct {
			Title string `json:"title"`
		} `json:"Templates"`
	}
	err := server.Client().Do(context.Background(), http.MethodGet, "/api/docstemplate/", nil, &answer, revv.WithQuery("page_num", "1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Templates[0].Title)
	// Output: Service agreement
}

// What differs from call to call, or is secret, is a placeholder in the path. Logs and
// errors show the placeholder.
func ExampleWithPathValue() {
	server := revvtest.NewServer(nil)
	defer server.Close()

	var answer struct {
		Document struct {
			Title string `json:"title"`
		}
	}
	id := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "NDA"}), "NDA with Example GmbH")
	err := server.Client().Do(context.Background(), http.MethodGet, "/api/docs/{id}", nil, &answer, revv.WithPathValue("id", fmt.Sprint(id)))
	fmt.Println(answer.Document.Title, err)
	// Output: NDA with Example GmbH <nil>
}

func ExampleSaveToken() {
	ctx, store := context.Background(), revv.NewMemoryStore()
	if err := revv.SaveToken(ctx, store, "acme", &oauth2.Token{AccessToken: "access", RefreshToken: "refresh"}); err != nil {
		log.Fatal(err)
	}
	token, err := store.Load(ctx, "acme")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.AccessToken)
	// Output: access
}
