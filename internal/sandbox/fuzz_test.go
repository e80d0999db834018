package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/revv-go/revv/internal/sandbox"
)

// Whatever a client sends, the answer is JSON and never a failure of the sandbox.
func FuzzAPI(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `{"template_id":21,"title":"x"}`, `{"template_id":1e400}`, `{"fields":[{"name":"Counterparty","value":"x"}]}`,
		`{"signers":[{"user_email":"s@example.com","order":99999999999999999999}]}`, `{"acceptors":[null]}`, `{"fields":[[]]}`,
		`{"object_id":"DOC-","object_type":"DOC"}`, `{"event":"","url":"http://[::1"}`, "{\"title\":\"\xff\"}", `{"a":`, `{"name":"\ud800"}`,
	} {
		f.Add("POST", "/api/docs", "", body)
		f.Add("PUT", "/api/docs/14/fields", "", body)
		f.Add("POST", "/api/v2/doc-signers/14", "", body)
		f.Add("POST", "/api/webhooks", "", body)
	}
	f.Add("GET", "/api/folders/", "page_num=99999999999999999999", "")
	f.Add("GET", "/api/folders/", "page_num=2147483647", "")
	f.Add("GET", "/api/object-activities/objects/DOC-abcdefghijkl", "after=&limit=-1", "")
	f.Add("GET", "/api/documents/DOC-000040%2F..", "", "")

	seed := uint64(1)
	s, err := sandbox.New(sandbox.Options{Seed: &seed, BaseURL: "http://127.0.0.1:1"})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	if _, err := s.CreateDocument(templateNDA, "", 0); err != nil {
		f.Fatal(err)
	}
	tokens := s.IssueTokens()
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:1/", strings.NewReader(body))
		if err != nil || !strings.HasPrefix(path, "/api/") || strings.HasSuffix(path, "/download") || strings.HasPrefix(path, "/api/shared/") || method == http.MethodOptions {
			t.Skip("no request of the API, or one whose answer is no JSON")
		}
		r.URL.Path, r.URL.RawQuery = path, query
		r.Header.Set("AccessToken", tokens.AccessToken)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %s?%s %q: %d %s", method, path, query, body, w.Code, w.Body)
		}
	})
}
