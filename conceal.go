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

// hide takes a secret out of a text, as it is and as a query has it.
func hide(text, hidden string) string {
	if len(hidden) <= shortSecret {
		return text
	}
	return strings.NewReplacer(hidden, secret.Redacted, url.QueryEscape(hidden), secret.Redacted).Replace(text)
}

// conceal takes out of a text what the caller has put into the request and must
// not be printed: a service may repeat it in its answer, a transport in its error.
func (p *prepared) conceal(last *result, text string) string {
	if text == "" {
		return ""
	}
	text = hide(concealTokens(last, text), p.url.RawQuery)
	for _, values := range p.settings.query.Reveal() {
		for _, value := range values {
			text = hide(text, value)
		}
	}
	for name, values := range p.settings.header.Reveal() {
		if slices.Contains(requestIDHeaders, name) {
			continue // it is there to be found again in logs
		}
		for _, value := range values {
			text = hide(text, value)
		}
	}
	if body, ok := p.input.body.(interface{ secrets() []string }); ok {
		for _, value := range body.secrets() {
			text = hide(text, value)
		}
	}
	return text
}

// concealTokens takes the access tokens out of a text.
func concealTokens(last *result, text string) string {
	for _, token := range append([]*oauth2.Token{last.token}, last.before...) {
		if token != nil {
			text = hide(text, token.AccessToken)
		}
	}
	return text
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
