package revv

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
)

// ContactsService keeps the contacts of the account.
type ContactsService service

func (s *ContactsService) root() *core { return (*service)(s).root() }

// ContactType tells people from organisations.
type ContactType string

// The types of contacts that were observed.
const (
	ContactIndividual ContactType = "individual"
	ContactCorporate  ContactType = "corporate"
)

// Contact is a person or an organisation that documents are sent to.
type Contact struct {
	ID          ContactID   `json:"id"`
	Name        string      `json:"name"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Email       string      `json:"email"`
	Phone       string      `json:"phone"`
	Type        ContactType `json:"type"`
	LinkedIn    string      `json:"linkedin"`
	Instagram   string      `json:"instagram"`
	Twitter     string      `json:"twitter"`
	Notes       string      `json:"notes"`
	// Raw is the object as it came, with the members that are not modelled.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON decodes a contact and keeps it in Raw.
func (c *Contact) UnmarshalJSON(data []byte) error { return unmarshalModel(data, c) }

func (c *Contact) decodeScanned(object []byte) error {
	return decodeModel(object, c, &c.Raw,
		member{"id", &c.ID}, member{"name", &c.Name}, member{"title", &c.Title}, member{"description", &c.Description},
		member{"email", &c.Email}, member{"phone", &c.Phone}, member{"type", (*string)(&c.Type)}, member{"linkedin", &c.LinkedIn},
		member{"instagram", &c.Instagram}, member{"twitter", &c.Twitter}, member{"notes", &c.Notes})
}

// UpsertContactParams are the arguments of [ContactsService.Upsert]. A nil member is not
// sent; new("") is meant to clear the value, as it does in the sandbox. The clients that were observed sent all members, blank
// ones as "".
type UpsertContactParams struct {
	Name        string      `json:"name"`  // required
	Email       string      `json:"email"` // required; inferred to decide between adding and updating
	Title       *string     `json:"title,omitzero"`
	Description *string     `json:"description,omitzero"`
	Phone       *string     `json:"phone,omitzero"`
	Type        ContactType `json:"type,omitzero"`
	LinkedIn    *string     `json:"linkedin,omitzero"`
	Instagram   *string     `json:"instagram,omitzero"`
	Twitter     *string     `json:"twitter,omitzero"`
	Notes       *string     `json:"notes,omitzero"`
}

func (p UpsertContactParams) validate() (name, rule string) {
	if strings.TrimSpace(p.Name) == "" {
		return "Name", "must not be empty"
	}
	if rule := addressRule(p.Email); rule != "" {
		return "Email", rule
	}
	given := func(text *string) string {
		if text == nil {
			return ""
		}
		return *text
	}
	return validateTexts("Name", p.Name, "Title", given(p.Title), "Description", given(p.Description), "Phone", given(p.Phone), "Type", string(p.Type),
		"LinkedIn", given(p.LinkedIn), "Instagram", given(p.Instagram), "Twitter", given(p.Twitter), "Notes", given(p.Notes))
}

// Upsert adds a contact, or updates the one with the same address (that the address
// decides is inferred). [ErrInvalidArgument] for what breaks a rule of
// [UpsertContactParams]. A write with consequences, because repeating it could add the
// contact twice: it is not repeated when its outcome is unknown ([ErrOutcomeUnknown]).
// The request was observed in two clients.
func (s *ContactsService) Upsert(ctx context.Context, params UpsertContactParams, opts ...CallOption) (*Contact, error) {
	return fetch[Contact](ctx, s.root(), &call{op: opUpsertContact, body: params}, "Contact", opts)
}

// ListContactsParams are the arguments of [ContactsService.List] and
// [ContactsService.All].
type ListContactsParams struct {
	Page     int `url:"page_num"` // from 1; 0 means 1
	Prefetch int `url:"-"`        // pages All reads ahead, 32 at most: 0 means 4, negative means none
}

func (p ListContactsParams) validate() (name, rule string) { return validatePaging(p.Page, p.Prefetch) }

// List returns one page of the contacts. A read.
func (s *ContactsService) List(ctx context.Context, params ListContactsParams, opts ...CallOption) (*Page[Contact], error) {
	params.Page = cmp.Or(params.Page, 1)
	return fetchPage[Contact](ctx, s.root(), &call{op: opListContacts, query: params}, params.Page, "Contacts", opts)
}

// All ranges over the contacts, page by page, reading some pages ahead. The second value
// is an error, which ends the range; it is [ErrPageLoop] if a page comes again. A contact
// can be missed if the list changes meanwhile, see [DocumentsService.All]. A read.
func (s *ContactsService) All(ctx context.Context, params ListContactsParams, opts ...CallOption) iter.Seq2[Contact, error] {
	return allPages[Contact](ctx, operations[opListContacts].name, params.Page, params.Prefetch, func(ctx context.Context, number int) (anyPage, error) {
		params := params // pages are fetched at the same time
		params.Page = number
		return s.List(ctx, params, opts...)
	})
}

// Get reads a contact by its id. [ErrNotFound] if there is none. A read. The
// route is a stand-in.
func (s *ContactsService) Get(ctx context.Context, id ContactID, opts ...CallOption) (*Contact, error) {
	return fetch[Contact](ctx, s.root(), &call{op: opGetContact, id: numericID("id", int64(id))}, "Contact", opts)
}

type contactQuery struct {
	Email string `url:"email"`
}

func (q *contactQuery) validate() (name, rule string) { return "email", addressRule(q.Email) }

// GetByEmail reads the contact with an address. [ErrNotFound] if there is none;
// [ErrConflict] if there are several, which was observed to be possible: then
// [ContactsService.All] shows them. Addresses are compared whatever the case of their
// letters. If the service answers with other people, too, it may not know the filter: then
// all contacts are read, which may take many requests. If that fails, a contact that was
// found before counts, and that there is no other is not certain. A read. The route is a
// stand-in.
func (s *ContactsService) GetByEmail(ctx context.Context, email string, opts ...CallOption) (*Contact, error) {
	var found []Contact
	if err := s.root().fetchAny(ctx, &call{op: opGetContactByEmail, query: &contactQuery{email}}, "Contacts", &found, opts); err != nil {
		return nil, err
	}
	op := operations[opGetContactByEmail].name
	// The filter is a stand-in: a service that does not know it returns everybody.
	matches := found[:0]
	for i := range found {
		if strings.EqualFold(found[i].Email, email) {
			matches = append(matches, found[i])
		}
	}
	clear(found[len(matches):])    // or the contact would keep everybody else in memory
	if len(matches) < len(found) { // this was the first page of everybody, at best
		for contact, err := range s.All(ctx, ListContactsParams{}, opts...) {
			if err != nil {
				if len(matches) > 0 {
					break // there may be more, but this is what was asked for
				}
				return nil, err
			}
			if strings.EqualFold(contact.Email, email) && !isAmong(&contact, matches) {
				matches = append(matches, contact)
			}
		}
	}
	switch len(matches) {
	case 0:
		return nil, newError(op, ErrNotFound, "no contact has this address")
	case 1:
		return &matches[0], nil
	}
	return nil, newError(op, ErrConflict, fmt.Sprintf("%d contacts have this address", len(matches)))
}

// isAmong reports whether a contact is in a list.
func isAmong(contact *Contact, list []Contact) bool {
	for i := range list {
		if list[i].ID == contact.ID && list[i].Name == contact.Name {
			return true
		}
	}
	return false
}

// Delete removes a contact. [ErrNotFound] if there is none, but success if an
// earlier attempt of the same call was cut, or answered with 408 or 5xx. An
// idempotent write. The route is a stand-in.
func (s *ContactsService) Delete(ctx context.Context, id ContactID, opts ...CallOption) error {
	return s.root().runOp(ctx, &call{op: opDeleteContact, id: numericID("id", int64(id))}, opts, decodeAcknowledgement)
}
