package revv_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

// errWire is what a transport of the caller fails with.
var errWire = errors.New("the wire is down")

// oddAnswers are what a transport of the caller can return and net/http never does.
func oddAnswers() map[string]func() (*http.Response, error) {
	bodyless := func(status int, err error) func() (*http.Response, error) {
		return func() (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{"Location": {"https://files.example.com/1"}}}, err
		}
	}
	answers := map[string]func() (*http.Response, error){
		"nothing":                             func() (*http.Response, error) { return nil, nil }, //nolint:nilnil // that is the case
		"no header either":                    func() (*http.Response, error) { return &http.Response{StatusCode: http.StatusOK}, nil },
		"an error beside it":                  bodyless(http.StatusOK, errWire),
		"an error beside an answer of errors": bodyless(http.StatusServiceUnavailable, errWire),
	}
	for _, status := range []int{101, 200, 204, 206, 302, 400, 401, 404, 416, 429, 503} {
		answers[strconv.Itoa(status)] = bodyless(status, nil)
	}
	return answers
}

// A transport or middleware of the caller that leaves out the body of an answer, or
// the answer, makes a call fail at worst.
func TestTransport_answerWithoutABody_neverPanics(t *testing.T) {
	t.Parallel()
	for name, answer := range oddAnswers() {
		odd := tripper(func(*http.Request) (*http.Response, error) { return answer() })
		around := revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
			return tripper(func(r *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(r)
				if resp != nil {
					_ = resp.Body.Close()
				}
				return resp, err
			})
		})
		within := revv.WithMiddleware(func(http.RoundTripper) http.RoundTripper { return odd })
		for place, opts := range map[string][]revv.Option{"transport": nil, "transport behind middleware": {around}, "middleware": {within}} {
			t.Run(name+"/"+place, func(t *testing.T) {
				t.Parallel()
				opts := append([]revv.Option{revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: odd}), unrepeated()}, opts...)
				client, err := revv.NewClient(&passes{left: []string{"old", "new"}}, opts...)
				require.NoError(t, err)
				for _, op := range operationCalls() {
					if err := op.call(t.Context(), client); err != nil {
						assert.Equal(t, op.name, failure(t, err).Op)
					}
				}
				resp, err := client.HTTPClient().Do(request(t, http.MethodGet, apiBase+"/api/users", ""))
				if err == nil {
					require.NoError(t, resp.Body.Close())
				}
			})
		}
	}
}

func TestTransport_errorBesideAnAnswer_isTheError(t *testing.T) {
	t.Parallel()
	closed := false
	odd := tripper(func(*http.Request) (*http.Response, error) {
		resp := reply(http.StatusOK, `{}`)
		resp.Body = closing{resp.Body, &closed}
		return resp, errWire
	})
	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: odd}))
	require.NoError(t, err)
	resp, err := client.HTTPClient().Do(request(t, http.MethodGet, apiBase+"/api/users", ""))
	require.ErrorIs(t, err, errWire)
	assert.Nil(t, resp)
	assert.True(t, closed)
}

// The storage behind a download is reached through the same transport.
func TestDownload_storageAnswersWithoutABody_neverPanics(t *testing.T) {
	t.Parallel()
	for name, answer := range oddAnswers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{answer: func(r *http.Request) (*http.Response, error) {
				if r.URL.Host == "files.example.com" {
					return answer()
				}
				return reply(http.StatusFound, ``, "Location", "https://files.example.com/nda.pdf"), nil
			}}
			_, err := s.client(t, unrepeated()).Documents.Download(t.Context(), 14, io.Discard)
			require.Error(t, err)
		})
	}
}

// Whoever logs the request of an answer logs no token with it.
func TestResponse_request_isTheOneThatWasHandedIn(t *testing.T) {
	t.Parallel()
	same := 0
	s := &service{answer: func(r *http.Request) (*http.Response, error) {
		if slices.Equal(r.Header["AccessToken"], []string{"old"}) {
			return reply(http.StatusUnauthorized, ``), nil
		}
		return reply(http.StatusOK, `{"Document":{"id":14}}`), nil
	}}
	watch := revv.WithMiddleware(func(next http.RoundTripper) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			assert.Same(t, r, resp.Request)
			same++
			return resp, err
		})
	})
	client, err := revv.NewClient(&renewing{tokens: []string{"old", "new"}}, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: s}), watch)
	require.NoError(t, err)
	_, err = client.Documents.Get(t.Context(), 14)
	require.NoError(t, err)
	assert.Equal(t, 2, same)

	for _, tokens := range [][]string{{"new"}, {"old", "new"}, {"old"}} {
		client, err := revv.NewClient(&renewing{tokens: tokens}, revv.WithBaseURL(apiBase), revv.WithHTTPClient(&http.Client{Transport: s}))
		require.NoError(t, err)
		r := request(t, http.MethodPost, apiBase+"/api/users", `{}`)
		resp, err := client.HTTPClient().Transport.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Same(t, r, resp.Request)
	}
}
