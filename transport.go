package revv

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/secret"
)

// CallInfo describes, for middleware and transports, the attempt that a request belongs to.
type CallInfo struct {
	Operation string // as "Documents.Create"
	Route     string // the path with its placeholder, as "/api/docs/{id}"
	Attempt   int    // from 1
}

// CallInfoFrom returns the CallInfo of the request with this context. ok is false for
// requests that are not the SDK's own, and for those of a download after a redirect.
func CallInfoFrom(ctx context.Context) (info CallInfo, ok bool) {
	if ctx == nil {
		return CallInfo{}, false
	}
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return CallInfo{}, false
	}
	return a.info, true
}

type attemptKey struct{}

// attemptContext is a context with its attempt, and a part of it: [context.WithValue] would
// allocate one for every request.
type attemptContext struct {
	context.Context //nolint:containedctx // it is one itself

	of *attempt
}

// Value implements [context.Context].
func (c *attemptContext) Value(key any) any {
	if key == (attemptKey{}) {
		return c.of
	}
	return c.Context.Value(key)
}

// attempt is one request with its answer.
type attempt struct {
	info  CallInfo
	class retry.Class
	token secret.Value[*oauth2.Token] // hidden, because middleware may print the context of the request, and with it the attempt

	// What the transport reported: how often it looked for a connection, and how often it
	// wrote the headers of the request.
	sought  atomic.Int32
	written atomic.Int32
	// doubts counts the requests that were sent, including those that a transport or
	// middleware repeated by itself, less those whose answer says that they were not
	// applied.
	doubts atomic.Int32
	// letThrough says that middleware let the request through to the network.
	letThrough     atomic.Bool
	passage        atomic.Int32 // open, entered or shut
	answerBegun    atomic.Bool  // the network has begun to answer
	answerReturned atomic.Bool  // the network has returned an answer, or a transport has made one up
	inFlight       atomic.Int32 // requests that the network has not returned from yet
	dumping        atomic.Bool  // the request that is traced at the moment goes nowhere, see isDump
	context        attemptContext
	hooks          httptrace.ClientTrace // of the only request, where no middleware can make several
}

// answerMadeUp reports that an answer cannot have come from the network although a request is
// on its way there: a transport or middleware did not wait for the network, and made up a
// refusal.
func (a *attempt) answerMadeUp() bool {
	switch shut := a.shut(); { // a request without a connection gets none any more
	case !shut && !a.answerBegun.Load():
		return true
	case a.inFlight.Load() == 0:
		return false
	default:
		return !shut || a.sought.Load() == 0 // else it looked for a connection in vain
	}
}

// The passage is the way from the transport to the network. A transport or middleware
// that runs a request in a goroutine may give up and return while the request is still on
// its way. A request may count as unsent only if it cannot be sent later, either. So the
// passage is open at first, and what comes first decides for good: if a connection is
// found, the passage is entered, and the request counts as sent; if the request is judged
// unsent, the passage is shut, and a connection that is found later is closed.
const (
	passageOpen int32 = iota
	passageEntered
	passageShut
)

var errOver = errors.New("the attempt is over")

// enter records that the transport has found a connection. It reports whether the request
// may be sent, which is so unless the passage is shut.
func (a *attempt) enter() bool {
	return a.passage.CompareAndSwap(passageOpen, passageEntered) || a.passage.Load() == passageEntered
}

// shut keeps the request from being sent from now on. It reports false if it is too late
// for that.
func (a *attempt) shut() bool {
	return a.passage.CompareAndSwap(passageOpen, passageShut) || a.passage.Load() == passageShut
}

// trace watches whether a connection was found. A request that never had one was
// certainly not received. A connection that is found too late for a write, because its attempt
// is over or the deadline of ctx has passed, is closed before anything is written: requests
// that share it over HTTP/2 fail, but no request is applied twice. Of a read, which can be
// repeated, no more is watched. The context with the trace is for the network alone: middleware
// may make requests of its own with the context that it is given.
func (a *attempt) trace(ctx context.Context, hooks *httptrace.ClientTrace) context.Context {
	*hooks = httptrace.ClientTrace{
		GetConn: func(string) { a.sought.Add(1) },
		GotConn: func(info httptrace.GotConnInfo) {
			dump := isDump(info.Conn)
			guarded := info.Conn != nil && a.class != retry.Read
			late := guarded && isPast(ctx) // the machine was suspended meanwhile, or the process frozen
			a.dumping.Store(dump || late)
			switch {
			case dump:
				a.sought.Add(-1)
			case late, !a.enter() && guarded:
				_ = info.Conn.Close()
			}
		},
	}
	if a.class != retry.Read {
		hooks.WroteHeaders = func() {
			if !a.dumping.Load() {
				a.written.Add(1)
			}
		}
		hooks.GotFirstResponseByte = func() {
			if !a.dumping.Load() {
				a.answerBegun.Store(true)
			}
		}
	}
	return httptrace.WithClientTrace(ctx, hooks)
}

