package revv

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/retry"
)

// CallInfo describes the attempt that a request belongs to, for middleware.
type CallInfo struct {
	Operation string // as "Documents.Create"
	Route     string // the path with its placeholder, as "/api/docs/{id}"
	Attempt   int    // from 1
}

// CallInfoFrom returns what is known of the request with this context; ok is
// false for requests that are not the SDK's own.
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

// attempt is one request with its answer.
type attempt struct {
	info  CallInfo
	token *oauth2.Token

	// What the transport reported. Only calls with consequences are traced: for
	// the others it makes no difference.
	sought, connected atomic.Bool
	// reached says that middleware let the request through to the network.
	reached atomic.Bool
}

// trace watches whether a connection was found. A request that never had one
// was certainly not received.
func (a *attempt) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { a.sought.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { a.connected.Store(true) },
	})
}

// credentialed adds the credentials of the attempt. It stands behind all
// middleware, next to the network.
type credentialed struct{ core *core }

// RoundTrip implements [http.RoundTripper].
func (t credentialed) RoundTrip(req *http.Request) (*http.Response, error) {
	a, ok := req.Context().Value(attemptKey{}).(*attempt)
	if !ok {
		closeBody(req)
		return nil, argument("WithMiddleware", "request", "must keep the context that it was given")
	}
	if origin(req.URL) != origin(t.core.base) {
		closeBody(req)
		return nil, argument("WithMiddleware", "request", "must stay on the origin of the API: credentials go nowhere else")
	}
	out := req.Clone(req.Context())
	for _, name := range []string{"Authorization", "Accesstoken", "Cookie", "Idempotency-Key", "X-Idempotency-Key"} {
		out.Header.Del(name)
	}
	out.Host = ""
	t.core.setCredentials(out.Header, a.token.AccessToken)
	a.reached.Store(true)
	return t.core.network.RoundTrip(out)
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

// classify tells how an attempt ended that has no answer. sent is whether bytes
// of the request may have left.
func (a *attempt) classify(class retry.Class, err error) (outcome retry.Outcome, sent bool) {
	if !a.reached.Load() {
		return retry.Hopeless, false // middleware has decided so
	}
	if class == retry.Consequences {
		sent = !a.provablyUnsent(err)
	}
	switch {
	case !sent && isHopeless(err):
		return retry.Hopeless, false
	case class == retry.Consequences && !sent:
		return retry.Unsent, false
	}
	return retry.Cut, true
}

// provablyUnsent: the transport looked for a connection and found none, or it
// does not report that and failed while it dialled. Anything else counts as
// sent, for a contract sent twice is worse than an error.
func (a *attempt) provablyUnsent(err error) bool {
	if a.connected.Load() {
		return false
	}
	if a.sought.Load() {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}

// isHopeless reports failures that another attempt would meet again: a name
// that does not exist, a certificate that does not fit, a protocol refused.
func isHopeless(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	return isAny[*tls.CertificateVerificationError](err) || isAny[x509.UnknownAuthorityError](err) || isAny[x509.HostnameError](err) ||
		isAny[x509.CertificateInvalidError](err) || isAny[x509.SystemRootsError](err) || isAny[tls.RecordHeaderError](err) ||
		isAny[tls.AlertError](err) || isAny[*net.AddrError](err) || isAny[*net.ParseError](err) || isAny[net.UnknownNetworkError](err)
}

func isAny[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// isCorrupt reports a body that arrived and cannot be decompressed.
func isCorrupt(err error) bool {
	return errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || isAny[flate.CorruptInputError](err)
}

// withoutURL removes the URL from the errors of clients that wrap themselves as
// a transport: its query may hold what must not be printed.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return withoutURL(u.Err)
	}
	return err
}
