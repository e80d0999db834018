package revvtest

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/internal/sandbox"
)

// Option changes one thing about a [Server].
type Option func(*config)

type config struct {
	sandbox  sandbox.Options
	inMemory bool
	problems []error // with the arguments of options
}

// WithClock sets the clock of the server; nil means the system's. [Server.SetTime] and
// [Server.Advance] move any clock.
func WithClock(now func() time.Time) Option {
	return func(c *config) { c.sandbox.Clock = now }
}

// WithTokenLifetime sets how long access tokens live, an hour by default. With 0 they do
// not expire, and the token endpoint does not send expires_in. A negative lifetime ends
// the test; use [Server.ExpireTokens] to make tokens expire.
func WithTokenLifetime(d time.Duration) Option {
	return func(c *config) {
		if c.sandbox.TokenLifetime = d; d == 0 {
			c.sandbox.TokenLifetime = -1
		}
		if d < 0 {
			c.problems = append(c.problems, fmt.Errorf("WithTokenLifetime: d must not be negative, not %v; Server.ExpireTokens makes tokens expire", d))
		}
	}
}

// WithRoutes serves other routes than [revv.DefaultRoutes]. Empty fields keep
// their default. The client of a test needs the same value.
func WithRoutes(routes revv.Routes) Option {
	return func(c *config) { c.sandbox.Routes = routes }
}

// WithSeed makes the server generate other ids and tokens. The same seed always gives the
// same ones, as does leaving the option out.
func WithSeed(seed uint64) Option {
	return func(c *config) { c.sandbox.Seed = &seed }
}

// WithoutSeedData starts with no templates and no contacts.
func WithoutSeedData() Option {
	return func(c *config) { c.sandbox.NoSeedData = true }
}

// WithRotation sets whether a refresh returns a new refresh token and spends the old one,
// as it does by default. Without rotation the answer has no refresh token at all.
func WithRotation(on bool) Option {
	return func(c *config) { c.sandbox.NoRotation = !on }
}

// WithReuseDetection sets whether using a spent refresh token again revokes all tokens of
// its family, as it does by default.
func WithReuseDetection(on bool) Option {
	return func(c *config) { c.sandbox.NoReuseDetection = !on }
}

// WithClientAuthRequired makes the token endpoint refuse a refresh without client_id and
// client_secret, with invalid_client.
func WithClientAuthRequired() Option {
	return func(c *config) { c.sandbox.ClientAuthRequired = true }
}

// WithRateLimit answers 429 with Retry-After to more than n calls of the API in
// any window of length per.
func WithRateLimit(n int, per time.Duration) Option {
	return func(c *config) { c.sandbox.RateLimit = sandbox.RateLimit{Requests: n, Per: per} }
}

// WithLenientBodies accepts what the live service was seen to accept (unknown members,
// and ids as text) and what it may have accepted: other content types, query parameters
// that are unknown or come twice (except on the consent page), a number as the value of a
// field, a body where none is expected, unknown fields of OAuth, and acceptance before
// the required fields are filled. By default all of that is refused, so that a mistake is
// seen.
func WithLenientBodies() Option {
	return func(c *config) { c.sandbox.Lenient = true }
}

// WithRepeatedSends sends a document again that is out for signature, acceptance or
// approval, and mails everybody once more. Once it is signed, accepted or approved, a
// send is still refused with 409. By default every second send is refused with 409, and
// then a test that counts mails does not notice a program that sends twice. What the live
// service does is not known.
func WithRepeatedSends() Option {
	return func(c *config) { c.sandbox.RepeatedSends = true }
}

// WithPageSize sets how many entries a page of a list has, at least 1, and 20 by
// default.
func WithPageSize(n int) Option {
	return func(c *config) {
		if c.sandbox.PageSize = n; n < 1 {
			c.problems = append(c.problems, fmt.Errorf("WithPageSize: n must be at least 1, not %d", n))
		}
	}
}

// WithRedirectURLs registers redirect URLs, at least one, in place of
// http://127.0.0.1/callback. Any port is accepted for one on http://127.0.0.1.
func WithRedirectURLs(urls ...string) Option {
	return func(c *config) {
		if c.sandbox.RedirectURLs = urls; len(urls) == 0 {
			c.problems = append(c.problems, errors.New("WithRedirectURLs: urls must not be empty; without the option, "+
				"http://127.0.0.1/callback is registered"))
		}
	}
}

// WithWebhookClient delivers webhooks through client; nil means the server's own.
func WithWebhookClient(client *http.Client) Option {
	return func(c *config) { c.sandbox.WebhookClient = client }
}

// WithLocalOnly answers only under the names of loopback and under IP addresses, and lets
// only pages on loopback call the API, as the program revv-sandbox does. It is for a server
// that runs while somebody uses a browser on the same machine: any page that is open there
// could log in otherwise, and make the server post webhooks to what this machine reaches.
func WithLocalOnly() Option {
	return func(c *config) { c.sandbox.Hosts, c.sandbox.Origins = []string{}, []string{} }
}

// WithoutNetwork serves a network in memory instead of a port on 127.0.0.1, which works
// inside [testing/synctest]. Only [Server.HTTPClient], and so [Server.Client], reaches
// the server. It reaches nothing else: every host except that of [Server.URL] refuses the
// connection.
func WithoutNetwork() Option {
	return func(c *config) { c.inMemory = true }
}
