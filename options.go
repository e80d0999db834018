package revv

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/revv-go/revv/internal/secret"
)

// Option configures a [Client]. Each is given once, and their order does not matter, with
// two exceptions: of a [SharedOption] that is given twice, with the same key if it has one,
// the later one wins; and each [WithMiddleware] adds to those before it.
type Option interface{ applyClient(*settings) }

// CallOption configures a single call.
type CallOption interface{ applyCall(*callSettings) }

// SharedOption configures a client, as the default of all its calls, or a single call,
// where it overrides the client's.
type SharedOption interface {
	Option
	CallOption
}

type (
	clientOption func(*settings)
	callOption   func(*callSettings)
	sharedOption func(*callSettings)
)

func (f clientOption) applyClient(s *settings)   { f(s) }
func (f callOption) applyCall(s *callSettings)   { f(s) }
func (f sharedOption) applyClient(s *settings)   { f(&s.callSettings) }
func (f sharedOption) applyCall(s *callSettings) { f(s) }

// refusals collects the rules that the options or arguments of an operation break. If
// there is one, the values that the options have set are not used.
type refusals struct {
	op       string
	given    map[string]bool
	problems []error
}

// reject is kept from being inlined in its forty callers, as invalidArgument is.
//
//go:noinline
func (r *refusals) reject(option, rule string) {
	r.problems = append(r.problems, invalidArgument(r.op, option, rule))
}

// require rejects an argument that is empty.
func (r *refusals) require(name, value string) {
	if value == "" {
		r.reject(name, "must not be empty")
	}
}

// once records an option and refuses it the second time, when the order would decide
// which one wins.
func (r *refusals) once(option string) {
	if r.given[option] {
		r.reject(option, "must not be given twice")
	}
	if r.given == nil {
		r.given = make(map[string]bool)
	}
	r.given[option] = true
}

// settings is what the options set.
type settings struct {
	callSettings

	baseURL   string
	subdomain string
	routes    Routes
	network   http.RoundTripper // of [WithHTTPClient], as limit
	limit     time.Duration
	userAgent string
	log       attemptLog
	chain     []Middleware
	limiter   limiter
	bearer    bool
}

// callSettings is the part of the settings that a single call can override.
type callSettings struct {
	refusals

	retry        RetryPolicy
	timeout      time.Duration
	header       secret.Value[valuesByKey] // of [WithHeader]
	query        secret.Value[valuesByKey] // of [WithQuery]
	path         secret.Value[valuesByKey] // of [WithPathValue]
	capture      func(Response)
	progress     func(done, total int64)
	overwrite    bool
	consequences bool // the call has some, whatever its method
}

// limiter is what [WithRateLimiter] takes; golang.org/x/time/rate has one.
type limiter interface {
	Wait(ctx context.Context) error
}

// WithBaseURL sets where the API is: an https URL, or an http one on loopback, without
// user, query or fragment. There is no default: the hosts of 2020 may one day belong to a
// stranger, and a forgotten option must not send a token there.
func WithBaseURL(base string) Option {
	return clientOption(func(s *settings) {
		s.once("WithBaseURL")
		s.baseURL = base
	})
}

// WithSubdomain sets the base URL to https://{subdomain}.revv.so, where accounts have
// lived since 2021. That the API is served there is inferred.
func WithSubdomain(subdomain string) Option {
	return clientOption(func(s *settings) {
		s.once("WithSubdomain")
		s.subdomain = subdomain
	})
}

// WithRoutes replaces the routes whose fields are set; see [Routes].
func WithRoutes(routes Routes) Option {
	return clientOption(func(s *settings) {
		s.once("WithRoutes")
		s.routes = routes
	})
}

