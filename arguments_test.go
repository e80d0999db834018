package revv_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// refused asserts that the error is about an argument, and names it.
func refused(t *testing.T, err error, op, argument, rule string) {
	t.Helper()
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	got := failure(t, err)
	assert.Equal(t, op, got.Op)
	assert.Equal(t, argument, got.Argument)
	assert.Contains(t, got.Message, rule)
	assert.Zero(t, got.Attempts)
	assert.Zero(t, got.StatusCode)
	assert.EqualError(t, err, "revv: "+op+": invalid argument: "+argument+" "+got.Message)
}

// badCall is a call with one argument that breaks a rule.
type badCall struct {
	op, argument, rule string
	call               func(ctx context.Context, c *revv.Client) error
}

func badIDs() []badCall {
	var calls []badCall
	for _, id := range []int64{0, -1, -1 << 63} {
		numeric := func(op, argument string, call func(ctx context.Context, c *revv.Client) error) {
			calls = append(calls, badCall{op, argument, "must be positive", call})
		}
		document, one := revv.DocumentID(id), revv.SendParams{Recipients: oneRecipient}
		numeric("Documents.Get", "id", func(ctx context.Context, c *revv.Client) error { _, err := c.Documents.Get(ctx, document); return err })
		numeric("Documents.SetFields", "id", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.SetFields(ctx, document, []revv.FieldValue{{Name: "a"}})
			return err
		})
		numeric("Documents.Clone", "id", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.Clone(ctx, document, revv.CloneDocumentParams{})
			return err
		})
		numeric("Documents.Move", "id", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.Move(ctx, document, 1)
			return err
		})
		numeric("Documents.Move", "folder", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.Move(ctx, 14, revv.FolderID(id))
			return err
		})
		numeric("Documents.Download", "id", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.Download(ctx, document, io.Discard)
			return err
		})
		numeric("Documents.Download", "id", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.DownloadFile(ctx, document, "offer.pdf")
			return err
		})
		numeric("Documents.Share", "id", func(ctx context.Context, c *revv.Client) error {
			return c.Documents.Share(ctx, document, revv.ShareParams{Recipients: oneRecipient})
		})
		numeric("Documents.SendForESign", "id", func(ctx context.Context, c *revv.Client) error { return c.Documents.SendForESign(ctx, document, one) })
		numeric("Documents.SendForAcceptance", "id", func(ctx context.Context, c *revv.Client) error {
			return c.Documents.SendForAcceptance(ctx, document, one)
		})
		numeric("Documents.SendForApproval", "id", func(ctx context.Context, c *revv.Client) error {
			return c.Documents.SendForApproval(ctx, document, one)
		})
		numeric("Documents.Create", "TemplateID", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: revv.TemplateID(id)})
			return err
		})
		numeric("Folders.Delete", "id", func(ctx context.Context, c *revv.Client) error { return c.Folders.Delete(ctx, revv.FolderID(id)) })
		numeric("Contacts.Get", "id", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Contacts.Get(ctx, revv.ContactID(id))
			return err
		})
		numeric("Contacts.Delete", "id", func(ctx context.Context, c *revv.Client) error { return c.Contacts.Delete(ctx, revv.ContactID(id)) })
	}
	for id, rule := range map[string]string{
		"": "must not be empty", ".": `must not be "." or ".."`, "..": `must not be "." or ".."`, "a\nb": "control characters", "a\x00": "control characters",
		"\x7f": "control characters", "a\u0085b": "control characters", "\xff": "must be valid UTF-8", strings.Repeat("x", 257): "must not be longer than 256 bytes",
	} {
		calls = append(
			calls,
			badCall{"Documents.GetByNumber", "number", rule, func(ctx context.Context, c *revv.Client) error {
				_, err := c.Documents.GetByNumber(ctx, revv.DocumentNumber(id))
				return err
			}},
			badCall{"Documents.Activities", "id", rule, func(ctx context.Context, c *revv.Client) error {
				_, err := c.Documents.Activities(ctx, revv.ObjectID(id), revv.ListActivitiesParams{})
				return err
			}},
			badCall{"Webhooks.Unsubscribe", "id", rule, func(ctx context.Context, c *revv.Client) error {
				return c.Webhooks.Unsubscribe(ctx, revv.WebhookID(id))
			}},
		)
	}
	return calls
}

