package revv_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
	"github.com/revv-go/revv/revvtest"
)

// sandboxRow is a row of the matrix with a fault of the sandbox, which users
// have for tests of their own.
type sandboxRow struct {
	id, fault string
	faults    []revvtest.Fault
	only      func(op operationCase) bool
	call      []revv.CallOption
	want      map[class]verdict
	ranges    []string // that a download asks for, request by request; nil: not looked at
	atLeast   time.Duration
}

// sandboxRows use every fault of the sandbox that an API call can meet.
func sandboxRows() []sandboxRow {
	one := func(f revvtest.Fault) []revvtest.Fault {
		f.Times = 1
		return []revvtest.Fault{f}
	}
	repeatedly := func(f revvtest.Fault) []revvtest.Fault { return []revvtest.Fault{f} }
	deletes := func(op operationCase) bool { return op.method == http.MethodDelete }
	brief := []revv.CallOption{revv.WithAttemptTimeout(5 * time.Second)}
	rows := []sandboxRow{
		{id: "R01", fault: "nothing at all", want: anyClass(good(1))},
		{id: "R08 W05", fault: "500 for ever", faults: repeatedly(revvtest.Fault{Status: 500}), want: repeatable(bad(3, revv.ErrServer), unknown(revv.ErrServer))},
		{id: "W05", fault: "502 after it was carried out", faults: one(revvtest.Fault{Status: 502, Commit: true}), only: isNoDelete, want: repeatable(good(2), unknown(revv.ErrServer))},
		{id: "R34", fault: "DELETE carried out, then 502", faults: one(revvtest.Fault{Status: 502, Commit: true}), only: deletes, want: map[class]verdict{idempotent: good(2)}},
		{id: "R34", fault: "DELETE carried out, then cut", faults: one(revvtest.Fault{CutAfter: -1, Commit: true}), only: deletes, want: map[class]verdict{idempotent: good(2)}},
		{id: "R34", fault: "DELETE carried out, then silence", faults: one(revvtest.Fault{Hang: true, Commit: true}), only: deletes, call: brief, want: map[class]verdict{idempotent: good(2)}},
		{id: "R04", fault: "429 with Retry-After", faults: one(revvtest.Fault{Status: 429, RetryAfter: "2"}), want: anyClass(good(2)), atLeast: 2 * time.Second},
		{id: "R05", fault: "429 with a date", faults: one(revvtest.Fault{Status: 429, RetryAfter: "Sat, 01 Jan 2000 00:00:09 GMT"}), want: anyClass(good(2)), atLeast: 9 * time.Second},
		{id: "W06", fault: "503 with Retry-After", faults: one(revvtest.Fault{Status: 503, RetryAfter: "2"}), want: anyClass(good(2)), atLeast: 2 * time.Second},
		{id: "R06", fault: "429 for an hour", faults: repeatedly(revvtest.Fault{Status: 429, RetryAfter: "3600"}), want: anyClass(bad(1, revv.ErrRateLimited))},
		{id: "R02 W01", fault: "reset", faults: one(revvtest.Fault{Reset: true}), want: repeatable(good(2), unknown())},
		{id: "R02 W01", fault: "cut before the headers", faults: one(revvtest.Fault{CutAfter: -1}), want: repeatable(good(2), unknown())},
		{id: "R02 W01", fault: "carried out and reset", faults: one(revvtest.Fault{Reset: true, Commit: true}), only: isNoDelete, want: repeatable(good(2), unknown())},
		{id: "R03 W09", fault: "body cut", faults: one(revvtest.Fault{CutAfter: 1}), only: isAnswered, want: writes(good(2), applied())},
		{id: "R15 W09", fault: "body in chunks cut", faults: one(revvtest.Fault{CutAfter: 1, Chunked: true}), only: isAnswered, want: writes(good(2), applied())},
		{id: "R15", fault: "body in chunks", faults: repeatedly(revvtest.Fault{Chunked: true}), want: anyClass(good(1))},
		{id: "R24 W04", fault: "silence", faults: one(revvtest.Fault{Hang: true}), call: brief, only: isJSON, want: repeatable(good(2), unknown(context.DeadlineExceeded)), atLeast: 5 * time.Second},
		{id: "R24 W04", fault: "carried out in silence", faults: one(revvtest.Fault{Hang: true, Commit: true}), call: brief, only: isJSONNoDelete, want: repeatable(good(2), unknown(context.DeadlineExceeded)), atLeast: 5 * time.Second},
		{id: "R24", fault: "an answer that comes late", faults: one(revvtest.Fault{Delay: 4 * time.Second}), call: brief, want: anyClass(good(1)), atLeast: 4 * time.Second},
		{id: "R24", fault: "body stalls", faults: one(revvtest.Fault{StallAfter: 1}), call: brief, only: isAnswered, want: writes(good(2), applied(context.DeadlineExceeded)), atLeast: 5 * time.Second},
		{id: "R24", fault: "body drips", faults: one(revvtest.Fault{Drip: time.Minute}), call: brief, only: isAnswered, want: writes(good(2), applied(context.DeadlineExceeded)), atLeast: 5 * time.Second},
		{id: "R13", fault: "a page", faults: repeatedly(revvtest.Fault{HTML: true}), want: writes(bad(1, revv.ErrUnexpectedContent), applied(revv.ErrUnexpectedContent))},
		{id: "R14", fault: "nothing where an answer is due", faults: repeatedly(revvtest.Fault{Empty: true}), only: needsAnswer, want: writes(bad(1, revv.ErrEmptyResponse), applied(revv.ErrEmptyResponse))},
		{id: "R14", fault: "nothing where nothing is due", faults: repeatedly(revvtest.Fault{Empty: true}), only: isBare, want: anyClass(good(1))},
		{id: "R14", fault: "204 where nothing is due", faults: repeatedly(revvtest.Fault{Status: 204}), only: isBare, want: anyClass(good(1))},
		{id: "R16", fault: "half the JSON", faults: repeatedly(revvtest.Fault{Truncate: true}), only: isAnswered, want: writes(bad(1, revv.ErrMalformedResponse), applied(revv.ErrMalformedResponse))},
		{id: "R17", fault: "JSON as a text", faults: repeatedly(revvtest.Fault{ContentType: "text/plain"}), only: isJSON, want: anyClass(good(1))},
		{id: "R18", fault: "a body of null", faults: repeatedly(revvtest.Fault{Body: "null"}), only: needsAnswer, want: writes(bad(1, revv.ErrMalformedResponse), applied(revv.ErrMalformedResponse))},
		{id: "R20", fault: "an unknown member", faults: repeatedly(revvtest.Fault{Members: map[string]string{"future": `{"a":[1e400]}`}}), only: isJSON, want: anyClass(good(1))},
		{id: "R21", fault: "a gzip bomb", faults: repeatedly(revvtest.Fault{GzipBomb: 12 << 20}), only: isJSONOfFew, want: writes(bad(1, revv.ErrResponseTooLarge), applied(revv.ErrResponseTooLarge))},
		{id: "R27 W15", fault: "a redirect to another host", faults: repeatedly(revvtest.Fault{RedirectTo: "https://other.example.com/steal"}), only: isJSON, want: anyClass(bad(1, revv.ErrRedirected))},
		{id: "R27 W15", fault: "307 to another host", faults: repeatedly(revvtest.Fault{Status: 307, RedirectTo: "https://other.example.com/steal"}), only: isJSON, want: anyClass(bad(1, revv.ErrRedirected))},
		{id: "W07", fault: "401 once", faults: one(revvtest.Fault{Status: 401}), want: anyClass(good(2))},
		{id: "T03", fault: "401 for ever", faults: repeatedly(revvtest.Fault{Status: 401}), want: anyClass(bad(2, revv.ErrUnauthorized).but(revv.ErrOutcomeUnknown))},
		{id: "D01", fault: "half the file", faults: one(revvtest.Fault{CutAfter: 400}), only: isPDF, want: map[class]verdict{reads: good(2)}, ranges: []string{"", "bytes=400-"}},
		{id: "D02", fault: "half the file, and a silent end", faults: one(revvtest.Fault{CutAfter: 400, CloseDelimited: true}), only: isPDF, want: map[class]verdict{reads: good(2)}, ranges: []string{"", ""}},
		{id: "D02", fault: "half the file, again and again", faults: repeatedly(revvtest.Fault{CutAfter: 100, CloseDelimited: true}), only: isPDF, want: map[class]verdict{reads: bad(3, revv.ErrTruncated)}, ranges: []string{"", "", ""}},
		{id: "D01", fault: "half the file in chunks", faults: one(revvtest.Fault{CutAfter: 400, Chunked: true}), only: isPDF, want: map[class]verdict{reads: good(2)}, ranges: []string{"", "bytes=400-"}},
		{id: "D08", fault: "a file that stalls", faults: one(revvtest.Fault{StallAfter: 400}), only: isPDF, want: map[class]verdict{reads: good(2)}, ranges: []string{"", "bytes=400-"}, atLeast: 30 * time.Second},
		{id: "D08", fault: "a file that drips", faults: one(revvtest.Fault{Drip: 100 * time.Millisecond}), only: isPDF, want: map[class]verdict{reads: good(1)}},
	}
	for _, status := range []int{408, 500, 502, 503, 504} {
		var kinds []error
		if status >= 500 {
			kinds = []error{revv.ErrServer}
		}
		rows = append(rows, sandboxRow{
			id: "R01 W05", fault: http.StatusText(status), faults: one(revvtest.Fault{Status: status}), want: repeatable(good(2), unknown(kinds...)),
		})
	}
	for status, kind := range map[int]error{
		400: revv.ErrInvalid, 403: revv.ErrForbidden, 404: revv.ErrNotFound, 409: revv.ErrConflict, 410: revv.ErrNotFound, 415: revv.ErrInvalid, 422: revv.ErrInvalid,
	} {
		rows = append(rows, sandboxRow{
			id: "R11", fault: http.StatusText(status), faults: repeatedly(revvtest.Fault{Status: status}), want: anyClass(bad(1, kind).but(otherKinds(kind)...)),
		})
	}
	return rows
}

