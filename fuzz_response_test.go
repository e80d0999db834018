package revv_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// fuzzedService answers every request in the same way. headers are lines, and
// the body comes in pieces of seven bytes, so that no reader sees all of it at once.
func fuzzedService(status int, headers string, body []byte, cut bool) roundTripper {
	return func(r *http.Request) (*http.Response, error) {
		resp := &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, ContentLength: -1, Request: r}
		for line := range strings.SplitSeq(headers, "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && name != "" {
				resp.Header.Add(name, strings.TrimSpace(value))
			}
		}
		var end io.Reader = strings.NewReader("")
		if cut {
			end = failingReader{io.ErrUnexpectedEOF}
		}
		resp.Body = io.NopCloser(pieces{io.MultiReader(bytes.NewReader(body), end)})
		return resp, nil
	}
}

// pieces reads a little at a time.
type pieces struct{ io.Reader }

func (p pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), 7)]) }

// FuzzResponse: whatever comes back, a call ends with a typed error or with
// success, within its attempts, and writes say what has become of them.
func FuzzResponse(f *testing.F) {
	ops := slices.DeleteFunc(everyOperation(anyArguments("")), func(op operationCase) bool { return op.name == "Documents.DownloadFile" }) // a disk is slow
	for i, op := range ops {
		f.Add(uint8(i), uint16(200), "Content-Type: application/json", []byte(op.answer), false)
	}
	f.Add(uint8(0), uint16(401), "Www-Authenticate: Bearer", []byte(`{"error":"invalid_token"}`), false)
	f.Add(uint8(4), uint16(429), "Retry-After: 5", []byte(`{"error":{"code":1e400}}`), false)
	f.Add(uint8(9), uint16(206), "Content-Range: bytes 0-9/10\nEtag: \"a\"", []byte("%PDF-%%EOF"), true)
	f.Add(uint8(9), uint16(302), "Location: https://[::ffff:7f00:1]/", []byte(htmlPage), false)
	f.Add(uint8(22), uint16(404), "", []byte("\xff\xfe\x00"), true)
	f.Add(uint8(36), uint16(101), "Connection: Upgrade", []byte(nil), false)
	f.Fuzz(func(t *testing.T, which uint8, status uint16, headers string, body []byte, cut bool) {
		op := ops[int(which)%len(ops)]
		var calls, listings atomic.Int32
		service := fuzzedService(int(status%1000), headers, body, cut)
		counting := roundTripper(func(r *http.Request) (*http.Response, error) {
			if op.op == getByEmail && r.URL.Query().Has("page_num") { // which it falls back to, pages ahead
				listings.Add(1)
			} else {
				calls.Add(1)
			}
			return service(r)
		})
		client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: counting}),
			revv.WithRetry(revv.RetryPolicy{MaxAttempts: 2, BaseDelay: 1, MaxDelay: 1, MaxRetryAfter: 1}))
		require.NoError(t, err)
		var captured revv.Response
		err = op.call(t.Context(), client, revv.CaptureResponse(&captured))
		require.LessOrEqual(t, calls.Load(), int32(2*(1+5)), "two attempts, with five redirects each of a download")
		require.LessOrEqual(t, listings.Load(), int32(2*(2+4)), "two pages, and four ahead")
		if !op.pdf {
			require.LessOrEqual(t, calls.Load(), int32(2))
		}
		if op.class == consequences && !strings.Contains(strings.ToLower(headers), "retry-after") && status%1000 != 429 {
			require.EqualValues(t, 1, calls.Load(), "sent twice")
		}
		checkFuzzed(t, op, int(status%1000), err)
	})
}

// getByEmail reads all contacts where the service does not know its filter.
const getByEmail = "Contacts.GetByEmail"

