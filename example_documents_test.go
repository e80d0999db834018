package revv_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

func ExampleDocumentsService_Create() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()

	doc, err := client.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: 21, Title: "Agreement with Acme"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(doc.ID, doc.Number, doc.Title, doc.Stage)
	// Output: 14 DOC-000040 Agreement with Acme Draft
}

func ExampleDocumentsService_SetFields() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	draft := server.AddDocument(21, "Agreement with Acme")

	// Fields that are not named keep their values.
	doc, err := client.Documents.SetFields(ctx, draft, []revv.FieldValue{{Name: "Client", Value: "Acme"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, field := range doc.Fields {
		fmt.Printf("%s (%s): %q\n", field.Name, field.Type, field.Value)
	}
	// Output:
	// Client (text): "Acme"
	// Start date (date): ""
	// Fee (number): ""
}

func ExampleDocumentsService_GetByNumber() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	server.AddDocument(21, "Agreement with Acme")

	// The number is what people see and type; the other calls want the ids.
	doc, err := server.Client().Documents.GetByNumber(context.Background(), "DOC-000040")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(doc.ID, doc.Title)
	// Output: 14 Agreement with Acme
}

func ExampleDocumentsService_List() {
	server := revvtest.NewServer(nil, revvtest.WithPageSize(2))
	defer server.Close()
	for _, title := range []string{"First", "Second", "Third"} {
		server.AddDocument(21, title)
	}
	client, ctx := server.Client(), context.Background()

	for number := 1; ; number++ {
		page, err := client.Documents.List(ctx, revv.ListDocumentsParams{Page: number})
		if err != nil {
			fmt.Println(err)
			return
		}
		if page.Last() {
			break
		}
		fmt.Println("page", page.Number, "has", len(page.Items), "documents")
	}
	// Output:
	// page 1 has 2 documents
	// page 2 has 1 documents
}

// The entry of a list has a document's number, not its id.
func ExampleDocumentsService_All() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	server.AddDocument(21, "First")
	server.AddDocument(21, "Second")
	client, ctx := server.Client(), context.Background()

	for entry, err := range client.Documents.All(ctx, revv.ListDocumentsParams{SortByNumber: true}) {
		if err != nil {
			fmt.Println(err) // the range ends with the first error
			return
		}
		doc, err := client.Documents.GetByNumber(ctx, entry.Number)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(doc.ID, doc.Number, doc.Title, doc.Stage.Is(revv.StageDraft))
	}
	// Output:
	// 14 DOC-000040 First true
	// 15 DOC-000041 Second true
}

func ExampleStage_Reached() {
	for _, stage := range []revv.Stage{revv.StageDraft, revv.StageSent, revv.StageCompleted, "In review"} {
		fmt.Println(stage, stage.Reached(revv.StageSent))
	}
	// Output:
	// Draft false
	// Sent true
	// Completed true
	// In review false
}

