package revv_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every Go snippet of the README stands in a file that is compiled, letter for
// letter but for its indentation.
func TestReadme_snippetsAreCompiledCode(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	sources, err := filepath.Glob("examples/*/*.go")
	require.NoError(t, err)
	var code strings.Builder
	for _, name := range append(sources, "example_test.go") {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		code.WriteString(flush(string(content)))
	}
	snippets := strings.Split(string(readme), "```go\n")[1:]
	require.GreaterOrEqual(t, len(snippets), 6)
	for _, snippet := range snippets {
		snippet, _, closed := strings.Cut(snippet, "```")
		require.True(t, closed)
		compiled := strings.Contains(code.String(), flush(snippet)) // the failure of assert.Contains would show all code
		assert.True(t, compiled, "a snippet of the README is not compiled anywhere:\n%s", snippet)
	}
}

// flush removes the indentation of every line.
func flush(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimLeft(line, "\t "))
	}
	return b.String()
}