// WithHTTPClient makes the calls go through the transport of client, which is not modified;
// [NewTransport] makes one with the usual limits. client.Timeout bounds each attempt if it is
// shorter than the limit of [WithAttemptTimeout] (60 s by default); a [WithAttemptTimeout] of a
// single call replaces both. Downloads have a limit of 30 s without a byte instead. The cookie
// jar and the redirect policy of client are not used: redirects are never followed with
// credentials, whatever client allows. The limits of time for dialling, for the
// handshake and for headers, and of size for headers, are those of its transport, and so is
// whether it looks for HTTP/2 connections that are silently dead: net/http goes on using one
// unless [http.HTTP2Config] sets SendPingTimeout, as NewTransport does. The transport also
// carries a download that was redirected to a storage: one that adds something secret to
// requests must look at their host. Client certificates of an [http.Transport] are not used
// there, and so not for a proxy on the way, either. Whether the name of a storage leads into a
// private network is seen with an [http.Transport] alone: any other RoundTripper, such as one
// that traces, has to see to that itself.
//
// A transport that repeats requests by itself can apply a write with consequences twice: do
// not use one. One that sends a request elsewhere if it finds no connection must report each
// connection that it uses to [net/http/httptrace], as [http.Transport] does: the client sends
// a request again if httptrace says that it found no connection. For the same reason, one that
// makes requests of its own must not give them the context of the request, or they are taken
// for it.
func WithHTTPClient(client *http.Client) Option {
	return clientOption(func(s *settings) {
		s.once("WithHTTPClient")
		if client == nil || client.Transport != nil && isNil(client.Transport) {
			s.reject("WithHTTPClient", "must not be nil, nor have a transport that is a nil pointer")
			return
		}
		s.network, s.limit = client.Transport, client.Timeout
	})
}

// WithUserAgent puts text before the client's own user agent.
func WithUserAgent(text string) Option {
	return clientOption(func(s *settings) {
		s.once("WithUserAgent")
		if text == "" || !isHeaderValue(text) {
			s.reject("WithUserAgent", "must be printable ASCII on one line")
		}
		s.userAgent = text
	})
}

// WithLogger logs each attempt at debug level, with the keys operation, route, attempt,
// status, took and request_id, and with error for what went wrong beside the status, in the
// words of the error of the call. Headers, queries and bodies are not logged beyond that.
// Renewals of tokens are logged by OAuthConfig.Logger instead; they do not go through
// middleware either.
func WithLogger(logger *slog.Logger) Option {
	return clientOption(func(s *settings) {
		s.once("WithLogger")
		if logger == nil {
			s.reject("WithLogger", "must not be nil")
		}
		s.log = logTo(logger)
	})
}

// Middleware wraps the sending of every attempt. [CallInfoFrom] tells it which call a
// request belongs to. It sees no credentials: they are added after it. It does not see
// the requests of a download after a redirect. [NewClient] calls it once; it must not
// return nil.
//
// What it passes on must keep the context of the request and the origin of the API, else
// the call is [ErrInvalidArgument]; credentials, cookies and idempotency keys that it
// adds are removed. To replace the body of a request, send a clone of it with Body,
// ContentLength and GetBody set. Middleware must not repeat writes with consequences.
type Middleware func(next http.RoundTripper) http.RoundTripper

// WithMiddleware adds middleware, the first one outermost.
func WithMiddleware(chain ...Middleware) Option {
	return clientOption(func(s *settings) {
		for _, m := range chain {
			if m == nil {
				s.reject("WithMiddleware", "must not be nil")
				return
			}
		}
		s.chain = append(s.chain, chain...)
	})
}

// WithRateLimiter makes every attempt wait for the limiter first, for example a
// rate.Limiter of golang.org/x/time. Set it some 10 % below what the service allows,
// because the two do not count alike. An error of Wait ends the call before the attempt
// is sent, and is the cause of its error.
func WithRateLimiter(limiter interface {
	Wait(ctx context.Context) error
},
) Option {
	return clientOption(func(s *settings) {
		s.once("WithRateLimiter")
		if isNil(limiter) {
			s.reject("WithRateLimiter", "must not be nil")
		}
		s.limiter = limiter
	})
}

// WithBearerHeader sends the token as "Authorization: Bearer" instead of in the
// AccessToken header that was observed.
func WithBearerHeader() Option {
	return clientOption(func(s *settings) { s.bearer = true })
}

