package revv_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// through is middleware that looks at, or changes, each request on its way.
func through(look func(*http.Request)) revv.Middleware {
	return func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			look(r)
			return next.RoundTrip(r)
		})
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestMiddleware_seesTheRequestWithoutCredentials(t *testing.T) {
	t.Parallel()
	for _, bearer := range []bool{false, true} {
		s := always(http.StatusOK, `{"Document":{"id":14}}`)
		var seen []sentRequest
		options := []revv.Option{revv.WithHeader("X-Own", "1"), revv.WithMiddleware(through(func(r *http.Request) {
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			seen = append(seen, sentRequest{Method: r.Method, URL: r.URL.RequestURI(), Header: r.Header.Clone(), Body: string(body)})
		}))}
		if bearer {
			options = append(options, revv.WithBearerHeader())
		}
		_, err := s.client(t, options...).Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: 21})
		require.NoError(t, err)
		require.Len(t, seen, 1)
		assert.Equal(t, `POST /api/docs {"template_id":21}`, seen[0].Line())
		assert.Equal(t, http.Header{
			"Accept": {"application/json"}, "Content-Type": {"application/json"}, "User-Agent": {"revv-go/" + revv.Version}, "X-Own": {"1"},
		}, seen[0].Header)
		assert.Contains(t, strings.Join(append(s.Sent()[0].Header["AccessToken"], s.Sent()[0].Header["Authorization"]...), ""), anyToken)
	}
}

func TestMiddleware_findsWhatIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		s := &service{answer: func(*http.Request) (*http.Response, error) {
			if calls++; calls < 3 {
				return reply(http.StatusBadGateway, ""), nil
			}
			return reply(http.StatusOK, `{"Document":{"id":14}}`), nil
		}}
		var infos []revv.CallInfo
		client := s.client(t, revv.WithMiddleware(through(func(r *http.Request) {
			info, ok := revv.CallInfoFrom(r.Context())
			assert.True(t, ok)
			infos = append(infos, info)
		})))
		_, err := client.Documents.Move(t.Context(), 14, 3)
		require.NoError(t, err)
		assert.Equal(t, []revv.CallInfo{
			{Operation: "Documents.Move", Route: "/api/docs/{id}/folder", Attempt: 1},
			{Operation: "Documents.Move", Route: "/api/docs/{id}/folder", Attempt: 2},
			{Operation: "Documents.Move", Route: "/api/docs/{id}/folder", Attempt: 3},
		}, infos)
	})
}

// A transport of the caller may want to know as well, whether or not there is middleware.
func TestCallInfoFrom_inATransport_findsTheCall(t *testing.T) {
	t.Parallel()
	for _, options := range [][]revv.Option{nil, {revv.WithMiddleware(through(func(*http.Request) {}))}} {
		var info revv.CallInfo
		s := &service{answer: func(r *http.Request) (*http.Response, error) {
			info, _ = revv.CallInfoFrom(r.Context())
			return reply(http.StatusOK, `{"Document":{"id":14}}`), nil
		}}
		_, err := s.client(t, options...).Documents.Get(t.Context(), 14)
		require.NoError(t, err)
		assert.Equal(t, revv.CallInfo{Operation: "Documents.Get", Route: "/api/docs/{id}", Attempt: 1}, info)
	}
}

func TestCallInfoFrom_foreignContext_isNotOurs(t *testing.T) {
	t.Parallel()
	for _, ctx := range []context.Context{t.Context(), nil} {
		info, ok := revv.CallInfoFrom(ctx)
		assert.False(t, ok)
		assert.Zero(t, info)
	}
}