func checkFuzzed(t *testing.T, op operationCase, status int, err error) {
	t.Helper()
	ok := status >= 200 && status <= 299
	if err == nil {
		require.True(t, ok || op.pdf, "success with status %d", status) // a download may have followed a redirect
		return
	}
	var typed *revv.Error
	require.ErrorAs(t, err, &typed)
	if op.op != getByEmail || typed.Op != "Contacts.List" {
		require.Equal(t, op.op, typed.Op)
	}
	text := err.Error()
	require.True(t, utf8.ValidString(text))
	require.Less(t, len(text), 4096)
	require.False(t, strings.ContainsFunc(text, unicode.IsControl))
	require.NotContains(t, text, conformanceToken)
	if ok && op.class != reads && !errors.Is(err, revv.ErrNotFound) && !errors.Is(err, revv.ErrConflict) {
		require.ErrorIs(t, err, revv.ErrAppliedResponseUnreadable)
	}
	if op.class == reads {
		require.NotErrorIs(t, err, revv.ErrOutcomeUnknown)
		require.NotErrorIs(t, err, revv.ErrAppliedResponseUnreadable)
	}
}

// FuzzErrorBody: what is made of the body of an error is short and printable.
func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{
		`{"error":"NOT_FOUND","message":"no such document"}`, `{"error":{"code":"X","message":"y"}}`, `{"error":{"code":{"a":1}},"message":[]}`, `{"code":404,"detail":true}`,
		`{"error_code":"a","error_description":"\u0000\u001b[31m\u202e"}`, `[]`, `null`, `{`, htmlPage, "\xff\xfe", `{"message":"` + strings.Repeat("€", 500) + `"}`, strings.Repeat("[", 1200),
		`{"Error":"x","error":"y","ERROR":"z"}`, `{"message":"` + conformanceToken + `"}`,
	} {
		f.Add([]byte(seed), "application/json", "req-1")
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType, id string) {
		service := fuzzedService(http.StatusUnprocessableEntity, "", body, false)
		client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			resp, err := service(r)
			resp.Header.Set("Content-Type", contentType)
			resp.Header.Set("X-Request-Id", id)
			return resp, err
		})}))
		require.NoError(t, err)
		_, err = client.Documents.Get(t.Context(), 14)
		require.ErrorIs(t, err, revv.ErrInvalid)
		typed := failure(t, err)
		for _, text := range []string{typed.Code, typed.Message, typed.RequestID} {
			require.LessOrEqual(t, len(text), 256)
			require.True(t, utf8.ValidString(text))
			require.False(t, strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }), "%q", text)
			require.NotContains(t, text, conformanceToken)
		}
	})
}

// FuzzModels: JSON that fits a model keeps its bytes in Raw, and what was read
// can be written and read again.
func FuzzModels(f *testing.F) {
	for _, seed := range []string{
		`{"id":14,"doc_no":"DOC-000040","object_id":"DOC-aB3dE5gH7jK9","title":"NDA","template_id":"3","folder_id":null,"document_status":{"name":"Draft"},"fields":[{"name":"a","value":1e400},{"name":"b","value":{"c":[]}}],"created_at":"2021-06-18T10:00:00.000000Z"}`,
		`{"id":"9223372036854775807","name":"n","type":"f","document_status":"In review","document_tag":{"name":"t"},"future":{"a":[null]}}`,
		`{"event":"X","timestamp":"soon","actor":{"user_email":"a@example.com"},"subjects":[{"name":"x"}]}`, `{"id":true,"url":"https://example.com","event":"E"}`, `{"id":5,"email":"ann@example.com","type":"robot"}`,
		`null`, `[]`, `{}`, `{"id":-0}`, `{"id":1.0}`, `{"id":1,"ID":2}`, ` {"id" : 7} `, `{"doc_no":"\ud800"}`, "{\"doc_no\":\"\xff\"}", `{"document_status":{"name":null}}`, `{"document_status":{"name":{"a":1}}}`,
	} {
		f.Add([]byte(seed))
	}
	models := []func() any{
		func() any { return new(revv.Document) }, func() any { return new(revv.DocumentEntry) }, func() any { return new(revv.Field) }, func() any { return new(revv.Activity) },
		func() any { return new(revv.Template) }, func() any { return new(revv.Folder) }, func() any { return new(revv.Contact) }, func() any { return new(revv.Webhook) },
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		assertSame(t, data)
		for _, model := range models {
			first := model()
			if json.Unmarshal(data, first) != nil {
				continue
			}
			raw := reflect.ValueOf(first).Elem().FieldByName("Raw").Bytes()
			if len(raw) == 0 {
				require.Equal(t, "null", strings.TrimSpace(string(data)), "only null leaves nothing")
				continue
			}
			require.Equal(t, string(bytes.TrimSpace(data)), string(raw))
			written, err := json.Marshal(first)
			require.NoError(t, err)
			second := model()
			require.NoError(t, json.Unmarshal(written, second), "%T: %s", first, written)
			again, err := json.Marshal(second)
			require.NoError(t, err)
			require.Equal(t, string(written), string(again), "%T", first)
		}
	})
}

