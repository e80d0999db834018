package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mailed sends a mail of each kind.
func (a *api) mailed() {
	a.t.Helper()
	a.draft()
	a.ok("POST", "/api/v2/doc-recipients/14", `{"collaborators":[{"user_email":"r@example.com"}]}`)
	a.ok("POST", "/api/v2/doc-approvers/14", `{"approvers":[{"user_email":"b@example.com"}]}`)
	require.NoError(a.t, a.Approve(14, "b@example.com"))
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	a.draft()
	a.ok("POST", "/api/v2/doc-acceptors/15", `{"acceptors":[{"user_email":"a@example.com"}]}`)
}

// linksOf counts the links of all mails, each of which must open there.
func (a *api) linksOf(base string) int {
	a.t.Helper()
	count := 0
	for _, m := range a.Mails() {
		for name, link := range m.Links {
			path, ok := strings.CutPrefix(link, base)
			require.True(a.t, ok, "%s: %s", name, link)
			if !strings.Contains(path, "/doc-a") { // which are posted to
				assert.Equal(a.t, http.StatusOK, a.do("GET", path, "", "AccessToken", "").Code, link)
			}
			count++
		}
	}
	return count
}

// A sandbox that is started again on another port keeps its mails, and its links lead
// to where it is then.
func TestMails_leadToWhereTheSandboxIsNow(t *testing.T) {
	a := newAPI(t)
	a.mailed()
	assert.Equal(t, 8, a.linksOf("http://127.0.0.1:1"))
	exported, err := a.Export()
	require.NoError(t, err)

	b := newAPI(t)
	require.NoError(t, b.SetBaseURL("https://acme.example.com/shared/revv/"))
	require.NoError(t, b.Import(exported))
	assert.Equal(t, "https://acme.example.com/shared/revv", b.BaseURL(), "a matter of where it runs, not of what it was")
	assert.Equal(t, 8, b.linksOf("https://acme.example.com/shared/revv"))
	require.NoError(t, b.SetBaseURL("http://127.0.0.1:2"))
	assert.Equal(t, 8, b.linksOf("http://127.0.0.1:2"))
	b.Mails()[0].Links["open"] = "changed"
	assert.Equal(t, 8, b.linksOf("http://127.0.0.1:2"), "what is given out is a copy")
}

// Older snapshots have the base URL of their time in each link, whichever it was.
func TestMails_ofOlderSnapshots(t *testing.T) {
	a := newAPI(t)
	a.mailed()
	exported, err := a.Export()
	require.NoError(t, err)
	for _, base := range []string{"http://127.0.0.1:8787", "https://acme.example.com/sign/here"} {
		older := string(exported)
		for _, path := range []string{"/sign/", "/shared/", "/api/shared/"} {
			older = strings.ReplaceAll(older, `": "`+path, `": "`+base+path)
		}
		require.Equal(t, 8, strings.Count(older, base))
		b := newAPI(t)
		require.NoError(t, b.Import([]byte(older)))
		assert.Equal(t, 8, b.linksOf("http://127.0.0.1:1"), base)
		again, err := b.Export()
		require.NoError(t, err)
		assert.NotContains(t, string(again), base)
	}
	strange := strings.Replace(string(exported), `": "/sign/`, `": "mailto:someone@example.com?`, 1)
	b := newAPI(t)
	require.NoError(t, b.Import([]byte(strange)))
	assert.True(t, strings.HasPrefix(b.Mails()[2].Links["sign"], "mailto:"), "what is none of ours stays as it is")
}
