package revv_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/internal/wire"
)

// What the models would be if encoding/json decoded them by their fields.
type (
	plainDocument struct {
		ID         revv.DocumentID     `json:"id"`
		Number     revv.DocumentNumber `json:"doc_no"`
		ObjectID   revv.ObjectID       `json:"object_id"`
		Title      string              `json:"title"`
		TemplateID revv.TemplateID     `json:"template_id"`
		FolderID   revv.FolderID       `json:"folder_id"`
		Stage      revv.Stage          `json:"document_status"`
		Fields     []plainField        `json:"fields"`
		CreatedAt  revv.Time           `json:"created_at"`
		UpdatedAt  revv.Time           `json:"updated_at"`
	}
	plainField struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	plainEntry struct {
		EntryID revv.EntryID        `json:"id"`
		Name    string              `json:"name"`
		Type    string              `json:"type"`
		Number  revv.DocumentNumber `json:"doc_no"`
		Stage   revv.Stage          `json:"document_status"`
		Tag     revv.Tag            `json:"document_tag"`
	}
	plainTemplate struct {
		ID        revv.TemplateID `json:"id"`
		Title     string          `json:"title"`
		Thumbnail string          `json:"thumbnail"`
	}
	plainFolder struct {
		ID   revv.FolderID `json:"id"`
		Name string        `json:"name"`
		Type string        `json:"type"`
	}
	plainContact struct {
		ID          revv.ContactID   `json:"id"`
		Name        string           `json:"name"`
		Title       string           `json:"title"`
		Description string           `json:"description"`
		Email       string           `json:"email"`
		Phone       string           `json:"phone"`
		Type        revv.ContactType `json:"type"`
		LinkedIn    string           `json:"linkedin"`
		Instagram   string           `json:"instagram"`
		Twitter     string           `json:"twitter"`
		Notes       string           `json:"notes"`
	}
	plainActivity struct {
		Event     string    `json:"event"`
		Timestamp revv.Time `json:"timestamp"`
		Actor     struct {
			Name     string `json:"name"`
			ImageURL string `json:"image_url"`
			Email    string `json:"user_email"`
		} `json:"actor"`
		Subjects []struct {
			Name string `json:"name"`
		} `json:"subjects"`
	}
	plainWebhook struct {
		ID    revv.WebhookID `json:"id"`
		Event revv.EventType `json:"event"`
		URL   string         `json:"url"`
	}
)

func plainFields(fields []revv.Field) []plainField {
	if fields == nil {
		return nil
	}
	plain := make([]plainField, len(fields))
	for i, f := range fields {
		plain[i] = plainField{f.Name, f.Type}
	}
	return plain
}

func plainOf(model any) any {
	switch m := model.(type) {
	case *revv.Document:
		return plainDocument{m.ID, m.Number, m.ObjectID, m.Title, m.TemplateID, m.FolderID, m.Stage, plainFields(m.Fields), m.CreatedAt, m.UpdatedAt}
	case *revv.Field:
		return plainField{m.Name, m.Type}
	case *revv.DocumentEntry:
		return plainEntry{m.EntryID, m.Name, m.Type, m.Number, m.Stage, m.Tag}
	case *revv.Template:
		return plainTemplate{m.ID, m.Title, m.Thumbnail}
	case *revv.Folder:
		return plainFolder{m.ID, m.Name, m.Type}
	case *revv.Contact:
		return plainContact{m.ID, m.Name, m.Title, m.Description, m.Email, m.Phone, m.Type, m.LinkedIn, m.Instagram, m.Twitter, m.Notes}
	case *revv.Activity:
		plain := plainActivity{Event: m.Event, Timestamp: m.Timestamp, Actor: m.Actor}
		for _, s := range m.Subjects {
			plain.Subjects = append(plain.Subjects, s)
		}
		if m.Subjects != nil && plain.Subjects == nil {
			plain.Subjects = make([]struct {
				Name string `json:"name"`
			}, 0)
		}
		return plain
	case *revv.Webhook:
		return plainWebhook{m.ID, m.Event, m.URL}
	}
	return nil
}

// assertSame: what encoding/json makes of an object by its fields is what the model
// makes of it, be it a value or an error that names a member. Of a member that comes
// twice, encoding/json may merge both; elements that are null are no fields.
func assertSame(t *testing.T, data []byte) {
	t.Helper()
	if wire.Scan(data, wire.Limits{Depth: wire.DefaultDepth, DuplicateKeys: true, Elements: math.MaxInt32}) != nil || wire.Kind(data) == 'n' {
		return
	}
	compare := func(model, plain any) {
		t.Helper()
		own, theirs := json.Unmarshal(data, model), json.Unmarshal(data, plain)
		if theirs == nil && own == nil {
			assert.Equal(t, reflect.ValueOf(plain).Elem().Interface(), plainOf(model), "%s", data)
			return
		}
		var a, b *json.UnmarshalTypeError
		if errors.As(own, &a) && errors.As(theirs, &b) {
			return // which of several is found first is not told
		}
		if own != nil && theirs == nil && (strings.Contains(own.Error(), "without id") || strings.Contains(own.Error(), "null where")) {
			return
		}
		assert.Equal(t, theirs != nil, own != nil, "%s: %v, %v", data, own, theirs)
	}
	compare(new(revv.Document), new(plainDocument))
	compare(new(revv.Field), new(plainField))
	compare(new(revv.DocumentEntry), new(plainEntry))
	compare(new(revv.Template), new(plainTemplate))
	compare(new(revv.Folder), new(plainFolder))
	compare(new(revv.Contact), new(plainContact))
	compare(new(revv.Activity), new(plainActivity))
	compare(new(revv.Webhook), new(plainWebhook))
}