// FuzzTime: any text is a time or is kept as it is; what was read is written as
// the same moment.
func FuzzTime(f *testing.F) {
	for _, seed := range []string{
		"2021-06-18T10:00:00.000000Z", "2021-06-18T10:00:00+05:30", "2021-06-18 10:00:00", "2021-06-18T10:00:00.123456789Z", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
		"1624010400", "", "soon", "2021-02-30T00:00:00Z", "2021-06-18T24:00:00Z", "2021-06-18T10:00:60Z", "\xff", "2021-06-18t10:00:00z",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		encoded, err := json.Marshal(text)
		require.NoError(t, err)
		var first revv.Time
		require.NoError(t, json.Unmarshal(encoded, &first))
		var valid string // as JSON can hold it
		require.NoError(t, json.Unmarshal(encoded, &valid))
		require.Equal(t, valid, first.Text())
		require.Equal(t, time.UTC, first.Location())
		written, err := json.Marshal(first)
		require.NoError(t, err)
		var second revv.Time
		require.NoError(t, json.Unmarshal(written, &second))
		if first.IsZero() || first.Year() < 0 || first.Year() > 9999 {
			return
		}
		require.True(t, first.Truncate(time.Microsecond).Equal(second.Time), "%q became %s", text, written)
	})
}

// FuzzID: a number or a text is read exactly or not at all.
func FuzzID(f *testing.F) {
	for _, seed := range []string{
		`14`, `"14"`, `-9223372036854775808`, `9223372036854775807`, `9223372036854775808`, `1e3`, `1.0`, `"+1"`, `"0x10"`, `" 1"`, `"１４"`, `""`, `null`, `true`, `[1]`, `{"id":1}`, `-0`, `"1_000"`, `"\u0031"`, `0014`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var id revv.DocumentID
		if json.Unmarshal(data, &id) == nil {
			text := strings.TrimSpace(string(data))
			var inner string
			if json.Unmarshal(data, &inner) == nil && strings.HasPrefix(text, `"`) {
				text = inner
			}
			if text == "" || text == "null" {
				require.Zero(t, id)
			} else {
				want, err := strconv.ParseInt(text, 10, 64)
				require.NoError(t, err, "%q was taken for %d", data, id)
				require.EqualValues(t, want, id)
			}
		}
		var hook revv.WebhookID
		if json.Unmarshal(data, &hook) == nil {
			written, err := json.Marshal(hook)
			require.NoError(t, err)
			var again revv.WebhookID
			require.NoError(t, json.Unmarshal(written, &again))
			require.Equal(t, hook, again)
		}
		var template revv.TemplateID
		var contact revv.ContactID
		require.Equal(t, json.Unmarshal(data, &id) == nil, json.Unmarshal(data, &template) == nil)
		require.Equal(t, json.Unmarshal(data, &id) == nil, json.Unmarshal(data, &contact) == nil)
	})
}

// The fuzz targets call the service within a bounded time, also where it says
// that they should wait: this holds the policy that they use to its promise.
func TestFuzzedService_neverWaits(t *testing.T) {
	t.Parallel()
	client, err := revv.NewClient(revv.StaticToken(conformanceToken), revv.WithBaseURL(apiBase),
		revv.WithHTTPClient(&http.Client{Transport: fuzzedService(429, "Retry-After: 59", nil, false)}),
		revv.WithRetry(revv.RetryPolicy{MaxAttempts: 2, BaseDelay: 1, MaxDelay: 1, MaxRetryAfter: 1}))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = client.Documents.Get(ctx, 14)
	require.ErrorIs(t, err, revv.ErrRateLimited)
	require.NoError(t, ctx.Err())
}
