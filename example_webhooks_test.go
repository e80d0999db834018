package revv_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// From the subscription to the event, with the document read back: what the
// handler gets is what the service says about the document now.
func ExampleWithReadBack() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()

	handler, err := revv.NewWebhookHandler(
		revv.PathSecret("a-secret-of-enough-bytes", "the-secret-before-it"),
		func(_ context.Context, event *revv.Event) error {
			fmt.Println(event.Type, event.Document.Number, event.Document.Stage)
			return nil
		},
		revv.WithReadBack(client.Documents),
		revv.WithWebhookMaxBytes(64<<10),
		revv.WithWebhookReadTimeout(5*time.Second),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver := httptest.NewServer(handler)
	defer receiver.Close()
	_, err = client.Webhooks.Subscribe(ctx, revv.SubscribeParams{Event: revv.EventClosed, URL: receiver.URL + "/hooks/a-secret-of-enough-bytes"})
	if err != nil {
		fmt.Println(err)
		return
	}

	doc := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "Lease"}), "Lease")
	if err := client.Documents.SendForESign(ctx, doc, revv.SendParams{Recipients: []revv.Person{{Email: "tenant@example.com"}}}); err != nil {
		fmt.Println(err)
		return
	}
	if err := server.Sign(doc, "tenant@example.com"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(server.WaitDeliveries(ctx))
	// Output:
	// DOCUMENT_CLOSED DOC-000040 Signed
	// <nil>
}

func ExampleBasicSecret() {
	var events atomic.Int32
	handler, err := revv.NewWebhookHandler(revv.BasicSecret("revv", "a-password-of-enough-bytes"),
		func(context.Context, *revv.Event) error { events.Add(1); return nil })
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, password := range []string{"a-password-of-enough-bytes", "a-guess-of-somebody-else"} {
		r := postedEvent()
		r.SetBasicAuth("revv", password)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, events.Load())
	}
	// Output:
	// 204 1
	// 401 1
}

// Behind something that has already authenticated the sender.
func ExampleInsecureNoSecret() {
	handler, err := revv.NewWebhookHandler(revv.InsecureNoSecret(), func(_ context.Context, event *revv.Event) error {
		fmt.Println(event.Type)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, postedEvent())
	fmt.Println(w.Code)
	// Output:
	// DOCUMENT_CLOSED
	// 204
}

// postedEvent is a delivery of an event.
func postedEvent() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hooks/revv", strings.NewReader(`{"id":"evt_1","event":"DOCUMENT_CLOSED"}`))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// For senders that can set nothing but a URL: the secret is the last segment of the path,
// so the handler serves everything below a folder.
func ExamplePathSecret() {
	handler, err := revv.NewWebhookHandler(revv.PathSecret("a-secret-of-enough-bytes"), func(context.Context, *revv.Event) error { return nil })
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/", handler)
	for _, path := range []string{"/hooks/a-secret-of-enough-bytes", "/hooks/a-guess-of-somebody-else"} {
		request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"event":"DOCUMENT_CLOSED"}`))
		request.Header.Set("Content-Type", "application/json")
		response := httptest.NewRecorder()
		mux.ServeHTTP(response, request)
		fmt.Println(response.Code)
	}
	// Output:
	// 204
	// 401
}

// Deliveries repeat. The key of an event is the same each time, also where the sender
// gives it no id. It is marked after the action, which may run again if the program dies
// between the two: marked first, the event would then be lost.
func ExampleEvent_Key() {
	body := []byte(`{"event":"DOCUMENT_SIGNED","document":{"doc_no":"DOC-000040"},"recipient":{"user_email":"ann@example.com"}}`)
	done := make(map[string]bool) // a table with a unique column in real life, best in the transaction of the action
	for range 2 {
		event, err := revv.ParseEvent(body)
		if err != nil {
			fmt.Println(err)
			return
		}
		if done[event.Key()] {
			fmt.Println("done before")
			continue
		}
		fmt.Println(event.Document.Number, "was signed by", event.Recipient.Email)
		done[event.Key()] = true
	}
	// Output:
	// DOC-000040 was signed by ann@example.com
	// done before
}

// What a service posts that nobody has seen yet: this handler keeps it, whatever its shape.
func Example_unknownWebhook() {
	var out strings.Builder
	dump := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := httputil.DumpRequest(r, true)
		fmt.Fprintf(&out, "%s\n%v\n", text, err)
		w.WriteHeader(http.StatusNoContent)
	})
	answer := httptest.NewRecorder()
	dump.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/hooks/a-secret-of-enough-bytes", strings.NewReader(`{"type":"signed"}`)))
	fmt.Println(answer.Code)
	fmt.Println(strings.ReplaceAll(out.String(), "\r", ""))
	// Output:
	// 204
	// POST /hooks/a-secret-of-enough-bytes HTTP/1.1
	// Host: example.com
	//
	// {"type":"signed"}
	// <nil>
}
