package sandbox_test

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

func TestPages_areReplacedTogether(t *testing.T) {
	t.Parallel()
	_, err := sandbox.New(sandbox.Options{Pages: template.Must(template.New("sign").Parse("x"))})
	require.ErrorContains(t, err, `Pages: the template "consent" is missing`)
	require.NotContains(t, err.Error(), `"sign"`)

	own := template.New("")
	for _, name := range []string{"document", "sign", "answer", "done", "problem", "consent"} {
		template.Must(own.New(name).Parse(name + ": {{.Title}}"))
	}
	a := newAPI(t, func(o *sandbox.Options) { o.Pages = own })
	a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	w := a.do("GET", a.path(a.lastMail().Links["sign"]), "")
	assert.Equal(t, "sign: Mutual NDA", w.Body.String())
	assert.Contains(t, w.Header().Get("Content-Security-Policy"), "style-src 'self';")
	assert.Contains(t, w.Header().Get("Content-Security-Policy"), "form-action 'self'")
	assert.Equal(t, "problem: Not Found", a.do("GET", "/sign/nothing", "").Body.String())
}

// A page that fails in the middle is not sent by halves.
func TestPages_thatCannotBeRendered(t *testing.T) {
	t.Parallel()
	own := template.New("")
	for _, name := range []string{"document", "sign", "answer", "done", "problem", "consent"} {
		template.Must(own.New(name).Parse(`half {{index .Title 1000}}`))
	}
	a := newAPI(t, func(o *sandbox.Options) { o.Pages = own })
	w := a.do("GET", "/sign/nothing", "")
	assert.Equal(t, http.StatusInternalServerError, w.Code)
	assert.NotContains(t, w.Body.String(), "half")
}

// The plain pages are not for other sites either; their name may be any, since a
// test may give its server one.
func TestGuard_ofPlainPages(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	d := a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	sign := a.path(a.lastMail().Links["sign"])
	w := a.do("POST", sign, "answer=sign", "Origin", "https://evil.example")
	assert.Equal(t, http.StatusForbidden, w.Code)
	assert.Equal(t, sandbox.PartyOpen, a.document(d).Signers[0].State)
	requests := a.Requests()
	assert.Contains(t, requests[len(requests)-1].Problem, "another site")
	assert.Equal(t, http.StatusOK, a.do("POST", sign, "answer=sign", "Origin", "http://example.com").Code, "the host of the request itself")
	assert.Equal(t, sandbox.PartyDone, a.document(d).Signers[0].State)
}

func TestGuard_isAProblem(t *testing.T) {
	t.Parallel()
	a := newAPI(t, func(o *sandbox.Options) { o.Hosts = []string{} })
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://evil.example/", http.NoBody)
	var p *sandbox.Problem
	require.ErrorAs(t, a.Guard(r), &p)
	assert.Equal(t, http.StatusMisdirectedRequest, p.Status)
	r.Host = "127.0.0.1:1"
	require.NoError(t, a.Guard(r))
}

func TestOperations(t *testing.T) {
	t.Parallel()
	names := sandbox.Operations()
	assert.Equal(t, "Documents.Create", names[0])
	seen := map[string]bool{}
	for _, name := range names {
		assert.False(t, seen[name], name)
		seen[name] = true
	}
	assert.True(t, seen["OAuth.Token"])
}
