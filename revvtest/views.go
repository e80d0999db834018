package revvtest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/internal/sandbox"
)

// Template is what documents are made from.
type Template struct {
	Title    string
	Inactive bool // listed, but no document is made from it
	Fields   []Field
}

// Field is a named place in a template or a document.
type Field struct {
	Name     string
	Type     string // text, date as 2021-06-18, or number as 1500.50
	Required bool   // must be filled before the document is signed or sent for acceptance
	Value    string
}

// FieldValue is what a signer fills in.
type FieldValue struct {
	Name  string
	Value string
}

// Contact is an entry of the address book.
type Contact struct {
	Name        string
	Title       string
	Description string
	Email       string
	Phone       string
	Type        string // individual, corporate or empty
	LinkedIn    string
	Instagram   string
	Twitter     string
	Notes       string
}

// Document is a document as the server has it.
type Document struct {
	ID         revv.DocumentID
	EntryID    revv.EntryID
	Number     revv.DocumentNumber
	ObjectID   revv.ObjectID
	Title      string
	TemplateID revv.TemplateID
	FolderID   revv.FolderID
	Stage      revv.Stage
	Approval   string // pending, approved, rejected, or empty if it was never sent for approval
	Fields     []Field
	Signers    []Party
	Acceptors  []Party
	Approvers  []Party
	Readers    []Party
	Events     []string // the names of its activities, the oldest first
}

// Party is somebody a document was sent to.
type Party struct {
	Email     string
	FirstName string
	LastName  string
	Order     int    // the place in the signing sequence, 0 for none
	State     string // open, done or declined
	Reason    string // why it was declined
	At        time.Time
}

// Document returns a document as it is now; ok is false if there is none.
func (s *Server) Document(id revv.DocumentID) (d Document, ok bool) {
	from, ok := s.sandbox.Document(id)
	if !ok {
		return Document{}, false
	}
	return documentOf(from), true
}

// Documents lists the documents as they are now, the oldest first. A test that counts
// them notices a document that a client has created twice.
func (s *Server) Documents() []Document {
	from := s.sandbox.Documents() // the newest first
	documents := make([]Document, 0, len(from))
	for _, d := range slices.Backward(from) {
		documents = append(documents, documentOf(d))
	}
	return documents
}

func documentOf(from sandbox.Document) Document {
	d := Document{
		ID: from.ID, EntryID: from.EntryID, Number: from.Number, ObjectID: from.ObjectID, Title: from.Title,
		TemplateID: from.TemplateID, FolderID: from.FolderID, Stage: from.Stage, Approval: from.Approval,
		Signers: parties(from.Signers), Acceptors: parties(from.Acceptors), Approvers: parties(from.Approvers), Readers: parties(from.Readers),
	}
	for _, f := range from.Fields {
		d.Fields = append(d.Fields, Field(f))
	}
	for _, a := range from.Activities {
		d.Events = append(d.Events, a.Event)
	}
	return d
}

func parties(from []sandbox.Party) []Party {
	all := make([]Party, len(from))
	for i, p := range from {
		all[i] = Party{
			Email: p.Email, FirstName: p.FirstName, LastName: p.LastName, Order: p.Order,
			State: p.State, Reason: p.Reason, At: p.At,
		}
	}
	return all
}

// Mail is a mail that the service would have sent.
type Mail struct {
	Kind       string // sign, accept, approve or share
	To         string
	Subject    string
	Text       string            // the sender's message
	Links      map[string]string // for sign "sign", for accept "open", "accept" and "reject", for approve "open", "approve" and "reject", for share "open"
	DocumentID revv.DocumentID
	SentAt     time.Time
}

// Outbox lists the mails, the oldest first. At least the last 9,000 are kept.
func (s *Server) Outbox() []Mail {
	from := s.sandbox.Mails()
	mails := make([]Mail, len(from))
	for i, m := range from {
		mails[i] = Mail{m.Kind, m.To.Email, m.Subject, m.Text, m.Links, m.DocumentID, m.SentAt}
	}
	return mails
}

// Request is a request that the server received. Secrets in it are replaced by their
// [Fingerprint], which is the same for the same secret. Secrets are tokens, passwords and
// cookies, the ends of links in mails and of magic links, and in the URL of a webhook the
// user, the last segment of the path and the query.
type Request struct {
	ID        int64
	At        time.Time
	Operation string // such as "Documents.Create" or "OAuth.Token", the first of those that share a route; "" for an unknown path
	Method    string
	Path      string
	RawQuery  string
	Header    http.Header
	Body      string
	Status    int    // 0 if it has no answer, or none yet
	Problem   string // why it was refused, or which fault it met
}

// Requests lists the requests, the oldest first. With names of operations, it lists only
// requests for these; a request for a route that operations share, such as Documents.List
// and Folders.List, is listed for each of them. At least the last 9,000 are kept, or
// fewer if they are larger than 64 MiB.
//
// The names are those of [Fault].Operation (an exchange and a renewal are both
// OAuth.Token), CORS.Preflight for the preflight request of a browser, and "" for an
// unknown path. Any other name ends the test: a misspelt name would have no requests, and
// a test that expects none would pass.
func (s *Server) Requests(operations ...string) []Request {
	for _, name := range operations {
		if name != "" && name != sandbox.PreflightOperation && !slices.Contains(sandbox.Operations(), name) {
			s.fail(fmt.Errorf("Requests: no operation is called %q; there are %s", name, strings.Join(sandbox.Operations(), ", ")))
		}
	}
	requests := []Request{}
	for _, r := range s.sandbox.Requests() {
		if len(operations) == 0 || slices.ContainsFunc(operations, r.Is) {
			requests = append(requests, Request{r.ID, r.At, r.Operation, r.Method, r.Path, r.RawQuery, r.Header, r.Body, r.Status, r.Problem})
		}
	}
	return requests
}

// Fingerprint returns what a [Request] has in place of a secret, so that a test can tell
// which token came. In the header Authorization, the scheme stands before it.
func Fingerprint(secret string) string { return sandbox.Fingerprint(secret) }

// Delivery is one webhook event on its way to one URL.
type Delivery struct {
	ID       int64 // of this delivery; a delivery that is sent again has another
	EventID  string
	Event    string
	URL      string
	Body     string
	State    string // pending, delivered or failed
	Attempts []Attempt
}

// Attempt is one POST of a delivery.
type Attempt struct {
	At     time.Time
	Status int    // 0 without an answer
	Error  string // empty after a success
}

// Deliveries lists the webhooks that were sent, the oldest first. At least the
// last 9,000 are kept.
func (s *Server) Deliveries() []Delivery {
	from := s.sandbox.Deliveries()
	deliveries := make([]Delivery, len(from))
	for i, d := range from {
		deliveries[i] = Delivery{ID: d.ID, EventID: d.EventID, Event: d.Event, URL: d.URL, Body: d.Body, State: d.State}
		for _, a := range d.Attempts {
			deliveries[i].Attempts = append(deliveries[i].Attempts, Attempt(a))
		}
	}
	return deliveries
}
