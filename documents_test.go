package revv_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// withOffer makes document 14, with the number DOC-000040, from template 21.
func withOffer(_ *testing.T, s *revvtest.Server) { s.AddDocument(21, "Offer – Müller & Söhne") }

// offerObject is the object id that the sandbox gives to the first document.
const offerObject revv.ObjectID = "DOC-gD1cql1SohgD"

// emptyFields are the fields of template 21 before anybody has filled them.
func emptyFields() []revv.Field {
	return []revv.Field{
		{Name: "Client", Type: "text", Required: true, Raw: json.RawMessage(`{"name":"Client","type":"text","required":true,"value":""}`)},
		{Name: "Start date", Type: "date", Required: true, Raw: json.RawMessage(`{"name":"Start date","type":"date","required":true,"value":""}`)},
		{Name: "Fee", Type: "number", Raw: json.RawMessage(`{"name":"Fee","type":"number","required":false,"value":""}`)},
	}
}

// offer is what withOffer has made.
func offer(t *testing.T) revv.Document {
	t.Helper()
	return revv.Document{
		ID: 14, Number: "DOC-000040", ObjectID: offerObject, Title: "Offer – Müller & Söhne", TemplateID: 21, FolderID: 1,
		Stage: revv.StageDraft, Fields: emptyFields(),
		CreatedAt: at(t, "2021-06-18T10:00:00.000000Z"), UpdatedAt: at(t, "2021-06-18T10:00:00.000000Z"),
	}
}

// came asserts that a document came in as stated, and that Raw is all of it.
func (p *tape) came(want revv.Document, got *revv.Document, err error) {
	p.t.Helper()
	require.NoError(p.t, err)
	assert.Equal(p.t, p.answer, `{"Document":`+string(got.Raw)+`}`)
	want.Raw = got.Raw
	assert.Equal(p.t, want, *got)
}

func TestCreate_sendsTheTemplateAndReadsEveryMember(t *testing.T) {
	t.Parallel()
	p := insert(t, "CreateDocument", func(_ *testing.T, s *revvtest.Server) { s.AddFolder("Offers", 0) })
	document, err := p.Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: 21, Title: `Offer – Müller & Söhne <"A">`, FolderID: 100001})
	p.sent(`POST /api/docs {"template_id":21,"title":"Offer – Müller & Söhne <\"A\">","folder_id":100001}`)
	want := offer(t)
	want.Title, want.FolderID = `Offer – Müller & Söhne <"A">`, 100001
	p.came(want, document, err)
}

func TestCreate_withoutTitleAndFolder_sendsTheTemplateAlone(t *testing.T) {
	t.Parallel()
	p := insert(t, "CreateDocument_bare", nil)
	document, err := p.Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: 21})
	p.sent(`POST /api/docs {"template_id":21}`)
	want := offer(t)
	want.Title = "Service agreement"
	p.came(want, document, err)
}

func TestGet_readsEveryMember(t *testing.T) {
	t.Parallel()
	p := insert(t, "GetDocument", withOffer)
	document, err := p.Documents.Get(t.Context(), 14)
	p.sent("GET /api/docs/14")
	p.came(offer(t), document, err)
}

func TestGetByNumber_readsEveryMember(t *testing.T) {
	t.Parallel()
	p := insert(t, "GetDocumentByNumber", withOffer)
	document, err := p.Documents.GetByNumber(t.Context(), "DOC-000040")
	p.sent("GET /api/documents/DOC-000040")
	p.came(offer(t), document, err)
}

func TestSetFields_sendsNamesAndValuesInOrder(t *testing.T) {
	t.Parallel()
	p := insert(t, "SetFields", withOffer)
	document, err := p.Documents.SetFields(t.Context(), 14, []revv.FieldValue{
		{Name: "Start date", Value: "2021-07-01"}, {Name: "Client", Value: "Acme & Söhne"}, {Name: "Fee"},
	})
	p.sent(`PUT /api/docs/14/fields {"fields":[{"name":"Start date","value":"2021-07-01"},{"name":"Client","value":"Acme & Söhne"},{"name":"Fee","value":""}]}`)
	want := offer(t)
	want.UpdatedAt = at(t, "2021-06-18T10:00:00.000002Z")
	want.Fields[0].Value, want.Fields[0].Raw = "Acme & Söhne", json.RawMessage(`{"name":"Client","type":"text","required":true,"value":"Acme & Söhne"}`)
	want.Fields[1].Value, want.Fields[1].Raw = "2021-07-01", json.RawMessage(`{"name":"Start date","type":"date","required":true,"value":"2021-07-01"}`)
	p.came(want, document, err)
}