func isPDF(op operationCase) bool { return op.pdf }

func isNoDelete(op operationCase) bool { return op.method != http.MethodDelete }

func isJSONNoDelete(op operationCase) bool { return isJSON(op) && isNoDelete(op) }

// isAnswered picks the operations whose answer in the sandbox has a body to spoil.
func isAnswered(op operationCase) bool { return !op.pdf && !op.bare }

// isOfFew picks a few operations, one of each class among them.
func isOfFew(op operationCase) bool { return len(aFew([]operationCase{op})) > 0 }

func isJSONOfFew(op operationCase) bool { return isJSON(op) && isOfFew(op) }

// sandboxArguments fill a server with what every operation needs.
func sandboxArguments(t *testing.T, s *revvtest.Server, dir string) callArguments {
	t.Helper()
	template := s.AddTemplate(revvtest.Template{Title: "NDA", Fields: []revvtest.Field{{Name: "Company"}}})
	document := s.AddDocument(template, "NDA")
	folder := s.AddFolder("Offers", 0)
	contact := s.AddContact(revvtest.Contact{Name: "Ann Lee", Email: "ann@example.com"})
	d, ok := s.Document(document)
	require.True(t, ok)
	hook, err := s.Client().Webhooks.Subscribe(t.Context(), revv.SubscribeParams{Event: revv.EventStageChanged, URL: "https://example.com/hooks"})
	require.NoError(t, err)
	return callArguments{
		template: template, document: document, number: d.Number, object: d.ObjectID, folder: folder, contact: contact, webhook: hook.ID, dir: dir,
	}
}

