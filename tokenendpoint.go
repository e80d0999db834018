package revv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/secret"
	"github.com/revv-go/revv/internal/wire"
)

// maxTokenBody bounds the answer of the token endpoint, after decompression.
const maxTokenBody = 256 << 10

// tokenRequestLimit is how long one request to the token endpoint may take.
const tokenRequestLimit = 30 * time.Second

// tokenEndpoint posts forms to the token endpoint. It never follows a redirect:
// the form holds the client secret or the refresh token.
type tokenEndpoint struct {
	op    string
	url   *url.URL
	limit time.Duration
	// These are methods of the transport instead of the transport itself, whose fields
	// could be printed: the buffers of its connections hold what was sent.
	roundTrip func(*http.Request) (*http.Response, error)
	close     func() // ends idle connections that nobody else can use
}

func newTokenEndpoint(op string, c OAuthConfig) (*tokenEndpoint, error) {
	u, err := parseEndpoint(c.Endpoint.TokenURL)
	if err != nil {
		return nil, invalidArgument(op, "Endpoint.TokenURL", err.Error())
	}
	e := &tokenEndpoint{op: op, url: u, limit: tokenRequestLimit, close: func() {}}
	if c.HTTPClient != nil && c.HTTPClient.Timeout > 0 {
		e.limit = min(e.limit, c.HTTPClient.Timeout)
	}
	own := NewTransport()
	if c.HTTPClient != nil && c.HTTPClient.Transport != nil {
		given, ok := c.HTTPClient.Transport.(*http.Transport)
		if !ok || given == nil || given.ResponseHeaderTimeout == 0 {
			e.roundTrip = c.HTTPClient.Transport.RoundTrip
			return e, nil
		}
		own = cloneTransport(given)
	}
	own.ResponseHeaderTimeout = 0 // e.limit does not count while the program is frozen, see withAwakeTimeout
	e.roundTrip, e.close = own.RoundTrip, own.CloseIdleConnections
	return e, nil
}

// tokenReply is the result of posting one form. err is nil if and only if outcome is
// Success.
type tokenReply struct {
	outcome       retry.Outcome
	token         *oauth2.Token
	hasRetryAfter bool // the answer had a Retry-After, which is in err
	sent          bool // bytes of the form may have left
	err           *Error
}

// formOf makes a form of names and their values, without those that are empty.
func formOf(namesAndValues ...string) url.Values {
	form := make(url.Values)
	for i := 0; i+1 < len(namesAndValues); i += 2 {
		if value := namesAndValues[i+1]; value != "" {
			form[namesAndValues[i]] = []string{value}
		}
	}
	return form
}

// post sends a form once. If an earlier form may have arrived, the endpoint is not
// unreachable. The error shows nothing of the form.
func (e *tokenEndpoint) post(ctx context.Context, form url.Values, arrived bool) tokenReply {
	r := e.send(ctx, form, arrived)
	if r.err != nil {
		r.err.cause = concealed(r.err.cause, form.Get("refresh_token"), form.Get("code"), form.Get("code_verifier"), form.Get("client_secret"))
	}
	return r
}

func (e *tokenEndpoint) send(ctx context.Context, form url.Values, arrived bool) tokenReply {
	a := &attempt{class: retry.Consequences}
	a.letThrough.Store(true)
	target := *e.url
	bounded, cancel := withAwakeTimeout(ctx, e.limit)
	defer cancel()
	// Without GetBody, so that net/http does not repeat a form by itself.
	req := newRequest(a.trace(bounded, &a.hooks), http.MethodPost, &target, http.Header{
		"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {"revv-go/" + Version},
	}, []byte(form.Encode()))
	// On a connection that is kept open, net/http would log what arrives after the
	// answer.
	req.Close = true
	resp, err := repairAnswer(e.roundTrip(req)) //nolint:bodyclose // read closes it
	if err != nil {
		outcome, sent := a.classify(err)
		failure := &Error{Op: e.op}
		switch {
		case ctx.Err() != nil:
			outcome, err = retry.GivenUp, ctx.Err()
		case !arrived && a.foundNoConnection(err):
			failure.kinds = []error{ErrUnreachable}
		}
		failure.cause = plainly(err)
		return tokenReply{outcome: outcome, sent: sent, err: failure}
	}
	r := e.read(ctx, resp)
	if r.outcome.Refuses() && a.answerMadeUp() {
		r.outcome = retry.Cut // the transport made up the refusal, and the form is on its way
	}
	return r
}

