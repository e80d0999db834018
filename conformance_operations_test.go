package revv_test

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"os"
	"path/filepath"

	"github.com/revv-go/revv"
)

// class is what a repetition of a call would do, as the fault matrix has it.
type class byte

const (
	reads        class = 'R'
	idempotent   class = 'I'
	consequences class = 'W'
)

// operationCase is one way to call the service through the public client.
type operationCase struct {
	name   string // of the case
	op     string // as errors have it
	class  class
	method string
	answer string // what a service in order sends
	// bare operations need nothing from the answer.
	bare bool
	// pdf operations read a file and not JSON.
	pdf  bool
	call func(ctx context.Context, c *revv.Client, opts ...revv.CallOption) error
}

// answered is the act of a service in order.
func (o operationCase) answered() act {
	if o.pdf {
		return replying(http.StatusOK, o.answer, "Content-Type: application/pdf")
	}
	return replying(http.StatusOK, o.answer)
}

const (
	documentAnswer = `{"Document":{"id":14,"doc_no":"DOC-000040","object_id":"DOC-aB3dE5gH7jK9","title":"NDA","document_status":{"name":"Draft"}}}`
	listingAnswer  = `{"page":{"count":2,"inodes":[{"id":77,"name":"NDA","type":"f","doc_no":"DOC-000040","document_status":{"name":"Sent"}},{"id":78,"name":"Offers","type":"d"}]}}`
	contactAnswer  = `{"Contact":{"id":5,"name":"Ann Lee","email":"ann@example.com","type":"individual"}}`
	contactsAnswer = `{"Contacts":[{"id":5,"name":"Ann Lee","email":"ann@example.com","type":"individual"}]}`
	sentAnswer     = `{"status":"ok","sent":[1,2,3]}`
)

// aRecipient is somebody to send to.
func aRecipient() []revv.Person { return []revv.Person{{Email: "ann@example.com", FirstName: "Ann"}} }

// firstOf takes one item of a range, and so asks for one page only.
func firstOf[T any](items iter.Seq2[T, error]) error {
	for _, err := range items {
		return err
	}
	return nil
}

// errorOf drops the value of a call.
func errorOf[T any](_ T, err error) error { return err }

// callArguments are what the calls are made with.
type callArguments struct {
	template revv.TemplateID
	document revv.DocumentID
	number   revv.DocumentNumber
	object   revv.ObjectID
	folder   revv.FolderID
	contact  revv.ContactID
	webhook  revv.WebhookID
	dir      string // where files can go
}

// anyArguments are for services that do not look at them.
func anyArguments(dir string) callArguments {
	return callArguments{
		template: 3, document: 14, number: "DOC-000040", object: "DOC-aB3dE5gH7jK9", folder: 78, contact: 5, webhook: "w1", dir: dir,
	}
}

