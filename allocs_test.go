package revv_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// Ceilings of what a call allocates, with some room for other versions of Go, so
// that what was saved once does not creep back. What net/http and encoding/json
// need for the same work stands in docs/performance.md.

// canned answers at once and keeps nothing, so that what is counted is the
// client's own. The second page of a list is its end.
type canned struct{ body []byte }

// RoundTrip implements [http.RoundTripper].
func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	body := c.body
	if strings.HasSuffix(r.URL.RawQuery, "page_num=2") {
		body = []byte(entriesPage(0))
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

func cannedClient(tb testing.TB, body string) *revv.Client {
	tb.Helper()
	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: canned{[]byte(body)}}))
	require.NoError(tb, err)
	return client
}

const (
	smallDocument = `{"Document":{"id":14,"doc_no":"DOC-000014","object_id":"DOC-AB12CD34EF56","title":"Lease","template_id":3,"folder_id":7,` +
		`"document_status":{"name":"Draft"},"fields":[{"name":"Rent","type":"text","required":true,"value":"1200"}],` +
		`"created_at":"2021-06-14T09:30:00.123456Z","updated_at":"2021-06-15T10:31:01.654321Z"}}`
	smallEntry = `{"id":1,"name":"Lease","type":"f","doc_no":"DOC-000014","document_status":{"name":"Sent"},"document_tag":{"name":"2021"}}`
	smallEvent = `{"id":"evt_1","event":"DOCUMENT_SIGNED","timestamp":"2021-06-15T10:31:01.654321Z",` +
		`"document":{"id":14,"doc_no":"DOC-000014","object_id":"DOC-AB12CD34EF56","title":"Lease","document_status":{"name":"Sent"}},` +
		`"recipient":{"user_email":"tenant@example.com","first_name":"Tenant","last_name":"Example"}}`
)

// entriesPage is a page with as many entries.
func entriesPage(entries int) string {
	return `{"page":{"inodes":[` + strings.TrimSuffix(strings.Repeat(smallEntry+",", entries), ",") + `],"count":1}}`
}

// The counts of this test are of the whole program: nothing may run beside it. Each ceiling
// has room for what the pools drop at random under the race detector, two or three, and that
// of POST for what encoding/json allocates more since Go 1.27, two.
func TestAllocations_stayUnderTheirCeilings(t *testing.T) {
	ctx := t.Context()
	document, page := cannedClient(t, smallDocument), cannedClient(t, entriesPage(100))
	event := []byte(smallEvent)
	params := revv.CreateDocumentParams{TemplateID: 3, Title: strings.Repeat("x", 960)}
	for _, test := range []struct {
		name    string
		ceiling float64
		work    func() error
	}{
		{"GET", 41, func() error { return errorOf(document.Documents.Get(ctx, 14)) }},
		{"POST", 49, func() error { return errorOf(document.Documents.Create(ctx, params)) }},
		{"All, one page of 100", 608, func() error {
			for _, err := range page.Documents.All(ctx, revv.ListDocumentsParams{Prefetch: -1}) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"ParseEvent", 16, func() error { return errorOf(revv.ParseEvent(event)) }},
	} {
		got := testing.AllocsPerRun(200, func() {
			if err := test.work(); err != nil {
				panic(err)
			}
		})
		t.Logf("%s: %.0f allocations, at most %.0f", test.name, got, test.ceiling)
		assert.LessOrEqual(t, got, test.ceiling, test.name)
	}
}
