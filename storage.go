package revv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/secret"
)

// maxHops is how many redirects a download follows, and maxLocation how long, in bytes,
// their addresses may be: signed ones have two or three thousand.
const (
	maxHops     = 5
	maxLocation = 8 << 10
)

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow follows the redirects of a download, for example to the storage behind the
// service: with https, without any credential, and never into a private network, whatever
// its name. It sets r by how the last request ended, and returns its answer, nil if there is none to read.
func (c *core) follow(ctx, bounded context.Context, p *prepared, resp *http.Response, r *result, extra http.Header) *http.Response {
	from := &p.url
	for range maxHops {
		target, err := c.storageURL(from, resp)
		discard(resp.Body)
		if target != nil {
			p.targets = append(p.targets, target)
		}
		if err != nil {
			r.outcome, r.err = retry.Refused, err
			return nil
		}
		if resp = c.askStorage(ctx, bounded, target, extra, r); resp == nil || !isRedirect(resp.StatusCode) {
			return resp
		}
		from = target
	}
	discard(resp.Body)
	r.outcome, r.err = retry.Refused, fmt.Errorf("%w more than %d times", ErrRedirected, maxHops)
	return nil
}

// askStorage sends one request to a storage, and sets the result by how that ended.
func (c *core) askStorage(ctx, bounded context.Context, target *url.URL, extra http.Header, r *result) *http.Response {
	header := cloneHeader(extra)
	header["User-Agent"] = c.agent
	resp, err := repairAnswer(c.storage().RoundTrip(newRequest(bounded, http.MethodGet, target, header, nil)))
	if err != nil {
		r.status, r.header, r.outcome, r.err = 0, nil, retry.Cut, withoutURL(err)
		switch {
		case ctx.Err() != nil:
			r.outcome, r.err = retry.GivenUp, ctx.Err()
		case errors.Is(err, ErrRedirected):
			r.outcome = retry.Refused
		case isHopeless(err):
			r.outcome = retry.Hopeless
		}
		return nil
	}
	r.status, r.header, r.elsewhere = resp.StatusCode, resp.Header, true
	if r.judge(resp); r.outcome == retry.Unauthorized {
		r.outcome = retry.Refused // the storage does not know the token
	}
	return resp
}

// storageURL checks the target of a redirect by its text. It also returns a target that
// it refuses, because errors must not show that one either.
func (c *core) storageURL(from *url.URL, resp *http.Response) (*url.URL, error) {
	location := resp.Header.Get("Location")
	target, err := from.Parse(location)
	if err != nil || location == "" {
		return nil, fmt.Errorf("%w to nowhere", ErrRedirected)
	}
	local := isLoopback(c.base.Hostname())
	host := target.Hostname()
	switch {
	case len(location) > maxLocation:
		return target, fmt.Errorf("%w to an address of more than %d bytes", ErrRedirected, maxLocation)
	case host == "" || target.User != nil || target.Opaque != "":
		return target, fmt.Errorf("%w to an address that is not followed", ErrRedirected)
	case local && isLoopback(host) && (target.Scheme == "http" || target.Scheme == "https"):
		return target, nil
	case target.Scheme != "https":
		return target, fmt.Errorf("%w to something else than https", ErrRedirected)
	case !isPublicHost(host):
		return target, fmt.Errorf("%w into a private network", ErrRedirected)
	}
	return target, nil
}

// isPublicHost reports whether a host, by its text, can be on the public Internet. What a
// name resolves to is checked when it is dialled. Resolvers read 2130706433, 0x7f.1 and
// 127.1 as addresses, too, so a name must not end in a number.
func isPublicHost(host string) bool {
	host = lowerASCII(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		return isPublic(addr)
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	numeric := strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == ""
	return !numeric && last != "localhost" && !strings.ContainsFunc(host, func(r rune) bool { return r >= utf8.RuneSelf })
}

// reserved are the networks that are not part of the public Internet, beyond those that
// netip knows (RFC 6890 and its updates). They are parsed only when a storage is dialled,
// because a parsed table would cost every program time and memory at its start.
func reserved() []string {
	return []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"192.88.99.0/24", "203.0.113.0/24", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	}
}

// isPublic reports whether an address belongs to the public Internet. In IPv6, only
// 2000::/3 has been allocated; outside of it are, among others, the many ways to write an
// IPv4 address as an IPv6 address.
func isPublic(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Is6() && !netip.MustParsePrefix("2000::/3").Contains(addr) {
		return false
	}
	for _, network := range reserved() {
		if netip.MustParsePrefix(network).Contains(addr) {
			return false
		}
	}
	return true
}

