package revv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/revv-go/revv/internal/wire"
)

// The defaults and limits of a webhook handler.
const (
	defaultWebhookReadTimeout = 10 * time.Second
	readBackTimeout           = 8 * time.Second // senders seldom wait longer than 10
	defaultWebhookRetryAfter  = 30 * time.Second
	maxWebhookRetryAfter      = time.Hour
	believed                  = 64 << 10 // bytes of a body that room is made for because its sender says so
)

// WebhookOption configures a handler of [NewWebhookHandler]. The order of
// options does not matter.
type WebhookOption interface{ applyWebhook(*webhookHandler) }

type webhookOption func(*webhookHandler)

func (f webhookOption) applyWebhook(h *webhookHandler) { f(h) }

// WebhookResult is how the handling of one request ended; see [WithWebhookObserver].
type WebhookResult struct {
	Status int // the status that was answered, 0 if the function panicked
	// Reason is a fixed word. It is "ok", or it names what the request failed at:
	// "method", "content type", "size", "secret", "timeout", "body", "event",
	// "unconfirmed" or "handler". An "unconfirmed" event with status 204 was acknowledged
	// but not passed to the function; with 503 it could not be confirmed and should come
	// again. See [WithReadBack].
	Reason   string
	Event    *Event        // nil if the request failed before it was read
	Err      error         // the cause, nil if Reason says it all; never shown to the sender
	Duration time.Duration // of the handling, until the answer was ready to leave
}

// DocumentReader reads documents; [Client.Documents] is one.
type DocumentReader interface {
	Get(ctx context.Context, id DocumentID, opts ...CallOption) (*Document, error)
	GetByNumber(ctx context.Context, number DocumentNumber, opts ...CallOption) (*Document, error)
}

// WithWebhookMaxBytes sets how large a body may be, from 1 byte to 1 MiB, which is the
// default.
func WithWebhookMaxBytes(n int64) WebhookOption {
	return webhookOption(func(h *webhookHandler) {
		h.once("WithWebhookMaxBytes")
		if n < 1 || n > maxEvent {
			h.reject("WithWebhookMaxBytes", fmt.Sprintf("must be from 1 to %d", maxEvent))
		}
		h.maxBytes = n
	})
}

// WithWebhookReadTimeout sets how long a sender may take to send the body, by default 10
// s. It replaces the ReadTimeout of the server. If the ResponseWriter is wrapped by one
// without an Unwrap method, no deadline can be set on the connection: then a slow body is
// still cut off, but one that stalls ends only with the server's own ReadTimeout.
func WithWebhookReadTimeout(d time.Duration) WebhookOption {
	return webhookOption(func(h *webhookHandler) {
		h.once("WithWebhookReadTimeout")
		if d <= 0 {
			h.reject("WithWebhookReadTimeout", "must be positive")
		}
		h.readTimeout = d
	})
}

// WithWebhookObserver calls fn once for each request, when it is known how it is answered:
// to count, to log, or to alarm. The answer leaves when fn has returned, so it must return
// soon, and not panic. It must be safe for concurrent use.
func WithWebhookObserver(fn func(WebhookResult)) WebhookOption {
	return webhookOption(func(h *webhookHandler) {
		h.once("WithWebhookObserver")
		if fn == nil {
			h.reject("WithWebhookObserver", "must not be nil")
		}
		h.observe = fn
	})
}

// WithReadBack reads the document of each event from the service before the event is handed
// on, within 8 s (waiting for the limiter of its client included), and puts what was read into
// Event.Document: an event is a hint that anybody who learns the secret can forge, the document
// is the truth. Its Timestamp, PreviousStage and Recipient stay hints. An id is that of another
// document in another account, so each account needs a handler and a secret of its own. That
// the id in an event is the [DocumentID], and not the id of an entry, is a stand-in: see an
// event of your account before you rely on it, above all if it has no number to compare. Each
// event takes a call, and as many at once as events come at once: with a client of its own, a
// flood of them takes neither the retries nor the connections of your other calls.
//
// Some events are acknowledged (204) but not handed on: those that name no existing
// document, and an [EventStageChanged] with a stage that the document has left behind. If
// such an event is honest, a later change has overtaken it, and that has an event of its
// own.
//
// For others the sender is asked to come back (503 with Retry-After, of an hour at most), so
// that an honest event is not lost when what is read lags behind it, or when the payload has
// another shape than this package takes for granted: if the event has neither the id nor the
// number of a document, if the document cannot be read or is another one than the event names,
// and if it has not got as far as the event claims. That is so if it is still [StageDraft] or
// [StageSent] for an [EventClosed], or [StageDraft] for an [EventSigned] or [EventAccepted],
// and if the event has a later stage than the document. (A document that was declined is a
// draft again: an earlier event of it comes back until its sender gives up.) Where the two
// stages of an [EventStageChanged] or [EventClosed] differ and one is of the account's own, or
// the document shows none, nobody can tell which is later, and the event keeps coming back: do
// not use WithReadBack in such an account.
func WithReadBack(reader DocumentReader) WebhookOption {
	return webhookOption(func(h *webhookHandler) {
		h.once("WithReadBack")
		if isNil(reader) {
			h.reject("WithReadBack", "must not be nil")
		}
		h.reader = reader
	})
}

