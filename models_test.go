package revv_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// readID reads a document whose id is this piece of JSON.
func readID(t *testing.T, id string) (*revv.Document, error) {
	t.Helper()
	return always(http.StatusOK, `{"Document":{"doc_no":"DOC-000040","id":`+id+`}}`).client(t).Documents.Get(t.Context(), 14)
}

func TestIDs_asNumberOrText_areExactOverTheWholeRange(t *testing.T) {
	t.Parallel()
	for _, id := range []int64{0, 1, -1, 14, 1<<53 - 1, 1 << 53, 1<<53 + 1, 9007199254740993, math.MaxInt64, math.MinInt64} {
		text := strconv.FormatInt(id, 10)
		for _, form := range []string{text, `"` + text + `"`, " " + text + " "} {
			document, err := readID(t, form)
			require.NoError(t, err, form)
			assert.Equal(t, revv.DocumentID(id), document.ID, form)
		}
	}
	for _, form := range []string{`null`, `""`} {
		document, err := readID(t, form)
		require.NoError(t, err, form)
		assert.Zero(t, document.ID)
	}
}

func TestIDs_thatAreNone_areMalformedAndNameTheMember(t *testing.T) {
	t.Parallel()
	for id, kind := range map[string]string{
		`9223372036854775808`: "number", `-9223372036854775809`: "number", `1.0`: "number", `1.5`: "number", `1e3`: "number", `-0.0`: "number",
		`"9223372036854775808"`: "string", `"secret"`: "string", `" 14"`: "string", `"14 "`: "string", `"+14"`: "string", `"0x0e"`: "string", `"1_4"`: "string", `"1e1"`: "string",
		`"١٤"`: "string", `true`: "bool", `false`: "bool", `{}`: "object", `{"secret":1}`: "object", `[]`: "array", `[14]`: "array",
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			document, err := readID(t, id)
			require.ErrorIs(t, err, revv.ErrMalformedResponse)
			assert.Nil(t, document)
			assert.ErrorContains(t, err, `the member "Document.id" cannot hold this `+kind)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestIDs_ofEveryKind_takeNumbersAndTexts(t *testing.T) {
	t.Parallel()
	const number = "9007199254740993"
	for _, form := range []string{number, `"` + number + `"`} {
		read := func(into any) { require.NoError(t, json.Unmarshal([]byte(form), into), "%T", into) }
		var (
			document revv.DocumentID
			template revv.TemplateID
			folder   revv.FolderID
			contact  revv.ContactID
			entry    revv.EntryID
			webhook  revv.WebhookID
		)
		for _, into := range []any{&document, &template, &folder, &contact, &entry, &webhook} {
			read(into)
			assert.Equal(t, number, fmt.Sprint(deref(into)))
		}
	}
	for _, form := range []string{`{}`, `[]`, `true`} {
		for _, into := range []any{new(revv.DocumentID), new(revv.TemplateID), new(revv.FolderID), new(revv.ContactID), new(revv.EntryID), new(revv.WebhookID)} {
			require.Error(t, json.Unmarshal([]byte(form), into), "%T", into)
		}
	}
	var webhook revv.WebhookID
	require.NoError(t, json.Unmarshal([]byte(`"wh_1 ü"`), &webhook))
	assert.Equal(t, revv.WebhookID("wh_1 ü"), webhook)
}

func deref(pointer any) any {
	switch p := pointer.(type) {
	case *revv.DocumentID:
		return *p
	case *revv.TemplateID:
		return *p
	case *revv.FolderID:
		return *p
	case *revv.ContactID:
		return *p
	case *revv.EntryID:
		return *p
	case *revv.WebhookID:
		return *p
	}
	return nil
}

// A misfit is named by its path, and its content is never shown.
func TestMisfits_areNamedByTheirMember(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ op, body, member string }{
		"title":               {"GetDocument", `{"Document":{"id":1,"title":{"secret":1}}}`, "Document.title"},
		"number":              {"GetDocument", `{"Document":{"id":1,"doc_no":{"secret":7}}}`, "Document.doc_no"},
		"stage":               {"GetDocument", `{"Document":{"id":1,"document_status":7}}`, "Document.document_status"},
		"stage as list":       {"GetDocument", `{"Document":{"id":1,"document_status":["secret"]}}`, "Document.document_status"},
		"name of the stage":   {"GetDocument", `{"Document":{"id":1,"document_status":{"name":7}}}`, "Document.document_status"},
		"time":                {"GetDocument", `{"Document":{"id":1,"created_at":{}}}`, "Document.created_at"},
		"fields":              {"GetDocument", `{"Document":{"id":1,"fields":{"secret":1}}}`, "Document.fields"},
		"field":               {"GetDocument", `{"Document":{"id":1,"fields":[{"name":"a"},"secret"]}}`, "Document.fields"},
		"name of a field":     {"GetDocument", `{"Document":{"id":1,"fields":[{"name":["secret"]}]}}`, "Document.fields.name"},
		"document as list":    {"GetDocument", `{"Document":[{"id":1}]}`, "Document"},
		"document as text":    {"GetDocument", `{"Document":"secret"}`, "Document"},
		"id of an entry":      {"ListDocuments", `{"page":{"inodes":[{"id":"secret"}]}}`, "page.inodes.id"},
		"tag of an entry":     {"ListDocuments", `{"page":{"inodes":[{"id":1,"document_tag":[]}]}}`, "page.inodes.document_tag"},
		"templates":           {"ListTemplates", `{"Templates":{}}`, "Templates"},
		"id of a template":    {"ListTemplates", `{"Templates":[{"id":1},{"id":{"secret":1}}]}`, "Templates.id"},
		"contact":             {"GetContact", `{"Contact":7}`, "Contact"},
		"phone of a contact":  {"GetContact", `{"Contact":{"id":1,"phone":5550100}}`, "Contact.phone"},
		"name of a folder":    {"CreateFolder", `{"Folder":{"id":1,"name":[]}}`, "Folder.name"},
		"webhooks":            {"ListWebhooks", `{"Webhooks":"none"}`, "Webhooks"},
		"actor":               {"ListActivities", `[{"event":"X","actor":"secret"}]`, "actor"},
		"name of an actor":    {"ListActivities", `[{"event":"X","actor":{"name":["secret"]}}]`, "actor.name"},
		"subjects":            {"ListActivities", `[{"event":"X","subjects":"secret"}]`, "subjects"},
		"subject":             {"ListActivities", `[{"event":"X","subjects":[["secret"]]}]`, "subjects"},
		"name of a subject":   {"ListActivities", `[{"event":"X","subjects":[{"name":"a"},{"name":["secret"]}]}]`, "subjects.name"},
		"time of an activity": {"ListActivities", `[{"event":"X","timestamp":["secret"]}]`, "timestamp"},
		"id of a webhook":     {"ListWebhooks", `{"Webhooks":[{"id":{"secret":1}}]}`, "Webhooks.id"},
		"event of a webhook":  {"ListWebhooks", `{"Webhooks":[{"event":["secret"]}]}`, "Webhooks.event"},
		"id of a contact":     {"GetContact", `{"Contact":{"id":["secret"]}}`, "Contact.id"},
		"type of a contact":   {"GetContact", `{"Contact":{"id":1,"type":["secret"]}}`, "Contact.type"},
		"id of a folder":      {"CreateFolder", `{"Folder":{"id":"secret"}}`, "Folder.id"},
		"URL of a link":       {"CreateMagicLink", `{"url":["secret"]}`, "url"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := callOf(test.op)(t.Context(), always(http.StatusOK, test.body).client(t))
			require.ErrorIs(t, err, revv.ErrMalformedResponse)
			assert.ErrorContains(t, err, `the member "`+test.member+`" cannot hold this `)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestObjects_thatAreNull_areMalformed(t *testing.T) {
	t.Parallel()
	for op, body := range map[string]string{
		"GetDocument": `{"Document":null}`, "GetContact": `{"Contact":null}`, "CreateFolder": `{"Folder":null}`, "SubscribeWebhook": `{"Webhook":null}`,
		"ListTemplates": `{"Templates":[null]}`, "ListContacts": `{"Contacts":[{"id":1},null]}`, "ListDocuments": `{"page":{"inodes":[null]}}`, "ListActivities": `[null]`, "ListWebhooks": `{"Webhooks":[{},null]}`,
		"GetDocumentByNumber": `{"Document":{}}`, "CloneDocument": `{"Document":{"title":"a document without an id"}}`,
	} {
		err := callOf(op)(t.Context(), always(http.StatusOK, body).client(t))
		require.ErrorIs(t, err, revv.ErrMalformedResponse, op)
	}
	for _, body := range []string{`null`, `{}`, `{"Activities":[]}`, `"none"`, `7`} {
		err := callOf("ListActivities")(t.Context(), always(http.StatusOK, body).client(t))
		require.ErrorIs(t, err, revv.ErrMalformedResponse, body)
		assert.ErrorContains(t, err, "not a JSON array")
	}
}

func TestLists_thatAreNull_areEmpty(t *testing.T) {
	t.Parallel()
	for op, body := range map[string]string{
		"ListTemplates": `{"Templates":null}`, "ListContacts": `{"Contacts":null}`, "ListDocuments": `{"page":{"inodes":null}}`, "ListFolders": `{"page":{"inodes":null,"count":null}}`,
		"ListActivities": `[]`, "ListWebhooks": `{"Webhooks":[]}`,
	} {
		require.NoError(t, callOf(op)(t.Context(), always(http.StatusOK, body).client(t)), op)
	}
}

func TestDocument_unknownMembers_areKeptInRaw(t *testing.T) {
	t.Parallel()
	const raw = `{"id":14, "secret_sauce":{"a":[1,2.50,null]}, "fields":[{"name":"Client","hint":"who pays","value":null}],"DOC_NO":"DOC-000041"}`
	document, err := always(http.StatusOK, `{"Meta":1,"Document":`+raw+`,"Document2":{}}`).client(t).Documents.Get(t.Context(), 14)
	require.NoError(t, err)
	assert.Equal(t, raw, string(document.Raw))
	assert.JSONEq(t, `{"name":"Client","hint":"who pays","value":null}`, string(document.Fields[0].Raw))
	assert.Equal(t, revv.DocumentNumber("DOC-000041"), document.Number, "members are found whatever their case")
	encoded, err := json.Marshal(document)
	require.NoError(t, err)
	assert.NotContains(t, string(encoded), "secret_sauce", "Raw is no member of its own")
}

// Raw belongs to the caller: what one does with it reaches no other value.
func TestRaw_isACopy(t *testing.T) {
	t.Parallel()
	page, err := always(http.StatusOK, `{"Contacts":[{"id":1,"name":"Ann"},{"id":2,"name":"Bob"}]}`).client(t).Contacts.List(t.Context(), revv.ListContactsParams{})
	require.NoError(t, err)
	_ = append(page.Items[0].Raw, "xxxxxxxx"...) // would reach into the next one
	for i := range page.Items[0].Raw {
		page.Items[0].Raw[i] = 'x'
	}
	assert.JSONEq(t, `{"id":2,"name":"Bob"}`, string(page.Items[1].Raw))
	assert.Equal(t, "Bob", page.Items[1].Name)
}

func TestStage_comesInSeveralShapes(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]revv.Stage{
		`{"name":"Draft"}`: revv.StageDraft, `"Sent"`: revv.StageSent, `null`: "", `{}`: "", `{"name":null}`: "", `{"id":7}`: "", `{"id":7,"name":"In review – B2"}`: "In review – B2", `""`: "",
		` {"name" : "Signed"} `: revv.StageSigned,
	} {
		document, err := always(http.StatusOK, `{"Document":{"id":14,"document_status":`+status+`}}`).client(t).Documents.Get(t.Context(), 14)
		require.NoError(t, err, status)
		assert.Equal(t, want, document.Stage, status)
	}
	assert.True(t, revv.StageDraft.Is("DRAFT"))
	assert.True(t, revv.Stage("completed").Is(revv.StageCompleted))
	assert.False(t, revv.StageDraft.Is(revv.StageSent))
	assert.False(t, revv.StageDraft.Is(""))
}

func TestStage_Reached_onlyWhatIsKnownToFollow(t *testing.T) {
	t.Parallel()
	known := []revv.Stage{revv.StageDraft, revv.StageSent, revv.StageSigned, revv.StageCompleted}
	for i, stage := range known {
		for j, other := range known {
			assert.Equal(t, i >= j, stage.Reached(other), "%s, %s", stage, other)
		}
		assert.False(t, stage.Reached(""), stage)
		assert.False(t, stage.Reached("In review"), stage)
		assert.False(t, revv.Stage("In review").Reached(stage), stage)
		assert.False(t, revv.Stage("").Reached(stage), stage)
	}
	assert.True(t, revv.Stage("SIGNED").Reached("sent"))
	assert.True(t, revv.Stage("In review").Reached("in review"))
	assert.False(t, revv.Stage("").Reached(""))
}

func TestDocument_Field_byItsExactName(t *testing.T) {
	t.Parallel()
	document := revv.Document{Fields: []revv.Field{{Name: "Client", Value: "Example Ltd"}, {Name: "Fee"}}}
	assert.Equal(t, revv.Field{Name: "Client", Value: "Example Ltd"}, document.Field("Client"))
	assert.Zero(t, document.Field("client"))
	assert.Zero(t, document.Field(""))
	assert.Zero(t, (*revv.Document)(nil).Field("Client"))
}

func TestTag_comesInSeveralShapes(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]revv.Tag{`{"name":"nda"}`: "nda", `"nda"`: "nda", `null`: "", `{}`: "", `{"name":""}`: ""} {
		page, err := always(http.StatusOK, `{"page":{"inodes":[{"id":1,"type":"f","document_tag":`+tag+`}]}}`).client(t).Documents.List(t.Context(), revv.ListDocumentsParams{})
		require.NoError(t, err, tag)
		assert.Equal(t, want, page.Items[0].Tag, tag)
	}
}

func TestTime_layouts(t *testing.T) {
	t.Parallel()
	noon := time.Date(2020, 9, 17, 14, 48, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2020-09-17T14:48:00.000000Z":          noon,
		"2020-09-17T14:48:00Z":                 noon,
		"2020-09-17T16:48:00+02:00":            noon,
		"2020-09-17T14:48:00.123456789Z":       noon.Add(123456789),
		"2020-09-17T14:48:00.000001":           noon.Add(time.Microsecond),
		"2020-09-17 14:48:00":                  noon,
		"2020-09-17 14:48:00.5":                noon.Add(500 * time.Millisecond),
		"2020-09-17 16:48:00.000000+02:00":     noon,
		"2020-09-17":                           {},
		"17.09.2020 14:48":                     {},
		"1600354080":                           {},
		"yesterday":                            {},
		"2020-09-17T14:48:00.000000Z and more": {},
		"":                                     {},
	} {
		var got revv.Time
		require.NoError(t, json.Unmarshal([]byte(strconv.Quote(text)), &got), text)
		assert.True(t, want.Equal(got.Time), "%s: %s", text, got.Time)
		assert.Equal(t, text, got.Text(), "what came stays readable")
		if !want.IsZero() {
			assert.Equal(t, time.UTC, got.Location(), text)
		}
	}
	var got revv.Time
	require.NoError(t, json.Unmarshal([]byte(`1600354080`), &got))
	assert.True(t, got.IsZero())
	assert.Equal(t, "1600354080", got.Text())
	require.NoError(t, json.Unmarshal([]byte(`null`), &got))
	assert.Empty(t, got.Text())
	require.Error(t, json.Unmarshal([]byte(`{}`), &got))
	require.Error(t, json.Unmarshal([]byte(`[]`), &got))
}

func TestTime_isWrittenInTheObservedLayout(t *testing.T) {
	t.Parallel()
	unreadable := revv.Time{}
	require.NoError(t, unreadable.UnmarshalJSON([]byte(`"17.09.2020 \"noon\""`)))
	for want, value := range map[string]revv.Time{
		`"2020-09-17T14:48:00.000000Z"`: {Time: time.Date(2020, 9, 17, 16, 48, 0, 999, time.FixedZone("CEST", 7200))},
		`null`:                          {},
		`"17.09.2020 \"noon\""`:         unreadable,
	} {
		got, err := json.Marshal(value)
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
}

func TestField_valueOfAnyType_isItsText(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`"Acme"`: "Acme", `""`: "", `null`: "", `12`: "12", `12.50`: "12.50", `-1e3`: "-1e3", `true`: "true", `false`: "false", `"1"`: "1", `"\u00fc\n"`: "ü\n",
		`{"amount":5, "unit":"EUR"}`: `{"amount":5, "unit":"EUR"}`, `["a","b"]`: `["a","b"]`, `[]`: "[]", `{}`: "{}", `9007199254740993`: "9007199254740993",
	} {
		document, err := always(http.StatusOK, `{"Document":{"id":14,"fields":[{"name":"Fee","type":"number","required":true,"value":`+value+`}]}}`).client(t).Documents.Get(t.Context(), 14)
		require.NoError(t, err, value)
		require.Len(t, document.Fields, 1)
		field := document.Fields[0]
		assert.Equal(t, want, field.Value, value)
		assert.Equal(t, revv.Field{Name: "Fee", Type: "number", Required: true, Value: want, Raw: field.Raw}, field)
	}
	document, err := always(http.StatusOK, `{"Document":{"id":14,"fields":[{"name":"Fee"}]}}`).client(t).Documents.Get(t.Context(), 14)
	require.NoError(t, err)
	assert.Equal(t, revv.Field{Name: "Fee", Raw: json.RawMessage(`{"name":"Fee"}`)}, document.Fields[0])
}

func TestPerson_orderOfZero_isNotSent(t *testing.T) {
	t.Parallel()
	for want, person := range map[string]revv.Person{
		`{"user_email":"ann@example.com","first_name":"","last_name":""}`:               {Email: "ann@example.com"},
		`{"user_email":"ann@example.com","first_name":"Ann","last_name":"","order":1}`:  {Email: "ann@example.com", FirstName: "Ann", Order: 1},
		`{"user_email":"ann@example.com","first_name":"","last_name":"Lee","order":12}`: {Email: "ann@example.com", LastName: "Lee", Order: 12},
	} {
		s := always(http.StatusOK, `{}`)
		require.NoError(t, s.client(t).Documents.SendForESign(t.Context(), 14, revv.SendParams{Recipients: []revv.Person{person}}))
		assert.Equal(t, []string{`POST /api/v2/doc-signers/14 {"signers":[` + want + `],"email_message":""}`}, s.Lines())
	}
}

func TestUpsertContactParams_nilIsLeftOutAndBlankIsSent(t *testing.T) {
	t.Parallel()
	for want, params := range map[string]revv.UpsertContactParams{
		`{"name":"Ann","email":"ann@example.com"}`:                                           {},
		`{"name":"Ann","email":"ann@example.com","title":""}`:                                {Title: new("")},
		`{"name":"Ann","email":"ann@example.com","description":"","phone":"1"}`:              {Description: new(""), Phone: new("1")},
		`{"name":"Ann","email":"ann@example.com","type":"individual","notes":""}`:            {Type: revv.ContactIndividual, Notes: new("")},
		`{"name":"Ann","email":"ann@example.com","linkedin":"","instagram":"","twitter":""}`: {LinkedIn: new(""), Instagram: new(""), Twitter: new("")},
	} {
		params.Name, params.Email = "Ann", "ann@example.com"
		s := always(http.StatusOK, `{"Contact":{"id":1}}`)
		_, err := s.client(t).Contacts.Upsert(t.Context(), params)
		require.NoError(t, err)
		assert.Equal(t, []string{"POST /api/contacts " + want}, s.Lines())
	}
}

func TestField_withoutAValue_keepsTheOneThatIsThere(t *testing.T) {
	t.Parallel()
	field := revv.Field{Value: "kept"}
	require.NoError(t, json.Unmarshal([]byte(`{"name":"price"}`), &field))
	assert.Equal(t, "kept", field.Value)
	require.NoError(t, json.Unmarshal([]byte(`{"name":"price","value":null}`), &field))
	assert.Empty(t, field.Value)
}