// storage is the transport for redirected downloads: the caller's own, with a check of
// every address before it is connected to, because a public name may resolve to a private
// address. A [http.RoundTripper] that is no [http.Transport] is used as it is; then only
// the text of the target is checked.
func (c *core) storage() http.RoundTripper {
	network := c.network.Reveal()
	transport, ok := network.(*http.Transport)
	if !ok {
		return network
	}
	c.storageOnce.Do(func() {
		guard := &guard{local: isLoopback(c.base.Hostname())}
		proxied := cloneTransport(transport)
		proxied.DisableKeepAlives = true
		if config := proxied.TLSClientConfig; config != nil { // what it says of the client and its server is not meant for a storage
			config.Certificates, config.GetClientCertificate, config.ServerName = nil, nil, ""
		}
		direct := proxied.Clone()
		direct.Proxy = nil
		direct.DialContext, direct.Dial = contextDialer(direct.DialContext, direct.Dial), nil             //nolint:staticcheck // callers may have set it
		direct.DialTLSContext, direct.DialTLS = contextDialer(direct.DialTLSContext, direct.DialTLS), nil //nolint:staticcheck // as above
		if isPlain(direct.DialContext) && direct.DialTLSContext == nil {
			direct.DialContext = (&net.Dialer{Timeout: dialTimeout, Control: guard.control}).DialContext
		} else {
			direct.DialContext = guard.guardedDial(direct.DialContext)
			direct.DialTLSContext = guard.guardedDial(direct.DialTLSContext)
		}
		c.storageTransport = secret.New[http.RoundTripper](&viaProxy{transport.Proxy, proxied, direct})
	})
	return c.storageTransport.Reveal()
}

// cloneTransport copies a transport. One that speaks HTTP/2 without having been told to has a
// copy that offers it to servers and does not speak it, unless it is told to.
func cloneTransport(t *http.Transport) *http.Transport {
	clone := t.Clone()
	if clone.TLSClientConfig != nil && containsText(clone.TLSClientConfig.NextProtos, "h2") {
		clone.ForceAttemptHTTP2 = true
	}
	return clone
}

// viaProxy sends through the proxy if one is configured. Then the proxy makes the
// connection, and its rules apply.
type viaProxy struct {
	proxy           func(*http.Request) (*url.URL, error)
	proxied, direct http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *viaProxy) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.proxy != nil {
		if proxy, err := t.proxy(req); err != nil || proxy != nil {
			return t.proxied.RoundTrip(req)
		}
	}
	return t.direct.RoundTrip(req)
}

// guard refuses addresses of private networks. Loopback is allowed if the API itself is
// on loopback.
type guard struct{ local bool }

func (g *guard) check(addr netip.Addr) error {
	if g.local && addr.Unmap().IsLoopback() || isPublic(addr) {
		return nil
	}
	return fmt.Errorf("%w into a private network", ErrRedirected)
}

// control checks the address that is about to be connected to.
func (g *guard) control(_, address string, _ syscall.RawConn) error {
	endpoint, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w to an address that is not followed", ErrRedirected)
	}
	return g.check(endpoint.Addr())
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// isPlain reports that names are dialled as this package, or net/http by itself, does: then a
// dialler that looks at the address it connects to can take its place. Before any other dialler
// a name is only looked up, and by the time it is dialled it can lead elsewhere.
func isPlain(dial dialFunc) bool {
	return dial == nil || reflect.ValueOf(dial).Pointer() == reflect.ValueOf(dialPlainly).Pointer()
}

// contextDialer returns the dialler that net/http would use. The older kind is deprecated
// but still used, so it needs the guard as well.
func contextDialer(dial dialFunc, older func(network, address string) (net.Conn, error)) dialFunc {
	if dial != nil || older == nil {
		return dial
	}
	return func(_ context.Context, network, address string) (net.Conn, error) { return older(network, address) }
}

// guardedDial checks what a name resolves to before it calls the caller's own dialler. It
// cannot see which address that will use. A name that cannot be resolved here is left to
// the dialler.
func (g *guard) guardedDial(dial dialFunc) dialFunc {
	if dial == nil {
		return nil
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		for _, addr := range found {
			if err := g.check(addr); err != nil {
				return nil, err
			}
		}
		return dial(ctx, network, address)
	}
}
