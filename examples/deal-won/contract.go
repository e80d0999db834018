package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/revv-go/revv"
)

// sendContract sends the contract of a won deal to its two signers, in order, once. It
// may be called any number of times, after any failure: it decides by what is saved with
// the deal and by the stage that the service shows. The error is errUnsettled while a
// request whose answer was lost may still be on its way.
func sendContract(ctx context.Context, documents *revv.DocumentsService, deal *record) (*revv.Document, error) {
	defer deal.lock()()
	doc, err := contractOf(ctx, documents, deal)
	if err != nil {
		return nil, err
	}
	if done, err := sentBefore(ctx, documents, deal, doc); done || err != nil {
		return doc, err
	}
	if err := fill(ctx, documents, deal, doc.ID); err != nil {
		return nil, err
	}
	// The intention is saved first: whatever happens to this program now, the next call
	// knows that a request may be on its way.
	bounded, cancel, err := deal.ask(ctx, sending, doc.Number)
	if err != nil {
		return nil, err
	}
	defer cancel()
	err = documents.SendForESign(bounded, doc.ID, revv.SendParams{Recipients: deal.people(), Message: "Please sign our agreement."})
	switch {
	case revv.MaybeApplied(err): // look, and do not send again: a draft may be none in a moment
		now, readErr := documents.Get(ctx, doc.ID)
		if readErr == nil && now.Stage.Reached(revv.StageSent) {
			return now, deal.remember(sent, now.Number)
		}
		return nil, errors.Join(err, readErr, deal.remember(sending, doc.Number)) // from now on: no request can leave any more
	case err != nil: // nothing was sent
		return nil, errors.Join(err, deal.remember(created, doc.Number))
	}
	if err := deal.remember(sent, doc.Number); err != nil {
		return nil, err
	}
	now, err := documents.Get(ctx, doc.ID)
	if err == nil && !now.Stage.Reached(revv.StageSent) { // that was the answer, and this is what counts
		err = fmt.Errorf("%s was reported as sent, and its stage is %q: see whether anybody was mailed", now.Number, now.Stage)
	}
	return now, err
}

// fill writes the fields of the contract, and looks whether they are written.
func fill(ctx context.Context, documents *revv.DocumentsService, deal *record, id revv.DocumentID) error {
	filled, err := documents.SetFields(ctx, id, deal.fields())
	if err != nil {
		return err
	}
	return deal.checkFields(filled)
}

// sentBefore reports whether an earlier call has sent the document. It is an error if
// that is not certain, or if a person has to decide what happens now.
func sentBefore(ctx context.Context, documents *revv.DocumentsService, deal *record, doc *revv.Document) (bool, error) {
	if doc.Title != "" && doc.Title != deal.title() { // that a document shows its title is inferred
		return false, fmt.Errorf("%s is titled %q: it is not the contract of this deal; is another account connected?", doc.Number, doc.Title)
	}
	if deal.Contract.State == created && doc.Stage.Is(revv.StageDraft) {
		return false, nil // no call has asked for it yet
	}
	left := deal.Contract.Until
	if deal.Contract.State != sending {
		left = time.Unix(0, 0) // no request can be on its way
	}
	outcome, err := documents.SendOutcome(ctx, doc.ID, left, onItsWay)
	switch {
	case err != nil:
		return false, err
	case outcome == revv.SendApplied:
		return true, deal.remember(sent, doc.Number)
	case outcome == revv.SendPending:
		return false, deal.unsettled(time.Now())
	case outcome == revv.SendNotApplied && deal.Contract.State == sent:
		return false, fmt.Errorf("%s was reported as sent, and is a draft: a person sees whether anybody was mailed", doc.Number)
	case outcome == revv.SendNotApplied:
		return false, nil
	case outcome == revv.SendUndone:
		return false, fmt.Errorf("%s was sent and is a draft again: it was declined or taken back, so a person decides what happens now", doc.Number)
	}
	return false, fmt.Errorf("neither the stage %q of %s nor its activities tell whether it was sent: a person decides", doc.Stage, doc.Number)
}

// contractOf returns the document of the deal: the one that is saved with it, one that an
// earlier call made without learning its number, or a new one.
func contractOf(ctx context.Context, documents *revv.DocumentsService, deal *record) (*revv.Document, error) {
	switch deal.Contract.State {
	case created, sending, sent:
		return documents.GetByNumber(ctx, deal.Contract.Number)
	case creating:
		looked := time.Now()
		for range 2 { // a list can pass over an entry, see adopt
			if doc, err := adopt(ctx, documents, deal); doc != nil || err != nil {
				return doc, err
			}
			if err := deal.settled(looked); err != nil {
				return nil, err
			}
		}
	}
	// As above: the next call searches before it creates a second document.
	bounded, cancel, err := deal.ask(ctx, creating, "")
	if err != nil {
		return nil, err
	}
	defer cancel()
	doc, err := documents.Create(bounded, revv.CreateDocumentParams{TemplateID: deal.TemplateID, Title: deal.title()})
	switch {
	case revv.MaybeApplied(err):
		found, searchErr := adopt(ctx, documents, deal)
		if found != nil {
			return found, nil
		}
		return nil, errors.Join(err, searchErr, deal.remember(creating, ""))
	case err != nil: // nothing was created
		return nil, errors.Join(err, deal.remember("", ""))
	}
	return doc, deal.remember(created, doc.Number)
}

// adopt searches the account for the document of the deal, by its title, which contains
// the id of the deal. It returns nil if it finds none.
//
// Pages of a list are counted from its beginning. If an entry there is removed while the
// list is read, the later ones move up, and one of them moves to the page that was read
// already, unseen. Sorting by number helps: changes to a document do not move it, and new
// documents are not at the front. So before a document is created because none was found,
// the caller looks twice.
func adopt(ctx context.Context, documents *revv.DocumentsService, deal *record) (*revv.Document, error) {
	var number revv.DocumentNumber
	for entry, err := range documents.All(ctx, revv.ListDocumentsParams{SortByNumber: true}) {
		switch {
		case err != nil:
			return nil, err
		case entry.Name != deal.title(), entry.Number == number: // another one, or the same once more
			continue
		case number != "":
			return nil, fmt.Errorf("%s and %s are both titled %q: a person has to remove one", number, entry.Number, entry.Name)
		}
		number = entry.Number
	}
	if number == "" {
		return nil, nil //nolint:nilnil // nothing was found, and nothing is wrong
	}
	if err := deal.remember(created, number); err != nil {
		return nil, err
	}
	return documents.GetByNumber(ctx, number)
}