func TestMiddleware_first_isOutermost(t *testing.T) {
	t.Parallel()
	var order []string
	note := func(name string) revv.Middleware {
		return func(next http.RoundTripper) http.RoundTripper {
			return tripper(func(r *http.Request) (*http.Response, error) {
				order = append(order, name+" in")
				defer func() { order = append(order, name+" out") }()
				return next.RoundTrip(r)
			})
		}
	}
	s := always(http.StatusOK, `{"Document":{"id":14}}`)
	client := s.client(t, revv.WithMiddleware(note("a"), note("b")), revv.WithMiddleware(note("c")))
	_, err := client.Documents.Get(t.Context(), 14)
	require.NoError(t, err)
	assert.Equal(t, []string{"a in", "b in", "c in", "c out", "b out", "a out"}, order)
}

func TestMiddleware_thatAnswersByItself_sendsNothing(t *testing.T) {
	t.Parallel()
	client := silent(t).client(t, revv.WithMiddleware(func(http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			resp := reply(http.StatusOK, `{"Document":{"id":14,"title":"from a cache"}}`)
			resp.Request = r
			return resp, nil
		})
	}))
	document, err := client.Documents.Get(t.Context(), 14)
	require.NoError(t, err)
	assert.Equal(t, "from a cache", document.Title)
}

// A refusal of middleware is certain: nothing was sent, and nothing is repeated.
func TestMiddleware_thatRefuses_isTheErrorAndNothingIsInDoubt(t *testing.T) {
	t.Parallel()
	refused := errors.New("not on a Sunday")
	asked := 0
	client := silent(t).client(t, revv.WithMiddleware(func(http.RoundTripper) http.RoundTripper {
		return tripper(func(*http.Request) (*http.Response, error) {
			asked++
			return nil, refused
		})
	}))
	for i, op := range operationCalls() {
		err := op.call(t.Context(), client)
		require.ErrorIs(t, err, refused, op.field)
		require.NotErrorIs(t, err, revv.ErrOutcomeUnknown, op.field)
		assert.Equal(t, i+1, asked, op.field)
	}
}

func TestMiddleware_cannotSendCredentialsElsewhere(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*http.Request){
		"another host":       func(r *http.Request) { r.URL.Host = "evil.example.com" },
		"another port":       func(r *http.Request) { r.URL.Host = "sandbox.example.com:8443" },
		"another scheme":     func(r *http.Request) { r.URL.Scheme = "http" },
		"a host that begins": func(r *http.Request) { r.URL.Host = "sandbox.example.com.evil.example.com" },
		"no host":            func(r *http.Request) { r.URL.Host = "" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := false
			client := silent(t).client(t, revv.WithMiddleware(through(func(r *http.Request) {
				r.Body = closing{r.Body, &closed}
				change(r)
			})))
			_, err := client.Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: 21})
			require.ErrorIs(t, err, revv.ErrInvalidArgument)
			require.NotErrorIs(t, err, revv.ErrOutcomeUnknown)
			assert.ErrorContains(t, err, "must stay on the origin of the API")
			assert.True(t, closed, "a transport closes the body of the request, whatever happens")
		})
	}
}

type closing struct {
	io.ReadCloser

	closed *bool
}

func (c closing) Close() error {
	*c.closed = true
	return c.ReadCloser.Close()
}

func TestMiddleware_thatDropsTheContext_isRefused(t *testing.T) {
	t.Parallel()
	client := silent(t).client(t, revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			return next.RoundTrip(r.WithContext(context.Background()))
		})
	}))
	_, err := client.Documents.Get(t.Context(), 14)
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	assert.ErrorContains(t, err, "must keep the context")
}

// The Host header of a request names another server to a shared front end, and
// headers of middleware could make net/http repeat a POST or send two tokens.
func TestMiddleware_headersThatAreOurs_areOverwritten(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, `{"Document":{"id":14}}`)
	client := s.client(t, revv.WithMiddleware(through(func(r *http.Request) {
		r.Host = "evil.example.com"
		r.Header.Set("Authorization", "Basic secret")
		r.Header.Set("AccessToken", "another")
		r.Header.Set("Cookie", "session=1")
		r.Header.Set("Idempotency-Key", "1")
		r.Header.Set("X-Idempotency-Key", "1")
		r.Header.Set("Traceparent", "00-1-1-00")
	})))
	_, err := client.Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: 21})
	require.NoError(t, err)
	sent := s.Sent()[0]
	assert.Equal(t, http.Header{
		"Accept": {"application/json"}, "Content-Type": {"application/json"}, "User-Agent": {"revv-go/" + revv.Version},
		"Traceparent": {"00-1-1-00"}, "AccessToken": {anyToken},
	}, sent.Header)
	assert.Contains(t, []string{"", "sandbox.example.com"}, sent.Host)
}

