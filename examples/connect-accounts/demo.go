package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/revv-go/revv/revvtest"
)

func newKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	return key
}

// shop is two replicas of the application behind one address.
type shop struct {
	sandbox  *revvtest.Server
	url      string
	database string
	key      []byte
	server   *http.Server
	next     atomic.Uint64
	mu       sync.RWMutex
	replicas []*app
	handlers []http.Handler
	served   [2]atomic.Int32
}

// demonstrate connects two customers, lets their tokens expire under load, and
// starts the replicas anew.
func demonstrate(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "revv-connect-accounts-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	s, err := openShop(ctx, filepath.Join(dir, "tokens.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	fmt.Fprintf(out, "sandbox at %s, two replicas behind %s, all in this process\n\n", s.sandbox.URL(), s.url)

	browsers := make([]*browser, 2)
	for i, name := range []string{"acme", "globex"} {
		if browsers[i], err = s.connect(ctx, name); err != nil {
			return err
		}
		fmt.Fprintf(out, "%-8s signed in, agreed on the consent page, is connected\n", name)
	}
	const requests = 40
	s.sandbox.ExpireTokens()
	before := s.refreshes()
	if err := s.load(ctx, browsers, requests); err != nil {
		return err
	}
	renewed := s.refreshes() - before
	fmt.Fprintf(out, "all access tokens expired; %d requests at once, %d and %d to a replica: %d tokens renewed\n", requests, s.served[0].Load(), s.served[1].Load(), renewed)
	if renewed != len(browsers) {
		return fmt.Errorf("%d customers, but %d renewals", len(browsers), renewed)
	}
	if err := s.restart(ctx); err != nil {
		return err
	}
	if err := browsers[0].expect(ctx, http.MethodGet, "/templates", http.StatusOK, "Your templates: "); err != nil {
		return err
	}
	fmt.Fprintf(out, "%-8s is still connected after both replicas were started anew\n", "acme")
	if err := browsers[1].expect(ctx, http.MethodPost, "/disconnect", http.StatusOK, "not connected"); err != nil {
		return err
	}
	for range 2 { // at either replica
		if err := browsers[1].expect(ctx, http.MethodGet, "/templates", http.StatusConflict, "Please connect"); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%-8s disconnected, and is asked to connect\n\ndone: 2 customers, 2 replicas, %d requests, each token renewed once\n", "globex", requests)
	return nil
}

// openShop starts the sandbox and the two replicas.
func openShop(ctx context.Context, database string) (_ *shop, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &shop{url: "http://" + listener.Addr().String(), database: database, key: newKey()}
	s.sandbox = revvtest.NewServer(nil, revvtest.WithRedirectURLs(s.url+"/callback"))
	s.server = newServer(s)
	go s.server.Serve(listener) //nolint:errcheck // it ends when it is closed
	if err := s.restart(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// restart ends the replicas, if there are any, and starts others.
func (s *shop) restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.closeReplicas(); err != nil {
		return err
	}
	for range 2 {
		replica, err := newApp(ctx, s.sandbox.OAuthConfig(), s.sandbox.URL(), s.database, s.key, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		s.replicas = append(s.replicas, replica)
		handler, err := replica.handler()
		if err != nil {
			return err
		}
		s.handlers = append(s.handlers, handler)
	}
	return nil
}

func (s *shop) closeReplicas() error {
	problems := make([]error, 0, len(s.replicas))
	for _, replica := range s.replicas {
		problems = append(problems, replica.close())
	}
	s.replicas, s.handlers = nil, nil
	return errors.Join(problems...)
}

func (s *shop) close() error {
	err := s.server.Close()
	s.sandbox.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.closeReplicas())
}

// ServeHTTP hands requests to the replicas in turn, as a load balancer does.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i := s.next.Add(1) % uint64(len(s.handlers))
	if r.URL.Path == "/templates" {
		s.served[i].Add(1)
	}
	s.handlers[i].ServeHTTP(w, r)
}

// refreshes counts the renewals that the service has seen.
func (s *shop) refreshes() (n int) {
	for _, request := range s.sandbox.Requests("OAuth.Token") {
		if strings.Contains(request.Body, "grant_type=refresh_token") {
			n++
		}
	}
	return n
}

// load makes that many requests at once, in the browsers in turn.
func (s *shop) load(ctx context.Context, browsers []*browser, requests int) error {
	problems := make([]error, requests)
	var all sync.WaitGroup
	for i := range requests {
		all.Go(func() {
			// Requests alternate between the replicas: two in a row share a browser.
			problems[i] = browsers[i/2%len(browsers)].expect(ctx, http.MethodGet, "/templates", http.StatusOK, "Your templates: ")
		})
	}
	all.Wait()
	return errors.Join(problems...)
}

// browser is that of a customer.
type browser struct {
	shop   *shop
	client *http.Client
}

// connect does what a customer does: sign in, click Connect, agree.
func (s *shop) connect(ctx context.Context, customer string) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	b := &browser{shop: s, client: &http.Client{Jar: jar}}
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if "http://"+r.URL.Host == s.url {
			return nil
		}
		return http.ErrUseLastResponse // the consent page, which a person looks at
	}
	if err := b.expect(ctx, http.MethodPost, "/sign-in?"+url.Values{"customer": {customer}}.Encode(), http.StatusOK, "not connected"); err != nil {
		return nil, err
	}
	if err := b.agree(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// agree clicks Connect and agrees, also where an account is connected already.
func (b *browser) agree(ctx context.Context) error {
	consent, err := b.do(ctx, http.MethodPost, b.shop.url+"/connect")
	if err != nil {
		return err
	}
	back, err := b.shop.sandbox.Authorize(consent.location)
	if err != nil {
		return err
	}
	return b.expect(ctx, http.MethodGet, strings.TrimPrefix(back, b.shop.url), http.StatusOK, "is connected")
}

// answer is what a browser shows.
type answer struct {
	status   int
	text     string
	location string
}

func (b *browser) do(ctx context.Context, method, address string) (answer, error) {
	address, form, _ := strings.Cut(address, "?")
	if method == http.MethodGet && form != "" {
		address, form = address+"?"+form, ""
	}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form))
	if err != nil {
		return answer{}, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(text), resp.Header.Get("Location")}, err
}

// expect makes a request and compares what comes back. The query of a POST is sent
// as a form.
func (b *browser) expect(ctx context.Context, method, path string, status int, text string) error {
	got, err := b.do(ctx, method, b.shop.url+path)
	if err != nil {
		return err
	}
	if got.status != status || !strings.Contains(got.text, text) {
		path, _, _ = strings.Cut(path, "?") // a callback has a code in its query
		return fmt.Errorf("%s %s answered %d, want %d and %q in the page", method, path, got.status, status, text)
	}
	return nil
}
