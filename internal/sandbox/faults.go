package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault is something that goes wrong on purpose. A request meets the first fault that
// matches it. Fields with their zero value are not used.
//
// A fault that gives an answer of its own (Status, Body, HTML, Empty, OAuthError,
// RedirectTo, GzipBomb), or none at all (Hang, Reset, CutAfter below 0), keeps the
// operation from being carried out, and from being checked, unless Commit or Late is set.
// Any other fault spoils the answer of an operation that was carried out.
//
// A fault that does nothing is refused. So is one with two effects of which only one can
// happen, such as CutAfter and StallAfter, or Hang and Status.
type Fault struct {
	// Operation names what fails, such as "Documents.Create" or "OAuth.Token". Empty
	// means every operation of the API, but none of OAuth. Operations that share a route,
	// such as Documents.List and Folders.List, fail together.
	Operation string `json:"operation"`
	// Times is how many requests fail; 0 means all until the faults are cleared.
	Times int `json:"times,omitzero"`
	// After lets that many requests pass first. A request that met an earlier
	// fault does not count.
	After int `json:"after,omitzero"`
	// Commit carries the operation out before it fails.
	Commit bool `json:"commit,omitzero"`
	// Late carries the operation out this long after it has failed, as if the request had
	// been on its way all the time. It needs a fault to which Commit would make a
	// difference.
	Late time.Duration `json:"late,omitzero"`

	Status      int         `json:"status,omitzero"`
	RetryAfter  string      `json:"retry_after,omitzero"` // the header, seconds or a date
	Header      http.Header `json:"header,omitempty"`     // added to the answer
	Body        string      `json:"body,omitzero"`
	ContentType string      `json:"content_type,omitzero"` // of the answer, whichever answer it is
	HTML        bool        `json:"html,omitzero"`         // 200 and a web page, as the vendor's hosts answer today
	Empty       bool        `json:"empty,omitzero"`        // 200 and an empty body
	OAuthError  string      `json:"oauth_error,omitzero"`  // a code of RFC 6749, such as invalid_grant
	RedirectTo  string      `json:"redirect_to,omitzero"`  // 302, or Status, to this URL
	GzipBomb    int64       `json:"gzip_bomb,omitzero"`    // that many bytes of JSON, compressed about a thousandfold

	Delay time.Duration `json:"delay,omitzero"` // before anything else; if the client leaves meanwhile, nothing is carried out
	Hang  bool          `json:"hang,omitzero"`  // no answer until the client leaves or the sandbox is closed
	Reset bool          `json:"reset,omitzero"` // the connection is reset instead of answered

	// CutAfter ends the connection after so many bytes of the body; below 0 it
	// ends before the headers.
	CutAfter int `json:"cut_after,omitzero"`
	// StallAfter stops after so many bytes of the body and keeps the connection.
	StallAfter int `json:"stall_after,omitzero"`
	// Drip sends the body byte by byte with that pause after each.
	Drip time.Duration `json:"drip,omitzero"`
	// CloseDelimited leaves out the length, so that a cut looks like an end.
	CloseDelimited bool `json:"close_delimited,omitzero"`
	// Chunked sends the body in chunks, without its length. A cut or a stall then
	// comes in the middle of a chunked body.
	Chunked bool `json:"chunked,omitzero"`
	// Truncate halves the body within a complete HTTP message.
	Truncate bool `json:"truncate,omitzero"`
	// Members replaces members of a JSON answer by the JSON given here, and adds those
	// that are missing; an empty text removes the member. If the answer is one object
	// under one name, such as {"Document":{…}}, the members of that inner object are
	// meant, unless Members has the outer name itself. Deeper levels cannot be reached.
	// It is refused for an operation whose answer is no JSON object, such as
	// Documents.Activities and Documents.Download, and with a Body that is none.
	Members map[string]string `json:"members,omitempty"`
}