// isDump reports the connection of [httputil.DumpRequestOut], which leads nowhere.
// Recorders and loggers call that function with a request that is about to be sent.
func isDump(conn net.Conn) bool {
	return conn != nil && conn.LocalAddr() == nil && conn.RemoteAddr() == nil
}

// credentialed adds the credentials of the attempt. It runs after all middleware, next to
// the network.
type credentialed struct{ core *core }

// RoundTrip implements [http.RoundTripper].
func (t *credentialed) RoundTrip(req *http.Request) (*http.Response, error) {
	a, ok := req.Context().Value(attemptKey{}).(*attempt)
	if !ok {
		closeBody(req)
		return nil, invalidArgument("WithMiddleware", "request", "must keep the context that it was given")
	}
	if !t.core.sameOrigin(req.URL) {
		closeBody(req)
		return nil, invalidArgument("WithMiddleware", "request", "must stay on the origin of the API: credentials go nowhere else")
	}
	out := cleanCopy(a.trace(req.Context(), new(httptrace.ClientTrace)), req)
	resp, err := t.core.transmit(out, a)
	if resp != nil {
		resp.Request = req // the copy has the token
	}
	return resp, err
}

// newRequest makes a request from parts that have been checked; http.NewRequest would
// check and parse them again. A nil body means none.
func newRequest(ctx context.Context, method string, target *url.URL, header http.Header, body []byte) *http.Request {
	req := new(http.Request).WithContext(ctx)
	req.Method, req.URL, req.Host, req.Header = method, target, target.Host, header
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	if body != nil {
		req.ContentLength = int64(len(body))
		req.Body = io.NopCloser(bytes.NewReader(body)) // of this, net/http knows that it is in memory
	}
	return req
}

// sameOrigin reports whether a URL is on the origin of the API. An opaque URL is not, because
// it would be written into the request as it is, whatever its host.
func (c *core) sameOrigin(u *url.URL) bool {
	return u != nil && u.Opaque == "" && origin(u) == origin(c.base)
}

// cleanCopy returns a copy of somebody else's request that the credentials can be put on:
// without the credentials that it has, and for the host of its URL. Transports that write
// into the URL or the headers of a request change the copy alone. The rest is shared, which
// a trailer has to be, because it is filled while the body is read.
func cleanCopy(ctx context.Context, req *http.Request) *http.Request {
	out := req.WithContext(ctx)
	target := *req.URL
	out.URL = &target
	if out.Header = cloneHeader(req.Header); out.Header == nil {
		out.Header = make(http.Header)
	}
	for name := range out.Header {
		if containsText(foreignHeaders, http.CanonicalHeaderKey(name)) {
			delete(out.Header, name) // in any spelling
		}
	}
	out.Host = ""
	return out
}

// foreignHeaders must not be set by middleware: credentials are the client's, and
// net/http repeats a POST with an idempotency key by itself.
//
//nolint:gochecknoglobals // a constant list; Go has no constant slices
var foreignHeaders = []string{"Authorization", "Accesstoken", "Cookie", "Idempotency-Key", "X-Idempotency-Key"}

// transmit adds the credentials and hands the request to the network. A request
// whose context has ended by then is certainly not sent.
func (c *core) transmit(req *http.Request, a *attempt) (*http.Response, error) {
	if err := overdue(req.Context()); err != nil {
		closeBody(req)
		return nil, err
	}
	c.setCredentials(req.Header, a.token.Reveal().AccessToken)
	if a.class == retry.Consequences {
		makeUnrepeatable(req)
	}
	a.letThrough.Store(true)
	a.inFlight.Add(1)
	defer a.inFlight.Add(-1)
	if a.passage.Load() == passageShut {
		closeBody(req)
		return nil, errOver
	}
	before := a.written.Load()
	resp, err := repairAnswer(c.network.Reveal().RoundTrip(req))
	if resp != nil {
		a.answerReturned.Store(true)
	}
	doubts := a.written.Load() - before
	if a.class != retry.Read && a.sought.Load() == 0 && (err == nil || !isDialFailure(err)) {
		doubts = max(doubts, 1) // the network need not report what it writes
	}
	if doubts > 0 && isRefusal(resp, err) {
		doubts--
	}
	a.doubts.Add(doubts)
	return resp, err
}

