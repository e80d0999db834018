package sandbox

import (
	"fmt"
	"strings"

	"github.com/revv-go/revv"
)

// The names of activities that were observed in 2020.
const (
	eventCreated         = "DOCUMENT_CREATED"
	eventOpened          = "DOCUMENT_OPENED"
	eventSentForAccept   = "DOCUMENT_SENT_FOR_ACCEPT"   // actor is the sender, subjects are the acceptors
	eventAcceptDelivered = "ACCEPTANCE_EMAIL_DELIVERED" // actor is the recipient
)

// Names after their model: stand-ins. Those of webhooks are stand-ins too, for
// events that are known to exist.
const (
	eventStageChanged    = "DOCUMENT_STAGE_CHANGED" // a webhook only
	eventSigned          = "DOCUMENT_SIGNED"        // also a webhook
	eventClosed          = "DOCUMENT_CLOSED"        // also a webhook
	eventAccepted        = "DOCUMENT_ACCEPTED"      // also a webhook
	eventRejected        = "DOCUMENT_REJECTED"
	eventCompleted       = "DOCUMENT_COMPLETED"
	eventSentForSign     = "DOCUMENT_SENT_FOR_SIGN"
	eventSignDelivered   = "SIGNATURE_EMAIL_DELIVERED"
	eventSignDeclined    = "DOCUMENT_SIGNATURE_DECLINED"
	eventSentForApproval = "DOCUMENT_SENT_FOR_APPROVAL"
	eventApproveDeliv    = "APPROVAL_EMAIL_DELIVERED"
	eventApproved        = "DOCUMENT_APPROVED"
	eventNotApproved     = "DOCUMENT_APPROVAL_REJECTED"
	eventShared          = "DOCUMENT_SHARED"
	eventShareDelivered  = "SHARE_EMAIL_DELIVERED"
	eventFieldsChanged   = "DOCUMENT_FIELDS_CHANGED"
	eventMoved           = "DOCUMENT_MOVED"
	eventLinkCreated     = "DOCUMENT_MAGIC_LINK_CREATED"
)

const maxActivities = 1000 // kept per document

// record adds a line to the history of the document.
func (a *account) record(d *Document, event string, actor Person, subjects ...string) {
	activity := Activity{Event: event, At: a.stamp(), Actor: actor, Subjects: append([]string{}, subjects...)}
	if strings.EqualFold(actor.Email, a.Owner.Email) {
		activity.ImageURL = a.Owner.ImageURL
	}
	d.Activities = boundedAppend(d.Activities, activity, maxActivities)
	a.changed("document", d.ID)
}

// listActivities answers with the history, the oldest line first, so that after
// and limit together read it to its end.
func (a *account) listActivities(c *call) (any, error) {
	d, err := a.documentByObject("object id", c.param)
	if err != nil {
		return nil, err
	}
	after, err := c.after()
	if err != nil {
		return nil, err
	}
	limit, err := c.limit()
	if err != nil {
		return nil, err
	}
	type actorJSON struct {
		Name      string `json:"name"`
		ImageURL  string `json:"image_url"`
		UserEmail string `json:"user_email"`
	}
	type activityJSON struct {
		Event     string       `json:"event"`
		Timestamp string       `json:"timestamp"`
		Actor     actorJSON    `json:"actor"`
		Subjects  []statusJSON `json:"subjects"`
	}
	rows := []activityJSON{}
	for _, activity := range d.Activities {
		if !activity.At.After(after) || len(rows) == limit {
			continue
		}
		row := activityJSON{
			Event: activity.Event, Timestamp: wireTime(activity.At),
			Actor:    actorJSON{activity.Actor.name(), activity.ImageURL, activity.Actor.Email},
			Subjects: []statusJSON{},
		}
		for _, name := range activity.Subjects {
			row.Subjects = append(row.Subjects, statusJSON{name})
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// setStage moves the document and tells the webhooks.
func (a *account) setStage(d *Document, stage revv.Stage) {
	if d.Stage == stage {
		return
	}
	previous := d.Stage
	d.Stage = stage
	a.touch(d)
	a.publish(d, eventStageChanged, previous, nil)
}

// names lists people for the subjects of an activity.
func names(persons []Person) []string {
	all := make([]string, len(persons))
	for i, p := range persons {
		all[i] = p.name()
	}
	return all
}

// described is how messages speak of a document.
func (d *Document) described() string { return fmt.Sprintf("document %d (%s)", d.ID, d.Number) }
