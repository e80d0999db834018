package revvtest

import (
	"net/http"
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
	Operation string
	// Times is how many requests fail; 0 means all until the faults are cleared.
	Times int
	// After lets that many requests pass first. A request that met an earlier
	// fault does not count.
	After int
	// Commit carries the operation out before it fails.
	Commit bool
	// Late carries the operation out this long after it has failed, as if the request had
	// been on its way all the time. It needs a fault to which Commit would make a
	// difference.
	Late time.Duration

	Status      int
	RetryAfter  string      // the header, seconds or a date
	Header      http.Header // added to the answer
	Body        string
	ContentType string // of the answer, whichever answer it is
	HTML        bool   // 200 and a web page, as the vendor's hosts answer today
	Empty       bool   // 200 and an empty body
	OAuthError  string // a code of RFC 6749, such as invalid_grant
	RedirectTo  string // 302, or Status, to this URL
	GzipBomb    int64  // that many bytes of JSON, compressed about a thousandfold

	Delay time.Duration // before anything else; if the client leaves meanwhile, nothing is carried out
	Hang  bool          // no answer until the client leaves or the sandbox is closed
	Reset bool          // the connection is reset instead of answered

	// CutAfter ends the connection after so many bytes of the body; below 0 it
	// ends before the headers.
	CutAfter int
	// StallAfter stops after so many bytes of the body and keeps the connection.
	StallAfter int
	// Drip sends the body byte by byte with that pause after each.
	Drip time.Duration
	// CloseDelimited leaves out the length, so that a cut looks like an end.
	CloseDelimited bool
	// Chunked sends the body in chunks, without its length. A cut or a stall then
	// comes in the middle of a chunked body.
	Chunked bool
	// Truncate halves the body within a complete HTTP message.
	Truncate bool
	// Members replaces members of a JSON answer by the JSON given here, and adds those
	// that are missing; an empty text removes the member. If the answer is one object
	// under one name, such as {"Document":{…}}, the members of that inner object are
	// meant, unless Members has the outer name itself. Deeper levels cannot be reached.
	// It is refused for an operation whose answer is no JSON object, such as
	// Documents.Activities and Documents.Download, and with a Body that is none.
	Members map[string]string
}

// FaultUse is a fault as it was given to [Server.Fail], and how many requests have met
// it.
type FaultUse struct {
	Fault

	Met int
}

// Faults lists the faults in the order of [Server.Fail], including those that are used
// up. A test that is about a fault should check that it was met; otherwise it may have
// tested that nothing went wrong. [Server.ClearFaults] empties the list. The last 10,000
// are kept.
func (s *Server) Faults() []FaultUse {
	from := s.sandbox.FaultUses()
	faults := make([]FaultUse, len(from))
	for i, f := range from {
		faults[i] = FaultUse{Fault(f.Fault), f.Met}
	}
	return faults
}
