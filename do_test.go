package revv_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/revv-go/revv"
)

func TestDo_sendsAndDecodesWhatIsNotModelled(t *testing.T) {
	t.Parallel()
	type answer struct {
		Name string `json:"name"`
	}
	s := always(http.StatusOK, ` {"name":"Ann","extra":[1]} `)
	client := s.client(t)
	var out answer
	require.NoError(t, client.Do(t.Context(), "PATCH", "/api/users/7", map[string]any{"name": "Ann <&>"}, &out, revv.WithQuery("full", "yes")))
	assert.Equal(t, answer{"Ann"}, out)

	var raw json.RawMessage
	require.NoError(t, client.Do(t.Context(), http.MethodPost, "/api/users", json.RawMessage(`{"name": "as it is"}`), &raw))
	assert.Equal(t, ` {"name":"Ann","extra":[1]} `, string(raw))

	var text []byte
	require.NoError(t, client.Do(t.Context(), http.MethodGet, "/api/users/", nil, &text))
	assert.Equal(t, ` {"name":"Ann","extra":[1]} `, string(text))

	require.NoError(t, client.Do(t.Context(), http.MethodDelete, "/api/users/7", nil, nil))
	assert.Equal(t, []string{
		`PATCH /api/users/7?full=yes {"name":"Ann <&>"}`, `POST /api/users {"name": "as it is"}`, `GET /api/users/`, `DELETE /api/users/7`,
	}, s.Lines())
	for _, r := range s.Sent() {
		assert.Equal(t, []string{anyToken}, r.Header["AccessToken"])
		assert.Equal(t, r.Body != "", r.Header.Get("Content-Type") == "application/json")
	}
}

// What net/http cannot repeat by itself is sent in chunks. There are none.
func TestDo_postWithoutABody_arrivesEmpty(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Empty(t, body)
		assert.Empty(t, r.Header.Get("Content-Type"))
		_, _ = io.WriteString(w, `{}`)
	}))
	t.Cleanup(server.Close)
	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(server.URL), revv.WithHTTPClient(server.Client()))
	require.NoError(t, err)
	require.NoError(t, client.Do(t.Context(), http.MethodPost, "/api/users/7/wake", nil, nil))
	resp, err := client.HTTPClient().Do(request(t, http.MethodPost, server.URL+"/api/users/7/wake", ""))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestDo_belowABasePath_staysBelowIt(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, `{}`)
	client, err := revv.NewClient(revv.StaticToken(anyToken), revv.WithBaseURL(apiBase+"/tenants/acme/"), revv.WithHTTPClient(&http.Client{Transport: s}))
	require.NoError(t, err)
	assert.Equal(t, apiBase+"/tenants/acme", client.BaseURL())
	require.NoError(t, client.Do(t.Context(), http.MethodGet, "/api/users", nil, nil))
	require.NoError(t, client.Folders.Delete(t.Context(), 3))
	assert.Equal(t, []string{"GET /tenants/acme/api/users", "DELETE /tenants/acme/api/folders/3"}, s.Lines())
}

