package revv_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// latin1 is a text in Latin-1, where UTF-8 is due: encoding/json would send "100 �".
const latin1 = "100 \x80"

// badTexts are calls with one text that is not UTF-8, for every text of a request.
func badTexts() []badCall {
	const rule = "must be valid UTF-8"
	var calls []badCall
	add := func(op, argument string, call func(ctx context.Context, c *revv.Client) error) {
		calls = append(calls, badCall{op, argument, rule, call})
	}
	add("Documents.Create", "Title", func(ctx context.Context, c *revv.Client) error {
		return errorOf(c.Documents.Create(ctx, revv.CreateDocumentParams{TemplateID: 1, Title: latin1}))
	})
	add("Documents.Clone", "Title", func(ctx context.Context, c *revv.Client) error {
		return errorOf(c.Documents.Clone(ctx, 14, revv.CloneDocumentParams{Title: latin1}))
	})
	for argument, field := range map[string]revv.FieldValue{"fields[1].Name": {Name: latin1}, "fields[1].Value": {Name: "Price", Value: latin1}} {
		add("Documents.SetFields", argument, func(ctx context.Context, c *revv.Client) error {
			return errorOf(c.Documents.SetFields(ctx, 14, []revv.FieldValue{{Name: "Client", Value: "Müller"}, field}))
		})
	}
	add("Documents.MagicLink", "id", func(ctx context.Context, c *revv.Client) error { return errorOf(c.Documents.MagicLink(ctx, latin1)) })
	for argument, params := range map[string]revv.SendParams{
		"Message":                 {Recipients: oneRecipient, Message: latin1},
		"Recipients[0].FirstName": {Recipients: []revv.Person{{Email: "ann@example.com", FirstName: latin1}}},
		"Recipients[0].LastName":  {Recipients: []revv.Person{{Email: "ann@example.com", LastName: latin1}}},
		"Recipients[0].Email":     {Recipients: []revv.Person{{Email: "ann\x80@example.com"}}},
	} {
		add("Documents.Share", argument, func(ctx context.Context, c *revv.Client) error {
			return c.Documents.Share(ctx, 14, revv.ShareParams{Recipients: params.Recipients, Message: params.Message})
		})
		add("Documents.SendForESign", argument, func(ctx context.Context, c *revv.Client) error { return c.Documents.SendForESign(ctx, 14, params) })
		add("Documents.SendForAcceptance", argument, func(ctx context.Context, c *revv.Client) error { return c.Documents.SendForAcceptance(ctx, 14, params) })
		add("Documents.SendForApproval", argument, func(ctx context.Context, c *revv.Client) error { return c.Documents.SendForApproval(ctx, 14, params) })
	}
	add("Folders.Create", "Name", func(ctx context.Context, c *revv.Client) error {
		return errorOf(c.Folders.Create(ctx, revv.CreateFolderParams{Name: latin1}))
	})
	for argument, set := range map[string]func(*revv.UpsertContactParams){
		"Name": func(p *revv.UpsertContactParams) { p.Name = latin1 }, "Email": func(p *revv.UpsertContactParams) { p.Email = "a\x80@example.com" },
		"Title": func(p *revv.UpsertContactParams) { p.Title = new(latin1) }, "Description": func(p *revv.UpsertContactParams) { p.Description = new(latin1) },
		"Phone": func(p *revv.UpsertContactParams) { p.Phone = new(latin1) }, "Type": func(p *revv.UpsertContactParams) { p.Type = latin1 },
		"LinkedIn": func(p *revv.UpsertContactParams) { p.LinkedIn = new(latin1) }, "Instagram": func(p *revv.UpsertContactParams) { p.Instagram = new(latin1) },
		"Twitter": func(p *revv.UpsertContactParams) { p.Twitter = new(latin1) }, "Notes": func(p *revv.UpsertContactParams) { p.Notes = new(latin1) },
	} {
		add("Contacts.Upsert", argument, func(ctx context.Context, c *revv.Client) error {
			params := revv.UpsertContactParams{Name: "Ann", Email: "ann@example.com"}
			set(&params)
			return errorOf(c.Contacts.Upsert(ctx, params))
		})
	}
	add("Contacts.GetByEmail", "email", func(ctx context.Context, c *revv.Client) error {
		return errorOf(c.Contacts.GetByEmail(ctx, "ann\x80@example.com"))
	})
	add("Templates.List", "Status", func(ctx context.Context, c *revv.Client) error {
		return errorOf(c.Templates.List(ctx, revv.ListTemplatesParams{Status: latin1}))
	})
	for argument, params := range map[string]revv.SubscribeParams{"Event": {Event: latin1, URL: "https://example.com/hooks"}, "URL": {Event: "E", URL: "https://example.com/\x80"}} {
		add("Webhooks.Subscribe", argument, func(ctx context.Context, c *revv.Client) error { return errorOf(c.Webhooks.Subscribe(ctx, params)) })
	}
	return calls
}

