package sandbox_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv/internal/sandbox"
)

// What a limit allows is taken, and one more is refused.
func TestLimits_atTheirBounds(t *testing.T) {
	a := newAPI(t)
	d := a.draft()
	nested := func(depth int) string {
		return `{"template_id":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`
	}
	contact := func(notes int) string {
		return `{"name":"A","email":"a@example.com","notes":"` + strings.Repeat("n", notes) + `"}`
	}
	fields := func(n int) string {
		return `{"fields":[` + strings.TrimSuffix(strings.Repeat(`{"name":"Counterparty","value":"x"},`, n), ",") + `]}`
	}
	for _, test := range []struct {
		method, path, body string
		status             int
		message            string
	}{
		{"GET", "/api/docs/1", "", 404, "1"},
		{"GET", "/api/docs/0", "", 400, "a number from 1"},
		{"POST", "/api/docs", `{"template_id":1}`, 404, "no template has the id 1"},
		{"POST", "/api/docs", `{"template_id":0}`, 400, "positive whole number"},
		{"POST", "/api/docs", nested(100), 400, "a number is due"},
		{"POST", "/api/docs", nested(101), 400, "nested more than 100 levels"},
		{"POST", "/api/docs", `{"template_id":21,"x":{"a":1,"b":2,"a":3}}`, 400, `"x.a" occurs twice`},
		{"POST", "/api/docs", `{"template_id":21,"x":[{},{"a":1,"a":3}]}`, 400, `"x[1].a" occurs twice`},
		{"POST", "/api/contacts", contact(10_000), 200, ""},
		{"POST", "/api/contacts", contact(10_001), 422, "at most 10000 bytes"},
		{"PUT", "/api/docs/14/fields", fields(1000), 422, "twice"},
		{"PUT", "/api/docs/14/fields", `{"fields":[{"name":"Counterparty","value":"` + strings.Repeat("x", 10_001) + `"}]}`, 422, "at most 10000 bytes"},
		{"PUT", "/api/docs/14/fields", `{"fields":[{"name":"Counterparty","value":"` + strings.Repeat("x", 10_000) + `"}]}`, 200, ""},
		{"PUT", "/api/docs/14/fields", fields(1001), 422, "at most 1000 entries are allowed, not 1001"},
		{"GET", "/api/object-activities/objects/" + string(d.ObjectID) + "?limit=1", "", 200, ""},
		{"GET", "/api/object-activities/objects/" + string(d.ObjectID) + "?limit=1000", "", 200, ""},
		{"GET", "/api/object-activities/objects/" + string(d.ObjectID) + "?limit=0", "", 400, "from 1 to 1000"},
		{"GET", "/api/object-activities/objects/" + string(d.ObjectID) + "?limit=1001", "", 400, "from 1 to 1000"},
		{"POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com","order":0}]}`, 400, "a whole number from 1"},
		{"POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com","order":1,"first_name":"` + strings.Repeat("x", 10_000) + `"}],"email_message":"` + strings.Repeat("x", 10_000) + `"}`, 200, ""},
	} {
		w := a.do(test.method, test.path, test.body)
		assert.Equal(t, test.status, w.Code, "%s %s %.60s: %s", test.method, test.path, test.body, w.Body)
		assert.Contains(t, w.Body.String(), strings.ReplaceAll(test.message, `"`, `\"`), "%s %s %.60s", test.method, test.path, test.body)
	}
}

// An account without documents, and one whose newest object is a folder, come back
// from a snapshot as well; and so do magic links.
func TestSnapshot_ofFoldersAlone_andOfMagicLinks(t *testing.T) {
	a := newAPI(t)
	_, err := a.AddFolder(sandbox.Folder{Name: "Customers"})
	require.NoError(t, err)
	restore := func() *api {
		data, err := a.Export()
		require.NoError(t, err)
		b := newAPI(t)
		require.NoError(t, b.Import(data))
		b.tokens = a.tokens
		b.SetTime(noon)
		assert.Equal(t, a.ok("GET", "/api/folders/", ""), b.ok("GET", "/api/folders/", ""))
		return b
	}
	restore()
	d := a.draft()
	restore()
	_, err = a.AddFolder(sandbox.Folder{Name: "Last"})
	require.NoError(t, err)
	restore()
	a.ok("POST", "/api/perma-link", `{"object_id":"`+string(d.ObjectID)+`","object_type":"DOC"}`)
	token := a.Documents()[0].MagicToken
	require.NotEmpty(t, token)
	page := restore().do("GET", "/perma/DOC/"+token+"/NDA", "", "AccessToken", "")
	assert.Equal(t, http.StatusOK, page.Code)
	assert.Contains(t, page.Body.String(), string(d.Number))
}

// A 2xx takes a delivery, whatever it is called.
func TestDelivery_everySuccessTakesIt(t *testing.T) {
	for status, want := range map[int]string{200: sandbox.DeliveryDelivered, 299: sandbox.DeliveryDelivered, 300: sandbox.DeliveryFailed, 199 + 205: sandbox.DeliveryFailed} {
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		a := newAPI(t)
		a.subscribe(receiver.URL, "DOCUMENT_STAGE_CHANGED")
		a.draft()
		a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
		a.wait()
		receiver.Close()
		require.NotEmpty(t, a.Deliveries())
		assert.Equal(t, want, a.Deliveries()[0].State, "%d", status)
	}
}