func ExampleDocument_Field() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	template := server.AddTemplate(revvtest.Template{Title: "Lease", Fields: []revvtest.Field{{Name: "Rent", Required: true}}})
	draft := server.AddDocument(template, "Lease of 1 Example Street")

	doc, err := server.Client().Documents.SetFields(context.Background(), draft, []revv.FieldValue{{Name: "Rent", Value: "1200"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(doc.Field("Rent").Value == "1200")
	// Output: true
}

func ExampleDocumentsService_Clone() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	draft := server.AddDocument(21, "Agreement with Acme")

	doc, err := server.Client().Documents.Clone(context.Background(), draft, revv.CloneDocumentParams{Title: "Agreement with Globex"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(doc.Number, doc.Title)
	// Output: DOC-000041 Agreement with Globex
}

func ExampleDocumentsService_Move() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	draft, folder := server.AddDocument(21, "Agreement with Acme"), server.AddFolder("Acme", 0)

	doc, err := server.Client().Documents.Move(context.Background(), draft, folder)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(doc.FolderID == folder)
	// Output: true
}

func ExampleDocumentsService_SendForApproval() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	draft := server.AddDocument(21, "Agreement with Acme")

	err := client.Documents.SendForApproval(ctx, draft, revv.SendParams{
		Recipients: []revv.Person{{Email: "legal@example.com"}},
		Message:    "May this go out?",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(server.Outbox()[0].Subject)
	// Output: Please approve “Agreement with Acme”
}

func ExampleDocumentsService_SendForAcceptance() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	draft := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "Offer"}), "Offer for Ann")

	err := client.Documents.SendForAcceptance(ctx, draft, revv.SendParams{Recipients: []revv.Person{{Email: "ann@example.com", FirstName: "Ann"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(server.Outbox()[0].Subject)
	// Output: Please accept “Offer for Ann”
}

func ExampleDocumentsService_Share() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	draft := server.AddDocument(23, "NDA with Acme")

	err := client.Documents.Share(ctx, draft, revv.ShareParams{
		Recipients: []revv.Person{{Email: "ann@example.com"}},
		Message:    "What do you think?",
		Review:     true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mail := server.Outbox()[0]
	fmt.Println(mail.To, mail.Text)
	// Output: ann@example.com What do you think?
}

// A magic link opens the document permanently for everybody who has it: do not log or
// store it. It prints as a placeholder.
func ExampleDocumentsService_MagicLink() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	doc, err := client.Documents.Get(ctx, server.AddDocument(21, "Agreement with Acme"))
	if err != nil {
		fmt.Println(err)
		return
	}

	link, err := client.Documents.MagicLink(ctx, doc.ObjectID) // not the same as doc.ID
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.Contains(fmt.Sprint(link), "/perma/"), strings.Contains(link.URL(), "/perma/"))
	// Output: false true
}

func ExampleDocumentsService_Activities() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	server.SetTime(time.Date(2021, time.June, 18, 10, 0, 0, 0, time.UTC))
	client, ctx := server.Client(), context.Background()
	doc, err := client.Documents.Get(ctx, server.AddDocument(21, "Agreement with Acme"))
	if err != nil {
		fmt.Println(err)
		return
	}

	activities, err := client.Documents.Activities(ctx, doc.ObjectID, revv.ListActivitiesParams{Limit: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, activity := range activities {
		fmt.Println(activity.Event, activity.Timestamp.Year(), activity.Timestamp.Text()[:19])
	}
	// Output: DOCUMENT_CREATED 2021 2021-06-18T10:00:00
}

// A long history comes in several answers.
func ExampleDocumentsService_AllActivities() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	doc, err := client.Documents.Get(ctx, server.AddDocument(21, "Agreement with Acme"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 60 {
		_, err := client.Documents.SetFields(ctx, doc.ID, []revv.FieldValue{{Name: "Fee", Value: strconv.Itoa(1000 + i)}})
		if err != nil {
			fmt.Println(err)
			return
		}
	}

	part, err := client.Documents.Activities(ctx, doc.ObjectID, revv.ListActivitiesParams{})
	fmt.Println(len(part), err)
	count := 0
	for _, err := range client.Documents.AllActivities(ctx, doc.ObjectID, revv.ListActivitiesParams{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		count++
	}
	fmt.Println(count)
	// Output:
	// 40 <nil>
	// 61
}

// signed gives a document that somebody has signed.
func signed(server *revvtest.Server) revv.DocumentID {
	document := server.AddDocument(server.AddTemplate(revvtest.Template{Title: "NDA"}), "NDA with Acme")
	err := server.Client().Documents.SendForESign(context.Background(), document, revv.SendParams{Recipients: []revv.Person{{Email: "ann@example.com"}}})
	if err := errors.Join(err, server.Sign(document, "ann@example.com")); err != nil {
		fmt.Println(err)
	}
	return document
}

func ExampleDocumentsService_Download() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx := server.Client(), context.Background()
	document := signed(server)

	// What a download returns for a document that is not signed yet is not known.
	doc, err := client.Documents.Get(ctx, document)
	if err != nil || !doc.Stage.Is(revv.StageSigned) {
		fmt.Println("not yet", err)
		return
	}
	var pdf bytes.Buffer
	download, err := client.Documents.Download(ctx, document, &pdf)
	if err != nil {
		fmt.Println(err) // then the content of pdf is useless
		return
	}
	fmt.Println(download.Size == int64(pdf.Len()), len(download.SHA256), download.ContentType)
	// Output: true 64 application/pdf
}

// For a browser: it gets the whole file, or an error that it can show. (What is streamed to it
// cannot be taken back when the download fails; then only a panic with http.ErrAbortHandler
// keeps it from taking a part for the whole.)
func ExampleDocumentsService_Download_browser() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, document := server.Client(), signed(server)

	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, err := os.CreateTemp("", "revv-*.pdf")
		if err != nil {
			http.Error(w, "The document cannot be stored.", http.StatusInternalServerError)
			return
		}
		defer func() { _ = errors.Join(file.Close(), os.Remove(file.Name())) }()
		pdf, err := client.Documents.Download(r.Context(), document, file)
		if err != nil {
			http.Error(w, "The document is not available.", http.StatusBadGateway)
			return
		}
		name := cmp.Or(pdf.FileName, "document.pdf")
		w.Header().Set("Content-Type", "application/pdf")
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
		w.Header().Set("Cache-Control", "no-store")
		http.ServeContent(w, r, "", time.Time{}, file) // with its length, and parts of it if they are asked for
	})

	for range 2 {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/contract.pdf", http.NoBody))
		fmt.Println(answer.Code, answer.Header().Get("Content-Disposition"))
		server.Fail(revvtest.Fault{Operation: "Documents.Download", CutAfter: 100})
	}
	// Output:
	// 200 attachment; filename="DOC-000040 NDA with Acme.pdf"
	// 502
}

// The file appears only when it is whole and verified.
func ExampleDocumentsService_DownloadFile() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	document := signed(server)
	dir, err := os.MkdirTemp("", "revv-example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()

	var last int64
	path := filepath.Join(dir, "agreement.pdf")
	download, err := server.Client().Documents.DownloadFile(context.Background(), document, path,
		revv.WithProgress(func(done, _ int64) { last = done }))
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(info.Size() == download.Size, last == download.Size)
	// Output: true true
}

// An existing file is kept, unless WithOverwrite is given.
func ExampleWithOverwrite() {
	server := revvtest.NewServer(nil)
	defer server.Close()
	client, ctx, document := server.Client(), context.Background(), signed(server)
	dir, err := os.MkdirTemp("", "revv-example-*")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "agreement.pdf")
	if err := os.WriteFile(path, []byte("an older one"), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	_, err = client.Documents.DownloadFile(ctx, document, path)
	fmt.Println(errors.Is(err, fs.ErrExist))
	_, err = client.Documents.DownloadFile(ctx, document, path, revv.WithOverwrite())
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}
