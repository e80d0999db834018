package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/revv-go/revv/internal/sandbox"
)

// A server of net/http lingers for half a second at a connection that it gives up, which is
// longer than goleak waits.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// noon is the time of every sandbox whose clock stands still.
var noon = time.Date(2021, 6, 18, 12, 0, 0, 0, time.UTC)

// api is a sandbox with a caller that is allowed to call it.
type api struct {
	*sandbox.Sandbox

	t      *testing.T
	tokens sandbox.Tokens
}

// longTest leaves out of a short run what takes ten thousand requests to reach a bound.
func longTest(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("ten thousand requests, for a run without -short")
	}
}

func newAPI(t *testing.T, change ...func(*sandbox.Options)) *api {
	t.Helper()
	seed := uint64(1)
	opts := sandbox.Options{Seed: &seed, BaseURL: "http://127.0.0.1:1", WebhookBackoff: []time.Duration{time.Millisecond, time.Millisecond}}
	for _, fn := range change {
		fn(&opts)
	}
	s, err := sandbox.New(opts)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	s.SetTime(noon)
	return &api{s, t, s.IssueTokens()}
}

// do sends a request with the access token and, if there is a body, its type.
// Headers come in pairs; an empty value removes one.
func (a *api) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	a.t.Helper()
	r := httptest.NewRequestWithContext(a.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("AccessToken", a.tokens.AccessToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, r)
	return w
}

// ok sends a request that must succeed and returns the answer.
func (a *api) ok(method, path, body string) string {
	a.t.Helper()
	w := a.do(method, path, body)
	require.Equal(a.t, http.StatusOK, w.Code, "%s %s: %s", method, path, w.Body)
	return w.Body.String()
}

// refused sends a request that must be refused and returns the message.
func (a *api) refused(status int, method, path, body string, headers ...string) string {
	a.t.Helper()
	w := a.do(method, path, body, headers...)
	require.Equal(a.t, status, w.Code, "%s %s: %s", method, path, w.Body)
	var refusal struct{ Error, Message string }
	require.NoError(a.t, json.Unmarshal(w.Body.Bytes(), &refusal), "%s", w.Body)
	require.NotEmpty(a.t, refusal.Error)
	return refusal.Message
}

// draft makes a document from a template without required fields.
func (a *api) draft() sandbox.Document {
	a.t.Helper()
	id, err := a.CreateDocument(templateNDA, "", 0)
	require.NoError(a.t, err)
	d, ok := a.Document(id)
	require.True(a.t, ok)
	return d
}

// document is a document as it is now.
func (a *api) document(d sandbox.Document) sandbox.Document {
	a.t.Helper()
	now, ok := a.Document(d.ID)
	require.True(a.t, ok)
	return now
}

// The ids of the templates that every sandbox starts with.
const (
	templateService  = 21
	templateNDA      = 23
	templateInactive = 24
)

// field reads one member of a JSON object, by a path of names.
func field(t *testing.T, body string, path ...string) any {
	t.Helper()
	var value any
	require.NoError(t, json.Unmarshal([]byte(body), &value))
	for _, name := range path {
		object, ok := value.(map[string]any)
		require.True(t, ok, "%s in %s", name, body)
		require.Contains(t, object, name)
		value = object[name]
	}
	return value
}