// TestConformance_sandbox drives the rows of the matrix with the faults that the
// sandbox offers, and every operation against its real state.
func TestConformance_sandbox(t *testing.T) {
	var count tally
	count.report(t, "conformance with the sandbox")
	dir := t.TempDir()
	names := everyOperation(anyArguments(dir))
	for _, row := range sandboxRows() {
		t.Run(row.id+" "+row.fault, func(t *testing.T) {
			t.Parallel()
			for i, op := range names {
				want, ok := row.want[op.class]
				if !ok || op.op == "Do" || row.only != nil && !row.only(op) || testing.Short() && !isOfFew(op) {
					continue
				}
				count.cases.Add(1)
				if t.Run(op.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { row.run(t, i, dir, want) }) }) {
					count.passed.Add(1)
				}
			}
		})
	}
}

func (row sandboxRow) run(t *testing.T, index int, dir string, want verdict) {
	t.Helper()
	nobody := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errSilence })}
	server := revvtest.NewServer(t, revvtest.WithoutNetwork(), revvtest.WithWebhookClient(nobody))
	op := everyOperation(sandboxArguments(t, server, dir))[index]
	before := len(server.Requests(op.op))
	client := server.Client()
	server.Fail(row.faults...)
	began := time.Now()
	err := op.call(t.Context(), client, row.call...)
	assert.GreaterOrEqual(t, time.Since(began), row.atLeast)
	requests := server.Requests(op.op)[before:]
	assert.Len(t, requests, want.requests, "requests that the server has seen")
	for _, r := range requests {
		assert.Equal(t, requests[0].Method+requests[0].Path+requests[0].RawQuery+requests[0].Body, r.Method+r.Path+r.RawQuery+r.Body)
	}
	if row.ranges != nil {
		asked := make([]string, len(requests))
		for i, r := range requests {
			asked[i] = r.Header.Get("Range")
		}
		assert.Equal(t, row.ranges, asked, "ranges that were asked for")
	}
	if len(want.is) == 0 {
		require.NoError(t, err)
	}
	for _, is := range want.is {
		if !errors.Is(is, errTyped) {
			require.ErrorIs(t, err, is)
		}
	}
	for _, not := range want.not {
		require.NotErrorIs(t, err, not)
	}
	if err != nil {
		assert.Equal(t, op.op, failure(t, err).Op)
	}
	uncertain := slices.Contains(want.is, revv.ErrOutcomeUnknown) || slices.Contains(want.is, revv.ErrAppliedResponseUnreadable) ||
		slices.Contains(want.is, revv.ErrRedirected) && op.class == consequences && failure(t, err).StatusCode != http.StatusTemporaryRedirect
	assert.Equal(t, uncertain, revv.MaybeApplied(err))
	server.Close()
	server.HTTPClient().CloseIdleConnections()
}
