package sandbox

import (
	"slices"
	"strings"
	"time"

	"github.com/revv-go/revv"
)

// User is somebody who can log in to the organisation.
type User struct {
	Email     string `json:"email"`
	Password  string `json:"password"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	ImageURL  string `json:"image_url"`
}

// The types of a field.
const (
	FieldText   = "text"
	FieldDate   = "date"   // 2021-06-18
	FieldNumber = "number" // 1500 or 1500.50
)

// Field is a named place in a template or a document.
type Field struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required"`
	Value    string `json:"value"`
}

// FieldValue is a new value of a named field.
type FieldValue struct {
	Name  string
	Value string
}

// Template is what documents are made from.
type Template struct {
	ID       revv.TemplateID `json:"id"`
	Title    string          `json:"title"`
	Inactive bool            `json:"inactive"`
	Fields   []Field         `json:"fields"`
}

// Folder holds documents and folders. Its id is the id of its entry.
type Folder struct {
	ID       revv.FolderID `json:"id"`
	Name     string        `json:"name"`
	ParentID revv.FolderID `json:"parent_id"` // 0 for the main folder
}

// Contact is an entry of the address book.
type Contact struct {
	ID          revv.ContactID `json:"id"`
	Name        string         `json:"name"`
	Title       string         `json:"title"`
	Description string         `json:"description"`
	Email       string         `json:"email"`
	Phone       string         `json:"phone"`
	Type        string         `json:"type"` // individual, corporate or empty
	LinkedIn    string         `json:"linkedin"`
	Instagram   string         `json:"instagram"`
	Twitter     string         `json:"twitter"`
	Notes       string         `json:"notes"`
}

// Person is somebody a document goes to.
type Person struct {
	Email     string `json:"user_email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Order     int    `json:"order,omitzero"` // place in the signing sequence, 0 for none
}

// name is how a person appears in activities and on paper.
func (p Person) name() string {
	if name := strings.TrimSpace(p.FirstName + " " + p.LastName); name != "" {
		return name
	}
	return p.Email
}

// The states of a party.
const (
	PartyOpen     = "open"     // has not answered
	PartyDone     = "done"     // signed, accepted or approved
	PartyDeclined = "declined" // declined or rejected
)

// Party is a person in one of the roles of a document, with the link that
// stands for that role.
type Party struct {
	Person

	State    string    `json:"state"`
	At       time.Time `json:"at,omitzero"` // when the party answered
	Reason   string    `json:"reason,omitzero"`
	SignedAs string    `json:"signed_as,omitzero"` // the name that a signer typed
	Notified bool      `json:"notified"`           // the mail with the link has been sent
	Token    string    `json:"token"`              // the secret of the link
}

// The states of an approval.
const (
	ApprovalNone     = ""
	ApprovalPending  = "pending"
	ApprovalApproved = "approved"
	ApprovalRejected = "rejected"
)

// Activity is one line of a document's history.
type Activity struct {
	Event    string    `json:"event"`
	At       time.Time `json:"at"`
	Actor    Person    `json:"actor"`
	ImageURL string    `json:"image_url,omitzero"`
	Subjects []string  `json:"subjects"`
}

// Document is a document with everything that happened to it.
type Document struct {
	ID         revv.DocumentID     `json:"id"`
	EntryID    revv.EntryID        `json:"entry_id"`
	Number     revv.DocumentNumber `json:"doc_no"`
	ObjectID   revv.ObjectID       `json:"object_id"`
	Title      string              `json:"title"`
	TemplateID revv.TemplateID     `json:"template_id"`
	FolderID   revv.FolderID       `json:"folder_id"`
	Stage      revv.Stage          `json:"stage"`
	Approval   string              `json:"approval,omitzero"`
	Fields     []Field             `json:"fields"`
	Signers    []Party             `json:"signers,omitempty"`
	Acceptors  []Party             `json:"acceptors,omitempty"`
	Approvers  []Party             `json:"approvers,omitempty"`
	Readers    []Party             `json:"readers,omitempty"`
	MagicToken string              `json:"magic_token,omitzero"`
	Activities []Activity          `json:"activities"`
	CreatedAt  time.Time           `json:"created_at"`
	UpdatedAt  time.Time           `json:"updated_at"`
}

// clone copies the document so deeply that it can leave the lock.
func (d *Document) clone() Document {
	c := *d
	c.Fields = slices.Clone(d.Fields)
	c.Signers = slices.Clone(d.Signers)
	c.Acceptors = slices.Clone(d.Acceptors)
	c.Approvers = slices.Clone(d.Approvers)
	c.Readers = slices.Clone(d.Readers)
	c.Activities = slices.Clone(d.Activities)
	for i := range c.Activities {
		c.Activities[i].Subjects = slices.Clone(c.Activities[i].Subjects)
	}
	return c
}

// parties returns the parties in the role.
func (d *Document) parties(r role) *[]Party {
	switch r {
	case roleSigner:
		return &d.Signers
	case roleAcceptor:
		return &d.Acceptors
	case roleApprover:
		return &d.Approvers
	default:
		return &d.Readers
	}
}

// party finds a person of the role by address, without regard to case.
func (d *Document) party(r role, email string) *Party {
	parties := *d.parties(r)
	for i := range parties {
		if strings.EqualFold(parties[i].Email, email) {
			return &parties[i]
		}
	}
	return nil
}

// signed reports whether at least one signature is on the document. A document
// that came back as a draft bears none that counts.
func (d *Document) signed() bool {
	return d.Stage != revv.StageDraft && answered(d.Signers) > 0
}

// settled says why nobody may change the content of a document any more: somebody has
// signed or accepted it. It is "" as long as it may be changed.
func (d *Document) settled() string {
	switch {
	case d.signed():
		return "signed"
	case d.Stage != revv.StageDraft && answered(d.Acceptors) > 0:
		return "accepted"
	}
	return ""
}

// answered counts the parties that have signed, accepted or approved.
func answered(parties []Party) int {
	n := 0
	for _, p := range parties {
		if p.State == PartyDone {
			n++
		}
	}
	return n
}

// role is why somebody has a link to a document.
type role uint8

const (
	roleReader   role = iota + 1 // a private copy by mail
	roleSigner                   // Fill & eSign
	roleAcceptor                 // acceptance
	roleApprover                 // approval
)
