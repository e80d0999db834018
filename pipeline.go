package revv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/secret"
)

// result is how one attempt ended.
type result struct {
	outcome       retry.Outcome
	sent          bool // bytes of the request may have left
	status        int
	header        http.Header
	problem       problem
	retryAfter    time.Duration
	hasRetryAfter bool // the answer had a Retry-After
	// unreachable says that no connection could be made, in this attempt or before.
	unreachable bool
	elsewhere   bool // the answer came from the storage that a download was redirected to
	err         error
}

// inherit copies the answer of the attempt before into r, if the context of the call ended
// this attempt before there was an answer: the earlier answer says why the call took so
// long. Two answers are not copied: a 401, because the token has been renewed since, and
// any answer beside ErrOutcomeUnknown, where it would mislead.
func (r *result) inherit(class retry.Class, earlier *result) {
	unknown := class == retry.Consequences && r.sent
	if r.outcome != retry.GivenUp || r.status != 0 || unknown || earlier.outcome == retry.Unauthorized {
		return
	}
	r.status, r.header, r.problem, r.retryAfter, r.elsewhere = earlier.status, earlier.header, earlier.problem, earlier.retryAfter, earlier.elsewhere
	if earlier.err != nil {
		r.err = join(r.err, earlier.err)
	}
}

// judge sets the outcome from the status of an answer, and reads the Retry-After of a
// refusal.
func (r *result) judge(resp *http.Response) {
	r.retryAfter, r.hasRetryAfter = 0, false
	if resp.StatusCode >= http.StatusBadRequest {
		r.retryAfter, r.hasRetryAfter = waitAskedFor(resp)
	}
	r.outcome = retry.OfStatus(resp.StatusCode, r.hasRetryAfter)
}

// waitAskedFor reads the Retry-After of an answer.
func waitAskedFor(resp *http.Response) (wait time.Duration, ok bool) {
	return retry.ParseAfter(resp.Header.Get("Retry-After"), time.Now(), http.ParseTime)
}

// doubt corrects the outcome if the same request was sent before, by an earlier attempt,
// the transport or middleware, and nobody knows what became of it. Then a deletion that
// finds nothing has succeeded. And a write with consequences may have been applied, even if
// this request was refused, or was not sent at all.
func (r *result) doubt(class retry.Class) {
	switch {
	case class == retry.Deletion && r.outcome == retry.Refused && errors.Is(statusKind(r.status), ErrNotFound) && !r.problem.html:
		r.outcome = retry.Success
	case class == retry.Consequences && r.outcome.Refuses():
		r.outcome = retry.Faulty
	case class == retry.Consequences && (r.outcome == retry.Unsent || r.outcome == retry.Hopeless):
		r.outcome, r.sent = retry.Cut, true
	case class == retry.Consequences && r.outcome == retry.GivenUp:
		r.sent = true
	}
}

// pastAttempts is what is known from all attempts of a call so far. It can change the outcome of
// the last one.
type pastAttempts struct {
	doubtful  bool // a request may have been applied whose answer was not heard
	connected bool // a connection was found
}

// weigh corrects the last result by what came before, and by what the transport or middleware
// did within the attempt. Its corrected outcome then counts for the next attempt.
func (past *pastAttempts) weigh(a *attempt, last *result) {
	madeUp := a.class == retry.Consequences && last.outcome.Refuses() && a.answerMadeUp()
	past.doubtful = past.doubtful || a.doubts.Load() > 0 || madeUp
	if past.doubtful {
		last.doubt(a.class)
	}
	past.doubtful = past.doubtful || last.outcome == retry.Cut || last.outcome == retry.Faulty
	past.connected = past.connected || a.doubts.Load() > 0 || !last.unreachable
	last.unreachable = !past.connected
}

// run is the pipeline: prepare the call, then attempt it until retry.Decide says stop.
func (c *core) run(ctx context.Context, call *call, opts []CallOption, decode decoder) error {
	p, err := c.prepare(ctx, call, opts)
	if err != nil {
		return err
	}
	return c.loop(ctx, p, func(ctx context.Context, a *attempt) result { return c.jsonAttempt(ctx, p, a, decode) })
}

