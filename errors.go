package revv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The kinds of failure, for [errors.Is]. One error can be of several kinds: a 404
// answered to a send is ErrNotFound alone, but an HTML page with status 200 is both
// ErrUnexpectedContent and ErrAppliedResponseUnreadable.
var (
	// ErrInvalidArgument: an argument or an option broke a rule that the error
	// names. No request was sent, except for earlier attempts of the same call if middleware
	// broke the rule in a later one.
	ErrInvalidArgument = errors.New("invalid argument")

	// ErrUnreachable: no connection to the service could be made: the name does not
	// exist, the network fails, nothing listens, or the certificate is not trusted.
	// Nothing was sent.
	ErrUnreachable = errors.New("unreachable")

	// ErrInvalid: the service refused the content of the request (400, 415, 422). With an HTML
	// page it is ErrUnexpectedContent, too.
	ErrInvalid = errors.New("refused as invalid")
	// ErrUnauthorized: the service does not accept the access token (401), even after a
	// renewal where one was possible, or the token endpoint refused the renewal with a
	// 4xx other than 408 and 429; not if the renewal failed for another reason. If a person
	// has to authorize the application again, it is ErrReauthorizationRequired, alone or as
	// well: look for that first.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrForbidden: the account may not do this (403), or a person declined to
	// authorize the application.
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound: there is no such object (404, 410). If the answer is an HTML page, it
	// is also ErrUnexpectedContent: the host has no such path, and nothing is known of
	// the object.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the state of the object does not allow this (409), several objects
	// match where one is expected, or a token store was changed without its lock.
	ErrConflict = errors.New("conflict")
	// ErrRateLimited: the service asked to wait longer than the policy or the deadline
	// allows, or still answered with 429 at the last attempt; or a 429 to another call of
	// the client holds this one back for longer, or the token endpoint has asked to be left
	// alone (if Attempts is 0, nothing was sent).
	ErrRateLimited = errors.New("rate limited")
	// ErrServer: the service failed (408, 5xx, or a status above that).
	ErrServer = errors.New("server error")

	// ErrInterrupted: the connection was cut, or an attempt took too long, before the whole
	// answer had come, and nothing speaks against the same call later: a read, an idempotent
	// write, or a request that was certainly not processed.
	ErrInterrupted = errors.New("interrupted")
	// ErrOutcomeUnknown: the request may have been applied. Read the state back
	// before repeating a call with consequences.
	ErrOutcomeUnknown = errors.New("outcome unknown: the request may have been applied")
	// ErrAppliedResponseUnreadable: the service reported success, but its answer
	// could not be read, or denies it. Unless it denies it, the request has most likely been
	// applied: do not repeat a call with consequences before you have looked.
	ErrAppliedResponseUnreadable = errors.New("reported as applied, but the response could not be read")
	// ErrUnexpectedContent: the answer is something else altogether, such as the HTML
	// page that the vendor's hosts give today on every path; also with 400, 404, 410, 415 or 422.
	ErrUnexpectedContent = errors.New("unexpected content")
	// ErrMalformedResponse: the answer is not the expected JSON.
	ErrMalformedResponse = errors.New("malformed response")
	// ErrEmptyResponse: the answer is empty where JSON or a PDF is expected.
	ErrEmptyResponse = errors.New("empty response")
	// ErrResponseTooLarge: the answer exceeds a stated limit.
	ErrResponseTooLarge = errors.New("response too large")
	// ErrRedirected: the service answered with a redirect, which is not followed.
	ErrRedirected = errors.New("redirected")
	// ErrTruncated: a download ended before the file did, or the file changed
	// between its attempts.
	ErrTruncated = errors.New("truncated")

	// ErrReauthorizationRequired: the refresh token or the authorization code is spent,
	// expired or revoked, or there is no refresh token. A person has to authorize the
	// application again.
	ErrReauthorizationRequired = errors.New("reauthorization required")
	// ErrTokenNotPersisted: the store failed to save a new token pair. A pair from a
	// renewal is kept in memory: the next call saves it first, or it is saved without a
	// call after 1 s, 2 s, 4 s … 128 s. A pair of SaveToken or OAuthConfig.Connect is
	// lost.
	ErrTokenNotPersisted = errors.New("token not persisted")
	// ErrNoToken: the store holds no token for the account.
	ErrNoToken = errors.New("no token")
	// ErrTokenStoreCorrupt: what the store holds for the account is not a token. It is
	// left as it is.
	ErrTokenStoreCorrupt = errors.New("token store corrupt")
	// ErrPageLoop: a list returned a page that it had returned before, with its entries in
	// any order.
	ErrPageLoop = errors.New("page loop")
)

