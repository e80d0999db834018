// Package sandbox makes the wire contract of Revv runnable: a stateful Revv in memory,
// with its API, its OAuth, its mails, its links for signers, its PDFs and its webhooks,
// and with faults on demand. It is strict about what clients send, so that a mistake is
// seen in a test and not on a live account.
//
// Package revvtest makes it available to users' tests, and the program revv-sandbox adds
// web pages. Where the contract leaves something open, the sandbox does what costs a
// client least: nothing is lost on deletion, a refusal names the field and the rule, and
// a name that nobody has observed is an open string.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/revv-go/revv"
)

// Options configures a sandbox. The zero value is a strict sandbox with seed
// data, real time and unguessable tokens.
type Options struct {
	Routes  revv.Routes      // empty fields take their default
	BaseURL string           // what links begin with; see [Sandbox.SetBaseURL]
	Clock   func() time.Time // nil means time.Now

	// Seed makes every id and token reproducible, and so guessable: for tests only. nil
	// uses the system's randomness.
	Seed *uint64

	TokenLifetime      time.Duration // 0 means an hour; negative: no expiry and no expires_in
	NoRotation         bool          // a refresh answers without a new refresh token
	NoReuseDetection   bool          // a spent refresh token is refused, its family lives on
	ClientAuthRequired bool          // a refresh needs client_id and client_secret
	RedirectURLs       []string      // registered for the application; nil means a loopback one

	// Lenient accepts what the live service was seen to accept: unknown members,
	// ids as text, JSON under any content type, unknown query parameters.
	Lenient bool

	// RepeatedSends sends a document again that is already out, with mails to everybody,
	// instead of refusing. The service may do either.
	RepeatedSends bool

	NoSeedData bool      // no templates and no contacts
	PageSize   int       // entries per page of every list; 0 means 20
	RateLimit  RateLimit // zero means none

	WebhookClient  *http.Client    // nil means one of the sandbox's own
	WebhookBackoff []time.Duration // the waits between attempts; nil means 200 ms and 1 s

	// Fallback answers the paths that are neither API, nor OAuth, nor a link.
	// nil answers 404.
	Fallback http.Handler

	// Pages replaces the plain pages behind the links: the templates document,
	// sign, answer, done, problem and consent. Styles and images come from the
	// sandbox's own origin, which is Fallback's to serve. nil keeps the plain ones.
	Pages *template.Template
	// Hosts are further names under which the sandbox answers, besides those of loopback,
	// of BaseURL and all IP addresses; "*" is any name. nil is any name, too, because a
	// sandbox that only programs call need not fear a browser.
	Hosts []string
	// Origins are further origins whose pages may call the API, as
	// https://app.example.com, beside those on loopback; "*" is any. nil is any, too.
	Origins []string
}

// RateLimit allows Requests calls of the API in any window of length Per.
type RateLimit struct {
	Requests int
	Per      time.Duration
}

const (
	defaultPageSize      = 20
	defaultTokenLifetime = time.Hour
	ringSize             = 10_000 // entries kept of each growing list
)

// Sandbox is one organisation with its service around it. It is safe for
// concurrent use.
type Sandbox struct {
	opts  Options
	clock clock
	mux   *http.ServeMux

	routes []*route // in the order of the table, for hints and for Allow

	mu       sync.Mutex // guards everything below
	account  *account
	faults   []*armedFault
	log      requestLog
	window   rateWindow
	couriers map[string]*courier
	revision uint64        // counts what a snapshot would show
	pending  int           // deliveries not yet delivered or given up
	settled  chan struct{} // closed and replaced when pending reaches 0
	watchers map[*watcher]struct{}
	closed   bool

	faultUses []*FaultUse // of all faults since they were cleared

	running sync.WaitGroup // handlers and couriers
	stop    context.CancelFunc
	stopped context.Context //nolint:containedctx // the life of the sandbox, for hanging answers and couriers
	client  *http.Client
	ownPool *http.Transport // of client, nil when the client is the caller's
}

