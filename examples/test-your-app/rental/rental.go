// Package rental is an application that uses Revv: the office of a landlord. It
// sends leases to be signed, and hands out the keys when a lease is signed.
package rental

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/revv-go/revv"
)

// What the people in the office can do about a lease that could not be sent.
// Sending it again is safe in either case.
var (
	ErrReconnect = errors.New("connect Revv again")
	ErrTryLater  = errors.New("try again later")
)

// Lease is what a tenant signs.
type Lease struct {
	Number string // as "2026-17", the office's own
	Tenant revv.Person
	Rent   string // a month, as "1200.00"
}

// Office sends leases. It is safe for concurrent use.
type Office struct {
	client   *revv.Client
	template revv.TemplateID
	keys     func(leaseNumber string)

	sending sync.Mutex // one lease at a time: who clicks twice finds it sent
	mu      sync.Mutex
	leases  map[string]*entry // by number; a database in real life
}

// entry is what the office knows of a lease.
type entry struct {
	begun    bool // a document may have been made
	document revv.DocumentID
	keysOut  bool
}

// New returns an office. template has the fields Tenant and Rent; keys hands out
// the keys, and is called once for each lease.
func New(client *revv.Client, template revv.TemplateID, keys func(leaseNumber string)) *Office {
	return &Office{client: client, template: template, keys: keys, leases: make(map[string]*entry)}
}

// SendLease sends a lease to its tenant, once: when it fails, and whatever it
// fails at, it can be called again.
func (o *Office) SendLease(ctx context.Context, lease Lease) error {
	o.sending.Lock()
	defer o.sending.Unlock()
	doc, err := o.document(ctx, lease)
	if err != nil {
		return advise(err)
	}
	if !doc.Stage.Is(revv.StageDraft) {
		return nil // an earlier call has sent it
	}
	_, err = o.client.Documents.SetFields(ctx, doc.ID, []revv.FieldValue{
		{Name: "Tenant", Value: lease.Tenant.FirstName + " " + lease.Tenant.LastName}, {Name: "Rent", Value: lease.Rent},
	})
	if err != nil {
		return advise(err)
	}
	err = o.client.Documents.SendForESign(ctx, doc.ID, revv.SendParams{Recipients: []revv.Person{lease.Tenant}})
	if revv.MaybeApplied(err) { // look before sending again
		if now, readErr := o.client.Documents.Get(ctx, doc.ID); readErr == nil && !now.Stage.Is(revv.StageDraft) {
			return nil
		}
	}
	return advise(err)
}

// document returns the document of a lease, which it makes if there is none. That
// it begins is noted down first: if the answer is lost, this call or the next one
// looks for the document instead of making a second one.
func (o *Office) document(ctx context.Context, lease Lease) (*revv.Document, error) {
	title := "Lease " + lease.Number
	known := o.begin(lease.Number)
	if known.document != 0 {
		return o.client.Documents.Get(ctx, known.document)
	}
	if known.begun {
		doc, err := o.find(ctx, title)
		if !errors.Is(err, revv.ErrNotFound) {
			return o.remember(lease.Number, doc, err)
		}
	}
	doc, err := o.client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: o.template, Title: title})
	if revv.MaybeApplied(err) {
		if found, findErr := o.find(ctx, title); findErr == nil {
			doc, err = found, nil
		}
	}
	return o.remember(lease.Number, doc, err)
}

// find looks through the account for a title, which is unique to a lease.
func (o *Office) find(ctx context.Context, title string) (*revv.Document, error) {
	for found, err := range o.client.Documents.All(ctx, revv.ListDocumentsParams{}) {
		if err != nil {
			return nil, err
		}
		if found.Name == title {
			return o.client.Documents.GetByNumber(ctx, found.Number)
		}
	}
	return nil, revv.ErrNotFound
}

// begin returns what was known of a lease, and notes down that it has begun.
func (o *Office) begin(number string) entry {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.leases[number] == nil {
		o.leases[number] = new(entry)
	}
	before := *o.leases[number]
	o.leases[number].begun = true
	return before
}

func (o *Office) remember(number string, doc *revv.Document, err error) (*revv.Document, error) {
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.leases[number].document = doc.ID
	return doc, nil
}

// Webhooks returns the handler of the service's events.
func (o *Office) Webhooks(secret revv.WebhookSecret) (http.Handler, error) {
	return revv.NewWebhookHandler(secret, o.onEvent, revv.WithReadBack(o.client.Documents))
}

// onEvent hands out the keys of a lease that everybody has signed. Events come
// twice and out of order; what was done already is done.
func (o *Office) onEvent(_ context.Context, event *revv.Event) error {
	if event.Type != revv.EventClosed {
		return nil
	}
	if number, due := o.keysDue(event.Document.ID); due {
		o.keys(number)
	}
	return nil
}

// keysDue reports whether the keys of a lease have to be handed out now, once.
func (o *Office) keysDue(document revv.DocumentID) (number string, due bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for number, lease := range o.leases {
		if lease.document == document && !lease.keysOut {
			lease.keysOut = true
			return number, true
		}
	}
	return "", false
}

// advise turns an error into advice for the people in the office. The error of the
// SDK, which has no secret in it, stays inside for the log.
func advise(err error) error {
	switch {
	case err == nil:
		return nil
	case isAny(err, revv.ErrReauthorizationRequired, revv.ErrUnauthorized, revv.ErrNoToken):
		return fmt.Errorf("%w: %w", ErrReconnect, err)
	case revv.MaybeApplied(err), isAny(err, revv.ErrRateLimited, revv.ErrServer, revv.ErrUnexpectedContent, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrTryLater, err)
	}
	return err
}

func isAny(err error, kinds ...error) bool {
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}
