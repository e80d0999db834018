package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// Fingerprint returns what replaces a secret in a [Request]: equal secrets have equal
// ones.
func Fingerprint(secret string) string { return "sha256:" + hash(secret)[:8] }

// redactTokens replaces what looks like one of our tokens or codes, wherever it is: an
// unfinished program may send them anywhere.
func redactTokens(text string) string {
	var redacted strings.Builder
	done := 0
	for next := 0; ; {
		found := strings.IndexByte(text[next:], '_')
		if found < 0 {
			break
		}
		bar := next + found
		next = bar + 1
		kind := tokenKind(text[done:bar])
		end := next + tokenLength
		if kind == "" || end > len(text) || strings.ContainsFunc(text[next:end], notAlphanumeric) {
			continue
		}
		begin := bar - len(kind)
		redacted.WriteString(text[done:begin])
		redacted.WriteString(Fingerprint(text[begin:end]))
		done, next = end, end
	}
	if done == 0 {
		return text
	}
	redacted.WriteString(text[done:])
	return redacted.String()
}

// tokenKind returns the prefix of our tokens that a text ends with, "" if there is none.
func tokenKind(text string) string {
	for _, kind := range []string{"at", "rt", "code"} {
		if strings.HasSuffix(text, kind) {
			return kind
		}
	}
	return ""
}

func notAlphanumeric(r rune) bool { return !strings.ContainsRune(alphanumerics, r) }

// redactPath replaces the secret of a link, which opens a document to whoever has it.
func redactPath(address string) string {
	for _, prefix := range []string{acceptancePath(""), LinkPath(MailSign), LinkPath(MailShare), magicPrefix} {
		if rest, ok := strings.CutPrefix(address, prefix); ok && rest != "" {
			token, tail, more := strings.Cut(rest, "/")
			if more {
				tail = "/" + tail
			}
			return prefix + Fingerprint(token) + tail
		}
	}
	return address
}

// redactURL replaces the parts of a URL that can contain a secret: the user, the last
// segment of the path and the query.
func redactURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return Fingerprint(text)
	}
	redacted := u.Scheme + "://"
	if u.User != nil {
		redacted += Fingerprint(u.User.String()) + "@"
	}
	place := strings.TrimRight(u.Path, "/")
	folder, last := path.Split(place)
	redacted += u.Host + folder
	if last != "" {
		redacted += Fingerprint(last) + u.Path[len(place):]
	}
	if u.RawQuery != "" {
		redacted += "?" + Fingerprint(u.RawQuery)
	}
	return redacted
}

// redactReferer replaces the secrets in the addresses of our own pages, which a browser
// may send in this header.
func redactReferer(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return Fingerprint(text)
	}
	u.Path, u.RawPath, u.RawQuery = redactPath(u.Path), "", redactQuery(u.RawQuery)
	return u.String()
}

// redactHeader copies the header without its secrets. The scheme of
// Authorization stays readable.
func redactHeader(header http.Header) http.Header {
	redacted := header.Clone()
	for name, values := range redacted {
		hide := Fingerprint
		switch {
		case name == "Authorization":
			hide = redactCredentials
		case name == "Referer":
			hide = redactReferer
		case !secretName(name):
			continue
		}
		for i, value := range values {
			values[i] = hide(value)
		}
	}
	return redacted
}

// redactCredentials keeps the scheme of an Authorization.
func redactCredentials(value string) string {
	scheme, secret, ok := strings.Cut(value, " ")
	if !ok {
		scheme, secret = "", value
	}
	return strings.TrimSpace(scheme + " " + Fingerprint(secret))
}

// plainName removes the differences between spellings: access_token, Access-Token and
// accessToken become the same.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, name)
}

