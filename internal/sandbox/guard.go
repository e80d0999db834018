package sandbox

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Guard refuses, with a [*Problem], requests that the page of another site makes a
// browser send to a page of the sandbox.
//
// The sandbox uses no cookies, so no session can be abused. But a browser on this machine
// reaches addresses of this machine, and another site could abuse that. Two checks
// prevent it; the second one also protects the API.
//
//   - A request that changes something is refused if the browser says that it comes
//     from elsewhere. Every browser since 2020 sends Origin with such a request, and
//     every one since 2023 also Sec-Fetch-Site; a page can neither forge nor omit
//     them. A request without both comes from a program, which needs no browser to
//     reach the sandbox. A token in each form would add nothing: there is no session
//     to bind it to, and a page that could read it would pass these checks, too.
//   - A request for a foreign host name is always refused. A site that lets its own
//     name point to this machine has the same origin as the sandbox under that name,
//     and would pass the first check. An IP address cannot be pointed anywhere else.
//
// Instead of the first check, the API has the rules of CORS: the login, and every call
// with a token, need a header that a page of another origin may send only after the
// browser has asked, and [Options.Origins] decides the answer. That the token is a secret
// would not be enough: its password is in the documentation, and whoever has a token can
// make the sandbox post webhooks to this machine's neighbours.
func (s *Sandbox) Guard(r *http.Request) error {
	if p := s.guard(r); p != nil {
		return p
	}
	return nil
}

func (s *Sandbox) guard(r *http.Request) *Problem {
	if p := s.checkHost(r); p != nil {
		return p
	}
	var sameOrigin http.CrossOriginProtection
	if err := sameOrigin.Check(r); err != nil {
		return problem(http.StatusForbidden, codeForeignOrigin, "the page of another site has sent this; nothing was changed")
	}
	return nil
}

// checkHost refuses a request for a foreign host name. A request without a Host does not
// come from a browser.
func (s *Sandbox) checkHost(r *http.Request) *Problem {
	if r.Host == "" || s.ourName(r.Host) {
		return nil
	}
	return problem(http.StatusMisdirectedRequest, codeForeignHost,
		"the sandbox does not answer for the host %q; call it by the address that it printed, or start it with -allow-host and this name", shorten(r.Host))
}

// guardCall refuses an operation that another site made a browser call.
func (s *Sandbox) guardCall(c *call) *Problem {
	origin := c.request.Header.Get("Origin")
	if c.op.forPeople() && (c.fromPage() || origin != "" && !s.ourOrigin(origin)) {
		return s.guard(c.request)
	}
	return s.checkHost(c.request)
}

// anyOrigin reports whether the pages of every origin may call the API.
func (s *Sandbox) anyOrigin() bool {
	return s.opts.Origins == nil || slices.Contains(s.opts.Origins, "*")
}

// ourOrigin reports whether the pages of an origin may call the API. "null" may only with
// "*", because every site can show a page without an origin in a frame.
func (s *Sandbox) ourOrigin(origin string) bool {
	if s.anyOrigin() || slices.ContainsFunc(s.opts.Origins, func(ours string) bool { return strings.EqualFold(ours, origin) }) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && isLocalName(hostname(u.Host))
}

// ourName reports whether the sandbox answers under the name in a Host header.
func (s *Sandbox) ourName(host string) bool {
	name := hostname(host)
	if s.opts.Hosts == nil || net.ParseIP(name) != nil || isLocalName(name) {
		return true
	}
	if base, err := url.Parse(s.BaseURL()); err == nil && base.Host != "" && hostname(base.Host) == name {
		return true
	}
	return slices.ContainsFunc(s.opts.Hosts, func(ours string) bool { return ours == "*" || hostname(ours) == name })
}

// isLocalName reports a name that leads to this machine for everybody: the names below
// localhost do (RFC 6761, section 6.3).
func isLocalName(name string) bool { return IsLoopback(name) || strings.HasSuffix(name, ".localhost") }

// hostname is the name in host or host:port, for comparison.
func hostname(host string) string {
	u := url.URL{Host: host}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
}

// ReferrerPolicy keeps the secret in the address of a page from other sites, and where
// possible from our own log of requests. Without a referrer, browsers send "Origin: null"
// with a form, and say only for trusted addresses (https, loopback), in another header,
// that it comes from the same site.
func (s *Sandbox) ReferrerPolicy(r *http.Request) string {
	if s.opts.Hosts == nil || r.TLS != nil || IsLoopback(hostname(r.Host)) {
		return "no-referrer"
	}
	return "same-origin"
}

// forPeople reports whether the operation is called by pages.
func (op *operation) forPeople() bool { return op.page || strings.HasPrefix(op.name, "Shared.") }

// PreflightOperation is the operation that a preflight request is recorded as, with which
// a browser asks whether a page may call the API. No fault can be put on it.
const PreflightOperation = "CORS.Preflight"

// Operations lists the names of all operations, on which faults can be put, in the order
// of the contract.
func Operations() []string {
	var names []string
	for _, op := range operations() {
		if !slices.Contains(names, op.name) {
			names = append(names, op.name)
		}
	}
	return names
}

// NotFound refuses a request for an unknown path, with the nearest known path if there is
// one, and logs it. It is for an [Options.Fallback] that has no answer.
func (s *Sandbox) NotFound(w http.ResponseWriter, r *http.Request) {
	s.refuse(w, r, s.unknownPath(r))
}

func (s *Sandbox) unknownPath(r *http.Request) *Problem {
	hint := s.nearest(r.Method, r.URL.Path[:min(len(r.URL.Path), maxPath)])
	if hint != "" {
		hint = "; did you mean " + hint + "?"
	}
	return notFound("no operation lives at %s%s", shorten(redactPath(r.URL.Path)), hint)
}