func TestDo_withoutAnOut_takesAnyJSONAndNothing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{}`, `7`, `null`} {
		require.NoError(t, always(http.StatusOK, body).client(t).Do(t.Context(), http.MethodGet, "/api/users", nil, nil), body)
	}
	require.ErrorIs(t, always(http.StatusOK, `{`).client(t).Do(t.Context(), http.MethodGet, "/api/users", nil, nil), revv.ErrMalformedResponse)
	var out struct{}
	require.ErrorIs(t, always(http.StatusOK, ``).client(t).Do(t.Context(), http.MethodGet, "/api/users", nil, &out), revv.ErrEmptyResponse)
}

func TestDo_answerThatDoesNotFit_namesTheMember(t *testing.T) {
	t.Parallel()
	var out struct {
		User struct{ Age int } `json:"user"`
	}
	err := always(http.StatusOK, `{"user":{"Age":"secret"}}`).client(t).Do(t.Context(), http.MethodGet, "/api/users/7", nil, &out)
	require.ErrorIs(t, err, revv.ErrMalformedResponse)
	assert.ErrorContains(t, err, `the member "user.Age" cannot hold this string`)
	assert.NotContains(t, err.Error(), "secret")
}

// What our own types say has nothing of the content in it, wherever they stand.
func TestDo_answerThatAModelCannotTake_saysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body, want string
		out        any
	}{
		"null":             {`null`, "null where an object is due", new(revv.Document)},
		"null in a struct": {`{"Document":null}`, "null where an object is due", new(struct{ Document revv.Document })},
		"no id":            {`{"title":"SENTINEL"}`, "a document without id, doc_no and object_id", new(revv.Document)},
		"an event":         {`{"event":"X","document":{"id":"SENTINEL"}}`, `the member "document.id" cannot hold this string`, new(revv.Event)},
		"a link":           {`{"url":"SENTINEL"}`, `the member "url" must be a web address`, new(revv.Link)},
	} {
		err := always(http.StatusOK, c.body).client(t).Do(t.Context(), http.MethodGet, "/api/users/7", nil, c.out)
		require.ErrorIs(t, err, revv.ErrMalformedResponse, name)
		require.ErrorContains(t, err, c.want, name)
		assert.NotContains(t, err.Error(), "SENTINEL", name)
	}
}

// Types that decode themselves quote what they cannot take, and it may be a magic link.
func TestDo_answerThatATypeOfTheCallerCannotTake_isNotQuoted(t *testing.T) {
	t.Parallel()
	body := `{"when":"https://acme.example.com/SENTINEL","count":"SENTINEL","number":-123456789}`
	for name, out := range map[string]any{
		"a text unmarshaler": new(struct{ When net.IP }),
		"a time":             new(struct{ When time.Time }),
		"a number in a text": new(struct {
			Count int `json:",string"`
		}),
		"a number": new(struct{ Number uint8 }),
	} {
		err := always(http.StatusOK, body).client(t).Do(t.Context(), http.MethodGet, "/api/users/7", nil, out)
		require.ErrorIs(t, err, revv.ErrMalformedResponse, name)
		assert.NotContains(t, err.Error(), "SENTINEL", name)
		assert.NotContains(t, err.Error(), "123456789", name)
	}
}

func TestDo_badMethodsAndPaths_areRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ method, path string }{
		"no method":            {"", "/api/users"},
		"small letters":        {"get", "/api/users"},
		"space in the method":  {"GET X", "/api/users"},
		"break in the method":  {"GET\r\nX: y", "/api/users"},
		"no path":              {"GET", ""},
		"relative path":        {"GET", "api/users"},
		"another host":         {"GET", "https://evil.example.com/api/users"},
		"host without scheme":  {"GET", "//evil.example.com/api/users"},
		"query":                {"GET", "/api/users?page=1"},
		"fragment":             {"GET", "/api/users#1"},
		"escape":               {"GET", "/api/users/%2e%2e"},
		"space":                {"GET", "/api/my users"},
		"backslash":            {"GET", `/api\users`},
		"dots":                 {"GET", "/api/../../etc/passwd"},
		"one dot":              {"GET", "/api/./users"},
		"dots with parameters": {"GET", "/api/..;x=y/users"},
		"empty segment":        {"GET", "/api//users"},
		"placeholder":          {"GET", "/api/users/{id}"},
		"break in the path":    {"GET", "/api/users\r\nHost: evil.example.com"},
		"invalid UTF-8":        {"GET", "/api/users/\xff"},
		"method with a letter": {"GÉT", "/api/users"},
		"method that repeats":  {"TRACE", "/api/users"},
		"method of proxies":    {"CONNECT", "/api/users"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := silent(t).client(t).Do(t.Context(), test.method, test.path, nil, nil)
			require.ErrorIs(t, err, revv.ErrInvalidArgument)
			assert.Equal(t, "Do", failure(t, err).Op)
			part := "path"
			if strings.Contains(name, "method") || name == "small letters" {
				part = "method"
			}
			assert.Equal(t, part, failure(t, err).Argument)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

// What is secret in a path, or has characters of its own, goes into a placeholder.
func TestWithPathValue_fillsPlaceholdersAndIsShownNowhere(t *testing.T) {
	t.Parallel()
	var logged strings.Builder
	var info revv.CallInfo
	s := &service{answer: func(r *http.Request) (*http.Response, error) {
		return reply(http.StatusForbidden, `{"error":"DENIED","message":"no link `+strings.Split(r.URL.EscapedPath(), "/")[5]+`"}`), nil
	}}
	client := s.client(t, revv.WithLogger(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))), revv.WithMiddleware(through(func(r *http.Request) {
		info, _ = revv.CallInfoFrom(r.Context())
	})))
	const path = "/api/shared/{kind}/1/{hash}/accept"
	err := client.Do(t.Context(), http.MethodPost, path, nil, nil, revv.WithPathValue("hash", "s3cr3t hash/of?a%link"), revv.WithPathValue("kind", "documents"))
	require.ErrorIs(t, err, revv.ErrForbidden)
	assert.Equal(t, []string{"POST /api/shared/documents/1/s3cr3t%20hash%2Fof%3Fa%25link/accept"}, s.Lines())
	assert.Equal(t, path, info.Route)
	assert.Contains(t, logged.String(), path)
	assert.NotContains(t, logged.String()+err.Error()+fmt.Sprintf("%+v", info), "s3cr3t")
}

// Whoever ignores an answer learns that it complains.
func TestDo_answerThatIsIgnored_mayComplain(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		err := always(http.StatusOK, `{"error":"NOT_DRAFT"}`).client(t).Do(t.Context(), method, "/api/x", nil, nil)
		require.ErrorIs(t, err, revv.ErrAppliedResponseUnreadable, method)
		require.NoError(t, always(http.StatusOK, `{"error":null}`).client(t).Do(t.Context(), method, "/api/x", nil, nil))
	}
	refusing := always(http.StatusOK, `{"success":false}`).client(t)
	err := refusing.Do(t.Context(), http.MethodGet, "/api/x", nil, nil)
	require.ErrorIs(t, err, revv.ErrMalformedResponse)
	assert.False(t, revv.MaybeApplied(err), "a read")
	require.ErrorIs(t, refusing.Do(t.Context(), http.MethodGet, "/api/x/send", nil, nil, revv.WithConsequences()), revv.ErrAppliedResponseUnreadable)
}

// A pointer that points to nothing is a mistake of the program.
func TestDo_nilPointer_isRefused(t *testing.T) {
	t.Parallel()
	for _, in := range []any{(*revv.SubscribeParams)(nil), (*revv.CreateDocumentParams)(nil), (*revv.ListDocumentsParams)(nil), (*revv.SendParams)(nil), (*price)(nil)} {
		err := silent(t).client(t).Do(t.Context(), http.MethodPost, "/api/x", in, nil)
		require.ErrorIs(t, err, revv.ErrInvalidArgument, "%T", in)
		assert.Equal(t, "in", failure(t, err).Argument, "%T", in)
	}
}

// A method says little of what a call does.
func TestWithConsequences_anyMethod_isSentOnce(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodPost} {
		for _, silent := range []bool{false, true} {
			s := &service{answer: func(*http.Request) (*http.Response, error) {
				if silent {
					return nil, io.ErrUnexpectedEOF
				}
				return reply(http.StatusBadGateway, ""), nil
			}}
			err := s.client(t).Do(t.Context(), method, "/api/docs/{id}/remind", nil, nil, revv.WithPathValue("id", "14"), revv.WithConsequences())
			require.ErrorIs(t, err, revv.ErrOutcomeUnknown, method)
			assert.Len(t, s.Sent(), 1, method)
		}
	}
	s := always(http.StatusServiceUnavailable, "")
	require.Error(t, s.client(t, revv.WithRetry(revv.RetryPolicy{BaseDelay: 1})).Do(t.Context(), http.MethodPut, "/api/docs", nil, nil))
	assert.Len(t, s.Sent(), 3, "without the option")

	_, err := silent(t).client(t).Documents.Get(t.Context(), 14, revv.WithConsequences())
	require.ErrorIs(t, err, revv.ErrInvalidArgument)
	assert.Equal(t, "WithConsequences", failure(t, err).Argument)
}

func TestWithPathValue_thatDoesNotFit_isRefused(t *testing.T) {
	t.Parallel()
	client := silent(t).client(t)
	for name, c := range map[string]struct {
		path, argument string
		values         map[string]string
	}{
		"none given":           {"/api/users/{id}", "path", nil},
		"another given":        {"/api/users/{id}", "path", map[string]string{"ID": "1"}},
		"one too many":         {"/api/users/{id}", "WithPathValue", map[string]string{"id": "1", "name": "x"}},
		"no placeholder":       {"/api/users", "WithPathValue", map[string]string{"id": "1"}},
		"empty":                {"/api/users/{id}", "WithPathValue", map[string]string{"id": ""}},
		"dots":                 {"/api/users/{id}", "WithPathValue", map[string]string{"id": ".."}},
		"a part of a segment":  {"/api/users-{id}", "path", map[string]string{"id": "1"}},
		"the same twice":       {"/api/{id}/{id}", "path", map[string]string{"id": "1"}},
		"a control character":  {"/api/users/{id}", "WithPathValue", map[string]string{"id": "s3cr3t\n"}},
		"text that is not one": {"/api/users/{id}", "WithPathValue", map[string]string{"id": "s3cr3t\xff"}},
	} {
		var opts []revv.CallOption
		for key, value := range c.values {
			opts = append(opts, revv.WithPathValue(key, value))
		}
		err := client.Do(t.Context(), http.MethodGet, c.path, nil, nil, opts...)
		require.ErrorIs(t, err, revv.ErrInvalidArgument, name)
		assert.Equal(t, c.argument, failure(t, err).Argument, name)
		assert.NotContains(t, err.Error(), "s3cr3t", name)
	}
	_, err := client.Documents.Get(t.Context(), 14, revv.WithPathValue("id", "15"))
	require.ErrorIs(t, err, revv.ErrInvalidArgument, "the id of an operation is its argument")
	assert.Equal(t, "WithPathValue", failure(t, err).Argument)
	assert.Contains(t, err.Error(), "is for Do alone")
}

func TestDo_bodyThatCannotBeEncoded_isRefused(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]any{
		"function": func() {}, "channel": make(chan int), "broken raw JSON": json.RawMessage(`{"a":`), "empty raw JSON": json.RawMessage(``),
		"raw JSON with more": json.RawMessage(`{}{}`), "cycle of maps": func() any { m := map[string]any{}; m["m"] = m; return m }(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := silent(t).client(t).Do(t.Context(), http.MethodPost, "/api/users", in, nil)
			require.ErrorIs(t, err, revv.ErrInvalidArgument)
			assert.Equal(t, "body", failure(t, err).Argument)
		})
	}
}

func TestDo_outThatCannotBeFilled_isRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	type user struct{ Name string }
	var (
		nobody *user
		no     *json.RawMessage
	)
	for name, out := range map[string]any{"a struct": user{}, "a map": map[string]any{}, "bytes": []byte{}, "a nil pointer": nobody, "a nil pointer to JSON": no} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := silent(t).client(t).Do(t.Context(), http.MethodPost, "/api/users", nil, out)
			refused(t, err, "Do", "out", "must be a pointer")
		})
	}
}

func TestDo_bodyThatIsAStream_isRefused(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]any{"text": strings.NewReader(`{}`), "buffer": bytes.NewBufferString(`{}`), "pipe": new(io.PipeReader)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := silent(t).client(t).Do(t.Context(), http.MethodPost, "/api/users", in, nil)
			refused(t, err, "Do", "in", "must be a value for encoding/json, or JSON as []byte")
		})
	}
}

// encodedReader can be read, and knows what it is as JSON.
type encodedReader struct{ io.Reader }

func (encodedReader) MarshalJSON() ([]byte, error) { return []byte(`"itself"`), nil }

func TestDo_bodyOfBytes_isSentAsItIs(t *testing.T) {
	t.Parallel()
	s := always(http.StatusOK, `{}`)
	client := s.client(t)
	require.NoError(t, client.Do(t.Context(), http.MethodPost, "/a", []byte(`{"name": "Ann"}`), nil))
	require.NoError(t, client.Do(t.Context(), http.MethodPost, "/a", encodedReader{}, nil))
	assert.Equal(t, []string{`POST /a {"name": "Ann"}`, `POST /a "itself"`}, s.Lines())
}

func TestDo_emptyAnswer_isAnErrorWhereOneIsAskedFor(t *testing.T) {
	t.Parallel()
	text, raw := []byte("kept"), json.RawMessage("as well")
	for _, body := range []string{"", " \r\n"} {
		for _, out := range []any{&text, &raw, new(struct{}), new(any)} {
			err := always(http.StatusOK, body).client(t).Do(t.Context(), http.MethodGet, "/api/users", nil, out)
			require.ErrorIs(t, err, revv.ErrEmptyResponse, "%T", out)
		}
	}
	assert.Equal(t, "kept as well", string(text)+" "+string(raw))
}

func TestDo_null_isNoStruct(t *testing.T) {
	t.Parallel()
	type user struct{ Name string }
	client := always(http.StatusOK, ` null `).client(t)
	kept := user{"Ann"}
	err := client.Do(t.Context(), http.MethodGet, "/api/users/7", nil, &kept)
	require.ErrorIs(t, err, revv.ErrMalformedResponse)
	require.ErrorContains(t, err, "null is no object")
	pointer, list, raw, at := &user{"Ann"}, []user{{"Ann"}}, json.RawMessage(nil), time.Time{}
	for _, out := range []any{&pointer, &list, &raw, &at} { // null is a value of these
		require.NoError(t, client.Do(t.Context(), http.MethodGet, "/api/users/7", nil, out), "%T", out)
	}
	assert.Nil(t, pointer)
	assert.Nil(t, list)
	assert.Equal(t, " null ", string(raw))
}

// What a HEAD declares is the length of something else.
func TestDo_headOfSomethingLarge_succeeds(t *testing.T) {
	t.Parallel()
	s := &service{answer: func(*http.Request) (*http.Response, error) {
		resp := reply(http.StatusOK, ``, "Content-Type", "application/pdf")
		resp.ContentLength = 20 << 20
		return resp, nil
	}}
	require.NoError(t, s.client(t).Do(t.Context(), http.MethodHead, "/api/docs/14/download", nil, nil))
	require.ErrorIs(t, s.client(t).Do(t.Context(), http.MethodGet, "/api/docs/14/download", nil, nil), revv.ErrResponseTooLarge)
}

// The method says what a repetition would do.
func TestDo_afterAFailure_repeatsByTheMethod(t *testing.T) {
	t.Parallel()
	for method, attempts := range map[string]int{"GET": 2, "HEAD": 2, "OPTIONS": 2, "PUT": 2, "DELETE": 2, "POST": 1, "PATCH": 1, "LINK": 1} {
		s := always(http.StatusBadGateway, ``)
		err := s.client(t).Do(t.Context(), method, "/api/users", nil, nil, revv.WithRetry(revv.RetryPolicy{MaxAttempts: 2, BaseDelay: 1}))
		require.ErrorIs(t, err, revv.ErrServer)
		assert.Len(t, s.Sent(), attempts, method)
	}
}