// MaybeApplied reports whether a write that failed, or a failed exchange of a code, may
// still have taken effect. That is so if err is [ErrOutcomeUnknown] or
// [ErrAppliedResponseUnreadable]. It is also so if err is the [ErrRedirected] of a write
// with consequences, except with status 307 or 308, because many servers redirect once
// they have done what was asked.
//
// After a write with consequences, read the state back and do not repeat the call; after a
// send, [DocumentsService.SendOutcome] does that. An idempotent write is never
// ErrOutcomeUnknown, and can be repeated with the same values.
func MaybeApplied(err error) bool {
	return errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrAppliedResponseUnreadable) || errors.Is(err, errMaybeApplied)
}

// errMaybeApplied marks the ErrRedirected errors that are MaybeApplied.
var errMaybeApplied = errors.New("which can mean that the request was applied")

// Error is the error of every call. Compare it with errors.Is and the Err… variables;
// read its fields through errors.As. Nothing in it is secret: texts of the service are
// escaped and shortened, and the access token, the values of [WithHeader] and
// [WithQuery], and the URL of a webhook are removed.
//
// If the context of the call ended the last attempt, StatusCode is that of the one before,
// which says why the call took so long, unless that was a 401 or the last one may have been
// applied.
type Error struct {
	Op         string        // the operation, such as "Documents.Create" (both downloads are "Documents.Download"), else the function, such as "NewClient", "Do" or "OAuth.Exchange"
	Argument   string        // the argument or option at fault, "" if none is
	StatusCode int           // the HTTP status of the last attempt, 0 if it got no answer
	Code       string        // the service's own code, "" if it gave none
	Message    string        // the service's text, or this package's reason
	RequestID  string        // the service's id of the request, "" if it gave none
	Attempts   int           // how many were made, including those that found no connection
	RetryAfter time.Duration // how long the service asked to wait, of which a part may have passed; 0 if it did not

	kinds []error // sentinels that the status does not imply
	cause error
	muted bool   // its 401 does not say that the token has to be replaced
	route string // what was asked for, if it may be another one on this account
}

// maxErrorText bounds each text that the service puts into an error, in bytes.
const maxErrorText = 256

// Error describes the failure in one line.
func (e *Error) Error() string {
	if e == nil {
		return "revv: <nil>"
	}
	status := ""
	if e.StatusCode != 0 {
		status = strconv.Itoa(e.StatusCode) + " " + http.StatusText(e.StatusCode)
	}
	parts := []string{"revv", e.Op, status}
	for _, kind := range e.kinds {
		parts = append(parts, kind.Error())
	}
	parts = append(parts, e.Code, e.Argument+" "+e.Message)
	if e.cause != nil {
		parts = append(parts, printable(e.cause.Error(), 4*maxErrorText))
	}
	var b strings.Builder
	for _, part := range parts {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(part)
	}
	if details := e.details(); details != "" {
		b.WriteString(" (" + details + ")")
	}
	return b.String()
}

func (e *Error) details() string {
	var parts []string
	if e.Attempts > 0 {
		parts = append(parts, fmt.Sprintf("attempts: %d", e.Attempts))
	}
	if e.RetryAfter > 0 {
		parts = append(parts, "retry after: "+cmp.Or(e.RetryAfter.Round(10*time.Millisecond), e.RetryAfter).String())
	}
	if e.RequestID != "" {
		parts = append(parts, "request id: "+e.RequestID)
	}
	if e.route != "" {
		parts = append(parts, "route: "+e.route)
	}
	return strings.Join(parts, ", ")
}

// Unwrap returns the sentinels of the error and its cause.
func (e *Error) Unwrap() []error {
	if e == nil {
		return nil
	}
	all := make([]error, 0, len(e.kinds)+2)
	all = append(all, e.kinds...)
	if kind := e.statusKind(); kind != nil {
		all = append(all, kind)
	}
	if e.cause != nil {
		all = append(all, e.cause)
	}
	return all
}