// replaces reports whether the fault replaces the operation's own answer.
func (f *Fault) replaces() bool {
	return f.Status != 0 || f.Body != "" || f.HTML || f.Empty || f.OAuthError != "" || f.RedirectTo != "" ||
		f.GzipBomb > 0 || f.Hang || f.Reset || f.CutAfter < 0
}

// String says what the fault does, for the log of requests, in which each request that
// meets it has a copy: of long texts only the beginning is shown.
func (f *Fault) String() string {
	shown := *f
	shown.Body, shown.RedirectTo = shorten(f.Body), shorten(f.RedirectTo)
	shown.Members = maps.Clone(f.Members)
	for name, text := range f.Members {
		shown.Members[name] = shorten(text)
	}
	data, err := json.Marshal(&shown)
	if err != nil {
		return "fault"
	}
	return "fault " + string(data)
}

// parts names the fields that are set and do something.
func (f *Fault) parts() map[string]bool {
	parts := map[string]bool{
		"Status": f.Status != 0, partBodiless: f.Status == http.StatusNoContent || f.Status == http.StatusNotModified,
		"RetryAfter": f.RetryAfter != "", "Header": len(f.Header) > 0, "ContentType": f.ContentType != "",
		"Body": f.Body != "", "HTML": f.HTML, "Empty": f.Empty, "OAuthError": f.OAuthError != "", "RedirectTo": f.RedirectTo != "", "GzipBomb": f.GzipBomb > 0,
		"Delay": f.Delay > 0, "Hang": f.Hang, "Reset": f.Reset, partSilent: f.CutAfter < 0,
		"CutAfter": f.CutAfter > 0, "StallAfter": f.StallAfter > 0, "Drip": f.Drip > 0, "CloseDelimited": f.CloseDelimited, "Chunked": f.Chunked,
		"Truncate": f.Truncate, "Members": len(f.Members) > 0,
	}
	maps.DeleteFunc(parts, func(_ string, set bool) bool { return !set })
	return parts
}

// The parts that are a value of a field.
const (
	partBodiless = "Status without a body"
	partSilent   = "CutAfter below 0"
)

// rivalParts lists groups of parts of which a fault can have only one. Of two, one would
// silently be ignored, and a test would believe that it has seen both.
func rivalParts() [][]string {
	return [][]string{
		{"Body", "HTML", "Empty", "OAuthError", "RedirectTo", "GzipBomb"}, // what is answered
		{partBodiless, "Body", "HTML", "OAuthError", "RedirectTo", "GzipBomb"},
		{"CutAfter", "StallAfter", "Drip", "GzipBomb", partBodiless}, // how much of it comes
		{"CloseDelimited", "Chunked", "GzipBomb", partBodiless},      // how its end is told
		{"CloseDelimited", "StallAfter", "Drip"},
		{"Drip", "Empty", "RedirectTo"}, // which have no bytes
		{"Truncate", "Empty", "RedirectTo", "GzipBomb"},
		{"Truncate", partBodiless},
		{"Members", "Empty", "RedirectTo", "GzipBomb", "HTML"}, // which are no JSON object
		{"Members", partBodiless},
	}
}

// check reports a fault that makes no sense.
func (f *Fault) check() error {
	known := f.Operation == ""
	for _, op := range operations() {
		known = known || op.name == f.Operation
	}
	switch {
	case !known:
		return fmt.Errorf("fault: no operation is called %q", f.Operation)
	case f.Times < 0 || f.After < 0 || f.StallAfter < 0 || f.Late < 0 || f.Delay < 0 || f.Drip < 0 || f.GzipBomb < 0:
		return fmt.Errorf("fault on %q: only CutAfter may be negative", f.Operation)
	case f.Late > 0 && (f.Commit || !f.replaces()):
		return fmt.Errorf("fault on %q: Late needs a fault that keeps the operation from being carried out, and no Commit", f.Operation)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("fault on %q: the status %d is no final status", f.Operation, f.Status)
	}
	if err := f.checkMembers(); err != nil {
		return err
	}
	return f.checkParts()
}