// badRecipients are lists that no sending call takes; the last two rules depend
// on the call.
func badRecipients() []badCall {
	lists := []struct {
		argument, rule string
		people         []revv.Person
	}{
		{"Recipients", "must not be empty", nil},
		{"Recipients", "must not be empty", []revv.Person{}},
		{"Recipients[0].Email", "must not be empty", []revv.Person{{FirstName: "Ann"}}},
		{"Recipients[1].Email", "must not be empty", []revv.Person{{Email: "ann@example.com"}, {}}},
		{"Recipients[0].Email", "must be a mail address", []revv.Person{{Email: "ann"}}},
		{"Recipients[0].Email", "must be a mail address", []revv.Person{{Email: "@example.com"}}},
		{"Recipients[0].Email", "must be a mail address", []revv.Person{{Email: "ann@"}}},
		{"Recipients[0].Email", "must be a mail address", []revv.Person{{Email: "ann@bob@example.com"}}},
		{"Recipients[0].Email", "must be a bare mail address", []revv.Person{{Email: " ann@example.com"}}},
		{"Recipients[0].Email", "must be a bare mail address", []revv.Person{{Email: "ann@example.com\r\nBcc: x"}}},
		{"Recipients[0].Email", "must be a bare mail address", []revv.Person{{Email: "Ann <ann@example.com>"}}},
		{"Recipients[0].Email", "must be a bare mail address", []revv.Person{{Email: "ann@example.com,bob"}}},
		{"Recipients[0].Email", "must not be longer than 254 bytes", []revv.Person{{Email: strings.Repeat("a", 243) + "@example.com"}}},
		{"Recipients[2].Email", "must not occur twice", []revv.Person{{Email: "ann@example.com"}, {Email: "bob@example.com"}, {Email: "ann@example.com"}}},
		{"Recipients[1].Email", "must not occur twice", []revv.Person{{Email: "ann@example.com"}, {Email: "ANN@Example.COM"}}},
		{"Recipients[0].Order", "must not be negative", []revv.Person{{Email: "ann@example.com", Order: -1}}},
	}
	var calls []badCall
	for _, list := range lists {
		params := revv.SendParams{Recipients: list.people}
		calls = append(
			calls,
			badCall{"Documents.SendForESign", list.argument, list.rule, func(ctx context.Context, c *revv.Client) error { return c.Documents.SendForESign(ctx, 14, params) }},
			badCall{"Documents.SendForAcceptance", list.argument, list.rule, func(ctx context.Context, c *revv.Client) error { return c.Documents.SendForAcceptance(ctx, 14, params) }},
			badCall{"Documents.SendForApproval", list.argument, list.rule, func(ctx context.Context, c *revv.Client) error { return c.Documents.SendForApproval(ctx, 14, params) }},
			badCall{"Documents.Share", list.argument, list.rule, func(ctx context.Context, c *revv.Client) error {
				return c.Documents.Share(ctx, 14, revv.ShareParams{Recipients: list.people})
			}},
		)
	}
	ordered := revv.SendParams{Recipients: twoSigners()}
	const rule = "must be 0: only SendForESign keeps an order"
	return append(
		calls,
		badCall{"Documents.SendForAcceptance", "Recipients[0].Order", rule, func(ctx context.Context, c *revv.Client) error {
			return c.Documents.SendForAcceptance(ctx, 14, ordered)
		}},
		badCall{"Documents.SendForApproval", "Recipients[0].Order", rule, func(ctx context.Context, c *revv.Client) error { return c.Documents.SendForApproval(ctx, 14, ordered) }},
		badCall{"Documents.Share", "Recipients[0].Order", rule, func(ctx context.Context, c *revv.Client) error {
			return c.Documents.Share(ctx, 14, revv.ShareParams{Recipients: ordered.Recipients})
		}},
		badCall{"Documents.SendForESign", "Recipients[1].Order", "must be set for all recipients or for none", func(ctx context.Context, c *revv.Client) error {
			return c.Documents.SendForESign(ctx, 14, revv.SendParams{Recipients: []revv.Person{{Email: "ann@example.com", Order: 1}, {Email: "bob@example.com"}}})
		}},
		badCall{"Documents.SendForESign", "Recipients[2].Order", "must be set for all recipients or for none", func(ctx context.Context, c *revv.Client) error {
			return c.Documents.SendForESign(ctx, 14, revv.SendParams{Recipients: []revv.Person{{Email: "ann@example.com"}, {Email: "bob@example.com"}, {Email: "cleo@example.com", Order: 1}}})
		}},
	)
}

