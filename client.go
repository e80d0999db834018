package revv

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/secret"
	"github.com/revv-go/revv/internal/wire"
)

// Version is the version of this package, as it stands in the user agent.
const Version = "0.1.0"

// Client calls the Revv Public API. [NewClient] makes it. It does not change afterwards
// and is safe for concurrent use.
type Client struct {
	Documents *DocumentsService
	Templates *TemplatesService
	Folders   *FoldersService
	Contacts  *ContactsService
	Webhooks  *WebhooksService

	core *core
}

// core is what the services share.
type core struct {
	routes routeTable
	base   *url.URL
	auth   Authenticator
	// network is the transport of the caller, or our own. It is kept like a secret,
	// because the buffers of its idle connections hold what was sent.
	network  secret.Value[http.RoundTripper]
	chain    http.RoundTripper // middleware → credentials → network, nil without middleware
	limiter  limiter
	log      attemptLog   // nil without [WithLogger]
	agent    []string     // the User-Agent header
	bearer   bool         // the token goes into the Authorization header
	defaults callSettings // of all calls
	budget   *retry.Budget
	gate     retry.Gate   // shut after a 429
	own      *ownNetwork  // set if network was made here
	buffers  sync.Pool    // of *[]byte, for the bodies of answers
	pageSeed maphash.Seed // of the digests that tell pages apart

	storageOnce      sync.Once
	storageTransport secret.Value[http.RoundTripper]
}

// retryBudget is how many repetitions a client may send while nothing succeeds.
const retryBudget = 20

// NewClient returns a client that takes its access tokens from auth. [WithBaseURL] or
// [WithSubdomain] is required, because there is no default host. NewClient does not use
// the network. The error is [ErrInvalidArgument] and joins one *[Error] for each rule
// that is broken.
func NewClient(auth Authenticator, opts ...Option) (*Client, error) {
	const op = "NewClient"
	s := settings{callSettings: callSettings{refusals: refusals{op: op}}}
	for _, opt := range opts {
		if opt == nil {
			s.reject("option", "must not be nil")
			continue
		}
		opt.applyClient(&s)
	}
	if err := validateAuth(auth); err != nil {
		s.reject("auth", err.Error())
	}
	base := s.base()
	routes, err := s.routes.compile()
	if err != nil {
		s.reject("WithRoutes", "has a route that cannot be used: "+err.Error())
	}
	if err := join(s.problems...); err != nil {
		return nil, err
	}
	c := newCore(&s, auth, base, routes)
	if len(s.chain) > 0 {
		if c.chain = chained(s.chain, &credentialed{c}); c.chain == nil {
			return nil, invalidArgument(op, "WithMiddleware", "must not return nil")
		}
	}
	return &Client{
		Documents: &DocumentsService{c}, Templates: &TemplatesService{c}, Folders: &FoldersService{c},
		Contacts: &ContactsService{c}, Webhooks: &WebhooksService{c}, core: c,
	}, nil
}

func newCore(s *settings, auth Authenticator, base *url.URL, routes routeTable) *core {
	c := &core{
		routes: routes, base: base, auth: auth, limiter: s.limiter, log: s.log, bearer: s.bearer,
		agent: []string{"revv-go/" + Version}, defaults: s.callSettings, budget: retry.NewBudget(retryBudget), pageSeed: maphash.MakeSeed(),
	}
	if s.userAgent != "" {
		c.agent = []string{s.userAgent + " " + c.agent[0]}
	}
	c.defaults.retry = s.retry.withDefaults(RetryPolicy{defaultAttempts, defaultBaseDelay, defaultMaxDelay, defaultMaxRetryAfter})
	c.defaults.timeout = cmp.Or(s.timeout, defaultAttemptTimeout)
	if s.limit > 0 {
		c.defaults.timeout = min(c.defaults.timeout, s.limit)
	}
	network := s.network
	if network == nil {
		made := NewTransport()
		network, c.own = made, new(ownNetwork)
		// Nobody can use the connections of a client that was dropped, and a program that makes
		// many would run out of file descriptors before they are 90 s old. ([runtime.AddCleanup]
		// makes every program that uses this package larger by 8 KB.)
		runtime.SetFinalizer(c.own, func(*ownNetwork) { go made.CloseIdleConnections() }) // to close one with TLS can take seconds
	}
	c.network = secret.New(network)
	return c
}

// ownNetwork is collected with the client that it belongs to. With a pointer in it, it does not
// share its memory with other small values, which would keep it.
type ownNetwork struct{ _ *byte }

// chained puts middleware around the network, the first one outermost. It returns nil if
// one of the middlewares does.
func chained(chain []Middleware, network http.RoundTripper) http.RoundTripper {
	for i := range chain {
		if network = chain[len(chain)-1-i](network); isNil(network) {
			return nil
		}
	}
	return network
}

const dialTimeout = 10 * time.Second

// pingInterval is how long an HTTP/2 connection may be silent before it is asked for a sign of
// life, and how long that may take. Both together are no longer than the wait for an answer.
const pingInterval = 15 * time.Second