// webhookHandler is the handler. It does not change after it is made.
type webhookHandler struct {
	refusals

	secret      WebhookSecret
	fn          func(context.Context, *Event) error
	maxBytes    int64
	readTimeout time.Duration
	observe     func(WebhookResult)
	reader      DocumentReader
}

// NewWebhookHandler makes a handler that receives events from the service and calls fn
// with each. It refuses a request, in this order, for its method (405), its content type
// or an encoding (415), its declared size (413) and the secret (401), all before it reads
// a byte of the body; then for a body that is too large (413), too slow (408) or no event
// (400; see [ParseEvent]). [WithReadBack] answers some events with 503. A body that something
// else has read before, such as a middleware, is a mistake of this program (500).
//
// If fn returns nil, the answer is 204. If it returns an error, the answer is 500 without
// any detail, so that the sender may deliver again. Deliveries can repeat and overtake
// each other: recognise them by [Event.Key]. fn gets the context of the request and must
// be safe for concurrent use. Senders do not wait long, so fn should do no more than
// store the event. A panic of fn is not recovered. No URL in an event is ever fetched.
//
// The error is [ErrInvalidArgument] and joins all problems of secret, fn and opts.
func NewWebhookHandler(secret WebhookSecret, fn func(context.Context, *Event) error, opts ...WebhookOption) (http.Handler, error) {
	h := &webhookHandler{
		refusals: refusals{op: "NewWebhookHandler"}, secret: secret, fn: fn,
		maxBytes: maxEvent, readTimeout: defaultWebhookReadTimeout, observe: func(WebhookResult) {},
	}
	for _, rule := range secret.validate() {
		h.reject("secret", rule)
	}
	if fn == nil {
		h.reject("fn", "must not be nil")
	}
	for _, opt := range opts {
		if opt == nil {
			h.reject("option", "must not be nil")
			continue
		}
		opt.applyWebhook(h)
	}
	if err := join(h.problems...); err != nil {
		return nil, err
	}
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *webhookHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	var result WebhookResult
	defer func() {
		result.Duration = time.Since(start)
		h.observe(result)
	}()
	h.handle(w, r, &result)
}

// handle takes a request through all steps. It fills result as it goes, so that after a
// panic of the user's function the observer gets what was known by then.
func (h *webhookHandler) handle(w http.ResponseWriter, r *http.Request, result *WebhookResult) {
	deadline := time.Now().Add(h.readTimeout)
	conn := http.NewResponseController(w)
	// The deadline also holds for the body of a request that is refused: net/http reads
	// some of it before it closes. An error means that the writer does not support
	// deadlines; then only timedBody limits the time.
	_ = conn.SetReadDeadline(deadline)
	if status, reason := h.admit(r); status != 0 {
		h.refuseUnread(w, r, result, status, reason, nil)
		return
	}
	body, err := h.read(w, r, deadline)
	if err != nil {
		status, reason := classifyBody(err)
		h.refuseUnread(w, r, result, status, reason, err)
		return
	}
	if len(body) == 0 && r.ContentLength > 0 {
		answer(w, result, http.StatusInternalServerError, "body", errBodyTaken)
		return
	}
	// The function may take longer than the body. When a deadline expires, net/http
	// thinks that the sender has left, and cancels the context.
	_ = conn.SetReadDeadline(time.Time{})
	event, err := ParseEvent(body)
	if err != nil {
		answer(w, result, http.StatusBadRequest, "event", err)
		return
	}
	result.Event = event
	if h.reader != nil {
		if err := h.confirm(r.Context(), event); err != nil {
			answerUnconfirmed(w, result, err)
			return
		}
	}
	result.Reason = "handler"
	if err := h.fn(r.Context(), event); err != nil {
		answer(w, result, http.StatusInternalServerError, "handler", err)
		return
	}
	answer(w, result, http.StatusNoContent, "ok", nil)
}

