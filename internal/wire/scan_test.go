package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/wire"
)

// document is an answer in the shape that the service was seen to give.
const document = `{"Document":{"id":14,"doc_no":"DOC-000040","object_id":"DOC-aB3dE5gH7jK9","title":"Non-disclosure agreement – Müller & Söhne",` +
	`"template_id":21,"document_status":{"name":"Draft"},"fields":[{"name":"Client","type":"text","required":true,"value":"Acme \"Inc\""},` +
	`{"name":"Date","type":"date","required":false,"value":null}],"created_at":"2020-09-17T14:48:00.000000Z","amount":-12.50e+3}}`

// listing is a page of a list, some 70 KiB.
func listing() []byte {
	entry := `{"id":%d,"name":"Non-disclosure agreement with a long enough title","type":"f","doc_no":"DOC-%06d","document_status":{"name":"Sent"},"document_tag":{"name":"nda"}}`
	var b bytes.Buffer
	b.WriteString(`{"page":{"inodes":[`)
	for i := range 400 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, entry, i, i)
	}
	b.WriteString(`],"count":1}}`)
	return b.Bytes()
}

func TestScan_namesTheFaultAndItsPlace(t *testing.T) {
	tests := map[string]struct {
		data   string
		limits wire.Limits
		want   error
		text   string
	}{
		"object":                     {data: document},
		"scalar in white space":      {data: " \t\r\n-0.5E-7 \n"},
		"empty containers":           {data: `[{},[],{"a":{}}]`},
		"elements within the limit":  {data: `[1,[2],{"a":[3]}]`, limits: wire.Limits{Elements: 5}},
		"one element too many":       {data: `[1,[2],{"a":[3]}]`, limits: wire.Limits{Elements: 4}, want: wire.ErrTooMany, text: "too many elements in the arrays of JSON at byte 13"},
		"members are no elements":    {data: `{"a":1,"b":{"c":[2]},"d":3}`, limits: wire.Limits{Elements: 1}},
		"broken UTF-8 in a string":   {data: "\"\xff\""},
		"lone surrogate":             {data: `"\ud800"`},
		"repeated keys, not checked": {data: `{"a":1,"a":2}`},
		"nothing":                    {data: "", want: wire.ErrUnexpectedEnd, text: "unexpected end of JSON at byte 0"},
		"only white space":           {data: "  ", want: wire.ErrUnexpectedEnd},
		"cut literal":                {data: "tru", want: wire.ErrUnexpectedEnd},
		"cut number":                 {data: "-", want: wire.ErrUnexpectedEnd},
		"cut fraction":               {data: "1.", want: wire.ErrUnexpectedEnd},
		"cut exponent":               {data: "1e+", want: wire.ErrUnexpectedEnd},
		"cut string":                 {data: `"abc`, want: wire.ErrUnexpectedEnd},
		"cut escape":                 {data: `"abc\`, want: wire.ErrUnexpectedEnd},
		"cut unicode escape":         {data: `"\u00`, want: wire.ErrUnexpectedEnd},
		"cut behind a key":           {data: `{"a"`, want: wire.ErrUnexpectedEnd},
		"cut behind a comma":         {data: `{"a":1,`, want: wire.ErrUnexpectedEnd},
		"cut array":                  {data: `[1`, want: wire.ErrUnexpectedEnd},
		"byte order mark":            {data: "\ufeff{}", want: wire.ErrSyntax, text: "invalid JSON at byte 0: a value is due"},
		"HTML":                       {data: "<!doctype html>", want: wire.ErrSyntax},
		"control character":          {data: "\"a\nb\"", want: wire.ErrSyntax, text: "invalid JSON at byte 2: a control character in a string"},
		"unknown escape":             {data: `"\x"`, want: wire.ErrSyntax},
		"wrong unicode escape":       {data: `"\u12g4"`, want: wire.ErrSyntax},
		"plus sign":                  {data: "+1", want: wire.ErrSyntax},
		"fraction without digits":    {data: "[1.]", want: wire.ErrSyntax},
		"fraction without a number":  {data: ".5", want: wire.ErrSyntax},
		"misspelt literal":           {data: "nul!", want: wire.ErrSyntax, text: "invalid JSON at byte 3: a value is due"},
		"trailing comma in an array": {data: "[1,]", want: wire.ErrSyntax},
		"trailing comma in object":   {data: `{"a":1,}`, want: wire.ErrSyntax},
		"key without quotes":         {data: `{a:1}`, want: wire.ErrSyntax},
		"key without a colon":        {data: `{"a" 1}`, want: wire.ErrSyntax},
		"wrong closing bracket":      {data: `[1}`, want: wire.ErrSyntax},
		"closing bracket alone":      {data: `]`, want: wire.ErrSyntax},
		"two values":                 {data: `{} {}`, want: wire.ErrTrailingData, text: "data after the JSON value at byte 3"},
		"leading zero":               {data: "01", want: wire.ErrTrailingData},
		"NUL behind the value":       {data: "{}\x00", want: wire.ErrTrailingData},
		"as deep as allowed":         {data: `[{"a":[]}]`, limits: wire.Limits{Depth: 3}},
		"deeper than allowed":        {data: `[{"a":[]}]`, limits: wire.Limits{Depth: 2}, want: wire.ErrTooDeep, text: "JSON nested too deeply at byte 6"},
		"default depth":              {data: strings.Repeat("[", 1000) + strings.Repeat("]", 1000)},
		"beyond the default depth":   {data: strings.Repeat("[", 1001) + strings.Repeat("]", 1001), want: wire.ErrTooDeep},
		"arrays among deep objects":  {data: strings.Repeat("[", 64) + `[1],{"a":[1],"b":2}` + strings.Repeat("]", 64)},
		"endlessly deep":             {data: strings.Repeat(`{"":[`, 1<<16), want: wire.ErrTooDeep},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := wire.Scan([]byte(test.data), test.limits)
			require.ErrorIs(t, err, test.want)
			isSyntax := errors.Is(test.want, wire.ErrSyntax) || errors.Is(test.want, wire.ErrUnexpectedEnd)
			assert.Equal(t, isSyntax, errors.Is(err, wire.ErrSyntax))
			if test.text != "" {
				assert.EqualError(t, err, test.text)
			}
		})
	}
}

