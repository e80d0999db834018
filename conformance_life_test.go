package revv_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// TestConformance_misuse: S03, S05, S08, W13 and done contexts, for every
// operation: a typed error, and nothing is sent.
func TestConformance_misuse(t *testing.T) {
	t.Parallel()
	var count tally
	count.report(t, "conformance of misuse")
	done, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancelExpired := context.WithTimeout(t.Context(), 0)
	defer cancelExpired()
	var nothing context.Context
	network := newSwitchboard(answering(http.StatusOK, documentAnswer))
	client := network.client(t)
	copied := *client
	header := func(key, value string) []revv.CallOption { return []revv.CallOption{revv.WithHeader(key, value)} }
	misuses := map[string]struct {
		ctx    context.Context
		client *revv.Client
		call   []revv.CallOption
		is     error
	}{
		"nil context":                       {nothing, client, nil, revv.ErrInvalidArgument},
		"cancelled context":                 {done, client, nil, context.Canceled},
		"expired context":                   {expired, client, nil, context.DeadlineExceeded},
		"cancelled context, copied client":  {done, &copied, nil, context.Canceled},
		"empty client":                      {t.Context(), &revv.Client{}, nil, revv.ErrInvalidArgument},
		"nil option":                        {t.Context(), client, []revv.CallOption{nil}, revv.ErrInvalidArgument},
		"Idempotency-Key":                   {t.Context(), client, header("Idempotency-Key", "1"), revv.ErrInvalidArgument},
		"idempotency-key":                   {t.Context(), client, header("idempotency-key", "1"), revv.ErrInvalidArgument},
		"X-Idempotency-Key":                 {t.Context(), client, header("X-Idempotency-Key", "1"), revv.ErrInvalidArgument},
		"Authorization":                     {t.Context(), client, header("authorization", "Bearer x"), revv.ErrInvalidArgument},
		"AccessToken":                       {t.Context(), client, header("AccessToken", "x"), revv.ErrInvalidArgument},
		"Cookie":                            {t.Context(), client, header("Cookie", "a=b"), revv.ErrInvalidArgument},
		"Host":                              {t.Context(), client, header("Host", "other.example.com"), revv.ErrInvalidArgument},
		"a header with a line break":        {t.Context(), client, header("X-A", "a\r\nX-B: b"), revv.ErrInvalidArgument},
		"a header with a line feed":         {t.Context(), client, header("X-A", "a\nb"), revv.ErrInvalidArgument},
		"a header with a NUL":               {t.Context(), client, header("X-A", "a\x00b"), revv.ErrInvalidArgument},
		"a header name with a line break":   {t.Context(), client, header("X-A\r\nX-B", "b"), revv.ErrInvalidArgument},
		"a header name with a colon":        {t.Context(), client, header("X-A:", "b"), revv.ErrInvalidArgument},
		"a header without a name":           {t.Context(), client, header("", "b"), revv.ErrInvalidArgument},
		"a parameter without a name":        {t.Context(), client, []revv.CallOption{revv.WithQuery("", "b")}, revv.ErrInvalidArgument},
		"eleven attempts":                   {t.Context(), client, []revv.CallOption{revv.WithRetry(revv.RetryPolicy{MaxAttempts: 11})}, revv.ErrInvalidArgument},
		"attempts below zero":               {t.Context(), client, []revv.CallOption{revv.WithRetry(revv.RetryPolicy{MaxAttempts: -1})}, revv.ErrInvalidArgument},
		"waits below zero":                  {t.Context(), client, []revv.CallOption{revv.WithRetry(revv.RetryPolicy{BaseDelay: -1})}, revv.ErrInvalidArgument},
		"an attempt without time":           {t.Context(), client, []revv.CallOption{revv.WithAttemptTimeout(0)}, revv.ErrInvalidArgument},
		"nowhere to put the response":       {t.Context(), client, []revv.CallOption{revv.CaptureResponse(nil)}, revv.ErrInvalidArgument},
		"no progress function":              {t.Context(), client, []revv.CallOption{revv.WithProgress(nil)}, revv.ErrInvalidArgument},
		"a good header among bad ones":      {t.Context(), client, append(header("X-Good", "1"), header("TE", "trailers")...), revv.ErrInvalidArgument},
		"cancelled context and bad options": {done, client, header("Host", "x"), nil},
	}
	for name, misuse := range misuses {
		for _, op := range everyOperation(anyArguments(t.TempDir())) {
			count.cases.Add(1)
			err := op.call(misuse.ctx, misuse.client, misuse.call...)
			failed := failure(t, err)
			where := name + " / " + op.name
			assert.Equal(t, op.op, failed.Op, where)
			if misuse.is != nil {
				require.ErrorIs(t, err, misuse.is, where)
			}
			require.NotErrorIs(t, err, revv.ErrOutcomeUnknown, where)
			assert.Zero(t, failed.Attempts, where)
			count.passed.Add(1)
		}
	}
	assert.Zero(t, network.taken(), "requests that were sent")
	// The copy is as good as the client.
	require.NoError(t, errorOf(copied.Documents.Get(t.Context(), 14)))
}

