package sandbox

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/revv-go/revv"
)

// documentJSON is a document on the wire.
type documentJSON struct {
	ID         int64       `json:"id"`
	Number     string      `json:"doc_no"`
	ObjectID   string      `json:"object_id"`
	Title      string      `json:"title"`
	TemplateID int64       `json:"template_id"`
	FolderID   int64       `json:"folder_id"`
	Status     *statusJSON `json:"document_status"`
	Fields     []Field     `json:"fields"`
	CreatedAt  string      `json:"created_at"`
	UpdatedAt  string      `json:"updated_at"`
}

// statusJSON is a stage on the wire.
type statusJSON struct {
	Name string `json:"name"`
}

func stageJSON(stage revv.Stage) *statusJSON {
	if stage == "" {
		return nil
	}
	return &statusJSON{string(stage)}
}

// wireTime formats a time in the layout that was observed.
func wireTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// documentAnswer is {"Document":{…}}.
func documentAnswer(d *Document) any {
	return struct {
		Document documentJSON `json:"Document"`
	}{documentJSON{
		ID: int64(d.ID), Number: string(d.Number), ObjectID: string(d.ObjectID), Title: d.Title,
		TemplateID: int64(d.TemplateID), FolderID: int64(d.FolderID), Status: stageJSON(d.Stage),
		Fields:    append([]Field{}, d.Fields...),
		CreatedAt: wireTime(d.CreatedAt), UpdatedAt: wireTime(d.UpdatedAt),
	}}
}

func (a *account) createDocument(c *call) (any, error) {
	b, err := c.object()
	if err != nil {
		return nil, err
	}
	templateID := revv.TemplateID(b.id("template_id", required))
	title := b.title("title", optional)
	folderID := revv.FolderID(b.id("folder_id", optional))
	if err := b.end(); err != nil {
		return nil, err
	}
	d, err := a.newDocument(templateID, title, folderID)
	if err != nil {
		return nil, err
	}
	return documentAnswer(d), nil
}

// newDocument makes a document; an empty title and a zero folder take their
// defaults.
func (a *account) newDocument(templateID revv.TemplateID, title string, folderID revv.FolderID) (*Document, error) {
	t, err := a.template(templateID)
	if err != nil {
		return nil, err
	}
	if folderID == 0 {
		folderID = mainFolderID
	}
	if _, err := a.folder("folder_id", folderID); err != nil {
		return nil, err
	}
	if title == "" {
		title = t.Title
	}
	d := &Document{Title: title, TemplateID: t.ID, FolderID: folderID, Fields: append([]Field(nil), t.Fields...)}
	a.addDocument(d)
	a.record(d, eventCreated, a.owner())
	return d, nil
}

// addDocument gives a draft its ids and its place in the listing.
func (a *account) addDocument(d *Document) {
	d.ID = revv.DocumentID(take(&a.Next.Document))
	d.Number = revv.DocumentNumber(fmt.Sprintf("DOC-%06d", take(&a.Next.Number)))
	d.EntryID = revv.EntryID(take(&a.Next.Entry))
	for d.ObjectID == "" || a.objects[d.ObjectID] != nil {
		d.ObjectID = revv.ObjectID("DOC-" + a.source.text(objectIDLength))
	}
	d.Stage = revv.StageDraft
	d.CreatedAt = a.stamp()
	d.UpdatedAt = d.CreatedAt
	a.Documents = append(a.Documents, d)
	a.entries = append(a.entries, entry{document: d})
	a.indexDocument(d)
	a.changed("document", d.ID)
}

// touch notes a change of the document.
func (a *account) touch(d *Document) {
	d.UpdatedAt = a.stamp()
	a.changed("document", d.ID)
}

func (a *account) getDocument(c *call) (any, error) {
	d, err := a.documentByID(c.param)
	if err != nil {
		return nil, err
	}
	return documentAnswer(d), nil
}

func (a *account) getDocumentByNumber(c *call) (any, error) {
	d, err := a.documentByNumber(c.param)
	if err != nil {
		return nil, err
	}
	return documentAnswer(d), nil
}

// documentAndBody returns the document that the path names and the members of the
// body, which is how calls that change a document begin.
func (a *account) documentAndBody(c *call) (*Document, *object, error) {
	d, err := a.documentByID(c.param)
	if err != nil {
		return nil, nil, err
	}
	b, err := c.object()
	return d, b, err
}

func (a *account) putFields(c *call) (any, error) {
	d, b, err := a.documentAndBody(c)
	if err != nil {
		return nil, err
	}
	values := b.fieldValues("fields")
	if err := b.end(); err != nil {
		return nil, err
	}
	if reason := d.settled(); reason != "" {
		return nil, conflict("the fields of document %d cannot be changed any more, because it is %s", d.ID, reason)
	}
	if err := d.setFields(values, "fields"); err != nil {
		return nil, err
	}
	a.touch(d)
	a.record(d, eventFieldsChanged, a.owner())
	return documentAnswer(d), nil
}

