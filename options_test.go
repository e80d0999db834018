package revv_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/revv-go/revv"
)

// getOffer reads document 14, which the service answers in some way.
func getOffer(t *testing.T, c *revv.Client, opts ...revv.CallOption) error {
	t.Helper()
	_, err := c.Documents.Get(t.Context(), 14, opts...)
	return err
}

const offerAnswer = `{"Document":{"id":14}}`

func TestCaptureResponse_onSuccess_isFilled(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, offerAnswer, "X-Request-Id", "req-1", "X-Other", "kept", "Set-Cookie", "session=secret", "Set-Cookie2", "session=secret",
		"Location", "https://example.com/?secret", "Content-Location", "https://example.com/?secret", "Refresh", "0; url=https://example.com/?secret")
	got := revv.Response{StatusCode: 1, Attempts: 9, RequestID: "old"}
	require.NoError(t, getOffer(t, s.client(t), revv.CaptureResponse(&got)))
	assert.Equal(t, revv.Response{
		StatusCode: 200, RequestID: "req-1", Attempts: 1,
		Header: http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"req-1"}, "X-Other": {"kept"}},
	}, got)
}

func TestCaptureResponse_onFailure_isFilledFromTheLastAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s := &service{answer: func(*http.Request) (*http.Response, error) {
			if calls++; calls < 3 {
				return reply(http.StatusBadGateway, "", "X-Request-Id", "early"), nil
			}
			return reply(http.StatusConflict, `{"error":"BUSY"}`, "X-Amzn-RequestId", "last"), nil
		}}
		var got revv.Response
		err := getOffer(t, s.client(t), revv.CaptureResponse(&got))
		require.ErrorIs(t, err, revv.ErrConflict)
		assert.Equal(t, http.StatusConflict, got.StatusCode)
		assert.Equal(t, "last", got.RequestID)
		assert.Equal(t, 3, got.Attempts)
		assert.Equal(t, got.Attempts, failure(t, err).Attempts)
		assert.Equal(t, got.RequestID, failure(t, err).RequestID)
	})
}

func TestCaptureResponse_withoutAnAnswer_hasNoStatus(t *testing.T) {
	t.Parallel()
	s := &service{answer: func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") }}
	got := revv.Response{StatusCode: 200, RequestID: "old"}
	require.Error(t, getOffer(t, s.client(t), unrepeated(), revv.CaptureResponse(&got)))
	assert.Equal(t, revv.Response{Attempts: 1}, got)
}

// spentToken is an authenticator whose token cannot be renewed.
type spentToken struct{ rejected bool }

var errStoreDown = errors.New("the store is down")

func (a *spentToken) Token(context.Context) (*oauth2.Token, error) {
	if a.rejected {
		return nil, errStoreDown
	}
	return &oauth2.Token{AccessToken: anyToken}, nil
}

func (a *spentToken) Reject(context.Context, *oauth2.Token) { a.rejected = true }

func TestCaptureResponse_tokenThatCannotBeRenewed_keepsTheAnswer(t *testing.T) {
	t.Parallel()
	s := always(http.StatusUnauthorized, `{}`, "X-Request-Id", "req-1")
	client, err := revv.NewClient(&spentToken{}, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: s}))
	require.NoError(t, err)
	got := revv.Response{StatusCode: 200, RequestID: "old", Attempts: 9}
	require.ErrorIs(t, getOffer(t, client, revv.CaptureResponse(&got)), errStoreDown)
	assert.Equal(t, revv.Response{StatusCode: 401, RequestID: "req-1", Attempts: 1, Header: got.Header}, got)
	require.ErrorIs(t, getOffer(t, client, revv.CaptureResponse(&got)), errStoreDown)
	assert.Equal(t, revv.Response{}, got, "nothing was sent, and nothing of an earlier call is left")
}

// A call that its context ends before it begins leaves nothing of an earlier one.
func TestCaptureResponse_contextThatIsDone_isEmpty(t *testing.T) {
	t.Parallel()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	client := silent(t).client(t)
	for _, op := range everyOperation(anyArguments(t.TempDir())) {
		got := revv.Response{StatusCode: 200, RequestID: "old", Attempts: 1}
		require.ErrorIs(t, op.call(done, client, revv.CaptureResponse(&got)), context.Canceled, op.name)
		assert.Equal(t, revv.Response{}, got, op.name)
	}
}