// isRefusal reports an answer, or a failure to get one, that says that the request was
// not applied.
func isRefusal(resp *http.Response, err error) bool {
	if err != nil {
		return isUnprocessed(err)
	}
	var r result
	r.judge(resp)
	return r.outcome.Refuses()
}

// repairAnswer repairs what a transport or middleware returns. The caller's own may return no
// body, or an answer together with an error, which net/http never does: then the body is
// empty, and only the error counts.
func repairAnswer(resp *http.Response, err error) (*http.Response, error) {
	if resp != nil && resp.Body == nil {
		resp.Body = http.NoBody
	}
	switch {
	case err == nil && resp == nil:
		return nil, errors.New("the transport returned neither an answer nor an error")
	case err != nil && resp != nil:
		discard(resp.Body)
		return nil, err
	}
	return resp, err
}

// makeUnrepeatable keeps net/http from repeating a request by itself. It does so over HTTP/2
// after a reset with PROTOCOL_ERROR, which does not tell what the service has already
// done. It repeats requests that have a GetBody or no body at all. So an empty body must
// not be http.NoBody here, and goes over HTTP/1.1 as an empty chunked body.
func makeUnrepeatable(req *http.Request) {
	req.GetBody = nil
	if req.Body == nil || req.Body == http.NoBody {
		req.Body = io.NopCloser(strings.NewReader(""))
	}
}

// setCredentials puts the access token into one header, never into both. The
// name AccessToken was observed; net/http sends it as the map key spells it.
func (c *core) setCredentials(header http.Header, token string) {
	if c.bearer {
		header["Authorization"] = []string{"Bearer " + token}
		return
	}
	header["AccessToken"] = []string{token}
}

// classify returns how an attempt without an answer ended. sent is whether bytes of the
// request may have left. What speaks for and against that, in the order in which it counts:
//
//	middleware did not let the request through    not sent, and hopeless
//	the transport found a connection              sent, unless an HTTP/2 server says that it has not looked
//	it looked for a connection in vain            not sent
//	it reports nothing, and failed to dial        not sent
//	anything else                                 sent
//
// If the reason is one that stays (isHopeless), the attempt is hopeless, unless it is a write
// with consequences that may have been sent. What earlier requests of the call leave in doubt
// is added by [pastAttempts.weigh].
func (a *attempt) classify(err error) (outcome retry.Outcome, sent bool) {
	shut := a.shut() // first of all, so that nothing changes from here on
	if !a.letThrough.Load() {
		return retry.Hopeless, false // middleware has not let it through
	}
	sent = !a.provablyUnsent(err, shut)
	switch {
	case isHopeless(err) && !(sent && a.class == retry.Consequences):
		return retry.Hopeless, false
	case sent:
		return retry.Cut, true
	}
	return retry.Unsent, false
}

// provablyUnsent reports whether the request certainly was not processed: the transport
// looked for a connection and found none; or it does not report that, and failed while it
// dialled; or the server shut down before it looked at the request. Anything else counts
// as sent, because a contract sent twice is worse than an error.
func (a *attempt) provablyUnsent(err error, shut bool) bool {
	if !shut {
		// After two tries, the error is only about the last one, which may have written nothing.
		written := a.written.Load()
		return isUnprocessed(err) && (written == 0 || written == 1 && (a.sought.Load() <= 1 || !isUnusable(err)))
	}
	if a.sought.Load() > 0 {
		return true
	}
	if a.answerReturned.Load() {
		return false // the error is from middleware, and says nothing about the network
	}
	return isDialFailure(err)
}