func badParams() []badCall {
	create := func(p revv.CreateDocumentParams) func(context.Context, *revv.Client) error {
		return func(ctx context.Context, c *revv.Client) error { _, err := c.Documents.Create(ctx, p); return err }
	}
	fields := func(f ...revv.FieldValue) func(context.Context, *revv.Client) error {
		return func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.SetFields(ctx, 14, f)
			return err
		}
	}
	folder := func(p revv.CreateFolderParams) func(context.Context, *revv.Client) error {
		return func(ctx context.Context, c *revv.Client) error { _, err := c.Folders.Create(ctx, p); return err }
	}
	upsert := func(p revv.UpsertContactParams) func(context.Context, *revv.Client) error {
		return func(ctx context.Context, c *revv.Client) error { _, err := c.Contacts.Upsert(ctx, p); return err }
	}
	list := func(p revv.ListDocumentsParams) func(context.Context, *revv.Client) error {
		return func(ctx context.Context, c *revv.Client) error { _, err := c.Documents.List(ctx, p); return err }
	}
	all := func(p revv.ListDocumentsParams) func(context.Context, *revv.Client) error {
		return func(ctx context.Context, c *revv.Client) (last error) {
			for _, err := range c.Documents.All(ctx, p) {
				last = err
			}
			return last
		}
	}
	subscribe := func(p revv.SubscribeParams) func(context.Context, *revv.Client) error {
		return func(ctx context.Context, c *revv.Client) error { _, err := c.Webhooks.Subscribe(ctx, p); return err }
	}
	calls := []badCall{
		{"Documents.Create", "FolderID", "must not be negative", create(revv.CreateDocumentParams{TemplateID: 1, FolderID: -1})},
		{"Documents.SetFields", "fields", "must not be empty", fields()},
		{"Documents.SetFields", "fields[0].Name", "must not be empty", fields(revv.FieldValue{Value: "x"})},
		{"Documents.SetFields", "fields[1].Name", "must not be empty", fields(revv.FieldValue{Name: "a"}, revv.FieldValue{Name: " \t"})},
		{"Documents.SetFields", "fields[1].Name", "must not occur twice", fields(revv.FieldValue{Name: "a"}, revv.FieldValue{Name: "a"})},
		{"Documents.MagicLink", "id", "must not be empty", func(ctx context.Context, c *revv.Client) error { _, err := c.Documents.MagicLink(ctx, ""); return err }},
		{"Documents.MagicLink", "id", `must not be "." or ".."`, func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.MagicLink(ctx, "..")
			return err
		}},
		{"Documents.MagicLink", "id", "must not contain control characters", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.MagicLink(ctx, "DOC-1\n")
			return err
		}},
		{"Documents.Activities", "Limit", "must not be negative", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.Activities(ctx, offerObject, revv.ListActivitiesParams{Limit: -1})
			return err
		}},
		{"Documents.List", "FolderID", "must not be negative", list(revv.ListDocumentsParams{FolderID: -1})},
		{"Documents.List", "Page", "must not be negative", list(revv.ListDocumentsParams{Page: -1})},
		{"Documents.List", "Prefetch", "must not be more than 32", list(revv.ListDocumentsParams{Prefetch: 33})},
		{"Documents.List", "Page", "must not be negative", all(revv.ListDocumentsParams{Page: -1})},
		{"Documents.List", "Prefetch", "must not be more than 32", all(revv.ListDocumentsParams{Prefetch: 33})},
		{"Templates.List", "Page", "must not be negative", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Templates.List(ctx, revv.ListTemplatesParams{Page: -1})
			return err
		}},
		{"Folders.List", "Prefetch", "must not be more than 32", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Folders.List(ctx, revv.ListFoldersParams{Prefetch: 33})
			return err
		}},
		{"Contacts.List", "Page", "must not be negative", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Contacts.List(ctx, revv.ListContactsParams{Page: -1})
			return err
		}},
		{"Folders.Create", "Name", "must not be empty", folder(revv.CreateFolderParams{})},
		{"Folders.Create", "Name", "must not be empty", folder(revv.CreateFolderParams{Name: " \n"})},
		{"Folders.Create", "ParentID", "must not be negative", folder(revv.CreateFolderParams{Name: "x", ParentID: -1})},
		{"Contacts.Upsert", "Name", "must not be empty", upsert(revv.UpsertContactParams{Email: "ann@example.com"})},
		{"Contacts.Upsert", "Name", "must not be empty", upsert(revv.UpsertContactParams{Name: " ", Email: "ann@example.com"})},
		{"Contacts.Upsert", "Email", "must not be empty", upsert(revv.UpsertContactParams{Name: "Ann"})},
		{"Contacts.Upsert", "Email", "must be a mail address", upsert(revv.UpsertContactParams{Name: "Ann", Email: "ann"})},
		{"Contacts.GetByEmail", "email", "must not be empty", func(ctx context.Context, c *revv.Client) error { _, err := c.Contacts.GetByEmail(ctx, ""); return err }},
		{"Contacts.GetByEmail", "email", "must be a mail address", func(ctx context.Context, c *revv.Client) error { _, err := c.Contacts.GetByEmail(ctx, "%"); return err }},
		{"Webhooks.Subscribe", "Event", "must not be empty", subscribe(revv.SubscribeParams{URL: "https://example.com/hooks"})},
		{"Documents.Download", "w", "must not be nil", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.Download(ctx, 14, nil)
			return err
		}},
		{"Documents.Download", "path", "must be the name of a file", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.DownloadFile(ctx, 14, "")
			return err
		}},
		{"Documents.Download", "path", "must be the name of a file", func(ctx context.Context, c *revv.Client) error {
			_, err := c.Documents.DownloadFile(ctx, 14, "a\x00b")
			return err
		}},
	}
	for target, rule := range map[string]string{
		"": "must be an absolute URL", "example.com/hooks": "must be an absolute URL", "/hooks": "must be an absolute URL", "https://": "must be an absolute URL",
		"mailto:ann@example.com": "must be an absolute URL", "http://example.com/hooks": "must be https", "ftp://example.com/hooks": "must be https",
		"https://example.com/hooks#x": "must not contain a fragment", "https://example.com/\x7f": "must be an absolute URL",
		"https://example.com/my hooks": "must not contain a blank", "https://example.com:0/hooks": "must have a port from 1 to 65535", "https://example.com:65536/hooks": "must have a port from 1 to 65535",
	} {
		calls = append(calls, badCall{"Webhooks.Subscribe", "URL", rule, subscribe(revv.SubscribeParams{Event: "X", URL: target})})
	}
	return calls
}

