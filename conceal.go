package revv

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"sort"
	"strconv"
	"strings"

	"github.com/revv-go/revv/internal/secret"
)

// shortSecret is the length up to which a text is not treated as a secret: hiding every
// "1" in a text of the service would leave nothing to read.
const shortSecret = 7

// newRedactor returns a replacer that removes secrets from a text, in every spelling that
// others may use. Texts of at most short bytes are not treated as secrets.
func newRedactor(short int, secrets []string) *strings.Replacer {
	var forms []string
	for _, s := range secrets {
		if len(s) > short {
			forms = append(forms, spellings(s)...)
		}
	}
	sort.Strings(forms) // the functions of slices would be compiled anew here
	pairs := make([]string, 0, 2*len(forms))
	for i := range forms { // backwards: what begins with another goes first
		pairs = append(pairs, forms[len(forms)-1-i], secret.Redacted)
	}
	return strings.NewReplacer(pairs...)
}

// spellings returns a text as it is, and as it may be written in a query, a path, a
// script, Go, JSON and, as PostgreSQL shows bytes, in hexadecimal digits; the digits of an
// escape can be in lower case.
func spellings(s string) []string {
	query, path := url.QueryEscape(s), url.PathEscape(s)
	script := strings.ReplaceAll(query, "+", "%20")
	return []string{s, query, path, script, lowerEscapes(query), lowerEscapes(path), lowerEscapes(script), strings.ReplaceAll(s, "/", `\/`), unquoted(strconv.Quote(s)), unquoted(jsonText(s)), hex.EncodeToString([]byte(s))}
}

// unquoted drops the quotation marks around a text.
func unquoted(quoted string) string { return quoted[1 : len(quoted)-1] }

func jsonText(s string) string {
	encoded, _ := json.Marshal(s) //nolint:errchkjson // of a text it cannot fail
	return string(encoded)
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			b[i+1] |= 'a' - 'A' // which digits have already
			b[i+2] |= 'a' - 'A'
		}
	}
	return string(b)
}

// secrets lists what must not be printed: what the caller has put into the request,
// because a service may repeat it in its answer and a transport in its error; and the
// address of a storage that a download was redirected to, which gives access by itself.
func (p *prepared) secrets() []string {
	secrets := append(p.tokens(), p.url.RawQuery)
	for _, target := range p.targets {
		secrets = appendAddress(secrets, target)
	}
	for _, given := range []valuesByKey{p.settings.query.Reveal(), p.settings.path.Reveal()} {
		for _, values := range given {
			secrets = append(secrets, values...)
		}
	}
	for name, values := range p.settings.header.Reveal() {
		if !containsText(requestIDHeaders, name) { // which are there to be found again in logs
			secrets = appendParts(secrets, values)
		}
	}
	if body, ok := p.body.(interface{ secrets() []string }); ok {
		secrets = append(secrets, body.secrets()...)
	}
	return secrets
}

// minSignature is the length from which a segment of a path is taken for a signature.
// maxValues bounds how many query values and path segments are looked at: each is
// searched for in several spellings, and the service chooses how many there are.
const (
	minSignature = 16
	maxValues    = 100
)

// appendAddress adds the parts of an address that may be a signature: its query, each
// value there, both escaped and unescaped, and long segments of its path.
func appendAddress(secrets []string, target *url.URL) []string {
	secrets = append(secrets, target.RawQuery)
	parts := strings.FieldsFunc(target.RawQuery, func(r rune) bool { return r == '&' || r == ';' })
	for _, part := range parts[:min(len(parts), maxValues)] {
		value := part[strings.IndexByte(part, '=')+1:]
		secrets = append(secrets, value)
		if plain, err := url.QueryUnescape(value); err == nil {
			secrets = append(secrets, plain)
		}
	}
	segments := strings.Split(target.EscapedPath(), "/")
	for _, segment := range segments[:min(len(segments), maxValues)] {
		plain, err := url.PathUnescape(segment)
		if err == nil && len(plain) >= minSignature {
			secrets = append(secrets, segment, plain)
		}
	}
	return secrets
}

