package revv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// A client of a real account needs its address. Nothing is sent yet.
func ExampleWithSubdomain() {
	client, err := revv.NewClient(revv.StaticToken("an-access-token"), revv.WithSubdomain("acme"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.BaseURL())
	// Output: https://acme.revv.so
}

// A policy for the client, and another for a single call.
func ExampleWithRetry() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	server.Fail(revvtest.Fault{Operation: "Templates.List", Status: http.StatusBadGateway, Times: 2})
	client := server.Client(revv.WithRetry(revv.RetryPolicy{MaxAttempts: 4, BaseDelay: time.Millisecond}))
	ctx := context.Background()

	_, err := client.Templates.List(ctx, revv.ListTemplatesParams{}, revv.WithRetry(revv.RetryPolicy{MaxAttempts: 1}))
	fmt.Println("once:", errors.Is(err, revv.ErrServer))
	_, err = client.Templates.List(ctx, revv.ListTemplatesParams{})
	fmt.Println("up to four times:", err, len(server.Requests("Templates.List")))
	// Output:
	// once: true
	// up to four times: <nil> 3
}

// A service that accepts a request and never answers.
func ExampleWithAttemptTimeout() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	server.Fail(revvtest.Fault{Operation: "Documents.SendForESign", Hang: true})
	client, ctx := server.Client(), context.Background()

	err := client.Documents.SendForESign(ctx, server.AddDocument(21, "Agreement"),
		revv.SendParams{Recipients: []revv.Person{{Email: "ann@example.com"}}}, revv.WithAttemptTimeout(250*time.Millisecond))
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.Is(err, revv.ErrOutcomeUnknown))
	// Output: true true
}

func ExampleWithHeader() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client := server.Client(revv.WithHeader("X-Team", "legal"), revv.WithUserAgent("contract-desk/2.1"))

	_, err := client.Templates.List(context.Background(), revv.ListTemplatesParams{})
	sent := server.Requests()[0].Header
	agent, _, _ := strings.Cut(sent.Get("User-Agent"), " ")
	fmt.Println(sent.Get("X-Team"), agent, err)
	// Output: legal contract-desk/2.1 <nil>
}

func ExampleWithBearerHeader() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	// For an account whose service turns out to expect the other header.
	client := server.Client(revv.WithBearerHeader())

	_, _ = client.Templates.List(context.Background(), revv.ListTemplatesParams{})
	sent := server.Requests()[0].Header
	fmt.Println(strings.HasPrefix(sent.Get("Authorization"), "Bearer "), sent.Get("AccessToken") == "")
	// Output: true true
}

func ExampleWithLogger() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "took" {
				return slog.Attr{} // another one each time
			}
			return a
		},
	}))

	_, err := server.Client(revv.WithLogger(logger)).Documents.Get(context.Background(), server.AddDocument(21, "Agreement"))
	fmt.Println(err)
	// Output:
	// level=DEBUG msg="revv: attempt" operation=Documents.Get route=/api/docs/{id} attempt=1 status=200 request_id=""
	// <nil>
}

// roundTripper is a function as a transport.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Middleware sees each attempt, with its route instead of its path: the number of names
// for spans and metrics does not grow with the ids.
func ExampleWithMiddleware() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	watch := func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if info, ok := revv.CallInfoFrom(r.Context()); ok && err == nil {
				fmt.Println(info.Operation, info.Route, info.Attempt, response.StatusCode)
			}
			return response, err
		})
	}
	server.Fail(revvtest.Fault{Status: http.StatusServiceUnavailable, Times: 1})
	client := server.Client(revv.WithMiddleware(watch), revv.WithRetry(revv.RetryPolicy{BaseDelay: time.Millisecond}))

	_, err := client.Documents.Get(context.Background(), server.AddDocument(21, "Agreement"))
	fmt.Println(err)
	// Output:
	// Documents.Get /api/docs/{id} 1 503
	// Documents.Get /api/docs/{id} 2 200
	// <nil>
}

// For a trial on a live account: the answers as they came. They contain names, addresses
// and links.
func ExampleWithMiddleware_answers() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	var out strings.Builder // os.Stderr in a program

	show := func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			answer, err := next.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			info, _ := revv.CallInfoFrom(r.Context())
			text, err := httputil.DumpResponse(answer, true)
			fmt.Fprintf(&out, "%s\n%s\n", info.Operation, text)
			return answer, err
		})
	}
	client := server.Client(revv.WithMiddleware(show))

	_, err := client.Documents.Get(context.Background(), server.AddDocument(21, "Agreement"))
	fmt.Println(strings.HasPrefix(out.String(), "Documents.Get\nHTTP/1.1 200 OK\r\n"), strings.Contains(out.String(), `"title":"Agreement"`), err)
	// Output: true true <nil>
}