// NewTransport returns a transport like the one that a client has without [WithHTTPClient],
// for programs that change something of it, such as a certificate or the proxy, or share it
// among clients. It has the limits that net/http leaves open: 10 s to dial, 10 s for the
// handshake, 30 s for the headers of an answer, and 64 KiB for these. It keeps 128 idle
// connections for each host, for 90 s, and 256 in all, where [http.DefaultTransport] keeps two
// for each host. An HTTP/2 connection on which nothing arrives for 15 s is asked for a sign of
// life, and closed after another 15 s without one. It is the caller's: close its idle
// connections when it is not needed any more.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialPlainly,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    128,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  30 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// All calls share an HTTP/2 connection, and net/http goes on using one that is silently
		// dead: after a failover, every call would time out until the system gives it up.
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingInterval, PingTimeout: pingInterval},
		OnProxyConnectResponse: refusedByProxy,
	}
}

// dialPlainly is the dialler of [NewTransport]. It is a function of its own, so that a transport
// that still has it can be told from one with a dialler of the caller, see [core.storage].
func dialPlainly(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext(ctx, network, address)
}

// refusedByProxy says whose words they are: net/http would report the bare text of the status,
// as if the service had answered.
func refusedByProxy(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return errors.New("the proxy refused the connection: " + answer.Status)
}

// BaseURL returns the base URL that the client was made for.
func (c *Client) BaseURL() string {
	if c.root() == nil {
		return ""
	}
	return c.core.base.String()
}

// Settle waits until the token renewals of the client's store have ended, for every
// account and for every client in this process, and saves the pairs that the store had
// failed to save. Call it when nothing calls the service any more: before a program ends,
// and before it may be frozen, as a serverless function is after each answer. A renewal
// goes on after the call that began it has given up, for example because its context has
// ended; if the process ends before the new pair is saved, the pair is lost. A renewal
// takes 30 s at most. Renewals that begin after Settle are not waited for.
//
// A connection that was idle while the process was frozen may be dead, and a write with
// consequences over it is [ErrOutcomeUnknown]. A transport with DisableKeepAlives keeps
// no idle connections.
//
// The error is that of ctx if ctx ends first, and [ErrTokenNotPersisted] if the store
// still fails. With an [Authenticator] that has no store there is nothing to save; one of
// your own is not waited for.
func (c *Client) Settle(ctx context.Context) error {
	const op = "Settle"
	if c.root() == nil {
		return errNoClient(op)
	}
	if err := checkContext(ctx, op); err != nil {
		return err
	}
	auth, ok := c.core.auth.(interface{ settle(context.Context) error })
	if !ok {
		return nil
	}
	return auth.settle(ctx)
}

// Do calls an operation that the client does not model: method and path below the base
// URL, in encoded as the JSON body (nil for none; []byte and json.RawMessage are JSON
// already), the answer decoded into what out points to (*[]byte and *json.RawMessage take
// the JSON as it is). With nil for out an answer may be empty or any JSON, and is ignored
// unless it reports an error or denies its success. With an out, look at it: a refusal that
// came with a status of success is decoded like any other answer.
// [WithQuery] adds parameters, and [WithPathValue] fills a placeholder of path, as {id}. Logs
// and [CallInfo] show path as it is given: what is secret, or differs from call to call,
// belongs in a placeholder. The call goes through the same pipeline as all others: GET, HEAD
// and OPTIONS are repeated as reads, PUT and DELETE as idempotent writes, every other method as
// a write with consequences; so is any call that is given [WithConsequences].
//
// The error is [ErrInvalidArgument], before anything is sent, if method and path are no
// route, if method is TRACE or CONNECT, to which no token belongs, if in is a reader that does
// not encode itself or a nil pointer, or if out is not a pointer or is nil. If out is given, an
// empty answer is [ErrEmptyResponse], and null for a struct [ErrMalformedResponse]. A DELETE
// that is answered with 404 after an attempt whose outcome is not known has succeeded, and
// leaves out unchanged.
func (c *Client) Do(ctx context.Context, method, path string, in, out any, opts ...CallOption) error {
	call := &call{name: opDo, class: classOf(method), body: in}
	decode := decodeAcknowledgement
	if out != nil {
		// A copy: out may be the bytes themselves, or keep a part of them.
		decode = func(body []byte) error { return decodeInto(bytes.Clone(body), out) }
	}
	var err error
	switch call.route, err = wire.ParseTemplate(method + " " + path); {
	case !wire.IsMethod(method):
		call.refused = invalidArgument(opDo, "method", "must be capital letters, as GET, and not TRACE or CONNECT")
	case err != nil:
		call.refused = invalidArgument(opDo, "path", strings.TrimPrefix(err.Error(), "the path ")) // which does not repeat it
	case in != nil && isNil(in):
		call.refused = invalidArgument(opDo, "in", "must not be a nil pointer; json.RawMessage(\"null\") is null")
	case isStream(in):
		call.refused = invalidArgument(opDo, "in", "must be a value for encoding/json, or JSON as []byte: what can be read once cannot be sent again")
	case out != nil && !isTarget(out):
		call.refused = invalidArgument(opDo, "out", "must be a pointer, and not a nil one")
	}
	return c.root().run(ctx, call, opts, decode)
}

