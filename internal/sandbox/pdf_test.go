package sandbox_test

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// checkPDF reads a PDF back by its cross-reference table, and returns the text
// that its pages show.
func checkPDF(t *testing.T, data []byte) (text []string, pages int) {
	t.Helper()
	require.True(t, bytes.HasPrefix(data, []byte("%PDF-1.4\n")))
	require.True(t, bytes.HasSuffix(data, []byte("%%EOF\n")))
	end := regexp.MustCompile(`startxref\n([0-9]+)\n%%EOF\n$`).FindSubmatch(data)
	require.NotNil(t, end)
	start, err := strconv.Atoi(string(end[1]))
	require.NoError(t, err)
	table := data[start:]
	var count int
	_, err = fmt.Sscanf(string(table), "xref\n0 %d\n", &count)
	require.NoError(t, err)
	_, lines, found := bytes.Cut(table, fmt.Appendf(nil, "xref\n0 %d\n", count))
	require.True(t, found)
	for i := range count {
		line := string(lines[20*i : 20*i+20])
		if i == 0 {
			require.Equal(t, "0000000000 65535 f \n", line)
			continue
		}
		offset, err := strconv.Atoi(line[:10])
		require.NoError(t, err)
		require.Equal(t, " 00000 n \n", line[10:])
		require.True(t, bytes.HasPrefix(data[offset:], fmt.Appendf(nil, "%d 0 obj\n", i)), "object %d is not at %d", i, offset)
	}
	require.Contains(t, string(table), fmt.Sprintf("trailer\n<< /Size %d /Root 1 0 R", count))
	for _, stream := range regexp.MustCompile(`(?s)/Length ([0-9]+) >>\nstream\n(.*?)\nendstream`).FindAllSubmatch(data, -1) {
		require.Equal(t, string(stream[1]), strconv.Itoa(len(stream[2])))
		for _, shown := range regexp.MustCompile(`\(((?:[^()\\]|\\.)*)\) Tj`).FindAllSubmatch(stream[2], -1) {
			text = append(text, unescape(string(shown[1])))
		}
	}
	return text, bytes.Count(data, []byte("/Type /Page "))
}

func unescape(text string) string {
	text = regexp.MustCompile(`\\[0-7]{3}`).ReplaceAllStringFunc(text, func(octal string) string {
		c, _ := strconv.ParseUint(octal[1:], 8, 8)
		return string(rune(c))
	})
	return strings.NewReplacer(`\(`, `(`, `\)`, `)`, `\\`, `\`).Replace(text)
}

func TestPDF_showsTheDocument(t *testing.T) {
	a := newAPI(t)
	id, err := a.CreateDocument(templateNDA, `NDA (draft\final) – Größe 契約`, 0)
	require.NoError(t, err)
	text, pages := checkPDF(t, a.do("GET", "/api/docs/14/download", "").Body.Bytes())
	assert.Equal(t, 1, pages)
	assert.Equal(t, "NDA (draft\\final) \u0096 Größe ??", text[0])
	assert.Contains(t, text, "DOC-000040  -  Draft")
	assert.Contains(t, text, "Not signed")

	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com","first_name":"First","last_name":"Signer"}]}`)
	require.NoError(t, a.Sign(id, "s@example.com", []sandbox.FieldValue{{"Counterparty", "Acme (Ltd)\nSecond line"}}))
	signed := a.do("GET", "/api/docs/14/download", "").Body.Bytes()
	text, _ = checkPDF(t, signed)
	assert.Contains(t, text, "Counterparty: Acme (Ltd)")
	assert.Contains(t, text, "Second line")
	assert.Contains(t, strings.Join(text, "\n"), "Signed by First Signer <s@example.com> at 2021-06-18T12:00:00.")
	assert.NotContains(t, text, "Not signed")
	assert.Equal(t, signed, a.do("GET", "/api/docs/14/download", "").Body.Bytes(), "equal documents give equal bytes")
	d, _ := a.Document(id)
	assert.Equal(t, signed, d.PDF())
}