// everyOperation lists the calls of the client: each operation of the API, each
// range, and Do for each class.
func everyOperation(with callArguments) []operationCase {
	type (
		ctx = context.Context
		c   = *revv.Client
	)
	send := revv.SendParams{Recipients: aRecipient(), Message: "Please sign"}
	return []operationCase{
		{name: "Documents.Create", op: "Documents.Create", class: consequences, method: "POST", answer: documentAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Documents.Create(x, revv.CreateDocumentParams{TemplateID: with.template, Title: "NDA"}, o...))
		}},
		{name: "Documents.List", op: "Documents.List", class: reads, method: "GET", answer: listingAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Documents.List(x, revv.ListDocumentsParams{}, o...))
		}},
		{name: "Documents.List of a folder", op: "Documents.List", class: reads, method: "GET", answer: listingAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Documents.List(x, revv.ListDocumentsParams{FolderID: with.folder}, o...))
		}},
		{name: "Documents.All", op: "Documents.List", class: reads, method: "GET", answer: listingAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return firstOf(c.Documents.All(x, revv.ListDocumentsParams{Prefetch: -1}, o...))
		}},
		{name: "Documents.Get", op: "Documents.Get", class: reads, method: "GET", answer: documentAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Documents.Get(x, with.document, o...))
		}},
		{name: "Documents.GetByNumber", op: "Documents.GetByNumber", class: reads, method: "GET", answer: documentAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Documents.GetByNumber(x, with.number, o...))
		}},
		{name: "Documents.SetFields", op: "Documents.SetFields", class: idempotent, method: "PUT", answer: documentAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Documents.SetFields(x, with.document, []revv.FieldValue{{Name: "Company", Value: "Example <Ltd>"}}, o...))
		}},
		{name: "Documents.Clone", op: "Documents.Clone", class: consequences, method: "POST", answer: documentAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Documents.Clone(x, with.document, revv.CloneDocumentParams{Title: "NDA 2"}, o...))
		}},
		{name: "Documents.Activities", op: "Documents.Activities", class: reads, method: "GET", answer: `[{"event":"DOCUMENT_CREATED"}]`, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Documents.Activities(x, with.object, revv.ListActivitiesParams{Limit: 3}, o...))
		}},
		{name: "Documents.Download", op: "Documents.Download", class: reads, method: "GET", answer: pdf(900), pdf: true, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Documents.Download(x, with.document, new(bytes.Buffer), o...))
		}},
		{name: "Documents.DownloadFile", op: "Documents.Download", class: reads, method: "GET", answer: pdf(900), pdf: true, call: func(x ctx, c c, o ...revv.CallOption) error {
			own, err := os.MkdirTemp(with.dir, "")
			if err != nil {
				return err
			}
			return errorOf(c.Documents.DownloadFile(x, with.document, filepath.Join(own, "nda.pdf"), o...))
		}},
		{name: "Documents.Share", op: "Documents.Share", class: consequences, method: "POST", answer: sentAnswer, bare: true, call: func(x ctx, c c, o ...revv.CallOption) error {
			return c.Documents.Share(x, with.document, revv.ShareParams{Recipients: aRecipient(), Review: true}, o...)
		}},
		{name: "Documents.SendForESign", op: "Documents.SendForESign", class: consequences, method: "POST", answer: sentAnswer, bare: true, call: func(x ctx, c c, o ...revv.CallOption) error {
			return c.Documents.SendForESign(x, with.document, send, o...)
		}},
		{name: "Documents.SendForAcceptance", op: "Documents.SendForAcceptance", class: consequences, method: "POST", answer: sentAnswer, bare: true, call: func(x ctx, c c, o ...revv.CallOption) error {
			return c.Documents.SendForAcceptance(x, with.document, send, o...)
		}},
		{name: "Documents.SendForApproval", op: "Documents.SendForApproval", class: consequences, method: "POST", answer: sentAnswer, bare: true, call: func(x ctx, c c, o ...revv.CallOption) error {
			return c.Documents.SendForApproval(x, with.document, send, o...)
		}},
		{name: "Documents.MagicLink", op: "Documents.MagicLink", class: consequences, method: "POST", answer: `{"url":"https://acme.example.com/l/1"}`, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Documents.MagicLink(x, with.object, o...))
		}},
		{name: "Documents.Move", op: "Documents.Move", class: idempotent, method: "PUT", answer: documentAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Documents.Move(x, with.document, with.folder, o...))
		}},
		{name: "Templates.List", op: "Templates.List", class: reads, method: "GET", answer: `{"Templates":[{"id":3,"title":"NDA"}]}`, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Templates.List(x, revv.ListTemplatesParams{Status: revv.ActiveTemplates}, o...))
		}},
		{name: "Templates.All", op: "Templates.List", class: reads, method: "GET", answer: `{"Templates":[{"id":3,"title":"NDA"}]}`, call: func(x ctx, c c, o ...revv.CallOption) error {
			return firstOf(c.Templates.All(x, revv.ListTemplatesParams{Prefetch: -1}, o...))
		}},
		{name: "Folders.Create", op: "Folders.Create", class: consequences, method: "POST", answer: `{"Folder":{"id":78,"name":"Offers"}}`, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Folders.Create(x, revv.CreateFolderParams{Name: "Offers"}, o...))
		}},
		{name: "Folders.List", op: "Folders.List", class: reads, method: "GET", answer: listingAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Folders.List(x, revv.ListFoldersParams{}, o...))
		}},
		{name: "Folders.All", op: "Folders.List", class: reads, method: "GET", answer: listingAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return firstOf(c.Folders.All(x, revv.ListFoldersParams{Prefetch: -1}, o...))
		}},
		{name: "Folders.Delete", op: "Folders.Delete", class: idempotent, method: "DELETE", answer: `{}`, bare: true, call: func(x ctx, c c, o ...revv.CallOption) error {
			return c.Folders.Delete(x, with.folder, o...)
		}},
		{name: "Contacts.Upsert", op: "Contacts.Upsert", class: consequences, method: "POST", answer: contactAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Contacts.Upsert(x, revv.UpsertContactParams{Name: "Ann Lee", Email: "ann@example.com"}, o...))
		}},
		{name: "Contacts.List", op: "Contacts.List", class: reads, method: "GET", answer: contactsAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Contacts.List(x, revv.ListContactsParams{}, o...))
		}},
		{name: "Contacts.All", op: "Contacts.List", class: reads, method: "GET", answer: contactsAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return firstOf(c.Contacts.All(x, revv.ListContactsParams{Prefetch: -1}, o...))
		}},
		{name: "Contacts.Get", op: "Contacts.Get", class: reads, method: "GET", answer: contactAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Contacts.Get(x, with.contact, o...))
		}},
		{name: "Contacts.GetByEmail", op: "Contacts.GetByEmail", class: reads, method: "GET", answer: contactsAnswer, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Contacts.GetByEmail(x, "ann@example.com", o...))
		}},
		{name: "Contacts.Delete", op: "Contacts.Delete", class: idempotent, method: "DELETE", answer: ``, bare: true, call: func(x ctx, c c, o ...revv.CallOption) error {
			return c.Contacts.Delete(x, with.contact, o...)
		}},
		{name: "Webhooks.Subscribe", op: "Webhooks.Subscribe", class: consequences, method: "POST", answer: `{"Webhook":{"id":"w1"}}`, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Webhooks.Subscribe(x, revv.SubscribeParams{Event: "DOCUMENT_CLOSED", URL: "https://example.com/hooks"}, o...))
		}},
		{name: "Webhooks.List", op: "Webhooks.List", class: reads, method: "GET", answer: `{"Webhooks":[{"id":"w1"}]}`, call: func(x ctx, c c, o ...revv.CallOption) error {
			return errorOf(c.Webhooks.List(x, o...))
		}},
		{name: "Webhooks.Unsubscribe", op: "Webhooks.Unsubscribe", class: idempotent, method: "DELETE", answer: `{}`, bare: true, call: func(x ctx, c c, o ...revv.CallOption) error {
			return c.Webhooks.Unsubscribe(x, with.webhook, o...)
		}},
		doCase("GET", reads), doCase("PUT", idempotent), doCase("DELETE", idempotent), doCase("POST", consequences), doCase("PATCH", consequences),
	}
}

// doCase calls an operation that the client does not model.
func doCase(method string, class class) operationCase {
	return operationCase{name: "Do " + method, op: "Do", class: class, method: method, answer: documentAnswer, call: func(ctx context.Context, c *revv.Client, opts ...revv.CallOption) error {
		var out struct{ Document json.RawMessage }
		var in any
		if method != "GET" && method != "DELETE" {
			in = map[string]string{"reason": "<none> & more"}
		}
		return c.Do(ctx, method, "/api/unmodelled", in, &out, opts...)
	}}
}

// aFew picks operations of each class, with and without a body, an answer and a
// placeholder.
func aFew(ops []operationCase) []operationCase {
	var picked []operationCase
	for _, op := range ops {
		switch op.name {
		case "Documents.Create", "Documents.Get", "Documents.SetFields", "Folders.Delete", "Documents.SendForESign", "Documents.DownloadFile", "Contacts.List", "Do POST":
			picked = append(picked, op)
		}
	}
	return picked
}