// opDo is what [Client.Do] is called in errors and logs.
const opDo = "Do"

// isTarget reports a pointer that something can be decoded into.
func isTarget(out any) bool {
	target := reflect.ValueOf(out)
	return target.Kind() == reflect.Pointer && !target.IsNil()
}

// isStream reports a reader, of which encoding/json would make {}.
func isStream(in any) bool {
	_, reads := in.(io.Reader)
	_, encodes := in.(json.Marshaler)
	return reads && !encodes
}

// root is the core of a client, nil for one that NewClient did not make.
func (c *Client) root() *core {
	if c == nil {
		return nil
	}
	return c.core
}

// service is what every service is made of.
type service struct{ core *core }

// root is the core of a service, nil for one that NewClient did not make.
func (s *service) root() *core {
	if s == nil {
		return nil
	}
	return s.core
}

func classOf(method string) retry.Class {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions: // net/http takes "" for GET
		return retry.Read
	case http.MethodPut:
		return retry.Idempotent
	case http.MethodDelete:
		return retry.Deletion
	}
	return retry.Consequences
}

// HTTPClient returns a client for requests that the SDK does not model. It adds the
// access token. After a 401 it renews the token and repeats the request, twice at most,
// if it can get the body again ([http.Request.GetBody]). It repeats nothing else and
// follows no redirects. A URL that is not the base URL or below it is
// [ErrInvalidArgument], and so are TRACE and CONNECT. Other credentials, cookies and
// idempotency keys of a request are removed. The client's middleware, limiter, logger,
// timeouts, headers and query parameters are not applied.
//
// If a renewal fails, the request that began it returns the 401 with a nil error, and
// later requests return the error of the renewal. As with any [http.Client], errors are a
// [url.Error] and print the whole URL with its query.
func (c *Client) HTTPClient() *http.Client {
	return &http.Client{
		Transport:     pinned{c.root()},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// pinned is the transport of HTTPClient.
type pinned struct{ core *core }

// RoundTrip implements [http.RoundTripper].
func (p pinned) RoundTrip(req *http.Request) (*http.Response, error) {
	const op = "HTTPClient"
	if p.core == nil {
		closeBody(req)
		return nil, errNoClient(op)
	}
	if strings.EqualFold(req.Method, http.MethodTrace) || strings.EqualFold(req.Method, http.MethodConnect) {
		closeBody(req)
		return nil, invalidArgument(op, "Method", "must not be TRACE or CONNECT, to which no token belongs")
	}
	if !p.core.covers(req.URL) {
		closeBody(req)
		return nil, invalidArgument(op, "URL", "must be below the base URL of the client: credentials go nowhere else")
	}
	token, err := p.core.token(req.Context(), op)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	body := req.Body
	for replaced := 0; ; replaced++ {
		resp, err := p.send(req, body, token.AccessToken)
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			return resp, err
		}
		if !p.core.replaceable(token, replaced) {
			p.core.reportRefused(token)
			return resp, nil
		}
		p.core.auth.Reject(req.Context(), token)
		if body != nil && body != http.NoBody && req.GetBody == nil {
			p.core.reportRefused(token)
			return resp, nil
		}
		fresh, err := p.core.token(req.Context(), op)
		if err != nil || fresh.AccessToken == token.AccessToken {
			return resp, nil //nolint:nilerr // the 401 says more than the refresh that did not help
		}
		if req.GetBody != nil {
			if body, err = req.GetBody(); err != nil {
				return resp, nil //nolint:nilerr // as above
			}
		}
		token = fresh
		discard(resp.Body)
	}
}

// covers reports whether a URL is the base URL or below it.
func (c *core) covers(u *url.URL) bool {
	if !c.sameOrigin(u) {
		return false
	}
	rest, ok := strings.CutPrefix(u.Path, c.base.Path)
	if !ok || rest != "" && rest[0] != '/' || strings.ContainsFunc(rest, func(r rune) bool { return r == '\\' || unicode.IsControl(r) }) {
		return false
	}
	return !wire.HasDots(rest)
}

// send puts the body and the credentials on a copy, because the request belongs to the
// caller.
func (p pinned) send(req *http.Request, body io.ReadCloser, token string) (*http.Response, error) {
	out := cleanCopy(req.Context(), req)
	out.Body = body
	p.core.setCredentials(out.Header, token)
	if classOf(out.Method) == retry.Consequences {
		makeUnrepeatable(out)
	}
	if out.Header.Get("User-Agent") == "" {
		out.Header["User-Agent"] = p.core.agent
	}
	resp, err := repairAnswer(p.core.network.Reveal().RoundTrip(out))
	if resp != nil {
		resp.Request = req // the copy has the token
	}
	return resp, concealed(err, token)
}

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (p pinned) CloseIdleConnections() {
	if p.core == nil {
		return
	}
	if t, ok := p.core.network.Reveal().(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

func errNoClient(op string) error {
	return invalidArgument(op, "client", "must be made with NewClient")
}