// statusKind is the sentinel of the status, unless the status is not about the call. The
// 401 of a storage is not, for a new token is no use there. Nor is one after which the token
// could not be renewed for another reason, such as an outage: that reason counts, as it does in
// the next call. Nor is the answer of the token endpoint to a renewal that a call was waiting
// for: its 404 must not look as if a document did not exist.
func (e *Error) statusKind() error {
	kind := statusKind(e.StatusCode)
	switch {
	case e.muted && kind == ErrUnauthorized: //nolint:errorlint // of the table itself
		return nil
	case e.Op != opRefresh, e.StatusCode < 400 || e.StatusCode > 499, e.StatusCode == http.StatusRequestTimeout, e.StatusCode == http.StatusTooManyRequests:
		return kind
	case slices.Contains(e.kinds, ErrReauthorizationRequired):
		return nil
	}
	return ErrUnauthorized
}

// statusKind is the table of statuses and sentinels, nil for a status without one. A map
// would have to be filled before every program starts.
func statusKind(status int) error {
	switch status {
	case http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return ErrInvalid
	case http.StatusUnauthorized:
		return ErrUnauthorized
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusNotFound, http.StatusGone:
		return ErrNotFound
	case http.StatusConflict:
		return ErrConflict
	case http.StatusTooManyRequests:
		return ErrRateLimited
	}
	if status >= 500 || status == http.StatusRequestTimeout { // all that is repeated in this way
		return ErrServer
	}
	return nil
}

// Format prints the text of the error for every verb. Without it, %+v and %#v would print
// the cause with all its fields.
func (e *Error) Format(f fmt.State, verb rune) {
	text := e.Error()
	if verb == 'q' {
		text = strconv.Quote(text)
	}
	_, _ = io.WriteString(f, text)
}

// LogValue groups the fields for log/slog.
func (e *Error) LogValue() slog.Value {
	if e == nil {
		return slog.StringValue("<nil>")
	}
	return slog.GroupValue(
		slog.String("op", e.Op),
		slog.String("error", e.Error()),
		slog.Int("status", e.StatusCode),
		slog.String("code", e.Code),
		slog.String("request_id", e.RequestID),
		slog.Int("attempts", e.Attempts),
	)
}

// invalidArgument is the error for an argument of op that breaks a rule. No request was sent. It
// has about a hundred callers; inlining it would make every program some thousand bytes
// larger.
//
//go:noinline
func invalidArgument(op, name, rule string) error {
	return &Error{Op: op, Argument: name, Message: rule, kinds: []error{ErrInvalidArgument}}
}

// newError is an error of one kind, with a message of our own. Like invalidArgument it is
// not inlined.
//
//go:noinline
func newError(op string, kind error, message string) *Error {
	return &Error{Op: op, Message: message, kinds: []error{kind}}
}

// also adds a kind to an error. Like invalidArgument it is not inlined.
//
//go:noinline
func (e *Error) also(kind error) { e.kinds = append(e.kinds, kind) }

// opError adds the operation to an error. Like invalidArgument it is not inlined.
//
//go:noinline
func opError(op string, err error) error { return &Error{Op: op, cause: err} }

// join is errors.Join, which is long and would be inlined into each of its callers.
//
//go:noinline
func join(errs ...error) error { return errors.Join(errs...) }

// checkContext refuses a nil context, and one that is done before anything is sent.
func checkContext(ctx context.Context, op string) error {
	if ctx == nil {
		return invalidArgument(op, "ctx", "must not be nil")
	}
	if err := ctx.Err(); err != nil {
		return opError(op, err)
	}
	return nil
}

// printable makes text from outside safe to print: at most limit bytes, control
// and other invisible characters escaped, always valid UTF-8.
func printable(text string, limit int) string {
	var b strings.Builder
	fits := 0 // how much can stay if the text turns out too long
	for i, r := range text {
		piece := string(r)
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			quoted := strconv.QuoteRuneToASCII(r)
			piece = quoted[1 : len(quoted)-1]
			if r == utf8.RuneError {
				piece = fmt.Sprintf(`\x%02x`, text[i])
			}
		}
		b.WriteString(piece)
		if b.Len() <= limit-len("…") {
			fits = b.Len()
		}
		if b.Len() > limit {
			return b.String()[:fits] + "…"
		}
	}
	return b.String()
}