// New makes a sandbox. Every bad option is reported.
func New(opts Options) (*Sandbox, error) {
	var problems []error
	if opts.PageSize < 0 {
		problems = append(problems, errors.New("PageSize must not be negative"))
	}
	if opts.RateLimit != (RateLimit{}) && (opts.RateLimit.Requests < 1 || opts.RateLimit.Per <= 0) {
		problems = append(problems, errors.New("RateLimit needs at least one request and a positive window"))
	}
	for _, text := range opts.RedirectURLs {
		if err := CheckRedirectURL(text); err != nil {
			problems = append(problems, fmt.Errorf("RedirectURLs: %w", err))
		}
	}
	if err := checkPages(opts.Pages); err != nil {
		problems = append(problems, err)
	}
	if opts.PageSize == 0 {
		opts.PageSize = defaultPageSize
	}
	if opts.TokenLifetime == 0 {
		opts.TokenLifetime = defaultTokenLifetime
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	if opts.RedirectURLs == nil {
		opts.RedirectURLs = []string{"http://127.0.0.1/callback"}
	}
	if opts.WebhookBackoff == nil {
		opts.WebhookBackoff = []time.Duration{200 * time.Millisecond, time.Second}
	}
	opts.RedirectURLs, opts.Hosts, opts.Origins = slices.Clone(opts.RedirectURLs), slices.Clone(opts.Hosts), slices.Clone(opts.Origins)

	s := &Sandbox{
		opts:     opts,
		clock:    clock{base: opts.Clock},
		couriers: map[string]*courier{},
		settled:  make(chan struct{}),
		watchers: map[*watcher]struct{}{},
	}
	s.stopped, s.stop = context.WithCancel(context.Background())
	s.account = newAccount(s, newSource(opts.Seed))
	s.account.seed(opts)
	s.account.changes = nil // nobody watches yet
	s.account.BaseURL = strings.TrimSuffix(opts.BaseURL, "/")
	s.client, s.ownPool = webhookClient(opts.WebhookClient)
	if err := s.register(); err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// Close stops deliveries, lets hanging answers go and waits until all of it has
// ended. The sandbox answers 503 afterwards. Close may be called again.
func (s *Sandbox) Close() {
	s.mu.Lock()
	s.closed = true
	for w := range s.watchers {
		w.end() // before the wait: a page that follows changes is a handler too
	}
	clear(s.watchers)
	s.mu.Unlock()
	s.stop()
	s.running.Wait()
	if s.ownPool != nil {
		s.ownPool.CloseIdleConnections()
	}
}

// BaseURL is what the links of the sandbox begin with.
func (s *Sandbox) BaseURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.account.BaseURL
}

// SetBaseURL says under which URL the sandbox is reached, which is known only
// when it listens.
func (s *Sandbox) SetBaseURL(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("base URL %q: must be an absolute http or https URL", base)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.BaseURL = strings.TrimSuffix(base, "/")
	return nil
}

// do runs fn on the account under the lock and carries out what followed from
// it. Mails are part of the account; webhooks and notifications leave it here.
func (s *Sandbox) do(fn func(*account) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := fn(s.account)
	s.settleEffects()
	return err
}

// read runs fn on the account under the lock and returns what it returns.
func read[T any](s *Sandbox, fn func(*account) T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fn(s.account)
}

// settleEffects hands postings to the couriers in the order they arose, which is
// why it must run under the same lock as the change itself.
func (s *Sandbox) settleEffects() {
	a := s.account
	for _, d := range a.postings {
		s.enqueue(d)
	}
	a.postings = a.postings[:0]
	for _, hook := range a.ended {
		s.drop(hook)
	}
	a.ended = a.ended[:0]
	for _, change := range a.changes {
		s.notify(change)
	}
	a.changes = a.changes[:0]
}
