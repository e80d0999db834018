package revv

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/revv-go/revv/internal/retry"
)

// describe makes an error from the answer to the last attempt.
func (p *prepared) describe(last *result, attempts int) *Error {
	e := &Error{
		Op: p.name, StatusCode: last.status, Attempts: attempts, RetryAfter: last.retryAfter,
		RequestID: p.safe(requestID(last.header)), Code: p.safe(last.problem.code), Message: p.safe(last.problem.message),
	}
	if kind := statusKind(last.status); last.problem.html && (errors.Is(kind, ErrNotFound) || errors.Is(kind, ErrInvalid)) {
		e.also(ErrUnexpectedContent) // what a web server refuses says nothing of an object
	}
	// A storage knows no access token: its 401 must not make anybody fetch a new one.
	if e.muted = last.elsewhere && last.status != 0; e.muted {
		e.Message = strings.TrimSuffix("said by the storage that the download was redirected to: "+e.Message, ": ")
	}
	return e
}

// fail makes the error of a call from its last attempt.
func (p *prepared) fail(last *result, attempts int, kinds ...error) error {
	e := p.describe(last, attempts)
	e.kinds, e.cause = append(kinds, e.kinds...), p.concealed(last.err)
	switch {
	case last.unreachable:
		e.also(ErrUnreachable)
	case p.isInterrupted(last, join(kinds...)):
		e.also(ErrInterrupted)
	}
	denial, denied := errors.AsType[*complaint](last.err)
	switch { // these take the place of what the answer says
	case last.outcome == retry.Odd:
		e.Message = fmt.Sprintf("the status %03d answers nothing", last.status)
	case denied && !last.elsewhere:
		e.Code, e.Message = p.safe(denial.said.code), p.safe(denial.said.message)
	case last.status >= 300 && last.status <= 399 && last.err == nil:
		e.Message = "redirects are not followed; is this the address of the API?"
		e.also(ErrRedirected)
		if p.class == retry.Consequences && last.status != http.StatusTemporaryRedirect && last.status != http.StatusPermanentRedirect {
			e.also(errMaybeApplied)
		}
	}
	if p.field != "" && p.isMisrouted(last) {
		e.route = p.route.Method + " " + p.route.Pattern
		if p.route.Guess {
			e.route += ", a stand-in"
		}
		e.route += ", see Routes." + p.field
	}
	if isTimeout(last.err) && !errors.Is(last.err, context.DeadlineExceeded) {
		e.also(context.DeadlineExceeded)
	}
	return e
}

// isInterrupted reports that the answer of a call did not come, or not whole, for no other
// reason than the network, and that nothing speaks against another call.
func (p *prepared) isInterrupted(last *result, why error) bool {
	return last.outcome.Interrupted() && retry.Decide(p.class, last.outcome, last.sent) == retry.Again &&
		!errors.Is(why, context.Canceled) && !errors.Is(why, context.DeadlineExceeded) && // of the caller
		!errors.Is(last.err, ErrResponseTooLarge) && !errors.Is(last.err, ErrTruncated)
}

// isMisrouted reports an answer which says that the route does not exist, and not only the
// object that was asked for.
func (p *prepared) isMisrouted(last *result) bool {
	_, complains := errors.AsType[*complaint](last.err)
	html := last.problem.html || errors.Is(last.err, ErrUnexpectedContent) && !complains
	switch status := last.status; {
	case last.elsewhere || status == http.StatusAccepted || status >= 500 && status != http.StatusNotImplemented, status == http.StatusUnauthorized, status == http.StatusTooManyRequests:
		return false
	case status == http.StatusRequestEntityTooLarge, status == http.StatusRequestURITooLong, status == http.StatusMisdirectedRequest, status == http.StatusRequestHeaderFieldsTooLarge:
		return false // a server in front of the service refuses the request, whatever its path
	case status == http.StatusNotFound:
		// The list of an account is always there. Where nobody knows the route, it may be that which is not found.
		return html || p.route.Guess || strings.HasPrefix(p.field, "List") && len(p.route.Params) == 0
	case status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented, status >= 300 && status <= 399:
		return true
	}
	return html
}

// failBefore makes the error of a call that could not send its next attempt.
func (p *prepared) failBefore(ctx context.Context, last *result, attempts int, err error) error {
	e, ok := errors.AsType[*Error](err)
	if ok && e.Op == p.name && attempts == 0 {
		return err
	}
	out := p.describe(last, attempts)
	if ok {
		out.RetryAfter = max(out.RetryAfter, e.RetryAfter) // of the gate
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		out.also(ctx.Err())
	}
	cause := withoutURL(err)
	if !errors.Is(cause, ErrReauthorizationRequired) && !errors.Is(cause, ErrInvalidArgument) { // the latter: there is another token, which cannot be sent
		out.muted = true
	}
	if attempts > 0 && errors.Is(cause, ErrInvalidArgument) {
		if errors.Is(cause, ErrTokenNotPersisted) {
			out.also(ErrTokenNotPersisted)
		}
		cause = errors.New(cause.Error()) // ErrInvalidArgument would say that nothing was sent
	}
	if attempts > 0 && !last.unreachable && last.outcome != retry.Unauthorized && errors.Is(cause, ErrUnreachable) {
		out.also(ErrInterrupted)
		cause = errors.New(cause.Error()) // that is the token endpoint: ErrUnreachable would say that nothing of the call was sent
	}
	if last.err != nil {
		cause = join(cause, last.err)
	}
	out.cause = p.concealed(cause)
	return out
}
