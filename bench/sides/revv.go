package sides

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/revv-go/revv"

	"github.com/revv-go/revv/bench/world"
)

// DocumentID is the document that the service of this project's client has.
const DocumentID = 14

const (
	longTitle    = 960 // makes a body of 1 KB
	webhookBytes = 2048
	webhookValue = "a-secret-of-an-example-of-32-bytes"
	webhookName  = "X-Webhook-Secret"
)

// Own is the name of this project's client.
const Own = "revv"

// Revv is this project's client.
func Revv() (Rival, error) {
	document := documentBody()
	pages := world.Pages(ListPages, PageItems, appendEntry, wrapEntries)
	answer := func(r *http.Request) world.Reply {
		if r.URL.Path != "/api/folders/" {
			return world.JSON(document)
		}
		page, err := strconv.Atoi(r.URL.Query().Get("page_num"))
		if err != nil || page < 1 || page > len(pages) {
			page = len(pages)
		}
		return world.JSON(pages[page-1])
	}
	event := eventBody()
	return Rival{
		Name: Own, Module: "github.com/revv-go/revv", Answer: answer,
		Connect: func(base string, transport http.RoundTripper) (client, floor Operations, err error) {
			c, err := revv.NewClient(revv.StaticToken(Token), revv.WithBaseURL(base), revv.WithHTTPClient(&http.Client{Transport: transport}))
			if err != nil {
				return client, floor, err
			}
			if client, err = revvOperations(c, event); err != nil {
				return client, floor, err
			}
			return client, revvFloor(newFloor(base, transport), event), nil
		},
		Plain: func(base string) (Operations, error) {
			c, err := revv.NewClient(revv.StaticToken(Token), revv.WithBaseURL(base))
			if err != nil {
				return Operations{}, err
			}
			return revvOperations(c, event)
		},
	}, nil
}

// fieldCount makes a document of about 1 KB.
const fieldCount = 8

func documentBody() []byte {
	var b strings.Builder
	b.WriteString(`{"Document":{"id":14,"doc_no":"DOC-000014","object_id":"DOC-AB12CD34EF56","title":"Lease of the flat in Elm Street",` +
		`"template_id":3,"folder_id":7,"document_status":{"name":"Draft"},"fields":[`)
	for i := range fieldCount {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":"Field %d","type":"text","required":true,"value":"A value that somebody entered, no %d"}`, i, i)
	}
	b.WriteString(`],"created_at":"2021-06-14T09:30:00.123456Z","updated_at":"2021-06-15T10:31:01.654321Z"}}`)
	return []byte(b.String())
}

func appendEntry(b []byte, i int) []byte {
	return fmt.Appendf(b, `{"id":%d,"name":"Lease no %d of the house in Elm Street","type":"f","doc_no":"DOC-%06d",`+
		`"document_status":{"name":"Sent"},"document_tag":{"name":"2021"}}`, i+1, i, i)
}

func wrapEntries(list []byte, _ int) []byte {
	return fmt.Appendf(nil, `{"page":{"inodes":%s,"count":%d}}`, list, ListPages)
}

