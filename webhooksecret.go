package revv

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/revv-go/revv/internal/wire"
)

// minWebhookSecret is the shortest secret of a webhook that is accepted, in bytes.
const minWebhookSecret = 16

// WebhookSecret is what a sender of webhooks shows to prove who it is. Make one with
// [HeaderSecret], [BasicSecret] or [PathSecret]. These return no error;
// [NewWebhookHandler] reports what is wrong. It also refuses the zero value, so that a
// handler is never open by omission.
//
// Each takes the valid secret, and a second one while the secret is changed: accept both,
// [WebhooksService.Subscribe] with the new URL, [WebhooksService.Unsubscribe] the old
// one, and accept the old secret until the retries that use it have ended. A secret is at
// least 16 bytes long. Only digests of secrets are kept, and nothing prints them.
type WebhookSecret struct {
	kind    secretKind
	header  string                  // of headerSecret
	matches func(shown string) bool // compares in constant time, and shows nothing when it is printed
	broken  []string                // the rules that the values break
}

// secretKind is where a secret is in a request.
type secretKind int

const (
	headerSecret secretKind = iota + 1
	basicSecret
	pathSecret
	openToAll
)

// HeaderSecret expects one of values in the header name, for senders that can set a
// header. The values are printable ASCII. The name must not be one that describes the
// message or the connection, such as Content-Type, Host or Expect.
func HeaderSecret(name string, values ...string) WebhookSecret {
	s := WebhookSecret{kind: headerSecret, header: http.CanonicalHeaderKey(name)}
	switch {
	case !isToken(name):
		s.broken = append(s.broken, "name must be a header name")
	case containsText(deliveryHeaders, s.header):
		s.broken = append(s.broken, "name must be a header for the secret alone")
	}
	s.take("values", "", values, func(value string) string {
		if !isHeaderValue(value) || strings.TrimSpace(value) != value {
			return "must be printable ASCII on one line, without spaces around it"
		}
		return ""
	})
	return s
}

// deliveryHeaders are in every delivery, or mean something to the server itself or to a proxy
// before it, so that a secret there would let everybody in or nobody.
//
//nolint:gochecknoglobals // a constant list; Go has no constant slices
var deliveryHeaders = []string{
	"Host", "Content-Type", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "Te", "Trailer", "Upgrade", "User-Agent", "Accept", "Accept-Encoding",
	"Content-Encoding", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
}

// BasicSecret expects Basic authentication (RFC 7617) with user and one of passwords, as
// a subscription with the URL "https://user:password@…" gives. The user can be empty.
func BasicSecret(user string, passwords ...string) WebhookSecret {
	s := WebhookSecret{kind: basicSecret}
	if strings.Contains(user, ":") || strings.ContainsFunc(user, unicode.IsControl) {
		s.broken = append(s.broken, "user must not contain a colon or control characters")
	}
	// The user has no colon, so the text that is compared is unambiguous.
	s.take("passwords", user+":", passwords, func(password string) string {
		if strings.ContainsFunc(password, unicode.IsControl) {
			return "must not contain control characters"
		}
		return blankRule(password)
	})
	return s
}

// PathSecret expects one of values as the last segment of the path, for senders that can set
// nothing but a URL, where [net/url.PathEscape] writes it. A path gets into logs more easily
// than a header: keep it out of the logs of proxies. A path that ends with a slash has an empty
// last segment and is refused (401).
func PathSecret(values ...string) WebhookSecret {
	s := WebhookSecret{kind: pathSecret}
	s.take("values", "", values, func(value string) string {
		if err := wire.CheckSegment(value); err != nil {
			return err.Error()
		}
		if strings.Contains(value, "/") {
			return "must be one segment of a path, without a slash"
		}
		return blankRule(value)
	})
	return s
}

// blankRule is the rule that a secret of nothing but spaces breaks, as one that was never set.
func blankRule(value string) string {
	if strings.TrimSpace(value) == "" {
		return "must not be empty"
	}
	return ""
}

// InsecureNoSecret lets everybody in. It is for a handler that something else protects,
// such as a gateway that authenticates the sender: whoever can reach the handler can make
// up events that never happened.
func InsecureNoSecret() WebhookSecret { return WebhookSecret{kind: openToAll} }

// take keeps the digests of the values, each with prefix before it, and records which of
// them break a rule. It names them by their index and never quotes them.
func (s *WebhookSecret) take(name, prefix string, values []string, rule func(value string) string) {
	if len(values) == 0 {
		s.broken = append(s.broken, name+" must not be empty: it holds the secret")
	}
	digests := make([][sha256.Size]byte, 0, len(values))
	for i, value := range values {
		broken := rule(value)
		if len(value) < minWebhookSecret {
			broken = fmt.Sprintf("must be at least %d bytes long", minWebhookSecret)
		}
		if broken != "" {
			s.broken = append(s.broken, fmt.Sprintf("%s[%d] %s", name, i, broken))
		}
		digests = append(digests, sha256.Sum256([]byte(prefix+value)))
	}
	s.matches = func(shown string) bool {
		sum := sha256.Sum256([]byte(shown))
		match := 0
		for _, digest := range digests {
			match |= subtle.ConstantTimeCompare(sum[:], digest[:])
		}
		return match == 1
	}
}

// validate returns the rules that the secret breaks.
func (s *WebhookSecret) validate() []string {
	if s.kind == 0 {
		return []string{"must be made by HeaderSecret, BasicSecret or PathSecret; InsecureNoSecret leaves the handler open"}
	}
	return s.broken
}

// admits reports whether a request shows the secret. A missing secret costs the same work
// as a wrong one, and the time does not depend on how much of a secret is right or on
// which of several it is.
func (s *WebhookSecret) admits(r *http.Request) bool {
	if s.kind == openToAll {
		return true
	}
	shown, found := s.shown(r)
	match := s.matches(shown) // whatever was found, so that the time does not tell
	return match && found
}

// shown returns what the request shows in the place of the secret.
func (s *WebhookSecret) shown(r *http.Request) (text string, found bool) {
	switch s.kind {
	case headerSecret:
		// If there are two, something on the way has added one.
		if values := r.Header[s.header]; len(values) == 1 {
			return values[0], true
		}
	case basicSecret:
		if values := r.Header["Authorization"]; len(values) == 1 {
			user, password, ok := r.BasicAuth()
			return user + ":" + password, ok
		}
	case pathSecret:
		return r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], true
	case openToAll:
	}
	return "", false
}
