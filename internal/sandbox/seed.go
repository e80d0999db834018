package sandbox

import (
	"fmt"

	"github.com/revv-go/revv"
)

// The organisation and its owner. They exist in every sandbox; nobody could log
// in otherwise.
const (
	Organisation  = "sandbox"
	OwnerEmail    = "owner@example.com"
	OwnerPassword = "revv-sandbox"
)

// seed fills a new account.
func (a *account) seed(opts Options) {
	a.Organisation = Organisation
	a.Owner = User{
		Email: OwnerEmail, Password: OwnerPassword,
		FirstName: "Sandbox", LastName: "Owner",
		ImageURL: "https://example.com/owner.png",
	}
	a.App = App{
		Name:         "Sandbox application",
		ClientID:     "sandbox-application",
		ClientSecret: a.source.text(tokenLength),
		RedirectURLs: opts.RedirectURLs,
	}
	main := &Folder{ID: mainFolderID, Name: "Main folder"}
	a.Folders = append(a.Folders, main)
	a.folders[main.ID] = main
	if opts.NoSeedData {
		return
	}
	for _, t := range seedTemplates() {
		_, _ = a.addTemplate(t)
	}
	for _, c := range []Contact{
		{Name: "First Signer", Email: "first.signer@example.com", Title: "Director", Type: "individual"},
		{Name: "Second Signer", Email: "second.signer@example.com", Type: "individual"},
	} {
		a.addContact(c)
	}
}

func seedTemplates() []Template {
	return []Template{
		{Title: "Service agreement", Fields: []Field{
			{Name: "Client", Type: FieldText, Required: true},
			{Name: "Start date", Type: FieldDate, Required: true},
			{Name: "Fee", Type: FieldNumber},
		}},
		{Title: "Offer letter", Fields: []Field{
			{Name: "Candidate", Type: FieldText, Required: true},
			{Name: "Position", Type: FieldText},
			{Name: "Start date", Type: FieldDate, Required: true},
			{Name: "Salary", Type: FieldNumber},
		}},
		{Title: "Mutual NDA", Fields: []Field{
			{Name: "Counterparty", Type: FieldText},
			{Name: "Effective date", Type: FieldDate},
		}},
		{Title: "Service agreement of last year", Inactive: true, Fields: []Field{
			{Name: "Client", Type: FieldText, Required: true},
		}},
	}
}

// addTemplate checks and adds a template under the next template id.
func (a *account) addTemplate(t Template) (revv.TemplateID, error) {
	if err := checkTitle(t.Title); err != nil {
		return 0, badValue("Title: %s", err)
	}
	seen := map[string]bool{}
	fields := make([]Field, len(t.Fields))
	for i, f := range t.Fields {
		if f.Type == "" {
			f.Type = FieldText
		}
		if err := checkTitle(f.Name); err != nil {
			return 0, badValue("Fields[%d].Name: %s", i, err)
		}
		switch {
		case seen[f.Name]:
			return 0, badValue("Fields[%d].Name: %q occurs twice", i, f.Name)
		case f.Type != FieldText && f.Type != FieldDate && f.Type != FieldNumber:
			return 0, badValue("Fields[%d].Type: %q is none of text, date and number", i, f.Type)
		}
		if err := checkFieldValue(f, f.Value); err != nil {
			return 0, badValue("Fields[%d].Value: %s", i, err)
		}
		seen[f.Name] = true
		fields[i] = f
	}
	t.Fields = fields
	t.ID = revv.TemplateID(take(&a.Next.Template))
	a.Templates = append(a.Templates, &t)
	a.changed("template", t.ID)
	return t.ID, nil
}

// AddTemplate adds a template; its ID is ignored. A field without a type is text.
func (s *Sandbox) AddTemplate(t Template) (id revv.TemplateID, err error) {
	err = s.do(func(a *account) error {
		id, err = a.addTemplate(t)
		return err
	})
	return id, err
}

// Templates lists all templates.
func (s *Sandbox) Templates() []Template {
	return read(s, func(a *account) []Template {
		templates := make([]Template, len(a.Templates))
		for i, t := range a.Templates {
			templates[i] = *t
			templates[i].Fields = append([]Field(nil), t.Fields...)
		}
		return templates
	})
}

// template finds a template that documents can be made from.
func (a *account) template(id revv.TemplateID) (*Template, error) {
	for _, t := range a.Templates {
		if t.ID != id {
			continue
		}
		if t.Inactive {
			return nil, conflict("template_id: template %d is inactive; documents are made from active templates", id)
		}
		return t, nil
	}
	return nil, notFound("template_id: no template has the id %d", id)
}

// listTemplates answers with one page of templates, in the order of their ids.
func (a *account) listTemplates(c *call) (any, error) {
	page, err := c.page()
	if err != nil {
		return nil, err
	}
	status := c.query.Get("status")
	if status != "" && status != "ACTIVE" {
		return nil, badRequest("status: %q is not ACTIVE; without it all templates are listed", shorten(status))
	}
	type row struct {
		ID        int64  `json:"id"`
		Title     string `json:"title"`
		Thumbnail string `json:"thumbnail"`
	}
	rows := []row{}
	for _, t := range a.Templates {
		if status == "" || !t.Inactive {
			rows = append(rows, row{int64(t.ID), t.Title, fmt.Sprintf("https://example.com/thumbnails/%d.png", t.ID)})
		}
	}
	rows, _ = slicePage(rows, page, a.sandbox.opts.PageSize)
	return struct {
		Templates []row `json:"Templates"`
	}{rows}, nil
}
