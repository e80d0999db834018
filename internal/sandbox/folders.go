package sandbox

import (
	"cmp"
	"slices"

	"github.com/revv-go/revv"
)

// The types of entries. Only the first was observed.
const (
	entryDocument = "f"
	entryFolder   = "d"
)

// inodeJSON is an entry on the wire.
type inodeJSON struct {
	ID     int64       `json:"id"`
	Name   string      `json:"name"`
	Type   string      `json:"type"`
	Number string      `json:"doc_no,omitzero"`
	Status *statusJSON `json:"document_status"`
	Tag    *statusJSON `json:"document_tag"`
}

func (e entry) wire() inodeJSON {
	if e.folder != nil {
		return inodeJSON{ID: int64(e.folder.ID), Name: e.folder.Name, Type: entryFolder}
	}
	d := e.document
	return inodeJSON{
		ID: int64(d.EntryID), Name: d.Title, Type: entryDocument, Number: string(d.Number),
		Status: stageJSON(d.Stage), Tag: &statusJSON{""},
	}
}

// listEntries answers with one page of all folders and documents of the account.
func (a *account) listEntries(c *call) (any, error) {
	return a.entryPage(c, a.entries)
}

// listFolder answers with one page of what is directly in a folder.
func (a *account) listFolder(c *call) (any, error) {
	f, err := a.folderByPath(c.param)
	if err != nil {
		return nil, err
	}
	inside := make([]entry, 0, len(a.entries))
	for _, e := range a.entries {
		if e.parent() == f.ID {
			inside = append(inside, e)
		}
	}
	return a.entryPage(c, inside)
}

func (a *account) entryPage(c *call, entries []entry) (any, error) {
	page, err := c.page()
	if err != nil {
		return nil, err
	}
	byNumber, err := c.flag("sort_by_doc_num")
	if err != nil {
		return nil, err
	}
	if byNumber { // documents first: a folder has no number
		entries = slices.Clone(entries)
		slices.SortStableFunc(entries, func(x, y entry) int {
			switch {
			case x.folder != nil && y.folder != nil:
				return 0
			case x.folder != nil:
				return 1
			case y.folder != nil:
				return -1
			}
			return cmp.Compare(x.document.Number, y.document.Number)
		})
	}
	rows, pages := slicePage(entries, page, a.sandbox.opts.PageSize)
	type pageJSON struct {
		Inodes []inodeJSON `json:"inodes"`
		Count  int         `json:"count"`
	}
	listing := pageJSON{Inodes: make([]inodeJSON, len(rows)), Count: pages}
	for i, e := range rows {
		listing.Inodes[i] = e.wire()
	}
	return struct {
		Page pageJSON `json:"page"`
	}{listing}, nil
}

func (a *account) createFolder(c *call) (any, error) {
	b, err := c.object()
	if err != nil {
		return nil, err
	}
	name := b.title("name", required)
	parent := revv.FolderID(b.id("parent_id", optional))
	if err := b.end(); err != nil {
		return nil, err
	}
	f, err := a.addFolder(name, parent)
	if err != nil {
		return nil, err
	}
	type folderJSON struct {
		ID   int64  `json:"id"`
		Name string `json:"name"`
	}
	return struct {
		Folder folderJSON `json:"Folder"`
	}{folderJSON{int64(f.ID), f.Name}}, nil
}

// addFolder makes a folder; without a parent it goes into the main folder.
func (a *account) addFolder(name string, parent revv.FolderID) (*Folder, error) {
	if err := checkTitle(name); err != nil {
		return nil, badValue("name: %s", err)
	}
	if parent == 0 {
		parent = mainFolderID
	}
	if _, err := a.folder("parent_id", parent); err != nil {
		return nil, err
	}
	f := &Folder{ID: revv.FolderID(take(&a.Next.Entry)), Name: name, ParentID: parent}
	a.Folders = append(a.Folders, f)
	a.folders[f.ID] = f
	a.entries = append(a.entries, entry{folder: f})
	a.changed("folder", f.ID)
	return f, nil
}

// deleteFolder removes a folder. What was in it moves to its parent: nothing is
// known of what the service does, and losing contracts is the worst guess.
func (a *account) deleteFolder(c *call) (any, error) {
	f, err := a.folderByPath(c.param)
	if err != nil {
		return nil, err
	}
	if f.ID == mainFolderID {
		return nil, conflict("the main folder cannot be deleted")
	}
	for _, e := range a.entries {
		switch {
		case e.parent() != f.ID:
		case e.folder != nil:
			e.folder.ParentID = f.ParentID
		default:
			e.document.FolderID = f.ParentID
			a.touch(e.document)
		}
	}
	delete(a.folders, f.ID)
	a.Folders = slices.DeleteFunc(a.Folders, func(other *Folder) bool { return other == f })
	a.entries = slices.DeleteFunc(a.entries, func(e entry) bool { return e.folder == f })
	a.changed("folder", f.ID)
	return struct{}{}, nil
}

// folder finds a folder by the id that the member called name holds.
func (a *account) folder(name string, id revv.FolderID) (*Folder, error) {
	if f := a.folders[id]; f != nil {
		return f, nil
	}
	for _, d := range a.Documents {
		if int64(d.EntryID) == int64(id) {
			return nil, notFound("%s: no folder has the id %d: that is the entry of the document %s", name, id, d.Number)
		}
	}
	return nil, notFound("%s: no folder has the id %d", name, id)
}

func (a *account) folderByPath(text string) (*Folder, error) {
	id, err := pathID("folder id", text)
	if err != nil {
		return nil, err
	}
	return a.folder("folder id", revv.FolderID(id))
}

// AddFolder makes a folder; its ID is ignored, and without a parent it goes into
// the main folder.
func (s *Sandbox) AddFolder(f Folder) (id revv.FolderID, err error) {
	err = s.do(func(a *account) error {
		added, err := a.addFolder(f.Name, f.ParentID)
		if err == nil {
			id = added.ID
		}
		return err
	})
	return id, err
}

// Folders lists all folders, the main folder first.
func (s *Sandbox) Folders() []Folder {
	return read(s, func(a *account) []Folder {
		folders := make([]Folder, len(a.Folders))
		for i, f := range a.Folders {
			folders[i] = *f
		}
		return folders
	})
}
