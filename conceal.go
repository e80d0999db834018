package revv

import (
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/revv-go/revv/internal/secret"
)

// shortSecret is up to which length a text is no secret: to conceal every "1" in
// what a service says would leave nothing to read.
const shortSecret = 7

// hiding returns what takes secrets out of a text, as they are and as a query or a path
// has them. The longest goes first, for a shorter one may be its beginning. Secrets of
// up to so many bytes stay.
func hiding(short int, secrets []string) *strings.Replacer {
	secrets = slices.DeleteFunc(secrets, func(s string) bool { return len(s) <= short })
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 6*len(secrets))
	for _, s := range secrets {
		pairs = append(pairs, s, secret.Redacted, url.QueryEscape(s), secret.Redacted, url.PathEscape(s), secret.Redacted)
	}
	return strings.NewReplacer(pairs...)
}

// secrets lists what the caller has put into the request and must not be printed: a
// service may repeat it in its answer, a transport in its error. So may the storage that
// a download was redirected to, whose address is a key of its own.
func (p *prepared) secrets(last *result) []string {
	secrets := append(tokensOf(last), p.url.RawQuery)
	for _, target := range last.targets {
		secrets = appendValues(append(secrets, target.RawQuery), target.Query())
	}
	secrets = appendValues(secrets, p.settings.query.Reveal())
	for name, values := range p.settings.header.Reveal() {
		if !slices.Contains(requestIDHeaders, name) { // which are there to be found again in logs
			secrets = append(secrets, values...)
		}
	}
	if body, ok := p.input.body.(interface{ secrets() []string }); ok {
		secrets = append(secrets, body.secrets()...)
	}
	return secrets
}

func appendValues(secrets []string, query url.Values) []string {
	for _, values := range query {
		secrets = append(secrets, values...)
	}
	return secrets
}

// tokensOf lists the access tokens that were sent.
func tokensOf(last *result) (texts []string) {
	for _, token := range append([]*oauth2.Token{last.token}, last.before...) {
		if token != nil {
			texts = append(texts, token.AccessToken)
		}
	}
	return texts
}

// conceal takes all secrets of the call out of a text.
func (p *prepared) conceal(last *result, text string) string {
	if text == "" {
		return ""
	}
	return hiding(shortSecret, p.secrets(last)).Replace(text)
}

// safe makes a text of the service fit for an error, a log line and a terminal.
func (p *prepared) safe(last *result, text string) string {
	return printable(p.conceal(last, text), maxErrorText)
}

// concealed is err, with another text if its own gives something away.
func (p *prepared) concealed(last *result, err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if safe := p.conceal(last, text); safe != text {
		return &concealedError{safe, secret.New(err)}
	}
	return err
}

// concealedError keeps an error for errors.Is and errors.As, but not its text.
type concealedError struct {
	text string
	err  secret.Value[error]
}

func (e *concealedError) Error() string { return e.text }
func (e *concealedError) Unwrap() error { return e.err.Reveal() }
