package revv_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// stageChanged is the stand-in payload of docs/wire.md, filled in.
const stageChanged = `{"id":"evt_7Qm2","event":"DOCUMENT_STAGE_CHANGED","timestamp":"2021-06-18T10:00:00.000000Z",` +
	`"document":{"id":14,"doc_no":"DOC-000040","object_id":"DOC-aB3dE5gH7jK9","title":"NDA – Müller & Söhne","document_status":{"name":"Sent"}},` +
	`"previous_status":{"name":"Draft"},` +
	`"recipient":{"user_email":"ann@example.com","first_name":"Ann","last_name":"Lee"}}`

func TestParseEvent_readsEveryMember(t *testing.T) {
	event, err := revv.ParseEvent([]byte(" \n" + stageChanged + "\n"))
	require.NoError(t, err)
	assert.Equal(t, "2021-06-18T10:00:00.000000Z", event.Timestamp.Text())
	assert.True(t, event.Timestamp.Equal(time.Date(2021, 6, 18, 10, 0, 0, 0, time.UTC)))
	event.Timestamp = revv.Time{}
	assert.Equal(t, &revv.Event{
		ID:   "evt_7Qm2",
		Type: revv.EventStageChanged,
		Document: revv.EventDocument{
			ID: 14, Number: "DOC-000040", ObjectID: "DOC-aB3dE5gH7jK9", Title: "NDA – Müller & Söhne", Stage: revv.StageSent,
		},
		PreviousStage: revv.StageDraft,
		Recipient:     revv.Person{Email: "ann@example.com", FirstName: "Ann", LastName: "Lee"},
		Raw:           json.RawMessage(stageChanged),
	}, event)
}

func TestParseEvent_isTolerantAboutContent(t *testing.T) {
	tests := map[string]struct {
		body string
		want revv.Event
	}{
		"only a type":           {`{"event":"DOCUMENT_CLOSED"}`, revv.Event{Type: revv.EventClosed}},
		"unknown type":          {`{"event":"DOCUMENT_ARCHIVED"}`, revv.Event{Type: "DOCUMENT_ARCHIVED"}},
		"unknown members":       {`{"event":"X","version":2,"document":{"pages":[1,{"a":null}]}}`, revv.Event{Type: "X"}},
		"nulls":                 {`{"id":null,"event":"X","timestamp":null,"document":null,"previous_status":null,"recipient":null}`, revv.Event{Type: "X"}},
		"nulls inside":          {`{"event":"X","document":{"id":null,"doc_no":null,"document_status":null}}`, revv.Event{Type: "X"}},
		"id as a number":        {`{"id":9007199254740993,"event":"X"}`, revv.Event{ID: "9007199254740993", Type: "X"}},
		"id as an odd number":   {`{"id":1e400,"event":"X"}`, revv.Event{ID: "1e400", Type: "X"}},
		"document id as a text": {`{"event":"X","document":{"id":"9223372036854775807"}}`, revv.Event{Type: "X", Document: revv.EventDocument{ID: 1<<63 - 1}}},
		"stage as a text":       {`{"event":"X","document":{"document_status":"In review"}}`, revv.Event{Type: "X", Document: revv.EventDocument{Stage: "In review"}}},
		"order as a number":     {`{"event":"X","recipient":{"order":2}}`, revv.Event{Type: "X", Recipient: revv.Person{Order: 2}}},
		"order as a text":       {`{"event":"X","recipient":{"order":"2"}}`, revv.Event{Type: "X", Recipient: revv.Person{Order: 2}}},
		"order as a fraction":   {`{"event":"X","recipient":{"order":2.0}}`, revv.Event{Type: "X", Recipient: revv.Person{Order: 2}}},
		"order that is none":    {`{"event":"X","recipient":{"user_email":"a@example.com","order":[2.5]}}`, revv.Event{Type: "X", Recipient: revv.Person{Email: "a@example.com"}}},
		"order out of range":    {`{"event":"X","recipient":{"order":1e300}}`, revv.Event{Type: "X"}},
		"order below zero":      {`{"event":"X","recipient":{"order":-1}}`, revv.Event{Type: "X"}},
		"order with a half":     {`{"event":"X","recipient":{"order":2.5}}`, revv.Event{Type: "X"}},
		"timestamp as an array": {`{"event":"X","timestamp":[]}`, revv.Event{Type: "X"}},
		"stage as a number":     {`{"event":"X","document":{"id":7,"document_status":3},"previous_status":1}`, revv.Event{Type: "X", Document: revv.EventDocument{ID: 7}}},
		"title as a number":     {`{"event":"X","document":{"title":2021,"id":7}}`, revv.Event{Type: "X", Document: revv.EventDocument{ID: 7}}},
		"recipient as a list":   {`{"event":"X","recipient":[],"id":1}`, revv.Event{ID: "1", Type: "X"}},
		"recipient's name":      {`{"event":"X","recipient":{"user_email":"a@example.com","first_name":{},"last_name":"Lee"}}`, revv.Event{Type: "X", Recipient: revv.Person{Email: "a@example.com", LastName: "Lee"}}},
		"members in other case": {`{"Event":"X","Document":{"ID":7}}`, revv.Event{Type: "X", Document: revv.EventDocument{ID: 7}}},
		"key in inner objects":  {`{"id":1,"event":"X","document":{"id":2},"recipient":{"id":3}}`, revv.Event{ID: "1", Type: "X", Document: revv.EventDocument{ID: 2}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			event, err := revv.ParseEvent([]byte(test.body))
			require.NoError(t, err)
			assert.Equal(t, test.body, string(event.Raw))
			event.Raw = nil
			assert.Equal(t, test.want, *event)
		})
	}
}