func TestScan_refusesRepeatedKeys(t *testing.T) {
	many := func(last string) string {
		var b strings.Builder
		b.WriteByte('{')
		for i := range 1000 {
			fmt.Fprintf(&b, `"k%d":{"k%d":1},`, i, i)
		}
		return b.String() + last + ":0}"
	}
	tests := map[string]struct {
		data    string
		refused bool
	}{
		"different keys":                  {data: `{"a":1,"b":2}`},
		"the same key in other objects":   {data: `[{"a":{"a":{"a":[]}},"b":{"a":1}},{"a":1}]`},
		"the same key":                    {data: `{"a":1,"a":1}`, refused: true},
		"space around one of the two":     {data: "{\"a\":1,\n\t\"a\" : 1}", refused: true},
		"the same key, not a neighbour":   {data: `{"a":{"x":1,"y":2},"b":[{"x":1}],"a":1}`, refused: true},
		"the same key within an array":    {data: `[[{"a":1,"b":[],"a":1}]]`, refused: true},
		"the empty key":                   {data: `{"":1,"":1}`, refused: true},
		"the same key, escaped":           {data: `{"a":1,"\u0061":1}`, refused: true},
		"the same key, escaped short":     {data: `{"a\/\n\"\\b\b\f\r\t":1,"a/\u000A\u0022\u005cb\u0008\u000c\u000d\u0009":1}`, refused: true},
		"the same key, a surrogate pair":  {data: `{"\ud83d\ude00":1,"😀":1}`, refused: true},
		"the same key once decoded":       {data: "{\"\xff\":1,\"\\udc00\":1}", refused: true},
		"lone surrogate before an escape": {data: `{"\ud800\u0061":1,"\ufffda":1}`, refused: true},
		"the same key but for case":       {data: `{"id":1,"ID":1}`, refused: true},
		"the same key but for z":          {data: `{"z":1,"Z":1}`, refused: true},
		"the same key, a stray byte":      {data: "{\"\x80\":1,\"\ufffd\":1}", refused: true},
		"the same key but for long s":     {data: `{"s":1,"ſ":1}`, refused: true},
		"the same key but for Kelvin":     {data: `{"k":1,"\u212A":1}`, refused: true},
		"the same key but for Σ":          {data: `{"σ":1,"ς":1}`, refused: true},
		"many keys":                       {data: many(`"last"`)},
		"many keys, one repeated":         {data: many(`"k999"`), refused: true},
		"many keys, the first repeated":   {data: many(`"k0"`), refused: true},
		"many keys, one repeated in case": {data: many(`"K500"`), refused: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, wire.Scan([]byte(test.data), wire.Limits{}))
			assert.Equal(t, test.refused, errors.Is(wire.Scan([]byte(test.data), wire.Limits{DuplicateKeys: true}), wire.ErrDuplicateKey))
		})
	}
}