// admit checks everything that can be checked before the body is read. A status of 0 lets
// the request pass.
func (h *webhookHandler) admit(r *http.Request) (status int, reason string) {
	switch {
	case r.Method != http.MethodPost:
		return http.StatusMethodNotAllowed, "method"
	case !isPlainJSON(r.Header):
		return http.StatusUnsupportedMediaType, "content type"
	case r.ContentLength > h.maxBytes:
		return http.StatusRequestEntityTooLarge, "size"
	case !h.secret.admits(r):
		return http.StatusUnauthorized, "secret"
	}
	return 0, ""
}

// isPlainJSON reports whether a body is declared as JSON in UTF-8, without compression or
// other encoding, so that it cannot grow when it is decoded.
func isPlainJSON(header http.Header) bool {
	for _, encoding := range header.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return false
		}
	}
	mediaType, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json") {
		return false
	}
	charset, given := params["charset"]
	return !given || containsText([]string{"utf-8", "utf8", "us-ascii"}, strings.ToLower(charset))
}

// read reads the body within its bounds of size and time.
func (h *webhookHandler) read(w http.ResponseWriter, r *http.Request, deadline time.Time) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	// MaxBytesReader makes net/http close the connection after a body that is too large,
	// instead of reading the rest to reuse the connection.
	body := http.MaxBytesReader(w, r.Body, h.maxBytes)
	return wire.ReadInto(nil, &timedBody{body, deadline}, min(r.ContentLength, believed), h.maxBytes)
}

// timedBody fails once its deadline has passed, however steadily the sender goes on.
type timedBody struct {
	io.Reader

	deadline time.Time
}

func (b *timedBody) Read(p []byte) (int, error) {
	if !time.Now().Before(b.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return b.Reader.Read(p)
}

// classifyBody says how a body that could not be read is answered.
func classifyBody(err error) (status int, reason string) {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge, "size"
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return http.StatusRequestTimeout, "timeout"
	}
	return http.StatusBadRequest, "body"
}

// refuseUnread refuses a request whose body was not read, or not to its end.
func (h *webhookHandler) refuseUnread(w http.ResponseWriter, r *http.Request, result *WebhookResult, status int, reason string, err error) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close") // the rest of the body would be taken for the next request
	}
	switch status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		if h.secret.kind == basicSecret { // some senders send their password only when asked
			w.Header().Set("WWW-Authenticate", `Basic realm="webhook", charset="UTF-8"`)
		}
	}
	answer(w, result, status, reason, err)
}

// answer writes a status, without any detail, and records it in result.
func answer(w http.ResponseWriter, result *WebhookResult, status int, reason string, err error) {
	result.Status, result.Reason, result.Err = status, reason, err
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	http.Error(w, http.StatusText(status), status)
}

// errBodyTaken is a mistake of this program, and not of the sender.
var errBodyTaken = errors.New("somebody else has read the body, such as a middleware before the handler")

// The reasons for which an event is not handed on for good.
var (
	errNoSuchDocument = errors.New("the event names no document that exists")
	errOtherStage     = errors.New("the document is not in the stage that the event claims")
)

// The reasons that may pass: what was read may be behind the event, and the program, or
// its middleware, may learn to read the events of the account.
var (
	errNotYet     = errors.New("the document has not got as far as the event claims")
	errNameless   = errors.New("the event has neither the id nor the number of a document, so that its payload may have another shape than this package takes for granted")
	errOtherNames = errors.New("the document that was read is another one than the event names")
)