func TestParseEvent_readsATimeInAnotherLayoutAsText(t *testing.T) {
	event, err := revv.ParseEvent([]byte(`{"event":"X","timestamp":1624010400}`))
	require.NoError(t, err)
	assert.True(t, event.Timestamp.IsZero())
	assert.Equal(t, "1624010400", event.Timestamp.Text())
}

func TestParseEvent_isStrictAboutJSON(t *testing.T) {
	nested := func(levels int) string {
		return `{"event":"X","a":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `}`
	}
	_, err := revv.ParseEvent([]byte(nested(1000)))
	require.NoError(t, err)
	tests := map[string]struct{ body, text string }{
		"nothing":                    {"", "unexpected end of JSON at byte 0"},
		"null":                       {"null", "not a JSON object"},
		"array":                      {"[" + stageChanged + "]", "not a JSON object"},
		"text":                       {`"DOCUMENT_CLOSED"`, "not a JSON object"},
		"cut":                        {stageChanged[:100], "unexpected end of JSON at byte 100"},
		"two events":                 {stageChanged + stageChanged, "data after the JSON value"},
		"byte order mark":            {"\ufeff" + stageChanged, "invalid JSON at byte 0"},
		"a member twice":             {`{"event":"X","id":1,"event":"Y"}`, "duplicate key in JSON at byte 20"},
		"a member twice, escaped":    {`{"event":"X","\u0065vent":"Y"}`, "duplicate key"},
		"a member twice, other case": {`{"event":"X","Event":"Y"}`, "duplicate key"},
		"a member twice, long s":     {`{"event":"X","document":{"document_status":null,"document_ſtatus":null}}`, "duplicate key"},
		"too deep":                   {nested(1001), "JSON nested too deeply"},
		"no type":                    {`{"id":"evt_1","document":{"event":"X"}}`, `the member "event" is missing or empty`},
		"empty type":                 {`{"event":""}`, `the member "event" is missing or empty`},
		"null type":                  {`{"event":null}`, `the member "event" is missing or empty`},
		"type as a number":           {`{"event":5}`, `the member "event" cannot hold this number`},
		"id as an object":            {`{"event":"X","id":{}}`, `the member "id" cannot hold this object`},
		"id as a boolean":            {`{"event":"X","id":true}`, `the member "id" cannot hold this bool`},
		"document as a text":         {`{"event":"X","document":"DOC-000040"}`, `the member "document" cannot hold this string`},
		"document id as a word":      {`{"event":"X","document":{"id":"DOC-000040"}}`, `the member "document.id" cannot hold this string`},
		"document id as a fraction":  {`{"event":"X","document":{"id":1.5}}`, `the member "document.id" cannot hold this number`},
		"document number as a list":  {`{"event":"X","document":{"doc_no":[40]}}`, `the member "document.doc_no" cannot hold this array`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			event, err := revv.ParseEvent([]byte(test.body))
			assert.Nil(t, event)
			require.ErrorIs(t, err, revv.ErrInvalidArgument)
			require.ErrorIs(t, err, revv.ErrMalformedResponse)
			require.NotErrorIs(t, err, revv.ErrResponseTooLarge)
			assert.ErrorContains(t, err, "malformed response: "+test.text)
		})
	}
}

func TestParseEvent_refusesMoreThanOneMiB(t *testing.T) {
	body := []byte(`{"event":"X","a":"` + strings.Repeat("a", 1<<20) + `"}`)
	_, err := revv.ParseEvent(body[:1<<20])
	require.ErrorIs(t, err, revv.ErrMalformedResponse, "it is cut, not too large")
	_, err = revv.ParseEvent(body)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	require.ErrorIs(t, err, revv.ErrResponseTooLarge)
	require.NotErrorIs(t, err, revv.ErrMalformedResponse)
	assert.ErrorContains(t, err, "response too large: more than 1048576 bytes")
}

func TestParseEvent_errorsNeverQuoteTheBody(t *testing.T) {
	const sentinel = "s3ntinel"
	for _, body := range []string{
		sentinel, `{"event":"` + sentinel, `{"event":"X","` + sentinel + `":1,"` + sentinel + `":2}`, `{"event":["` + sentinel + `"]}`,
		`{"event":"X","document":"` + sentinel + `"}`, `{"event":"X","document":{"id":"` + sentinel + `"}}`, `{"event":"X","id":{"` + sentinel + `":1}}`,
		`{"event":"X"} ` + sentinel,
	} {
		_, err := revv.ParseEvent([]byte(body))
		require.Error(t, err)
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v %q", err, err, err, err), sentinel)
	}
}