// loop repeats try as the class of the call and the outcome allow. Downloads pass a try
// of their own.
func (c *core) loop(ctx context.Context, p *prepared, try func(context.Context, *attempt) result) error {
	var (
		last     result
		past     pastAttempts
		attempts int // begun so far
		replaced int // how often the token was, after a 401
	)
	defer func() { p.capture(&last, attempts) }()
	token, err := c.admit(ctx, p)
	for {
		if err != nil {
			return p.failBefore(ctx, &last, attempts, err)
		}
		attempts++
		if p.token != nil && p.token != token {
			p.before = append(p.before, p.token)
		}
		p.token = token
		a := &attempt{info: CallInfo{p.name, p.route.Pattern, attempts}, class: p.class, token: secret.New(token)}
		start := time.Now()
		earlier := last
		last = try(ctx, a)
		if c.log != nil {
			c.log(ctx, p, a, last, time.Since(start))
		}
		c.shutGate(p, &last)
		past.weigh(a, &last)
		last.inherit(p.class, &earlier)
		switch retry.Decide(p.class, last.outcome, last.sent) {
		case retry.Stop:
			if last.outcome == retry.Success {
				c.budget.GiveBack()
				return nil
			}
			return p.fail(&last, attempts)
		case retry.StopUnknown:
			return p.fail(&last, attempts, ErrOutcomeUnknown)
		case retry.StopApplied:
			return p.fail(&last, attempts, ErrAppliedResponseUnreadable)
		case retry.Refresh:
			if !c.replaceable(token, replaced) {
				c.reportRefused(token)
				return p.fail(&last, attempts)
			}
			c.auth.Reject(ctx, token)
			replaced++
			if token, err = c.token(ctx, p.name); err == nil && token.AccessToken == p.token.AccessToken {
				return p.fail(&last, attempts) // there is no other token
			}
			if err == nil {
				err = c.waitTurn(ctx, p)
			}
			continue
		case retry.Again:
		}
		tries := attempts - replaced // an attempt after a new token does not count
		if tries >= p.settings.retry.MaxAttempts {
			return p.fail(&last, attempts)
		}
		paid, kinds := c.pause(ctx, p, &last, tries)
		if kinds != nil {
			return p.fail(&last, attempts, kinds...)
		}
		if token, err = c.admit(ctx, p); err != nil && paid {
			c.budget.GiveBack() // nothing will be repeated
		}
	}
}

// admit waits until an attempt may be sent, and fetches the token.
func (c *core) admit(ctx context.Context, p *prepared) (*oauth2.Token, error) {
	if err := c.waitTurn(ctx, p); err != nil {
		return nil, err
	}
	token, err := c.token(ctx, p.name)
	if err != nil {
		return nil, err
	}
	return token, c.waitGate(ctx, p) // the renewal of a token takes its time
}

// waitTurn waits for the gate and the limiter. If the gate was shut while it waited for the
// limiter, it waits for both again, so that calls do not all leave at once when the gate
// opens.
func (c *core) waitTurn(ctx context.Context, p *prepared) error {
	for {
		if err := c.waitGate(ctx, p); err != nil || c.limiter == nil {
			return err
		}
		if err := c.limiter.Wait(ctx); err != nil {
			return fmt.Errorf("rate limiter: %w", err)
		}
		if c.gate.Remaining() <= 0 {
			return nil
		}
	}
}

