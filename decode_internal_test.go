package revv

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A page is told by how it begins, or by its type unless it begins like JSON.
func TestIsHTML_rightJSONWithAWrongType_isJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		contentType, body string
		want              bool
	}{
		{"text/html; charset=utf-8", ` {"a":1}`, false},
		{"Text/HTML", ` [1]`, false},
		{"text/html", `Sorry`, true},
		{"text/html", ``, true},
		{"application/json", ` <html>`, true},
		{"application/json", `{}`, false},
		{"text/plain", `Sorry`, false},
	} {
		assert.Equal(t, test.want, isHTML(test.contentType, []byte(test.body)), "%s %s", test.contentType, test.body)
	}
}

// An error may stand in an object of its own. What that says goes before what stands
// around it.
func TestParseProblem_anInnerObjectGoesFirst(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]problem{
		`{"code":"A","message":"a"}`:                                  {code: "A", message: "a"},
		`{"code":"A","message":"a","error":"E"}`:                      {code: "A", message: "a"},
		`{"error":"E","detail":"d"}`:                                  {code: "E", message: "d"},
		`{"code":"A","message":"a","error":{"code":"B"}}`:             {code: "B", message: "a"},
		`{"error":{"code":"B","message":"b"},"code":"A"}`:             {code: "B", message: "b"},
		`{"code":"A","error":{"code":null,"error":"C","message":""}}`: {code: "C"},
		`{"error":{"error":{"code":"B"},"message":"b"}}`:              {message: "b"},
		`{"error":{"error":"C","message":"b"},"code":{"a":1}}`:        {code: "C", message: "b"},
		`{"error":{}}`:   {},
		`[{"code":"A"}]`: {},
		`{"code":"A"`:    {},
		`null`:           {},
	} {
		assert.Equal(t, want, parseProblem([]byte(body)), body)
	}
}