func TestParseEvent_keepsNothingOfTheBody(t *testing.T) {
	body := []byte(stageChanged)
	event, err := revv.ParseEvent(body)
	require.NoError(t, err)
	clear(body)
	assert.Equal(t, stageChanged, string(event.Raw))
	assert.Equal(t, revv.DocumentNumber("DOC-000040"), event.Document.Number)
}

func TestEvent_survivesBeingStored(t *testing.T) {
	event, err := revv.ParseEvent([]byte(stageChanged))
	require.NoError(t, err)
	stored, err := json.Marshal(event)
	require.NoError(t, err)
	var loaded revv.Event
	require.NoError(t, json.Unmarshal(stored, &loaded))
	assert.Equal(t, event.Key(), loaded.Key())
	event.Raw, loaded.Raw = nil, nil
	assert.Equal(t, *event, loaded)
	for _, other := range []string{`[]`, `"x"`, `null`, `{"id":[]}`, `{"id"`} {
		assert.Error(t, new(revv.Event).UnmarshalJSON([]byte(other)), other)
	}
}

// stored is an event after it was stored as JSON, and read back.
func stored(t *testing.T, event *revv.Event) *revv.Event {
	t.Helper()
	data, err := json.Marshal(event)
	require.NoError(t, err)
	loaded := new(revv.Event)
	require.NoError(t, json.Unmarshal(data, loaded))
	return loaded
}

// Of an event without an id, the key is made of what is not stored.
func TestEventKey_withoutAnID_survivesBeingStored(t *testing.T) {
	parse := func(body string) *revv.Event {
		event, err := revv.ParseEvent([]byte(body))
		require.NoError(t, err)
		return event
	}
	first := parse(`{"event":"DOCUMENT_SIGNED","document":{"id":14},"sequence":1}`)
	second := parse(`{"event":"DOCUMENT_SIGNED","document":{"id":14},"sequence":2}`)
	require.NotEqual(t, first.Key(), second.Key())
	for _, event := range []*revv.Event{first, second} {
		again := stored(t, event)
		assert.Equal(t, event.Key(), again.Key())
		assert.Equal(t, event.Key(), stored(t, again).Key(), "stored twice")
		assert.Equal(t, event.Document, again.Document)
	}

	key := first.Key()
	first.Document = revv.EventDocument{ID: 14, Title: "As read back"}
	assert.Equal(t, key, stored(t, first).Key(), "whatever was changed in the meantime")

	inside, err := json.Marshal(struct{ Event revv.Event }{*second})
	require.NoError(t, err)
	assert.Contains(t, string(inside), `"revv_key":"`+second.Key()+`"`, "a value is stored as a pointer is")
	withID, err := json.Marshal(parse(stageChanged))
	require.NoError(t, err)
	assert.NotContains(t, string(withID), "revv_key", "the id is stored")

	made := &revv.Event{Type: revv.EventClosed}
	assert.Equal(t, made.Key(), stored(t, made).Key())
}

