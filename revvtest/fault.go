package revvtest

import (
	"net/http"
	"time"
)

// Fault is something that goes wrong on purpose. A request meets the first fault
// that matches it. The zero value of every field means that it is not used.
//
// A fault that gives an answer of its own (Status, Body, HTML, Empty, OAuthError,
// RedirectTo, GzipBomb) or none at all (Hang, Reset, CutAfter below 0) keeps the
// operation from being carried out, and from being checked, unless Commit or Late
// is set. Any other fault spoils the answer of an operation that was carried out.
//
// A fault that does nothing is refused, and so is one with two parts of which only
// one can show, as CutAfter and StallAfter, or Hang and Status.
type Fault struct {
	// Operation names what fails, as "Documents.Create" or "OAuth.Token". Empty
	// means every operation of the API, and none of OAuth. Operations that share a
	// route, as Documents.List and Folders.List do, fail together.
	Operation string
	// Times is how many requests fail; 0 means all until the faults are cleared.
	Times int
	// After lets that many requests pass first. A request that met an earlier
	// fault does not count.
	After int
	// Commit carries the operation out before it fails.
	Commit bool
	// Late carries the operation out that long after it has failed: the request was on
	// its way all the time. It needs a fault that Commit would make a difference to.
	Late time.Duration

	Status      int
	RetryAfter  string      // the header, seconds or a date
	Header      http.Header // added to the answer
	Body        string
	ContentType string // of the answer, whatever it is
	HTML        bool   // 200 and a page, as the vendor's hosts give today
	Empty       bool   // 200 and no byte of body
	OAuthError  string // a code of RFC 6749, as invalid_grant
	RedirectTo  string // 302, or Status, to this URL
	GzipBomb    int64  // that many bytes of JSON, compressed several hundredfold

	Delay time.Duration // before anything else; who does not wait for its end has sent nothing
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
	// that are not there; an empty text removes the member. Where the answer is one
	// object under one name, as {"Document":{…}}, the members of that inner object are
	// meant, unless Members has the outer name itself; only the first level below it is
	// reached. It is refused for an operation whose answer is no JSON object, as
	// Documents.Activities and Documents.Download, and with a Body that is none.
	Members map[string]string
}

// FaultUse is a fault as it was given to [Server.Fail], with how many requests have
// met it.
type FaultUse struct {
	Fault

	Met int
}

// Faults lists the faults, in the order of [Server.Fail], those that are used up as
// well: a test that is about a fault makes sure that it was met, or it may have tested
// a day on which nothing went wrong. [Server.ClearFaults] empties the list. The last
// 10,000 are kept.
func (s *Server) Faults() []FaultUse {
	from := s.sandbox.FaultUses()
	faults := make([]FaultUse, len(from))
	for i, f := range from {
		faults[i] = FaultUse{Fault(f.Fault), f.Met}
	}
	return faults
}