// A body of another shape: clone the request, and change Body, ContentLength and GetBody
// together.
func ExampleWithMiddleware_body() {
	server := revvtest.NewServer(nil, revvtest.WithLenientBodies())
	defer server.Close()

	add := func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if info, ok := revv.CallInfoFrom(r.Context()); !ok || info.Operation != "Documents.Create" {
				return next.RoundTrip(r)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			body = bytes.Replace(body, []byte("{"), []byte(`{"language":"en",`), 1)
			r = r.Clone(r.Context())
			r.ContentLength = int64(len(body))
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
			r.Body, err = r.GetBody()
			if err != nil {
				return nil, err
			}
			return next.RoundTrip(r)
		})
	}
	client := server.Client(revv.WithMiddleware(add))

	_, err := client.Documents.Create(context.Background(), revv.CreateDocumentParams{TemplateID: 21})
	fmt.Println(server.Requests()[0].Body, err)
	// Output: {"language":"en","template_id":21} <nil>
}

// A rate.Limiter of golang.org/x/time has the same method.
func ExampleWithRateLimiter() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	limiter := make(tickets, 1)
	limiter <- struct{}{}
	client := server.Client(revv.WithRateLimiter(limiter))

	_, err := client.Templates.List(context.Background(), revv.ListTemplatesParams{})
	fmt.Println(err)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = client.Templates.List(ctx, revv.ListTemplatesParams{})
	fmt.Println(errors.Is(err, context.DeadlineExceeded), len(server.Requests()))
	// Output:
	// <nil>
	// true 1
}

// tickets is a limiter that lets a request go for each value in it.
type tickets chan struct{}

// Wait takes a ticket, or returns when ctx is done.
func (t tickets) Wait(ctx context.Context) error {
	select {
	case <-t:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A proxy, a certificate of your own or a larger pool of connections.
func ExampleWithHTTPClient() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	transport := revv.NewTransport()
	transport.MaxIdleConnsPerHost = 32
	defer transport.CloseIdleConnections()

	client, err := revv.NewClient(revv.StaticToken(server.Token().AccessToken),
		revv.WithBaseURL(server.URL()), revv.WithHTTPClient(&http.Client{Transport: transport}))
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

// A header of another name for the token. Middleware could not change it: it stands before the
// credentials.
func ExampleWithHTTPClient_header() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Header["X-Access-Token"], r.Header["Accesstoken"])
		_, _ = io.WriteString(w, `{"Templates":[]}`)
	}))
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}

	rename := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == base.Host { // and not a storage that a download was redirected to
			r = r.Clone(r.Context())
			r.Header["X-Access-Token"] = r.Header["AccessToken"]
			delete(r.Header, "AccessToken")
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	client, err := revv.NewClient(revv.StaticToken("the-token"), revv.WithBaseURL(server.URL), revv.WithHTTPClient(&http.Client{Transport: rename}))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Templates.List(context.Background(), revv.ListTemplatesParams{})
	fmt.Println(err)
	// Output:
	// [the-token] []
	// <nil>
}

func ExampleWithConsequences() {
	requests := 0
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.WriteHeader(http.StatusBadGateway) // perhaps the mail has gone out
	}))
	defer service.Close()
	client, err := revv.NewClient(revv.StaticToken("token"), revv.WithBaseURL(service.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	// A PUT is repeated, as a rule. This one mails somebody.
	err = client.Do(context.Background(), http.MethodPut, "/api/docs/{id}/remind", nil, nil, revv.WithPathValue("id", "14"), revv.WithConsequences())
	fmt.Println(revv.MaybeApplied(err), requests)
	// Output: true 1
}

// What an answer said beside its content.
func ExampleCaptureResponse() {
	server := revvtest.NewServer(nil)
	defer server.Close()

	var response revv.Response
	_, err := server.Client().Documents.Get(context.Background(), 4711, revv.CaptureResponse(&response))
	fmt.Println(errors.Is(err, revv.ErrNotFound), response.StatusCode, response.Attempts, response.Header.Get("Content-Type"))
	// Output: true 404 1 application/json
}

// To repair a route that turns out to be different on a live account, set one field.
func ExampleWithRoutes() {
	routes := revv.DefaultRoutes()
	routes.SetFields = "POST /api/v2/docs/{id}/fields"
	server := revvtest.NewServer(nil, revvtest.WithRoutes(routes)) // serves the same one
	defer server.Close()
	client := server.Client(revv.WithRoutes(routes))

	_, err := client.Documents.SetFields(context.Background(), server.AddDocument(21, "Agreement"), []revv.FieldValue{{Name: "Client", Value: "Acme"}})
	last := server.Requests()[0]
	fmt.Println(last.Method, last.Path, err)
	// Output: POST /api/v2/docs/14/fields <nil>
}

// The client with the credentials, for a request that is not JSON at all.
func ExampleClient_HTTPClient() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client := server.Client()

	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, client.BaseURL()+"/api/docstemplate/?page_num=1", http.NoBody)
	if err != nil {
		fmt.Println(err)
		return
	}
	response, err := client.HTTPClient().Do(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	fmt.Println(response.StatusCode, strings.Contains(string(body), "Service agreement"), err)
	// Output: 200 true <nil>
}