// RetryPolicy says how often and how patiently calls are repeated. What may be repeated
// at all depends on the call and on the failure, not on the policy. A field that is zero
// takes the client's value in a call, and the default in a client.
//
// After a 401, a 429, and a 503 with Retry-After, writes with consequences are repeated as
// well, on the assumption that they were refused before any work was done, as the HTTP
// standard suggests. To repeat them after neither a 429 nor a 503, set MaxAttempts to 1 for
// such calls.
//
// The calls of a client share a budget of 20 repetitions, which ends retry storms: each
// repetition takes one, each call that succeeds gives one back, and those after a 401, and
// those that a 429 asked to wait for, are free. A 429 with a Retry-After of at most MaxRetryAfter holds back all
// calls of the client until then.
type RetryPolicy struct {
	MaxAttempts   int           // per call, 1 to 10, default 3; 1 repeats nothing but a 401, which is not counted
	BaseDelay     time.Duration // bounds the first wait, which is random; the bound doubles each time; default 200 ms
	MaxDelay      time.Duration // bounds every random wait; default 10 s
	MaxRetryAfter time.Duration // the longest Retry-After that is waited for, default 60 s; a longer one is ErrRateLimited at once, and does not hold back other calls
}

// The defaults, as the README states them.
const (
	defaultAttempts       = 3
	defaultBaseDelay      = 200 * time.Millisecond
	defaultMaxDelay       = 10 * time.Second
	defaultMaxRetryAfter  = 60 * time.Second
	defaultAttemptTimeout = 60 * time.Second
	maxAttempts           = 10
)

func (p *RetryPolicy) withDefaults(d RetryPolicy) RetryPolicy {
	return RetryPolicy{
		MaxAttempts:   cmp.Or(p.MaxAttempts, d.MaxAttempts),
		BaseDelay:     cmp.Or(p.BaseDelay, d.BaseDelay),
		MaxDelay:      cmp.Or(p.MaxDelay, d.MaxDelay),
		MaxRetryAfter: cmp.Or(p.MaxRetryAfter, d.MaxRetryAfter),
	}
}

// WithRetry sets the retry policy.
func WithRetry(policy RetryPolicy) SharedOption {
	return sharedOption(func(s *callSettings) {
		switch {
		case policy.MaxAttempts < 0 || policy.MaxAttempts > maxAttempts:
			s.reject("WithRetry", "MaxAttempts must be from 1 to 10, or 0 for the default")
		case policy.BaseDelay < 0 || policy.MaxDelay < 0 || policy.MaxRetryAfter < 0:
			s.reject("WithRetry", "durations must not be negative")
		default:
			s.retry = policy
		}
	})
}

// WithAttemptTimeout bounds each attempt, from dialling to the last byte of the answer,
// by default to 60 s. Waits for the rate limiter, for a token or for the next attempt do
// not count. The client's own transport gives up earlier: after 10 s of dialling, 10 s of
// TLS handshake, or 30 s without the headers of the answer. To wait longer for those,
// pass a transport with another ResponseHeaderTimeout to [WithHTTPClient]. An attempt
// that takes too long is [context.DeadlineExceeded]; for a write with consequences it is
// also [ErrOutcomeUnknown] if bytes may have left. Downloads are bounded by 30 s without
// a byte instead.
func WithAttemptTimeout(timeout time.Duration) SharedOption {
	return sharedOption(func(s *callSettings) {
		if timeout <= 0 {
			s.reject("WithAttemptTimeout", "must be positive")
		}
		s.timeout = timeout
	})
}

// ownHeaders are set by the client or by net/http. Idempotency-Key is among
// them because net/http silently repeats a POST that carries one.
//
//nolint:gochecknoglobals // a constant list; Go has no constant slices
var ownHeaders = []string{
	"Accept", "Accept-Encoding", "Accesstoken", "Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Expect",
	"Host", "Idempotency-Key", "If-Range", "Proxy-Authorization", "Proxy-Connection", "Range", "Refreshtoken", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "User-Agent", "X-Idempotency-Key",
}

// WithHeader adds a header to requests. value is printable ASCII and tabs on one line. Headers
// that the client sets itself are refused, among them the credentials and
// Idempotency-Key.
func WithHeader(key, value string) SharedOption {
	return sharedOption(func(s *callSettings) {
		name := http.CanonicalHeaderKey(key)
		switch {
		case !isToken(key):
			s.reject("WithHeader", "the key must be a header name")
		case containsText(ownHeaders, name):
			s.reject("WithHeader", name+" is set by the client alone")
		case !isHeaderValue(value):
			s.reject("WithHeader", "the value of "+name+" must be printable ASCII on one line")
		default:
			s.header = with(s.header, name, value)
		}
	})
}