func TestCaptureResponse_argumentThatIsRefused_isEmpty(t *testing.T) {
	t.Parallel()
	client := silent(t).client(t)
	got := revv.Response{}
	capture := revv.CaptureResponse(&got)
	for name, refused := range map[string]func() error{
		"Do, path":     func() error { return client.Do(t.Context(), "GET", "no path", nil, nil, capture) },
		"Do, in":       func() error { return client.Do(t.Context(), "POST", "/x", strings.NewReader("{}"), nil, capture) },
		"Do, out":      func() error { return client.Do(t.Context(), "GET", "/x", nil, 5, capture) },
		"Do, body":     func() error { return client.Do(t.Context(), "POST", "/x", func() {}, nil, capture) },
		"Download, w":  func() error { return errorOf(client.Documents.Download(t.Context(), 14, nil, capture)) },
		"Download, id": func() error { return errorOf(client.Documents.Download(t.Context(), 0, io.Discard, capture)) },
		"DownloadFile": func() error { return errorOf(client.Documents.DownloadFile(t.Context(), 14, "", capture)) },
		"GetByEmail":   func() error { return errorOf(client.Contacts.GetByEmail(t.Context(), "", capture)) },
		"Create": func() error {
			return errorOf(client.Documents.Create(t.Context(), revv.CreateDocumentParams{}, capture))
		},
	} {
		got = revv.Response{StatusCode: 200, RequestID: "old", Attempts: 1}
		require.ErrorIs(t, refused(), revv.ErrInvalidArgument, name)
		assert.Equal(t, revv.Response{}, got, name)
	}
}

func TestCaptureResponse_ofADownload_isFilled(t *testing.T) {
	t.Parallel()
	var got revv.Response
	s := always(http.StatusOK, "%PDF-1.4\n%%EOF\n", "Content-Type", "application/pdf")
	_, err := s.client(t).Documents.Download(t.Context(), 14, io.Discard, revv.CaptureResponse(&got))
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, got.StatusCode)
	assert.Equal(t, "application/pdf", got.Header.Get("Content-Type"))
}

func TestWithHeader_ofClientAndCall_areBothSentAndTheCallWins(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, offerAnswer)
	client := s.client(t, revv.WithHeader("x-tenant", "acme"), revv.WithHeader("X-Env", "client"))
	require.NoError(t, getOffer(t, client, revv.WithHeader("X-Env", "call"), revv.WithHeader("X-Trace", "1"), revv.WithHeader("X-Trace", "2")))
	require.NoError(t, getOffer(t, client))
	first, second := s.Sent()[0].Header, s.Sent()[1].Header
	assert.Equal(t, []string{"acme"}, first["X-Tenant"])
	assert.Equal(t, []string{"call"}, first["X-Env"])
	assert.Equal(t, []string{"2"}, first["X-Trace"])
	assert.Equal(t, []string{"client"}, second["X-Env"], "an option of a call holds for that call alone")
	assert.NotContains(t, second, "X-Trace")
}

func TestWithQuery_ofClientAndCall_replacesWhatTheCallSets(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, `{"Contacts":[]}`)
	client := s.client(t, revv.WithQuery("tenant", "a&b"), revv.WithQuery("page_num", "8"))
	_, err := client.Contacts.List(t.Context(), revv.ListContactsParams{Page: 2}, revv.WithQuery("page_num", "9"))
	require.NoError(t, err)
	_, err = client.Contacts.List(t.Context(), revv.ListContactsParams{Page: 2})
	require.NoError(t, err)
	assert.Equal(t, []string{"GET /api/contacts/all?page_num=9&tenant=a%26b", "GET /api/contacts/all?page_num=8&tenant=a%26b"}, s.Lines())
}

func TestWithUserAgent_standsBeforeOurs(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, offerAnswer)
	require.NoError(t, getOffer(t, s.client(t)))
	require.NoError(t, getOffer(t, s.client(t, revv.WithUserAgent("acme-billing/2.1 (ops@example.com)"))))
	assert.Equal(t, []string{"revv-go/" + revv.Version}, s.Sent()[0].Header["User-Agent"])
	assert.Equal(t, []string{"acme-billing/2.1 (ops@example.com) revv-go/" + revv.Version}, s.Sent()[1].Header["User-Agent"])
}

