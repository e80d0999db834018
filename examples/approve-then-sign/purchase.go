package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/revv-go/revv"
)

// purchase is a document that colleagues approve before the supplier signs it.
type purchase struct {
	Number    revv.DocumentNumber
	Approvers []revv.Person
	Supplier  revv.Person

	Journal  string        // the folder where requests are written down
	Patience time.Duration // how long a request whose answer was lost may take to arrive
	Tell     func(string)  // what a person who waits should know
}

// step is how far a purchase has got.
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
	errDeclined = errors.New("the supplier has had it, and it is a draft again")
	// The activities may have other names than those below.
	errUnseen = errors.New("it was sent for approval, or may have been, but no activity " + sentForApproval + " shows that: stop, and correct the names of the activities")
	// Somebody else sent it, or the names are others.
	errUnapproved = errors.New("it is no draft any more, and its activities do not show that all have approved it: see who has sent it, and to whom")
)

// advance brings a purchase one step further, if there is a step to take, and decides by
// what the service shows. A request is written down before it is sent, so that a run after
// one that was killed, or beside it, does not send the same again. When the answer is lost, it
// looks again once the request cannot be on its way any more.
func (p purchase) advance(ctx context.Context, documents *revv.DocumentsService) (step, error) {
	looked := time.Now() // what is read from here on was true then or later, however long the answer takes
	now, err := p.look(ctx, documents)
	if err != nil || now.step != drafted && now.step != agreed {
		return now.step, err
	}
	what, next := "approval", waiting
	if now.step == agreed {
		what, next = "signature", offered
	}
	asked, until, err := p.ask(what, looked)
	if err != nil {
		return "", err
	}
	bounded, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	if now.step == drafted {
		err = documents.SendForApproval(bounded, now.id, revv.SendParams{Recipients: p.Approvers, Message: "May we sign this?"})
	} else {
		err = documents.SendForESign(bounded, now.id, revv.SendParams{Recipients: []revv.Person{p.Supplier}, Message: "Please sign our order."})
	}
	switch {
	case revv.MaybeApplied(err):
		return p.find(ctx, documents, now, asked, err)
	case err != nil: // nothing was sent
		return "", errors.Join(err, asked.settle(time.Now()))
	}
	return next, asked.acknowledge()
}

// find finds out what became of a request whose answer is lost, after a while, in which it can
// still arrive.
func (p purchase) find(ctx context.Context, documents *revv.DocumentsService, before view, asked request, lost error) (step, error) {
	settled := time.Now().Add(p.Patience)
	if err := asked.settle(settled); err != nil {
		return "", errors.Join(lost, err)
	}
	p.Tell("the answer is lost; looking what happened in " + p.Patience.String())
	select {
	case <-time.After(time.Until(settled)):
	case <-ctx.Done():
		return "", lost
	}
	then, err := p.look(ctx, documents)
	switch {
	case err != nil:
		return "", errors.Join(lost, err)
	case then.step != before.step:
		return then.step, nil
	case before.step == drafted && then.activities > before.activities: // that may have been it
		return "", errors.Join(lost, errUnseen)
	}
	return "", lost // nothing happened, so the next call may send
}

// view is what the service shows of a purchase.
type view struct {
	step       step
	id         revv.DocumentID
	activities int
}

// look finds out how far the purchase has got.
func (p purchase) look(ctx context.Context, documents *revv.DocumentsService) (view, error) {
	doc, err := documents.GetByNumber(ctx, p.Number)
	if err != nil {
		return view{}, err
	}
	history, err := activities(ctx, documents, doc.ObjectID)
	if err != nil {
		return view{}, err
	}
	now, err := p.stepOf(doc.Stage, approvalIn(history))
	return view{now, doc.ID, len(history)}, err
}

// stepOf derives the step from the stage and the activities.
func (p purchase) stepOf(stage revv.Stage, approval approval) (step, error) {
	all := approval.asked && approval.refusedBy == "" && len(approval.by) >= len(p.Approvers)
	switch {
	case !stage.Is(revv.StageDraft) && !all:
		return "", fmt.Errorf("%w (stage %s)", errUnapproved, stage)
	case stage.Reached(revv.StageSigned):
		return signed, nil
	case stage.Reached(revv.StageSent):
		return offered, nil
	case !stage.Is(revv.StageDraft): // an account can have stages of its own
		return "", fmt.Errorf("the stage %q does not tell whether it was sent: correct the stages in this program", stage)
	case approval.sent: // and a draft all the same
		return "", errDeclined
	case approval.refusedBy != "":
		return "", fmt.Errorf("%w: %s said no", errRefused, approval.refusedBy)
	case !approval.asked && approval.unknown != "":
		return "", fmt.Errorf("%w; there is %s", errUnseen, approval.unknown)
	case !approval.asked:
		return drafted, nil
	case !all:
		return waiting, nil
	}
	return agreed, nil
}

// The activities that show an approval. As far as is known, no member of a document does.
// These names are stand-ins: correct them here.
const (
	sentForApproval = "DOCUMENT_SENT_FOR_APPROVAL"
	approved        = "DOCUMENT_APPROVED" // by one approver
	notApproved     = "DOCUMENT_APPROVAL_REJECTED"
	sentForSign     = "DOCUMENT_SENT_FOR_SIGN"
)

// approval is the result of the last time that a document was sent for approval.
type approval struct {
	asked     bool
	by        map[string]bool // who has approved
	refusedBy string
	sent      bool   // to the supplier, after that
	unknown   string // an activity that has to do with approval, by its name, and is none of the above
}

func approvalIn(history []revv.Activity) approval {
	var a approval
	for _, activity := range history {
		who := cmp.Or(strings.ToLower(activity.Actor.Email), activity.Actor.Name, "somebody") // one person, however the address is spelled
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
		default:
			if strings.Contains(strings.ToUpper(activity.Event), "APPROV") {
				a.unknown = activity.Event
			}
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