// read makes a token from an answer. The body may contain what was sent, or a token, so
// the error shows only a code that RFC 6749 knows.
func (e *tokenEndpoint) read(ctx context.Context, resp *http.Response) tokenReply {
	r := tokenReply{sent: true, err: &Error{Op: e.op, StatusCode: resp.StatusCode}}
	if resp.StatusCode < http.StatusOK { // after a 101 the body is a connection, which no context ends
		_ = resp.Body.Close()
		r.outcome = retry.Odd
		return r
	}
	r.err.RetryAfter, r.hasRetryAfter = waitAskedFor(resp)
	r.outcome = retry.OfStatus(resp.StatusCode, r.hasRetryAfter)
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 { // whatever it says beside that
		_ = resp.Body.Close()
		r.err.kinds = []error{ErrRedirected}
		return r
	}
	var (
		code  string
		token *oauth2.Token
	)
	body, err := readBody(resp, nil, maxTokenBody)
	if err == nil {
		code, token, err = parseToken(resp.Header.Get("Content-Type"), body)
	}
	switch {
	case code == codeInvalidGrant: // with any status
		r.outcome, r.err.Code, r.err.kinds = retry.Refused, code, []error{ErrReauthorizationRequired}
	case code != "":
		if r.err.Code = code; r.outcome == retry.Success {
			r.outcome = retry.Refused
		}
	case r.outcome != retry.Success: // the status says it all
	case err == nil:
		r.token, r.err = token, nil
	case ctx.Err() != nil:
		r.outcome, r.err.cause = retry.GivenUp, ctx.Err()
	case errors.Is(err, wire.ErrTooLarge):
		r.outcome, r.err.kinds = retry.BodyUnusable, []error{ErrResponseTooLarge}
	case isCut(resp, err):
		r.outcome, r.err.cause = retry.BodyCut, err
	default:
		r.outcome, r.err.cause = retry.BodyUnusable, err
	}
	return r
}

// isCut reports a body whose end is missing, and with it the token: one that failed to
// arrive, but also JSON without its end, or nothing at all where only the end of the
// connection tells how much there is.
func isCut(resp *http.Response, err error) bool {
	switch {
	case errors.Is(err, wire.ErrUnexpectedEnd):
		return true
	case errors.Is(err, ErrEmptyResponse):
		return resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 && resp.ProtoMajor < 2
	}
	return !errors.Is(err, ErrMalformedResponse) && !errors.Is(err, ErrUnexpectedContent) && !isCorrupt(err)
}

// The codes of RFC 6749, sections 4.1.2.1 and 5.2.
const (
	codeInvalidClient = "invalid_client"
	codeInvalidGrant  = "invalid_grant"
)

// knownCode returns code if RFC 6749 knows it, else "": any other text could be anything.
func knownCode(code string) string {
	if containsText([]string{
		codeInvalidClient, codeInvalidGrant, "invalid_request", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
		"access_denied", "unsupported_response_type", "server_error", "temporarily_unavailable",
	}, code) {
		return code
	}
	return ""
}