func TestModels_decodeAsEncodingJSONWould(t *testing.T) {
	t.Parallel()
	values := []string{
		`null`, `""`, `"a"`, `"\u00e9\n"`, `"\ud800"`, "\"\xff\"", `"14"`, `14`, `-0`, `1.5`, `1e3`, `9223372036854775808`, `true`, `{}`, `[]`, `{"name":"Draft"}`, `{"name":null}`, `{"name":7}`,
		`"2021-06-18T10:00:00Z"`, `[{"name":"a","type":"b"},{"name":"c"}]`, `[null]`, `["a"]`, `{"user_email":"a","image_url":"b"}`, `{"user_email":["a"]}`, `[{"name":1}]`, `[[]]`, ` [ { "name" : "a" } , {} ] `,
	}
	names := []string{
		"id", "doc_no", "object_id", "title", "template_id", "folder_id", "document_status", "fields", "created_at", "updated_at", "name", "type", "document_tag", "unknown", "ID", "Doc_No",
		"thumbnail", "description", "email", "phone", "linkedin", "instagram", "twitter", "notes", "event", "timestamp", "actor", "subjects", "url",
	}
	for _, name := range names {
		for _, value := range values {
			assertSame(t, []byte(`{"`+name+`":`+value+`}`))
			assertSame(t, []byte(` { "id" : 7 , "object_id" : "DOC-a" , "`+name+"2"+`":1, "`+name+`" : `+value+` } `))
		}
	}
	for _, data := range []string{`{`, `[]`, `""`, `"a"`, `7`, `true`, ` null`, ``, `{} {}`} {
		assertSame(t, []byte(data))
		for _, model := range []json.Unmarshaler{new(revv.Document), new(revv.Field), new(revv.DocumentEntry), new(revv.Template), new(revv.Folder), new(revv.Contact), new(revv.Activity), new(revv.Webhook), new(revv.Link)} {
			require.Error(t, model.UnmarshalJSON([]byte(data)), "%T %s", model, data)
		}
	}
}

// What is not in the JSON stays as it was, as with any other type.
func TestModels_membersThatAreMissing_stayAsTheyWere(t *testing.T) {
	t.Parallel()
	doc := revv.Document{ID: 1, Title: "before", Fields: []revv.Field{{Name: "a"}}}
	require.NoError(t, json.Unmarshal([]byte(`{"doc_no":"DOC-000040","title":null}`), &doc))
	assert.Equal(t, revv.DocumentID(1), doc.ID)
	assert.Equal(t, "before", doc.Title)
	assert.Len(t, doc.Fields, 1)
	require.NoError(t, json.Unmarshal([]byte(`{"fields":[]}`), &doc))
	assert.Equal(t, []revv.Field{}, doc.Fields)
	require.NoError(t, json.Unmarshal([]byte(`{"fields":null}`), &doc))
	assert.Nil(t, doc.Fields)
}

// What a call has given stays as it is, whatever the next ones are answered: the memory of
// an answer is used again.
func TestRaw_isNotOverwrittenByTheNextAnswer(t *testing.T) {
	t.Parallel()
	n := 0
	s := &service{answer: func(r *http.Request) (*http.Response, error) {
		n++
		document := fmt.Sprintf(`{"id":%d,"title":"T%d","fields":[{"name":"f%d","value":"v%d"}]}`, n, n, n, n)
		switch {
		case strings.Contains(r.URL.Path, "activities"):
			return reply(http.StatusOK, fmt.Sprintf(`[{"event":"E%d"}]`, n)), nil
		case strings.Contains(r.URL.Path, "contacts"):
			return reply(http.StatusOK, fmt.Sprintf(`{"Contacts":[{"id":%d,"email":"a%d@example.com"}]}`, n, n)), nil
		}
		return reply(http.StatusOK, `{"Document":`+document+`}`), nil
	}}
	client := s.client(t)
	var kept []json.RawMessage
	var texts []string
	keep := func(raw json.RawMessage) { kept, texts = append(kept, raw), append(texts, string(raw)) }
	for range 20 {
		document, err := client.Documents.Get(t.Context(), 14)
		require.NoError(t, err)
		keep(document.Raw)
		require.Len(t, document.Fields, 1)
		keep(document.Fields[0].Raw)
		activities, err := client.Documents.Activities(t.Context(), "DOC-aB3dE5gH7jK9", revv.ListActivitiesParams{})
		require.NoError(t, err)
		require.Len(t, activities, 1)
		keep(activities[0].Raw)
		contacts, err := client.Contacts.List(t.Context(), revv.ListContactsParams{})
		require.NoError(t, err)
		require.Len(t, contacts.Items, 1)
		keep(contacts.Items[0].Raw)
	}
	for i, raw := range kept {
		require.NotEmpty(t, texts[i])
		require.Equal(t, texts[i], string(raw))
	}
}