func TestScan_errorsNeverQuoteTheDocument(t *testing.T) {
	const sentinel = "s3ntinel"
	for _, data := range []string{
		`"` + sentinel + "\n\"", `{"` + sentinel + `":1,"` + sentinel + `":2}`, `[] ` + sentinel, sentinel, `{"a":` + sentinel, `[[["` + sentinel + `"]]]`,
	} {
		err := wire.Scan([]byte(data), wire.Limits{Depth: 2, DuplicateKeys: true})
		require.Error(t, err)
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), sentinel)
	}
}

func TestScan_aCutDocumentEndsUnexpectedly(t *testing.T) {
	for i := range len(document) {
		require.ErrorIs(t, wire.Scan([]byte(document[:i]), wire.Limits{DuplicateKeys: true}), wire.ErrUnexpectedEnd, "cut at %d", i)
	}
}

func TestScan_ordinaryDocumentsCostNoAllocation(t *testing.T) {
	data := []byte(document)
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = wire.Scan(data, wire.Limits{}) }))
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = wire.Member(data, "document", wire.Limits{}) }))
}

// The keys of small objects are compared one by one, those of large ones by a map,
// which costs memory.
func TestScan_repeatedKeys_costAMapForLargeObjectsAlone(t *testing.T) {
	cost := func(keys int) float64 {
		var inner strings.Builder
		for i := range keys {
			fmt.Fprintf(&inner, `"%c":1,`, 'a'+i)
		}
		data := []byte(`{"a":1,"b":{` + strings.TrimSuffix(inner.String(), ",") + `}}`)
		return testing.AllocsPerRun(100, func() { _ = wire.Scan(data, wire.Limits{DuplicateKeys: true}) })
	}
	assert.InDelta(t, cost(1), cost(16), 0)
	assert.Greater(t, cost(17), cost(16))
}

