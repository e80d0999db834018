package revv

import (
	"io"
	"net/http"
	"strings"
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
		`{"message":"C","Message":""}`:                                {message: "C"},
		`{"Message":"","message":"C"}`:                                {message: "C"},
		`{"\u006dessage":"C"}`:                                        {message: "C"},
		`{"Error":{"Code":"B","Message":"b"}}`:                        {code: "B", message: "b"},
		`{"error":{}}`:                                                {},
		`[{"code":"A"}]`:                                              {},
		`null`:                                                        {},
		`""`:                                                          {},
		`7`:                                                           {},
	} {
		assert.Equal(t, want, parseProblem([]byte(body)), body)
	}
}

// What is wrong often comes as a list, or as an object of lists.
func TestParseProblem_lists_theFirstTextCounts(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]problem{
		`{"errors":["a","b"]}`:                                         {message: "a"},
		`{"errors":[{"code":"A","message":"a"}]}`:                      {message: "a"},
		`{"errors":{"recipients":[],"title":["is too long"]}}`:         {message: "title: is too long"},
		`{"errors":{"a":{"b":["c"]}}}`:                                 {message: "a: b: c"},
		`{"message":"m","errors":{"title":["is too long"]}}`:           {message: "m"},
		`{"detail":[{"loc":["body","title"],"msg":"field required"}]}`: {message: "field required"},
		`{"type":"about:blank","title":"Not acceptable","status":406}`: {message: "Not acceptable"},
		`{"errors":false,"title":"T"}`:                                 {message: "T"},
		`{"errors":{"count":2,"items":["bad"]}}`:                       {message: "items: bad"},
		`{"errors":{"\u00dcber":["fehlt"]}}`:                           {message: "Über: fehlt"},
		`{"errors":[null,[],{}]}`:                                      {},
	} {
		assert.Equal(t, want, parseProblem([]byte(body)), body)
	}
	nested := func(levels int, before, after string) string {
		return parseProblem([]byte(`{"errors":` + strings.Repeat(before, levels) + `"x"` + strings.Repeat(after, levels) + `}`)).message
	}
	assert.Equal(t, strings.Repeat("a: ", 7)+"x", nested(7, `{"a":`, `}`))
	assert.Empty(t, nested(8, `{"a":`, `}`))
	assert.Equal(t, "x", nested(7, `[`, `]`))
	assert.Empty(t, nested(8, `[`, `]`))
}

func TestReadProblem_whatIsNoJSON(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]string{"text/plain; charset=utf-8": "{no such thing", "Text/Plain": "{no such thing", "": "", "application/json": "", "application/xml": ""} {
		got := readProblem(&http.Response{StatusCode: http.StatusNotFound, Header: http.Header{"Content-Type": {contentType}}, ContentLength: -1, Body: io.NopCloser(strings.NewReader("{no such thing\n"))})
		assert.Equal(t, problem{message: want}, got, contentType)
	}
}
