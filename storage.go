package revv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/revv-go/revv/internal/retry"
)

// maxHops is how many redirects a download follows.
const maxHops = 5

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow goes where a download is redirected to, as to the storage behind the
// service: with https, bare of every credential, and never into a private
// network, whatever name that has been given.
func (c *core) follow(ctx, bounded context.Context, resp *http.Response, r result, extra http.Header) (*http.Response, result) {
	from := c.base
	for range maxHops {
		target, err := c.storageURL(from, resp)
		discard(resp.Body)
		if err != nil {
			r.outcome, r.err = retry.Refused, err
			return nil, r
		}
		req := new(http.Request).WithContext(bounded)
		req.Method, req.URL, req.Host = http.MethodGet, target, target.Host
		req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
		req.Header = extra.Clone()
		req.Header["User-Agent"], req.Header["Accept"] = c.agent, pdfAccept
		resp, err = c.storage().RoundTrip(req) //nolint:bodyclose // closed by the caller, or above
		if err != nil {
			r.status, r.header, r.outcome, r.err = 0, nil, retry.Cut, withoutURL(err)
			switch {
			case ctx.Err() != nil:
				r.outcome, r.err = retry.Done, ctx.Err()
			case errors.Is(err, ErrRedirected):
				r.outcome = retry.Refused
			case isHopeless(err):
				r.outcome = retry.Hopeless
			}
			return nil, r
		}
		r.status, r.header = resp.StatusCode, resp.Header
		r.retryAfter, r.told = retry.ParseAfter(resp.Header.Get("Retry-After"), time.Now())
		r.outcome = retry.OfStatus(resp.StatusCode, r.told)
		if r.outcome == retry.Unauthorized {
			r.outcome = retry.Refused // the storage does not know the token
		}
		if !isRedirect(resp.StatusCode) {
			return resp, r
		}
		from = target
	}
	discard(resp.Body)
	r.outcome, r.err = retry.Refused, fmt.Errorf("%w more than %d times", ErrRedirected, maxHops)
	return nil, r
}

// storageURL checks the target of a redirect, as far as its text goes.
func (c *core) storageURL(from *url.URL, resp *http.Response) (*url.URL, error) {
	target, err := from.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return nil, fmt.Errorf("%w to nowhere", ErrRedirected)
	}
	local := isLoopback(c.base.Hostname())
	host := target.Hostname()
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "" || target.User != nil || target.Opaque != "":
		return nil, fmt.Errorf("%w to an address that is not followed", ErrRedirected)
	case local && isLoopback(host) && (target.Scheme == "http" || target.Scheme == "https"):
		return target, nil
	case target.Scheme != "https":
		return nil, fmt.Errorf("%w to something else than https", ErrRedirected)
	case isLoopback(host) || err == nil && !isPublic(addr):
		return nil, fmt.Errorf("%w into a private network", ErrRedirected)
	}
	return target, nil
}

// reserved are the networks that are no part of the public Internet beyond what
// netip knows (RFC 6890 and its updates).
//
//nolint:gochecknoglobals // a constant list; Go has no constant slices
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

// isPublic reports whether an address belongs to the public Internet.
func isPublic(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	for _, network := range reserved {
		if network.Contains(addr) {
			return false
		}
	}
	return true
}

// storage is the transport for redirected downloads: the caller's own, with a
// look at every address before it is connected to, for a public name may lead
// to a private address. A [http.RoundTripper] of another kind than
// [http.Transport] is used as it is; what can be said of its targets from their
// text alone has been checked by then.
func (c *core) storage() http.RoundTripper {
	transport, ok := c.network.(*http.Transport)
	if !ok {
		return c.network
	}
	c.storageOnce.Do(func() {
		guard := guard{local: isLoopback(c.base.Hostname())}
		proxied := transport.Clone()
		proxied.DisableKeepAlives = true
		direct := proxied.Clone()
		direct.Proxy = nil
		switch {
		case c.own || direct.DialContext == nil && direct.DialTLSContext == nil:
			direct.DialContext = (&net.Dialer{Timeout: dialTimeout, Control: guard.control}).DialContext
		default:
			direct.DialContext = guard.before(direct.DialContext)
			direct.DialTLSContext = guard.before(direct.DialTLSContext)
		}
		c.storageTransport = viaProxy{transport.Proxy, proxied, direct}
	})
	return c.storageTransport
}

// viaProxy sends through the proxy where one is configured: then the proxy
// makes the connection, and its rules hold.
type viaProxy struct {
	proxy           func(*http.Request) (*url.URL, error)
	proxied, direct http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t viaProxy) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.proxy != nil {
		if proxy, err := t.proxy(req); err != nil || proxy != nil {
			return t.proxied.RoundTrip(req)
		}
	}
	return t.direct.RoundTrip(req)
}

// guard refuses addresses of private networks; loopback is allowed where the
// API itself is on loopback.
type guard struct{ local bool }

func (g guard) check(addr netip.Addr) error {
	if g.local && addr.Unmap().IsLoopback() || isPublic(addr) {
		return nil
	}
	return fmt.Errorf("%w into a private network", ErrRedirected)
}

// control looks at the address that is about to be connected to.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	endpoint, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w to an address that is not followed", ErrRedirected)
	}
	return g.check(endpoint.Addr())
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// before looks a name up before the caller's own dialler does. It cannot see
// what that makes of it; a name that cannot be looked up here is left to it.
func (g guard) before(dial dialFunc) dialFunc {
	if dial == nil {
		return nil
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			found = nil
		}
		for _, addr := range found {
			if err := g.check(addr); err != nil {
				return nil, err
			}
		}
		return dial(ctx, network, address)
	}
}
