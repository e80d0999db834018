package revv

import (
	"context"
	"strings"
	"time"
)

// SendOutcome is what a document shows of a request to send it whose answer was lost. See
// [DocumentsService.SendOutcome].
type SendOutcome string

// The outcomes of a send. After [SendNotApplied] the document can be sent (again), after
// [SendPending] the program looks again later, and after the last two a person decides.
const (
	SendApplied    SendOutcome = "applied"     // the document has been sent
	SendPending    SendOutcome = "pending"     // nobody knows yet: the request may still be on its way
	SendNotApplied SendOutcome = "not applied" // the document has not been sent
	SendUndone     SendOutcome = "undone"      // it was sent and is a draft: it was declined, or taken back, or sent for approval alone
	SendUnclear    SendOutcome = "unclear"     // its stage, or what is known of its past, does not tell
)

// The names of activities by which the past of a document is recognised. The second is a
// part of DOCUMENT_SENT_FOR_ACCEPT.
const (
	activityCreated = "DOCUMENT_CREATED"
	activitySent    = "_SENT_FOR_"
)

// harmlessActivities happen to drafts that were not sent. The first was observed, the others
// are stand-ins.
//
//nolint:gochecknoglobals // a constant list; Go has no constant slices
var harmlessActivities = []string{
	"DOCUMENT_OPENED",
	"DOCUMENT_FIELDS_CHANGED", "DOCUMENT_MOVED", "DOCUMENT_MAGIC_LINK_CREATED",
}

// SendOutcome finds out what has become of a request of [DocumentsService.SendForESign] or
// [DocumentsService.SendForAcceptance] whose answer was lost ([MaybeApplied]), or which an
// earlier run of the program may have made. After a send that returned nil it must not lead to
// another one: a service that queues what it is sent can show a draft for as long as it likes,
// which is then [SendNotApplied] here. It reads the document; if that is a draft and
// patience has passed, its activities, and the document once more. It is not for
// [DocumentsService.SendForApproval] and [DocumentsService.Share], which need not change the
// stage.
//
// left is the latest time at which the request can have left, by the clock of this
// machine: when its call returned, or, if the program was killed meanwhile, the deadline
// that the context of the call had. If no request can be on its way, because none was made,
// that is any time long ago, such as time.Unix(0, 0). patience is how long a request may be
// on its way: a minute is what this project suggests. A draft is [SendPending] until patience
// has passed between left and the beginning of this call: until then nothing but [SendApplied]
// can take its place, so there is no need to look often.
//
// [SendUndone] is concluded from an activity that has "_SENT_FOR_" in its name, as
// DOCUMENT_SENT_FOR_ACCEPT has, which was observed; [SendNotApplied] from DOCUMENT_CREATED
// (observed), which shows that the list has a beginning, if all other activities are known
// to be harmless (docs/after-a-lost-answer.md lists them; most are stand-ins). If there is one
// of another name, it is [SendUnclear], because that may be the sending: translate such
// names in [WithMiddleware] once you know what they mean on your account. So is a document that
// was shared. Of one that was sent already, [SendApplied] does not tell by which request.
// What [DocumentsService.AllActivities] can miss is missing here as well.
//
// The error is that of the reading, and the outcome is then empty. [ErrInvalidArgument] if
// left is the zero time, as where a record was forgotten, or patience is not positive. A read.
func (s *DocumentsService) SendOutcome(ctx context.Context, id DocumentID, left time.Time, patience time.Duration, opts ...CallOption) (SendOutcome, error) {
	const op = "Documents.SendOutcome"
	switch {
	case left.IsZero():
		return "", invalidArgument(op, "left", "must not be the zero time")
	case patience <= 0:
		return "", invalidArgument(op, "patience", "must be positive")
	}
	looked := time.Now() // what is read from here on was true then or later, however long the answer takes
	doc, err := s.Get(ctx, id, opts...)
	if err != nil {
		return "", err
	}
	if outcome := outcomeByStage(doc); outcome != SendPending || looked.Sub(left) < patience {
		return outcome, nil
	}
	if doc.ObjectID == "" {
		return SendUnclear, nil // without it there are no activities
	}
	outcome, err := s.pastOfDraft(ctx, doc.ObjectID, opts)
	if err != nil {
		return "", err
	}
	if doc, err = s.Get(ctx, id, opts...); err != nil {
		return "", err
	}
	if now := outcomeByStage(doc); now != SendPending { // it was sent since, by somebody else or late
		return now, nil
	}
	return outcome, nil
}

// outcomeByStage is what the stage of a document tells, SendPending if it is a draft.
func outcomeByStage(doc *Document) SendOutcome {
	switch {
	case doc.Stage.Reached(StageSent):
		return SendApplied
	case !doc.Stage.Is(StageDraft):
		return SendUnclear
	}
	return SendPending
}

// pastOfDraft looks whether a draft was sent before. That it was not sent is certain only if
// its activities are all there, from the creation on, and all known.
func (s *DocumentsService) pastOfDraft(ctx context.Context, id ObjectID, opts []CallOption) (SendOutcome, error) {
	created, strange := false, false
	for activity, err := range s.AllActivities(ctx, id, ListActivitiesParams{}, opts...) {
		if err != nil {
			return "", err
		}
		switch name := strings.ToUpper(activity.Event); {
		case strings.Contains(name, activitySent):
			return SendUndone, nil
		case name == activityCreated:
			created = true
		case !containsText(harmlessActivities, name):
			strange = true
		}
	}
	if created && !strange {
		return SendNotApplied, nil
	}
	return SendUnclear, nil
}