func TestObject_findsTheMember(t *testing.T) {
	tests := map[string]struct {
		data, want string
		missing    bool
	}{
		"only member":                   {data: `{"Document":{"id":1}}`, want: `{"id":1}`},
		"white space around":            {data: " {\n\t\"Document\" :\r [ 1 , 2 ] \n} ", want: `[ 1 , 2 ]`},
		"scalar":                        {data: `{"a":1,"Document":-2.5e3,"b":3}`, want: `-2.5e3`},
		"string":                        {data: `{"Document":"}\"]","b":3}`, want: `"}\"]"`},
		"null":                          {data: `{"Document":null}`, want: `null`},
		"empty containers":              {data: `{"a":{},"Document":{},"b":[]}`, want: `{}`},
		"escaped":                       {data: `{"\u0044ocument":1}`, want: `1`},
		"other case":                    {data: `{"document":1}`, want: `1`},
		"other case and escaped":        {data: `{"\u0064OCUMENT":1}`, want: `1`},
		"exact goes before other case":  {data: `{"Document":1,"document":2}`, want: `1`},
		"exact behind other case":       {data: `{"DOCUMENT":2,"Document":1}`, want: `1`},
		"the last of several":           {data: `{"Document":1,"Document":2}`, want: `2`},
		"the last of several in case":   {data: `{"DOCUMENT":1,"document":2}`, want: `2`},
		"not the one of an inner level": {data: `{"a":{"Document":1},"b":[{"Document":2}]}`, missing: true},
		"not a longer name":             {data: `{"Documents":1,"Docu":2}`, missing: true},
		"not a value":                   {data: `{"a":"Document"}`, missing: true},
		"empty object":                  {data: `{}`, missing: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			data := []byte(test.data)
			value, err := wire.Member(data, "Document", wire.Limits{})
			require.NoError(t, err)
			assert.Equal(t, test.missing, value == nil)
			assert.Equal(t, test.want, string(value))
			_ = append(value, "overwritten"...)
			assert.Equal(t, test.data, string(data), "appending to the value must not reach into the document")
		})
	}
}

func TestObject_acceptsAnyTextAsKey(t *testing.T) {
	for _, key := range []string{"", `\`, `\u`, `"`, "\xff", "ß"} {
		quoted, err := json.Marshal(map[string]int{key: 7})
		require.NoError(t, err)
		value, err := wire.Member(quoted, key, wire.Limits{})
		require.NoError(t, err)
		assert.Equal(t, "7", string(value), "%q", key)
	}
}

func TestObject_validatesTheWholeDocument(t *testing.T) {
	tests := map[string]struct {
		data string
		want error
	}{
		"fault behind the member": {`{"Document":1,"a":}`, wire.ErrSyntax},
		"cut behind the member":   {`{"Document":1`, wire.ErrUnexpectedEnd},
		"trailing data":           {`{"Document":1}}`, wire.ErrTrailingData},
		"repeated keys":           {`{"Document":1,"a":{"b":1,"b":2}}`, wire.ErrDuplicateKey},
		"too deep":                {`{"Document":[[[]]]}`, wire.ErrTooDeep},
		"array":                   {`[{"Document":1}]`, wire.ErrNotObject},
		"null":                    {` null`, wire.ErrNotObject},
		"text":                    {`"Document"`, wire.ErrNotObject},
		"nothing":                 {``, wire.ErrUnexpectedEnd},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			value, err := wire.Member([]byte(test.data), "Document", wire.Limits{Depth: 3, DuplicateKeys: true})
			require.ErrorIs(t, err, test.want)
			assert.Nil(t, value)
		})
	}
}

func TestKind(t *testing.T) {
	for data, want := range map[string]byte{"": 0, " \r\n\t": 0, " {}": '{', "\n[": '[', "\"": '"', "null": 'n', "<html>": '<'} {
		assert.Equal(t, want, wire.Kind([]byte(data)), "%q", data)
	}
}

