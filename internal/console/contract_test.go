package console

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// Whatever section a page refers to is there.
func TestSection_isAHeadingOfTheContract(t *testing.T) {
	t.Parallel()
	contract, err := os.ReadFile("../../docs/wire.md")
	require.NoError(t, err)
	headings := map[string]bool{}
	for line := range strings.Lines(string(contract)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "## "); ok {
			headings[name] = true
		}
	}
	for _, operation := range append(sandbox.Operations(), "", "CORS.Preflight") {
		for _, problem := range []string{"", "page_num: bad", "after: a time as", "x is an object id; this route"} {
			for _, status := range []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusUnsupportedMediaType} {
				q := sandbox.Request{Operation: operation, Problem: problem, Status: status}
				assert.True(t, headings[section(q)], "%q has no section %q", operation, section(q))
			}
		}
	}
	assert.Equal(t, "Documents", section(sandbox.Request{Operation: "Documents.Create", Status: http.StatusBadRequest, Problem: "title: must not be empty"}))
	assert.Equal(t, "Sending", section(sandbox.Request{Operation: "Documents.SendForESign", Status: http.StatusConflict}))
	assert.Equal(t, "Four kinds of ids", section(sandbox.Request{Operation: "Documents.Get", Status: http.StatusBadRequest, Problem: "DOC-000040 is a document number (doc_no); this route takes"}))
}
