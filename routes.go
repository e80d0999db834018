package revv

import (
	"fmt"
	"reflect"

	"github.com/revv-go/revv/internal/retry"
	"github.com/revv-go/revv/internal/wire"
)

// Routes holds the method and the path of every operation, in the form
// "GET /api/docs/{id}". The vendor publishes no reference any more, so the
// comment of each field says how the route is known:
//
//   - Observed in n clients: n independent public programs of 2020, written
//     against the live service, used exactly this method and path.
//   - Observed (constant): one such program held the path in a constant without
//     calling it.
//   - Inferred: deduced from what was observed; the reason is given.
//   - Stand-in: nothing is known. The route is this project's proposal, shaped
//     after the most similar observed route, and may well be wrong on a live account.
//
// To repair a route, start from [DefaultRoutes], set its field and pass the
// value to [WithRoutes]. A field that is left empty keeps its default. The
// placeholder in braces must stay; [NewClient] refuses a route it cannot expand. Another
// method does not change the class of the call, and so not what is repeated.
type Routes struct {
	// CreateDocument makes a document from a template.
	// Observed in 8 clients.
	CreateDocument string
	// ListDocuments lists the entries of the account, folders among them.
	// Observed in 4 clients, with the trailing slash.
	ListDocuments string
	// ListFolderContents lists the entries of one folder; {id} is a folder id.
	// Stand-in, shaped after ListDocuments.
	ListFolderContents string
	// GetDocument reads a document; {id} is a document id.
	// Observed in 1 client.
	GetDocument string
	// GetDocumentByNumber reads a document; {doc_no} is a document number.
	// Observed in 1 client.
	GetDocumentByNumber string
	// SetFields writes the values of named fields; {id} is a document id.
	// Stand-in: the article names the capability ("Set the fields of your
	// documents"), not the call.
	SetFields string
	// CloneDocument copies a document; {id} is a document id.
	// Observed (constant) as to the path; the method and the body are inferred
	// from the other creating calls.
	CloneDocument string
	// ListActivities reads what happened to an object; {object_id} is an object id.
	// Observed in 1 client.
	ListActivities string
	// DownloadDocument reads the PDF; {id} is a document id.
	// Stand-in: the article names the capability ("Download signed documents").
	DownloadDocument string
	// ShareDocument sends a private copy by mail; {id} is a document id.
	// Observed in 1 client.
	ShareDocument string
	// SendForESign sends for Fill & eSign; {id} is a document id.
	// Stand-in, shaped after SendForAcceptance.
	SendForESign string
	// SendForAcceptance sends for acceptance; {id} is a document id.
	// Observed in 3 clients.
	SendForAcceptance string
	// SendForApproval sends for approval; {id} is a document id.
	// Stand-in, shaped after SendForAcceptance.
	SendForApproval string
	// CreateMagicLink makes the permanent public link of a document.
	// Observed in 4 clients.
	CreateMagicLink string
	// MoveDocument puts a document into a folder; {id} is a document id.
	// Stand-in.
	MoveDocument string

	// ListTemplates lists templates, with status=ACTIVE only the active ones.
	// Observed in 5 clients with the status, inferred without it (the article
	// lists "View the list of all templates" beside the active ones).
	ListTemplates string

	// CreateFolder makes a folder.
	// Stand-in, on the path of the observed listing.
	CreateFolder string
	// ListFolders lists the same entries as ListDocuments; the folders among
	// them are kept.
	// Inferred: the observed listing marks documents with the type "f", so
	// entries of other types exist, and folders are the only candidates.
	ListFolders string
	// DeleteFolder removes a folder; {id} is a folder id.
	// Stand-in.
	DeleteFolder string

	// UpsertContact adds or updates a contact.
	// Observed in 2 clients.
	UpsertContact string
	// ListContacts lists contacts.
	// Observed in 4 clients.
	ListContacts string
	// GetContact reads a contact; {id} is a contact id.
	// Stand-in.
	GetContact string
	// GetContactByEmail finds contacts; the address goes in the query as email=….
	// Stand-in.
	GetContactByEmail string
	// DeleteContact removes a contact; {id} is a contact id.
	// Stand-in.
	DeleteContact string

	// SubscribeWebhook registers a URL for one type of event.
	// Stand-in: an integration platform is known to register webhooks by itself,
	// so the call exists; nothing else is known of it.
	SubscribeWebhook string
	// ListWebhooks lists the subscriptions.
	// Stand-in, as SubscribeWebhook.
	ListWebhooks string
	// UnsubscribeWebhook removes a subscription; {id} is a webhook id.
	// Stand-in, as SubscribeWebhook.
	UnsubscribeWebhook string
}