// parseToken reads the answer of the token endpoint. It returns the code of an error, or
// a token, or an error if it is neither. Undocumented members are tolerated.
func parseToken(contentType string, body []byte) (code string, token *oauth2.Token, err error) {
	if isBlank(body) {
		return "", nil, ErrEmptyResponse
	}
	if isHTML(contentType, body) {
		return "", nil, fmt.Errorf("%w: an HTML page in the place of JSON", ErrUnexpectedContent)
	}
	if err := wire.Scan(body, jsonLimits); err != nil {
		return "", nil, malformed(err)
	}
	var reply struct {
		AccessToken  json.RawMessage `json:"access_token"`
		RefreshToken json.RawMessage `json:"refresh_token"`
		TokenType    json.RawMessage `json:"token_type"`
		ExpiresIn    json.RawMessage `json:"expires_in"`
		Error        json.RawMessage `json:"error"`
	}
	if wire.Kind(body) != '{' || json.Unmarshal(unwrapped(body), &reply) != nil {
		return "", nil, malformed(errors.New("not a JSON object"))
	}
	token = &oauth2.Token{AccessToken: accessText(reply.AccessToken), RefreshToken: refreshText(reply.RefreshToken), TokenType: "Bearer"}
	failure := tokenText(reply.Error)
	if code = knownCode(failure); code != "" {
		return code, nil, nil
	}
	if failure != "" && token.AccessToken == "" { // together with a token it need not be an error, for example "error": false
		return "", nil, malformed(errors.New("an error that OAuth does not know"))
	}
	switch kind := strings.ToLower(tokenText(reply.TokenType)); {
	case token.AccessToken == "":
		return "", nil, malformed(errors.New(`the member "access_token" is missing or empty`))
	case !isAccessToken(token.AccessToken):
		return "", nil, malformed(errors.New(`the member "access_token" must be printable ASCII without spaces`))
	case containsText([]string{"mac", "pop", "dpop", "n_a"}, kind): // to lose a pair over any other word would be worse
		return "", nil, malformed(errors.New(`the member "token_type" names a type of token that cannot be sent as it is`))
	}
	if seconds := lifetime(reply.ExpiresIn); seconds > 0 {
		token.ExpiresIn = seconds
		token.Expiry = time.Now().Add(time.Duration(seconds) * time.Second)
	}
	return "", token, nil
}

// unwrapped is the object that holds the token: the answer, or its only member, if that is an
// object. The service wraps its other answers in that way, and did so with the tokens of its
// login of 2020.
func unwrapped(body []byte) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) == nil && len(members) == 1 {
		for _, inner := range members {
			if wire.Kind(inner) == '{' {
				return inner
			}
		}
	}
	return body
}

func tokenText(raw json.RawMessage) string {
	text, _ := scalarText(raw)
	return text
}

// accessText reads an access token; true and false count as absent.
func accessText(raw json.RawMessage) string {
	if kind := wire.Kind(raw); kind == 't' || kind == 'f' {
		return ""
	}
	return tokenText(raw)
}

// refreshText reads a refresh token. A value that cannot be one, such as false, counts as
// absent, so that the old one is kept.
func refreshText(raw json.RawMessage) string {
	text := accessText(raw)
	if text == "0" || strings.TrimSpace(text) == "" || !isHeaderValue(text) {
		return ""
	}
	return text
}

// maxLifetime is the longest life of an access token that is believed, in
// seconds: ten years.
const maxLifetime = 10 * 365 * 24 * 3600

// lifetime reads expires_in, which is not documented: a number or a text. A value that
// makes no sense gives 0, "not known". The expiry is only a hint; the service's 401
// decides.
func lifetime(raw json.RawMessage) int64 {
	seconds, err := strconv.ParseFloat(tokenText(raw), 64)
	if err == nil && seconds >= 1 && seconds <= maxLifetime {
		return int64(seconds)
	}
	return 0 // for NaN as well
}

// waitToRepeat waits until the form may be sent once more, and reports whether it may. After the
// wait, left must still be available before the deadline of ctx. If the wait is too long,
// the error of the reply says so.
func (r *tokenReply) waitToRepeat(ctx context.Context, try int, left time.Duration) bool {
	if try >= defaultAttempts {
		return false
	}
	wait := retry.Backoff(try, defaultBaseDelay, defaultMaxDelay)
	if r.hasRetryAfter {
		wait = r.err.RetryAfter
	}
	switch {
	case r.hasRetryAfter && (wait > defaultMaxRetryAfter || outlasts(ctx, wait+left)):
		r.err.also(ErrRateLimited)
	case outlasts(ctx, wait+left):
		r.err.also(context.DeadlineExceeded)
	default:
		err := sleep(ctx, wait)
		if err == nil {
			return true
		}
		r.err.also(err)
	}
	return false
}

