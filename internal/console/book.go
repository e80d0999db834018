package console

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/internal/sandbox"
)

// folderRow is a folder, as a page shows it.
type folderRow struct {
	sandbox.Folder

	Parent    string
	Documents int
}

func (c *Console) foldersPage(w http.ResponseWriter, r *http.Request) error {
	return c.folders(w, r, http.StatusOK, "", "")
}

func (c *Console) folders(w http.ResponseWriter, r *http.Request, status int, name, problem string) error {
	folders := c.sandbox.Folders()
	names, counts := map[revv.FolderID]string{}, map[revv.FolderID]int{}
	for _, f := range folders {
		names[f.ID] = f.Name
	}
	for _, d := range c.sandbox.Documents() {
		counts[d.FolderID]++
	}
	rows := make([]folderRow, len(folders))
	for i, f := range folders {
		rows[i] = folderRow{f, names[f.ParentID], counts[f.ID]}
	}
	found := list(r, rows, func(f folderRow, query string) bool { return contains(query, f.Name, f.Parent) })
	return c.render(w, status, "folders", view{Title: "Folders", Nav: "folders", Watch: "folder document", Data: struct {
		List          listing[folderRow]
		Name, Problem string
	}{found, name, problem}})
}

func (c *Console) createFolder(w http.ResponseWriter, r *http.Request) error {
	if err := onlyInputs(r, "name"); err != nil {
		return err
	}
	name := strings.TrimSpace(r.PostFormValue("name"))
	if problem := titleProblem(name); problem != "" {
		return c.folders(w, r, http.StatusUnprocessableEntity, name, problem)
	}
	if _, err := c.sandbox.AddFolder(sandbox.Folder{Name: name}); err != nil {
		return c.folders(w, r, http.StatusUnprocessableEntity, name, "This name cannot be used: "+err.Error()+".")
	}
	return back(w, "/folders")
}

func (c *Console) contactsPage(w http.ResponseWriter, r *http.Request) error {
	found := list(r, c.sandbox.Contacts(), func(contact sandbox.Contact, query string) bool {
		return contains(query, contact.Name, contact.Email, contact.Title, contact.Phone, contact.Notes, contact.Description)
	})
	return c.render(w, http.StatusOK, "contacts", view{Title: "Contacts", Nav: "contacts", Watch: "contact", Data: found})
}

func (c *Console) templatesPage(w http.ResponseWriter, r *http.Request) error {
	found := list(r, c.sandbox.Templates(), func(t sandbox.Template, query string) bool {
		texts := make([]string, 0, 2+len(t.Fields))
		texts = append(texts, t.Title, strconv.FormatInt(int64(t.ID), 10))
		for _, f := range t.Fields {
			texts = append(texts, f.Name)
		}
		return contains(query, texts...)
	})
	return c.render(w, http.StatusOK, "templates", view{Title: "Templates", Nav: "templates", Watch: "template", Data: found})
}

func (c *Console) templatePage(w http.ResponseWriter, r *http.Request) error {
	t, err := c.template(r)
	if err != nil {
		return err
	}
	return c.templateView(w, http.StatusOK, t, "", "")
}

func (c *Console) templateView(w http.ResponseWriter, status int, t sandbox.Template, title, problem string) error {
	return c.render(w, status, "template", view{Title: t.Title, Nav: "templates", Data: struct {
		Template       sandbox.Template
		Title, Problem string
	}{t, title, problem}})
}

func (c *Console) template(r *http.Request) (sandbox.Template, error) {
	id, err := pathNumber(r, "template")
	if err != nil {
		return sandbox.Template{}, err
	}
	for _, t := range c.sandbox.Templates() {
		if t.ID == revv.TemplateID(id) {
			return t, nil
		}
	}
	return sandbox.Template{}, missing("template")
}

// createDocument makes a document of a template, as the owner would in the web
// pages of the service.
func (c *Console) createDocument(w http.ResponseWriter, r *http.Request) error {
	t, err := c.template(r)
	if err != nil {
		return err
	}
	if err := onlyInputs(r, "title"); err != nil {
		return err
	}
	title := strings.TrimSpace(r.PostFormValue("title"))
	id, err := c.sandbox.CreateDocument(t.ID, title, 0)
	if err != nil {
		return c.templateView(w, http.StatusUnprocessableEntity, t, title, "The document was not made: "+err.Error()+".")
	}
	return back(w, documentPath(id))
}
