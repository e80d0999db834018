package revv

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"

	"github.com/revv-go/revv/internal/wire"
)

// FoldersService creates, lists and deletes folders.
type FoldersService service

func (s *FoldersService) root() *core { return (*service)(s).root() }

// Folder is a folder of the account.
type Folder struct {
	ID   FolderID `json:"id"`
	Name string   `json:"name"`
	// Type is the type of the folder's entry in a listing, "" elsewhere. That
	// folders are "d" is inferred; what is not a document counts as a folder. A document is
	// an entry of the type "f", or of any other type than "d" if it has a number.
	Type string `json:"type"`
	// Raw is the object as it came, with the members that are not modelled.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON decodes a folder and keeps it in Raw.
func (f *Folder) UnmarshalJSON(data []byte) error { return unmarshalModel(data, f) }

func (f *Folder) decodeScanned(object []byte) error {
	return decodeModel(object, f, &f.Raw, member{"id", &f.ID}, member{"name", &f.Name}, member{"type", &f.Type})
}

// CreateFolderParams are the arguments of [FoldersService.Create].
type CreateFolderParams struct {
	Name     string   `json:"name"`               // required
	ParentID FolderID `json:"parent_id,omitzero"` // 0 is not sent, which means the main folder (a stand-in)
}

func (p CreateFolderParams) validate() (name, rule string) {
	switch {
	case strings.TrimSpace(p.Name) == "":
		return "Name", "must not be empty"
	case p.ParentID < 0:
		return "ParentID", "must not be negative"
	}
	return validateTexts("Name", p.Name)
}

// Create makes a folder. In the sandbox it is [ErrNotFound] if there is no such parent. An
// answer without the id of the folder is [ErrAppliedResponseUnreadable]: in other calls, an
// id of 0 means the main folder or the whole account. A write with consequences: it is not
// repeated when its outcome is unknown ([ErrOutcomeUnknown]). The route is a stand-in.
func (s *FoldersService) Create(ctx context.Context, params CreateFolderParams, opts ...CallOption) (*Folder, error) {
	folder := new(Folder)
	err := s.root().runOp(ctx, &call{op: opCreateFolder, body: params}, opts, func(body []byte) error {
		if err := decodeMember(body, "Folder", folder); err != nil || folder.ID != 0 {
			return err
		}
		return malformed(errors.New(`the member "Folder.id" is missing`))
	})
	if err != nil {
		return nil, err
	}
	return folder, nil
}

// ListFoldersParams are the arguments of [FoldersService.List] and
// [FoldersService.All].
type ListFoldersParams struct {
	Page     int `url:"page_num"` // from 1; 0 means 1
	Prefetch int `url:"-"`        // pages All reads ahead, 32 at most: 0 means 4, negative means none
}

func (p ListFoldersParams) validate() (name, rule string) { return validatePaging(p.Page, p.Prefetch) }

// List returns one page of the folders. A page can have no folders and still not be the
// last, because the listing also contains documents; see [Page.Last]. A read.
func (s *FoldersService) List(ctx context.Context, params ListFoldersParams, opts ...CallOption) (*Page[Folder], error) {
	params.Page = cmp.Or(params.Page, 1)
	page, err := fetchPage[Folder](ctx, s.root(), &call{op: opListFolders, query: params}, params.Page, listingKey, opts)
	if err != nil {
		return nil, err
	}
	folders := page.Items[:0]
	for i := range page.Items {
		switch entry := &page.Items[i]; {
		case !isFolder(entry):
		case entry.ID == 0: // an id that is missing or cannot be read
			return nil, opError(operations[opListFolders].name, malformed(errors.New(`a folder of the member "page.inodes" has no "id"`)))
		default:
			folders = append(folders, *entry)
		}
	}
	clear(page.Items[len(folders):]) // as for documents
	page.Items = folders
	return page, nil
}

// isFolder reports whether an entry is that of a folder.
func isFolder(entry *Folder) bool {
	members := wire.Select(entry.Raw, "doc_no", "id")
	number, _ := scalarText(members[0])
	id, _ := scalarText(members[1])
	return !isDocument(entry.Type, DocumentNumber(number)) && id != "0" // which stands for the whole account here, so it can be no folder
}

// All ranges over the folders, page by page, reading some pages ahead. The second value
// is an error, which ends the range; it is [ErrPageLoop] if a page comes again. A folder
// can be missed if the list changes meanwhile, see [DocumentsService.All]. A read.
func (s *FoldersService) All(ctx context.Context, params ListFoldersParams, opts ...CallOption) iter.Seq2[Folder, error] {
	return allPages[Folder](ctx, operations[opListFolders].name, params.Page, params.Prefetch, func(ctx context.Context, number int) (anyPage, error) {
		params := params // pages are fetched at the same time
		params.Page = number
		return s.List(ctx, params, opts...)
	})
}

// Delete removes a folder. What happens to the documents in it is not known, so try it
// with a draft first. (The sandbox moves them to the parent folder, and answers
// [ErrConflict] for the main folder.) [ErrNotFound] if there is no such folder, but
// success if an earlier attempt of the same call was cut, or answered with 408 or 5xx. An
// idempotent write. The route is a stand-in.
func (s *FoldersService) Delete(ctx context.Context, id FolderID, opts ...CallOption) error {
	return s.root().runOp(ctx, &call{op: opDeleteFolder, id: numericID("id", int64(id))}, opts, decodeAcknowledgement)
}
