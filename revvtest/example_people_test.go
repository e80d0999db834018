package revvtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// One approves, the other has to sign; then somebody says no.
func ExampleServer_Approve() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	document := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "Order"}), "Order 7")

	if err := client.Documents.SendForApproval(ctx, document, revv.SendParams{Recipients: []revv.Person{{Email: "boss@example.com"}}}); err != nil {
		fmt.Println(err)
		return
	}
	if err := server.Approve(document, "boss@example.com"); err != nil {
		fmt.Println(err)
		return
	}
	state, _ := server.Document(document)
	fmt.Println(state.Approval)

	if err := client.Documents.SendForESign(ctx, document, revv.SendParams{Recipients: []revv.Person{{Email: "supplier@example.com"}}}); err != nil {
		fmt.Println(err)
		return
	}
	if err := server.Reject(document, "supplier@example.com", "wrong price"); err != nil {
		fmt.Println(err)
		return
	}
	state, _ = server.Document(document)
	fmt.Println(state.Stage, state.Signers[0].Reason)
	// Output:
	// approved
	// Draft wrong price
}

func ExampleServer_Accept() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	document := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "Offer"}), "Offer for Ann")

	if err := client.Documents.SendForAcceptance(ctx, document, revv.SendParams{Recipients: []revv.Person{{Email: "ann@example.com"}}}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(server.Accept(document, "somebody.else@example.com") != nil)
	fmt.Println(server.Accept(document, "ann@example.com"))
	state, ok := server.Document(document)
	fmt.Println(state.Acceptors[0].State, ok)
	// Output:
	// true
	// <nil>
	// done true
}

// What a person who is asked for permission does in the browser.
func ExampleServer_Authorize() {
	server := revvtest.NewServer(nil, revvtest.WithRedirectURLs("https://app.example.com/callback"))
	defer server.Close()
	config := server.OAuthConfig()
	config.RedirectURL = "https://app.example.com/callback"
	verifier := strings.Repeat("v", 43) // oauth2.GenerateVerifier in a program
	authURL := config.AuthCodeURL("a-state-nobody-guesses", verifier)

	yes, err := server.Authorize(authURL)
	fmt.Println(strings.HasPrefix(yes, "https://app.example.com/callback?code="), err)
	no, err := server.Deny(authURL)
	fmt.Println(strings.Contains(no, "error=access_denied"), err)
	// Output:
	// true <nil>
	// true <nil>
}

// The user has withdrawn the permission.
func ExampleServer_RevokeTokens() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()

	server.ExpireTokens() // the client renews, and goes on
	_, err := client.Templates.List(ctx, revv.ListTemplatesParams{})
	fmt.Println(err)
	server.RevokeTokens() // a person has to authorize anew
	_, err = client.Templates.List(ctx, revv.ListTemplatesParams{})
	fmt.Println(errors.Is(err, revv.ErrReauthorizationRequired))
	// Output:
	// <nil>
	// true
}

// An hour passes at once: the access token has expired, and the client, whose
// own clock stands still, learns it from a 401.
func ExampleServer_Advance() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	server.SetTime(time.Date(2021, time.June, 18, 10, 0, 0, 0, time.UTC)) // and it stands still
	client, ctx := server.Client(), context.Background()

	_, err := client.Templates.List(ctx, revv.ListTemplatesParams{})
	fmt.Println(err, len(server.Requests("OAuth.Token")))
	server.Advance(2 * time.Hour)
	_, err = client.Templates.List(ctx, revv.ListTemplatesParams{})
	fmt.Println(err, len(server.Requests("OAuth.Token")), server.Now().Hour())
	// Output:
	// <nil> 0
	// <nil> 1 12
}

// A handler that fails the first time gets the same event again.
func ExampleServer_WaitDeliveries() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	posts := 0
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if posts++; posts == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer receiver.Close()

	if _, err := client.Webhooks.Subscribe(ctx, revv.SubscribeParams{Event: revv.EventStageChanged, URL: receiver.URL}); err != nil {
		fmt.Println(err)
		return
	}
	document := server.AddDocument(21, "Agreement")
	if err := client.Documents.SendForESign(ctx, document, revv.SendParams{Recipients: []revv.Person{{Email: "ann@example.com"}}}); err != nil {
		fmt.Println(err)
		return
	}
	if err := server.WaitDeliveries(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for _, delivery := range server.Deliveries() {
		fmt.Println(delivery.Event, delivery.State, delivery.Attempts[0].Status, delivery.Attempts[1].Status)
	}
	// Output: DOCUMENT_STAGE_CHANGED delivered 500 200
}