// A price that is not UTF-8 would come out as another text, without a word.
func TestTexts_thatAreNotUTF8_areNamedAndNothingIsSent(t *testing.T) {
	t.Parallel()
	for _, bad := range badTexts() {
		t.Run(bad.op+" "+bad.argument, func(t *testing.T) {
			t.Parallel()
			refused(t, bad.call(t.Context(), silent(t).client(t)), bad.op, bad.argument, bad.rule)
		})
	}
}

type price struct{ Price string }

func TestDo_textsThatAreNotUTF8_areRefused(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]any{
		"a text": latin1, "a member": struct{ Price string }{latin1}, "a key": map[string]int{latin1: 1}, "deep down": map[string]any{"a": []any{1, map[string]string{"b": latin1}}},
		"behind a backslash": `\` + latin1, "an embedded member": struct{ price }{price{latin1}}, "a pointer": &price{latin1}, "an array": [2]any{nil, latin1}, "bytes": []byte(`{"price":"` + latin1 + `"}`), "raw JSON": json.RawMessage(`{"price":"` + latin1 + `"}`),
		"JSON within": struct{ Price json.RawMessage }{json.RawMessage(`"` + latin1 + `"`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := silent(t).client(t).Do(t.Context(), http.MethodPost, "/api/users", in, nil)
			refused(t, err, "Do", "body", "must be valid UTF-8")
		})
	}
}

// The character that stands for broken text is a character like any other, and so
// is the text of its escape.
func TestDo_textsThatAreUTF8_areSentAsTheyAre(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"100 €": `"100 €"`, "\ufffd": "\"\ufffd\"", `\ufffd`: `"\\ufffd"`, `\\ufffd`: `"\\\\ufffd"`, "\u2028": `"\u2028"`} {
		s := always(http.StatusOK, `{}`)
		require.NoError(t, s.client(t).Do(t.Context(), http.MethodPost, "/a", text, nil))
		assert.Equal(t, []string{"POST /a " + want}, s.Lines())
	}
	for name, in := range map[string]any{
		"JSON within": struct{ Text json.RawMessage }{json.RawMessage(`"\ufffd"`)}, "what is not sent": struct {
			Text   string
			Hidden string `json:"-"`
			hidden string
		}{"\ufffd", latin1, latin1}, "a time": struct {
			Text string
			At   time.Time
		}{"\ufffd", time.Unix(0, 0)}, "nothing": []any{"\ufffd", nil, (*price)(nil), 7},
	} {
		require.NoError(t, always(http.StatusOK, `{}`).client(t).Do(t.Context(), http.MethodPost, "/a", in, nil), name)
	}
}

// An address with a character that nobody sees is another address than it seems.
func TestAddress_withWhatCannotBeSeen_isRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]string{"no-break space": "\u00a0", "zero-width space": "\u200b", "byte order mark": "\ufeff", "right to left": "\u202e", "C1 control": "\u0085", "tab": "\t"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, address := range []string{"ann@example.com" + c, "an" + c + "n@example.com", c + "ann@example.com"} {
				_, err := silent(t).client(t).Contacts.GetByEmail(t.Context(), address)
				refused(t, err, "Contacts.GetByEmail", "email", "must be a bare mail address")
				err = silent(t).client(t).Documents.SendForESign(t.Context(), 14, revv.SendParams{Recipients: []revv.Person{{Email: address}}})
				refused(t, err, "Documents.SendForESign", "Recipients[0].Email", "must be a bare mail address")
			}
		})
	}
	s := always(http.StatusOK, `{"Contacts":[{"id":1,"email":"jürgen@müller.example"}]}`)
	require.NoError(t, errorOf(s.client(t).Contacts.GetByEmail(t.Context(), "jürgen@müller.example")))
}