// confirm reads the document back and puts it into the event. The error is why the event
// must not be handed on.
func (h *webhookHandler) confirm(ctx context.Context, event *Event) error {
	ctx, cancel := context.WithTimeout(ctx, readBackTimeout)
	defer cancel()
	asked := EventDocument{ID: event.Document.ID}
	var (
		document *Document
		err      error
	)
	switch number := event.Document.Number; {
	case asked.ID > 0:
		document, err = h.reader.Get(ctx, asked.ID)
	case asked.ID == 0 && wire.CheckSegment(string(number)) == nil:
		asked.Number = number
		document, err = h.reader.GetByNumber(ctx, number)
	default:
		return errNameless
	}
	switch {
	case errors.Is(err, ErrUnexpectedContent):
		return err // a web page, which is no answer of the API
	case says(err, ErrNotFound) && asked.ID > 0 && wire.CheckSegment(string(event.Document.Number)) == nil:
		return h.missing(ctx, event.Document.Number, err)
	case says(err, ErrNotFound), asked.Number != "" && refusesNumber(err):
		return fmt.Errorf("%w: %w", errNoSuchDocument, err)
	case err != nil:
		return err
	case document == nil:
		return errors.New("the reader returned neither a document nor an error")
	case namedOtherwise(event.Document, document):
		return errOtherNames
	}
	if err := contradiction(event, document.Stage); err != nil {
		return err
	}
	event.Document = EventDocument{
		ID: cmp.Or(document.ID, asked.ID), Number: cmp.Or(document.Number, asked.Number),
		ObjectID: document.ObjectID, Title: document.Title, Stage: document.Stage,
	}
	return nil
}

// missing says of an event whose id leads nowhere whether its number does: then the id is
// another one than that of the document.
func (h *webhookHandler) missing(ctx context.Context, number DocumentNumber, err error) error {
	switch document, byNumber := h.reader.GetByNumber(ctx, number); {
	case byNumber == nil && document != nil:
		return errOtherNames
	case says(byNumber, ErrNotFound) && !errors.Is(byNumber, ErrUnexpectedContent), refusesNumber(byNumber):
		return fmt.Errorf("%w: %w", errNoSuchDocument, err)
	default:
		return join(err, byNumber)
	}
}

// namedOtherwise reports whether a document has another name than the event gives it: an event
// can hold an id that is not the document's, as that of its entry.
func namedOtherwise(named EventDocument, document *Document) bool {
	return document.ID != 0 && named.ID != 0 && document.ID != named.ID ||
		differ(string(named.Number), string(document.Number)) || differ(string(named.ObjectID), string(document.ObjectID))
}

func differ(a, b string) bool { return a != "" && b != "" && !strings.EqualFold(a, b) }

// refusesNumber reports whether a document could not be read because its number cannot be
// one. A stranger may have made it up, and it would be refused each time the event comes.
// If another argument is at fault, as the token, that is a mistake of this program, which
// may be corrected by then.
func refusesNumber(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok && e.Argument != "" {
		return e.Argument == "number"
	}
	return says(err, ErrInvalid) || says(err, ErrInvalidArgument)
}

// says reports whether the answer of the service is of a kind. If there is no answer, as when
// middleware or a source of tokens has failed, whatever that error is says nothing of the
// document.
func says(err, kind error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return errors.Is(statusKind(e.StatusCode), kind)
	}
	return errors.Is(err, kind) // of a reader that is no client
}

// contradiction returns why an event cannot be true of a document in stage, or nil.
func contradiction(event *Event, stage Stage) error {
	claimed := event.Document.Stage
	strict := event.Type == EventStageChanged || event.Type == EventClosed
	switch {
	case strict && mayBeAhead(claimed, stage), claimed.Reached(stage) && !claimed.Is(stage):
		return errNotYet
	case event.Type == EventStageChanged && claimed != "" && !claimed.Is(stage):
		return errOtherStage
	case event.Type == EventClosed && (stage.Is(StageDraft) || stage.Is(StageSent)): // it stays closed in later stages
		return errNotYet
	case (event.Type == EventSigned || event.Type == EventAccepted) && stage.Is(StageDraft):
		return errNotYet
	}
	return nil
}

// mayBeAhead reports whether the stage that an event claims, if it claims one, is or may
// be later than that of the document. If the two stages differ and one is not known, it
// may be.
func mayBeAhead(claimed, stage Stage) bool {
	if claimed == "" || claimed.Is(stage) {
		return false
	}
	before, now := rank(claimed), rank(stage)
	return before < 0 || before > now
}

// answerUnconfirmed acknowledges an event that is not true, and asks the sender to repeat
// one that may become true.
func answerUnconfirmed(w http.ResponseWriter, result *WebhookResult, err error) {
	if errors.Is(err, errNoSuchDocument) || errors.Is(err, errOtherStage) {
		answer(w, result, http.StatusNoContent, "unconfirmed", err)
		return
	}
	wait := defaultWebhookRetryAfter
	if e, ok := errors.AsType[*Error](err); ok && e.RetryAfter > 0 {
		wait = min(e.RetryAfter, maxWebhookRetryAfter) // a date by another clock can be years away
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	answer(w, result, http.StatusServiceUnavailable, "unconfirmed", err)
}