// A handler that acts on each event once, although it comes twice.
func ExampleServer_Resend() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	var seen sync.Map // a table with a unique column in real life
	handler, err := revv.NewWebhookHandler(revv.PathSecret("a-secret-of-the-example"), func(_ context.Context, event *revv.Event) error {
		if _, before := seen.LoadOrStore(event.Key(), true); before {
			fmt.Println("seen before")
			return nil
		}
		fmt.Println("now", event.Document.Stage)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver := httptest.NewServer(handler)
	defer receiver.Close()

	if _, err = client.Webhooks.Subscribe(ctx, revv.SubscribeParams{Event: revv.EventStageChanged, URL: receiver.URL + "/a-secret-of-the-example"}); err != nil {
		fmt.Println(err)
		return
	}
	document := server.AddDocument(21, "Agreement")
	err = errors.Join(
		client.Documents.SendForESign(ctx, document, revv.SendParams{Recipients: []revv.Person{{Email: "ann@example.com"}}}),
		server.WaitDeliveries(ctx),
		server.Resend(server.Deliveries()[0].ID),
		server.WaitDeliveries(ctx),
	)
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// now Sent
	// seen before
}

func ExampleServer_ClearFaults() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1})), context.Background()

	server.Fail(revvtest.Fault{HTML: true}) // everything answers with a web page
	_, err := client.Templates.List(ctx, revv.ListTemplatesParams{})
	fmt.Println(errors.Is(err, revv.ErrUnexpectedContent))
	server.ClearFaults()
	_, err = client.Templates.List(ctx, revv.ListTemplatesParams{})
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

// Check that the fault was met: here the application sends in another way than its test
// assumes.
func ExampleServer_Faults() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	document := server.AddDocument(23, "Mutual NDA")

	server.Fail(revvtest.Fault{Operation: "Documents.SendForAcceptance", CutAfter: -1, Commit: true, Times: 1})
	err := server.Client().Documents.SendForESign(context.Background(), document, revv.SendParams{Recipients: []revv.Person{{Email: "ann@example.com"}}})
	fmt.Println(err)
	for _, fault := range server.Faults() {
		if fault.Met == 0 {
			fmt.Println("no request has met the fault on", fault.Operation)
		}
	}
	// Output:
	// <nil>
	// no request has met the fault on Documents.SendForAcceptance
}

// Which token came with which call.
func ExampleFingerprint() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	store, ctx := revv.NewMemoryStore(), context.Background()
	old := server.Token()
	if err := revv.SaveToken(ctx, store, "acme", old); err != nil {
		fmt.Println(err)
		return
	}
	auth, err := server.OAuthConfig().Authenticator(store, "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := revv.NewClient(auth, revv.WithBaseURL(server.URL()))
	if err != nil {
		fmt.Println(err)
		return
	}

	server.ExpireTokens()
	if _, err = client.Templates.List(ctx, revv.ListTemplatesParams{}); err != nil {
		fmt.Println(err)
		return
	}
	renewed, err := store.Load(ctx, "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	names := map[string]string{revvtest.Fingerprint(old.AccessToken): "the old token", revvtest.Fingerprint(renewed.AccessToken): "the new one"}
	for _, request := range server.Requests("Templates.List") {
		fmt.Println(request.Status, names[request.Header.Get("AccessToken")])
	}
	// Output:
	// 401 the old token
	// 200 the new one
}

// What the program under test has sent. For a contract that must go out once, count the
// requests: a second one may be refused, and then leaves no second mail.
func ExampleServer_Requests() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	document := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "Order"}), "Order 7")

	send := func() { // of the program
		_ = client.Documents.SendForESign(ctx, document, revv.SendParams{Recipients: []revv.Person{{Email: "ann@example.com"}}})
	}
	send()
	send() // by mistake

	fmt.Println("mails:", len(server.Outbox()))
	for _, request := range server.Requests("Documents.SendForESign") {
		fmt.Println(request.Method, request.Path, request.Status)
	}
	// Output:
	// mails: 1
	// POST /api/v2/doc-signers/14 200
	// POST /api/v2/doc-signers/14 409
}