// checkMembers refuses members that would have no effect.
func (f *Fault) checkMembers() error {
	if len(f.Members) == 0 {
		return nil
	}
	for name, text := range f.Members {
		if text != "" && !json.Valid([]byte(text)) {
			return fmt.Errorf("fault on %q: the member %q is no JSON: %s", f.Operation, name, shorten(text))
		}
	}
	_, err := membersOf([]byte(f.Body))
	switch {
	case f.Body != "" && err != nil:
		return fmt.Errorf("fault on %q: Members are of a JSON object, and Body is none", f.Operation)
	case !f.replaces() && slices.ContainsFunc(operations(), func(op *operation) bool { return op.name == f.Operation && (op.page || op.bare) }):
		return fmt.Errorf("fault on %q: Members are of a JSON object, and this operation answers with none", f.Operation)
	}
	return nil
}

// checkParts refuses a fault that does nothing, or only a part of what its fields say.
func (f *Fault) checkParts() error {
	parts := f.parts()
	if len(parts) == 0 {
		return fmt.Errorf("fault on %q: it does nothing", f.Operation)
	}
	rivals := rivalParts()
	if parts["Hang"] || parts["Reset"] || parts[partSilent] { // there is no answer for any other part to be seen in
		everything := slices.Sorted(maps.Keys(parts))
		rivals = [][]string{slices.DeleteFunc(everything, func(name string) bool { return name == "Delay" })}
	}
	for _, group := range rivals {
		both := slices.DeleteFunc(slices.Clone(group), func(name string) bool { return !parts[name] })
		if len(both) > 1 {
			return fmt.Errorf("fault on %q: %s do not go together", f.Operation, list(both))
		}
	}
	return nil
}

// Fail adds faults after those that are already there. Nothing is added if one of them
// makes no sense, or if more than 10,000 would be still to happen.
func (s *Sandbox) Fail(faults ...Fault) error {
	for i := range faults {
		if err := faults[i].check(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.faults) + len(faults); n > ringSize { // refused, and not the oldest dropped: a test would wait for it in vain
		return fmt.Errorf("%d faults would be still to happen, and %d are the most: clear them, or give one of them more times", n, ringSize)
	}
	for _, f := range faults {
		f = f.clone()
		use := &FaultUse{Fault: f}
		s.faults = append(s.faults, &armedFault{Fault: f, use: use})
		s.faultUses = append(s.faultUses, use)
	}
	if over := len(s.faultUses) - ringSize; over > 0 {
		s.faultUses = slices.Clone(s.faultUses[over:])
	}
	s.notify(Change{Kind: changeFault})
	return nil
}

// ClearFaults removes all faults.
func (s *Sandbox) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.faultUses = nil, nil
	s.notify(Change{Kind: changeFault})
}

// Faults lists what is still to go wrong, with the counts that are left.
func (s *Sandbox) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	faults := make([]Fault, len(s.faults))
	for i, f := range s.faults {
		faults[i] = f.clone()
	}
	return faults
}

// clone copies the fault with what it refers to.
func (f *Fault) clone() Fault {
	twin := *f
	twin.Header, twin.Members = f.Header.Clone(), maps.Clone(f.Members)
	return twin
}

// armedFault is a fault that is still to happen, with the counts that are left.
type armedFault struct {
	Fault

	use *FaultUse
}

// FaultUse is a fault as it was given to [Sandbox.Fail], and how many requests have met
// it.
type FaultUse struct {
	Fault

	Met int
}

// FaultUses lists the faults since the last ClearFaults, the oldest first, those that
// are used up as well. The last 10,000 are kept.
func (s *Sandbox) FaultUses() []FaultUse {
	s.mu.Lock()
	defer s.mu.Unlock()
	uses := make([]FaultUse, len(s.faultUses))
	for i, use := range s.faultUses {
		uses[i] = FaultUse{use.clone(), use.Met}
	}
	return uses
}