func TestPDF_ofManyPages(t *testing.T) {
	a := newAPI(t)
	var fields []sandbox.Field
	for i := range 120 {
		fields = append(fields, sandbox.Field{Name: fmt.Sprintf("Clause %d", i), Value: strings.Repeat("word ", 30) + strings.Repeat("x", 200)})
	}
	template, err := a.AddTemplate(sandbox.Template{Title: strings.Repeat("Long title ", 20), Fields: fields})
	require.NoError(t, err)
	_, err = a.CreateDocument(template, "", 0)
	require.NoError(t, err)
	text, pages := checkPDF(t, a.do("GET", "/api/docs/14/download", "").Body.Bytes())
	assert.Greater(t, pages, 5)
	for _, line := range text {
		assert.LessOrEqual(t, len(line), 90, "a row of words and of the letter x")
	}
	all := strings.ReplaceAll(strings.Join(text, ""), " ", "")
	assert.Contains(t, all, strings.Repeat("Longtitle", 20)+"DOC-000040")
	assert.Equal(t, 120, strings.Count(all, strings.Repeat("word", 30)+strings.Repeat("x", 200)))
}

func TestPDF_accepted(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"a@example.com"}]}`)
	require.NoError(t, a.Accept(d.ID, "a@example.com"))
	accepted := a.document(d)
	text, _ := checkPDF(t, accepted.PDF())
	assert.Contains(t, strings.Join(text, "\n"), "Accepted by a@example.com <a@example.com> at")
}

func TestPDF_ofADeclinedDocument_showsNoSignature(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"},{"user_email":"t@example.com"}]}`)
	require.NoError(t, a.Sign(d.ID, "s@example.com", nil))
	require.NoError(t, a.Reject(d.ID, "t@example.com", "no"))
	declined := a.document(d)
	text, _ := checkPDF(t, declined.PDF())
	assert.NotContains(t, strings.Join(text, "\n"), "Signed by")
	assert.Contains(t, text, "Not signed")

	a.ok("POST", "/api/v2/doc-acceptors/14", `{"acceptors":[{"user_email":"a@example.com"},{"user_email":"b@example.com"}]}`)
	require.NoError(t, a.Accept(d.ID, "a@example.com"))
	require.NoError(t, a.Reject(d.ID, "b@example.com", "no"))
	declined = a.document(d)
	text, _ = checkPDF(t, declined.PDF())
	assert.NotContains(t, strings.Join(text, "\n"), "Accepted by")
	assert.Contains(t, text, "Not signed")
}

// A download that was cut resumes with Range and If-Range.
func TestDownload_inParts(t *testing.T) {
	a := newAPI(t)
	_, err := a.CreateDocument(templateNDA, "Größe/../x", 0)
	require.NoError(t, err)
	whole := a.do("GET", "/api/docs/14/download", "")
	etag := whole.Header().Get("ETag")
	assert.Regexp(t, `^"[0-9a-f]{32}"$`, etag)
	assert.Equal(t, strconv.Itoa(whole.Body.Len()), whole.Header().Get("Content-Length"))
	assert.Equal(t, `attachment; filename*=utf-8''DOC-000040%20Gr%C3%B6%C3%9Fe-..-x.pdf`, whole.Header().Get("Content-Disposition"))

	rest := a.do("GET", "/api/docs/14/download", "", "Range", "bytes=100-", "If-Range", etag)
	assert.Equal(t, http.StatusPartialContent, rest.Code)
	assert.Equal(t, whole.Body.Bytes()[100:], rest.Body.Bytes())
	assert.Equal(t, fmt.Sprintf("bytes 100-%d/%d", whole.Body.Len()-1, whole.Body.Len()), rest.Header().Get("Content-Range"))

	assert.Equal(t, http.StatusNotModified, a.do("GET", "/api/docs/14/download", "", "If-None-Match", etag).Code)
	assert.Equal(t, http.StatusRequestedRangeNotSatisfiable, a.do("GET", "/api/docs/14/download", "", "Range", "bytes=999999-").Code)
	a.ok("PUT", "/api/docs/14/fields", `{"fields":[{"name":"Counterparty","value":"Acme"}]}`)
	changed := a.do("GET", "/api/docs/14/download", "", "Range", "bytes=100-", "If-Range", etag)
	assert.Equal(t, http.StatusOK, changed.Code, "another document starts from the beginning")
}