// valuesByKey is what options add to a call, in the form of [http.Header] and [url.Values].
type valuesByKey = map[string][]string

// with returns a copy of old with one more key, because all calls share what is set for the
// client.
func with(old secret.Value[valuesByKey], key, value string) secret.Value[valuesByKey] {
	added := make(valuesByKey)
	maps.Copy(added, old.Reveal())
	added[key] = []string{value}
	return secret.New(added)
}

// WithQuery adds a parameter to the query of requests, or replaces one that the call sets
// itself. Given to a client, it applies to every operation.
func WithQuery(key, value string) SharedOption {
	return sharedOption(func(s *callSettings) {
		switch {
		case key == "":
			s.reject("WithQuery", "the key must not be empty")
		case !utf8.ValidString(key) || !utf8.ValidString(value):
			s.reject("WithQuery", notUTF8)
		}
		s.query = with(s.query, key, value)
	})
}

// WithPathValue fills the placeholder {name} in a path of [Client.Do] with a value,
// escaped, as one segment. Logs, errors and [CallInfo] show the placeholder and not the
// value. Calls other than Do fill their paths themselves and refuse it with
// [ErrInvalidArgument].
func WithPathValue(name, value string) CallOption {
	return callOption(func(s *callSettings) { s.path = with(s.path, name, value) })
}

// WithConsequences has a call of [Client.Do] treated as a write with consequences, whatever
// its method: it is not repeated when its outcome is unknown. Use it for a PUT or a GET that
// mails somebody or makes something new each time. The other methods know what they do: there
// it is [ErrInvalidArgument].
func WithConsequences() CallOption {
	return callOption(func(s *callSettings) {
		if s.op != opDo {
			s.reject("WithConsequences", "is for Do alone: this call knows what it does")
		}
		s.consequences = true
	})
}

// Response is what a call leaves behind beside its result; see [CaptureResponse].
type Response struct {
	// StatusCode is the status of the last attempt, after a failure that of the [Error].
	StatusCode int
	Header     http.Header // of the same attempt, without cookies, Location, Content-Location and Refresh
	RequestID  string      // of the same attempt, "" if the service gave none
	Attempts   int         // how many were made, including those that found no connection
}

// CaptureResponse fills *into when the call ends, whether it succeeds or fails; *into is
// left empty if no attempt was made. Secrets in headers are replaced. For an All method
// it holds, after the range, the page whose call ended last, which can be one that was read
// ahead and given up (then StatusCode is 0): to have that of the last page, read none ahead
// (Prefetch: -1). Calls that may run at the same time need a Response each.
func CaptureResponse(into *Response) CallOption {
	var mu sync.Mutex // an All method has several calls under way with the same option
	set := func(r Response) {
		mu.Lock()
		defer mu.Unlock()
		*into = r
	}
	return callOption(func(s *callSettings) {
		if into == nil {
			s.reject("CaptureResponse", "must not be nil")
			return
		}
		set(Response{})
		s.capture = set
	})
}

// WithProgress reports the progress of a download in bytes. total is -1 while the length
// is not known. report is called in the goroutine of the call and should return soon.
// Calls that download nothing ignore the option.
func WithProgress(report func(done, total int64)) CallOption {
	return callOption(func(s *callSettings) {
		if report == nil {
			s.reject("WithProgress", "must not be nil")
		}
		s.progress = report
	})
}

// WithOverwrite lets [DocumentsService.DownloadFile] replace an existing regular file. Other
// calls ignore it.
func WithOverwrite() CallOption {
	return callOption(func(s *callSettings) { s.overwrite = true })
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// isAccessToken reports whether s can be sent as an access token.
func isAccessToken(s string) bool {
	return s != "" && isHeaderValue(s) && !strings.ContainsAny(s, " \t")
}

// isHeaderValue reports whether s is printable ASCII and tabs; line breaks would start
// another header.
func isHeaderValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