// S03: where a client must not be pointed at.
func TestConformance_baseURL(t *testing.T) {
	t.Parallel()
	const hidden = "SENTINEL-in-base"
	for _, base := range []string{
		"", " ", "api.example.com", "//api.example.com", "http://api.example.com", "ftp://api.example.com", "file:///etc/passwd", "https://", "https:///x", "https:api.example.com",
		"https://user:" + hidden + "@api.example.com", "https://" + hidden + "@api.example.com", "https://api.example.com?key=" + hidden, "https://api.example.com?", "https://api.example.com/#" + hidden,
		"https://api.example.com#", "https://api.example.com/..", "https://api.example.com/a/../b", "https://api.example.com/./", "https://api.example.com//a", "https://api.example.com/a%2fb",
		"https://api.example.com/a b", "https://api.example.com/\r\nX: y", "https://api.example.com:port", "https://[::1", "http://10.0.0.1", "http://127.0.0.1.example.com", "http://localhost.example.com",
		"javascript:alert(1)", "https://api.example.com/\\evil.example.com",
	} {
		_, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(base))
		require.ErrorIs(t, err, revv.ErrInvalidArgument, "%q", base)
		assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "SENTINEL", "%q", base)
	}
	for _, base := range []string{
		"https://api.example.com", "https://api.example.com/", "https://API.example.com:8443/v1/", "http://localhost:1", "http://127.0.0.1", "http://127.9.9.9:80/", "http://[::1]:8080", "HTTPS://api.example.com",
	} {
		_, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(base))
		require.NoError(t, err, "%q", base)
	}
}

// R29 for every range: the items before the failure are delivered, then the
// error, once.
func TestConformance_failureOnPageThree(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(context.Context, *revv.Client, int) (items int, errs []error){
		"Documents.All": func(ctx context.Context, c *revv.Client, ahead int) (items int, errs []error) {
			for _, err := range c.Documents.All(ctx, revv.ListDocumentsParams{Prefetch: ahead}) {
				items, errs = counted(items, errs, err)
			}
			return items, errs
		},
		"Templates.All": func(ctx context.Context, c *revv.Client, ahead int) (items int, errs []error) {
			for _, err := range c.Templates.All(ctx, revv.ListTemplatesParams{Prefetch: ahead}) {
				items, errs = counted(items, errs, err)
			}
			return items, errs
		},
		"Folders.All": func(ctx context.Context, c *revv.Client, ahead int) (items int, errs []error) {
			for _, err := range c.Folders.All(ctx, revv.ListFoldersParams{Prefetch: ahead}) {
				items, errs = counted(items, errs, err)
			}
			return items, errs
		},
		"Contacts.All": func(ctx context.Context, c *revv.Client, ahead int) (items int, errs []error) {
			for _, err := range c.Contacts.All(ctx, revv.ListContactsParams{Prefetch: ahead}) {
				items, errs = counted(items, errs, err)
			}
			return items, errs
		},
	} {
		for _, ahead := range []int{-1, 0, 1, 32} {
			t.Run(fmt.Sprintf("%s/%d ahead", name, ahead), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					service := newSwitchboard(func(r *http.Request) (*http.Response, error) {
						page := r.URL.Query().Get("page_num")
						if page == "3" {
							return reply(http.StatusForbidden, ""), nil
						}
						return reply(http.StatusOK, strings.ReplaceAll(`{"page":{"inodes":[{"id":1#,"type":"f"},{"id":2#,"type":"d"}]},"Templates":[{"id":1#}],"Contacts":[{"id":1#}]}`, "#", page)), nil
					})
					items, errs := run(t.Context(), service.client(t), ahead)
					assert.Equal(t, 2, items)
					require.Len(t, errs, 1)
					require.ErrorIs(t, errs[0], revv.ErrForbidden)
				})
			})
		}
	}
}

func counted(items int, errs []error, err error) (int, []error) {
	if err != nil {
		return items, append(errs, err)
	}
	return items + 1, errs
}

// S11: what a logger at debug level sees of a call.
func TestConformance_debugLog_showsWhatIsAllowed(t *testing.T) {
	t.Parallel()
	var out buffer
	var seen atomic.Int64
	network := newSwitchboard(func(*http.Request) (*http.Response, error) {
		if seen.Add(1) == 1 {
			return reply(500, `{"message":"SENTINEL-body"}`, "X-Request-Id", "req-1", "Set-Cookie", "SENTINEL-cookie", "Location", "SENTINEL-location"), nil
		}
		return reply(200, documentAnswer, "X-Request-Id", conformanceToken), nil
	})
	logger := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	client := network.client(t, revv.WithLogger(logger), hurried(), revv.WithHeader("X-Api-Key", "SENTINEL-header"), revv.WithQuery("key", "SENTINEL-query"))
	require.NoError(t, errorOf(client.Documents.GetByNumber(t.Context(), "SENTINEL-number")))
	text := out.String()
	assert.NotContains(t, text, "SENTINEL")
	assert.NotContains(t, text, conformanceToken, "a request id that repeats the token")
	assert.Equal(t, 2, strings.Count(text, "\n"), "a line for each attempt")
	assert.Contains(t, text, `"operation":"Documents.GetByNumber","route":"/api/documents/{doc_no}","attempt":1,"status":500`)
	assert.Contains(t, text, `"request_id":"req-1"`)
}
