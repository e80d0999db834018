package revvtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// A network in memory: it works inside a bubble of testing/synctest, where
// waiting takes no time.
func ExampleWithoutNetwork() {
	handler, err := revv.NewWebhookHandler(revv.HeaderSecret("X-Hook", "a-secret-of-enough-bytes"),
		func(context.Context, *revv.Event) error { return nil })
	if err != nil {
		fmt.Println(err)
		return
	}
	server := revvtest.NewServer(nil, revvtest.WithoutNetwork(), revvtest.WithWebhookClient(inProcess(handler)))
	defer server.Close()

	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL()+"/api/webhooks", http.NoBody)
	if err != nil {
		fmt.Println(err)
		return
	}
	response, err := server.HTTPClient().Do(r) // without a token
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = response.Body.Close()
	fmt.Println(response.StatusCode)
	_, err = server.Client().Templates.List(context.Background(), revv.ListTemplatesParams{})
	fmt.Println(err)
	// Output:
	// 401
	// <nil>
}

// inProcess is a client whose requests a handler answers.
func inProcess(handler http.Handler) *http.Client {
	return &http.Client{Transport: handled{handler}}
}

type handled struct{ handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// A server of your own around it, for example one that terminates TLS.
func ExampleServer_Handler() {
	sandbox := revvtest.NewServer(nil, revvtest.WithoutNetwork())
	defer sandbox.Close()
	server := httptest.NewTLSServer(sandbox.Handler())
	defer server.Close()

	client, err := revv.NewClient(revv.StaticToken(sandbox.Token().AccessToken), revv.WithBaseURL(server.URL), revv.WithHTTPClient(server.Client()))
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := client.Templates.List(context.Background(), revv.ListTemplatesParams{Status: revv.ActiveTemplates})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(page.Items), "templates")
	// Output: 3 templates
}

// Two servers that get the same requests give the same ids. A seed gives others, the same
// ones each time.
func ExampleWithSeed() {
	number := func(opts ...revvtest.Option) revv.ObjectID {
		server := revvtest.NewServer(nil, opts...)
		defer server.Close()
		document, _ := server.Document(server.AddDocument(21, "Agreement"))
		return document.ObjectID
	}
	first, second, other := number(), number(), number(revvtest.WithSeed(7))
	fmt.Println(first == second, first == other)
	// Output: true false
}

func ExampleWithClock() {
	noon := time.Date(2021, time.June, 18, 12, 0, 0, 0, time.UTC)
	server := revvtest.NewServer(nil, revvtest.WithClock(func() time.Time { return noon }))
	defer server.Close()

	fmt.Println(server.Now().Format(time.DateTime))
	server.Advance(time.Minute)
	fmt.Println(server.Now().Format(time.DateTime))
	// Output:
	// 2021-06-18 12:00:00
	// 2021-06-18 12:01:00
}

// The second call within a minute is asked to wait longer than a client waits by
// itself.
func ExampleWithRateLimit() {
	server := revvtest.NewServer(nil, revvtest.WithRateLimit(1, 2*time.Minute))
	defer server.Close()
	client, ctx := server.Client(), context.Background()

	_, err := client.Templates.List(ctx, revv.ListTemplatesParams{})
	fmt.Println(err)
	_, err = client.Templates.List(ctx, revv.ListTemplatesParams{})
	fmt.Println(errors.Is(err, revv.ErrRateLimited))
	// Output:
	// <nil>
	// true
}

// Everything about tokens that is not known of the service can be tested both ways.
func ExampleWithTokenLifetime() {
	server := revvtest.NewServer(nil,
		revvtest.WithTokenLifetime(time.Minute),
		revvtest.WithRotation(false),       // a refresh gives no new refresh token
		revvtest.WithReuseDetection(false), // a spent one revokes nothing
		revvtest.WithClientAuthRequired(),  // a refresh needs the client's credentials
	)
	defer server.Close()
	client, ctx := server.Client(), context.Background()

	for range 3 {
		_, err := client.Templates.List(ctx, revv.ListTemplatesParams{})
		fmt.Println(err)
		server.Advance(2 * time.Minute)
	}
	// Output:
	// <nil>
	// <nil>
	// <nil>
}

// The live service was seen to accept more than it should; by default the sandbox does
// not, so that a mistake is seen.
func ExampleWithLenientBodies() {
	body := map[string]any{"template_id": "21", "colour": "blue"} // a text for an id, and a member too many
	create := func(opts ...revvtest.Option) error {
		server := revvtest.NewServer(nil, opts...)
		defer server.Close()
		return server.Client().Do(context.Background(), http.MethodPost, "/api/docs", body, nil)
	}
	fmt.Println(errors.Is(create(), revv.ErrInvalid), create(revvtest.WithLenientBodies()))
	// Output: true <nil>
}

// By default a second send is refused, so a program that sends twice leaves only one
// mail. The live service might let it leave two.
func ExampleWithRepeatedSends() {
	server := revvtest.NewServer(nil, revvtest.WithRepeatedSends())
	defer server.Close()
	documents := server.Client().Documents
	id := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "Lease"}), "Lease 17")
	server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", CutAfter: -1, Commit: true, Times: 1}) // the answer is lost

	send := func() error {
		return documents.SendForESign(context.Background(), id, revv.SendParams{Recipients: []revv.Person{{Email: "tenant@example.com"}}})
	}
	if err := send(); err != nil { // the mistake: not to look
		_ = send()
	}
	fmt.Println(len(server.Outbox()), "mails to the tenant")
	// Output: 2 mails to the tenant
}

// An application that its developer uses in a browser, with a sandbox beside it: a page of
// another site that is open there gets no answer.
func ExampleWithLocalOnly() {
	server := revvtest.NewServer(nil, revvtest.WithLocalOnly())
	defer server.Close()

	for _, origin := range []string{"http://localhost:3000", "https://another-site.example.com"} {
		r := httptest.NewRequest(http.MethodOptions, server.URL()+"/api/docs", http.NoBody)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", http.MethodPost)
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, r)
		fmt.Println(origin, w.Code)
	}
	// Output:
	// http://localhost:3000 204
	// https://another-site.example.com 403
}
