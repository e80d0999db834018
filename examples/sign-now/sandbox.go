package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// sandbox starts a sandbox with one contract in it.
func sandbox() (*revvtest.Server, *revv.Client, revv.DocumentNumber) {
	server := revvtest.NewServer(nil, revvtest.WithLocalOnly()) // a browser is open beside it
	template := server.AddTemplate(revvtest.Template{Title: "Service agreement"})
	doc, _ := server.Document(server.AddDocument(template, "Service agreement for Example Ltd"))
	client := server.Client()
	return server, client, doc.Number
}

// demonstrate does what browsers do, those of the customer and of others, and
// checks that the link is where it belongs and nowhere else.
func demonstrate(ctx context.Context, out io.Writer) error {
	server, client, number := sandbox()
	defer server.Close()
	var log lockedBuffer
	password := rand.Text()
	a, err := newApp(ctx, client, []string{string(number)}, password, &log)
	if err != nil {
		return err
	}
	front := httptest.NewServer(a.handler())
	defer front.Close()
	fmt.Fprintf(out, "Sign now\nsandbox in this process; nothing leaves this machine\n\n")

	button := front.URL + "/contracts/" + string(number) + "/sign"
	b := &browser{ctx: ctx, password: password, out: out}
	page := b.do("the page", http.MethodGet, front.URL+"/", "same-origin", http.StatusOK)
	b.do("a form of another site", http.MethodPost, button, "cross-site", http.StatusForbidden)
	b.do("a link to the button", http.MethodGet, button, "none", http.StatusMethodNotAllowed)
	b.do("a contract of somebody else", http.MethodPost, front.URL+"/contracts/DOC-000001/sign", "same-origin", http.StatusNotFound)
	before := len(server.Requests("Documents.MagicLink"))
	click := b.do("the click", http.MethodPost, button, "same-origin", http.StatusSeeOther)
	minted := len(server.Requests("Documents.MagicLink"))
	if b.err != nil {
		return b.err
	}
	link := click.header.Get("Location")
	opened := b.do("the contract, without a password", http.MethodGet, link, "cross-site", http.StatusOK)
	switch {
	case b.err != nil:
		return b.err
	case before != 0 || minted != 1:
		return fmt.Errorf("%d links were made before the click and %d in all", before, minted)
	case !strings.Contains(opened.body, "Service agreement for Example Ltd"):
		return errors.New("the link does not open the contract")
	case click.header.Get("Cache-Control") != "no-store" || click.header.Get("Referrer-Policy") != "no-referrer":
		return errors.New("the redirect can be cached, or tells where it came from")
	case strings.Contains(page.body+click.body+log.String(), link):
		return errors.New("the link is in the page, in the body of the answer or in the log")
	}
	fmt.Fprintf(out, "\nThe log of the application:\n\n%s\ndone: 1 click made 1 link, which is in the redirect and nowhere else\n", log.String())
	return nil
}

// browser asks, and prints what it was answered. The first error ends it.
type browser struct {
	ctx      context.Context //nolint:containedctx // of the one demonstration that it lives for
	password string
	out      io.Writer
	err      error
}

type answer struct {
	header http.Header
	body   string
}

// do sends a request as a browser does: site is what it says of where the request
// comes from. The password goes to the application alone.
func (b *browser) do(what, method, address, site string, want int) (got answer) {
	if b.err != nil {
		return got
	}
	req, err := http.NewRequestWithContext(b.ctx, method, address, http.NoBody)
	if err != nil {
		b.err = err
		return got
	}
	req.Header.Set("Sec-Fetch-Site", site)
	if strings.Contains(req.URL.Path, "/contracts/") || req.URL.Path == "/" {
		req.SetBasicAuth(customer, b.password)
	}
	client := &http.Client{
		Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		b.err = errors.New("a request of the browser failed") // the error may hold the link
		return got
	}
	body, err := io.ReadAll(resp.Body)
	b.err = errors.Join(err, resp.Body.Close())
	fmt.Fprintf(b.out, "%-34s %-5s %s\n", what, method, resp.Status)
	if resp.StatusCode != want {
		b.err = fmt.Errorf("%s: the answer is %s, not %d", what, resp.Status, want)
	}
	return answer{resp.Header, string(body)}
}

// lockedBuffer takes the log of many requests.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
