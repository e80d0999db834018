// Package revvtest is a Revv for tests: a server in memory that keeps documents, puts
// mails into an outbox, lets people sign, accept and approve, delivers webhooks, and
// fails on demand. It is strict about what a client sends, so that a mistake is seen in a
// test and not on a live account.
//
//	server := revvtest.NewServer(t)
//	client := server.Client()
//	// … create and send a document with the client, then:
//	err := server.Sign(document.ID, "first.signer@example.com")
//
// Only a part of what the service does has been observed; where it is not known, the
// server does what this module proposes. docs/wire.md tells one from the other.
//
// Everything is reproducible: two servers that get the same requests give the same ids
// and tokens, which are therefore no secrets.
package revvtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/internal/sandbox"
)

// Server is a Revv with one organisation in it. It starts with templates named
// "Service agreement", "Offer letter" and "Mutual NDA", with two contacts and
// without documents. It is safe for concurrent use.
type Server struct {
	sandbox *sandbox.Sandbox
	network *network
	tb      testing.TB
}

// NewServer starts a server. It is closed when the test ends; with a nil tb, the
// caller closes it. A bad option ends the test, or panics with a nil tb.
func NewServer(tb testing.TB, opts ...Option) *Server { //nolint:thelper // tb may be nil
	if tb != nil {
		tb.Helper()
	}
	seed := uint64(1)
	c := config{sandbox: sandbox.Options{Seed: &seed}}
	s := &Server{tb: tb}
	for _, opt := range opts {
		if opt == nil {
			s.fail(errors.New("an option must not be nil"))
		}
		opt(&c)
	}
	err := errors.Join(c.problems...)
	if err != nil {
		s.fail(err)
	}
	if s.sandbox, err = sandbox.New(c.sandbox); err != nil {
		s.fail(err)
	}
	if s.network, err = listen(s.sandbox.Handler(), c.inMemory); err != nil {
		s.sandbox.Close()
		s.fail(err)
	}
	if err := s.sandbox.SetBaseURL(s.network.url); err != nil {
		s.Close()
		s.fail(err)
	}
	if tb != nil {
		tb.Cleanup(s.Close)
	}
	return s
}

// fail ends the test; what it reports is a mistake in the test itself.
func (s *Server) fail(err error) {
	err = fmt.Errorf("revvtest: %w", err)
	if s.tb == nil {
		panic(err) //nolint:forbidigo // as promised: there is no test to end, and an error would have to be checked in every test
	}
	s.tb.Helper()
	s.tb.Fatal(err)
}

// Close ends the server, every connection to it and every delivery. It waits for
// them, and may be called again.
func (s *Server) Close() {
	// Both at once: the sandbox waits for its handlers, of which one that reads or
	// writes a body may end only with its connection; and the network waits for the
	// handlers, too, of which one that hangs on purpose ends only with the sandbox.
	var both sync.WaitGroup
	both.Go(s.sandbox.Close)
	both.Go(s.network.close)
	both.Wait()
}

// URL is the base URL of the server, as http://127.0.0.1:40000.
func (s *Server) URL() string { return s.network.url }

// Handler serves requests without a connection, for a test that brings its own server. A
// fault that ends the connection panics with [http.ErrAbortHandler].
//
// [Server.Close] waits for the requests in the handler but cannot end the connections of
// another server: it does not return while that server reads a body that does not come,
// or writes to a client that does not read. End its connections first, for example with
// [net/http/httptest.Server.CloseClientConnections]; that also ends answers that hang on
// purpose.
func (s *Server) Handler() http.Handler { return s.sandbox.Handler() }

// HTTPClient reaches the server, also when it has no network. It adds no
// credentials and follows redirects as [http.DefaultClient] does.
func (s *Server) HTTPClient() *http.Client { return s.network.client }

// Authorize acts as a user who opens authURL and clicks Authorize. It returns where the
// browser ends up: the redirect URL with a code and the state, or with an error if the
// application asked in a wrong way. An error of Authorize itself means that the user sees
// an error page instead, for example because the redirect URL is not registered.
//
// It makes no request, so nothing is in [Server.Requests], and no fault on
// OAuth.Authorize or OAuth.Consent is met. Those are for a browser, or for a test that
// opens authURL with [Server.HTTPClient] and posts the form of the page.
func (s *Server) Authorize(authURL string) (redirectURL string, err error) {
	return s.sandbox.Authorize(authURL, true)
}

// Deny acts as a user who clicks Cancel instead. Like [Server.Authorize] it makes no
// request.
func (s *Server) Deny(authURL string) (redirectURL string, err error) {
	return s.sandbox.Authorize(authURL, false)
}

// ExpireTokens makes all access tokens expire now. Refresh tokens stay valid.
func (s *Server) ExpireTokens() { s.sandbox.ExpireTokens() }

// RevokeTokens ends all access and refresh tokens: the user has to authorize the
// application again.
func (s *Server) RevokeTokens() { s.sandbox.RevokeTokens() }

