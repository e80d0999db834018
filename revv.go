// Package revv is a client for the Revv Public API: documents from templates, fields,
// sending for Fill & eSign, acceptance and approval, magic links, folders, contacts,
// activities, webhooks and OAuth 2.0. It is unofficial: not affiliated with, endorsed by
// or supported by Revv or its owners.
//
// The vendor no longer publishes an API reference. The comments of [Routes] say how each
// call is known, and [WithRoutes] repairs one that is wrong.
//
// # Start
//
// [NewClient] makes a [Client] from an [Authenticator] and the base URL of the account,
// which has no default:
//
//	client, err := revv.NewClient(revv.StaticToken(token), revv.WithSubdomain("acme"))
//	…
//	doc, err := client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: 21})
//	…
//	err = client.Documents.SendForESign(ctx, doc.ID, revv.SendParams{
//		Recipients: []revv.Person{{Email: "ann@example.com"}},
//	})
//
// Each resource has its service: [Client.Documents], [Client.Templates],
// [Client.Folders], [Client.Contacts] and [Client.Webhooks]. [Client.Do] and
// [Client.HTTPClient] reach what is not modelled. A client is safe for concurrent use;
// make one for each account and keep it.
//
// A document has four ids. They are counted separately, and none can replace another: a
// [DocumentID] for most calls, a [DocumentNumber] that people see, an [ObjectID] for its
// activities and its magic link, and the [EntryID] of its entry in a folder. [Document]
// has the first three, [DocumentEntry] the number and the entry id; the types keep them
// apart.
//
// # Authentication
//
// [OAuthConfig.Connect] asks a person for permission the first time a program runs, and
// keeps the token pair in a [TokenStore]; web applications use [OAuthConfig.Handlers],
// [SaveToken] and [OAuthConfig.Authenticator]. The pair is renewed when it is about to
// expire or the service rejects it, and the new pair is saved before it is used.
// [NewFileStore] shares the pair among the processes of a machine, a TokenStore of your
// own among machines, and [NewEncryptedStore] encrypts either.
// [ErrReauthorizationRequired] means that a person has to authorize the application
// again. [StaticToken] and [FromTokenSource] serve simpler needs.
//
// # Errors
//
// Every failed call returns an error that holds an [*Error], with the operation, the status and
// the service's own words. errors.Is tells its kind, and [MaybeApplied] whether the call may
// have been carried out:
//
//	switch {
//	case revv.MaybeApplied(err): // look before sending again; such an error can be others as well
//	case errors.Is(err, revv.ErrNotFound): // there is none
//	}
//
// An error shows no secret, however it is printed. The only exceptions are the errors of
// [Client.HTTPClient], which are those of net/http, with the URL, and what SECURITY.md says of
// transports and stores of your own.
//
// # Retries
//
// There are three classes of calls, and the comment of each method names its class. Reads
// and idempotent writes are repeated. A write with consequences is repeated only if it
// never left, or if the answer says that it was refused before any work was done: a lost
// answer never makes the client send a document twice. (That a 401, a 429, and a 503 with
// Retry-After say so is an assumption; see [RetryPolicy].) If nobody knows what became of
// such a write, the call returns [ErrOutcomeUnknown]: read the state back before you do
// anything else. [WithRetry] sets how often and how patiently calls are repeated,
// [WithAttemptTimeout] bounds each attempt, and the context of the call bounds all of them
// together.
//
// # Paging
//
// All methods range over a whole list and read some pages ahead; an error ends the range:
//
//	for entry, err := range client.Documents.All(ctx, revv.ListDocumentsParams{}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(entry.Number, entry.Name)
//	}
//
// List methods return one [Page], for a program that shows pages itself. ([WebhooksService]
// has no pages.)
//
// # Webhooks
//
// [WebhooksService.Subscribe] registers a URL, [NewWebhookHandler] receives events there,
// [ParseEvent] reads one. An event is only a hint: [WithReadBack] reads the document
// before the event is handed on. Deliveries can repeat and overtake one another;
// [Event.Key] recognises one that was seen already.
//
// # Testing
//
// Package [github.com/revv-go/revv/revvtest] is a Revv in memory: it keeps documents,
// collects the mails, signs on behalf of people, and fails on demand.
package revv

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/revv-go/revv/internal/wire"
)

