package wire_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/wire"
)

func elements(array string) []string {
	out := []string{}
	for element := range wire.Elements([]byte(array)) {
		out = append(out, string(element))
	}
	return out
}

func TestElements_areTheValuesOfAnArray(t *testing.T) {
	t.Parallel()
	for array, want := range map[string][]string{
		`[]`:                     {},
		" [ \n] ":                {},
		`[1]`:                    {"1"},
		` [ 1 , -2.5e3 ,null] `:  {"1", "-2.5e3", "null"},
		`["a,]","\"]\\",""]`:     {`"a,]"`, `"\"]\\"`, `""`},
		`[{"a":[1,"]"]} ,[[]] ]`: {`{"a":[1,"]"]}`, `[[]]`},
		`[true,{},false]`:        {"true", "{}", "false"},
	} {
		assert.Equal(t, want, elements(array), array)
	}
}

func TestElements_ofWhatIsNoArray_endsWithoutHarm(t *testing.T) {
	t.Parallel()
	for _, text := range []string{``, ` `, `[`, `[1`, `["a`, `["a\`, `[{"a":`, `[1 2]`, `1`, `"`, `[,`} {
		assert.LessOrEqual(t, len(elements(text)), 1, text)
	}
}

func TestElements_break_stops(t *testing.T) {
	t.Parallel()
	seen := 0
	for range wire.Elements([]byte(`[1,2,3]`)) {
		seen++
		break
	}
	assert.Equal(t, 1, seen)
}

func TestElements_cannotGrowIntoWhatFollows(t *testing.T) {
	t.Parallel()
	array := []byte(`[1,2]`)
	for element := range wire.Elements(array) {
		_ = append(element, 'x')
	}
	assert.Equal(t, `[1,2]`, string(array))
}

func TestSelect_findsMembersAsObjectDoes(t *testing.T) {
	t.Parallel()
	for _, object := range []string{
		`{"a":1,"b":[2]}`, ` { "b" : {"a":9} , "a" : "x" } `, `{}`, `{"A":1}`, `{"A":1,"a":2}`, `{"a":2,"A":1}`, `{"a":1,"a":2}`,
		`{"\u0061":1,"B":"}"}`, `{"c":{"a":1},"b":null}`, `{"a\"":1,"b":","}`,
	} {
		values := wire.Select([]byte(object), "a", "b")
		require.Len(t, values, 2)
		for i, key := range []string{"a", "b"} {
			want, err := wire.Object([]byte(object), key, wire.Limits{})
			require.NoError(t, err)
			assert.Equal(t, string(want), string(values[i]), "%s in %s", key, object)
			assert.Equal(t, want == nil, values[i] == nil)
		}
	}
}

func TestSelect_ofACutObject_endsWithoutHarm(t *testing.T) {
	t.Parallel()
	for _, text := range []string{``, `{`, `{"b":1`, `{"b":`, `{"b":{`, `1`, `""`, `"a"`, `true`, `[{"a":1}]`} {
		assert.Nil(t, wire.Select([]byte(text), "a")[0], text)
	}
}

// FuzzElements: the elements of every valid array are those that encoding/json finds.
func FuzzElements(f *testing.F) {
	for _, text := range []string{`[]`, `[1,"a",{"b":[null]}]`, ` [ "\\" , "]" ] `, `{"a":[1],"A":{}}`, `[[[]],{}]`, "[\"\\u2028\"]"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if wire.Scan(data, wire.Limits{}) != nil {
			_ = elements(string(data)) // ends, whatever it finds
			return
		}
		switch wire.Kind(data) {
		case '[':
			var want []json.RawMessage
			require.NoError(t, json.Unmarshal(data, &want))
			got := elements(string(data))
			require.Len(t, got, len(want))
			require.Equal(t, len(want), wire.Count(data))
			for i := range want {
				require.Equal(t, string(want[i]), got[i])
			}
		case '{':
			want, err := wire.Object(data, "a", wire.Limits{})
			require.NoError(t, err)
			require.Equal(t, string(want), string(wire.Select(data, "a")[0]))
		}
	})
}