func TestPDF_saysThatNobodyHasSigned(t *testing.T) {
	a := newAPI(t)
	a.draft()
	assert.Contains(t, a.ok("GET", "/api/docs/14/download", ""), "Not signed")
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"}]}`)
	assert.Contains(t, a.ok("GET", "/api/docs/14/download", ""), "Not signed")
	require.NoError(t, a.Sign(14, "s@example.com", nil))
	assert.NotContains(t, a.ok("GET", "/api/docs/14/download", ""), "Not signed")
}

func TestFault_statusesAtTheirBounds(t *testing.T) {
	a := newAPI(t)
	for status, fine := range map[int]bool{199: false, 200: true, 599: true, 600: false} {
		assert.Equal(t, fine, a.Fail(sandbox.Fault{Status: status, Times: 1}) == nil, status)
		a.ClearFaults()
	}
}

// An answer that is cut, or stalls, exactly where it ends is cut all the same.
func TestFault_cutBehindTheLastByte_isSeen(t *testing.T) {
	a := newAPI(t)
	server := httptest.NewServer(a.Handler())
	defer server.Close()
	const whole = `{"Webhooks":[]}`
	for name, fault := range map[string]sandbox.Fault{"cut": {CutAfter: len(whole), Times: 1}, "stalled": {StallAfter: len(whole), Times: 1}} {
		require.NoError(t, a.Fail(fault))
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/webhooks", http.NoBody)
		require.NoError(t, err)
		r.Header.Set("AccessToken", a.tokens.AccessToken)
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err, name)
		body := make([]byte, len(whole))
		_, err = io.ReadFull(resp.Body, body)
		require.NoError(t, err, name)
		assert.Equal(t, whole, string(body), name)
		if name == "stalled" {
			cancel()
		}
		_, err = resp.Body.Read(body)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, io.EOF, name)
		assert.Greater(t, resp.ContentLength, int64(len(whole)), name)
		require.NoError(t, resp.Body.Close())
		cancel()
	}
}

// What was filled in before anybody signed is still the first signer's to change.
func TestSign_prefilledFields_areLockedByASignatureOnly(t *testing.T) {
	a := newAPI(t)
	a.draft()
	a.ok("PUT", "/api/docs/14/fields", `{"fields":[{"name":"Counterparty","value":"Acme"}]}`)
	a.ok("POST", "/api/v2/doc-signers/14", `{"signers":[{"user_email":"s@example.com"},{"user_email":"t@example.com"}]}`)
	signers := a.Documents()[0].Signers
	assert.NotContains(t, a.do("GET", "/sign/"+signers[0].Token, "").Body.String(), "readonly")
	require.NoError(t, a.Sign(14, "s@example.com", nil))
	assert.Contains(t, a.do("GET", "/sign/"+signers[1].Token, "").Body.String(), "readonly")
}

func TestRequests_ofTheLargestSize(t *testing.T) {
	a := newAPI(t)
	body := func(size int) string {
		const start, end = `{"template_id":21,"title":"`, `"}`
		return start + strings.Repeat(" ", size-len(start)-len(end)) + end
	}
	assert.Equal(t, http.StatusUnprocessableEntity, a.do("POST", "/api/docs", body(1<<20)).Code, "its title is only blanks")
	assert.Equal(t, http.StatusRequestEntityTooLarge, a.do("POST", "/api/docs", body(1<<20+1)).Code)
	path := func(size int) string { return "/api/docs/" + strings.Repeat("1", size-len("/api/docs/")) }
	assert.Contains(t, a.do("GET", path(2048), "").Body.String(), "INVALID_ID")
	assert.Contains(t, a.do("GET", path(2049), "").Body.String(), "did you mean GET /api/docs/{id}")
}

func TestWebhooks_areBounded(t *testing.T) {
	a := newAPI(t)
	for i := range 1000 {
		a.subscribe(fmt.Sprintf("http://127.0.0.1:1/%d", i), "DOCUMENT_SIGNED")
	}
	assert.Contains(t, a.refused(http.StatusConflict, "POST", "/api/webhooks", `{"event":"DOCUMENT_SIGNED","url":"http://127.0.0.1:1/x"}`), "1000 webhooks already")
}

// What the log says of a refusal is what the client was told.
func TestRequests_sayWhyTheyWereRefused(t *testing.T) {
	a := newAPI(t)
	a.do("GET", "/api/docs/99", "")
	a.ok("GET", "/api/webhooks", "")
	a.fail(sandbox.Fault{Status: 400, Body: " what the fault says ", Times: 1})
	a.do("GET", "/api/webhooks", "")
	requests := a.Requests()
	require.Len(t, requests, 3)
	assert.Contains(t, requests[0].Problem, "99")
	assert.Empty(t, requests[1].Problem)
	assert.Contains(t, requests[2].Problem, "fault {")
}
