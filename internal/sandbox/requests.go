package sandbox

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	maxLoggedBody  = 64 << 10 // of one request; more is cut off
	maxLoggedBytes = 64 << 20 // of all requests together
)

// Request is a request that the sandbox received. Secrets in it are replaced by a
// fingerprint, which is the same for the same secret. Secrets are tokens, passwords and
// cookies, the ends of links in mails and of magic links, and in the URL of a webhook the
// user, the last segment of the path and the query.
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

// answered completes an entry, and updates the size of the log unless the entry was
// dropped in the meantime.
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

// The memory of an entry besides its texts, and of each line of its header.
const (
	entryWeight = 300
	lineWeight  = 100
)

// size is the memory of the entry, in bytes.
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
// the request line are cloned, because a short part would keep the whole line in memory.
func (s *Sandbox) record(r *http.Request, op string, body []byte, shared ...*operation) *Request {
	entry := &Request{
		At: s.clock.now(), Operation: op, Method: strings.Clone(r.Method),
		Path: strings.Clone(redactTokens(redactPath(r.URL.Path))), RawQuery: strings.Clone(redactTokens(redactQuery(r.URL.RawQuery))),
		Header: redactHeader(r.Header), Body: redactTokens(redactBody(op, body)), shared: shared,
	}
	for _, values := range entry.Header {
		for i, value := range values {
			values[i] = redactTokens(value)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.add(entry)
	s.notify(Change{Kind: changeRequest})
	return entry
}

func (s *Sandbox) recordAnswer(entry *Request, status int, problem string) {
	problem = redactTokens(problem) // a refusal repeats what it refuses, and names people
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