// DefaultRoutes returns the best known guess for each route. The comments of [Routes] say
// how each one is known.
func DefaultRoutes() Routes {
	return Routes{
		CreateDocument:      "POST /api/docs",
		ListDocuments:       "GET /api/folders/",
		ListFolderContents:  "GET /api/folders/{id}",
		GetDocument:         "GET /api/docs/{id}",
		GetDocumentByNumber: "GET /api/documents/{doc_no}",
		SetFields:           "PUT /api/docs/{id}/fields",
		CloneDocument:       "POST /api/documents/{id}/clone",
		ListActivities:      "GET /api/object-activities/objects/{object_id}",
		DownloadDocument:    "GET /api/docs/{id}/download",
		ShareDocument:       "POST /api/v2/doc-recipients/{id}",
		SendForESign:        "POST /api/v2/doc-signers/{id}",
		SendForAcceptance:   "POST /api/v2/doc-acceptors/{id}",
		SendForApproval:     "POST /api/v2/doc-approvers/{id}",
		CreateMagicLink:     "POST /api/perma-link",
		MoveDocument:        "PUT /api/docs/{id}/folder",

		ListTemplates: "GET /api/docstemplate/",

		CreateFolder: "POST /api/folders/",
		ListFolders:  "GET /api/folders/",
		DeleteFolder: "DELETE /api/folders/{id}",

		UpsertContact:     "POST /api/contacts",
		ListContacts:      "GET /api/contacts/all",
		GetContact:        "GET /api/contacts/{id}",
		GetContactByEmail: "GET /api/contacts",
		DeleteContact:     "DELETE /api/contacts/{id}",

		SubscribeWebhook:   "POST /api/webhooks",
		ListWebhooks:       "GET /api/webhooks",
		UnsubscribeWebhook: "DELETE /api/webhooks/{id}",
	}
}

// operation is one row of the table below: all that the pipeline needs to know
// of a call before it sees the caller's arguments.
type operation struct {
	name  string
	class retry.Class
	param string // the placeholder that the route must contain, "" for none
	field string // the name of the route's field, for error messages
	guess bool   // whether its default route is a stand-in
}

// How the default route of an operation is known, in the table below.
const (
	known   = false
	standIn = true
)

// opID indexes the fields of [Routes], the table of operations and the compiled routes of
// a client: all three have one order.
type opID uint8

const (
	opCreateDocument opID = iota
	opListDocuments
	opListFolderContents
	opGetDocument
	opGetDocumentByNumber
	opSetFields
	opCloneDocument
	opListActivities
	opDownloadDocument
	opShareDocument
	opSendForESign
	opSendForAcceptance
	opSendForApproval
	opCreateMagicLink
	opMoveDocument
	opListTemplates
	opCreateFolder
	opListFolders
	opDeleteFolder
	opUpsertContact
	opListContacts
	opGetContact
	opGetContactByEmail
	opDeleteContact
	opSubscribeWebhook
	opListWebhooks
	opUnsubscribeWebhook
	opCount
)

