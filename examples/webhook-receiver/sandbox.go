package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// demonstrate has two people sign in a sandbox whose webhooks are held back, and
// then come in the wrong order, each one twice and at the same time, among others
// that are made up.
func demonstrate(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "revv-webhook-receiver-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "inbox.jsonl")
	post := &postman{}
	server := revvtest.NewServer(nil, revvtest.WithWebhookClient(&http.Client{Transport: post}))
	defer server.Close()
	client := server.Client()
	fmt.Fprintf(out, "Webhook receiver\nsandbox in this process; nothing leaves this machine\n\n")

	answers, err := receive(ctx, client, server, post, path)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "answered  %d × 204, %d × 401, %d × 400; the slowest took less than %v\n\n",
		answers.status[http.StatusNoContent], answers.status[http.StatusUnauthorized], answers.status[http.StatusBadRequest],
		answers.slowest.Truncate(100*time.Millisecond)+100*time.Millisecond)

	// Nothing has been handled by now. A new process finds it all on the disk.
	box, err := openInbox(path, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { _ = box.close() }()
	received, handled, changes := len(post.held()), 0, 0
	announced := announce(out)
	r := &receiver{inbox: box, documents: client.Documents, log: slog.New(slog.DiscardHandler), changed: func(ctx context.Context, doc *revv.Document) error {
		changes++
		return announced(ctx, doc)
	}}
	for {
		ok, err := r.handle(ctx)
		if !ok {
			break
		}
		switch {
		case errors.Is(err, errBehind):
			fmt.Fprintln(out, "one waits:", err)
		case err != nil:
			return err
		default:
			handled++
		}
	}
	// The one that waits was made up by somebody who knows the secret: it claims that a
	// draft is signed.
	if _, waiting, _ := box.counts(); handled != received || waiting != 1 || changes != 1 {
		return fmt.Errorf("%d events, of which %d were handled and %d wait, and %d changes", received, handled, waiting, changes)
	}
	fmt.Fprintf(out, "\ndone: %d events came twice and in reverse order, with 3 forged ones among them; each was handled once, and the signing announced once\n", received)
	return nil
}

// receive runs the handler while a contract is signed and the webhooks come in.
func receive(ctx context.Context, client *revv.Client, server *revvtest.Server, post *postman, path string) (*tally, error) {
	const secret = "a-secret-of-the-demonstration"
	box, err := openInbox(path, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer func() { _ = box.close() }()
	answers := &tally{status: make(map[int]int)}
	handler, err := revv.NewWebhookHandler(revv.PathSecret(secret), box.put, revv.WithWebhookObserver(answers.note))
	if err != nil {
		return nil, err
	}
	front := httptest.NewServer(handler)
	defer front.Close()
	if err := subscribe(ctx, client.Webhooks, front.URL+"/hooks/"+secret); err != nil {
		return nil, err
	}
	draft, err := sign(ctx, client, server)
	if err != nil {
		return nil, err
	}
	for _, forged := range []struct{ secret, body string }{
		{"not-the-secret-at-all", `{"event":"DOCUMENT_CLOSED","document":{"id":14}}`},
		{secret, `{"event":"DOCUMENT_CLOSED"} {}`},
		{secret, fmt.Sprintf(`{"event":"DOCUMENT_CLOSED","document":{"id":%d,"document_status":{"name":"Signed"}}}`, draft.ID)},
	} {
		if err := send(ctx, front.URL+"/hooks/"+forged.secret, []byte(forged.body)); err != nil {
			return nil, err
		}
	}
	return answers, post.deliver(ctx)
}

// sign sends a document to two people and has both sign. It returns another
// document, which stays a draft.
func sign(ctx context.Context, client *revv.Client, server *revvtest.Server) (draft *revv.Document, err error) {
	template := server.AddTemplate(revvtest.Template{Title: "Service agreement"})
	doc, err := client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: template})
	if err != nil {
		return nil, err
	}
	people := []revv.Person{{Email: "first@example.com", Order: 1}, {Email: "second@example.com", Order: 2}}
	if err := client.Documents.SendForESign(ctx, doc.ID, revv.SendParams{Recipients: people}); err != nil {
		return nil, err
	}
	for _, person := range people {
		if err := server.Sign(doc.ID, person.Email); err != nil {
			return nil, err
		}
	}
	if err := server.WaitDeliveries(ctx); err != nil {
		return nil, err
	}
	return client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: template})
}

// postman holds webhooks back: it takes them from the sandbox as if they had
// been delivered.
type postman struct {
	mu      sync.Mutex
	letters []delivery
}

type delivery struct {
	url  string
	body []byte
}

// RoundTrip implements [http.RoundTripper].
func (p *postman) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.letters = append(p.letters, delivery{r.URL.String(), body})
	return &http.Response{StatusCode: http.StatusNoContent, ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Request: r}, nil
}

// held lists what was held back.
func (p *postman) held() []delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.letters)
}

// deliver delivers it: the last one first, each twice at the same time.
func (p *postman) deliver(ctx context.Context) error {
	for _, letter := range slices.Backward(p.held()) {
		errs := make([]error, 2)
		var both sync.WaitGroup
		for i := range errs {
			both.Go(func() { errs[i] = send(ctx, letter.url, letter.body) })
		}
		both.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

// send posts a webhook, as the service would.
func send(ctx context.Context, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// tally counts the answers of the handler.
type tally struct {
	mu      sync.Mutex
	status  map[int]int
	slowest time.Duration
}

func (t *tally) note(result revv.WebhookResult) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status[result.Status]++
	t.slowest = max(t.slowest, result.Duration)
}