func TestClone_sendsTheTitle(t *testing.T) {
	t.Parallel()
	p := insert(t, "CloneDocument", withOffer)
	document, err := p.Documents.Clone(t.Context(), 14, revv.CloneDocumentParams{Title: "Second offer"})
	p.sent(`POST /api/documents/14/clone {"title":"Second offer"}`)
	want := offer(t)
	want.ID, want.Number, want.ObjectID, want.Title = 15, "DOC-000041", "DOC-Vvjj7Fw9Ma1z", "Second offer"
	want.CreatedAt, want.UpdatedAt = at(t, "2021-06-18T10:00:00.000002Z"), at(t, "2021-06-18T10:00:00.000002Z")
	p.came(want, document, err)
}

func TestClone_withoutTitle_sendsAnEmptyObject(t *testing.T) {
	t.Parallel()
	p := insert(t, "CloneDocument_bare", withOffer)
	document, err := p.Documents.Clone(t.Context(), 14, revv.CloneDocumentParams{})
	require.NoError(t, err)
	p.sent(`POST /api/documents/14/clone {}`)
	assert.Equal(t, "Copy of Offer – Müller & Söhne", document.Title)
}

func TestMove_sendsTheFolder(t *testing.T) {
	t.Parallel()
	p := insert(t, "MoveDocument", func(t *testing.T, s *revvtest.Server) {
		withOffer(t, s)
		s.AddFolder("Offers", 0)
	})
	document, err := p.Documents.Move(t.Context(), 14, 100002)
	p.sent(`PUT /api/docs/14/folder {"folder_id":100002}`)
	want := offer(t)
	want.FolderID, want.UpdatedAt = 100002, at(t, "2021-06-18T10:00:00.000002Z")
	p.came(want, document, err)
}

// withListing makes a folder, a document of the account and one in the folder.
func withListing(t *testing.T, s *revvtest.Server) {
	t.Helper()
	folder := s.AddFolder("Offers", 0)
	s.AddDocument(21, "Service agreement of Acme")
	id := s.AddDocument(23, "Mutual NDA of Acme")
	client := s.Client()
	_, err := client.Documents.Move(t.Context(), id, folder)
	require.NoError(t, err)
	require.NoError(t, client.Documents.SendForESign(t.Context(), id, revv.SendParams{Recipients: oneRecipient}))
}

func listed(id revv.EntryID, name string, number revv.DocumentNumber, stage revv.Stage, raw string) revv.DocumentEntry {
	return revv.DocumentEntry{EntryID: id, Name: name, Type: "f", Number: number, Stage: stage, Raw: json.RawMessage(raw)}
}

func TestListDocuments_keepsDocumentsAndCountsAllEntries(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListDocuments", withListing)
	page, err := p.Documents.List(t.Context(), revv.ListDocumentsParams{SortByNumber: true})
	require.NoError(t, err)
	p.sent("GET /api/folders/?page_num=1&sort_by_doc_num=true")
	assert.Equal(t, []revv.DocumentEntry{
		listed(100002, "Service agreement of Acme", "DOC-000040", revv.StageDraft,
			`{"id":100002,"name":"Service agreement of Acme","type":"f","doc_no":"DOC-000040","document_status":{"name":"Draft"},"document_tag":{"name":""}}`),
		listed(100003, "Mutual NDA of Acme", "DOC-000041", revv.StageSent,
			`{"id":100003,"name":"Mutual NDA of Acme","type":"f","doc_no":"DOC-000041","document_status":{"name":"Sent"},"document_tag":{"name":""}}`),
	}, page.Items)
	assert.Equal(t, 1, page.Number)
	assert.Equal(t, 3, page.Entries)
	assert.Equal(t, 1, page.Count)
	assert.False(t, page.Last())
}

func TestListDocuments_ofAFolder_asksForItsContent(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListFolderContents", withListing)
	page, err := p.Documents.List(t.Context(), revv.ListDocumentsParams{FolderID: 100001, Page: 1})
	require.NoError(t, err)
	p.sent("GET /api/folders/100001?page_num=1")
	assert.Equal(t, []revv.DocumentEntry{
		listed(100003, "Mutual NDA of Acme", "DOC-000041", revv.StageSent,
			`{"id":100003,"name":"Mutual NDA of Acme","type":"f","doc_no":"DOC-000041","document_status":{"name":"Sent"},"document_tag":{"name":""}}`),
	}, page.Items)
	assert.Equal(t, 1, page.Entries)
}