// appendParts adds values of headers and their parts: of "Bearer key" or "key=text", a
// service may repeat only the key or the text.
func appendParts(secrets, values []string) []string {
	for _, value := range values {
		secrets = append(secrets, value)
		for _, part := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" \t,;\"", r) }) {
			secrets = append(secrets, part)
			if _, text, ok := strings.Cut(part, "="); ok {
				secrets = append(secrets, text)
			}
		}
	}
	return secrets
}

// tokens lists the secrets of the tokens whose access tokens were sent.
func (p *prepared) tokens() []string { return append(textsOf(p.token), textsOf(p.before...)...) }

// safe makes a text of the service fit for an error, a log line and a terminal: without
// the secrets of the call, and printable.
func (p *prepared) safe(text string) string {
	if text == "" {
		return ""
	}
	return printable(newRedactor(shortSecret, p.secrets()).Replace(text), maxErrorText)
}

// concealed returns err, with another text if its own shows a secret of the call.
func (p *prepared) concealed(err error) error { return conceal(err, shortSecret, p.secrets()) }

// concealed returns err with a text that does not show the secrets: transports and stores
// may quote what they were given.
func concealed(err error, secrets ...string) error {
	const short = 3 // what is no longer might be part of any word
	return conceal(err, short, secrets)
}

// conceal removes secrets from the text of an error. Texts of at most short bytes are not
// treated as secrets.
func conceal(err error, short int, secrets []string) error {
	if err == nil {
		return nil
	}
	if text := cutQuotes(newRedactor(short, secrets).Replace(err.Error())); text != err.Error() {
		return &concealedError{text, secret.New(err)}
	}
	return err
}

// cutQuotes removes from the text of an error what net/http and net/textproto quote from
// an answer that they cannot read: if its head is broken, that may be the body, with a
// token or a magic link. The rest of the line is removed, too: Go before 1.26.4 does not
// put all of it in quotes, so nobody can tell where it ends.
func cutQuotes(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		end := len(line)
		for _, what := range []string{
			"malformed HTTP response", "malformed HTTP status code", "malformed HTTP version", "malformed MIME header",
			"bad Content-Length", "invalid empty Content-Length", "multiple Content-Length headers", "bad trailer key", "invalid Trailer key",
			"unsupported transfer encoding", "too many transfer encodings", "invalid pseudo-header", "duplicate pseudo-header",
			"invalid header field name", "debug=",
		} {
			if at := strings.Index(line[:end], what); at >= 0 {
				end = at + len(what) // the first one: what it repeats may hold the others
			}
		}
		if end < len(line) {
			lines[i] = line[:end] + " " + secret.Redacted
		}
	}
	return strings.Join(lines, "\n")
}

// concealedError keeps an error for errors.Is and errors.As, but hides its text. It has
// no Unwrap method, because some programs print every error of a chain.
type concealedError struct {
	text string
	err  secret.Value[error]
}

func (e *concealedError) Error() string        { return e.text }
func (e *concealedError) Is(target error) bool { return errors.Is(e.err.Reveal(), target) }
func (e *concealedError) As(target any) bool   { return errors.As(e.err.Reveal(), target) }

// Timeout is for [url.Error], which asks only the error itself and not what it wraps.
func (e *concealedError) Timeout() bool { return isTimeout(e.err.Reveal()) }

// unprintable is for embedding in structs that have secrets among their fields: no formatting
// verb, encoder or logger then shows any of their fields.
type unprintable struct{}

// Format prints the same for every verb.
func (unprintable) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, secret.Redacted) }

// String implements fmt.Stringer.
func (unprintable) String() string { return secret.Redacted }

// GoString implements fmt.GoStringer.
func (unprintable) GoString() string { return secret.Redacted }

// LogValue implements slog.LogValuer.
func (unprintable) LogValue() slog.Value { return slog.StringValue(secret.Redacted) }

// MarshalText implements encoding.TextMarshaler.
func (unprintable) MarshalText() ([]byte, error) { return []byte(secret.Redacted), nil }

// GobEncode implements gob.GobEncoder.
func (unprintable) GobEncode() ([]byte, error) { return []byte(secret.Redacted), nil }
