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
	"time"

	"github.com/revv-go/revv"
)

// What the people in the office can do about a lease that could not be sent. After
// ErrReconnect, call SendLease again when Revv is connected; after ErrTryLater, when a
// minute has passed. Calling it again is safe at any time.
var (
	ErrReconnect = errors.New("connect Revv again")
	ErrTryLater  = errors.New("try again later")
	ErrDeclined  = errors.New("it was sent and is a draft again: ask the tenant")
	ErrUnshown   = errors.New("it was reported as sent, and is still a draft: see whether the tenant was mailed")
)

// errNone says that no document has the title. It is not an error of the service, whose
// 404 may mean something else.
var errNone = errors.New("there is no such document")

// Lease is what a tenant signs.
type Lease struct {
	Number string // the office's own number, such as "2026-17"
	Tenant revv.Person
	Rent   string // per month, such as "1200.00"
}

// Office sends leases. It is safe for concurrent use.
type Office struct {
	// Patience is how long a request whose answer was lost may take to arrive. If it has
	// had no effect by then, it is taken for lost.
	Patience time.Duration

	client   *revv.Client
	template revv.TemplateID
	keys     func(leaseNumber string)

	sending chan struct{} // holds one lease at a time: who clicks twice finds it sent
	handing sync.Mutex    // likewise for the keys
	mu      sync.Mutex
	leases  map[string]*entry // by number; a database in real life
}

// entry is what the office knows about a lease.
type entry struct {
	asked        time.Time // the latest time at which a request whose outcome is not known has left: to make the document, or to send it
	document     revv.DocumentID
	acknowledged bool // the service has said that it sent the lease: it is never sent again, whatever it shows
	keysOut      bool
}

// New returns an office with a patience of a minute. template has the fields Tenant
// and Rent; keys hands out the keys, and is called once for each lease.
func New(client *revv.Client, template revv.TemplateID, keys func(leaseNumber string)) *Office {
	return &Office{Patience: time.Minute, client: client, template: template, keys: keys, sending: make(chan struct{}, 1), leases: make(map[string]*entry)}
}

// SendLease sends a lease to its tenant, once. It can be called again after any failure.
func (o *Office) SendLease(ctx context.Context, lease Lease) error {
	select { // and not a mutex, at which whoever waits could not leave
	case o.sending <- struct{}{}:
		defer func() { <-o.sending }()
	case <-ctx.Done():
		return advise(ctx.Err())
	}
	id, err := o.document(ctx, lease)
	if err != nil {
		return advise(err)
	}
	if sent, err := o.sentBefore(ctx, id, lease.Number); sent || err != nil {
		return err
	}
	if err := o.fill(ctx, id, lease); err != nil {
		return err
	}
	bounded, cancel := o.ask(ctx, lease.Number)
	defer cancel()
	err = o.client.Documents.SendForESign(bounded, id, revv.SendParams{Recipients: []revv.Person{lease.Tenant}})
	if revv.MaybeApplied(err) { // look before sending again
		ended := time.Now() // no request can leave any more
		if outcome, _ := o.client.Documents.SendOutcome(ctx, id, ended, o.Patience); outcome != revv.SendApplied {
			o.note(lease.Number, func(e *entry) { e.asked = ended })
			return advise(err)
		}
		err = nil
	}
	o.note(lease.Number, func(e *entry) { e.asked, e.acknowledged = time.Time{}, err == nil }) // its outcome is known
	return advise(err)
}

// sentBefore reports whether an earlier call has sent a lease. It is an error if that is not
// certain.
func (o *Office) sentBefore(ctx context.Context, id revv.DocumentID, number string) (bool, error) {
	known := o.note(number, nil)
	asked := known.asked
	if asked.IsZero() {
		asked = time.Unix(0, 0) // no request can be on its way
	}
	outcome, err := o.client.Documents.SendOutcome(ctx, id, asked, o.Patience)
	switch {
	case err != nil:
		return false, advise(err)
	case outcome == revv.SendNotApplied && known.acknowledged:
		return false, ErrUnshown
	case outcome == revv.SendApplied, outcome == revv.SendNotApplied:
		return outcome == revv.SendApplied, nil
	case outcome == revv.SendPending:
		return false, o.tryLater(asked, time.Now())
	case outcome == revv.SendUndone:
		return false, ErrDeclined
	}
	return false, errors.New("neither the stage of the lease nor its activities tell whether it was sent")
}

// fill writes the fields of a lease, and looks whether they are written: a service that does
// not know the shape of a request may tolerate it.
func (o *Office) fill(ctx context.Context, id revv.DocumentID, lease Lease) error {
	values := []revv.FieldValue{{Name: "Tenant", Value: lease.Tenant.FirstName + " " + lease.Tenant.LastName}, {Name: "Rent", Value: lease.Rent}}
	filled, err := o.client.Documents.SetFields(ctx, id, values)
	if err != nil {
		return advise(err)
	}
	for _, want := range values {
		if filled.Field(want.Name).Value != want.Value {
			return fmt.Errorf("the lease does not hold %q in the field %q", want.Value, want.Name)
		}
	}
	return nil
}

