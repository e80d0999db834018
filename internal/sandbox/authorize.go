package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// codeLifetime bounds both an open consent page and an authorization code.
const codeLifetime = 10 * time.Minute

const (
	maxConsents = ringSize // open consent pages
	maxState    = 2048     // bytes of the state of an authorization request
)

// What RFC 7636 makes of PKCE.
var (
	codeChallenge = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	codeVerifier  = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)
)

// Consent is an open question to the user: may the application act for them?
type Consent struct {
	Ticket      string // names the question; good for one answer
	AppName     string
	UserEmail   string
	RedirectURL string // where the answer goes, without its parameters

	number    int64 // grows from one consent page to the next
	state     string
	challenge string
	expires   time.Time
}

// authCode is an authorization code. Once it was traded, it is kept to notice a second
// try.
type authCode struct {
	redirectURL string
	challenge   string
	expires     time.Time
	grant       *grant // set once it was traded
}

// redirect is an answer that leaves for the application.
type redirect struct{ location string }

func (r *redirect) Error() string { return "redirect to the application" }

// BeginConsent checks an authorization request. If its application or redirect URL is
// wrong, it must not redirect anywhere and is refused with a [*Problem]. Any other
// mistake is reported to the application: then location is where the browser goes at
// once.
func (s *Sandbox) BeginConsent(rawQuery string) (c Consent, location string, err error) {
	err = s.do(func(a *account) error {
		consent, err := a.beginConsent(rawQuery)
		if err == nil {
			c = *consent
		}
		return err
	})
	if r, ok := errors.AsType[*redirect](err); ok {
		return Consent{}, r.location, nil
	}
	return c, "", err
}

func (a *account) beginConsent(rawQuery string) (*Consent, error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, badRequest("the query is malformed: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if len(query[name]) > 1 {
			return nil, badRequest("the parameter %s occurs twice", shorten(name))
		}
	}
	switch id := query.Get("client_id"); id {
	case a.App.ClientID:
	case "":
		return nil, badRequest("client_id is missing")
	default:
		return nil, badRequest("no application with the client_id %q is registered", shorten(id))
	}
	target := query.Get("redirect_uri")
	if target == "" {
		return nil, badRequest("redirect_uri is missing; the application has %s", list(a.App.RedirectURLs))
	}
	if !slices.ContainsFunc(a.App.RedirectURLs, func(registered string) bool { return sameRedirect(registered, target) }) {
		return nil, badRequest("the redirect_uri %q is not registered; the application has %s", shorten(target), list(a.App.RedirectURLs))
	}
	if len(query.Get("state")) > maxState { // told here, since the application could not be told its state
		return nil, badRequest("state: at most %d bytes are allowed, not %d", maxState, len(query.Get("state")))
	}
	if err := a.checkAuthorization(query, target); err != nil {
		return nil, err
	}
	a.dropConsents()
	c := &Consent{ // its texts are cloned: as they are, they keep the whole query in memory
		Ticket: a.source.text(linkLength), AppName: a.App.Name, UserEmail: a.Owner.Email, RedirectURL: strings.Clone(target),
		number: take(&a.nextConsent), state: strings.Clone(query.Get("state")), challenge: strings.Clone(query.Get("code_challenge")),
		expires: a.sandbox.clock.now().Add(codeLifetime),
	}
	a.consents[c.Ticket] = c
	return c, nil
}

// checkAuthorization reports what the application has to be told of its request.
func (a *account) checkAuthorization(query url.Values, target string) error {
	refuse := func(code, format string, args ...any) error {
		return &redirect{withQuery(target, url.Values{
			"error": {code}, "error_description": {fmt.Sprintf(format, args...)},
		}, query.Get("state"))}
	}
	challenge := query.Get("code_challenge")
	switch {
	case query.Get("response_type") == "":
		return refuse("invalid_request", "response_type is missing; it must be code")
	case query.Get("response_type") != "code":
		return refuse("unsupported_response_type", "response_type must be code")
	case challenge == "" && query.Has("code_challenge_method"):
		return refuse("invalid_request", "code_challenge_method comes without a code_challenge")
	case challenge != "" && query.Get("code_challenge_method") != "S256":
		return refuse("invalid_request", "code_challenge_method must be S256")
	case challenge != "" && !codeChallenge.MatchString(challenge):
		return refuse("invalid_request", "code_challenge must be the 43 characters of base64url that a SHA-256 has")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch name {
		case "client_id", "redirect_uri", "response_type", "state", "code_challenge", "code_challenge_method":
		default:
			if !a.sandbox.opts.Lenient {
				return refuse("invalid_request", "the parameter %s is not known", shorten(name))
			}
		}
	}
	return nil
}