func TestArguments_thatBreakARule_areNamedAndNothingIsSent(t *testing.T) {
	t.Parallel()
	for group, calls := range map[string][]badCall{"ids": badIDs(), "recipients": badRecipients(), "params": badParams()} {
		for i, bad := range calls {
			t.Run(fmt.Sprintf("%s %d %s %s", group, i, bad.op, bad.argument), func(t *testing.T) {
				t.Parallel()
				refused(t, bad.call(t.Context(), silent(t).client(t)), bad.op, bad.argument, bad.rule)
			})
		}
	}
}

func TestContext_nil_isRefusedByEveryOperation(t *testing.T) {
	t.Parallel()
	var none context.Context
	client := silent(t).client(t)
	for _, op := range operationCalls() {
		refused(t, op.call(none, client), op.name, "ctx", "must not be nil")
	}
	refused(t, client.Do(none, http.MethodGet, "/", nil, nil), "Do", "ctx", "must not be nil")
	for _, err := range client.Templates.All(none, revv.ListTemplatesParams{}) {
		refused(t, err, "Templates.List", "ctx", "must not be nil")
	}
}

func TestContext_done_isReturnedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	client := silent(t).client(t)
	for ctx, want := range map[context.Context]error{canceled: context.Canceled, expired: context.DeadlineExceeded} {
		for _, op := range operationCalls() {
			err := op.call(ctx, client)
			require.ErrorIs(t, err, want, op.field)
			require.NotErrorIs(t, err, revv.ErrOutcomeUnknown, op.field)
			require.NotErrorIs(t, err, revv.ErrInvalidArgument, op.field)
			assert.Equal(t, op.name, failure(t, err).Op)
			assert.Zero(t, failure(t, err).Attempts)
		}
	}
}