// The ids of the service; the comment of the package tells them apart.
type (
	// DocumentID identifies a document within an organisation.
	DocumentID int64
	// TemplateID identifies a template.
	TemplateID int64
	// FolderID identifies a folder. A folder is known by the id of its entry
	// in the listing (inferred: the listing shows no other).
	FolderID int64
	// ContactID identifies a contact.
	ContactID int64
	// EntryID identifies an entry of a folder. It is not the id of the
	// document behind it, although the two often look alike.
	EntryID int64
	// WebhookID identifies a webhook subscription. Whether the service uses a
	// number or a text is not known; both are kept as they came.
	WebhookID string
	// DocumentNumber is the number that people see, as DOC-000040.
	DocumentNumber string
	// ObjectID identifies a document among the objects of the service, as
	// "DOC-" and twelve letters or digits.
	ObjectID string
)

// UnmarshalJSON accepts a number or a text that holds one.
func (id *DocumentID) UnmarshalJSON(data []byte) error { return unmarshalID(data, id) }

// UnmarshalJSON accepts a number or a text that holds one.
func (id *TemplateID) UnmarshalJSON(data []byte) error { return unmarshalID(data, id) }

// UnmarshalJSON accepts a number or a text that holds one.
func (id *FolderID) UnmarshalJSON(data []byte) error { return unmarshalID(data, id) }

// UnmarshalJSON accepts a number or a text that holds one.
func (id *ContactID) UnmarshalJSON(data []byte) error { return unmarshalID(data, id) }

// UnmarshalJSON accepts a number or a text that holds one.
func (id *EntryID) UnmarshalJSON(data []byte) error { return unmarshalID(data, id) }

// UnmarshalJSON accepts a text or a number.
func (id *WebhookID) UnmarshalJSON(data []byte) error { return unmarshalTextID(data, id) }

// UnmarshalJSON accepts a text or a number.
func (n *DocumentNumber) UnmarshalJSON(data []byte) error { return unmarshalTextID(data, n) }

// UnmarshalJSON accepts a text or a number.
func (id *ObjectID) UnmarshalJSON(data []byte) error { return unmarshalTextID(data, id) }

// unmarshalTextID keeps a text or a number as it came. null leaves the id empty.
func unmarshalTextID[T ~string](data []byte, id *T) error {
	text, ok := scalarText(data)
	if !ok || data[0] == 't' || data[0] == 'f' {
		return typeMismatch(data, id)
	}
	*id = T(text)
	return nil
}

// unmarshalID reads 14 and "14" exactly, over the whole range of an int64. null and ""
// give 0, no id.
func unmarshalID[T ~int64](data []byte, id *T) error {
	digits := data
	if len(data) > 0 && data[0] == '"' || string(data) == "null" {
		text, ok := scalarText(data)
		if !ok {
			return typeMismatch(data, id)
		}
		if text == "" {
			*id = 0
			return nil
		}
		digits = []byte(text)
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil || digits[0] == '+' {
		return typeMismatch(data, id)
	}
	*id = T(n)
	return nil
}

// typeMismatch is the error for a value that out, a pointer, cannot hold. [within] adds the
// name of the member later.
func typeMismatch(data []byte, out any) error {
	kind := "number"
	switch wire.Kind(data) {
	case '"':
		kind = "string"
	case '{':
		kind = "object"
	case '[':
		kind = "array"
	case 't', 'f':
		kind = "bool"
	}
	return &json.UnmarshalTypeError{Value: kind, Type: reflect.TypeOf(out).Elem()}
}

// scalarText returns the text of a JSON string, number or boolean; null is "".
// ok is false for objects and arrays.
func scalarText(data []byte) (text string, ok bool) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || data[0] == '{' || data[0] == '[' {
		return "", false
	}
	if data[0] == '"' {
		if inner := data[1:max(len(data)-1, 1)]; isPlainText(inner) {
			return string(inner), data[len(data)-1] == '"' && len(data) > 1
		}
		var unescaped string // and not text, which would be on the heap for every call
		err := json.Unmarshal(data, &unescaped)
		return unescaped, err == nil
	}
	if string(data) == "null" {
		return "", true
	}
	return string(data), true
}

