package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/revv-go/revv"
)

// purchase is a document that colleagues approve before the supplier signs it.
type purchase struct {
	Number    revv.DocumentNumber
	Approvers []revv.Person
	Supplier  revv.Person

	Patience time.Duration // how long a request whose answer was lost may take to arrive
	Tell     func(string)  // what a person who waits should know
}

// step is where a purchase stands.
type step string

const (
	drafted step = "not sent to anybody"
	waiting step = "waiting for approval"
	agreed  step = "approved"
	offered step = "with the supplier"
	signed  step = "signed"
)

var (
	errRefused  = errors.New("it was not approved")
	errUnseen   = errors.New("it was sent for approval, but no activity " + sentForApproval + " shows that: stop, and correct the names of the activities")
	errDeclined = errors.New("the supplier has had it, and it is a draft again")
)

// advance brings a purchase one step further, if there is a step to take. It
// remembers nothing: it decides by what the service shows. When the answer to a send
// is lost, it looks again once the request cannot be on its way any more, and does not
// return before; whoever ends the program in the meantime has to wait as long.
func (p purchase) advance(ctx context.Context, documents *revv.DocumentsService) (step, error) {
	now, doc, err := p.look(ctx, documents)
	if err != nil {
		return "", err
	}
	next := now
	switch now {
	case drafted:
		next = waiting
		err = documents.SendForApproval(ctx, doc.ID, revv.SendParams{Recipients: p.Approvers, Message: "May we sign this?"})
	case agreed:
		next = offered
		err = documents.SendForESign(ctx, doc.ID, revv.SendParams{Recipients: []revv.Person{p.Supplier}, Message: "Please sign our order."})
	case waiting, offered, signed:
	}
	if revv.MaybeApplied(err) {
		p.Tell("the answer is lost; looking what happened in " + p.Patience.String())
		select {
		case <-time.After(p.Patience):
		case <-ctx.Done():
			return "", err
		}
		then, _, lookErr := p.look(ctx, documents)
		if lookErr != nil || then == now { // nothing happened, so the next call may send
			return "", errors.Join(err, lookErr)
		}
		return then, nil
	}
	if err != nil {
		return "", err
	}
	if now == drafted { // the next call must see that it was sent, or it would ask again
		if then, _, err := p.look(ctx, documents); err == nil && then == drafted {
			return "", errUnseen
		}
	}
	return next, nil
}

// look says where the purchase stands.
func (p purchase) look(ctx context.Context, documents *revv.DocumentsService) (step, *revv.Document, error) {
	doc, err := documents.GetByNumber(ctx, p.Number)
	if err != nil {
		return "", nil, err
	}
	switch {
	case doc.Stage.Is(revv.StageSigned), doc.Stage.Is(revv.StageCompleted):
		return signed, doc, nil
	case !doc.Stage.Is(revv.StageDraft):
		return offered, doc, nil
	}
	history, err := activities(ctx, documents, doc.ObjectID)
	if err != nil {
		return "", nil, err
	}
	switch approval := approvalIn(history); {
	case approval.sent: // and a draft all the same
		return "", nil, errDeclined
	case approval.refusedBy != "":
		return "", nil, fmt.Errorf("%w: %s said no", errRefused, approval.refusedBy)
	case !approval.asked:
		return drafted, doc, nil
	case len(approval.by) < len(p.Approvers):
		return waiting, doc, nil
	}
	return agreed, doc, nil
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
func activities(ctx context.Context, documents *revv.DocumentsService, id revv.ObjectID) (history []revv.Activity, err error) {
	for activity, err := range documents.AllActivities(ctx, id, revv.ListActivitiesParams{}) {
		if err != nil {
			return nil, err
		}
		history = append(history, activity)
	}
	return history, nil
}