func TestClient_thatNewClientDidNotMake_saysSo(t *testing.T) {
	t.Parallel()
	zero := &revv.Client{
		Documents: &revv.DocumentsService{}, Templates: &revv.TemplatesService{}, Folders: &revv.FoldersService{},
		Contacts: &revv.ContactsService{}, Webhooks: &revv.WebhooksService{},
	}
	var missing *revv.Client
	for _, op := range operationCalls() {
		refused(t, op.call(t.Context(), zero), op.name, "client", "must be made with NewClient")
		refused(t, op.call(t.Context(), &revv.Client{}), op.name, "client", "must be made with NewClient")
	}
	for _, client := range []*revv.Client{missing, {}, zero} {
		refused(t, client.Do(t.Context(), http.MethodGet, "/", nil, nil), "Do", "client", "must be made with NewClient")
		resp, err := client.HTTPClient().Do(request(t, http.MethodGet, apiBase, ""))
		require.ErrorIs(t, err, revv.ErrInvalidArgument)
		assert.Nil(t, resp)
		client.HTTPClient().CloseIdleConnections()
		assert.Empty(t, client.BaseURL())
	}
	for _, err := range zero.Contacts.All(t.Context(), revv.ListContactsParams{}) {
		refused(t, err, "Contacts.List", "client", "must be made with NewClient")
	}
}

func TestClient_copied_works(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, offerAnswer)
	client := *s.client(t)
	require.NoError(t, getOffer(t, &client))
	documents := *client.Documents
	_, err := documents.Get(t.Context(), 14)
	require.NoError(t, err)
	assert.Len(t, s.Sent(), 2)
}

// Whatever stands in an id, a server decodes the same text from one segment.
func TestIDs_ofAnyText_arriveAsOneSegment(t *testing.T) {
	t.Parallel()
	ids := []string{
		"a/b", "/", "//", "a?b=c", "?", "a#b", "#", "50%", "%2F", "%2e%2e", "...", ". .", " ", "a b", "a+b", "a&b=c", "a;b", ":", "@", "~", "*", `\`, `a\..\b`, "../..", "./",
		"{id}", "ü", "日本", "🙂", "\u202e", "'", `"`, "<>", "DOC-000040", "é", strings.Repeat("ü", 128),
	}
	var arrived, segments string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest := strings.TrimPrefix(r.URL.EscapedPath(), "/api/documents/")
		segments = rest
		arrived = strings.TrimPrefix(r.URL.Path, "/api/documents/")
		_, _ = io.WriteString(w, `{"Document":{"doc_no":"x"}}`)
	}))
	defer server.Close()
	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(server.URL))
	require.NoError(t, err)
	defer client.HTTPClient().CloseIdleConnections()
	for _, id := range ids {
		_, err := client.Documents.GetByNumber(t.Context(), revv.DocumentNumber(id))
		require.NoError(t, err, "%q", id)
		assert.Equal(t, id, arrived, "%q", id)
		assert.NotContains(t, segments, "/", "%q", id)
		decoded, err := url.PathUnescape(segments)
		require.NoError(t, err, "%q", id)
		assert.Equal(t, id, decoded)
	}
}
