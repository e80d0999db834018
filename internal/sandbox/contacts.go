package sandbox

import (
	"cmp"
	"slices"
	"strings"

	"github.com/revv-go/revv"
)

// contactJSON is a contact on the wire: texts that may be empty and are never null.
type contactJSON struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Email       string `json:"email"`
	Phone       string `json:"phone"`
	Type        string `json:"type"`
	LinkedIn    string `json:"linkedin"`
	Instagram   string `json:"instagram"`
	Twitter     string `json:"twitter"`
	Notes       string `json:"notes"`
}

func (c *Contact) wire() contactJSON {
	return contactJSON{
		int64(c.ID), c.Name, c.Title, c.Description, c.Email, c.Phone, c.Type, c.LinkedIn, c.Instagram, c.Twitter, c.Notes,
	}
}

func contactAnswer(c *Contact) any {
	return struct {
		Contact contactJSON `json:"Contact"`
	}{c.wire()}
}

func contactsAnswer(contacts []*Contact) any {
	rows := make([]contactJSON, len(contacts))
	for i, c := range contacts {
		rows[i] = c.wire()
	}
	return struct {
		Contacts []contactJSON `json:"Contacts"`
	}{rows}
}

// contactMember is a text of a contact, and its name on the wire.
type contactMember struct {
	name string
	at   func(*Contact) *string
}

func contactMembers() []contactMember {
	return []contactMember{
		{"name", func(c *Contact) *string { return &c.Name }},
		{"title", func(c *Contact) *string { return &c.Title }},
		{"description", func(c *Contact) *string { return &c.Description }},
		{"email", func(c *Contact) *string { return &c.Email }},
		{"phone", func(c *Contact) *string { return &c.Phone }},
		{"type", func(c *Contact) *string { return &c.Type }},
		{"linkedin", func(c *Contact) *string { return &c.LinkedIn }},
		{"instagram", func(c *Contact) *string { return &c.Instagram }},
		{"twitter", func(c *Contact) *string { return &c.Twitter }},
		{"notes", func(c *Contact) *string { return &c.Notes }},
	}
}

// upsertContact adds a contact, or updates the first one with the same address.
// A member that is absent keeps what was there; an empty one clears it.
func (a *account) upsertContact(c *call) (any, error) {
	b, err := c.object()
	if err != nil {
		return nil, err
	}
	var given Contact
	var present []contactMember
	for _, m := range contactMembers() {
		if text, ok := b.textGiven(m.name, optional); ok {
			*m.at(&given) = text
			present = append(present, m)
		}
	}
	if err := b.end(); err != nil {
		return nil, err
	}
	if err := given.check(); err != nil {
		return nil, err
	}
	contact := a.contactByEmail(given.Email)
	if contact == nil {
		if err := given.checkNew(); err != nil {
			return nil, err
		}
		return contactAnswer(a.addContact(given)), nil
	}
	for _, m := range present {
		*m.at(contact) = *m.at(&given)
	}
	a.changed("contact", contact.ID)
	return contactAnswer(contact), nil
}

// checkNew reports why the contact cannot be added.
func (c *Contact) checkNew() error {
	if strings.TrimSpace(c.Name) == "" && c.Email == "" {
		return badValue("name: a contact needs a name or an email")
	}
	return c.check()
}

// check reports the first value that breaks a rule.
func (c *Contact) check() error {
	for _, m := range contactMembers() {
		if err := checkWords(m.name, *m.at(c)); err != nil {
			return err
		}
	}
	if c.Email != "" {
		if err := checkEmail("email", c.Email); err != nil {
			return err
		}
	}
	if c.Type != "" && c.Type != "individual" && c.Type != "corporate" {
		return badValue("type: %q is none of individual and corporate", shorten(c.Type))
	}
	return nil
}

func (a *account) addContact(c Contact) *Contact {
	c.ID = revv.ContactID(take(&a.Next.Contact))
	a.Contacts = append(a.Contacts, &c)
	a.changed("contact", c.ID)
	return &c
}

// contactByEmail finds the first contact with the address; "" finds none.
func (a *account) contactByEmail(email string) *Contact {
	if found := a.contactsByEmail(email); len(found) > 0 {
		return found[0]
	}
	return nil
}

func (a *account) contactsByEmail(email string) []*Contact {
	var found []*Contact
	for _, c := range a.Contacts {
		if email != "" && strings.EqualFold(c.Email, email) {
			found = append(found, c)
		}
	}
	return found
}

func (a *account) listContacts(c *call) (any, error) {
	page, err := c.page()
	if err != nil {
		return nil, err
	}
	rows, _ := slicePage(a.Contacts, page, a.sandbox.opts.PageSize)
	return contactsAnswer(rows), nil
}

func (a *account) getContact(c *call) (any, error) {
	contact, err := a.contactByPath(c.param)
	if err != nil {
		return nil, err
	}
	return contactAnswer(contact), nil
}

func (a *account) findContacts(c *call) (any, error) {
	email := c.query.Get("email")
	if err := checkEmail("email", email); err != nil {
		return nil, err
	}
	return contactsAnswer(a.contactsByEmail(email)), nil
}

func (a *account) deleteContact(c *call) (any, error) {
	contact, err := a.contactByPath(c.param)
	if err != nil {
		return nil, err
	}
	a.Contacts = slices.DeleteFunc(a.Contacts, func(other *Contact) bool { return other == contact })
	a.changed("contact", contact.ID)
	return struct{}{}, nil
}

func (a *account) contactByPath(text string) (*Contact, error) {
	id, err := pathID("contact id", text)
	if err != nil {
		return nil, err
	}
	// Ids only grow, and deletion keeps the order.
	i, ok := slices.BinarySearchFunc(a.Contacts, revv.ContactID(id), func(c *Contact, id revv.ContactID) int { return cmp.Compare(c.ID, id) })
	if !ok {
		return nil, notFound("no contact has the id %d", id)
	}
	return a.Contacts[i], nil
}

// AddContact adds a contact, even if another one has the same address: lists of
// the live service held such pairs. Its ID is ignored.
func (s *Sandbox) AddContact(c Contact) (id revv.ContactID, err error) {
	err = s.do(func(a *account) error {
		if err := c.checkNew(); err != nil {
			return err
		}
		id = a.addContact(c).ID
		return nil
	})
	return id, err
}

// Contacts lists all contacts.
func (s *Sandbox) Contacts() []Contact {
	return read(s, func(a *account) []Contact {
		contacts := make([]Contact, len(a.Contacts))
		for i, c := range a.Contacts {
			contacts[i] = *c
		}
		return contacts
	})
}