// What is stored is trusted to tell its key, a stranger is not.
func TestEventKey_thatASenderMadeUp_isNoKey(t *testing.T) {
	foreign := (&revv.Event{Type: revv.EventClosed}).Key()
	body := `{"event":"X","revv_key":"` + foreign + `"}`
	event, err := revv.ParseEvent([]byte(body))
	require.NoError(t, err)
	assert.NotEqual(t, foreign, event.Key())
	assert.Equal(t, event.Key(), stored(t, event).Key())

	for _, strange := range []string{`5`, `null`, `{}`, `"id:evt_1"`, `"body-sha256:"`, `"` + foreign + `0"`, `"` + strings.Repeat("x", len(foreign)) + `"`} {
		body := []byte(`{"event":"X","revv_key":` + strange + `}`)
		event, err := revv.ParseEvent(body)
		require.NoError(t, err)
		loaded := new(revv.Event)
		require.NoError(t, json.Unmarshal(body, loaded))
		assert.Equal(t, event.Key(), loaded.Key(), strange)
	}
}

func TestEventKey_identifiesADelivery(t *testing.T) {
	key := func(body string) string {
		t.Helper()
		event, err := revv.ParseEvent([]byte(body))
		require.NoError(t, err)
		return event.Key()
	}
	assert.Equal(t, "id:evt_7Qm2", key(stageChanged))
	assert.Equal(t, "id:17", key(`{"event":"X","id":17}`))
	assert.Equal(t, key(`{"event":"X","id":"17"}`), key(`{"event":"X","id":17}`))

	// The id of the document is none of the event, or all events of a document would be one.
	for _, id := range []string{`14`, `"14"`, `"DOC-000040"`, `"DOC-aB3dE5gH7jK9"`} {
		event := func(name string) string {
			return `{"id":` + id + `,"event":"` + name + `","document":{"id":14,"doc_no":"DOC-000040","object_id":"DOC-aB3dE5gH7jK9"}}`
		}
		assert.Regexp(t, `^body-sha256:[0-9a-f]{64}$`, key(event("DOCUMENT_SIGNED")), id)
		assert.NotEqual(t, key(event("DOCUMENT_SIGNED")), key(event("DOCUMENT_CLOSED")), id)
		signed, err := revv.ParseEvent([]byte(event("DOCUMENT_SIGNED")))
		require.NoError(t, err)
		assert.Equal(t, signed.Key(), stored(t, signed).Key(), id)
		assert.Equal(t, signed.Key(), stored(t, stored(t, signed)).Key(), id)
		again := new(revv.Event)
		require.NoError(t, json.Unmarshal(signed.Raw, again))
		assert.Equal(t, signed.Key(), again.Key(), "stored as it came")
	}
	// What is read back does not change the key, here and where it was stored.
	for _, number := range []string{`"DOC-000040"`, `""`} {
		event, err := revv.ParseEvent([]byte(`{"id":14,"event":"X","document":{"doc_no":` + number + `}}`))
		require.NoError(t, err)
		event.Document = revv.EventDocument{ID: 14, Number: "DOC-000040"}
		assert.Equal(t, "id:14", event.Key())
		assert.Equal(t, "id:14", stored(t, event).Key())
		assert.Equal(t, "id:14", stored(t, stored(t, event)).Key())
	}

	// A constant, because keys are compared with those of other processes.
	const ofContent = "body-sha256:fbce67bf7c0b700e6c0c2863ac4ef162caf368ee8d3e771cc9a89cdc612790d2"
	assert.Equal(t, ofContent, key(`{"event":"X","document":{"title":"a b"}}`))
	assert.Equal(t, ofContent, key(" {\n\t\"event\" : \"X\",\r\n \"document\":{ \"title\":\"a b\" } } "))
	assert.NotEqual(t, ofContent, key(`{"event":"X","document":{"title":"ab"}}`), "white space in a text counts")
	assert.NotEqual(t, ofContent, key(`{"event":"Y","document":{"title":"a b"}}`))
	assert.Equal(t, ofContent, key(`{"event":"X","document":{"title":"a b"}}`), "stable")

	long := strings.Repeat("x", 129)
	assert.Equal(t, "id:"+long[:128], key(`{"event":"X","id":"`+long[:128]+`"}`))
	for _, strange := range []string{long, strings.Repeat("x", 1<<16), `a\u0000b`, `a\nb`, "a\u202eb"} {
		assert.Regexp(t, `^id-sha256:[0-9a-f]{64}$`, key(`{"event":"X","id":"`+strange+`"}`))
	}
	keys := map[string]bool{} // encoding/json makes the same text of all of these
	for _, broken := range []string{"\xff", "\xfe", `\ud800`, `\ud801`, "\ufffd"} {
		keys[key(`{"event":"X","id":"`+broken+`"}`)] = true
	}
	assert.Len(t, keys, 5)
}

