package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/revv-go/revv"
)

// purchase is a document that colleagues approve before the supplier signs it.
type purchase struct {
	Number    revv.DocumentNumber
	Approvers []revv.Person
	Supplier  revv.Person
}

// step is where a purchase stands.
type step string

const (
	waiting step = "waiting for approval"
	offered step = "with the supplier"
	signed  step = "signed"
)

var (
	errRefused  = errors.New("it was not approved")
	errUnseen   = errors.New("it was sent for approval, but no activity " + sentForApproval + " shows that: stop, and correct the names of the activities")
	errDeclined = errors.New("the supplier has had it, and it is a draft again")
)

// advance brings a purchase one step further, if there is a step to take. It
// remembers nothing: each call decides by what the service shows, so it can be
// called at any time, also after ErrOutcomeUnknown, and sends nothing twice.
func (p purchase) advance(ctx context.Context, documents *revv.DocumentsService) (step, error) {
	doc, err := documents.GetByNumber(ctx, p.Number)
	if err != nil {
		return "", err
	}
	switch {
	case doc.Stage.Is(revv.StageSigned), doc.Stage.Is(revv.StageCompleted):
		return signed, nil
	case !doc.Stage.Is(revv.StageDraft):
		return offered, nil
	}
	history, err := activities(ctx, documents, doc.ObjectID)
	if err != nil {
		return "", err
	}
	switch approval := approvalIn(history); {
	case approval.sent: // and a draft all the same
		return "", errDeclined
	case approval.refusedBy != "":
		return "", fmt.Errorf("%w: %s said no", errRefused, approval.refusedBy)
	case !approval.asked:
		return waiting, p.ask(ctx, documents, doc)
	case len(approval.by) < len(p.Approvers):
		return waiting, nil
	}
	err = documents.SendForESign(ctx, doc.ID, revv.SendParams{Recipients: []revv.Person{p.Supplier}, Message: "Please sign our order."})
	return offered, err
}

// ask sends the document to its approvers, and makes sure that the next call can
// see that: it would ask again otherwise.
func (p purchase) ask(ctx context.Context, documents *revv.DocumentsService, doc *revv.Document) error {
	err := documents.SendForApproval(ctx, doc.ID, revv.SendParams{Recipients: p.Approvers, Message: "May we sign this?"})
	if err != nil {
		return err
	}
	history, err := activities(ctx, documents, doc.ObjectID)
	if err == nil && !approvalIn(history).asked {
		return errUnseen
	}
	return err
}

// The activities that tell of an approval. A document has no member that does,
// as far as is known, and these names are stand-ins: correct them here.
const (
	sentForApproval = "DOCUMENT_SENT_FOR_APPROVAL"
	approved        = "DOCUMENT_APPROVED" // by one approver
	notApproved     = "DOCUMENT_APPROVAL_REJECTED"
	sentForSign     = "DOCUMENT_SENT_FOR_SIGN"
)

// approval is what became of the last time that a document was sent for approval.
type approval struct {
	asked     bool
	by        map[string]bool // who has approved
	refusedBy string
	sent      bool // to the supplier, after that
}

func approvalIn(history []revv.Activity) approval {
	var a approval
	for _, activity := range history {
		who := cmp.Or(activity.Actor.Email, activity.Actor.Name, "somebody")
		switch activity.Event {
		case sentForApproval:
			a = approval{asked: true, by: make(map[string]bool)}
		case approved:
			if a.asked {
				a.by[who] = true
			}
		case notApproved:
			a.refusedBy = who
		case sentForSign:
			a.sent = true
		}
	}
	return a
}

// activities reads the history of a document to its end, the oldest first.
func activities(ctx context.Context, documents *revv.DocumentsService, id revv.ObjectID) ([]revv.Activity, error) {
	const most = 100
	var history []revv.Activity
	params := revv.ListActivitiesParams{Limit: most}
	for {
		page, err := documents.Activities(ctx, id, params)
		if err != nil {
			return nil, err
		}
		last := params.After
		for _, activity := range page {
			if activity.Timestamp.After(params.After) {
				history = append(history, activity)
			}
			if activity.Timestamp.After(last) {
				last = activity.Timestamp.Time
			}
		}
		if len(page) < most || last.Equal(params.After) { // the second: After, which is inferred, does nothing
			break
		}
		params.After = last
	}
	slices.SortStableFunc(history, func(a, b revv.Activity) int { return a.Timestamp.Compare(b.Timestamp.Time) })
	return history, nil
}