// isDialFailure reports an error of looking for a server, before anything can be sent.
func isDialFailure(err error) bool {
	if isAny(err, new(*net.DNSError), new(*tls.CertificateVerificationError)) {
		return true
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}

// foundNoConnection reports an attempt that could make no connection, and whose error says so.
func (a *attempt) foundNoConnection(err error) bool {
	switch {
	case !a.letThrough.Load():
		return false
	case a.shut() && a.provablyUnsent(err, true):
		return true
	}
	return a.class != retry.Consequences && !a.answerReturned.Load() && isHopeless(err) // as a TLS that is refused after a connection was found
}

// plainly returns the error of a network without its URL, and in the place of the two errors of
// net/http that misleadingly ask for a GetBody one that says what happened.
func plainly(err error) error {
	switch {
	case isUnprocessed(err):
		return errors.New("http2: the server has not processed the request")
	case isRefusedStream(err):
		return errors.New("http2: the stream was reset with REFUSED_STREAM, which some proxies do when an answer is lost")
	}
	return withoutURL(err)
}

// notRewound is how net/http begins the error of a request that it would repeat by itself, but
// cannot (see makeUnrepeatable). The error has no exported type: only its text tells.
const notRewound = "http2: Transport: cannot retry err ["

// isUnprocessed reports a request that an HTTP/2 server has certainly not looked at (RFC
// 9113, section 8.7): it began to shut down before the stream, or the connection was closed
// before the stream began. A REFUSED_STREAM should say the same, and does not: HAProxy
// answers so when its connection to the service ends without an
// answer, although the service may have carried out the request.
func isUnprocessed(err error) bool {
	text := withoutURL(err).Error()
	return isUnusable(err) || strings.HasPrefix(text, notRewound+"http2: Transport received Server's graceful shutdown GOAWAY]")
}

// isRefusedStream reports a stream that was reset with REFUSED_STREAM.
func isRefusedStream(err error) bool {
	reason, ok := strings.CutPrefix(withoutURL(err).Error(), notRewound)
	return ok && strings.Contains(reason, "; REFUSED_STREAM; received from peer]")
}

// isUnusable reports a connection that turned out to be closed before anything of the request
// was on the wire.
func isUnusable(err error) bool {
	return withoutURL(err).Error() == "net/http: cannot rewind body after connection loss"
}

// isHopeless reports failures that another attempt would meet again: a name that does not
// exist, a certificate that is not valid for it, a protocol that is refused.
func isHopeless(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	return errors.Is(err, http.ErrSchemeMismatch) || isTLSRefusal(err) || isAny(err,
		new(*tls.CertificateVerificationError), new(x509.UnknownAuthorityError), new(x509.HostnameError),
		new(x509.CertificateInvalidError), new(x509.SystemRootsError), new(tls.RecordHeaderError),
		new(*net.AddrError), new(*net.ParseError), new(net.UnknownNetworkError),
	)
}

// handshakeAlerts are the alerts of RFC 8446, section 6.2, by which a server refuses a
// handshake permanently: no common version or cipher, no acceptable client certificate,
// no such name.
//
//nolint:gochecknoglobals // a constant list; Go has no constant slices
var handshakeAlerts = []tls.AlertError{40, 42, 43, 44, 45, 46, 48, 49, 70, 71, 112, 116, 120}

// isTLSRefusal reports a handshake that one of the sides has ended on purpose. crypto/tls
// has no exported type for alerts that arrive, nor for what it finds wrong with a server
// itself: only their texts tell.
func isTLSRefusal(err error) bool {
	remote, ok := errors.AsType[*net.OpError](err)
	if ok && remote.Op == "remote error" && remote.Err != nil {
		for _, alert := range handshakeAlerts {
			if remote.Err.Error() == alert.Error() {
				return true
			}
		}
		return false
	}
	return strings.HasPrefix(err.Error(), "tls: server ")
}

// isAny reports whether err is of one of the types that targets point to.
func isAny(err error, targets ...any) bool {
	for _, target := range targets {
		if errors.As(err, target) {
			return true
		}
	}
	return false
}

// isCorrupt reports a body that arrived and cannot be decompressed.
func isCorrupt(err error) bool {
	return errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || isAny(err, new(flate.CorruptInputError))
}

// areHeadersTooLarge reports an answer whose headers exceed the limit of the transport.
// net/http says so only in the text of its error, in one way for HTTP/1 and in another
// for HTTP/2.
func areHeadersTooLarge(err error) bool {
	text := err.Error()
	return strings.Contains(text, "server response headers exceeded") || strings.Contains(text, "response header list larger than advertised limit")
}

// withoutURL removes the URL from the errors of an http.Client that is used as a
// transport: its query may contain secrets.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return withoutURL(u.Err)
	}
	return err
}