// pickFault returns the fault that a request for one of the operations meets.
func (s *Sandbox) pickFault(ops []*operation) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !slices.ContainsFunc(ops, func(op *operation) bool {
			return f.Operation == op.name || f.Operation == "" && op.api()
		}) {
			continue
		}
		if f.After > 0 {
			f.After--
			continue
		}
		f.use.Met++
		picked := f.Fault
		if f.Times > 0 {
			if f.Times--; f.Times == 0 { // it would mean for ever now
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		s.notify(Change{Kind: changeFault})
		return &picked
	}
	return nil
}

// spoil turns the operation's answer, nil if it was not carried out, into the
// one that is sent.
func (f *Fault) spoil(reply *answer, op *operation) *answer {
	if reply == nil || f.replaces() {
		reply = f.ownAnswer(op)
	}
	if f.ContentType != "" {
		reply.header.Set("Content-Type", f.ContentType)
	}
	if f.RetryAfter != "" {
		reply.header.Set("Retry-After", f.RetryAfter)
	}
	for name, values := range f.Header {
		reply.header[http.CanonicalHeaderKey(name)] = values
	}
	if len(f.Members) > 0 {
		reply.body = f.editMembers(reply.body)
	}
	if f.Truncate {
		reply.body = reply.body[:len(reply.body)/2]
	}
	return reply
}

// page is what the vendor's hosts give on every path since the product ended.
const page = `<!DOCTYPE html><html lang="en"><head><title>Revv</title></head><body><div id="root"></div></body></html>`

func (f *Fault) ownAnswer(op *operation) *answer {
	status := func(usual int) int {
		if f.Status != 0 {
			return f.Status
		}
		return usual
	}
	switch {
	case f.RedirectTo != "":
		reply := newAnswer(status(http.StatusFound), "text/plain; charset=utf-8", nil)
		reply.header.Set("Location", f.RedirectTo)
		return reply
	case f.OAuthError != "":
		p := oauthProblem(f.OAuthError, "a fault that was asked for")
		p.Status = status(p.Status)
		return p.answer()
	case f.HTML:
		return newAnswer(status(http.StatusOK), "text/html; charset=utf-8", []byte(page))
	case f.Body != "":
		return newAnswer(status(http.StatusOK), "application/json", []byte(f.Body))
	case f.Empty, f.Status == http.StatusNoContent, f.Status == http.StatusNotModified:
		return newAnswer(status(http.StatusOK), "application/json", nil)
	}
	code := strings.ToUpper(strings.ReplaceAll(http.StatusText(status(http.StatusOK)), " ", "_"))
	p := problem(status(http.StatusOK), code, "a fault that was asked for")
	if p.oauth = op.name == "OAuth.Token"; p.oauth {
		p.Code = strings.ToLower(code)
	}
	return p.answer()
}

// editMembers replaces, adds and removes members of a JSON object, or of the one object
// that is in it, and leaves anything else alone.
func (f *Fault) editMembers(body []byte) []byte {
	members, err := membersOf(body)
	if err != nil {
		return body
	}
	if len(members) == 1 {
		for name, value := range members {
			inner, err := membersOf(value)
			if _, meant := f.Members[name]; err == nil && !meant {
				return joinMembers(map[string]json.RawMessage{name: f.edit(inner)})
			}
		}
	}
	return f.edit(members)
}

func (f *Fault) edit(members map[string]json.RawMessage) []byte {
	for name, text := range f.Members {
		if text == "" {
			delete(members, name)
			continue
		}
		members[name] = json.RawMessage(text)
	}
	return joinMembers(members)
}

// membersOf takes a JSON object apart.
func membersOf(data []byte) (members map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	if members == nil {
		return nil, errors.New("null is no object")
	}
	return members, nil
}

// joinMembers writes a JSON object, in the order of its names. The values stay as they
// are, even those that no decoder takes.
func joinMembers(members map[string]json.RawMessage) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			b.WriteByte(',')
		}
		quoted, _ := json.Marshal(name) //nolint:errchkjson // a text can be encoded
		fmt.Fprintf(&b, "%s:%s", quoted, members[name])
	}
	b.WriteByte('}')
	return b.Bytes()
}
