package sandbox_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

func TestRequests_areAsTheyCame(t *testing.T) {
	a := newAPI(t)
	a.do("PUT", "/api/docs/14/fields?x=1&x=2", `{"fields": []}`, "X-Request-Id", "r1", "AccessToken", "", "Content-Type", "")
	requests := a.Requests()
	require.Len(t, requests, 1)
	r := requests[0]
	assert.Equal(t, []any{
		int64(1), noon, "Documents.SetFields", "PUT", "/api/docs/14/fields", "x=1&x=2", `{"fields": []}`, http.StatusUnauthorized, http.Header{"X-Request-Id": {"r1"}},
	}, []any{r.ID, r.At, r.Operation, r.Method, r.Path, r.RawQuery, r.Body, r.Status, r.Header})

	r.Header.Set("X-Request-Id", "changed")
	assert.Equal(t, "r1", a.Requests()[0].Header.Get("X-Request-Id"), "a copy")
}

// The log says in words why a request was refused: an operation, the sandbox before it, or
// nobody who knows the path.
func TestRequests_thatWereRefused_sayOnlyTheMessage(t *testing.T) {
	a := newAPI(t)
	for path, status := range map[string]int{"/api/docs/99": http.StatusNotFound, "/api/nowhere": http.StatusNotFound} {
		message := a.refused(status, "GET", path, "")
		requests := a.Requests()
		assert.Equal(t, message, requests[len(requests)-1].Problem, path)
	}
	message := a.refused(http.StatusUnsupportedMediaType, "POST", "/api/docs", "{}", "Content-Encoding", "br")
	requests := a.Requests()
	assert.Equal(t, message, requests[len(requests)-1].Problem)

	a.do("GET", "/sign/unknown", "", "AccessToken", "")
	requests = a.Requests()
	assert.Equal(t, "this link is not valid, or not valid any more", requests[len(requests)-1].Problem)
	a.postForm("/api/shared/documents/1/unknown/doc-acceptance/accept", nil)
	requests = a.Requests()
	assert.Equal(t, "this link is not valid, or not valid any more", requests[len(requests)-1].Problem)

	a.draft()
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	a.postForm(a.path(a.lastMail().Links["sign"]), url.Values{"answer": {"sign"}, "name": {""}})
	requests = a.Requests()
	assert.Contains(t, requests[len(requests)-1].Problem, "Nothing is signed yet")
	assert.NotContains(t, requests[len(requests)-1].Problem, "<")
}

// A page that shows mails, or requests, learns when there is something new to show.
func TestWatch_tellsOfMailsAndRequests(t *testing.T) {
	a := newAPI(t)
	a.draft()
	kinds := func(do func()) (told []string) {
		changes, end := a.Watch()
		do()
		end()
		for change := range changes {
			told = append(told, change.Kind)
		}
		return told
	}
	assert.Contains(t, kinds(func() { a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`) }), "mail")
	assert.Equal(t, []string{"request", "request"}, kinds(func() { a.ok("GET", "/api/webhooks", "") }), "when it comes, and when it is answered")
	assert.Equal(t, []string{"request"}, kinds(a.ClearRequests))
}

func TestWebhooksAndDeliveries_areWhatWasSubscribedAndWhen(t *testing.T) {
	a := newAPI(t, backoff())
	a.subscribe("http://127.0.0.1:1/hook", "DOCUMENT_STAGE_CHANGED")
	assert.Equal(t, []sandbox.Webhook{{ID: 1, Event: "DOCUMENT_STAGE_CHANGED", URL: "http://127.0.0.1:1/hook"}}, a.Webhooks())
	a.sendDraft()
	a.wait()
	deliveries := a.Deliveries()
	assert.Equal(t, noon, deliveries[0].CreatedAt)
	deliveries[0].Attempts[0].Error = "changed"
	assert.NotEqual(t, "changed", a.Deliveries()[0].Attempts[0].Error, "a copy")
}

// A page of another origin sees the answer of a fault as it sees any other.
func TestFaults_areShownToPagesOfOtherOrigins(t *testing.T) {
	a := newAPI(t)
	a.fail(sandbox.Fault{Status: http.StatusServiceUnavailable})
	w := a.do("GET", "/api/webhooks", "", "Origin", "https://app.example.com")
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "*", w.Header().Get("Access-Control-Allow-Origin"))
}

// Who calls a path that nearly exists learns which was meant, with a method that it takes.
func TestUnknownPath_nearlyRight_namesAMethodThatIsTaken(t *testing.T) {
	a := newAPI(t)
	assert.Contains(t, a.refused(http.StatusNotFound, "PUT", "/api/webhook", ""), "did you mean GET /api/webhooks")
	assert.Contains(t, a.refused(http.StatusNotFound, "POST", "/api/webhook", ""), "did you mean POST /api/webhooks")
}

func TestPeople_withMoreThanAnAddress_areRefused(t *testing.T) {
	a := newAPI(t)
	a.draft()
	for _, address := range []string{"Ann <ann@example.com>", "<ann@example.com>", " ann@example.com", "ann@example.com "} {
		assert.Contains(t, a.refused(http.StatusUnprocessableEntity, "POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"`+address+`"}]}`), "no e-mail address", address)
	}
}