func TestListDocuments_behindTheEnd_isTheLastPage(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListDocuments_end", withListing)
	page, err := p.Documents.List(t.Context(), revv.ListDocumentsParams{Page: 2})
	require.NoError(t, err)
	p.sent("GET /api/folders/?page_num=2")
	assert.Empty(t, page.Items)
	assert.Equal(t, 2, page.Number)
	assert.Zero(t, page.Entries)
	assert.True(t, page.Last())
}

func TestDocumentsAll_rangesUntilTheEmptyPage(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListDocuments_all", withListing)
	var names []string
	for entry, err := range p.Documents.All(t.Context(), revv.ListDocumentsParams{Prefetch: -1}) {
		require.NoError(t, err)
		names = append(names, entry.Name)
	}
	p.sent("GET /api/folders/?page_num=1", "GET /api/folders/?page_num=2")
	assert.Equal(t, []string{"Service agreement of Acme", "Mutual NDA of Acme"}, names)
}

func TestActivities_sendsTimeAndLimitAndReadsEveryMember(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListActivities", withListing)
	activities, err := p.Documents.Activities(t.Context(), "DOC-Vvjj7Fw9Ma1z", revv.ListActivitiesParams{
		After: time.Date(2021, 6, 18, 12, 0, 0, 5999, time.FixedZone("CEST", 2*60*60)), Limit: 2,
	})
	require.NoError(t, err)
	p.sent("GET /api/object-activities/objects/DOC-Vvjj7Fw9Ma1z?after=2021-06-18T10%3A00%3A00.000005Z&limit=2")
	require.Len(t, activities, 2)
	assert.Equal(t, p.answer, "["+string(activities[0].Raw)+","+string(activities[1].Raw)+"]")
	for i := range activities {
		activities[i].Raw = nil
	}
	owner := revv.Actor{Name: "Sandbox Owner", ImageURL: "https://example.com/owner.png", Email: "owner@example.com"}
	assert.Equal(t, []revv.Activity{
		{Event: "DOCUMENT_SENT_FOR_SIGN", Timestamp: at(t, "2021-06-18T10:00:00.000006Z"), Actor: owner, Subjects: []revv.Subject{{Name: "Ann Lee"}}},
		{
			Event: "SIGNATURE_EMAIL_DELIVERED", Timestamp: at(t, "2021-06-18T10:00:00.000010Z"),
			Actor: revv.Actor{Name: "Ann Lee", Email: "ann@example.com"}, Subjects: []revv.Subject{},
		},
	}, activities)
}

func TestActivities_withoutParameters_sendsNoQuery(t *testing.T) {
	t.Parallel()
	p := insert(t, "ListActivities_bare", withOffer)
	activities, err := p.Documents.Activities(t.Context(), offerObject, revv.ListActivitiesParams{})
	require.NoError(t, err)
	p.sent("GET /api/object-activities/objects/DOC-gD1cql1SohgD")
	require.Len(t, activities, 1)
	assert.Equal(t, "DOCUMENT_CREATED", activities[0].Event)
}

func TestDownload_streamsThePDFAndDescribesIt(t *testing.T) {
	t.Parallel()
	p := insert(t, "DownloadDocument", withOffer)
	var b bytes.Buffer
	download, err := p.Documents.Download(t.Context(), 14, &b)
	require.NoError(t, err)
	p.sent("GET /api/docs/14/download")
	assert.Equal(t, p.answer, b.String())
	sum := sha256.Sum256([]byte(p.answer))
	assert.Equal(t, &revv.Download{
		Size: int64(len(p.answer)), SHA256: hex.EncodeToString(sum[:]), ContentType: "application/pdf", FileName: "DOC-000040 Offer – Müller & Söhne.pdf",
	}, download)
}

func TestDownloadFile_writesTheFileWithMode0600(t *testing.T) {
	t.Parallel()
	p := insert(t, "DownloadDocument_file", withOffer)
	path := filepath.Join(t.TempDir(), "offer.pdf")
	download, err := p.Documents.DownloadFile(t.Context(), 14, path)
	require.NoError(t, err)
	p.sent("GET /api/docs/14/download")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, p.answer, string(content))
	assert.Equal(t, int64(len(content)), download.Size)
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
}

func TestDownload_reportsProgressUpToTheTotal(t *testing.T) {
	t.Parallel()
	p := insert(t, "DownloadDocument_progress", withOffer)
	var last [2]int64
	download, err := p.Documents.Download(t.Context(), 14, io.Discard, revv.WithProgress(func(done, total int64) { last = [2]int64{done, total} }))
	require.NoError(t, err)
	assert.Equal(t, [2]int64{download.Size, download.Size}, last)
}
