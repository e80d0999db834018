package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxBody  = 1 << 20 // of a request
	maxPath  = 2048
	apiSpace = "/api/"
)

// Handler serves the whole sandbox: the API, OAuth and the links of mails.
func (s *Sandbox) Handler() http.Handler { return http.HandlerFunc(s.serve) }

func (s *Sandbox) serve(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		problem(http.StatusServiceUnavailable, codeClosed, "the sandbox is closed").answer().write(w)
		return
	}
	defer s.running.Done()
	if clean := path.Clean("/" + r.URL.Path); len(r.URL.Path) > maxPath || clean != strings.TrimSuffix(r.URL.Path, "/") && r.URL.Path != "/" {
		s.serveUnknown(w, r) // the mux would redirect to the clean path
		return
	}
	s.mux.ServeHTTP(w, r)
}

// enter counts a handler or courier among what Close waits for.
func (s *Sandbox) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

// ServeHTTP answers a request whose path is known.
func (rt *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := rt.sandbox
	method := r.Method
	if method == http.MethodHead && rt.methods[method] == nil {
		method = http.MethodGet
	}
	ops := rt.methods[method]
	if len(ops) == 0 {
		if s.preflight(w, r) {
			return
		}
		p := problem(http.StatusMethodNotAllowed, codeMethod, "%s does not take %s; it takes %s", rt.path, shorten(r.Method), list(rt.allowed()))
		p.header = http.Header{"Allow": {strings.Join(rt.allowed(), ", ")}}
		s.refuse(w, r, p)
		return
	}
	c := &call{sandbox: s, request: r, param: r.PathValue("param")}
	c.op = choose(ops, c.param, r.URL.Query())
	refusal := c.readBody()
	entry := s.record(r, c.op.name, c.body, ops...)
	if refusal == nil {
		refusal = s.guardCall(c)
	}
	if refusal != nil {
		reply := refusal.answer()
		if c.op.page {
			reply = s.problemPage(c.op, refusal)
		}
		reply.problem = refusal.Message
		s.finish(entry, w, r, c.seal(reply))
		return
	}
	if f := s.pickFault(ops); f != nil {
		s.serveFault(f, entry, w, c) //nolint:contextcheck // webhooks outlive the request that caused them
		return
	}
	s.finish(entry, w, r, s.perform(c)) //nolint:contextcheck // webhooks outlive the request that caused them
}

// readBody reads the body whole, so that the log has it and the server notices
// when the client leaves.
func (c *call) readBody() *Problem {
	sent := c.request.Body
	if sent == nil { // as http.NewRequest leaves it, for a handler that is called without a server
		sent = http.NoBody
	}
	body, err := io.ReadAll(io.LimitReader(sent, maxBody+1))
	c.body = body
	switch {
	case err != nil:
		return badRequest("the body could not be read: %v", err)
	case len(body) > maxBody:
		c.body = nil
		return problem(http.StatusRequestEntityTooLarge, codeTooLarge, "the body is larger than %d bytes", maxBody)
	case c.request.Header.Get("Content-Encoding") != "":
		return problem(http.StatusUnsupportedMediaType, codeMediaType, "Content-Encoding is not known")
	}
	return nil
}

// perform runs the operation behind all the checks that it shares with others.
func (s *Sandbox) perform(c *call) *answer {
	if c.op.takesJSON() {
		c.json, c.jsonErr = c.readObject()
	}
	var value any
	err := s.do(func(a *account) (err error) {
		if !c.op.open {
			if err := a.authenticate(c); err != nil {
				return err
			}
		}
		if c.op.api() {
			if err := s.window.take(s.opts.RateLimit, s.clock.now()); err != nil {
				return err
			}
			if err := c.checkQuery(); err != nil {
				return err
			}
			if !c.op.body {
				if err := c.checkNoBody(); err != nil {
					return err
				}
			}
		}
		value, err = c.op.run(a, c)
		return err
	})
	if err != nil {
		p := asProblem(err)
		reply := p.answer()
		if c.op.page {
			reply = s.problemPage(c.op, p)
		}
		reply.problem = p.Message
		return c.seal(reply)
	}
	if reply, ok := value.(*answer); ok {
		return c.seal(reply)
	}
	return jsonAnswer(http.StatusOK, value)
}

// seal keeps tokens and pages with secrets in their URL out of caches.
func (c *call) seal(reply *answer) *answer {
	if c.op.open {
		reply.header.Set("Cache-Control", "no-store")
		reply.header.Set("Referrer-Policy", c.sandbox.ReferrerPolicy(c.request))
	}
	return reply
}

// serveUnknown answers what no route knows.
func (s *Sandbox) serveUnknown(w http.ResponseWriter, r *http.Request) {
	inAPI := strings.HasPrefix(r.URL.Path, apiSpace)
	if s.opts.Fallback != nil && !inAPI {
		s.opts.Fallback.ServeHTTP(w, r)
		return
	}
	if inAPI && s.preflight(w, r) {
		return
	}
	s.refuse(w, r, s.unknownPath(r))
}