// Now is the time of the server.
func (s *Server) Now() time.Time { return s.sandbox.Now() }

// SetTime stops the clock of the server at t; only what happens one after the other is a
// microsecond apart.
func (s *Server) SetTime(t time.Time) { s.sandbox.SetTime(t) }

// Advance moves the clock of the server forward by d.
func (s *Server) Advance(d time.Duration) { s.sandbox.Advance(d) }

// Sign signs as the signer with the address, filling in fields first.
//
// It returns an error, and changes nothing, if the document does not exist, was not sent
// to the address for signing, or is no longer Sent; if another signer has to sign first,
// or this one has signed already; if a required field stays empty; or if a field does not
// exist, its type does not fit the value, or it was filled before somebody signed and
// would change.
func (s *Server) Sign(id revv.DocumentID, email string, fields ...FieldValue) error {
	values := make([]sandbox.FieldValue, len(fields))
	for i, f := range fields {
		values[i] = sandbox.FieldValue(f)
	}
	return s.sandbox.Sign(id, email, values)
}

// Accept accepts as the acceptor with the address.
//
// It returns an error, and changes nothing, if the document does not exist, was not sent
// to the address for acceptance, or is no longer Sent; if the acceptor has answered
// already; or if a required field is empty, unless [WithLenientBodies] is given.
func (s *Server) Accept(id revv.DocumentID, email string) error { return s.sandbox.Accept(id, email) }

// Approve approves as the approver with the address.
//
// It returns an error, and changes nothing, if the document does not exist, was not sent
// to the address for approval, or no longer waits for approval, or if the approver has
// answered already.
func (s *Server) Approve(id revv.DocumentID, email string) error {
	return s.sandbox.Approve(id, email)
}

// Reject refuses as an approver, an acceptor or a signer whom the document waits for.
// After the refusal of an acceptor or a signer the document is a draft again. After that
// of an approver its stage is unchanged, and its Approval is rejected.
//
// It returns an error, and changes nothing, if the document does not exist, if it does
// not wait for an answer from the address (because it was not sent there, or is answered
// already), or if another signer has to sign first.
func (s *Server) Reject(id revv.DocumentID, email, reason string) error {
	return s.sandbox.Reject(id, email, reason)
}

// Resend delivers the event of a delivery to the same URL once more, with the same event
// id: a receiver has to cope with that. It returns an error if no delivery has the id.
func (s *Server) Resend(deliveryID int64) error { return s.sandbox.Resend(deliveryID) }

// WaitDeliveries waits until every webhook has been delivered or given up.
func (s *Server) WaitDeliveries(ctx context.Context) error { return s.sandbox.WaitDeliveries(ctx) }

// Fail adds faults after those that are already there. A fault that makes no sense ends
// the test, and so do more than 10,000 that are still to happen. [Server.Faults] shows how
// often each was met.
func (s *Server) Fail(faults ...Fault) {
	all := make([]sandbox.Fault, len(faults))
	for i, f := range faults {
		all[i] = sandbox.Fault(f)
	}
	if err := s.sandbox.Fail(all...); err != nil {
		s.fail(err)
	}
}

// ClearFaults removes all faults, and the record of how often they were met.
func (s *Server) ClearFaults() { s.sandbox.ClearFaults() }

// AddTemplate adds a template, which is active unless Inactive is set. A field without a
// type is text. A bad argument ends the test, as in all Add methods.
func (s *Server) AddTemplate(t Template) revv.TemplateID {
	fields := make([]sandbox.Field, len(t.Fields))
	for i, f := range t.Fields {
		fields[i] = sandbox.Field(f)
	}
	id, err := s.sandbox.AddTemplate(sandbox.Template{Title: t.Title, Inactive: t.Inactive, Fields: fields})
	if err != nil {
		s.fail(err)
	}
	return id
}

// AddFolder adds a folder, to the main folder if it has no parent.
func (s *Server) AddFolder(name string, parent revv.FolderID) revv.FolderID {
	id, err := s.sandbox.AddFolder(sandbox.Folder{Name: name, ParentID: parent})
	if err != nil {
		s.fail(err)
	}
	return id
}

// AddContact adds a contact, even if there is one with the same address, as was observed
// on the live service.
func (s *Server) AddContact(c Contact) revv.ContactID {
	id, err := s.sandbox.AddContact(sandbox.Contact{
		Name: c.Name, Title: c.Title, Description: c.Description, Email: c.Email, Phone: c.Phone, Type: c.Type,
		LinkedIn: c.LinkedIn, Instagram: c.Instagram, Twitter: c.Twitter, Notes: c.Notes,
	})
	if err != nil {
		s.fail(err)
	}
	return id
}

// AddDocument makes a draft from a template, as the client would.
func (s *Server) AddDocument(template revv.TemplateID, title string) revv.DocumentID {
	id, err := s.sandbox.CreateDocument(template, title, 0)
	if err != nil {
		s.fail(err)
	}
	return id
}
