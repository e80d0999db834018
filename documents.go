package revv

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"
)

// DocumentsService creates, sends and follows documents.
type DocumentsService service

func (s *DocumentsService) root() *core { return (*service)(s).root() }

// Document is a document as the service shows it when it is read by itself. What the
// service does not send stays zero.
type Document struct {
	ID         DocumentID     `json:"id"`
	Number     DocumentNumber `json:"doc_no"`
	ObjectID   ObjectID       `json:"object_id"`
	Title      string         `json:"title"`
	TemplateID TemplateID     `json:"template_id"`
	FolderID   FolderID       `json:"folder_id"`
	Stage      Stage          `json:"document_status"`
	Fields     []Field        `json:"fields"`
	CreatedAt  Time           `json:"created_at"`
	UpdatedAt  Time           `json:"updated_at"`
	// Raw is the object as it came, with the members that are not modelled.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON decodes a document and keeps it in Raw. An object without any identifier
// is refused, and so is the zero Document: a field that may be empty needs omitzero.
func (d *Document) UnmarshalJSON(data []byte) error { return unmarshalModel(data, d) }

func (d *Document) decodeScanned(object []byte) error {
	err := decodeModel(object, d, &d.Raw,
		member{"id", &d.ID}, member{"doc_no", &d.Number}, member{"object_id", &d.ObjectID}, member{"title", &d.Title},
		member{"template_id", &d.TemplateID}, member{"folder_id", &d.FolderID}, member{"document_status", &d.Stage},
		member{"fields", &d.Fields}, member{"created_at", &d.CreatedAt}, member{"updated_at", &d.UpdatedAt})
	if err != nil {
		return err
	}
	if d.ID == 0 && d.Number == "" && d.ObjectID == "" {
		return modelError("a document without id, doc_no and object_id")
	}
	return nil
}

// Field returns the field of that name, exactly as it is written, or the zero Field if
// the document shows none.
func (d *Document) Field(name string) Field {
	if d != nil {
		for _, f := range d.Fields {
			if f.Name == name {
				return f
			}
		}
	}
	return Field{}
}

// Field is a named field of a document. What the service calls its types is not known:
// text and date are those of its web pages.
type Field struct {
	Name     string          `json:"name"`
	Type     string          `json:"type"`
	Required bool            `json:"required"` // true, "true", 1 and "1"; false for anything else
	Value    string          `json:"value"`    // a text; anything else as its JSON text, null as ""
	Raw      json.RawMessage `json:"-"`
}

// UnmarshalJSON decodes a field and keeps it in Raw.
func (f *Field) UnmarshalJSON(data []byte) error { return unmarshalModel(data, f) }

func (f *Field) decodeScanned(object []byte) error {
	return decodeModel(object, f, &f.Raw,
		member{"name", &f.Name}, member{"type", &f.Type}, member{"required", (*looseBool)(&f.Required)}, member{"value", (*looseText)(&f.Value)})
}

// looseText is a text that may come as any JSON value.
type looseText string

// UnmarshalJSON keeps an object or array as its JSON.
func (l *looseText) UnmarshalJSON(data []byte) error {
	text, ok := scalarText(data)
	if !ok {
		text = string([]rune(string(data))) // U+FFFD for broken UTF-8, as in any other text
	}
	*l = looseText(text)
	return nil
}

// looseBool is a boolean that may come as any JSON value.
type looseBool bool

// UnmarshalJSON reads anything that is not known to mean true as false: an odd value must
// not make the whole document unreadable.
func (m *looseBool) UnmarshalJSON(data []byte) error {
	*m = looseBool(containsText([]string{"true", `"true"`, "1", `"1"`}, string(data)))
	return nil
}

// DocumentEntry is a document in a list. It has the document's number but not its id:
// read the document with [DocumentsService.GetByNumber].
type DocumentEntry struct {
	EntryID EntryID        `json:"id"`   // of the entry; not the id of the document
	Name    string         `json:"name"` // the title of the document
	Type    string         `json:"type"` // "f" for documents
	Number  DocumentNumber `json:"doc_no"`
	Stage   Stage          `json:"document_status"`
	Tag     Tag            `json:"document_tag"`
	// Raw is the object as it came, with the members that are not modelled.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON decodes an entry and keeps it in Raw.
func (e *DocumentEntry) UnmarshalJSON(data []byte) error { return unmarshalModel(data, e) }

func (e *DocumentEntry) decodeScanned(object []byte) error {
	return decodeModel(object, e, &e.Raw,
		member{"id", &e.EntryID}, member{"name", &e.Name}, member{"type", &e.Type},
		member{"doc_no", &e.Number}, member{"document_status", &e.Stage}, member{"document_tag", &e.Tag})
}

// Tag is the tag of a document, "" for none.
type Tag string

// UnmarshalJSON accepts {"name":"…"}, which was observed, a text, and null.
func (t *Tag) UnmarshalJSON(data []byte) error { return unmarshalName(data, t) }

// CreateDocumentParams are the arguments of [DocumentsService.Create].
type CreateDocumentParams struct {
	TemplateID TemplateID `json:"template_id"`        // required
	Title      string     `json:"title,omitzero"`     // "" leaves it to the service
	FolderID   FolderID   `json:"folder_id,omitzero"` // 0 leaves it to the service, which is taken to use the main folder (a stand-in)
}

func (p CreateDocumentParams) validate() (name, rule string) {
	switch {
	case p.TemplateID <= 0:
		return "TemplateID", "must be positive"
	case p.FolderID < 0:
		return "FolderID", "must not be negative"
	}
	return validateTexts("Title", p.Title)
}

// Create makes a document from an active template. Its fields are in the answer; no known
// call shows the fields of a template. Observed in eight clients. In the sandbox it is
// [ErrNotFound] if there is no such template or folder, and [ErrConflict] if the template
// is not active.
//
// A write with consequences: it is not repeated when its outcome is unknown
// ([ErrOutcomeUnknown], [MaybeApplied]). Then look for the document by its title in
// [DocumentsService.All]; so put an id of your own into the title.
func (s *DocumentsService) Create(ctx context.Context, params CreateDocumentParams, opts ...CallOption) (*Document, error) {
	return fetch[Document](ctx, s.root(), &call{op: opCreateDocument, body: params}, "Document", opts)
}

// Get reads a document by its id. [ErrNotFound] if there is none. A read.
func (s *DocumentsService) Get(ctx context.Context, id DocumentID, opts ...CallOption) (*Document, error) {
	return fetch[Document](ctx, s.root(), &call{op: opGetDocument, id: numericID("id", int64(id))}, "Document", opts)
}

// GetByNumber reads a document by the number that people see. [ErrNotFound] if
// there is none. A read.
func (s *DocumentsService) GetByNumber(ctx context.Context, number DocumentNumber, opts ...CallOption) (*Document, error) {
	return fetch[Document](ctx, s.root(), &call{op: opGetDocumentByNumber, id: segment{name: "number", text: string(number)}}, "Document", opts)
}

// ListDocumentsParams are the arguments of [DocumentsService.List] and
// [DocumentsService.All]. Whether the list of the account has the documents that are in folders
// is not known.
type ListDocumentsParams struct {
	Page         int      `url:"page_num"`                  // from 1; 0 means 1
	SortByNumber bool     `url:"sort_by_doc_num,omitempty"` // sorts by document number; in which direction is not known
	FolderID     FolderID `url:"-"`                         // 0 lists the account, any other id the content of that folder (a stand-in)
	Prefetch     int      `url:"-"`                         // pages All reads ahead, 32 at most: 0 means 4, negative means none
}

func (p ListDocumentsParams) validate() (name, rule string) {
	if p.FolderID < 0 {
		return "FolderID", "must not be negative"
	}
	return validatePaging(p.Page, p.Prefetch)
}

// isDocument reports whether an entry is that of a document: those of the type "f" were
// observed. Of another type, a number tells it, except for "d", which is inferred for folders.
func isDocument(kind string, number DocumentNumber) bool {
	return kind == "f" || kind != "d" && number != ""
}

// List returns one page of the documents of the account or of a folder. A page can have
// no documents and still not be the last, because the listing also contains folders; see
// [Page.Last]. In the sandbox it is [ErrNotFound] if there is no such folder. A read.
func (s *DocumentsService) List(ctx context.Context, params ListDocumentsParams, opts ...CallOption) (*Page[DocumentEntry], error) {
	params.Page = cmp.Or(params.Page, 1)
	call := &call{op: opListDocuments, query: params}
	if params.FolderID != 0 {
		call.op, call.id = opListFolderContents, numericID("FolderID", int64(params.FolderID))
	}
	page, err := fetchPage[DocumentEntry](ctx, s.root(), call, params.Page, listingKey, opts)
	if err != nil {
		return nil, err
	}
	documents := page.Items[:0]
	for i := range page.Items {
		if entry := &page.Items[i]; isDocument(entry.Type, entry.Number) {
			documents = append(documents, *entry)
		}
	}
	clear(page.Items[len(documents):]) // or they would stay in memory with the page
	page.Items = documents
	return page, nil
}

// All ranges over the documents of the account or of a folder, page by page, reading some
// pages ahead. The second value is an error, which ends the range; it is [ErrPageLoop] if
// a page comes again. A read.
//
// The service counts pages, so changes during the range can disturb it:
//
//   - If an earlier entry goes away, for example because a document is moved, the
//     later ones shift, and one of them can be missed without an error.
//   - If entries are added at the end, while the page after the last one is being
//     read, those that fill up the last page are missed.
//   - If entries are added at the front, some come twice; a whole page of them looks
//     like [ErrPageLoop].
//
// SortByNumber at least keeps other changes from reordering the list (the parameter was
// observed; which way it sorts was not). Read the list again before you create something
// because it was not there, and do not assume that everything up to the last entry has
// been seen.
func (s *DocumentsService) All(ctx context.Context, params ListDocumentsParams, opts ...CallOption) iter.Seq2[DocumentEntry, error] {
	return allPages[DocumentEntry](ctx, operations[opListDocuments].name, params.Page, params.Prefetch, func(ctx context.Context, number int) (anyPage, error) {
		params := params // pages are fetched at the same time
		params.Page = number
		return s.List(ctx, params, opts...)
	})
}

// FieldValue sets one field.
type FieldValue struct {
	Name  string `json:"name"` // required
	Value string `json:"value"`
}

type setFieldsBody struct {
	Fields []FieldValue `json:"fields"`
}

func (b *setFieldsBody) validate() (name, rule string) {
	if len(b.Fields) == 0 {
		return "fields", "must not be empty"
	}
	seen := make(map[string]bool, len(b.Fields))
	for i, f := range b.Fields {
		name := fmt.Sprintf("fields[%d].Name", i)
		switch {
		case strings.TrimSpace(f.Name) == "":
			return name, "must not be empty"
		case !utf8.ValidString(f.Name):
			return name, notUTF8
		case !utf8.ValidString(f.Value):
			return fmt.Sprintf("fields[%d].Value", i), notUTF8
		case seen[f.Name]:
			return name, "must not occur twice"
		}
		seen[f.Name] = true
	}
	return "", ""
}

// SetFields writes the values of named fields, leaves the others alone, and returns the
// document as it is then. At least one field, and none twice; names are compared exactly,
// and "" is meant to clear a value. How dates and numbers are written is not known: the sandbox
// takes 2021-06-18 and 1500.50, and answers [ErrInvalid] for an unknown name or a value
// that does not fit, [ErrConflict] for a document that cannot be changed any more.
// Compare the answer with what you wrote, by [Document.Field], before you send the document:
// the service was seen to tolerate members that it does not know, so that a wrong shape can
// be a success that has written nothing. An idempotent write. Of two calls within a minute, a late
// request of the first can win (docs/after-a-lost-answer.md). The route is a stand-in.
func (s *DocumentsService) SetFields(ctx context.Context, id DocumentID, fields []FieldValue, opts ...CallOption) (*Document, error) {
	return fetch[Document](ctx, s.root(), &call{op: opSetFields, id: numericID("id", int64(id)), body: &setFieldsBody{fields}}, "Document", opts)
}

// CloneDocumentParams are the arguments of [DocumentsService.Clone].
type CloneDocumentParams struct {
	Title string `json:"title,omitzero"` // "" leaves it to the service
}

func (p CloneDocumentParams) validate() (name, rule string) { return validateTexts("Title", p.Title) }

// Clone copies a document. [ErrNotFound] if there is none. The answer is taken to be the copy:
// that it has an id of its own is worth a look before anything is done with it. A write with
// consequences: it is not repeated when its outcome is unknown ([ErrOutcomeUnknown]). The path
// was observed in one client, the rest is inferred.
func (s *DocumentsService) Clone(ctx context.Context, id DocumentID, params CloneDocumentParams, opts ...CallOption) (*Document, error) {
	return fetch[Document](ctx, s.root(), &call{op: opCloneDocument, id: numericID("id", int64(id)), body: params}, "Document", opts)
}

type moveBody struct {
	FolderID FolderID `json:"folder_id"`
}

func (b *moveBody) validate() (name, rule string) {
	if b.FolderID <= 0 {
		return "folder", "must be positive"
	}
	return "", ""
}

// Move puts a document into a folder, whose id must be known: unlike
// [DocumentsService.Create] it takes no 0 for the main folder. In the sandbox that has
// the id 1; of the service, a document that was made without a folder may show it as its
// FolderID. [ErrNotFound] if there is no such document or folder. Look at the FolderID of
// the answer: a wrong shape can be a success that has moved nothing. An idempotent write. The
// route is a stand-in.
func (s *DocumentsService) Move(ctx context.Context, id DocumentID, folder FolderID, opts ...CallOption) (*Document, error) {
	return fetch[Document](ctx, s.root(), &call{op: opMoveDocument, id: numericID("id", int64(id)), body: &moveBody{folder}}, "Document", opts)
}
