package sandbox

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxLoggedBody  = 64 << 10 // of one request; more is cut off
	maxLoggedBytes = 64 << 20 // of all requests together
)

// Request is a request that the sandbox received. Secrets in it are replaced by
// a fingerprint: the same secret has the same one. Secrets are tokens, passwords and
// cookies, what the links of mails and magic links end in, and of the URL of a
// webhook the user, the last segment of the path and the query.
type Request struct {
	ID        int64       `json:"id"`
	At        time.Time   `json:"at"`
	Operation string      `json:"operation"` // as "Documents.Create", the first of those that share a route; "" for an unknown path
	Method    string      `json:"method"`
	Path      string      `json:"path"`
	RawQuery  string      `json:"raw_query"`
	Header    http.Header `json:"header"`
	Body      string      `json:"body"`
	Status    int         `json:"status"`  // 0 until it is answered, and when a fault left it without answer
	Problem   string      `json:"problem"` // why it was refused, or which fault it met

	shared []*operation // all operations of the route
}

// Is reports whether the request is for the operation, as far as the server can
// tell: on a route that operations share, it is for each of them.
func (r *Request) Is(name string) bool {
	return r.Operation == name || slices.ContainsFunc(r.shared, func(op *operation) bool { return op.name == name })
}

// requestLog keeps the last requests, within a number and a size.
type requestLog struct {
	entries []*Request // their ids grow by 1
	bytes   int
	next    int64
}

func (l *requestLog) add(r *Request) {
	l.next++
	r.ID = l.next
	l.entries = append(l.entries, r)
	l.bytes += r.size()
	l.bound()
}

// answered completes an entry. One that was dropped in the meantime weighs nothing.
func (l *requestLog) answered(r *Request, status int, problem string) {
	before := r.size()
	r.Status, r.Problem = status, problem
	if len(l.entries) > 0 && r.ID >= l.entries[0].ID {
		l.bytes += r.size() - before
		l.bound()
	}
}

// bound drops the oldest tenth for as long as there is too much.
func (l *requestLog) bound() {
	drop, kept := 0, l.bytes
	for drop < len(l.entries) && (len(l.entries)-drop > ringSize || kept > maxLoggedBytes) {
		tenth := (len(l.entries)-drop)/10 + 1
		for _, old := range l.entries[drop : drop+tenth] {
			kept -= old.size()
		}
		drop += tenth
	}
	if drop > 0 { // what is kept moves to memory of its own, so that the rest is freed
		l.entries, l.bytes = slices.Clone(l.entries[drop:]), kept
	}
}

// What an entry weighs beside its texts, and each line of its header.
const (
	entryWeight = 300
	lineWeight  = 100
)

// size is what the entry weighs in memory, in bytes.
func (r *Request) size() int {
	size := entryWeight + len(r.Operation) + len(r.Method) + len(r.Path) + len(r.RawQuery) + len(r.Body) + len(r.Problem)
	for name, values := range r.Header {
		size += lineWeight + len(name)
		for _, value := range values {
			size += lineWeight + len(value)
		}
	}
	return size
}

// record adds the request to the log before anything is decided about it. The parts of
// the request line are cloned: as they are, a short one keeps the whole line in memory.
func (s *Sandbox) record(r *http.Request, op string, body []byte, shared ...*operation) *Request {
	entry := &Request{
		At: s.clock.now(), Operation: op, Method: strings.Clone(r.Method),
		Path: strings.Clone(redactPath(r.URL.Path)), RawQuery: strings.Clone(redactForm(r.URL.RawQuery)),
		Header: redactHeader(r.Header), Body: redactBody(op, body), shared: shared,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.add(entry)
	s.notify(Change{Kind: changeRequest})
	return entry
}

func (s *Sandbox) recordAnswer(entry *Request, status int, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.answered(entry, status, problem)
	s.notify(Change{Kind: changeRequest})
}

// Requests lists the last 10,000 requests, the oldest first.
func (s *Sandbox) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := make([]Request, len(s.log.entries))
	for i, entry := range s.log.entries {
		requests[i] = *entry
		requests[i].Header = entry.Header.Clone()
	}
	return requests
}

// ClearRequests empties the log.
func (s *Sandbox) ClearRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.entries, s.log.bytes = nil, 0
	s.notify(Change{Kind: changeRequest})
}