// waitGate waits until the gate is open.
func (c *core) waitGate(ctx context.Context, p *prepared) error {
	for wait := c.gate.Remaining(); wait > 0; wait = c.gate.Remaining() {
		late := outlasts(ctx, wait)
		if late || wait > p.settings.retry.MaxRetryAfter {
			kinds := []error{ErrRateLimited}
			if late {
				kinds = append(kinds, context.DeadlineExceeded)
			}
			return &Error{Op: p.name, RetryAfter: wait, Message: "another call was told to wait longer than this one may", kinds: kinds}
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	return nil
}

// shutGate shuts the gate for all calls after a 429 with a Retry-After, even if the call that
// got it is not repeated itself.
func (c *core) shutGate(p *prepared, last *result) {
	if last.status == http.StatusTooManyRequests && last.hasRetryAfter && !last.elsewhere && last.retryAfter <= p.settings.retry.MaxRetryAfter {
		c.gate.Shut(time.Now().Add(last.retryAfter))
	}
}

// token asks the authenticator, and refuses what cannot go into a header.
func (c *core) token(ctx context.Context, op string) (*oauth2.Token, error) {
	token, err := c.auth.Token(ctx)
	if err != nil {
		return nil, err
	}
	if token == nil || token.AccessToken == "" {
		return nil, invalidArgument(op, "token", "must not be empty")
	}
	if !isAccessToken(token.AccessToken) {
		c.auth.Reject(ctx, token) // so that the next call looks for another one
		return nil, invalidArgument(op, "token", "must be printable ASCII without spaces")
	}
	return token, nil
}

// replaceable reports whether another token may be fetched after a 401: once in a call,
// and once more if the first replacement was found in the store, where another program
// may have put it long ago, and was not new.
func (c *core) replaceable(token *oauth2.Token, replaced int) bool {
	stored, ok := c.auth.(interface{ found(*oauth2.Token) bool }) // not *storeAuth, which every program would then link
	return replaced == 0 || replaced == 1 && ok && stored.found(token)
}

// reportRefused tells the authenticator that a token is refused that cannot be replaced (again)
// in the same call.
func (c *core) reportRefused(token *oauth2.Token) {
	if stored, ok := c.auth.(interface{ noteRefused(*oauth2.Token) }); ok { // as in replaceable
		stored.noteRefused(token)
	}
}

// errBudgetSpent is the reason for an error when the retry budget is spent.
var errBudgetSpent = errors.New("not repeated, for too many calls of this client have failed")

// pause waits before the next attempt. It returns no kinds to go on, or those of the error to
// stop with, and whether the attempt was paid for from the budget.
func (c *core) pause(ctx context.Context, p *prepared, last *result, tries int) (paid bool, kinds []error) {
	policy := p.settings.retry
	wait := retry.Backoff(tries, policy.BaseDelay, policy.MaxDelay)
	if last.hasRetryAfter {
		wait = last.retryAfter
		if wait > policy.MaxRetryAfter {
			return false, []error{ErrRateLimited}
		}
	}
	if outlasts(ctx, wait) {
		if last.hasRetryAfter {
			return false, []error{ErrRateLimited, context.DeadlineExceeded}
		}
		return false, []error{context.DeadlineExceeded}
	}
	// Repeating when the service asked for it is no retry storm; every other repetition
	// takes a token from the budget.
	costs := !(last.hasRetryAfter && last.status == http.StatusTooManyRequests && wait > 0)
	if costs && !c.budget.Take() {
		return false, []error{errBudgetSpent}
	}
	if err := sleep(ctx, wait); err != nil {
		if costs {
			c.budget.GiveBack() // nothing will be repeated
		}
		return false, []error{err}
	}
	return costs, nil
}

// outlasts reports whether a wait would end after the deadline of ctx.
func outlasts(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && wait > 0 && time.Until(deadline) < wait
}

func sleep(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return overdue(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// overdue is the error of ctx, and also DeadlineExceeded if its deadline has passed but
// its timer has not run yet: when a frozen process continues, nothing must be sent too
// late.
func overdue(ctx context.Context) error {
	if err := ctx.Err(); err != nil || !isPast(ctx) {
		return err
	}
	return context.DeadlineExceeded
}

// isPast reports whether the deadline of ctx has passed by the wall clock, which goes on while
// a machine sleeps.
func isPast(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Round(0).Before(deadline.Round(0))
}

// jsonAttempt sends one request and decodes its answer.
func (c *core) jsonAttempt(ctx context.Context, p *prepared, a *attempt, decode decoder) result {
	bounded, cancel := context.WithTimeout(ctx, p.settings.timeout)
	defer cancel()
	resp, r := c.exchange(ctx, bounded, p, a, nil)
	if resp != nil && p.route.Method == http.MethodHead {
		resp.ContentLength = -1 // it is the length of what a GET would bring
	}
	switch {
	case resp == nil:
	case r.outcome != retry.Success:
		r.problem = readProblem(resp)
	default:
		r.outcome, r.err = c.readSuccess(resp, decode)
	}
	ended := ctx.Err()
	if r.outcome == retry.BodyCut && ended != nil {
		if !errors.Is(r.err, ended) {
			r.err = join(ended, r.err)
		}
		if p.class == retry.Read {
			r.outcome = retry.GivenUp
		}
	}
	if r.err != nil && ended == nil && errors.Is(r.err, bounded.Err()) { // by its own limit, and not by the caller's context
		r.err = fmt.Errorf("longer than %v, see WithAttemptTimeout: %w", p.settings.timeout, r.err)
	}
	return r
}

// exchange sends one request. It returns the answer, if there is one, with the outcome of
// its status. The caller reads and closes the body. bounded is ctx with the limit of the
// attempt: if that limit is reached, another attempt can follow; if ctx has ended, none can.
func (c *core) exchange(ctx, bounded context.Context, p *prepared, a *attempt, extra http.Header) (*http.Response, result) {
	resp, err := c.roundTrip(bounded, p, a, extra)
	if err != nil {
		r := result{err: plainly(err)}
		r.outcome, r.sent = a.classify(err)
		r.unreachable = a.foundNoConnection(err)
		switch {
		case ctx.Err() != nil:
			r.outcome, r.err, r.unreachable = retry.GivenUp, ctx.Err(), false
		case areHeadersTooLarge(err):
			r.err = fmt.Errorf("%w: %w", ErrResponseTooLarge, r.err)
		case errors.Is(err, io.EOF) && a.letThrough.Load() && !r.unreachable:
			r.err = fmt.Errorf("the connection was closed before an answer came: %w", r.err)
		}
		return nil, r
	}
	r := result{sent: true, status: resp.StatusCode, header: resp.Header}
	r.judge(resp)
	return resp, r
}

// roundTrip builds a new request for every attempt, because middleware may change its URL
// and headers.
func (c *core) roundTrip(ctx context.Context, p *prepared, a *attempt, extra http.Header) (*http.Response, error) {
	a.context = attemptContext{ctx, a}
	ctx = &a.context
	if c.chain == nil {
		ctx = a.trace(ctx, &a.hooks)
	}
	target := p.url
	req := newRequest(ctx, p.route.Method, &target, c.header(p, extra), p.payload) //nolint:contextcheck // it is that of the call, with its attempt
	if p.payload != nil {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.payload)), nil }
	}
	if c.chain == nil {
		return c.transmit(req, a)
	}
	req.Header = cloneHeader(req.Header) // middleware may change values in place
	return repairAnswer(c.chain.RoundTrip(req))
}

// capture fills what [CaptureResponse] asked for.
func (p *prepared) capture(last *result, attempts int) {
	if p.settings.capture == nil {
		return
	}
	r := Response{StatusCode: last.status, Header: cloneHeader(last.header), RequestID: p.safe(requestID(last.header)), Attempts: attempts}
	for _, name := range []string{"Set-Cookie", "Set-Cookie2", "Location", "Content-Location", "Refresh"} { // an address can be signed
		r.Header.Del(name)
	}
	everything, tokens := newRedactor(shortSecret, p.secrets()), newRedactor(shortSecret, p.tokens())
	for name, values := range r.Header {
		hidden := everything
		if name == "Content-Type" || name == "Content-Disposition" {
			hidden = tokens // other values that were sent can be part of media types, such as "application", and of file names
		}
		for i, value := range values {
			values[i] = hidden.Replace(value)
		}
	}
	p.settings.capture(r)
}

// attemptLog logs an attempt. Clients have this function of [WithLogger] in the place of a
// logger, so that only programs that log their calls link what log/slog does.
type attemptLog func(ctx context.Context, p *prepared, a *attempt, r result, took time.Duration)

// logTo makes the function. It is not inlined, or its closure would be compiled twice.
//
//go:noinline
func logTo(logger *slog.Logger) attemptLog {
	return func(ctx context.Context, p *prepared, a *attempt, r result, took time.Duration) {
		if !logger.Enabled(ctx, slog.LevelDebug) {
			return
		}
		attrs := []slog.Attr{
			slog.String("operation", a.info.Operation), slog.String("route", a.info.Route), slog.Int("attempt", a.info.Attempt),
			slog.Int("status", r.status), slog.Duration("took", took), slog.String("request_id", p.safe(requestID(r.header))),
		}
		if r.err != nil {
			attrs = append(attrs, slog.String("error", printable(p.concealed(r.err).Error(), maxErrorText)))
		}
		logger.LogAttrs(ctx, slog.LevelDebug, "revv: attempt", attrs...)
	}
}
