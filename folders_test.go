package revv_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func TestCreateFolder_sendsNameAndParent(t *testing.T) {
	t.Parallel()
	p := insert(t, "CreateFolder", func(_ *testing.T, s *revvtest.Server) { s.AddFolder("Offers", 0) })
	folder, err := p.Folders.Create(t.Context(), revv.CreateFolderParams{Name: "Offers of 2021", ParentID: 100001})
	require.NoError(t, err)
	p.sent(`POST /api/folders/ {"name":"Offers of 2021","parent_id":100001}`)
	assert.Equal(t, &revv.Folder{ID: 100002, Name: "Offers of 2021", Raw: json.RawMessage(`{"id":100002,"name":"Offers of 2021"}`)}, folder)
}

func TestCreateFolder_withoutParent_sendsTheNameAlone(t *testing.T) {
	t.Parallel()
	p := insert(t, "CreateFolder_bare", nil)
	folder, err := p.Folders.Create(t.Context(), revv.CreateFolderParams{Name: "Offers"})
	require.NoError(t, err)
	p.sent(`POST /api/folders/ {"name":"Offers"}`)
	assert.Equal(t, &revv.Folder{ID: 100001, Name: "Offers", Raw: json.RawMessage(`{"id":100001,"name":"Offers"}`)}, folder)
}

func TestListFolders_keepsWhatIsNoDocument(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListFolders", withListing)
	page, err := p.Folders.List(t.Context(), revv.ListFoldersParams{})
	require.NoError(t, err)
	p.sent("GET /api/folders/?page_num=1")
	assert.Equal(t, []revv.Folder{{
		ID: 100001, Name: "Offers", Type: "d",
		Raw: json.RawMessage(`{"id":100001,"name":"Offers","type":"d","document_status":null,"document_tag":null}`),
	}}, page.Items)
	assert.Equal(t, 1, page.Number)
	assert.Equal(t, 3, page.Entries)
	assert.Equal(t, 1, page.Count)
	assert.False(t, page.Last())
}

// 0 is no folder: elsewhere it stands for all of them.
func TestCreateFolder_answerWithoutAnID_isNoSuccess(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{`{}`, `{"folder_id":7,"title":"Offers"}`, `{"data":{"id":7}}`, `{"id":null}`, `{"id":0}`} {
		made, err := always(http.StatusOK, `{"Folder":`+folder+`}`).client(t).Folders.Create(t.Context(), revv.CreateFolderParams{Name: "Offers"})
		assert.Nil(t, made)
		require.ErrorIs(t, err, revv.ErrAppliedResponseUnreadable, folder)
		require.ErrorIs(t, err, revv.ErrMalformedResponse)
		require.ErrorContains(t, err, `the member "Folder.id" is missing`)
	}
}

// In the content of a folder, which is a stand-in, the type may be called otherwise.
func TestListing_entryWithANumber_isADocument(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, `{"page":{"inodes":[{"id":1,"type":"document","doc_no":"DOC-000040"},{"id":2,"doc_no":"DOC-000041"},{"id":3,"type":"f"},{"id":4,"type":"d","doc_no":0},{"id":5,"doc_no":""}]}}`)
	documents, err := s.client(t).Documents.List(t.Context(), revv.ListDocumentsParams{FolderID: 7})
	require.NoError(t, err)
	var ids []int64
	for _, entry := range documents.Items {
		ids = append(ids, int64(entry.EntryID))
	}
	assert.Equal(t, []int64{1, 2, 3}, ids)
	folders, err := s.client(t).Folders.List(t.Context(), revv.ListFoldersParams{})
	require.NoError(t, err)
	ids = nil
	for _, folder := range folders.Items {
		ids = append(ids, int64(folder.ID))
	}
	assert.Equal(t, []int64{4, 5}, ids)
}

// What a page leaves out would stay in memory, unseen, as long as the page.
func TestListing_entriesThatAreLeftOut_areNotKept(t *testing.T) {
	t.Parallel()
	client := always(http.StatusOK, listingAnswer).client(t)
	documents, err := client.Documents.List(t.Context(), revv.ListDocumentsParams{})
	require.NoError(t, err)
	require.Len(t, documents.Items, 1)
	for _, entry := range documents.Items[1:cap(documents.Items)] {
		assert.Zero(t, entry)
	}
	folders, err := client.Folders.List(t.Context(), revv.ListFoldersParams{})
	require.NoError(t, err)
	require.Len(t, folders.Items, 1)
	for _, folder := range folders.Items[1:cap(folders.Items)] {
		assert.Zero(t, folder)
	}
}

func TestFoldersAll_rangesUntilTheEmptyPage(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListFolders_all", withListing)
	var names []string
	for folder, err := range p.Folders.All(t.Context(), revv.ListFoldersParams{Prefetch: -1}) {
		require.NoError(t, err)
		names = append(names, folder.Name)
	}
	p.sent("GET /api/folders/?page_num=1", "GET /api/folders/?page_num=2")
	assert.Equal(t, []string{"Offers"}, names)
}

func TestDeleteFolder_sendsNoBody(t *testing.T) {
	t.Parallel()
	p := insert(t, "DeleteFolder", func(_ *testing.T, s *revvtest.Server) { s.AddFolder("Offers", 0) })
	require.NoError(t, p.Folders.Delete(t.Context(), 100001))
	p.sent("DELETE /api/folders/100001")
}

// The id 0 stands for the whole account, where a folder is asked for.
func TestListFolders_withoutAnID_isMalformed(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{`{"type":"d","name":"Leases","folder_id":7}`, `{"type":"d","name":"Leases","id":"seven"}`} {
		client := always(http.StatusOK, `{"page":{"inodes":[`+entry+`]}}`).client(t)
		_, err := client.Folders.List(t.Context(), revv.ListFoldersParams{})
		require.ErrorIs(t, err, revv.ErrMalformedResponse, entry)
		for _, err := range client.Folders.All(t.Context(), revv.ListFoldersParams{}) {
			require.ErrorIs(t, err, revv.ErrMalformedResponse, entry)
		}
	}
}

func TestListFolders_theAccountItself_isNoFolder(t *testing.T) {
	t.Parallel()
	client := always(http.StatusOK, `{"page":{"inodes":[{"type":"d","name":"Home","id":0},{"type":"d","name":"Up","id":"0"},{"type":"d","name":"Leases","id":7}]}}`).client(t)
	page, err := client.Folders.List(t.Context(), revv.ListFoldersParams{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	assert.Equal(t, "Leases", page.Items[0].Name)
}