// operations is the table of the API. Its rows have the fields of [operation], in their order.
//
//nolint:gochecknoglobals // a constant table; Go has no constant structs
var operations = []operation{
	opCreateDocument:      {"Documents.Create", retry.Consequences, "", "CreateDocument", known},
	opListDocuments:       {"Documents.List", retry.Read, "", "ListDocuments", known},
	opListFolderContents:  {"Documents.List", retry.Read, "id", "ListFolderContents", standIn},
	opGetDocument:         {"Documents.Get", retry.Read, "id", "GetDocument", known},
	opGetDocumentByNumber: {"Documents.GetByNumber", retry.Read, "doc_no", "GetDocumentByNumber", known},
	opSetFields:           {"Documents.SetFields", retry.Idempotent, "id", "SetFields", standIn},
	opCloneDocument:       {"Documents.Clone", retry.Consequences, "id", "CloneDocument", known},
	opListActivities:      {"Documents.Activities", retry.Read, "object_id", "ListActivities", known},
	opDownloadDocument:    {"Documents.Download", retry.Read, "id", "DownloadDocument", standIn},
	opShareDocument:       {"Documents.Share", retry.Consequences, "id", "ShareDocument", known},
	opSendForESign:        {"Documents.SendForESign", retry.Consequences, "id", "SendForESign", standIn},
	opSendForAcceptance:   {"Documents.SendForAcceptance", retry.Consequences, "id", "SendForAcceptance", known},
	opSendForApproval:     {"Documents.SendForApproval", retry.Consequences, "id", "SendForApproval", standIn},
	opCreateMagicLink:     {"Documents.MagicLink", retry.Consequences, "", "CreateMagicLink", known},
	opMoveDocument:        {"Documents.Move", retry.Idempotent, "id", "MoveDocument", standIn},
	opListTemplates:       {"Templates.List", retry.Read, "", "ListTemplates", known},
	opCreateFolder:        {"Folders.Create", retry.Consequences, "", "CreateFolder", standIn},
	opListFolders:         {"Folders.List", retry.Read, "", "ListFolders", known},
	opDeleteFolder:        {"Folders.Delete", retry.Deletion, "id", "DeleteFolder", standIn},
	opUpsertContact:       {"Contacts.Upsert", retry.Consequences, "", "UpsertContact", known},
	opListContacts:        {"Contacts.List", retry.Read, "", "ListContacts", known},
	opGetContact:          {"Contacts.Get", retry.Read, "id", "GetContact", standIn},
	opGetContactByEmail:   {"Contacts.GetByEmail", retry.Read, "", "GetContactByEmail", standIn},
	opDeleteContact:       {"Contacts.Delete", retry.Deletion, "id", "DeleteContact", standIn},
	opSubscribeWebhook:    {"Webhooks.Subscribe", retry.Consequences, "", "SubscribeWebhook", standIn},
	opListWebhooks:        {"Webhooks.List", retry.Read, "", "ListWebhooks", standIn},
	opUnsubscribeWebhook:  {"Webhooks.Unsubscribe", retry.Deletion, "id", "UnsubscribeWebhook", standIn},
}

// routeTable is Routes after parsing: what a client expands per call.
type routeTable []wire.Route // by opID

// compile parses every route; an empty field takes its default. All bad fields
// are reported at once.
func (r *Routes) compile() (routeTable, error) {
	var (
		table    = make(routeTable, opCount)
		problems []error
	)
	defaults := DefaultRoutes()
	given, usual := reflect.ValueOf(r).Elem(), reflect.ValueOf(&defaults).Elem()
	for id := range operations {
		op := &operations[id]
		text, preset := given.Field(id).String(), usual.Field(id).String()
		if text == "" {
			text = preset
		}
		route, err := wire.ParseRoute(text, op.param)
		if err != nil {
			problems = append(problems, fmt.Errorf("Routes.%s: %q: %w", op.field, text, err))
		}
		route.Guess = op.guess && text == preset
		table[id] = route
	}
	return table, join(problems...)
}
