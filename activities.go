package revv

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"time"
)

// Activity is something that happened to a document.
type Activity struct {
	Event     string    `json:"event"` // such as DOCUMENT_CREATED; an open set
	Timestamp Time      `json:"timestamp"`
	Actor     Actor     `json:"actor"`
	Subjects  []Subject `json:"subjects"`
	// Raw is the object as it came, with the members that are not modelled.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON decodes an activity and keeps it in Raw.
func (a *Activity) UnmarshalJSON(data []byte) error { return unmarshalModel(data, a) }

func (a *Activity) decodeScanned(object []byte) error {
	return decodeModel(object, a, &a.Raw,
		member{"event", &a.Event}, member{"timestamp", &a.Timestamp}, member{"actor", &a.Actor}, member{"subjects", &a.Subjects})
}

// Actor is who did something.
type Actor struct {
	Name     string `json:"name"`
	ImageURL string `json:"image_url"`
	Email    string `json:"user_email"`
}

func (a *Actor) decodeScanned(object []byte) error {
	return decodeMembers(object, a, member{"name", &a.Name}, member{"image_url", &a.ImageURL}, member{"user_email", &a.Email})
}

// Subject is whom something was done to.
type Subject struct {
	Name string `json:"name"`
}

func (s *Subject) decodeScanned(object []byte) error {
	return decodeMembers(object, s, member{"name", &s.Name})
}

// ListActivitiesParams are the arguments of [DocumentsService.Activities] and
// [DocumentsService.AllActivities].
type ListActivitiesParams struct {
	After time.Time // only what happened later (inferred)
	Limit int       // the most activities in one answer (inferred); with 0 the service decides, and AllActivities asks for 40
}

type activitiesQuery struct {
	After string `url:"after,omitempty"`
	Limit int    `url:"limit,omitempty"`
}

func (q *activitiesQuery) validate() (name, rule string) {
	if q.Limit < 0 {
		return "Limit", "must not be negative"
	}
	return "", ""
}

// Activities returns what happened to a document, or a part of it: how many activities
// the service returns without a Limit is not known, and the sandbox returns 40.
// In the sandbox it is [ErrNotFound] if there is no such document. A read.
func (s *DocumentsService) Activities(ctx context.Context, id ObjectID, params ListActivitiesParams, opts ...CallOption) ([]Activity, error) {
	q := activitiesQuery{Limit: params.Limit}
	if !params.After.IsZero() {
		q.After = wireTime(params.After)
	}
	var list []Activity
	err := s.root().fetchAny(ctx, &call{op: opListActivities, id: segment{name: "id", text: string(id)}, query: &q}, "", &list, opts)
	return list, err
}

// AllActivities ranges over everything that happened to a document, the oldest first. It
// repeatedly asks for what came after the last activity that it has: that the service
// supports this is inferred, and that it returns the oldest first, as the sandbox does,
// is a stand-in. The second value is an error, which ends the range. It is [ErrPageLoop]
// if the service does not continue in this way, or if so much happened in one moment that it
// fills an answer and something follows it: then there may be more activities than those
// yielded. (Of such a moment the rest, and what followed it within a second, can be missed
// without an error.) A Limit of 1 is [ErrInvalidArgument], because each answer begins with
// the last activity of the one before. A short history costs two or three requests: what
// follows, and whether anything does, has to be asked. A read.
func (s *DocumentsService) AllActivities(ctx context.Context, id ObjectID, params ListActivitiesParams, opts ...CallOption) iter.Seq2[Activity, error] {
	return func(yield func(Activity, error) bool) { s.eachActivity(ctx, id, params, opts, yield) }
}

// eachActivity passes activities to yield, until that returns false or an error ends them.
func (s *DocumentsService) eachActivity(ctx context.Context, id ObjectID, params ListActivitiesParams, opts []CallOption, yield func(Activity, error) bool) {
	const usual = 40 // as in docs/wire.md, where the query is inferred
	switch params.Limit {
	case 0:
		params.Limit = usual
	case 1:
		yield(Activity{}, invalidArgument(operations[opListActivities].name, "Limit", "must be 2 or more, or 0: the last activity comes again with the next ones"))
		return
	}
	h := history{next: params, list: func(params ListActivitiesParams) ([]Activity, error) { return s.Activities(ctx, id, params, opts...) }}
	for {
		fresh, more, err := h.read()
		for _, activity := range fresh {
			if !yield(activity, nil) {
				return
			}
		}
		if err != nil {
			yield(Activity{}, err)
		}
		if err != nil || !more {
			return
		}
	}
}

// history is how far a range over activities has come.
type history struct {
	list    func(ListActivitiesParams) ([]Activity, error)
	next    ListActivitiesParams
	known   map[string]int // how often each activity of the last moment will come again
	count   int            // how many those of its last microsecond are
	longest int            // of the answers so far
	asked   bool           // the last moment was asked for once more, because something follows it
}

// read reads the next part, and returns what of it is new and whether there may be more.
func (h *history) read() (fresh []Activity, more bool, err error) {
	part, err := h.list(h.next)
	if err == nil {
		err = h.check(part)
	}
	if err != nil {
		return nil, false, err
	}
	fresh = h.fresh(part)
	switch {
	case len(fresh) > 0:
		h.longest, h.asked = max(h.longest, len(part)), false
		return fresh, true, h.advance(part)
	case len(part) >= h.next.Limit:
		return nil, false, errPageLoop(momentTooLong)
	}
	more, err = h.goesOn(part)
	if more && h.asked {
		err = errPageLoop(momentTooLong)
	}
	h.asked = true // once more, because it may have happened meanwhile
	return nil, more, err
}

// goesOn reports whether something follows part, which brought nothing new and less than was
// asked for. If it is as long as any answer, the service may never give more at a time: then,
// if more happened in one moment, what followed is out of reach. What followed within a second
// is as well, if the service takes no finer times, and that is not noticed.
func (h *history) goesOn(part []Activity) (bool, error) {
	if len(part) == 0 || len(part) < h.longest {
		return false, nil
	}
	moment := part[len(part)-1].Timestamp.Time
	for _, ahead := range []time.Duration{time.Microsecond, time.Second} { // a service that takes no finer times gives the moment again at first
		rest, err := h.list(ListActivitiesParams{After: moment.Add(ahead), Limit: h.next.Limit})
		later := false
		for i := range rest {
			later = later || rest[i].Timestamp.After(moment)
		}
		if later || err != nil || len(rest) == 0 {
			return later, err
		}
	}
	return false, nil
}

const momentTooLong = "more happened in one moment than an answer holds"

// errPageLoop is the error of a range that cannot go on.
func errPageLoop(why string) error {
	return newError(operations[opListActivities].name, ErrPageLoop, why)
}

// check refuses a part that does not continue what came before. If there are activities from
// before the time asked for, the service ignores the parameter after. If nothing is there of the
// moment that was asked for again, what followed may be missing as well.
func (h *history) check(part []Activity) error {
	if h.known == nil {
		return nil
	}
	again := false
	for i := range part {
		if part[i].Timestamp.Before(h.next.After) {
			return errPageLoop("the service does not understand after: there may be more")
		}
		again = again || h.known[activityKey(&part[i])] > 0
	}
	if !again {
		return errPageLoop("the service understands after otherwise: some may be missing")
	}
	return nil
}

// fresh returns what of a part was not there before.
func (h *history) fresh(part []Activity) (fresh []Activity) {
	known := maps.Clone(h.known)
	for _, activity := range part {
		if same := activityKey(&activity); known[same] > 0 {
			known[same]--
			continue
		}
		fresh = append(fresh, activity)
	}
	return fresh
}

// advance sets the next query after a part that brought something new. Other activities of the
// same moment as the last one must not be missed, so that moment is asked for again. A moment
// is one microsecond, the unit of times on the wire.
func (h *history) advance(part []Activity) error {
	if part[0].Timestamp.IsZero() {
		return errPageLoop("an activity has no time that can be read: there may be more")
	}
	for i := range part[1:] {
		if part[i+1].Timestamp.Before(part[i].Timestamp.Time) {
			return errPageLoop("the activities do not begin with the oldest: there may be more")
		}
	}
	moment := part[len(part)-1].Timestamp.Truncate(time.Microsecond)
	after := moment.Add(-time.Microsecond)
	known, count := make(map[string]int), 0
	for _, activity := range part {
		if !activity.Timestamp.Before(after) {
			known[activityKey(&activity)]++
		}
		if !activity.Timestamp.Before(moment) { // what is before comes again from an inclusive service alone
			count++
		}
	}
	if h.known != nil && !after.After(h.next.After) && count <= h.count {
		return errPageLoop("the same moment comes again and again")
	}
	h.known, h.count, h.next.After = known, count, after
	return nil
}

// activityKey identifies an activity by what stays the same from answer to answer, without
// the URL of the image, which may be signed anew each time.
func activityKey(a *Activity) string {
	return fmt.Sprintf("%q %q %q %q %q", a.Event, a.Timestamp.Text(), a.Actor.Name, a.Actor.Email, a.Subjects)
}