// refresher renews token pairs at an endpoint.
type refresher struct {
	endpoint *tokenEndpoint
	config   secret.Value[*OAuthConfig]
	// authenticate is set once the endpoint has demanded client credentials,
	// which the article does not list for a refresh.
	authenticate bool
	gate         retry.Gate // shut after a renewal that failed, for a moment or as long as the endpoint wants
}

const (
	// renewalRest is how long the next renewal waits after one that failed. Each call begins a
	// renewal, so that without a rest busy callers would post as fast as the endpoint fails.
	renewalRest = 500 * time.Millisecond
	// shortWait is the longest wait that the next renewal waits out. Whoever calls during a
	// longer one, which the endpoint has asked for, is told at once.
	shortWait = time.Second
)

// answerTime is how much time a flight must have left when it posts a refresh token. The
// token is spent then, and if the flight does not wait for the answer, the new pair is
// lost.
const answerTime = 10 * time.Second

// refresh posts the refresh token, up to three times if the endpoint fails or says that
// it has not used the token. If an answer is lost, it posts once more, at once: a server
// that rotates may accept a token twice within a moment, but takes a later use for theft.
func (r *refresher) refresh(ctx context.Context, refreshToken string) (*oauth2.Token, *Error) {
	if err := r.await(ctx); err != nil {
		return nil, err
	}
	var lost, arrived bool
	for try, posts := 1, 1; ; posts++ { // try counts without the posts after a lost answer and for the credentials
		if outlasts(ctx, answerTime) && !lost {
			return nil, &Error{Op: r.endpoint.op, Attempts: posts - 1, Message: "too little time is left for an answer", kinds: []error{context.DeadlineExceeded}}
		}
		form := []string{"grant_type", "refresh_token", "refresh_token", refreshToken}
		config := r.config.Reveal()
		if r.authenticate {
			form = append(form, "client_id", config.ClientID, "client_secret", config.ClientSecret)
		}
		reply := r.endpoint.post(ctx, formOf(form...), arrived)
		arrived = arrived || reply.sent
		if reply.outcome == retry.Success {
			if reply.token.RefreshToken == "" {
				reply.token.RefreshToken = refreshToken
			}
			return reply.token, nil
		}
		reply.err.Attempts = posts
		switch {
		case reply.err.Code == codeInvalidClient && !r.authenticate && config.ClientSecret != "":
			r.authenticate = true
			continue
		case lost: // the one post after a lost answer has failed; a later one could be taken for theft
		case (reply.outcome == retry.Cut || reply.outcome == retry.BodyCut) && !isTimeout(reply.err):
			lost = true
			continue
		case reply.outcome == retry.Unsent, reply.outcome == retry.Faulty, reply.outcome == retry.Throttled:
			if reply.waitToRepeat(ctx, try, answerTime) {
				try++
				continue
			}
			if reply.hasRetryAfter {
				r.gate.Shut(time.Now().Add(min(reply.err.RetryAfter, defaultMaxRetryAfter)))
			}
		case reply.err.Code == codeInvalidGrant, reply.err.Code == codeInvalidClient: // neither means that the credentials were unwanted
		case reply.outcome == retry.Refused, reply.outcome == retry.Unauthorized:
			r.authenticate = false // the endpoint may no longer want the credentials: the next form is the documented one
		}
		if reply.err.Code != codeInvalidGrant { // after that, the store may have another refresh token
			r.gate.Shut(time.Now().Add(renewalRest))
		}
		return nil, reply.failure()
	}
}

// await waits until the endpoint may be asked again, if that is soon.
func (r *refresher) await(ctx context.Context) *Error {
	wait := r.gate.Remaining()
	if wait > shortWait {
		return &Error{Op: r.endpoint.op, RetryAfter: wait, Message: "the token endpoint has asked to wait", kinds: []error{ErrRateLimited}}
	}
	if err := sleep(ctx, wait); err != nil {
		return &Error{Op: r.endpoint.op, cause: err}
	}
	return nil
}

// failure is the error of a renewal, which another call can begin anew.
func (r *tokenReply) failure() *Error {
	if r.outcome.Interrupted() && !errors.Is(r.err, ErrUnreachable) {
		r.err.also(ErrInterrupted)
	}
	return r.err
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
