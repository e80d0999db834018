package revv

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/revv-go/revv/internal/wire"
)

// maxEvent is the largest payload of a webhook that is accepted, in bytes.
const maxEvent = 1 << 20

// eventLimits are stricter than those of an answer. An event comes from an
// unauthenticated sender, and a repeated member could show one value to a gateway that
// checks events, and another one here.
//
//nolint:gochecknoglobals // a constant; Go has no constant structs
var eventLimits = wire.Limits{Depth: wire.DefaultDepth, DuplicateKeys: true}

// EventType is what happened: [EventStageChanged] and so on, or any other name.
type EventType string

// The types of events. That the service reports these four was observed; their names on
// the wire are not known. The values are stand-ins, shaped after the events that
// [Activity] shows.
const (
	// EventStageChanged: the document has moved to another stage.
	EventStageChanged EventType = "DOCUMENT_STAGE_CHANGED"
	// EventClosed: every signer has signed.
	EventClosed EventType = "DOCUMENT_CLOSED"
	// EventSigned: one recipient has signed; others may still have to.
	EventSigned EventType = "DOCUMENT_SIGNED"
	// EventAccepted: the document was accepted.
	EventAccepted EventType = "DOCUMENT_ACCEPTED"
)

// Event is what a webhook delivers. The payload of the service is not known: its shape is
// a stand-in, and missing members leave their fields zero.
//
// An event is a hint, not a fact. No signature is documented, so whoever knows the
// address of a handler and its secret can make one up: read the document back before
// anything depends on it, as [WithReadBack] does. An event that was stored as JSON and
// loaded again has the same [Event.Key], but its Raw holds no more than its other fields.
//
//nolint:recvcheck // MarshalJSON has a value receiver, because events are also stored as values; what changes an event takes a pointer
type Event struct {
	ID            string          `json:"id"` // "" if the sender gave none; see Event.Key
	Type          EventType       `json:"event"`
	Timestamp     Time            `json:"timestamp"`
	Document      EventDocument   `json:"document"`
	PreviousStage Stage           `json:"previous_status"` // of EventStageChanged
	Recipient     Person          `json:"recipient"`       // of EventSigned and EventAccepted
	Raw           json.RawMessage `json:"-"`               // the event as it came

	key      string // of a stored event without an id of its own: the content that the key was made of was not stored
	borrowed bool   // ID is only that of the document, as the event came
}

// EventDocument is what an event says about its document.
type EventDocument struct {
	ID       DocumentID     `json:"id"`
	Number   DocumentNumber `json:"doc_no"`
	ObjectID ObjectID       `json:"object_id"`
	Title    string         `json:"title"`
	Stage    Stage          `json:"document_status"`
}

// eventID keeps a text or a number as it came.
type eventID string

// UnmarshalJSON accepts a text, a number and null.
func (id *eventID) UnmarshalJSON(data []byte) error { return unmarshalTextID(data, (*string)(id)) }

// MarshalJSON encodes the event to be stored, as in a queue, without what only Raw
// has. To an event without an id of its own it adds its key as the member "revv_key", so that
// [Event.Key] is the same once UnmarshalJSON has read it back.
func (e Event) MarshalJSON() ([]byte, error) {
	stored := storedEvent{plainEvent: plainEvent(e)}
	if !e.hasOwnID() || e.hasIDOfDocument() { // what was read back may have given the document its id
		stored.Key = e.Key()
	}
	return json.Marshal(stored)
}

// plainEvent is an event that encoding/json encodes by its fields.
type plainEvent Event

type storedEvent struct {
	plainEvent

	Key string `json:"revv_key,omitempty"`
}

// UnmarshalJSON reads an event from a trusted place, for example from a queue that
// MarshalJSON has written to, with its member "revv_key"; see [Event.Key]. For events
// from outside use [ParseEvent], which is strict and ignores that member.
func (e *Event) UnmarshalJSON(data []byte) error {
	if err := wire.Scan(data, jsonLimits); err != nil {
		return malformed(err)
	}
	event := new(Event)
	if err := event.decodeScanned(data); err != nil {
		return err
	}
	switch key, ok := scalarText(wire.Select(data, "revv_key")[0]); {
	case !ok:
	case strings.HasPrefix(key, contentKey) && len(key) == contentKeyLen:
		event.key, event.borrowed = key, event.ID != ""
	case event.ID != "" && key == event.idKey():
		event.borrowed = false
	}
	*e = *event
	return nil
}

// ParseEvent reads the body of a webhook request: one JSON object of at most
// 1 MiB and 1,000 levels, in which no object has a member twice, not even in
// another case. Unknown members, unknown types of events and missing members are
// no errors, and an id can be a number or a text; but without a type, there is
// no event. A timestamp, a title, a stage, a recipient or a member of it that does not fit
// counts as missing.
// The event keeps nothing of body.
//
// The error is [ErrInvalidArgument], and also [ErrMalformedResponse] or, for a body that
// is too large, [ErrResponseTooLarge]. It names the member that does not fit and quotes
// nothing of the body.
func ParseEvent(body []byte) (*Event, error) {
	event := new(Event)
	if err := event.parse(body); err != nil {
		return nil, &Error{Op: "ParseEvent", Argument: "body", kinds: []error{ErrInvalidArgument}, cause: err}
	}
	return event, nil
}