// refuse records a request that reached no operation, and answers it.
func (s *Sandbox) refuse(w http.ResponseWriter, r *http.Request, p *Problem) {
	c := call{request: r}
	_ = c.readBody()
	reply := p.answer()
	reply.problem = p.Message
	s.finish(s.record(r, "", c.body), w, r, reply)
}

// preflight answers the question that a browser asks before it calls the API
// from another origin, as programs of 2020 did. A refusal is in the log, since the
// page itself does not learn the reason.
func (s *Sandbox) preflight(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions || !strings.HasPrefix(r.URL.Path, apiSpace) || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" && !s.ourOrigin(origin) {
		p := problem(http.StatusForbidden, codeForeignOrigin, "pages of the origin %q may not call the API; allow the origin when starting the sandbox", shorten(origin))
		s.finish(s.record(r, PreflightOperation, nil), w, r, p.answer())
		return true
	}
	headers := "AccessToken, Authorization, GrantType, RefreshToken, Content-Type, If-Range, Range"
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" && s.opts.Lenient {
		headers = asked // old programs send more, Access-Control-Allow-Origin among it
	}
	reply := &answer{status: http.StatusNoContent, header: http.Header{
		"Access-Control-Allow-Methods": {"GET, POST, PUT, DELETE"},
		"Access-Control-Allow-Headers": {headers},
		"Access-Control-Max-Age":       {"600"},
	}}
	s.finish(s.record(r, PreflightOperation, nil), w, r, reply)
	return true
}

// finish completes the record of the request and sends the answer.
func (s *Sandbox) finish(entry *Request, w http.ResponseWriter, r *http.Request, reply *answer) {
	s.crossOrigin(r, reply)
	s.recordAnswer(entry, reply.status, reply.problemText())
	reply.write(w)
}

// crossOrigin lets scripts of our origins read answers of the API.
func (s *Sandbox) crossOrigin(r *http.Request, reply *answer) {
	if !strings.HasPrefix(r.URL.Path, apiSpace) {
		return
	}
	allowed := "*"
	if !s.anyOrigin() {
		reply.header.Add("Vary", "Origin")
		if allowed = r.Header.Get("Origin"); allowed == "" || !s.ourOrigin(allowed) {
			return
		}
	}
	reply.header.Set("Access-Control-Allow-Origin", allowed)
	reply.header.Set("Access-Control-Expose-Headers", "Content-Disposition, ETag, Retry-After")
}

// problemText is what the log says about a refusal.
func (a *answer) problemText() string {
	if a.problem == "" && a.status >= http.StatusBadRequest {
		return string(bytes.TrimSpace(a.body))
	}
	return a.problem
}

// unknownLength makes net/http send a body in chunks.
const unknownLength = -1

// writeHeader sends status and header, with the length of the body if it has one.
func (a *answer) writeHeader(w http.ResponseWriter, length int) {
	header := w.Header()
	for name, values := range a.header {
		header[http.CanonicalHeaderKey(name)] = values
	}
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified && length != unknownLength {
		header.Set("Content-Length", strconv.Itoa(length))
	}
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.status)
}

func (a *answer) write(w http.ResponseWriter) {
	a.writeHeader(w, len(a.body))
	_, _ = w.Write(a.body) //nolint:gosec // pages come from html/template, everything else says that it is no page
}

// rateWindow holds when the calls of the last window came, the oldest first.
type rateWindow struct{ calls []time.Time }

func (rw *rateWindow) take(limit RateLimit, now time.Time) error {
	if limit.Requests == 0 {
		return nil
	}
	rw.calls = slices.DeleteFunc(rw.calls, func(at time.Time) bool {
		return now.Sub(at) >= limit.Per || at.After(now) // as after the clock was set back
	})
	if len(rw.calls) < limit.Requests {
		rw.calls = append(rw.calls, now)
		return nil
	}
	wait := limit.Per - now.Sub(rw.calls[0])
	seconds := int64((wait + time.Second - 1) / time.Second)
	p := problem(http.StatusTooManyRequests, codeRateLimited, "more than %d calls within %s", limit.Requests, limit.Per)
	p.header = http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}}
	return p
}

// errClosing ends what waits when the sandbox is closed.
var errClosing = errors.New("the sandbox is closing")

// pause waits for d, or for ever if d is negative; it ends early with an error
// when the client leaves or the sandbox is closed.
func (s *Sandbox) pause(r *http.Request, d time.Duration) error {
	var elapsed <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		elapsed = timer.C
	}
	select {
	case <-elapsed:
		return nil
	case <-r.Context().Done():
		return fmt.Errorf("the client left: %w", r.Context().Err())
	case <-s.stopped.Done():
		return errClosing
	}
}