// fingerprint stands for a secret: equal secrets have equal ones.
func fingerprint(secret string) string { return "sha256:" + hash(secret)[:8] }

// redactPath replaces the secret of a link, which opens a document to whoever has it.
func redactPath(address string) string {
	for _, prefix := range []string{acceptancePath(""), "/sign/", "/shared/", "/perma/DOC/"} {
		if rest, ok := strings.CutPrefix(address, prefix); ok && rest != "" {
			token, tail, more := strings.Cut(rest, "/")
			if more {
				tail = "/" + tail
			}
			return prefix + fingerprint(token) + tail
		}
	}
	return address
}

// redactURL replaces what a URL can have a secret in: the user, the last segment of
// the path and the query.
func redactURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return fingerprint(text)
	}
	redacted := u.Scheme + "://"
	if u.User != nil {
		redacted += fingerprint(u.User.String()) + "@"
	}
	place := strings.TrimRight(u.Path, "/")
	folder, last := path.Split(place)
	redacted += u.Host + folder
	if last != "" {
		redacted += fingerprint(last) + u.Path[len(place):]
	}
	if u.RawQuery != "" {
		redacted += "?" + fingerprint(u.RawQuery)
	}
	return redacted
}

// redactReferer replaces what our own pages have in their address, as it stands in
// the header where a browser sends one.
func redactReferer(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return fingerprint(text)
	}
	u.Path, u.RawPath, u.RawQuery = redactPath(u.Path), "", redactForm(u.RawQuery)
	return u.String()
}

// redactHeader copies the header without its secrets. The scheme of
// Authorization stays readable.
func redactHeader(header http.Header) http.Header {
	redacted := header.Clone()
	for name, values := range redacted {
		switch name {
		case "Accesstoken", "Refreshtoken", "Cookie", "Proxy-Authorization":
			for i, value := range values {
				values[i] = fingerprint(value)
			}
		case "Authorization":
			for i, value := range values {
				scheme, secret, ok := strings.Cut(value, " ")
				if !ok {
					scheme, secret = "", value
				}
				values[i] = strings.TrimSpace(scheme + " " + fingerprint(secret))
			}
		case "Referer":
			for i, value := range values {
				values[i] = redactReferer(value)
			}
		}
	}
	return redacted
}

// secretField says which members of forms and bodies are never logged.
func secretField(name string) bool {
	switch name {
	case "client_secret", "refresh_token", "access_token", "code", "code_verifier", "password", "ticket", "state":
		return true
	}
	return false
}

// redactBody copies a body for the log, without secrets where it carries some.
func redactBody(op string, body []byte) string {
	switch op {
	case "OAuth.Token", "OAuth.Consent":
		return redactForm(string(body))
	case "Auth.Login", "Webhooks.Subscribe":
		return redactJSON(body)
	case "": // whatever it is, it may be a login at a wrong path
		if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
			return redactJSON(body)
		}
		return redactForm(string(body))
	}
	if len(body) > maxLoggedBody {
		body = body[:maxLoggedBody]
	}
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	return string(body)
}

// redactForm keeps keys and their order, and replaces secret values.
func redactForm(form string) string {
	if len(form) > maxLoggedBody {
		return "(too long)"
	}
	pairs := strings.Split(form, "&")
	for i, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(key)
		if ok && (err != nil || secretField(name)) {
			plain, err := url.QueryUnescape(value)
			if err != nil {
				plain = value
			}
			pairs[i] = key + "=" + url.QueryEscape(fingerprint(plain))
		}
	}
	return strings.Join(pairs, "&")
}

// redactJSON does the same to an object, in which a URL may be that of a webhook.
// What is no object might be a secret in a wrong place, so nothing of it is kept.
func redactJSON(body []byte) string {
	var members map[string]any
	switch {
	case len(body) == 0:
		return ""
	case len(body) > maxLoggedBody:
		return "(too long)"
	}
	if err := json.Unmarshal(body, &members); err != nil {
		return "(no JSON object)"
	}
	for name := range maps.Keys(members) {
		text, _ := members[name].(string)
		switch {
		case secretField(name):
			members[name] = fingerprint(text)
		case strings.EqualFold(name, "url"):
			members[name] = redactURL(text)
		}
	}
	redacted, err := json.Marshal(members)
	if err != nil {
		return "(no JSON object)"
	}
	return string(redacted)
}
