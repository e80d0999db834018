package wire_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

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
			want, err := wire.Member([]byte(object), key, wire.Limits{})
			require.NoError(t, err)
			assert.Equal(t, string(want), string(values[i]), "%s in %s", key, object)
			assert.Equal(t, want == nil, values[i] == nil)
		}
	}
}

func TestSelect_ofManyNames_findsTheLast(t *testing.T) {
	t.Parallel()
	names := make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprint("name", i)
	}
	values := wire.Select([]byte(`{"NAME99":1,"name0":2,"name99":3}`), names...)
	assert.Equal(t, "2", string(values[0]))
	assert.Equal(t, "3", string(values[99]))
	assert.Nil(t, values[50])
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
			want, err := wire.Member(data, "a", wire.Limits{})
			require.NoError(t, err)
			require.Equal(t, string(want), string(wire.Select(data, "a")[0]))
		}
	})
}

// A name is found whatever the case of its letters, and however it is escaped; one that is
// written exactly so goes before.
// Whatever the order, how often and in whichever case: the last of those of exactly this name
// counts, else the last whose name differs in case.
func TestSelect_membersInAnyOrder_areFound(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 7))
	keys := []string{"id", "title", "stage", "fields", "ids"}
	for range 5000 {
		var members []string
		want, found := make([]string, len(keys)), make([]int, len(keys))
		for n := range random.IntN(9) {
			k := random.IntN(len(keys) + 1)
			name, likeness := "other", 0
			if k < len(keys) {
				name, likeness = keys[k], 2
				if random.IntN(3) == 0 {
					name, likeness = strings.ToUpper(name), 1
				}
			}
			value := strconv.Itoa(n)
			if likeness > 0 && likeness >= found[k] {
				want[k], found[k] = value, likeness
			}
			members = append(members, fmt.Sprintf("%q:%s", name, value))
		}
		object := "{" + strings.Join(members, ",") + "}"
		got := make([]string, len(keys))
		for k, value := range wire.Select([]byte(object), keys...) {
			got[k] = string(value)
		}
		require.Equal(t, want, got, object)
	}
}

func FuzzSelect(f *testing.F) {
	for _, seed := range [][2]string{
		{"id", "id"},
		{"ID", "id"},
		{`\u0069d`, "id"},
		{`\u0049\u0044`, "id"},
		{"ſtage", "stage"},
		{"stage", "ſtage"},
		{"\u212aind", "kind"},
		{"kind", "\u212aind"},
		{"@", "`"},
		{"[", "{"},
		{"", ""},
		{"", "id"},
		{"id", ""},
		{"ids", "id"},
		{"id", "ids"},
		{"é", "É"},
		{`\u00e9`, "É"},
		{"a\xffb", "a\ufffdb"},
		{`\ud800`, "\ufffd"},
		{`\"`, `"`},
		{`\\`, `\`},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, raw, name string) {
		object := []byte(`{"` + raw + `":1}`)
		var members map[string]int
		if !utf8.ValidString(name) || json.Unmarshal(object, &members) != nil || len(members) != 1 || wire.Scan(object, wire.Limits{Depth: 2}) != nil {
			t.Skip("no object with one member")
		}
		for key := range members {
			require.Equal(t, strings.EqualFold(key, name), wire.Select(object, name)[0] != nil, "%q and %q", key, name)
			both := []byte(`{"` + strings.ToUpper(raw) + `":2,"` + raw + `":1}`)
			if strings.ToUpper(raw) != raw && wire.Scan(both, wire.Limits{Depth: 2}) == nil {
				require.Equal(t, "1", string(wire.Select(both, key)[0]), "%q", key)
			}
		}
	})
}