func (e *Event) parse(body []byte) error {
	if len(body) > maxEvent {
		return fmt.Errorf("%w: more than %d bytes", ErrResponseTooLarge, maxEvent)
	}
	if err := wire.Scan(body, eventLimits); err != nil {
		return malformed(err)
	}
	if err := e.decodeScanned(body); err != nil {
		return err
	}
	if e.Type == "" {
		return malformed(errors.New(`the member "event" is missing or empty`))
	}
	return nil
}

// decodeScanned decodes JSON that has been scanned, member by member. Not every version
// of encoding/json names the member that does not fit if its type, such as an id or a
// time, has an UnmarshalJSON.
func (e *Event) decodeScanned(data []byte) error {
	if wire.Kind(data) != '{' {
		return malformed(wire.ErrNotObject)
	}
	err := decodeMembers(data, e,
		member{"id", (*eventID)(&e.ID)}, member{"event", (*string)(&e.Type)}, member{"timestamp", &e.Timestamp},
		member{"document", &e.Document}, member{"previous_status", &e.PreviousStage}, member{"recipient", &e.Recipient})
	e.Raw, e.borrowed = bytes.Clone(bytes.TrimSpace(data)), e.hasIDOfDocument()
	return describeMismatch("", err)
}

func (d *EventDocument) decodeScanned(object []byte) error {
	return decodeMembers(object, d,
		member{"id", &d.ID}, member{"doc_no", &d.Number}, member{"object_id", &d.ObjectID},
		member{"title", &d.Title}, member{"document_status", &d.Stage})
}

// toleratesMismatch reports a member that must not cost the event if its value does not fit.
func (*Event) toleratesMismatch(name string) bool {
	return name != "id" && name != "event" && name != "document"
}

func (*Person) toleratesMismatch(string) bool { return true }

func (*EventDocument) toleratesMismatch(name string) bool {
	return name == "title" || name == "document_status"
}

func (p *Person) decodeScanned(object []byte) error {
	return decodeMembers(object, p,
		member{"user_email", &p.Email}, member{"first_name", &p.FirstName},
		member{"last_name", &p.LastName}, member{"order", (*looseOrder)(&p.Order)})
}

// looseOrder is a place in a sequence that may come as any JSON value.
type looseOrder int

// UnmarshalJSON reads anything but a whole number as 0, "not known": an odd value must
// not make the whole event unreadable.
func (n *looseOrder) UnmarshalJSON(data []byte) error {
	text, _ := scalarText(data)
	if place, err := strconv.ParseFloat(text, 64); err == nil && place >= 0 && place <= math.MaxInt32 && place == math.Trunc(place) {
		*n = looseOrder(place)
	}
	return nil
}

const (
	maxPlainKey   = 128            // the longest id, in bytes, that stands in a key as it is
	contentKey    = "body-sha256:" // the beginning of a key that is made of the content
	contentKeyLen = len(contentKey) + 2*sha256.Size
)

// Key identifies what was delivered, so that a delivery that comes again can be
// recognised: two deliveries of an event have the same key, in every process, and also
// after the event was stored as JSON and read back. It is short printable text, made of
// the event's id, or, if it has none or only that of its document, of a SHA-256 digest of the
// event as it came, without regard to white space between its parts. That the id is that of
// the event is a stand-in: if two events of an account have the same one, use a key of your
// own, such as type, document and timestamp together. Remember the key in the transaction
// that acts on the event, or after an action that may run twice: if the program dies in
// between, an event that was remembered first is lost. If you receive events of several
// accounts, remember the key together with the account, in fields of their own: it is not
// known whether ids differ between accounts, and a struct that embeds an Event is encoded as
// the Event alone. The key of a nil event is empty.
func (e *Event) Key() string {
	switch {
	case e == nil:
		return ""
	case e.hasOwnID():
		return e.idKey()
	case e.key != "":
		return e.key
	}
	return contentKey + hexSHA256(e.canonical())
}

// idKey is the key of an event with an id.
func (e *Event) idKey() string {
	if len(e.ID) > maxPlainKey || printable(e.ID, 2*maxPlainKey) != e.ID {
		return "id-sha256:" + hexSHA256([]byte(e.ID)) // too long or too strange for the column of a table
	}
	return "id:" + e.ID
}

// hasOwnID reports whether the event has an id, and not only that of its document: then all
// events of a document would have the same key. So would different ids that are not UTF-8.
func (e *Event) hasOwnID() bool {
	return e.ID != "" && !e.borrowed && !strings.ContainsRune(e.ID, utf8.RuneError)
}

// hasIDOfDocument reports whether the id of the event is also that of its document.
func (e *Event) hasIDOfDocument() bool {
	d := &e.Document
	return e.ID != "" && (e.ID == strconv.FormatInt(int64(d.ID), 10) || strings.EqualFold(e.ID, string(d.Number)) || strings.EqualFold(e.ID, string(d.ObjectID)))
}

// canonical returns the event without insignificant white space. An event that
// did not come over the wire has no other form than the one it is encoded in.
func (e *Event) canonical() []byte {
	raw := []byte(e.Raw)
	if len(raw) == 0 {
		if encoded, err := json.Marshal(plainEvent(*e)); err == nil {
			raw = encoded
		}
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

func hexSHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