// document returns the id of the document of a lease, and makes it if there is none. It records
// first that it is going to make it: if the answer is lost, this call or a later one
// looks for the document instead of making a second one.
func (o *Office) document(ctx context.Context, lease Lease) (revv.DocumentID, error) {
	title := "Lease " + lease.Number
	known := o.note(lease.Number, nil)
	if known.document != 0 {
		return known.document, nil
	}
	if !known.asked.IsZero() {
		looked := time.Now()
		for range 2 { // a list can pass over an entry, see find
			doc, err := o.find(ctx, title)
			if !errors.Is(err, errNone) {
				return o.remember(lease.Number, doc, err)
			}
			if err := o.settled(lease.Number, looked); err != nil {
				return 0, err
			}
		}
	}
	bounded, cancel := o.ask(ctx, lease.Number)
	defer cancel()
	doc, err := o.client.Documents.Create(bounded, revv.CreateDocumentParams{TemplateID: o.template, Title: title})
	switch {
	case revv.MaybeApplied(err):
		if found, findErr := o.find(ctx, title); findErr == nil {
			doc, err = found, nil
			break
		}
		o.note(lease.Number, func(e *entry) { e.asked = time.Now() })
	case err != nil: // none was made
		o.note(lease.Number, func(e *entry) { e.asked = time.Time{} })
	}
	return o.remember(lease.Number, doc, err)
}

// find looks through the account for a title, which is unique to a lease.
//
// Pages of a list are counted from its beginning. If an entry there is removed while the
// list is read, the later ones move up, and one of them moves to the page that was read
// already, unseen. Sorting by number helps: changes to a document do not move it, and new
// documents are not at the front. So before a document is made because none was found,
// the caller looks twice.
func (o *Office) find(ctx context.Context, title string) (*revv.Document, error) {
	for found, err := range o.client.Documents.All(ctx, revv.ListDocumentsParams{SortByNumber: true}) {
		if err != nil {
			return nil, err
		}
		if found.Name == title {
			return o.client.Documents.GetByNumber(ctx, found.Number)
		}
	}
	return nil, errNone
}

// askLimit bounds a call whose answer can be lost. If the service asks the client to
// wait, the client may send its request only at the very end of that time.
const askLimit = time.Minute

// ask records that a request is about to be made, and bounds the call that makes it.
func (o *Office) ask(ctx context.Context, number string) (context.Context, context.CancelFunc) {
	until := time.Now().Add(askLimit)
	o.note(number, func(e *entry) { e.asked = until })
	return context.WithDeadline(ctx, until)
}

// note changes what is known about a lease, and returns it.
func (o *Office) note(number string, change func(*entry)) entry {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.leases[number] == nil {
		o.leases[number] = new(entry)
	}
	if change != nil {
		change(o.leases[number])
	}
	return *o.leases[number]
}

// remember records the document of a lease.
func (o *Office) remember(number string, doc *revv.Document, err error) (revv.DocumentID, error) {
	if err == nil && doc.ID == 0 {
		err = fmt.Errorf("%s is known without its id", doc.Number)
	}
	if err != nil {
		return 0, err
	}
	o.note(number, func(e *entry) { e.document, e.asked = doc.ID, time.Time{} })
	return doc.ID, nil
}

// settled is nil if a request whose answer was lost had arrived by the time at, or never
// will. at is the time before the read that found no effect, because the request can
// still arrive while the answer of that read is on its way.
func (o *Office) settled(number string, at time.Time) error {
	asked := o.note(number, nil).asked
	if at.Sub(asked) < o.Patience {
		return o.tryLater(asked, at)
	}
	return nil
}

// tryLater says how long the request may still be on its way.
func (o *Office) tryLater(asked, at time.Time) error {
	return fmt.Errorf("%w: the last request may still be on its way, for %s", ErrTryLater, max(0, o.Patience-at.Sub(asked)).Round(time.Second))
}

// Webhooks returns the handler for the service's events.
func (o *Office) Webhooks(secret revv.WebhookSecret) (http.Handler, error) {
	return revv.NewWebhookHandler(secret, o.onEvent, revv.WithReadBack(o.client.Documents))
}

// onEvent hands out the keys of a lease that everybody has signed. Events come twice and
// out of order; keys are handed out once.
func (o *Office) onEvent(_ context.Context, event *revv.Event) error {
	signed := event.Document.Stage.Reached(revv.StageSigned)
	if event.Type != revv.EventClosed || !signed { // whoever knows the secret can claim the first, and not the second
		return nil
	}
	o.handing.Lock()
	defer o.handing.Unlock()
	if number, due := o.keysDue(event.Document.ID); due {
		o.keys(number) // noted down afterwards: what fails is due again when the event comes again
		o.note(number, func(e *entry) { e.keysOut = true })
	}
	return nil
}

// keysDue reports whether the keys of a lease have still to be handed out.
func (o *Office) keysDue(document revv.DocumentID) (number string, due bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for number, lease := range o.leases {
		if document != 0 && lease.document == document && !lease.keysOut {
			return number, true
		}
	}
	return "", false
}

// advise turns an error into advice for the people in the office. The error of the
// SDK, which has no secret in it, stays inside for the log.
func advise(err error) error {
	e, _ := errors.AsType[*revv.Error](err)
	switch {
	case err == nil:
		return nil
	case isAny(err, revv.ErrReauthorizationRequired, revv.ErrNoToken):
		return fmt.Errorf("%w: %w", ErrReconnect, err)
	case errors.Is(err, revv.ErrInvalid): // also with a web page
		return err
	case revv.MaybeApplied(err), isAny(err, revv.ErrInterrupted, revv.ErrUnreachable, revv.ErrRateLimited, revv.ErrServer, revv.ErrUnexpectedContent, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrTryLater, err)
	case errors.Is(err, revv.ErrUnauthorized):
		return fmt.Errorf("%w: %w", ErrReconnect, err)
	case e != nil && (e.Attempts == 0 || e.StatusCode == http.StatusUnauthorized) && !isAny(err, revv.ErrInvalidArgument, revv.ErrPageLoop, revv.ErrTokenStoreCorrupt): // the store of tokens failed
		return fmt.Errorf("%w: %w", ErrTryLater, err)
	}
	return err
}

func isAny(err error, kinds ...error) bool {
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}