func TestCredentials_goIntoOneHeaderNeverIntoBoth(t *testing.T) {
	t.Parallel()
	through := revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper { return next })
	for _, op := range operationCalls() {
		s := always(http.StatusNotFound, `{}`)
		require.Error(t, op.call(t.Context(), s.client(t)))
		require.Error(t, op.call(t.Context(), s.client(t, revv.WithBearerHeader())))
		require.Error(t, op.call(t.Context(), s.client(t, through)))
		require.Error(t, op.call(t.Context(), s.client(t, through, revv.WithBearerHeader())))
		for i, r := range s.Sent() {
			if i%2 == 0 {
				assert.Equal(t, []string{anyToken}, r.Header["AccessToken"], op.field)
				assert.Empty(t, r.Header.Values("Authorization"), op.field)
			} else {
				assert.Equal(t, []string{"Bearer " + anyToken}, r.Header["Authorization"], op.field)
				assert.NotContains(t, r.Header, "AccessToken", op.field)
				assert.Empty(t, r.Header.Values("AccessToken"), op.field)
			}
		}
	}
}

func TestOptions_inAnyOrder_makeTheSameClient(t *testing.T) {
	t.Parallel()
	options := func(s *service) []revv.Option {
		return []revv.Option{
			revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: s}), revv.WithUserAgent("acme/1"), revv.WithBearerHeader(),
			revv.WithHeader("X-One", "1"), revv.WithHeader("X-Two", "2"), revv.WithQuery("q", "1"), unrepeated(), revv.WithAttemptTimeout(time.Second),
			revv.WithRoutes(revv.Routes{GetDocument: "GET /v2/{id}"}), revv.WithLogger(slog.New(slog.DiscardHandler)),
		}
	}
	var want []sentRequest
	for round := range 20 {
		s := always(http.StatusInternalServerError, `{}`)
		all := options(s)
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		client, err := revv.NewClient(revv.StaticToken(anyToken), all...)
		require.NoError(t, err)
		require.ErrorIs(t, getOffer(t, client), revv.ErrServer)
		if round == 0 {
			want = s.Sent()
			assert.Equal(t, []string{"GET /v2/14?q=1"}, s.Lines())
		}
		assert.Equal(t, want, s.Sent())
	}
}

func TestWithLogger_showsAttemptsAndNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		logger := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
		calls := 0
		s := &service{answer: func(*http.Request) (*http.Response, error) {
			if calls++; calls == 1 {
				return reply(http.StatusServiceUnavailable, `{"message":"secret-answer"}`, "X-Secret", "secret-header-of-answer"), nil
			}
			return reply(http.StatusOK, `{"Document":{"id":14,"title":"secret-title"}}`, "X-Request-Id", "req-7"), nil
		}}
		client := s.client(t, revv.WithLogger(logger), revv.WithHeader("X-Secret", "secret-header"), revv.WithQuery("key", "secret-query"))
		_, err := client.Documents.SetFields(t.Context(), 14, []revv.FieldValue{{Name: "secret-field", Value: "secret-value"}})
		require.NoError(t, err)

		var lines []map[string]any
		for line := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n") {
			var fields map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &fields))
			lines = append(lines, fields)
		}
		require.Len(t, lines, 2)
		for i, status := range []float64{503, 200} {
			assert.Equal(t, "DEBUG", lines[i]["level"])
			assert.Equal(t, "Documents.SetFields", lines[i]["operation"])
			assert.Equal(t, "/api/docs/{id}/fields", lines[i]["route"])
			assert.InDelta(t, status, lines[i]["status"], 0)
			assert.InDelta(t, float64(i+1), lines[i]["attempt"], 0)
			assert.Contains(t, lines[i], "took")
		}
		assert.Equal(t, "req-7", lines[1]["request_id"])
		for _, secret := range []string{anyToken, "secret", "/api/docs/14"} {
			assert.NotContains(t, out.String(), secret)
		}
	})
}

// A status of 0 alone would not say whether a host is unknown or a proxy cuts connections.
func TestWithLogger_noAnswer_saysWhy(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := &service{answer: func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset\nwith " + anyToken + strings.Repeat("x", 10_000))}
	}}
	err := s.client(t, revv.WithLogger(logger), hurried()).Documents.Share(t.Context(), 14, revv.ShareParams{Recipients: []revv.Person{{Email: "ann@example.com"}}})
	require.ErrorIs(t, err, revv.ErrOutcomeUnknown)
	assert.Contains(t, out.String(), `status=0`)
	assert.Contains(t, out.String(), `error="read tcp: connection reset\\nwith [redacted]x`)
	assert.NotContains(t, out.String(), anyToken)
	assert.Less(t, out.Len(), 1_000)
}

