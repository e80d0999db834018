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