func TestEventKey_ofEventsThatDidNotComeOverTheWire(t *testing.T) {
	assert.Empty(t, (*revv.Event)(nil).Key())
	closed, signed := &revv.Event{Type: revv.EventClosed}, &revv.Event{Type: revv.EventSigned}
	again := *closed
	assert.Equal(t, closed.Key(), again.Key())
	assert.NotEqual(t, closed.Key(), signed.Key())
	assert.NotEmpty(t, (&revv.Event{Raw: json.RawMessage("no JSON")}).Key())
}

func FuzzParseEvent(f *testing.F) {
	for _, seed := range []string{
		stageChanged, ``, `null`, `[]`, `{"event":"X"}`, `{"event":""}`, `{"id":1e400,"event":"X","timestamp":12}`, `{"event":"X","Event":"Y"}`,
		`{"event":"X","document":{"id":"9223372036854775808"}}`, `{"event":"X","document":{"document_status":{"name":5}}}`,
		"{\"event\":\"\xff\",\"id\":\"\\ud800\"}", `{"event":"X","recipient":{"order":1.0}}`, `{"event":"X"}{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		event, err := revv.ParseEvent(body)
		if err != nil {
			require.Nil(t, event)
			require.ErrorIs(t, err, revv.ErrInvalidArgument)
			require.Less(t, len(err.Error()), 512)
			return
		}
		require.True(t, json.Valid(body))
		require.NotEmpty(t, event.Type)
		key := event.Key()
		require.NotEmpty(t, key)
		require.Less(t, len(key), 140)

		again, err := revv.ParseEvent(event.Raw)
		require.NoError(t, err)
		require.Equal(t, event, again)
		require.Equal(t, key, stored(t, event).Key())
		var spaced bytes.Buffer
		require.NoError(t, json.Indent(&spaced, body, " ", "\t"))
		if spaced.Len() <= 1<<20 {
			again, err = revv.ParseEvent(spaced.Bytes())
			require.NoError(t, err)
			require.Equal(t, key, again.Key())
		}
	})
}

func BenchmarkParseEvent(b *testing.B) {
	body := []byte(stageChanged)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := revv.ParseEvent(body); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleParseEvent() {
	event, err := revv.ParseEvent([]byte(`{"id":"evt_1","event":"DOCUMENT_CLOSED","document":{"id":14,"doc_no":"DOC-000040"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(event.Type == revv.EventClosed, event.Document.Number, event.Key())

	_, err = revv.ParseEvent([]byte(`{"event":"DOCUMENT_CLOSED","document":{"id":"DOC-000040"}}`))
	fmt.Println(errors.Is(err, revv.ErrMalformedResponse))
	// Output:
	// true DOC-000040 id:evt_1
	// true
}

// What an answer takes for an id, an event takes as well.
func TestParseEvent_idsAsNumbersOrTexts(t *testing.T) {
	t.Parallel()
	event, err := revv.ParseEvent([]byte(`{"id":7,"event":"X","document":{"id":"14","doc_no":40,"object_id":9}}`))
	require.NoError(t, err)
	assert.Equal(t, "7", event.ID)
	assert.Equal(t, revv.EventDocument{ID: 14, Number: "40", ObjectID: "9"}, event.Document)
}