// secretName reports the headers, parameters and members that are never logged. The ends
// of names are compared, so that X-Access-Token, user[password] and new_password are
// among them.
func secretName(name string) bool {
	name = plainName(name)
	switch name {
	case "code", "codeverifier", "ticket", "state", "pwd":
		return true
	}
	for _, end := range []string{"token", "secret", "password", "passwd", "passphrase", "apikey", "authorization", "credentials", "cookie"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// addressName reports the members that may contain the URL of a webhook.
func addressName(name string) bool {
	name = plainName(name)
	return strings.HasSuffix(name, "url") || strings.HasSuffix(name, "uri")
}

// redactBody copies a body for the log, without secrets where it carries some.
func redactBody(op string, body []byte) string {
	switch op {
	case "Auth.Login", "Webhooks.Subscribe":
		return redactJSON(body)
	case "OAuth.Token", "OAuth.Consent", "": // at an unknown path, whatever it is, it may be a login
		if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
			return redactJSON(body)
		}
		return redactForm(string(body))
	}
	if members, err := decodeObject(body); err == nil && redactMembers(members) {
		body = encodeRedacted(members) // a secret that has no business there
	}
	text := redactTokens(string(bytes.ToValidUTF8(body, []byte("\uFFFD")))) // before it is cut, or half a token would be left
	return strings.Clone(strings.ToValidUTF8(text[:min(len(text), maxLoggedBody)], ""))
}

// What the log has in place of a body, or of a query, that may be, or contain, a secret
// that cannot be found.
const (
	tooLong  = "(too long)"
	noObject = "(no JSON object)"
	noForm   = "(not shown: neither a form nor a JSON object)"
)

// redactForm replaces the secret values of a body that is a form, and keeps keys and
// their order. A body that is no form is not shown: it may be a JSON array, or multipart.
func redactForm(form string) string {
	switch {
	case len(form) > maxLoggedBody:
		return tooLong
	case form != "" && !isForm(form):
		return noForm
	}
	return redactQuery(form)
}

// isForm reports whether each part of the text is a name, as names are, and a value.
func isForm(text string) bool {
	for pair := range strings.SplitSeq(text, "&") {
		name, value, ok := strings.Cut(pair, "=")
		if pair == "" {
			continue // as url.ParseQuery does
		}
		if !ok || name == "" || strings.ContainsFunc(name, notInForm) || strings.ContainsAny(value, "\r\n") {
			return false
		}
	}
	return true
}

func notInForm(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~%+[]", r)
}

// redactQuery does the same with a query. A text that is no query is shown as it is.
func redactQuery(query string) string {
	if len(query) > maxLoggedBody {
		return tooLong
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(key)
		if ok && (err != nil || secretName(name)) {
			plain, err := url.QueryUnescape(value)
			if err != nil {
				plain = value
			}
			pairs[i] = key + "=" + Fingerprint(plain) // whose colon need not be escaped
		}
	}
	return strings.Join(pairs, "&")
}

// redactJSON does the same with an object, in which a URL may be that of a webhook. A
// value that is no object may be a misplaced secret, so nothing of it is kept.
func redactJSON(body []byte) string {
	switch {
	case len(body) == 0:
		return ""
	case len(body) > maxLoggedBody:
		return tooLong
	}
	members, err := decodeObject(body)
	if err != nil {
		return noObject
	}
	redactMembers(members)
	redactAddresses(members)
	return string(encodeRedacted(members))
}

// decodeObject reads an object whose numbers stay as they are written.
func decodeObject(body []byte) (members map[string]any, err error) {
	if !json.Valid(body) {
		return nil, errors.New("no JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	err = dec.Decode(&members)
	return members, err
}

func encodeRedacted(value any) []byte {
	redacted, err := json.Marshal(value)
	if err != nil {
		return []byte(noObject)
	}
	return redacted
}

// redactMembers replaces the secrets in a value, however deep they are, and reports
// whether there are any.
func redactMembers(value any) bool { return redactNamed(value, secretName, Fingerprint) }

// redactAddresses replaces the parts of URLs in a value that can contain a secret.
func redactAddresses(value any) { redactNamed(value, addressName, redactURL) }

// redactNamed replaces the members with certain names, and reports whether there are
// any. One that is no text is replaced as a whole.
func redactNamed(value any, named func(string) bool, hide func(string) string) (found bool) {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if !named(name) {
				found = redactNamed(member, named, hide) || found
				continue
			}
			found = true
			if text, ok := member.(string); ok {
				value[name] = hide(text)
				continue
			}
			value[name] = Fingerprint(string(encodeRedacted(member)))
		}
	case []any:
		for _, element := range value {
			found = redactNamed(element, named, hide) || found
		}
	}
	return found
}