func (a *account) cloneDocument(c *call) (any, error) {
	d, b, err := a.documentAndBody(c)
	if err != nil {
		return nil, err
	}
	title := b.title("title", optional)
	if err := b.end(); err != nil {
		return nil, err
	}
	if title == "" {
		title = firstLetters("Copy of "+d.Title, maxTitle)
	}
	copied := &Document{Title: title, TemplateID: d.TemplateID, FolderID: d.FolderID, Fields: append([]Field(nil), d.Fields...)}
	a.addDocument(copied)
	a.record(copied, eventCreated, a.owner(), d.Title)
	return documentAnswer(copied), nil
}

func (a *account) moveDocument(c *call) (any, error) {
	d, b, err := a.documentAndBody(c)
	if err != nil {
		return nil, err
	}
	folderID := revv.FolderID(b.id("folder_id", required))
	if err := b.end(); err != nil {
		return nil, err
	}
	f, err := a.folder("folder_id", folderID)
	if err != nil {
		return nil, err
	}
	if d.FolderID != folderID { // a repetition leads to the same state, and leaves no trace
		d.FolderID = folderID
		a.touch(d)
		a.record(d, eventMoved, a.owner(), f.Name)
	}
	return documentAnswer(d), nil
}

// The shapes of the ids that are texts.
var (
	documentNumber = regexp.MustCompile(`^DOC-[0-9]{6,}$`)
	objectID       = regexp.MustCompile(`^DOC-[A-Za-z0-9]{12}$`)
)

// documentByID finds a document by the id in a path, and explains which kind of
// id was given instead.
func (a *account) documentByID(text string) (*Document, error) {
	id, err := pathID("document id", text)
	if err != nil {
		return nil, err
	}
	if d := a.documents[revv.DocumentID(id)]; d != nil {
		return d, nil
	}
	for _, e := range a.entries {
		if e.document != nil && int64(e.document.EntryID) == id {
			return nil, notFound("no document has the id %d: that is the id of the entry of document %d in the folder listing; read the document by its doc_no %s to learn its id",
				id, e.document.ID, e.document.Number)
		}
	}
	return nil, notFound("no document has the id %d", id)
}

func (a *account) documentByNumber(text string) (*Document, error) {
	if d := a.numbers[revv.DocumentNumber(text)]; d != nil {
		return d, nil
	}
	switch {
	case documentNumber.MatchString(text):
		return nil, notFound("no document has the number %s", shorten(text))
	case objectID.MatchString(text):
		return nil, badID("doc_no: %s is an object id; this route takes a document number as DOC-000040", shorten(text))
	}
	return nil, badID("doc_no: %q is no document number; it is DOC- and six digits, as DOC-000040", shorten(text))
}

// documentByObject finds a document by its object id, given in a path or a
// member called name.
func (a *account) documentByObject(name, text string) (*Document, error) {
	if d := a.objects[revv.ObjectID(text)]; d != nil {
		return d, nil
	}
	switch {
	case objectID.MatchString(text):
		return nil, notFound("%s: no object has the id %s", name, shorten(text))
	case documentNumber.MatchString(text):
		return nil, badID("%s: %s is a document number; an object id is due, which is DOC- and twelve letters or digits", name, shorten(text))
	}
	return nil, badID("%s: %q is no object id, which is DOC- and twelve letters or digits", name, shorten(text))
}

// owner is the person on whose behalf the API acts.
func (a *account) owner() Person {
	return Person{Email: a.Owner.Email, FirstName: a.Owner.FirstName, LastName: a.Owner.LastName}
}

// Document returns a document as it is now.
func (s *Sandbox) Document(id revv.DocumentID) (Document, bool) {
	var found Document
	ok := read(s, func(a *account) bool {
		d := a.documents[id]
		if d != nil {
			found = d.clone()
		}
		return d != nil
	})
	return found, ok
}

// Documents lists all documents, the newest first.
func (s *Sandbox) Documents() []Document {
	return read(s, func(a *account) []Document {
		documents := make([]Document, 0, len(a.Documents))
		for _, d := range slices.Backward(a.Documents) {
			documents = append(documents, d.clone())
		}
		return documents
	})
}

// CreateDocument makes a document as the owner would; an empty title and a zero
// folder take their defaults.
func (s *Sandbox) CreateDocument(template revv.TemplateID, title string, folder revv.FolderID) (id revv.DocumentID, err error) {
	err = s.do(func(a *account) error {
		if title != "" {
			if err := checkTitle(title); err != nil {
				return badValue("title: %s", err)
			}
		}
		d, err := a.newDocument(template, title, folder)
		if err == nil {
			id = d.ID
		}
		return err
	})
	return id, err
}