func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		document, ``, ` null `, `[1,-0,0.5,1e9,1E-9,01,.5,1.]`, `{"a":{"b":[{}]},"A":2,"\u0061":3}`, "\"\xff\\ud800\\u0061\"", `{"s":1,"ſ":2}`,
		`{"a":1}{`, `[[[[`, "\ufeff{}", `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":0,"k":1,"l":2,"m":3,"n":4,"o":5,"p":6,"q":7,"Q":8}`,
	} {
		f.Add([]byte(seed), "a")
	}
	f.Fuzz(func(t *testing.T, data []byte, key string) {
		const depth = 10000 // that of encoding/json
		err := wire.Scan(data, wire.Limits{Depth: depth})
		require.Equal(t, json.Valid(data), err == nil, "%v", err)
		_, objectErr := wire.Member(data, key, wire.Limits{Depth: depth, DuplicateKeys: true})
		if err != nil {
			require.Error(t, objectErr)
			return
		}
		limit := deepest(data)
		require.NoError(t, wire.Scan(data, wire.Limits{Depth: max(limit, 1)}))
		if limit > 1 {
			require.ErrorIs(t, wire.Scan(data, wire.Limits{Depth: limit - 1}), wire.ErrTooDeep)
		}
		require.Equal(t, repeated(data), errors.Is(objectErr, wire.ErrDuplicateKey))
		if wire.Kind(data) != '{' || !utf8.ValidString(key) {
			return // encoding/json cannot be asked for a key that is broken
		}
		end := bytes.LastIndexByte(data, '}')
		require.ErrorIs(t, wire.Scan(data[:len(key)%(end+1)], wire.Limits{Depth: depth}), wire.ErrUnexpectedEnd)
		checkMember(t, data, key, depth)
	})
}

// checkMember compares Member with what encoding/json makes of the object.
func checkMember(t *testing.T, data []byte, key string, depth int) {
	t.Helper()
	value, err := wire.Member(data, key, wire.Limits{Depth: depth})
	require.NoError(t, err)
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &members))
	if want, ok := members[key]; ok {
		require.Equal(t, string(want), string(value))
		return
	}
	alike := map[string]bool{}
	for name, value := range members {
		if strings.EqualFold(name, key) {
			alike[string(value)] = true
		}
	}
	require.Equal(t, len(alike) > 0, value != nil)
	if value != nil {
		require.True(t, alike[string(value)])
	}
}

// deepest counts the levels of a valid document.
func deepest(data []byte) (deepest int) {
	level := 0
	for token := range tokens(data) {
		switch token {
		case json.Delim('{'), json.Delim('['):
			level++
			deepest = max(deepest, level)
		case json.Delim('}'), json.Delim(']'):
			level--
		}
	}
	return deepest
}

// repeated tells whether an object in a valid document has a key twice, without regard
// to case.
func repeated(data []byte) (found bool) {
	type frame struct {
		keys  []string
		isKey bool
		array bool
	}
	var open []frame
	valueEnds := func() {
		if len(open) > 0 {
			open[len(open)-1].isKey = !open[len(open)-1].array
		}
	}
	for token := range tokens(data) {
		switch token {
		case json.Delim('{'), json.Delim('['):
			open = append(open, frame{isKey: token == json.Delim('{'), array: token == json.Delim('[')})
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
			valueEnds()
			continue
		}
		if len(open) == 0 || !open[len(open)-1].isKey {
			valueEnds()
			continue
		}
		top := &open[len(open)-1]
		name, _ := token.(string)
		for _, known := range top.keys {
			found = found || strings.EqualFold(known, name)
		}
		top.keys, top.isKey = append(top.keys, name), false
	}
	return found
}

// tokens yields the tokens of a valid document.
func tokens(data []byte) func(yield func(json.Token) bool) {
	return func(yield func(json.Token) bool) {
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) || err != nil || !yield(token) {
				return
			}
		}
	}
}

func BenchmarkScan(b *testing.B) {
	for name, data := range map[string][]byte{"document": []byte(document), "listing": listing(), "text": []byte(`"` + strings.Repeat("long text ", 10000) + `"`)} {
		b.Run(name+"/Scan", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := wire.Scan(data, wire.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/Object", func(b *testing.B) {
			if data[0] != '{' {
				b.Skip("no object")
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := wire.Member(data, "Document", wire.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/Scan without repeated keys", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := wire.Scan(data, wire.Limits{DuplicateKeys: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/json.Valid", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if !json.Valid(data) {
					b.Fatal("invalid")
				}
			}
		})
	}
}