// What middleware changes in place holds for one attempt of one call.
func TestMiddleware_changesInPlace_doNotReachTheNextAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := always(http.StatusBadGateway, "")
		client := s.client(t, revv.WithHeader("X-Own", "as given"), revv.WithMiddleware(through(func(r *http.Request) {
			assert.Equal(t, "/api/docs/14", r.URL.Path)
			r.URL.Path += "/changed"
			for name := range r.Header {
				assert.NotEqual(t, "changed", r.Header[name][0], name)
				r.Header[name][0] = "changed"
			}
		})))
		for range 2 {
			_, err := client.Documents.Get(t.Context(), 14)
			require.ErrorIs(t, err, revv.ErrServer)
		}
		require.Len(t, s.Sent(), 6)
		for _, r := range s.Sent() {
			assert.Equal(t, "/api/docs/14/changed", r.URL)
		}
	})
}

// A transport that writes into the URL or the headers does not change the request that
// middleware may send again, or that the caller owns.
func TestTransport_writingIntoTheRequest_changesACopy(t *testing.T) {
	t.Parallel()
	s := &service{answer: func(r *http.Request) (*http.Response, error) {
		r.URL.Host, r.Host = "proxy.example.com", "proxy.example.com"
		for name := range r.Header {
			r.Header[name][0] = "changed"
		}
		return reply(http.StatusOK, `{"Document":{"id":14}}`), nil
	}}
	twice := func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			_ = resp.Body.Close()
			return next.RoundTrip(r)
		})
	}
	client := s.client(t, revv.WithHeader("X-Own", "as given"), revv.WithMiddleware(twice))
	_, err := client.Documents.Get(t.Context(), 14)
	require.NoError(t, err)
	own, err := http.NewRequestWithContext(t.Context(), http.MethodGet, apiBase+"/api/docs/14", http.NoBody)
	require.NoError(t, err)
	own.Header.Set("X-Own", "as given")
	resp, err := client.HTTPClient().Do(own)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, apiBase+"/api/docs/14", own.URL.String())
	assert.Equal(t, http.Header{"X-Own": {"as given"}}, own.Header)
	require.Len(t, s.Sent(), 3)
	for _, r := range s.Sent() {
		assert.Equal(t, apiBase, r.Origin)
		assert.Equal(t, []string{"as given"}, r.Header["X-Own"])
	}
}

// summed is a body that sets its trailer when it was read.
type summed struct {
	io.ReadCloser

	trailer http.Header
}

func (s summed) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		s.trailer.Set("X-Sum", "42")
	}
	return n, err
}

// A trailer gets its value while the body is read.
func TestMiddleware_trailerOfTheBody_isSent(t *testing.T) {
	t.Parallel()
	var got http.Header
	s := &service{answer: func(r *http.Request) (*http.Response, error) {
		got = r.Trailer
		return reply(http.StatusOK, `{"Document":{"id":14}}`), nil
	}}
	sum := through(func(r *http.Request) {
		r.Trailer = http.Header{"X-Sum": nil}
		r.Body = summed{r.Body, r.Trailer}
	})
	_, err := s.client(t, revv.WithMiddleware(sum)).Documents.Create(t.Context(), revv.CreateDocumentParams{TemplateID: 21})
	require.NoError(t, err)
	assert.Equal(t, http.Header{"X-Sum": {"42"}}, got)
}