// isPlainText reports whether the inside of a JSON string needs no decoding, as nearly
// all do not.
func isPlainText(inner []byte) bool {
	for _, c := range inner {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// Stage is where a document stands: [StageDraft], [StageSent] and so on, or any
// other name, since an account can define stages of its own.
type Stage string

// The stages that were observed. An account may have others.
const (
	StageDraft     Stage = "Draft"
	StageSent      Stage = "Sent"
	StageSigned    Stage = "Signed"
	StageCompleted Stage = "Completed"
)

// Is reports whether two stages are the same, ignoring case, as a program that worked
// against the service compared them.
func (s Stage) Is(other Stage) bool { return strings.EqualFold(string(s), string(other)) }

// Reached reports whether a document in stage s has come as far as other: whether s is
// other or follows it, in the order of the constants (a stand-in). A stage of the account's
// own is compared with itself alone, so that Reached(StageSent) is false for a document of
// which nobody can tell whether it was sent, as is Is(StageDraft).
func (s Stage) Reached(other Stage) bool {
	at := rank(other)
	return s.Is(other) && other != "" || at >= 0 && rank(s) > at
}

// rank is where a stage stands in the life of a document, -1 for one of an account's
// own.
func rank(stage Stage) int {
	for place, known := range []Stage{StageDraft, StageSent, StageSigned, StageCompleted} {
		if stage.Is(known) {
			return place
		}
	}
	return -1
}

// UnmarshalJSON accepts {"name":"Draft"}, which was observed, a bare "Draft", and null.
func (s *Stage) UnmarshalJSON(data []byte) error { return unmarshalName(data, s) }

// unmarshalName decodes what has a name and nothing else that is known.
func unmarshalName[T ~string](data []byte, into *T) error {
	name, ok := nameOf(data)
	if !ok {
		return typeMismatch(data, into)
	}
	*into = T(name)
	return nil
}

// nameOf reads {"name":"…"}, "…" or null.
func nameOf(data []byte) (name string, ok bool) {
	if wire.Kind(data) == '{' {
		value, err := wire.Member(data, "name", jsonLimits)
		if value == nil {
			return "", err == nil
		}
		data = value
	}
	if kind := wire.Kind(data); kind != '"' && kind != 'n' {
		return "", false
	}
	return scalarText(data)
}

// Time is a time of the service. One layout was observed, once: RFC 3339 in UTC with
// microseconds. Other fractions and zones are accepted as well, and so is a text without
// a zone (taken for UTC) or with a space for the T. Any other text is no error: it leaves
// the time zero and stays readable through [Time.Text].
type Time struct {
	time.Time

	text string
}

// Text returns the time as the service wrote it, "" if it wrote none.
func (t Time) Text() string { return t.text }

// timeLayouts are tried in turn. Only the first was observed; the others are what
// services write that drop the zone or the T.
//
//nolint:gochecknoglobals // a constant list; Go has no constant slices
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999"}

// UnmarshalJSON reads a time; see [Time] for what it accepts.
func (t *Time) UnmarshalJSON(data []byte) error {
	text, ok := scalarText(data)
	if !ok {
		return typeMismatch(data, t)
	}
	*t = Time{text: text}
	for _, layout := range timeLayouts {
		if parsed, err := time.Parse(layout, text); err == nil {
			t.Time = parsed.UTC()
			return nil
		}
	}
	return nil
}

// MarshalJSON writes the time in the observed layout. A zero time is written as the text
// that was read, or as null.
func (t Time) MarshalJSON() ([]byte, error) {
	switch {
	case !t.IsZero():
		return json.Marshal(wireTime(t.Time))
	case t.text != "":
		return json.Marshal(t.text)
	}
	return []byte("null"), nil
}

// wireTime formats a time in the observed layout.
func wireTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// Person is somebody a document is sent to: a signer, an acceptor, an approver or a
// reader.
type Person struct {
	Email     string `json:"user_email"` // required; a bare address, of 254 bytes at most
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	// Order is the place in the signing sequence, from 1, for all signers of a document or
	// for none: 0 leaves the sequence to the service. Only SendForESign takes an order,
	// which is a stand-in; in other calls anything but 0 is ErrInvalidArgument.
	Order int `json:"order,omitzero"`
}