// eventBody is an event of 2 KB, most of it in members that nobody models.
func eventBody() []byte {
	const head = `{"id":"evt_0001","event":"DOCUMENT_SIGNED","timestamp":"2021-06-15T10:31:01.654321Z",` +
		`"document":{"id":14,"doc_no":"DOC-000014","object_id":"DOC-AB12CD34EF56","title":"Lease of the flat","document_status":{"name":"Sent"}},` +
		`"recipient":{"user_email":"tenant@example.com","first_name":"Tenant","last_name":"Example"},"history":[`
	b := []byte(head)
	for i := 0; len(b) < webhookBytes-100; i++ {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"event":"DOCUMENT_VIEWED","at":"2021-06-15T10:%02d:00Z","by":"tenant@example.com"}`, i)
	}
	return append(b, "]}"...)
}

func revvOperations(c *revv.Client, event []byte) (Operations, error) {
	title := strings.Repeat("x", longTitle)
	handler, err := revv.NewWebhookHandler(revv.HeaderSecret(webhookName, webhookValue), func(_ context.Context, e *revv.Event) error { return checkEvent(e) })
	if err != nil {
		return Operations{}, err
	}
	return Operations{
		Get: func(ctx context.Context) error {
			document, err := c.Documents.Get(ctx, DocumentID)
			if err != nil {
				return err
			}
			return checkDocument(document)
		},
		Post: func(ctx context.Context) error {
			document, err := c.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: 3, Title: title, FolderID: 7})
			if err != nil {
				return err
			}
			return checkDocument(document)
		},
		List:    listRevv(c, 0),
		Serial:  listRevv(c, -1),
		Webhook: func(ctx context.Context) error { return deliver(ctx, handler, event) },
	}, nil
}

func listRevv(c *revv.Client, prefetch int) func(context.Context, func(int) error) error {
	return func(ctx context.Context, item func(int) error) error {
		for entry, err := range c.Documents.All(ctx, revv.ListDocumentsParams{Prefetch: prefetch}) {
			if err != nil {
				return err
			}
			if err := item(int(entry.EntryID) - 1); err != nil {
				return err
			}
		}
		return nil
	}
}

func revvFloor(f floor, event []byte) Operations {
	title := strings.Repeat("x", longTitle)
	handler := revvWebhookFloor()
	return Operations{
		Get: func(ctx context.Context) error {
			var out struct{ Document revv.Document }
			if _, err := f.call(ctx, http.MethodGet, "/api/docs/"+strconv.Itoa(DocumentID), nil, &out); err != nil {
				return err
			}
			return checkDocument(&out.Document)
		},
		Post: func(ctx context.Context) error {
			var out struct{ Document revv.Document }
			if _, err := f.call(ctx, http.MethodPost, "/api/docs", revv.CreateDocumentParams{TemplateID: 3, Title: title, FolderID: 7}, &out); err != nil {
				return err
			}
			return checkDocument(&out.Document)
		},
		List: func(ctx context.Context, item func(int) error) error {
			for page := 1; ; page++ {
				var out struct {
					Page struct {
						Inodes []revv.DocumentEntry `json:"inodes"`
						Count  int                  `json:"count"`
					} `json:"page"`
				}
				if _, err := f.call(ctx, http.MethodGet, "/api/folders/?page_num="+strconv.Itoa(page), nil, &out); err != nil {
					return err
				}
				if len(out.Page.Inodes) == 0 {
					return nil
				}
				for i := range out.Page.Inodes {
					if err := item(int(out.Page.Inodes[i].EntryID) - 1); err != nil {
						return err
					}
				}
			}
		},
		Webhook: func(ctx context.Context) error { return deliver(ctx, handler, event) },
	}
}

func checkDocument(d *revv.Document) error {
	if d.ID != DocumentID || len(d.Fields) != fieldCount || d.Fields[1].Value != "A value that somebody entered, no 1" ||
		d.UpdatedAt.Nanosecond() != 654321000 || !d.Stage.Is(revv.StageDraft) || len(d.Raw) == 0 {
		return fmt.Errorf("document: %w", errDecoded)
	}
	return nil
}

func checkEvent(e *revv.Event) error {
	if e.Type != revv.EventSigned || e.Document.ID != DocumentID || e.Recipient.Email != "tenant@example.com" || len(e.Raw) < webhookBytes/2 {
		return fmt.Errorf("event: %w", errDecoded)
	}
	return nil
}

// revvWebhookFloor does what a handler cannot do without: the secret in constant
// time, the body within a bound, and encoding/json.
func revvWebhookFloor() http.Handler {
	want := sha256.Sum256([]byte(webhookValue))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get(webhookName)))
		if r.Method != http.MethodPost || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var e revv.Event
		if json.Unmarshal(body, &e) != nil || checkEvent(&e) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// writer is the least ResponseWriter.
type writer struct {
	header http.Header
	status int
}

func (w *writer) Header() http.Header         { return w.header }
func (w *writer) Write(b []byte) (int, error) { return len(b), nil }
func (w *writer) WriteHeader(status int)      { w.status = status }

// deliver posts an event to a handler without a network.
func deliver(ctx context.Context, handler http.Handler, event []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/hooks", bytes.NewReader(event))
	if err != nil {
		return err
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, webhookName: {webhookValue}}
	w := &writer{header: make(http.Header)}
	handler.ServeHTTP(w, req)
	if w.status != http.StatusNoContent {
		return fmt.Errorf("webhook: status %d: %w", w.status, errDecoded)
	}
	return nil
}