// dropConsents makes room for one more open consent page. It drops pages that are too
// old, and of too many the one that has been open longest: somebody who opens thousands
// must not keep others from theirs.
func (a *account) dropConsents() {
	now := a.sandbox.clock.now()
	var oldest *Consent
	for ticket, c := range a.consents {
		switch {
		case !now.Before(c.expires):
			delete(a.consents, ticket)
		case oldest == nil || c.number < oldest.number:
			oldest = c
		}
	}
	if len(a.consents) >= maxConsents {
		delete(a.consents, oldest.Ticket)
	}
}

// DecideConsent answers the question once and returns where the browser goes.
func (s *Sandbox) DecideConsent(ticket string, allow bool) (location string, err error) {
	err = s.do(func(a *account) error {
		location, err = a.decideConsent(ticket, allow)
		return err
	})
	return location, err
}

func (a *account) decideConsent(ticket string, allow bool) (string, error) {
	c := a.consents[ticket]
	now := a.sandbox.clock.now()
	if c == nil || !now.Before(c.expires) {
		return "", badRequest("the consent page is too old or was answered already; start the authorization again")
	}
	delete(a.consents, ticket)
	if !allow {
		return withQuery(c.RedirectURL, url.Values{
			"error": {"access_denied"}, "error_description": {"the user did not authorize the application"},
		}, c.state), nil
	}
	maps.DeleteFunc(a.codes, func(_ string, code *authCode) bool { return !now.Before(code.expires) })
	code := "code_" + a.source.text(tokenLength)
	a.codes[hash(code)] = &authCode{redirectURL: c.RedirectURL, challenge: c.challenge, expires: now.Add(codeLifetime)}
	return withQuery(c.RedirectURL, url.Values{"code": {code}}, c.state), nil
}

// withQuery adds parameters to a URL that was checked before.
func withQuery(target string, params url.Values, state string) string {
	u, err := url.Parse(target)
	if err != nil {
		return target
	}
	query := u.Query()
	maps.Copy(query, params)
	if state != "" {
		query.Set("state", state)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// CheckRedirectURL reports why a URL cannot be registered for the application.
func CheckRedirectURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return err
	case u.Fragment != "" || u.User != nil:
		return fmt.Errorf("%q must be an absolute URL without user and fragment", text)
	case strings.Contains(u.Scheme, "."):
		return nil // of a program of its own, as com.example.app:/callback (RFC 8252, section 7.1)
	case u.Scheme == "" || u.Host == "":
		return fmt.Errorf("%q must be an absolute URL without user and fragment", text)
	case u.Scheme != "https" && (u.Scheme != "http" || !IsLoopback(u.Hostname())):
		return fmt.Errorf("%q must be https, http on loopback, or of a scheme with a dot, as com.example.app:/callback", text)
	case !IsPort(u.Port()):
		return fmt.Errorf("%q must have a port from 1 to 65535, or none", text)
	}
	return nil
}

// IsPort reports whether text is a port that can be connected to, or empty, which is
// the port of the scheme.
func IsPort(text string) bool {
	const digits = 5
	n, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && n > 0 && len(text) <= digits
}

// IsLoopback reports whether a host, without its port, is this machine under any
// configuration: localhost, or a loopback address.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// sameRedirect compares character by character, except for the port of a loopback
// address, which a program does not know beforehand (RFC 8252).
func sameRedirect(registered, given string) bool {
	if registered == given {
		return true
	}
	r, err := url.Parse(registered)
	if err != nil || r.Scheme != "http" || !IsLoopback(r.Hostname()) || r.Hostname() == "localhost" {
		return false
	}
	g, err := url.Parse(given)
	if err != nil || g.Hostname() != r.Hostname() || !IsPort(g.Port()) {
		return false
	}
	g.Host, r.Host = "", ""
	return g.String() == r.String()
}

// Authorize acts as a user who opens the URL and clicks Authorize, or Cancel. It returns
// where the browser ends up, with a code or an error in it.
func (s *Sandbox) Authorize(authURL string, allow bool) (location string, err error) {
	u, err := url.Parse(authURL)
	if err != nil {
		return "", err
	}
	if want := s.BaseURL() + authorizePath; u.Scheme+"://"+u.Host+u.Path != want {
		return "", badRequest("%s is not the authorization page, which is %s", shorten(u.Scheme+"://"+u.Host+u.Path), want)
	}
	c, location, err := s.BeginConsent(u.RawQuery)
	if err != nil || location != "" {
		return location, err
	}
	return s.DecideConsent(c.Ticket, allow)
}