func TestWithLogger_belowDebug_writesNothing(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	client := always(http.StatusOK, offerAnswer).client(t, revv.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
	require.NoError(t, getOffer(t, client))
	assert.Empty(t, out.String())
}

// limiterFunc is what [revv.WithRateLimiter] takes.
type limiterFunc func(context.Context) error

func (f limiterFunc) Wait(ctx context.Context) error { return f(ctx) }

func TestWithRateLimiter_isAskedBeforeEveryAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		s := &service{answer: func(*http.Request) (*http.Response, error) {
			order = append(order, "sent")
			return reply(http.StatusBadGateway, ""), nil
		}}
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, "of the caller")
		client := s.client(t, revv.WithRateLimiter(limiterFunc(func(ctx context.Context) error {
			order = append(order, "waited")
			assert.Equal(t, "of the caller", ctx.Value(key{}))
			return nil
		})))
		_, err := client.Documents.Get(ctx, 14)
		require.ErrorIs(t, err, revv.ErrServer)
		assert.Equal(t, []string{"waited", "sent", "waited", "sent", "waited", "sent"}, order)
	})
}

func TestWithRateLimiter_thatGivesUp_isTheError(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough for today")
	client := silent(t).client(t, revv.WithRateLimiter(limiterFunc(func(context.Context) error { return enough })))
	err := getOffer(t, client)
	require.ErrorIs(t, err, enough)
	assert.Equal(t, "Documents.Get", failure(t, err).Op)
	assert.Zero(t, failure(t, err).Attempts)
}

func TestWithHTTPClient_isNotModifiedAndCannotWeakenTheRules(t *testing.T) {
	t.Parallel()
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer stranger.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Empty(t, r.Header.Values("Cookie"))
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "secret"})
		http.Redirect(w, r, stranger.URL, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	jar.SetCookies(u, []*http.Cookie{{Name: "own", Value: "secret"}})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	own := &http.Client{Transport: transport, Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	before := *own

	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(server.URL), revv.WithHTTPClient(own))
	require.NoError(t, err)
	err = getOffer(t, client)
	require.ErrorIs(t, err, revv.ErrRedirected)
	assert.Equal(t, http.StatusTemporaryRedirect, failure(t, err).StatusCode)

	assert.Same(t, before.Transport, own.Transport)
	assert.Same(t, before.Jar, own.Jar)
	assert.Equal(t, before.Timeout, own.Timeout)
	assert.NotNil(t, own.CheckRedirect)
	assert.Len(t, jar.Cookies(u), 1, "the jar of the caller is not used")
}

// hangingService answers when the context of the request ends.
func hangingService() *service {
	return &service{answer: func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}}
}

func TestTimeouts_theShortestHolds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		http   time.Duration
		client []revv.Option
		call   []revv.CallOption
		want   time.Duration
	}{
		"default":              {want: time.Minute},
		"of the client":        {client: []revv.Option{revv.WithAttemptTimeout(7 * time.Second)}, want: 7 * time.Second},
		"of the call":          {client: []revv.Option{revv.WithAttemptTimeout(7 * time.Second)}, call: []revv.CallOption{revv.WithAttemptTimeout(2 * time.Second)}, want: 2 * time.Second},
		"of the http.Client":   {http: 5 * time.Second, want: 5 * time.Second},
		"http.Client is wider": {http: 50 * time.Second, client: []revv.Option{revv.WithAttemptTimeout(7 * time.Second)}, want: 7 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := hangingService()
				options := append([]revv.Option{revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: s, Timeout: test.http})}, test.client...)
				client, err := revv.NewClient(revv.StaticToken(anyToken), options...)
				require.NoError(t, err)
				start := time.Now()
				err = getOffer(t, client, append(test.call, unrepeated())...)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, test.want, time.Since(start))
				assert.Len(t, s.Sent(), 1)
			})
		})
	}
}

func TestWithRetry_fieldsOfZero_takeThoseOfTheClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := always(http.StatusBadGateway, "")
		client := s.client(t, revv.WithRetry(revv.RetryPolicy{MaxAttempts: 5, BaseDelay: time.Nanosecond, MaxDelay: time.Nanosecond}))
		start := time.Now()
		assert.Equal(t, 5, failure(t, getOffer(t, client)).Attempts)
		assert.Equal(t, 2, failure(t, getOffer(t, client, revv.WithRetry(revv.RetryPolicy{MaxAttempts: 2}))).Attempts)
		assert.Equal(t, 5, failure(t, getOffer(t, client, revv.WithRetry(revv.RetryPolicy{MaxDelay: 2}))).Attempts)
		assert.Equal(t, 5, failure(t, getOffer(t, client, revv.WithHeader("X", "y"))).Attempts)
		assert.Less(t, time.Since(start), time.Microsecond, "the delays of the client hold as well")
	})
}
